/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The view of a form: one row a field; values are chosen with the arrows or typed. See form.h. */
#include "tui/console_model.h"
#include "tui/view/list.h"

#define HEAD 2
#define VALUE_X 20

static const struct cv_form *const forms[] = { &cv_form_convert, &cv_form_convert_tree };

const char *cv_form_get(const struct cv_form_view *v, const char *key)
{
	for (size_t i = 0; i < v->values; i++)
		if (!strcmp(v->value[i].key, key))
			return v->value[i].text;
	return "";
}

void cv_form_set(struct cv_form_view *v, const char *key, const char *text)
{
	size_t i = 0;

	while (i < v->values && strcmp(v->value[i].key, key) != 0)
		i++;
	if (i == CV_FORM_VALUES)
		return;
	v->values += i == v->values;
	v->value[i].key = key;
	cv_copy_text(v->value[i].text, sizeof v->value[i].text, text);
}

static bool field_at(const struct cv_console *c, size_t row, struct cv_field *field)
{
	return c->form.form && c->form.form->field(&c->form, row, field);
}

static bool field_now(const struct cv_console *c, struct cv_field *field)
{
	return field_at(c, c->view[CV_VIEW_FORM].list.cursor, field);
}

static const struct cv_image *image_of(const struct cv_console *c)
{
	return cv_image_at(c, cv_image_by_ident(c, c->form.image));
}

static void want(struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));
	const struct cv_form *form = NULL;

	for (size_t i = 0; i < CV_COUNT(forms); i++)
		form = forms[i]->action == c->doing ? forms[i] : form;
	if (!image || !form) {
		cv_console_say(c, "no image is selected");
		return;
	}
	c->form = (struct cv_form_view){ .form = form, .image = cv_image_ident(image) };
	if (!form->begin(c, image))
		return;
	c->view[CV_VIEW_FORM].list = (struct cv_list){ 0 };
	cv_touch(c, 1u << CV_VIEW_FORM);
	cv_drop_view(c, CV_VIEW_FORM);
	cv_push_view(c, CV_VIEW_FORM);
}

static bool rebuild(struct cv_console *c)
{
	struct cv_field field;
	size_t count = 0;

	while (field_at(c, count, &field))
		count++;
	c->view[CV_VIEW_FORM].list.count = count;
	return true;
}

static struct cv_ident ident(const struct cv_console *c, size_t row)
{
	(void)c;
	return (struct cv_ident){ row, 0, 10 };
}

static int page(const struct cv_console *c)
{
	return cv_list_page(c, CV_VIEW_FORM, HEAD);
}

/* --- values ---------------------------------------------------------------------------------------------- */

static void put(struct cv_console *c, const char *key, const char *text)
{
	char before[CV_NAME_MAX];

	cv_copy_text(before, sizeof before, cv_form_get(&c->form, key));
	cv_form_set(&c->form, key, text);
	if (c->form.form->changed && strcmp(before, text) != 0)
		c->form.form->changed(c, key, before);
	cv_touch(c, 1u << CV_VIEW_FORM);
}

/* The i-th choice; "" is the first of those that may be left out. False behind the last. */
static bool choice_at(const struct cv_field *field, size_t i, char *word, size_t size)
{
	const char *at = field->words;

	word[0] = '\0';
	if (field->optional && !i--)
		return true;
	for (; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (!i--) {
			snprintf(word, size, "%.*s", (int)len, at);
			return true;
		}
		at += len;
	}
	return false;
}

/* The next value, or the one before; at the ends it stays. round: behind the last comes the first. */
static void step(struct cv_console *c, const struct cv_field *field, int direction, bool round)
{
	const char *now = cv_form_get(&c->form, field->key);
	char word[64];
	size_t at = 0;

	while (choice_at(field, at, word, sizeof word) && strcmp(word, now) != 0)
		at++;
	if (direction < 0 && !at)
		return;
	if (choice_at(field, direction < 0 ? at - 1 : at + 1, word, sizeof word) ||
	    (round && choice_at(field, 0, word, sizeof word)))
		put(c, field->key, word);
}

static void edit(struct cv_console *c, const struct cv_field *field)
{
	c->form.editing = field->key;
	cv_input_begin(c, CV_MODE_FIELD);
	snprintf(c->question, sizeof c->question, "%s: ", field->key);
	cv_copy_text(c->input.text, sizeof c->input.text, cv_form_get(&c->form, field->key));
	c->input.len = strlen(c->input.text);
}

static void typed(struct cv_console *c)
{
	if (c->form.editing)
		put(c, c->form.editing, c->input.text);
}

static void plan(struct cv_console *c)
{
	const struct cv_image *image = image_of(c);
	struct cv_err err = { .code = CV_OK };
	struct cv_wish *wish;

	if (!image) {
		cv_console_say(c, "the image is not there any more");
		return;
	}
	if (!c->options.session) {
		cv_plan_view_show(c, cv_wish_new(""));
		return;
	}
	wish = c->form.form->wish(c, image, &err);
	if (wish)
		cv_plan_view_show(c, wish);
	else
		cv_console_say(c, "%s", err.text);
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	struct cv_field field;
	bool any = field_now(c, &field);

	(void)fx;
	switch (action) {
	case CV_ACT_FORM_PLAN:
		plan(c);
		return true;
	case CV_ACT_VALUE_NEXT:
	case CV_ACT_VALUE_PREVIOUS:
		if (any && field.words)
			step(c, &field, action == CV_ACT_VALUE_NEXT ? 1 : -1, false);
		else if (any)
			cv_console_say(c, "this is typed: Enter begins");
		return true;
	case CV_ACT_CHANGE:
		if (any && field.words)
			step(c, &field, 1, true);
		else if (any)
			edit(c, &field);
		return true;
	default:
		return false;
	}
}

/* --- drawing --------------------------------------------------------------------------------------------- */

/* "[qcow2] raw vhd": what is chosen is in brackets, also where there are no colours. */
static void draw_choices(const struct cv_console *c, struct cv_cells *out, const struct cv_field *field, int y)
{
	const char *now = cv_form_get(&c->form, field->key);
	char word[64];
	int x = VALUE_X;

	for (size_t i = 0; choice_at(field, i, word, sizeof word); i++) {
		const char *shown = word[0] ? word : "default";
		bool chosen = !strcmp(word, now);

		x += cv_cells_putf(out, x, y, out->w - x, chosen ? CV_INK_MARK : CV_INK_QUIET, chosen ? "[%s]" : " %s ",
				   shown);
	}
}

static void draw_row(const struct cv_console *c, struct cv_cells *out, size_t row, int y)
{
	struct cv_field field;
	const char *text;

	if (!field_at(c, row, &field))
		return;
	cv_cells_put(out, 2, y, VALUE_X - 3, CV_INK_LABEL, field.key);
	if (field.words) {
		draw_choices(c, out, &field, y);
		return;
	}
	text = cv_form_get(&c->form, field.key);
	cv_cells_elide(out, VALUE_X + 1, y, out->w - VALUE_X - 2, *text ? CV_INK_TEXT : CV_INK_QUIET,
		       *text ? text : field.optional ? "default" : "(to be typed)");
}

static void draw(const struct cv_console *c, struct cv_cells *out, struct cv_area a)
{
	const struct cv_image *image = image_of(c);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!c->form.form)
		return;
	if (image) {
		cv_text_addf(&t, "%s, %s: ", cv_format_name(image->format),
			     image->size_known ? cv_size_short(image->virtual_size).s : "size not known");
		cv_text_escape(&t, cv_bytes_of(image->file->path));
	} else {
		cv_text_add(&t, "The image is not there (any more, or not yet).");
	}
	cv_cells_elide(out, 2, a.y, a.w - 2, CV_INK_PROMPT, cv_text_str(&t));
	cv_list_draw(c, out, a, CV_VIEW_FORM, HEAD, draw_row);
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	const struct cv_image *image = image_of(c);

	cv_text_addf(out, "%s", c->form.form ? c->form.form->verb : "form");
	if (image) {
		cv_text_add(out, " ");
		cv_image_name(out, image);
	}
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	struct cv_field field;

	if (field_now(c, &field))
		cv_text_addf(out, "%s: %s", field.key, field.help);
}

static void place_text(const struct cv_console *c, size_t place, struct cv_text *out)
{
	struct cv_field field;

	if (field_at(c, place, &field))
		cv_text_addf(out, "%s %s", field.key, cv_form_get(&c->form, field.key));
}

const struct cv_view cv_view_form = {
	.name = "form",
	.rebuild = rebuild,
	.ident = ident,
	.page = page,
	.act = act,
	.draw = draw,
	.title = title,
	.hint = hint,
	.place_text = place_text,
	.typed = typed,
	.want = want,
	CV_LIST_SEARCH,
};

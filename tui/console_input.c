/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Prompts on the status line: search, filter, and the sort menu. What they lead to is done by the views.
 */
#include "tui/console_model.h"

size_t cv_sort_count(const struct cv_console *c)
{
	size_t n = 0;

	while (cv_views[cv_top(c)]->sorts && cv_views[cv_top(c)]->sorts[n])
		n++;
	return n;
}

void cv_input_begin(struct cv_console *c, enum cv_mode mode)
{
	c->mode = mode;
	c->input = (struct cv_input){ .choice = cv_state(c)->sort };
	if (mode == CV_MODE_FILTER) {
		snprintf(c->input.text, sizeof c->input.text, "%s", cv_state(c)->filter_text);
		c->input.len = strlen(c->input.text);
	}
}

void cv_ask(struct cv_console *c, enum cv_action action, const char *question)
{
	cv_input_begin(c, CV_MODE_ASK);
	c->asked = action;
	snprintf(c->question, sizeof c->question, "%s y/n", question);
}

/* Does a place hold the text that is looked for? */
static bool place_fits(const struct cv_console *c, const struct cv_view *v, size_t place, struct cv_text *t)
{
	cv_text_clear(t);
	v->place_text(c, place, t);
	return cv_text_contains(cv_text_str(t), c->needle);
}

/* Looks at every place once: counts the matches and picks the next one in the direction, round the end. */
struct search {
	size_t matches, chosen, number;
	bool found;
};

static struct search look(const struct cv_console *c, const struct cv_view *v, int direction)
{
	size_t places = v->places(c), now = v->place_now(c), first = SIZE_MAX, last = 0, first_n = 0, last_n = 0;
	struct search s = { 0 };
	struct cv_text t = { 0 };

	for (size_t i = 0; i < places; i++) {
		bool ahead = direction == 0 ? i >= now : i > now;

		if (!place_fits(c, v, i, &t))
			continue;
		s.matches++;
		if (first == SIZE_MAX) {
			first = i;
			first_n = s.matches;
		}
		last = i;
		last_n = s.matches;
		if (direction < 0 ? i < now : ahead && !s.found) {
			s.found = true;
			s.chosen = i;
			s.number = s.matches;
		}
	}
	if (s.matches && !s.found) {
		s.chosen = direction < 0 ? last : first;
		s.number = direction < 0 ? last_n : first_n;
		s.found = true;
	}
	cv_text_fini(&t);
	return s;
}

/* direction: 1 next, -1 previous, 0 here or next. */
void cv_search_step(struct cv_console *c, int direction)
{
	const struct cv_view *v = cv_views[cv_top(c)];
	struct search s;

	if (!c->needle[0]) {
		cv_console_say(c, "nothing to look for yet: / asks");
		return;
	}
	s = look(c, v, direction);
	if (!s.found) {
		cv_console_say(c, "\"%s\": not found", c->needle);
		return;
	}
	c->pane_focus = false;
	v->place_go(c, s.chosen);
	cv_console_say(c, "\"%s\": %zu of %zu", c->needle, s.number, s.matches);
}

/* Rows that are only shown because something stands on them are not what was asked for. */
static void leave_context(struct cv_console *c)
{
	size_t row = cv_state(c)->list.cursor;

	while (row < c->tree_rows.len && c->tree_rows.at[row].context)
		row++;
	if (cv_top(c) == CV_VIEW_TREE && row < c->tree_rows.len && row != cv_state(c)->list.cursor)
		cv_list_go(c, row);
}

static void finish_filter(struct cv_console *c)
{
	struct cv_view_state *state = cv_state(c);
	struct cv_filter filter;
	struct cv_err err = { 0 };

	if (!cv_filter_parse(&filter, c->input.text, &err)) {
		cv_console_say(c, "filter: %s", err.text);
		return;
	}
	state->filter = filter;
	snprintf(state->filter_text, sizeof state->filter_text, "%.*s", CV_LINE_MAX - 1, c->input.text);
	cv_touch(c, 1u << cv_top(c));
	cv_settle(c);
	leave_context(c);
}

/* The very name, or nothing: a key that was hit by accident is no consent. */
static void finish_consent(struct cv_console *c)
{
	const char *wanted = cv_plan_view_confirm(&c->plan);

	if (wanted && !strcmp(c->input.text, wanted))
		cv_views[cv_top(c)]->confirmed(c);
	else
		cv_console_say(c, "that is another name: nothing was done");
}

static void finish(struct cv_console *c)
{
	enum cv_mode mode = c->mode;

	c->mode = CV_MODE_NORMAL;
	if (mode == CV_MODE_CONFIRM) {
		finish_consent(c);
		return;
	}
	if (mode == CV_MODE_FILTER) {
		finish_filter(c);
		return;
	}
	if (mode == CV_MODE_FIELD) {
		cv_views[cv_top(c)]->typed(c);
		return;
	}
	/* an empty search repeats the last one */
	if (c->input.text[0])
		snprintf(c->needle, sizeof c->needle, "%.*s", CV_LINE_MAX - 1, c->input.text);
	cv_search_step(c, c->input.text[0] ? 0 : 1);
}

/* What is typed may be a paste of anything: it goes through the sanitiser like every other text. */
static void type(struct cv_input *in, int key, size_t size)
{
	struct cv_text t = { 0 };
	char raw[4];
	size_t n;

	if (key < 32 || key == CV_KEY_BACKSPACE || key > 0x10ffff)
		return;
	n = cv_utf8_put((uint32_t)key, raw);
	cv_text_escape(&t, (struct cv_bytes){ raw, n });
	if (t.len && in->len + t.len < size) {
		memcpy(in->text + in->len, t.at, t.len + 1);
		in->len += t.len;
	}
	cv_text_fini(&t);
}

static void rub_out(struct cv_input *in)
{
	while (in->len && (in->text[in->len - 1] & 0xc0) == 0x80)
		in->len--;
	if (in->len)
		in->len--;
	in->text[in->len] = '\0';
}

static unsigned choose_sort(struct cv_console *c, size_t choice)
{
	c->mode = CV_MODE_NORMAL;
	cv_state(c)->sort = choice;
	cv_touch(c, 1u << cv_top(c));
	cv_console_say(c, "sorted by %s", cv_views[cv_top(c)]->sorts[choice]);
	return FX_REDRAW;
}

static unsigned menu_key(struct cv_console *c, int key)
{
	const char *const *sorts = cv_views[cv_top(c)]->sorts;
	size_t count = cv_sort_count(c);

	if (key == CV_KEY_ENTER)
		return choose_sort(c, c->input.choice);
	if (key == CV_KEY_UP || key == 'k')
		c->input.choice += count - 1;
	else if (key == CV_KEY_DOWN || key == 'j')
		c->input.choice++;
	else if (key == CV_KEY_ESC || key == 'q')
		c->mode = CV_MODE_NORMAL;
	c->input.choice %= count;
	for (size_t i = 0; i < count; i++)
		if (key == sorts[i][0])
			return choose_sort(c, i);
	return FX_REDRAW;
}

/* Everything but a yes is a no. */
static unsigned answer(struct cv_console *c, int key)
{
	unsigned fx = FX_REDRAW;

	c->mode = CV_MODE_NORMAL;
	c->sure = key == 'y' || key == 'Y';
	if (c->sure)
		fx = cv_do_action(c, c->asked);
	c->sure = false;
	return fx;
}

static unsigned leave(struct cv_console *c, int key)
{
	bool twice = c->mode == CV_MODE_ASK && c->asked == CV_ACT_QUIT;

	c->mode = CV_MODE_NORMAL;
	if (twice)
		return FX_QUIT;
	return key == CV_KEY_CTRL('c') ? FX_REDRAW : cv_do_action(c, CV_ACT_QUIT);
}

unsigned cv_input_key(struct cv_console *c, int key)
{
	if (key == CV_KEY_CTRL('q') || key == CV_KEY_CTRL('c') || key == CV_KEY_F(10))
		return leave(c, key);
	if (c->mode == CV_MODE_SORT)
		return menu_key(c, key);
	if (c->mode == CV_MODE_ASK)
		return answer(c, key);
	if (c->mode == CV_MODE_ANSWER) {
		cv_views[cv_top(c)]->answered(c, key);
		return FX_REDRAW;
	}
	if (key == CV_KEY_ENTER)
		finish(c);
	else if (key == CV_KEY_ESC)
		c->mode = CV_MODE_NORMAL;
	else if ((key == CV_KEY_BACKSPACE || key == CV_KEY_CTRL('h')) && !c->input.len)
		c->mode = c->mode == CV_MODE_FIELD ? CV_MODE_FIELD : CV_MODE_NORMAL;
	else if (key == CV_KEY_BACKSPACE || key == CV_KEY_CTRL('h'))
		rub_out(&c->input);
	else if (key == CV_KEY_CTRL('u'))
		c->input = (struct cv_input){ 0 };
	else
		type(&c->input, key, c->mode == CV_MODE_CONFIRM || c->mode == CV_MODE_FIELD ? sizeof c->input.text : CV_LINE_MAX);
	return FX_REDRAW;
}

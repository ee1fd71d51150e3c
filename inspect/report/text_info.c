/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The page about one image: identity, plain words, chain, children, references, recorded parents and where
 * they lead, findings, and every decoded field with its offset when asked. Nothing is decided here.
 */
#include <stdio.h>

#include "inspect/report/findings.h"
#include "inspect/report/leads.h"

#define VALUE_COLUMN 14
#define CHILDREN_SHOWN 20

struct info {
	const struct cv_graph *g;
	uint32_t image;
	const struct cv_image *m;
	struct cv_page *out;
	size_t column;               /* where values begin */
	struct cv_text scratch;
};

static void heading(struct info *f, const char *title)
{
	cv_page_end(f->out);
	cv_page_str(f->out, CV_PAINT_BOLD, title);
	cv_page_end(f->out);
}

/* "  Label       ": a value follows, with a blank before it however long the label is. */
static void label(struct info *f, const char *text)
{
	cv_page_to(f->out, 2);
	cv_page_str(f->out, CV_PAINT_DIM, text);
	cv_page_to(f->out, f->out->column < f->column ? f->column : f->out->column + 1);
}

/* The value is wrapped below itself. */
static void row(struct info *f, const char *name, struct cv_bytes value)
{
	label(f, name);
	cv_page_wrapped(f->out, CV_PAINT_PLAIN, value, f->column);
	cv_page_end(f->out);
}

static void row_str(struct info *f, const char *name, const char *value)
{
	row(f, name, cv_bytes_of(value));
}

static void row_raw(struct info *f, const char *name, struct cv_bytes raw)
{
	cv_text_clear(&f->scratch);
	cv_text_escape(&f->scratch, raw);
	label(f, name);
	cv_page_elided(f->out, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&f->scratch)), cv_page_left(f->out));
	cv_page_end(f->out);
}

static void row_size(struct info *f, const char *name, uint64_t bytes)
{
	row_str(f, name, cv_size_full(bytes).s);
}

static void draw_format(struct info *f)
{
	cv_text_clear(&f->scratch);
	cv_text_add(&f->scratch, cv_words_format(f->m->format));
	if (f->m->variant != CV_VARIANT_NONE && f->m->variant != CV_VARIANT_RAW)
		cv_text_addf(&f->scratch, ", %s", cv_variant_name(f->m->variant));
	if (f->m->facts->block_size)
		cv_text_addf(&f->scratch, ", blocks of %s", cv_size_full(f->m->facts->block_size).s);
	row_str(f, "Format", cv_text_str(&f->scratch));
	if (f->m->facts->creator.len)
		row_raw(f, "Creator", f->m->facts->creator);
}

static void draw_state(struct info *f)
{
	static const char *const marks[] = {
		[CV_MARK_NONE] = "", [CV_MARK_VISIBLE] = ", marked visible", [CV_MARK_HIDDEN] = ", marked hidden",
	};

	cv_text_clear(&f->scratch);
	cv_text_addf(&f->scratch, "%s%s, depth %" PRIu32 ", ", cv_role_name(f->m->role), marks[f->m->mark],
		     f->m->depth);
	cv_words_number(&f->scratch, f->m->below, "image stands on it", "images stand on it");
	row_str(f, "Role", cv_text_str(&f->scratch));
	cv_text_clear(&f->scratch);
	for (size_t i = 0; i < cv_flag_count; i++)
		if (cv_flag_rows[i].applies(f->g, f->m))
			cv_text_addf(&f->scratch, "%s%s", f->scratch.len ? ", " : "", cv_flag_rows[i].what);
	if (f->scratch.len)
		row_str(f, "State", cv_text_str(&f->scratch));
}

static void draw_identity(struct info *f)
{
	const struct cv_file *file = f->m->file;
	const struct cv_facts *facts = f->m->facts;

	cv_text_clear(&f->scratch);
	cv_text_escape(&f->scratch, cv_bytes_of(f->m->id));
	cv_page_elided(f->out, CV_PAINT_BOLD, cv_bytes_of(cv_text_str(&f->scratch)), cv_page_left(f->out));
	cv_page_end(f->out);
	row_raw(f, "Path", cv_bytes_of(file->path));
	for (uint32_t i = 0; i < file->alias_count; i++)
		row_raw(f, "Also", cv_bytes_of(file->aliases[i]));
	draw_format(f);
	if (facts->flags & CV_FACT_UUID)
		row_str(f, "UUID", cv_uuid_str(facts->uuid).s);
	if (f->m->size_known)
		row_size(f, "Virtual", f->m->virtual_size);
	row_size(f, "File", file->size);
	row_size(f, "On disk", file->allocated);
	if (facts->flags & CV_FACT_CREATED)
		row_str(f, "Created", cv_time_utc(facts->created).s);
	row_str(f, "Modified", cv_time_utc(file->mtime_ns / 1000000000 - (file->mtime_ns % 1000000000 < 0)).s);
	draw_state(f);
}

static void draw_words(struct info *f)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *line;

	heading(f, "In plain words");
	if (!cv_describe_image(f->g, f->image, &t)) {
		f->out->ok = false;
		return;
	}
	for (line = cv_text_str(&t); *line && f->out->ok;) {
		const char *end = strchr(line, '\n');
		size_t len = end ? (size_t)(end - line) : strlen(line);

		cv_page_to(f->out, 2);
		cv_page_wrapped(f->out, CV_PAINT_PLAIN, (struct cv_bytes){ line, len }, 2);
		cv_page_end(f->out);
		line += len + (end != NULL);
	}
}

/* One image as a line of a list: name left, then format and size. */
static void draw_member(struct info *f, uint32_t image, const char *before)
{
	const struct cv_image *m = &f->g->images[image];
	struct cv_page *o = f->out;
	char tail[48];
	size_t left;

	snprintf(tail, sizeof tail, "  %s, %s on disk", cv_format_name(m->format), cv_size_short(m->file->allocated).s);
	cv_text_clear(&f->scratch);
	cv_words_image(&f->scratch, f->g, image, f->m->repository);
	cv_page_to(o, 2);
	cv_page_str(o, CV_PAINT_DIM, before);
	left = cv_page_left(o);
	cv_page_elided(o, image == f->image ? CV_PAINT_BOLD : CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&f->scratch)),
		       left == SIZE_MAX ? left : left > strlen(tail) ? left - strlen(tail) : 1);
	cv_page_elided(o, CV_PAINT_DIM, cv_bytes_of(tail), cv_page_left(o));
	cv_page_end(o);
}

static void draw_chain(struct info *f)
{
	CV_AUTO(cv_auto_free) uint32_t *list = NULL;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	size_t count = 0;
	char before[24];

	if (!cv_graph_chain(f->g, f->image, &list, &count)) {
		f->out->ok = false;
		return;
	}
	heading(f, "Chain, from this image down");
	for (size_t i = 0; i < count && f->out->ok; i++) {
		snprintf(before, sizeof before, "%3zu  ", i);
		draw_member(f, list[i], before);
	}
	if (count && cv_words_parent_trouble(&t, f->g, list[count - 1])) {
		cv_page_str(f->out, CV_PAINT_ERROR, "       <- ");
		cv_page_wrapped(f->out, CV_PAINT_ERROR, cv_bytes_of(cv_text_str(&t)), 10);
		cv_page_end(f->out);
	}
}

static void draw_children(struct info *f)
{
	uint32_t shown = f->m->child_count;

	if (!shown)
		return;
	if (!f->out->style.verbose && shown > CHILDREN_SHOWN)
		shown = CHILDREN_SHOWN;
	heading(f, "Children");
	for (uint32_t i = 0; i < shown && f->out->ok; i++)
		draw_member(f, cv_graph_child(f->g, f->m, i), "");
	if (shown < f->m->child_count) {
		cv_page_addf(f->out, CV_PAINT_DIM, "  and %" PRIu32 " more (-v lists them)", f->m->child_count - shown);
		cv_page_end(f->out);
	}
}

static void draw_references(struct info *f)
{
	heading(f, "References");
	for (uint32_t i = 0; i < f->m->reference_count && f->out->ok; i++) {
		const struct cv_claim *c = f->g->references[f->m->first_reference + i].claim;

		cv_text_clear(&f->scratch);
		cv_text_escape(&f->scratch, cv_bytes_of(f->g->refs->sources[c->source].name));
		cv_text_add(&f->scratch, ": ");
		cv_text_escape(&f->scratch, c->who);
		cv_text_add(&f->scratch, c->confidence == CV_POSSIBLE ? " (possibly)" : "");
		cv_page_to(f->out, 2);
		cv_page_wrapped(f->out, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&f->scratch)), 4);
		cv_page_end(f->out);
	}
	cv_text_clear(&f->scratch);
	cv_text_add(&f->scratch, "Sources: ");
	cv_words_references(&f->scratch, f->g);
	cv_page_to(f->out, 2);
	cv_page_wrapped(f->out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&f->scratch)), 4);
	cv_page_end(f->out);
}

/* The names of the fields in which parents are recorded are longer than our own labels. */
static size_t recorded_column(const struct cv_facts *facts)
{
	size_t column = VALUE_COLUMN;

	for (uint32_t i = 0; i < facts->name_count; i++) {
		size_t len = strlen(cv_name_source_name(facts->names[i].source));

		column = 2 + len + 2 > column ? 2 + len + 2 : column;
	}
	return column;
}

static void draw_recorded(struct info *f)
{
	const struct cv_facts *facts = f->m->facts;

	if (!facts->name_count && !(facts->flags & CV_FACT_PARENT_UUID))
		return;
	heading(f, "Parent, as recorded in the image");
	f->column = recorded_column(facts);
	if (facts->flags & CV_FACT_PARENT_UUID)
		row_str(f, "identity", cv_uuid_str(facts->parent_uuid).s);
	if (facts->flags & CV_FACT_PARENT_TIME)
		row_str(f, "time", cv_time_utc(facts->parent_time).s);
	if (facts->parent_format != CV_FORMAT_NONE)
		row_str(f, "format", cv_words_format(facts->parent_format));
	for (uint32_t i = 0; i < facts->name_count && f->out->ok; i++) {
		const struct cv_name *n = &facts->names[i];

		row_raw(f, cv_name_source_name(n->source), n->text);
		cv_text_clear(&f->scratch);
		cv_words_where(&f->scratch, n->where);
		cv_text_add(&f->scratch, "; ");
		cv_leads_where(&f->scratch, f->g, f->image, n);
		cv_page_to(f->out, f->column);
		cv_page_wrapped(f->out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&f->scratch)), f->column + 2);
		cv_page_end(f->out);
	}
}

static void draw_findings(struct info *f)
{
	const struct cv_finding *first = NULL;
	size_t count = cv_graph_findings_of(f->g, f->image, &first);

	if (!count)
		return;
	heading(f, "Findings");
	for (size_t i = 0; i < count && f->out->ok; i++)
		cv_findings_line(f->out, f->g, &first[i]);
}

static void add_attr_value(struct cv_text *t, const struct cv_attr *a)
{
	switch (cv_attr_rows[a->id].type) {
	case CV_TYPE_NUMBER:
		cv_text_addf(t, "%" PRIu64, a->number);
		break;
	case CV_TYPE_HEX:
		cv_text_addf(t, "0x%" PRIx64, a->number);
		break;
	case CV_TYPE_SIZE:
		cv_text_add(t, cv_size_full(a->number).s);
		break;
	case CV_TYPE_TIME:
		cv_text_add(t, cv_time_utc((int64_t)a->number).s);
		break;
	case CV_TYPE_FLAG:
		cv_text_add(t, a->number ? "yes" : "no");
		break;
	case CV_TYPE_TEXT:
		cv_text_escape(t, a->text);
		break;
	}
}

static void draw_attributes(struct info *f)
{
	const struct cv_facts *facts = f->m->facts;
	size_t value = VALUE_COLUMN + 12;

	if (!f->out->style.verbose || !facts->attr_count)
		return;
	heading(f, "All fields");
	for (uint32_t i = 0; i < facts->attr_count && f->out->ok; i++) {
		const struct cv_attr *a = &facts->attrs[i];

		cv_page_to(f->out, 2);
		cv_page_str(f->out, CV_PAINT_DIM, cv_attr_rows[a->id].label);
		if (a->index)
			cv_page_addf(f->out, CV_PAINT_DIM, " %" PRIu32, a->index);
		cv_page_to(f->out, f->out->column < value ? value : f->out->column + 1);
		cv_text_clear(&f->scratch);
		add_attr_value(&f->scratch, a);
		cv_page_wrapped(f->out, CV_PAINT_PLAIN, cv_bytes_of(cv_text_str(&f->scratch)), value);
		if (a->where.len) {
			cv_text_clear(&f->scratch);
			cv_text_add(&f->scratch, "  ");
			cv_words_where(&f->scratch, a->where);
			cv_page_wrapped(f->out, CV_PAINT_DIM, cv_bytes_of(cv_text_str(&f->scratch)), value);
		}
		cv_page_end(f->out);
	}
}

bool cv_report_info(const struct cv_graph *g, uint32_t image, const struct cv_style *style, const struct cv_sink *sink)
{
	static void (*const sections[])(struct info *f) = {
		draw_identity, draw_words, draw_chain, draw_recorded, draw_children, draw_references, draw_findings,
		draw_attributes,
	};
	struct cv_page out;
	struct info f = { .g = g, .image = image, .m = &g->images[image], .out = &out };

	cv_page_init(&out, style, sink);
	for (size_t i = 0; i < CV_COUNT(sections) && out.ok; i++) {
		f.column = VALUE_COLUMN;
		sections[i](&f);
	}
	cv_text_fini(&f.scratch);
	return cv_page_fini(&out);
}

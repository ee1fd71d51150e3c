/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The JSON document of a dump, and the same as one record a line. Records are made, written and forgotten; which
 * keys they have is said in dump_source.c, dump_structure.c and dump_parent.c.
 */
#include <stdio.h>
#include "inspect/report/dump_forms.h"
#include "inspect/report/dump_json.h"

struct document {
	struct cv_json j;
	const struct cv_dump *d;
	const struct cv_report_head *head;
	bool lines;
	bool first; /* in the present list */
};

/* A record of a list. In lines it says what it is and whose. */
static struct json_object *record(struct document *c, const char *type, size_t image)
{
	struct json_object *o = cv_json_object(&c->j);

	if (c->lines)
		cv_json_text(&c->j, o, "type", type);
	if (c->lines && image != SIZE_MAX)
		cv_dump_put_id(&c->j, o, "image", 'i', image);
	return o;
}

static void give(struct document *c, struct json_object *o)
{
	if (!c->lines)
		cv_json_raw(&c->j, c->first ? "\n" : ",\n");
	c->first = false;
	cv_json_record(&c->j, o, false);
	if (c->lines)
		cv_json_raw(&c->j, "\n");
}

static void open_list(struct document *c, const char *key)
{
	c->first = true;
	if (c->lines)
		return;
	cv_json_raw(&c->j, ",\n\"");
	cv_json_raw(&c->j, key);
	cv_json_raw(&c->j, "\":[");
}

static void close_list(struct document *c)
{
	if (!c->lines)
		cv_json_raw(&c->j, "]");
}

/* A member of the document that is one object. */
static void give_member(struct document *c, const char *key, struct json_object *o)
{
	if (!c->lines) {
		cv_json_raw(&c->j, ",\n\"");
		cv_json_raw(&c->j, key);
		cv_json_raw(&c->j, "\":");
	}
	cv_json_record(&c->j, o, false);
	if (c->lines)
		cv_json_raw(&c->j, "\n");
}

static void write_head(struct document *c)
{
	struct cv_report_head head = *c->head;
	struct json_object *o;

	/* How it was called belongs to the run. */
	head.argc = c->d->options.reproducible ? 0 : head.argc;
	cv_json_head(&c->j, &head);
	if (c->lines)
		cv_json_raw(&c->j, ",\"type\":\"dump\"}\n");
	if (!c->d->options.reproducible) {
		o = record(c, "run", SIZE_MAX);
		cv_dump_put_run(&c->j, o, c->d, c->head);
		give_member(c, "run", o);
	}
	o = record(c, "assurance", SIZE_MAX);
	cv_dump_put_assurance(&c->j, o, c->d);
	give_member(c, "assurance", o);
	open_list(c, "sources");
	for (size_t i = 0; i < c->d->source_count && c->j.ok; i++) {
		o = record(c, "source", SIZE_MAX);
		cv_dump_put_source(&c->j, o, c->d, i);
		give(c, o);
	}
	close_list(c);
}

static void put_identity(struct document *c, struct json_object *o, size_t n)
{
	const struct cv_dump_image_of *m = &c->d->images[n];
	const struct cv_image *image = &c->d->g->images[m->image];
	struct cv_json *j = &c->j;

	cv_dump_put_id(j, o, "id", 'i', n);
	cv_dump_put_id(j, o, "source", 's', m->source);
	if (m->data_source != SIZE_MAX)
		cv_dump_put_id(j, o, "data_source", 's', m->data_source);
	if (image->format != CV_FORMAT_NONE)
		cv_json_text(j, o, "format", cv_format_name(image->format));
	if (image->variant != CV_VARIANT_NONE)
		cv_json_text(j, o, "variant", cv_variant_name(image->variant));
	if (image->size_known)
		cv_json_number(j, o, "virtual_size_bytes", image->virtual_size);
	if (image->facts->flags & CV_FACT_UUID)
		cv_json_text(j, o, "uuid", cv_uuid_str(image->facts->uuid).s);
	if (image->facts->creator.len)
		cv_json_name(j, o, "creator", image->facts->creator);
	if (image->facts->flags & CV_FACT_CREATED) {
		cv_json_put(j, o, "created_epoch", json_object_new_int64(image->facts->created));
		cv_json_text(j, o, "created_utc", cv_time_utc(image->facts->created).s);
	}
}

static void put_side_file(struct cv_json *j, struct json_object *o, const char *kind, const struct cv_dump_side_file *f)
{
	char key[32];

	if (!f->there)
		return;
	snprintf(key, sizeof key, "%s_ref", kind);
	cv_json_text(j, o, key, f->name);
	snprintf(key, sizeof key, "%s_bytes", kind);
	cv_json_number(j, o, key, f->bytes);
	snprintf(key, sizeof key, "%s_sha256", kind);
	cv_json_text(j, o, key, cv_digest_hex(CV_DIGEST_SHA256, f->sha256).s);
}

/* What the bytes of the file are; they add up to its size. */
static void put_allocation(struct document *c, struct json_object *o, const struct cv_dump_image_of *m)
{
	const struct cv_image *image = &c->d->g->images[m->image];
	struct json_object *a = cv_json_object(&c->j);
	struct cv_json *j = &c->j;

	if (image->facts->block_size)
		cv_json_number(j, a, "block_bytes", image->facts->block_size);
	if (m->covered) {
		char key[32];

		cv_json_bool(j, a, "data_located", m->coverage.mapped);
		for (uint32_t class = 0; class < CV_RUN_CLASSES; class ++) {
			snprintf(key, sizeof key, "%s_bytes", cv_dump_class_name(class));
			cv_json_number(j, a, key, m->coverage.bytes[class]);
		}
		cv_json_number(j, a, "gaps", m->coverage.gaps);
		cv_json_number(j, a, "overlap_bytes", m->coverage.overlap_bytes);
		cv_json_number(j, a, "shared_data_bytes", m->coverage.shared_bytes);
	}
	put_side_file(j, a, "layout", &m->layout);
	put_side_file(j, a, "map", &m->map);
	if (m->map_incomplete)
		cv_json_text(j, a, "map_incomplete", m->map_incomplete);
	cv_json_put(j, o, "allocation", a);
}

static void write_items(struct document *c, size_t n, enum cv_dump_record kind, const char *key, const char *type,
			void (*put)(struct cv_json *, struct json_object *, const struct cv_dump_image_of *, size_t))
{
	const struct cv_dump_image_of *m = &c->d->images[n];

	open_list(c, key);
	for (size_t i = 0; i < m->items.len && c->j.ok; i++) {
		struct json_object *o;

		if (m->items.at[i].kind != kind)
			continue;
		o = record(c, type, n);
		put(&c->j, o, m, i);
		give(c, o);
	}
	close_list(c);
}

static void put_overlap(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item)
{
	struct json_object *list = cv_json_array(j);
	struct cv_dump_overlap v;

	memcpy(&v, m->items.at[item].bytes, sizeof v);
	cv_json_number(j, o, "offset", v.offset);
	cv_json_number(j, o, "length", v.length);
	for (uint32_t class = 0; class < CV_RUN_CLASSES; class ++)
		if (v.classes & 1u << class)
			cv_json_push(j, list, json_object_new_string(cv_dump_class_name(class)));
	cv_json_put(j, o, "claimed_as", list);
}

static void write_anomalies(struct document *c, size_t n)
{
	const struct cv_finding *f;
	size_t count = cv_graph_findings_of(c->d->g, c->d->images[n].image, &f);
	struct cv_json *j = &c->j;

	open_list(c, "anomalies");
	for (size_t i = 0; i < count && j->ok; i++, f++) {
		const struct cv_problem *p = cv_problem_by_id(f->id);
		struct json_object *o;
		CV_AUTO(cv_text_fini) struct cv_text title = { 0 };

		if (!cv_dump_has_finding(c->d, f))
			continue;
		o = record(c, "anomaly", n);
		cv_finding_title(&title, f);
		cv_json_text(j, o, "code", p ? p->code : "");
		cv_json_text(j, o, "name", p ? p->name : "");
		cv_json_text(j, o, "severity", cv_severity_name(f->severity));
		if (f->has_where) {
			cv_json_number(j, o, "offset", f->where.off);
			cv_json_number(j, o, "length", f->where.len);
		}
		cv_json_text(j, o, "text", cv_text_str(&title));
		if (f->advisory && !c->d->options.reproducible)
			cv_json_bool(j, o, "advisory", true);
		give(c, o);
	}
	close_list(c);
}

static void write_image(struct document *c, size_t n)
{
	const struct cv_dump_image_of *m = &c->d->images[n];
	struct json_object *o = record(c, "image", SIZE_MAX);

	put_identity(c, o, n);
	cv_dump_put_parent(&c->j, o, c->d, &c->d->g->images[m->image]);
	put_allocation(c, o, m);
	cv_json_record(&c->j, o, !c->lines);
	if (c->lines)
		cv_json_raw(&c->j, "\n");
	write_items(c, n, CV_DUMP_STRUCTURE, "structures", "structure", cv_dump_put_structure);
	write_items(c, n, CV_DUMP_SUMMARY, "summaries", "summary", cv_dump_put_summary);
	write_items(c, n, CV_DUMP_OVERLAP, "overlaps", "overlap", put_overlap);
	write_anomalies(c, n);
	if (!c->lines)
		cv_json_raw(&c->j, "}");
}

static void write_images(struct document *c)
{
	if (!c->lines)
		cv_json_raw(&c->j, ",\n\"images\":[");
	for (size_t n = 0; n < c->d->count && c->j.ok; n++) {
		if (!c->lines)
			cv_json_raw(&c->j, n ? ",\n" : "\n");
		write_image(c, n);
	}
	if (!c->lines)
		cv_json_raw(&c->j, "]");
}

/* From every dumped image that no dumped image stands on, down to where its chain ends. */
static void write_chain(struct document *c, size_t n)
{
	const struct cv_graph *g = c->d->g;
	uint32_t *list = NULL;
	size_t count = 0;
	struct json_object *o, *ids;
	enum cv_parent_status status;

	if (!cv_graph_chain(g, c->d->images[n].image, &list, &count)) {
		c->j.ok = false;
		return;
	}
	o = record(c, "chain", SIZE_MAX);
	ids = cv_json_array(&c->j);
	for (size_t i = 0; i < count; i++) {
		struct json_object *one = cv_json_object(&c->j);
		struct json_object *text = NULL;

		cv_dump_put_image(&c->j, one, "image", c->d, list[i]);
		if (one && json_object_object_get_ex(one, "image", &text))
			cv_json_push(&c->j, ids, json_object_get(text));
		json_object_put(one);
	}
	status = g->images[list[count - 1]].status;
	cv_dump_put_id(&c->j, o, "leaf", 'i', n);
	cv_json_put(&c->j, o, "images", ids);
	cv_json_bool(&c->j, o, "complete", status == CV_PARENT_NONE);
	give(c, o);
	free(list);
}

static bool is_stood_on(const struct cv_dump *d, size_t n)
{
	const struct cv_image *m = &d->g->images[d->images[n].image];

	for (uint32_t i = 0; i < m->child_count; i++)
		if (cv_dump_index(d, cv_graph_child(d->g, m, i)) != SIZE_MAX)
			return true;
	return false;
}

static void write_chains(struct document *c)
{
	open_list(c, "chains");
	for (size_t n = 0; n < c->d->count && c->j.ok; n++)
		if (!is_stood_on(c->d, n))
			write_chain(c, n);
	close_list(c);
}

static void put_whose(struct document *c, struct json_object *o, size_t n)
{
	if (!c->lines)
		cv_dump_put_id(&c->j, o, "image", 'i', n);
	cv_dump_put_id(&c->j, o, "source", 's', c->d->images[n].source);
}

static void write_gap(struct document *c, size_t n, const void *bytes)
{
	struct json_object *o = record(c, "gap", n);
	struct cv_dump_gap g;

	memcpy(&g, bytes, sizeof g);
	put_whose(c, o, n);
	cv_json_number(&c->j, o, "offset", g.offset);
	cv_json_number(&c->j, o, "length", g.length);
	if (g.flags & CV_GAP_HASHED)
		cv_dump_put_sha256(&c->j, o, g.sha256);
	if (g.flags & CV_GAP_READ)
		cv_json_bool(&c->j, o, "all_zero", g.flags & CV_GAP_ZERO);
	cv_dump_put_hex(&c->j, o, "first_hex", g.first, g.first_len);
	give(c, o);
}

static void write_trouble(struct document *c, size_t n, const char *type, const void *bytes, size_t len)
{
	struct json_object *o = record(c, type, n);
	struct cv_dump_trouble t;

	memcpy(&t, bytes, sizeof t);
	put_whose(c, o, n);
	if (t.has_offset)
		cv_json_number(&c->j, o, "offset", t.offset);
	if (t.os_errno)
		cv_json_put(&c->j, o, "errno", json_object_new_int(t.os_errno));
	cv_json_put(&c->j, o, "text",
		    json_object_new_string_len((const char *)bytes + sizeof t, (int)(len - sizeof t)));
	give(c, o);
}

static void write_of_kind(struct document *c, enum cv_dump_record kind, const char *type)
{
	for (size_t n = 0; n < c->d->count; n++) {
		const struct cv_dump_items *items = &c->d->images[n].items;

		for (size_t i = 0; i < items->len && c->j.ok; i++) {
			if (items->at[i].kind != kind)
				continue;
			if (kind == CV_DUMP_GAP)
				write_gap(c, n, items->at[i].bytes);
			else
				write_trouble(c, n, type, items->at[i].bytes, items->at[i].len);
		}
	}
}

/* Of processes and files, which have no place in an image. */
static void write_failure(struct document *c, size_t n, const char *text, int os_errno)
{
	struct json_object *o;

	if (!text)
		return;
	o = record(c, "error", n);
	put_whose(c, o, n);
	if (os_errno)
		cv_json_put(&c->j, o, "errno", json_object_new_int(os_errno));
	cv_json_text(&c->j, o, "text", text);
	give(c, o);
}

/* What the scan could not look at: nobody knows what images there would be. */
static void write_elsewhere(struct document *c)
{
	for (size_t i = 0; i < cv_scan_trouble_count(c->d->g->scan) && c->j.ok; i++) {
		const struct cv_trouble *t = cv_dump_elsewhere(c->d, i);
		struct json_object *o;

		if (!t)
			continue;
		o = record(c, "error", SIZE_MAX);
		cv_dump_put_path(&c->j, o, t->path);
		cv_json_text(&c->j, o, "text", t->text);
		give(c, o);
	}
}

static void write_rest(struct document *c)
{
	open_list(c, "gaps");
	write_of_kind(c, CV_DUMP_GAP, "gap");
	close_list(c);
	open_list(c, "errors");
	write_of_kind(c, CV_DUMP_TROUBLE, "error");
	for (size_t n = 0; n < c->d->count && c->j.ok; n++) {
		const struct cv_dump_image_of *m = &c->d->images[n];

		write_failure(c, n, m->trouble, m->trouble_errno);
		write_failure(c, n, m->map_trouble, 0);
		if (c->d->sources[m->source].before.known && !c->d->sources[m->source].unchanged)
			write_failure(c, n, "the file was changed while it was read, or could not be looked at again",
				      0);
	}
	write_elsewhere(c);
	close_list(c);
	open_list(c, "limits");
	write_of_kind(c, CV_DUMP_LIMIT, "limit");
	close_list(c);
}

static bool write_document(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink,
			   bool lines)
{
	struct document c = { .j = { .sink = sink, .ok = true }, .d = d, .head = head, .lines = lines };

	write_head(&c);
	write_images(&c);
	write_chains(&c);
	write_rest(&c);
	if (!lines)
		cv_json_raw(&c.j, "}\n");
	return c.j.ok;
}

bool cv_dump_write_json(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink)
{
	return write_document(d, head, sink, false);
}

bool cv_dump_write_lines(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink)
{
	return write_document(d, head, sink, true);
}

bool cv_report_dump(const struct cv_dump *d, enum cv_dump_form form, const struct cv_report_head *head,
		    const struct cv_sink *sink)
{
	static cv_dump_write *const forms[CV_DUMP_FORMS] = {
		[CV_DUMP_JSON] = cv_dump_write_json,         [CV_DUMP_NDJSON] = cv_dump_write_lines,
		[CV_DUMP_TEXT] = cv_dump_write_text,         [CV_DUMP_DFXML] = cv_dump_write_dfxml,
		[CV_DUMP_BODYFILE] = cv_dump_write_bodyfile,
	};

	return forms[form](d, head, sink);
}

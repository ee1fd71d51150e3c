/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The JSON document of space: that of tree, with the classes of each image, the sums and the plan of each
 * repository, and the findings that only this accounting gives.
 */
#include "inspect/report/json_image.h"
#include "inspect/report/words.h"
#include <chainview/space.h>

static void put_signed(struct cv_json *j, struct json_object *o, const char *key, int64_t n)
{
	cv_json_put(j, o, key, json_object_new_int64(n));
}

static void put_classes(struct cv_json *j, struct json_object *o, const uint64_t bytes[CV_SPACE_CLASS_COUNT])
{
	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++) {
		CV_AUTO(cv_text_fini) struct cv_text key = { 0 };

		cv_text_addf(&key, "%s_bytes", cv_space_class_name((enum cv_space_class)c));
		cv_json_number(j, o, cv_text_str(&key), bytes[c]);
	}
}

static struct json_object *image_object(struct cv_json *j, const struct cv_space *s, uint32_t i)
{
	const struct cv_space_image *m = &s->images[i];
	struct json_object *o = cv_json_image(j, s->graph, i, false), *space, *coalesce;

	if (m->merge.known && o && json_object_object_get_ex(o, "coalesce", &coalesce)) {
		cv_json_number(j, coalesce, "peak_bytes", m->merge.peak_bytes);
		put_signed(j, coalesce, "net_bytes", m->merge.net_bytes);
	}
	if (!m->known) {
		cv_json_text(j, o, "space_unknown", m->why);
		return o;
	}
	space = cv_json_object(j);
	put_classes(j, space, m->bytes);
	if (m->zero_known)
		cv_json_number(j, space, "zero_bytes", m->zero_bytes);
	if (m->shared_known)
		cv_json_number(j, space, "reflink_shared_bytes", m->shared_bytes);
	if (m->flatten.known)
		put_signed(j, space, "flatten_bytes", -m->flatten.net_bytes);
	cv_json_put(j, o, "space", space);
	return o;
}

static void write_images(struct cv_json *j, const struct cv_space *s, uint32_t repository)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);

	cv_json_raw(j, ",\"images\":[");
	for (size_t i = first; i < end && j->ok; i++) {
		cv_json_raw(j, i > first ? ",\n" : "\n");
		cv_json_record(j, image_object(j, s, (uint32_t)i), false);
	}
	cv_json_raw(j, "]");
}

static void put_plan(struct cv_json *j, struct json_object *o, const struct cv_space *s, uint32_t repository)
{
	const struct cv_space_plan *p = &s->plans[repository];
	struct json_object *plan = cv_json_object(j), *steps = cv_json_array(j);

	for (size_t i = 0; i < p->count; i++) {
		struct json_object *step = cv_json_object(j);

		cv_json_text(j, step, "kind", p->steps[i].action == CV_SPACE_DELETE ? "delete" : "coalesce");
		cv_json_name(j, step, "image", cv_bytes_of(s->graph->images[p->steps[i].image].id));
		if (p->steps[i].into != CV_NO_IMAGE)
			cv_json_name(j, step, "into", cv_bytes_of(s->graph->images[p->steps[i].into].id));
		cv_json_number(j, step, "peak_bytes", p->steps[i].peak_bytes);
		put_signed(j, step, "net_bytes", p->steps[i].net_bytes);
		cv_json_number(j, step, "free_after_bytes", p->steps[i].free_after);
		cv_json_push(j, steps, step);
	}
	cv_json_put(j, plan, "steps", steps);
	cv_json_number(j, plan, "free_now_bytes", p->free_now);
	cv_json_number(j, plan, "lowest_free_bytes", p->lowest_free);
	cv_json_number(j, plan, "reserve_bytes", p->reserve);
	put_signed(j, plan, "net_bytes", p->net_bytes);
	cv_json_bool(j, plan, "fits", p->fits);
	cv_json_number(j, plan, "left_out", p->left_out);
	if (p->left_out) {
		cv_json_name(j, plan, "missing_for", cv_bytes_of(s->graph->images[p->missing_for].id));
		cv_json_number(j, plan, "missing_bytes", p->missing_bytes);
	}
	cv_json_put(j, o, "plan", plan);
}

/* Each row of what could be freed, the largest first. */
static void put_rows(struct cv_json *j, struct json_object *o, const struct cv_space *s, uint32_t repository)
{
	struct json_object *list = cv_json_array(j);
	struct cv_space_row *rows;
	size_t count;

	j->ok = cv_space_rows(s, repository, &rows, &count) && j->ok;
	for (size_t i = 0; i < count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text why = { 0 }, cure = { 0 };
		struct json_object *row = cv_json_object(j);

		cv_space_row_why(&why, s, &rows[i]);
		cv_space_row_cure(&cure, s, &rows[i]);
		cv_json_text(j, row, "kind", cv_space_kind_name(rows[i].kind));
		cv_json_name(j, row, "image", cv_bytes_of(s->graph->images[rows[i].image].id));
		cv_json_number(j, row, "bytes", rows[i].bytes);
		cv_json_text(j, row, "why", cv_text_str(&why));
		cv_json_text(j, row, "remedy", cv_space_remedy_name(rows[i].remedy));
		cv_json_text(j, row, "text", cv_text_str(&cure));
		if (rows[i].target != CV_NO_IMAGE)
			cv_json_name(j, row, "target", cv_bytes_of(s->graph->images[rows[i].target].id));
		if (rows[i].known) {
			cv_json_number(j, row, "peak_bytes", rows[i].peak_bytes);
			put_signed(j, row, "net_bytes", rows[i].net_bytes);
		}
		cv_json_bool(j, row, "now", rows[i].now);
		cv_json_push(j, list, row);
	}
	free(rows);
	cv_json_put(j, o, "could_be_freed", list);
}

static void write_summary(struct cv_json *j, const struct cv_space *s, uint32_t repository)
{
	struct cv_space_totals t = cv_space_totals_of(s, repository);
	size_t first, end = cv_words_images_of(s->graph, repository, &first);
	struct json_object *o = cv_json_object(j), *space = cv_json_object(j);

	cv_json_number(j, o, "images", end - first);
	cv_json_number(j, o, "not_computed", t.unknown);
	cv_json_number(j, o, "allocated_bytes", t.allocated);
	put_classes(j, space, t.bytes);
	cv_json_put(j, o, "space", space);
	put_rows(j, o, s, repository);
	put_plan(j, o, s, repository);
	cv_json_raw(j, ",\"summary\":");
	cv_json_record(j, o, false);
}

static void put_references(struct cv_json *j, struct json_object *o, const struct cv_references *refs)
{
	struct json_object *references = cv_json_object(j), *sources = cv_json_array(j);

	for (size_t i = 0; refs && i < refs->source_count; i++) {
		struct json_object *r = cv_json_object(j);

		cv_json_name(j, r, "name", cv_bytes_of(refs->sources[i].name));
		cv_json_bool(j, r, "read", refs->sources[i].read);
		cv_json_bool(j, r, "complete", refs->sources[i].complete);
		cv_json_push(j, sources, r);
	}
	cv_json_put(j, references, "sources", sources);
	cv_json_bool(j, references, "complete", refs && refs->complete);
	cv_json_put(j, o, "references", references);
}

static void write_repository(struct cv_json *j, const struct cv_space *s, uint32_t repository)
{
	const struct cv_repository *r = cv_scan_repository(s->graph->scan, repository);
	struct json_object *o = cv_json_object(j);

	cv_json_name(j, o, "path", cv_bytes_of(r->path));
	cv_json_text(j, o, "kind", cv_repository_kind_name(r->kind));
	cv_json_number(j, o, "size_bytes", r->size_bytes);
	cv_json_number(j, o, "free_bytes", r->free_bytes);
	cv_json_bool(j, o, "complete", r->complete && !s->cancelled && !cv_space_totals_of(s, repository).unknown);
	put_references(j, o, s->graph->refs);
	cv_json_record(j, o, true);
	write_images(j, s, repository);
	write_summary(j, s, repository);
	cv_json_raw(j, "}");
}

static void write_finding(struct cv_json *j, const struct cv_space *s, const struct cv_finding *f)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	CV_AUTO(cv_text_fini) struct cv_text title = { 0 };
	struct json_object *o = cv_json_object(j);

	cv_finding_title(&title, f);
	cv_json_text(j, o, "code", p->code);
	cv_json_text(j, o, "name", p->name);
	cv_json_text(j, o, "severity", cv_severity_name(f->severity));
	cv_json_name(j, o, "repository", cv_bytes_of(cv_scan_repository(s->graph->scan, f->repository)->path));
	cv_json_name(j, o, "image", cv_bytes_of(s->graph->images[f->image].id));
	if (f->has_where)
		cv_json_number(j, o, "offset", f->where.off);
	cv_json_text(j, o, "title", cv_text_str(&title));
	cv_json_put(j, o, "evidence", cv_json_array(j));
	cv_json_number(j, o, "bytes", f->bytes);
	cv_json_record(j, o, false);
}

bool cv_report_space_json(const struct cv_space *s, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };
	const char *comma = "\n";

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n\"repositories\":[");
	for (uint32_t r = 0; r < s->repository_count && j.ok; r++) {
		if (!cv_words_reported(s->graph, r))
			continue;
		cv_json_raw(&j, comma);
		write_repository(&j, s, r);
		comma = ",\n";
	}
	cv_json_raw(&j, "],\n\"findings\":[");
	for (size_t i = 0; i < s->finding_count && j.ok; i++) {
		cv_json_raw(&j, i ? ",\n" : "\n");
		write_finding(&j, s, &s->findings[i]);
	}
	cv_json_raw(&j, "]}\n");
	return j.ok;
}

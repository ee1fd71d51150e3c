/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The document of check as one record a line, each with its "type" first: head, repository, image, not_looked_at,
 * summary, finding, ignored, rule, end. The same keys as in the one document.
 */
#include "inspect/report/json_image.h"
#include "inspect/report/json_parts.h"
#include "inspect/report/words.h"

struct lines {
	struct cv_json json;
	const struct cv_graph *g;
};

static void write_line(struct lines *l, const char *type, struct json_object *o)
{
	struct json_object *first = cv_json_object(&l->json);

	cv_json_text(&l->json, first, "type", type);
	cv_json_record(&l->json, first, true);
	cv_json_raw(&l->json, ",");
	cv_json_members(&l->json, o);
	cv_json_raw(&l->json, "}\n");
}

/* What follows a repository names it. */
static struct json_object *of_repository(struct lines *l, struct json_object *o, uint32_t repository)
{
	cv_json_name(&l->json, o, "repository", cv_bytes_of(cv_scan_repository(l->g->scan, repository)->path));
	return o;
}

static void write_repository(struct lines *l, uint32_t repository)
{
	size_t first, end = cv_words_images_of(l->g, repository, &first);

	write_line(l, "repository", cv_json_repository(&l->json, l->g, repository));
	for (size_t i = first; i < end && l->json.ok; i++)
		write_line(l, "image", of_repository(l, cv_json_image(&l->json, l->g, (uint32_t)i, false), repository));
	for (size_t i = 0; i < cv_scan_trouble_count(l->g->scan) && l->json.ok; i++) {
		const struct cv_trouble *t = cv_scan_trouble(l->g->scan, i);

		if (t->repository == repository)
			write_line(l, "not_looked_at", of_repository(l, cv_json_trouble(&l->json, t), repository));
	}
	write_line(l, "summary", of_repository(l, cv_json_summary(&l->json, l->g, repository), repository));
}

bool cv_report_ndjson(const struct cv_graph *g, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct lines l = { .json = { .sink = sink, .ok = true }, .g = g };
	struct json_object *end;

	write_line(&l, "head", cv_json_head_object(&l.json, head));
	for (uint32_t r = 0; r < cv_scan_repository_count(g->scan) && l.json.ok; r++)
		if (cv_words_reported(g, r))
			write_repository(&l, r);
	for (size_t i = 0; i < g->finding_count && l.json.ok; i++)
		if (cv_words_listed(g, &g->findings[i]))
			write_line(&l, "finding", cv_json_finding(&l.json, g, &g->findings[i]));
	for (size_t i = 0; i < g->ignored_count && l.json.ok; i++)
		write_line(&l, "ignored", cv_json_ignored(&l.json, g, &g->ignored[i]));
	for (size_t i = 0; i < g->policy.ignore_count && l.json.ok; i++)
		write_line(&l, "rule", cv_json_rule(&l.json, g, (uint32_t)i));
	end = cv_json_object(&l.json);
	cv_json_put(&l.json, end, "exit_status", json_object_new_int(head->exit_status));
	write_line(&l, "end", end);
	return l.json.ok;
}

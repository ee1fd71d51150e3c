/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The candidates of lost links in JSON: one object for each image whose link is broken. */
#include "inspect/report/candidates_json.h"

static struct json_object *evidence_object(struct cv_json *j, const struct cv_evidence *e)
{
	struct json_object *o = cv_json_object(j);

	cv_json_text(j, o, "kind", cv_evidence_name(e->kind));
	cv_json_put(j, o, "weight", json_object_new_int(e->weight));
	cv_json_bool(j, o, "against", e->against);
	cv_json_text(j, o, "text", e->text);
	return o;
}

static struct json_object *candidate_object(struct cv_json *j, const struct cv_candidate *c)
{
	const struct cv_image *m = &c->graph->images[c->image];
	struct json_object *o = cv_json_object(j), *evidence = cv_json_array(j);

	cv_json_name(j, o, "id", cv_bytes_of(m->id));
	cv_json_name(j, o, "path", cv_bytes_of(m->file->path));
	cv_json_text(j, o, "place", cv_candidate_place_name(c->place));
	if (m->facts->flags & CV_FACT_UUID)
		cv_json_text(j, o, "uuid", cv_uuid_str(m->facts->uuid).s);
	cv_json_put(j, o, "score", json_object_new_int(c->score));
	cv_json_bool(j, o, "possible", !c->against);
	for (size_t i = 0; i < c->evidence_count; i++)
		cv_json_push(j, evidence, evidence_object(j, &c->evidence[i]));
	cv_json_put(j, o, "evidence", evidence);
	return o;
}

struct json_object *cv_json_lost(struct cv_json *j, const struct cv_graph *g, const struct cv_lost *l)
{
	const struct cv_image *m = &g->images[l->child];
	const struct cv_problem *p = cv_problem_by_id(l->problem);
	struct json_object *o = cv_json_object(j), *list = cv_json_array(j);

	cv_json_name(j, o, "image", cv_bytes_of(m->id));
	cv_json_name(j, o, "repository", cv_bytes_of(cv_scan_repository(g->scan, m->repository)->path));
	cv_json_text(j, o, "name", p ? p->name : "");
	cv_json_text(j, o, "verdict", cv_lost_verdict_name(l->verdict));
	cv_json_text(j, o, "reason", l->reason);
	for (size_t i = 0; i < l->count; i++)
		cv_json_push(j, list, candidate_object(j, &l->candidates[i]));
	cv_json_put(j, o, "candidates", list);
	cv_json_number(j, o, "not_compared", l->left_out);
	return o;
}

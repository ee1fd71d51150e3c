/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The IMAGE object of the JSON documents: keys in a fixed order, absent where nothing is known.
 */
#include "inspect/report/json_image.h"
#include "inspect/report/words.h"

static void put_where(struct cv_json *j, struct json_object *o, struct cv_range where)
{
	cv_json_number(j, o, "offset", where.off);
	cv_json_number(j, o, "length", where.len);
}

/* How one image calls another: by id inside a repository, by path across. */
static struct cv_bytes called(const struct cv_graph *g, uint32_t image, uint32_t seen_from)
{
	const struct cv_image *m = &g->images[image];

	return cv_bytes_of(m->repository == seen_from ? m->id : m->file->path);
}

static void put_parent(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_image *m)
{
	struct json_object *parent = cv_json_object(j), *recorded = cv_json_array(j);

	cv_json_text(j, parent, "status", cv_parent_status_name(m->status));
	if (m->parent != CV_NO_IMAGE)
		cv_json_name(j, parent, "id", called(g, m->parent, m->repository));
	for (uint32_t i = 0; i < m->facts->name_count; i++) {
		const struct cv_name *n = &m->facts->names[i];
		struct json_object *r;

		if (n->source == CV_NAME_DATA_FILE)
			continue;
		r = cv_json_object(j);
		cv_json_text(j, r, "source", cv_name_source_name(n->source));
		cv_json_name(j, r, "text", n->text);
		cv_json_push(j, recorded, r);
	}
	cv_json_put(j, parent, "recorded", recorded);
	if (m->facts->flags & CV_FACT_PARENT_UUID)
		cv_json_text(j, parent, "uuid", cv_uuid_str(m->facts->parent_uuid).s);
	cv_json_put(j, o, "parent", parent);
}

static void put_children(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_image *m)
{
	struct json_object *children = cv_json_array(j);

	for (uint32_t i = 0; i < m->child_count; i++)
		cv_json_push_name(j, children, called(g, cv_graph_child(g, m, i), m->repository));
	cv_json_put(j, o, "children", children);
}

static void put_references(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_image *m)
{
	struct json_object *references = cv_json_array(j);

	for (uint32_t i = 0; i < m->reference_count; i++) {
		const struct cv_claim *c = g->references[m->first_reference + i].claim;
		struct json_object *r = cv_json_object(j);

		cv_json_name(j, r, "source", cv_bytes_of(g->refs->sources[c->source].name));
		cv_json_name(j, r, "who", c->who);
		cv_json_text(j, r, "confidence", c->confidence == CV_DEFINITE ? "definite" : "possible");
		cv_json_push(j, references, r);
	}
	cv_json_put(j, o, "references", references);
}

static void put_verdict(struct cv_json *j, struct json_object *o, const char *key, const struct cv_graph *g,
			const struct cv_image *m, const struct cv_verdict *v)
{
	struct json_object *verdict = cv_json_object(j);

	cv_json_bool(j, verdict, "possible", v->possible);
	if (v->into != CV_NO_IMAGE)
		cv_json_name(j, verdict, "into", called(g, v->into, m->repository));
	cv_json_text(j, verdict, "reason", v->reason);
	cv_json_put(j, o, key, verdict);
}

static void put_value(struct cv_json *j, struct json_object *o, const struct cv_attr *a)
{
	switch (cv_attr_rows[a->id].type) {
	case CV_TYPE_TEXT:
		cv_json_name(j, o, "value", a->text);
		break;
	case CV_TYPE_TIME:
		cv_json_text(j, o, "value", cv_time_utc((int64_t)a->number).s);
		break;
	case CV_TYPE_FLAG:
		cv_json_bool(j, o, "value", a->number != 0);
		break;
	default:
		cv_json_number(j, o, "value", a->number);
	}
}

static void put_attributes(struct cv_json *j, struct json_object *o, const struct cv_facts *facts)
{
	struct json_object *attributes = cv_json_array(j);

	for (uint32_t i = 0; i < facts->attr_count; i++) {
		const struct cv_attr *a = &facts->attrs[i];
		struct json_object *r = cv_json_object(j);

		cv_json_text(j, r, "key", cv_attr_rows[a->id].key);
		cv_json_number(j, r, "index", a->index);
		put_value(j, r, a);
		if (a->where.len)
			put_where(j, r, a->where);
		cv_json_push(j, attributes, r);
	}
	cv_json_put(j, o, "attributes", attributes);
}

static void put_identity(struct cv_json *j, struct json_object *o, const struct cv_image *m)
{
	cv_json_name(j, o, "id", cv_bytes_of(m->id));
	cv_json_name(j, o, "path", cv_bytes_of(m->file->path));
	if (m->format != CV_FORMAT_NONE)
		cv_json_text(j, o, "format", cv_format_name(m->format));
	if (m->variant != CV_VARIANT_NONE)
		cv_json_text(j, o, "variant", cv_variant_name(m->variant));
	if (m->facts->flags & CV_FACT_UUID)
		cv_json_text(j, o, "uuid", cv_uuid_str(m->facts->uuid).s);
	if (m->size_known)
		cv_json_number(j, o, "virtual_size_bytes", m->virtual_size);
	cv_json_number(j, o, "file_size_bytes", m->file->size);
	cv_json_number(j, o, "allocated_bytes", m->file->allocated);
}

static const char *state_of(const struct cv_image *m)
{
	return !m->any_finding || m->worst == CV_INFO ? "ok" : cv_severity_name(m->worst);
}

/* Only where tables were asked for: absent means that nobody looked. */
static void put_check(struct cv_json *j, struct json_object *o, const struct cv_graph *g, const struct cv_image *m)
{
	size_t file = cv_scan_by_inode(g->scan, m->file->device, m->file->inode);
	const struct cv_checked *c = g->checks && file != SIZE_MAX ? cv_check_of(g->checks, file) : NULL;
	struct json_object *check;

	if (!c || m->format != m->file->facts->format)
		return;
	check = cv_json_object(j);
	cv_json_bool(j, check, "complete", c->done);
	if (c->done) {
		cv_json_number(j, check, "corruptions", c->corruptions);
		cv_json_number(j, check, "leaked_bytes", c->leaked_bytes);
	}
	cv_json_put(j, o, "check", check);
}

struct json_object *cv_json_image(struct cv_json *j, const struct cv_graph *g, uint32_t image, bool full)
{
	const struct cv_image *m = &g->images[image];
	struct json_object *o = cv_json_object(j);

	put_identity(j, o, m);
	cv_json_number(j, o, "depth", m->depth);
	cv_json_bool(j, o, "hidden", m->mark == CV_MARK_HIDDEN);
	cv_json_text(j, o, "role", cv_role_name(m->role));
	put_parent(j, o, g, m);
	put_children(j, o, g, m);
	put_references(j, o, g, m);
	put_verdict(j, o, "coalesce", g, m, &m->coalesce);
	cv_json_text(j, o, "state", state_of(m));
	put_check(j, o, g, m);
	if (full) {
		put_verdict(j, o, "deletable", g, m, &m->deletable);
		put_attributes(j, o, m->facts);
	}
	return o;
}

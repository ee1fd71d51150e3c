/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The parent of an image by each thing that names it: identity, recorded names, time. Each is looked at on its own,
 * whatever the graph has decided; that is said too.
 */
#include "inspect/report/dump_json.h"

#define MOST_CANDIDATES 16u

void cv_dump_put_image(struct cv_json *j, struct json_object *o, const char *key, const struct cv_dump *d,
		       uint32_t image)
{
	size_t n = cv_dump_index(d, image);

	if (n != SIZE_MAX)
		cv_dump_put_id(j, o, key, 'i', n);
	else if (image != CV_NO_IMAGE)
		cv_json_name(j, o, key, cv_bytes_of(d->g->images[image].file->path));
}

static bool has_identity(const struct cv_image *m, const uint8_t uuid[16])
{
	return m->facts->flags & CV_FACT_UUID && !memcmp(m->facts->uuid, uuid, 16);
}

static void put_by_uuid(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m)
{
	const struct cv_graph *g = d->g;
	struct json_object *by, *matches;
	uint32_t found = CV_NO_IMAGE;
	size_t count = 0;

	if (!(m->facts->flags & CV_FACT_PARENT_UUID))
		return;
	by = cv_json_object(j);
	matches = cv_json_array(j);
	cv_json_text(j, by, "uuid", cv_uuid_str(m->facts->parent_uuid).s);
	for (uint32_t i = 0; i < g->image_count; i++)
		if (&g->images[i] != m && has_identity(&g->images[i], m->facts->parent_uuid)) {
			struct json_object *one = cv_json_object(j);

			found = count++ ? CV_NO_IMAGE : i;
			cv_dump_put_image(j, one, "image", d, i);
			cv_json_push(j, matches, one);
		}
	cv_json_bool(j, by, "matches", count == 1);
	if (found != CV_NO_IMAGE)
		cv_dump_put_image(j, by, "match", d, found);
	if (count > 1)
		cv_json_put(j, by, "candidates", matches);
	else
		json_object_put(matches);
	cv_json_put(j, o, "by_uuid", by);
}

static const char *found_word(enum cv_found found)
{
	static const char *const words[] = {
		[CV_FOUND_FILE] = "file",
		[CV_FOUND_MISSING] = "missing",
		[CV_FOUND_OUTSIDE] = "outside",
		[CV_FOUND_NOT_REGULAR] = "not_regular",
		[CV_FOUND_UNREADABLE] = "unreadable",
	};

	return words[found];
}

static bool is_followed(const struct cv_name *n)
{
	return n->path.len && (n->kind == CV_NAME_RELATIVE || n->kind == CV_NAME_ABSOLUTE ||
			       n->kind == CV_NAME_BASENAME || n->kind == CV_NAME_WINDOWS);
}

/* As it would be looked up; of a Windows path only the last component can mean anything here. */
static bool resolve(const struct cv_image *m, const struct cv_name *n, struct cv_text *path)
{
	const char *slash = strrchr(m->file->path, '/');
	CV_AUTO(cv_auto_free) char *folder = strndup(m->file->path, slash ? (size_t)(slash - m->file->path) + 1 : 0);
	struct cv_bytes name = n->path;
	const char *last = n->kind == CV_NAME_WINDOWS ? memrchr(name.at, '/', name.len) : NULL;

	if (last)
		name = (struct cv_bytes){ last + 1, name.len - (size_t)(last + 1 - name.at) };
	return folder && name.len && cv_path_join(path, folder, name) && !path->failed;
}

static struct json_object *by_name(struct cv_json *j, const struct cv_dump *d, const struct cv_image *m,
				   const struct cv_name *n)
{
	static const char *const kinds[] = {
		[CV_NAME_OPAQUE] = "opaque",   [CV_NAME_RELATIVE] = "relative", [CV_NAME_ABSOLUTE] = "absolute",
		[CV_NAME_WINDOWS] = "windows", [CV_NAME_BASENAME] = "basename", [CV_NAME_EXTERNAL] = "external",
	};
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	struct json_object *o = cv_json_object(j);
	struct cv_lookup found = { .found = CV_FOUND_MISSING };
	uint32_t image = CV_NO_IMAGE;

	cv_json_text(j, o, "platform", cv_name_source_name(n->source));
	cv_json_text(j, o, "kind", kinds[n->kind]);
	cv_json_name(j, o, "text", n->text);
	cv_json_number(j, o, "offset", n->where.off);
	cv_json_number(j, o, "length", n->where.len);
	if (!is_followed(n) || !resolve(m, n, &path)) {
		cv_json_text(j, o, "found", "not_followed");
		cv_json_bool(j, o, "matches", false);
		return o;
	}
	cv_json_name(j, o, "resolved", (struct cv_bytes){ cv_text_str(&path), path.len });
	found = cv_scan_lookup(d->g->scan, cv_text_str(&path));
	cv_json_text(j, o, "found", found_word(found.found));
	if (found.found == CV_FOUND_FILE)
		image = cv_graph_by_file(d->g, cv_scan_file(d->g->scan, found.file));
	if (image != CV_NO_IMAGE)
		cv_dump_put_image(j, o, "match", d, image);
	cv_json_bool(j, o, "matches", image != CV_NO_IMAGE && image == m->parent);
	return o;
}

static void put_by_path(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m)
{
	struct json_object *list = cv_json_array(j);

	for (uint32_t i = 0; i < m->facts->name_count; i++)
		if (m->facts->names[i].source != CV_NAME_DATA_FILE)
			cv_json_push(j, list, by_name(j, d, m, &m->facts->names[i]));
	cv_json_put(j, o, "by_path", list);
}

/* Programs that hide or merge a parent change its time without changing what its children read: a mismatch alone
 * says little. */
static void put_by_time(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m)
{
	struct json_object *by;
	int64_t seconds;

	if (!(m->facts->flags & CV_FACT_PARENT_TIME))
		return;
	by = cv_json_object(j);
	cv_json_put(j, by, "epoch", json_object_new_int64(m->facts->parent_time));
	cv_json_text(j, by, "utc", cv_time_utc(m->facts->parent_time).s);
	cv_json_text(j, by, "zone", "spec");
	if (m->parent != CV_NO_IMAGE) {
		int64_t ns = d->g->images[m->parent].file->mtime_ns;

		seconds = ns / 1000000000 - (ns % 1000000000 < 0);
		cv_json_put(j, by, "parent_mtime_epoch", json_object_new_int64(seconds));
		cv_json_bool(j, by, "matches", seconds == m->facts->parent_time);
	}
	cv_json_put(j, o, "by_time", by);
}

static struct cv_bytes base_name(struct cv_bytes path)
{
	const char *slash = path.len ? memrchr(path.at, '/', path.len) : NULL;

	return slash ? (struct cv_bytes){ slash + 1, path.len - (size_t)(slash + 1 - path.at) } : path;
}

/* Why an image might be the parent that was not found; NULL if there is no sign of it. */
static const char *likeness(const struct cv_image *m, const struct cv_image *other)
{
	if (m->facts->flags & CV_FACT_PARENT_UUID && has_identity(other, m->facts->parent_uuid))
		return "identity";
	for (uint32_t i = 0; i < m->facts->name_count; i++) {
		struct cv_bytes name = base_name(m->facts->names[i].path);

		if (m->facts->names[i].source != CV_NAME_DATA_FILE && name.len &&
		    cv_bytes_equal(name, base_name(cv_bytes_of(other->file->path))))
			return "name";
	}
	return NULL;
}

static void put_candidates(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m)
{
	struct json_object *list = cv_json_array(j);
	size_t count = 0;

	for (uint32_t i = 0; i < d->g->image_count && count < MOST_CANDIDATES; i++) {
		const char *why = &d->g->images[i] == m ? NULL : likeness(m, &d->g->images[i]);
		struct json_object *one;

		if (!why)
			continue;
		one = cv_json_object(j);
		cv_dump_put_image(j, one, "image", d, i);
		cv_json_text(j, one, "by", why);
		cv_json_push(j, list, one);
		count++;
	}
	cv_json_put(j, o, "candidates", list);
}

void cv_dump_put_parent(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m)
{
	struct json_object *parent = cv_json_object(j);

	cv_json_text(j, parent, "status", cv_parent_status_name(m->status));
	if (m->parent != CV_NO_IMAGE) {
		cv_dump_put_image(j, parent, "image", d, m->parent);
		cv_json_text(j, parent, "basis", cv_parent_basis_name(m->basis));
	}
	put_by_uuid(j, parent, d, m);
	put_by_path(j, parent, d, m);
	put_by_time(j, parent, d, m);
	if (m->status != CV_PARENT_FOUND && m->status != CV_PARENT_NONE)
		put_candidates(j, parent, d, m);
	cv_json_put(j, o, "parent", parent);
}

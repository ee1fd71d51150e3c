/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A set of fingerprints in memory and as text. */
#include <chainview/fingerprint.h>
#include <chainview/vec.h>
#include <uuid/uuid.h>
#include "inspect/base/arena.h"
#include "inspect/report/json_value.h"

#define SCHEMA "chainview.fingerprints"
#define DEEPEST 4
#define LONGEST_LINE 65536u
#define MOST ((size_t)1 << 20)
/* Paths of a million links; far more than is read anywhere. */
#define TEXTS ((size_t)1 << 30)

CV_VEC(fingerprint_vec, struct cv_fingerprint);

static int compare(const void *a, const void *b)
{
	const struct cv_fingerprint *x = a, *y = b;
	int order = strcmp(x->child, y->child);

	if (order)
		return order;
	order = (x->seen < y->seen) - (x->seen > y->seen);
	return order ? order : strcmp(x->parent, y->parent);
}

static struct cv_fingerprints *finish(struct fingerprint_vec *v, struct cv_arena *arena)
{
	struct cv_fingerprints *set = calloc(1, sizeof *set);

	if (!set)
		return NULL;
	if (v->len)
		qsort(v->at, v->len, sizeof *v->at, compare);
	*set = (struct cv_fingerprints){ .at = v->at, .count = v->len, .arena = arena };
	return set;
}

void cv_fingerprints_free(struct cv_fingerprints *set)
{
	if (!set)
		return;
	free(set->at);
	cv_arena_free(set->arena);
	free(set);
}

/* A path as it was escaped; NULL if there is none, or it is no path. */
static const char *read_path(struct json_object *o, const char *key, struct cv_arena *arena)
{
	CV_AUTO(cv_text_fini) struct cv_text raw = { 0 };
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_string))
		return NULL;
	cv_text_unescape(&raw, (struct cv_bytes){ json_object_get_string(value), (size_t)json_object_get_string_len(value) });
	if (raw.failed || !raw.len || raw.at[0] != '/' || memchr(raw.at, '\0', raw.len))
		return NULL;
	return cv_arena_dup(arena, raw.at, raw.len);
}

static bool read_uuid(struct json_object *o, const char *key, uint8_t uuid[16], bool *known)
{
	struct json_object *value;

	*known = json_object_object_get_ex(o, key, &value);
	return !*known || (json_object_is_type(value, json_type_string) && !uuid_parse(json_object_get_string(value), uuid));
}

static bool read_number(struct json_object *o, const char *key, int64_t *n)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value) || !json_object_is_type(value, json_type_int))
		return false;
	*n = json_object_get_int64(value);
	return *n >= 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1048576:0123456789abcdef" */
static bool read_sample(const char *text, struct cv_sample *s)
{
	char *end = NULL;

	errno = 0;
	s->off = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || errno || *end != ':' || strlen(end + 1) != 2 * sizeof s->digest)
		return false;
	for (size_t i = 0; i < sizeof s->digest; i++) {
		int high = digit(end[1 + 2 * i]), low = digit(end[2 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		s->digest[i] = (uint8_t)(high * 16 + low);
	}
	return true;
}

static bool read_samples(struct json_object *o, struct cv_fingerprint *f)
{
	struct json_object *list;
	size_t count;

	if (!json_object_object_get_ex(o, "samples", &list) || !json_object_is_type(list, json_type_array))
		return false;
	count = json_object_array_length(list);
	if (count > CV_SAMPLES)
		return false;
	for (; f->count < count; f->count++) {
		struct json_object *one = json_object_array_get_idx(list, f->count);

		if (!json_object_is_type(one, json_type_string) ||
		    !read_sample(json_object_get_string(one), &f->samples[f->count]))
			return false;
	}
	return true;
}

static bool read_one(struct json_object *o, struct cv_fingerprint *f, struct cv_arena *arena)
{
	int64_t size;

	*f = (struct cv_fingerprint){ .child = read_path(o, "child", arena), .parent = read_path(o, "parent", arena) };
	if (!f->child || !f->parent || !read_uuid(o, "child_uuid", f->child_uuid, &f->child_known) ||
	    !read_uuid(o, "parent_uuid", f->parent_uuid, &f->parent_known) || !read_number(o, "size", &size) ||
	    !read_number(o, "recorded", &f->recorded) || !read_number(o, "seen", &f->seen))
		return false;
	f->size = (uint64_t)size;
	return read_samples(o, f);
}

static bool is_schema(struct json_object *o)
{
	struct json_object *schema, *name;

	return json_object_object_get_ex(o, "schema", &schema) && json_object_object_get_ex(schema, "name", &name) &&
	       json_object_is_type(name, json_type_string) && !strcmp(json_object_get_string(name), SCHEMA);
}

static bool read_line(struct json_tokener *reader, struct cv_bytes line, size_t number, struct fingerprint_vec *v,
		      struct cv_arena *arena, struct cv_err *err)
{
	struct cv_fingerprint f;
	struct json_object *o;
	bool ok;

	json_tokener_reset(reader);
	o = line.len <= LONGEST_LINE ? json_tokener_parse_ex(reader, line.at, (int)line.len) : NULL;
	ok = o && json_object_is_type(o, json_type_object);
	if (ok && number == 1)
		ok = is_schema(o);
	else
		ok = ok && v->len < MOST && read_one(o, &f, arena) && fingerprint_vec_push(v, f);
	json_object_put(o);
	return ok || cv_fail(err, CV_EFORMAT, "line %zu is no fingerprint", number);
}

struct cv_fingerprints *cv_fingerprints_read(struct cv_bytes text, struct cv_err *err)
{
	struct json_tokener *reader = json_tokener_new_ex(DEEPEST);
	struct cv_arena *arena = cv_arena_new(TEXTS);
	struct cv_fingerprints *set = NULL;
	struct fingerprint_vec v = { 0 };
	bool ok = reader && arena;
	size_t number = 0;

	if (!ok)
		cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t pos = 0; ok && pos < text.len;) {
		const char *at = text.at + pos, *end = memchr(at, '\n', text.len - pos);
		size_t len = end ? (size_t)(end - at) : text.len - pos;

		pos += len + 1;
		ok = read_line(reader, (struct cv_bytes){ at, len }, ++number, &v, arena, err);
	}
	if (ok)
		set = finish(&v, arena);
	if (reader)
		json_tokener_free(reader);
	if (set)
		return set;
	free(v.at);
	cv_arena_free(arena);
	return NULL;
}

static struct json_object *samples_of(struct cv_json *j, const struct cv_fingerprint *f)
{
	struct json_object *list = cv_json_array(j);

	for (uint32_t i = 0; i < f->count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		cv_text_addf(&t, "%" PRIu64 ":", f->samples[i].off);
		for (size_t k = 0; k < sizeof f->samples[i].digest; k++)
			cv_text_addf(&t, "%02x", f->samples[i].digest[k]);
		cv_json_push(j, list, json_object_new_string(cv_text_str(&t)));
	}
	return list;
}

static void put_path(struct cv_json *j, struct json_object *o, const char *key, const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(path));
	j->ok = j->ok && !t.failed;
	cv_json_text(j, o, key, cv_text_str(&t));
}

static void write_one(struct cv_json *j, const struct cv_fingerprint *f)
{
	struct json_object *o = cv_json_object(j);

	put_path(j, o, "child", f->child);
	if (f->child_known)
		cv_json_text(j, o, "child_uuid", cv_uuid_str(f->child_uuid).s);
	put_path(j, o, "parent", f->parent);
	if (f->parent_known)
		cv_json_text(j, o, "parent_uuid", cv_uuid_str(f->parent_uuid).s);
	cv_json_number(j, o, "size", f->size);
	cv_json_number(j, o, "recorded", (uint64_t)f->recorded);
	cv_json_number(j, o, "seen", (uint64_t)f->seen);
	cv_json_put(j, o, "samples", samples_of(j, f));
	cv_json_record(j, o, false);
	cv_json_raw(j, "\n");
}

bool cv_fingerprints_write(const struct cv_fingerprints *set, const struct cv_sink *sink)
{
	struct cv_json j = { .sink = sink, .ok = true };

	cv_json_raw(&j, "{\"schema\":{\"name\":\"" SCHEMA "\",\"version\":[1,0]}}\n");
	for (size_t i = 0; i < set->count && j.ok; i++)
		write_one(&j, &set->at[i]);
	return j.ok;
}

static bool copy_into(struct fingerprint_vec *v, struct cv_arena *arena, const struct cv_fingerprint *from)
{
	struct cv_fingerprint f = *from;

	f.child = cv_arena_dup(arena, from->child, strlen(from->child));
	f.parent = cv_arena_dup(arena, from->parent, strlen(from->parent));
	return f.child && f.parent && fingerprint_vec_push(v, f);
}

struct cv_fingerprints *cv_fingerprints_merge(const struct cv_fingerprints *old, const struct cv_fingerprints *add,
					      int64_t now, int64_t forget, struct cv_err *err)
{
	struct cv_arena *arena = cv_arena_new(TEXTS);
	struct cv_fingerprints *set = NULL;
	struct fingerprint_vec v = { 0 };
	bool ok = arena;

	for (size_t i = 0; ok && add && i < add->count; i++)
		ok = copy_into(&v, arena, &add->at[i]);
	for (size_t i = 0; ok && old && i < old->count && v.len < MOST; i++)
		if (old->at[i].seen > now - forget && !(add && cv_fingerprints_of(add, old->at[i].child)))
			ok = copy_into(&v, arena, &old->at[i]);
	if (ok)
		set = finish(&v, arena);
	if (set)
		return set;
	cv_fail(err, CV_ENOMEM, "out of memory");
	free(v.at);
	cv_arena_free(arena);
	return NULL;
}

const struct cv_fingerprint *cv_fingerprints_of(const struct cv_fingerprints *set, const char *child)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(set->at[middle].child, child) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && !strcmp(set->at[low].child, child) ? &set->at[low] : NULL;
}

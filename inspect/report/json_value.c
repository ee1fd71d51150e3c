/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * JSON values for reports. json-c writes strings as they are, so everything that is not known to be clean
 * goes through the sanitiser first. Which keys a document has does not belong here.
 */
#include "inspect/report/json_value.h"

static struct json_object *made(struct cv_json *j, struct json_object *o)
{
	j->ok = j->ok && o;
	return o;
}

struct json_object *cv_json_object(struct cv_json *j)
{
	return made(j, json_object_new_object());
}

struct json_object *cv_json_array(struct cv_json *j)
{
	return made(j, json_object_new_array());
}

void cv_json_put(struct cv_json *j, struct json_object *o, const char *key, struct json_object *value)
{
	if (!made(j, value) || !o || json_object_object_add(o, key, value)) {
		json_object_put(value);
		j->ok = false;
	}
}

void cv_json_push(struct cv_json *j, struct json_object *array, struct json_object *value)
{
	if (!made(j, value) || !array || json_object_array_add(array, value)) {
		json_object_put(value);
		j->ok = false;
	}
}

void cv_json_number(struct cv_json *j, struct json_object *o, const char *key, uint64_t n)
{
	cv_json_put(j, o, key, json_object_new_uint64(n));
}

void cv_json_bool(struct cv_json *j, struct json_object *o, const char *key, bool b)
{
	cv_json_put(j, o, key, json_object_new_boolean(b));
}

void cv_json_text(struct cv_json *j, struct json_object *o, const char *key, const char *text)
{
	cv_json_put(j, o, key, json_object_new_string(text ? text : ""));
}

static struct json_object *string_of(struct cv_json *j, const struct cv_text *t)
{
	if (t->failed || t->len > INT32_MAX) {
		j->ok = false;
		return NULL;
	}
	return json_object_new_string_len(cv_text_str(t), (int)t->len);
}

void cv_json_name(struct cv_json *j, struct json_object *o, const char *key, struct cv_bytes raw)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	CV_AUTO(cv_text_fini) struct cv_text exact_key = { 0 };

	cv_text_escape(&t, raw);
	cv_json_put(j, o, key, string_of(j, &t));
	if (cv_bytes_equal(raw, (struct cv_bytes){ t.at, t.len }))
		return;
	cv_text_addf(&exact_key, "%s_b64", key);
	cv_text_clear(&t);
	cv_text_base64(&t, raw);
	cv_json_put(j, o, cv_text_str(&exact_key), string_of(j, &t));
}

void cv_json_push_name(struct cv_json *j, struct json_object *array, struct cv_bytes raw)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, raw);
	cv_json_push(j, array, string_of(j, &t));
}

static void put(struct cv_json *j, const char *text, size_t len)
{
	j->ok = j->ok && j->sink->put(j->sink->ctx, text, len);
}

void cv_json_raw(struct cv_json *j, const char *text)
{
	put(j, text, strlen(text));
}

/* Writes the text of the object but for so many bytes at its ends. */
static void write_object(struct cv_json *j, struct json_object *o, size_t front, size_t back)
{
	size_t len = 0;
	const char *text = !o ? NULL :
		json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

	j->ok = j->ok && text && len >= front + back;
	if (j->ok)
		put(j, text + front, len - front - back);
	json_object_put(o);
}

void cv_json_record(struct cv_json *j, struct json_object *o, bool open)
{
	write_object(j, o, 0, open);
}

void cv_json_members(struct cv_json *j, struct json_object *o)
{
	write_object(j, o, 1, 1);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * JSON values for reports, on json-c: names that may be any bytes, numbers, and records written to a sink one
 * by one. Which keys a document has does not belong here.
 */
#ifndef CV_INSPECT_REPORT_JSON_VALUE_H
#define CV_INSPECT_REPORT_JSON_VALUE_H

#include <json-c/json.h>

#include <chainview/report.h>

struct cv_json {
	const struct cv_sink *sink;
	bool ok;                     /* false once the sink stopped or memory ran out */
};

/* An object or array to be filled, and given away with cv_json_record() or cv_json_put(). */
struct json_object *cv_json_object(struct cv_json *j);
struct json_object *cv_json_array(struct cv_json *j);

/* Each adds one member; value is taken. */
void cv_json_put(struct cv_json *j, struct json_object *o, const char *key, struct json_object *value);
void cv_json_push(struct cv_json *j, struct json_object *array, struct json_object *value);
void cv_json_number(struct cv_json *j, struct json_object *o, const char *key, uint64_t n);
void cv_json_bool(struct cv_json *j, struct json_object *o, const char *key, bool b);
/* Text that is clean already. */
void cv_json_text(struct cv_json *j, struct json_object *o, const char *key, const char *text);
/* Raw bytes: escaped, and when that changed anything also exactly, as base64, in "<key>_b64". */
void cv_json_name(struct cv_json *j, struct json_object *o, const char *key, struct cv_bytes raw);
/* An array of strings from raw bytes. */
void cv_json_push_name(struct cv_json *j, struct json_object *array, struct cv_bytes raw);

/* The frame of every document: {"schema":...,"tool":... without the closing brace. It is in json.c. */
void cv_json_head(struct cv_json *j, const struct cv_report_head *head);
/* Text between records. */
void cv_json_raw(struct cv_json *j, const char *text);
/* Writes the object and frees it. open leaves its closing brace out, so that more members can follow. */
void cv_json_record(struct cv_json *j, struct json_object *o, bool open);
/* The same without both braces, to go on with an object that is open; it must not be empty. */
void cv_json_members(struct cv_json *j, struct json_object *o);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The objects of which the JSON and NDJSON documents of a dump are made. */
#ifndef CV_INSPECT_REPORT_DUMP_JSON_H
#define CV_INSPECT_REPORT_DUMP_JSON_H

#include "inspect/dump/dump.h"
#include "inspect/report/json_value.h"

/* "s1", "i1" */
void cv_dump_put_id(struct cv_json *j, struct json_object *o, const char *key, char letter, size_t index);
/* An image of the graph: its id if it is in the document, else its path. */
void cv_dump_put_image(struct cv_json *j, struct json_object *o, const char *key, const struct cv_dump *d, uint32_t image);
void cv_dump_put_hex(struct cv_json *j, struct json_object *o, const char *key, const uint8_t *bytes, size_t len);
void cv_dump_put_sha256(struct cv_json *j, struct json_object *o, const uint8_t *digest);
void cv_dump_put_path(struct cv_json *j, struct json_object *o, const char *path);
void cv_dump_put_time(struct cv_json *j, struct json_object *o, const char *key, const struct cv_dump_time *t);

/* Each adds members to an object. */
void cv_dump_put_run(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_report_head *head);
void cv_dump_put_assurance(struct cv_json *j, struct json_object *o, const struct cv_dump *d);
void cv_dump_put_source(struct cv_json *j, struct json_object *o, const struct cv_dump *d, size_t source);
void cv_dump_put_structure(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item);
void cv_dump_put_summary(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item);
void cv_dump_put_parent(struct cv_json *j, struct json_object *o, const struct cv_dump *d, const struct cv_image *m);

#endif

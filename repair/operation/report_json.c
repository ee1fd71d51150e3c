/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The documents about operations: journal, recover, attach and trash list. */
#include <chainview/operation.h>

#include "inspect/report/json_value.h"
#include "repair/plan/make.h"

static void put_uuid(struct cv_json *j, struct json_object *o, const char *key, const uint8_t uuid[16])
{
	if (!cv_uuid_is_null(uuid))
		cv_json_text(j, o, key, cv_uuid_str(uuid).s);
}

static struct json_object *image_of(struct cv_json *j, const struct cv_plan_item *item)
{
	struct json_object *o = cv_json_object(j);

	cv_json_name(j, o, "path", cv_bytes_of(item->path));
	put_uuid(j, o, "uuid", item->uuid);
	cv_json_number(j, o, "allocated_bytes", item->allocated);
	if (item->parent)
		cv_json_name(j, o, "parent", cv_bytes_of(item->parent));
	return o;
}

static struct json_object *operation_of(struct cv_json *j, const struct cv_operation_entry *e)
{
	struct json_object *o = cv_json_object(j), *images = cv_json_array(j);

	put_uuid(j, o, "operation_id", e->id);
	if (e->kind != CV_PLAN_NONE)
		cv_json_text(j, o, "operation", cv_plan_kind_name(e->kind));
	cv_json_text(j, o, "state", cv_operation_state_name(e->state));
	cv_json_bool(j, o, "running", e->running);
	cv_json_bool(j, o, "archived", e->archived);
	cv_json_bool(j, o, "this_host", e->own);
	if (e->created_ns)
		cv_json_text(j, o, "created_utc", cv_time_utc((int64_t)(e->created_ns / 1000000000)).s);
	if (e->pid)
		cv_json_number(j, o, "pid", e->pid);
	cv_json_text(j, o, "command", e->command);
	for (size_t i = 0; i < e->item_count; i++)
		cv_json_push(j, images, image_of(j, &e->items[i]));
	cv_json_put(j, o, "images", images);
	if (e->trouble)
		cv_json_text(j, o, "trouble", e->trouble);
	return o;
}

/* One record an operation: there may be many. */
static void write_operations(struct cv_json *j, const struct cv_operation_list *list,
			     bool (*wanted)(const struct cv_operation_entry *e))
{
	const char *comma = "\n";

	for (size_t i = 0; i < list->count && j->ok; i++) {
		if (wanted && !wanted(&list->entries[i]))
			continue;
		cv_json_raw(j, comma);
		cv_json_record(j, operation_of(j, &list->entries[i]), false);
		comma = ",\n";
	}
}

static struct json_object *repository_of(struct cv_json *j, const char *key, const char *path)
{
	struct json_object *o = cv_json_object(j);

	cv_json_name(j, o, key, cv_bytes_of(path));
	return o;
}

bool cv_report_journal_json(const struct cv_journal_part *parts, size_t count, const struct cv_report_head *head,
			    const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n\"repositories\":[");
	for (size_t i = 0; i < count && j.ok; i++) {
		cv_json_raw(&j, i ? ",\n" : "\n");
		cv_json_record(&j, repository_of(&j, "path", parts[i].repository), true);
		cv_json_raw(&j, ",\"operations\":[");
		write_operations(&j, parts[i].operations, NULL);
		cv_json_raw(&j, "]}");
	}
	cv_json_raw(&j, "]}\n");
	return j.ok;
}

bool cv_report_recover_json(const struct cv_journal_part *part, bool (*concerns)(const struct cv_operation_entry *e),
			    const struct cv_recovered *result, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };
	struct json_object *o;

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_json_members(&j, repository_of(&j, "repository", part->repository));
	cv_json_raw(&j, ",\n\"unfinished\":[");
	write_operations(&j, part->operations, concerns);
	cv_json_raw(&j, "]");
	if (result) {
		o = cv_json_object(&j);
		cv_json_text(&j, o, "state", cv_result_state_name(result->state));
		cv_json_number(&j, o, "settled", result->settled);
		if (result->why && *result->why)
			cv_json_text(&j, o, "why", result->why);
		cv_json_raw(&j, ",\n\"result\":");
		cv_json_record(&j, o, false);
	}
	cv_json_raw(&j, "}\n");
	return j.ok;
}

bool cv_report_attach_json(const char *operation_id, const char *state, const char *why,
			   const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };
	struct json_object *o = cv_json_object(&j);

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_json_text(&j, o, "operation_id", operation_id);
	cv_json_text(&j, o, "state", state);
	if (*why)
		cv_json_name(&j, o, "why", cv_bytes_of(why));
	cv_json_members(&j, o);
	cv_json_raw(&j, "}\n");
	return j.ok;
}

static struct json_object *entry_of(struct cv_json *j, const struct cv_trash_entry *e)
{
	struct json_object *o = cv_json_object(j);

	cv_json_text(j, o, "operation_id", cv_uuid_str(e->operation).s);
	cv_json_number(j, o, "index", e->index);
	cv_json_name(j, o, "path", cv_bytes_of(e->item->path));
	put_uuid(j, o, "uuid", e->item->uuid);
	cv_json_text(j, o, "since_utc", cv_time_utc(e->since).s);
	cv_json_number(j, o, "allocated_bytes", e->allocated);
	return o;
}

bool cv_report_trash_json(const char *repository, const struct cv_trash *trash, const struct cv_report_head *head,
			  const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_json_members(&j, repository_of(&j, "repository", repository));
	cv_json_raw(&j, ",\n\"images\":[");
	for (size_t i = 0; i < trash->count && j.ok; i++) {
		cv_json_raw(&j, i ? ",\n" : "\n");
		cv_json_record(&j, entry_of(&j, &trash->entries[i]), false);
	}
	cv_json_raw(&j, "]}\n");
	return j.ok;
}

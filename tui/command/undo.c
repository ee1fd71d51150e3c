/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview undo: takes back what a finished operation did.
 */
#include <chainview/convert.h>

#include "tui/command/undo.h"
#include "tui/command/write.h"
#include "tui/write/planning.h"

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static const struct cv_operation_entry *find_operation(const struct cv_operation_list *list, const char *word,
						       struct cv_err *err)
{
	const struct cv_operation_entry *found = NULL;

	for (size_t i = 0; strlen(word) >= 4 && i < list->count; i++) {
		if (strncmp(word, cv_uuid_str(list->entries[i].id).s, strlen(word)) != 0)
			continue;
		if (found) {
			cv_fail(err, CV_EUSAGE, "more than one operation begins with that");
			return NULL;
		}
		found = &list->entries[i];
	}
	if (!found)
		cv_fail(err, CV_EUSAGE, "there is no such operation: chainview journal lists them");
	return found;
}

static struct cv_write_call undo_trash(struct cv_undo_call *undo)
{
	undo->trash = (struct cv_trash_call){ .path = undo->path, .operation = undo->id.s };
	return cv_trash_call_of(&undo->trash);
}

typedef struct cv_plan *plan_back(const struct cv_session *s, const struct cv_undo_call *undo,
				  const struct cv_operation_entry *e, struct cv_err *err);

static bool fail_taken_back(const struct cv_operation_entry *by, struct cv_err *err)
{
	return cv_fail(err, CV_EREFUSED, "it was taken back already, by operation %s: undo that to have it again",
		       cv_uuid_str(by->id).s);
}

/* The journals are read anew: what was shown may be gone by now. */
static struct cv_plan *plan_anew(const struct cv_session *s, const struct cv_undo_call *undo, plan_back *plan,
				 struct cv_err *err)
{
	struct cv_operation_list *operations = cv_operation_list_read(undo->path, err);
	const struct cv_operation_entry *e = operations ? find_operation(operations, undo->id.s, err) : NULL;
	const struct cv_operation_entry *by = e ? cv_operation_taken_back(operations, e) : NULL;
	struct cv_plan *made = NULL;

	if (by && e->kind != CV_PLAN_COALESCE)
		fail_taken_back(by, err);
	else if (e)
		made = plan(s, undo, e, err);
	cv_operation_list_free(operations);
	return made;
}

static struct cv_plan *rebase_back(const struct cv_session *s, const struct cv_undo_call *undo,
				   const struct cv_operation_entry *e, struct cv_err *err)
{
	struct cv_planning planning = cv_planning_begin(s, "compare");
	struct cv_rebase_options o = { .reserve = cv_session_reserve(s), .tick = cv_planning_tick, .ctx = &planning };
	uint32_t repository = cv_flow_repository(s, undo->path);
	struct cv_plan *made = NULL;

	if (repository != UINT32_MAX)
		made = cv_plan_rebase_undo(s->graph, repository, e, &o, err);
	else
		cv_fail(err, CV_EUSAGE, "there is no such repository");
	cv_planning_end(&planning);
	return made;
}

static struct cv_plan *plan_rebase(struct cv_session *s, void *ctx, struct cv_err *err)
{
	return plan_anew(s, ctx, rebase_back, err);
}

static struct cv_plan *convert_back(const struct cv_session *s, const struct cv_undo_call *undo,
				    const struct cv_operation_entry *e, struct cv_err *err)
{
	return cv_plan_undo_convert(s->graph, undo->path, e, err);
}

static struct cv_plan *plan_convert(struct cv_session *s, void *ctx, struct cv_err *err)
{
	return plan_anew(s, ctx, convert_back, err);
}

static void tell_convert(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	if (done->item_count > 1)
		cv_text_addf(out, " and %zu more are in the trash: operation %s\n", done->item_count - 1, cv_uuid_str(result->id).s);
	else
		cv_text_addf(out, " is in the trash: operation %s\n", cv_uuid_str(result->id).s);
}

static struct cv_write_call undo_convert(struct cv_undo_call *undo)
{
	return (struct cv_write_call){ plan_convert, undo, true, "there is nothing to take back", tell_convert };
}

static void tell_rebase(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_addf(out, " names its former parent again: operation %s\n", cv_uuid_str(result->id).s);
}

static struct cv_write_call undo_rebase(struct cv_undo_call *undo)
{
	return (struct cv_write_call){ plan_rebase, undo, true, "there is nothing to take back", tell_rebase };
}

static struct cv_plan *coalesce_back(const struct cv_session *s, const struct cv_undo_call *undo,
				     const struct cv_operation_entry *e, struct cv_err *err)
{
	uint32_t repository = cv_flow_repository(s, undo->path);

	if (repository != UINT32_MAX)
		return cv_plan_coalesce_undo(s->graph, repository, e, cv_session_reserve(s), err);
	cv_fail(err, CV_EUSAGE, "there is no such repository");
	return NULL;
}

static struct cv_plan *plan_coalesce(struct cv_session *s, void *ctx, struct cv_err *err)
{
	return plan_anew(s, ctx, coalesce_back, err);
}

static void tell_coalesce(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_addf(out, " is back, and so is who stood on it: operation %s\n", cv_uuid_str(result->id).s);
}

static struct cv_write_call undo_coalesce(struct cv_undo_call *undo)
{
	return (struct cv_write_call){ plan_coalesce, undo, true, "there is nothing to take back", tell_coalesce };
}

static struct cv_plan *repair_back(const struct cv_session *s, const struct cv_undo_call *undo,
				   const struct cv_operation_entry *e, struct cv_err *err)
{
	uint32_t repository = cv_flow_repository(s, undo->path);

	if (repository != UINT32_MAX)
		return cv_plan_repair_undo(s->graph, repository, e, cv_session_reserve(s), err);
	cv_fail(err, CV_EUSAGE, "there is no such repository");
	return NULL;
}

static struct cv_plan *plan_repair(struct cv_session *s, void *ctx, struct cv_err *err)
{
	return plan_anew(s, ctx, repair_back, err);
}

static void tell_repair(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	if (done->move_count)
		cv_text_addf(out, "everything is as it was, %zu file%s concerned: operation %s\n", done->item_count,
			     done->item_count == 1 ? "" : "s", cv_uuid_str(result->id).s);
	else
		cv_text_addf(out, "put back the bytes of %zu image%s: operation %s\n", done->item_count, done->item_count == 1 ? "" : "s",
		     cv_uuid_str(result->id).s);
}

static struct cv_write_call undo_repair(struct cv_undo_call *undo)
{
	return (struct cv_write_call){ plan_repair, undo, true, "there is nothing to take back", tell_repair };
}

static const struct {
	enum cv_plan_kind kind;
	bool aborted;                /* may have left something that can be taken back */
	struct cv_write_call (*call)(struct cv_undo_call *undo);
} rows[] = {
	{ CV_PLAN_TRASH, true, undo_trash },
	{ CV_PLAN_CONVERT, false, undo_convert },
	{ CV_PLAN_CONVERT_TREE, false, undo_convert },
	{ CV_PLAN_REBASE, false, undo_rebase },
	{ CV_PLAN_REBASE_COPY, false, undo_rebase },
	{ CV_PLAN_COALESCE, false, undo_coalesce },
	{ CV_PLAN_REPAIR, false, undo_repair },
};

bool cv_undo_call_of(const struct cv_operation_entry *e, char *repository, struct cv_undo_call *undo,
		     struct cv_write_call *call, struct cv_err *err)
{
	if (e->state == CV_OPERATION_PENDING || e->state == CV_OPERATION_DAMAGED)
		return cv_fail(err, CV_EREFUSED, "it is %s: chainview recover comes first", cv_operation_state_name(e->state));
	undo->id = cv_uuid_str(e->id);
	undo->path = repository;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (rows[i].kind != e->kind)
			continue;
		if (e->state == CV_OPERATION_ABORTED && !rows[i].aborted)
			return cv_fail(err, CV_EREFUSED, "it was put back when it was cut short: there is nothing to take back");
		*call = rows[i].call(undo);
		return true;
	}
	if (e->kind == CV_PLAN_LEAF)
		return cv_fail(err, CV_EREFUSED, "a coalesce-leaf cannot be undone: what was the parent is the image now, and guests may have "
						 "written to it. What was the leaf lies in the trash until that is purged");
	return cv_fail(err, CV_EREFUSED, "a %s cannot be undone", cv_plan_kind_name(e->kind));
}

static int run(struct cv_session *s, int argc, char **argv)
{
	CV_AUTO(cv_auto_free) char *path = NULL;
	struct cv_err err = { .code = CV_OK };
	struct cv_operation_list *operations = NULL;
	const struct cv_operation_entry *e = NULL;
	struct cv_undo_call undo;
	struct cv_write_call call;
	int status;

	if (argc != 2)
		return cv_command_usage(s, "give one repository and an operation");
	if (cv_write_repository(s, argv[0], &path, &err))
		operations = cv_operation_list_read(path, &err);
	if (operations)
		e = find_operation(operations, argv[1], &err);
	if (e && cv_undo_call_of(e, path, &undo, &call, &err) && (!call.scans || cv_session_add_all(s, NULL, 0, &err)))
		status = cv_write_run(s, &call);
	else
		status = cv_command_fail(s, &err);
	cv_operation_list_free(operations);
	return status;
}

const struct cv_command cv_command_undo = {
	"undo", "REPO OPERATION", "take back what an operation did", CV_COMMAND_WRITES, options, run,
};

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview undo: takes back what a finished operation did.
 */
#include "tui/command/undo.h"
#include "tui/command/write.h"

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

static bool can_undo(const struct cv_operation_entry *e, struct cv_err *err)
{
	if (e->state == CV_OPERATION_PENDING || e->state == CV_OPERATION_DAMAGED)
		return cv_fail(err, CV_EREFUSED, "it is %s: chainview recover comes first", cv_operation_state_name(e->state));
	if (e->kind != CV_PLAN_TRASH)
		return cv_fail(err, CV_EREFUSED, "a %s cannot be undone", cv_plan_kind_name(e->kind));
	return true;
}

bool cv_undo_call_of(const struct cv_operation_entry *e, char *repository, struct cv_undo_call *undo,
		     struct cv_write_call *call, struct cv_err *err)
{
	if (!can_undo(e, err))
		return false;
	undo->id = cv_uuid_str(e->id);
	undo->trash = (struct cv_trash_call){ .path = repository, .operation = undo->id.s };
	*call = cv_trash_call_of(&undo->trash);
	return true;
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
	status = e && cv_undo_call_of(e, path, &undo, &call, &err) ? cv_write_run(s, &call) : cv_command_fail(s, &err);
	cv_operation_list_free(operations);
	return status;
}

const struct cv_command cv_command_undo = {
	"undo", "REPO OPERATION", "take back what an operation did", CV_COMMAND_WRITES, options, run,
};

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview journal: what was done in repositories, and what is unfinished.
 */
#include <stdio.h>
#include <unistd.h>

#include "tui/command/write.h"

static void add_entry(struct cv_text *t, const struct cv_operation_entry *e)
{
	cv_text_addf(t, "%.8s   %s  %-8s %-8s %5zu  ", cv_uuid_str(e->id).s, cv_time_utc((int64_t)(e->created_ns / 1000000000)).s,
		     cv_plan_kind_name(e->kind), e->running ? "running" : cv_operation_state_name(e->state), e->item_count);
	cv_text_add(t, e->trouble ? e->trouble : e->command);
	if (!e->own && !e->trouble)
		cv_text_add(t, " (by another host)");
	cv_text_add(t, "\n");
}

static bool write_list(const struct cv_sink *sink, void *ctx)
{
	const struct cv_operation_list *list = ctx;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (list->count)
		cv_text_add(&t, "OPERATION  WHEN                  WHAT     STATE   IMAGES  COMMAND\n");
	for (size_t i = 0; i < list->count; i++)
		add_entry(&t, &list->entries[i]);
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

static int show(struct cv_session *s, const char *word)
{
	struct cv_err err = { .code = CV_OK };
	CV_AUTO(cv_auto_free) char *path = NULL;
	struct cv_operation_list *list = NULL;
	int status;

	if (cv_write_repository(s, word, &path, &err))
		list = cv_operation_list_read(path, &err);
	if (!list)
		return cv_command_fail(s, &err);
	if (!list->count && !s->settings.quiet)
		fputs("chainview: nothing was ever done here\n", stderr);
	status = cv_output_report((struct cv_report_call){ write_list, list }, CV_EXIT_OK);
	cv_operation_list_free(list);
	return status;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	int status = CV_EXIT_OK;

	if (argc)
		return argc == 1 ? show(s, argv[0]) : cv_command_usage(s, "give at most one repository");
	if (!s->config.repositories.len)
		return cv_command_usage(s, "no repository given and none configured");
	for (size_t i = 0; i < s->config.repositories.len; i++)
		status |= show(s, s->config.repositories.at[i].name);
	return status;
}

const struct cv_command cv_command_journal = {
	"journal", "[REPO]", "what was done, and what is unfinished", CV_COMMAND_WRITES | CV_COMMAND_NO_JSON, NULL, run,
};

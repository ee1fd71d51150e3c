/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview journal: what was done in repositories, and what is unfinished.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tui/command/journal.h"
#include "tui/command/write.h"

/* Their journals do not differ: the line that began it tells. */
static bool was_flatten(const struct cv_operation_entry *e)
{
	static const char option[] = " --flatten", console[] = "chainview console: flatten ";
	const char *at = e->command ? strstr(e->command, option) : NULL;

	if (e->kind != CV_PLAN_REBASE && e->kind != CV_PLAN_REBASE_COPY)
		return false;
	return (at && (at[sizeof option - 1] == ' ' || !at[sizeof option - 1])) ||
	       (e->command && !strncmp(e->command, console, sizeof console - 1));
}

const char *cv_journal_what(const struct cv_operation_entry *e)
{
	return was_flatten(e) ? "flatten" : cv_plan_kind_name(e->kind);
}

size_t cv_journal_what_width(const struct cv_operation_list *list)
{
	size_t width = 8;

	for (size_t i = 0; i < list->count; i++) {
		size_t len = strlen(cv_journal_what(&list->entries[i]));

		width = len > width ? len : width;
	}
	return width;
}

static void add_entry(struct cv_text *t, const struct cv_operation_entry *e, int width)
{
	cv_text_addf(t, "%.8s   %s  %-*s %-8s %5zu  ", cv_uuid_str(e->id).s, cv_time_utc((int64_t)(e->created_ns / 1000000000)).s,
		     width, cv_journal_what(e), e->running ? "running" : cv_operation_state_name(e->state), e->item_count);
	cv_text_add(t, e->trouble ? e->trouble : e->command);
	if (!e->own && !e->trouble)
		cv_text_add(t, " (by another host)");
	cv_text_add(t, "\n");
}

static bool write_list(const struct cv_sink *sink, void *ctx)
{
	const struct cv_operation_list *list = ctx;
	int width = (int)cv_journal_what_width(list);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (list->count)
		cv_text_addf(&t, "OPERATION  WHEN                  %-*s STATE   IMAGES  COMMAND\n", width, "WHAT");
	for (size_t i = 0; i < list->count; i++)
		add_entry(&t, &list->entries[i], width);
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

struct journals {
	struct cv_session *s;
	struct cv_journal_part *parts;
	size_t count;
	int status;
};

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct journals *all = ctx;
	struct cv_report_head head = { all->s->command, all->s->argc, all->s->argv, all->status };

	return cv_report_journal_json(all->parts, all->count, &head, sink);
}

static int read_journals(struct journals *all, const char *word)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_operation_list *list = NULL;
	char *path = NULL;

	if (cv_write_repository(all->s, word, &path, &err))
		list = cv_operation_list_read(path, &err);
	if (!list) {
		free(path);
		return cv_command_fail(all->s, &err);
	}
	all->parts[all->count++] = (struct cv_journal_part){ path, list };
	return CV_EXIT_OK;
}

static int show(const struct cv_session *s, const struct cv_operation_list *list)
{
	if (!list->count && !s->settings.quiet)
		fputs("chainview: nothing was ever done here\n", stderr);
	return cv_output_report((struct cv_report_call){ write_list, (void *)(uintptr_t)list }, CV_EXIT_OK);
}

static void forget(struct journals *all)
{
	for (size_t i = 0; i < all->count; i++) {
		free((char *)(uintptr_t)all->parts[i].repository);
		cv_operation_list_free((struct cv_operation_list *)(uintptr_t)all->parts[i].operations);
	}
	free(all->parts);
}

/* A document tells about those that could be read, if any. */
static int show_all(struct cv_session *s, const char *const *words, size_t count)
{
	struct journals all = { .s = s, .parts = calloc(count + 1, sizeof *all.parts) };
	struct cv_err err = { .code = CV_OK };

	if (!all.parts) {
		cv_fail(&err, CV_ENOMEM, "out of memory");
		return cv_command_fail(s, &err);
	}
	for (size_t i = 0; i < count; i++)
		all.status |= read_journals(&all, words[i]);
	for (size_t i = 0; !s->settings.json && i < all.count; i++)
		all.status |= show(s, all.parts[i].operations);
	if (s->settings.json && all.count)
		all.status |= cv_output_report((struct cv_report_call){ write_json, &all }, all.status);
	forget(&all);
	return all.status;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	CV_AUTO(cv_auto_free) const char **words = NULL;
	size_t count = s->config.repositories.len;

	if (argc)
		return argc == 1 ? show_all(s, (const char *const *)argv, 1)
				 : cv_command_usage(s, "give at most one repository");
	if (!count)
		return cv_command_usage(s, "no repository given and none configured");
	words = calloc(count, sizeof *words);
	for (size_t i = 0; words && i < count; i++)
		words[i] = s->config.repositories.at[i].name;
	return show_all(s, words, words ? count : 0);
}

const struct cv_command cv_command_journal = {
	"journal", "[REPO]", "what was done, and what is unfinished", CV_COMMAND_WRITES, NULL, run,
};

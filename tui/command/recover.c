/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview recover: settles what a crash left unfinished.
 */
#include <stdio.h>

#include "tui/command/recover.h"
#include "tui/command/write.h"

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	{ "adopt", 0, NULL, NULL, "also what another host left; that host must be dead", CV_ON(write.adopt) },
	{ "abort", 0, NULL, NULL, "put back what can be, instead of finishing it", CV_ON(write.abort) },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

bool cv_recover_concerns(const struct cv_operation_entry *e)
{
	return e->state == CV_OPERATION_PENDING || e->state == CV_OPERATION_DAMAGED || !e->archived;
}

/* What recovery would look at. */
static size_t pending(const struct cv_operation_list *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += cv_recover_concerns(&list->entries[i]);
	return count;
}

struct document {
	const struct cv_session *s;
	struct cv_journal_part part;
	const struct cv_recovered *result;
	int status;
};

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct document *d = ctx;
	struct cv_report_head head = { d->s->command, d->s->argc, d->s->argv, d->status };

	return cv_report_recover_json(&d->part, cv_recover_concerns, d->result, &head, sink);
}

bool cv_recover_repository(const char *path, const struct cv_recover_options *how, size_t *settled,
			   struct cv_err *err)
{
	struct cv_writing *w = cv_writing_begin(path, err);
	bool ok = w != NULL && cv_recover(w, how, settled, err);

	cv_writing_end(w);
	return ok;
}

static int settle(struct cv_session *s, struct document *d)
{
	struct cv_recovered result;
	struct cv_write_watch watch;
	struct cv_recover_options recover = { .adopt = s->settings.write.adopt, .give_up = s->settings.write.abort,
					      .monitor = &watch.monitor };
	struct cv_err err = { .code = CV_OK };
	size_t settled = 0;

	cv_write_watch_begin(&watch, s);
	cv_recover_repository(d->part.repository, &recover, &settled, &err);
	cv_write_watch_end(&watch);
	if (settled && !s->settings.quiet && !s->settings.json)
		printf("settled %zu operation%s\n", settled, settled == 1 ? "" : "s");
	d->status = err.code ? cv_command_fail(s, &err) : CV_EXIT_OK;
	result = (struct cv_recovered){ err.code ? cv_flow_state_of(&err) : CV_RESULT_DONE, settled, err.code ? err.text : NULL };
	d->result = &result;
	return s->settings.json ? cv_output_report((struct cv_report_call){ write_json, d }, d->status) : d->status;
}

static int only_show(const struct cv_session *s, struct document *d, size_t count)
{
	if (s->settings.json)
		return cv_output_report((struct cv_report_call){ write_json, d }, CV_EXIT_OK);
	if (!s->settings.quiet)
		printf(count ? "%zu unfinished: chainview journal lists them, --yes settles them\n"
			     : "nothing is unfinished\n", count);
	return CV_EXIT_OK;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_err err = { .code = CV_OK };
	CV_AUTO(cv_auto_free) char *path = NULL;
	struct cv_operation_list *list;
	struct document d;
	size_t count;
	int status;

	if (argc != 1)
		return cv_command_usage(s, "give one repository");
	if (!cv_write_repository(s, argv[0], &path, &err))
		return cv_command_fail(s, &err);
	list = cv_operation_list_read(path, &err);
	if (!list)
		return cv_command_fail(s, &err);
	d = (struct document){ .s = s, .part = { path, list } };
	count = pending(list);
	status = !count || s->settings.dry_run || !s->settings.write.yes ? only_show(s, &d, count) : settle(s, &d);
	cv_operation_list_free(list);
	return status;
}

const struct cv_command cv_command_recover = {
	"recover", "REPO", "finish or put back what a crash left", CV_COMMAND_WRITES, options, run,
};

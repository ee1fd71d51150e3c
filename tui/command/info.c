/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview info: all about single images, and whether they may be deleted. How a word on the command line
 * becomes an image is in target.c.
 */
#include <unistd.h>

#include "tui/command/command.h"
#include "tui/command/lost.h"
#include "tui/command/target.h"

static const struct cv_option_row options[] = {
	{ "deletable", 0, NULL, NULL, "answer only whether it may be deleted: status 0 or 4", CV_ON(deletable) },
	CV_SEARCH_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

struct info {
	struct cv_session *s;
	struct cv_lost_parents lost;
	uint32_t *images;
	size_t count;
	int status;
};

static int status_of(const struct info *f)
{
	int status = f->s->cancelled ? CV_EXIT_CANCELLED : CV_EXIT_OK;

	for (size_t i = 0; i < f->count; i++) {
		const struct cv_image *m = &f->s->graph->images[f->images[i]];

		if (f->s->settings.deletable && !m->deletable.possible)
			status |= CV_EXIT_ERRORS;
		if (!f->s->settings.deletable && m->file->state == CV_FILE_FAILED)
			status |= CV_EXIT_FAILED;
	}
	return status;
}

static bool write_deletable(const struct info *f, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t i = 0; i < f->count; i++) {
		const struct cv_verdict *v = &f->s->graph->images[f->images[i]].deletable;

		cv_text_escape(&t, cv_bytes_of(f->s->graph->images[f->images[i]].file->path));
		cv_text_addf(&t, ": %s: %s\n", v->possible ? "can be deleted" : "must not be deleted",
			     v->reason ? v->reason : "");
	}
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct info *f = ctx;
	struct cv_style style = cv_session_style(f->s, STDOUT_FILENO);

	if (f->s->settings.deletable)
		return write_deletable(f, sink);
	for (size_t i = 0; i < f->count; i++) {
		const struct cv_lost *lost = f->lost.found ? cv_candidates_of(f->lost.found, f->images[i]) : NULL;

		if ((i && !sink->put(sink->ctx, "\n", 1)) || !cv_report_info(f->s->graph, f->images[i], &style, sink) ||
		    (lost && !cv_report_lost(f->s->graph, lost, &style, sink)))
			return false;
	}
	return true;
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct info *f = ctx;
	struct cv_report_head head = { "info", f->s->argc, f->s->argv, f->status };

	return cv_report_info_json(f->s->graph, &head, f->images, f->count, f->lost.found, sink);
}

/* Only the page shows them. */
static bool look_for_parents(struct info *f, struct cv_err *err)
{
	return f->s->settings.deletable || f->s->cancelled ||
	       cv_lost_parents_find(f->s, f->images, f->count, &f->lost, err);
}

static bool find_images(struct info *f, const struct cv_image_word *targets, size_t count, struct cv_err *err)
{
	for (f->count = 0; f->count < count; f->count++)
		if (!cv_image_word_find(&targets[f->count], f->s, &f->images[f->count], err))
			return false;
	return true;
}

static int report(struct info *f)
{
	f->status = status_of(f);
	if (f->s->settings.quiet && f->s->settings.deletable && !f->s->settings.json)
		return f->status;
	return cv_output_report((struct cv_report_call){ f->s->settings.json ? write_json : write_text, f }, f->status);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	size_t count = (size_t)argc;
	CV_AUTO(cv_auto_free) struct cv_image_word *targets = calloc(count + 1, sizeof *targets);
	CV_AUTO(cv_auto_free) uint32_t *images = calloc(count + 1, sizeof *images);
	struct info f = { .s = s, .images = images };
	struct cv_err err = { .code = CV_OK };
	int status;

	if (!count)
		return cv_command_usage(s, "give at least one image");
	if (!targets || !images)
		cv_fail(&err, CV_ENOMEM, "out of memory");
	else if (cv_image_words_add(s, argv, count, targets, &err) && cv_session_run(s, &err) &&
		 !find_images(&f, targets, count, &err) && s->cancelled)
		err.code = CV_ECANCELLED;        /* it may be there: not everything was looked at */
	if (!err.code)
		look_for_parents(&f, &err);
	status = err.code ? cv_command_fail(s, &err) | (s->cancelled ? CV_EXIT_CANCELLED : 0) : report(&f);
	cv_lost_parents_fini(&f.lost);
	return status;
}

const struct cv_command cv_command_info = {
	"info", "IMAGE...", "all about an image, and whether it can go", 0, options, run,
};

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview verify: digests of what guests read, the second reader, and the comparison of two images. Waits,
 * shows progress and reports; nothing is read here.
 */
#include <chainview/verify.h>
#include <stdio.h>
#include <unistd.h>

#include "tui/command/command.h"
#include "tui/command/progress.h"
#include "tui/command/signals.h"
#include "tui/command/target.h"

#define STEP_MS 100

static bool set_reader(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->own_reader = !strcmp(value, "own");
	return s->own_reader || !strcmp(value, "both") || cv_fail(err, CV_EUSAGE, "--reader takes both or own");
}

static const struct cv_option_row options[] = {
	{ "reader", 0, "WHICH", "both own", "both (with libvhdi or libqcow too) or own", set_reader, 0 },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

struct job {
	struct cv_session *s;
	struct cv_verify *verify;
	int status;
};

static void wait_for(struct job *j)
{
	struct cv_progress_line line = cv_progress_begin(&j->s->settings);

	while (!j->s->cancelled && cv_verify_step(j->verify, STEP_MS)) {
		struct cv_verify_progress p = cv_verify_progress(j->verify);

		cv_progress_show_bytes(&line, "verifying", p.done, p.total);
		j->s->cancelled = cv_signals_stop();
	}
	cv_progress_end(&line);
}

static int status_of(const struct job *j)
{
	const struct cv_compared *c = cv_verify_compared(j->verify);
	int status = c->known && !c->equal ? CV_EXIT_CORRECTED : c->trouble ? CV_EXIT_FAILED : CV_EXIT_OK;

	for (size_t i = 0; i < cv_verify_count(j->verify); i++) {
		const struct cv_verified *v = cv_verify_result(j->verify, i);

		if (!v->digested || v->second.verdict == CV_SECOND_DIFFER || v->second.verdict == CV_SECOND_FAILED)
			status |= CV_EXIT_FAILED;
	}
	return status;
}

static bool write_report(const struct cv_sink *sink, void *ctx)
{
	const struct job *j = ctx;
	struct cv_report_head head = { "verify", j->s->argc, j->s->argv, j->status };
	struct cv_style style = cv_session_style(j->s, STDOUT_FILENO);

	return j->s->settings.json ? cv_report_verify_json(j->s->graph, j->verify, &head, sink)
				   : cv_report_verify(j->s->graph, j->verify, &style, sink);
}

static int verify(struct cv_session *s, const uint32_t *images, size_t count, struct cv_err *err)
{
	const struct cv_verify_options how = { .own_reader_only = s->settings.own_reader };
	struct job j = { .s = s, .verify = cv_verify_new(s->graph, images, count, &how, err) };

	if (!j.verify)
		return cv_command_fail(s, err);
	wait_for(&j);
	if (s->cancelled) {
		cv_fail(err, CV_ECANCELLED, "cancelled");
		j.status = cv_command_fail(s, err);
	} else {
		j.status = status_of(&j);
		if (j.status || !s->settings.quiet || s->settings.json)
			j.status = cv_output_report((struct cv_report_call){ write_report, &j }, j.status);
	}
	cv_verify_free(j.verify);
	return j.status;
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_image_word targets[2];
	uint32_t images[2];
	size_t count = (size_t)argc;
	struct cv_err err = { .code = CV_OK };

	if (!count || count > CV_COUNT(targets))
		return cv_command_usage(s, "give one image, or two to compare");
	if (!cv_image_words_add(s, argv, count, targets, &err) || !cv_session_run(s, &err))
		return cv_command_fail(s, &err);
	if (s->cancelled)
		cv_fail(&err, CV_ECANCELLED, "cancelled");
	for (size_t i = 0; !err.code && i < count; i++)
		cv_image_word_find(&targets[i], s, &images[i], &err);
	return err.code ? cv_command_fail(s, &err) : verify(s, images, count, &err);
}

const struct cv_command cv_command_verify = {
	"verify", "IMAGE [IMAGE]", "checksum of what a guest reads, checked by a second reader; compare two", 0, options,
	run,
};

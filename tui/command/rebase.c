/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview rebase: another parent for an image. No data are copied: where both parents differ it refuses.
 */
#include "tui/command/command.h"
#include "tui/command/progress.h"
#include "tui/command/signals.h"
#include "tui/command/target.h"
#include "tui/command/write.h"

static bool set_onto(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	(void)err;
	settings->write.onto = value;
	return true;
}

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	{ "onto", 0, "PARENT", NULL, "the new parent; or the present one, to mend its path", set_onto, 0 },
	{ "flatten", 0, NULL, NULL, "no parent at all (not available)", CV_ON(write.flatten) },
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

enum { IMAGE, ONTO, WORDS };

/* False once a signal has come. */
static bool tick(void *ctx, uint64_t done, uint64_t total)
{
	struct cv_progress_line *line = ctx;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (cv_progress_due(line)) {
		cv_text_addf(&t, "comparing: %s of %s", cv_size_short(done).s, cv_size_short(total).s);
		if (!t.failed)
			cv_progress_text(line, cv_text_str(&t));
	}
	return !cv_signals_stop();
}

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_image_word *targets = ctx;
	struct cv_progress_line line = cv_progress_begin(&s->settings);
	struct cv_rebase_options o = { .reserve = cv_session_reserve(s), .tick = tick, .ctx = &line };
	struct cv_plan *made = NULL;

	if (cv_image_word_find(&targets[IMAGE], s, &o.image, err) && cv_image_word_find(&targets[ONTO], s, &o.onto, err))
		made = cv_plan_rebase(s->graph, &o, err);
	cv_progress_end(&line);
	return made;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_add(out, "the parent of ");
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_add(out, " is now ");
	cv_text_escape(out, cv_bytes_of(done->link->path));
	cv_text_addf(out, ": operation %s\nchainview undo gives it back the former one\n", cv_uuid_str(result->id).s);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_image_word targets[WORDS];
	struct cv_write_call call = { plan, targets, true, "the image names this parent already: there is nothing to do", tell };
	struct cv_err err = { .code = CV_OK };
	char *words[WORDS];

	if (argc != 1)
		return cv_command_usage(s, "give one image, and --onto PARENT");
	if (s->settings.write.flatten)
		cv_fail(&err, CV_EREFUSED, "--flatten is not available in this version: nothing that copies data into an image is");
	else if (!s->settings.write.onto)
		return cv_command_usage(s, "give --onto PARENT");
	if (err.code)
		return cv_command_fail(s, &err);
	words[IMAGE] = argv[0];
	words[ONTO] = (char *)(uintptr_t)s->settings.write.onto;
	if (!cv_image_words_add(s, words, WORDS, targets, &err))
		return cv_command_fail(s, &err);
	return cv_write_run(s, &call);
}

const struct cv_command cv_command_rebase = {
	"rebase", "IMAGE --onto PARENT", "another parent for an image that reads the same on it", CV_COMMAND_WRITES, options, run,
};

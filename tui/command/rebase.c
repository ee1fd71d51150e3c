/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview rebase: another parent for an image. No data are copied: where both parents differ it refuses.
 */
#include "tui/command/rebase.h"
#include "tui/command/write.h"
#include "tui/write/planning.h"

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

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_rebase_call *c = ctx;
	struct cv_planning planning = cv_planning_begin(s, "compare");
	struct cv_rebase_options o = { .reserve = cv_session_reserve(s), .tick = cv_planning_tick, .ctx = &planning };
	struct cv_plan *made = NULL;

	if (cv_image_word_find(&c->image, s, &o.image, err) && cv_image_word_find(&c->onto, s, &o.onto, err))
		made = cv_plan_rebase(s->graph, &o, err);
	cv_planning_end(&planning);
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

struct cv_write_call cv_rebase_call_of(struct cv_rebase_call *c)
{
	return (struct cv_write_call){ plan, c, true, "the image names this parent already: there is nothing to do", tell };
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_image_word targets[2];
	struct cv_err err = { .code = CV_OK };
	struct cv_rebase_call c;
	struct cv_write_call call = cv_rebase_call_of(&c);
	char *words[2];

	if (argc != 1)
		return cv_command_usage(s, "give one image, and --onto PARENT");
	if (s->settings.write.flatten)
		cv_fail(&err, CV_EREFUSED, "--flatten is not available in this version: nothing that copies data into an image is");
	else if (!s->settings.write.onto)
		return cv_command_usage(s, "give --onto PARENT");
	if (err.code)
		return cv_command_fail(s, &err);
	words[0] = argv[0];
	words[1] = (char *)(uintptr_t)s->settings.write.onto;
	if (!cv_image_words_add(s, words, CV_COUNT(words), targets, &err))
		return cv_command_fail(s, &err);
	c = (struct cv_rebase_call){ targets[0], targets[1] };
	return cv_write_run(s, &call);
}

const struct cv_command cv_command_rebase = {
	"rebase", "IMAGE --onto PARENT", "another parent for an image that reads the same on it", CV_COMMAND_WRITES, options, run,
};

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview rebase: another parent for an image, or none. Where the other one reads otherwise, what the image reads through the
 * present one is copied into it first.
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
	{ "flatten", 0, NULL, NULL, "no parent any more: it gets all that it reads", CV_ON(write.flatten) },
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_rebase_call *c = ctx;
	struct cv_planning planning = cv_planning_begin(s, "compare");
	struct cv_rebase_options o = { .reserve = cv_session_reserve(s), .tick = cv_planning_tick, .ctx = &planning };
	struct cv_plan *made = NULL;

	o.onto = CV_NO_IMAGE;
	if (cv_image_word_find(&c->image, s, &o.image, err) && (c->flatten || cv_image_word_find(&c->onto, s, &o.onto, err)))
		made = cv_plan_rebase(s->graph, &o, err);
	cv_planning_end(&planning);
	return made;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	if (done->link->path)
		cv_text_add(out, "the parent of ");
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_add(out, done->link->path ? " is now " : " stands alone now");
	if (done->link->path)
		cv_text_escape(out, cv_bytes_of(done->link->path));
	cv_text_addf(out, ": operation %s\nchainview undo gives it back the former one\n", cv_uuid_str(result->id).s);
}

struct cv_write_call cv_rebase_call_of(struct cv_rebase_call *c)
{
	return (struct cv_write_call){ plan, c, true, "the image names this parent already: there is nothing to do", tell };
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_image_word targets[2] = { 0 };
	struct cv_err err = { .code = CV_OK };
	struct cv_rebase_call c;
	struct cv_write_call call = cv_rebase_call_of(&c);
	char *words[2];

	if (argc != 1)
		return cv_command_usage(s, "give one image, and --onto PARENT or --flatten");
	if (!s->settings.write.flatten == !s->settings.write.onto)
		return cv_command_usage(s, s->settings.write.onto ? "give --onto PARENT or --flatten, not both" : "give --onto PARENT, or --flatten");
	words[0] = argv[0];
	words[1] = (char *)(uintptr_t)s->settings.write.onto;
	if (!cv_image_words_add(s, words, s->settings.write.flatten ? 1 : 2, targets, &err))
		return cv_command_fail(s, &err);
	c = (struct cv_rebase_call){ targets[0], targets[1], s->settings.write.flatten };
	return cv_write_run(s, &call);
}

const struct cv_command cv_command_rebase = {
	"rebase", "IMAGE --onto PARENT|--flatten", "another parent for an image, or none; its content stays", CV_COMMAND_WRITES, options, run,
};

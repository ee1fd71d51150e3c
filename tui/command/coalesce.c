/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview coalesce: merges an image into its parent, in place; or all that can be.
 */
#include <chainview/space.h>

#include "tui/command/coalesce.h"
#include "tui/command/coalesce_all.h"
#include "tui/command/survey.h"
#include "tui/command/write.h"

static bool set_undo(struct cv_settings *s, const char *value, struct cv_err *err)
{
	s->write.undo_full = !strcmp(value, "full");
	return s->write.undo_full || cv_fail(err, CV_EUSAGE, "--undo takes full");
}

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	CV_COPY_OPTIONS,
	{ "leaf", 0, NULL, NULL, "the image is one: its parent gets its name", CV_ON(write.leaf) },
	{ "all", 0, NULL, NULL, "every merge of a repository that is allowed", CV_ON(write.all) },
	{ "purge-merged", 0, NULL, NULL, "with --all: each is removed for good then", CV_ON(write.purge_merged) },
	{ "undo", 0, "full", "full", "keep what the parent was: undo gives it back", set_undo, 0 },
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_space_options how = { .chains_only = true, .processes = s->settings.workers, .reserve = cv_session_reserve(s) };
	const struct cv_coalesce_call *c = ctx;
	struct cv_coalesce_options o = { .reserve = how.reserve, .leaf = c->leaf, .full = c->full };
	struct cv_space *space;
	struct cv_plan *made = NULL;

	if (!cv_image_word_find(&c->image, s, &o.image, err))
		return NULL;
	o.space = space = cv_session_survey(s, &how, err);
	if (space && space->cancelled)
		cv_fail(err, CV_ECANCELLED, "cancelled");
	else if (space)
		made = cv_plan_coalesce(s->graph, &o, err);
	cv_space_free(space);
	return made;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_escape(out, cv_bytes_of(done->items[0].path));
	cv_text_add(out, " is merged into ");
	cv_text_escape(out, cv_bytes_of(done->items[1].path));
	cv_text_addf(out, " (%s written", cv_size_short(result->written).s);
	if (result->shared)
		cv_text_addf(out, " and %s shared", cv_size_short(result->shared).s);
	cv_text_add(out, " in ");
	cv_write_add_seconds(out, result->copy_ms);
	cv_text_add(out, ", read back in ");
	cv_write_add_seconds(out, result->verify_ms);
	cv_text_addf(out, "), %s in the trash: operation %s\nchainview trash purge frees its space\n",
		     done->kind == CV_PLAN_LEAF ? "which has its name now; what it was is" : "and", cv_uuid_str(result->id).s);
	if (done->merge && done->merge->keeps)
		cv_text_add(out, "what the parent was is kept with it: chainview undo gives that back, too\n");
}

struct cv_write_call cv_coalesce_call_of(struct cv_coalesce_call *c)
{
	return (struct cv_write_call){ plan, c, true, "there is nothing to do", tell };
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_coalesce_call c = { .leaf = s->settings.write.leaf, .full = s->settings.write.undo_full };
	struct cv_write_call call = cv_coalesce_call_of(&c);
	struct cv_err err = { .code = CV_OK };

	if (argc != 1)
		return cv_command_usage(s, s->settings.write.all ? "give one repository" : "give one image");
	if (s->settings.write.all && c.leaf)
		return cv_command_usage(s, "--leaf is for one image: --all never merges leaves");
	if (c.full && c.leaf)
		return cv_command_usage(s, "what is merged with --leaf cannot be undone: --undo=full would keep it for nobody");
	if (c.full && s->settings.write.purge_merged)
		return cv_command_usage(s, "--undo=full keeps for undo what --purge-merged removes: give one of them");
	if (s->settings.write.all)
		return cv_coalesce_all(s, argv[0]);
	if (s->settings.write.purge_merged)
		return cv_command_usage(s, "--purge-merged goes with --all: chainview trash purge removes single images");
	if (!cv_image_words_add(s, argv, 1, &c.image, &err))
		return cv_command_fail(s, &err);
	return cv_write_run(s, &call);
}

const struct cv_command cv_command_coalesce = {
	"coalesce", "IMAGE | --leaf IMAGE | --all REPO", "merge an image into its parent, in place", CV_COMMAND_WRITES, options, run,
};

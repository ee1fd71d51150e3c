/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview gc: what nothing needs goes to the trash.
 */
#include "tui/command/gc.h"
#include "tui/command/write.h"

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	{ "unreferenced", 0, NULL, NULL, "also leaves that no reference names", CV_ON(write.unreferenced) },
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_gc_call *c = ctx;
	uint32_t repository = cv_flow_repository(s, c->repository);
	struct cv_gc_options gc = { .unreferenced = s->settings.write.unreferenced || c->only_count,
				    .reserve = cv_session_reserve(s), .only = c->only, .only_count = c->only_count };

	if (repository != UINT32_MAX)
		return cv_plan_gc(s->graph, repository, &gc, err);
	cv_fail(err, CV_EUSAGE, "there is no repository");
	return NULL;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_addf(out, "moved %zu image%s to the trash: operation %s\n", done->item_count,
		     done->item_count == 1 ? "" : "s", cv_uuid_str(result->id).s);
	cv_text_add(out, "chainview trash list shows them, chainview undo puts them back, chainview trash purge frees the space\n");
}

struct cv_write_call cv_gc_call_of(struct cv_gc_call *c)
{
	return (struct cv_write_call){ plan, c, true, "nothing here is unneeded: there is nothing to do", tell };
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_gc_call all = { 0 };
	struct cv_write_call call = cv_gc_call_of(&all);
	struct cv_err err = { .code = CV_OK };

	if (argc != 1)
		return cv_command_usage(s, "give one repository");
	if (!cv_session_add_all(s, argv, 1, &err))
		return cv_command_fail(s, &err);
	return cv_write_run(s, &call);
}

const struct cv_command cv_command_gc = {
	"gc", "REPO", "move orphans that nothing needs to the trash", CV_COMMAND_WRITES, options, run,
};

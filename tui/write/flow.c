/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See flow.h. */
#include "tui/write/flow.h"
#include "tui/write/beacon.h"
#include <chainview/convert.h>

uint32_t cv_flow_repository(const struct cv_session *s, const char *path)
{
	for (uint32_t r = 0; r < cv_scan_repository_count(s->scan); r++) {
		const struct cv_repository *it = cv_scan_repository(s->scan, r);

		if (path ? !strcmp(it->path, path) : !it->other)
			return r;
	}
	return UINT32_MAX;
}

static void stage(const struct cv_flow *f, const char *what)
{
	if (f->stage)
		f->stage(f->stage_ctx, what);
}

/* Nobody has seen this plan, so what speaks against it has not been said. False. */
static bool refuse(const struct cv_plan *plan, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_plan_refusal(plan, &why);
	return cv_fail(err, CV_EREFUSED, "%s", cv_text_str(&why));
}

/* With the repository locked: is it still as the plan says? */
static bool plan_again(const struct cv_flow *f, struct cv_plan **plan, struct cv_err *err)
{
	struct cv_plan *again;
	bool same;

	stage(f, f->call->scans ? "scan again" : "look again");
	if (f->call->scans && !cv_session_again(f->session, err))
		return false;
	if (f->session->cancelled)
		return cv_fail(err, CV_ECANCELLED, "cancelled before anything was done");
	again = f->call->plan(f->session, f->call->ctx, err);
	if (!again)
		return false;
	same = !again->refused && (!*plan || !memcmp(again->digest, (*plan)->digest, sizeof again->digest));
	cv_plan_free(*plan);
	*plan = again;
	if (f->repository)
		return same || refuse(again, err);
	return same ||
	       cv_fail(err, CV_EREFUSED, "the repository changed while the plan was looked at: look at the new one");
}

/* What a crash left comes first: a plan on top of something half done would be about neither. */
static bool settle_first(const struct cv_flow *f, struct cv_writing *repository, struct cv_err *err)
{
	struct cv_recover_options how = { .monitor = f->monitor };
	size_t settled;

	return cv_recover(repository, &how, &settled, err) || cv_wrap(err, "what is unfinished here has to be settled first");
}

enum cv_result_state cv_flow_state_of(const struct cv_err *err)
{
	return err->code == CV_EREFUSED     ? CV_RESULT_REFUSED
	       : err->code == CV_ECANCELLED ? CV_RESULT_CANCELLED
					    : CV_RESULT_FAILED;
}

bool cv_flow_carry_out(const struct cv_flow *f, struct cv_plan **plan, struct cv_operation_result *result,
		       struct cv_err *err)
{
	bool there = !*plan || !(*plan)->makes_folder || cv_convert_make_folder((*plan)->repository, err), ok;
	struct cv_writing *repository = NULL;

	stage(f, "lock the repository");
	if (there)
		repository = cv_writing_begin(f->repository ? f->repository : (*plan)->repository, err);
	if (repository && settle_first(f, repository, err) && plan_again(f, plan, err)) {
		struct cv_beacon beacon;

		stage(f, "same plan");
		cv_beacon_begin(&beacon, f->monitor, result);
		ok = cv_operation_run(repository, *plan, f->command, &beacon.monitor, result, err);
		cv_beacon_end(&beacon, err);
	} else {
		ok = false;
		*result = (struct cv_operation_result){ .state = cv_flow_state_of(err) };
	}
	cv_writing_end(repository);
	return ok;
}

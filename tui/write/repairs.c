/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See repairs.h. */
#include "tui/write/repairs.h"
#include "tui/command/lost.h"
#include "tui/command/undo.h"

/* --- what is wanted --------------------------------------------------------------------------------------- */

const struct cv_repairs_answer *cv_repairs_answered(const struct cv_repairs *r, const struct cv_plan_fix *fix)
{
	for (size_t i = 0; i < r->answers.len; i++) {
		const struct cv_repairs_answer *a = &r->answers.at[i];

		if (a->problem == fix->problem && (!a->image || (a->off == fix->off && !strcmp(a->image, fix->image))))
			return a;
	}
	return NULL;
}

bool cv_repairs_answer(struct cv_repairs *r, const struct cv_plan_fix *fix, bool wanted, bool all)
{
	struct cv_repairs_answer a = { .image = all ? NULL : strdup(fix->image), .problem = fix->problem, .off = fix->off, .wanted = wanted };

	if ((all || a.image) && cv_repairs_answers_push(&r->answers, a))
		return true;
	free(a.image);
	return false;
}

/* What cannot be kept is answered with no: it would be asked for again. */
static bool ask(struct cv_repairs *r, const struct cv_plan_fix *fix)
{
	const struct cv_repairs_answer *known = cv_repairs_answered(r, fix);
	bool all = false, wanted;

	if (known)
		return known->wanted;
	if (!r->ask)
		return fix->verdict == CV_FIX_SAFE;
	wanted = r->ask(r->ctx, fix, &all);
	return cv_repairs_answer(r, fix, wanted, all) && wanted;
}

static bool wants(void *ctx, const struct cv_plan_fix *fix)
{
	struct cv_repairs *r = ctx;

	if (r->problem && fix->problem != r->problem)
		return false;
	switch (r->how) {
	case CV_REPAIRS_SAFE:
		return fix->verdict == CV_FIX_SAFE;
	case CV_REPAIRS_ASK:
		return ask(r, fix);
	default:
		return true;
	}
}

static bool find_images(const struct cv_repairs *r, uint32_t *list, struct cv_err *err)
{
	for (size_t i = 0; i < r->only_count; i++)
		if (!cv_image_word_find(&r->only[i], r->session, &list[i], err))
			return false;
	return true;
}

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	struct cv_repairs *r = ctx;
	uint32_t repository = cv_flow_repository(s, r->repository);
	uint32_t *list = calloc(r->only_count + 1, sizeof *list);
	struct cv_repair_options o = { .only = r->only ? list : NULL, .only_count = r->only_count,
				       .reserve = cv_session_reserve(s), .wants = wants, .ctx = r };
	struct cv_lost_parents lost = { 0 };
	struct cv_plan *made = NULL;

	r->session = s;
	if (!list) {
		cv_fail(err, CV_ENOMEM, "out of memory");
	} else if (repository == UINT32_MAX) {
		cv_fail(err, CV_EUSAGE, "there is no such repository");
	} else if (find_images(r, list, err) && cv_lost_parents_find(s, o.only, o.only_count, &lost, err)) {
		o.candidates = lost.found;
		made = cv_plan_repair(s->graph, repository, &o, err);
	}
	cv_lost_parents_fini(&lost);
	free(list);
	return made;
}

static void tell(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	if (done->move_count)
		cv_text_addf(out, "settled, %zu file%s concerned: operation %s\nchainview undo gives back everything as it was\n",
			     done->item_count, done->item_count == 1 ? "" : "s", cv_uuid_str(result->id).s);
	else
		cv_text_addf(out, "repaired %zu image%s: operation %s\nchainview undo gives back the bytes as they were\n", done->item_count,
			     done->item_count == 1 ? "" : "s", cv_uuid_str(result->id).s);
}

struct cv_write_call cv_repairs_call(struct cv_repairs *r)
{
	return (struct cv_write_call){ plan, r, true, "nothing here can be repaired", tell };
}

void cv_repairs_forget(struct cv_repairs *r)
{
	for (size_t i = 0; i < r->answers.len; i++)
		free(r->answers.at[i].image);
	r->answers.len = 0;
}

void cv_repairs_fini(struct cv_repairs *r)
{
	cv_repairs_forget(r);
	free(r->answers.at);
	free(r->repository);
}

/* --- looking again ---------------------------------------------------------------------------------------- */

struct seen {
	enum cv_problem_id problem;
	char *image;
};
CV_VEC(seen_vec, struct seen);

static void seen_fini(struct seen_vec *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->at[i].image);
	free(v->at);
}

/* Space and who refers to what change by themselves. */
static bool is_compared(const struct cv_finding *f)
{
	enum cv_problem_class class = cv_problem_class_of(f->id);

	return f->image != CV_NO_IMAGE && class != CV_CLASS_REF && (class != CV_CLASS_SPC || f->id == CV_SPC_LEAKED_CLUSTERS) &&
	       f->id != CV_GEN_IMAGE_IN_USE && f->id != CV_CHN_PARENT_CONTENT_CHANGED && f->id != CV_CHN_PARENT_NEWER_THAN_CHILD;
}

static bool see(const struct cv_repairs *r, struct seen_vec *v, struct cv_err *err)
{
	const struct cv_graph *g = r->session->graph;
	uint32_t repository = cv_flow_repository(r->session, r->repository);

	for (size_t i = 0; i < g->finding_count; i++) {
		const struct cv_finding *f = &g->findings[i];
		struct seen one = { .problem = f->id };

		if (f->repository != repository || !is_compared(f))
			continue;
		one.image = strdup(g->images[f->image].id);
		if (!one.image || !seen_vec_push(v, one)) {
			free(one.image);
			return cv_fail(err, CV_ENOMEM, "out of memory");
		}
	}
	return true;
}

static size_t count_of(const struct seen_vec *v, const char *image, enum cv_problem_id problem)
{
	size_t n = 0;

	for (size_t i = 0; i < v->len; i++)
		n += v->at[i].problem == problem && !strcmp(v->at[i].image, image);
	return n;
}

static bool fail_with(struct cv_err *err, const char *image, enum cv_problem_id problem, const char *what)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_escape(&name, cv_bytes_of(image));
	return cv_fail(err, CV_EIO, "%s: %s %s", cv_text_str(&name), cv_problem_by_id(problem)->name, what);
}

static bool is_foreseen(const struct cv_plan *done, const struct seen *s)
{
	for (size_t i = 0; i < done->fix_count; i++)
		if (done->fixes[i].chosen && cv_fix_becomes(done->fixes[i].problem, s->problem) && !strcmp(done->fixes[i].image, s->image))
			return true;
	return false;
}

/* The name that it had before. */
static const char *former(const struct cv_plan *done, const char *image)
{
	for (size_t i = 0; i < done->move_count; i++)
		if (done->moves[i].kind == CV_MOVE_RENAME && !strcmp(done->moves[i].to, image))
			return done->items[done->moves[i].item].path;
	return image;
}

static bool compare(const struct cv_plan *done, const struct seen_vec *before, const struct seen_vec *after, struct cv_err *err)
{
	for (size_t i = 0; i < after->len; i++) {
		const struct seen *s = &after->at[i];

		if (count_of(after, s->image, s->problem) > count_of(before, former(done, s->image), s->problem) && !is_foreseen(done, s))
			return fail_with(err, s->image, s->problem, "was not there before");
	}
	for (size_t i = 0; i < done->fix_count; i++) {
		const struct cv_plan_fix *f = &done->fixes[i];
		size_t had = count_of(before, f->image, f->problem);

		if (f->chosen && had && count_of(after, f->image, f->problem) >= had)
			return fail_with(err, f->image, f->problem, "is still there");
	}
	return true;
}

/* --- doing it --------------------------------------------------------------------------------------------- */

static bool undo(struct cv_repairs *r, const struct cv_flow *flow, const uint8_t id[16], struct cv_err *err)
{
	struct cv_operation_list *list = cv_operation_list_read(r->repository, err);
	struct cv_operation_result result;
	struct cv_undo_call undo_call;
	struct cv_write_call call;
	struct cv_flow back = *flow;
	struct cv_plan *made = NULL;
	bool ok = false;

	for (size_t i = 0; list && i < list->count; i++)
		if (!memcmp(list->entries[i].id, id, 16) && cv_undo_call_of(&list->entries[i], r->repository, &undo_call, &call, err)) {
			back.call = &call;
			made = call.plan(r->session, call.ctx, err);
			ok = made && cv_flow_carry_out(&back, &made, &result, err);
			break;
		}
	cv_plan_free(made);
	cv_operation_list_free(list);
	return ok;
}

static bool take_back(struct cv_repairs *r, const struct cv_flow *flow, struct cv_operation_result *result, struct cv_err *err)
{
	struct cv_err second = { .code = CV_OK };

	result->state = CV_RESULT_FAILED;
	if (undo(r, flow, result->id, &second))
		return cv_wrap(err, "it was taken back, for it did not do what it should");
	return cv_wrap(err, "it did not do what it should, and could not be taken back (%s)", second.text);
}

static bool look_again(struct cv_repairs *r, const struct cv_flow *flow, struct cv_err *err)
{
	if (flow->stage)
		flow->stage(flow->stage_ctx, "check again");
	return cv_session_again(r->session, err);
}

bool cv_repairs_carry_out(void *ctx, const struct cv_flow *flow, struct cv_plan **plan_,
			  struct cv_operation_result *result, struct cv_err *err)
{
	struct cv_repairs *r = ctx;
	struct seen_vec before = { 0 }, after = { 0 };
	struct cv_err why = { .code = CV_OK };
	bool ok = cv_flow_carry_out(flow, plan_, result, err) && see(r, &before, err) && look_again(r, flow, err);

	if (ok && r->session->cancelled)
		ok = cv_fail(err, CV_ECANCELLED, "it is done; whether all is well now was not looked at to the end: chainview check does");
	ok = ok && see(r, &after, err);
	if (ok && !compare(*plan_, &before, &after, &why)) {
		ok = cv_fail(err, why.code, "%s", why.text);
		take_back(r, flow, result, err);
	}
	seen_fini(&before);
	seen_fini(&after);
	return ok;
}

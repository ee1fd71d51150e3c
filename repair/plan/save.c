/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A plan as bytes, from the process that makes it to the one that shows it. */
#include "repair/operation/work.h"
#include "repair/plan/make.h"

enum { LAYOUT = 2, MOST = 1000000 };

static void save_text(struct cv_pack *p, const char *text)
{
	cv_pack_number(p, text != NULL);
	cv_pack_bytes(p, text ? text : "", text ? strlen(text) : 0);
}

static void save_space(struct cv_pack *p, const struct cv_plan_space *s)
{
	cv_pack_number(p, s->free_now);
	cv_pack_number(p, s->lowest_free);
	cv_pack_number(p, s->reserve);
	cv_pack_number(p, s->peak);
	cv_pack_number(p, (uint64_t)s->net);
	cv_pack_number(p, s->fits);
	cv_pack_number(p, s->quota);
	cv_pack_number(p, s->quota_left);
}

static void save_items(struct cv_pack *p, const struct cv_plan *plan)
{
	struct cv_pack items = { 0 };

	p->failed |= !cv_items_pack(&items, "", plan->items, plan->item_count);
	cv_pack_bytes(p, items.at, items.len);
	cv_pack_fini(&items);
}

static void save_lists(struct cv_pack *p, const struct cv_plan *plan)
{
	cv_pack_number(p, plan->searched_count);
	for (size_t i = 0; i < plan->searched_count; i++)
		save_text(p, plan->searched[i]);
	cv_pack_number(p, plan->step_count);
	for (size_t i = 0; i < plan->step_count; i++) {
		save_text(p, plan->steps[i].kind);
		save_text(p, plan->steps[i].target);
		cv_pack_number(p, plan->steps[i].bytes);
		save_text(p, plan->steps[i].why);
	}
	cv_pack_number(p, plan->check_count);
	for (size_t i = 0; i < plan->check_count; i++) {
		save_text(p, plan->checks[i].name);
		cv_pack_number(p, plan->checks[i].ok);
		save_text(p, plan->checks[i].text);
	}
}

static void save_fixes(struct cv_pack *p, const struct cv_plan *plan)
{
	cv_pack_number(p, plan->fix_count);
	for (size_t i = 0; i < plan->fix_count; i++) {
		const struct cv_plan_fix *f = &plan->fixes[i];

		cv_pack_number(p, f->problem);
		save_text(p, f->image);
		save_text(p, f->kind);
		cv_pack_number(p, f->verdict);
		cv_pack_number(p, f->chosen);
		save_text(p, f->why);
		cv_pack_number(p, f->off);
		cv_pack_number(p, f->bytes);
	}
}

bool cv_plan_save(const struct cv_plan *plan, struct cv_text *out)
{
	struct cv_pack p = { 0 };

	cv_pack_number(&p, LAYOUT);
	cv_pack_number(&p, plan->kind);
	save_text(&p, plan->repository);
	save_text(&p, plan->confirm);
	cv_pack_number(&p, plan->refused);
	cv_pack_number(&p, plan->makes_folder);
	cv_pack_bytes(&p, plan->digest, sizeof plan->digest);
	save_space(&p, &plan->space);
	save_items(&p, plan);
	save_lists(&p, plan);
	save_fixes(&p, plan);
	out->failed |= p.failed;
	if (!p.failed)
		cv_text_add_bytes(out, (const char *)p.at, p.len);
	cv_pack_fini(&p);
	return !out->failed;
}

static const char *load_text(struct cv_unpack *u, struct cv_plan_maker *m)
{
	bool there = cv_unpack_number(u);
	struct cv_bytes text = cv_unpack_bytes(u);
	const char *copy = there && !u->failed ? cv_arena_dup(m->plan->arena, text.at, text.len) : NULL;

	m->failed |= there && !u->failed && !copy;
	return copy;
}

/* Where a list must have texts an empty one stands for what is not there. */
static const char *load_word(struct cv_unpack *u, struct cv_plan_maker *m)
{
	const char *text = load_text(u, m);

	return text ? text : "";
}

static void load_space(struct cv_unpack *u, struct cv_plan_space *s)
{
	s->free_now = cv_unpack_number(u);
	s->lowest_free = cv_unpack_number(u);
	s->reserve = cv_unpack_number(u);
	s->peak = cv_unpack_number(u);
	s->net = (int64_t)cv_unpack_number(u);
	s->fits = cv_unpack_number(u);
	s->quota = cv_unpack_number(u);
	s->quota_left = cv_unpack_number(u);
}

static void load_items(struct cv_unpack *u, struct cv_plan_maker *m)
{
	struct cv_bytes bytes = cv_unpack_bytes(u);
	struct cv_record record = { .payload = (const uint8_t *)bytes.at, .len = bytes.len };
	const struct cv_plan_item *items = NULL;
	struct cv_err why = { .code = CV_OK };
	const char *command;
	size_t count = 0;

	if (u->failed || !cv_items_unpack(m->plan->arena, &record, &command, &items, &count, &why))
		u->failed = true;
	m->failed |= why.code == CV_ENOMEM;
	for (size_t i = 0; !u->failed && i < count; i++)
		m->failed |= !cv_plan_items_push(&m->items, items[i]);
}

static uint64_t load_count(struct cv_unpack *u)
{
	uint64_t n = cv_unpack_number(u);

	u->failed |= n > MOST;
	return u->failed ? 0 : n;
}

static void load_lists(struct cv_unpack *u, struct cv_plan_maker *m)
{
	for (uint64_t n = load_count(u); n && !u->failed; n--)
		m->failed |= !cv_plan_paths_push(&m->searched, load_word(u, m));
	for (uint64_t n = load_count(u); n && !u->failed; n--) {
		struct cv_plan_step step = { .kind = load_word(u, m) };

		step.target = load_word(u, m);
		step.bytes = cv_unpack_number(u);
		step.why = load_word(u, m);
		m->failed |= !cv_plan_steps_push(&m->steps, step);
	}
	for (uint64_t n = load_count(u); n && !u->failed; n--) {
		struct cv_plan_check check = { .name = load_word(u, m) };

		check.ok = cv_unpack_number(u);
		check.text = load_word(u, m);
		m->failed |= !cv_plan_checks_push(&m->checks, check);
	}
}

static struct cv_plan_fix load_fix(struct cv_unpack *u, struct cv_plan_maker *m)
{
	struct cv_plan_fix f = { .problem = (enum cv_problem_id)cv_unpack_number(u) };
	uint64_t verdict;

	f.image = load_word(u, m);
	f.kind = load_text(u, m);
	verdict = cv_unpack_number(u);
	f.chosen = cv_unpack_number(u);
	f.why = load_word(u, m);
	f.off = cv_unpack_number(u);
	f.bytes = cv_unpack_number(u);
	u->failed |= verdict > CV_FIX_REFUSED || !cv_problem_by_id(f.problem);
	f.verdict = u->failed ? CV_FIX_REFUSED : (enum cv_fix_verdict)verdict;
	return f;
}

static void load_fixes(struct cv_unpack *u, struct cv_plan_maker *m)
{
	uint64_t count = load_count(u);
	struct cv_plan_fix *fixes = NULL;

	/* no fix takes less than a byte a field */
	u->failed |= count > u->left;
	if (!u->failed)
		fixes = cv_arena_alloc(m->plan->arena, (count + 1) * sizeof *fixes);
	m->failed |= !u->failed && !fixes;
	for (uint64_t i = 0; fixes && i < count && !u->failed; i++)
		fixes[i] = load_fix(u, m);
	m->plan->fixes = fixes;
	m->plan->fix_count = fixes && !u->failed ? count : 0;
}

static void load_head(struct cv_unpack *u, struct cv_plan_maker *m)
{
	m->plan->repository = load_word(u, m);
	m->plan->confirm = load_word(u, m);
	m->plan->refused = cv_unpack_number(u);
	m->plan->makes_folder = cv_unpack_number(u);
	cv_unpack_into(u, m->plan->digest, sizeof m->plan->digest);
	load_space(u, &m->plan->space);
}

struct cv_plan *cv_plan_load(struct cv_bytes saved, struct cv_err *err)
{
	struct cv_unpack u = { .at = (const uint8_t *)saved.at, .left = saved.len };
	uint64_t layout = cv_unpack_number(&u), kind = cv_unpack_number(&u);
	struct cv_plan_maker m;

	if (u.failed || layout != LAYOUT || kind >= CV_PLAN_KIND_COUNT) {
		cv_fail(err, CV_EFORMAT, "this is no plan");
		return NULL;
	}
	if (!cv_plan_begin(&m, (enum cv_plan_kind)kind, "", err))
		return NULL;
	load_head(&u, &m);
	load_items(&u, &m);
	load_lists(&u, &m);
	load_fixes(&u, &m);
	if (!u.failed && !u.left && !m.failed)
		return cv_plan_taken(&m);
	cv_plan_drop(&m);
	cv_fail(err, m.failed ? CV_ENOMEM : CV_EFORMAT, m.failed ? "out of memory" : "the plan is damaged");
	return NULL;
}

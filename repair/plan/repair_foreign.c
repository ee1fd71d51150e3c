/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See repairing.h: from what the rules say of unfinished work of other programs to marks and moves of the plan. */
#include "repair/fix/vhd.h"
#include "repair/plan/repairing.h"

static const struct cv_fixer marker = { CV_GEN_FOREIGN_OPERATION_PENDING, CV_FORMAT_VHD, cv_fix_mark };

/* Some work that was chosen before is about one of the same images. */
static bool is_taken(const struct cv_repairing *p, const struct cv_foreign *f)
{
	for (const struct cv_foreign *other = p->foreign.at; other < f; other++)
		for (size_t i = 0; other->chosen && i < other->steps.len; i++)
			for (size_t k = 0; k < f->steps.len; k++)
				if (other->steps.at[i].image == f->steps.at[k].image)
					return true;
	return false;
}

static void check_images(const struct cv_repairing *p, struct cv_foreign *f)
{
	for (size_t i = 0; !f->refused && i < f->steps.len; i++) {
		const char *against = cv_repairing_against(p, &p->g->images[f->steps.at[i].image], NULL);

		if (against)
			cv_foreign_refuse(f, "%s: %s", cv_foreign_name(f, f->steps.at[i].image), against);
	}
	if (!f->refused && is_taken(p, f))
		cv_foreign_refuse(f, "another journal is about the same images: one after the other");
}

static void decide(struct cv_repairing *p, struct cv_foreign *f)
{
	struct cv_plan_fix fix = { .problem = CV_GEN_FOREIGN_OPERATION_PENDING, .image = f->path, .off = 0, .bytes = f->file->size };
	bool safe;

	check_images(p, f);
	fix.kind = cv_problem_fix(fix.problem, &safe);
	fix.verdict = f->refused ? CV_FIX_REFUSED : CV_FIX_ASKS;
	fix.why = f->why;
	f->chosen = fix.chosen = !f->refused && p->o->wants(p->o->ctx, &fix);
	f->fix = p->fixes.len;
	cv_repairing_fix(p, fix);
	p->m.failed |= f->failed;
}

bool cv_repairing_foreign(struct cv_repairing *p, struct cv_err *err)
{
	bool any = false;

	if (!cv_foreign_find(p->g, p->repository, p->m.plan->arena, &p->foreign, err))
		return false;
	for (size_t i = 0; i < p->foreign.len; i++) {
		decide(p, &p->foreign.at[i]);
		any |= p->foreign.at[i].chosen;
	}
	if (any)
		cv_plan_check(&p->m, "others-stopped", true, "the program that left unfinished work must not take it up meanwhile, which cannot be "
			      "seen from here: stop it (of XenServer / XCP-ng the garbage collector of this repository) before");
	return true;
}

/* --- marks ------------------------------------------------------------------------------------------------ */

static bool is_mark(const struct cv_foreign_step *s)
{
	return s->what == CV_FOREIGN_SHOW || s->what == CV_FOREIGN_HIDE;
}

bool cv_repairing_takes_part(const struct cv_repairing *p, uint32_t image)
{
	for (size_t i = 0; i < p->foreign.len; i++)
		for (size_t k = 0; k < p->foreign.at[i].steps.len; k++)
			if (p->foreign.at[i].steps.at[k].image == image)
				return true;
	return false;
}

bool cv_repairing_concerns(const struct cv_repairing *p, uint32_t image)
{
	for (size_t i = 0; i < p->foreign.len; i++)
		for (size_t k = 0; p->foreign.at[i].chosen && k < p->foreign.at[i].steps.len; k++)
			if (is_mark(&p->foreign.at[i].steps.at[k]) && p->foreign.at[i].steps.at[k].image == image)
				return true;
	return false;
}

/* What was begun of it is a state that its rules know, too. */
static void give_up(struct cv_repairing *p, struct cv_foreign *f, const char *image, const char *why)
{
	struct cv_plan_fix *fix = &p->fixes.at[f->fix];

	cv_foreign_refuse(f, "%s: %s", image, why);
	p->m.failed |= f->failed;
	f->chosen = fix->chosen = false;
	fix->verdict = CV_FIX_REFUSED;
	fix->why = cv_plan_keep(&p->m, f->why);
}

void cv_repairing_without(struct cv_repairing *p, uint32_t image, const char *why)
{
	for (size_t i = 0; i < p->foreign.len; i++) {
		struct cv_foreign *f = &p->foreign.at[i];

		for (size_t k = 0; f->chosen && k < f->steps.len; k++)
			if (is_mark(&f->steps.at[k]) && f->steps.at[k].image == image)
				give_up(p, f, cv_foreign_name(f, image), why);
	}
}

static bool mark(struct cv_repairing *p, struct cv_foreign *foreign, const struct cv_foreign_step *s, struct cv_fixing *f,
		 struct cv_err *err)
{
	struct cv_finding finding = cv_finding_of(CV_GEN_FOREIGN_OPERATION_PENDING);
	struct cv_fix made = { .verdict = CV_FIX_REFUSED };
	bool ok;

	finding.image = s->image;
	finding.arg[0] = cv_arg_number(s->what == CV_FOREIGN_HIDE);
	ok = cv_fixing_look(f, &marker, &finding, &made, err);
	if (ok && made.verdict == CV_FIX_REFUSED)
		give_up(p, foreign, cv_foreign_name(foreign, s->image), made.why);
	else if (ok && made.patches.len)
		ok = cv_fixing_take(f, &made, err);
	free(made.patches.at);
	return ok;
}

bool cv_repairing_marks(struct cv_repairing *p, struct cv_fixing *f, struct cv_err *err)
{
	for (size_t i = 0; i < p->foreign.len; i++) {
		struct cv_foreign *foreign = &p->foreign.at[i];

		for (size_t k = 0; foreign->chosen && k < foreign->steps.len; k++)
			if (is_mark(&foreign->steps.at[k]) && foreign->steps.at[k].image == f->image &&
			    !mark(p, foreign, &foreign->steps.at[k], f, err))
				return false;
	}
	return true;
}

/* --- places ----------------------------------------------------------------------------------------------- */

static size_t item_of(struct cv_repairing *p, struct cv_plan_item item)
{
	for (size_t i = 0; i < p->m.items.len; i++)
		if (!strcmp(p->m.items.at[i].path, item.path))
			return i;
	cv_plan_item(&p->m, item);
	p->m.failed |= !cv_plan_mends_push(&p->mends, (struct cv_plan_mend){ .count = 0 });
	return p->m.items.len - 1;
}

/* Without a name: to the trash. */
static void move(struct cv_repairing *p, struct cv_plan_item item, const char *to, bool apart, const char *why)
{
	struct cv_plan_move m = { .kind = to ? CV_MOVE_RENAME : CV_MOVE_TRASH, .to = to, .apart = apart };
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	m.item = item_of(p, item);
	p->m.failed |= !cv_plan_moves_push(&p->moves, m);
	cv_text_add(&t, why);
	if (to) {
		const char *slash = strrchr(to, '/');

		cv_text_add(&t, ": ");
		cv_text_escape(&t, cv_bytes_of(slash ? slash + 1 : to));
	}
	p->m.failed |= t.failed;
	cv_plan_step(&p->m, to ? "rename" : "move", item.path, item.size, cv_text_str(&t));
}

static void move_all(struct cv_repairing *p, const struct cv_foreign *f)
{
	const struct cv_file *file = f->file;
	const struct cv_plan_item record = { .path = f->path, .device = file->device, .inode = file->inode, .size = file->size,
					     .allocated = file->allocated, .mtime_ns = file->mtime_ns };
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	for (size_t i = 0; i < f->steps.len; i++) {
		const struct cv_foreign_step *s = &f->steps.at[i];
		const struct cv_plan_item item = cv_plan_item_of(p->g, s->image);

		if (is_mark(s))
			cv_plan_step(&p->m, "mark", item.path, 0, s->why);
		else if (s->what == CV_FOREIGN_HOLD)
			item_of(p, item);
		else
			move(p, item, s->to, false, s->why);
	}
	cv_text_addf(&why, "%s: %s; to the trash, last of all (asks)", cv_problem_by_id(CV_GEN_FOREIGN_OPERATION_PENDING)->name, f->why);
	p->m.failed |= why.failed;
	move(p, record, NULL, true, cv_text_str(&why));
}

static void carry(struct cv_repairing *p)
{
	for (size_t i = 0; i < p->moves.len; i++) {
		const struct cv_plan_move *m = &p->moves.at[i];

		cv_pack_number(&p->m.carried, m->kind);
		cv_pack_number(&p->m.carried, m->item);
		cv_pack_bytes(&p->m.carried, m->to ? m->to : "", m->to ? strlen(m->to) : 0);
		cv_pack_number(&p->m.carried, m->apart);
	}
}

void cv_repairing_moves(struct cv_repairing *p)
{
	struct cv_plan_move *list;

	for (size_t i = 0; i < p->foreign.len; i++)
		if (p->foreign.at[i].chosen)
			move_all(p, &p->foreign.at[i]);
	carry(p);
	list = cv_arena_alloc(p->m.plan->arena, (p->moves.len + 1) * sizeof *list);
	p->m.failed |= !list;
	if (list && p->moves.len)
		memcpy(list, p->moves.at, p->moves.len * sizeof *list);
	p->m.plan->moves = list;
	p->m.plan->move_count = list ? p->moves.len : 0;
}

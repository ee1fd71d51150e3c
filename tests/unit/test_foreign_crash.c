/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Settling what other programs left, and taking that back, on a simulated disk: marks of images and moves of files. Whatever a
 * power cut leaves, at every moment it is a state that the rules of those programs know: the record of their work is in the trash
 * only when all else is done. After recovery everything is as it was or as it should be, and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/fix/vhd.h"
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/relink/relink.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

enum { MOST = 4, MOVES = 5 };

struct kind {
	const char *name, *recipe;
	const char *file[MOST];
	enum { STAYS, HIDE } mark[MOST];
	struct { enum cv_plan_move_kind kind; size_t file; const char *to; } moves[MOVES];
};

static const struct kind kinds[] = {
	{ "marker", "vhd u.vhd dynamic size=64K block=64K\nfile coalesce_u 1\n",
	  { "coalesce_u" }, { STAYS }, { { CV_MOVE_TRASH, 0, NULL } } },
	{ "names and marks", "vhd u.vhd dynamic size=64K block=64K\nvhd old.vhd parent=u.vhd block=64K hidden\n"
			     "file leaf_u p\n",
	  { "u.vhd", "old.vhd", "leaf_u" }, { HIDE },
	  { { CV_MOVE_RENAME, 0, "p.vhd" }, { CV_MOVE_RENAME, 1, "u.vhd" }, { CV_MOVE_TRASH, 2, NULL } } },
	{ "one takes the name of another", "vhd p.vhd dynamic size=64K block=64K\nvhd c.vhd dynamic size=64K block=64K\n"
					   "vhd t.vhd dynamic size=64K block=64K\nfile state 1\n",
	  { "p.vhd", "t.vhd", "state", "c.vhd" }, { STAYS },
	  { { CV_MOVE_TRASH, 3, NULL }, { CV_MOVE_TRASH, 1, NULL }, { CV_MOVE_RENAME, 0, "t.vhd" }, { CV_MOVE_TRASH, 2, NULL } } },
};

struct bytes {
	uint8_t *at;
	uint64_t size;
};

struct ctx {
	const struct kind *k;
	bool undo;
	struct sim_host host;
	uint32_t inode[MOST];
	struct bytes old[MOST], new[MOST];   /* as they were, and settled */
	bool done;                           /* the operation said that it was */
};

static size_t files_of(const struct kind *k)
{
	size_t n = 0;

	while (n < MOST && k->file[n])
		n++;
	return n;
}

static size_t moves_of(const struct kind *k)
{
	size_t n = 0;

	while (n < MOVES && k->moves[n].kind)
		n++;
	return n;
}

/* --- the plan --------------------------------------------------------------------------------------------- */

struct prepared {
	struct cv_arena *arena;
	struct cv_plan_item items[MOST];
	struct cv_plan_mend mends[MOST];
	struct cv_fixing f[MOST];
	struct cv_plan_move moves[MOVES];
	struct cv_plan plan;
};

static void make_mark(struct sim *s, const char *image, bool hidden, struct cv_arena *arena, struct cv_plan_mend *mend, struct cv_fixing *f)
{
	static const struct cv_fixer marker = { CV_GEN_FOREIGN_OPERATION_PENDING, CV_FORMAT_VHD, cv_fix_mark };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, image, O_RDONLY, 0);
	struct cv_finding finding = cv_finding_of(CV_GEN_FOREIGN_OPERATION_PENDING);
	struct cv_image node = { .parent = CV_NO_IMAGE };
	struct cv_graph g = { .images = &node, .image_count = 1 };
	struct cv_err err = { .code = CV_OK };
	struct cv_relink change = { .source = cv_io_source(&s->io, fd, &err), .say = cv_fix_says };
	struct cv_fix fix;

	finding.arg[0] = cv_arg_number(hidden);
	*f = (struct cv_fixing){ &g, 0, &change, arena, { 0 }, NULL };
	if (!change.source || !cv_fixing_look(f, &marker, &finding, &fix, &err) || !cv_fixing_take(f, &fix, &err))
		fail_msg("%s: %s", image, err.text);
	assert_int_not_equal(fix.verdict, CV_FIX_REFUSED);
	assert_true(fix.patches.len);
	*mend = (struct cv_plan_mend){ f->patches.at, f->patches.len, 0, change.pages.len };
	free(fix.patches.at);
	cv_source_close(change.source);
	cv_relink_fini(&change);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

static void plan_do(struct prepared *p, struct sim *s, const struct kind *k)
{
	*p = (struct prepared){ .arena = cv_arena_new(SIZE_MAX) };
	for (size_t i = 0; i < files_of(k); i++) {
		p->items[i] = sim_item(s, k->file[i]);
		if (k->mark[i])
			make_mark(s, k->file[i], k->mark[i] == HIDE, p->arena, &p->mends[i], &p->f[i]);
	}
	for (size_t i = 0; i < moves_of(k); i++)
		p->moves[i] = (struct cv_plan_move){ k->moves[i].kind, k->moves[i].file, k->moves[i].to, i + 1 == moves_of(k) };
	p->plan = (struct cv_plan){ .kind = CV_PLAN_REPAIR, .items = p->items, .item_count = files_of(k), .mends = p->mends,
				    .moves = p->moves, .move_count = moves_of(k) };
}

/* What the file is called when it is settled; NULL: it is in the trash. */
static const char *name_then(const struct kind *k, size_t file)
{
	for (size_t i = 0; i < moves_of(k); i++)
		if (k->moves[i].file == file)
			return k->moves[i].kind == CV_MOVE_RENAME ? k->moves[i].to : NULL;
	return k->file[file];
}

/* Back from the last to the first; what lies in the trash comes first among the items. */
static void plan_undo(struct prepared *p, struct sim *s, const struct kind *k, const struct prepared *was, const uint8_t op[16])
{
	size_t place[MOST], count = 0, moves = moves_of(k);

	*p = (struct prepared){ .arena = cv_arena_new(SIZE_MAX) };
	for (unsigned home = 0; home < 2; home++)
		for (size_t i = 0; i < files_of(k); i++) {
			const char *name = name_then(k, i);

			if ((name != NULL) != (home != 0))
				continue;
			p->items[count] = name ? sim_item(s, name) : was->items[i];
			memcpy(p->items[count].from, op, 16);
			p->items[count].from_index = (uint32_t)i;
			p->mends[count].pages = was->mends[i].pages;
			p->plan.elsewhere += !name;
			place[i] = count++;
		}
	for (size_t i = 0; i < moves; i++) {
		bool rename = k->moves[moves - 1 - i].kind == CV_MOVE_RENAME;
		size_t file = k->moves[moves - 1 - i].file;

		p->moves[i] = (struct cv_plan_move){ rename ? CV_MOVE_RENAME : CV_MOVE_RESTORE, place[file],
						     rename ? k->file[file] : NULL, i == 0 };
	}
	p->plan.kind = CV_PLAN_REPAIR;
	p->plan.items = p->items;
	p->plan.item_count = count;
	p->plan.mends = p->mends;
	p->plan.moves = p->moves;
	p->plan.move_count = moves;
}

static void prepared_fini(struct prepared *p)
{
	for (size_t i = 0; i < MOST; i++)
		free(p->f[i].patches.at);
	cv_arena_free(p->arena);
}

/* --- the scene -------------------------------------------------------------------------------------------- */

/* How journals come into being is shown by the tests of trash. */
enum { BARRIERS_OF_BIRTH = 2 };

static bool carry_out(struct cv_writing *w, const struct prepared *p, uint8_t op[16], struct cv_err *err)
{
	struct cv_operation_result result;
	bool ok = cv_work_run(w, &p->plan, "repair", NULL, &result, err);

	memcpy(op, result.id, 16);
	return ok;
}

static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;
	struct sim_hushed hushed;
	int root = sim_root(s);
	struct prepared p, back;
	struct cv_writing w;
	uint8_t op[16];
	bool ok;

	host.host.ctx = &host;
	c->done = false;
	hushed = sim_hush(s);
	assert_true(cv_writing_open(&w, &s->io, &host.host, root, err));
	plan_do(&p, s, c->k);
	if (c->undo) {
		assert_true(carry_out(&w, &p, op, err));
		sim_settle(s);
		plan_undo(&back, s, c->k, &p, op);
		sim_watch(s, &hushed);
		ok = carry_out(&w, &back, op, err);
		prepared_fini(&back);
	} else {
		sim_settle(s);
		sim_watch(s, &hushed);
		ok = carry_out(&w, &p, op, err);
	}
	s->fail_at = 0;
	prepared_fini(&p);
	cv_store_close(&w.store);
	s->io.close(&s->io, root);
	c->done = ok;
	return ok;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 9, err);
}

static bool recover_in_this_boot(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 0, err);
}

/* --- looking ---------------------------------------------------------------------------------------------- */

static struct bytes bytes_of(const struct sim *s, uint32_t inode)
{
	const struct sim_content *c = &s->inodes.at[inode].now;
	struct bytes b = { calloc(c->size / SIM_SECTOR + 1, SIM_SECTOR), c->size };

	assert_non_null(b.at);
	for (uint64_t i = 0; i * SIM_SECTOR < c->size; i++)
		if (i < c->count)
			memcpy(b.at + i * SIM_SECTOR, sim_bytes(s->pool, c->sector[i]),
			       c->size - i * SIM_SECTOR < SIM_SECTOR ? (size_t)(c->size - i * SIM_SECTOR) : SIM_SECTOR);
	return b;
}

static bool has_bytes(const struct sim *s, uint32_t inode, const struct bytes *b)
{
	struct bytes now = bytes_of(s, inode);
	bool same = now.size == b->size && !memcmp(now.at, b->at, (size_t)now.size);

	free(now.at);
	return same;
}

static bool in_trash(const struct sim *s, uint32_t inode)
{
	uint32_t trash = sim_lookup(s, CV_STORE_NAME "/trash");

	for (size_t i = 0; trash && i < s->now.len; i++)
		for (size_t k = 0; s->now.at[i].dir == trash && k < s->now.len; k++)
			if (s->now.at[k].dir == s->now.at[i].inode && s->now.at[k].inode == inode)
				return true;
	return false;
}

struct places {
	bool settled[MOST];          /* the file has its new place */
	bool old[MOST], new[MOST];   /* its bytes are so */
	bool all_settled, none_settled, all_new, all_old;
};

/* Every file is in one place, and that is one of both. */
static const char *find(const struct sim *s, const struct ctx *c, struct places *p)
{
	*p = (struct places){ .all_settled = true, .none_settled = true, .all_new = true, .all_old = true };
	for (size_t i = 0; i < files_of(c->k); i++) {
		const char *then = name_then(c->k, i);
		bool moves = !then || strcmp(then, c->k->file[i]) != 0;
		bool home = sim_lookup(s, c->k->file[i]) == c->inode[i];

		p->settled[i] = then ? sim_lookup(s, then) == c->inode[i] : in_trash(s, c->inode[i]);
		if (!home && !p->settled[i])
			return "a file is gone";
		if (home && p->settled[i] && moves)
			return "a file is in two places";
		p->all_settled &= p->settled[i];
		p->none_settled &= !moves || !p->settled[i];
		p->old[i] = has_bytes(s, c->inode[i], &c->old[i]);
		p->new[i] = has_bytes(s, c->inode[i], &c->new[i]);
		p->all_new &= p->new[i];
		p->all_old &= p->old[i];
	}
	return NULL;
}

/* A move relies on one that gives it its name, and the last on all. */
static bool relies(const struct kind *k, size_t i, size_t on)
{
	const char *to = k->moves[i].to;

	return i + 1 == moves_of(k) || (to && !strcmp(to, k->file[k->moves[on].file]));
}

/* And all are made behind the marks. */
static const char *is_in_order(const struct ctx *c, const struct places *p)
{
	const struct kind *k = c->k;

	for (size_t i = 0; i < moves_of(k); i++) {
		if (!p->settled[k->moves[i].file])
			continue;
		if (!p->all_new)
			return "a file has its place before all marks are set";
		for (size_t on = 0; on < i; on++)
			if (relies(k, i, on) && !p->settled[k->moves[on].file])
				return "a move is made before one that it relies on";
	}
	return NULL;
}

static const char *look_recovered(struct sim *s, const struct ctx *c, const struct places *p)
{
	struct sim_journals pending = sim_store_journals(s, &c->host, "journal"), done = sim_store_journals(s, &c->host, "done");
	bool changed = c->undo ? !p->all_settled : p->all_settled || !p->all_old;

	if (pending.count)
		return "an operation is still pending";
	if (!p->all_settled && !p->none_settled)
		return "some files have their new place and some have not";
	for (size_t i = 0; i < files_of(c->k); i++)
		if (!p->old[i] && !p->new[i])
			return "an image is neither as it was nor as it should be";
	return changed != (done.done > (c->undo ? 1u : 0u)) ? "a journal does not say what is so" : NULL;
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	struct places p;
	const char *wrong = find(s, c, &p);

	(void)guest;
	if (!wrong)
		wrong = is_in_order(c, &p);
	if (!wrong && recovered)
		wrong = look_recovered(s, c, &p);
	if (wrong || !c->done)
		return wrong;
	if (sim_store_journals(s, &c->host, "journal").count)
		return "an operation that is done is still pending";
	return (c->undo ? p.none_settled && p.all_old : p.all_settled && p.all_new) ? NULL : "what was promised to be done is not";
}

static void bytes_fini(struct ctx *c)
{
	for (size_t i = 0; i < MOST; i++) {
		free(c->old[i].at);
		free(c->new[i].at);
	}
}

static struct sim *begin(struct ctx *c)
{
	struct sim *s = sim_repository(c->k->name, c->k->recipe), *whole;
	struct ctx forth;
	struct cv_err err = { .code = CV_OK };

	sim_host_init(&c->host, 5, 1, 1, 4711);
	sim_store_make(s, &c->host);
	forth = *c;
	forth.undo = false;
	whole = sim_copy(s);
	if (!run(whole, &forth, &err))
		fail_msg("%s: %s", c->k->name, err.text);
	for (size_t i = 0; i < files_of(c->k); i++) {
		c->inode[i] = sim_lookup(s, c->k->file[i]);
		assert_true(c->inode[i]);
		c->old[i] = bytes_of(s, c->inode[i]);
		c->new[i] = bytes_of(whole, c->inode[i]);
		assert_true(has_bytes(s, c->inode[i], &c->new[i]) == (c->k->mark[i] == STAYS));
	}
	sim_free(whole);
	return s;
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = *(const struct ctx *)ctx;
	struct crash_scene scene = { c.k->name, run, recover, look, 0, NULL, &c };
	struct crash_result r = { 0 };
	struct sim *s = begin(&c);

	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	bytes_fini(&c);
	return r;
}

static void all_is_sound(bool undo)
{
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i], .undo = undo };

		crash_prove(&(struct crash_cell){ undo ? "undo settle" : "settle", "vhd", kinds[i].name, enumerate, &c,
						  { .seed = 3, .random = 1, .inner = 10, .before = BARRIERS_OF_BIRTH } });
	}
}

static void settling_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(false);
}

static void undo_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(true);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors) };

	(void)state;
	for (size_t i = 0; i < 2 * CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i / 2], .undo = i % 2 };
		struct crash_scene scene = { c.undo ? "undo" : "settle", run, recover_in_this_boot, look, 0, NULL, &c };
		struct sim *s = begin(&c);

		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s of %s", faults.first, c.k->name);
		sim_free(s);
		bytes_fini(&c);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(settling_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(undo_survives_every_power_cut_and_needs_every_barrier),
	};

	return cmocka_run_group_tests_name("settling on a simulated disk", tests, NULL, NULL);
}

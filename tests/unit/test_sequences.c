/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Random sequences of operations on random snapshot trees, all of it in memory, against a model: whatever is merged, given
 * another parent, thrown away, brought back or taken back, and whatever guests write in between, each image reads what it
 * should and stands on what it should, the check of tables finds nothing wrong, and no byte of any other file changes. One
 * operation of some is cut short at a random moment, and recovered.
 *
 * Every run takes the same seeds and a fresh one. SEQUENCES=100000 makes so many of them fresh ones instead; what fails is
 * repeated with the line that it prints: SEED=... build/tests/test_sequences
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/inline_task.h"
#include "tests/support/run.h"
#include "tests/support/sim_forest.h"
#include "tests/support/sim_real.h"
#include "tests/support/sim_scan.h"
#include "tests/support/simdisk_io.h"
#include <chainview/operation.h>
#include <chainview/space.h>

#ifdef __SANITIZE_ADDRESS__
enum { SEQUENCES = 600 };
#else
enum { SEQUENCES = 20000 };
#endif
enum { LEAST = 2, MOST = 6, ONE_CUT_OF = 3, ONE_LARGE_OF = 48, POINTS = 24 };

/* A file before an operation. */
struct shot {
	uint32_t inode;
	uint32_t *sector;
	size_t count;
	uint64_t size;
};

/* What the last operation was, for taking it back. */
struct done {
	int image, parent;
	unsigned children;           /* a bit for each */
};

struct run {
	uint32_t seed;
	struct forest f;
	struct sim_host host;
	struct sim_house h;          /* graph NULL: not looked at since something changed */
	int image, onto;             /* what is done to what */
	struct done last;
	const struct operation *last_operation;
	struct cv_operation_list *list;
	struct cv_trash *trash;
	struct shot shots[FOREST_IMAGES];
	struct sim *left;            /* what a cut has left */
	uint64_t cut_at, points;
	bool power;
};

struct operation {
	const char *name;
	unsigned often;
	/* Chooses the images; false: there are none for it. */
	bool (*choose)(struct run *r);
	struct cv_plan *(*plan)(struct run *r, struct cv_err *err);
	void (*apply)(struct run *r);        /* to the model */
};

static struct { unsigned long long done, refused, recovered, put_back; } counts[16];
static unsigned long long sequences, cuts, writes, snapshots;
static uint32_t now;

/* --- choosing -------------------------------------------------------------------------------------------- */

static int any_image(struct run *r, bool (*is)(const struct forest *f, int image))
{
	int found = -1;
	uint32_t seen = 0;

	for (int i = 0; i < r->f.count; i++)
		if (r->f.image[i].there && is(&r->f, i) && !forest_random(&r->f, ++seen))
			found = i;
	return found;
}

static bool is_there(const struct forest *f, int image)
{
	return f->image[image].there;
}

/* What a guest reads through it is known. */
static bool is_known(const struct forest *f, int image)
{
	return !f->image[image].loose;
}

static bool stands_between(const struct forest *f, int image)
{
	return f->image[image].parent >= 0 && !forest_is_leaf(f, image);
}

static bool is_upper_leaf(const struct forest *f, int image)
{
	return f->image[image].parent >= 0 && forest_is_leaf(f, image);
}

static bool has_parent(const struct forest *f, int image)
{
	return f->image[image].parent >= 0;
}

static bool choose_between(struct run *r)
{
	r->image = any_image(r, stands_between);
	return r->image >= 0;
}

static bool choose_leaf(struct run *r)
{
	r->image = any_image(r, is_upper_leaf);
	return r->image >= 0;
}

static bool choose_upper(struct run *r)
{
	r->image = any_image(r, has_parent);
	return r->image >= 0;
}

static bool choose_two(struct run *r)
{
	r->image = any_image(r, has_parent);
	r->onto = any_image(r, is_there);
	return r->image >= 0 && r->onto != r->image;
}

static bool choose_last(struct run *r)
{
	return r->last_operation != NULL;
}

static bool choose_trashed(struct run *r)
{
	r->image = -1;
	for (int i = 0; i < r->f.count; i++)
		if (!r->f.image[i].there && (r->image < 0 || forest_random(&r->f, 2)))
			r->image = i;
	return r->image >= 0;
}

/* --- plans ----------------------------------------------------------------------------------------------- */

static uint32_t node(const struct run *r, int image)
{
	return sim_house_image(&r->h, r->f.image[image].name);
}

static struct cv_plan *plan_merge(struct run *r, bool leaf, struct cv_err *err)
{
	struct cv_survey *survey = cv_survey_new(r->h.graph, NULL, err);
	struct cv_space *space;
	struct cv_plan *plan;

	while (survey && cv_survey_step(survey, -1))
		;
	space = survey ? cv_survey_take(survey, err) : NULL;
	if (!space)
		return NULL;
	plan = cv_plan_coalesce(r->h.graph, &(struct cv_coalesce_options){ .image = node(r, r->image), .space = space, .leaf = leaf }, err);
	cv_space_free(space);
	return plan;
}

static struct cv_plan *plan_coalesce(struct run *r, struct cv_err *err)
{
	return plan_merge(r, false, err);
}

static struct cv_plan *plan_leaf(struct run *r, struct cv_err *err)
{
	return plan_merge(r, true, err);
}

static struct cv_plan *plan_rebase(struct run *r, struct cv_err *err)
{
	return cv_plan_rebase(r->h.graph, &(struct cv_rebase_options){ .image = node(r, r->image), .onto = node(r, r->onto) }, err);
}

static struct cv_plan *plan_flatten(struct run *r, struct cv_err *err)
{
	return cv_plan_rebase(r->h.graph, &(struct cv_rebase_options){ .image = node(r, r->image), .onto = CV_NO_IMAGE }, err);
}

static struct cv_plan *plan_trash(struct run *r, struct cv_err *err)
{
	const char *only = r->f.image[r->image].name;

	return cv_plan_gc(r->h.graph, 0, &(struct cv_gc_options){ .unreferenced = true, .only = &only, .only_count = 1 }, err);
}

static struct cv_plan *restore(struct run *r, bool (*is)(const struct run *r, const struct cv_trash_entry *e), struct cv_err *err)
{
	size_t chosen = SIZE_MAX;

	r->trash = cv_trash_read(SIM_REPOSITORY, err);
	for (size_t i = 0; r->trash && i < r->trash->count; i++)
		if (is(r, &r->trash->entries[i]))
			chosen = i;
	if (chosen == SIZE_MAX) {
		cv_fail(err, CV_EUSAGE, "it is not in the trash");
		return NULL;
	}
	return cv_plan_restore(SIM_REPOSITORY, r->trash, &chosen, 1, err);
}

/* What was merged is brought back in another way. */
static bool is_called(const struct run *r, const struct cv_trash_entry *e)
{
	return !strcmp(e->item->path, r->f.image[r->image].name);
}

static struct cv_plan *plan_restore(struct run *r, struct cv_err *err)
{
	return restore(r, is_called, err);
}

static const struct cv_operation_entry *last_entry(struct run *r, struct cv_err *err)
{
	cv_operation_list_free(r->list);
	r->list = cv_operation_list_read(SIM_REPOSITORY, err);
	return r->list && r->list->count ? &r->list->entries[r->list->count - 1] : NULL;
}

static struct cv_plan *plan_undo(struct run *r, struct cv_err *err)
{
	const struct cv_operation_entry *e = last_entry(r, err);

	if (!e)
		fail_msg("there is no operation: %s", err->text);
	if (e->kind == CV_PLAN_COALESCE)
		return cv_plan_coalesce_undo(r->h.graph, 0, e, 0, err);
	if (e->kind == CV_PLAN_REBASE || e->kind == CV_PLAN_REBASE_COPY)
		return cv_plan_rebase_undo(r->h.graph, 0, e, &(struct cv_rebase_options){ .image = 0 }, err);
	r->image = r->last.image;
	return restore(r, is_called, err);
}

/* --- the model ------------------------------------------------------------------------------------------- */

static void remember(struct run *r)
{
	const struct forest_image *m = &r->f.image[r->image];

	r->last = (struct done){ r->image, m->parent, 0 };
	for (int i = 0; i < r->f.count; i++)
		if (r->f.image[i].there && r->f.image[i].parent == r->image)
			r->last.children |= 1u << i;
}

static void apply_coalesce(struct run *r)
{
	struct forest_image *m = &r->f.image[r->image], *parent = &r->f.image[m->parent];

	remember(r);
	for (int i = 0; i < r->f.count; i++)
		if (r->last.children >> i & 1)
			r->f.image[i].parent = m->parent;
	m->there = false;
	parent->loose = true;
}

/* The parent's file has the leaf's name now. What was called so before lies in the trash, and comes back no more. */
static void apply_leaf(struct run *r)
{
	struct forest_image *m = &r->f.image[r->image], *parent = &r->f.image[m->parent];

	parent->there = false;
	snprintf(parent->name, sizeof parent->name, "merged");
	m->format = parent->format;
	m->parent = parent->parent;
}

static void apply_rebase(struct run *r)
{
	remember(r);
	r->f.image[r->image].parent = r->onto;
}

static void apply_flatten(struct run *r)
{
	remember(r);
	r->f.image[r->image].parent = -1;
}

static void apply_trash(struct run *r)
{
	remember(r);
	r->f.image[r->image].there = false;
}

static void apply_restore(struct run *r)
{
	r->f.image[r->image].there = true;
}

static void apply_undo(struct run *r)
{
	struct forest_image *m = &r->f.image[r->last.image];

	for (int i = 0; i < r->f.count; i++)
		if (r->last.children >> i & 1 && !m->there)
			r->f.image[i].parent = r->last.image;
	if (!m->there && r->last.children)
		r->f.image[r->last.parent].loose = true;
	m->there = true;
	m->parent = r->last.parent;
}

static const struct operation operations[] = {
	{ "coalesce", 4, choose_between, plan_coalesce, apply_coalesce },
	{ "coalesce --leaf", 2, choose_leaf, plan_leaf, apply_leaf },
	{ "rebase", 4, choose_two, plan_rebase, apply_rebase },
	{ "flatten", 2, choose_upper, plan_flatten, apply_flatten },
	{ "trash", 2, choose_leaf, plan_trash, apply_trash },
	{ "restore", 1, choose_trashed, plan_restore, apply_restore },
	{ "undo", 4, choose_last, plan_undo, apply_undo },
};
_Static_assert(CV_COUNT(operations) <= CV_COUNT(counts), "a count for each");

/* --- what nobody may touch ------------------------------------------------------------------------------- */

static uint32_t inode_of(const struct run *r, int image)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", SIM_REPOSITORY + 1, r->f.image[image].name);
	return sim_lookup(r->f.s, path);
}

static void shoot(struct run *r)
{
	for (int i = 0; i < r->f.count; i++) {
		const struct sim_content *c;

		if (!r->f.image[i].there)
			continue;
		c = &r->f.s->inodes.at[inode_of(r, i)].now;
		r->shots[i] = (struct shot){ inode_of(r, i), malloc((c->count + 1) * sizeof *c->sector), c->count, c->size };
		if (c->count)
			memcpy(r->shots[i].sector, c->sector, c->count * sizeof *c->sector);
	}
}

static bool takes_part(const struct cv_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->item_count; i++)
		if (!strcmp(plan->items[i].path, name))
			return true;
	return false;
}

/* Whether it takes space is not looked at. */
static uint32_t sector_of(const uint32_t *sector, size_t count, uint64_t i)
{
	uint32_t s = i < count ? sector[i] : SIM_HOLE;

	return s == SIM_ZERO ? SIM_HOLE : s;
}

static bool is_like(const struct sim_content *c, const struct shot *shot)
{
	for (uint64_t i = 0; i * SIM_SECTOR < shot->size; i++)
		if (sector_of(c->sector, c->count, i) != sector_of(shot->sector, shot->count, i))
			return false;
	return c->size == shot->size;
}

static const char *look_at_others(const struct run *r, const struct cv_plan *plan)
{
	for (int i = 0; i < r->f.count; i++) {
		const struct shot *shot = &r->shots[i];

		if (!shot->inode || takes_part(plan, r->f.image[i].name) || !strcmp(r->f.image[i].name, "merged"))
			continue;
		if (inode_of(r, i) != shot->inode || !is_like(&r->f.s->inodes.at[shot->inode].now, shot))
			return r->f.image[i].name;
	}
	return NULL;
}

static void shots_fini(struct run *r)
{
	for (size_t i = 0; i < CV_COUNT(r->shots); i++) {
		free(r->shots[i].sector);
		r->shots[i] = (struct shot){ .inode = 0 };
	}
}

/* --- running --------------------------------------------------------------------------------------------- */

static void fail_with(const struct run *r, const char *what, const char *why)
{
	fail_msg("seed %u, %s: %s: %s\n%s", r->seed, forest_family(r->f.family), what, why, cv_text_str(&r->f.recipe));
}

/* All leaves are needed, but one that is to be thrown away. */
static void look_around(struct run *r, int spare)
{
	CV_AUTO(cv_text_fini) struct cv_text needed = { 0 };

	sim_house_close(&r->h);
	for (int i = 0; i < r->f.count; i++)
		if (i != spare && forest_is_leaf(&r->f, i))
			cv_text_addf(&needed, "%s\n", r->f.image[i].name);
	sim_house_open(&r->h, r->f.s, cv_text_str(&needed), true);
}

static void look(struct run *r, const char *what)
{
	const char *wrong;

	look_around(r, -1);
	wrong = forest_look(&r->f, &r->h);
	if (wrong)
		fail_with(r, what, wrong);
	for (size_t i = 0; i < r->h.graph->finding_count; i++)
		if (r->h.graph->findings[i].severity == CV_ERROR)
			fail_with(r, what, cv_problem_by_id(r->h.graph->findings[i].id)->name);
	for (int i = 0; i < r->f.count; i++)
		r->f.image[i].loose = false;
}

/* Of what is pending, each sector has come or not. */
static struct sim *after_power_cut(struct run *r, struct sim *s)
{
	struct sim *at = sim_left_by_killed(s), *left;

	for (size_t i = 0; i < at->writes.len; i++) {
		const struct sim_write *w = &at->writes.at[i];

		if (forest_random(&r->f, 2) && w->sector * SIM_SECTOR < at->inodes.at[w->inode].sure.size)
			sim_content_set(&at->inodes.at[w->inode].sure, w->sector, w->version);
	}
	left = sim_after_cut(at);
	sim_free(at);
	return left;
}

static void at_point(struct sim *s, void *ctx, const char *what)
{
	struct run *r = ctx;

	(void)what;
	if (++r->points == r->cut_at)
		r->left = r->power ? after_power_cut(r, s) : sim_left_by_killed(s);
}

static bool run_plan(struct run *r, const struct cv_plan *plan, struct cv_operation_result *result, struct cv_err *err)
{
	struct cv_writing *w;
	bool ok;

	sim_real_close_all();
	w = cv_writing_begin(SIM_REPOSITORY, err);
	if (!w)
		fail_with(r, "writing", err->text);
	r->points = 0;
	r->f.s->before = at_point;
	r->f.s->before_ctx = r;
	ok = cv_operation_run(w, plan, "test", NULL, result, err);
	r->f.s->before = NULL;
	cv_writing_end(w);
	return ok;
}

/* Whether the operation is done, when another process has recovered it. */
static bool recover(struct run *r, const struct operation *o, const struct cv_operation_result *result)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_writing *w;
	bool done = false;
	size_t settled;

	sim_free(r->f.s);
	r->f.s = r->left;
	r->left = NULL;
	r->host.host.pid++;
	r->host.host.boot[0] += r->power;
	sim_real_is(r->f.s, &r->host);
	w = cv_writing_begin(SIM_REPOSITORY, &err);
	if (!w || !cv_recover(w, &(struct cv_recover_options){ .adopt = false }, &settled, &err))
		fail_with(r, o->name, err.text);
	cv_writing_end(w);
	last_entry(r, &err);
	for (size_t i = 0; r->list && i < r->list->count; i++) {
		if (r->list->entries[i].state == CV_OPERATION_PENDING || r->list->entries[i].state == CV_OPERATION_DAMAGED)
			fail_with(r, o->name, "it is still pending");
		if (!memcmp(r->list->entries[i].id, result->id, 16))
			done = r->list->entries[i].state == CV_OPERATION_DONE;
	}
	cuts++;
	counts[o - operations].recovered += done;
	counts[o - operations].put_back += !done;
	return done;
}

static void carry_out(struct run *r, const struct operation *o, const struct cv_plan *plan)
{
	struct cv_operation_result result;
	struct cv_err err = { .code = CV_OK };
	const char *wrong;
	bool done;

	r->cut_at = forest_random(&r->f, ONE_CUT_OF) ? 0 : 1 + forest_random(&r->f, POINTS);
	r->power = forest_random(&r->f, 2);
	shoot(r);
	done = run_plan(r, plan, &result, &err);
	if (!done)
		fail_with(r, o->name, err.text);
	if (r->left)
		done = recover(r, o, &result);
	counts[o - operations].done++;
	r->last_operation = NULL;
	if (done) {
		o->apply(r);
		r->last_operation = o->apply == apply_undo || o->apply == apply_restore || o->apply == apply_leaf ? NULL : o;
	}
	sim_settle(r->f.s);
	wrong = look_at_others(r, plan);
	if (wrong) {
		print_error("%s takes no part and has changed\n", wrong);
		fail_with(r, o->name, "a file that takes no part has changed");
	}
	shots_fini(r);
	sim_house_close(&r->h);
}

static void operate(struct run *r, const struct operation *o)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_plan *plan;

	if (!o->choose(r))
		return;
	if (!r->h.graph || o->apply == apply_trash)
		look_around(r, o->apply == apply_trash ? r->image : -1);
	plan = o->plan(r, &err);
	if (!plan && err.code != CV_EUSAGE)
		fail_with(r, o->name, err.text);
	if (plan && !plan->refused && plan->item_count) {
		carry_out(r, o, plan);
	} else {
		counts[o - operations].refused++;
		if (o->apply == apply_trash)
			sim_house_close(&r->h);
	}
	cv_plan_free(plan);
	cv_trash_free(r->trash);
	cv_operation_list_free(r->list);
	r->trash = NULL;
	r->list = NULL;
}

static const struct operation *any_operation(struct run *r)
{
	unsigned all = 0, n;
	size_t i = 0;

	for (size_t k = 0; k < CV_COUNT(operations); k++)
		all += operations[k].often;
	n = forest_random(&r->f, all);
	while (n >= operations[i].often)
		n -= operations[i++].often;
	return &operations[i];
}

/* What happens besides: somebody writes, or takes a snapshot. */
static void live(struct run *r)
{
	int leaf = any_image(r, forest_is_leaf);
	unsigned what = forest_random(&r->f, 3);
	bool did = false;

	if (what == 0 && leaf >= 0)
		writes += did = forest_write(&r->f, leaf);
	else if (what == 1)
		snapshots += did = forest_add(&r->f, forest_random(&r->f, 2) ? leaf : any_image(r, is_known));
	if (!did)
		return;
	sim_settle(r->f.s);
	sim_house_close(&r->h);
}

static unsigned family_of(uint32_t seed)
{
	return seed % ONE_LARGE_OF ? seed % FOREST_SMALL : FOREST_SMALL + seed / ONE_LARGE_OF % (FOREST_FAMILIES - FOREST_SMALL);
}

static void run_sequence(uint32_t seed)
{
	struct run r = { .seed = seed, .image = -1 };
	unsigned steps;

	now = seed;
	sim_scan_forget();
	sim_host_init(&r.host, seed, 1, 1, 4711);
	forest_grow(&r.f, family_of(seed), seed, 3 + seed / 7 % 4);
	sim_real_is(r.f.s, &r.host);
	look(&r, "the beginning");
	steps = LEAST + forest_random(&r.f, MOST - LEAST + 1);
	for (unsigned i = 0; i < steps; i++) {
		const struct operation *o = any_operation(&r);

		operate(&r, o);
		live(&r);
		if (!r.h.graph)
			look(&r, o->name);
	}
	sim_house_close(&r.h);
	sim_free(r.f.s);
	forest_fini(&r.f);
	sequences++;
	now = 0;
}

static uint32_t fresh_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint32_t)t.tv_nsec ^ (uint32_t)t.tv_sec << 10 ^ (uint32_t)getpid()) | 1;
}

static uint32_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static void every_image_reads_what_it_should(void **state)
{
	uint32_t seed = number_of("SEED"), wanted = number_of("SEQUENCES"), first = wanted ? fresh_seed() : 1;

	(void)state;
	if (seed) {
		run_sequence(seed);
		return;
	}
	for (uint32_t i = 0; i < (wanted ? wanted : SEQUENCES); i++)
		run_sequence(first + i);
	seed = fresh_seed();
	printf("# %llu sequences, and a fresh one of seed %" PRIu32 "\n", sequences, seed);
	run_sequence(seed);
	printf("# %llu writes, %llu snapshots, %llu cuts, %llu tasks\n", writes, snapshots, cuts, (unsigned long long)inline_task_count());
	for (size_t i = 0; i < CV_COUNT(operations); i++) {
		printf("# %-16s %7llu done, %7llu refused; of those that were cut %6llu finished, %6llu put back\n",
		       operations[i].name, counts[i].done, counts[i].refused, counts[i].recovered, counts[i].put_back);
		/* it does not come to nothing */
		assert_true(counts[i].done > sequences / 200);
	}
	assert_true(cuts > sequences / 10);
}

static int say_how_to_repeat(void **state)
{
	(void)state;
	if (now)
		print_error("to repeat it: SEED=%u build/tests/test_sequences\n", now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_image_reads_what_it_should, say_how_to_repeat),
	};

	return cmocka_run_group_tests_name("sequences of operations", tests, NULL, NULL);
}

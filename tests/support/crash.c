/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Makes the states a disk may come back in after a power cut, and has each looked at. */
#include "tests/support/crash.h"
#include <stdio.h>

enum { FEW = 8, FEW_NAMES = 5, MOST_ALONE = 96, OLD = 0, TRASH = 0x8000 };

/* One sector with something pending; versions are the indexes of its writes, in order. */
struct unit {
	uint32_t inode;
	uint64_t sector;
	unsigned versions;
	uint16_t choice;             /* OLD, 1 to versions, or TRASH + kind */
};
CV_VEC(units, struct unit);

struct seen {
	uint64_t *at;
	size_t len, slots;
};

struct job {
	const struct crash_scene *scene;
	const struct crash_options *options;
	struct crash_result *result;
	struct seen seen;
	uint64_t random;
	unsigned depth;              /* 0: the operation itself; 1: recovery */
	bool stop;
	/* The present point. */
	const struct sim *at;
	const char *what;
	struct units units;
	uint32_t *unit_of;           /* for each pending write: its unit */
	uint64_t names;              /* mask of pending renames that are carried out */
	unsigned sizes;              /* 0: no length comes, 1: all, 2: by chance */
};

static uint64_t next_random(struct job *j)
{
	uint64_t z = j->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* True if it was not there. */
static bool remember(struct seen *s, uint64_t hash)
{
	size_t at;

	if (s->len * 2 >= s->slots) {
		struct seen bigger = { calloc(s->slots ? s->slots * 2 : 4096, sizeof *s->at), 0,
				       s->slots ? s->slots * 2 : 4096 };

		for (size_t i = 0; i < s->slots; i++)
			if (s->at[i])
				remember(&bigger, s->at[i]);
		free(s->at);
		*s = bigger;
	}
	hash += !hash;
	for (at = hash & (s->slots - 1); s->at[at]; at = (at + 1) & (s->slots - 1))
		if (s->at[at] == hash)
			return false;
	s->at[at] = hash;
	s->len++;
	return true;
}

static void gather(struct job *j)
{
	const struct sim *s = j->at;

	j->units.len = 0;
	free(j->unit_of);
	j->unit_of = calloc(s->writes.len + 1, sizeof *j->unit_of);
	for (size_t i = 0; i < s->writes.len; i++) {
		const struct sim_write *w = &s->writes.at[i];
		size_t k = 0;

		while (k < j->units.len && (j->units.at[k].inode != w->inode || j->units.at[k].sector != w->sector))
			k++;
		if (k == j->units.len && !units_push(&j->units, (struct unit){ w->inode, w->sector, 0, OLD }))
			abort();
		j->units.at[k].versions++;
		j->unit_of[i] = (uint32_t)k;
	}
}

static uint32_t trash_of(struct job *j, struct sim *to, unsigned kind)
{
	uint8_t bytes[SIM_SECTOR];
	uint64_t r;

	if (kind == 2) {
		for (size_t i = 0; i < sizeof bytes; i += sizeof r) {
			r = next_random(j);
			memcpy(bytes + i, &r, sizeof r);
		}
		return sim_intern(to->pool, bytes);
	}
	if (kind == 3 && j->at->writes.len)
		return j->at->writes.at[next_random(j) % j->at->writes.len].version;
	memset(bytes, kind ? 0xff : 0, sizeof bytes);
	return sim_intern(to->pool, bytes);
}

static void set_sure(struct sim *to, uint32_t inode, uint64_t sector, uint32_t version)
{
	sim_content_set(&to->inodes.at[inode].now, sector, version);
	sim_content_set(&to->inodes.at[inode].sure, sector, version);
}

static void cut_content(struct sim_content *c, uint64_t size)
{
	c->size = size;
	for (uint64_t k = (size + SIM_SECTOR - 1) / SIM_SECTOR; k < c->count; k++)
		c->sector[k] = SIM_HOLE;
}

static void set_size(struct sim *to, uint32_t inode, uint64_t size)
{
	cut_content(&to->inodes.at[inode].now, size);
	cut_content(&to->inodes.at[inode].sure, size);
}

/* Carries out what was chosen, in the order in which it was asked for. */
static void apply_data(struct job *j, struct sim *to)
{
	const struct sim *s = j->at;
	unsigned *count = calloc(j->units.len + 1, sizeof *count);
	uint64_t chance = next_random(j);
	size_t r = 0;

	for (size_t i = 0; i <= s->writes.len; i++) {
		const struct sim_write *w = i < s->writes.len ? &s->writes.at[i] : NULL;

		for (; r < s->resizes.len && (!w || s->resizes.at[r].op < w->op); r++)
			if (j->sizes == 1 || (j->sizes == 2 && chance >> (s->resizes.at[r].inode % 64) & 1))
				set_size(to, s->resizes.at[r].inode, s->resizes.at[r].size);
		if (w && ++count[j->unit_of[i]] <= j->units.at[j->unit_of[i]].choice &&
		    j->units.at[j->unit_of[i]].choice < TRASH)
			set_sure(to, w->inode, w->sector, w->version);
	}
	free(count);
}

/* One of the eight sectors of a page that holds what was meant for another page, as that is seen now. */
static uint32_t stray_of(const struct sim *s, const struct sim_write *w, uint64_t sector)
{
	const struct sim_content *c = &s->inodes.at[w->inode].now;
	uint64_t from = (w->sector & ~UINT64_C(7)) + sector % 8;

	return from < c->count ? c->sector[from] : SIM_HOLE;
}

static void trash_page(struct job *j, struct sim *to, const struct unit *u)
{
	const struct sim_write *w = &j->at->writes.at[next_random(j) % j->at->writes.len];
	uint64_t first = u->sector & ~UINT64_C(7);

	for (uint64_t sector = first; sector < first + 8; sector++)
		if (sector * SIM_SECTOR < to->inodes.at[u->inode].sure.size)
			set_sure(to, u->inode, sector, u->choice == TRASH + 3 ? stray_of(j->at, w, sector)
									      : trash_of(j, to, u->choice - TRASH));
}

static void apply_trash(struct job *j, struct sim *to)
{
	for (size_t k = 0; k < j->units.len; k++) {
		const struct unit *u = &j->units.at[k];

		if (u->choice < TRASH)
			continue;
		if (j->options->pages)
			trash_page(j, to, u);
		else if (u->sector * SIM_SECTOR < to->inodes.at[u->inode].sure.size)
			set_sure(to, u->inode, u->sector, trash_of(j, to, u->choice - TRASH));
	}
}

static void apply_names(struct job *j, struct sim *to)
{
	for (size_t i = 0; i < j->at->renames.len; i++)
		for (unsigned k = 0; j->names >> i & 1 && k < j->at->renames.at[i].count; k++) {
			sim_entries_set(&to->now, &j->at->renames.at[i].set[k]);
			sim_entries_set(&to->sure, &j->at->renames.at[i].set[k]);
		}
}

/* What lies behind the end of a file is not there. */
static struct sim *make_state(struct job *j)
{
	struct sim *to = sim_after_cut(j->at);

	apply_data(j, to);
	apply_trash(j, to);
	apply_names(j, to);
	for (uint32_t i = 1; i < to->inodes.len; i++)
		set_size(to, i, to->inodes.at[i].sure.size);
	return to;
}

static void note_failure(struct job *j, const char *stage, unsigned guest, const char *what)
{
	struct crash_result *r = j->result;

	if (!r->failures++) {
		int n = snprintf(r->first, sizeof r->first,
				 "%s: %s (%s; cut%s before %s after %llu calls, %zu sectors pending, names %llx, "
				 "lengths %u, guest %u, seed %llu; choices",
				 j->scene->name, what, stage, j->depth ? " inside recovery" : "", j->what,
				 (unsigned long long)j->at->ops, j->units.len, (unsigned long long)j->names, j->sizes,
				 guest, (unsigned long long)j->options->seed);

		for (size_t k = 0; k < j->units.len && n > 0 && (size_t)n < sizeof r->first - 24; k++)
			n += snprintf(r->first + n, sizeof r->first - (size_t)n, " %u@%llu=%x", j->units.at[k].inode,
				      (unsigned long long)j->units.at[k].sector, j->units.at[k].choice);
		if (n > 0 && (size_t)n < sizeof r->first - 2)
			snprintf(r->first + n, sizeof r->first - (size_t)n, ")");
	}
	j->stop |= j->options->stop_at_first;
}

static void at_point(struct sim *s, void *ctx, const char *what);

/* Recovery on one state, twice; with inner, it is cut short everywhere, too. */
static void recover_state(struct job *j, struct sim *state, unsigned guest, bool inner)
{
	const struct crash_scene *scene = j->scene;
	struct job below = { .scene = scene, .options = j->options, .result = j->result, .depth = 1,
			     .random = next_random(j) };
	struct cv_err err = { .code = CV_OK };
	const char *wrong;
	uint64_t ops;

	if (inner) {
		state->before = at_point;
		state->before_ctx = &below;
		j->result->inner++;
	}
	j->result->recoveries++;
	if (!scene->recover(state, scene->ctx, &err))
		note_failure(j, "recovery", guest, err.text);
	state->before = NULL;
	j->stop |= below.stop;
	free(below.seen.at);
	free(below.units.at);
	free(below.unit_of);
	if (err.code)
		return;
	wrong = scene->look(state, scene->ctx, true, guest);
	if (wrong) {
		note_failure(j, "after recovery", guest, wrong);
		return;
	}
	ops = state->ops;
	if (!scene->recover(state, scene->ctx, &err))
		note_failure(j, "second recovery", guest, err.text);
	else if (state->ops != ops)
		note_failure(j, "second recovery", guest, "it changed something");
}

static void try_state(struct job *j)
{
	struct sim *state;
	const char *wrong;
	bool inner;

	if (j->stop)
		return;
	state = make_state(j);
	j->result->states++;
	if (!remember(&j->seen, sim_hash(state))) {
		sim_free(state);
		return;
	}
	if (j->result->distinct++ % (j->options->share ? j->options->share : 1)) {
		sim_free(state);
		return;
	}
	wrong = j->scene->look(state, j->scene->ctx, false, 0);
	if (wrong)
		note_failure(j, "before recovery", 0, wrong);
	inner = !j->depth && j->options->inner && next_random(j) % j->options->inner == 0;
	for (unsigned guest = 0; guest <= j->scene->guests && !j->stop && (inner || !j->options->atomic); guest++) {
		struct sim *copy = sim_copy(state);

		if (guest) {
			j->scene->guest(copy, j->scene->ctx, guest);
			sim_settle(copy);
			copy->ops = 0;
		}
		recover_state(j, copy, guest, inner);
		sim_free(copy);
	}
	sim_free(state);
}

static void choose_all(struct job *j, bool fresh)
{
	for (size_t k = 0; k < j->units.len; k++)
		j->units.at[k].choice = fresh ? (uint16_t)j->units.at[k].versions : OLD;
}

static void every_subset(struct job *j)
{
	for (uint64_t mask = 0; mask < UINT64_C(1) << j->units.len; mask++) {
		for (size_t k = 0; k < j->units.len; k++)
			j->units.at[k].choice = mask >> k & 1 ? (uint16_t)j->units.at[k].versions : OLD;
		try_state(j);
	}
}

/* Each alone and each missing, or as many of them as is reasonable; each beginning. */
static void one_by_one(struct job *j)
{
	size_t step = j->units.len / MOST_ALONE + 1, offset = next_random(j) % step;

	for (unsigned fresh = 0; fresh < 2; fresh++)
		for (size_t k = offset; k < j->units.len; k += step) {
			choose_all(j, fresh);
			j->units.at[k].choice = fresh ? OLD : (uint16_t)j->units.at[k].versions;
			try_state(j);
		}
	choose_all(j, false);
	try_state(j);
	for (size_t k = 0; k < j->units.len; k++) {
		j->units.at[k].choice = (uint16_t)j->units.at[k].versions;
		if (k % step == offset || k + 1 == j->units.len)
			try_state(j);
	}
}

static void by_chance(struct job *j)
{
	unsigned count = j->options->random ? j->options->random : 32;

	for (unsigned i = 0; i < count; i++) {
		for (size_t k = 0; k < j->units.len; k++)
			j->units.at[k].choice = (uint16_t)(next_random(j) % (j->units.at[k].versions + 1));
		try_state(j);
	}
}

/* Each torn in every way, the others there or not. */
static void torn(struct job *j)
{
	size_t step = j->units.len / MOST_ALONE + 1, offset = next_random(j) % step;

	for (unsigned fresh = 0; fresh < 2; fresh++)
		for (size_t k = offset; k < j->units.len; k += step)
			for (unsigned kind = 0; kind < 4; kind++) {
				choose_all(j, fresh);
				j->units.at[k].choice = (uint16_t)(TRASH + kind);
				try_state(j);
			}
}

static void data_states(struct job *j)
{
	bool repeated = false;

	for (size_t k = 0; k < j->units.len; k++)
		repeated |= j->units.at[k].versions > 1;
	if (j->units.len <= FEW)
		every_subset(j);
	else
		one_by_one(j);
	if (j->units.len > FEW || repeated)
		by_chance(j);
	if (!j->options->atomic)
		torn(j);
}

/* A change of names only comes with those before it on the same names. */
static bool names_possible(const struct sim *s, uint64_t mask)
{
	for (size_t i = 0; i < s->renames.len; i++)
		for (size_t k = 0; mask >> i & 1 && k < i; k++) {
			const struct sim_rename *a = &s->renames.at[i], *b = &s->renames.at[k];

			for (unsigned x = 0; x < a->count; x++)
				for (unsigned y = 0; y < b->count; y++)
					if (!(mask >> k & 1) && a->set[x].dir == b->set[y].dir &&
					    !strcmp(a->set[x].name, b->set[y].name))
						return false;
		}
	return true;
}

static void size_states(struct job *j)
{
	j->sizes = 1;
	data_states(j);
	if (!j->at->resizes.len)
		return;
	j->sizes = 0;
	data_states(j);
	j->sizes = 2;
	choose_all(j, true);
	try_state(j);
	by_chance(j);
}

static void name_states(struct job *j)
{
	size_t count = j->at->renames.len;
	uint64_t all = count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;

	for (uint64_t mask = 0; count <= FEW_NAMES && mask <= all && !j->stop; mask++) {
		j->names = mask;
		if (names_possible(j->at, mask))
			size_states(j);
	}
	for (size_t k = 0; count > FEW_NAMES && k <= count && k < 64 && !j->stop; k++) {
		j->names = k ? all >> (count - k) : 0;
		size_states(j);
		j->names = all & ~(UINT64_C(1) << k);
		if (names_possible(j->at, j->names))
			size_states(j);
	}
}

/* The program is killed and nothing else happens: recovery finds what is pending, and the power goes while it is at
 * work. */
static void killed(struct job *j)
{
	struct sim *copy = sim_left_by_killed(j->at);

	j->units.len = 0;
	recover_state(j, copy, 0, true);
	sim_free(copy);
}

/* Of recovery all points are. */
static bool is_asked_for(const struct sim *s, const struct crash_options *o)
{
	bool pending = !o->inode;

	for (size_t i = 0; i < s->writes.len; i++)
		pending |= s->writes.at[i].inode == o->inode;
	for (size_t i = 0; i < s->resizes.len; i++)
		pending |= s->resizes.at[i].inode == o->inode;
	return pending && s->barriers >= o->before;
}

static void at_point(struct sim *s, void *ctx, const char *what)
{
	struct job *j = ctx;

	if (j->stop || (!j->depth && !is_asked_for(s, j->options)))
		return;
	j->at = s;
	j->what = what;
	j->result->points++;
	if (!j->depth && !strncmp(what, "fsync", 5))
		j->result->barriers++;
	else if (!j->depth)
		j->result->names++;
	gather(j);
	name_states(j);
	if (!j->depth && j->options->inner && !j->stop)
		killed(j);
}

void crash_enumerate(const struct sim *start, const struct crash_scene *scene, const struct crash_options *options,
		     struct crash_result *r)
{
	struct job j = { .scene = scene, .options = options, .result = r, .random = options->seed };
	struct cv_err err = { .code = CV_OK };
	struct sim *s = sim_copy(start);
	const char *wrong;

	s->before = at_point;
	s->before_ctx = &j;
	s->drop_barrier = options->drop_barrier;
	if (!scene->run(s, scene->ctx, &err)) {
		j.at = s;
		j.what = "the end";
		note_failure(&j, "the operation itself", 0, err.text);
	} else {
		/* What was promised by now may not have been before: states count anew. */
		if (j.seen.at)
			memset(j.seen.at, 0, j.seen.slots * sizeof *j.seen.at);
		j.seen.len = 0;
		at_point(s, &j, "the end");
		wrong = scene->look(s, scene->ctx, true, 0);
		if (wrong)
			note_failure(&j, "after the operation", 0, wrong);
	}
	sim_free(s);
	free(j.seen.at);
	free(j.units.at);
	free(j.unit_of);
}

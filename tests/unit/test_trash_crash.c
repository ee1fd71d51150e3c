/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Trash, restore and purge on a simulated disk: whatever a power cut leaves, every image is in one place, whole, and
 * known to a journal; recovery settles everything; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/operation/work.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_store.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

#define BYTES 1500u

static const char *const images[] = { "a.vhd", "sub/b.vhd", "c.qcow2" };
enum { TAKEN = 2, ALL = 3 };                 /* the first two are taken away, the third never is */

struct ctx {
	enum cv_plan_kind kind;
	struct sim_host host;
	bool done;                   /* the operation said that it was */
};

static uint8_t byte_of(unsigned image, size_t i)
{
	return (uint8_t)(image * 80 + i / 3 + 1);
}

static int folder_of(struct sim *s, int root, const char *path, const char **base)
{
	const char *slash = strchr(path, '/');

	*base = slash ? slash + 1 : path;
	return s->io.openat(&s->io, root, slash ? "sub" : ".", O_RDONLY | O_DIRECTORY, 0);
}

static struct sim *repository(void)
{
	struct sim *s = sim_new();
	int root = sim_root(s);

	assert_int_equal(s->io.mkdirat(&s->io, root, "sub", 0755), 0);
	for (unsigned k = 0; k < ALL; k++) {
		uint8_t bytes[BYTES];
		const char *base;
		int dir = folder_of(s, root, images[k], &base);
		int fd = s->io.openat(&s->io, dir, base, O_RDWR | O_CREAT | O_EXCL, 0600);

		for (size_t i = 0; i < BYTES; i++)
			bytes[i] = byte_of(k, i);
		assert_int_equal(s->io.pwrite(&s->io, fd, bytes, BYTES, 0), BYTES);
		s->io.close(&s->io, fd);
		s->io.close(&s->io, dir);
	}
	s->io.close(&s->io, root);
	sim_settle(s);
	return s;
}

static struct cv_plan_item item_of(struct sim *s, unsigned k)
{
	struct cv_plan_item item = { .path = images[k] };
	const char *base;
	int root = sim_root(s), dir = folder_of(s, root, images[k], &base);
	struct stat st;

	if (s->io.fstatat(&s->io, dir, base, &st) == 0) {
		item.device = st.st_dev;
		item.inode = st.st_ino;
		item.size = (uint64_t)st.st_size;
		item.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	}
	s->io.close(&s->io, dir);
	s->io.close(&s->io, root);
	return item;
}

static bool trash_them(struct cv_writing *w, const struct cv_plan_item *items, uint8_t op[16], struct cv_err *err)
{
	struct cv_plan plan = { .kind = CV_PLAN_TRASH, .items = items, .item_count = TAKEN };
	struct cv_operation_result result;
	bool ok = cv_work_run(w, &plan, "gc", NULL, &result, err);

	memcpy(op, result.id, 16);
	return ok;
}

static bool bring(struct cv_writing *w, enum cv_plan_kind kind, struct cv_plan_item *items, const uint8_t op[16],
		  struct cv_err *err)
{
	struct cv_plan plan = { .kind = kind, .items = items, .item_count = TAKEN };
	struct cv_operation_result result;

	for (uint32_t i = 0; i < TAKEN; i++) {
		memcpy(items[i].from, op, 16);
		items[i].from_index = i;
	}
	return cv_work_run(w, &plan, "trash", NULL, &result, err);
}

/* For restore and purge what went before is sure. */
static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct cv_plan_item items[TAKEN];
	int root = sim_root(s);
	struct cv_writing w;
	uint8_t op[16];
	void (*before)(struct sim *, void *, const char *) = s->before;
	uint64_t drop = s->drop_barrier, fail_at = s->fail_at;
	bool ok;

	if (c->kind != CV_PLAN_TRASH) {
		s->before = NULL;
		s->drop_barrier = s->fail_at = 0;
	}
	for (unsigned k = 0; k < TAKEN; k++)
		items[k] = item_of(s, k);
	ok = cv_writing_open(&w, &s->io, &c->host.host, root, err);
	if (ok) {
		ok = trash_them(&w, items, op, err);
		if (ok && c->kind != CV_PLAN_TRASH) {
			sim_settle(s);
			s->before = before;
			s->drop_barrier = drop;
			s->fail_at = fail_at;
			s->barriers = s->calls = 0;
			ok = bring(&w, c->kind, items, op, err);
		}
		cv_store_close(&w.store);
	}
	s->io.close(&s->io, root);
	c->done = ok;
	return ok;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 9, err);
}

static bool is_whole(const struct sim *s, uint32_t inode, unsigned image)
{
	const struct sim_content *c = &s->inodes.at[inode].now;

	for (size_t i = 0; i < BYTES; i++)
		if (i / SIM_SECTOR >= c->count || sim_bytes(s->pool, c->sector[i / SIM_SECTOR])[i % SIM_SECTOR] != byte_of(image, i))
			return false;
	return c->size == BYTES;
}

/* Finds what is left in the trash of any operation, by inode: the files keep theirs. */
static uint32_t in_trash(const struct sim *s, unsigned image, char op[40])
{
	uint32_t trash = sim_lookup(s, CV_STORE_NAME "/trash");

	for (size_t i = 0; trash && i < s->now.len; i++)
		for (size_t k = 0; s->now.at[i].dir == trash && k < s->now.len; k++)
			if (s->now.at[k].dir == s->now.at[i].inode &&
			    !strcmp(s->now.at[k].name, cv_trash_name(image, images[image]).s)) {
				snprintf(op, 40, "%.36s", s->now.at[i].name);
				return s->now.at[k].inode;
			}
	return 0;
}

static const char *wrong_with(const struct sim *s, const struct ctx *c, unsigned image, bool recovered, unsigned *home)
{
	uint32_t at_home = sim_lookup(s, images[image]);
	char op[40] = "";
	uint32_t trashed = in_trash(s, image, op);

	if (!at_home && !trashed)
		return c->kind == CV_PLAN_PURGE ? NULL : "an image is gone";
	if (at_home && trashed)
		return "an image is in two places";
	if (!is_whole(s, at_home ? at_home : trashed, image))
		return "an image is not whole";
	if (trashed && recovered && !sim_store_has_journal(s, "done", op))
		return "an image is in the trash, and no journal says whence";
	*home += at_home != 0;
	if (c->done && c->kind == CV_PLAN_PURGE)
		return "an image that was purged is there again";
	if (c->done && (at_home != 0) != (c->kind == CV_PLAN_RESTORE))
		return "what was promised to be done is not";
	return NULL;
}

/* Restore or purge did something. */
static bool is_changed(const struct sim *s, const struct ctx *c)
{
	char op[40];
	bool changed = false;

	for (unsigned image = 0; image < TAKEN; image++)
		changed |= c->kind == CV_PLAN_RESTORE ? sim_lookup(s, images[image]) != 0 : !in_trash(s, image, op);
	return changed && sim_lookup(s, CV_STORE_NAME "/trash");
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	struct sim_journals pending = sim_store_journals(s, &c->host, "journal"), done = sim_store_journals(s, &c->host, "done");
	unsigned home = 0;

	(void)guest;
	if (!sim_lookup(s, images[2]) || !is_whole(s, sim_lookup(s, images[2]), 2))
		return "an image that was never touched is not whole";
	for (unsigned image = 0; image < TAKEN; image++) {
		const char *wrong = wrong_with(s, c, image, recovered, &home);

		if (wrong)
			return wrong;
	}
	if ((recovered || c->done) && pending.count)
		return "an operation is still pending";
	if (!pending.sound || !done.sound)
		return "a journal cannot be read, or does not say how it ended";
	if (c->kind != CV_PLAN_TRASH && is_changed(s, c) && pending.count + done.count < 2)
		return "something was done, and no journal knows of it";
	if (recovered && c->kind == CV_PLAN_TRASH && home != 0 && home != TAKEN)
		return "some were taken away and some were not";
	return NULL;
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = { .kind = ((const struct ctx *)ctx)->kind };
	struct crash_scene scene = { cv_plan_kind_name(c.kind), run, recover, look, 0, NULL, &c };
	struct crash_result r = { 0 };
	struct sim *s = repository();

	sim_host_init(&c.host, 5, 1, 1, 4711);
	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	return r;
}

static void all_is_sound(enum cv_plan_kind kind)
{
	struct ctx c = { .kind = kind };

	crash_prove(&(struct crash_cell){ cv_plan_kind_name(kind), "any", "files", enumerate, &c,
					  { .seed = 3, .random = 8, .inner = 20 } });
}

static void trash_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(CV_PLAN_TRASH);
}

static void restore_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(CV_PLAN_RESTORE);
}

static void purge_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(CV_PLAN_PURGE);
}

static void reset(void *ctx)
{
	struct ctx *c = ctx;

	c->done = false;
	sim_host_init(&c->host, 5, 1, 1, 4711);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, ESTALE };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors), .reset = reset };
	struct sim *s = repository();

	(void)state;
	for (int kind = CV_PLAN_TRASH; kind <= CV_PLAN_PURGE; kind++) {
		struct ctx c = { .kind = (enum cv_plan_kind)kind };
		struct crash_scene scene = { cv_plan_kind_name(c.kind), run, recover, look, 0, NULL, &c };

		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s", faults.first);
	}
	sim_free(s);
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trash_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(restore_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(purge_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests_name("trash on a simulated disk", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image another parent, and taking that back, on a simulated disk: whatever a power cut leaves, the image names
 * one of the two parents after recovery and is otherwise untouched, also where a guest has written to it meanwhile;
 * images of formats that allow it do so at every moment before; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/relink/relink.h"
#include "repair/sample/maker.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

#define PLACE "/repository"

struct kind {
	const char *name, *recipe, *image, *old, *new;
	enum cv_format_id format;    /* of the new parent */
	uint64_t data;               /* a sector of guest data in the image, bytes */
	uint64_t flag;               /* a byte of the header that QEMU may change any time; 0: none */
	bool always;                 /* reads right at every moment */
};

static const struct kind kinds[] = {
	{ "vhd", "dir sub\nvhd old.vhd dynamic size=4M blocks=0\nvhd sub/new.vhd dynamic size=4M blocks=0\n"
		 "vhd child.vhd parent=old.vhd blocks=1\n",
	  "child.vhd", "old.vhd", "sub/new.vhd", CV_FORMAT_VHD, 7680, 0, false },
	{ "vhdx", "vhdx old.vhdx size=64M\nvhdx new.vhdx size=64M\nvhdx child.vhdx parent=old.vhdx block=1M blocks=1\n",
	  "child.vhdx", "old.vhdx", "new.vhdx", CV_FORMAT_VHDX, 4 << 20, 0, true },
	{ "qcow2", "dir sub\nqcow2 old.qcow2 size=1M\nraw sub/new.raw size=1M\n"
		   "qcow2 child.qcow2 parent=old.qcow2 parent-format=qcow2 blocks=1\n",
	  "child.qcow2", "old.qcow2", "sub/new.raw", CV_FORMAT_RAW, 0x50000, 79, true },
	{ "qcow2 of small clusters", "qcow2 old.qcow2 size=64K\nqcow2 new.qcow2 size=64K\n"
		   "qcow2 child.qcow2 parent=old.qcow2 parent-format=qcow2 cluster=4K blocks=1\n",
	  "child.qcow2", "old.qcow2", "new.qcow2", CV_FORMAT_QCOW2, 0x5000, 79, true },
};

enum { DATA_GUEST = 1, FLAG_GUEST };

/* A file as it was. */
struct shot {
	uint32_t *sector;
	size_t count;
	uint64_t size;
	struct cv_text says;
};

struct ctx {
	const struct kind *k;
	bool undo;
	struct sim_host host;
	struct shot before, after;
	bool done;                   /* the operation said that it was */
	uint64_t free, free_end;     /* sectors of the image that nobody looks at but through the new name */
	char *text;
};

static uint32_t sector_of(const struct shot *shot, uint64_t i)
{
	uint32_t s = i < shot->count ? shot->sector[i] : SIM_HOLE;

	return s == SIM_ZERO ? SIM_HOLE : s;
}

static bool read_says(struct sim *s, const char *image, struct cv_text *out)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, image, O_RDONLY, 0);
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = fd >= 0 ? cv_io_source(&s->io, fd, &err) : NULL;
	bool ok = source && cv_relink_says(source, false, out, &err);

	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return ok;
}

static struct shot shoot(struct sim *s, const char *image)
{
	const struct sim_content *c = &s->inodes.at[sim_lookup(s, image)].now;
	struct shot shot = { calloc(c->count + 1, sizeof *shot.sector), c->count, c->size, { 0 } };

	assert_non_null(shot.sector);
	memcpy(shot.sector, c->sector, c->count * sizeof *c->sector);
	assert_true(read_says(s, image, &shot.says));
	return shot;
}

static void shot_fini(struct shot *shot)
{
	free(shot->sector);
	cv_text_fini(&shot->says);
}

/* But for how many headers are torn: one may be, and the other is read. */
static bool same_parent(const struct cv_text *a, const struct cv_text *b)
{
	const char *x = cv_text_str(a), *y = cv_text_str(b), *end_x = strchr(x, '\n'), *end_y = strchr(y, '\n');

	return end_x && end_y && !strcmp(end_x, end_y) && !strncmp(x, y, (size_t)(end_x - x) - 1);
}

static bool do_rebase(struct cv_writing *w, struct cv_plan_item item, const struct kind *k, const uint8_t from[16],
		      uint8_t op[16], struct cv_err *err)
{
	char path[256];
	struct cv_plan_link link = { .format = k->format, .folder = PLACE, .path = path, .former = NULL, .time = 1772431500 };
	struct cv_plan plan = { .kind = CV_PLAN_REBASE, .items = &item, .item_count = 1, .link = &link };
	struct cv_operation_result result;
	bool ok;

	snprintf(path, sizeof path, PLACE "/%s", k->new);
	if (k->format == CV_FORMAT_VHD || k->format == CV_FORMAT_VHDX)
		memset(link.uuid, 0x5a, sizeof link.uuid);
	if (from)
		memcpy(item.from, from, 16);
	ok = cv_work_run(w, &plan, "rebase", NULL, &result, err);
	memcpy(op, result.id, 16);
	return ok;
}

/* How journals come into being is shown by the tests of trash. */
enum { BARRIERS_OF_BIRTH = 2 };

/* What is not looked at is sure: that the repository is opened, and before an undo the rebase. */
static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;
	int root = sim_root(s);
	struct cv_writing w;
	struct cv_plan_item item;
	uint8_t op[16], undo[16];
	struct sim_hushed hushed;
	bool ok;

	host.host.ctx = &host;
	c->done = false;
	hushed = sim_hush(s);
	assert_true(cv_writing_open(&w, &s->io, &host.host, root, err));
	assert_true(!c->undo || do_rebase(&w, sim_item(s, c->k->image), c->k, NULL, op, err));
	sim_settle(s);
	item = sim_item(s, c->k->image);
	sim_watch(s, &hushed);
	ok = do_rebase(&w, item, c->k, c->undo ? op : NULL, undo, err);
	s->fail_at = 0;
	cv_store_close(&w.store);
	s->io.close(&s->io, root);
	c->done = ok;
	return ok;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 9, err);
}

/* The same but for a byte that the guest writes. */
static bool sector_like(const struct sim *s, const struct ctx *c, uint64_t i, uint32_t a, uint32_t b)
{
	const uint8_t *x = sim_bytes(s->pool, a), *y = sim_bytes(s->pool, b);

	for (uint64_t k = 0; k < SIM_SECTOR; k++)
		if (x[k] != y[k] && !(c->k->flag == i * SIM_SECTOR + k && x[k] == 1) &&
		    !(c->k->data == i * SIM_SECTOR + k && x[k] == 0xa5))
			return false;
	return true;
}

/* Everything, but for the page that nobody looks at unless strictly. */
static bool is_like(struct sim *s, const struct ctx *c, const struct shot *shot, bool strictly)
{
	const struct sim_content *now = &s->inodes.at[sim_lookup(s, c->k->image)].now;
	struct shot here = { now->sector, now->count, now->size, { 0 } };

	if (now->size != shot->size)
		return false;
	for (uint64_t i = 0; i * SIM_SECTOR < now->size; i++) {
		if (!strictly && i >= c->free && i < c->free_end)
			continue;
		if (sector_of(&here, i) != sector_of(shot, i) && !sector_like(s, c, i, sector_of(&here, i), sector_of(shot, i)))
			return false;
	}
	return true;
}

/* What the guest did is still there. */
static bool guest_is_kept(struct sim *s, const struct ctx *c, unsigned guest)
{
	uint64_t at = guest == DATA_GUEST ? c->k->data : c->k->flag;
	const struct sim_content *now = &s->inodes.at[sim_lookup(s, c->k->image)].now;
	uint32_t sector = at / SIM_SECTOR < now->count ? now->sector[at / SIM_SECTOR] : SIM_HOLE;

	return sim_bytes(s->pool, sector)[at % SIM_SECTOR] == (guest == DATA_GUEST ? 0xa5 : 1);
}

/* The sectors that switch from one to the other are whole: the image must read right, recovered or not. */
static bool is_switched(struct sim *s, const struct ctx *c, const struct shot *shot)
{
	const struct sim_content *now = &s->inodes.at[sim_lookup(s, c->k->image)].now;
	struct shot here = { now->sector, now->count, now->size, { 0 } };
	bool whole = true;

	for (uint64_t i = 0; i < shot->count; i++)
		if (c->before.sector[i] != c->after.sector[i] && (i < c->free || i >= c->free_end) &&
		    i * SIM_SECTOR != 128 * 1024 && i * SIM_SECTOR != 64 * 1024)
			whole &= sector_of(&here, i) == sector_of(shot, i);
	return whole;
}

static const char *look_before(struct sim *s, const struct ctx *c, const struct cv_text *says)
{
	if (c->done && (!same_parent(says, &c->after.says) || !is_like(s, c, &c->after, true)))
		return "what was promised to be done is not";
	if (!c->k->always)
		return NULL;
	if (is_switched(s, c, &c->before) && !same_parent(says, &c->before.says))
		return "the former parent cannot be told";
	return is_switched(s, c, &c->after) && !same_parent(says, &c->after.says) ? "the new parent cannot be told" : NULL;
}

/* A header that is whole is enough to open a VHD, wherever its locators lead. */
static bool can_be_opened(struct sim *s, const struct ctx *c)
{
	const struct sim_content *now = &s->inodes.at[sim_lookup(s, c->k->image)].now;
	struct shot here = { now->sector, now->count, now->size, { 0 } };
	CV_AUTO(cv_text_fini) struct cv_text says = { 0 };
	bool old = true, new = true;

	for (uint64_t i = 1; i < 3; i++) {
		old &= sector_of(&here, i) == sector_of(&c->before, i);
		new &= sector_of(&here, i) == sector_of(&c->after, i);
	}
	read_says(s, c->k->image, &says);
	return (!c->k->always && (old || new)) || same_parent(&says, &c->before.says) || same_parent(&says, &c->after.says);
}

static bool is_as_before(struct sim *s, const struct ctx *c, uint64_t sector)
{
	const struct sim_content *now = &s->inodes.at[sim_lookup(s, c->k->image)].now;
	struct shot here = { now->sector, now->count, now->size, { 0 } };

	return sector_of(&here, sector) == sector_of(&c->before, sector);
}

/* A guest only writes to what can be opened. Is set by guest() for the look that follows. */
static bool guest_wrote;

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	CV_AUTO(cv_text_fini) struct cv_text says = { 0 };
	struct sim_journals pending = sim_store_journals(s, &c->host, "journal"), done;
	bool is_new, wrote = guest && guest_wrote;

	read_says(s, c->k->image, &says);
	if (!recovered)
		return c->done && pending.count ? "an operation that is done is still pending" : look_before(s, c, &says);
	done = sim_store_journals(s, &c->host, "done");
	is_new = !strcmp(cv_text_str(&says), cv_text_str(&c->after.says));
	if (!is_new && strcmp(cv_text_str(&says), cv_text_str(&c->before.says)) != 0)
		return "the image names neither parent";
	if (!is_like(s, c, is_new ? &c->after : &c->before, c->done))
		return "something else of the image has changed";
	if (wrote && !guest_is_kept(s, c, guest))
		return "what a guest wrote is gone";
	if (c->done && !is_new)
		return "what was promised to be done is not";
	if (pending.count)
		return "an operation is still pending";
	return is_new != (done.done > (c->undo ? 1u : 0u)) ? "a journal does not say what is so" : NULL;
}

static void guest(struct sim *s, void *ctx, unsigned which)
{
	const struct ctx *c = ctx;
	uint8_t byte = which == DATA_GUEST ? 0xa5 : 1;
	uint64_t at = which == DATA_GUEST ? c->k->data : c->k->flag;
	int root, fd;

	/* Where the power cut took its tables nothing that it does can be right. */
	guest_wrote = at && can_be_opened(s, c) && (c->k->always || (is_as_before(s, c, at / SIM_SECTOR) &&
							     is_as_before(s, c, at / SIM_SECTOR - 1)));
	if (!guest_wrote)
		return;
	root = sim_root(s);
	fd = s->io.openat(&s->io, root, c->k->image, O_RDWR, 0);
	assert_int_equal(s->io.pwrite(&s->io, fd, &byte, 1, at), 1);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* What the image is like before and after, without any trouble. */
static void prepare(struct ctx *c, struct sim *start)
{
	struct ctx whole = *c;
	struct sim *s = sim_copy(start);
	struct cv_err err = { .code = CV_OK };

	whole.undo = false;
	if (!run(s, &whole, &err))
		fail_msg("%s: %s", c->k->name, err.text);
	c->before = shoot(start, c->k->image);
	c->after = shoot(s, c->k->image);
	sim_free(s);
	assert_string_not_equal(cv_text_str(&c->before.says), cv_text_str(&c->after.says));
	/* What was not used takes a page for itself, if it does not lie beside the header. */
	for (uint64_t i = 1; c->k->always && i < c->after.count; i++)
		if (sector_of(&c->before, i) == SIM_HOLE && sector_of(&c->after, i) != SIM_HOLE) {
			c->free = i < CV_RELINK_SECTORS ? i : i - i % CV_RELINK_SECTORS;
			c->free_end = i < CV_RELINK_SECTORS ? i + 1 : c->free + CV_RELINK_SECTORS;
		}
	if (!c->undo)
		return;
	s = sim_copy(start);
	if (!run(s, c, &err))
		fail_msg("%s: %s", c->k->name, err.text);
	shot_fini(&c->before);
	c->before = c->after;
	c->after = shoot(s, c->k->image);
	sim_free(s);
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = *(const struct ctx *)ctx;
	struct crash_scene scene = { c.k->name, run, recover, look, 2, guest, &c };
	struct crash_result r = { 0 };
	struct sim *s = sim_repository(c.k->image, c.k->recipe);

	sim_host_init(&c.host, 5, 1, 1, 4711);
	sim_store_make(s, &c.host);
	prepare(&c, s);
	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	shot_fini(&c.before);
	shot_fini(&c.after);
	return r;
}

static void all_is_sound(bool undo, bool pages)
{
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i], .undo = undo };

		crash_prove(&(struct crash_cell){ undo ? "undo rebase" : "rebase", kinds[i].name,
						  pages ? "chain, pages torn" : "chain", enumerate, &c,
						  { .seed = 3, .random = 4, .inner = 40, .pages = pages,
						    .before = BARRIERS_OF_BIRTH } });
	}
}

static void rebase_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(false, false);
}

static void undo_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	all_is_sound(true, false);
}

static void both_survive_power_cuts_that_spoil_whole_pages(void **state)
{
	(void)state;
	all_is_sound(false, true);
	all_is_sound(true, true);
}

static void undo_gives_back_the_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i] }, back = { .k = &kinds[i], .undo = true };
		struct sim *s = sim_repository(c.k->image, c.k->recipe);

		sim_host_init(&c.host, 5, 1, 1, 4711);
		sim_store_make(s, &c.host);
		back.host = c.host;
		prepare(&c, s);
		prepare(&back, s);
		assert_int_equal(back.after.count, c.before.count);
		for (uint64_t k = 0; k < c.before.count; k++)
			assert_int_equal(sector_of(&back.after, k), sector_of(&c.before, k));
		sim_free(s);
		shot_fini(&c.before);
		shot_fini(&c.after);
		shot_fini(&back.before);
		shot_fini(&back.after);
	}
}

/* What is left is settled by the next who comes, in the same boot. */
static bool recover_in_this_boot(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 0, err);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, ESTALE };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors) };

	(void)state;
	for (size_t i = 0; i < 2 * CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i / 2], .undo = i % 2 };
		struct crash_scene scene = { c.undo ? "undo" : "rebase", run, recover_in_this_boot, look, 0, NULL, &c };
		struct sim *s = sim_repository(c.k->image, c.k->recipe);

		sim_host_init(&c.host, 5, 1, 1, 4711);
		sim_store_make(s, &c.host);
		prepare(&c, s);
		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s of %s", faults.first, c.k->name);
		sim_free(s);
		shot_fini(&c.before);
		shot_fini(&c.after);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undo_gives_back_the_bytes),
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(rebase_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(undo_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(both_survive_power_cuts_that_spoil_whole_pages),
	};

	return cmocka_run_group_tests_name("rebase on a simulated disk", tests, NULL, NULL);
}

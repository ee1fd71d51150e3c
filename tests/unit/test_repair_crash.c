/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Mending images, and taking that back, on a simulated disk: whatever a power cut leaves, after recovery each image is as it
 * was or as it should be, to the byte; what somebody has written to one meanwhile stays; and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <chainview/format.h>

#include "repair/fix/fix.h"
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/relink/relink.h"
#include "repair/sample/maker.h"
#include "repair/vhdx/change.h"
#include "repair/vhdx/replay.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

struct kind {
	const char *format, *name, *recipe;
	const char *image[4];        /* one or two, mended together; of a link then its parent, and where that lies by now */
	enum cv_problem_id problem;
	void (*guest)(struct sim *s, void *ctx, unsigned which);     /* who may write to the first image meanwhile; may be NULL */
};

/* The file becomes longer, and what was its end is used. */
static void guest_of_vhd(struct sim *s, void *ctx, unsigned which);
/* Its log is replayed, and then it is written to. */
static void guest_of_vhdx(struct sim *s, void *ctx, unsigned which);

static const struct kind kinds[] = {
	{ "vhd", "vhd-footer-missing", "vhd a.vhd dynamic size=1M block=64K blocks=0\nfill a.vhd footer 512 00\n",
	  { "a.vhd" }, CV_VHD_FOOTER_MISSING, guest_of_vhd },
	{ "vhd", "vhd-footer-missing, cut", "vhd a.vhd dynamic size=1M block=64K blocks=0\nchop a.vhd 512\n",
	  { "a.vhd" }, CV_VHD_FOOTER_MISSING, guest_of_vhd },
	{ "vhd", "vhd-footer-copy-missing", "vhd a.vhd dynamic size=1M block=64K blocks=0\nfill a.vhd footer-copy 512 00\n",
	  { "a.vhd" }, CV_VHD_FOOTER_COPY_MISSING, NULL },
	{ "vhd", "vhd-footers-differ", "vhd a.vhd dynamic size=1M block=64K blocks=0\nset a.vhd footer.hidden=1\n",
	  { "a.vhd" }, CV_VHD_FOOTERS_DIFFER, NULL },
	{ "vhd", "vhd-footer-checksum, two images", "vhd a.vhd dynamic size=1M block=64K\nvhd b.vhd dynamic size=1M block=64K\n"
	  "poke a.vhd footer+64 deadbeef\npoke b.vhd footer-copy+64 deadbeef\n",
	  { "a.vhd", "b.vhd" }, CV_VHD_FOOTER_CHECKSUM, NULL },
	{ "vhd", "vhd-footer-killed", "vhd a.vhd dynamic size=1M block=64K blocks=0\nfill a.vhd footer 512 c7\n",
	  { "a.vhd" }, CV_VHD_FOOTER_KILLED, NULL },
	{ "vhd", "vhd-batmap-invalid", "vhd a.vhd dynamic size=10M block=64K blocks=0\npoke a.vhd map b0\nseal a.vhd\n",
	  { "a.vhd" }, CV_VHD_BATMAP_INVALID, NULL },
	{ "vhd", "vhd-header-checksum", "vhd a.vhd dynamic size=1M block=64K blocks=0\npoke a.vhd header+36 deadbeef\n",
	  { "a.vhd" }, CV_VHD_HEADER_CHECKSUM, NULL },
	{ "vhd", "vhd-identity-null", "vhd a.vhd dynamic size=1M block=64K uuid=null blocks=0\n",
	  { "a.vhd" }, CV_VHD_IDENTITY_NULL, NULL },
	{ "qcow2", "qcow2-refcount-zero", "qcow2 a.qcow2 size=1M blocks=0-2\npoke a.qcow2 refcount+0x1000a 00 00\n",
	  { "a.qcow2" }, CV_QCW_REFCOUNT_ZERO, NULL },
	{ "qcow2", "qcow2-refcount-zero, no block", "qcow2 a.qcow2 size=256K cluster=4K blocks=0-2\npoke a.qcow2 refcount 0000000000000000\n",
	  { "a.qcow2" }, CV_QCW_REFCOUNT_ZERO, NULL },
	{ "qcow2", "leaked-clusters", "qcow2 a.qcow2 size=1M blocks=0-2\npoke a.qcow2 refcount+0x1000a 00 02\n"
	  "poke a.qcow2 l2 00 00 00 00 00 03 00 00\n",
	  { "a.qcow2" }, CV_SPC_LEAKED_CLUSTERS, NULL },
	{ "qcow2", "qcow2-dirty", "qcow2 a.qcow2 size=1M lazy-refcounts dirty blocks=0-2\npoke a.qcow2 refcount+0x10008 00 00 00 00\n"
	  "poke a.qcow2 l2 00 00 00 00 00 03 00 00\n",
	  { "a.qcow2" }, CV_QCW_DIRTY, NULL },
	{ "vhdx", "vhdx-header-invalid", "vhdx a.vhdx size=64M\npoke a.vhdx header1+4 deadbeef\n",
	  { "a.vhdx" }, CV_VHX_VHDX_HEADER_INVALID, NULL },
	{ "vhdx", "vhdx-region-table-invalid", "vhdx a.vhdx size=64M\npoke a.vhdx regions1+4 deadbeef\n",
	  { "a.vhdx" }, CV_VHX_VHDX_REGION_TABLE_INVALID, NULL },
	{ "vhdx", "vhdx-log-pending", "vhdx a.vhdx size=64M block=1M log-pending blocks=0 logged=1\n",
	  { "a.vhdx" }, CV_VHX_VHDX_LOG_PENDING, NULL },
	{ "vhdx", "vhdx-log-pending, one header, file to grow", "vhdx a.vhdx size=64M block=1M log-short logged=1\npoke a.vhdx header1+4 deadbeef\n",
	  { "a.vhdx" }, CV_VHX_VHDX_LOG_PENDING, guest_of_vhdx },
	{ "vhd", "base-not-hidden", "vhd a.vhd dynamic size=1M block=64K blocks=0\n",
	  { "a.vhd" }, CV_CHN_BASE_NOT_HIDDEN, NULL },
	{ "vhd", "parent-path-stale", "vhd b.vhd dynamic size=1M block=64K blocks=0\nvhd a.vhd parent=b.vhd block=64K blocks=1\n",
	  { "a.vhd", NULL, "b.vhd", "/r/deep/c.vhd" }, CV_CHN_PARENT_PATH_STALE, NULL },
	{ "qcow2", "parent-missing", "qcow2 b.qcow2 size=64K\nqcow2 a.qcow2 parent=b.qcow2 parent-format=qcow2 cluster=4K blocks=1\n",
	  { "a.qcow2", NULL, "b.qcow2", "/r/deep/c.qcow2" }, CV_CHN_PARENT_MISSING, NULL },
	{ "qcow2", "parent-format-unrecorded, behind", "qcow2 b.qcow2 size=64K\nqcow2 a.qcow2 parent=b.qcow2 cluster=8K blocks=1\n"
	  "poke a.qcow2 0x400 622e71636f7732\npoke a.qcow2 8 0000000000000400\n",
	  { "a.qcow2", NULL, "b.qcow2", "/r/b.qcow2" }, CV_CHN_PARENT_FORMAT_UNRECORDED, NULL },
	{ "qcow2", "parent-format-unrecorded, within", "qcow2 b.qcow2 size=64K\nqcow2 a.qcow2 parent=b.qcow2 cluster=4K "
	  "no-feature-names blocks=1\npoke a.qcow2 0x70 11111111 00000150\nfill a.qcow2 0x78 0x150 22\n"
	  "poke a.qcow2 0x1c8 6803f857 00000060\nfill a.qcow2 0x1d0 0x60 00\npoke a.qcow2 0x200 0101 6c617a79\n"
	  "fill a.qcow2 0x230 8 00\npoke a.qcow2 0x238 622e71636f7732\npoke a.qcow2 8 0000000000000238\n",
	  { "a.qcow2", NULL, "b.qcow2", "/r/b.qcow2" }, CV_CHN_PARENT_FORMAT_UNRECORDED, NULL },
	{ "vhdx", "parent-path-stale", "vhdx b.vhdx size=64M\nvhdx a.vhdx parent=b.vhdx block=1M blocks=1\n",
	  { "a.vhdx", NULL, "b.vhdx", "/r/deep/c.vhdx" }, CV_CHN_PARENT_PATH_STALE, NULL },
};

/* A file as it was. */
struct shot {
	uint8_t *bytes;
	uint32_t *sector;            /* the same as numbers, see sim_store_sectors() */
	uint64_t size;
	struct cv_text says;         /* of a link */
};

enum { SECTORS = 6144 };     /* with the tables of a VHDX */

struct ctx {
	const struct kind *k;
	uint8_t layer[SECTORS];      /* of the sectors of the first image; 0: does not change */
	bool undo, pages;
	struct sim_host host;
	struct shot before[2], after[2];
	bool done;                   /* the operation said that it was */
};

static unsigned images_of(const struct kind *k)
{
	return k->image[1] ? 2 : 1;
}

static struct shot shoot(struct sim *s, const char *image)
{
	struct shot shot = { .says = { 0 } };

	shot.bytes = sim_store_bytes(s, image, &shot.size);
	shot.sector = sim_store_sectors(s, image, &shot.size);
	assert_true(shot.bytes && shot.sector);
	return shot;
}

static void shot_fini(struct shot *shot)
{
	cv_text_fini(&shot->says);
	free(shot->bytes);
	free(shot->sector);
	*shot = (struct shot){ .size = 0 };
}

static bool is_like(struct sim *s, const char *image, const struct shot *shot)
{
	uint64_t size = 0;
	uint32_t *now = sim_store_sectors(s, image, &size);
	bool same = now && size == shot->size && !memcmp(now, shot->sector, (size_t)((size + SIM_SECTOR - 1) / SIM_SECTOR) * sizeof *now);

	free(now);
	return same;
}

static void read_says(struct sim *s, const char *image, struct cv_text *out)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, image, O_RDONLY, 0);
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = cv_io_source(&s->io, fd, &err);

	cv_text_clear(out);
	if (source)
		cv_fix_says(source, out, &err);
	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* Before the operation and after it this is the same; or it is in a page that nobody looks at, but for what changes in it: what
 * comes before the tables of a VHDX does not count as such. */
static bool stays(const struct shot *x, const struct shot *y, uint64_t at)
{
	enum { PAGE = 4096, HEADERS = 192 * 1024 };
	uint64_t page = at / PAGE * PAGE;

	if (at < HEADERS || page + PAGE > x->size)
		return !memcmp(x->bytes + at, y->bytes + at, SIM_SECTOR);
	return !memcmp(x->bytes + page, y->bytes + page, PAGE);
}

/* From the names on: what follows the first line. */
static const char *names_in(const struct cv_text *says)
{
	const char *names = strchr(cv_text_str(says), '\n');

	return names ? names : "";
}

static bool is_whole(const struct shot *now, const struct ctx *c)
{
	bool whole = now->size == c->before[0].size;

	for (uint64_t at = 0; whole && at < now->size; at += SIM_SECTOR)
		whole = !memcmp(now->bytes + at, c->before[0].bytes + at, SIM_SECTOR) ||
			!memcmp(now->bytes + at, c->after[0].bytes + at, SIM_SECTOR);
	return whole;
}

/* Without a recovery, too, a parent is named, the former or the new one, as long as no sector is torn. A VHD may be half written
 * for a moment. */
static bool names_neither(struct sim *s, const struct ctx *c)
{
	CV_AUTO(cv_text_fini) struct cv_text says = { 0 };
	struct shot now;
	bool whole;

	if (!c->k->image[2] || c->pages || !strcmp(c->k->format, "vhd"))
		return false;
	now = shoot(s, c->k->image[0]);
	whole = is_whole(&now, c);
	shot_fini(&now);
	read_says(s, c->k->image[0], &says);
	return whole && strcmp(names_in(&says), names_in(&c->before[0].says)) != 0 &&
	       strcmp(names_in(&says), names_in(&c->after[0].says)) != 0;
}

/* Of a link what an image says counts: what was written where nobody looks may lie there half written. */
static bool is_settled(struct sim *s, const struct ctx *c, unsigned i, const struct shot *shot)
{
	const struct shot *other = shot == &c->before[i] ? &c->after[i] : &c->before[i];
	CV_AUTO(cv_text_fini) struct cv_text says = { 0 };
	struct shot now;
	bool same;

	if (!c->k->image[2] || c->done)
		return is_like(s, c->k->image[i], shot);
	now = shoot(s, c->k->image[i]);
	same = now.size == shot->size;
	for (uint64_t at = 0; same && at < now.size; at += SIM_SECTOR)
		same = !memcmp(now.bytes + at, shot->bytes + at, SIM_SECTOR) || !stays(shot, other, at);
	shot_fini(&now);
	if (same)
		read_says(s, c->k->image[i], &says);
	return same && !strcmp(cv_text_str(&says), cv_text_str(&shot->says));
}

static void shots_fini(struct ctx *c)
{
	for (unsigned i = 0; i < 2; i++) {
		shot_fini(&c->before[i]);
		shot_fini(&c->after[i]);
	}
}

/* --- the plan, as the planner makes it ---------------------------------------------------------------------- */

static const struct cv_fixer *fixer_for(enum cv_problem_id id)
{
	for (size_t i = 0; i < cv_fixer_count; i++)
		if (cv_fixers[i].id == id)
			return &cv_fixers[i];
	fail_msg("no fixer");
	return NULL;
}

static struct cv_facts *read_facts(struct sim *s, const char *image)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, image, O_RDONLY, 0);
	struct cv_facts *facts = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = cv_io_source(&s->io, fd, &err);

	if (!facts || !source || !cv_image_read(source, CV_FORMAT_NONE, facts, &err))
		fail_msg("%s: %s", image, err.text);
	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return facts;
}

/* An image and its parent, of which the evidence says that it lies elsewhere. */
struct link {
	struct cv_file files[2];
	struct cv_image nodes[2];
	struct cv_graph g;
	struct cv_facts *facts[2];
	struct cv_candidate found;
	struct cv_lost lost;
	struct cv_candidates candidates;
};

static void link_make(struct link *l, struct sim *s, const struct kind *k, const char *image)
{
	*l = (struct link){ .files = { { .path = "/r/a" }, { .path = k->image[3], .mtime_ns = 1234567890 } } };
	for (unsigned i = 0; i < (k->image[2] ? 2 : 1); i++) {
		l->facts[i] = k->image[2] ? read_facts(s, i ? k->image[2] : image) : NULL;
		l->nodes[i] = (struct cv_image){ .file = &l->files[i], .facts = l->facts[i], .parent = CV_NO_IMAGE };
		if (l->facts[i])
			l->nodes[i].format = l->facts[i]->format;
	}
	l->g = (struct cv_graph){ .images = l->nodes, .image_count = 2 };
	if (k->problem == CV_CHN_PARENT_FORMAT_UNRECORDED) {
		l->nodes[0].status = CV_PARENT_FOUND;
		l->nodes[0].parent = 1;
		l->nodes[1].id = "b.qcow2";
	}
	l->found = (struct cv_candidate){ .graph = &l->g, .image = 1, .identity = true };
	l->lost = (struct cv_lost){ .problem = k->problem, .verdict = CV_LOST_SAFE, .reason = "found", .chosen = &l->found,
				    .candidates = &l->found, .count = 1 };
	l->candidates = (struct cv_candidates){ .at = &l->lost, .count = 1 };
}

static void make_mend(struct sim *s, const struct kind *k, const char *image, struct cv_arena *arena, struct cv_plan_mend *mend,
		      struct cv_fixing *f)
{
	struct link link;
	int root = sim_root(s), fd = s->io.openat(&s->io, root, image, O_RDONLY, 0);
	struct cv_finding finding = cv_finding_of(k->problem);
	struct cv_err err = { .code = CV_OK };
	struct cv_relink change = { .source = cv_io_source(&s->io, fd, &err), .say = cv_fix_says };
	struct cv_fix fix;

	link_make(&link, s, k, image);
	*f = (struct cv_fixing){ &link.g, 0, &change, arena, { 0 }, &link.candidates };
	assert_non_null(change.source);
	if (!cv_fixing_look(f, fixer_for(k->problem), &finding, &fix, &err) || !cv_fixing_take(f, &fix, &err))
		fail_msg("%s: %s", k->name, err.text);
	if (fix.verdict == CV_FIX_REFUSED || !fix.patches.len)
		fail_msg("%s: %s", k->name, fix.why);
	*mend = (struct cv_plan_mend){ f->patches.at, f->patches.len, change.new_size, change.pages.len };
	free(fix.patches.at);
	cv_source_close(change.source);
	cv_relink_fini(&change);
	cv_facts_free(link.facts[0]);
	cv_facts_free(link.facts[1]);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* All that is known before the operation begins. */
struct prepared {
	struct cv_arena *arena;
	struct cv_plan_item items[2];
	struct cv_plan_mend mends[2];
	struct cv_fixing f[2];
	struct cv_plan plan;
};

/* from: the repair that is taken back, which p is of. */
static void plan_repair(struct prepared *p, struct sim *s, const struct kind *k, const uint8_t *from)
{
	const size_t pages[2] = { from ? p->mends[0].pages : 0, from ? p->mends[1].pages : 0 };

	*p = (struct prepared){ .arena = cv_arena_new(SIZE_MAX), .mends = { { .pages = pages[0] }, { .pages = pages[1] } } };
	p->plan = (struct cv_plan){ .kind = CV_PLAN_REPAIR, .items = p->items, .item_count = images_of(k), .mends = p->mends };
	for (unsigned i = 0; i < images_of(k); i++) {
		p->items[i] = sim_item(s, k->image[i]);
		if (from)
			memcpy(p->items[i].from, from, 16);
		p->items[i].from_index = i;
		if (!from)
			make_mend(s, k, k->image[i], p->arena, &p->mends[i], &p->f[i]);
	}
}

static void prepared_fini(struct prepared *p)
{
	free(p->f[0].patches.at);
	free(p->f[1].patches.at);
	cv_arena_free(p->arena);
}

static bool do_repair(struct cv_writing *w, const struct prepared *p, uint8_t op[16], struct cv_err *err)
{
	struct cv_operation_result result;
	bool ok = cv_work_run(w, &p->plan, "repair", NULL, &result, err);

	memcpy(op, result.id, 16);
	return ok;
}

/* --- the scene --------------------------------------------------------------------------------------------- */

/* How journals come into being is shown by the tests of trash. */
enum { BARRIERS_OF_BIRTH = 2 };

static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;
	int root = sim_root(s);
	struct prepared p;
	struct cv_writing w;
	uint8_t op[16], undo[16];
	struct sim_hushed hushed;
	bool ok;

	host.host.ctx = &host;
	c->done = false;
	hushed = sim_hush(s);
	assert_true(cv_writing_open(&w, &s->io, &host.host, root, err));
	if (c->undo) {
		plan_repair(&p, s, c->k, NULL);
		assert_true(do_repair(&w, &p, op, err));
		prepared_fini(&p);
	}
	sim_settle(s);
	plan_repair(&p, s, c->k, c->undo ? op : NULL);
	sim_watch(s, &hushed);
	ok = do_repair(&w, &p, undo, err);
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

/* What somebody has made of the first image; size 0: nobody has. */
static struct shot guests;

static const char *look_recovered(struct sim *s, const struct ctx *c, bool guest)
{
	struct sim_journals pending = sim_store_journals(s, &c->host, "journal"), done = sim_store_journals(s, &c->host, "done");
	bool any = false;

	if (pending.count)
		return "an operation is still pending";
	for (unsigned i = 0; i < images_of(c->k); i++) {
		bool is_new = is_settled(s, c, i, &c->after[i]);

		any |= is_new;
		/* Also where recovery is cut behind it. */
		if (!i && guests.size && is_like(s, c->k->image[0], &guests))
			return NULL;
		if (guest)
			return "what a guest wrote is gone";
		if (!is_new && !is_settled(s, c, i, &c->before[i]))
			return "an image is neither as it was nor as it should be";
		if (c->done && !is_new)
			return "what was promised to be done is not";
	}
	return any != (done.done > (c->undo ? 1u : 0u)) ? "a journal does not say what is so" : NULL;
}

/* Behind its end a file reads as zeros. */
static uint32_t sector_of(const struct shot *shot, uint64_t i)
{
	return (i + 1) * 512 <= shot->size ? shot->sector[i] : SIM_ZERO;
}

/* What points to something is on disk only behind it, at every moment. */
static bool is_in_order(struct sim *s, const struct ctx *c)
{
	const struct shot *before = &c->before[0], *after = &c->after[0];
	unsigned written = 0, complete = CV_RELINK_LAYERS;
	uint64_t size;
	uint32_t *now = sim_store_sectors(s, c->k->image[0], &size);

	assert_non_null(now);
	for (uint64_t i = 0; i < SECTORS; i++) {
		uint32_t was = sector_of(before, i), will = sector_of(after, i);
		bool is_new = ((i + 1) * 512 <= size ? now[i] : SIM_ZERO) == will;

		if (!c->layer[i] || was == will)
			continue;
		if (is_new && c->layer[i] > written)
			written = c->layer[i];
		if (!is_new && c->layer[i] <= complete)
			complete = c->layer[i] - 1u;
	}
	free(now);
	return written <= complete + 1;
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;

	if (recovered)
		return look_recovered(s, c, guest);
	if (names_neither(s, c))
		return "it does not name the parent that it should";
	if (!c->done)
		/* A page that is spoilt has both the name of a parent and what points to it. */
		return (c->k->image[2] && c->pages) || is_in_order(s, c) ? NULL : "something points to what is not on disk yet";
	for (unsigned i = 0; i < images_of(c->k); i++)
		if (!is_like(s, c->k->image[i], &c->after[i]))
			return "what was promised to be done is not";
	return sim_store_journals(s, &c->host, "journal").count ? "an operation that is done is still pending" : NULL;
}

/* A program that goes by the copy of the footer, as QEMU does, adds a block of zeros where the footer is, and puts the footer
 * behind it. The copy is what nothing here writes to. */
static void guest_of_vhd(struct sim *s, void *ctx, unsigned which)
{
	enum { BLOCK = 512 + 65536, BAT = 1536 };
	static const uint8_t zeros[BLOCK], all[512] = { [0 ... 15] = 0xff };
	const struct ctx *c = ctx;
	uint64_t end = c->undo ? c->before[0].size - 512 : c->after[0].size - 512;
	const uint8_t sector[] = { 0, 0, (uint8_t)(end / 512 >> 8), (uint8_t)(end / 512) };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, c->k->image[0], O_RDWR, 0);

	(void)which;
	shot_fini(&guests);
	assert_int_equal(s->io.pwrite(&s->io, fd, zeros, BLOCK, end), BLOCK);
	assert_int_equal(s->io.pwrite(&s->io, fd, all, 512, end), 512);
	assert_int_equal(s->io.pwrite(&s->io, fd, sector, 4, BAT + 4 * 5), 4);
	assert_int_equal(s->io.pwrite(&s->io, fd, c->before[0].bytes, 512, end + BLOCK), 512);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	guests = shoot(s, c->k->image[0]);
}

struct guest {
	struct sim *s;
	int fd;
};

static bool put_page(void *ctx, uint64_t off, const uint8_t *page, struct cv_err *err)
{
	struct guest *g = ctx;

	(void)err;
	return g->s->io.pwrite(&g->s->io, g->fd, page, CV_RELINK_PAGE, (off_t)off) == CV_RELINK_PAGE;
}

/* Hyper-V does first what the log says, and before it changes anything a header gets a new identity of what is written. */
static void guest_of_vhdx(struct sim *s, void *ctx, unsigned which)
{
	const struct ctx *c = ctx;
	int root = sim_root(s), fd = s->io.openat(&s->io, root, c->k->image[0], O_RDWR, 0);
	struct guest g = { s, fd };
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = cv_io_source(&s->io, fd, &err);
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = NULL;
	struct cv_vhdx_replay r = { .size = 0 };
	struct cv_vhdx_header_disk h;
	uint64_t off;
	uint8_t fresh[16] = { 0x77 };

	(void)which;
	assert_true(source && cv_vhdx_find_header(source, &facts, &h, &off, &err));
	if (!cv_uuid_is_null(h.log.b)) {
		assert_true(cv_vhdx_replay_open(&r, source, &err));
		assert_int_equal(s->io.ftruncate(&s->io, fd, (off_t)r.size), 0);
		assert_true(cv_vhdx_replay_pages(&r, put_page, &g, &err));
		assert_int_equal(s->io.fdatasync(&s->io, fd), 0);
		memset(&h.log, 0, sizeof h.log);
	}
	cv_vhdx_replay_fini(&r);
	h.data_write.b[0] = 0x55;
	/* Who comes after another guest has nothing to change. */
	for (unsigned i = 0; i < 2 && (i || memcmp(h.file_write.b, fresh, sizeof fresh) != 0); i++) {
		cv_vhdx_renew_header(&h, &off, fresh);
		assert_true(put_page(&g, off, (const void *)&h, &err));
		assert_int_equal(s->io.fdatasync(&s->io, fd), 0);
	}
	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	shot_fini(&guests);
	guests = shoot(s, c->k->image[0]);
}

/* In which order the sectors of the first image are written. */
static void note_layers(struct ctx *c, struct sim *start)
{
	struct prepared p;

	plan_repair(&p, start, c->k, NULL);
	for (size_t i = 0; i < p.mends[0].count; i++) {
		const struct cv_plan_patch *patch = &p.mends[0].patches[i];

		for (uint64_t at = patch->off / 512; at <= (patch->off + patch->len - 1) / 512 && at < SECTORS; at++)
			c->layer[at] = c->undo ? (uint8_t)(CV_RELINK_LAYERS + 1 - patch->layer) : patch->layer;
	}
	prepared_fini(&p);
}

/* What the images are like before and after, without any trouble. */
static void prepare(struct ctx *c, struct sim *start)
{
	struct ctx whole = *c;
	struct sim *s = sim_copy(start);
	struct cv_err err = { .code = CV_OK };

	whole.undo = false;
	if (!run(s, &whole, &err))
		fail_msg("%s: %s", c->k->name, err.text);
	for (unsigned i = 0; i < images_of(c->k); i++) {
		c->before[i] = shoot(c->undo ? s : start, c->k->image[i]);
		c->after[i] = shoot(c->undo ? start : s, c->k->image[i]);
		if (c->k->image[2]) {
			read_says(c->undo ? s : start, c->k->image[i], &c->before[i].says);
			read_says(c->undo ? start : s, c->k->image[i], &c->after[i].says);
		}
		assert_false(is_like(s, c->k->image[i], c->undo ? &c->after[i] : &c->before[i]));
	}
	sim_free(s);
}

static struct sim *begin(struct ctx *c)
{
	struct sim *s = sim_repository(c->k->name, c->k->recipe);

	sim_host_init(&c->host, 5, 1, 1, 4711);
	sim_store_make(s, &c->host);
	prepare(c, s);
	note_layers(c, s);
	return s;
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = *(const struct ctx *)ctx;
	struct crash_scene scene = { c.k->name, run, recover, look, c.k->guest ? 1 : 0, c.k->guest, &c };
	struct crash_result r = { 0 };
	struct sim *s = begin(&c);

	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	shots_fini(&c);
	shot_fini(&guests);
	return r;
}

static void all_is_sound(bool undo, bool pages)
{
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i], .undo = undo, .pages = pages };
		char shape[64];

		snprintf(shape, sizeof shape, "%s%s", kinds[i].name, pages ? ", pages torn" : "");
		crash_prove(&(struct crash_cell){ undo ? "undo repair" : "repair", kinds[i].format, shape, enumerate, &c,
						  { .seed = 3, .random = 4, .inner = 40, .pages = pages, .before = BARRIERS_OF_BIRTH } });
	}
}

static void repair_survives_every_power_cut_and_needs_every_barrier(void **state)
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

/* Seeds that found a page that a recovery was mending when it was cut short, and that looked well by chance then. */
static void a_page_that_was_being_mended_is_known_to_the_next_recovery(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i], .pages = true };
		struct crash_options options = { .seed = 6, .random = 2, .inner = 20, .pages = true, .before = BARRIERS_OF_BIRTH };
		struct crash_result r;

		if (kinds[i].problem != CV_CHN_BASE_NOT_HIDDEN)
			continue;
		r = enumerate(&c, &options);
		if (r.failures)
			fail_msg("%s", r.first);
		assert_true(r.inner);
	}
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors) };

	(void)state;
	for (size_t i = 0; i < 2 * CV_COUNT(kinds); i++) {
		struct ctx c = { .k = &kinds[i / 2], .undo = i % 2 };
		struct crash_scene scene = { c.undo ? "undo" : "repair", run, recover_in_this_boot, look, 0, NULL, &c };
		struct sim *s = begin(&c);

		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s of %s", faults.first, c.k->name);
		sim_free(s);
		shots_fini(&c);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(repair_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(undo_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(both_survive_power_cuts_that_spoil_whole_pages),
		cmocka_unit_test(a_page_that_was_being_mended_is_known_to_the_next_recovery),
	};

	return cmocka_run_group_tests_name("repair on a simulated disk", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Another parent that reads otherwise, or none, on a simulated disk: whatever a power cut leaves, the image reads what it did
 * after recovery, on one of both, without an error, also where a guest has written to it meanwhile; where sectors come whole
 * it does so at every moment before, and every barrier is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "inspect/vhd/vhd.h"
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/sample/maker.h"
#include "repair/vhd/encode.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_store.h"
#include "tests/support/sim_world.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"
#include <chainview/extent.h>
#include <chainview/format.h>

#define PLACE "/repository"
enum { BARRIERS_OF_BIRTH = 2, CHAIN = 3, GUEST = 1, BOOT_SECONDS = 1000 };
#define FIRST_BOOT INT64_C(2000000000)

/* All files lie in the root; a file's format is what its name ends with. Lists: what the image stands on, and shall. */
struct tree {
	const char *format, *name, *recipe, *image;
	const char *now[CHAIN + 1], *then[CHAIN + 1];  /* then: none, and it stands alone */
	bool guest;
};

#define SMALL "size=32K block=8K pattern=all creator=win "
static const struct tree vhds[] = {
	{ "vhd", "copying, parts of blocks", "vhd a.vhd dynamic " SMALL "blocks=0,1\nvhd b.vhd dynamic " SMALL "blocks=1,3\n"
	  "vhd c.vhd parent=a.vhd " SMALL "blocks=1 sectors=3\n", "c.vhd", { "a.vhd" }, { "b.vhd" }, true },
	{ "vhd", "flatten", "vhd a.vhd dynamic " SMALL "blocks=0,1 sectors=9\nvhd c.vhd parent=a.vhd " SMALL "blocks=1 sectors=3\n",
	  "c.vhd", { "a.vhd" }, { NULL }, true },
	{ "vhd", "copying, onto the grandparent", "vhd a.vhd dynamic " SMALL "blocks=0,2\nvhd b.vhd parent=a.vhd " SMALL "blocks=0,1 sectors=5\n"
	  "vhd c.vhd parent=b.vhd " SMALL "blocks=1 sectors=3\n", "c.vhd", { "b.vhd", "a.vhd" }, { "a.vhd" }, false },
	{ "vhd", "copying, onto a smaller raw disk", "vhd a.vhd dynamic " SMALL "blocks=0,3\nraw b.raw size=16K blocks=0 block=8K pattern=all\n"
	  "vhd c.vhd parent=a.vhd " SMALL "blocks=0 sectors=3\n", "c.vhd", { "a.vhd" }, { "b.raw" }, false },
};

#define TINY "cluster=1K pattern=1K "
#define CHILD "qcow2 c.qcow2 parent=a.qcow2 parent-format=qcow2 " TINY
static const struct tree qcow2s[] = {
	{ "qcow2", "copying", "qcow2 a.qcow2 size=10K " TINY "blocks=0-3\nqcow2 b.qcow2 size=10K " TINY "blocks=2-5\n" CHILD "blocks=3\n",
	  "c.qcow2", { "a.qcow2" }, { "b.qcow2" }, true },
	{ "qcow2", "flatten", "qcow2 a.qcow2 size=10K " TINY "blocks=0-3\n" CHILD "blocks=3,7\n", "c.qcow2", { "a.qcow2" }, { NULL }, true },
	{ "qcow2", "copying, zeros, version 2", "qcow2 a.qcow2 size=10K " TINY "blocks=0-3\nqcow2 b.qcow2 size=10K " TINY "blocks=2-5\n"
	  "qcow2 c.qcow2 parent=a.qcow2 parent-format=qcow2 version=2 " TINY "blocks=3\n", "c.qcow2", { "a.qcow2" }, { "b.qcow2" }, false },
	{ "qcow2", "copying, parts of clusters, larger", "qcow2 a.qcow2 size=10K cluster=512 pattern=512 blocks=1,8\n"
	  "raw b.raw size=20K blocks=0-4 block=2K pattern=1K\nqcow2 c.qcow2 parent=a.qcow2 parent-format=qcow2 cluster=2K pattern=2K "
	  "blocks=1\n", "c.qcow2", { "a.qcow2" }, { "b.raw" }, false },
};

/* --- reading --------------------------------------------------------------------------------------------- */

struct ctx {
	const struct tree *t;
	struct sim_host host;
	uint8_t *truth;
	uint64_t size;
	struct cv_extent data;               /* of the image at first: its first byte is one that a guest writes */
	uint64_t leaked;                     /* when it was done without any trouble */
	bool pages, atomic, done;
	unsigned boots;
	const struct cv_monitor *monitor;
};

static size_t length_of(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static struct cv_source *open_source(struct sim *s, const char *name, int *fd)
{
	struct cv_err err = { .code = CV_OK };
	int root = sim_root(s);

	*fd = s->io.openat(&s->io, root, name, O_RDONLY, 0);
	s->io.close(&s->io, root);
	return *fd >= 0 ? cv_io_source(&s->io, *fd, &err) : NULL;
}

/* What the image names; NULL: it cannot be told. "": nothing. */
static const char *parent_of(struct sim *s, const struct tree *t)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	int fd;
	CV_AUTO(cv_auto_source) struct cv_source *source = open_source(s, t->image, &fd);
	const char *const both[] = { t->now[0], t->then[0] };
	const char *found = NULL;
	bool read = cv_image_read(source, sim_format_of(t->image), f, &err);

	if (read && !(f->flags & CV_FACT_PARENT))
		found = "";
	for (uint32_t i = 0; read && i < f->name_count; i++)
		for (size_t k = 0; k < 2 && both[k]; k++)
			if (f->names[i].path.len >= strlen(both[k]) &&
			    !memcmp(f->names[i].path.at + f->names[i].path.len - strlen(both[k]), both[k], strlen(both[k])))
				found = both[k];
	cv_facts_free(f);
	s->io.close(&s->io, fd);
	return found;
}

struct opened {
	struct cv_layer *layers[CHAIN + 1];
	int fds[CHAIN + 1];
	size_t count;
	bool whole;
};

static void opened_close(struct sim *s, struct opened *o)
{
	for (size_t i = 0; i < o->count; i++) {
		cv_layer_close(o->layers[i]);
		s->io.close(&s->io, o->fds[i]);
	}
}

static void opened_add(struct sim *s, struct opened *o, const char *name)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = open_source(s, name, &o->fds[o->count]);

	o->layers[o->count] = cv_layer_open(&source, NULL, sim_format_of(name), &err);
	o->whole &= o->layers[o->count++] != NULL;
}

static struct opened open_chain(struct sim *s, const struct tree *t, const char *parent)
{
	const char *const *list = parent && t->now[0] && !strcmp(parent, t->now[0]) ? t->now : t->then;
	struct opened o = { .whole = parent != NULL };

	opened_add(s, &o, t->image);
	for (size_t i = 0; parent && *parent && list[i]; i++)
		opened_add(s, &o, list[i]);
	return o;
}

/* What a guest reads; the caller's. NULL if it cannot. */
static uint8_t *read_image(struct sim *s, const struct tree *t, uint64_t *size)
{
	struct opened o = open_chain(s, t, parent_of(s, t));
	const struct cv_chain chain = { o.layers, o.count, false };
	struct cv_err err = { .code = CV_OK };
	uint8_t *bytes = NULL;

	if (o.whole) {
		*size = o.layers[0]->size;
		bytes = calloc(1, (size_t)*size + 1);
		if (!cv_chain_read(&chain, bytes, (struct cv_range){ 0, *size }, &err))
			free(cv_take(bytes));
	}
	opened_close(s, &o);
	return bytes;
}

static struct cv_extent first_data(struct sim *s, const struct tree *t)
{
	struct opened o = open_chain(s, t, "");
	struct cv_extents list = { .max = 0 };
	struct cv_extent first = { .at = { 0, 0 } };
	struct cv_err err = { .code = CV_OK };

	assert_true(cv_layer_extents(o.layers[0], (struct cv_range){ 0, o.layers[0]->size }, &list, &err));
	for (size_t i = list.len; i-- > 0;)
		if (list.at[i].kind == CV_EXTENT_DATA)
			first = list.at[i];
	cv_extents_fini(&list);
	opened_close(s, &o);
	return first;
}

static bool has_errors(struct sim *s, const struct tree *t, uint64_t *leaked)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	int fd;
	CV_AUTO(cv_auto_source) struct cv_source *source = open_source(s, t->image, &fd);
	const struct cv_format *row = cv_format_by_id(sim_format_of(t->image));
	struct cv_checking k = { .source = source, .facts = f };
	bool bad = !cv_image_read(source, row->id, f, &err) || (row->check && !row->check(&k, &err)) || k.corruptions;

	for (uint32_t i = 0; i < f->finding_count; i++)
		bad |= f->findings[i].severity == CV_ERROR;
	*leaked = k.leaked_bytes;
	cv_facts_free(f);
	s->io.close(&s->io, fd);
	return bad;
}

/* --- the world ------------------------------------------------------------------------------------------- */

struct planned {
	struct cv_plan_item item;
	struct cv_plan_link link;
	struct cv_plan_copy copy;
	struct cv_plan plan;
	struct cv_plan_source sources[2 * CHAIN];
	enum cv_format_id formats[2 * CHAIN];
	char paths[2 * CHAIN][64], onto[64], former[64];
};

static void add_source(struct planned *p, struct sim *s, const char *name)
{
	struct cv_plan_item item = sim_item_of_image(s, name);
	size_t i = p->plan.source_count++;

	snprintf(p->paths[i], sizeof p->paths[i], "/%s", name);
	p->sources[i] = (struct cv_plan_source){ p->paths[i], item.device, item.inode, item.size, item.mtime_ns };
	p->formats[i] = sim_format_of(name);
}

static void plan_it(struct planned *p, struct sim *s, const struct tree *t)
{
	size_t now = length_of(t->now), then = length_of(t->then), both = 0;

	while (both < now && both < then && !strcmp(t->now[now - 1 - both], t->then[then - 1 - both]))
		both++;
	*p = (struct planned){ .item = sim_item_of_image(s, t->image), .copy = { sim_format_of(t->image), p->formats, now - both, then - both, 65536 } };
	p->plan = (struct cv_plan){ .kind = CV_PLAN_REBASE_COPY, .items = &p->item, .item_count = 1, .sources = p->sources,
				    .link = &p->link, .copy = &p->copy };
	for (size_t i = 0; i < now - both; i++)
		add_source(p, s, t->now[i]);
	for (size_t i = 0; i < then; i++)
		add_source(p, s, t->then[i]);
	snprintf(p->former, sizeof p->former, PLACE "/%s", t->now[0]);
	p->link = (struct cv_plan_link){ .folder = PLACE, .former = p->former };
	if (!then)
		return;
	snprintf(p->onto, sizeof p->onto, PLACE "/%s", t->then[0]);
	p->link.path = p->onto;
	p->link.format = sim_format_of(t->then[0]);
	p->link.time = 1772431500;
	if (p->link.format == sim_format_of(t->image))
		memcpy(p->link.uuid, sim_item_of_image(s, t->then[0]).uuid, 16);
}

/* How the repository is opened is not looked at. */
static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;
	int root = sim_root(s);
	struct cv_writing w;
	struct sim_hushed hushed;
	struct cv_operation_result result;
	struct planned p;
	bool ok;

	host.host.ctx = &host;
	c->done = false;
	hushed = sim_hush(s);
	assert_true(cv_writing_open(&w, &s->io, &host.host, root, err));
	plan_it(&p, s, c->t);
	sim_settle(s);
	sim_watch(s, &hushed);
	ok = cv_work_run(&w, &p.plan, "rebase", c->monitor, &result, err);
	s->fail_at = 0;
	cv_store_close(&w.store);
	s->io.close(&s->io, root);
	c->done = ok;
	return ok;
}

/* Each boot begins later than what was written in the ones before it. */
static int64_t boot_began(unsigned boot)
{
	return (FIRST_BOOT + (int64_t)boot * BOOT_SECONDS) * 1000000000;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;

	host.host.began_ns = (uint64_t)boot_began(++c->boots);
	return sim_store_recover(s, &host, c->boots, err);
}

static bool recover_in_this_boot(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 0, err);
}

/* --- what is looked at ----------------------------------------------------------------------------------- */

/* Whether the guest could write, for each state that is being looked at: states are looked at within others. */
static struct { const struct sim *s; bool wrote; } guests[8];

static bool *guest_of(const struct sim *s)
{
	size_t i = 0;

	while (i + 1 < CV_COUNT(guests) && guests[i].s && guests[i].s != s)
		i++;
	if (guests[i].s != s)
		guests[i].wrote = false;
	guests[i].s = s;
	return &guests[i].wrote;
}

/* must: a guest wrote just before, which must be there; it may have before an earlier crash. */
static bool is_true(const struct ctx *c, uint8_t *now, uint64_t size, bool must)
{
	uint64_t at = c->data.at.off;
	bool wrote;

	if (size != c->size)
		return false;
	wrote = c->t->guest && (now[at] ^ c->truth[at]) == 0xff;
	if (wrote)
		now[at] = c->truth[at];
	return (wrote || !must) && !memcmp(now, c->truth, (size_t)size);
}

/* Programs that do not look at the bitmaps of a VHD that stands alone read the same. */
static bool is_whole(struct sim *s, const struct ctx *c, const uint8_t *truth)
{
	uint64_t size, at, bitmap, n;
	CV_AUTO(cv_auto_free) uint8_t *file = sim_store_bytes(s, c->t->image, &size);
	const struct vhd_header_disk *h = (const void *)(file + VHD_SECTOR);
	const cv_be32 *bat = (const void *)(file + cv_be64_get(h->table_offset));
	uint32_t block = cv_be32_get(h->block_size);

	bitmap = (block / VHD_SECTOR / 8 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
	for (uint32_t i = 0; (uint64_t)i * block < c->size; i++) {
		if (cv_be32_get(bat[i]) == VHD_UNUSED)
			continue;
		at = (uint64_t)cv_be32_get(bat[i]) * VHD_SECTOR + bitmap;
		n = c->size - (uint64_t)i * block;
		if (memcmp(file + at, truth + (uint64_t)i * block, n < block ? n : block) != 0)
			return false;
	}
	return true;
}

static bool is_differencing(const uint8_t *footer)
{
	struct vhd_footer f = { .state = VHD_FOOTER_PLAIN };

	memcpy(&f.disk, footer, sizeof f.disk);
	cv_vhd_footer_decode(&f);
	return cv_vhd_is_good(&f) && f.type == VHD_TYPE_DIFFERENCING;
}

/* As long as one of the footers says that there is a parent the header says which. */
static bool names_it(struct sim *s, const struct ctx *c)
{
	static const uint8_t none[16];
	uint64_t size;
	CV_AUTO(cv_auto_free) uint8_t *file = sim_store_bytes(s, c->t->image, &size);
	struct vhd_header h = { .present = true };

	memcpy(&h.disk, file + VHD_SECTOR, sizeof h.disk);
	cv_vhd_header_decode(&h);
	return !h.sums || memcmp(h.disk.parent_uuid, none, sizeof none) != 0 ||
	       (!is_differencing(file) && !is_differencing(file + size - VHD_SECTOR));
}

static const char *look_recovered(struct sim *s, const struct ctx *c, const uint8_t *truth)
{
	const char *parent = parent_of(s, c->t), *then = c->t->then[0] ? c->t->then[0] : "";
	struct sim_journals pending = sim_store_journals(s, &c->host, "journal"), done = sim_store_journals(s, &c->host, "done");
	bool is_new = parent && !strcmp(parent, then);
	uint64_t leaked;

	if (has_errors(s, c->t, &leaked))
		return "the image has errors";
	/* What a guest has changed is not put right: clusters that were counted, and not pointed to yet, may stay so. */
	if (leaked > c->leaked && s->inodes.at[sim_lookup(s, c->t->image)].mtime.tv_sec < FIRST_BOOT)
		return "clusters of the image are lost";
	if (pending.count)
		return "an operation is still pending";
	if (c->done && !is_new)
		return "what was promised to be done is not";
	if (is_new && !*then && sim_format_of(c->t->image) == CV_FORMAT_VHD && !is_whole(s, c, truth))
		return "it reads otherwise if one does not look at the bitmaps";
	return is_new != (done.done > 0) ? "a journal does not say what is so" : NULL;
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	uint64_t size, leaked;
	CV_AUTO(cv_auto_free) uint8_t *now = read_image(s, c->t, &size);
	CV_AUTO(cv_auto_free) uint8_t *seen = now ? malloc((size_t)size + 1) : NULL;

	if (seen)
		memcpy(seen, now, (size_t)size);
	if (!c->t->then[0] && sim_format_of(c->t->image) == CV_FORMAT_VHD && !names_it(s, c))
		return "a parent is looked for, and none is named";
	if (!recovered && !c->done && !c->atomic)
		return NULL;
	if (!now)
		return "the image cannot be read";
	if (!is_true(c, now, size, recovered && guest && *guest_of(s)))
		return "the image does not read as it did";
	if (recovered)
		return look_recovered(s, c, seen);
	if (c->atomic && has_errors(s, c->t, &leaked))
		return "the image has errors before recovery";
	return c->done && sim_store_journals(s, &c->host, "journal").count ? "an operation that is done is still pending" : NULL;
}

/* It can only write to what can be opened, and is sound. */
static void guest(struct sim *s, void *ctx, unsigned which)
{
	const struct ctx *c = ctx;
	uint64_t size, leaked;
	CV_AUTO(cv_auto_free) uint8_t *now = read_image(s, c->t, &size);
	bool *wrote = guest_of(s);
	uint8_t byte = (uint8_t)~c->truth[c->data.at.off];
	int root, fd;

	(void)which;
	*wrote = c->t->guest && now && is_true(c, now, size, false) && !has_errors(s, c->t, &leaked);
	if (!*wrote)
		return;
	root = sim_root(s);
	fd = s->io.openat(&s->io, root, c->t->image, O_RDWR, 0);
	assert_int_equal(s->io.pwrite(&s->io, fd, &byte, 1, c->data.host), 1);
	s->inodes.at[sim_lookup(s, c->t->image)].mtime.tv_sec = (time_t)(boot_began(c->boots + 1) / 1000000000 + 1);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* --- tests ----------------------------------------------------------------------------------------------- */

static struct sim *begin(struct ctx *c, const struct tree *t)
{
	struct sim *s = sim_repository(t->name, t->recipe), *trial;
	struct cv_err err = { .code = CV_OK };
	const char *wrong;

	*c = (struct ctx){ .t = t };
	sim_host_init(&c->host, 5, 1, 1, 4711);
	c->truth = read_image(s, t, &c->size);
	assert_non_null(c->truth);
	c->data = first_data(s, t);
	sim_store_make(s, &c->host);
	trial = sim_copy(s);
	if (!run(trial, c, &err))
		fail_msg("%s: %s", t->name, err.text);
	has_errors(trial, t, &c->leaked);
	wrong = look(trial, c, true, 0);
	if (wrong)
		fail_msg("%s: without any trouble: %s", t->name, wrong);
	c->done = false;
	sim_free(trial);
	return s;
}

static struct crash_result enumerate_one(const struct tree *t, const struct crash_options *options)
{
	struct ctx c;
	struct crash_scene scene = { t->name, run, recover, look, t->guest ? GUEST : 0, guest, &c };
	struct crash_result r = { 0 };
	struct sim *s = begin(&c, t);

	c.pages = options->pages;
	c.atomic = options->atomic;
	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	free(c.truth);
	return r;
}

/* That a barrier is missing may show only where sectors come whole: for formats that must read right then at every moment. */
static struct crash_result enumerate(const void *tree, const struct crash_options *options)
{
	const struct tree *t = tree;
	struct crash_result r = enumerate_one(t, options);
	struct crash_options whole = *options;

	whole.atomic = true;
	if (options->drop_barrier && !r.failures && !options->pages && sim_format_of(t->image) == CV_FORMAT_QCOW2)
		r = enumerate_one(t, &whole);
	return r;
}

static void survive(const struct tree *t, bool pages)
{
	char shape[64];

	snprintf(shape, sizeof shape, "%s%s", t->name, pages ? ", pages torn" : "");
	crash_prove(&(struct crash_cell){ "rebase-copy", t->format, shape, enumerate, t,
					  { .seed = 3, .random = 1, .inner = 300, .pages = pages, .either = true,
					    .before = BARRIERS_OF_BIRTH } });
}

static void nothing_is_lost_and_every_barrier_is_needed(const struct tree *trees, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i < 2)
			survive(&trees[i], false);
		survive(&trees[i], true);
	}
}

static void vhds_survive_and_need_every_barrier(void **state)
{
	(void)state;
	nothing_is_lost_and_every_barrier_is_needed(vhds, CV_COUNT(vhds));
}

static void qcow2s_survive_and_need_every_barrier(void **state)
{
	(void)state;
	nothing_is_lost_and_every_barrier_is_needed(qcow2s, CV_COUNT(qcow2s));
}

static void whole_sectors(const struct tree *t)
{
	struct crash_options options = { .seed = 3, .random = 4, .inner = 20, .atomic = true, .before = BARRIERS_OF_BIRTH };
	struct crash_result r = enumerate_one(t, &options);

	if (r.failures)
		fail_msg("%s, %s: %s", t->format, t->name, r.first);
	assert_true(r.distinct > 100);
}

static void where_sectors_come_whole_it_reads_right_at_every_moment(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(qcow2s); i++)
		whole_sectors(&qcow2s[i]);
}

static void every_call_may_fail_of(const struct tree *t, struct crash_faults *faults)
{
	struct ctx c;
	struct sim *s = begin(&c, t);
	struct crash_scene scene = { t->name, run, recover_in_this_boot, look, 0, NULL, &c };

	if (!crash_fail_each(s, &scene, faults))
		fail_msg("%s: %s", t->name, faults->first);
	sim_free(s);
	free(c.truth);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors) };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		every_call_may_fail_of(&vhds[i], &faults);
		every_call_may_fail_of(&qcow2s[i], &faults);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 1000);
}

struct stopping {
	unsigned n, at;
};

static bool tick_until(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct stopping *k = ctx;

	(void)what;
	(void)done;
	(void)total;
	return ++k->n != k->at;
}

/* True if it was stopped before its end. A guest uses the image then. */
static bool stops_at(const struct sim *start, struct ctx *c, unsigned at)
{
	struct stopping k = { .at = at };
	const struct cv_monitor monitor = { .tick = tick_until, .ctx = &k };
	struct cv_err err = { .code = CV_OK };
	struct sim *s = sim_copy(start);
	const char *wrong;
	bool done;

	c->monitor = &monitor;
	done = run(s, c, &err);
	c->monitor = NULL;
	if (!done && err.code != CV_ECANCELLED)
		fail_msg("%s: stopped at %u: %s", c->t->name, at, err.text);
	cv_err_clear(&err);
	guest(s, c, GUEST);
	wrong = recover_in_this_boot(s, c, &err) ? look(s, c, true, GUEST) : err.text;
	if (wrong)
		fail_msg("%s: stopped at %u: %s", c->t->name, at, wrong);
	sim_free(s);
	return !done;
}

static void what_was_stopped_goes_on_after_a_guest(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct ctx c;
		struct sim *start = begin(&c, i < 2 ? &vhds[i] : &qcow2s[i - 2]);
		unsigned at = 1;

		while (stops_at(start, &c, at))
			at++;
		assert_true(at > 3);
		sim_free(start);
		free(c.truth);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_may_fail),
		cmocka_unit_test(what_was_stopped_goes_on_after_a_guest),
		cmocka_unit_test(where_sectors_come_whole_it_reads_right_at_every_moment),
		cmocka_unit_test(vhds_survive_and_need_every_barrier),
		cmocka_unit_test(qcow2s_survive_and_need_every_barrier),
	};

	return cmocka_run_group_tests_name("rebase with copying on a simulated disk", tests, NULL, NULL);
}

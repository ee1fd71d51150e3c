/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See merge_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/io/source.h"
#include "repair/merge/keep.h"
#include "repair/merge/merge.h"
#include "repair/sample/maker.h"
#include "inspect/base/crc32c.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "repair/vhd/encode.h"
#include "tests/support/crash_cell.h"
#include "tests/support/merge_world.h"
#include <chainview/format.h>

#define PLACE "/repository"

enum { LAYERS = 6, GUEST = 1, BARRIERS_OF_BIRTH = 2, MOST_ITEMS = 2 + MERGE_CHILDREN };

/* A file as a sequence of sectors. */
struct shot {
	uint32_t *sector;
	size_t count;
	uint64_t size;
};

struct ctx {
	const struct merge_tree *t;
	bool undo;                           /* the merge is done, and what is looked at is that it is taken back */
	struct sim_host host;
	size_t children;
	uint8_t *truth[MERGE_CHILDREN + 1];  /* what is read through each child; without children through the image */
	uint64_t size[MERGE_CHILDREN + 1];
	uint8_t *under;                      /* what is read through the parent at first */
	uint64_t under_size;
	struct cv_extent data;               /* of the first child: its first byte is one that a guest writes */
	bool *owned;                         /* sectors of the disk that the image has */
	struct shot image, parent;           /* before the merge */
	uint32_t image_inode, parent_inode;
	uint8_t uuid[16];                    /* of the image */
	bool pages;                          /* power cuts take whole pages */
	bool atomic;                         /* no sector is torn */
	uint64_t leaked;                     /* in the parent, bytes: when it was merged without any trouble */
	unsigned boots;                      /* so far: after each power cut it is another */
	bool done;                           /* the operation said that it was */
	const struct cv_monitor *monitor;
	struct visit {
		void (*before)(struct sim *s, void *ctx, const char *what);
		void *before_ctx;
		uint64_t at;         /* the barrier that comes next when somebody comes */
		bool wrote;
	} visit;
};

static size_t leaves(const struct ctx *c)
{
	return c->children ? c->children : 1;
}

static const char *leaf(const struct ctx *c, size_t i)
{
	return c->children ? c->t->children[i] : c->t->image;
}

/* --- reading --------------------------------------------------------------------------------------------- */

/* The file name of the parent; false if there is none, or it cannot be told. */
static bool parent_of(struct cv_source *source, enum cv_format_id format, char name[256], bool *based)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	bool ok = cv_image_read(source, format, f, &err), found = false;

	*based = ok && f->flags & CV_FACT_PARENT;
	for (uint32_t i = 0; *based && i < f->name_count && !found; i++) {
		struct cv_bytes path = f->names[i].path;
		const char *slash = memrchr(path.at, '/', path.len);
		size_t at = slash ? (size_t)(slash - path.at) + 1 : 0;

		found = (f->names[i].kind == CV_NAME_RELATIVE || f->names[i].kind == CV_NAME_BASENAME) && path.len - at < 256;
		if (found)
			snprintf(name, 256, "%.*s", (int)(path.len - at), path.at + at);
	}
	cv_facts_free(f);
	return ok && (!*based || found);
}

/* The names of the chain from an image down, as the images say. */
struct chain {
	char names[LAYERS][256];
	struct cv_layer *layers[LAYERS];
	int fds[LAYERS];
	size_t count;
	bool whole;
};

static void chain_close(struct sim *s, struct chain *c)
{
	for (size_t i = 0; i < LAYERS; i++) {
		cv_layer_close(c->layers[i]);
		if (c->fds[i] >= 0)
			s->io.close(&s->io, c->fds[i]);
	}
}

static bool chain_add(struct sim *s, int root, struct chain *c, const char *name, char next[256], bool *based)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source;

	snprintf(c->names[c->count], sizeof c->names[0], "%s", name);
	c->fds[c->count] = s->io.openat(&s->io, root, c->names[c->count], O_RDONLY, 0);
	source = c->fds[c->count] >= 0 ? cv_io_source(&s->io, c->fds[c->count], &err) : NULL;
	if (!source)
		return false;
	if (!parent_of(source, sim_format_of(c->names[c->count]), next, based)) {
		cv_source_close(source);
		return false;
	}
	c->layers[c->count] = cv_layer_open(&source, NULL, sim_format_of(c->names[c->count]), &err);
	return c->layers[c->count++] != NULL;
}

static struct chain chain_open(struct sim *s, const char *name)
{
	struct chain c = { .whole = true };
	char next[256];
	bool based = true;
	int root = sim_root(s);

	for (size_t i = 0; i < LAYERS; i++)
		c.fds[i] = -1;
	snprintf(next, sizeof next, "%s", name);
	while (c.whole && based) {
		char at[256];

		snprintf(at, sizeof at, "%s", next);
		c.whole = c.count < LAYERS && chain_add(s, root, &c, at, next, &based);
	}
	s->io.close(&s->io, root);
	return c;
}

/* What a guest reads through an image; the caller's. NULL if it cannot be read. parent: the name of its parent. */
static uint8_t *read_through(struct sim *s, const char *name, uint64_t *size, char parent[256])
{
	struct chain c = chain_open(s, name);
	struct cv_err err = { .code = CV_OK };
	uint8_t *bytes = NULL;

	if (c.whole) {
		const struct cv_chain chain = { c.layers, c.count, false };

		*size = c.layers[0]->size;
		bytes = malloc((size_t)*size + 1);
		if (!cv_chain_read(&chain, bytes, (struct cv_range){ 0, *size }, &err)) {
			free(bytes);
			bytes = NULL;
		}
	}
	if (parent)
		snprintf(parent, 256, "%s", c.count > 1 ? c.names[1] : "");
	chain_close(s, &c);
	return bytes;
}

/* Which sectors of the disk an image has itself; first: the first of them. */
static bool *owned_by(struct sim *s, const char *name, struct cv_extent *first)
{
	struct chain c = chain_open(s, name);
	struct cv_extents list = { .max = 0 };
	struct cv_err err = { .code = CV_OK };
	uint64_t size = c.layers[0]->size;
	bool *owned = calloc((size_t)(size / SIM_SECTOR) + 2, sizeof *owned);

	assert_true(cv_layer_extents(c.layers[0], (struct cv_range){ 0, size }, &list, &err));
	for (size_t i = list.len; i-- > 0;)
		if (list.at[i].kind == CV_EXTENT_DATA && list.at[i].placed)
			*first = list.at[i];
	for (size_t i = 0; i < list.len; i++)
		for (uint64_t at = list.at[i].at.off; at < list.at[i].at.off + list.at[i].at.len; at += SIM_SECTOR)
			owned[at / SIM_SECTOR] = list.at[i].kind != CV_EXTENT_PARENT;
	cv_extents_fini(&list);
	chain_close(s, &c);
	return owned;
}

/* --- the world ------------------------------------------------------------------------------------------- */

static struct shot shoot(const struct sim *s, uint32_t inode)
{
	const struct sim_content *c = &s->inodes.at[inode].now;
	struct shot shot = { calloc(c->count + 1, sizeof *shot.sector), c->count, c->size };

	memcpy(shot.sector, c->sector, c->count * sizeof *c->sector);
	return shot;
}

static uint32_t sector_of(const uint32_t *sector, size_t count, uint64_t i)
{
	uint32_t s = i < count ? sector[i] : SIM_HOLE;

	return s == SIM_ZERO ? SIM_HOLE : s;
}

static bool is_like(const struct sim *s, uint32_t inode, const struct shot *shot)
{
	const struct sim_content *c = &s->inodes.at[inode].now;

	for (uint64_t i = 0; i * SIM_SECTOR < shot->size; i++)
		if (sector_of(c->sector, c->count, i) != sector_of(shot->sector, shot->count, i))
			return false;
	return c->size == shot->size;
}

static bool is_hidden(struct sim *s, const char *path)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, path, O_RDONLY, 0);
	struct cv_source *source = cv_io_source(&s->io, fd, &err);
	bool hidden = cv_image_read(source, sim_format_of(path), f, &err) && f->mark == CV_MARK_HIDDEN;

	cv_source_close(source);
	cv_facts_free(f);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return hidden;
}

static void prepare(struct ctx *c, struct sim *s)
{
	struct cv_extent none;

	sim_host_init(&c->host, 5, 1, 1, 4711);
	while (c->t->children[c->children])
		c->children++;
	for (size_t i = 0; i < leaves(c); i++) {
		c->truth[i] = read_through(s, leaf(c, i), &c->size[i], NULL);
		if (!c->truth[i])
			fail_msg("%s: %s cannot be read", c->t->name, leaf(c, i));
	}
	c->under = read_through(s, c->t->parent, &c->under_size, NULL);
	free(owned_by(s, leaf(c, 0), &c->data));
	c->owned = owned_by(s, c->t->image, &none);
	c->image_inode = sim_lookup(s, c->t->image);
	c->parent_inode = sim_lookup(s, c->t->parent);
	c->image = shoot(s, c->image_inode);
	c->parent = shoot(s, c->parent_inode);
	memcpy(c->uuid, sim_item_of_image(s, c->t->image).uuid, sizeof c->uuid);
}

static void ctx_fini(struct ctx *c)
{
	for (size_t i = 0; i < leaves(c); i++)
		free(c->truth[i]);
	free(c->under);
	free(c->owned);
	free(c->image.sector);
	free(c->parent.sector);
}

struct planned {
	struct cv_plan_item items[MOST_ITEMS];
	struct cv_plan_link links[MERGE_CHILDREN + 1];
	struct cv_plan_merge merge;
	struct cv_plan plan;
	char path[512], former[512];
	/* What the parent stands on. */
	struct cv_plan_source sources[LAYERS];
	enum cv_format_id below[LAYERS];
	char names[LAYERS][258];
};

static void plan_below(struct planned *p, struct sim *s, const struct ctx *c)
{
	struct chain chain = chain_open(s, c->t->parent);

	for (size_t i = 1; i < chain.count; i++) {
		struct cv_plan_item item = sim_item_of_image(s, chain.names[i]);

		snprintf(p->names[i - 1], sizeof p->names[0], "/%s", chain.names[i]);
		p->sources[i - 1] = (struct cv_plan_source){ p->names[i - 1], item.device, item.inode, item.size, item.mtime_ns };
		p->below[i - 1] = sim_format_of(chain.names[i]);
		p->merge.below_count = p->plan.source_count = i;
	}
	p->merge.below = p->below;
	p->plan.sources = p->sources;
	chain_close(s, &chain);
}

static void plan_it(struct planned *p, struct sim *s, const struct ctx *c)
{
	*p = (struct planned){ .items = { sim_item_of_image(s, c->t->image), sim_item_of_image(s, c->t->parent) } };
	p->merge = (struct cv_plan_merge){ .format = sim_format_of(c->t->image), .parent_format = sim_format_of(c->t->parent),
					   .links = p->links, .link_count = c->children, .keeps = c->t->full };
	p->plan = (struct cv_plan){ .kind = c->t->leaf ? CV_PLAN_LEAF : CV_PLAN_COALESCE, .items = p->items, .item_count = 2 + c->children, .merge = &p->merge };
	if (p->merge.parent_format == CV_FORMAT_QCOW2)
		plan_below(p, s, c);
	snprintf(p->path, sizeof p->path, PLACE "/%s", c->t->parent);
	snprintf(p->former, sizeof p->former, PLACE "/%s", c->t->image);
	for (size_t i = 0; i < c->children; i++) {
		p->items[2 + i] = sim_item_of_image(s, c->t->children[i]);
		p->links[i] = (struct cv_plan_link){ .format = p->merge.parent_format, .folder = PLACE, .path = p->path, .former = p->former };
		if (p->merge.parent_format == CV_FORMAT_VHD || p->merge.parent_format == CV_FORMAT_VHDX)
			memcpy(p->links[i].uuid, p->items[1].uuid, 16);
	}
}

/* A merge that is done becomes the plan to take it back. */
static bool merge_first(struct planned *p, struct sim *s, const struct ctx *c, struct cv_writing *w, struct cv_err *err)
{
	struct cv_operation_result result;

	if (!cv_work_run(w, &p->plan, "coalesce", NULL, &result, err))
		return false;
	memcpy(p->items[0].from, result.id, sizeof p->items[0].from);
	p->items[1] = sim_item_of_image(s, c->t->parent);
	for (size_t i = 0; i < c->children; i++)
		p->items[2 + i] = sim_item_of_image(s, c->t->children[i]);
	p->plan = (struct cv_plan){ .kind = CV_PLAN_COALESCE_UNDO, .items = p->items, .item_count = 2 + c->children,
				    .merge = c->t->full ? &p->merge : NULL };
	return true;
}

/* Where in the file of an image a byte of the disk lies. */
static uint64_t place_of(struct sim *s, const char *name, uint64_t off)
{
	struct chain c = chain_open(s, name);
	struct cv_extents list = { .max = 0 };
	struct cv_err err = { .code = CV_OK };
	uint64_t place = 0;

	assert_true(cv_layer_extents(c.layers[0], (struct cv_range){ off, 1 }, &list, &err));
	for (size_t i = 0; i < list.len; i++)
		if (list.at[i].kind == CV_EXTENT_DATA && list.at[i].placed)
			place = list.at[i].host + (off - list.at[i].at.off);
	assert_int_not_equal(place, 0);
	cv_extents_fini(&list);
	chain_close(s, &c);
	return place;
}

/* A guest does. sure: and waits until it is on disk. */
static void write_byte(struct sim *s, const struct ctx *c, bool sure)
{
	uint64_t host = c->t->leaf ? place_of(s, leaf(c, 0), c->data.at.off) : c->data.host;
	int root = sim_root(s), fd = s->io.openat(&s->io, root, leaf(c, 0), O_RDWR, 0);
	uint8_t byte = (uint8_t)~c->truth[0][c->data.at.off];

	assert_int_equal(s->io.pwrite(&s->io, fd, &byte, 1, host), 1);
	assert_true(!sure || s->io.fdatasync(&s->io, fd) == 0);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* The file of the image in the trash; 0: it is not there. */
static uint32_t trashed(const struct sim *s, const struct ctx *c)
{
	char name[300];

	snprintf(name, sizeof name, "0-%s", c->t->image);
	for (size_t i = 0; i < s->now.len; i++)
		if (s->now.at[i].inode && !strcmp(s->now.at[i].name, name))
			return s->now.at[i].inode;
	return 0;
}

/* Somebody has looked up the name of the leaf when another file is about to get it, and has to wait for us. */
static void visit(struct sim *s, void *ctx, const char *what)
{
	struct ctx *c = ctx;
	struct visit *v = &c->visit;

	if (!v->at && !strcmp(what, "rename") && trashed(s, c)) {
		assert_true(sim_other_opens(s, c->t->image, true));
		v->at = s->barriers + 1;
	}
	if (v->before)
		v->before(s, v->before_ctx, what);
}

/* They get what they came for, write to it, and leave; then it goes on. */
static bool resume(struct sim *s, struct ctx *c, struct cv_err *err)
{
	void (*before)(struct sim *s, void *ctx, const char *what);

	if (err->code != CV_ECANCELLED)
		return false;
	if (sim_lookup(s, c->t->image) != c->image_inode)
		return cv_fail(err, CV_EIO, "what was opened as the leaf lies in the trash");
	/* What a cut makes of that is theirs. */
	before = s->before;
	s->before = NULL;
	write_byte(s, c, true);
	s->before = before;
	c->visit.wrote = true;
	sim_other_closes(s, c->t->image);
	cv_err_clear(err);
	return sim_store_recover(s, &c->host, 0, err);
}

/* How the repository is opened is not looked at, nor before an undo the merge. */
static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_host host = c->host;
	int root = sim_root(s);
	struct cv_writing w;
	struct cv_operation_result result;
	struct planned p;
	struct sim_hushed hushed;
	bool ok;

	host.host.ctx = &host;
	c->done = false;
	hushed = sim_hush(s);
	assert_true(cv_writing_open(&w, &s->io, &host.host, root, err));
	plan_it(&p, s, c);
	if (c->undo && !merge_first(&p, s, c, &w, err))
		fail_msg("%s: %s", c->t->name, err->text);
	sim_settle(s);
	sim_watch(s, &hushed);
	c->visit = (struct visit){ .before = hushed.before, .before_ctx = s->before_ctx };
	if (c->t->visited) {
		s->before = visit;
		s->before_ctx = c;
	}
	ok = cv_work_run(&w, &p.plan, "coalesce", c->monitor, &result, err);
	s->fail_at = 0;
	cv_store_close(&w.store);
	s->io.close(&s->io, root);
	if (c->t->visited && !ok)
		ok = resume(s, c, err);
	s->before = hushed.before;
	s->before_ctx = c->visit.before_ctx;
	c->done = ok;
	return ok;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;

	/* The file system is mounted anew. */
	s->device++;
	return sim_store_recover(s, &c->host, ++c->boots, err);
}

/* --- what is looked at ----------------------------------------------------------------------------------- */

/* Whether the guest could write, for each state that is being looked at: states are looked at within others. */
static struct { const struct sim *s; bool wrote; } guests[8];

static void note_guest(const struct sim *s, bool wrote)
{
	size_t i = 0;

	while (i + 1 < CV_COUNT(guests) && guests[i].s && guests[i].s != s)
		i++;
	guests[i].s = s;
	guests[i].wrote = wrote;
}

static bool guest_wrote(const struct sim *s)
{
	for (size_t i = 0; i < CV_COUNT(guests); i++)
		if (guests[i].s == s)
			return guests[i].wrote;
	return false;
}

/* must: a guest wrote just before, which must be there; it may have before an earlier crash. */
static bool is_true(const struct ctx *c, size_t i, uint8_t *now, uint64_t size, bool must)
{
	uint64_t at = c->data.at.off;
	bool wrote;

	if (size != c->size[i])
		return false;
	wrote = !i && c->t->guest && (now[at] ^ c->truth[i][at]) == 0xff;
	if (wrote)
		now[at] = c->truth[i][at];
	return (wrote || i || !must) && !memcmp(now, c->truth[i], (size_t)size);
}

static const char *look_at_leaf(struct sim *s, const struct ctx *c, size_t i, unsigned guest, bool *merged)
{
	CV_AUTO(cv_auto_free) uint8_t *now = NULL;
	char parent[256];
	uint64_t size = 0;

	now = read_through(s, leaf(c, i), &size, parent);
	if (!now)
		return "an image cannot be read";
	*merged = !strcmp(parent, c->t->parent);
	if (!*merged && strcmp(parent, c->t->image) != 0)
		return "an image names neither parent";
	return is_true(c, i, now, size, guest && guest_wrote(s)) ? NULL : "an image does not read as it did";
}

/* The parent has what the image has, and is otherwise as it was. */
static const char *look_at_parent(struct sim *s, const struct ctx *c, bool merged)
{
	CV_AUTO(cv_auto_free) uint8_t *now = NULL;
	uint64_t size = 0;

	now = read_through(s, c->t->parent, &size, NULL);
	if (!now)
		return "the parent cannot be read";
	if (size < c->under_size || (merged && size < c->size[0]))
		return "the parent is too small";
	for (uint64_t at = 0; at < size; at += SIM_SECTOR) {
		static const uint8_t zeros[SIM_SECTOR];
		bool mine = at < c->size[0] && c->owned[at / SIM_SECTOR];
		const uint8_t *was = at < c->under_size ? c->under + at : zeros;

		if (!mine && memcmp(now + at, was, SIM_SECTOR) != 0)
			return "something else of the parent has changed";
		if (mine && merged && !c->children && memcmp(now + at, c->truth[0] + at, SIM_SECTOR) != 0)
			return "the parent lacks something";
	}
	return NULL;
}

static bool has_errors(struct sim *s, const char *name, uint64_t *leaked)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, name, O_RDONLY, 0);
	struct cv_source *source = fd >= 0 ? cv_io_source(&s->io, fd, &err) : NULL;
	const struct cv_format *row = cv_format_by_id(sim_format_of(name));
	struct cv_checking k = { .source = source, .facts = f };
	bool bad = !source || !cv_image_read(source, row->id, f, &err) || (row->check && !row->check(&k, &err)) || k.corruptions;

	for (uint32_t i = 0; i < f->finding_count; i++)
		bad |= f->findings[i].severity == CV_ERROR;
	*leaked = k.leaked_bytes;
	cv_source_close(source);
	cv_facts_free(f);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return bad;
}

/* The image is at home or in the trash, and is what it was. */
static const char *look_at_image(struct sim *s, const struct ctx *c, bool *home)
{
	uint32_t inode = sim_lookup(s, c->t->image);

	*home = inode;
	if (!inode)
		inode = trashed(s, c);
	if (!inode)
		return "the image is gone";
	return is_like(s, inode, &c->image) ? NULL : "the image has changed";
}

/* The journal that was put aside says that it was done, or given up. */
static bool says(struct sim *s, const struct ctx *c, bool done)
{
	uint32_t inode = sim_lookup(s, CV_STORE_NAME "/done");
	int root = sim_root(s), ours = s->io.openat(&s->io, root, CV_STORE_NAME, O_RDONLY | O_DIRECTORY, 0);
	int dir = s->io.openat(&s->io, ours, "done", O_RDONLY | O_DIRECTORY, 0);
	bool right = !done;

	for (size_t i = 0; inode && i < s->now.len; i++) {
		struct cv_journal_log log;
		struct cv_err err = { .code = CV_OK };

		if (s->now.at[i].dir != inode || !s->now.at[i].inode || !strstr(s->now.at[i].name, ".cvj"))
			continue;
		right = cv_journal_read(&log, &s->io, &c->host.host, dir, s->now.at[i].name, &err) && !log.damaged &&
			cv_journal_last(&log, done ? CV_RECORD_DONE : CV_RECORD_ABORTED);
		cv_journal_log_fini(&log);
	}
	s->io.close(&s->io, dir);
	s->io.close(&s->io, ours);
	s->io.close(&s->io, root);
	return right;
}

/* What the parent was is kept as long as the image is in the trash, and comes back with it. */
static const char *look_at_former(struct sim *s, const struct ctx *c, bool home)
{
	bool kept = false;

	for (size_t i = 0; i < s->now.len; i++)
		kept |= s->now.at[i].inode && !strcmp(s->now.at[i].name, CV_KEEP_NAME);
	if (kept != (c->t->full && !home))
		return kept ? "what the parent was is kept, and nobody needs it" : "what the parent was is not kept";
	return c->undo && home && c->t->full && !is_like(s, c->parent_inode, &c->parent) ? "the parent is not what it was" : NULL;
}

static const char *look_settled(struct sim *s, const struct ctx *c, size_t merged, bool home)
{
	bool back = c->undo && c->t->full && home;
	uint64_t leaked;
	const char *wrong;

	if (sim_store_has_journal(s, "journal", NULL))
		return "an operation is still pending";
	if (c->children && merged != 0 && merged != c->children)
		return "some were moved to the parent, and others not";
	if (c->children && !home != (merged != 0))
		return home ? "nobody needs the image, but it is not in the trash" : "the image is in the trash, but needed";
	if (c->done && home != c->undo)
		return "what was promised to be done is not";
	wrong = look_at_former(s, c, home);
	wrong = wrong || back ? wrong : look_at_parent(s, c, c->undo || !home);
	if (wrong)
		return wrong;
	if (c->undo ? (sim_store_journals(s, &c->host, "done").done > 1) != home : !says(s, c, !home))
		return "the journal does not say what is so";
	if (has_errors(s, c->t->parent, &leaked))
		return "the parent has errors";
	return leaked > c->leaked ? "clusters of the parent are lost" : NULL;
}

/* --- a leaf ---------------------------------------------------------------------------------------------- */

static const char *look_at_names(struct sim *s, const struct ctx *c, bool *swapped, bool recovered)
{
	uint32_t image = sim_lookup(s, c->t->image), parent = sim_lookup(s, c->t->parent);

	*swapped = image == c->parent_inode;
	if (image != c->image_inode && !*swapped)
		return "nothing that should be has the name of the leaf";
	if (*swapped ? parent && (recovered || !c->visit.at) : parent != c->parent_inode)
		return "the name of the parent is not what it should be";
	if (*swapped ? trashed(s, c) != c->image_inode : recovered && trashed(s, c))
		return "the trash does not hold what it should";
	return NULL;
}

static const char *look_at_content(struct sim *s, const struct ctx *c, unsigned guest, bool recovered)
{
	CV_AUTO(cv_auto_free) uint8_t *now = NULL;
	uint64_t size = 0, leaked;

	now = read_through(s, c->t->image, &size, NULL);
	if (!now)
		return recovered || c->done || c->atomic || (c->t->always && !c->pages) ? "the leaf cannot be read" : NULL;
	if (!is_true(c, 0, now, size, c->visit.wrote || (recovered && guest && guest_wrote(s))))
		return recovered || c->done || c->atomic || (c->t->always && !c->pages) ? "the leaf does not read as it did" : NULL;
	return recovered && has_errors(s, c->t->image, &leaked) ? "the leaf has errors" : NULL;
}

static const char *look_leaf(struct sim *s, const struct ctx *c, bool recovered, unsigned guest)
{
	bool swapped, pending = sim_store_has_journal(s, "journal", NULL);
	uint64_t leaked;
	const char *wrong = look_at_names(s, c, &swapped, recovered);

	wrong = wrong ? wrong : look_at_content(s, c, guest, recovered);
	if (!wrong && swapped && is_hidden(s, c->t->image))
		wrong = "the leaf is hidden";
	if (!wrong && !recovered && c->atomic && has_errors(s, swapped ? c->t->image : c->t->parent, &leaked))
		wrong = "the parent has errors";
	if (wrong || !recovered)
		return wrong ? wrong : c->done && pending ? "an operation that is done is still pending" : NULL;
	if (pending)
		return "an operation is still pending";
	if (c->done && !swapped)
		return "what was promised to be done is not";
	if (!says(s, c, swapped))
		return "the journal does not say what is so";
	if (!swapped && has_errors(s, c->t->parent, &leaked))
		return "the parent has errors";
	/* Of VHD. */
	return memcmp(sim_item_of_image(s, c->t->image).uuid, c->uuid, sizeof c->uuid) ? "the leaf has another identity" : NULL;
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	size_t merged = 0;
	uint64_t leaked;
	bool home;
	const char *wrong;

	if (c->t->leaf)
		return look_leaf(s, c, recovered, guest);
	wrong = look_at_image(s, c, &home);
	if (wrong)
		return wrong;
	for (size_t i = 0; i < leaves(c) && (c->children || home); i++) {
		bool one = false;

		wrong = look_at_leaf(s, c, i, recovered ? guest : 0, &one);
		merged += one;
		if (wrong && (recovered || c->done || c->atomic || (c->t->always && !c->pages && strcmp(wrong, "an image does not read as it did") == 0)))
			return wrong;
		if (recovered && has_errors(s, leaf(c, i), &leaked))
			return "an image has errors";
	}
	if (!recovered && c->atomic && has_errors(s, c->t->parent, &leaked))
		return "the parent has errors";
	if (!recovered)
		return c->done && sim_store_has_journal(s, "journal", NULL) ? "an operation that is done is still pending" : NULL;
	return look_settled(s, c, merged, home);
}

static void guest(struct sim *s, void *ctx, unsigned which)
{
	const struct ctx *c = ctx;
	CV_AUTO(cv_auto_free) uint8_t *now = NULL;
	uint64_t size;

	(void)which;
	/* It can only write to what can be opened. */
	now = read_through(s, leaf(c, 0), &size, NULL);
	note_guest(s, c->t->guest && (c->children || c->t->leaf) && now && is_true(c, 0, now, size, false));
	if (guest_wrote(s))
		write_byte(s, c, false);
}

/* --- tests ----------------------------------------------------------------------------------------------- */

static struct sim *begin_as(struct ctx *c, const struct merge_tree *t, bool undo)
{
	struct sim *s = sim_repository(t->name, t->recipe), *trial;
	struct cv_err err = { .code = CV_OK };
	const char *wrong;

	*c = (struct ctx){ .t = t, .undo = undo };
	prepare(c, s);
	sim_store_make(s, &c->host);
	c->host.give_up = t->give_up;
	s->reflink = t->shared;
	trial = sim_copy(s);
	if (!run(trial, c, &err))
		fail_msg("%s: %s", t->name, err.text);
	has_errors(trial, t->leaf ? t->image : t->parent, &c->leaked);
	wrong = look(trial, c, true, 0);
	if (wrong)
		fail_msg("%s: without any trouble: %s", t->name, wrong);
	c->done = false;
	sim_free(trial);
	return s;
}

static struct sim *begin(struct ctx *c, const struct merge_tree *t)
{
	return begin_as(c, t, false);
}

static struct crash_result enumerate_as(const struct merge_tree *t, bool undo, const struct crash_options *options)
{
	struct ctx c;
	struct crash_scene scene = { t->name, run, recover, look, t->guest && (t->children[0] || t->leaf) ? 1 : 0, guest, &c };
	struct crash_result r = { 0 };
	struct crash_options own = *options;
	struct sim *s = begin_as(&c, t, undo);

	c.pages = own.pages;
	c.atomic = own.atomic;
	own.inode = own.inode ? sim_lookup(s, t->parent) : 0;
	crash_enumerate(s, &scene, &own, &r);
	sim_free(s);
	ctx_fini(&c);
	return r;
}

static struct crash_result enumerate(const void *tree, const struct crash_options *options)
{
	return enumerate_as(tree, false, options);
}

static struct crash_result enumerate_undo(const void *tree, const struct crash_options *options)
{
	return enumerate_as(tree, true, options);
}

void merge_tree_undo_survives(const struct merge_tree *t, bool pages)
{
	char shape[64];

	snprintf(shape, sizeof shape, "%s%s", t->name, pages ? ", pages torn" : "");
	crash_prove(&(struct crash_cell){ "undo coalesce", t->format, shape, enumerate_undo, t,
					  { .seed = 3, .random = 1, .inner = 100, .pages = pages, .either = true,
					    .before = BARRIERS_OF_BIRTH } });
}

void merge_tree_survives(const struct merge_tree *t, bool pages)
{
	char shape[64];

	snprintf(shape, sizeof shape, "%s%s", t->name, pages ? ", pages torn" : "");
	crash_prove(&(struct crash_cell){ t->leaf ? "coalesce --leaf" : "coalesce", t->format, shape, enumerate, t,
					  { .seed = 3, .random = 1, .inner = 1000, .pages = pages, .either = true,
					    .before = BARRIERS_OF_BIRTH } });
}

/* The parent's last barrier, seen before it is carried out. */
struct last {
	uint32_t inode;
	uint64_t barrier;
};

static void note_last(struct sim *s, void *ctx, const char *what)
{
	struct last *last = ctx;
	bool pending = false;

	for (size_t i = 0; i < s->writes.len; i++)
		pending |= s->writes.at[i].inode == last->inode;
	for (size_t i = 0; i < s->resizes.len; i++)
		pending |= s->resizes.at[i].inode == last->inode;
	if (pending && !strcmp(what, "fsync"))
		last->barrier = s->barriers + 1;
}

/* What is proved in one cell, however much a cut tears. */
struct proof {
	const struct merge_tree *t;
	bool undo, merging;
};

static uint64_t barriers_of(const struct proof *proof)
{
	struct cv_err err = { .code = CV_OK };
	struct ctx c;
	struct sim *s = begin_as(&c, proof->t, proof->undo);
	struct last last = { .inode = sim_lookup(s, proof->t->parent) };

	s->before = note_last;
	s->before_ctx = &last;
	assert_true(run(s, &c, &err));
	if (!proof->merging)
		last.barrier = s->barriers;
	sim_free(s);
	ctx_fini(&c);
	return last.barrier - BARRIERS_OF_BIRTH - proof->t->before;
}

enum torn { NONE_TORN, SECTORS_TORN, PAGES_TORN, TORN_COUNT };

static struct crash_result enumerate_torn(const struct proof *proof, enum torn torn, uint64_t drop)
{
	struct crash_options options = { .seed = 3, .random = 2, .inner = drop ? 0 : 150, .pages = torn == PAGES_TORN,
					 .atomic = torn == NONE_TORN, .before = BARRIERS_OF_BIRTH + proof->t->before, .stop_at_first = drop,
					 .drop_barrier = drop ? BARRIERS_OF_BIRTH + proof->t->before + drop : 0,
					 .share = drop || torn == NONE_TORN ? 1 : (torn == SECTORS_TORN ? 2 : 4) * CRASH_SHARE };
	struct merge_tree tree = *proof->t;

	/* A guest makes twice as many of them. Torn pages are much the same for all trees. */
	tree.guest &= torn == SECTORS_TORN && !drop;
	options.inode = proof->merging ? UINT32_MAX : 0;
	return enumerate_as(&tree, proof->undo, &options);
}

static void add_result(struct crash_result *sum, const struct crash_result *r)
{
	sum->names = r->names;
	sum->states += r->states;
	sum->distinct += r->distinct;
	sum->recoveries += r->recoveries;
	sum->inner += r->inner;
}

static bool is_noticed(const struct proof *proof, uint64_t barrier)
{
	for (enum torn torn = 0; torn < TORN_COUNT; torn++)
		if (enumerate_torn(proof, torn, barrier).failures)
			return true;
	return false;
}

static void prove(const struct proof *proof)
{
	const struct merge_tree *t = proof->t;
	const char *operation = proof->undo ? "undo coalesce" : t->leaf ? "coalesce --leaf" : "coalesce";
	struct crash_result sum = { .barriers = barriers_of(proof) };
	unsigned long long mutants = 0;

	for (enum torn torn = 0; torn < TORN_COUNT; torn++) {
		struct crash_result r = enumerate_torn(proof, torn, 0);

		if (r.failures)
			fail_msg("%s of %s, %s: %llu failures; %s", operation, t->format, t->name, (unsigned long long)r.failures,
				 r.first);
		add_result(&sum, &r);
	}
	for (uint64_t k = 1; CRASH_MUTANTS && k <= sum.barriers; k++, mutants++)
		if (!is_noticed(proof, k))
			fail_msg("%s of %s, %s: nobody notices when barrier %llu of %llu is left out", operation, t->format,
				 t->name, (unsigned long long)k, (unsigned long long)sum.barriers);
	crash_cell_print(&(struct crash_cell){ operation, t->format, t->name, .ctx = t }, &sum, mutants);
}

void merge_tree_prove(const struct merge_tree *t, bool merging)
{
	prove(&(struct proof){ t, .merging = merging });
}

void merge_tree_undo_prove(const struct merge_tree *t)
{
	prove(&(struct proof){ t, .undo = true });
}

/* Two folders are synced when the names go back, one of them twice. */
enum { BARRIERS_BACK = 3 };

void merge_tree_lets_in(const struct merge_tree *t)
{
	struct crash_options options = { .seed = 3, .random = 1, .inner = 1000, .pages = true, .before = BARRIERS_OF_BIRTH,
					 .share = CRASH_SHARE };
	struct crash_result r = enumerate(t, &options);
	unsigned long long mutants = 0;
	struct ctx c;
	struct sim *s = begin(&c, t);
	uint64_t at = c.visit.at;
	char shape[64];

	if (!at || r.failures)
		fail_msg("coalesce --leaf, %s: %llu failures; %s", t->name, (unsigned long long)r.failures, r.first);
	options.inner = 0;
	options.stop_at_first = true;
	for (; CRASH_MUTANTS && mutants < BARRIERS_BACK; mutants++) {
		struct crash_options mutant = options;

		mutant.drop_barrier = at + mutants;
		if (!enumerate(t, &mutant).failures)
			fail_msg("coalesce --leaf, %s: nobody notices when barrier %llu behind the visit is left out", t->name, mutants + 1);
	}
	snprintf(shape, sizeof shape, "%s, pages torn", t->name);
	crash_cell_print(&(struct crash_cell){ "coalesce --leaf", t->format, shape, .ctx = t }, &r, mutants);
	sim_free(s);
	ctx_fini(&c);
}

/* What is left is settled by the next who comes, in the same boot. */
static bool recover_in_this_boot(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 0, err);
}

static void bear_errors(const struct merge_tree *t, bool undo, unsigned long long *runs)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors) };
	struct ctx c;
	struct sim *s = begin_as(&c, t, undo);
	struct crash_scene scene = { t->name, run, recover_in_this_boot, look, 0, NULL, &c };

	if (!crash_fail_each(s, &scene, &faults))
		fail_msg("%s", faults.first);
	*runs += faults.runs;
	sim_free(s);
	ctx_fini(&c);
}

void merge_tree_bears_errors(const struct merge_tree *t, unsigned long long *runs)
{
	bear_errors(t, false, runs);
}

void merge_tree_undo_bears_errors(const struct merge_tree *t, unsigned long long *runs)
{
	bear_errors(t, true, runs);
}

/* --- other trouble --------------------------------------------------------------------------------------- */

/* A copy of the disk as it is when the program is killed at the n-th point. */
struct killing {
	uint64_t n, at;
	struct sim *left;
};

static void kill_there(struct sim *s, void *ctx, const char *what)
{
	struct killing *k = ctx;

	(void)what;
	if (++k->n == k->at)
		k->left = sim_left_by_killed(s);
}

static void change_footer(struct sim *s, int fd, uint64_t off)
{
	struct vhd_footer_disk d;

	assert_int_equal(s->io.pread(&s->io, fd, &d, sizeof d, off), sizeof d);
	if (memcmp(d.cookie, VHD_COOKIE, sizeof d.cookie) != 0)
		return;
	d.uuid[0] ^= 0xff;
	cv_vhd_seal_footer(&d);
	assert_int_equal(s->io.pwrite(&s->io, fd, &d, sizeof d, off), sizeof d);
}

static void change_header(struct sim *s, int fd, uint64_t off)
{
	struct cv_vhdx_header_disk d;

	assert_int_equal(s->io.pread(&s->io, fd, &d, sizeof d, off), sizeof d);
	d.data_write.b[0] ^= 0xff;
	d.checksum = cv_le32_of(0);
	d.checksum = cv_le32_of(cv_crc32c(0, &d, sizeof d));
	assert_int_equal(s->io.pwrite(&s->io, fd, &d, sizeof d, off), sizeof d);
}

/* QCOW2 has none: somebody has found it corrupt. */
static void change_identity(struct sim *s, const struct ctx *c)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, c->t->parent, O_RDWR, 0);
	const uint8_t corrupt = QCOW2_INCOMPATIBLE_CORRUPT;
	struct stat st;

	assert_int_equal(s->io.fstat(&s->io, fd, &st), 0);
	if (sim_format_of(c->t->parent) == CV_FORMAT_QCOW2) {
		assert_int_equal(s->io.pwrite(&s->io, fd, &corrupt, 1, offsetof(struct cv_qcow2_header_disk, incompatible) + 7), 1);
	} else if (sim_format_of(c->t->parent) == CV_FORMAT_VHDX) {
		change_header(s, fd, CV_VHDX_HEADER_OFFSET(0));
		change_header(s, fd, CV_VHDX_HEADER_OFFSET(1));
	} else {
		change_footer(s, fd, 0);
		change_footer(s, fd, (uint64_t)st.st_size - SIM_SECTOR);
	}
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
}

/* True if there was something to be recovered. */
static bool refuses_at(struct sim *left, struct ctx *c)
{
	struct shot parent;
	struct cv_err err = { .code = CV_OK };
	bool home, pending = sim_store_has_journal(left, "journal", NULL);

	look_at_image(left, c, &home);
	if (!pending || !home)
		return false;
	change_identity(left, c);
	parent = shoot(left, sim_lookup(left, c->t->parent));
	if (sim_store_recover(left, &c->host, 0, &err) || err.code != CV_EREFUSED)
		fail_msg("%s: a parent with another identity is taken for the parent: %s", c->t->name, err.text);
	if (!is_like(left, sim_lookup(left, c->t->parent), &parent) || look_at_image(left, c, &home))
		fail_msg("%s: what was refused was touched", c->t->name);
	free(parent.sector);
	return true;
}

void merge_tree_refuses_foreigners(const struct merge_tree *t)
{
	struct ctx c;
	struct sim *start = begin(&c, t);
	unsigned refused = 0;

	for (uint64_t at = 1;; at++) {
		struct killing k = { .at = at };
		struct cv_err err = { .code = CV_OK };
		struct sim *s = sim_copy(start);

		s->before = kill_there;
		s->before_ctx = &k;
		assert_true(run(s, &c, &err));
		sim_free(s);
		if (!k.left)
			break;
		refused += refuses_at(k.left, &c);
		sim_free(k.left);
	}
	assert_true(refused > 4);
	sim_free(start);
	ctx_fini(&c);
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

/* True if it was stopped before its end. */
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
	wrong = look(s, c, false, 0);
	if (!wrong && !recover_in_this_boot(s, c, &err))
		wrong = err.text;
	if (!wrong)
		wrong = look(s, c, true, 0);
	if (wrong)
		fail_msg("%s: stopped at %u: %s", c->t->name, at, wrong);
	sim_free(s);
	return !done;
}

void merge_tree_can_be_stopped(const struct merge_tree *t)
{
	struct ctx c;
	struct sim *start = begin(&c, t);
	unsigned at = 1;

	while (stops_at(start, &c, at))
		at++;
	assert_true(at > 3);
	sim_free(start);
	ctx_fini(&c);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Conversion of a tree on a simulated disk, into every format: whatever a power cut leaves, the sources are as they were, no
 * new image has its name before its parent has, and each that has it reads as its source does; recovery leaves all of the
 * tree or nothing of it; every barrier is needed; and every call may fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/convert/job.h"
#include "repair/operation/work.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_store.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

enum { NODES = 3, UNIT = 1024, UNITS = 4, DISK = UNIT * UNITS };

/* Two on one base. What each has of its own: data, zeros, or nothing. */
static const struct source {
	const char *name, *new, *own, *parent_path;
	uint32_t parent;
} sources[NODES] = {
	{ "base", "sub/base.new", "dd.z", NULL, UINT32_MAX },
	{ "left", "sub/left.new", ".dz.", "base.new", 0 },
	{ "right", "sub/right.new", "z..d", "base.new", 0 },
};

struct ctx {
	enum cv_format_id to;
	struct cv_target_options target;
	bool reflink;
	size_t nodes;                /* so many of them */
	struct sim_host host;
	bool done;
};

struct sim_feed {
	struct cv_feed feed;         /* first */
	struct cv_feed_file files[2];
	int fds[2];
	struct cv_extent extents[UNITS];
	struct sim *s;
	bool told;
};

/* The tree that the jobs are of, for callbacks: tests run one after the other. */
static struct sim *disk_now;

static uint8_t byte_of(size_t node, size_t at)
{
	return (uint8_t)(at / 7 + node * 40 + 1);
}

/* Who decides about a unit; NODES: nobody. */
static size_t owner(size_t node, size_t unit)
{
	size_t parent = sources[node].parent;

	if (sources[node].own[unit] != '.')
		return node;
	return parent == UINT32_MAX ? NODES : owner(parent, unit);
}

static uint8_t guest_byte(size_t node, size_t at)
{
	size_t who = owner(node, at / UNIT);

	return who < NODES && sources[who].own[at / UNIT] == 'd' ? byte_of(who, at) : 0;
}

static bool feed_next(struct cv_feed *feed, const struct cv_extent **list, size_t *count, struct cv_err *err)
{
	struct sim_feed *f = (struct sim_feed *)feed;

	(void)err;
	*list = f->extents;
	*count = f->told ? 0 : UNITS;
	f->told = true;
	return true;
}

static void feed_close(struct cv_feed *feed)
{
	struct sim_feed *f = (struct sim_feed *)feed;

	for (size_t i = 0; i < f->feed.count; i++)
		if (f->fds[i] >= 0)
			f->s->io.close(&f->s->io, f->fds[i]);
	free(f);
}

static size_t node_of(const struct cv_convert_job *job)
{
	return job->image;
}

static void fill_extents(struct sim_feed *f, size_t node)
{
	for (size_t u = 0; u < UNITS; u++) {
		size_t who = owner(node, u);
		bool data = who < NODES && sources[who].own[u] == 'd';

		f->extents[u] = (struct cv_extent){
			.at = { u * UNIT, UNIT }, .host = u * UNIT, .placed = data,
			.kind = data ? CV_EXTENT_DATA : who < NODES ? CV_EXTENT_ZERO : CV_EXTENT_PARENT,
			.layer = who == node ? 0 : who < NODES ? 1 : (uint32_t)f->feed.count,
		};
	}
}

static struct cv_feed *job_open(const struct cv_convert_job *job, struct cv_err *err)
{
	struct sim *s = disk_now;
	struct sim_feed *f = calloc(1, sizeof *f);
	size_t node = node_of(job);
	int root = sim_root(s);

	assert_non_null(f);
	f->s = s;
	f->feed = (struct cv_feed){ feed_next, NULL, feed_close, f->files, node ? 2 : 1, f->fds, node ? 2 : 1 };
	for (size_t i = 0; i < f->feed.count; i++) {
		const char *name = sources[i ? 0 : node].name;

		f->fds[i] = s->io.openat(&s->io, root, name, O_RDONLY, 0);
		f->files[i] = (struct cv_feed_file){ f->fds[i], { 0, DISK }, name };
		if (f->fds[i] < 0 && !err->code)
			cv_io_fail(err, "open", name);
	}
	s->io.close(&s->io, root);
	fill_extents(f, node);
	if (!err->code)
		return &f->feed;
	feed_close(&f->feed);
	return NULL;
}

/* NULL if a chain of images in these bytes reads as the node does. */
static const char *wrong_chain(enum cv_format_id format, uint8_t *const *bytes, const uint64_t *len, size_t count, size_t node)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_layer *layers[2] = { NULL, NULL };
	struct cv_chain chain = { layers, count, false };
	static uint8_t disk[DISK];
	const char *wrong = NULL;

	for (size_t i = 0; i < count; i++) {
		struct cv_source *source = cv_source_memory(bytes[i], len[i], &err), *none = NULL;

		layers[i] = source ? cv_layer_open(&source, &none, format, &err) : NULL;
		cv_source_close(source);
		if (!layers[i] || layers[i]->size != DISK)
			wrong = layers[i] ? "a new image has another size" : "a new image cannot be opened";
	}
	if (!wrong && !cv_chain_read(&chain, disk, (struct cv_range){ 0, DISK }, &err))
		wrong = "a new image cannot be read";
	for (size_t i = 0; i < DISK && !wrong; i++)
		wrong = disk[i] != guest_byte(node, i) ? "a new image reads differently" : NULL;
	for (size_t i = 0; i < count; i++)
		cv_layer_close(layers[i]);
	return wrong;
}

static bool job_verify(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err)
{
	struct sim *s = disk_now;
	size_t node = node_of(job), count = 1 + job->below_count;
	uint8_t *bytes[2] = { NULL, NULL };
	uint64_t len[2];
	const char *wrong = NULL;

	assert_int_equal(count, node ? 2 : 1);
	if (!watch->tick(watch->ctx, DISK, err))
		return false;
	for (size_t i = 0; i < count && !err->code; i++) {
		struct cv_file_out file = { &s->io, i ? job->below[i - 1] : fd, "a new image" };

		if (!cv_out_size(&file, &len[i], err))
			break;
		bytes[i] = malloc(len[i] + 1);
		assert_non_null(bytes[i]);
		cv_out_read(&file, bytes[i], len[i], 0, err);
	}
	if (!err->code)
		wrong = wrong_chain(job->to, bytes, len, count, node);
	free(bytes[0]);
	free(bytes[1]);
	return wrong ? cv_fail(err, CV_EIO, "%s", wrong) : !err->code;
}

static struct sim *repository(const struct ctx *c)
{
	struct sim *s = sim_new();
	int root = sim_root(s);

	s->reflink = c->reflink;
	for (size_t n = 0; n < NODES; n++) {
		uint8_t bytes[DISK];
		int fd = s->io.openat(&s->io, root, sources[n].name, O_RDWR | O_CREAT | O_EXCL, 0600);

		for (size_t i = 0; i < DISK; i++)
			bytes[i] = sources[n].own[i / UNIT] == 'd' ? byte_of(n, i) : 0;
		assert_int_equal(s->io.pwrite(&s->io, fd, bytes, DISK, 0), DISK);
		s->io.close(&s->io, fd);
	}
	s->io.close(&s->io, root);
	return s;
}

static struct cv_plan_source source_of(struct sim *s, const char *name)
{
	struct cv_plan_source source = { .path = name };
	int root = sim_root(s);
	struct stat st;

	if (s->io.fstatat(&s->io, root, name, &st) == 0)
		source = (struct cv_plan_source){ name, st.st_dev, st.st_ino, (uint64_t)st.st_size,
						  (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	s->io.close(&s->io, root);
	return source;
}

static bool run_plan(struct sim *s, struct ctx *c, const struct cv_plan *plan, struct cv_err *err)
{
	struct cv_operation_result result;
	int root = sim_root(s);
	struct cv_writing w;
	bool ok = cv_writing_open(&w, &s->io, &c->host.host, root, err);

	if (ok) {
		ok = cv_work_run(&w, plan, "convert --tree", NULL, &result, err);
		cv_store_close(&w.store);
	}
	s->io.close(&s->io, root);
	return ok;
}

static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	static const uint32_t chains[NODES][2] = { { 0 }, { 1, 0 }, { 2, 0 } };
	struct ctx *c = ctx;
	struct cv_convert_node nodes[NODES];
	struct cv_convert_tree tree = { nodes, c->nodes };
	struct cv_plan_item items[NODES];
	struct cv_plan_source read[NODES];
	struct cv_plan plan = { .kind = CV_PLAN_CONVERT_TREE, .items = items, .item_count = c->nodes, .sources = read,
				.source_count = c->nodes, .convert_tree = &tree };

	disk_now = s;
	for (uint32_t i = 0; i < c->nodes; i++) {
		items[i] = (struct cv_plan_item){ .path = sources[i].new, .parent = i ? sources[sources[i].parent].new : NULL };
		read[i] = source_of(s, sources[i].name);
		nodes[i] = (struct cv_convert_node){
			.job = { .to = c->to, .target = c->target, .data = DISK, .open = job_open, .verify = job_verify,
				 .image = i, .sources = chains[i], .source_count = i ? 2 : 1 },
			.parent = sources[i].parent, .parent_path = sources[i].parent_path,
		};
	}
	c->done = run_plan(s, c, &plan, err);
	return c->done;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 9, err);
}

static bool has_part(const struct sim *s)
{
	uint32_t stage = sim_lookup(s, CV_STORE_NAME "/stage");

	for (size_t i = 0; stage && i < s->now.len; i++)
		if (s->now.at[i].dir == stage && s->now.at[i].inode)
			return true;
	return false;
}

static const char *look_at_sources(const struct sim *s)
{
	for (size_t n = 0; n < NODES; n++) {
		uint64_t size = 0;
		CV_AUTO(cv_auto_free) uint8_t *bytes = sim_store_bytes(s, sources[n].name, &size);

		if (!bytes || size != DISK)
			return "a source is not what it was";
		for (size_t i = 0; i < DISK; i++)
			if (bytes[i] != (sources[n].own[i / UNIT] == 'd' ? byte_of(n, i) : 0))
				return "a source is not what it was";
	}
	return NULL;
}

static const char *look_at_new(const struct sim *s, const struct ctx *c, size_t *named)
{
	uint8_t *bytes[NODES];
	uint64_t len[NODES];
	const char *wrong = NULL;

	*named = 0;
	for (size_t n = 0; n < NODES; n++) {
		bytes[n] = sim_store_bytes(s, sources[n].new, &len[n]);
		*named += bytes[n] != NULL;
	}
	for (size_t n = 0; n < NODES && !wrong; n++) {
		uint8_t *chain[2] = { bytes[n], bytes[0] };
		uint64_t lens[2] = { len[n], len[0] };

		if (bytes[n] && !bytes[0])
			wrong = "a new image has its name, and its parent has not";
		else if (bytes[n])
			wrong = wrong_chain(c->to, chain, lens, n ? 2 : 1, n);
	}
	for (size_t n = 0; n < NODES; n++)
		free(bytes[n]);
	return wrong;
}

static const char *look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	const char *wrong = look_at_sources(s);
	struct sim_journals done;
	size_t named;

	(void)guest;
	wrong = wrong ? wrong : look_at_new(s, c, &named);
	if (wrong)
		return wrong;
	if (c->done && named != c->nodes)
		return "what was promised to be done is not";
	if (!recovered && !c->done)
		return NULL;
	if (named && named != c->nodes)
		return "a part of the tree is there";
	if (sim_store_journals(s, &c->host, "journal").count)
		return "an operation is still pending";
	done = sim_store_journals(s, &c->host, "done");
	if (!done.sound || (named > 0) != (done.done > 0))
		return "a journal does not say what is so";
	return has_part(s) ? "a half-made file is left" : NULL;
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = *(const struct ctx *)ctx;
	struct crash_scene scene = { "convert-tree", run, recover, look, 0, NULL, &c };
	struct crash_result r = { 0 };
	struct sim *s = repository(&c);

	sim_host_init(&c.host, 5, 1, 1, 4711);
	sim_store_make(s, &c.host);
	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	return r;
}

static const struct cell {
	const char *name;
	enum cv_format_id to;
	struct cv_target_options target;
	size_t nodes;
} cells[] = {
	{ "qcow2", CV_FORMAT_QCOW2, { .size = DISK, .block_size = 512 }, NODES },
	{ "vhd", CV_FORMAT_VHD, { .size = DISK, .block_size = 4096 }, 2 },
	{ "vhdx", CV_FORMAT_VHDX, { .size = DISK, .block_size = 1 << 20 }, 2 },
};

static void all_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(cells); i++) {
		struct ctx c = { .to = cells[i].to, .target = cells[i].target, .reflink = i % 2, .nodes = cells[i].nodes };

		crash_prove(&(struct crash_cell){ "convert-tree", cells[i].name, cells[i].nodes == 2 ? "one on a base" : "two on one base", enumerate, &c,
						  { .seed = 3, .random = 2, .inner = 400, .before = SIM_BARRIERS_OF_OPENING } });
	}
}

static void reset(void *ctx)
{
	struct ctx *c = ctx;

	c->done = false;
	sim_host_init(&c->host, 5, 1, 1, 4711);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors), .reset = reset };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cells); i++) {
		struct ctx c = { .to = cells[i].to, .target = cells[i].target, .reflink = i % 2, .nodes = cells[i].nodes };
		struct crash_scene scene = { cells[i].name, run, recover, look, 0, NULL, &c };
		struct sim *s = repository(&c);

		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s", faults.first);
		sim_free(s);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests_name("conversion of trees on a simulated disk", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Images of every format: their metadata, their tables, their blocks. What is read is the same every time, ends in
 * time and memory that do not depend on what the image says, and reaches only bytes that are there.
 */
#include <chainview/extent.h>
#include <chainview/format.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <unistd.h>
#include "inspect/sandbox/wire.h"
#include "repair/sample/sample.h"
#include "tests/fuzz/image.h"
#include "tests/support/run.h"

#define INPUT_MOST 12288u
#define RECORD_BYTES (1u << 20)
#define MAP_ROUNDS 8
#define MAP_EXTENTS 64
#define READ_BYTES 4096u
#define MAP_FILE_MOST (UINT64_C(4) << 30)
#define TICKS_MOST 100000

static struct sparse file;

/* As the reading process gets it. */
static struct cv_source *open_source(void)
{
	struct cv_err err = { 0 };
	struct cv_source *under = sparse_source(&file, &err);
	struct cv_source *source = under ? cv_source_cached(&under, 32768, 1024, &err) : NULL;

	fuzz_require(source, "%s", err.text);
	return source;
}

static void require_place(struct cv_range r, const char *what)
{
	fuzz_require(cv_range_inside(r, UINT64_MAX), "the place of %s wraps", what);
}

/* What the process that scans would not take from the one that reads. */
static void require_facts(const struct cv_facts *f)
{
	for (uint32_t i = 0; i < f->finding_count; i++) {
		fuzz_require(cv_problem_by_id(f->findings[i].id), "finding %d is none", f->findings[i].id);
		require_place(f->findings[i].where, "a finding");
	}
	for (uint32_t i = 0; i < f->attr_count; i++)
		require_place(f->attrs[i].where, cv_attr_rows[f->attrs[i].id].key);
	for (uint32_t i = 0; i < f->name_count; i++) {
		require_place(f->names[i].where, "a name");
		fuzz_require(f->names[i].kind == CV_NAME_OPAQUE || f->names[i].kind == CV_NAME_EXTERNAL ||
			     f->names[i].path.len, "a name that leads nowhere");
	}
}

/* The facts of the image; the caller frees them. */
static struct cv_facts *read_facts(enum cv_format_id format, bool *ok)
{
	struct cv_source *source = open_source();
	struct cv_facts *facts = cv_facts_new();
	struct cv_err err = { 0 };

	fuzz_require(facts, "no memory");
	*ok = cv_image_read(source, format, facts, &err);
	fuzz_require(*ok == (err.code == CV_OK), "an error without a reason");
	fuzz_require_shown(cv_bytes_of(err.text), false);
	require_facts(facts);
	cv_source_close(source);
	return facts;
}

/* Reading it again says the same. */
static void require_same(enum cv_format_id format, const struct cv_facts *facts)
{
	static uint8_t once[RECORD_BYTES], twice[RECORD_BYTES];
	bool ok;
	struct cv_facts *again = read_facts(format, &ok);
	size_t n = cv_wire_encode(once, sizeof once, 0, facts, NULL), m = cv_wire_encode(twice, sizeof twice, 0, again, NULL);

	fuzz_require(n == m && !memcmp(once, twice, n), "read twice, it says something else");
	cv_facts_free(again);
}

static void run_read(enum cv_format_id format, const uint8_t *at, size_t len)
{
	struct cv_facts *facts;
	bool ok;

	sparse_decode(&file, at, len);
	facts = read_facts(format, &ok);
	if (len % 16 == 0)
		require_same(format, facts);
	cv_facts_free(facts);
}

static void read_bytes(const struct cv_chain *chain, uint64_t off, uint64_t len)
{
	static uint8_t buf[READ_BYTES];
	struct cv_err err = { 0 };

	if (len > sizeof buf)
		len = sizeof buf;
	if (!cv_chain_read(chain, buf, (struct cv_range){ off, len }, &err))
		fuzz_require_shown(cv_bytes_of(err.text), false);
}

static void describe(struct cv_layer *layer, uint64_t off)
{
	struct cv_text lines = { 0 };
	struct cv_err err = { 0 };

	if (layer->ops->describe && layer->ops->describe(layer, off, &lines, &err))
		fuzz_require_shown((struct cv_bytes){ cv_text_str(&lines), lines.len }, true);
	cv_text_fini(&lines);
}

/* Data lie in the file; what is compressed begins there. */
static void require_extents(const struct cv_layer *layer, const struct cv_extents *list)
{
	for (size_t i = 0; i < list->len; i++) {
		const struct cv_extent *e = &list->at[i];

		fuzz_require(e->kind != CV_EXTENT_DATA ||
			     cv_range_inside((struct cv_range){ e->host, e->compressed ? 1 : e->at.len }, layer->source->size),
			     "data at %" PRIu64 " of a file of %" PRIu64, e->host, layer->source->size);
	}
}

/* All of it at once: a layer gives a part of the answer when it would take too long. */
static void walk_layer(struct cv_layer *layer)
{
	struct cv_extents list = { .max = MAP_EXTENTS };
	struct cv_err err = { 0 };

	if (cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err))
		require_extents(layer, &list);
	fuzz_require_shown(cv_bytes_of(err.text), false);
	cv_extents_fini(&list);
}

/* How much of the disk is asked for in a round: as maps do, more and more. */
static uint64_t window(const struct cv_layer *layer, int round, uint64_t at)
{
	uint64_t len = (UINT64_C(64) << 20) << 2 * round, most = (uint64_t)layer->block_size << 20;

	if (most && len > most)
		len = most;
	return len < layer->size - at ? len : layer->size - at;
}

/* A chain of the image on itself, from the beginning, and in the end where the disk ends. */
static void walk_chain(struct cv_layer *layer)
{
	struct cv_layer *layers[] = { layer, layer };
	struct cv_chain chain = { .layers = layers, .count = 2 };
	struct cv_extents list = { .max = MAP_EXTENTS };
	struct cv_err err = { 0 };
	uint64_t at = 0;

	for (int round = 0; round < MAP_ROUNDS && at < layer->size; round++) {
		if (!cv_chain_extents(&chain, (struct cv_range){ at, window(layer, round, at) }, &list, &err))
			break;
		fuzz_require(list.len && cv_extents_end(&list) > at, "the map stands still at %" PRIu64, at);
		require_extents(layer, &list);
		for (size_t i = 0; i < list.len; i += 1 + list.len / 4)
			read_bytes(&chain, list.at[i].at.off, list.at[i].at.len);
		describe(layer, at);
		at = cv_extents_end(&list);
		if (round == MAP_ROUNDS / 2 && at < layer->size)
			at = layer->size - 1 - (layer->size - 1 - at) % 65536;
	}
	fuzz_require_shown(cv_bytes_of(err.text), false);
	cv_extents_fini(&list);
}

static void run_blocks(enum cv_format_id format, const uint8_t *at, size_t len)
{
	struct cv_source *source, *none = NULL;
	struct cv_err err = { 0 };
	struct cv_layer *layer;

	/* A map reads all of a table, which may be as large as the file. */
	sparse_decode(&file, at, len);
	file.size %= MAP_FILE_MOST;
	source = sparse_source(&file, &err);
	fuzz_require(source, "%s", err.text);
	layer = cv_layer_open(&source, &none, format, &err);
	fuzz_require((layer != NULL) == (err.code == CV_OK), "an error without a reason");
	fuzz_require_shown(cv_bytes_of(err.text), false);
	if (layer) {
		walk_layer(layer);
		walk_chain(layer);
	}
	cv_layer_close(layer);
}

static bool count_tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	unsigned *ticks = c->ctx;

	(void)err;
	fuzz_require(done <= total, "%" PRIu64 " of %" PRIu64 " are done", done, total);
	fuzz_require(++*ticks < TICKS_MOST, "it does not end");
	return true;
}

static void check_tables(const struct cv_format *format, struct cv_facts *facts)
{
	struct cv_source *source = open_source();
	unsigned ticks = 0;
	struct cv_checking c = { .source = source, .facts = facts, .tick = count_tick, .ctx = &ticks };
	struct cv_err err = { 0 };
	bool ok = format->check(&c, &err);

	fuzz_require(ok == (err.code == CV_OK), "an error without a reason");
	fuzz_require_shown(cv_bytes_of(err.text), false);
	require_facts(facts);
	cv_source_close(source);
}

static void run_check(enum cv_format_id id, const uint8_t *at, size_t len)
{
	const struct cv_format *format = cv_format_by_id(id);
	struct cv_facts *facts, *again;
	bool ok;

	if (!format->check)
		return;
	sparse_decode(&file, at, len);
	facts = read_facts(id, &ok);
	if (ok)
		check_tables(format, facts);
	if (ok && len % 16 == 0) {
		static uint8_t once[RECORD_BYTES], twice[RECORD_BYTES];
		size_t n = cv_wire_encode(once, sizeof once, 0, facts, NULL);

		again = read_facts(id, &ok);
		check_tables(format, again);
		fuzz_require(n == cv_wire_encode(twice, sizeof twice, 0, again, NULL) && !memcmp(once, twice, n),
			     "checked twice, it says something else");
		cv_facts_free(again);
	}
	cv_facts_free(facts);
}

/* What nobody has declared: probed, and as each format in turn. */
static void run_probe(const uint8_t *at, size_t len)
{
	for (int format = CV_FORMAT_NONE; format < CV_FORMAT_COUNT; format++)
		run_read((enum cv_format_id)format, at, len);
}

/* --- seeds: the images of all samples ------------------------------------------------------------------- */

struct seed { uint8_t *at; size_t len; enum cv_format_id format; };
CV_VEC(seed_vec, struct seed);

/* Made once, and kept for the targets that come after. */
static struct seed_vec samples;

static enum cv_format_id format_of(const struct seed *seed)
{
	struct cv_err err = { 0 };
	struct cv_source *source;
	const struct cv_format *format;

	sparse_decode(&file, seed->at, seed->len);
	source = sparse_source(&file, &err);
	format = source ? cv_format_probe(source) : NULL;
	cv_source_close(source);
	return format ? format->id : CV_FORMAT_NONE;
}

static int take_image(const char *path, const struct stat *st, int type, struct FTW *where)
{
	CV_AUTO(cv_auto_close) int fd = -1;
	struct seed seed = { 0 };

	(void)where;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	seed.at = fd < 0 ? NULL : sparse_of_file(fd, INPUT_MOST, &seed.len);
	if (!seed.at)
		return 0;
	seed.format = format_of(&seed);
	fuzz_require(seed_vec_push(&samples, seed), "no memory");
	return 0;
}

static void make_samples(void)
{
	char *folder = cv_test_folder();

	for (const char *const *name = cv_sample_names(); *name; name++) {
		struct cv_err err = { 0 };
		char *path = NULL;

		if (asprintf(&path, "%s/%s", folder, *name) > 0)
			cv_sample_build(*name, path, &err);
		free(path);
	}
	nftw(folder, take_image, 16, FTW_PHYS);
	cv_test_folder_remove(folder);
}

static void image_seeds(struct fuzz_seeds *s, enum cv_format_id format)
{
	if (!samples.len)
		make_samples();
	for (size_t i = 0; i < samples.len; i++)
		if (format == CV_FORMAT_NONE || format == samples.at[i].format)
			s->keep(s, samples.at[i].at, samples.at[i].len);
}

#define IMAGE_TARGET(target, how, id) \
	static void run_##target(const uint8_t *at, size_t len) \
	{ \
		run_##how(id, at, len); \
	} \
	static size_t mutate_##target(uint8_t *at, size_t len, size_t max, struct fuzz_dice *d) \
	{ \
		return fuzz_image_mutate(id, at, len, max, d); \
	} \
	static void seeds_##target(struct fuzz_seeds *s) \
	{ \
		image_seeds(s, id); \
	} \
	const struct fuzz_target fuzz_target_##target = { \
		.name = #target, .max = INPUT_MOST, .run = run_##target, .mutate = mutate_##target, .seeds = seeds_##target, \
	};

#define FORMAT_TARGETS(name, id) \
	IMAGE_TARGET(name, read, id) IMAGE_TARGET(name##_blocks, blocks, id) IMAGE_TARGET(name##_check, check, id)

FORMAT_TARGETS(vhd, CV_FORMAT_VHD)
FORMAT_TARGETS(vhdx, CV_FORMAT_VHDX)
FORMAT_TARGETS(qcow2, CV_FORMAT_QCOW2)
FORMAT_TARGETS(qcow, CV_FORMAT_QCOW)

static size_t mutate_probe(uint8_t *at, size_t len, size_t max, struct fuzz_dice *d)
{
	return fuzz_image_mutate((enum cv_format_id)(1 + fuzz_below(d, CV_FORMAT_COUNT - 1)), at, len, max, d);
}

static void seeds_probe(struct fuzz_seeds *s)
{
	image_seeds(s, CV_FORMAT_NONE);
}

const struct fuzz_target fuzz_target_probe = {
	.name = "probe", .max = INPUT_MOST, .run = run_probe, .mutate = mutate_probe, .seeds = seeds_probe,
};

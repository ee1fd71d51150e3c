/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See sim_forest.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "repair/io/source.h"
#include "repair/sample/maker.h"
#include "tests/support/run.h"
#include "tests/support/sim_forest.h"
#include "tests/support/simdisk_io.h"
#include <chainview/extent.h>
#include <chainview/format.h>

enum { MOST_BLOCKS = 256 };

/* What an image is made of. Sizes in bytes; a disk has from least to most blocks. */
struct species {
	enum cv_format_id format;
	const char *ending, *words;
	uint32_t block, least, most;
	bool partial;                /* a block may have only its first sectors */
	bool zeros, compressed;
	bool whole;                  /* all of it is one block */
};

static const struct species vhd_small = { CV_FORMAT_VHD, "vhd", "creator=win block=8K", 8192, 2, 8, true, false, false, false };
static const struct species vhd_tap = { CV_FORMAT_VHD, "vhd", "creator=tap block=64K", 65536, 32, 32, true, false, false, false };
static const struct species vhd_fixed = { CV_FORMAT_VHD, "vhd", "fixed creator=win", 8192, 2, 8, false, false, false, true };
static const struct species qcow2_small = { CV_FORMAT_QCOW2, "qcow2", "cluster=512", 512, 20, 130, false, true, true, false };
static const struct species qcow2_4k = { CV_FORMAT_QCOW2, "qcow2", "cluster=4K", 4096, 4, 20, false, true, true, false };
static const struct species qcow2_old = { CV_FORMAT_QCOW2, "qcow2", "cluster=1K version=2", 1024, 10, 60, false, false, true, false };
static const struct species raw = { CV_FORMAT_RAW, "raw", "block=4K", 4096, 4, 16, false, false, false, false };
static const struct species vhdx = { CV_FORMAT_VHDX, "vhdx", "block=1M", 1 << 20, 2, 3, true, false, false, false };

struct family {
	const char *name;
	const struct species *bases[4], *children[4];
};

static const struct family families[FOREST_FAMILIES] = {
	{ "vhd", { &vhd_small, &vhd_fixed }, { &vhd_small } },
	{ "vhd on raw", { &raw }, { &vhd_small } },
	{ "qcow2", { &qcow2_small, &qcow2_4k, &qcow2_old }, { &qcow2_small, &qcow2_4k, &qcow2_old } },
	{ "qcow2 on others", { &raw, &vhd_small, &vhd_fixed }, { &qcow2_small, &qcow2_4k, &qcow2_old } },
	{ "vhd of tap", { &vhd_tap }, { &vhd_tap } },
	{ "vhdx", { &vhdx }, { &vhdx } },
};

const char *forest_family(unsigned family)
{
	return families[family].name;
}

uint32_t forest_random(struct forest *f, uint32_t below)
{
	return cv_test_random(&f->seed, below);
}

/* --- the model ------------------------------------------------------------------------------------------- */

unsigned forest_children(const struct forest *f, int image)
{
	unsigned n = 0;

	for (int i = 0; i < f->count; i++)
		n += f->image[i].there && f->image[i].parent == image;
	return n;
}

bool forest_is_leaf(const struct forest *f, int image)
{
	return f->image[image].there && !forest_children(f, image);
}

int forest_find(const struct forest *f, const char *name)
{
	for (int i = 0; i < f->count; i++)
		if (f->image[i].there && !strcmp(f->image[i].name, name))
			return i;
	return -1;
}

void forest_reads_as(struct forest_image *image, const struct forest_image *other)
{
	uint64_t both = image->size < other->size ? image->size : other->size;

	memset(image->truth, 0, (size_t)image->size);
	memcpy(image->truth, other->truth, (size_t)both);
}

struct forest forest_copy(const struct forest *f)
{
	struct forest copy = *f;

	copy.recipe = (struct cv_text){ 0 };
	for (int i = 0; i < f->count; i++) {
		copy.image[i].truth = malloc((size_t)f->image[i].size + 1);
		assert_non_null(copy.image[i].truth);
		memcpy(copy.image[i].truth, f->image[i].truth, (size_t)f->image[i].size);
	}
	return copy;
}

void forest_fini(struct forest *f)
{
	for (int i = 0; i < f->count; i++)
		free(f->image[i].truth);
	cv_text_fini(&f->recipe);
	f->count = 0;
}

/* --- making ---------------------------------------------------------------------------------------------- */

/* An image that is being made. */
struct making {
	struct forest *f;
	struct forest_image *image;
	const struct species *is;
	struct cv_text line;
	unsigned round;
	uint32_t sectors;            /* of each block that are there; 0: all */
	uint32_t pattern;
	bool put[MOST_BLOCKS];
};

static const struct species *choose(struct forest *f, const struct species *const *list)
{
	uint32_t n = 0;

	while (n < 4 && list[n])
		n++;
	return list[forest_random(f, n)];
}

static void put_block(struct making *k, uint32_t block)
{
	uint64_t off = (uint64_t)block * k->is->block, there = k->sectors ? k->sectors * UINT64_C(512) : k->is->block;
	uint64_t pattern = k->pattern < there ? k->pattern : there;

	/* a raw file is written where the data are, and nowhere else */
	if (k->is->format != CV_FORMAT_RAW)
		memset(k->image->truth + off, 0, (size_t)there);
	cv_sample_pattern(k->image->name, block, k->round, k->image->truth + off, (size_t)pattern);
}

/* One option with a list of blocks of which each is there with a chance of one in odds. */
static void put_blocks(struct making *k, const char *word, uint32_t odds, bool zeros)
{
	uint32_t blocks = k->is->whole ? 1 : (uint32_t)(k->image->size / k->is->block);
	bool any = false;

	for (uint32_t i = 0; i < blocks; i++) {
		if (forest_random(k->f, odds) || (k->put[i] && !zeros))
			continue;
		k->put[i] = true;
		cv_text_addf(&k->line, "%s%" PRIu32, any ? "," : word, i);
		k->round += !any && !zeros;
		any = true;
		if (zeros)
			memset(k->image->truth + (size_t)i * k->is->block, 0, k->is->block);
		else
			put_block(k, i);
	}
}

static struct cv_facts *facts_of(struct sim *s, const char *name)
{
	char path[64];
	int root = sim_root(s), folder = s->io.openat(&s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0), fd;
	struct cv_facts *facts = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source;

	snprintf(path, sizeof path, "%s", name);
	fd = s->io.openat(&s->io, folder, path, O_RDONLY, 0);
	source = cv_io_source(&s->io, fd, &err);
	if (!facts || !source || !cv_image_read(source, CV_FORMAT_NONE, facts, &err))
		fail_msg("%s: %s", name, err.text);
	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, folder);
	s->io.close(&s->io, root);
	return facts;
}

/* What it says of its parent, which was not made with it. */
static void name_parent(struct making *k, const struct forest_image *parent)
{
	static const char *const drivers[CV_FORMAT_COUNT] = {
		[CV_FORMAT_RAW] = "raw", [CV_FORMAT_VHD] = "vpc", [CV_FORMAT_QCOW2] = "qcow2", [CV_FORMAT_VHDX] = "vhdx",
	};
	struct cv_facts *facts;

	cv_text_addf(&k->line, " parent=%s", parent->name);
	if (k->is->format == CV_FORMAT_QCOW2) {
		cv_text_addf(&k->line, " parent-format=%s", drivers[parent->format]);
		return;
	}
	facts = facts_of(k->f->s, parent->name);
	if (parent->format == CV_FORMAT_RAW)
		cv_text_add(&k->line, " parent-uuid=null");
	else
		cv_text_addf(&k->line, " parent-uuid=%s", cv_uuid_str(facts->uuid).s);
	cv_facts_free(facts);
}

static void give_size(struct making *k, const struct forest_image *parent)
{
	uint32_t block = k->is->block, blocks = k->is->least + forest_random(k->f, k->is->most - k->is->least + 1);

	k->image->size = (uint64_t)block * blocks;
	/* mostly as large as its parent */
	if (parent && (parent->size % block == 0) && forest_random(k->f, 5))
		k->image->size = parent->size;
	if (parent && parent->size > k->image->size)
		k->image->size = (parent->size + block - 1) / block * block;
	k->image->truth = calloc(1, (size_t)k->image->size + 1);
	assert_non_null(k->image->truth);
	if (parent)
		forest_reads_as(k->image, parent);
}

static void give_content(struct making *k)
{
	struct forest *f = k->f;
	uint32_t odds = 1 + forest_random(f, k->is->block < 2048 ? 12 : 4);

	if (k->is->partial && forest_random(f, 2))
		k->sectors = 1 + forest_random(f, k->is->block / 512 < 64 ? k->is->block / 512 : 64);
	k->pattern = forest_random(f, 2) ? 512 * (1 + forest_random(f, 4)) : k->is->block < 65536 ? k->is->block : 65536;
	if (k->is->format == CV_FORMAT_VHDX && k->sectors && k->image->parent >= 0) {
		cv_text_addf(&k->line, " pattern=%" PRIu32 " sectors=%" PRIu32, k->pattern, k->sectors);
		put_blocks(k, " partial=", 2, false);
		return;
	}
	k->sectors = k->is->format == CV_FORMAT_VHDX ? 0 : k->sectors;
	cv_text_addf(&k->line, " pattern=%" PRIu32, k->pattern);
	if (k->sectors)
		cv_text_addf(&k->line, " sectors=%" PRIu32, k->sectors);
	/* what is half of it zeros becomes smaller */
	if (k->is->compressed && 2 * k->pattern <= k->is->block && !forest_random(f, 2))
		put_blocks(k, " compressed=", 4, false);
	put_blocks(k, " blocks=", odds, false);
	if (k->is->zeros && !forest_random(f, 2))
		put_blocks(k, " zeros=", 6, true);
}

bool forest_add(struct forest *f, int parent)
{
	const struct family *family = &families[f->family];
	struct making k = { .f = f, .image = &f->image[f->count], .is = choose(f, parent < 0 ? family->bases : family->children) };
	const struct forest_image *below = parent < 0 ? NULL : &f->image[parent];
	struct cv_err err = { .code = CV_OK };
	int root, folder;

	if (f->count == FOREST_IMAGES)
		return false;
	*k.image = (struct forest_image){ .format = k.is->format, .parent = parent, .there = true };
	snprintf(k.image->name, sizeof k.image->name, "i%d.%s", f->count, k.is->ending);
	give_size(&k, below);
	cv_text_addf(&k.line, "%s %s %s size=%" PRIu64, k.is->ending, k.image->name, k.is->words, k.image->size);
	if (parent < 0 && (k.is == &vhd_small || k.is == &vhd_tap))
		cv_text_add(&k.line, " dynamic");
	if (below)
		name_parent(&k, below);
	give_content(&k);
	cv_text_add(&k.line, "\n");
	f->count++;
	cv_text_add(&f->recipe, cv_text_str(&k.line));
	root = sim_root(f->s);
	folder = f->s->io.openat(&f->s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0);
	if (!cv_maker_run(&f->s->io, folder, "forest", cv_text_str(&k.line), &err))
		fail_msg("%s: %s", cv_text_str(&k.line), err.text);
	f->s->io.close(&f->s->io, folder);
	f->s->io.close(&f->s->io, root);
	cv_text_fini(&k.line);
	return true;
}

void forest_grow(struct forest *f, unsigned family, uint32_t seed, unsigned images)
{
	int root;

	*f = (struct forest){ .s = sim_new(), .seed = seed * 2654435761u + family, .family = family };
	root = sim_root(f->s);
	assert_int_equal(f->s->io.mkdirat(&f->s->io, root, SIM_REPOSITORY + 1, 0700), 0);
	f->s->io.close(&f->s->io, root);
	forest_add(f, -1);
	while ((unsigned)f->count < images)
		forest_add(f, forest_random(f, 3) ? f->count - 1 : (int)forest_random(f, (uint32_t)f->count));
	sim_settle(f->s);
}

/* --- a guest --------------------------------------------------------------------------------------------- */

static void write_at(struct forest *f, const struct forest_image *image, uint64_t host, const uint8_t *bytes, size_t len)
{
	struct sim *s = f->s;
	int root = sim_root(s), folder = s->io.openat(&s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0);
	int fd = s->io.openat(&s->io, folder, image->name, O_RDWR, 0);

	assert_int_equal(s->io.pwrite(&s->io, fd, bytes, len, host), len);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, folder);
	s->io.close(&s->io, root);
	sim_settle(s);
}

static struct cv_layer *layer_of(struct forest *f, const struct forest_image *image, int *fd)
{
	struct sim *s = f->s;
	int root = sim_root(s), folder = s->io.openat(&s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0);
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source;
	struct cv_layer *layer;

	*fd = s->io.openat(&s->io, folder, image->name, O_RDONLY, 0);
	source = cv_io_source(&s->io, *fd, &err);
	layer = source ? cv_layer_open(&source, NULL, image->format, &err) : NULL;
	if (!layer)
		fail_msg("%s: %s", image->name, err.text);
	s->io.close(&s->io, folder);
	s->io.close(&s->io, root);
	return layer;
}

bool forest_write(struct forest *f, int image)
{
	struct forest_image *m = &f->image[image];
	struct cv_extents list = { .max = 0 };
	struct cv_err err = { .code = CV_OK };
	struct cv_extent found = { .at = { 0, 0 } };
	uint8_t bytes[700];
	uint64_t at;
	unsigned seen = 0;
	size_t len;
	int fd;
	struct cv_layer *layer = layer_of(f, m, &fd);

	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	for (size_t i = 0; i < list.len; i++)
		if (list.at[i].kind == CV_EXTENT_DATA && list.at[i].placed && !list.at[i].compressed && !forest_random(f, ++seen))
			found = list.at[i];
	cv_extents_fini(&list);
	cv_layer_close(layer);
	f->s->io.close(&f->s->io, fd);
	if (!seen)
		return false;
	at = forest_random(f, (uint32_t)found.at.len);
	len = 1 + forest_random(f, sizeof bytes);
	len = len < found.at.len - at ? len : (size_t)(found.at.len - at);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)forest_random(f, 256);
	write_at(f, m, found.host + at, bytes, len);
	memcpy(m->truth + found.at.off + at, bytes, len);
	return true;
}

/* --- looking --------------------------------------------------------------------------------------------- */

bool forest_read(const struct sim_house *h, uint32_t image, uint8_t *bytes, uint64_t size, struct cv_err *err)
{
	struct cv_layer *layers[FOREST_IMAGES] = { NULL };
	size_t count = 0;
	bool ok = true;

	for (; ok && image != CV_NO_IMAGE && count < FOREST_IMAGES; image = h->graph->images[image].parent) {
		const struct cv_image *m = &h->graph->images[image];
		struct cv_source *source = sim_scan_source(m->file);

		layers[count] = cv_layer_open(&source, NULL, m->format, err);
		ok = layers[count++] != NULL;
	}
	if (ok && layers[0]->size != size)
		ok = cv_fail(err, CV_EFORMAT, "it is of %" PRIu64 " bytes, not %" PRIu64, layers[0]->size, size);
	ok = ok && cv_chain_read(&(struct cv_chain){ layers, count, false }, bytes, (struct cv_range){ 0, size }, err);
	for (size_t i = 0; i < count; i++)
		cv_layer_close(layers[i]);
	return ok;
}

static const char *look_at(struct forest_image *m, const struct sim_house *h, uint32_t image)
{
	uint64_t size = h->graph->images[image].virtual_size;
	struct cv_err err = { .code = CV_OK };
	static char wrong[sizeof err.text + 64];
	uint8_t *bytes;

	if (m->loose && size != m->size) {
		free(m->truth);
		m->truth = calloc(1, (size_t)size + 1);
		m->size = size;
	}
	bytes = malloc((size_t)m->size + 1);
	assert_true(m->truth && bytes);
	wrong[0] = '\0';
	if (!forest_read(h, image, bytes, m->size, &err))
		snprintf(wrong, sizeof wrong, "%s: %s", m->name, err.text);
	else if (m->loose)
		memcpy(m->truth, bytes, (size_t)m->size);
	else if (memcmp(bytes, m->truth, (size_t)m->size) != 0)
		snprintf(wrong, sizeof wrong, "%s reads otherwise", m->name);
	free(bytes);
	return *wrong ? wrong : NULL;
}

const char *forest_look(struct forest *f, const struct sim_house *h)
{
	size_t there = 0;

	for (int i = 0; i < f->count; i++) {
		struct forest_image *m = &f->image[i];
		uint32_t image = sim_house_image(h, m->name), parent;
		const char *wrong;

		if (!m->there)
			continue;
		there++;
		if (image == CV_NO_IMAGE)
			return "an image is gone";
		parent = h->graph->images[image].parent;
		if ((parent == CV_NO_IMAGE) != (m->parent < 0) ||
		    (m->parent >= 0 && strcmp(h->graph->images[parent].id, f->image[m->parent].name) != 0))
			return "an image stands on another";
		wrong = look_at(m, h, image);
		if (wrong)
			return wrong;
	}
	return there == h->graph->image_count ? NULL : "there is an image too many";
}

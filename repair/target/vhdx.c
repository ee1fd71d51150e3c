/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX as a target. The BAT has a known place and is filled in ascending order, so a piece of it is all that is held.
 */
#include "repair/target/target.h"
#include "repair/vhdx/encode.h"

#define GIB  (UINT64_C(1) << 30)
#define NONE UINT64_MAX

enum { PAGE = 4096, SECTOR = 512, WINDOW = 1 << 17 }; /* entries of the BAT that are held: 1 MiB */
/* Of images with a parent: blocks as Hyper-V has them; the state of a sector bitmap; bytes of a path. */
enum { OVERLAY_BLOCK = 2 << 20, BITMAP_PRESENT = 6, PATH_MOST = 8192 };

/* Of an image with a parent: which sectors of the present chunk are here. One sector bitmap is for one chunk. */
struct vhdx_chunk {
	uint8_t *bitmap;         /* CV_VHDX_MIB; NULL without a parent */
	uint64_t number;         /* NONE before the first */
	bool any;                /* a block of it is here in part: the bitmap is needed */
	uint64_t block, sectors; /* the block that comes now (or NONE), and how many of its sectors are here */
};

struct vhdx_target {
	struct cv_vhdx_image image;
	struct cv_vhdx_layout layout;
	cv_le64 *bat;    /* a window on it, as it will lie in the file */
	uint64_t window; /* which one, NONE before the first */
	uint64_t end;    /* of the file: where the next block goes */
	struct vhdx_chunk chunk;
	struct cv_text locator;
};

/* As qemu-img chooses. */
static uint32_t default_block(uint64_t size)
{
	static const struct {
		uint64_t above;
		uint32_t block;
	} rows[] = { { 32768 * GIB, 64 << 20 }, { 100 * GIB, 32 << 20 }, { GIB, 16 << 20 }, { 0, 8 << 20 } };
	size_t i = 0;

	while (i + 1 < CV_COUNT(rows) && size <= rows[i].above)
		i++;
	return rows[i].block;
}

static bool name_parent(struct vhdx_target *v, const struct cv_target_parent *parent, struct cv_err *err)
{
	if (!cv_utf8_valid(cv_bytes_of(parent->path)))
		return cv_fail(err, CV_ELIMIT, "the parent's path is not UTF-8: a VHDX cannot record it");
	if (strlen(parent->path) > PATH_MOST)
		return cv_fail(err, CV_ELIMIT, "the parent's path is longer than %d bytes", PATH_MOST);
	cv_vhdx_add_locator(&v->locator, parent->uuid, parent->path);
	v->image.has_parent = true;
	v->image.locator = (struct cv_bytes){ v->locator.at, v->locator.len };
	return !v->locator.failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool plan(struct cv_target *t, struct vhdx_target *v, struct cv_err *err)
{
	const struct cv_target_options *o = &t->options;
	uint64_t log = ((uint64_t)o->log_size + CV_VHDX_MIB - 1) / CV_VHDX_MIB * CV_VHDX_MIB;

	if (log > UINT32_MAX)
		return cv_fail(err, CV_EUSAGE, "log_size=%" PRIu32 ": a log has at most 4095 MiB", o->log_size);
	v->image = (struct cv_vhdx_image){
		.size = o->size,
		.block_size = o->block_size ? o->block_size : o->parent ? OVERLAY_BLOCK : default_block(o->size),
		.log_size = log ? (uint32_t)log : CV_VHDX_MIB,
		.logical_sector = SECTOR,
		.physical_sector = PAGE,
		.keep_blocks = o->fixed,
		.sequence = 1,
		.creator = "chainview",
	};
	memcpy(v->image.data_write, o->uuids[0], sizeof v->image.data_write);
	memcpy(v->image.disk_id, o->uuids[1], sizeof v->image.disk_id);
	memcpy(v->image.file_write, o->uuids[2], sizeof v->image.file_write);
	if (o->parent && !name_parent(v, o->parent, err))
		return false;
	if (!cv_target_fixed_preallocates(t, err) || !cv_vhdx_plan_layout(&v->image, &v->layout, err))
		return false;
	v->end = v->layout.data_off;
	t->unit = o->fixed ? PAGE : v->image.block_size;
	t->grain = SECTOR;
	return true;
}

static bool vhdx_begin(struct cv_target *t, struct cv_err *err)
{
	struct vhdx_target *v = t->state = calloc(1, sizeof *v);

	if (!v)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!plan(t, v, err))
		return false;
	v->window = v->chunk.number = v->chunk.block = NONE;
	v->bat = calloc(WINDOW, sizeof *v->bat);
	v->chunk.bitmap = v->bat && t->options.parent ? calloc(1, CV_VHDX_MIB) : NULL;
	return (v->bat && (v->chunk.bitmap || !t->options.parent)) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool leave_window(const struct cv_target *t, struct vhdx_target *v, struct cv_err *err)
{
	uint64_t first = v->window * WINDOW, count = WINDOW;

	if (v->window == NONE)
		return true;
	if (count > v->layout.entries - first)
		count = v->layout.entries - first;
	return cv_out_write_sparse(t->out, v->bat, count * sizeof *v->bat, v->layout.bat_off + first * sizeof *v->bat,
				   err);
}

/* An entry of the BAT; windows are entered in ascending order. */
static bool enter_index(const struct cv_target *t, uint64_t index, cv_le64 **entry, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	uint64_t window = index / WINDOW;

	*entry = &v->bat[index % WINDOW];
	if (window == v->window)
		return true;
	if (v->window != NONE && window < v->window)
		return cv_fail(err, CV_EUSAGE, "entry %" PRIu64 " of the BAT does not come in ascending order", index);
	if (!leave_window(t, v, err))
		return false;
	memset(v->bat, 0, WINDOW * sizeof *v->bat);
	v->window = window;
	return true;
}

static bool enter(const struct cv_target *t, uint64_t block, cv_le64 **entry, struct cv_err *err)
{
	struct vhdx_target *v = t->state;

	return enter_index(t, cv_vhdx_entry_of(&v->layout, block), entry, err);
}

/* Where the block lies; it gets the next place if it has none. */
static bool map(const struct cv_target *t, uint64_t block, uint64_t *at, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	cv_le64 *entry;

	if (!enter(t, block, &entry, err))
		return false;
	if (!cv_le64_get(*entry)) {
		*entry = cv_le64_of(v->end | CV_VHDX_FULL);
		v->end += v->image.block_size;
	}
	*at = cv_le64_get(*entry) & ~(uint64_t)CV_VHDX_FULL;
	return true;
}

/* No more of the present block will come: it is here as a whole, or in part. */
static bool leave_block(const struct cv_target *t, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	struct vhdx_chunk *c = &v->chunk;
	uint64_t size = v->image.block_size, off = c->block * size;
	cv_le64 *entry;

	if (c->block == NONE)
		return true;
	if (!enter(t, c->block, &entry, err))
		return false;
	if (c->sectors * SECTOR < size && off + c->sectors * SECTOR < v->image.size) {
		*entry = cv_le64_of((cv_le64_get(*entry) & ~(uint64_t)CV_VHDX_FULL) | CV_VHDX_PARTIAL);
		c->any = true;
	}
	c->block = NONE;
	return true;
}

/* Its sector bitmap comes behind its blocks, and the entry for that behind theirs. */
static bool leave_chunk(const struct cv_target *t, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	struct vhdx_chunk *c = &v->chunk;
	cv_le64 *entry;

	if (!leave_block(t, err))
		return false;
	if (c->any) {
		if (!enter_index(t, (c->number + 1) * (v->layout.ratio + 1) - 1, &entry, err) ||
		    !cv_out_write_sparse(t->out, c->bitmap, CV_VHDX_MIB, v->end, err))
			return false;
		*entry = cv_le64_of(v->end | BITMAP_PRESENT);
		v->end += CV_VHDX_MIB;
	}
	c->any = false;
	return true;
}

static bool enter_block(const struct cv_target *t, uint64_t block, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	struct vhdx_chunk *c = &v->chunk;
	uint64_t chunk = block / v->layout.ratio;

	if (block == c->block)
		return true;
	if (chunk == c->number)
		return leave_block(t, err);
	if (!leave_chunk(t, err))
		return false;
	memset(c->bitmap, 0, CV_VHDX_MIB);
	c->number = chunk;
	return true;
}

/* A block that came before, or that is zero, has its entry already. */
static bool begin_block(struct cv_target *t, uint64_t block, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	cv_le64 *entry;

	if (block == v->chunk.block)
		return true;
	if (!enter_block(t, block, err) || !enter(t, block, &entry, err))
		return false;
	v->chunk.block = block;
	v->chunk.sectors = 0;
	return !cv_le64_get(*entry) || cv_fail(err, CV_EUSAGE, "block %" PRIu64 " does not come in ascending order", block);
}

/* With a parent: what is asked for is here, and nothing else. */
static bool place_sectors(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	struct vhdx_chunk *c = &v->chunk;
	uint64_t size = v->image.block_size, block = range.off / size, inside = range.off % size, bit;

	if (!begin_block(t, block, err) || !map(t, block, host, err))
		return false;
	*host += inside;
	*run = range.len < size - inside ? range.len : size - inside;
	bit = block % v->layout.ratio * (size / SECTOR) + inside / SECTOR;
	for (uint64_t end = bit + *run / SECTOR; bit < end; bit++) {
		c->sectors += !(c->bitmap[bit / 8] >> bit % 8 & 1);
		c->bitmap[bit / 8] |= (uint8_t)(1 << bit % 8);
	}
	return true;
}

/* Blocks as a whole need no place. */
static bool vhdx_zero(struct cv_target *t, struct cv_range range, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	uint64_t size = v->image.block_size;
	cv_le64 *entry;

	if (!cv_target_on_disk(t, range, err))
		return false;
	for (uint64_t len; range.len; range.off += len, range.len -= len) {
		uint64_t block = range.off / size, left = size - range.off % size;

		len = range.len < left ? range.len : left;
		if (range.off % size || (len < size && range.off + len < v->image.size)) {
			if (!cv_target_place_zeros(t, (struct cv_range){ range.off, len }, err))
				return false;
			continue;
		}
		if (!enter_block(t, block, err) || !enter(t, block, &entry, err))
			return false;
		*entry = cv_le64_of(CV_VHDX_ZEROS);
	}
	return true;
}

static bool vhdx_place(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	const struct vhdx_target *v = t->state;
	uint64_t size = v->image.block_size, block = range.off / size, first, next;

	if (!cv_target_on_disk(t, range, err))
		return false;
	*host = v->layout.data_off + range.off;
	*run = range.len;
	if (t->options.fixed)
		return true;
	if (v->chunk.bitmap)
		return place_sectors(t, range, host, run, err);
	if (!map(t, block, &first, err))
		return false;
	*host = first + range.off % size;
	*run = size - range.off % size;
	for (uint64_t n = 1; *run < range.len; n++, *run += size) {
		if (!map(t, block + n, &next, err))
			return false;
		if (next != first + n * size)
			break;
	}
	*run = *run < range.len ? *run : range.len;
	return true;
}

/* A fixed disk has all of its blocks, in order. */
static bool map_all(const struct cv_target *t, struct cv_err *err)
{
	const struct vhdx_target *v = t->state;
	uint64_t at;

	for (uint64_t block = 0; t->options.fixed && block < v->layout.blocks; block++)
		if (!map(t, block, &at, err))
			return false;
	return true;
}

static bool vhdx_end(struct cv_target *t, struct cv_err *err)
{
	struct vhdx_target *v = t->state;

	return map_all(t, err) && leave_chunk(t, err) && leave_window(t, v, err) && cv_out_resize(t->out, v->end, err) &&
	       cv_target_preallocate(t, v->end, err) && cv_vhdx_write_structures(t->out, &v->image, &v->layout, err);
}

static void vhdx_fini(struct cv_target *t)
{
	struct vhdx_target *v = t->state;

	if (!v)
		return;
	free(v->bat);
	free(v->chunk.bitmap);
	cv_text_fini(&v->locator);
	free(v);
}

static uint64_t vhdx_overhead(const struct cv_target *t, uint64_t units)
{
	const struct vhdx_target *v = t->state;
	uint64_t chunks = (v->layout.blocks + v->layout.ratio - 1) / v->layout.ratio;

	if (t->options.parent)
		return v->layout.data_off + (units < chunks ? units : chunks) * CV_VHDX_MIB;
	return v->layout.data_off + (t->options.fixed ? v->layout.blocks * v->image.block_size - v->image.size : 0);
}

const struct cv_target_format cv_target_vhdx = {
	CV_FORMAT_VHDX, "vhdx", vhdx_begin, vhdx_place, NULL, vhdx_end, vhdx_fini, vhdx_overhead, vhdx_zero,
};

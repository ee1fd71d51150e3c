/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX as a target. The BAT has a known place and is filled in ascending order, so a piece of it is all that is held.
 */
#include "repair/target/target.h"
#include "repair/vhdx/encode.h"

#define GIB  (UINT64_C(1) << 30)
#define NONE UINT64_MAX

enum { PAGE = 4096, SECTOR = 512, WINDOW = 1 << 17 }; /* entries of the BAT that are held: 1 MiB */

struct vhdx_target {
	struct cv_vhdx_image image;
	struct cv_vhdx_layout layout;
	cv_le64 *bat;    /* a window on it, as it will lie in the file */
	uint64_t window; /* which one, NONE before the first */
	uint64_t end;    /* of the file: where the next block goes */
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

static bool plan(struct cv_target *t, struct vhdx_target *v, struct cv_err *err)
{
	const struct cv_target_options *o = &t->options;
	uint64_t log = ((uint64_t)o->log_size + CV_VHDX_MIB - 1) / CV_VHDX_MIB * CV_VHDX_MIB;

	if (log > UINT32_MAX)
		return cv_fail(err, CV_EUSAGE, "log_size=%" PRIu32 ": a log has at most 4095 MiB", o->log_size);
	v->image = (struct cv_vhdx_image){
		.size = o->size,
		.block_size = o->block_size ? o->block_size : default_block(o->size),
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
	if (!cv_target_fixed_preallocates(t, err) || !cv_vhdx_plan_layout(&v->image, &v->layout, err))
		return false;
	v->end = v->layout.data_off;
	t->unit = o->fixed ? PAGE : v->image.block_size;
	return true;
}

static bool vhdx_begin(struct cv_target *t, struct cv_err *err)
{
	struct vhdx_target *v = t->state = calloc(1, sizeof *v);

	if (!v)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!plan(t, v, err))
		return false;
	v->window = NONE;
	v->bat = calloc(WINDOW, sizeof *v->bat);
	return v->bat || cv_fail(err, CV_ENOMEM, "out of memory");
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

/* The entry of a block; windows are entered in ascending order. */
static bool enter(const struct cv_target *t, uint64_t block, cv_le64 **entry, struct cv_err *err)
{
	struct vhdx_target *v = t->state;
	uint64_t index = cv_vhdx_entry_of(&v->layout, block), window = index / WINDOW;

	*entry = &v->bat[index % WINDOW];
	if (window == v->window)
		return true;
	if (v->window != NONE && window < v->window)
		return cv_fail(err, CV_EUSAGE, "block %" PRIu64 " does not come in ascending order", block);
	if (!leave_window(t, v, err))
		return false;
	memset(v->bat, 0, WINDOW * sizeof *v->bat);
	v->window = window;
	return true;
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

	return map_all(t, err) && leave_window(t, v, err) && cv_out_resize(t->out, v->end, err) &&
	       cv_target_preallocate(t, v->end, err) && cv_vhdx_write_structures(t->out, &v->image, &v->layout, err);
}

static void vhdx_fini(struct cv_target *t)
{
	struct vhdx_target *v = t->state;

	if (v)
		free(v->bat);
	free(v);
}

static uint64_t vhdx_overhead(const struct cv_target *t, uint64_t units)
{
	const struct vhdx_target *v = t->state;

	(void)units;
	return v->layout.data_off + (t->options.fixed ? v->layout.blocks * v->image.block_size - v->image.size : 0);
}

const struct cv_target_format cv_target_vhdx = {
	CV_FORMAT_VHDX, "vhdx", vhdx_begin, vhdx_place, NULL, vhdx_end, vhdx_fini, vhdx_overhead,
};

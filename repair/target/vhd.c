/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD as a target, as tapdisk lays it out: the data of a block lie on whole pages, so that they can be shared with
 * other files, and everybody takes the size from the footer as it is when the creator is tapdisk.
 */
#include "repair/target/target.h"
#include "repair/vhd/writer.h"
#include <chainview/text.h>

#define MOST_BYTES (UINT64_C(2040) << 30)       /* what QEMU, Hyper-V and vhd-util take */
#define MOST_FILE  ((uint64_t)UINT32_MAX * 512) /* sectors of the BAT have 32 bits */

enum { PAGE = 4096, BLOCK = 2 << 20, LARGEST_BLOCK = 256 << 20, MOST_ENTRIES = 1 << 24 };

/* What a block takes in the file besides its data. */
static uint64_t gap(uint32_t block)
{
	uint64_t bitmap = block / VHD_SECTOR / 8;

	return (bitmap + PAGE - 1) / PAGE * PAGE;
}

/* So many bytes can be in blocks of this size: the file must have room for all of them. */
static uint64_t most_bytes(uint32_t block)
{
	enum { HEADERS = 1 << 16, TABLES = 5 }; /* four bytes of the BAT and a bit of the batmap for each block */
	uint64_t blocks = (MOST_FILE - HEADERS) / (block + gap(block) + TABLES);

	blocks = blocks < MOST_ENTRIES ? blocks : MOST_ENTRIES;
	return blocks * block < MOST_BYTES ? blocks * block : MOST_BYTES;
}

static bool size_is_possible(const struct cv_target_options *o, uint32_t block, struct cv_err *err)
{
	uint64_t most = o->fixed ? MOST_BYTES : most_bytes(block);

	if (!o->fixed && (block & (block - 1) || block < PAGE || block > LARGEST_BLOCK))
		return cv_fail(err, CV_EUSAGE, "block_size=%" PRIu32 " is not a power of two from 4K to 256M", block);
	if (!o->size)
		return cv_fail(err, CV_EUSAGE, "a VHD cannot be a disk of 0 B");
	if (o->size > most && most < MOST_BYTES)
		return cv_fail(err, CV_ELIMIT, "with blocks of %s a dynamic VHD has at most %s", cv_size_short(block).s,
			       cv_size_full(most).s);
	if (o->size > most)
		return cv_fail(err, CV_ELIMIT, "a VHD has at most 2040 GiB (%" PRIu64 " B), not %" PRIu64 " B", most,
			       o->size);
	return true;
}

static bool vhd_begin(struct cv_target *t, struct cv_err *err)
{
	const struct cv_target_options *o = &t->options;
	uint32_t block = o->block_size && !o->fixed ? o->block_size : BLOCK;
	struct cv_vhd_image image = {
		.type = o->fixed ? VHD_TYPE_FIXED : VHD_TYPE_DYNAMIC,
		.creator = cv_vhd_creator_find("tap"),
		.size = o->size,
		.block_size = block,
		.timestamp = cv_vhd_time(o->now),
	};

	if (!size_is_possible(o, block, err) || !cv_target_fixed_preallocates(t, err))
		return false;
	memcpy(image.uuid, o->uuids[0], sizeof image.uuid);
	t->unit = o->fixed ? PAGE : block;
	t->state = calloc(1, sizeof(struct cv_vhd_writer));
	if (!t->state)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_vhd_begin(t->state, t->out, &image, err);
}

static bool vhd_place(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	struct cv_vhd_writer *w = t->state;
	uint64_t block = range.off / t->unit, inside = range.off % t->unit, data;
	bool fresh;

	if (!cv_target_on_disk(t, range, err))
		return false;
	*host = range.off;
	*run = range.len;
	if (t->options.fixed)
		return true;
	if (!cv_vhd_place(w, (uint32_t)block, &data, &fresh, err) ||
	    (fresh && !cv_vhd_fill_bitmap(w, (uint32_t)block, err)))
		return false;
	*host = data + inside;
	*run = range.len < t->unit - inside ? range.len : t->unit - inside;
	return true;
}

static bool vhd_end(struct cv_target *t, struct cv_err *err)
{
	struct cv_vhd_writer *w = t->state;

	return cv_vhd_end(w, err) && cv_target_preallocate(t, w->end, err);
}

static void vhd_fini(struct cv_target *t)
{
	if (t->state)
		cv_vhd_fini(t->state);
	free(t->state);
}

static uint64_t vhd_overhead(const struct cv_target *t, uint64_t units)
{
	const struct cv_vhd_writer *w = t->state;

	if (t->options.fixed)
		return sizeof(struct vhd_footer_disk);
	return w->layout.data_off + PAGE + units * gap(t->unit) + sizeof(struct vhd_footer_disk);
}

const struct cv_target_format cv_target_vhd = {
	CV_FORMAT_VHD, "vhd", vhd_begin, vhd_place, NULL, vhd_end, vhd_fini, vhd_overhead,
};

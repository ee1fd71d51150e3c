/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD as a target, as tapdisk lays it out: the data of a block lie on whole pages, so that they can be shared with
 * other files, and everybody takes the size from the footer as it is when the creator is tapdisk.
 */
#include "repair/target/target.h"
#include "repair/vhd/writer.h"
#include <chainview/text.h>

#define MOST_BYTES (UINT64_C(2040) << 30)       /* what QEMU, Hyper-V and vhd-util take */
#define NONE       UINT64_MAX
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

/* Who writes the disk, what it stands on, and of the block that comes now the sectors that are here. */
struct vhd_target {
	struct cv_vhd_writer writer;
	struct cv_text name, locators[VHD_LOCATORS];
	uint8_t *bitmap;             /* NULL without a parent: then all sectors of a block are here */
	uint64_t block;              /* that it belongs to; NONE before the first */
};

static bool add_locator(struct vhd_target *v, struct cv_vhd_image *image, const char *kind, const char *path, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text relative = { 0 };
	const char *code = cv_vhd_locator_code(kind);
	struct cv_text *payload = &v->locators[image->locator_count];

	cv_text_addf(&relative, "%s%s", strncmp(path, "../", 3) ? "./" : "", path);
	cv_vhd_locator_payload(code, (struct cv_bytes){ cv_text_str(&relative), relative.len }, payload);
	if (relative.failed || payload->failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	image->locators[image->locator_count].payload = (struct cv_bytes){ payload->at, payload->len };
	memcpy(image->locators[image->locator_count++].code, code, 4);
	return true;
}

static bool name_parent(struct vhd_target *v, struct cv_vhd_image *image, const struct cv_target_parent *parent, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *kinds = strdup(image->creator->locators);
	const char *slash = strrchr(parent->path, '/'), *kind;
	char *rest = kinds;
	struct vhd_header_disk header;

	if (!kinds)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_utf8_valid(cv_bytes_of(parent->path)))
		return cv_fail(err, CV_ELIMIT, "the parent's path is not UTF-8: a VHD cannot record it");
	cv_text_add(&v->name, slash ? slash + 1 : parent->path);
	cv_vhd_add_utf16(&v->locators[0], cv_bytes_of(cv_text_str(&v->name)), true);
	if (v->locators[0].len > sizeof header.parent_name)
		return cv_fail(err, CV_ELIMIT, "the parent's file name is longer than 256 characters: a VHD cannot record it");
	cv_text_clear(&v->locators[0]);
	image->type = VHD_TYPE_DIFFERENCING;
	image->parent_name = cv_bytes_of(cv_text_str(&v->name));
	image->parent_time = cv_vhd_time(parent->time);
	memcpy(image->parent_uuid, parent->uuid, sizeof image->parent_uuid);
	while ((kind = strsep(&rest, ",")))
		if (!add_locator(v, image, kind, parent->path, err))
			return false;
	return !v->name.failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool vhd_begin(struct cv_target *t, struct cv_err *err)
{
	const struct cv_target_options *o = &t->options;
	uint32_t block = o->block_size && !o->fixed ? o->block_size : BLOCK;
	struct vhd_target *v = t->state = calloc(1, sizeof *v);
	struct cv_vhd_image image = {
		.type = o->fixed ? VHD_TYPE_FIXED : VHD_TYPE_DYNAMIC,
		.creator = cv_vhd_creator_find(o->creator ? o->creator : "tap"),
		.size = o->size,
		.block_size = block,
		.timestamp = cv_vhd_time(o->now),
		.hidden = o->mark == CV_MARK_HIDDEN,
	};

	if (!v)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!size_is_possible(o, block, err) || !cv_target_fixed_preallocates(t, err) ||
	    (o->parent && !name_parent(v, &image, o->parent, err)))
		return false;
	memcpy(image.uuid, o->uuids[0], sizeof image.uuid);
	t->unit = o->fixed ? PAGE : block;
	t->grain = VHD_SECTOR;
	if (!cv_vhd_begin(&v->writer, t->out, &image, err))
		return false;
	v->block = NONE;
	v->bitmap = o->parent ? calloc(1, v->writer.layout.bitmap_len) : NULL;
	return !o->parent || v->bitmap || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* No more of this block will come. */
static bool leave_block(struct vhd_target *v, struct cv_err *err)
{
	uint64_t block = v->block;

	v->block = NONE;
	return block == NONE || cv_vhd_put_bitmap(&v->writer, (uint32_t)block, v->bitmap, err);
}

/* These bytes of the block are here. */
static bool note_sectors(struct vhd_target *v, uint64_t block, uint64_t from, uint64_t len, bool fresh, struct cv_err *err)
{
	if (block != v->block) {
		if (!fresh)
			return cv_fail(err, CV_EUSAGE, "block %" PRIu64 " does not come in ascending order", block);
		if (!leave_block(v, err))
			return false;
		memset(v->bitmap, 0, v->writer.layout.bitmap_len);
		v->block = block;
	}
	for (uint64_t i = from / VHD_SECTOR; i < (from + len) / VHD_SECTOR; i++)
		v->bitmap[i / 8] |= (uint8_t)(0x80 >> i % 8);
	return true;
}

static bool vhd_place(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	struct vhd_target *v = t->state;
	uint64_t block = range.off / t->unit, inside = range.off % t->unit, data;
	bool fresh;

	if (!cv_target_on_disk(t, range, err))
		return false;
	*host = range.off;
	*run = range.len;
	if (t->options.fixed)
		return true;
	*run = range.len < t->unit - inside ? range.len : t->unit - inside;
	if (!cv_vhd_place(&v->writer, (uint32_t)block, &data, &fresh, err))
		return false;
	*host = data + inside;
	if (v->bitmap)
		return note_sectors(v, block, inside, *run, fresh, err);
	return !fresh || cv_vhd_fill_bitmap(&v->writer, (uint32_t)block, err);
}

static bool vhd_end(struct cv_target *t, struct cv_err *err)
{
	struct vhd_target *v = t->state;

	return leave_block(v, err) && cv_vhd_end(&v->writer, err) && cv_target_preallocate(t, v->writer.end, err);
}

static void vhd_fini(struct cv_target *t)
{
	struct vhd_target *v = t->state;

	if (!v)
		return;
	cv_vhd_fini(&v->writer);
	cv_text_fini(&v->name);
	for (size_t i = 0; i < CV_COUNT(v->locators); i++)
		cv_text_fini(&v->locators[i]);
	free(v->bitmap);
	free(v);
}

static uint64_t vhd_overhead(const struct cv_target *t, uint64_t units)
{
	const struct vhd_target *v = t->state;

	if (t->options.fixed)
		return sizeof(struct vhd_footer_disk);
	return v->writer.layout.data_off + PAGE + units * gap(t->unit) + sizeof(struct vhd_footer_disk);
}

const struct cv_target_format cv_target_vhd = {
	CV_FORMAT_VHD, "vhd", vhd_begin, vhd_place, NULL, vhd_end, vhd_fini, vhd_overhead, cv_target_place_zeros,
};

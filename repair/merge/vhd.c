/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHD parent. Sectors of blocks that are there are written where they are, and get their bits; blocks that are not there
 * are laid behind all others, each with its data on a page, with the bits of what the image has of them, so that the rest is
 * still the business of the parent's own parent. The footer moves to the new end before any of them is written.
 */
#include "repair/merge/vhd.h"
#include "inspect/vhd/vhd.h"

enum { FIXED_UNIT = 1 << 20, BAT_PIECE = 16384 };
#define LARGEST_MAP ((uint64_t)1 << 20)

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

uint64_t cv_merge_vhd_blocks(const struct cv_merge_vhd *v, uint64_t size)
{
	return size / v->block_size + (size % v->block_size != 0);
}

bool cv_merge_vhd_entry(struct cv_merge *m, uint64_t block, uint32_t *sector, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	cv_be32 entry;

	*sector = VHD_UNUSED;
	if (block >= v->entries)
		return true;
	if (!cv_merge_read(m, &entry, sizeof entry, v->bat + block * sizeof entry, err))
		return false;
	*sector = cv_be32_get(entry);
	return true;
}

bool cv_merge_vhd_set_entry(struct cv_merge *m, uint64_t block, uint64_t place, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	cv_be32 entry = cv_be32_of((uint32_t)(place / VHD_SECTOR));

	return cv_merge_set(m, CV_MERGE_VHD_LAYER, v->bat + block * sizeof entry, &entry, sizeof entry, err);
}

/* The first place at or behind an offset where the data of a block lie on a page, with the bitmap right before them. */
static uint64_t align(const struct cv_merge_vhd *v, uint64_t at)
{
	return (at + v->bitmap_len + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE - v->bitmap_len;
}

bool cv_merge_vhd_place(struct cv_merge *m, uint64_t *place, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	*place = align(v, v->next);
	v->next = *place + v->bitmap_len + v->block_size;
	if (v->next / VHD_SECTOR >= VHD_UNUSED)
		return cv_fail(err, CV_EREFUSED, "the VHD would become larger than its table can say (2 TiB)");
	v->end = v->next;
	return true;
}

/* --- opening --------------------------------------------------------------------------------------------- */

/* The end of all blocks. */
static bool find_end(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(BAT_PIECE * sizeof *bat);

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	v->end = v->tables;
	for (uint64_t first = 0, n; first < v->entries; first += n) {
		n = v->entries - first < BAT_PIECE ? v->entries - first : BAT_PIECE;
		if (!cv_source_read(m->source, bat, (size_t)n * sizeof *bat, v->bat + first * sizeof *bat, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++) {
			uint64_t end = (uint64_t)cv_be32_get(bat[i]) * VHD_SECTOR + v->bitmap_len + v->block_size;

			if (cv_be32_get(bat[i]) != VHD_UNUSED && first + i < cv_merge_vhd_blocks(v, m->size) && end > v->end)
				v->end = end;
		}
	}
	return true;
}

static void reach(struct cv_merge_vhd *v, uint64_t end)
{
	if (end > v->tables)
		v->tables = end;
}

/* Everything that is no block. */
static void find_tables(struct cv_merge_vhd *v, const struct vhd_reader *r)
{
	reach(v, r->header.where.off + r->header.where.len);
	reach(v, whole_sectors(v->bat + v->entries * sizeof(cv_be32)));
	if (r->batmap.present) {
		reach(v, r->batmap.where.off + r->batmap.where.len);
		reach(v, r->batmap.map.off + r->batmap.map.len);
	}
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator_disk *d = &v->header.locators[i];

		if (cv_be32_get(d->length))
			reach(v, cv_be64_get(d->offset) + whole_sectors(cv_be32_get(d->length)));
	}
	/* Sane or not, a locator that lies behind the blocks is none that new blocks could be laid upon. */
}

/* A map that cannot be trusted is left alone, as a bit that is not set is never wrong. */
static bool take_batmap(struct cv_merge *m, const struct vhd_reader *r, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	if (!r->batmap.present || !r->batmap.sound || r->batmap.vouched > LARGEST_MAP)
		return true;
	v->map = malloc((size_t)r->batmap.vouched);
	if (!v->map)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	v->batmap_off = r->batmap.where.off;
	v->map_off = r->batmap.map.off;
	v->map_len = r->batmap.vouched;
	if (!cv_source_read(m->source, &v->batmap, sizeof v->batmap, v->batmap_off, err) ||
	    !cv_source_read(m->source, v->map, (size_t)v->map_len, v->map_off, err))
		return false;
	/* Older ones are summed otherwise. */
	if (cv_be32_get(v->batmap.version) != VHD_VERSION(1, 2))
		free(cv_take(v->map));
	return true;
}

static bool take_dynamic(struct cv_merge *m, const struct vhd_reader *r, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	if (!r->header.sums || !r->header.table_sane || !r->facts->block_size || !cv_vhd_is_good(&r->copy))
		return cv_fail(err, CV_EREFUSED, "the header, the BAT or the copy of the footer of the VHD is damaged");
	v->header = r->header.disk;
	v->copy = r->copy.disk;
	v->block_size = r->facts->block_size;
	v->bitmap_len = (uint32_t)whole_sectors((v->block_size / VHD_SECTOR + 7) / 8);
	v->bat = r->header.table_offset;
	v->entries = r->header.entries;
	m->unit = v->block_size;
	v->block.bitmap = malloc(v->bitmap_len);
	if (!v->block.bitmap)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	find_tables(v, r);
	return take_batmap(m, r, err) && find_end(m, err);
}

static bool take_footers(struct cv_merge *m, struct vhd_reader *r, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	if (!cv_vhd_is_good(&r->end) || r->end.where.len != VHD_SECTOR || r->end.state != VHD_FOOTER_PLAIN)
		return cv_fail(err, CV_EREFUSED, "the footer of the VHD is not as it must be: chainview check shows it");
	if (cv_vhd_made_by_tap(&r->end) && r->end.app_version == VHD_VERSION(0, 1))
		return cv_fail(err, CV_EREFUSED, "the VHD was written by tap 0.1, whose bitmaps have another bit order");
	v->footer = r->end.disk;
	v->fixed = r->facts->variant == CV_VARIANT_FIXED;
	m->size = r->facts->virtual_size;
	m->unit = FIXED_UNIT;
	return r->facts->flags & CV_FACT_SIZE || cv_fail(err, CV_EREFUSED, "the size of the VHD makes no sense");
}

static bool open_vhd(struct cv_merge *m, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct vhd_reader r = { .source = m->source, .facts = facts };
	struct cv_merge_vhd *v;

	m->state = v = calloc(1, sizeof *v);
	if (!v || !facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhd_read(&r, err) || !take_footers(m, &r, err) || (!v->fixed && !take_dynamic(m, &r, err)))
		return false;
	v->next = v->end;
	/* What lies before the end of the file may have been journalled as something that is in use. */
	m->fresh = v->fixed ? UINT64_MAX : (m->file + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;
	return true;
}

static void close_vhd(struct cv_merge *m)
{
	struct cv_merge_vhd *v = m->state;

	free(v->block.bitmap);
	free(v->map);
	free(v);
}

/* A file that had grown already when the crash came lacks its footer; the copy at its beginning says the same. */
static bool mend_vhd(struct cv_merge *m, struct cv_err *err)
{
	struct vhd_footer end = { .where = { 0, VHD_SECTOR } }, copy = { .where = { 0, VHD_SECTOR } };

	if (m->file < 2 * VHD_SECTOR || m->file % VHD_SECTOR)
		return true;
	if (!cv_merge_read(m, &end.disk, VHD_SECTOR, m->file - VHD_SECTOR, err) ||
	    !cv_merge_read(m, &copy.disk, VHD_SECTOR, 0, err))
		return false;
	cv_vhd_footer_decode(&end);
	cv_vhd_footer_decode(&copy);
	if (cv_vhd_is_good(&end) || !cv_vhd_is_good(&copy) || copy.type == VHD_TYPE_FIXED)
		return true;
	return cv_merge_set(m, CV_MERGE_VHD_LAYER, m->file - VHD_SECTOR, &copy.disk, VHD_SECTOR, err);
}

/* --- space ----------------------------------------------------------------------------------------------- */

static bool count_vhd(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	uint64_t block = piece->at.off / m->unit;
	uint32_t sector = VHD_UNUSED;

	if (v->fixed)
		return piece->at.off + piece->at.len > m->size || cv_merge_expect(m, piece->at.off, piece->at.len, err);
	/* Behind the end of a smaller parent a BAT entry is nobody's. */
	if (block < cv_merge_vhd_blocks(v, m->size) && !cv_merge_vhd_entry(m, block, &sector, err))
		return false;
	if (sector != VHD_UNUSED)
		return cv_merge_expect(m, (uint64_t)sector * VHD_SECTOR + v->bitmap_len + piece->at.off % m->unit, piece->at.len, err);
	v->fresh += v->counted != block + 1;
	v->counted = block + 1;
	return true;
}

/* The footer is where it belongs, and the file ends there. */
static bool end_with_footer(struct cv_merge *m, uint64_t file, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;

	if (m->file < file && !cv_merge_resize(m, file, err))
		return false;
	return cv_merge_write(m, file - VHD_SECTOR, &v->footer, VHD_SECTOR, err);
}

static bool reserve_vhd(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	uint64_t blocks, step, file;

	if (m->child_size > m->size && v->fixed)
		return cv_fail(err, CV_EREFUSED, "a fixed VHD cannot grow in place: its footer would become data of the disk; "
			       "chainview convert makes a dynamic one of it");
	if (v->fixed || (m->child_size > m->size && !cv_merge_vhd_plan_growth(m, err)))
		return v->fixed;
	blocks = v->fresh;
	step = ((uint64_t)v->block_size + v->bitmap_len + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;
	/* What a crash may have taken from it. */
	if (m->again && !cv_merge_write(m, m->file - VHD_SECTOR, &v->footer, VHD_SECTOR, err))
		return false;
	if (!blocks)
		return true;
	if (__builtin_mul_overflow(blocks - 1, step, &file) ||
	    __builtin_add_overflow(file, align(v, v->end) + v->bitmap_len + v->block_size + VHD_SECTOR, &file) ||
	    file / VHD_SECTOR >= VHD_UNUSED)
		return cv_fail(err, CV_EREFUSED, "the VHD would become larger than its table can say (2 TiB)");
	return file <= m->file || end_with_footer(m, file, err);
}

static bool trim_vhd(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	uint64_t file = v->end + VHD_SECTOR;

	if (v->fixed)
		return true;
	if (file < m->former)
		file = m->former;
	if (file >= m->file)
		return true;
	return end_with_footer(m, file, err) && cv_merge_flush(m, err) && cv_merge_resize(m, file, err);
}

/* --- data ------------------------------------------------------------------------------------------------ */

static bool is_full(const struct cv_merge_vhd *v)
{
	uint32_t bits = v->block_size / VHD_SECTOR;

	for (uint32_t i = 0; i < bits / 8; i++)
		if (v->block.bitmap[i] != 0xff)
			return false;
	return bits >= 8;
}

static void mark_full(struct cv_merge_vhd *v, uint64_t block)
{
	if (!v->map || block / 8 >= v->map_len || v->map[block / 8] >> (7 - block % 8) & 1)
		return;
	v->map[block / 8] |= (uint8_t)(0x80u >> block % 8);
	v->map_changed = true;
}

/* What is not written of a new block reads as zeros also for programs that do not look at bitmaps. */
static bool fill_up(struct cv_merge *m, uint64_t upto, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct cv_merge_block *b = &v->block;
	uint64_t from = b->filled;

	if (upto <= from)
		return true;
	b->filled = upto;
	return m->based || cv_merge_zero_fresh(m, b->place + v->bitmap_len + from, upto - from, err);
}

/* What is held of the block goes to where it belongs; it stays held. */
static bool put_down(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct cv_merge_block *b = &v->block;

	if (!b->held || !b->changed)
		return true;
	b->changed = false;
	if (is_full(v))
		mark_full(v, b->number);
	if (!b->fresh)
		return cv_merge_set(m, CV_MERGE_VHD_LAYER, b->place, b->bitmap, v->bitmap_len, err);
	if (!fill_up(m, v->block_size, err) || !cv_merge_write(m, b->place, b->bitmap, v->bitmap_len, err))
		return false;
	b->fresh = false;
	return cv_merge_vhd_set_entry(m, b->number, b->place, err);
}

static bool take_up(struct cv_merge *m, uint64_t block, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct cv_merge_block *b = &v->block;
	uint32_t sector;

	if (b->held && b->number == block)
		return true;
	if (!put_down(m, err) || !cv_merge_vhd_entry(m, block, &sector, err))
		return false;
	b->held = true;
	b->number = block;
	b->fresh = sector == VHD_UNUSED;
	b->filled = 0;
	b->place = (uint64_t)sector * VHD_SECTOR;
	if (!b->fresh)
		return cv_merge_read(m, b->bitmap, v->bitmap_len, b->place, err);
	memset(b->bitmap, 0, v->bitmap_len);
	return cv_merge_vhd_place(m, &b->place, err);
}

static void set_bits(struct cv_merge_block *b, uint64_t first, uint64_t end)
{
	for (uint64_t i = first; i < end; i++) {
		uint8_t bit = (uint8_t)(0x80u >> i % 8);

		b->changed |= !(b->bitmap[i / 8] & bit);
		b->bitmap[i / 8] |= bit;
	}
}

static bool put_bytes(struct cv_merge *m, uint64_t off, const struct cv_merge_piece *piece, struct cv_err *err)
{
	return piece->zero ? cv_merge_zero(m, off, piece->at.len, false, err)
			   : cv_merge_write(m, off, piece->data, (size_t)piece->at.len, err);
}

static bool put_vhd(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct cv_merge_block *b = &v->block;
	uint64_t at = piece->at.off % m->unit;

	if (v->fixed)
		return put_bytes(m, piece->at.off, piece, err);
	if (!take_up(m, piece->at.off / m->unit, err) || (b->fresh && !fill_up(m, at, err)))
		return false;
	if (b->filled < at + piece->at.len)
		b->filled = at + piece->at.len;
	set_bits(b, at / VHD_SECTOR, (at + piece->at.len + VHD_SECTOR - 1) / VHD_SECTOR);
	if (!b->fresh)
		return put_bytes(m, b->place + v->bitmap_len + at, piece, err);
	return piece->zero ? cv_merge_zero_fresh(m, b->place + v->bitmap_len + at, piece->at.len, err)
			   : cv_merge_write_fresh(m, b->place + v->bitmap_len + at, piece->data, (size_t)piece->at.len, err);
}

static bool has_block(struct cv_merge *m, uint64_t block, bool *has, struct cv_err *err)
{
	uint32_t sector;

	if (!cv_merge_vhd_entry(m, block, &sector, err))
		return false;
	*has = sector != VHD_UNUSED;
	return true;
}

/* --- ends ------------------------------------------------------------------------------------------------ */

/* From here on new blocks begin on pages of their own. */
static bool settle_vhd(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_vhd *v = m->state;
	uint64_t fresh = (v->next + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;

	if (!put_down(m, err))
		return false;
	if (!v->fixed && m->fresh < fresh)
		m->fresh = fresh;
	return true;
}

static bool finish_vhd(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;
	struct vhd_footer_disk now;

	if (v->fixed)
		return true;
	if (!put_down(m, err) || !cv_merge_read(m, &now, sizeof now, m->file - VHD_SECTOR, err) ||
	    (memcmp(&now, &v->footer, sizeof now) != 0 &&
	     !cv_merge_write(m, m->file - VHD_SECTOR, &v->footer, VHD_SECTOR, err)))
		return false;
	if (!v->map_changed)
		return true;
	v->map_changed = false;
	v->batmap.checksum = cv_be32_of(cv_vhd_sum(v->map, (size_t)v->map_len, (size_t)v->map_len));
	return cv_merge_set(m, CV_MERGE_VHD_LAYER, v->map_off, v->map, (size_t)v->map_len, err) &&
	       cv_merge_set(m, CV_MERGE_VHD_LAYER, v->batmap_off, &v->batmap, sizeof v->batmap, err);
}

const struct cv_merge_format cv_merge_vhd = {
	.format = CV_FORMAT_VHD, .name = "the VHD", .mend = mend_vhd, .open = open_vhd, .count = count_vhd, .reserve = reserve_vhd,
	.grow = cv_merge_vhd_grow, .may_grow = cv_merge_vhd_plan_growth, .put = put_vhd, .settle = settle_vhd, .finish = finish_vhd,
	.trim = trim_vhd, .has_unit = has_block, .close = close_vhd,
};

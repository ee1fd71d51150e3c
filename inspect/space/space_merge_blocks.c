/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a VHD or VHDX grows by when another image is merged into it in place: the sectors that the other one has are
 * written into the blocks that are there; a block that is not there gets a place at the end of the file, all of which
 * is set aside before anything is written. VHD data begin on a page, with the bitmap right before them; the footer
 * moves behind them. VHDX blocks begin on a MiB, and a block of a differencing VHDX that is not filled needs the
 * bitmap of its chunk.
 */
#include "inspect/space/space_merge.h"
#include "inspect/vhd/vhd_map.h"
#include "inspect/vhdx/vhdx_map.h"

#define PAGE CV_MERGE_PAGE

enum { VHDX_STATE_FULL = 6, VHDX_STATE_PARTIAL = 7 };

/* What the target says about one of its blocks. */
struct place {
	uint64_t data, bits;         /* in the file; 0: not there. bits: the bitmap that says which sectors are there */
	uint64_t entry;              /* of the BAT: where it lies in the file */
	bool stale;                  /* there is a place, but what lies there is not the block's content */
};

static bool find_vhd(const struct vhd_map *m, uint64_t block, struct place *p, struct cv_err *err)
{
	cv_be32 entry;

	*p = (struct place){ .entry = m->bat_off + block * sizeof entry };
	if (block >= m->bat_entries)
		return true;
	if (!cv_source_read(m->source, &entry, sizeof entry, p->entry, err))
		return cv_wrap(err, "while reading the BAT");
	if (cv_be32_get(entry) == UINT32_MAX)
		return true;
	p->bits = (uint64_t)cv_be32_get(entry) * VHD_SECTOR;
	p->data = p->bits + m->bitmap_len;
	return true;
}

static bool read_entry(const struct vhdx_map *m, uint64_t index, uint64_t *entry, struct cv_err *err)
{
	cv_le64 disk;

	*entry = 0;
	if (index >= m->bat_entries)
		return true;
	if (!cv_source_read(m->source, &disk, sizeof disk, m->bat_off + index * sizeof disk, err))
		return cv_wrap(err, "while reading the BAT");
	*entry = cv_le64_get(disk);
	return true;
}

static bool find_vhdx(const struct vhdx_map *m, uint64_t block, struct place *p, struct cv_err *err)
{
	uint64_t chunk = block / m->ratio, index = block + chunk, entry, bitmap = 0;
	uint64_t bits = block % m->ratio * (m->block_size / m->sector) / 8;

	*p = (struct place){ .entry = m->bat_off + index * 8 };
	if (!read_entry(m, index, &entry, err) ||
	    (m->differencing && !read_entry(m, chunk * (m->ratio + 1) + m->ratio, &bitmap, err)))
		return false;
	p->data = entry & 7 ? entry & ~(uint64_t)(CV_VHDX_MIB - 1) : 0;
	p->stale = p->data && (entry & 7) != VHDX_STATE_FULL && (entry & 7) != VHDX_STATE_PARTIAL;
	bitmap = bitmap & 7 ? bitmap & ~(uint64_t)(CV_VHDX_MIB - 1) : 0;
	p->bits = bitmap && (!p->data || (entry & 7) == VHDX_STATE_PARTIAL) ? bitmap + bits : 0;
	return true;
}

/* Adds a number to a sorted list, unless it is there. */
static bool note(struct cv_space_runs *list, uint64_t n, bool *is_new, struct cv_err *err)
{
	size_t low = 0, high = list->len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->at[middle].off < n)
			low = middle + 1;
		else
			high = middle;
	}
	*is_new = low == list->len || list->at[low].off != n;
	if (!*is_new)
		return true;
	if (!cv_space_runs_push(list, (struct cv_range){ n, 1 }))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memmove(&list->at[low + 1], &list->at[low], (list->len - 1 - low) * sizeof *list->at);
	list->at[low] = (struct cv_range){ n, 1 };
	return true;
}

/* Pages of tables, written in ascending order. In a plan they are there if somebody has written to them before. */
static bool fill_table(struct cv_merge_job *j, uint64_t *last, uint64_t host, uint64_t len, struct cv_err *err)
{
	for (uint64_t page = cv_merge_down(host, PAGE); page < host + len; page += PAGE) {
		bool is_new = *last != page + PAGE;

		*last = page + PAGE;
		if (is_new && j->before && !note(&j->target->tables, page, &is_new, err))
			return false;
		if (is_new)
			cv_merge_fill(j, &(uint64_t){ 0 }, page, PAGE);
	}
	return true;
}

/* Does this one give the chunk of the target its bitmap? */
static bool is_bitmap_new(struct cv_merge_job *j, uint64_t chunk, bool *is_new, struct cv_err *err)
{
	*is_new = j->f->last_chunk != chunk + 1;
	j->f->last_chunk = chunk + 1;
	return !*is_new || !j->before || note(&j->target->bitmaps, chunk, is_new, err);
}

static bool fill_bits(struct cv_merge_job *j, const struct place *p, uint64_t block_size, uint64_t sector,
		      struct cv_range part, struct cv_err *err)
{
	uint64_t first = part.off % block_size / sector / 8;
	uint64_t last = (part.off + part.len - 1) % block_size / sector / 8;

	return !p->bits || fill_table(j, &j->f->last_bits, p->bits + first, last - first + 1, err);
}

/* Up to the end of its block, as far as the larger of the two disks goes. */
static bool reaches_end(const struct cv_merge_job *j, struct cv_range part, uint64_t block_size, uint64_t size)
{
	uint64_t end = part.off + part.len;

	return end % block_size == 0 || (end == j->size && end >= size);
}

/* A block of which a part is written is new: all of it is set aside. */
static bool new_block(struct cv_merge_job *j, const struct place *p, uint64_t block, struct cv_range part,
		      struct cv_err *err)
{
	const struct vhdx_map *m = j->target->layer->state;
	bool bitmap = false, first = j->f->last_unit != block + 1;

	j->f->last_unit = block + 1;
	j->f->fresh += first;
	if (first && !fill_table(j, &j->f->last_entry, p->entry, 4, err))
		return false;
	if (j->target->format != CV_FORMAT_VHDX || !m->differencing ||
	    (part.off % m->block_size == 0 && reaches_end(j, part, m->block_size, m->size)))
		return true;
	if (p->bits)
		return fill_bits(j, p, m->block_size, m->sector, part, err);
	if (!is_bitmap_new(j, block / m->ratio, &bitmap, err))
		return false;
	j->f->bitmaps += bitmap;
	return true;
}

/* The parts that nobody in the plan has written are written into their place. */
static bool old_block(struct cv_merge_job *j, const struct place *p, uint64_t block_size, struct cv_range part,
		      struct cv_err *err)
{
	const struct vhdx_map *vhdx = j->target->layer->state;
	uint64_t pos = part.off, sector = j->target->format == CV_FORMAT_VHD ? VHD_SECTOR : vhdx->sector;
	struct cv_range r;

	for (; cv_merge_new_part(j, pos, part.off + part.len, &r); pos = r.off + r.len) {
		if (!fill_bits(j, p, block_size, sector, r, err))
			return false;
		cv_merge_fill_part(j, p->data, r, (struct cv_range){ cv_merge_down(r.off, block_size), block_size });
	}
	return true;
}

static bool do_block(struct cv_merge_job *j, uint64_t block, uint64_t block_size, struct cv_range part,
		     struct cv_err *err)
{
	struct place p;

	if (j->target->format == CV_FORMAT_VHD ? !find_vhd(j->target->layer->state, block, &p, err)
					       : !find_vhdx(j->target->layer->state, block, &p, err))
		return false;
	if (p.stale && (j->f->last_unit == block + 1 || cv_merge_put_before(j, block * block_size, block_size)))
		return true;
	if (p.stale) {
		j->f->last_unit = block + 1;
		part = (struct cv_range){ block * block_size, block_size };
	}
	if (p.data)
		return old_block(j, &p, block_size, part, err);
	return cv_merge_put_before(j, block * block_size, block_size) || new_block(j, &p, block, part, err);
}

/* Whole blocks of zeros need no room in a VHDX, unless all of its room is to be kept; but what says so is written. */
static bool zero_block(struct cv_merge_job *j, uint64_t block, struct cv_range part, struct cv_err *err)
{
	const struct vhdx_map *m = j->target->layer->state;
	struct place p;

	if (!find_vhdx(m, block, &p, err))
		return false;
	if (p.data && !p.stale)
		return m->fixed ? old_block(j, &p, m->block_size, part, err) : fill_bits(j, &p, m->block_size, m->sector, part, err);
	return p.data || !m->differencing || fill_table(j, &j->f->last_entry, p.entry, 8, err);
}

bool cv_merge_do_blocks(struct cv_merge_job *j, const struct cv_merge_op *op, struct cv_err *err)
{
	bool vhdx = j->target->format == CV_FORMAT_VHDX;
	uint64_t size = vhdx ? ((const struct vhdx_map *)j->target->layer->state)->block_size
			     : ((const struct vhd_map *)j->target->layer->state)->block_size;
	uint64_t end = op->off + op->len, of_disk = vhdx ? ((const struct vhdx_map *)j->target->layer->state)->size : 0;

	for (uint64_t pos = op->off, next; pos < end; pos = next) {
		uint64_t block = pos / size;
		struct cv_range part;
		bool whole;

		next = (block + 1) * size < end ? (block + 1) * size : end;
		part = (struct cv_range){ pos, next - pos };
		whole = op->zero && vhdx && pos == block * size && reaches_end(j, part, size, of_disk);
		if (whole ? !zero_block(j, block, part, err) : !do_block(j, block, size, part, err))
			return false;
	}
	return true;
}

/* How much longer the file is on disk with so many new blocks; the footer comes last. */
static uint64_t vhd_tail(const struct cv_space_node *target, uint64_t blocks)
{
	const struct vhd_map *m = target->layer->state;
	uint64_t size = m->source->size, end = m->limit;

	if (!blocks)
		return 0;
	end = cv_merge_up(end + m->bitmap_len, PAGE) + m->block_size;
	end += (blocks - 1) * cv_merge_up((uint64_t)m->bitmap_len + m->block_size, PAGE);
	return cv_merge_up(end + VHD_SECTOR, PAGE) - cv_merge_up(size, PAGE);
}

void cv_merge_end_blocks(struct cv_space_forecast *f, struct cv_space_node *target, bool planned)
{
	const struct vhdx_map *m = target->layer->state;
	uint64_t before = planned ? target->planned_blocks : 0, more;

	if (target->format == CV_FORMAT_VHD)
		more = vhd_tail(target, before + f->fresh) - vhd_tail(target, before);
	else
		more = f->fresh * m->block_size + f->bitmaps * CV_VHDX_MIB;
	if (planned)
		target->planned_blocks += f->fresh;
	f->growth += (int64_t)more;
	f->peak += more;
}

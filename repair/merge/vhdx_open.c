/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHDX that is merged into: where everything is, and the space that will be needed. New blocks and bitmaps lie behind all
 * there is, each at a whole MiB; blocks of zeros that keep a place get that again, if nobody else has any of it.
 */
#include "repair/merge/vhdx.h"
#include "inspect/block/units.h"
#include "inspect/source/hole.h"
#include "repair/vhdx/change.h"

#define SIZE_ITEM "2fa54224-cd1b-4876-b211-5dbed83bf4b8"
#define MOST_UNITS (UINT64_C(128) << 20)     /* MiB of a file: twice the largest disk */

/* --- the table of blocks --------------------------------------------------------------------------------- */

struct scanning {
	struct cv_merge *m;
	struct cv_units units;               /* MiB that somebody has */
	bool stale, shared;                  /* some blocks of zeros keep places; and somebody else has a part of one */
};

/* An entry with a place: hard if what lies there is in use. */
typedef void see_fn(struct scanning *s, struct cv_range at, bool hard);

static void see_entry(struct scanning *s, uint64_t index, uint64_t entry, see_fn *see)
{
	const struct cv_merge_vhdx *v = s->m->state;
	bool bitmap = index % (v->map.ratio + 1) == v->map.ratio;
	struct cv_range at = { entry & VHDX_OFFSET_BITS, bitmap ? CV_VHDX_MIB : v->map.block_size };
	unsigned state = entry & VHDX_STATE_BITS;

	if (!at.off || state == CV_VHDX_NOT_PRESENT || (!bitmap && index - index / (v->map.ratio + 1) >= v->blocks))
		return;
	see(s, at, bitmap ? state == VHDX_BITMAP_PRESENT : state == CV_VHDX_FULL || state == CV_VHDX_PARTIAL);
}

/* All entries that the disk needs; those in holes say nothing. */
static bool each_entry(struct scanning *s, see_fn *see, struct cv_err *err)
{
	struct cv_merge_vhdx *v = s->m->state;
	struct vhdx_map *map = &v->map;
	uint64_t chunks = (v->blocks + map->ratio - 1) / map->ratio, last = chunks * (map->ratio + 1), n;

	if (last > map->bat_entries)
		last = map->bat_entries;
	for (uint64_t first = 0; first < last; first += n) {
		const cv_le64 *entries = map->bat.entries;

		n = last - first < map->bat.held / 8 ? last - first : map->bat.held / 8;
		if (cv_source_is_hole(map->source, (struct cv_range){ map->bat_off + first * 8, n * 8 }))
			continue;
		if (!cv_bat_hold(&map->bat, map->source, map->bat_off, map->bat_entries, first, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++)
			see_entry(s, first + i, cv_le64_get(entries[i]), see);
	}
	return true;
}

static void see_end(struct scanning *s, struct cv_range at, bool hard)
{
	struct cv_merge_vhdx *v = s->m->state;
	bool inside = cv_range_inside(at, s->m->file);

	s->stale |= !hard;
	s->shared |= !hard && !inside;
	if ((hard || inside) && at.off + at.len > v->end)
		v->end = at.off + at.len;
}

static void see_hard(struct scanning *s, struct cv_range at, bool hard)
{
	if (hard)
		cv_units_take(&s->units, at.off / CV_VHDX_MIB, at.len / CV_VHDX_MIB);
}

static void see_stale(struct scanning *s, struct cv_range at, bool hard)
{
	if (!hard)
		s->shared |= cv_units_take(&s->units, at.off / CV_VHDX_MIB, at.len / CV_VHDX_MIB) < s->units.count;
}

/* --- what is no block ------------------------------------------------------------------------------------ */

static void reach(struct scanning *s, uint64_t off, uint64_t len)
{
	struct cv_merge_vhdx *v = s->m->state;
	uint64_t end;

	if (__builtin_add_overflow(off, len, &end) || end > s->m->file)
		return;
	end = (end + CV_VHDX_MIB - 1) / CV_VHDX_MIB * CV_VHDX_MIB;
	if (s->units.count)
		cv_units_take(&s->units, off / CV_VHDX_MIB, end / CV_VHDX_MIB - off / CV_VHDX_MIB);
	if (end > v->tables)
		v->tables = end;
}

/* Also regions that nobody here knows. */
static bool see_regions(struct scanning *s, struct cv_err *err)
{
	struct cv_merge_vhdx *v = s->m->state;
	CV_AUTO(cv_auto_free) uint8_t *table = malloc(CV_VHDX_TABLE_SIZE);
	const struct cv_vhdx_table_disk *head = (const void *)table;
	const struct cv_vhdx_region_disk *regions = (const void *)(table + sizeof *head);

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < v->map.place_count; i++)
		reach(s, v->map.places[i].off, v->map.places[i].len);
	for (unsigned copy = 0; copy < 2; copy++) {
		if (!cv_source_read(v->map.source, table, CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(copy), err))
			return false;
		for (uint32_t i = 0; i < cv_le32_get(head->count) && i < CV_VHDX_ENTRIES_MAX; i++)
			reach(s, cv_le64_get(regions[i].offset), cv_le32_get(regions[i].length));
	}
	return true;
}

/* Whether the places that blocks of zeros keep may be used again. */
static bool look_at_stale(struct scanning *s, struct cv_err *err)
{
	struct cv_merge_vhdx *v = s->m->state;
	uint64_t units = s->m->file / CV_VHDX_MIB + 1;
	bool ok;

	if (!s->stale || s->shared || units > MOST_UNITS)
		return true;
	ok = cv_units_init(&s->units, units, err) && see_regions(s, err) && each_entry(s, see_hard, err) &&
	     each_entry(s, see_stale, err);
	cv_units_fini(&s->units);
	v->reuse = ok && !s->shared;
	return ok;
}

/* --- opening --------------------------------------------------------------------------------------------- */

static bool find_size_item(struct cv_merge *m, const struct cv_vhdx *vhdx, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	CV_AUTO(cv_auto_free) uint8_t *table = malloc(CV_VHDX_TABLE_SIZE);
	const struct cv_vhdx_item_disk *item;

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_source_read(m->source, table, CV_VHDX_TABLE_SIZE, vhdx->metadata.offset, err))
		return false;
	item = cv_vhdx_find_item(table, SIZE_ITEM);
	if (!item || !cv_range_inside((struct cv_range){ cv_le32_get(item->offset), sizeof(cv_le64) }, vhdx->metadata.length))
		return cv_fail(err, CV_EREFUSED, "the size of the disk is not to be found in the metadata of the VHDX");
	v->size_item = vhdx->metadata.offset + cv_le32_get(item->offset);
	return true;
}

static bool find_items(struct cv_merge *m, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_vhdx vhdx = { .source = m->source, .facts = facts };

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_vhdx_read_headers(&vhdx, err) && cv_vhdx_read_regions(&vhdx, err) && find_size_item(m, &vhdx, err);
}

/* A log that waits would be applied over what is written here. */
static bool has_no_log(struct cv_merge *m, struct cv_err *err)
{
	struct cv_vhdx_header_disk h;
	uint64_t off;

	return cv_vhdx_current_header(m->source, &h, &off, err) || cv_wrap(err, "the VHDX");
}

bool cv_merge_vhdx_open(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state = calloc(1, sizeof *v);
	struct scanning s = { .m = m };

	if (!v)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	v->layer.source = cv_source_borrow(m->source, err);
	if (!v->layer.source || !has_no_log(m, err) || !cv_vhdx_map_init(&v->map, &v->layer, err) || !find_items(m, err))
		return false;
	v->block.bits = malloc(v->map.block_size / v->map.sector / 8);
	if (!v->block.bits)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	m->size = v->map.size;
	m->unit = v->map.block_size;
	v->blocks = cv_merge_vhdx_blocks(v, m->size);
	if (!see_regions(&s, err))
		return false;
	v->end = v->tables;
	if (!each_entry(&s, see_end, err) || !look_at_stale(&s, err))
		return false;
	v->next = v->end;
	/* What lies before the end of the file may have been journalled as something that is in use. */
	m->fresh = (m->file + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;
	return true;
}

/* --- space ----------------------------------------------------------------------------------------------- */

/* All pieces of a block have come by. */
static bool count_block(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	const struct cv_merge_vhdx_block *b = &v->counting;
	bool absent = b->kind == CV_MERGE_VHDX_ABSENT, partial = absent && !cv_merge_vhdx_is_whole(m, b);
	uint64_t chunk = b->number / v->map.ratio, entry;

	if (!b->held || (b->kind != CV_MERGE_VHDX_EMPTY && !absent) || (!b->changed && !partial))
		return true;
	/* It is made a hole, and written to before the entry says anything else. */
	if (b->stale) {
		cv_merge_will_change(m, b->stale, m->unit);
		return !v->map.fixed || cv_merge_expect(m, b->stale, m->unit, err);
	}
	v->fresh++;
	if (!partial || v->chunk == chunk + 1)
		return true;
	v->chunk = chunk + 1;
	if (!cv_merge_vhdx_entry(m, cv_vhdx_entry_of_bitmap(&v->map, chunk), &entry, err))
		return false;
	v->bitmaps += (entry & VHDX_STATE_BITS) != VHDX_BITMAP_PRESENT;
	return true;
}

bool cv_merge_vhdx_count(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	struct cv_merge_vhdx_block *b = &v->counting;
	uint64_t number = piece->at.off / m->unit;

	if (b->held && b->number != number) {
		if (!count_block(m, err))
			return false;
		b->held = false;
	}
	if (!b->held && !cv_merge_vhdx_find(m, number, b, err))
		return false;
	b->owned += piece->at.len;
	b->changed |= !piece->zero;
	if ((b->kind == CV_MERGE_VHDX_SHARED || b->kind == CV_MERGE_VHDX_ABSENT) && (piece->at.off | piece->at.len) % v->map.sector)
		return cv_fail(err, CV_EREFUSED, "the image has a part of a sector of its parent (%" PRIu32 " B) at guest offset %" PRIu64
			       ", which a VHDX cannot say; chainview convert makes one image of both", v->map.sector, piece->at.off);
	if (!b->place || (piece->zero && !v->map.fixed))
		return true;
	return cv_merge_expect(m, b->place + piece->at.off % m->unit, piece->at.len, err);
}

bool cv_merge_vhdx_reserve(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhdx *v = m->state;
	bool grows = m->child_size > m->size;
	uint64_t file, more;

	if (!count_block(m, err) || (grows && !cv_merge_vhdx_may_grow(m, err)))
		return false;
	if (__builtin_mul_overflow(v->fresh, (uint64_t)m->unit, &file) ||
	    __builtin_mul_overflow(v->bitmaps, (uint64_t)CV_VHDX_MIB, &more) || __builtin_add_overflow(file, more, &file) ||
	    __builtin_add_overflow(file, v->end, &file) || file > INT64_MAX)
		return cv_fail(err, CV_EREFUSED, "the VHDX would become larger than a file can be");
	/* Of the last block there may be only what the disk has of it. */
	return (!v->fresh && !v->bitmaps && !grows) || file <= m->file || cv_merge_resize(m, file, err);
}

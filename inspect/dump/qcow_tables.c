/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The tables of QCOW2 and QCOW v1: L1, refcounts, internal snapshots, bitmaps, the area of LUKS. */
#include "inspect/dump/qcow_walk.h"
#include "inspect/qcow2/qcow2_map.h"

#define CHUNK 8192u

struct walk {
	struct cv_dumping *d;
	const struct cv_qcow_tables_of *t;
	uint64_t used, beyond, counted;
	struct cv_dump_sum_up group;
};

static bool word(struct walk *w, uint64_t value, struct cv_err *err)
{
	uint64_t off = value & w->t->mask;

	w->used += off != 0;
	w->counted += (value & w->t->counted) != 0;
	if (!off)
		return true;
	if (off >= w->d->view->size) {
		w->beyond++;
		return true;
	}
	return cv_dump_group_add(&w->group, (struct cv_range){ off, w->t->each }, NULL, NULL, err);
}

static bool go_through(struct walk *w, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_be64 *words = malloc(CHUNK * sizeof *words);
	struct cv_range r = w->t->table;
	uint64_t size = w->d->view->size, room = r.off < size ? (size - r.off) / 8 : 0, n;
	uint64_t entries = r.len / 8 < room ? r.len / 8 : room;
	bool good;

	if (!words)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < entries; first += n) {
		n = cv_dump_hole(w->d->view, r.off + first * 8, r.off + entries * 8) / 8;
		if (n)
			continue;
		n = entries - first < CHUNK ? entries - first : CHUNK;
		if (!cv_dump_read(w->d, words, (size_t)n * 8, r.off + first * 8, &good, err))
			return false;
		for (uint64_t i = 0; good && i < n; i++)
			if (!word(w, cv_be64_get(words[i]), err))
				return false;
		if (!cv_task_alive(w->d->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
	}
	return true;
}

bool cv_dump_qcow_tables(struct cv_dumping *d, const struct cv_dump_piece *piece, const struct cv_qcow_tables_of *t,
			 struct cv_err *err)
{
	struct cv_dump_piece p = *piece;
	struct walk w = { .d = d, .t = t };

	p.at = t->table;
	if (!t->table.len || t->table.off >= d->view->size)
		return true;
	if (!cv_dump_group_begin(d, t->group, &w.group, err))
		return false;
	w.group.summary.indexed = t->has_index;
	w.group.summary.index = t->index;
	return go_through(&w, err) && cv_dump_piece(d, &p, err) &&
	       cv_dump_number(d, CV_COUNT_ENTRIES, t->table.len / 8, err) &&
	       cv_dump_number(d, CV_COUNT_USED, w.used, err) &&
	       cv_dump_number(d, CV_COUNT_BEYOND_FILE, w.beyond, err) &&
	       (!t->counted || cv_dump_number(d, CV_COUNT_COPIED, w.counted, err)) && cv_dump_group_end(&w.group, err);
}

bool cv_dump_qcow2_tables(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_dump_piece l1 = { .layout = CV_LAYOUT_QCOW2_L1, .used = true };
	struct cv_dump_piece refcounts = { .layout = CV_LAYOUT_QCOW2_REFCOUNTS, .used = true };
	struct cv_qcow_tables_of t = {
		.table = { r->h.l1_off, (uint64_t)r->h.l1_entries * 8 },
		.mask = QCOW2_ENTRY_OFFSET,
		.each = r->cluster_size,
		.counted = QCOW2_ENTRY_COPIED,
		.group = CV_GROUP_L2,
	};
	struct cv_qcow_tables_of blocks = {
		.table = { r->h.refcount_off, r->h.refcount_clusters * r->cluster_size },
		.mask = QCOW2_ENTRY_OFFSET,
		.each = r->cluster_size,
		.group = CV_GROUP_REFCOUNT_BLOCKS,
	};

	if (!r->cluster_known)
		return true;
	if (r->h.l1_entries <= QCOW2_MAX_L1_ENTRIES && !cv_dump_qcow_tables(d, &l1, &t, err))
		return false;
	return blocks.table.len > QCOW2_MAX_REFCOUNT_TABLE || cv_dump_qcow_tables(d, &refcounts, &blocks, err);
}

/* Parts of a record, one behind the other. */
struct part {
	enum cv_layout_id layout;
	uint64_t len;
};

static bool parts(struct cv_dumping *d, uint64_t at, const struct part *list, size_t count, uint32_t index,
		  struct cv_err *err)
{
	for (size_t i = 0; i < count; at += list[i++].len) {
		struct cv_dump_piece p = {
			.layout = list[i].layout, .at = { at, list[i].len }, .has_index = true, .index = index
		};

		if (at < d->view->size && !cv_dump_piece(d, &p, err))
			return false;
	}
	return true;
}

static bool snapshot(struct cv_dumping *d, const struct cv_qcow2_reading *r, const struct cv_qcow2_snapshot_disk *s,
		     uint32_t index, struct cv_err *err)
{
	struct cv_dump_piece l1 = { .layout = CV_LAYOUT_QCOW2_SNAPSHOT_L1, .has_index = true, .index = index };
	struct cv_qcow_tables_of t = {
		.table = { cv_be64_get(s->l1_off), (uint64_t)cv_be32_get(s->l1_entries) * 8 },
		.mask = QCOW2_ENTRY_OFFSET,
		.each = r->cluster_size,
		.group = CV_GROUP_SNAPSHOT_L2,
		.has_index = true,
		.index = index,
	};

	return !r->cluster_known || cv_be32_get(s->l1_entries) > QCOW2_MAX_L1_ENTRIES ||
	       cv_dump_qcow_tables(d, &l1, &t, err);
}

bool cv_dump_qcow2_snapshots(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err)
{
	uint64_t at = r->h.snapshot_off;
	struct cv_qcow2_snapshot_disk s;
	bool good;

	for (uint32_t i = 0; i < r->h.snapshot_count && i < QCOW2_MAX_SNAPSHOTS && d->left; i++) {
		struct part list[] = {
			{ CV_LAYOUT_QCOW2_SNAPSHOT, sizeof s },
			{ CV_LAYOUT_QCOW2_SNAPSHOT_EXTRA, 0 },
			{ CV_LAYOUT_QCOW2_SNAPSHOT_ID, 0 },
			{ CV_LAYOUT_QCOW2_SNAPSHOT_NAME, 0 },
		};

		if (!cv_range_inside((struct cv_range){ at, sizeof s }, d->view->size))
			break;
		if (!cv_dump_read(d, &s, sizeof s, at, &good, err))
			return false;
		if (!good)
			break;
		list[1].len = cv_be32_get(s.extra_len);
		list[2].len = cv_be16_get(s.id_len);
		list[3].len = cv_be16_get(s.name_len);
		if (!parts(d, at, list, CV_COUNT(list), i, err) || !snapshot(d, r, &s, i, err))
			return false;
		at += (sizeof s + list[1].len + list[2].len + list[3].len + 7) / 8 * 8;
	}
	return true;
}

static bool bitmap_table(struct cv_dumping *d, const struct cv_qcow2_bitmap_disk *b, uint32_t index, struct cv_err *err)
{
	struct cv_dump_piece p = {
		.layout = CV_LAYOUT_QCOW2_BITMAP_TABLE,
		.has_index = true,
		.index = index,
		.at = { cv_be64_get(b->table_off), (uint64_t)cv_be32_get(b->table_entries) * 8 },
	};

	return p.at.off >= d->view->size || cv_dump_piece(d, &p, err);
}

bool cv_dump_qcow2_bitmaps(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_qcow2_bitmaps_disk list;
	struct cv_qcow2_bitmap_disk b;
	uint64_t at, end;
	bool good;

	if (r->ext.bitmaps.len < sizeof list)
		return true;
	if (!cv_dump_read(d, &list, sizeof list, r->ext.bitmaps.off, &good, err))
		return false;
	if (!good)
		return true;
	at = cv_be64_get(list.directory_off);
	if (__builtin_add_overflow(at, cv_be64_get(list.directory_size), &end) || end > d->view->size)
		end = d->view->size;
	for (uint32_t i = 0; i < cv_be32_get(list.count) && at < end && end - at >= sizeof b && d->left; i++) {
		struct part row[] = {
			{ CV_LAYOUT_QCOW2_BITMAP, sizeof b },
			{ CV_LAYOUT_QCOW2_BITMAP_EXTRA, 0 },
			{ CV_LAYOUT_QCOW2_BITMAP_NAME, 0 },
		};

		if (!cv_dump_read(d, &b, sizeof b, at, &good, err))
			return false;
		if (!good)
			break;
		row[1].len = cv_be32_get(b.extra_len);
		row[2].len = cv_be16_get(b.name_len);
		if (!parts(d, at, row, CV_COUNT(row), i, err) || !bitmap_table(d, &b, i, err))
			return false;
		at += (sizeof b + row[1].len + row[2].len + 7) / 8 * 8;
	}
	return true;
}

bool cv_dump_qcow2_luks(struct cv_dumping *d, const struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_qcow2_luks_disk luks;
	struct cv_dump_piece p = { .layout = CV_LAYOUT_QCOW2_LUKS_AREA, .used = true };
	bool good;

	if (r->ext.luks.len < sizeof luks)
		return true;
	if (!cv_dump_read(d, &luks, sizeof luks, r->ext.luks.off, &good, err))
		return false;
	if (!good)
		return true;
	p.at = (struct cv_range){ cv_be64_get(luks.off), cv_be64_get(luks.length) };
	return p.at.off >= d->view->size || cv_dump_piece(d, &p, err);
}

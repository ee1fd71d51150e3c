/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Where the structures of a VHD are: both footers, the header, every locator slot with its data, BAT, batmap, bitmaps. */
#include "inspect/dump/work.h"
#include "inspect/vhd/vhd.h"

#define UNALLOCATED UINT32_MAX
#define CHUNK       8192u

static enum cv_dump_state state_of(const struct vhd_footer *f)
{
	static const enum cv_dump_state states[] = {
		[VHD_FOOTER_ABSENT] = CV_STATE_ABSENT,
		[VHD_FOOTER_KILLED] = CV_STATE_KILLED,
		[VHD_FOOTER_PLAIN] = CV_STATE_NONE,
		[VHD_FOOTER_POISONED] = CV_STATE_POISONED,
	};

	return states[f->state];
}

/* A footer of 511 bytes is summed as if its last one were zero, which changes nothing. */
static bool footer(struct cv_dumping *d, const struct vhd_reader *r, const struct vhd_footer *f, enum cv_dump_copy copy,
		   struct cv_err *err)
{
	struct cv_dump_piece p = {
		.layout = CV_LAYOUT_VHD_FOOTER,
		.at = f->where,
		.copy = copy,
		.state = state_of(f),
		.used = r->used == f,
		.sum = cv_vhd_has_cookie(f) ? CV_SUM_BYTES : CV_SUM_NONE,
		.sum_at = offsetof(struct vhd_footer_disk, checksum),
	};

	return cv_dump_piece(d, &p, err);
}

static bool footers(struct cv_dumping *d, const struct vhd_reader *r, struct cv_err *err)
{
	struct vhd_footer none = { .state = VHD_FOOTER_ABSENT, .where = { 0, VHD_SECTOR } };
	bool is_fixed = r->used && r->used->type == VHD_TYPE_FIXED;

	if (!footer(d, r, &r->end, CV_COPY_PRIMARY, err))
		return false;
	if (cv_vhd_has_cookie(&r->copy))
		return footer(d, r, &r->copy, CV_COPY_BACKUP, err);
	return is_fixed || d->source->size <= VHD_SECTOR || footer(d, r, &none, CV_COPY_BACKUP, err);
}

/* What is set aside for a locator: the name, and the rest of it. */
static bool locator(struct cv_dumping *d, const struct vhd_locator_disk *l, uint32_t slot, struct cv_err *err)
{
	static const char *const little[] = { "W2ru", "W2ku" };
	uint64_t space = cv_vhd_locator_space(cv_be32_get(l->space)), len = cv_be32_get(l->length);
	struct cv_dump_piece p = {
		.layout = memcmp(l->code, "MacX", 4) && memcmp(l->code, "Wi2", 3) ? CV_LAYOUT_VHD_LOCATOR_BYTES
										  : CV_LAYOUT_VHD_LOCATOR_TEXT,
		.at = { cv_be64_get(l->offset), len },
		.has_index = true,
		.index = slot,
	};
	struct cv_dump_piece rest = {
		.layout = CV_LAYOUT_VHD_LOCATOR_REST,
		.at = { p.at.off + len, space > len ? space - len : 0 },
		.has_index = true,
		.index = slot,
	};

	for (size_t i = 0; i < CV_COUNT(little); i++)
		if (!memcmp(l->code, little[i], 4))
			p.layout = CV_LAYOUT_VHD_LOCATOR_LITTLE;
	if (!p.at.off || p.at.off >= d->source->size)
		return true;
	return cv_dump_piece(d, &p, err) && cv_dump_piece(d, &rest, err);
}

struct bitmaps {
	uint64_t full, empty, partial;
	bool any_set, any_clear;
};

static bool look_at_bitmap(void *ctx, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	struct bitmaps *b = ctx;

	(void)err;
	for (size_t i = 0; i < len; i++) {
		b->any_set = b->any_set || bytes[i];
		b->any_clear = b->any_clear || bytes[i] != 0xff;
	}
	return true;
}

struct table {
	struct cv_dumping *d;
	uint64_t entries, used, beyond, lowest, highest;
	uint32_t bitmap_len, bits_len;
	struct bitmaps bitmaps;
	struct cv_dump_sum_up group;
};

static bool entry(struct table *t, uint32_t sector, struct cv_err *err)
{
	uint64_t off = (uint64_t)sector * VHD_SECTOR;
	struct bitmaps *b = &t->bitmaps;

	if (sector == UNALLOCATED)
		return true;
	t->used++;
	if (off >= t->d->source->size) {
		t->beyond++;
		return true;
	}
	t->lowest = off < t->lowest ? off : t->lowest;
	t->highest = off > t->highest ? off : t->highest;
	/* Blocks of no possible size: where the bitmaps end nobody knows. */
	if (!t->bitmap_len) {
		t->group.summary.complete = 0;
		return true;
	}
	b->any_set = b->any_clear = false;
	/* Only of bitmaps without padding it can be said whether they are full. */
	if (!cv_dump_group_add(&t->group, (struct cv_range){ off, t->bitmap_len },
			       t->bits_len == t->bitmap_len ? look_at_bitmap : NULL, b, err))
		return false;
	if (t->bits_len == t->bitmap_len && t->group.summary.complete)
		*(!b->any_clear ? &b->full : !b->any_set ? &b->empty : &b->partial) += 1;
	return true;
}

/* Entries in a hole of the file: all of them say sector 0, where no block can be. */
static void point_at_zero(struct table *t, uint64_t count)
{
	t->used += count;
	t->lowest = 0;
	t->group.summary.complete = 0;
}

static bool go_through_bat(struct table *t, uint64_t off, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(CHUNK * sizeof *bat);
	uint64_t room = off < t->d->source->size ? (t->d->source->size - off) / 4 : 0, n;
	uint64_t entries = t->entries < room ? t->entries : room;
	bool good;

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < entries; first += n) {
		n = cv_dump_hole(t->d->source, off + first * 4, off + entries * 4) / 4;
		if (n) {
			point_at_zero(t, n);
			continue;
		}
		n = entries - first < CHUNK ? entries - first : CHUNK;
		if (!cv_dump_read(t->d, bat, (size_t)n * 4, off + first * 4, &good, err))
			return false;
		for (uint64_t i = 0; good && i < n; i++)
			if (!entry(t, cv_be32_get(bat[i]), err))
				return false;
		if (!cv_task_alive(t->d->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
	}
	return true;
}

static bool bat_numbers(struct cv_dumping *d, const struct table *t, struct cv_err *err)
{
	return cv_dump_number(d, CV_COUNT_ENTRIES, t->entries, err) && cv_dump_number(d, CV_COUNT_USED, t->used, err) &&
	       cv_dump_number(d, CV_COUNT_UNUSED, t->entries - t->used, err) &&
	       cv_dump_number(d, CV_COUNT_BEYOND_FILE, t->beyond, err) &&
	       (t->used == t->beyond || (cv_dump_number(d, CV_COUNT_LOWEST, t->lowest, err) &&
					 cv_dump_number(d, CV_COUNT_HIGHEST, t->highest, err)));
}

static bool bitmap_numbers(struct cv_dumping *d, const struct table *t, struct cv_err *err)
{
	const struct bitmaps *b = &t->bitmaps;

	return t->bits_len != t->bitmap_len || !t->group.summary.complete ||
	       (cv_dump_number(d, CV_COUNT_FULL, b->full, err) && cv_dump_number(d, CV_COUNT_EMPTY, b->empty, err) &&
		cv_dump_number(d, CV_COUNT_PARTIAL, b->partial, err));
}

static bool bat(struct cv_dumping *d, const struct vhd_reader *r, struct cv_err *err)
{
	const struct vhd_header *h = &r->header;
	uint64_t len = (uint64_t)h->entries * 4;
	struct cv_dump_piece p = { .layout = CV_LAYOUT_VHD_BAT, .at = { h->table_offset, len } };
	struct cv_dump_piece padding = { .layout = CV_LAYOUT_VHD_BAT_PADDING,
					 .at = { h->table_offset + len, -len & (VHD_SECTOR - 1) } };
	struct table t = { .d = d, .entries = h->entries, .lowest = UINT64_MAX };
	uint32_t sectors = h->block_size / VHD_SECTOR;

	if (h->table_offset >= d->source->size)
		return true;
	t.bits_len = (sectors + 7) / 8;
	t.bitmap_len = sectors && t.bits_len <= 64u << 10 ? (t.bits_len + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR : 0;
	if (!cv_dump_group_begin(d, CV_GROUP_BLOCK_BITMAPS, &t.group, err))
		return false;
	return go_through_bat(&t, h->table_offset, err) && cv_dump_piece(d, &p, err) && bat_numbers(d, &t, err) &&
	       cv_dump_piece(d, &padding, err) && cv_dump_group_end(&t.group, err) && bitmap_numbers(d, &t, err);
}

/* libvhd sums as many whole sectors as a disk of this size has bits, counting in blocks of 2 MiB. */
static uint64_t summed(const struct vhd_reader *r)
{
	uint64_t bytes = r->used->current_size >> 24;

	return bytes < VHD_SECTOR ? VHD_SECTOR : (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static bool batmap(struct cv_dumping *d, struct vhd_reader *r, struct cv_err *err)
{
	const struct cv_attr *where = cv_facts_attr(r->facts, CV_ATTR_VHD_BATMAP_OFFSET, 0);
	struct cv_dump_piece head = { .layout = CV_LAYOUT_VHD_BATMAP_HEADER, .used = true }, map = {
		.layout = CV_LAYOUT_VHD_BATMAP,
		.used = true,
		.sum_at = UINT32_MAX,
		.sum_given = true,
	};
	struct vhd_batmap_disk disk;
	bool good;

	if (!where)
		return true;
	head.at = (struct cv_range){ where->number, sizeof disk };
	if (!cv_dump_piece(d, &head, err) || !cv_dump_read(d, &disk, sizeof disk, where->number, &good, err))
		return false;
	if (!good)
		return true;
	map.at =
		(struct cv_range){ cv_be64_get(disk.map_offset), (uint64_t)cv_be32_get(disk.map_sectors) * VHD_SECTOR };
	map.sum_len = summed(r);
	map.sum = map.sum_len > map.at.len                         ? CV_SUM_NONE
		  : cv_be32_get(disk.version) == VHD_VERSION(1, 1) ? CV_SUM_SIGNED_BYTES
								   : CV_SUM_BYTES;
	map.sum_stored = cv_be32_get(disk.checksum);
	return cv_dump_piece(d, &map, err);
}

static bool header(struct cv_dumping *d, struct vhd_reader *r, struct cv_err *err)
{
	struct cv_dump_piece p = {
		.layout = CV_LAYOUT_VHD_HEADER,
		.at = r->header.where,
		.used = r->header.present,
		.state = r->header.present ? CV_STATE_NONE : CV_STATE_ABSENT,
		.sum = r->header.present ? CV_SUM_BYTES : CV_SUM_NONE,
		.sum_at = offsetof(struct vhd_header_disk, checksum),
	};
	struct cv_err trouble = { .code = CV_OK };

	if (!cv_dump_piece(d, &p, err))
		return false;
	if (!r->header.present)
		return true;
	for (uint32_t i = 0; i < VHD_LOCATORS; i++)
		if (!locator(d, &r->header.disk.locators[i], i, err))
			return false;
	if (!bat(d, r, err))
		return false;
	if (!cv_vhd_batmap_read(r, &trouble) && !cv_dump_trouble(d, NULL, &trouble, err))
		return false;
	return batmap(d, r, err);
}

static bool walk(struct cv_dumping *d, struct vhd_reader *r, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	if (!cv_vhd_footers_load(r, &trouble))
		return cv_dump_trouble(d, NULL, &trouble, err);
	if (!footers(d, r, err))
		return false;
	if (!r->used)
		return true;
	if (!cv_vhd_header_read(r, &trouble))
		return cv_dump_trouble(d, NULL, &trouble, err);
	return r->used->type == VHD_TYPE_FIXED && !r->header.present ? true : header(d, r, err);
}

bool cv_dump_vhd(struct cv_dumping *d, struct cv_err *err)
{
	struct vhd_reader r = { .source = d->source, .facts = cv_facts_new() };
	bool good;

	if (!r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	good = walk(d, &r, err);
	cv_facts_free(r.facts);
	return good;
}

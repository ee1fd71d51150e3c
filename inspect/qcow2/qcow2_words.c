/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Going through the rows and lists of QCOW2 in bounded memory. What the numbers mean is not known here. */
#include "inspect/qcow2/qcow2_words.h"
#include <endian.h>

#define CHUNK 8192u                          /* numbers that are read at once */

/* The first number at or behind index that is not in a hole; entries if there is none. */
static uint64_t skip_hole(struct cv_source *s, uint64_t off, uint64_t index, uint64_t entries)
{
	uint64_t at = off + index * 8, data, end;

	if (!s->ops->hole || !s->ops->hole(s, at, &data, &end))
		return index;
	if (data >= s->size || (data - off) / 8 >= entries)
		return entries;
	return data > at ? (data - off) / 8 : index;
}

bool cv_qcow2_words(struct cv_source *source, uint64_t off, uint64_t entries, uint64_t *left, cv_qcow2_word *each,
		    void *ctx, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint64_t *raw = NULL;
	uint64_t room = off < source->size ? (source->size - off) / 8 : 0, n;

	if (entries > room)
		entries = room;
	if (entries)
		raw = malloc((entries < CHUNK ? (size_t)entries : CHUNK) * sizeof *raw);
	if (entries && !raw)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < entries; first += n) {
		first = skip_hole(source, off, first, entries);
		n = entries - first < CHUNK ? entries - first : CHUNK;
		if (*left < n)
			return cv_fail(err, CV_ELIMIT, "its tables are longer in all than is looked at");
		*left -= n;
		if (n && !cv_source_read(source, raw, n * sizeof *raw, off + first * 8, err))
			return cv_wrap(err, "while reading a table");
		for (uint64_t i = 0; i < n; i++) {
			uint64_t word = be64toh(raw[i]);

			if (word && !each(ctx, first + i, word, err))
				return false;
		}
	}
	return true;
}

bool cv_qcow2_snapshots(struct cv_source *source, const struct cv_qcow2_header *h, cv_qcow2_each_snapshot *each,
			void *ctx, struct cv_range *table, struct cv_err *err)
{
	uint64_t at = h->snapshot_off;
	struct cv_qcow2_snapshot_disk d;

	*table = (struct cv_range){ at, 0 };
	for (uint32_t i = 0; i < h->snapshot_count && i < QCOW2_MAX_SNAPSHOTS; i++) {
		struct cv_qcow2_snapshot s = { .index = i };

		if (!cv_range_inside((struct cv_range){ at, sizeof d }, source->size))
			break;
		if (!cv_source_read(source, &d, sizeof d, at, err))
			return cv_wrap(err, "while reading the snapshot table");
		s.l1_off = cv_be64_get(d.l1_off);
		s.l1_entries = cv_be32_get(d.l1_entries);
		s.extra_len = cv_be32_get(d.extra_len);
		s.where = (struct cv_range){ at, sizeof d + (uint64_t)s.extra_len + cv_be16_get(d.id_len) +
							 cv_be16_get(d.name_len) };
		if (!each(ctx, &s, err))
			return cv_wrap(err, "internal snapshot %" PRIu32, i);
		table->len = at + s.where.len - table->off;
		at = (at + s.where.len + 7) / 8 * 8;
	}
	return true;
}

/* The directory that the extension gives, if it is one that can be read. */
static bool find_directory(struct cv_source *source, const struct cv_qcow2_extensions *ext, struct cv_range *directory,
			   uint32_t *count, struct cv_err *err)
{
	struct cv_qcow2_bitmaps_disk list;

	*directory = (struct cv_range){ 0, 0 };
	*count = 0;
	if (ext->bitmaps.len < sizeof list)
		return true;
	if (!cv_source_read(source, &list, sizeof list, ext->bitmaps.off, err))
		return cv_wrap(err, "while reading the bitmaps extension");
	*directory = (struct cv_range){ cv_be64_get(list.directory_off), cv_be64_get(list.directory_size) };
	*count = cv_be32_get(list.count);
	if (!cv_range_inside(*directory, source->size) || directory->len > QCOW2_MAX_BITMAP_DIRECTORY)
		*directory = (struct cv_range){ 0, 0 };
	return true;
}

bool cv_qcow2_bitmaps(struct cv_source *source, const struct cv_qcow2_extensions *ext, cv_qcow2_each_bitmap *each,
		      void *ctx, struct cv_range *directory, struct cv_err *err)
{
	struct cv_qcow2_bitmap_disk d;
	uint64_t at, end;
	uint32_t count;

	if (!find_directory(source, ext, directory, &count, err))
		return false;
	at = directory->off;
	end = at + directory->len;
	for (uint32_t i = 0; i < count && i < QCOW2_MAX_BITMAPS && at < end && end - at >= sizeof d; i++) {
		struct cv_qcow2_bitmap b = { .index = i };

		if (!cv_source_read(source, &d, sizeof d, at, err))
			return cv_wrap(err, "while reading the bitmap directory");
		b.table_off = cv_be64_get(d.table_off);
		b.table_entries = cv_be32_get(d.table_entries);
		b.where = (struct cv_range){ at, sizeof d + (uint64_t)cv_be32_get(d.extra_len) +
							 cv_be16_get(d.name_len) };
		if (!each(ctx, &b, err))
			return cv_wrap(err, "bitmap %" PRIu32, i);
		at = (at + b.where.len + 7) / 8 * 8;
	}
	return true;
}

bool cv_qcow2_luks(struct cv_source *source, const struct cv_qcow2_extensions *ext, struct cv_range *area,
		   struct cv_err *err)
{
	struct cv_qcow2_luks_disk d;

	*area = (struct cv_range){ 0, 0 };
	if (ext->luks.len < sizeof d)
		return true;
	if (!cv_source_read(source, &d, sizeof d, ext->luks.off, err))
		return cv_wrap(err, "while reading the LUKS extension");
	*area = (struct cv_range){ cv_be64_get(d.off), cv_be64_get(d.length) };
	return true;
}

/* Counters of less than a byte begin at its lowest bits, wider ones are big-endian. */
uint64_t cv_qcow2_counter(const uint8_t *block, unsigned order, uint64_t index)
{
	unsigned bits = 1u << order;
	uint64_t count = 0;

	if (bits < 8)
		return block[index * bits / 8] >> index * bits % 8 & ((1u << bits) - 1);
	for (unsigned b = 0; b < bits / 8; b++)
		count = count << 8 | block[index * (bits / 8) + b];
	return count;
}

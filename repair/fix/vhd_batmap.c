/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The batmap of a VHD once more, from the BAT and the bitmaps of the blocks: a bit for each block of which no sector is missing.
 * It says nothing that these do not say, so nothing is lost; it must only lie where nothing else does.
 */
#include "repair/fix/vhd.h"
#include "repair/vhd/encode.h"

enum { MOST_BLOCKS = 1 << 20, PIECE = 16384 };

#define NEWEST VHD_VERSION(1, 2)

struct rebuilding {
	struct cv_fix_vhd v;
	uint64_t at;                 /* of its header */
	struct vhd_batmap_disk disk;
	struct cv_range map;
	uint8_t *bits;               /* as long as the map */
	uint64_t needed;             /* blocks that the disk has */
	bool asks;                   /* what its header held besides is lost */
};

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

static bool is_free(const struct rebuilding *k, struct cv_range what)
{
	const struct vhd_header *h = &k->v.r.header;

	uint64_t limit = cv_vhd_has_cookie(&k->v.r.end) ? k->v.r.end.where.off : k->v.r.source->size;

	if (!cv_range_inside(what, limit) || what.off < h->where.off + h->where.len || k->v.first < what.off + what.len)
		return false;
	for (unsigned i = 0; k->v.r.used->type == VHD_TYPE_DIFFERENCING && i < VHD_LOCATORS; i++) {
		const struct vhd_locator_disk *d = &h->disk.locators[i];

		if (cv_vhd_nonzero(d->code, sizeof d->code).len &&
		    cv_ranges_touch(what, (struct cv_range){ cv_be64_get(d->offset), whole_sectors(cv_be32_get(d->length)) }))
			return false;
	}
	return !cv_ranges_touch(what, (struct cv_range){ h->table_offset, (uint64_t)h->entries * 4 });
}

static bool map_is_usable(const struct rebuilding *k)
{
	return k->map.len >= cv_vhd_batmap_summed(k->v.r.used->current_size) && k->map.len <= MOST_BLOCKS / 8 + VHD_SECTOR &&
	       !cv_ranges_touch(k->map, (struct cv_range){ k->at, sizeof k->disk }) && is_free(k, k->map);
}

static void make_header(struct rebuilding *k)
{
	uint64_t len = whole_sectors((k->v.r.header.entries + 7) / 8), summed = cv_vhd_batmap_summed(k->v.r.used->current_size);

	k->asks = k->disk.key_set != 0;
	k->map = (struct cv_range){ k->at + sizeof k->disk, len > summed ? len : summed };
	k->disk = (struct vhd_batmap_disk){ .map_offset = cv_be64_of(k->map.off), .map_sectors = cv_be32_of((uint32_t)(k->map.len / VHD_SECTOR)) };
}

/* What its header says is kept as far as it can be meant. False: there is no place for it. */
static bool find_place(struct rebuilding *k, bool *found, struct cv_err *err)
{
	const struct vhd_header *h = &k->v.r.header;

	k->at = h->table_offset + whole_sectors((uint64_t)h->entries * 4);
	*found = is_free(k, (struct cv_range){ k->at, sizeof k->disk });
	if (!*found)
		return true;
	if (!cv_source_read(k->v.r.source, &k->disk, sizeof k->disk, k->at, err))
		return cv_wrap(err, "while reading the batmap");
	k->map = (struct cv_range){ cv_be64_get(k->disk.map_offset), (uint64_t)cv_be32_get(k->disk.map_sectors) * VHD_SECTOR };
	if (!map_is_usable(k))
		make_header(k);
	*found = map_is_usable(k);
	memcpy(k->disk.cookie, VHD_BATMAP_COOKIE, sizeof k->disk.cookie);
	k->disk.version = cv_be32_of(NEWEST);
	return true;
}

static bool is_full(struct rebuilding *k, uint64_t block, uint32_t sector, bool *full, struct cv_err *err)
{
	uint64_t size = k->v.r.facts->block_size, disk = k->v.r.facts->virtual_size, guest = block * size;
	uint64_t sectors = (disk - guest < size ? disk - guest : size) / VHD_SECTOR, bytes = (sectors + 7) / 8;
	uint8_t piece[VHD_SECTOR];

	*full = true;
	for (uint64_t done = 0; *full && done < bytes; done += sizeof piece) {
		size_t n = bytes - done < sizeof piece ? (size_t)(bytes - done) : sizeof piece;

		if (!cv_source_read(k->v.r.source, piece, n, (uint64_t)sector * VHD_SECTOR + done, err))
			return cv_wrap(err, "while reading the bitmap of block %" PRIu64, block);
		for (size_t i = 0; *full && i < n; i++) {
			uint64_t left = sectors - (done + i) * 8;

			*full = (piece[i] | (left < 8 ? 0xff >> left : 0)) == 0xff;
		}
	}
	return true;
}

static bool take_bits(struct rebuilding *k, struct cv_err *err)
{
	const struct vhd_header *h = &k->v.r.header;
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(PIECE * sizeof *bat);

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < k->needed; first += PIECE) {
		uint64_t n = k->needed - first < PIECE ? k->needed - first : PIECE;

		if (!cv_source_read(k->v.r.source, bat, (size_t)n * sizeof *bat, h->table_offset + first * 4, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++) {
			uint32_t sector = cv_be32_get(bat[i]);
			bool full = false;

			if (sector != VHD_UNUSED && !is_full(k, first + i, sector, &full, err))
				return false;
			if (full && (first + i) / 8 < k->map.len)
				k->bits[(first + i) / 8] |= (uint8_t)(0x80 >> (first + i) % 8);
		}
	}
	return true;
}

/* NULL: nothing does. */
static const char *against(struct rebuilding *k)
{
	if (!cv_fix_vhd_has_tables(&k->v))
		return "its header or its BAT is damaged: that comes first";
	k->needed = (k->v.r.facts->virtual_size + k->v.r.facts->block_size - 1) / k->v.r.facts->block_size;
	if (k->needed > k->v.r.header.entries || k->v.r.header.entries > MOST_BLOCKS)
		return "the disk has more blocks than a batmap is made for";
	return NULL;
}

static bool write_out(struct rebuilding *k, struct cv_fix *fix, struct cv_err *err)
{
	uint64_t summed = cv_vhd_batmap_summed(k->v.r.used->current_size);

	k->bits = calloc(1, (size_t)k->map.len);
	if (!k->bits)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!take_bits(k, err))
		return false;
	k->disk.checksum = cv_be32_of(cv_vhd_sum(k->bits, (size_t)summed, (size_t)summed));
	if (k->asks)
		cv_fix_ask(fix, "made again at offset %" PRIu64 " from the bitmaps; the hash of the key that it held is lost", k->at);
	else
		cv_fix_say(fix, "made again at offset %" PRIu64 " from the bitmaps of the blocks", k->at);
	fix->off = k->at;
	return cv_fix_patch(fix, k->map.off, k->bits, (size_t)k->map.len, 1, err) &&
	       cv_fix_patch(fix, k->at, &k->disk, sizeof k->disk, 1, err);
}

static bool rebuild(struct rebuilding *k, struct cv_fix *fix, struct cv_err *err)
{
	const char *reason = against(k);
	bool found;

	if (reason)
		return cv_fix_refuse(fix, "%s", reason);
	if (!cv_fix_vhd_walk(&k->v, err))
		return false;
	if (k->v.any_past)
		return cv_fix_refuse(fix, "block %" PRIu32 " is not in the file as a whole: its bitmap cannot be relied on", k->v.past);
	if (!find_place(k, &found, err))
		return false;
	return found ? write_out(k, fix, err) : cv_fix_refuse(fix, "something else lies where the batmap belongs");
}

bool cv_fix_batmap(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	struct rebuilding k = { .bits = NULL };
	bool ok = cv_fix_vhd_read(job, &k.v, err) && rebuild(&k, fix, err);

	cv_fix_vhd_fini(&k.v);
	free(k.bits);
	return ok;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The batmap header behind the BAT of images made by tap 1.2 and later: its marker, its key hash, and whether
 * its map sums to its checksum. The bits of the map are not looked at here.
 */
#include "inspect/vhd/vhd.h"
#include <stdio.h>

#define NEWEST_BATMAP VHD_VERSION(1, 2)
#define WINDOW        (16u << 10)
#define MOST_SUMMED   (1u << 20) /* larger maps keep their sum unchecked in this pass */

#define AT(member) offsetof(struct vhd_batmap_disk, member)

struct batmap {
	struct cv_range where, map;
	struct vhd_batmap_disk disk;
	uint32_t version;
};

/* What has no cookie or is too new is not a batmap; the text says why, NULL if it is one. */
static const char *why_not(const struct batmap *b)
{
	if (memcmp(b->disk.cookie, VHD_BATMAP_COOKIE, sizeof b->disk.cookie))
		return "there is none behind the BAT, where this creator always puts one";
	return b->version > NEWEST_BATMAP ? "its version is newer than 1.2" : NULL;
}

/* libvhd sums as many sectors as a disk of this size has bits, counting in blocks of 2 MiB. */
static uint64_t summed_bytes(const struct vhd_reader *r)
{
	uint64_t bytes = r->used->current_size >> 24;

	return bytes < VHD_SECTOR ? VHD_SECTOR : (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* Version 1.1 was summed as signed characters. */
static uint32_t add_bytes(uint32_t sum, const uint8_t *bytes, size_t len, bool is_signed)
{
	for (size_t i = 0; i < len; i++)
		sum += is_signed ? (uint32_t)(int32_t)(int8_t)bytes[i] : bytes[i];
	return sum;
}

static bool sum_map(struct vhd_reader *r, const struct batmap *b, uint64_t len, uint32_t *sum, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *window = malloc(WINDOW);

	if (!window)
		return cv_fail(err, CV_ENOMEM, "out of memory for the batmap");
	for (uint64_t done = 0; done < len; done += WINDOW) {
		size_t n = len - done < WINDOW ? (size_t)(len - done) : WINDOW;

		if (!cv_source_read(r->source, window, n, b->map.off + done, err))
			return cv_wrap(err, "while reading the batmap");
		*sum = add_bytes(*sum, window, n, b->version == VHD_VERSION(1, 1));
	}
	*sum = ~*sum;
	return true;
}

static bool check_map(struct vhd_reader *r, const struct batmap *b, struct cv_err *err)
{
	uint64_t len = summed_bytes(r);
	uint32_t sum = 0, stored = cv_be32_get(b->disk.checksum);

	if (!cv_range_inside(b->map, r->source->size)) {
		cv_vhd_reportf(r, CV_VHD_BATMAP_INVALID, b->where, "its map at 0x%" PRIx64 " lies outside the file",
			       b->map.off);
		return true;
	}
	if (b->map.len < len) {
		cv_vhd_reportf(r, CV_VHD_BATMAP_INVALID, b->where, "its map of %" PRIu64 " B is too small for the disk",
			       b->map.len);
		return true;
	}
	if (len > MOST_SUMMED)
		return true;
	if (!sum_map(r, b, len, &sum, err))
		return false;
	r->batmap.sound = sum == stored;
	r->batmap.vouched = len;
	if (sum != stored)
		cv_vhd_reportf(r, CV_VHD_BATMAP_INVALID, b->map, "checksum is 0x%x, its map sums to 0x%x", stored, sum);
	return true;
}

static void take_key(struct vhd_reader *r, const struct batmap *b)
{
	char hex[2 * sizeof b->disk.key_hash + 1];

	if (b->disk.key_set != 1)
		return;
	for (size_t i = 0; i < sizeof b->disk.key_hash; i++)
		snprintf(hex + 2 * i, 3, "%02x", b->disk.key_hash[i]);
	r->facts->flags |= CV_FACT_ENCRYPTED;
	cv_facts_text(r->facts, CV_ATTR_VHD_KEY_HASH, 0, cv_bytes_of(hex),
		      (struct cv_range){ b->where.off + AT(key_hash), sizeof b->disk.key_hash });
}

static void take_batmap(struct vhd_reader *r, const struct batmap *b)
{
	static const struct vhd_field fields[] = {
		{ CV_ATTR_VHD_BATMAP_VERSION, AT(version), 4 },
		{ CV_ATTR_VHD_BATMAP_MARKER, AT(marker), 1 },
	};

	r->batmap = (struct vhd_batmap){ .present = true, .where = b->where, .map = b->map };
	cv_facts_number(r->facts, CV_ATTR_VHD_BATMAP_OFFSET, 0, b->where.off, b->where);
	cv_vhd_fields(r, fields, CV_COUNT(fields), &b->disk, b->where.off, 0);
	cv_vhd_reserved(r, "batmap header", b->disk.reserved, sizeof b->disk.reserved, b->where.off + AT(reserved));
	take_key(r, b);
}

/* Behind the BAT, on a sector boundary. False if its place cannot be told. */
static bool place(const struct vhd_reader *r, struct cv_range *where)
{
	uint64_t table = ((uint64_t)r->header.entries * 4 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;

	where->len = sizeof(struct vhd_batmap_disk);
	return r->header.sums && r->header.table_sane &&
	       !__builtin_add_overflow(r->header.table_offset, table, &where->off);
}

bool cv_vhd_batmap_read(struct vhd_reader *r, struct cv_err *err)
{
	struct batmap b = { .version = 0 };
	const char *why;
	/* Images updated from 0.1 to 1.1 need not have one. */
	bool required = r->used->app_version >= VHD_VERSION(1, 2);

	if (r->used->type == VHD_TYPE_FIXED || !cv_vhd_made_by_tap(r->used) ||
	    r->used->app_version <= VHD_VERSION(0, 1) || !place(r, &b.where))
		return true;
	if (!cv_range_inside(b.where, r->source->size)) {
		if (required)
			cv_vhd_reportf(r, CV_VHD_BATMAP_INVALID, b.where, "its header lies outside the file");
		return true;
	}
	if (!cv_source_read(r->source, &b.disk, sizeof b.disk, b.where.off, err))
		return cv_wrap(err, "while reading the batmap header");
	b.version = cv_be32_get(b.disk.version);
	why = why_not(&b);
	if (why) {
		if (required)
			cv_vhd_reportf(r, CV_VHD_BATMAP_INVALID, b.where, "%s", why);
		return true;
	}
	b.map = (struct cv_range){ cv_be64_get(b.disk.map_offset),
				   (uint64_t)cv_be32_get(b.disk.map_sectors) * VHD_SECTOR };
	take_batmap(r, &b);
	return check_map(r, &b, err);
}

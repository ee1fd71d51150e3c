/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The dynamic header: finding it, its checksum, block size and where the BAT is. What it says about the
 * parent is in vhd_parent.c; the BAT itself is not read here.
 */
#include "inspect/vhd/vhd.h"

#define USUAL_OFFSET   VHD_SECTOR
#define SMALLEST_BLOCK 4096u
#define LARGEST_BLOCK  (256u << 20)
#define LARGEST_FILE   (UINT64_C(1) << 41)

#define AT(member) offsetof(struct vhd_header_disk, member)

static struct cv_range where_is(const struct vhd_header *h, size_t at, size_t len)
{
	return (struct cv_range){ h->where.off + at, len };
}

static bool load(struct vhd_reader *r, uint64_t off, struct vhd_header *h, struct cv_err *err)
{
	memset(h, 0, sizeof *h);
	h->where = (struct cv_range){ off, sizeof h->disk };
	if (!cv_source_read(r->source, &h->disk, sizeof h->disk, off, err))
		return cv_wrap(err, "while reading the dynamic header");
	cv_vhd_header_decode(h);
	return true;
}

/* Where the footer says that it is or, when it is not there, where every tool puts it: but then only if it is sound. */
static bool find(struct vhd_reader *r, bool expected, struct cv_err *err)
{
	struct cv_range said = { r->used->data_offset, sizeof r->header.disk };
	struct cv_range field = { r->used->where.off + offsetof(struct vhd_footer_disk, data_offset), 8 };
	bool inside = cv_range_inside(said, r->source->size);
	struct vhd_header usual;

	if (expected)
		cv_vhd_inside(r, "dynamic header", said, field);
	if (inside && !load(r, said.off, &r->header, err))
		return false;
	if (r->header.present)
		return true;
	if (inside && expected)
		cv_vhd_reportf(r, CV_GEN_IMAGE_UNREADABLE, said, "no dynamic header at 0x%" PRIx64, said.off);
	if (said.off == USUAL_OFFSET || r->source->size < USUAL_OFFSET + sizeof usual.disk)
		return true;
	if (!load(r, USUAL_OFFSET, &usual, err))
		return false;
	if (usual.sums)
		r->header = usual;
	return true;
}

static void check_header(struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;

	if (!h->sums)
		cv_vhd_report(
			r, CV_VHD_HEADER_CHECKSUM, where_is(h, AT(checksum), 4),
			(struct cv_arg[CV_FINDING_ARGS]){ cv_arg_number(h->sum_stored), cv_arg_number(h->sum_actual) });
	if (h->version != VHD_VERSION(1, 0))
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, where_is(h, AT(version), 4),
			       "dynamic header version %u.%u", h->version >> 16, h->version & 0xffff);
	if (cv_be64_get(h->disk.data_offset) != VHD_NO_OFFSET)
		cv_vhd_reportf(r, CV_VHD_RESERVED_NONZERO, where_is(h, AT(data_offset), 8),
			       "dynamic header (data offset, which is all ones)");
	cv_vhd_reserved(r, "dynamic header", h->disk.reserved1, sizeof h->disk.reserved1, h->where.off + AT(reserved1));
	cv_vhd_reserved(r, "dynamic header", h->disk.reserved2, sizeof h->disk.reserved2, h->where.off + AT(reserved2));
}

/* Sets the block size if it is one that can be worked with. */
static bool check_block_size(struct vhd_reader *r)
{
	uint32_t size = r->header.block_size;
	bool power = size && !(size & (size - 1));
	struct cv_range where = where_is(&r->header, AT(block_size), 4);

	if (power && size > LARGEST_BLOCK) {
		cv_vhd_report_hostile(r, where, "block size", size, LARGEST_BLOCK);
		return false;
	}
	if (!power || size < SMALLEST_BLOCK) {
		cv_vhd_reportf(r, CV_GEN_IMAGE_UNREADABLE, where,
			       "block size of %u B is not a power of two of at least %u B", size, SMALLEST_BLOCK);
		return false;
	}
	r->facts->block_size = size;
	return true;
}

static void check_entries(struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;
	uint64_t size = r->facts->virtual_size, covered = (uint64_t)h->entries * h->block_size;
	struct cv_range where = where_is(h, AT(max_table_entries), 4);

	if (size > covered)
		cv_vhd_report_hostile(r, where, "disk size by the number of BAT entries", size, covered);
	else if (covered > LARGEST_FILE && covered - size >= h->block_size)
		cv_vhd_report_hostile(r, where, "number of BAT entries", h->entries, LARGEST_FILE / h->block_size);
}

/* True if the BAT lies in the file and on nothing else that is known. */
static bool check_table(struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;
	struct cv_range table = { h->table_offset, (uint64_t)h->entries * 4 };
	struct cv_range field = where_is(h, AT(table_offset), 8), footer_copy = { 0, VHD_SECTOR };

	if (!cv_vhd_inside(r, "BAT", table, field))
		return false;
	if (!cv_ranges_touch(table, h->where) && !cv_ranges_touch(table, footer_copy))
		return true;
	cv_vhd_reportf(r, CV_GEN_IMAGE_UNREADABLE, table, "the BAT at 0x%" PRIx64 " lies on the headers", table.off);
	return false;
}

static void take_header(struct vhd_reader *r)
{
	static const struct vhd_field fields[] = {
		{ CV_ATTR_VHD_TABLE_OFFSET, AT(table_offset), 8 },
		{ CV_ATTR_VHD_MAX_TABLE_ENTRIES, AT(max_table_entries), 4 },
		{ CV_ATTR_VHD_BLOCK_SIZE, AT(block_size), 4 },
	};

	cv_vhd_fields(r, fields, CV_COUNT(fields), &r->header.disk, r->header.where.off, 0);
	check_header(r);
	if (check_block_size(r))
		check_entries(r);
	r->header.table_sane = check_table(r);
}

bool cv_vhd_header_read(struct vhd_reader *r, struct cv_err *err)
{
	bool expected = r->used->type != VHD_TYPE_FIXED;

	/* A sound footer of a fixed disk is believed: there is no header, only guest data. */
	if (!expected && r->used->sums)
		return true;
	if (!find(r, expected, err))
		return false;
	if (expected && r->header.present)
		take_header(r);
	return true;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the believed footer says about the image: kind, identity, size, creator, mark. Whether footers are
 * there and sound is vhd_footer.c's business.
 */
#include "inspect/vhd/vhd.h"
#include <stdio.h>

/* The specification's limit; beyond it sector numbers of 32 bits cannot reach. */
#define LARGEST_DISK (UINT64_C(2040) << 30)

#define AT(member) offsetof(struct vhd_footer_disk, member)

static struct cv_range where_is(const struct vhd_footer *f, size_t at, size_t len)
{
	return (struct cv_range){ f->where.off + at, len };
}

/* Without the blanks and zero bytes that fill it up. */
static struct cv_bytes trimmed(const uint8_t *code, size_t len)
{
	while (len && (code[len - 1] == ' ' || !code[len - 1]))
		len--;
	return (struct cv_bytes){ (const char *)code, len };
}

static void take_numbers(struct vhd_reader *r)
{
	static const struct vhd_field fields[] = {
		{ CV_ATTR_VHD_FEATURES, AT(features), 4 },
		{ CV_ATTR_VHD_FORMAT_VERSION, AT(version), 4 },
		{ CV_ATTR_VHD_CREATOR_VERSION, AT(app_version), 4 },
		{ CV_ATTR_VHD_ORIGINAL_SIZE, AT(original_size), 8 },
		{ CV_ATTR_VHD_CURRENT_SIZE, AT(current_size), 8 },
		{ CV_ATTR_VHD_CYLINDERS, AT(cylinders), 2 },
		{ CV_ATTR_VHD_HEADS, AT(heads), 1 },
		{ CV_ATTR_VHD_SECTORS, AT(sectors), 1 },
		{ CV_ATTR_VHD_TYPE, AT(type), 4 },
	};
	const struct vhd_footer *f = r->used;

	cv_facts_number(r->facts, CV_ATTR_VHD_FOOTER_OFFSET, 0, f->where.off, f->where);
	cv_vhd_fields(r, fields, CV_COUNT(fields), &f->disk, f->where.off, 0);
	cv_facts_number(r->facts, CV_ATTR_VHD_GEOMETRY_SIZE, 0, f->geometry_size, where_is(f, AT(cylinders), 4));
	cv_facts_number(r->facts, CV_ATTR_VHD_SAVED_STATE, 0, f->disk.saved != 0, where_is(f, AT(saved), 1));
	if (f->data_offset != VHD_NO_OFFSET)
		cv_facts_number(r->facts, CV_ATTR_VHD_HEADER_OFFSET, 0, f->data_offset,
				where_is(f, AT(data_offset), 8));
}

static void take_creator(struct vhd_reader *r)
{
	const struct vhd_footer *f = r->used;
	struct cv_bytes app = trimmed(f->disk.app, sizeof f->disk.app), os = trimmed(f->disk.os, sizeof f->disk.os);
	char text[32];
	size_t len = app.len;

	cv_facts_text(r->facts, CV_ATTR_VHD_CREATOR_APP, 0, app, where_is(f, AT(app), sizeof f->disk.app));
	if (os.len)
		cv_facts_text(r->facts, CV_ATTR_VHD_CREATOR_OS, 0, os, where_is(f, AT(os), sizeof f->disk.os));
	memcpy(text, app.at, app.len);
	if (f->app_version)
		len += (size_t)snprintf(text + len, sizeof text - len, "%s%u.%u", len ? " " : "", f->app_version >> 16,
					f->app_version & 0xffff);
	cv_facts_bytes(r->facts, text, len, &r->facts->creator);
}

static void take_kind(struct vhd_reader *r)
{
	static const enum cv_variant variants[] = {
		[VHD_TYPE_FIXED] = CV_VARIANT_FIXED,
		[VHD_TYPE_DYNAMIC] = CV_VARIANT_DYNAMIC,
		[VHD_TYPE_DIFFERENCING] = CV_VARIANT_DIFFERENCING,
	};
	const struct vhd_footer *f = r->used;

	if (f->type < CV_COUNT(variants))
		r->facts->variant = variants[f->type];
	if (r->facts->variant == CV_VARIANT_NONE)
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, where_is(f, AT(type), 4), "VHD disk type %u", f->type);
	if (f->version != VHD_VERSION(1, 0))
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, where_is(f, AT(version), 4), "VHD format version %u.%u",
			       f->version >> 16, f->version & 0xffff);
	if (!cv_vhd_made_by_tap(f))
		return;
	if (f->app_version > VHD_VERSION(1, 3))
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, where_is(f, AT(app_version), 4),
			       "written by tap %u.%u, which is newer than 1.3", f->app_version >> 16,
			       f->app_version & 0xffff);
	else if (f->app_version == VHD_VERSION(0, 1) && f->type != VHD_TYPE_FIXED)
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, where_is(f, AT(app_version), 4),
			       "written by tap 0.1, whose block bitmaps have another bit order");
}

static void take_identity(struct vhd_reader *r)
{
	const struct vhd_footer *f = r->used;

	memcpy(r->facts->uuid, f->disk.uuid, sizeof r->facts->uuid);
	if (cv_uuid_is_null(f->disk.uuid))
		cv_vhd_report(r, CV_VHD_IDENTITY_NULL, where_is(f, AT(uuid), sizeof f->disk.uuid), NULL);
	else
		r->facts->flags |= CV_FACT_UUID;
	if (f->timestamp) {
		r->facts->flags |= CV_FACT_CREATED;
		r->facts->created = VHD_EPOCH + f->timestamp;
	}
}

/* Storage managers of Xen read the mark at the start of the file, where the copy is. */
static void take_mark(struct vhd_reader *r)
{
	const struct vhd_footer *f = cv_vhd_is_good(&r->copy) ? &r->copy : r->used;

	cv_facts_number(r->facts, CV_ATTR_VHD_HIDDEN_BYTE, 0, f->disk.hidden, where_is(f, AT(hidden), 1));
	if (f->disk.hidden)
		r->facts->mark = CV_MARK_HIDDEN;
	else if (cv_vhd_made_by_tap(f))
		r->facts->mark = CV_MARK_VISIBLE;
	if (f->disk.hidden > 1)
		cv_vhd_reportf(r, CV_VHD_RESERVED_NONZERO, where_is(f, AT(hidden), 1), "footer (hidden byte)");
}

/* 65535/16/255 stands for "see the size". */
static bool is_greatest_geometry(const struct vhd_footer *f)
{
	return cv_be16_get(f->disk.cylinders) == 65535 && f->disk.heads == 16 && f->disk.sectors == 255;
}

/* qemu itself goes by the geometry of the images that it made without force_size. */
static uint64_t size_for_guests(const struct vhd_footer *f)
{
	bool by_geometry = !memcmp(f->disk.app, "qemu", sizeof f->disk.app) && !is_greatest_geometry(f);

	return by_geometry && f->geometry_size ? f->geometry_size : f->current_size;
}

/*
 * The specification's algorithm rounds down to whole tracks and then to whole cylinders, Xen Orchestra rounds
 * up; libvhd's sector count wraps at 2 TiB. Whatever else is different was not computed from this size.
 */
static bool geometry_fits(const struct vhd_footer *f)
{
	uint64_t track = (uint64_t)f->disk.sectors * VHD_SECTOR, cylinder = track * f->disk.heads;
	uint64_t a = f->current_size, b = f->geometry_size;

	if (is_greatest_geometry(f) || (cv_vhd_made_by_tap(f) && f->current_size >= UINT64_C(1) << 41))
		return true;
	return cylinder && (a > b ? a - b : b - a) < cylinder + track;
}

static void take_size(struct vhd_reader *r)
{
	const struct vhd_footer *f = r->used;
	struct cv_range where = where_is(f, AT(current_size), 8);

	r->facts->virtual_size = size_for_guests(f);
	if (r->facts->virtual_size <= INT64_MAX)
		r->facts->flags |= CV_FACT_SIZE;
	if (f->current_size > LARGEST_DISK)
		cv_vhd_report_hostile(r, where, "current size", f->current_size, LARGEST_DISK);
	if (!geometry_fits(f))
		cv_vhd_report(r, CV_VHD_SIZE_GEOMETRY, where_is(f, AT(current_size), 12),
			      (struct cv_arg[CV_FINDING_ARGS]){
				      cv_arg_number(f->current_size), cv_arg_number(cv_be16_get(f->disk.cylinders)),
				      cv_arg_number(f->disk.heads), cv_arg_number(f->disk.sectors) });
}

/* The data of a fixed disk fill the file from its start to the footer. */
static void check_fixed_length(struct vhd_reader *r)
{
	struct cv_range need = { 0, r->facts->virtual_size + r->used->where.len };

	if (r->used->type == VHD_TYPE_FIXED && r->used->current_size <= LARGEST_DISK)
		cv_vhd_inside(r, "the fixed disk with its footer", need, r->used->where);
}

static void check_reserved(struct vhd_reader *r)
{
	const struct vhd_footer *f = r->used;
	uint32_t known = VHD_FEATURE_TEMPORARY | VHD_FEATURE_RESERVED;

	cv_vhd_reserved(r, "footer", f->disk.reserved, sizeof f->disk.reserved, f->where.off + AT(reserved));
	if (f->features & ~known || !(f->features & VHD_FEATURE_RESERVED))
		cv_vhd_reportf(r, CV_VHD_RESERVED_NONZERO, where_is(f, AT(features), 4), "footer (features)");
	if (f->disk.saved > 1)
		cv_vhd_reportf(r, CV_VHD_RESERVED_NONZERO, where_is(f, AT(saved), 1), "footer (saved state)");
}

void cv_vhd_footer_facts(struct vhd_reader *r)
{
	take_numbers(r);
	take_creator(r);
	take_kind(r);
	take_identity(r);
	take_mark(r);
	take_size(r);
	check_fixed_length(r);
	check_reserved(r);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The eight parent locators and the name in the dynamic header, as recorded names. Reads names and follows
 * none. Which of them agree is vhd_parent.c's business; what a stored name means is in vhd_name.c.
 */
#include "inspect/vhd/vhd_name.h"
#include <stdio.h>

#define LARGEST_LOCATOR (64u << 10)

#define AT(member) offsetof(struct vhd_locator_disk, member)

struct locator {
	unsigned slot;
	const struct vhd_platform *platform; /* NULL: unknown */
	uint32_t code, length;
	uint64_t space, offset;
	struct cv_range entry; /* its 24 bytes in the file */
	char what[48];         /* for findings */
};

static void decode(const struct vhd_header *h, unsigned slot, struct locator *l)
{
	const struct vhd_locator_disk *d = &h->disk.locators[slot];
	cv_be32 code;

	memcpy(&code, d->code, sizeof code);
	*l = (struct locator){
		.slot = slot,
		.platform = cv_vhd_platform(d->code),
		.code = cv_be32_get(code),
		.length = cv_be32_get(d->length),
		.space = cv_vhd_locator_space(cv_be32_get(d->space)),
		.offset = cv_be64_get(d->offset),
		.entry = { h->where.off + offsetof(struct vhd_header_disk, locators) + slot * sizeof *d, sizeof *d },
	};
	snprintf(l->what, sizeof l->what, "parent locator %u (%s)", slot,
		 l->platform ? cv_name_source_name(l->platform->source) : "unknown platform");
}

static void take_entry(struct vhd_reader *r, const struct locator *l)
{
	static const struct vhd_field fields[] = {
		{ CV_ATTR_VHD_LOCATOR_SPACE, AT(space), 4 },
		{ CV_ATTR_VHD_LOCATOR_LENGTH, AT(length), 4 },
		{ CV_ATTR_VHD_LOCATOR_OFFSET, AT(offset), 8 },
	};
	const struct vhd_locator_disk *d = &r->header.disk.locators[l->slot];
	struct cv_range code = { l->entry.off, sizeof d->code };

	cv_facts_text(r->facts, CV_ATTR_VHD_LOCATOR_PLATFORM, l->slot,
		      (struct cv_bytes){ (const char *)d->code, sizeof d->code }, code);
	cv_vhd_fields(r, fields, CV_COUNT(fields), d, l->entry.off, l->slot);
	cv_vhd_reserved(r, l->what, (const uint8_t *)&d->reserved, sizeof d->reserved, l->entry.off + AT(reserved));
	if (!l->platform)
		cv_vhd_reportf(r, CV_GEN_UNSUPPORTED_FEATURE, code, "parent locator %u of unknown platform 0x%08x",
			       l->slot, l->code);
}

/* The bytes of the stored name; false (reported) if there are none that can be read. */
static bool name_range(struct vhd_reader *r, const struct locator *l, struct cv_range *name)
{
	struct cv_range field = { l->entry.off + AT(length), 4 }, offset = { l->entry.off + AT(offset), 8 };
	char what[72];

	*name = (struct cv_range){ l->offset, l->length };
	if (!l->length)
		return false;
	snprintf(what, sizeof what, "length of %s", l->what);
	if (l->length > LARGEST_LOCATOR) {
		cv_vhd_report_hostile(r, field, what, l->length, LARGEST_LOCATOR);
		return false;
	}
	if (l->space && l->length > l->space) {
		cv_vhd_report_hostile(r, field, what, l->length, l->space);
		name->len = l->space;
	}
	return cv_vhd_inside(r, l->what, *name, offset);
}

static bool read_locator(struct vhd_reader *r, unsigned slot, uint8_t *buf, struct cv_err *err)
{
	struct locator l;
	struct cv_range name;

	decode(&r->header, slot, &l);
	if (!l.code) {
		cv_vhd_reserved(r, "unused parent locator", (const uint8_t *)&r->header.disk.locators[slot],
				sizeof(struct vhd_locator_disk), l.entry.off);
		return true;
	}
	take_entry(r, &l);
	if (!name_range(r, &l, &name))
		return true;
	if (!cv_source_read(r->source, buf, name.len, name.off, err))
		return cv_wrap(err, "while reading %s", l.what);
	cv_vhd_name_add(r->facts, l.platform, buf, name);
	return true;
}

bool cv_vhd_locators_read(struct vhd_reader *r, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *buf = malloc(LARGEST_LOCATOR);
	struct cv_range own = { r->header.where.off + offsetof(struct vhd_header_disk, parent_name),
				sizeof r->header.disk.parent_name };

	if (!buf)
		return cv_fail(err, CV_ENOMEM, "out of memory for parent locators");
	for (unsigned slot = 0; slot < VHD_LOCATORS; slot++)
		if (!read_locator(r, slot, buf, err))
			return false;
	cv_vhd_name_add(r->facts, &cv_vhd_header_name, r->header.disk.parent_name, own);
	return true;
}

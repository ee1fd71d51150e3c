/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How the VHD reader says things: fields as attributes, and the findings that several of its parts give. */
#include "inspect/vhd/vhd.h"
#include <stdarg.h>
#include <stdio.h>

/* Sector numbers in a VHD have 32 bits, so nothing in one can lie further out. */
#define FARTHEST (UINT64_C(1) << 41)

static uint64_t big_endian(const uint8_t *b, size_t len)
{
	uint64_t n = 0;

	while (len--)
		n = n << 8 | *b++;
	return n;
}

void cv_vhd_fields(struct vhd_reader *r, const struct vhd_field *fields, size_t count, const void *disk, uint64_t base,
		   uint32_t index)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *b = (const uint8_t *)disk + fields[i].at;
		struct cv_range where = { base + fields[i].at, fields[i].len };

		cv_facts_number(r->facts, fields[i].id, index, big_endian(b, fields[i].len), where);
	}
}

void cv_vhd_report(struct vhd_reader *r, enum cv_problem_id id, struct cv_range where,
		   const struct cv_arg args[CV_FINDING_ARGS])
{
	struct cv_finding f = cv_finding_of(id);

	f.has_where = true;
	f.where = where;
	if (args)
		memcpy(f.arg, args, sizeof f.arg);
	cv_facts_find(r->facts, f);
}

void cv_vhd_reportf(struct vhd_reader *r, enum cv_problem_id id, struct cv_range where, const char *fmt, ...)
{
	char text[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	cv_vhd_report(r, id, where, (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(text) });
}

void cv_vhd_report_hostile(struct vhd_reader *r, struct cv_range where, const char *what, uint64_t n, uint64_t limit)
{
	cv_vhd_report(r, CV_GEN_HOSTILE_VALUE, where,
		      (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(what), cv_arg_number(n), cv_arg_number(limit) });
}

bool cv_vhd_inside(struct vhd_reader *r, const char *what, struct cv_range range, struct cv_range field)
{
	char offset_of[64];

	if (cv_range_inside(range, r->source->size))
		return true;
	if (range.off > FARTHEST) {
		snprintf(offset_of, sizeof offset_of, "offset of the %s", what);
		cv_vhd_report_hostile(r, field, offset_of, range.off, FARTHEST);
		return false;
	}
	cv_vhd_report(r, CV_GEN_IMAGE_TRUNCATED, range,
		      (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(what), cv_arg_number(range.len),
							cv_arg_number(range.off), cv_arg_number(r->source->size) });
	return false;
}

void cv_vhd_reserved(struct vhd_reader *r, const char *what, const uint8_t *bytes, size_t len, uint64_t base)
{
	struct cv_range set = cv_vhd_nonzero(bytes, len);

	if (!set.len)
		return;
	set.off += base;
	cv_vhd_report(r, CV_VHD_RESERVED_NONZERO, set, (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(what) });
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD format: is it one, and the order in which its metadata are read. The parts are in the other files. */
#include "inspect/vhd/vhd.h"

/*
 * The end of a raw image belongs to the guest, which can write a footer there; so a footer at the end alone is
 * worth less than what other formats have at offset 0.
 */
static unsigned probe(struct cv_source *source)
{
	struct vhd_reader r = { .source = source };
	struct cv_err err = { CV_OK };
	bool end, copy;

	if (!cv_vhd_footers_load(&r, &err) || !r.used)
		return 0;
	end = cv_vhd_is_good(&r.end);
	copy = cv_vhd_is_good(&r.copy);
	if (copy && r.copy.type != VHD_TYPE_FIXED)
		return end ? 100 : 95;
	if (end)
		return r.end.type == VHD_TYPE_FIXED ? 80 : 85;
	return copy ? 0 : 50;
}

static bool read_parts(struct vhd_reader *r, struct cv_err *err)
{
	cv_vhd_footers_report(r);
	if (!r->used) {
		r->facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return true;
	}
	cv_vhd_footer_facts(r);
	return cv_vhd_header_read(r, err) && cv_vhd_parent_read(r, err) && cv_vhd_batmap_read(r, err);
}

bool cv_vhd_read(struct vhd_reader *r, struct cv_err *err)
{
	return cv_vhd_footers_load(r, err) && read_parts(r, err);
}

static bool read(struct cv_source *source, struct cv_facts *facts, struct cv_err *err)
{
	struct vhd_reader r = { .source = source, .facts = facts };

	facts->format = CV_FORMAT_VHD;
	return cv_vhd_read(&r, err);
}

const struct cv_format cv_format_vhd = { .id = CV_FORMAT_VHD, .probe = probe, .read = read, .check = cv_vhd_check };

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the fixers of VHDs share: the image as its reader sees it, and where its structures and blocks lie. */
#ifndef CV_REPAIR_FIX_VHD_H
#define CV_REPAIR_FIX_VHD_H

#include "inspect/vhd/vhd.h"
#include "repair/fix/fix.h"

struct cv_fix_vhd {
	const struct cv_fix_job *job;
	struct vhd_reader r;
	uint64_t end;                /* of the last structure or block, in whole sectors */
	uint64_t first;              /* of the first block; UINT64_MAX: there is none */
	uint32_t past;               /* a block that is not in the file as a whole... */
	bool any_past;               /* ...if there is one */
};

/* Reads the metadata; with them free it by cv_fix_vhd_fini(). */
bool cv_fix_vhd_read(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_err *err);
/* And the BAT: end, first, past. Only if its tables can be relied on (cv_fix_vhd_has_tables()). */
bool cv_fix_vhd_walk(struct cv_fix_vhd *v, struct cv_err *err);
void cv_fix_vhd_fini(struct cv_fix_vhd *v);
static inline bool cv_fix_vhd_has_tables(const struct cv_fix_vhd *v)
{
	return v->r.used && v->r.used->type != VHD_TYPE_FIXED && v->r.header.sums && v->r.header.table_sane &&
	       v->r.facts->block_size && v->r.facts->flags & CV_FACT_SIZE;
}

bool cv_fix_footer_missing(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_footer_copy(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_footer_checksum(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_footer_killed(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_footers_differ(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_batmap(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_reserved(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_hidden(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_mark(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_identity(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_vhd_header(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);

#endif

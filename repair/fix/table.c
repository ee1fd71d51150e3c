/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The fixers, in the order in which they are done: what others rely on comes first. */
#include "repair/fix/qcow2.h"
#include "repair/fix/links.h"
#include "repair/fix/vhd.h"
#include "repair/fix/vhdx.h"

const struct cv_fixer cv_fixers[] = {
	{ CV_VHD_HEADER_CHECKSUM, CV_FORMAT_VHD, cv_fix_vhd_header },
	{ CV_VHD_FOOTER_KILLED, CV_FORMAT_VHD, cv_fix_footer_killed },
	{ CV_VHD_FOOTER_MISSING, CV_FORMAT_VHD, cv_fix_footer_missing },
	{ CV_VHD_FOOTER_CHECKSUM, CV_FORMAT_VHD, cv_fix_footer_checksum },
	{ CV_VHD_FOOTER_COPY_MISSING, CV_FORMAT_VHD, cv_fix_footer_copy },
	{ CV_VHD_FOOTERS_DIFFER, CV_FORMAT_VHD, cv_fix_footers_differ },
	{ CV_VHD_BATMAP_INVALID, CV_FORMAT_VHD, cv_fix_batmap },
	{ CV_VHD_IDENTITY_NULL, CV_FORMAT_VHD, cv_fix_identity },
	{ CV_CHN_BASE_NOT_HIDDEN, CV_FORMAT_VHD, cv_fix_hidden },
	{ CV_VHD_RESERVED_NONZERO, CV_FORMAT_VHD, cv_fix_reserved },
	{ CV_QCW_DIRTY, CV_FORMAT_QCOW2, cv_fix_qcow2_dirty },
	{ CV_QCW_REFCOUNT_ZERO, CV_FORMAT_QCOW2, cv_fix_qcow2_low },
	{ CV_QCW_REFCOUNT_TOO_LOW, CV_FORMAT_QCOW2, cv_fix_qcow2_low },
	{ CV_SPC_LEAKED_CLUSTERS, CV_FORMAT_QCOW2, cv_fix_qcow2_leaks },
	{ CV_QCW_COPIED_FLAG_WRONG, CV_FORMAT_QCOW2, cv_fix_qcow2_flags },
	{ CV_QCW_TABLE_OVERLAP, CV_FORMAT_QCOW2, cv_fix_salvage },
	{ CV_VHX_VHDX_LOG_PENDING, CV_FORMAT_VHDX, cv_fix_vhdx_log },
	{ CV_VHX_VHDX_HEADER_INVALID, CV_FORMAT_VHDX, cv_fix_vhdx_header },
	{ CV_VHX_VHDX_REGION_TABLE_INVALID, CV_FORMAT_VHDX, cv_fix_vhdx_regions },
	{ CV_GEN_IMAGE_TRUNCATED, CV_FORMAT_NONE, cv_fix_salvage },
	{ CV_VHD_BLOCK_PAST_END, CV_FORMAT_VHD, cv_fix_salvage },
	{ CV_QCW_BACKING_NAME_INVALID, CV_FORMAT_QCOW2, cv_fix_qcow2_name },
	{ CV_CHN_PARENT_CYCLE, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_IDENTITY_MISMATCH, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_AMBIGUOUS, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_MISSING, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_OUTSIDE_REPOSITORY, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_LOCATORS_DISAGREE, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_PATH_STALE, CV_FORMAT_NONE, cv_fix_relink },
	{ CV_CHN_PARENT_FORMAT_UNRECORDED, CV_FORMAT_NONE, cv_fix_qcow2_format },
};
const size_t cv_fixer_count = CV_COUNT(cv_fixers);

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The list of formats that can be read at block level: one row each. No other code of this folder names one. */
#include "inspect/block/formats.h"

extern const struct cv_layer_ops cv_layer_ops_raw, cv_layer_ops_vhd, cv_layer_ops_vhdx, cv_layer_ops_qcow,
	cv_layer_ops_qcow2;

static const struct cv_layer_ops *const formats[CV_FORMAT_COUNT] = {
	[CV_FORMAT_RAW] = &cv_layer_ops_raw,
	[CV_FORMAT_VHD] = &cv_layer_ops_vhd,
	[CV_FORMAT_VHDX] = &cv_layer_ops_vhdx,
	[CV_FORMAT_QCOW] = &cv_layer_ops_qcow,
	[CV_FORMAT_QCOW2] = &cv_layer_ops_qcow2,
};

const struct cv_layer_ops *cv_layer_ops_of(enum cv_format_id format)
{
	return (unsigned)format < CV_COUNT(formats) ? formats[format] : NULL;
}

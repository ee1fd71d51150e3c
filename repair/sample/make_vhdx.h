/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the maker of VHDX images and that of their logs share. */
#ifndef CV_REPAIR_SAMPLE_MAKE_VHDX_H
#define CV_REPAIR_SAMPLE_MAKE_VHDX_H

#include "repair/vhdx/encode.h"
#include <chainview/vec.h>

/* An entry of the BAT. */
struct cv_vhdx_place {
	uint64_t index, word;
	bool logged;                 /* it is in the log only */
};
CV_VEC(cv_vhdx_places, struct cv_vhdx_place);

/* One entry of the log that brings the BAT what it lacks. flushed, last: lengths of the file, before and after it. */
bool cv_sample_vhdx_log(const struct cv_file_out *out, const struct cv_vhdx_image *image, const struct cv_vhdx_layout *layout,
			const struct cv_vhdx_places *places, uint64_t flushed, uint64_t last, struct cv_err *err);

#endif

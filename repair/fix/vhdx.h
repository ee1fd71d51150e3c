/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The fixers of VHDX images. */
#ifndef CV_REPAIR_FIX_VHDX_H
#define CV_REPAIR_FIX_VHDX_H

#include "repair/fix/fix.h"

bool cv_fix_vhdx_log(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_vhdx_header(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_vhdx_regions(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);

#endif

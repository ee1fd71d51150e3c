/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The fixers of QCOW2. */
#ifndef CV_REPAIR_FIX_QCOW2_H
#define CV_REPAIR_FIX_QCOW2_H

#include "repair/fix/fix.h"

bool cv_fix_qcow2_dirty(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_qcow2_low(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_qcow2_leaks(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_qcow2_format(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_qcow2_name(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_qcow2_flags(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);

#endif

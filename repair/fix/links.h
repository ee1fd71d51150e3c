/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Fixers of links between images. */
#ifndef CV_REPAIR_FIX_LINKS_H
#define CV_REPAIR_FIX_LINKS_H

#include <chainview/candidates.h>
#include "repair/fix/fix.h"

bool cv_fix_relink(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The two larger parts of the walk over a VHDX. */
#ifndef CV_INSPECT_DUMP_VHDX_WALK_H
#define CV_INSPECT_DUMP_VHDX_WALK_H

#include "inspect/dump/work.h"
#include "inspect/vhdx/vhdx.h"

/* Every entry of the log that can be made out, whatever its state, and the sectors between them. */
bool cv_dump_vhdx_log(struct cv_dumping *d, const struct cv_facts *facts, struct cv_range log, struct cv_err *err);
/* The BAT of the view by states, and the sector bitmaps that it points to. */
bool cv_dump_vhdx_bat(struct cv_dumping *d, const struct cv_vhdx *v, struct cv_err *err);

#endif

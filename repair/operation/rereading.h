/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whether those that stand on a parent read the same when they stand on an image again that was merged into it. */
#ifndef CV_REPAIR_OPERATION_REREADING_H
#define CV_REPAIR_OPERATION_REREADING_H

#include "repair/operation/work.h"

/* Items: the image, its parent, those that stood on the image; all are claimed. CV_EREFUSED: they would not; says where. */
bool cv_reread_children(struct cv_work *work, enum cv_format_id image, enum cv_format_id parent, struct cv_err *err);

#endif

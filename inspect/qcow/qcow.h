/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the parts of the QCOW v1 reader share. Private to inspect/qcow/. */
#ifndef CV_INSPECT_QCOW_H
#define CV_INSPECT_QCOW_H

#include <chainview/format.h>
#include "inspect/qcow/qcow_disk.h"

extern const struct cv_format cv_format_qcow;

/* qcow_check.c */
bool cv_qcow_check(struct cv_checking *c, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a raw image looks like, for warnings only: the content of a raw image is the guest's. */
#ifndef CV_INSPECT_RAW_H
#define CV_INSPECT_RAW_H

#include <chainview/format.h>

/* The format whose magic numbers the first bytes (for VHD also the last) show; CV_FORMAT_NONE for none that
 * chainview knows, and when they cannot be read. */
enum cv_format_id cv_raw_lookalike(struct cv_source *source);

/* Which format has left structures in bytes that no format recognises; NONE if none has: then it is an ordinary disk. */
enum cv_format_id cv_raw_remains(struct cv_source *source);

#endif

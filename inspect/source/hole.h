/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Is there anything but a hole? Tables in holes need not be read: all their entries are zero. */
#ifndef CV_INSPECT_SOURCE_HOLE_H
#define CV_INSPECT_SOURCE_HOLE_H

#include <chainview/source.h>

/* True if all of the range is known to be a hole, which reads as zeros. It must begin before the end of the source. */
static inline bool cv_source_is_hole(struct cv_source *s, struct cv_range range)
{
	uint64_t start, end;

	return s->ops->hole && s->ops->hole(s, range.off, &start, &end) && start >= range.off + range.len;
}

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The list of layouts by number. */
#include "inspect/dump/layout.h"

#define L(tag) extern const struct cv_layout cv_layout_##tag;
#include "inspect/dump/layouts.def"
#undef L

static const struct cv_layout *const layouts[CV_LAYOUT_COUNT] = {
#define L(tag) [CV_LAYOUT_##tag] = &cv_layout_##tag,
#include "inspect/dump/layouts.def"
#undef L
};

const struct cv_layout *cv_layout_of(uint32_t id)
{
	return id < CV_LAYOUT_COUNT ? layouts[id] : NULL;
}

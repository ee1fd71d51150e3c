/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the maps of VHD and VHDX have in common: a window of the BAT that is held, and the places in the file where
 * no block may lie. The entries themselves mean different things.
 */
#ifndef CV_INSPECT_VHD_MAP_TABLE_H
#define CV_INSPECT_VHD_MAP_TABLE_H

#include <chainview/extent.h>

#define CV_BAT_HELD ((size_t)64 << 10)       /* bytes of a window */
#define CV_BAT_LEAN ((size_t)4 << 10)        /* of that of a lean layer */

struct cv_bat_window {
	void *entries;               /* first to first + count; NULL before cv_bat_open() */
	uint64_t first, count;
	size_t held;                 /* bytes that there is room for */
	uint32_t width;              /* bytes of an entry */
};

bool cv_bat_open(struct cv_bat_window *w, uint32_t width, bool lean, struct cv_err *err);
/* Is this entry held? */
static inline bool cv_bat_holds(const struct cv_bat_window *w, uint64_t index)
{
	return index >= w->first && index - w->first < w->count;
}
/* Reads the window with an entry of the table that has so many and begins at off. */
bool cv_bat_hold(struct cv_bat_window *w, struct cv_source *s, uint64_t off, uint64_t entries, uint64_t index,
		 struct cv_err *err);

/* Does the range touch one of the places? */
bool cv_places_touch(const struct cv_range *places, size_t count, struct cv_range range);

static inline uint64_t cv_smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The window of a BAT and the places that are taken. Knows neither of the formats. */
#include "inspect/vhd/vhd_map_table.h"

bool cv_bat_open(struct cv_bat_window *w, uint32_t width, bool lean, struct cv_err *err)
{
	*w = (struct cv_bat_window){ .width = width, .held = lean ? CV_BAT_LEAN : CV_BAT_HELD };
	w->entries = malloc(w->held);
	return w->entries || cv_fail(err, CV_ENOMEM, "out of memory for the tables of blocks");
}

bool cv_bat_hold(struct cv_bat_window *w, struct cv_source *s, uint64_t off, uint64_t entries, uint64_t index,
		 struct cv_err *err)
{
	uint64_t most = w->held / w->width, first = index / most * most, count = cv_smaller(most, entries - first);

	w->count = 0;
	if (!cv_source_read(s, w->entries, (size_t)count * w->width, off + first * w->width, err))
		return cv_wrap(err, "while reading the BAT");
	w->first = first;
	w->count = count;
	return true;
}

bool cv_places_touch(const struct cv_range *places, size_t count, struct cv_range range)
{
	for (size_t i = 0; i < count; i++)
		if (cv_ranges_touch(places[i], range))
			return true;
	return false;
}

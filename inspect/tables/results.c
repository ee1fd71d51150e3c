/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a check has found out so far. Apart from what finds it out, so that a graph needs nothing of that. */
#include "inspect/tables/tables.h"

const struct cv_checked *cv_check_of(const struct cv_check *check, size_t file)
{
	size_t low = 0, high = check->job_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (check->jobs[middle].file < file)
			low = middle + 1;
		else
			high = middle;
	}
	return low < check->job_count && check->jobs[low].file == file ? &check->jobs[low].pub : NULL;
}

struct cv_check_progress cv_check_progress(const struct cv_check *check)
{
	struct cv_check_progress p = {
		.images = check->job_count,
		.images_done = check->settled,
		.cancelled = check->cancelled,
		.done = check->settled == check->job_count,
	};

	for (size_t i = 0; i < check->lane_count && !p.current; i++) {
		const struct cv_check_lane *lane = &check->lanes[i];

		if (lane->busy)
			p.current = cv_scan_file(check->scan, check->jobs[lane->jobs[lane->next - 1]].file)->path;
	}

	for (size_t i = 0; i < check->job_count; i++) {
		p.bytes += check->jobs[i].total;
		p.bytes_done += check->jobs[i].done;
	}
	return p;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What of a file is on disk, and what of that it shares with other files, as the file system says (FIEMAP). The one
 * file with this ioctl: it asks about an open descriptor and changes nothing.
 */
#include "inspect/space/space.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#define AT_ONCE 512u

struct asked {
	struct fiemap head;
	struct fiemap_extent at[AT_ONCE];
};

/* Takes what the system said. A list that gets too long is given up, the sum of what is shared is not. */
static void take(struct cv_space_map *map, size_t most, const struct asked *a)
{
	for (unsigned i = 0; i < a->head.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &a->at[i];
		struct cv_range r = { e->fe_logical, e->fe_length };
		struct cv_range *last = map->pieces.len ? &map->pieces.at[map->pieces.len - 1] : NULL;

		if (e->fe_flags & FIEMAP_EXTENT_SHARED)
			map->shared += e->fe_length;
		if (last && last->off + last->len == r.off)
			last->len += r.len;
		else if (map->listed)
			map->listed = map->pieces.len < most && cv_space_runs_push(&map->pieces, r);
	}
}

void cv_space_map_read(struct cv_space_map *map, int fd, size_t most)
{
	CV_AUTO(cv_auto_free) struct asked *a = malloc(sizeof *a);
	uint64_t pos = 0;

	*map = (struct cv_space_map){ .listed = true };
	while (a) {
		const struct fiemap_extent *last;

		memset(&a->head, 0, sizeof a->head);
		a->head.fm_start = pos;
		a->head.fm_length = FIEMAP_MAX_OFFSET - pos;
		a->head.fm_extent_count = AT_ONCE;
		if (ioctl(fd, FS_IOC_FIEMAP, a) < 0 || a->head.fm_mapped_extents > AT_ONCE)
			break;
		take(map, most, a);
		last = a->head.fm_mapped_extents ? &a->at[a->head.fm_mapped_extents - 1] : NULL;
		if (!last || last->fe_flags & FIEMAP_EXTENT_LAST || last->fe_logical + last->fe_length <= pos) {
			map->known = true;
			break;
		}
		pos = last->fe_logical + last->fe_length;
	}
	map->listed &= map->known;
	if (!map->listed) {
		free(map->pieces.at);
		map->pieces = (struct cv_space_runs){ 0 };
	}
}

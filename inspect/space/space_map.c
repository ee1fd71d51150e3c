/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What of a file is on disk, and what of that it shares with other files, as the file system says (FIEMAP). The one
 * file with this ioctl: it asks about an open descriptor and changes nothing.
 */
#include "inspect/space/room.h"
#include "inspect/space/space.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

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

/* The extents from pos on; false if the file system does not tell. */
static bool ask(struct asked *a, int fd, uint64_t pos, uint64_t len)
{
	memset(&a->head, 0, sizeof a->head);
	a->head.fm_start = pos;
	a->head.fm_length = len;
	a->head.fm_extent_count = AT_ONCE;
	return ioctl(fd, FS_IOC_FIEMAP, a) == 0 && a->head.fm_mapped_extents <= AT_ONCE;
}

/* Where the answer ends; pos: nothing follows. */
static uint64_t end_of(const struct asked *a, uint64_t pos)
{
	const struct fiemap_extent *last = a->head.fm_mapped_extents ? &a->at[a->head.fm_mapped_extents - 1] : NULL;

	return !last || last->fe_flags & FIEMAP_EXTENT_LAST || last->fe_logical + last->fe_length <= pos
		       ? pos : last->fe_logical + last->fe_length;
}

void cv_space_map_read(struct cv_space_map *map, int fd, size_t most)
{
	CV_AUTO(cv_auto_free) struct asked *a = malloc(sizeof *a);
	uint64_t pos = 0;

	*map = (struct cv_space_map){ .listed = true };
	while (a) {
		uint64_t end;

		if (!ask(a, fd, pos, FIEMAP_MAX_OFFSET - pos))
			break;
		take(map, most, a);
		end = end_of(a, pos);
		map->known = end == pos;
		if (map->known)
			break;
		pos = end;
	}
	map->listed &= map->known;
	if (!map->listed) {
		free(map->pieces.at);
		map->pieces = (struct cv_space_runs){ 0 };
	}
}

/* --- room ------------------------------------------------------------------------------------------------ */

/* Bytes of the range that have a place of their own, which is written over where it is. */
static uint64_t own_bytes(const struct asked *a, struct cv_range at)
{
	const uint32_t elsewhere = FIEMAP_EXTENT_SHARED | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_UNKNOWN;
	uint64_t own = 0;

	for (unsigned i = 0; i < a->head.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &a->at[i];
		uint64_t from = e->fe_logical > at.off ? e->fe_logical : at.off, end = e->fe_logical + e->fe_length;

		end = end < at.off + at.len ? end : at.off + at.len;
		if (!(e->fe_flags & elsewhere) && end > from)
			own += end - from;
	}
	return own;
}

bool cv_room_writes_over(int fd)
{
	struct statfs fs;
	int flags = 0;

	if (fstatfs(fd, &fs) == 0 && (unsigned long)fs.f_type != BTRFS_SUPER_MAGIC)
		return true;
	return ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & FS_NOCOW_FL;
}

uint64_t cv_room_overwrite(int fd, struct cv_range at)
{
	CV_AUTO(cv_auto_free) struct asked *a = malloc(sizeof *a);
	uint64_t pos = at.off, end = at.off + at.len, own = 0;

	while (a && pos < end && cv_room_writes_over(fd) && ask(a, fd, pos, end - pos)) {
		uint64_t next = end_of(a, pos);

		own += own_bytes(a, (struct cv_range){ pos, (next == pos || next > end ? end : next) - pos });
		pos = next == pos ? end : next;
	}
	return at.len - own;
}

uint64_t cv_room_shared(int fd)
{
	struct cv_space_map map;

	cv_space_map_read(&map, fd, 0);
	return map.shared;
}

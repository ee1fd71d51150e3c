/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whether files of a file system can share extents, found out without making one. See room.h. */
#include "inspect/space/room.h"
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

/* What XFS tells every kernel since 2.6 by this number (its header is not part of those of the kernel). */
struct xfs_geometry {
	uint32_t sizes[8];
	uint64_t places[4];
	uint8_t uuid[16];
	uint32_t stripe[2];
	int32_t version;
	uint32_t flags;
	uint32_t more[3];
};
_Static_assert(sizeof(struct xfs_geometry) == 112, "as the kernel has it");
#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_HAS_REFLINK (1u << 20)

bool cv_room_can_share(int fd)
{
	struct xfs_geometry xfs = { .flags = 0 };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	if ((unsigned long)fs.f_type == XFS_SUPER_MAGIC)
		return ioctl(fd, XFS_GEOMETRY, &xfs) == 0 && xfs.flags & XFS_HAS_REFLINK;
	return (unsigned long)fs.f_type == BTRFS_SUPER_MAGIC;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What writing takes and may take, as the file system tells: quotas, and whether what is overwritten has a place of its
 * own. All of it is asked of open descriptors; nothing is changed.
 */
#ifndef CV_INSPECT_SPACE_ROOM_H
#define CV_INSPECT_SPACE_ROOM_H

#include <chainview/base.h>
#include <linux/quota.h>

/* Something that limits what may be written, besides the room that there is. */
struct cv_quota {
	const char *kind;        /* "user", "group", "project", "subvolume": static */
	uint64_t id;             /* of it; of a subvolume its qgroup */
	uint64_t limit, used;    /* bytes */
};
static inline uint64_t cv_quota_left(const struct cv_quota *q)
{
	return q->limit > q->used ? q->limit - q->used : 0;
}

/* The one that leaves least of those that hold for what this process writes into the folder, or for the file; false: none
 * is known to. */
bool cv_room_quota(int fd, struct cv_quota *quota);

/* Who pays, and what is asked of the kernel: replaced by tests. */
struct cv_quota_asker {
	/* Whether limits of the type (USRQUOTA and so on) are in force; and what the kernel says of one id. */
	bool (*enforced)(const struct cv_quota_asker *a, int type);
	bool (*get)(const struct cv_quota_asker *a, int type, uint32_t id, struct if_dqblk *block);
	int fd;
	const char *device;      /* of the file system; NULL: not known */
};
struct cv_quota_payer {
	uint32_t uid, gid, project;  /* project 0: none */
};
bool cv_quota_find(const struct cv_quota_asker *a, const struct cv_quota_payer *payer, int64_t now,
		   struct cv_quota *quota);
/* qgroup.c: the qgroups that the subvolume of a btrfs belongs to. */
bool cv_qgroup_find(int fd, struct cv_quota *quota);

/* space_map.c: bytes of new room that overwriting these bytes of a file takes: holes, and what is shared with other files.
 * All of them where the file system does not tell, or writes everything to a new place. */
uint64_t cv_room_overwrite(int fd, struct cv_range at);
/* space_map.c: what is written over stays in its place, but for what is shared; btrfs does that only if it was told to. */
bool cv_room_writes_over(int fd);
/* reflink.c: whether files there can share extents. */
bool cv_room_can_share(int fd);
/* Bytes of the file that it shares with others: what stays taken when it goes. */
uint64_t cv_room_shared(int fd);

#endif

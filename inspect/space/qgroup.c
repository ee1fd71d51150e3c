/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Limits of btrfs: of the qgroup of a subvolume, and of those that it belongs to. They are items of a tree, which only an
 * administrator may search; for others there are none.
 */
#include "inspect/space/room.h"
#include <endian.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#define GROUPS_MOST 16
#define LEVEL(group) ((group) >> 48)

struct groups {
	uint64_t id[GROUPS_MOST];
	size_t count;
};

/* Items of one object and type, from an offset on; as many as there is room for. */
static bool search(int fd, uint64_t object, uint32_t type, uint64_t from, uint64_t to, struct btrfs_ioctl_search_args *out)
{
	*out = (struct btrfs_ioctl_search_args){ .key = {
		.tree_id = BTRFS_QUOTA_TREE_OBJECTID,
		.min_objectid = object, .max_objectid = object, .min_type = type, .max_type = type,
		.min_offset = from, .max_offset = to, .max_transid = UINT64_MAX, .nr_items = GROUPS_MOST,
	} };
	return ioctl(fd, BTRFS_IOC_TREE_SEARCH, out) == 0;
}

/* The item at *pos of what was found, and on to the next one; NULL: there is no other. */
static const void *next_item(const struct btrfs_ioctl_search_args *found, size_t *pos,
			     struct btrfs_ioctl_search_header *head)
{
	const char *at = found->buf + *pos;

	if (*pos + sizeof *head > sizeof found->buf)
		return NULL;
	memcpy(head, at, sizeof *head);
	if (head->len > sizeof found->buf - *pos - sizeof *head)
		return NULL;
	*pos += sizeof *head + head->len;
	return at + sizeof *head;
}

static bool find_one(int fd, uint32_t type, uint64_t group, void *item, size_t size)
{
	struct btrfs_ioctl_search_args found;
	struct btrfs_ioctl_search_header head;
	const void *at;
	size_t pos = 0;

	if (!search(fd, 0, type, group, group, &found) || !found.key.nr_items)
		return false;
	at = next_item(&found, &pos, &head);
	if (!at || head.type != type || head.offset != group || head.len < size)
		return false;
	memcpy(item, at, size);
	return true;
}

/* Those of higher levels that it belongs to; the relation is there in both directions. */
static void add_parents(int fd, struct groups *g, uint64_t group)
{
	struct btrfs_ioctl_search_args found;
	struct btrfs_ioctl_search_header head;
	size_t pos = 0;

	if (!search(fd, group, BTRFS_QGROUP_RELATION_KEY, 0, UINT64_MAX, &found))
		return;
	for (uint32_t i = 0; i < found.key.nr_items && next_item(&found, &pos, &head); i++)
		if (head.type == BTRFS_QGROUP_RELATION_KEY && LEVEL(head.offset) > LEVEL(group) && g->count < GROUPS_MOST)
			g->id[g->count++] = head.offset;
}

static void keep_less(struct cv_quota *quota, bool *found, uint64_t group, uint64_t limit, uint64_t used)
{
	struct cv_quota q = { "subvolume", group, limit, used };

	if (*found && cv_quota_left(&q) >= cv_quota_left(quota))
		return;
	*quota = q;
	*found = true;
}

bool cv_qgroup_find(int fd, struct cv_quota *quota)
{
	struct btrfs_ioctl_get_subvol_info_args subvolume = { .treeid = 0 };
	struct groups g = { .count = 1 };
	struct statfs fs;
	bool found = false;

	if (fstatfs(fd, &fs) < 0 || (unsigned long)fs.f_type != BTRFS_SUPER_MAGIC ||
	    ioctl(fd, BTRFS_IOC_GET_SUBVOL_INFO, &subvolume) < 0)
		return false;
	g.id[0] = subvolume.treeid;
	for (size_t i = 0; i < g.count; i++) {
		struct btrfs_qgroup_limit_item limit;
		struct btrfs_qgroup_info_item info;

		add_parents(fd, &g, g.id[i]);
		if (!find_one(fd, BTRFS_QGROUP_LIMIT_KEY, g.id[i], &limit, sizeof limit) ||
		    !find_one(fd, BTRFS_QGROUP_INFO_KEY, g.id[i], &info, sizeof info))
			continue;
		if (le64toh(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_RFER)
			keep_less(quota, &found, g.id[i], le64toh(limit.max_rfer), le64toh(info.rfer));
		if (le64toh(limit.flags) & BTRFS_QGROUP_LIMIT_MAX_EXCL)
			keep_less(quota, &found, g.id[i], le64toh(limit.max_excl), le64toh(info.excl));
	}
	return found;
}

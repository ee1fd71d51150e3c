/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Quotas of users, groups and projects, as quotactl(2) tells them for any file system that has them. See room.h. */
#include "inspect/source/open.h"
#include "inspect/space/room.h"
#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS_MAX ((size_t)16 << 20)
#define ASK(what, type) ((unsigned)(what) << 8 | (unsigned)(type))   /* QCMD() of a header that cannot stand beside these */

static const struct type_row {
	int type;
	const char *kind;
	unsigned enforced;       /* flag of Q_XGETQSTAT */
} types[] = {
	{ USRQUOTA, "user", FS_QUOTA_UDQ_ENFD },
	{ GRPQUOTA, "group", FS_QUOTA_GDQ_ENFD },
	{ PRJQUOTA, "project", FS_QUOTA_PDQ_ENFD },
};

/* --- the kernel ------------------------------------------------------------------------------------------ */

/* By the open folder; on kernels before 5.14 by the device that is mounted there. */
static long ask(const struct cv_quota_asker *a, unsigned command, uint32_t id, void *answer)
{
	long done = -1;

	errno = ENOSYS;
#ifdef SYS_quotactl_fd
	done = syscall(SYS_quotactl_fd, a->fd, command, id, answer);
#endif
	if (done < 0 && errno == ENOSYS && a->device)
		done = syscall(SYS_quotactl, command, a->device, id, answer);
	return done;
}

/* A kernel that does not tell is taken to mean it. */
static bool is_enforced(const struct cv_quota_asker *a, int type)
{
	struct fs_quota_stat state = { .qs_version = FS_QSTAT_VERSION };

	if (ask(a, ASK(Q_XGETQSTAT, type), 0, &state) < 0)
		return true;
	for (size_t i = 0; i < CV_COUNT(types); i++)
		if (types[i].type == type)
			return state.qs_flags & types[i].enforced;
	return false;
}

static bool get(const struct cv_quota_asker *a, int type, uint32_t id, struct if_dqblk *block)
{
	return ask(a, ASK(Q_GETQUOTA, type), id, block) == 0;
}

/* "36 35 98:0 / /srv rw - ext4 /dev/sda1 rw": the source behind the dash. */
static bool find_device(dev_t device, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text mounts = { 0 };
	struct cv_err ignored = { .code = CV_OK };
	char *line, *save = NULL, wanted[32], at[32], source[1024];

	snprintf(wanted, sizeof wanted, "%u:%u", major(device), minor(device));
	if (!cv_system_read_all("/proc/self/mountinfo", MOUNTS_MAX, &mounts, &ignored) || !mounts.len)
		return false;
	for (line = strtok_r(mounts.at, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		const char *dash = strstr(line, " - ");

		if (dash && sscanf(line, "%*u %*u %31s", at) == 1 && !strcmp(at, wanted) &&
		    sscanf(dash, " - %*s %1023s", source) == 1 && source[0] == '/') {
			cv_text_add(out, source);
			return !out->failed;
		}
	}
	return false;
}

/* --- what it means --------------------------------------------------------------------------------------- */

static uint64_t bytes_of(uint64_t blocks)
{
	uint64_t bytes;

	return __builtin_mul_overflow(blocks, (uint64_t)1 << QIF_DQBLKSIZE_BITS, &bytes) ? UINT64_MAX : bytes;
}

/* The soft limit becomes a hard one when its time is over; 0: there is none. */
static uint64_t limit_of(const struct if_dqblk *q, int64_t now)
{
	uint64_t hard = bytes_of(q->dqb_bhardlimit), soft = bytes_of(q->dqb_bsoftlimit);
	bool over = soft && q->dqb_curspace > soft && q->dqb_btime && (int64_t)q->dqb_btime <= now;

	return over && (!hard || soft < hard) ? soft : hard;
}

bool cv_quota_find(const struct cv_quota_asker *a, const struct cv_quota_payer *payer, int64_t now, struct cv_quota *quota)
{
	const uint32_t ids[] = { payer->uid, payer->gid, payer->project };
	bool found = false;

	for (size_t i = 0; i < CV_COUNT(types); i++) {
		struct if_dqblk block = { .dqb_curspace = 0 };
		struct cv_quota q = { types[i].kind, ids[i], 0, 0 };

		if ((types[i].type == PRJQUOTA && !ids[i]) || !a->get(a, types[i].type, ids[i], &block))
			continue;
		q.limit = limit_of(&block, now);
		q.used = block.dqb_curspace;
		if (!q.limit || (found && cv_quota_left(&q) >= cv_quota_left(quota)) || !a->enforced(a, types[i].type))
			continue;
		*quota = q;
		found = true;
	}
	return found;
}

static uint32_t project_of(int fd, bool folder)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0 || (folder && !(x.fsx_xflags & FS_XFLAG_PROJINHERIT)))
		return 0;
	return x.fsx_projid;
}

bool cv_room_quota(int fd, struct cv_quota *quota)
{
	CV_AUTO(cv_text_fini) struct cv_text device = { 0 };
	struct cv_quota_asker a = { is_enforced, get, fd, NULL };
	struct cv_quota_payer payer;
	struct cv_quota other;
	struct stat st;
	bool found;

	if (fstat(fd, &st) < 0)
		return false;
	payer = (struct cv_quota_payer){ st.st_uid, st.st_gid, project_of(fd, S_ISDIR(st.st_mode)) };
	if (S_ISDIR(st.st_mode)) {
		payer.uid = geteuid();
		payer.gid = st.st_mode & S_ISGID ? st.st_gid : getegid();
	}
	if (find_device(st.st_dev, &device))
		a.device = cv_text_str(&device);
	found = cv_quota_find(&a, &payer, (int64_t)time(NULL), quota);
	if (cv_qgroup_find(fd, &other) && (!found || cv_quota_left(&other) < cv_quota_left(quota))) {
		*quota = other;
		found = true;
	}
	return found;
}

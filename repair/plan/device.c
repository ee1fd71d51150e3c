/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Whether a block device may be written over: nobody has it, and libblkid, which knows what file systems, volume managers
 * and partition tables look like, finds nothing on it. */
#include "repair/io/io.h"
#include "repair/plan/convert.h"
#include <blkid/blkid.h>
#include <stdio.h>
#include <unistd.h>

static const char *found_on(blkid_probe probe)
{
	const char *what = NULL;

	if (blkid_probe_lookup_value(probe, "TYPE", &what, NULL) != 0)
		blkid_probe_lookup_value(probe, "PTTYPE", &what, NULL);
	return what ? what : "something";
}

/* unseen: who could not be asked whether they have it; may be nothing. */
static void look_inside(int fd, const char *path, const struct cv_text *unseen, struct cv_device_look *look)
{
	CV_AUTO(cv_text_fini) struct cv_text what = { 0 }, name = { 0 };
	blkid_probe probe = blkid_new_probe();
	int found = probe ? blkid_probe_set_device(probe, fd, 0, 0) : -1;

	cv_text_escape(&name, cv_bytes_of(path));
	if (found == 0) {
		blkid_probe_enable_partitions(probe, 1);
		found = blkid_do_safeprobe(probe);
		look->size = (uint64_t)blkid_probe_get_size(probe);
	}
	look->free = found == 1;
	if (found == 0)
		cv_text_escape(&what, cv_bytes_of(found_on(probe)));
	if (look->free)
		snprintf(look->why, sizeof look->why, "nobody has it%s%.100s%s, and nothing is found on it",
			 unseen->len ? " open (" : "", cv_text_str(unseen), unseen->len ? ")" : "");
	else
		snprintf(look->why, sizeof look->why, found == -1 ? "it cannot be looked at%.0s%.0s"
				: "it holds %s: if that is not needed, wipefs -a %s first",
			 what.len ? cv_text_str(&what) : "more than one thing", cv_text_str(&name));
	blkid_free_probe(probe);
}

/*
 * Who has it, or might: then it is not free, whatever is on it. who: of cv_holder_seen(). Only root sees all processes but
 * those that even root may not look at, as the first one of some containers: that is said, and does not forbid it.
 */
static void look_who(bool busy, bool held, const struct cv_text *who, struct cv_device_look *look)
{
	bool unknown = who->len && geteuid() != 0;
	const char *name = who->len ? cv_text_str(who) : "somebody who cannot be seen from here";

	if (busy)
		snprintf(look->why, sizeof look->why, "it is in use: mounted, or part of something");
	else if (held)
		snprintf(look->why, sizeof look->why, "it is in use by %.150s", name);
	else if (unknown && look->free)
		snprintf(look->why, sizeof look->why, "it may be in use (%.120s): root can find out", name);
	look->free &= !busy && !held && !unknown;
}

bool cv_device_look(const char *path, struct cv_device_look *look, struct cv_err *err)
{
	const struct cv_io *io = &cv_io_real;
	CV_AUTO(cv_auto_close) int fd = io->openat(io, AT_FDCWD, path, O_RDONLY | O_EXCL | O_NONBLOCK, 0);
	CV_AUTO(cv_text_fini) struct cv_text who = { 0 };
	bool busy = fd < 0 && errno == EBUSY, held;
	struct stat st;

	*look = (struct cv_device_look){ .free = false };
	if (busy)
		fd = io->openat(io, AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return cv_io_fail(err, "open", path);
	if (io->fstat(io, fd, &st) != 0)
		return cv_io_fail(err, "look at", path);
	if (!S_ISBLK(st.st_mode))
		return cv_fail(err, CV_EUSAGE, "it is no block device");
	look->number = st.st_rdev;
	held = cv_holder_seen(io, fd, false, &who);
	look_inside(fd, path, &who, look);
	look_who(busy, held, &who, look);
	return true;
}

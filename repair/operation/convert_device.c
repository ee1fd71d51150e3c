/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Writing a disk onto a block device, which has no second place to grow in: until DONE what is on it is neither what was
 * there nor the disk. A crash is only noted; who wants the disk begins again. The journal is in the source's repository.
 */
#include "repair/convert/job.h"
#include "repair/operation/work.h"

/* With O_EXCL nobody else has it: not mounted, no part of anything, not open. Its number is that of the plan. */
static bool open_device(const struct cv_work *work, int flags, struct cv_file_out *out, struct cv_err *err)
{
	const struct cv_plan_item *item = &work->items[0];
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const struct cv_io *io = work->w->io;
	struct stat st;

	cv_text_addf(&path, "/%s", item->path);
	*out = (struct cv_file_out){ io, io->openat(io, AT_FDCWD, cv_text_str(&path), flags, 0), item->path };
	if (out->fd < 0 && errno == EBUSY)
		return cv_fail(err, CV_EREFUSED, "%s is in use: mounted, or part of something", cv_text_str(&path));
	if (out->fd < 0)
		return cv_io_fail(err, "open", cv_text_str(&path));
	if (io->fstat(io, out->fd, &st) != 0)
		return cv_io_fail(err, "look at", item->path);
	if (!S_ISBLK(st.st_mode) || st.st_rdev != item->device)
		return cv_fail(err, CV_EREFUSED, "%s is another device than when the plan was made", cv_text_str(&path));
	return !(flags & O_EXCL) || cv_claim_device(io, out->fd, cv_text_str(&path), err);
}

static bool device_run(struct cv_work *work, struct cv_err *err)
{
	const struct cv_convert_job *job = work->plan->convert;
	uint64_t began = work->w->host.now_ns(&work->w->host);
	struct cv_file_out out, back = { .fd = -1 };
	bool ok = open_device(work, O_RDWR | O_EXCL, &out, err);

	if (ok)
		ok = cv_convert_fill(work, job, &out, err) &&
		     (out.io->fsync(out.io, out.fd) == 0 || cv_io_fail(err, "sync", out.name));
	work->result->copy_ms = (uint32_t)((work->w->host.now_ns(&work->w->host) - began) / 1000000u);
	/* It stays ours until it was read back. */
	ok = ok && open_device(work, O_RDONLY, &back, err) && cv_convert_verify(work, job, back.fd, err);
	if (back.fd >= 0)
		back.io->close(back.io, back.fd);
	return cv_out_close(&out, ok, err);
}

static bool device_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	(void)work;
	(void)err;
	*end = CV_RECORD_ABORTED;
	return true;
}

const struct cv_operation_row cv_operation_convert_device = {
	CV_PLAN_CONVERT_DEVICE, "convert", false, device_run, device_recover, .slots = 0,
};

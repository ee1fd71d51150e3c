/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A raw disk: every byte in its own place. */
#include "repair/target/target.h"

enum { UNIT = 4096 };

static bool raw_begin(struct cv_target *t, struct cv_err *err)
{
	if (t->options.device && t->options.preallocation)
		return cv_fail(err, CV_EUSAGE, "a block device has all its space: no preallocation");
	if (t->options.preallocation == CV_PREALLOCATE_METADATA)
		return cv_fail(err, CV_EUSAGE, "a raw disk has no metadata: preallocation is off, falloc or full");
	if (t->options.size > INT64_MAX)
		return cv_fail(err, CV_ELIMIT, "a file cannot hold %" PRIu64 " B", t->options.size);
	t->unit = UNIT;
	return true;
}

static bool raw_place(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	(void)t;
	(void)err;
	*host = range.off;
	*run = range.len;
	return true;
}

static bool raw_end(struct cv_target *t, struct cv_err *err)
{
	return t->options.device || (cv_out_resize(t->out, t->options.size, err) && cv_target_preallocate(t, t->options.size, err));
}

static void raw_fini(struct cv_target *t)
{
	(void)t;
}

static uint64_t raw_overhead(const struct cv_target *t, uint64_t units)
{
	(void)t;
	(void)units;
	return 0;
}

const struct cv_target_format cv_target_raw = {
	CV_FORMAT_RAW, "raw", raw_begin, raw_place, NULL, raw_end, raw_fini, raw_overhead, NULL,
};

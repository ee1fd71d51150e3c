/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A raw parent: every byte of the disk has its place, and nothing points to anything. */
#include "repair/merge/merge.h"

enum { UNIT = 1 << 20 };

static bool open_raw(struct cv_merge *m, struct cv_err *err)
{
	(void)err;
	m->size = m->file;
	m->unit = UNIT;
	m->fresh = UINT64_MAX;
	return true;
}

/* Its holes are filled; zeros become holes. */
static bool count_raw(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	if (!piece->zero)
		return cv_merge_expect(m, piece->at.off, piece->at.len, err);
	cv_merge_will_change(m, piece->at.off, piece->at.len);
	return true;
}

static bool reserve_raw(struct cv_merge *m, struct cv_err *err)
{
	(void)m;
	(void)err;
	return true;
}

/* What is new at the end reads as zeros, as it did through the larger image. */
static bool grow_raw(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err)
{
	(void)step;
	(void)more;
	if (!cv_out_resize(&m->out, m->child_size, err))
		return false;
	m->dirty = true;
	m->size = m->file = m->child_size;
	return true;
}

static bool put_raw(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err)
{
	if (piece->zero)
		return cv_merge_zero(m, piece->at.off, piece->at.len, true, err);
	return cv_merge_write(m, piece->at.off, piece->data, (size_t)piece->at.len, err);
}

const struct cv_merge_format cv_merge_raw = {
	.format = CV_FORMAT_RAW, .name = "the raw disk", .open = open_raw, .count = count_raw, .reserve = reserve_raw,
	.grow = grow_raw, .put = put_raw,
};

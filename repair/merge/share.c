/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Data that the parent's file shares with the image's instead of having a copy (reflink), where the file system does that and both
 * lie alike in its blocks. What formats write is a piece of the image in a buffer; it is read from the image only when it turns
 * out that bytes are needed. What lies one behind the other in both files is shared by one call.
 *
 * For crashes a shared run is what writing it would be: pending until the next barrier, and it may be there in part.
 */
#include "repair/merge/merge.h"
#include <stdlib.h>
#include <string.h>

#define MOST_AT_ONCE (UINT64_C(64) << 20)
enum { COPY_AT_ONCE = 1 << 20 };

bool cv_merge_share_offer(struct cv_merge *m, const struct cv_merge_piece *piece, uint8_t *buffer)
{
	struct cv_merge_share *s = &m->share;

	s->len = 0;
	if (!s->block || m->trusting || !piece->placed || piece->at.len < s->block ||
	    !cv_range_inside((struct cv_range){ piece->host, piece->at.len }, s->size))
		return false;
	s->buffer = buffer;
	s->host = piece->host;
	s->len = piece->at.len;
	s->loaded = false;
	return true;
}

static bool is_offered(const struct cv_merge_share *s, const uint8_t *bytes, size_t len)
{
	return s->len && bytes >= s->buffer && bytes + len <= s->buffer + s->len;
}

bool cv_merge_load(struct cv_merge *m, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	struct cv_merge_share *s = &m->share;

	if (s->loaded || !is_offered(s, bytes, len))
		return true;
	s->loaded = cv_out_read(&s->image, s->buffer, (size_t)s->len, s->host, err);
	return s->loaded;
}

/* A file system that cannot, or files that it cannot share between: found out by asking. */
static bool cannot(int error)
{
	return error == EOPNOTSUPP || error == EXDEV || error == EINVAL || error == ENOTTY || error == ETXTBSY || error == EPERM;
}

static bool copy_run(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_share *s = &m->share;
	CV_AUTO(cv_auto_free) uint8_t *buffer = malloc(COPY_AT_ONCE);

	if (!buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t done = 0, part; done < s->run; done += part) {
		part = s->run - done < COPY_AT_ONCE ? s->run - done : COPY_AT_ONCE;
		if (!cv_out_read(&s->image, buffer, (size_t)part, s->from + done, err) ||
		    !cv_out_write(&m->out, buffer, (size_t)part, s->to + done, err))
			return false;
	}
	m->written += s->run;
	return true;
}

bool cv_merge_share_run(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_share *s = &m->share;
	const struct cv_io *io = m->out.io;
	bool ok = true;

	if (!s->run)
		return true;
	if (!cv_merge_keep(m, s->to, s->run, err))
		return false;
	m->dirty = true;
	if (io->clone_range(io, s->image.fd, s->from, m->out.fd, s->to, s->run) == 0) {
		s->bytes += s->run;
	} else if (cannot(errno)) {
		s->block = 0;
		ok = copy_run(m, err);
	} else {
		ok = cv_io_fail(err, "share data with", m->out.name);
	}
	s->run = 0;
	return ok;
}

static bool add(struct cv_merge *m, uint64_t from, uint64_t to, uint64_t len, struct cv_err *err)
{
	struct cv_merge_share *s = &m->share;

	if (s->run && (s->from + s->run != from || s->to + s->run != to || s->run >= MOST_AT_ONCE) && !cv_merge_share_run(m, err))
		return false;
	if (!s->run) {
		s->from = from;
		s->to = to;
	}
	s->run += len;
	return true;
}

bool cv_merge_share_take(struct cv_merge *m, uint64_t off, const uint8_t *bytes, struct cv_range *part, struct cv_err *err)
{
	struct cv_merge_share *s = &m->share;
	uint64_t from = s->host + (uint64_t)(bytes - s->buffer), lead, whole;

	if (!s->block || !is_offered(s, bytes, (size_t)part->len) || from % s->block != off % s->block) {
		part->len = 0;
		return true;
	}
	lead = (s->block - off % s->block) % s->block;
	whole = part->len > lead ? (part->len - lead) / s->block * s->block : 0;
	/* What ends before the next block begins has nothing before it either. */
	*part = whole ? (struct cv_range){ lead, whole } : (struct cv_range){ 0, 0 };
	return !whole || add(m, from + lead, off + lead, whole, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reads a range once and finds out all that is asked of it: SHA-256, checksum, the first bytes, where the last byte
 * lies that is not zero. Holes of a file are zeros that are not read; so many of them are summed and no more.
 */
#include "inspect/base/crc32c.h"
#include "inspect/dump/work.h"

static const uint8_t zeros[CV_DUMP_PIECE];

static uint32_t add_bytes(const struct cv_dump_scan *s, const uint8_t *bytes, size_t len)
{
	uint32_t sum = s->sum_computed;

	if (s->sum == CV_SUM_CRC32C)
		return cv_crc32c(sum, bytes, len);
	for (size_t i = 0; i < len; i++)
		sum += s->sum == CV_SUM_SIGNED_BYTES ? (uint32_t)(int32_t)(int8_t)bytes[i] : bytes[i];
	return sum;
}

/* at: where the bytes lie in the range. The checksum's own bytes count as zeros. */
static void add_sum(struct cv_dump_scan *s, const uint8_t *bytes, size_t len, uint64_t at)
{
	if (s->sum == CV_SUM_NONE || at >= s->sum_len)
		return;
	if (len > s->sum_len - at)
		len = (size_t)(s->sum_len - at);
	for (size_t done = 0; done < len;) {
		uint64_t pos = at + done;
		bool own = s->sum_at != UINT32_MAX && pos >= s->sum_at && pos < (uint64_t)s->sum_at + 4;
		uint64_t stop = own                                          ? (uint64_t)s->sum_at + 4
				: s->sum_at != UINT32_MAX && pos < s->sum_at ? s->sum_at
									     : UINT64_MAX;
		size_t n = stop - pos < len - done ? (size_t)(stop - pos) : len - done;

		s->sum_computed = add_bytes(s, own ? zeros : bytes + done, n);
		done += n;
	}
}

static void note_nonzero(struct cv_dump_scan *s, const uint8_t *bytes, size_t len, uint64_t at)
{
	if (!len || (!bytes[0] && !memcmp(bytes, bytes + 1, len - 1)))
		return;
	while (!bytes[len - 1])
		len--;
	s->nonzero = at + len;
}

static bool take(struct cv_dumping *d, struct cv_dump_scan *s, const uint8_t *bytes, size_t len, uint64_t at,
		 struct cv_err *err)
{
	if (at < s->keep_len)
		memcpy(s->keep + at, bytes, len < s->keep_len - at ? len : (size_t)(s->keep_len - at));
	if (bytes != zeros)
		note_nonzero(s, bytes, len, at);
	add_sum(s, bytes, len, at);
	return !s->hashed || cv_digest_add(d->digest, bytes, len, err);
}

uint64_t cv_dump_hole(struct cv_source *from, uint64_t pos, uint64_t end)
{
	uint64_t data, stop;

	if (!from->ops->hole || !from->ops->hole(from, pos, &data, &stop) || data <= pos)
		return 0;
	return (data < end ? data : end) - pos;
}

static bool tell(struct cv_dumping *d, struct cv_err *err)
{
	struct cv_dump_progress p = { d->read, 0 };

	if (d->read - d->told < (8u << 20))
		return true;
	d->told = d->read;
	return cv_dump_send(d, CV_DUMP_PROGRESS, &p, sizeof p, err);
}

static bool take_hole(struct cv_dumping *d, struct cv_dump_scan *s, uint64_t len, uint64_t at, struct cv_err *err)
{
	bool needed = s->sum != CV_SUM_NONE && at < s->sum_len;

	if (s->hashed && len > d->zeros_left) {
		s->hashed = false;
		if (!cv_dump_limit(d, &d->said_zeros,
				   "holes of the file are zeros; not all of them were summed, what "
				   "has them has no SHA-256",
				   err))
			return false;
	}
	if (s->hashed)
		d->zeros_left -= len;
	for (uint64_t done = 0; done < len && (s->hashed || at + done < s->keep_len || needed);) {
		size_t n = len - done < sizeof zeros ? (size_t)(len - done) : sizeof zeros;

		if (!take(d, s, zeros, n, at + done, err))
			return false;
		done += n;
		d->read += n;
		needed = needed && at + done < s->sum_len && d->zeros_left;
		if (!tell(d, err))
			return false;
	}
	return true;
}

bool cv_dump_scan(struct cv_dumping *d, struct cv_source *from, struct cv_range range, struct cv_dump_scan *s,
		  struct cv_err *err)
{
	uint64_t end = range.off + range.len, pos = range.off;

	s->hashed = true;
	if (!s->sum_len)
		s->sum_len = range.len;
	if (!cv_digest_begin(d->digest, err))
		return false;
	while (pos < end) {
		uint64_t hole = cv_dump_hole(from, pos, end), at = pos - range.off;
		size_t n = end - pos < CV_DUMP_PIECE ? (size_t)(end - pos) : CV_DUMP_PIECE;
		struct cv_err trouble = { .code = CV_OK };

		if (hole) {
			if (!take_hole(d, s, hole, at, err))
				return false;
			pos += hole;
			continue;
		}
		if (!cv_source_read(from, d->buffer, n, pos, &trouble)) {
			s->hashed = false;
			s->present = at;
			return cv_dump_trouble(d, &(struct cv_range){ pos, n }, &trouble, err);
		}
		if (!take(d, s, d->buffer, n, at, err))
			return false;
		pos += n;
		d->read += n;
		if (!tell(d, err))
			return false;
	}
	s->present = range.len;
	if (s->sum == CV_SUM_BYTES || s->sum == CV_SUM_SIGNED_BYTES)
		s->sum_computed = ~s->sum_computed;
	return !s->hashed || cv_digest_end(d->digest, CV_DIGEST_SHA256, s->sha256, err);
}

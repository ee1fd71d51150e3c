/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reading through any byte source. The kinds are in the files beside this one; nothing here knows them. */
#include <chainview/source.h>

/* One request to the system; keeps every length far from the limits of ssize_t. */
#define LARGEST_READ ((size_t)1 << 30)

bool cv_source_read(struct cv_source *s, void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	size_t done = 0;

	if (!cv_range_inside((struct cv_range){ off, len }, s->size))
		return cv_fail(err, CV_EFORMAT, "cannot read %zu B at offset %" PRIu64 ": it has only %" PRIu64 " B",
			       len, off, s->size);
	while (done < len) {
		size_t want = len - done < LARGEST_READ ? len - done : LARGEST_READ;
		ssize_t n = s->ops->pread(s, (char *)buf + done, want, off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cv_fail_errno(err, "cannot read %zu B at offset %" PRIu64, len, off);
		if (n == 0)
			return cv_fail(err, CV_EIO, "cannot read %zu B at offset %" PRIu64
				       ": it ends after %zu B of them, was it cut meanwhile?", len, off, done);
		done += (size_t)n;
	}
	return true;
}

void cv_source_expect(struct cv_source *s, uint64_t off, uint64_t len)
{
	if (s->ops->expect && off < s->size && len)
		s->ops->expect(s, off, len < s->size - off ? len : s->size - off);
}

void cv_source_close(struct cv_source *s)
{
	if (s)
		s->ops->close(s);
}

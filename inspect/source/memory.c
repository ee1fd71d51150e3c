/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A byte source over bytes in memory, borrowed. */
#include <chainview/source.h>

struct memory_source {
	struct cv_source base;
	const uint8_t *bytes;
};

static ssize_t memory_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct memory_source *s = (struct memory_source *)self;

	if (off >= self->size)
		return 0;
	if (len > self->size - off)
		len = self->size - off;
	if (len)
		memcpy(buf, s->bytes + off, len);
	return (ssize_t)len;
}

static void memory_close(struct cv_source *self)
{
	free(self);
}

static const struct cv_source_ops memory_ops = { .pread = memory_pread, .close = memory_close };

struct cv_source *cv_source_memory(const void *bytes, size_t len, struct cv_err *err)
{
	struct memory_source *s = calloc(1, sizeof *s);

	if (!s) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*s = (struct memory_source){ { &memory_ops, len }, bytes };
	return &s->base;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sparse files as inputs. */
#include "tests/fuzz/sparse.h"
#include <sys/stat.h>
#include <unistd.h>

#define OFFSET_SIGN (UINT64_C(1) << 47)
#define SPAN_MAX (1u << 20)
#define FIELD_MAX 65535u

static uint64_t get(const uint8_t *at, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes; i++)
		n |= (uint64_t)at[i] << 8 * i;
	return n;
}

static void put(uint8_t *at, uint64_t n, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(n >> 8 * i);
}

static struct sparse_piece decode_piece(const struct sparse *s, const uint8_t *at, size_t left)
{
	uint64_t off = get(at, 6);
	size_t want = get(at + 6, 2), len = want < left ? want : left, times = get(at + 8, 2) + 1;
	bool from_end = off & OFFSET_SIGN;

	if (from_end) {
		off = 2 * OFFSET_SIGN - off;
		off = off < s->size ? s->size - off : 0;
	}
	if (len && times > SPAN_MAX / len)
		times = SPAN_MAX / len;
	return (struct sparse_piece){ off, (uint32_t)len, (uint32_t)times, from_end, at + SPARSE_PIECE };
}

void sparse_decode(struct sparse *s, const uint8_t *at, size_t len)
{
	size_t pos = SPARSE_HEAD;

	s->count = 0;
	s->size = get(at, len < SPARSE_HEAD ? len : SPARSE_HEAD);
	if (s->size > INT64_MAX)
		s->size = INT64_MAX;
	while (s->count < SPARSE_PIECES && len > pos + SPARSE_PIECE) {
		struct sparse_piece *p = &s->at[s->count];

		*p = decode_piece(s, at + pos, len - pos - SPARSE_PIECE);
		pos += SPARSE_PIECE + p->len;
		s->count += p->len != 0;
	}
}

size_t sparse_encode(const struct sparse *s, uint8_t *at, size_t cap)
{
	size_t pos = SPARSE_HEAD;

	if (cap < SPARSE_HEAD)
		return 0;
	put(at, s->size, SPARSE_HEAD);
	for (size_t i = 0; i < s->count; i++) {
		const struct sparse_piece *p = &s->at[i];
		bool from_end = p->from_end && p->off < s->size;
		uint64_t distance = from_end ? s->size - p->off : p->off;

		if (!p->len || p->len > FIELD_MAX || distance >= OFFSET_SIGN || cap - pos < SPARSE_PIECE + p->len)
			continue;
		put(at + pos, from_end ? 2 * OFFSET_SIGN - distance : distance, 6);
		put(at + pos + 6, p->len, 2);
		put(at + pos + 8, p->times - 1, 2);
		memcpy(at + pos + SPARSE_PIECE, p->bytes, p->len);
		pos += SPARSE_PIECE + p->len;
	}
	return pos;
}

static uint64_t span(const struct sparse_piece *p)
{
	return (uint64_t)p->len * p->times;
}

void sparse_read(const struct sparse *s, void *buf, size_t len, uint64_t off)
{
	memset(buf, 0, len);
	for (size_t i = 0; i < s->count; i++) {
		const struct sparse_piece *p = &s->at[i];
		uint64_t from = p->off > off ? p->off : off, end = p->off + span(p);

		if (end > off + len)
			end = off + len;
		if (end > s->size)
			end = s->size;
		while (from < end) {
			uint64_t in = (from - p->off) % p->len, n = p->len - in < end - from ? p->len - in : end - from;

			memcpy((uint8_t *)buf + (from - off), p->bytes + in, n);
			from += n;
		}
	}
}

struct sparse_source {
	struct cv_source base;
	const struct sparse *file;
};

static ssize_t source_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	if (off >= self->size)
		return 0;
	if (len > self->size - off)
		len = self->size - off;
	sparse_read(((struct sparse_source *)self)->file, buf, len, off);
	return (ssize_t)len;
}

static void source_close(struct cv_source *self)
{
	free(self);
}

/* What lies between pieces is a hole, as it would be in a file. */
static bool source_hole(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data)
{
	const struct sparse *s = ((struct sparse_source *)self)->file;
	uint64_t start = self->size, end = self->size;

	for (size_t i = 0; i < s->count; i++) {
		const struct sparse_piece *p = &s->at[i];
		uint64_t from = p->off > off ? p->off : off, to = p->off + span(p);

		if (from < to && from < start) {
			start = from;
			end = to < self->size ? to : self->size;
		}
	}
	*start_of_data = start;
	*end_of_data = end;
	return true;
}

static const struct cv_source_ops sparse_ops = { source_pread, source_close, source_hole, NULL };

struct cv_source *sparse_source(const struct sparse *s, struct cv_err *err)
{
	struct sparse_source *source = calloc(1, sizeof *source);

	if (!source) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*source = (struct sparse_source){ { &sparse_ops, s->size }, s };
	return &source->base;
}

/* Data that no parser looks into is kept only so far. */
#define RUN_MOST 1024u
#define WINDOW 4096u
#define GAP 16u

/* An input being made. */
struct made {
	uint8_t *at;
	size_t len, most;
	bool full;
	uint64_t size;
};

/* What begins in the last sector of the file is said to lie there: the footer of a VHD. */
static void add_piece(struct made *m, uint64_t off, const uint8_t *bytes, size_t len, size_t times)
{
	if (m->full || m->most - m->len < SPARSE_PIECE + len) {
		m->full = true;
		return;
	}
	put(m->at + m->len, m->size - off <= 512 ? off - m->size : off, 6);
	put(m->at + m->len + 6, len, 2);
	put(m->at + m->len + 8, times - 1, 2);
	memcpy(m->at + m->len + SPARSE_PIECE, bytes, len);
	m->len += SPARSE_PIECE + len;
}

/* How many bytes from at on are all the same. */
static size_t same(const uint8_t *at, size_t len)
{
	size_t n = 1;

	while (n < len && at[n] == at[0])
		n++;
	return n;
}

/* One run of bytes without a gap of zeros in it: what is the same byte for long is a piece of its own. */
static void add_run(struct made *m, uint64_t off, const uint8_t *at, size_t len)
{
	size_t start = 0;

	for (size_t i = 0, n; i < len; i += n) {
		n = same(at + i, len - i);
		if (n < 4 * GAP)
			continue;
		if (i > start)
			add_piece(m, off + start, at + start, i - start < RUN_MOST ? i - start : RUN_MOST, 1);
		add_piece(m, off + i, at + i, 1, n);
		start = i + n;
	}
	if (len > start)
		add_piece(m, off + start, at + start, len - start < RUN_MOST ? len - start : RUN_MOST, 1);
}

static void add_window(struct made *m, uint64_t off, const uint8_t *at, size_t len)
{
	size_t start = 0, end = 0;

	for (size_t i = 0; i < len; i++) {
		if (!at[i])
			continue;
		if (end && i - end > GAP) {
			add_run(m, off + start, at + start, end - start);
			end = 0;
		}
		if (!end)
			start = i;
		end = i + 1;
	}
	if (end)
		add_run(m, off + start, at + start, end - start);
}

uint8_t *sparse_of_file(int fd, size_t most, size_t *len)
{
	struct made m = { malloc(most), SPARSE_HEAD, most, false, 0 };
	struct stat st;
	uint8_t window[WINDOW];
	ssize_t n;

	if (!m.at || fstat(fd, &st) < 0 || most < SPARSE_HEAD) {
		free(m.at);
		return NULL;
	}
	m.size = (uint64_t)st.st_size;
	put(m.at, m.size, SPARSE_HEAD);
	for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0 && at < st.st_size && !m.full; at = lseek(fd, at, SEEK_DATA)) {
		n = pread(fd, window, sizeof window - (size_t)(at % WINDOW), at);
		if (n <= 0)
			break;
		add_window(&m, (uint64_t)at, window, (size_t)n);
		at += n;
	}
	*len = m.len;
	if (m.full)
		free(cv_take(m.at));
	return m.at;
}

static bool write_piece(const struct sparse *s, const struct sparse_piece *p, int fd)
{
	size_t len = (size_t)span(p);
	CV_AUTO(cv_auto_free) uint8_t *all = malloc(len);

	for (size_t i = 0; all && i < len; i += p->len)
		memcpy(all + i, p->bytes, p->len);
	if (p->off >= s->size)
		return true;
	if (len > s->size - p->off)
		len = (size_t)(s->size - p->off);
	return all && pwrite(fd, all, len, (off_t)p->off) == (ssize_t)len;
}

bool sparse_to_file(const struct sparse *s, int fd)
{
	if (ftruncate(fd, (off_t)s->size) < 0)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (!write_piece(s, &s->at[i], fd))
			return false;
	return true;
}

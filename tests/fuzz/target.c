/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What all fuzz targets stand on: limits, choices, and what text must be like before it may be shown. */
#include "tests/fuzz/target.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "tests/fuzz/limits.h"

uint64_t fuzz_roll(struct fuzz_dice *d)
{
	uint64_t z = d->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t fuzz_below(struct fuzz_dice *d, uint32_t below)
{
	return (uint32_t)(fuzz_roll(d) >> 32) % below;
}

uint64_t fuzz_number(struct fuzz_dice *d)
{
	uint64_t power = UINT64_C(1) << fuzz_below(d, 64);

	switch (fuzz_below(d, 8)) {
	case 0: return fuzz_below(d, 4);
	case 1: return UINT64_MAX - fuzz_below(d, 3);
	case 2: return power - 1;
	case 3: return power + 1;
	case 4: return power - 512 * (uint64_t)fuzz_below(d, 4);
	case 5: return (uint64_t)fuzz_below(d, 4096) << fuzz_below(d, 24);
	case 6: return fuzz_roll(d) >> fuzz_below(d, 64);
	default: return power;
	}
}

void fuzz_broken(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* How long it takes by the given clock. */
static double run_for(const struct fuzz_target *target, const uint8_t *at, size_t len, clockid_t clock)
{
	double start = seconds(clock);

	fuzz_limits_begin();
	target->run(at, len);
	fuzz_limits_end();
	return seconds(clock) - start;
}

/* What took long on a busy machine is run again by the clock of the process, which is dear to ask. */
void fuzz_run(const struct fuzz_target *target, const uint8_t *at, size_t len)
{
	double took = run_for(target, at, len, CLOCK_MONOTONIC);

	if (took > FUZZ_SECONDS)
		took = run_for(target, at, len, CLOCK_PROCESS_CPUTIME_ID);
	fuzz_require(took <= FUZZ_SECONDS, "%s took %.1f s for %zu bytes", target->name, took, len);
}

uint64_t fuzz_take(struct fuzz_bytes *b, size_t bytes)
{
	uint64_t n = 0;

	for (size_t i = 0; i < bytes && b->at < b->end; i++)
		n |= (uint64_t)*b->at++ << 8 * i;
	return n;
}

struct cv_bytes fuzz_take_text(struct fuzz_bytes *b, size_t most)
{
	size_t left, len = (size_t)fuzz_take(b, most > 255 ? 2 : 1) % (most + 1);
	struct cv_bytes text;

	left = (size_t)(b->end - b->at);
	len = len < left ? len : left;
	text = (struct cv_bytes){ (const char *)b->at, len };
	b->at += len;
	return text;
}

/* Our own list, so that a hole in that of the sanitiser shows. */
static bool may_be_shown(int32_t c)
{
	static const struct { int32_t first, last; } never[] = {
		{ 0x00, 0x1f },     { 0x7f, 0x9f },     { 0xad, 0xad },     { 0x61c, 0x61c },     { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xd800, 0xf8ff },   { 0xfdd0, 0xfdef },
		{ 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < CV_COUNT(never); i++)
		if (c >= never[i].first && c <= never[i].last)
			return false;
	return true;
}

void fuzz_require_shown(struct cv_bytes text, bool lines)
{
	for (size_t pos = 0; pos < text.len;) {
		size_t start = pos;
		unsigned char byte = (unsigned char)text.at[pos];
		int32_t c = byte >= 0x20 && byte < 0x7f ? (pos++, byte) : cv_utf8_next(text, &pos);

		fuzz_require(may_be_shown(c) || (lines && c == '\n'), "byte 0x%02x at %zu of %zu cannot be shown (%d)",
			     byte, start, text.len, c);
	}
}

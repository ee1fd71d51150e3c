/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What every other header stands on: visibility, scope cleanup, byte ranges, byte strings.
 *
 * House rules that the compiler can enforce are enforced here: numbers that come from an image meet
 * one range test (cv_range_inside), and the C functions that cannot be used safely are poisoned.
 */
#ifndef CHAINVIEW_BASE_H
#define CHAINVIEW_BASE_H

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CV_API __attribute__((visibility("default")))
#define CV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define CV_MUST_CHECK __attribute__((warn_unused_result))

/* The number of elements of an array (not of a pointer). */
#define CV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Frees or closes a local variable when its scope ends: CV_AUTO(cv_auto_free) char *p = ...; */
#define CV_AUTO(fn) __attribute__((cleanup(fn)))

/* Hands the ownership of a CV_AUTO pointer out of its scope. */
#define cv_take(p) __extension__({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })

static inline void cv_auto_free(void *slot)
{
	void *p;

	memcpy(&p, slot, sizeof p);
	free(p);
}

/* Closes a file descriptor held in a CV_AUTO variable; -1 is none. Keeps errno. */
CV_API void cv_auto_close(int *fd);

/* Bytes [off, off + len) of a file or of a virtual disk. */
struct cv_range {
	uint64_t off, len;
};

/* True if the range lies inside [0, limit) and its end does not wrap. */
static inline bool cv_range_inside(struct cv_range r, uint64_t limit)
{
	uint64_t end;

	return !__builtin_add_overflow(r.off, r.len, &end) && end <= limit;
}

/* True if the two ranges share at least one byte. */
static inline bool cv_ranges_touch(struct cv_range a, struct cv_range b)
{
	return a.len && b.len && (a.off < b.off ? b.off - a.off < a.len : a.off - b.off < b.len);
}

/* A counted byte string: may hold any byte, is not NUL-terminated, is borrowed from whatever owns it. */
struct cv_bytes {
	const char *at;
	size_t len;
};

static inline struct cv_bytes cv_bytes_of(const char *text)
{
	return (struct cv_bytes){ text, text ? strlen(text) : 0 };
}

static inline bool cv_bytes_equal(struct cv_bytes a, struct cv_bytes b)
{
	return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

/* The version of the library and of the program, "MAJOR.MINOR.PATCH". */
CV_API const char *cv_version(void);

#ifdef __cplusplus
}
#endif
#endif

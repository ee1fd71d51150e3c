/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Growing text, and the one sanitiser that stands between a byte from an image or a directory and any
 * output. Reports and messages are built in a struct cv_text; libraries never print.
 */
#ifndef CHAINVIEW_TEXT_H
#define CHAINVIEW_TEXT_H

#include <chainview/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* at is NUL-terminated once anything was added (before that NULL: use cv_text_str). When memory runs out
 * failed is set and what is added after that is dropped: test it once, at the end. */
struct cv_text {
	char *at;
	size_t len, cap;
	bool failed;
};

CV_API void cv_text_add(struct cv_text *t, const char *text);
CV_API void cv_text_add_bytes(struct cv_text *t, const void *bytes, size_t len);
CV_API void cv_text_addf(struct cv_text *t, const char *fmt, ...) CV_PRINTF(2, 3);
/* Adds count copies of one ASCII character. */
CV_API void cv_text_fill(struct cv_text *t, char c, size_t count);
/* Empties the text and keeps its memory. */
CV_API void cv_text_clear(struct cv_text *t);
CV_API void cv_text_fini(struct cv_text *t);
/* The text, never NULL. */
CV_API const char *cv_text_str(const struct cv_text *t);

/*
 * The sanitiser. Appends bytes as legal, printable, single-line UTF-8:
 *  - a byte that is not part of legal UTF-8, a C0 or C1 control, DEL: \xHH for each of its bytes;
 *  - bidirectional controls, zero-width and other invisible or private characters: \u{HHHH};
 *  - a backslash that would read as the start of such an escape (before "x" or "u{"): \x5c.
 * Everything else is unchanged, so ordinary names look ordinary and every output can be turned back.
 */
CV_API void cv_text_escape(struct cv_text *t, struct cv_bytes bytes);
/* Appends one word for a shell, in quotes. */
CV_API void cv_text_quote(struct cv_text *t, const char *word);

/* Appends the bytes whose escaped form is text; what is no escape is taken as it is. */
CV_API void cv_text_unescape(struct cv_text *t, struct cv_bytes text);

/* True if the bytes are legal UTF-8 (surrogates and overlong forms are not). */
CV_API bool cv_utf8_valid(struct cv_bytes bytes);

/* Decodes one character of legal UTF-8 at bytes[*pos] and moves *pos behind it; -1 and one byte on when it
 * is not legal. */
CV_API int32_t cv_utf8_next(struct cv_bytes bytes, size_t *pos);

/* Appends UTF-16 (big or little endian) as UTF-8. Stops at a NUL unit. Unpaired surrogates become the
 * three bytes that the sanitiser shows as \xHH. Returns the number of input bytes used. */
CV_API size_t cv_text_add_utf16(struct cv_text *t, const uint8_t *bytes, size_t len, bool big_endian);

/* A size for people: "0", "512", "9.6K", "12M", "1.5T": IEC units, at most five columns. */
struct cv_size_text { char s[12]; };
CV_API struct cv_size_text cv_size_short(uint64_t bytes);

/* A size in full: "9.6 GiB (10,310,218,240 B)"; "512 B". */
struct cv_size_long { char s[48]; };
CV_API struct cv_size_long cv_size_full(uint64_t bytes);

/* Reads "10G", "10GiB" (IEC), "10GB" (SI), "512", "0x200"; false when it is not a size or does not fit. */
CV_API bool cv_size_parse(const char *text, uint64_t *bytes);

/* RFC 3339 in UTC: "2026-11-20T10:42:01Z". Years outside 0..9999 give "@<seconds>". */
struct cv_time_text { char s[32]; };
CV_API struct cv_time_text cv_time_utc(int64_t unix_seconds);

/* "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11", from the 16 bytes in the order in which they are printed. */
struct cv_uuid_text { char s[37]; };
CV_API struct cv_uuid_text cv_uuid_str(const uint8_t uuid[16]);
static inline bool cv_uuid_is_null(const uint8_t uuid[16])
{
	for (int i = 0; i < 16; i++)
		if (uuid[i])
			return false;
	return true;
}

/* Base64 of the bytes, for names that are not UTF-8. */
CV_API void cv_text_base64(struct cv_text *t, struct cv_bytes bytes);

#ifdef __cplusplus
}
#endif
#endif

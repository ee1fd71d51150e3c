/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Checksums of bytes, several kinds in one pass. SHA-256 is what everything is identified by; SHA-1 and MD5 are for
 * comparing with lists that have nothing better.
 */
#ifndef CHAINVIEW_DIGEST_H
#define CHAINVIEW_DIGEST_H

#include <chainview/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_digest_kind { CV_DIGEST_SHA256, CV_DIGEST_SHA1, CV_DIGEST_MD5, CV_DIGEST_COUNT };
CV_API const char *cv_digest_name(enum cv_digest_kind kind);     /* "sha256", ... */
CV_API size_t cv_digest_size(enum cv_digest_kind kind);          /* bytes */

#define CV_DIGEST_LARGEST 32u

/* Must be called before the first digest of a process that cannot open files: what libcrypto loads is loaded here. */
CV_API bool cv_digest_prepare(struct cv_err *err);

struct cv_digest;
/* kinds: bits 1 << kind. */
CV_API struct cv_digest *cv_digest_new(unsigned kinds, struct cv_err *err);
CV_API void cv_digest_free(struct cv_digest *d);
static inline void cv_auto_digest(struct cv_digest **d)
{
	cv_digest_free(*d);
}
/* Begins anew. These three are false when libcrypto fails. */
CV_API bool cv_digest_begin(struct cv_digest *d, struct cv_err *err);
CV_API bool cv_digest_add(struct cv_digest *d, const void *bytes, size_t len, struct cv_err *err);
CV_API bool cv_digest_end(struct cv_digest *d, enum cv_digest_kind kind, uint8_t out[CV_DIGEST_LARGEST],
			  struct cv_err *err);

/* "9f86d0..." */
struct cv_digest_text { char s[2 * CV_DIGEST_LARGEST + 1]; };
CV_API struct cv_digest_text cv_digest_hex(enum cv_digest_kind kind, const uint8_t bytes[CV_DIGEST_LARGEST]);

#ifdef __cplusplus
}
#endif
#endif

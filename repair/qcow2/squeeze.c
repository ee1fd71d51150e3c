/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See squeeze.h. */
#include "repair/qcow2/squeeze.h"
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { WINDOW_BITS = -12, MEMORY_LEVEL = 9 }; /* negative: without zlib's header and checksum */

struct cv_qcow2_squeezer {
	size_t cluster;
	ZSTD_CCtx *zstd; /* NULL: deflate */
	z_stream deflate;
	bool begun; /* deflate is there to be ended */
	uint8_t *out;
};

static bool prepare(struct cv_qcow2_squeezer *s, bool zstd)
{
	s->out = malloc(s->cluster);
	if (zstd)
		s->zstd = ZSTD_createCCtx();
	else
		s->begun = deflateInit2(&s->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
					Z_DEFAULT_STRATEGY) == Z_OK;
	return s->out && (s->zstd || s->begun);
}

struct cv_qcow2_squeezer *cv_qcow2_squeezer_new(size_t cluster, bool zstd, struct cv_err *err)
{
	struct cv_qcow2_squeezer *s = calloc(1, sizeof *s);

	if (s) {
		s->cluster = cluster;
		if (prepare(s, zstd))
			return s;
	}
	cv_qcow2_squeezer_free(s);
	cv_fail(err, CV_ENOMEM, "out of memory for compressing clusters");
	return NULL;
}

void cv_qcow2_squeezer_free(struct cv_qcow2_squeezer *s)
{
	if (!s)
		return;
	if (s->begun)
		deflateEnd(&s->deflate);
	ZSTD_freeCCtx(s->zstd);
	free(s->out);
	free(s);
}

/* There is room for one byte less than a cluster has: what does not fit is not worth it. */
static bool squeeze_zstd(struct cv_qcow2_squeezer *s, const void *bytes, size_t *len, struct cv_err *err)
{
	size_t got = ZSTD_compress2(s->zstd, s->out, s->cluster - 1, bytes, s->cluster);

	if (!ZSTD_isError(got))
		*len = got;
	else if (ZSTD_getErrorCode(got) != ZSTD_error_dstSize_tooSmall)
		return cv_fail(err, CV_ENOMEM, "cannot compress a cluster: %s", ZSTD_getErrorName(got));
	return true;
}

static bool squeeze_deflate(struct cv_qcow2_squeezer *s, const void *bytes, size_t *len, struct cv_err *err)
{
	int said;

	if (deflateReset(&s->deflate) != Z_OK)
		return cv_fail(err, CV_ENOMEM, "cannot compress a cluster");
	s->deflate.next_in = (Bytef *)(uintptr_t)bytes;
	s->deflate.avail_in = (uInt)s->cluster;
	s->deflate.next_out = s->out;
	s->deflate.avail_out = (uInt)s->cluster - 1;
	said = deflate(&s->deflate, Z_FINISH);
	if (said == Z_STREAM_END)
		*len = s->cluster - 1 - s->deflate.avail_out;
	else if (said != Z_OK && said != Z_BUF_ERROR)
		return cv_fail(err, CV_ENOMEM, "cannot compress a cluster");
	return true;
}

bool cv_qcow2_squeeze(struct cv_qcow2_squeezer *s, const void *bytes, const uint8_t **out, size_t *len,
		      struct cv_err *err)
{
	*out = s->out;
	*len = 0;
	return s->zstd ? squeeze_zstd(s, bytes, len, err) : squeeze_deflate(s, bytes, len, err);
}

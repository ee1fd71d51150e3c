/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Inflating one compressed cluster: raw deflate as QEMU writes it (no header, window of 4 KiB), or zstd. Memory
 * is two buffers and the decoder, whatever the stream claims. Does not know where clusters come from.
 */
#include "inspect/qcow2/qcow2_map_inflate.h"
#include <zlib.h>
#include <zstd.h>

#define WINDOW_BITS (-12)                    /* negative: without zlib's header and checksum */

struct cv_qcow_inflater {
	size_t cluster;
	ZSTD_DCtx *zstd;             /* NULL: deflate */
	z_stream deflate;
	struct cv_range held;        /* what is in out; len 0: nothing */
	uint8_t *out, *packed;
};

struct cv_qcow_inflater *cv_qcow_inflater_new(size_t cluster, bool zstd, struct cv_err *err)
{
	struct cv_qcow_inflater *f = calloc(1, sizeof *f);

	if (f) {
		f->cluster = cluster;
		f->out = malloc(cluster);
		f->packed = malloc(2 * cluster);
		if (zstd)
			f->zstd = ZSTD_createDCtx();
		if (f->out && f->packed && (zstd ? f->zstd != NULL : inflateInit2(&f->deflate, WINDOW_BITS) == Z_OK))
			return f;
	}
	cv_qcow_inflater_free(f);
	cv_fail(err, CV_ENOMEM, "out of memory for compressed clusters");
	return NULL;
}

void cv_qcow_inflater_free(struct cv_qcow_inflater *f)
{
	if (!f)
		return;
	if (!f->zstd)
		inflateEnd(&f->deflate);
	ZSTD_freeDCtx(f->zstd);
	free(f->out);
	free(f->packed);
	free(f);
}

/* What follows a whole cluster is padding, and a stream may go on after it. */
static bool run_deflate(struct cv_qcow_inflater *f, size_t len)
{
	int said;

	inflateReset(&f->deflate);
	f->deflate.next_in = f->packed;
	f->deflate.avail_in = (uInt)len;
	f->deflate.next_out = f->out;
	f->deflate.avail_out = (uInt)f->cluster;
	said = inflate(&f->deflate, Z_FINISH);
	return (said == Z_STREAM_END || said == Z_BUF_ERROR) && !f->deflate.avail_out;
}

/* Frame by frame with the output buffer as window: a frame cannot make the decoder hold more. */
static bool run_zstd(struct cv_qcow_inflater *f, size_t len)
{
	size_t in = 0, out = 0;

	while (out < f->cluster) {
		size_t frame = ZSTD_findFrameCompressedSize(f->packed + in, len - in), got;

		if (ZSTD_isError(frame))
			return false;
		got = ZSTD_decompressDCtx(f->zstd, f->out + out, f->cluster - out, f->packed + in, frame);
		if (ZSTD_isError(got))
			return false;
		in += frame;
		out += got;
	}
	return true;
}

const uint8_t *cv_qcow_inflate(struct cv_qcow_inflater *f, struct cv_source *source, struct cv_range packed,
			       struct cv_err *err)
{
	size_t len;

	if (f->held.len && f->held.off == packed.off && f->held.len == packed.len)
		return f->out;
	f->held.len = 0;
	if (packed.off >= source->size || packed.len > 2 * f->cluster) {
		cv_fail(err, CV_EFORMAT, "compressed cluster of %" PRIu64 " B at host offset %" PRIu64 " cannot be",
			packed.len, packed.off);
		return NULL;
	}
	len = packed.len < source->size - packed.off ? packed.len : (size_t)(source->size - packed.off);
	if (!cv_source_read(source, f->packed, len, packed.off, err))
		return NULL;
	if (f->zstd ? !run_zstd(f, len) : !run_deflate(f, len)) {
		cv_fail(err, CV_EFORMAT, "compressed cluster at host offset %" PRIu64 " does not give %zu B",
			packed.off, f->cluster);
		return NULL;
	}
	f->held = packed;
	return f->out;
}

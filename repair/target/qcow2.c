/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* QCOW2 as a target: options as qemu-img names them, over repair/qcow2/stream.h. */
#include <chainview/text.h>
#include "repair/qcow2/squeeze.h"
#include "repair/qcow2/stream.h"
#include "repair/target/target.h"

enum { CLUSTER = 65536, REFCOUNT_BITS = 16, MOST_NAME = 1023, HEAD = 192 /* with its extensions */ };

struct qcow2_target {
	struct cv_qcow2_stream stream;
	struct cv_qcow2_squeezer *squeezer; /* NULL without compression */
	uint8_t *tail;                      /* a whole cluster, for the last one of the disk */
	struct cv_text backing;             /* the parent's name as QEMU takes it */
};

static bool is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* What version 2 cannot say, and what excludes each other. */
static bool options_agree(const struct cv_target_options *o, struct cv_err *err)
{
	uint32_t bits = o->refcount_bits ? o->refcount_bits : REFCOUNT_BITS;
	uint32_t cluster = o->block_size ? o->block_size : CLUSTER;

	if (!is_power_of_two(cluster) || cluster < 512 || cluster > 2 << 20)
		return cv_fail(err, CV_EUSAGE, "cluster_size=%" PRIu32 " is not a power of two from 512 to 2M",
			       cluster);
	if (!is_power_of_two(bits) || bits > 64)
		return cv_fail(err, CV_EUSAGE, "refcount_bits=%" PRIu32 " is not a power of two from 1 to 64", bits);
	if (o->compat_v2 && bits != REFCOUNT_BITS)
		return cv_fail(err, CV_EUSAGE, "with compat=0.10 refcount_bits is 16");
	if (o->compat_v2 && (o->lazy_refcounts || o->zstd))
		return cv_fail(err, CV_EUSAGE, "%s needs compat=1.1",
			       o->zstd ? "compression_type=zstd" : "lazy_refcounts=on");
	if (o->compress && o->preallocation != CV_PREALLOCATE_OFF)
		return cv_fail(err, CV_EUSAGE, "compression and preallocation exclude each other");
	return true;
}

/* What QEMU would take for a protocol starts with "./". */
static bool name_parent(const struct cv_target_options *o, struct qcow2_target *q, struct cv_err *err)
{
	const char *path = o->parent ? o->parent->path : "", *colon = strchr(path, ':'), *slash = strchr(path, '/');

	if (colon && (!slash || colon < slash))
		cv_text_add(&q->backing, "./");
	cv_text_add(&q->backing, path);
	if (q->backing.len > MOST_NAME)
		return cv_fail(err, CV_ELIMIT, "the name of the parent has %zu bytes; QCOW2 can record %d", q->backing.len, MOST_NAME);
	if (q->backing.len + HEAD > (o->block_size ? o->block_size : CLUSTER))
		return cv_fail(err, CV_ELIMIT, "the name of the parent has %zu bytes: a larger cluster_size is needed", q->backing.len);
	return !q->backing.failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static struct cv_qcow2_image image_of(const struct cv_target_options *o, const struct qcow2_target *q)
{
	return (struct cv_qcow2_image){
		.backing = { cv_text_str(&q->backing), q->backing.len },
		.backing_format = cv_bytes_of(o->parent ? "qcow2" : ""),
		.mark = o->mark,
		.version = o->compat_v2 ? 2 : 3,
		.cluster_bits = (unsigned)__builtin_ctz(o->block_size ? o->block_size : CLUSTER),
		.refcount_order = (unsigned)__builtin_ctz(o->refcount_bits ? o->refcount_bits : REFCOUNT_BITS),
		.size = o->size,
		.compatible = o->lazy_refcounts ? QCOW2_COMPATIBLE_LAZY_REFCOUNTS : 0,
		.zstd = o->zstd,
	};
}

static bool qcow2_begin(struct cv_target *t, struct cv_err *err)
{
	const struct cv_target_options *o = &t->options;
	struct cv_qcow2_image image;
	struct qcow2_target *q;

	if (!options_agree(o, err))
		return false;
	t->state = q = calloc(1, sizeof *q);
	if (!q)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!name_parent(o, q, err))
		return false;
	image = image_of(o, q);
	t->unit = t->grain = UINT32_C(1) << image.cluster_bits;
	if (!cv_qcow2_stream_begin(&q->stream, t->out, &image, o->preallocation != CV_PREALLOCATE_OFF, err))
		return false;
	if (!o->compress)
		return true;
	q->squeezer = cv_qcow2_squeezer_new(t->unit, o->zstd, err);
	q->tail = q->squeezer ? calloc(1, t->unit) : NULL;
	return q->tail || (q->squeezer && cv_fail(err, CV_ENOMEM, "out of memory"));
}

static bool qcow2_place(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err)
{
	struct qcow2_target *q = t->state;

	return cv_target_on_disk(t, range, err) && cv_qcow2_stream_place(&q->stream, range, host, run, err);
}

/* Version 2 has no other zeros than those that are stored. */
static bool qcow2_zero(struct cv_target *t, struct cv_range range, struct cv_err *err)
{
	struct qcow2_target *q = t->state;

	return cv_target_on_disk(t, range, err) && (t->options.compat_v2 ? cv_target_place_zeros(t, range, err)
									  : cv_qcow2_stream_zero(&q->stream, range, err));
}

static bool store_plain(struct cv_target *t, uint64_t guest, const void *bytes, size_t len, struct cv_err *err)
{
	uint64_t host, run;

	return qcow2_place(t, (struct cv_range){ guest, len }, &host, &run, err) &&
	       cv_out_write(t->out, bytes, len, host, err);
}

static bool qcow2_pack(struct cv_target *t, uint64_t guest, const void *bytes, size_t len, struct cv_err *err)
{
	struct qcow2_target *q = t->state;
	const void *whole = bytes;
	const uint8_t *packed;
	size_t packed_len;

	if (guest % t->unit || !len || len > t->unit || (len < t->unit && guest + len != t->options.size))
		return cv_fail(err, CV_EUSAGE, "%zu bytes at %" PRIu64 " are no cluster", len, guest);
	if (len < t->unit)
		whole = memcpy(q->tail, bytes, len);
	if (!cv_qcow2_squeeze(q->squeezer, whole, &packed, &packed_len, err))
		return false;
	if (!packed_len)
		return store_plain(t, guest, bytes, len, err);
	return cv_qcow2_stream_pack(&q->stream, guest / t->unit, packed, packed_len, err);
}

static bool qcow2_end(struct cv_target *t, struct cv_err *err)
{
	struct qcow2_target *q = t->state;

	return cv_qcow2_stream_end(&q->stream, err) &&
	       cv_target_preallocate(t, q->stream.end * q->stream.cluster_size, err);
}

static void qcow2_fini(struct cv_target *t)
{
	struct qcow2_target *q = t->state;

	if (!q)
		return;
	cv_qcow2_stream_fini(&q->stream);
	cv_qcow2_squeezer_free(q->squeezer);
	cv_text_fini(&q->backing);
	free(q->tail);
	free(q);
}

static uint64_t qcow2_overhead(const struct cv_target *t, uint64_t units)
{
	const struct qcow2_target *q = t->state;
	const struct cv_qcow2_stream *s = &q->stream;
	uint64_t data = s->map_all ? s->guest_clusters : units;

	return (cv_qcow2_stream_clusters(s, units) - data) * s->cluster_size;
}

const struct cv_target_format cv_target_qcow2 = {
	CV_FORMAT_QCOW2, "qcow2", qcow2_begin, qcow2_place, qcow2_pack, qcow2_end, qcow2_fini, qcow2_overhead, qcow2_zero,
};

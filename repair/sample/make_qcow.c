/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The verb "qcow": images of QCOW version 1, laid out as QEMU does it: tables and clusters at the end of the file, on
 * a multiple of the cluster size, compressed ones right behind what is there. chainview only reads QCOW v1, so there
 * is no encoder for it in repair/ but this one.
 */
#include "inspect/qcow/qcow_disk.h"
#include "repair/sample/maker.h"
#include <zlib.h>

#define COMPRESSED (UINT64_C(1) << 63)

struct qcow_options {
	uint64_t size, pattern;
	const char *parent;
};

#define SLOT(member) offsetof(struct qcow_options, member)
static const struct cv_word_row options[] = {
	{ "size", CV_WORD_SIZE, SLOT(size) },     { "pattern", CV_WORD_SIZE, SLOT(pattern) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) }, { "blocks", CV_WORD_STEP, 0 },
	{ "compressed", CV_WORD_STEP, 0 },        { NULL, CV_WORD_FLAG, 0 },
};
#undef SLOT

struct making {
	struct cv_maker *m;
	struct qcow_options o;
	const char *name;
	struct cv_file_out out;
	unsigned bits, l2_bits;
	uint64_t l1, l1_len, end;
	uint8_t *buf, *packed;       /* a cluster each */
};

static bool write_word(const struct making *k, uint64_t off, uint64_t word, struct cv_err *err)
{
	const cv_be64 disk = cv_be64_of(word);

	return cv_out_write(&k->out, &disk, sizeof disk, off, err);
}

static bool note(struct making *k, const char *name, uint64_t n, uint64_t off, uint64_t len, struct cv_err *err)
{
	const char *text = cv_made_text(k->m, err, "%s%" PRIu64, name, n);

	return text && cv_made_spot(k->m, cv_made_find(k->m, k->name), text, off, len, err);
}

/* Room at the end of the file, on a multiple of the cluster size. */
static bool append(struct making *k, uint64_t len, uint64_t *off, struct cv_err *err)
{
	uint64_t cluster = UINT64_C(1) << k->bits;

	*off = (k->end + cluster - 1) / cluster * cluster;
	k->end = *off + len;
	return cv_out_resize(&k->out, k->end, err);
}

/* Where the entry of a cluster is; makes its table if there is none yet. */
static bool find_entry(struct making *k, uint64_t n, uint64_t *at, struct cv_err *err)
{
	uint64_t index = n >> k->l2_bits, table, l2_len = UINT64_C(8) << k->l2_bits;
	cv_be64 disk;

	if (index * 8 >= k->l1_len)
		return cv_fail(err, CV_EFORMAT, "cluster %" PRIu64 " lies behind the end of the disk", n);
	if (!cv_out_read(&k->out, &disk, sizeof disk, k->l1 + index * 8, err))
		return false;
	table = cv_be64_get(disk);
	if (!table && !(append(k, l2_len, &table, err) && write_word(k, k->l1 + index * 8, table, err) &&
			note(k, "l2-", index, table, l2_len, err)))
		return false;
	*at = table + (n & ((UINT64_C(1) << k->l2_bits) - 1)) * 8;
	return true;
}

static void fill_cluster(struct making *k, uint64_t n)
{
	size_t cluster = (size_t)1 << k->bits, len = k->o.pattern < cluster ? (size_t)k->o.pattern : cluster;

	memset(k->buf, 0, cluster);
	cv_sample_pattern(k->name, n, 1, k->buf, len);
}

static bool put_cluster(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t entry, off, cluster = UINT64_C(1) << k->bits;

	if (!find_entry(k, n, &entry, err) || !append(k, cluster, &off, err))
		return false;
	fill_cluster(k, n);
	return cv_out_write(&k->out, k->buf, (size_t)cluster, off, err) && write_word(k, entry, off, err) &&
	       note(k, "block", n, off, cluster, err);
}

/* Raw deflate with a window of 4 KiB, as QEMU writes it. */
static bool pack(struct making *k, size_t *len, struct cv_err *err)
{
	z_stream z = { .next_in = k->buf, .avail_in = 1u << k->bits, .next_out = k->packed, .avail_out = 1u << k->bits };
	bool ok = deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) == Z_OK;

	ok = ok && deflate(&z, Z_FINISH) == Z_STREAM_END;
	*len = z.total_out;
	deflateEnd(&z);
	return ok || cv_fail(err, CV_EFORMAT, "the pattern does not get smaller: give pattern= less than a cluster");
}

static bool put_compressed(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t entry, off;
	size_t len;

	fill_cluster(k, n);
	if (!find_entry(k, n, &entry, err) || !pack(k, &len, err))
		return false;
	off = k->end;
	k->end += len;
	return cv_out_write(&k->out, k->packed, len, off, err) &&
	       write_word(k, entry, COMPRESSED | (uint64_t)len << (63 - k->bits) | off, err) &&
	       note(k, "block", n, off, len, err);
}

static bool put_blocks(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_cluster, ctx, err);
}

static bool put_packed(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_compressed, ctx, err);
}

static const struct cv_step_row steps[] = { { "blocks", put_blocks }, { "compressed", put_packed }, { NULL, NULL } };

/* As "qemu-img create -f qcow" makes it: header, backing file name, an L1 table of zeros. */
static bool write_head(struct making *k, struct cv_err *err)
{
	uint64_t each = UINT64_C(1) << (k->bits + k->l2_bits), name_len = k->o.parent ? strlen(k->o.parent) : 0;
	struct cv_qcow_header_disk d = {
		.magic = cv_be32_of(QCOW_MAGIC),
		.version = cv_be32_of(QCOW_VERSION),
		.backing_off = cv_be64_of(name_len ? sizeof d : 0),
		.backing_len = cv_be32_of((uint32_t)name_len),
		.size = cv_be64_of(k->o.size),
		.cluster_bits = (uint8_t)k->bits,
		.l2_bits = (uint8_t)k->l2_bits,
	};

	k->l1 = (sizeof d + name_len + 7) / 8 * 8;
	k->l1_len = (k->o.size + each - 1) / each * 8;
	k->end = k->l1 + k->l1_len;
	d.l1_off = cv_be64_of(k->l1);
	return cv_out_write(&k->out, &d, sizeof d, 0, err) &&
	       (!name_len || cv_out_write(&k->out, k->o.parent, name_len, sizeof d, err)) &&
	       cv_out_resize(&k->out, k->end, err);
}

static bool write_image(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	size_t cluster = (size_t)1 << k->bits;
	bool ok;

	k->buf = malloc(cluster);
	k->packed = malloc(cluster);
	ok = (k->buf && k->packed) || cv_fail(err, CV_ENOMEM, "out of memory");
	ok = ok && write_head(k, err) && cv_steps_run(line, steps, k, err);
	free(k->buf);
	free(k->packed);
	return ok;
}

bool cv_make_qcow(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct making k = { .m = m, .name = line->words[1] };
	struct cv_made *made;

	if (!cv_words_read(line, options, &k.o, err))
		return false;
	if (!k.o.size || k.o.size > UINT64_C(1) << 40)
		return cv_fail(err, CV_EFORMAT, "size= is missing or more than 1 TiB");
	made = cv_made_create(m, k.name, &k.out, err);
	if (!made)
		return false;
	made->format = CV_FORMAT_QCOW;
	made->size = k.o.size;
	k.bits = k.o.parent ? 9 : 12;
	k.l2_bits = k.o.parent ? 12 : 9;
	k.o.pattern = k.o.pattern ? k.o.pattern : 1024;
	return cv_out_close(&k.out, write_image(&k, line, err), err) &&
	       cv_made_spot(m, cv_made_find(m, k.name), "header", 0, sizeof(struct cv_qcow_header_disk), err) &&
	       cv_made_spot(m, cv_made_find(m, k.name), "l1", k.l1, k.l1_len, err);
}

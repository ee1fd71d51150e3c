/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The verbs "raw" and "qcow" (version 1): images that are simple enough to be written right here. chainview
 * only reads QCOW v1, so there is no encoder for it in repair/ but this one.
 */
#include "inspect/qcow/qcow_disk.h"
#include "repair/sample/maker.h"

struct raw_options {
	uint64_t size, block, pattern;
};

#define SLOT(member) offsetof(struct raw_options, member)
static const struct cv_word_row raw_options[] = {
	{ "size", CV_WORD_SIZE, SLOT(size) },
	{ "block", CV_WORD_SIZE, SLOT(block) },
	{ "pattern", CV_WORD_SIZE, SLOT(pattern) },
	{ "blocks", CV_WORD_STEP, 0 },
	{ NULL, CV_WORD_FLAG, 0 },
};
#undef SLOT

struct raw_making {
	struct raw_options o;
	const char *name;
	struct cv_file_out out;
	uint8_t *buf;
};

static bool put_raw(void *ctx, uint64_t n, struct cv_err *err)
{
	struct raw_making *k = ctx;
	uint64_t off;

	if (__builtin_mul_overflow(n, k->o.block, &off) ||
	    !cv_range_inside((struct cv_range){ off, k->o.pattern }, k->o.size))
		return cv_fail(err, CV_EFORMAT, "block %" PRIu64 " lies behind the end", n);
	cv_sample_pattern(k->name, n, 1, k->buf, k->o.pattern);
	return cv_out_write(&k->out, k->buf, k->o.pattern, off, err);
}

static bool put_raw_blocks(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_raw, ctx, err);
}

bool cv_make_raw(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	static const struct cv_step_row steps[] = { { "blocks", put_raw_blocks }, { NULL, NULL } };
	struct raw_making k = { .name = line->words[1], .o = { .block = 1 << 20, .pattern = 4096 } };
	struct cv_made *made;
	bool ok;

	if (!cv_words_read(line, raw_options, &k.o, err))
		return false;
	if (!k.o.size || !k.o.block)
		return cv_fail(err, CV_EFORMAT, "size= is missing, or block= is 0");
	k.o.pattern = k.o.pattern < k.o.block ? k.o.pattern : k.o.block;
	made = cv_made_create(m, k.name, &k.out, err);
	if (!made)
		return false;
	made->format = CV_FORMAT_RAW;
	made->size = k.o.size;
	k.buf = malloc(k.o.pattern);
	ok = (k.buf || cv_fail(err, CV_ENOMEM, "out of memory")) && cv_out_resize(&k.out, k.o.size, err) &&
	     cv_steps_run(line, steps, &k, err);
	free(k.buf);
	return cv_out_close(&k.out, ok, err);
}

struct qcow_options {
	uint64_t size;
	const char *parent;
};

#define SLOT(member) offsetof(struct qcow_options, member)
static const struct cv_word_row qcow_options[] = {
	{ "size", CV_WORD_SIZE, SLOT(size) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) },
	{ NULL, CV_WORD_FLAG, 0 },
};
#undef SLOT

/* Empty, as "qemu-img create -f qcow" makes it: header, backing file name, an L1 table of zeros. */
static bool write_qcow(const struct cv_file_out *out, const struct qcow_options *o, uint64_t *l1, uint64_t *l1_len,
		       struct cv_err *err)
{
	enum { L2_BITS = 9 };
	unsigned bits = o->parent ? 9 : 12, l2_bits = o->parent ? 12 : L2_BITS;
	uint64_t each = UINT64_C(1) << (bits + l2_bits), name_len = o->parent ? strlen(o->parent) : 0;
	struct cv_qcow_header_disk d = {
		.magic = cv_be32_of(QCOW_MAGIC),
		.version = cv_be32_of(QCOW_VERSION),
		.backing_off = cv_be64_of(name_len ? sizeof d : 0),
		.backing_len = cv_be32_of((uint32_t)name_len),
		.size = cv_be64_of(o->size),
		.cluster_bits = (uint8_t)bits,
		.l2_bits = (uint8_t)l2_bits,
	};

	*l1 = (sizeof d + name_len + 7) / 8 * 8;
	*l1_len = (o->size + each - 1) / each * 8;
	d.l1_off = cv_be64_of(*l1);
	return cv_out_write(out, &d, sizeof d, 0, err) &&
	       (!name_len || cv_out_write(out, o->parent, name_len, sizeof d, err)) &&
	       cv_out_resize(out, *l1 + *l1_len, err);
}

bool cv_make_qcow(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct qcow_options o = { 0 };
	struct cv_file_out out;
	struct cv_made *made;
	uint64_t l1, l1_len;

	if (!cv_words_read(line, qcow_options, &o, err))
		return false;
	if (!o.size || o.size > UINT64_C(1) << 40)
		return cv_fail(err, CV_EFORMAT, "size= is missing or more than 1 TiB");
	made = cv_made_create(m, line->words[1], &out, err);
	if (!made)
		return false;
	made->format = CV_FORMAT_QCOW;
	made->size = o.size;
	return cv_out_close(&out, write_qcow(&out, &o, &l1, &l1_len, err), err) &&
	       cv_made_spot(m, made, "header", 0, sizeof(struct cv_qcow_header_disk), err) &&
	       cv_made_spot(m, made, "l1", l1, l1_len, err);
}

const struct cv_verb cv_verbs_images[] = {
	{ "vhd", "vhd NAME [OPTION...]", 3, 0, cv_make_vhd },
	{ "qcow2", "qcow2 NAME [OPTION...]", 3, 0, cv_make_qcow2 },
	{ "qcow", "qcow NAME [OPTION...]", 3, 0, cv_make_qcow },
	{ "vhdx", "vhdx NAME [OPTION...]", 3, 0, cv_make_vhdx },
	{ "raw", "raw NAME size=SIZE [OPTION...]", 3, 0, cv_make_raw },
	{ NULL, NULL, 0, 0, NULL },
};

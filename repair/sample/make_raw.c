/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The verb "raw", and the table of all verbs that make images. */
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

const struct cv_verb cv_verbs_images[] = {
	{ "vhd", "vhd NAME [OPTION...]", 3, 0, cv_make_vhd },
	{ "qcow2", "qcow2 NAME [OPTION...]", 3, 0, cv_make_qcow2 },
	{ "qcow", "qcow NAME [OPTION...]", 3, 0, cv_make_qcow },
	{ "vhdx", "vhdx NAME [OPTION...]", 3, 0, cv_make_vhdx },
	{ "raw", "raw NAME size=SIZE [OPTION...]", 3, 0, cv_make_raw },
	{ NULL, NULL, 0, 0, NULL },
};

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The verb "qcow2": from the words of a recipe to an image of repair/qcow2. */
#include "inspect/qcow2/qcow2_disk.h"
#include "repair/qcow2/squeeze.h"
#include "repair/qcow2/writer.h"
#include "repair/sample/maker.h"

enum { MOST_BITMAPS = 8 };

struct qcow2_options {
	bool hidden, visible, dirty, corrupt, lazy_refcounts, data_file_raw, no_feature_names;
	uint64_t size, cluster, version, refcount_bits, granularity, vm_state, pattern;
	const char *parent, *parent_format, *data_file;
};

#define SLOT(member) offsetof(struct qcow2_options, member)
static const struct cv_word_row options[] = {
	{ "hidden", CV_WORD_FLAG, SLOT(hidden) },
	{ "visible", CV_WORD_FLAG, SLOT(visible) },
	{ "dirty", CV_WORD_FLAG, SLOT(dirty) },
	{ "corrupt", CV_WORD_FLAG, SLOT(corrupt) },
	{ "lazy-refcounts", CV_WORD_FLAG, SLOT(lazy_refcounts) },
	{ "data-file-raw", CV_WORD_FLAG, SLOT(data_file_raw) },
	{ "no-feature-names", CV_WORD_FLAG, SLOT(no_feature_names) },
	{ "size", CV_WORD_SIZE, SLOT(size) },
	{ "cluster", CV_WORD_SIZE, SLOT(cluster) },
	{ "version", CV_WORD_NUMBER, SLOT(version) },
	{ "refcount-bits", CV_WORD_NUMBER, SLOT(refcount_bits) },
	{ "granularity", CV_WORD_SIZE, SLOT(granularity) },
	{ "vm-state", CV_WORD_SIZE, SLOT(vm_state) },
	{ "pattern", CV_WORD_SIZE, SLOT(pattern) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) },
	{ "parent-format", CV_WORD_TEXT, SLOT(parent_format) },
	{ "data-file", CV_WORD_TEXT, SLOT(data_file) },
	{ "bitmap", CV_WORD_STEP, 0 },
	{ "blocks", CV_WORD_STEP, 0 },
	{ "compressed", CV_WORD_STEP, 0 },
	{ "zeros", CV_WORD_STEP, 0 },
	{ "snapshot", CV_WORD_STEP, 0 },
	{ NULL, CV_WORD_FLAG, 0 },
};

struct making {
	struct cv_maker *m;
	struct qcow2_options o;
	struct cv_qcow2_image image;
	struct cv_qcow2_bitmap_new bitmaps[MOST_BITMAPS];
	struct cv_qcow2_writer writer;
	struct cv_qcow2_squeezer *squeezer;
	const char *name;
	uint8_t *buf; /* one cluster: the pattern, then zeros */
	size_t pattern;
	unsigned round;
};

/* The exponent of a power of two; 0 if it is none. */
static unsigned exponent(uint64_t n)
{
	return n && !(n & (n - 1)) ? (unsigned)__builtin_ctzll(n) : 0;
}

static bool take_bitmap(void *ctx, const char *value, struct cv_err *err)
{
	enum { AUTO = 2 }; /* QEMU keeps it up to date whenever the image is open */
	struct making *k = ctx;

	if (k->image.bitmap_count == MOST_BITMAPS)
		return cv_fail(err, CV_EFORMAT, "more than %d bitmaps", MOST_BITMAPS);
	k->bitmaps[k->image.bitmap_count++] = (struct cv_qcow2_bitmap_new){
		.name = cv_bytes_of(value),
		.granularity_bits = (uint8_t)exponent(k->o.granularity ? k->o.granularity : 65536),
		.flags = AUTO,
	};
	return true;
}

static const struct cv_step_row bitmap_steps[] = { { "bitmap", take_bitmap }, { NULL, NULL } };

static bool put_cluster(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;

	cv_sample_pattern(k->name, n, k->round, k->buf, k->pattern);
	return cv_qcow2_put(&k->writer, n, k->buf, err);
}

static bool put_blocks(void *ctx, const char *value, struct cv_err *err)
{
	struct making *k = ctx;

	k->round++;
	return cv_list_each(value, put_cluster, k, err);
}

static bool put_compressed(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	const uint8_t *packed;
	size_t len;

	cv_sample_pattern(k->name, n, k->round, k->buf, k->pattern);
	if (!k->squeezer)
		k->squeezer = cv_qcow2_squeezer_new((size_t)k->writer.cluster_size, k->image.zstd, err);
	return k->squeezer && cv_qcow2_squeeze(k->squeezer, k->buf, &packed, &len, err) &&
	       cv_qcow2_put_packed(&k->writer, n, packed, len, err);
}

static bool put_packed(void *ctx, const char *value, struct cv_err *err)
{
	struct making *k = ctx;

	k->round++;
	return cv_list_each(value, put_compressed, k, err);
}

static bool put_zero(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;

	return cv_qcow2_put_zero(&k->writer, n, err);
}

static bool put_zeros(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_zero, ctx, err);
}

/* With vm-state= every snapshot is one of a running guest. */
static bool take_snapshot(void *ctx, const char *value, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t clusters = k->o.vm_state / k->writer.cluster_size + (k->o.vm_state % k->writer.cluster_size != 0);

	for (uint64_t i = 0; i < clusters; i++)
		if (!put_cluster(k, cv_qcow2_vm_state_cluster(&k->writer) + i, err))
			return false;
	return cv_qcow2_snapshot(&k->writer, cv_bytes_of(value), (uint32_t)k->m->clock, k->o.vm_state, err);
}

static const struct cv_step_row steps[] = {
	{ "blocks", put_blocks },
	{ "compressed", put_packed },
	{ "zeros", put_zeros },
	{ "snapshot", take_snapshot },
	{ NULL, NULL },
};

static bool inherit_size(struct making *k, struct cv_err *err)
{
	const char *name = cv_made_resolve(k->m, k->name, k->o.parent, err);
	const struct cv_made *parent = name ? cv_made_find(k->m, name) : NULL;

	if (!name)
		return false;
	if (!k->o.size && parent)
		k->image.size = parent->size;
	return true;
}

static bool plan(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct qcow2_options *o = &k->o;
	uint64_t cluster = o->cluster ? o->cluster : 65536, bits = o->refcount_bits ? o->refcount_bits : 16;

	k->image = (struct cv_qcow2_image){
		.version = o->version ? (unsigned)o->version : 3,
		.cluster_bits = exponent(cluster),
		.refcount_order = exponent(bits),
		.size = o->size,
		.backing = cv_bytes_of(o->parent),
		.backing_format = cv_bytes_of(o->parent_format),
		.data_file = cv_bytes_of(o->data_file),
		.incompatible =
			(o->dirty ? QCOW2_INCOMPATIBLE_DIRTY : 0) | (o->corrupt ? QCOW2_INCOMPATIBLE_CORRUPT : 0),
		.compatible = o->lazy_refcounts ? QCOW2_COMPATIBLE_LAZY_REFCOUNTS : 0,
		.autoclear = o->data_file_raw ? QCOW2_AUTOCLEAR_RAW_DATA : 0,
		.mark = o->hidden    ? CV_MARK_HIDDEN
			: o->visible ? CV_MARK_VISIBLE
				     : CV_MARK_NONE,
		.no_feature_names = o->no_feature_names,
		.bitmaps = k->bitmaps,
		.vm_state_room = o->vm_state,
	};
	if (bits & (bits - 1))
		return cv_fail(err, CV_EFORMAT, "refcount-bits is a power of two");
	if (o->parent && !inherit_size(k, err))
		return false;
	if (!k->image.size)
		return cv_fail(err, CV_EFORMAT, "size= is missing");
	return cv_steps_run(line, bitmap_steps, k, err);
}

static bool prepare_pattern(struct making *k, struct cv_err *err)
{
	uint64_t want = k->o.pattern ? k->o.pattern : 4096;

	k->pattern = (size_t)(want < k->writer.cluster_size ? want : k->writer.cluster_size);
	k->buf = calloc(1, k->writer.cluster_size);
	return k->buf || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool note_spots(struct making *k, struct cv_made *made, struct cv_err *err)
{
	const struct cv_qcow2_writer *w = &k->writer;
	uint64_t cluster = w->cluster_size, l2 = w->l2.len ? w->l2.at[0].cluster * cluster : 0;
	const struct cv_spot rows[] = {
		{ "header", 0, 112 },
		{ "extension", w->extension_off, w->name_off - w->extension_off },
		{ "name", w->name_off, k->image.backing.len },
		{ "l1", w->l1_cluster * cluster, (uint64_t)w->l1_entries * 8 },
		{ "l2", l2, cluster },
		{ "refcount", w->refcount_cluster * cluster, w->refcount_clusters * cluster },
		{ "snapshots", w->snapshot_cluster * cluster, w->snapshot_bytes },
		{ "bitmaps", w->directory_cluster * cluster, w->directory_bytes },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if ((rows[i].off || !i) && rows[i].len &&
		    !cv_made_spot(k->m, made, rows[i].name, rows[i].off, rows[i].len, err))
			return false;
	return true;
}

static bool write_image(struct making *k, const struct cv_recipe_line *line, const struct cv_file_out *out,
			const struct cv_file_out *data, struct cv_err *err)
{
	return cv_qcow2_begin(&k->writer, out, data, &k->image, err) && prepare_pattern(k, err) &&
	       cv_steps_run(line, steps, k, err) && cv_qcow2_end(&k->writer, err);
}

/* The data file is made beside the image, unless the recipe has made it before. */
static bool make(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct cv_file_out out = { .fd = -1 }, data = { .fd = -1 };
	const char *data_name = NULL;
	struct cv_made *made;
	bool ok;

	if (!plan(k, line, err))
		return false;
	if (k->o.data_file) {
		data_name = cv_made_resolve(k->m, k->name, k->o.data_file, err);
		made = data_name ? cv_made_create(k->m, data_name, &data, err) : NULL;
		if (!made)
			return false;
		made->size = k->image.size;
	}
	ok = cv_made_create(k->m, k->name, &out, err) && write_image(k, line, &out, data_name ? &data : NULL, err);
	ok = cv_out_close(&out, ok, err);
	ok = cv_out_close(&data, ok, err);
	if (!ok)
		return false;
	made = cv_made_find(k->m, k->name);
	made->format = CV_FORMAT_QCOW2;
	made->size = k->image.size;
	return note_spots(k, made, err);
}

bool cv_make_qcow2(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct making k = { .m = m, .name = line->words[1] };
	bool ok = cv_words_read(line, options, &k.o, err) && make(&k, line, err);

	cv_qcow2_fini(&k.writer);
	cv_qcow2_squeezer_free(k.squeezer);
	free(k.buf);
	return ok;
}

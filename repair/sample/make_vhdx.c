/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The verb "vhdx": images with all their metadata and, where the recipe wants them, payload blocks and sector
 * bitmaps.
 */
#include "repair/sample/make_vhdx.h"
#include "repair/sample/maker.h"

enum { ITEMS = CV_VHDX_TABLE_SIZE, BLOCK_SIZE = 32 << 20, SECTOR = 512 };

struct vhdx_options {
	bool log_pending, log_torn, log_short;
	uint64_t size, block, pattern, sectors;
	const char *parent;
	struct cv_uuid_option uuid, parent_uuid;
};

#define SLOT(member) offsetof(struct vhdx_options, member)
static const struct cv_word_row options[] = {
	{ "log-pending", CV_WORD_FLAG, SLOT(log_pending) }, { "size", CV_WORD_SIZE, SLOT(size) },
	{ "log-torn", CV_WORD_FLAG, SLOT(log_torn) },     { "log-short", CV_WORD_FLAG, SLOT(log_short) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) },           { "uuid", CV_WORD_UUID, SLOT(uuid) },
	{ "parent-uuid", CV_WORD_UUID, SLOT(parent_uuid) }, { "block", CV_WORD_SIZE, SLOT(block) },
	{ "pattern", CV_WORD_SIZE, SLOT(pattern) },         { "sectors", CV_WORD_NUMBER, SLOT(sectors) },
	{ "blocks", CV_WORD_STEP, 0 },                      { "partial", CV_WORD_STEP, 0 },
	{ "unmapped", CV_WORD_STEP, 0 },                    { "logged", CV_WORD_STEP, 0 },
	{ NULL, CV_WORD_FLAG, 0 },
};

struct making {
	struct cv_maker *m;
	struct vhdx_options o;
	const char *name;
	struct cv_file_out out;
	struct cv_vhdx_image image;
	struct cv_vhdx_layout layout;
	uint8_t parent_uuid[16];
	uint64_t end;                /* of the file: where the next block goes */
	uint64_t file;               /* what there is of it, with log-short */
	struct cv_vhdx_places places;
	bool logged;                 /* some of them are in the log only */
	uint8_t *buf;                /* one pattern */
};

/* Another identity that belongs to the image. */
static void derive_uuid(const struct making *k, const char *purpose, uint8_t uuid[16])
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%s:%s", k->name, purpose);
	cv_sample_uuid(cv_text_str(&t), uuid);
}

/* Two entries of which only the first bytes were written: they belong to the log and are not whole. */
static bool write_torn_log(const struct making *k, struct cv_err *err)
{
	const struct {
		uint8_t signature[4], rest[28];
		struct cv_guid_disk log;
	} start = { .signature = { 'l', 'o', 'g', 'e' }, .log = cv_vhdx_guid(k->image.log) };

	return !k->o.log_torn || (cv_out_write(&k->out, &start, sizeof start, k->layout.log_off, err) &&
				  cv_out_write(&k->out, &start, sizeof start, k->layout.log_off + 4096, err));
}

static bool write_structures(struct making *k, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text locator = { 0 };

	if (k->o.parent)
		cv_vhdx_add_locator(&locator, k->parent_uuid, k->o.parent);
	if (locator.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->image.locator = (struct cv_bytes){ locator.at, locator.len };
	return cv_out_resize(&k->out, k->layout.data_off, err) &&
	       cv_vhdx_write_structures(&k->out, &k->image, &k->layout, err) && write_torn_log(k, err);
}

/* What the structures say, from the words of the recipe. */
static bool plan_image(struct making *k, struct cv_err *err)
{
	k->image = (struct cv_vhdx_image){
		.size = k->o.size,
		.block_size = (uint32_t)k->o.block,
		.log_size = CV_VHDX_MIB,
		.logical_sector = SECTOR,
		.physical_sector = SECTOR,
		.has_parent = k->o.parent != NULL,
		.sequence = 7,
		.creator = "sample",
	};
	memcpy(k->image.data_write, k->o.uuid.uuid, sizeof k->image.data_write);
	derive_uuid(k, "file", k->image.file_write);
	derive_uuid(k, "disk", k->image.disk_id);
	if (k->o.log_pending || k->o.log_torn || k->o.log_short)
		derive_uuid(k, "log", k->image.log);
	return cv_vhdx_plan_layout(&k->image, &k->layout, err);
}

static bool plan(struct making *k, struct cv_err *err)
{
	const char *name = k->o.parent ? cv_made_resolve(k->m, k->name, k->o.parent, err) : "";
	const struct cv_made *parent = name && *name ? cv_made_find(k->m, name) : NULL;

	if (!name)
		return false;
	if (!k->o.uuid.given)
		cv_sample_uuid(k->name, k->o.uuid.uuid);
	if (parent && parent->format == CV_FORMAT_VHDX)
		memcpy(k->parent_uuid, parent->uuid, sizeof k->parent_uuid);
	else
		cv_sample_uuid(name, k->parent_uuid);
	if (k->o.parent_uuid.given)
		memcpy(k->parent_uuid, k->o.parent_uuid.uuid, sizeof k->parent_uuid);
	if (!k->o.size && parent)
		k->o.size = parent->size;
	k->o.block = k->o.block ? k->o.block : BLOCK_SIZE;
	k->o.pattern = k->o.pattern ? k->o.pattern : 4096;
	if (!k->o.size)
		return cv_fail(err, CV_EFORMAT, "size= is missing");
	if (k->o.block > UINT32_MAX)
		return cv_fail(err, CV_EFORMAT, "block= is a power of two from 1M to 256M");
	return plan_image(k, err);
}

static bool put_entry(struct making *k, uint64_t index, uint64_t word, struct cv_err *err)
{
	const cv_le64 disk = cv_le64_of(word);

	if (index >= k->layout.bat_len / sizeof disk)
		return cv_fail(err, CV_EFORMAT, "the BAT has no entry %" PRIu64, index);
	if (!cv_vhdx_places_push(&k->places, (struct cv_vhdx_place){ index, word, false }))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_out_write(&k->out, &disk, sizeof disk, k->layout.bat_off + index * sizeof disk, err);
}

static bool note(struct making *k, const char *name, uint64_t n, uint64_t off, uint64_t len, struct cv_err *err)
{
	struct cv_made *made = cv_made_find(k->m, k->name);
	const char *text = cv_made_text(k->m, err, "%s%" PRIu64, name, n);

	return text && cv_made_spot(k->m, made, text, off, len, err);
}

/* A place at the end of the file. */
static bool put_block(struct making *k, uint64_t n, unsigned state, struct cv_err *err)
{
	uint64_t at = k->end, len = k->o.pattern < k->o.block ? k->o.pattern : k->o.block;

	if (n >= k->layout.blocks)
		return cv_fail(err, CV_EFORMAT, "block %" PRIu64 " lies behind the end of the disk", n);
	k->end += k->o.block;
	k->file = k->end;
	cv_sample_pattern(k->name, n, 1, k->buf, len);
	return cv_out_resize(&k->out, k->end, err) && cv_out_write_sparse(&k->out, k->buf, len, at, err) &&
	       put_entry(k, cv_vhdx_entry_of(&k->layout, n), at | state, err) && note(k, "block", n, at, k->o.block, err);
}

static bool put_full(void *ctx, uint64_t n, struct cv_err *err)
{
	return put_block(ctx, n, CV_VHDX_FULL, err);
}

static bool put_unmapped(void *ctx, uint64_t n, struct cv_err *err)
{
	return put_block(ctx, n, CV_VHDX_UNMAPPED, err);
}

/* With the bitmap of its chunk, which is made for the first of them; the first sectors= of the block are there. */
static bool put_partial(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t ratio = k->layout.ratio, chunk = n / ratio, per_block = k->o.block / SECTOR, at;
	const char *name = cv_made_text(k->m, err, "bitmap%" PRIu64, chunk);
	const struct cv_spot *spot = name ? cv_spot_find(cv_made_find(k->m, k->name), name) : NULL;
	CV_AUTO(cv_auto_free) uint8_t *bits = calloc(1, (size_t)(per_block / 8));

	if (!name || !bits)
		return name && cv_fail(err, CV_ENOMEM, "out of memory");
	at = spot ? spot->off : k->end;
	for (uint64_t i = 0; i < k->o.sectors && i < per_block; i++)
		bits[i / 8] |= (uint8_t)(1 << i % 8);
	if (!spot)
		k->end += CV_VHDX_MIB;
	return (spot || (put_entry(k, chunk * (ratio + 1) + ratio, at | CV_VHDX_FULL, err) &&
			 cv_out_resize(&k->out, k->end, err) && note(k, "bitmap", chunk, at, CV_VHDX_MIB, err))) &&
	       cv_out_write(&k->out, bits, (size_t)(per_block / 8), at + n % ratio * per_block / 8, err) &&
	       put_block(k, n, CV_VHDX_PARTIAL, err);
}

/* The block is there, but only the log says so; with log-short it is not there either, and reads as zeros. */
static bool put_logged_block(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t at = k->end, len = k->o.pattern < k->o.block ? k->o.pattern : k->o.block;
	const struct cv_vhdx_place place = { cv_vhdx_entry_of(&k->layout, n), at | CV_VHDX_FULL, true };

	if (!k->o.log_pending && !k->o.log_short)
		return cv_fail(err, CV_EFORMAT, "logged= is for an image whose log is pending");
	if (n >= k->layout.blocks)
		return cv_fail(err, CV_EFORMAT, "block %" PRIu64 " lies behind the end of the disk", n);
	if (!cv_vhdx_places_push(&k->places, place))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->logged = true;
	k->end += k->o.block;
	if (k->o.log_short)
		return true;
	k->file = k->end;
	cv_sample_pattern(k->name, n, 1, k->buf, len);
	return cv_out_resize(&k->out, k->end, err) && cv_out_write_sparse(&k->out, k->buf, len, at, err) &&
	       note(k, "block", n, at, k->o.block, err);
}

static bool put_logged(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_logged_block, ctx, err);
}

static bool put_blocks(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_full, ctx, err);
}

static bool put_partials(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_partial, ctx, err);
}

static bool put_unmappeds(void *ctx, const char *value, struct cv_err *err)
{
	return cv_list_each(value, put_unmapped, ctx, err);
}

static const struct cv_step_row steps[] = {
	{ "blocks", put_blocks }, { "partial", put_partials }, { "unmapped", put_unmappeds },
	{ "logged", put_logged }, { NULL, NULL }
};

static bool put_payload(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	bool ok;

	k->end = k->file = k->layout.data_off;
	k->buf = malloc((size_t)k->o.pattern);
	ok = (k->buf || cv_fail(err, CV_ENOMEM, "out of memory")) && cv_steps_run(line, steps, k, err);
	if (ok && k->logged)
		ok = cv_sample_vhdx_log(&k->out, &k->image, &k->layout, &k->places, k->file, k->end, err);
	free(k->buf);
	free(k->places.at);
	return ok;
}

static bool note_spots(struct making *k, struct cv_made *made, struct cv_err *err)
{
	const struct cv_spot rows[] = {
		{ "header1", CV_VHDX_HEADER_OFFSET(0), sizeof(struct cv_vhdx_header_disk) },
		{ "header2", CV_VHDX_HEADER_OFFSET(1), sizeof(struct cv_vhdx_header_disk) },
		{ "regions1", CV_VHDX_REGION_OFFSET(0), CV_VHDX_TABLE_SIZE },
		{ "regions2", CV_VHDX_REGION_OFFSET(1), CV_VHDX_TABLE_SIZE },
		{ "bat", k->layout.bat_off, k->layout.bat_len },
		{ "metadata", k->layout.metadata_off, CV_VHDX_MIB },
		{ "items", k->layout.metadata_off + ITEMS, CV_VHDX_MIB - ITEMS },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!cv_made_spot(k->m, made, rows[i].name, rows[i].off, rows[i].len, err))
			return false;
	return true;
}

bool cv_make_vhdx(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	struct making k = { .m = m, .name = line->words[1] };
	struct cv_made *made;

	if (!cv_words_read(line, options, &k.o, err) || !plan(&k, err))
		return false;
	made = cv_made_create(m, k.name, &k.out, err);
	if (!made)
		return false;
	made->format = CV_FORMAT_VHDX;
	made->size = k.o.size;
	memcpy(made->uuid, k.o.uuid.uuid, sizeof made->uuid);
	return cv_out_close(&k.out,
			    write_structures(&k, err) && put_payload(&k, line, err),
			    err) &&
	       note_spots(&k, cv_made_find(m, k.name), err);
}

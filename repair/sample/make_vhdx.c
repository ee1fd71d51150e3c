/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The verb "vhdx": images with all their metadata and, where the recipe wants them, payload blocks and sector
 * bitmaps. chainview only reads VHDX, so there is no encoder for it in repair/ but this one. Layout and identifiers
 * are those of [MS-VHDX].
 */
#include "inspect/base/crc32c.h"
#include "inspect/chain/build.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "repair/sample/maker.h"
#include "repair/vhd/encode.h"

enum { LOG = 1, BAT = 2, METADATA = 3, WHOLE = 4 }; /* MiB: everything that is not in the first one */
enum { ITEMS = CV_VHDX_TABLE_SIZE, BLOCK_SIZE = 32 << 20, SECTOR = 512 };
enum { UNMAPPED = 3, FULL = 6, PARTIAL = 7 };

struct vhdx_options {
	bool log_pending, log_torn;
	uint64_t size, block, pattern, sectors;
	const char *parent;
	struct cv_uuid_option uuid, parent_uuid;
};

#define SLOT(member) offsetof(struct vhdx_options, member)
static const struct cv_word_row options[] = {
	{ "log-pending", CV_WORD_FLAG, SLOT(log_pending) }, { "size", CV_WORD_SIZE, SLOT(size) },
	{ "log-torn", CV_WORD_FLAG, SLOT(log_torn) },
	{ "parent", CV_WORD_TEXT, SLOT(parent) },           { "uuid", CV_WORD_UUID, SLOT(uuid) },
	{ "parent-uuid", CV_WORD_UUID, SLOT(parent_uuid) }, { "block", CV_WORD_SIZE, SLOT(block) },
	{ "pattern", CV_WORD_SIZE, SLOT(pattern) },         { "sectors", CV_WORD_NUMBER, SLOT(sectors) },
	{ "blocks", CV_WORD_STEP, 0 },                      { "partial", CV_WORD_STEP, 0 },
	{ "unmapped", CV_WORD_STEP, 0 },                    { NULL, CV_WORD_FLAG, 0 },
};

struct making {
	struct cv_maker *m;
	struct vhdx_options o;
	const char *name;
	struct cv_file_out out;
	uint8_t parent_uuid[16];
	uint64_t end;                /* of the file: where the next block goes */
	uint8_t *buf;                /* one pattern */
};

/* The first three fields of a GUID are little-endian numbers; it is printed as numbers. */
static struct cv_guid_disk guid_of(const uint8_t uuid[16])
{
	static const uint8_t from[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct cv_guid_disk g;

	for (int i = 0; i < 16; i++)
		g.b[i] = uuid[from[i]];
	return g;
}

static struct cv_guid_disk guid_read(const char *text)
{
	uint8_t uuid[16] = { 0 };

	cv_uuid_read(text, strlen(text), uuid);
	return guid_of(uuid);
}

/* Another identity that belongs to the image. */
static struct cv_guid_disk guid_derived(const struct making *k, const char *purpose)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	uint8_t uuid[16];

	cv_text_addf(&t, "%s:%s", k->name, purpose);
	cv_sample_uuid(cv_text_str(&t), uuid);
	return guid_of(uuid);
}

/* The checksum is at offset 4 and counts as zero. */
static void seal(void *structure, size_t len)
{
	const cv_le32 zero = cv_le32_of(0);
	cv_le32 sum;

	memcpy((uint8_t *)structure + 4, &zero, sizeof zero);
	sum = cv_le32_of(cv_crc32c(0, structure, len));
	memcpy((uint8_t *)structure + 4, &sum, sizeof sum);
}

static bool write_file_id(const struct making *k, struct cv_err *err)
{
	struct cv_vhdx_file_id_disk d = { .signature = { 'v', 'h', 'd', 'x', 'f', 'i', 'l', 'e' } };
	CV_AUTO(cv_text_fini) struct cv_text creator = { 0 };

	cv_vhd_add_utf16(&creator, cv_bytes_of("sample"), false);
	if (creator.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(d.creator, creator.at, creator.len);
	return cv_out_write(&k->out, &d, sizeof d, 0, err);
}

static bool write_headers(const struct making *k, struct cv_err *err)
{
	for (int i = 0; i < 2; i++) {
		struct cv_vhdx_header_disk d = {
			.signature = { 'h', 'e', 'a', 'd' },
			.sequence = cv_le64_of(7 + (uint64_t)i),
			.file_write = guid_derived(k, "file"),
			.data_write = guid_of(k->o.uuid.uuid),
			.version = cv_le16_of(1),
			.log_length = cv_le32_of(CV_VHDX_MIB),
			.log_offset = cv_le64_of(LOG * (uint64_t)CV_VHDX_MIB),
		};

		if (k->o.log_pending || k->o.log_torn)
			d.log = guid_derived(k, "log");
		seal(&d, sizeof d);
		if (!cv_out_write(&k->out, &d, sizeof d, CV_VHDX_HEADER_OFFSET(i), err))
			return false;
	}
	return true;
}

/* Two entries of which only the first bytes were written: they belong to the log and are not whole. */
static bool write_torn_log(const struct making *k, struct cv_err *err)
{
	const struct {
		uint8_t signature[4], rest[28];
		struct cv_guid_disk log;
	} start = { .signature = { 'l', 'o', 'g', 'e' }, .log = guid_derived(k, "log") };

	return !k->o.log_torn ||
	       (cv_out_write(&k->out, &start, sizeof start, LOG * (uint64_t)CV_VHDX_MIB, err) &&
		cv_out_write(&k->out, &start, sizeof start, LOG * (uint64_t)CV_VHDX_MIB + 4096, err));
}

static bool write_regions(const struct making *k, struct cv_err *err)
{
	const struct {
		struct cv_vhdx_table_disk head;
		struct cv_vhdx_region_disk regions[2];
	} start = {
		{ .signature = { 'r', 'e', 'g', 'i' }, .count = cv_le32_of(2) },
		{ { guid_read("2dc27766-f623-4200-9d64-115e9bfd4a08"), cv_le64_of(BAT * (uint64_t)CV_VHDX_MIB),
		    cv_le32_of(CV_VHDX_MIB), cv_le32_of(1) },
		  { guid_read("8b7ca206-4790-4b9a-b8fe-575f050f886e"), cv_le64_of(METADATA * (uint64_t)CV_VHDX_MIB),
		    cv_le32_of(CV_VHDX_MIB), cv_le32_of(1) } },
	};
	CV_AUTO(cv_auto_free) uint8_t *table = calloc(1, CV_VHDX_TABLE_SIZE);

	if (!table)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(table, &start, sizeof start);
	seal(table, CV_VHDX_TABLE_SIZE);
	return cv_out_write_sparse(&k->out, table, CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(0), err) &&
	       cv_out_write_sparse(&k->out, table, CV_VHDX_TABLE_SIZE, CV_VHDX_REGION_OFFSET(1), err);
}

/* Adds key and value behind the entries; offsets are counted from the start of the locator. */
static void add_pair(struct cv_text *strings, struct cv_vhdx_locator_entry_disk *entry, size_t base, const char *key,
		     const char *value)
{
	size_t start = strings->len, middle;

	cv_vhd_add_utf16(strings, cv_bytes_of(key), false);
	middle = strings->len;
	cv_vhd_add_utf16(strings, cv_bytes_of(value), false);
	*entry = (struct cv_vhdx_locator_entry_disk){
		.key_offset = cv_le32_of((uint32_t)(base + start)),
		.value_offset = cv_le32_of((uint32_t)(base + middle)),
		.key_length = cv_le16_of((uint16_t)(middle - start)),
		.value_length = cv_le16_of((uint16_t)(strings->len - middle)),
	};
}

static void add_locator(const struct making *k, struct cv_text *out)
{
	struct {
		struct cv_vhdx_locator_disk head;
		struct cv_vhdx_locator_entry_disk entries[2];
	} d = { .head = { .type = guid_read("b04aefb7-d19e-4a81-b789-25b8e9445913"), .count = cv_le16_of(2) } };
	CV_AUTO(cv_text_fini) struct cv_text strings = { 0 }, linkage = { 0 }, path = { 0 };

	cv_text_addf(&linkage, "{%s}", cv_uuid_str(k->parent_uuid).s);
	cv_text_addf(&path, "%s%s", strncmp(k->o.parent, "../", 3) ? ".\\" : "", k->o.parent);
	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '/')
			path.at[i] = '\\';
	add_pair(&strings, &d.entries[0], sizeof d, "parent_linkage", cv_text_str(&linkage));
	add_pair(&strings, &d.entries[1], sizeof d, "relative_path", cv_text_str(&path));
	cv_text_add_bytes(out, &d, sizeof d);
	cv_text_add_bytes(out, strings.at, strings.len);
	out->failed |= strings.failed || linkage.failed || path.failed;
}

/* One item: its data behind those of the others, its row in the table. */
static void add_item(struct cv_text *data, struct cv_vhdx_item_disk *row, const char *id, uint32_t flags,
		     const void *bytes, size_t len)
{
	*row = (struct cv_vhdx_item_disk){
		.id = guid_read(id),
		.offset = cv_le32_of((uint32_t)(ITEMS + data->len)),
		.length = cv_le32_of((uint32_t)len),
		.flags = cv_le32_of(flags),
	};
	cv_text_add_bytes(data, bytes, len);
}

static bool write_metadata(const struct making *k, struct cv_err *err)
{
	enum { VIRTUAL_DISK = 2, HAS_PARENT = 2, REQUIRED = CV_VHDX_REQUIRED };
	const struct {
		cv_le32 block_size, flags;
	} parameters = {
		cv_le32_of((uint32_t)k->o.block),
		cv_le32_of(k->o.parent ? HAS_PARENT : 0),
	};
	const cv_le64 size = cv_le64_of(k->o.size);
	const struct cv_guid_disk disk_id = guid_derived(k, "disk");
	const cv_le32 sector = cv_le32_of(SECTOR);
	struct {
		struct cv_vhdx_metadata_disk head;
		struct cv_vhdx_item_disk items[6];
	} table = { .head = { .signature = { 'm', 'e', 't', 'a', 'd', 'a', 't', 'a' },
			      .count = cv_le16_of(k->o.parent ? 6 : 5) } };
	CV_AUTO(cv_text_fini) struct cv_text data = { 0 }, locator = { 0 };
	const uint64_t at = METADATA * (uint64_t)CV_VHDX_MIB;

	add_item(&data, &table.items[0], "caa16737-fa36-4d43-b3b6-33f0aa44e76b", REQUIRED, &parameters,
		 sizeof parameters);
	add_item(&data, &table.items[1], "2fa54224-cd1b-4876-b211-5dbed83bf4b8", REQUIRED | VIRTUAL_DISK, &size,
		 sizeof size);
	add_item(&data, &table.items[2], "beca12ab-b2e6-4523-93ef-c309e000c746", REQUIRED | VIRTUAL_DISK, &disk_id,
		 sizeof disk_id);
	add_item(&data, &table.items[3], "8141bf1d-a96f-4709-ba47-f233a8faab5f", REQUIRED | VIRTUAL_DISK, &sector,
		 sizeof sector);
	add_item(&data, &table.items[4], "cda348c7-445d-4471-9cc9-e9885251c556", REQUIRED | VIRTUAL_DISK, &sector,
		 sizeof sector);
	if (k->o.parent) {
		add_locator(k, &locator);
		add_item(&data, &table.items[5], "a8d35f2d-b30b-454d-abf7-d3d84834ab0c", REQUIRED, locator.at,
			 locator.len);
	}
	if (data.failed || locator.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_out_write(&k->out, &table, sizeof table, at, err) &&
	       cv_out_write(&k->out, data.at, data.len, at + ITEMS, err);
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
	if (k->o.block & (k->o.block - 1) || k->o.block < CV_VHDX_MIB || k->o.block > 256 * (uint64_t)CV_VHDX_MIB)
		return cv_fail(err, CV_EFORMAT, "block= is a power of two from 1M to 256M");
	if (k->o.size / k->o.block >= CV_VHDX_MIB / 16)
		return cv_fail(err, CV_EFORMAT, "the BAT of a sample has room for %u blocks", CV_VHDX_MIB / 16);
	return k->o.size || cv_fail(err, CV_EFORMAT, "size= is missing");
}

/* Blocks that one sector bitmap is for; its entry comes behind theirs. */
static uint64_t ratio_of(const struct making *k)
{
	return (UINT64_C(1) << 23) * SECTOR / k->o.block;
}

static bool put_entry(const struct making *k, uint64_t index, uint64_t word, struct cv_err *err)
{
	const cv_le64 disk = cv_le64_of(word);

	return cv_out_write(&k->out, &disk, sizeof disk, BAT * (uint64_t)CV_VHDX_MIB + index * 8, err);
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

	if (n >= (k->o.size + k->o.block - 1) / k->o.block)
		return cv_fail(err, CV_EFORMAT, "block %" PRIu64 " lies behind the end of the disk", n);
	k->end += k->o.block;
	cv_sample_pattern(k->name, n, 1, k->buf, len);
	return cv_out_resize(&k->out, k->end, err) && cv_out_write_sparse(&k->out, k->buf, len, at, err) &&
	       put_entry(k, n + n / ratio_of(k), at | state, err) && note(k, "block", n, at, k->o.block, err);
}

static bool put_full(void *ctx, uint64_t n, struct cv_err *err)
{
	return put_block(ctx, n, FULL, err);
}

static bool put_unmapped(void *ctx, uint64_t n, struct cv_err *err)
{
	return put_block(ctx, n, UNMAPPED, err);
}

/* With the bitmap of its chunk, which is made for the first of them; the first sectors= of the block are there. */
static bool put_partial(void *ctx, uint64_t n, struct cv_err *err)
{
	struct making *k = ctx;
	uint64_t ratio = ratio_of(k), chunk = n / ratio, per_block = k->o.block / SECTOR, at;
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
	return (spot || (put_entry(k, chunk * (ratio + 1) + ratio, at | FULL, err) &&
			 cv_out_resize(&k->out, k->end, err) && note(k, "bitmap", chunk, at, CV_VHDX_MIB, err))) &&
	       cv_out_write(&k->out, bits, (size_t)(per_block / 8), at + n % ratio * per_block / 8, err) &&
	       put_block(k, n, PARTIAL, err);
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
	{ "blocks", put_blocks }, { "partial", put_partials }, { "unmapped", put_unmappeds }, { NULL, NULL }
};

static bool put_payload(struct making *k, const struct cv_recipe_line *line, struct cv_err *err)
{
	bool ok;

	k->end = WHOLE * (uint64_t)CV_VHDX_MIB;
	k->buf = malloc((size_t)k->o.pattern);
	ok = (k->buf || cv_fail(err, CV_ENOMEM, "out of memory")) && cv_steps_run(line, steps, k, err);
	free(k->buf);
	return ok;
}

static bool note_spots(struct making *k, struct cv_made *made, struct cv_err *err)
{
	const struct cv_spot rows[] = {
		{ "header1", CV_VHDX_HEADER_OFFSET(0), sizeof(struct cv_vhdx_header_disk) },
		{ "header2", CV_VHDX_HEADER_OFFSET(1), sizeof(struct cv_vhdx_header_disk) },
		{ "regions1", CV_VHDX_REGION_OFFSET(0), CV_VHDX_TABLE_SIZE },
		{ "regions2", CV_VHDX_REGION_OFFSET(1), CV_VHDX_TABLE_SIZE },
		{ "bat", BAT * (uint64_t)CV_VHDX_MIB, CV_VHDX_MIB },
		{ "metadata", METADATA * (uint64_t)CV_VHDX_MIB, CV_VHDX_MIB },
		{ "items", METADATA * (uint64_t)CV_VHDX_MIB + ITEMS, CV_VHDX_MIB - ITEMS },
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
			    cv_out_resize(&k.out, WHOLE * (uint64_t)CV_VHDX_MIB, err) && write_file_id(&k, err) &&
				    write_headers(&k, err) && write_torn_log(&k, err) && write_regions(&k, err) && write_metadata(&k, err) &&
				    put_payload(&k, line, err),
			    err) &&
	       note_spots(&k, cv_made_find(m, k.name), err);
}

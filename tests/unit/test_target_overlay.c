/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * New images that stand on another: each holds what it was given and nothing else, zeros hide what is below, and the chain
 * reads as it should for our reader and for the peers, whatever the sizes of the two are.
 */
#include "test_target.h"
#include "inspect/vhd/vhd_disk.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"

#define MIB UINT64_C(1048576)

/* What the child has of its own: of each piece of the grain nothing, data or zeros. */
struct child {
	struct cv_target_options options;
	uint64_t grain;
	uint32_t seed;
	uint8_t *owned;              /* by grain: 0, 'd', 'z' */
	size_t count;
};

static const struct row {
	const char *name;
	enum cv_format_id format;
	struct cv_target_options base, child;
	uint64_t grain;
} rows[] = {
	{ "qcow2", CV_FORMAT_QCOW2, { .size = 9 * MIB }, { .size = 9 * MIB }, 65536 },
	{ "larger.qcow2", CV_FORMAT_QCOW2, { .size = 5 * MIB + 512 }, { .size = 8 * MIB + 1024, .block_size = 4096 }, 4096 },
	{ "smaller.qcow2", CV_FORMAT_QCOW2, { .size = 8 * MIB }, { .size = 3 * MIB + 512, .block_size = 512 }, 512 },
	{ "2m.qcow2", CV_FORMAT_QCOW2, { .size = 30 * MIB }, { .size = 31 * MIB, .block_size = 2 << 20 }, 2 << 20 },
	{ "old.qcow2", CV_FORMAT_QCOW2, { .size = 8 * MIB }, { .size = 8 * MIB, .compat_v2 = true }, 65536 },
	{ "packed.qcow2", CV_FORMAT_QCOW2, { .size = 8 * MIB }, { .size = 8 * MIB, .compress = true }, 65536 },
	{ "a.vhd", CV_FORMAT_VHD, { .size = 12 * MIB }, { .size = 12 * MIB }, 512 },
	{ "larger.vhd", CV_FORMAT_VHD, { .size = 5 * MIB + 512 }, { .size = 9 * MIB + 1024, .creator = "win" }, 512 },
	{ "smaller.vhd", CV_FORMAT_VHD, { .size = 9 * MIB }, { .size = 4 * MIB + 512 }, 512 },
	{ "512k.vhd", CV_FORMAT_VHD, { .size = 9 * MIB, .fixed = true }, { .size = 9 * MIB, .block_size = 512 << 10 }, 512 },
	{ "a.vhdx", CV_FORMAT_VHDX, { .size = 12 * MIB }, { .size = 12 * MIB }, 512 },
	{ "larger.vhdx", CV_FORMAT_VHDX, { .size = 5 * MIB + 512 }, { .size = 12 * MIB + 1024, .block_size = 1 << 20 }, 512 },
	{ "smaller.vhdx", CV_FORMAT_VHDX, { .size = 9 * MIB }, { .size = 4 * MIB + 512 }, 512 },
	/* A chunk, which one sector bitmap is for, has 4 GiB. */
	{ "chunks.vhdx", CV_FORMAT_VHDX, { .size = 9000 * MIB }, { .size = 9000 * MIB, .block_size = 256 << 20 }, 256 << 20 },
};

static void choose(struct child *c, const struct row *row, uint32_t seed)
{
	uint32_t r = seed + 1;
	uint8_t kind = 0;

	*c = (struct child){ .options = row->child, .grain = row->grain, .seed = seed };
	c->count = (size_t)((row->child.size + row->grain - 1) / row->grain);
	c->owned = calloc(c->count + 1, 1);
	assert_non_null(c->owned);
	for (size_t i = 0; i < c->count; i++) {
		/* Long runs, so that whole blocks are of one kind, and short ones. */
		if (!cv_test_random(&r, cv_test_random(&r, 8) ? 4096 * 512 / (uint32_t)(row->grain < 4096 * 512 ? row->grain : 4096 * 512) + 1 : 4))
			kind = (uint8_t)"\0\0dz"[cv_test_random(&r, 4)];
		c->owned[i] = kind;
	}
	if (row->grain > 16 * MIB) { /* few and large: only the first sector of each is data */
		for (size_t i = 0; i < c->count; i++)
			c->owned[i] = (uint8_t)"d\0z"[i % 3];
	}
}

/* The bytes from off on that lie in one run of pieces of one kind, at most so many. */
static uint64_t run_of(const struct child *c, uint64_t off, uint64_t most)
{
	uint64_t end = off;

	while (end < c->options.size && end - off < most && c->owned[end / c->grain] == c->owned[off / c->grain])
		end = (end / c->grain + 1) * c->grain;
	end = end < c->options.size ? end : c->options.size;
	return end - off < most ? end - off : most;
}

static void child_bytes(const struct child *c, uint64_t off, uint8_t *buf, size_t len)
{
	struct disk d = { .size = c->options.size, .seed = c->seed + 77, .dull = c->options.compress };

	pattern(&d, off, buf, len);
}

static bool write_data(struct cv_target *t, const struct child *c, uint64_t off, uint64_t len, uint8_t *buf, struct cv_err *err)
{
	for (uint64_t at = 0, run, host; at < len; at += run) {
		if (t->options.compress) {
			run = len - at < t->unit ? len - at : t->unit;
			child_bytes(c, off + at, buf, (size_t)run);
			if (!t->format->pack(t, off + at, buf, (size_t)run, err))
				return false;
			continue;
		}
		run = c->grain > 16 * MIB ? 512 : len - at < CHUNK ? len - at : CHUNK;
		if (!t->format->place(t, (struct cv_range){ off + at, run }, &host, &run, err))
			return false;
		child_bytes(c, off + at, buf, (size_t)run);
		if (!cv_out_write(t->out, buf, (size_t)run, host, err))
			return false;
		if (c->grain > 16 * MIB)
			break;
	}
	return true;
}

static void make_child(const char *folder, const struct row *row, const struct child *c, const struct cv_target_parent *parent)
{
	struct cv_target_options options = c->options;
	uint8_t *buf = malloc(2 * CHUNK);
	struct cv_err err = { CV_OK };
	struct cv_file_out out;
	struct cv_target t;
	bool ok;

	options.parent = parent;
	for (int i = 0; i < 4; i++)
		options.uuids[i][15] = (uint8_t)(0x40 + i);
	create_out(&out, folder, row->name);
	ok = cv_target_begin(&t, row->format, &options, &out, &err);
	assert_true(!ok || c->grain >= t.grain);
	for (uint64_t off = 0, len; ok && off < options.size; off += len) {
		uint8_t kind = c->owned[off / c->grain];

		len = run_of(c, off, UINT64_MAX);
		if (kind == 'd')
			ok = write_data(&t, c, off, len, buf, &err);
		else if (kind == 'z')
			ok = t.format->zero(&t, (struct cv_range){ off, len }, &err);
	}
	ok = ok && cv_target_end(&t, &err);
	cv_target_fini(&t);
	if (!cv_out_close(&out, ok, &err))
		fail_msg("%s: %s", row->name, err.text);
	free(buf);
}

/* What the chain reads as; off begins a sector, len is at most one. */
static void chain_model(const struct child *c, const struct disk *base, uint64_t off, uint8_t *buf, size_t len)
{
	uint8_t kind = c->owned[off / c->grain];

	memset(buf, 0, len);
	if (kind == 'd' && (c->grain <= 16 * MIB || off % c->grain == 0))
		child_bytes(c, off, buf, len);
	else if (kind != 'z' && off < base->size)
		model(base, off, buf, base->size - off < len ? (size_t)(base->size - off) : len);
}

/* A sparse disk of gigabytes is looked at in places. */
static uint64_t next_sector(const struct child *c, uint64_t off)
{
	return c->grain > 16 * MIB && off % (16 * MIB) >= 4096 ? (off / (16 * MIB) + 1) * (16 * MIB) : off + 512;
}

static struct cv_layer *layer_at(const char *folder, const char *name, enum cv_format_id format)
{
	char path[512];
	struct cv_source *source;
	struct cv_err err = { CV_OK };
	struct cv_layer *layer;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	source = open_file(path);
	layer = cv_layer_open(&source, &(struct cv_source *){ NULL }, format, &err);
	if (!layer)
		fail_msg("%s: %s", path, err.text);
	return layer;
}

static void read_chain(const char *folder, const struct row *row, const struct child *c, const struct disk *base)
{
	struct cv_layer *layers[2] = { layer_at(folder, row->name, row->format), layer_at(folder, "base", row->format) };
	struct cv_chain chain = { .layers = layers, .count = 2 };
	struct cv_err err = { CV_OK };
	uint8_t got[512], want[512];

	assert_int_equal(layers[0]->size, c->options.size);
	for (uint64_t off = 0; off < c->options.size; off = next_sector(c, off)) {
		if (!cv_chain_read(&chain, got, (struct cv_range){ off, sizeof got }, &err))
			fail_msg("%s: %s", row->name, err.text);
		chain_model(c, base, off, want, sizeof want);
		if (memcmp(got, want, sizeof got))
			fail_msg("%s: the sector at %" PRIu64 " differs", row->name, off);
	}
	cv_layer_close(layers[0]);
	cv_layer_close(layers[1]);
}

/* Nothing is in the child that it was not given. */
static void owns_what_it_was_given(const char *folder, const struct row *row, const struct child *c)
{
	struct cv_layer *layer = layer_at(folder, row->name, row->format);
	struct cv_extents list = { 0 };
	struct cv_err err = { CV_OK };

	for (uint64_t pos = 0; pos < c->options.size && c->grain <= 16 * MIB; pos = cv_extents_end(&list)) {
		if (!cv_layer_extents(layer, (struct cv_range){ pos, c->options.size - pos }, &list, &err))
			fail_msg("%s: %s", row->name, err.text);
		for (size_t i = 0; i < list.len; i++)
			for (uint64_t at = list.at[i].at.off; at < list.at[i].at.off + list.at[i].at.len; at += 512)
				if ((list.at[i].kind == CV_EXTENT_PARENT) != !c->owned[at / c->grain])
					fail_msg("%s: the sector at %" PRIu64 " belongs to the other", row->name, at);
	}
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void ask_qemu_about_chain(const char *folder, const struct row *row, const struct child *c, const struct disk *base)
{
	struct cv_text said = { 0 };
	struct cv_file_out out;
	struct cv_err err = { CV_OK };
	uint8_t sector[512];

	if (row->format != CV_FORMAT_QCOW2 || !cv_test_has("qemu-img"))
		return;
	create_out(&out, folder, "flat");
	for (uint64_t off = 0; off < c->options.size; off += 512) {
		chain_model(c, base, off, sector, sizeof sector);
		assert_true(cv_out_write(&out, sector, sizeof sector, off, &err));
	}
	assert_true(cv_out_close(&out, true, &err));
	ask_qemu(folder, row->name, "qcow2", "flat", c->options.size);
	assert_int_equal(cv_test_do(folder, &said, "qemu-img", "info", row->name), 0);
	assert_non_null(strstr(cv_text_str(&said), "backing file: base"));
	assert_non_null(strstr(cv_text_str(&said), "backing file format: qcow2"));
	cv_text_fini(&said);
	assert_int_equal(cv_test_do(folder, &said, "rm", "flat"), 0);
	cv_text_fini(&said);
}

/* Of what libvhdi is known to read wrongly (inspect/reader2/gate.h): a byte of a bitmap whose bits are not all the same, a
 * VHDX's blocks that are zero, and all behind the end of a shorter parent. */
static bool libvhdi_can_read(const struct child *c, const struct row *row, uint64_t off)
{
	uint64_t group = off / 4096 * 4096;

	if (row->format == CV_FORMAT_VHDX && c->owned[off / c->grain] == 'z')
		return false;
	for (uint64_t at = group; at < group + 4096 && at < c->options.size; at += 512)
		if (!c->owned[at / c->grain] != !c->owned[off / c->grain])
			return false;
	return true;
}

static void ask_libvhdi_about_chain(const char *folder, const struct row *row, const struct child *c, const struct disk *base)
{
	const char *names[2] = { row->name, "base" };
	struct cv_library_chain l;
	struct cv_err err = { CV_OK };
	uint8_t got[512], want[512];
	uint64_t size, compared = 0;

	if (row->format == CV_FORMAT_QCOW2 || c->options.size != base->size || c->grain > 16 * MIB)
		return;
	assert_true(cv_library_init(&l, row->format, 2, &err));
	for (size_t i = 0; i < 2; i++) {
		char path[512];
		struct cv_source *source;

		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		source = open_file(path);
		if (!cv_library_open(&l, i, &source, &size, &err))
			fail_msg("libvhdi, %s: %s", path, err.text);
	}
	if (!cv_library_link(&l, &err))
		fail_msg("libvhdi, %s: %s", row->name, err.text);
	for (uint64_t off = 0; off < c->options.size; off += 512) {
		if (!libvhdi_can_read(c, row, off))
			continue;
		compared += sizeof got;
		if (!cv_library_read(&l, got, sizeof got, off, &err))
			fail_msg("libvhdi, %s: %s", row->name, err.text);
		chain_model(c, base, off, want, sizeof want);
		if (memcmp(got, want, sizeof got))
			fail_msg("libvhdi, %s: the sector at %" PRIu64 " differs", row->name, off);
	}
	assert_true(compared > c->options.size / 2);
	cv_library_fini(&l);
}

static void says_its_parent(const char *folder, const struct row *row, const struct cv_target_parent *parent)
{
	char path[512];
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { CV_OK };
	struct cv_source *source;
	bool named = false;

	snprintf(path, sizeof path, "%s/%s", folder, row->name);
	source = open_file(path);
	assert_true(cv_image_read(source, CV_FORMAT_NONE, f, &err));
	assert_true(f->flags & CV_FACT_PARENT);
	for (uint32_t i = 0; i < f->name_count; i++)
		named |= f->names[i].kind == CV_NAME_RELATIVE && f->names[i].path.len >= 4 &&
			 !memcmp(f->names[i].path.at + f->names[i].path.len - 4, "base", 4);
	assert_true(named);
	if (row->format != CV_FORMAT_QCOW2)
		assert_memory_equal(f->parent_uuid, parent->uuid, 16);
	if (row->format == CV_FORMAT_VHD)
		assert_int_equal(f->parent_time, parent->time);
	cv_facts_free(f);
	cv_source_close(source);
}

static void a_chain_reads_as_it_should_and_each_image_holds_its_own(void **state)
{
	static const struct cv_target_parent parent = { "base", { 5, 4, 3, [15] = 0x80 }, VHD_EPOCH + 99 };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		for (uint32_t seed = 0; seed < (rows[i].grain > 16 * MIB ? 1 : 3); seed++) {
			struct cv_target_options options = rows[i].base;
			char *folder = cv_test_folder(), path[512];
			struct disk base;
			struct child c;

			memcpy(options.uuids[0], parent.uuid, 16);
			random_disk(&base, options.size, seed + (uint32_t)i * 8);
			if (rows[i].grain > 16 * MIB) {
				base = (struct disk){ .size = options.size, .seed = 3 };
				for (uint64_t n = 0; n < 34; n++)
					add_range(&base, n * 256 * MIB, 8192);
			}
			make_image(folder, "base", rows[i].format, &options, &base);
			choose(&c, &rows[i], seed * 64 + (uint32_t)i);
			make_child(folder, &rows[i], &c, &parent);
			read_chain(folder, &rows[i], &c, &base);
			owns_what_it_was_given(folder, &rows[i], &c);
			says_its_parent(folder, &rows[i], &parent);
			snprintf(path, sizeof path, "%s/%s", folder, rows[i].name);
			check_silent(path, rows[i].format);
			ask_qemu_about_chain(folder, &rows[i], &c, &base);
			ask_libvhdi_about_chain(folder, &rows[i], &c, &base);
			free(c.owned);
			cv_test_folder_remove(folder);
		}
}

static void marks_are_those_that_were_asked_for(void **state)
{
	static const struct { enum cv_format_id format; enum cv_mark mark; const char *creator; enum cv_mark reads; } marks[] = {
		{ CV_FORMAT_QCOW2, CV_MARK_NONE, NULL, CV_MARK_NONE },
		{ CV_FORMAT_QCOW2, CV_MARK_VISIBLE, NULL, CV_MARK_VISIBLE },
		{ CV_FORMAT_QCOW2, CV_MARK_HIDDEN, NULL, CV_MARK_HIDDEN },
		{ CV_FORMAT_VHD, CV_MARK_HIDDEN, NULL, CV_MARK_HIDDEN },
		{ CV_FORMAT_VHD, CV_MARK_VISIBLE, "tap", CV_MARK_VISIBLE },
		{ CV_FORMAT_VHD, CV_MARK_NONE, "win", CV_MARK_NONE },
	};
	char *folder = cv_test_folder(), path[512];

	(void)state;
	snprintf(path, sizeof path, "%s/x", folder);
	for (size_t i = 0; i < CV_COUNT(marks); i++) {
		struct cv_target_options options = { .size = MIB, .mark = marks[i].mark, .creator = marks[i].creator };
		struct disk d = { .size = MIB };
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { CV_OK };
		struct cv_source *source;

		make_image(folder, "x", marks[i].format, &options, &d);
		source = open_file(path);
		assert_true(cv_image_read(source, CV_FORMAT_NONE, f, &err));
		assert_int_equal(f->mark, marks[i].reads);
		cv_facts_free(f);
		cv_source_close(source);
		unlink(path);
	}
	cv_test_folder_remove(folder);
}

static const struct cv_target_parent named = { "base", { 1 }, 0 };
static char long_name[1100];

static void what_cannot_stand_on_another_is_refused(void **state)
{
	static const struct cv_target_parent long_parent = { long_name, { 1 }, 0 }, half_as_long = { long_name + 700, { 1 }, 0 },
					     not_utf8 = { "a\xff", { 1 }, 0 };
	static const struct refused raw = { { .size = MIB, .parent = &named }, CV_EUSAGE, "cannot stand" };
	static const struct refused fixed = { { .size = MIB, .parent = &named, .fixed = true }, CV_EUSAGE, "fixed" };
	static const struct refused filled = { { .size = MIB, .parent = &named, .preallocation = CV_PREALLOCATE_METADATA }, CV_EUSAGE,
					       "preallocated" };
	static const struct refused too_long = { { .size = MIB, .parent = &long_parent }, CV_ELIMIT, "1023" };
	static const struct refused no_room = { { .size = MIB, .parent = &half_as_long,
						  .block_size = 512 }, CV_ELIMIT, "cluster_size" };
	static const struct refused long_utf16 = { { .size = MIB, .parent = &long_parent }, CV_ELIMIT, "256 characters" };
	static const struct refused no_text = { { .size = MIB, .parent = &not_utf8 }, CV_ELIMIT, "UTF-8" };

	(void)state;
	memset(long_name, 'n', sizeof long_name - 1);
	refuses(CV_FORMAT_RAW, &raw, 1);
	refuses(CV_FORMAT_VHD, &fixed, 1);
	refuses(CV_FORMAT_VHDX, &fixed, 1);
	refuses(CV_FORMAT_QCOW2, &filled, 1);
	refuses(CV_FORMAT_QCOW2, &too_long, 1);
	refuses(CV_FORMAT_QCOW2, &no_room, 1);
	refuses(CV_FORMAT_VHD, &long_utf16, 1);
	refuses(CV_FORMAT_VHD, &no_text, 1);
	refuses(CV_FORMAT_VHDX, &no_text, 1);
}

static void blocks_come_in_ascending_order(void **state)
{
	static const enum cv_format_id formats[] = { CV_FORMAT_VHD, CV_FORMAT_VHDX, CV_FORMAT_QCOW2 };
	char *folder = cv_test_folder();

	(void)state;
	for (size_t i = 0; i < CV_COUNT(formats); i++) {
		struct cv_target_options options = { .size = 100 * MIB, .parent = &named };
		struct cv_err err = { CV_OK };
		struct cv_file_out out;
		struct cv_target t;
		uint64_t host, run;

		create_out(&out, folder, cv_format_name(formats[i]));
		assert_true(cv_target_begin(&t, formats[i], &options, &out, &err));
		assert_true(t.format->place(&t, (struct cv_range){ 0, 512 }, &host, &run, &err));
		assert_true(t.format->zero(&t, (struct cv_range){ 50 * MIB, 10 * MIB }, &err));
		if (formats[i] != CV_FORMAT_QCOW2) {
			assert_false(t.format->place(&t, (struct cv_range){ 0, 512 }, &host, &run, &err));
			assert_int_equal(err.code, CV_EUSAGE);
			cv_err_clear(&err);
		}
		if (formats[i] != CV_FORMAT_VHD)
			assert_false(t.format->place(&t, (struct cv_range){ 52 * MIB, 512 }, &host, &run, &err));
		cv_target_fini(&t);
		cv_err_clear(&err);
		assert_true(cv_out_close(&out, true, &err));
	}
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_reads_as_it_should_and_each_image_holds_its_own),
		cmocka_unit_test(marks_are_those_that_were_asked_for),
		cmocka_unit_test(what_cannot_stand_on_another_is_refused),
		cmocka_unit_test(blocks_come_in_ascending_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

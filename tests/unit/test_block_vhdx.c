/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of VHDX images without a log: all states, partly present blocks, both sizes of sectors, many chunks,
 * damage, and what QEMU and libvhdi read. Pending logs are in test_block_vhdx_log.c.
 */
#include "tests/unit/test_block_vhdx_make.h"
#include "inspect/source/bfio.h"
#include "tests/support/run.h"
#include <libvhdi.h>

static char *folder;

static int make_folder(void **state)
{
	(void)state;
	folder = cv_test_folder();
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	cv_test_folder_remove(folder);
	return 0;
}

struct built {
	struct cv_layer *layers[MOST_LAYERS];
	struct model models[MOST_LAYERS];
	struct cv_chain chain;
};

/* Which states blocks are given; a second reader knows fewer. */
static const uint8_t all_states[] = { NOT_PRESENT, NOT_PRESENT, UNDEFINED, ZERO, UNMAPPED, UNMAPPED_ONCE, FULL, PARTIAL,
				      PARTIAL };
static const uint8_t few_states[] = { NOT_PRESENT, FULL, PARTIAL };

static void make_random_vhdx(const struct vhdx_spec *spec, struct model *model, const char *name, const uint8_t *states,
			     uint32_t count, uint32_t *seed)
{
	struct making k;

	begin_vhdx(&k, spec, model, folder, name);
	for (uint64_t block = 0; block < blocks_of(spec); block++) {
		unsigned state = spec->fixed ? FULL : states[cv_test_random(seed, count)];

		/* libvhdi looks for a bitmap also where no block is there */
		if (spec->child && states == few_states)
			need_bitmap(&k, block);
		if (state == PARTIAL && spec->child)
			put_partial(&k, block, seed);
		else if (state == PARTIAL)
			put_block(&k, block, FULL, true);
		else
			put_block(&k, block, state, state == FULL || (state && cv_test_random(seed, 2)));
	}
	end_vhdx(&k);
}

static void build(struct built *b, const struct vhdx_spec *specs, size_t count, bool few, uint32_t *seed)
{
	*b = (struct built){ .chain = { .layers = b->layers, .count = count } };
	for (size_t i = 0; i < count; i++) {
		char name[2] = { (char)('0' + i), 0 };

		make_random_vhdx(&specs[i], &b->models[i], name, few ? few_states : all_states,
				 few ? CV_COUNT(few_states) : CV_COUNT(all_states), seed);
		b->layers[i] = open_vhdx(folder, name);
	}
}

static void demolish(struct built *b)
{
	for (size_t i = 0; i < b->chain.count; i++) {
		char name[2] = { (char)('0' + i), 0 }, *path = path_in(folder, name);

		cv_layer_close(b->layers[i]);
		free(b->models[i].kinds);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static const struct {
	const char *what;
	unsigned rounds;
	struct vhdx_spec layers[4];
} chains[] = {
	{ "1 MiB blocks, three layers", 3,
	  { { MIB, 512, 13 * MIB, true, false, 3, 2 }, { MIB, 512, 13 * MIB, true, false, 2, 1 },
	    { MIB, 512, 13 * MIB, false, false, 1, 0 } } },
	{ "sectors of 4096 bytes", 3,
	  { { 2 * MIB, 4096, 15 * MIB, true, false, 2, 1 }, { MIB, 4096, 15 * MIB, false, false, 1, 0 } } },
	{ "odd size, over a fixed base", 3,
	  { { 4 * MIB, 512, 9 * MIB + 512, true, false, 2, 1 }, { MIB, 512, 9 * MIB + 512, false, true, 1, 0 } } },
	{ "32 MiB blocks over a smaller parent", 1,
	  { { 32 * MIB, 512, 67 * MIB, true, false, 2, 1 }, { 8 * MIB, 512, 30 * MIB + 512, false, false, 1, 0 } } },
	{ "one layer", 3, { { MIB, 512, 6 * MIB + 4096, false, false, 1, 0 } } },
};

static void every_sector_of_a_chain_is_found_where_it_was_put(void **state)
{
	uint32_t seed = 20261121;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(chains); i++)
		for (unsigned round = 0; round < chains[i].rounds; round++) {
			struct built b;
			size_t count = 0;

			while (count < CV_COUNT(chains[i].layers) && chains[i].layers[count].size)
				count++;
			build(&b, chains[i].layers, count, false, &seed);
			for (size_t k = 0; k < count; k++)
				assert_layer(b.layers[k], &b.models[k], &seed, chains[i].what);
			assert_chain(&b.chain, b.models, &seed, chains[i].what);
			demolish(&b);
		}
}

/* The bitmap's entry comes behind those of its chunk; only here chunks are many. */
/* The one extent that holds an offset. */
static struct cv_extent extent_at(struct cv_layer *layer, uint64_t off)
{
	struct cv_extents list = { 0 };
	struct cv_err err = { CV_OK };
	struct cv_extent e;

	if (!cv_layer_extents(layer, (struct cv_range){ off, 1 }, &list, &err))
		fail_msg("%s", err.text);
	e = list.at[0];
	cv_extents_fini(&list);
	return e;
}

/* What the tables say in words, against where the bytes were put. */
static void what_is_told_of_an_offset_is_what_was_put_there(void **state)
{
	uint32_t seed = 3, set = 0, clear = 0;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct vhdx_spec *spec = &chains[i].layers[0];
		struct built b;

		build(&b, spec, 1, false, &seed);
		for (unsigned n = 0; n < 400; n++) {
			CV_AUTO(cv_text_fini) struct cv_text lines = { 0 };
			uint64_t off = cv_test_random(&seed, (uint32_t)spec->size);
			struct cv_err err = { CV_OK };
			bool data = extent_at(b.layers[0], off).kind == CV_EXTENT_DATA, partial;

			assert_true(b.layers[0]->ops->describe(b.layers[0], off, &lines, &err));
			partial = strstr(cv_text_str(&lines), "partially present");
			if (!partial) {
				assert_int_equal(data, strstr(cv_text_str(&lines), "fully present") != NULL);
				continue;
			}
			set += data;
			clear += !data;
			if (!strstr(cv_text_str(&lines), data ? "in the block: set in" : "in the block: not set in"))
				fail_msg("%s, offset %" PRIu64 ": %s", chains[i].what, off, cv_text_str(&lines));
		}
		demolish(&b);
	}
	assert_true(set && clear);
}

static void blocks_around_the_borders_of_chunks_are_found(void **state)
{
	static const struct { uint32_t block, sector; uint64_t chunk; } cases[] = {
		{ MIB, 512, UINT64_C(4) << 30 }, { 256 * MIB, 512, UINT64_C(4) << 30 },
		{ MIB, 4096, UINT64_C(32) << 30 }, { 32 * MIB, 4096, UINT64_C(32) << 30 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		const struct vhdx_spec s = { cases[i].block, cases[i].sector, 4 * cases[i].chunk, true, false, 1, 2 };
		struct model none = { .size = 0 };
		struct cv_layer *layer;
		struct making k;
		uint64_t places[8];

		begin_vhdx(&k, &s, NULL, folder, "chunks");
		k.model = &none;
		for (unsigned n = 0; n < 8; n++) {
			uint64_t block = (n / 2 + 1) * k.ratio - !(n % 2);

			if (n == 7)
				break;
			need_bitmap(&k, block);
			places[n] = k.end;
			k.end += s.block_size;
			put_entry(&k, index_of(&k, block), places[n] | PARTIAL);
			/* the first sector of the block, or its last */
			put_part(&k, block, places[n], n % 2 ? 0 : s.block_size / s.sector - 1, 1);
		}
		end_vhdx(&k);
		layer = open_vhdx(folder, "chunks");
		for (unsigned n = 0; n < 7; n++) {
			uint64_t border = (n / 2 + 1) * cases[i].chunk;
			struct cv_extent e = extent_at(layer, n % 2 ? border : border - 1);

			assert_int_equal(e.kind, CV_EXTENT_DATA);
			assert_true(e.host == (n % 2 ? places[n] : places[n] + s.block_size - 1));
			e = extent_at(layer, n % 2 ? border + s.sector : border - s.sector - 1);
			assert_int_equal(e.kind, CV_EXTENT_PARENT);
		}
		cv_layer_close(layer);
		assert_int_equal(cv_test_do(folder, NULL, "rm", "chunks"), 0);
	}
}

enum { SMALL_BLOCKS = 6, SMALL_FIRST = 4 * MIB };    /* the first block lies at 4 MiB, the next at 5... */

/* Blocks 0 to 5 of 1 MiB: full, partial, full, not present, zero with a place, full. */
static void make_small(const char *name, bool child, struct model *model, uint8_t tag)
{
	const struct vhdx_spec *s = &(struct vhdx_spec){ MIB, 512, SMALL_BLOCKS * MIB, child, false, tag, 9 };
	struct making k;

	begin_vhdx(&k, s, model, folder, name);
	put_block(&k, 0, FULL, true);
	if (child) {
		uint64_t data = put_block(&k, 1, PARTIAL, true);

		need_bitmap(&k, 1);
		put_part(&k, 1, data, 3, 9);
	} else {
		put_block(&k, 1, FULL, true);
	}
	put_block(&k, 2, FULL, true);
	put_block(&k, 4, ZERO, true);
	put_block(&k, 5, FULL, true);
	end_vhdx(&k);
}

static void entries_that_cannot_be_true_are_bad_and_no_others(void **state)
{
	static const struct { const char *what; uint64_t index, entry; uint64_t block; bool child, fine; } cases[] = {
		{ "in the header section", 2, 0 | FULL, 2, true, false },
		{ "on the log", 2, LOG_AT | FULL, 2, true, false },
		{ "on the metadata", 2, METADATA_AT | FULL, 2, true, false },
		{ "on the BAT", 2, BAT_AT | FULL, 2, false, false },
		{ "behind the end", 2, UINT64_C(99) << 20 | FULL, 2, false, false },
		{ "far behind the end", 2, ~UINT64_C(0xfffff) | FULL, 2, false, false },
		{ "a reserved state", 2, SMALL_FIRST | RESERVED, 2, false, false },
		{ "reserved bits", 2, SMALL_FIRST | FULL | 0x400, 2, false, false },
		{ "reserved bits where nothing is", 2, 0x8000, 2, true, false },
		{ "partial without a parent", 2, SMALL_FIRST | PARTIAL, 2, false, false },
		{ "no bitmap", UINT64_C(4096), 0, 1, true, false },
		{ "a bitmap in an odd state", UINT64_C(4096), 6 * MIB | ZERO, 1, true, false },
		{ "a bitmap behind the end", UINT64_C(4096), UINT64_C(99) << 20 | FULL, 1, true, false },
		{ "a bitmap in the headers", UINT64_C(4096), FULL, 1, true, false },
		{ "a zero block with an impossible place", 4, UINT64_C(99) << 20 | ZERO, 4, true, true },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct model model;
		struct cv_layer *layer;
		char *path = path_in(folder, "small");
		uint32_t seed = 4;
		uint8_t b[8];
		int fd;

		make_small("small", cases[i].child, &model, 1);
		fd = open(path, O_RDWR | O_CLOEXEC);
		put_le(b, 8, cases[i].entry);
		write_at(fd, b, 8, BAT_AT + cases[i].index * 8);
		close(fd);
		if (!cases[i].fine)
			model_mark(&model, cases[i].block * MIB, MIB, CV_EXTENT_BAD);
		layer = open_vhdx(folder, "small");
		assert_layer(layer, &model, &seed, cases[i].what);
		cv_layer_close(layer);
		free(model.kinds);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static void data_behind_the_end_of_a_cut_file_are_bad(void **state)
{
	static const struct { uint64_t len, block, held; } cases[] = {
		{ SMALL_FIRST + 5 * MIB + 70000, 5, 70000 / 512 * 512 }, { SMALL_FIRST + 5 * MIB, 5, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_layer *layer;
		struct model model;
		char *path = path_in(folder, "cut");
		uint32_t seed = 4;

		make_small("cut", true, &model, 1);
		assert_int_equal(truncate(path, (off_t)cases[i].len), 0);
		model_mark(&model, cases[i].block * MIB + cases[i].held, MIB - cases[i].held, CV_EXTENT_BAD);
		layer = open_vhdx(folder, "cut");
		assert_layer(layer, &model, &seed, "cut");
		cv_layer_close(layer);
		free(model.kinds);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static void what_cannot_be_trusted_is_refused(void **state)
{
	static const struct { const char *text; uint64_t at, len; uint8_t byte; } cases[] = {
		{ "no header", CV_VHDX_HEADER_OFFSET(0), 128 * KIB, 0 },
		{ "no BAT", CV_VHDX_REGION_OFFSET(0), 128 * KIB, 0 },
		{ "do not say how large a block is", ITEMS_AT, 4, 3 },
		{ "do not say how large its disk is", ITEMS_AT + 8, 8, 0xff },
		{ "logical sector", ITEMS_AT + 32, 4, 1 },
		{ "of unknown kind", METADATA_AT + 32 + 3 * 32, 4, 1 },
		{ "do not say how large a block is", METADATA_AT, 8, 0 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct model model;
		char *path = path_in(folder, "refused");
		uint8_t *b = malloc(cases[i].len);
		int fd;

		make_small("refused", true, &model, 1);
		memset(b, cases[i].byte, cases[i].len);
		fd = open(path, O_RDWR | O_CLOEXEC);
		write_at(fd, b, cases[i].len, cases[i].at);
		close(fd);
		assert_refused(file_source(path), CV_FORMAT_VHDX, cases[i].text);
		assert_int_equal(truncate(path, MIB - 1), 0);
		assert_refused(file_source(path), CV_FORMAT_VHDX, "at least 1 MiB");
		free(b);
		free(model.kinds);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static void either_header_and_either_region_table_is_enough(void **state)
{
	(void)state;
	for (int lost = 0; lost < 4; lost++) {
		static uint8_t zeros[64 * KIB];
		struct model model;
		struct cv_layer *layer;
		char *path = path_in(folder, "half");
		uint32_t seed = 6;
		int fd;

		make_small("half", true, &model, 1);
		fd = open(path, O_RDWR | O_CLOEXEC);
		write_at(fd, zeros, sizeof zeros, CV_VHDX_HEADER_OFFSET(lost));
		close(fd);
		layer = open_vhdx(folder, "half");
		assert_layer(layer, &model, &seed, "half");
		cv_layer_close(layer);
		free(model.kinds);
		assert_int_equal(unlink(path), 0);
		free(path);
	}
}

static void a_table_shorter_than_the_disk_makes_the_rest_bad(void **state)
{
	const struct vhdx_spec s = { MIB, 512, UINT64_C(300) << 30, false, false, 1, 0 };
	struct cv_layer *layer;
	struct making k;
	char *path = path_in(folder, "short");

	(void)state;
	begin_vhdx(&k, &s, NULL, folder, "short");
	put_entry(&k, 0, ZERO);
	write_regions(k.fd, MIB);
	end_vhdx(&k);
	layer = open_vhdx(folder, "short");
	assert_int_equal(extent_at(layer, 0).kind, CV_EXTENT_ZERO);
	assert_int_equal(extent_at(layer, (UINT64_C(131072) - 32) * MIB + MIB - 1).kind, CV_EXTENT_PARENT);
	assert_int_equal(extent_at(layer, UINT64_C(131072) * MIB).kind, CV_EXTENT_BAD);
	cv_layer_close(layer);
	free(path);
}

/* The bytes only: QEMU's driver cannot tell which blocks are there. */
static void assert_like_qemu(const char *name)
{
	struct cv_layer *layer = open_vhdx(folder, name);
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	char *raw = path_in(folder, "raw");
	struct cv_source *converted;
	struct cv_err err = { CV_OK };

	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", name, "raw"), 0);
	converted = file_source(raw);
	assert_true(converted->size == layer->size);
	for (uint64_t off = 0; off < layer->size; off += AT_ONCE) {
		static uint8_t ours[AT_ONCE], theirs[AT_ONCE];
		uint64_t n = layer->size - off < AT_ONCE ? layer->size - off : AT_ONCE;

		assert_true(cv_source_read(converted, theirs, n, off, &err));
		assert_true(cv_chain_read(&chain, ours, (struct cv_range){ off, n }, &err));
		assert_memory_equal(ours, theirs, n);
	}
	cv_source_close(converted);
	cv_layer_close(layer);
	free(raw);
}

static void qemu_reads_what_we_read(void **state)
{
	static const struct { const char *options, *size; } rows[] = {
		{ "subformat=dynamic,block_size=1M", "20M" },  { "subformat=dynamic,block_size=8M", "37M" },
		{ "subformat=dynamic", "50M" },                { "subformat=fixed,block_size=1M", "9M" },
		{ "subformat=dynamic,block_size=1M,block_state_zero=off", "20M" },
	};

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io")) {
		puts("skipped: no qemu-img or qemu-io here");
		skip();
	}
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vhdx", "-o",
					    rows[i].options, "a.vhdx", rows[i].size),
				 0);
		assert_like_qemu("a.vhdx");
		assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "vhdx", "-c", "write -P 7 3M 64k", "-c",
					    "write -P 8 8M 512", "-c", "write -P 9 2093056 8k", "-c",
					    "write -P 5 1000k 300k", "a.vhdx"),
				 0);
		assert_like_qemu("a.vhdx");
	}
}

/* The second reader; it knows no states but not present, full and partial in a differencing image. */
static void libvhdi_reads_what_we_read(void **state)
{
	static const struct vhdx_spec specs[][3] = {
		{ { MIB, 512, 11 * MIB, true, false, 3, 2 }, { 2 * MIB, 512, 11 * MIB, true, false, 2, 1 },
		  { MIB, 512, 11 * MIB, false, false, 1, 0 } },
		{ { 2 * MIB, 4096, 14 * MIB, true, false, 3, 2 }, { MIB, 4096, 14 * MIB, true, false, 2, 1 },
		  { 4 * MIB, 4096, 14 * MIB, false, true, 1, 0 } },
	};
	uint32_t seed = 99;

	(void)state;
	for (size_t round = 0; round < 2 * CV_COUNT(specs); round++) {
		static uint8_t ours[64 * KIB], theirs[64 * KIB];
		libbfio_handle_t *handles[3] = { NULL };
		libvhdi_file_t *files[3] = { NULL };
		struct cv_err err = { CV_OK };
		struct built b;

		build(&b, specs[round / 2], 3, true, &seed);
		for (int i = 2; i >= 0; i--) {
			handles[i] = cv_bfio_new(b.layers[i]->source, &err);
			assert_int_equal(libvhdi_file_initialize(&files[i], NULL), 1);
			assert_int_equal(
				libvhdi_file_open_file_io_handle(files[i], handles[i], LIBVHDI_OPEN_READ, NULL), 1);
			if (i < 2)
				assert_int_equal(libvhdi_file_set_parent_file(files[i], files[i + 1], NULL), 1);
		}
		for (uint64_t off = 0; off < b.layers[0]->size; off += sizeof ours) {
			assert_int_equal(
				libvhdi_file_read_buffer_at_offset(files[0], theirs, sizeof theirs, (off64_t)off, NULL),
				sizeof theirs);
			assert_true(cv_chain_read(&b.chain, ours, (struct cv_range){ off, sizeof ours }, &err));
			assert_memory_equal(ours, theirs, sizeof ours);
		}
		for (int i = 0; i < 3; i++) {
			libvhdi_file_free(&files[i], NULL);
			libbfio_handle_free(&handles[i], NULL);
		}
		demolish(&b);
	}
}

static void a_disk_of_64_tib_is_mapped_in_little_memory_and_time(void **state)
{
	const struct vhdx_spec s = { MIB, 512, UINT64_C(64) << 40, true, false, 1, 9 };
	struct cv_extents list = { 0 };
	struct cv_err err = { CV_OK };
	struct cv_layer *layer;
	uint64_t data = 0;
	struct making k;
	double start;
	long before;

	(void)state;
	begin_vhdx(&k, &s, NULL, folder, "large");
	for (uint64_t block = 0; block < blocks_of(&s); block += UINT64_C(1) << 20, data++) {
		put_entry(&k, index_of(&k, block), k.end | FULL);
		k.end += MIB;
	}
	end_vhdx(&k);
	start = cpu_seconds();
	before = most_memory();
	layer = open_vhdx(folder, "large");
	for (uint64_t off = 0; off < layer->size; off = cv_extents_end(&list)) {
		assert_true(cv_layer_extents(layer, (struct cv_range){ off, layer->size - off }, &list, &err));
		for (size_t i = 0; i < list.len; i++)
			data -= list.at[i].kind == CV_EXTENT_DATA;
	}
	assert_int_equal(data, 0);
	assert_true(cpu_seconds() - start < (SANITIZED ? 30 : 4));
	assert_true(SANITIZED || most_memory() - before < 16 * KIB);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(every_sector_of_a_chain_is_found_where_it_was_put),
		IN_FOLDER(what_is_told_of_an_offset_is_what_was_put_there),
		IN_FOLDER(blocks_around_the_borders_of_chunks_are_found),
		IN_FOLDER(entries_that_cannot_be_true_are_bad_and_no_others),
		IN_FOLDER(data_behind_the_end_of_a_cut_file_are_bad),
		IN_FOLDER(what_cannot_be_trusted_is_refused),
		IN_FOLDER(either_header_and_either_region_table_is_enough),
		IN_FOLDER(a_table_shorter_than_the_disk_makes_the_rest_bad),
		IN_FOLDER(qemu_reads_what_we_read),
		IN_FOLDER(libvhdi_reads_what_we_read),
		IN_FOLDER(a_disk_of_64_tib_is_mapped_in_little_memory_and_time),
	};

	return cmocka_run_group_tests_name("block_vhdx", tests, NULL, NULL) ? 1 : 0;
}

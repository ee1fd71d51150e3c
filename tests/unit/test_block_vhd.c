/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of sound VHDs: chains whose owner is known for every sector, block sizes from 4 KiB to 32 MiB, the
 * batmap, and what QEMU and libvhdi read. Damaged ones are in test_block_vhd_damage.c.
 */
#include "tests/unit/test_block_vhd_make.h"
#include "inspect/source/bfio.h"
#include "tests/support/run.h"
#include <json-c/json.h>
#include <libvhdi.h>

enum { FIXED = VHD_TYPE_FIXED, DYNAMIC = VHD_TYPE_DYNAMIC, CHILD = VHD_TYPE_DIFFERENCING };
enum { KIB = 1024, MIB = 1024 * 1024 };

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

/* Layers of one chain as files "0" (the image), "1" (its parent) and so on. */
struct built {
	struct cv_layer *layers[MOST_LAYERS];
	struct model models[MOST_LAYERS];
	struct cv_chain chain;
};

static void build(struct built *b, const struct vhd_spec *specs, size_t count, unsigned share, uint32_t *seed)
{
	*b = (struct built){ .chain = { .layers = b->layers, .count = count } };
	for (size_t i = 0; i < count; i++) {
		char name[2] = { (char)('0' + i), 0 }, *path = path_in(folder, name);

		make_random_vhd(&specs[i], &b->models[i], folder, name, share, seed);
		b->layers[i] = layer_of(file_source(path), CV_FORMAT_VHD);
		free(path);
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
	unsigned share, rounds;
	struct vhd_spec layers[5];
} chains[] = {
	{ "2 MiB blocks as vhd-util makes them",
	  6,
	  3,
	  { { "tap", CHILD, 2 * MIB, 10 * MIB, 3, 2, 0 },
	    { "tap", CHILD, 2 * MIB, 10 * MIB, 2, 1, 0 },
	    { "tap", DYNAMIC, 2 * MIB, 10 * MIB, 1, 0, 0 } } },
	{ "four layers of 2 MiB, odd size",
	  9,
	  2,
	  { { "tap", CHILD, 2 * MIB, 10 * MIB + 1, 4, 3, 0 },
	    { "win", CHILD, 2 * MIB, 10 * MIB + 1, 3, 2, 0 },
	    { "tap", CHILD, 2 * MIB, 10 * MIB + 1, 2, 1, 0 },
	    { "win", DYNAMIC, 2 * MIB, 10 * MIB + 1, 1, 0, 0 } } },
	{ "blocks of 4 KiB",
	  10,
	  4,
	  { { "win", CHILD, 4 * KIB, MIB + 700, 2, 1, 0 }, { "win", DYNAMIC, 4 * KIB, MIB + 700, 1, 0, 0 } } },
	{ "blocks of 4 KiB with a batmap",
	  8,
	  3,
	  { { "tap", CHILD, 4 * KIB, MIB, 2, 1, 0 }, { "tap", DYNAMIC, 4 * KIB, MIB, 1, 0, 0 } } },
	{ "blocks of 512 KiB over 4 KiB over 2 MiB",
	  8,
	  3,
	  { { "win", CHILD, 512 * KIB, 5 * MIB + 512, 3, 2, 0 },
	    { "win", CHILD, 4 * KIB, 5 * MIB + 512, 2, 1, 0 },
	    { "win", DYNAMIC, 2 * MIB, 5 * MIB + 512, 1, 0, 0 } } },
	{ "blocks of 32 MiB",
	  12,
	  1,
	  { { "win", CHILD, 32 * MIB, 40 * MIB + 4608, 2, 1, 0 },
	    { "xo", DYNAMIC, 32 * MIB, 40 * MIB + 4608, 1, 0, 0 } } },
	{ "a fixed base, and an image larger than it",
	  6,
	  2,
	  { { "tap", CHILD, 2 * MIB, 7 * MIB, 2, 1, 0 }, { "tap", FIXED, 2 * MIB, 5 * MIB + 1536, 1, 0, 0 } } },
	{ "a parent larger than the image",
	  8,
	  2,
	  { { "tap", CHILD, 64 * KIB, 3 * MIB + 511, 2, 1, 0 }, { "win", DYNAMIC, 2 * MIB, 9 * MIB, 1, 0, 0 } } },
	{ "a size of less than a sector",
	  16,
	  2,
	  { { "win", CHILD, 4 * KIB, 200, 2, 1, 0 }, { "win", FIXED, 4 * KIB, 100, 1, 0, 0 } } },
};

static void every_sector_of_a_chain_is_found_where_it_was_put(void **state)
{
	uint32_t seed = 20261121;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(chains); i++)
		for (unsigned round = 0; round < chains[i].rounds; round++) {
			struct built b;
			size_t count = 0;

			while (count < CV_COUNT(chains[i].layers) && chains[i].layers[count].creator)
				count++;
			build(&b, chains[i].layers, count, chains[i].share, &seed);
			for (size_t k = 0; k < count; k++)
				assert_layer(b.layers[k], &b.models[k], &seed, chains[i].what);
			assert_chain(&b.chain, b.models, &seed, chains[i].what);
			demolish(&b);
		}
}

static void exactly_one_fixed_extent_ends_before_the_footer(void **state)
{
	static const uint64_t sizes[] = { 512, 64 * KIB, 3 * MIB + 512 };
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		const struct vhd_spec spec = { "win", FIXED, 4 * KIB, sizes[i], 1, 0, 0 };
		struct cv_extents all;
		struct built b;

		build(&b, &spec, 1, 16, &seed);
		map_layer(b.layers[0], (struct cv_range){ 0, sizes[i] }, 0, &all);
		assert_int_equal(all.len, 1);
		assert_true(all.at[0].kind == CV_EXTENT_DATA && all.at[0].host == 0 && all.at[0].at.len == sizes[i]);
		assert_true(b.layers[0]->source->size == sizes[i] + 512);
		cv_extents_fini(&all);
		demolish(&b);
	}
}

/* A source that counts reads of the places where bitmaps lie. */
struct counting {
	struct cv_source source;
	struct bytes bytes;
	unsigned reads;
	uint64_t largest;
};

static ssize_t counting_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct counting *c = (struct counting *)self;

	c->reads++;
	if (len > c->largest)
		c->largest = len;
	if (off >= c->bytes.len)
		return 0;
	if (len > c->bytes.len - off)
		len = c->bytes.len - (size_t)off;
	memcpy(buf, c->bytes.at + off, len);
	return (ssize_t)len;
}

static void counting_close(struct cv_source *self)
{
	(void)self;
}

/* The reads that mapping all of an image takes, without those of opening it, and the kind of block 0. */
static unsigned reads_to_map(struct bytes bytes, enum cv_extent_kind *kind)
{
	static const struct cv_source_ops ops = { .pread = counting_pread, .close = counting_close };
	struct counting c = { .source = { &ops, bytes.len }, .bytes = bytes };
	struct cv_layer *layer = layer_of(&c.source, CV_FORMAT_VHD);
	struct cv_extents all;

	c.reads = 0;
	map_layer(layer, (struct cv_range){ 0, layer->size }, 0, &all);
	*kind = all.at[0].kind;
	cv_extents_fini(&all);
	cv_layer_close(layer);
	return c.reads;
}

/* The first block is full, the second has one sector of its own. */
static struct bytes image_with_batmap(void)
{
	const struct vhd_spec spec = { "tap", CHILD, 2 * MIB, 4 * MIB, 1, 9, 0 };
	struct model model;
	struct making k;

	begin_vhd(&k, &spec, &model, folder, "batmap");
	give_place(&k, 0);
	put_bytes(&k, 0, 0, 2 * MIB, true);
	give_place(&k, 1);
	put_bytes(&k, 1, 1024, 512, true);
	end_vhd(&k);
	free(model.kinds);
	return load_file(folder, "batmap");
}

enum { BATMAP_AT = 2048, MAP_AT = 2560, SUM_AT = BATMAP_AT + 24 };

static void a_batmap_saves_reads_and_is_believed_only_with_its_checksum(void **state)
{
	struct bytes b = image_with_batmap();
	uint32_t bitmap_at = get_be32(&b, 1536) * 512;
	enum cv_extent_kind kind;

	(void)state;
	assert_memory_equal(b.at + BATMAP_AT, "tdbatmap", 8);
	assert_int_equal(b.at[MAP_AT], 0x80);
	/* the BAT, and the bitmap of the second block */
	assert_int_equal(reads_to_map(b, &kind), 2);
	assert_int_equal(kind, CV_EXTENT_DATA);
	/* it says so although the bitmap does not: with the right checksum it is believed, as by tapdisk */
	memset(b.at + bitmap_at, 0, 512);
	assert_int_equal(reads_to_map(b, &kind), 2);
	assert_int_equal(kind, CV_EXTENT_DATA);
	/* one bit more without a new checksum, or a cookie that is none: the bitmaps decide */
	b.at[MAP_AT] = 0xc0;
	assert_int_equal(reads_to_map(b, &kind), 3);
	assert_int_equal(kind, CV_EXTENT_PARENT);
	put_be(&b, SUM_AT, 4, UINT32_MAX - 0xc0);
	assert_int_equal(reads_to_map(b, &kind), 1);
	assert_int_equal(kind, CV_EXTENT_DATA);
	b.at[BATMAP_AT] = 'x';
	assert_int_equal(reads_to_map(b, &kind), 3);
	assert_int_equal(kind, CV_EXTENT_PARENT);
	free(b.at);
}

static void an_encrypted_image_says_so(void **state)
{
	struct bytes b = image_with_batmap();
	struct cv_layer *layer = open_bytes(&b);
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct cv_err err = { CV_OK };
	uint8_t buf[512];

	(void)state;
	assert_false(layer->encrypted);
	cv_layer_close(layer);
	b.at[BATMAP_AT + 29] = 1;
	layer = open_bytes(&b);
	assert_true(layer->encrypted);
	assert_false(cv_chain_read(&chain, buf, (struct cv_range){ 0, 512 }, &err));
	assert_int_equal(err.code, CV_EREFUSED);
	cv_layer_close(layer);
	free(b.at);
}

/* What QEMU has allocated lies where we say; the bytes of the disk are the same. */
static void assert_like_qemu(const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text json = { 0 };
	char *path = path_in(folder, name);
	struct cv_layer *layer = layer_of(file_source(path), CV_FORMAT_VHD);
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct json_object *rows;
	struct bytes raw;

	assert_int_equal(cv_test_do(folder, &json, "qemu-img", "map", "--output=json", "-f", "vpc", name), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", "vpc", "-O", "raw", name, "raw"), 0);
	rows = json_tokener_parse(cv_text_str(&json));
	assert_true(json_object_array_length(rows) > 0);
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *row = json_object_array_get_idx(rows, i),
				   *offset = json_object_object_get(row, "offset");
		uint64_t start = (uint64_t)json_object_get_int64(json_object_object_get(row, "start"));
		uint64_t len = (uint64_t)json_object_get_int64(json_object_object_get(row, "length"));
		struct cv_extents all;

		map_layer(layer, (struct cv_range){ start, len }, 0, &all);
		for (size_t k = 0; k < all.len; k++)
			assert_int_equal(all.at[k].kind == CV_EXTENT_DATA, offset != NULL);
		if (offset)
			assert_true(all.at[0].host == (uint64_t)json_object_get_int64(offset));
		cv_extents_fini(&all);
	}
	json_object_put(rows);
	raw = load_file(folder, "raw");
	assert_true(raw.len == layer->size);
	for (uint64_t off = 0; off < layer->size; off += AT_ONCE) {
		static uint8_t buf[AT_ONCE];
		uint64_t n = layer->size - off < AT_ONCE ? layer->size - off : AT_ONCE;
		struct cv_err err = { CV_OK };

		assert_true(cv_chain_read(&chain, buf, (struct cv_range){ off, n }, &err));
		assert_memory_equal(buf, raw.at + off, n);
	}
	free(raw.at);
	cv_layer_close(layer);
	free(path);
}

static void qemu_reads_what_we_read(void **state)
{
	static const char *const options[] = { "subformat=dynamic", "subformat=dynamic,force_size=on",
					       "subformat=fixed" };
	static const char *const sizes[] = { "9M", "21M", "33M" };

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io")) {
		puts("skipped: no qemu-img or qemu-io here");
		skip();
	}
	for (size_t i = 0; i < CV_COUNT(options) * CV_COUNT(sizes); i++) {
		const char *size = sizes[i % CV_COUNT(sizes)];

		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o",
					    options[i / CV_COUNT(sizes)], "a.vhd", size), 0);
		assert_like_qemu("a.vhd");
		assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "vpc", "-c", "write -P 7 3M 64k", "-c",
					    "write -P 8 8M 512", "-c", "write -P 9 2093056 8k", "a.vhd"), 0);
		assert_like_qemu("a.vhd");
	}
}

/*
 * The second reader: it takes a clear bit for a set one behind the first set bit of a byte, so runs are aligned
 * to eight sectors here; then it knows differencing images as well.
 */
static void libvhdi_reads_what_we_read(void **state)
{
	const struct vhd_spec specs[] = { { "tap", CHILD, 2 * MIB, 10 * MIB, 3, 2, 8 },
					  { "win", CHILD, 2 * MIB, 10 * MIB, 2, 1, 8 },
					  { "tap", DYNAMIC, 2 * MIB, 10 * MIB, 1, 0, 8 } };
	uint32_t seed = 77;

	(void)state;
	for (int round = 0; round < 3; round++) {
		libbfio_handle_t *handles[3] = { NULL };
		libvhdi_file_t *files[3] = { NULL };
		struct built b;
		static uint8_t ours[64 * KIB], theirs[64 * KIB];
		struct cv_err err = { CV_OK };

		build(&b, specs, 3, 8, &seed);
		for (int i = 2; i >= 0; i--) {
			handles[i] = cv_bfio_new(b.layers[i]->source, &err);
			assert_int_equal(libvhdi_file_initialize(&files[i], NULL), 1);
			assert_int_equal(
				libvhdi_file_open_file_io_handle(files[i], handles[i], LIBVHDI_OPEN_READ, NULL), 1);
			if (i < 2)
				assert_int_equal(libvhdi_file_set_parent_file(files[i], files[i + 1], NULL), 1);
		}
		for (uint64_t off = 0; off < 10 * MIB; off += sizeof ours) {
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

static uint64_t count_data(struct cv_layer *layer)
{
	struct cv_extents piece = { 0 };
	struct cv_err err = { CV_OK };
	uint64_t data = 0;

	for (uint64_t off = 0; off < layer->size; off = cv_extents_end(&piece)) {
		assert_true(cv_layer_extents(layer, (struct cv_range){ off, layer->size - off }, &piece, &err));
		for (size_t i = 0; i < piece.len; i++)
			data += piece.at[i].kind == CV_EXTENT_DATA;
	}
	cv_extents_fini(&piece);
	return data;
}

/* Every hundredth block has one sector, whose data are a hole in the file. */
static void a_disk_of_2040_gib_is_mapped_in_little_memory_and_time(void **state)
{
	const struct cv_vhd_image image = { .type = CHILD, .creator = cv_vhd_creator_find("tap"),
					    .size = UINT64_C(2040) << 30, .block_size = 2 * MIB };
	char *path = path_in(folder, "large");
	struct cv_err err = { CV_OK };
	struct cv_layer *layer;
	struct making k = { .spec = NULL };
	uint64_t blocks = 0;
	double start;
	long before;

	(void)state;
	assert_true(cv_out_create(&k.out, &cv_io_real, AT_FDCWD, path, &err));
	assert_true(cv_vhd_begin(&k.w, &k.out, &image, &err));
	for (uint32_t i = 0; i < image.size / (2 * MIB); i += 100, blocks++)
		assert_true(cv_vhd_put(&k.w, i, 512, "", 0, 1, &err));
	end_vhd(&k);
	start = cpu_seconds();
	before = most_memory();
	layer = layer_of(file_source(path), CV_FORMAT_VHD);
	assert_int_equal(count_data(layer), blocks);
	assert_true(cpu_seconds() - start < (SANITIZED ? 10 : 2));
	assert_true(SANITIZED || most_memory() - before < 16 * KIB);
	cv_layer_close(layer);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_sector_of_a_chain_is_found_where_it_was_put, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(exactly_one_fixed_extent_ends_before_the_footer, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_batmap_saves_reads_and_is_believed_only_with_its_checksum,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(an_encrypted_image_says_so, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(qemu_reads_what_we_read, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(libvhdi_reads_what_we_read, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_disk_of_2040_gib_is_mapped_in_little_memory_and_time, make_folder,
						remove_folder),
	};

	return cmocka_run_group_tests_name("block_vhd", tests, NULL, NULL) ? 1 : 0;
}

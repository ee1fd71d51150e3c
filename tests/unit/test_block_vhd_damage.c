/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of damaged VHDs: entries that cannot be true, cut files, lost footers, what must not be opened,
 * sources that fail, and random damage. Sound images are in test_block_vhd.c.
 */
#include "tests/unit/test_block_vhd_make.h"
#include "tests/support/run.h"

enum { DYNAMIC = VHD_TYPE_DYNAMIC, CHILD = VHD_TYPE_DIFFERENCING };
enum { BLOCK = 64 << 10, BLOCKS = 5, DISK = BLOCKS * BLOCK };
/* As the encoder lays out images of "tap" with so few blocks. */
enum { HEADER_AT = 512, BAT_AT = 1536, BATMAP_AT = 2048, MAP_AT = 2560 };

static struct bytes sound[2];                /* a dynamic and a differencing image */
static struct model models[2];

/* Blocks 0, 2 and 4 have a place, in this order in the file: 4, 0, 2. Block 4 is full. */
static struct bytes make_image(const char *folder, const struct vhd_spec *spec, struct model *model)
{
	static const struct { uint32_t block, first, len; } runs[] = {
		{ 4, 0, BLOCK }, { 0, 512, 1024 }, { 0, 8192, 512 }, { 2, 0, 4096 }, { 2, 60 << 10, 4096 },
	};
	struct making k;

	begin_vhd(&k, spec, model, folder, spec->type == CHILD ? "child" : "dynamic");
	for (size_t i = 0; i < CV_COUNT(runs); i++) {
		if (!runs[i].first || runs[i].first == 512)
			give_place(&k, runs[i].block);
		put_bytes(&k, runs[i].block, runs[i].first, runs[i].len, true);
	}
	end_vhd(&k);
	return load_file(folder, spec->type == CHILD ? "child" : "dynamic");
}

static int make_images(void **state)
{
	char *folder = cv_test_folder();

	(void)state;
	for (int i = 0; i < 2; i++)
		sound[i] = make_image(
			folder,
			&(struct vhd_spec){ "tap", i ? CHILD : DYNAMIC, BLOCK, DISK, (uint8_t)(1 + i), (uint8_t)i, 0 },
			&models[i]);
	cv_test_folder_remove(folder);
	return 0;
}

static int drop_images(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		free(sound[i].at);
		free(models[i].kinds);
	}
	return 0;
}

/* A copy with as many more bytes, and its model. */
static struct bytes copy_of(int i, size_t more, struct model *model)
{
	struct bytes b = { calloc(1, sound[i].len + more), sound[i].len + more };

	assert_non_null(b.at);
	memcpy(b.at, sound[i].at, sound[i].len);
	*model = models[i];
	model->kinds = malloc(model_sectors(DISK));
	memcpy(model->kinds, models[i].kinds, model_sectors(DISK));
	return b;
}

static void seal_all(struct bytes *b)
{
	struct vhd_header_disk *h = (void *)(b->at + HEADER_AT);

	cv_vhd_seal_footer((void *)b->at);
	cv_vhd_seal_footer((void *)(b->at + b->len - VHD_SECTOR));
	cv_vhd_seal_header(h);
}

/* Compares with the model, and lets go of both. */
static void assert_and_drop(struct bytes *b, struct model *model, const char *what)
{
	struct cv_layer *layer = open_bytes(b);
	uint32_t seed = 3;

	assert_layer(layer, model, &seed, what);
	cv_layer_close(layer);
	free(b->at);
	free(model->kinds);
}

static uint64_t place_of(const struct bytes *b, uint32_t block)
{
	return (uint64_t)get_be32(b, BAT_AT + block * 4) * 512;
}

static void entries_that_cannot_be_true_are_bad_and_no_others(void **state)
{
	static const struct { const char *what; uint32_t sector; } cases[] = {
		{ "on the footer's copy", 0 },         { "on the header", 1 },       { "on the header's end", 2 },
		{ "on the BAT", 3 },                   { "on the batmap's header", 4 }, { "on the batmap", 5 },
		{ "far behind the end", 0xfffffffe },  { "at the end", 0 },          { "its bitmap on the footer", 1 },
	};

	(void)state;
	for (size_t k = 0; k < 2 * CV_COUNT(cases); k++) {
		size_t n = k / 2;
		struct model model;
		struct bytes b = copy_of(k % 2, 0, &model);
		uint32_t sector = n < 7 ? cases[n].sector : (uint32_t)(b.len / 512) - cases[n].sector;

		put_be(&b, BAT_AT + 8, 4, sector);
		model_mark(&model, 2 * BLOCK, BLOCK, CV_EXTENT_BAD);
		assert_and_drop(&b, &model, cases[n].what);
	}
}

static void a_table_shorter_than_the_disk_leaves_the_rest_unallocated(void **state)
{
	(void)state;
	for (uint32_t entries = 0; entries <= BLOCKS; entries++) {
		struct model model;
		struct bytes b = copy_of(1, 0, &model);

		put_be(&b, HEADER_AT + 28, 4, entries);
		seal_all(&b);
		model_mark(&model, entries * BLOCK, DISK, CV_EXTENT_PARENT);
		assert_and_drop(&b, &model, "short BAT");
	}
}

/* Where the file ends, in bytes from the start of the data of block 2, the last one in the file. */
static void data_behind_the_end_of_a_cut_file_are_bad(void **state)
{
	static const struct { const char *what; int end; uint32_t held; } cases[] = {
		{ "behind the data", BLOCK, BLOCK },          { "in the last sector", BLOCK - 1, BLOCK - 512 },
		{ "in the middle", 61 << 10, 61 << 10 },      { "in a sector", (61 << 10) + 7, 61 << 10 },
		{ "between the runs", 9000, 9000 / 512 * 512 }, { "in the first run", 1024, 1024 },
		{ "behind the bitmap", 0, 0 },
	};

	(void)state;
	for (size_t k = 0; k < 2 * CV_COUNT(cases); k++) {
		struct model model;
		struct bytes b = copy_of(k % 2, 0, &model);

		b.len = (size_t)((int64_t)place_of(&b, 2) + 512 + cases[k / 2].end);
		for (uint32_t s = 0; s < BLOCK / 512; s++) {
			uint64_t at = 2 * BLOCK + s * 512;

			if (s * 512 >= cases[k / 2].held && model.kinds[at / 512] == CV_EXTENT_DATA)
				model_mark(&model, at, 512, CV_EXTENT_BAD);
		}
		assert_and_drop(&b, &model, cases[k / 2].what);
	}
}

static void a_block_whose_bitmap_is_cut_is_bad_and_the_others_are_not(void **state)
{
	struct model model;
	struct bytes b = copy_of(1, 0, &model);

	(void)state;
	b.len = place_of(&b, 2) + 511;
	model_mark(&model, 2 * BLOCK, BLOCK, CV_EXTENT_BAD);
	assert_and_drop(&b, &model, "cut bitmap");
}

static void one_good_footer_is_enough(void **state)
{
	(void)state;
	for (int k = 0; k < 6; k++) {
		struct model model;
		struct bytes b = copy_of(k % 2, 0, &model);

		if (k < 2)
			memset(b.at + b.len - 512, 0xc7, 512);
		else if (k < 4)
			memset(b.at, 0, 512);
		else
			b.len -= 512;
		assert_and_drop(&b, &model, "one footer");
	}
}

/* While tapdisk has the image open, blocks lie where the footer was; with a sound footer nothing may lie on it. */
static void data_may_take_the_place_of_a_killed_footer_only(void **state)
{
	for (int killed = 0; killed < 2; killed++) {
		struct model model;
		struct bytes b = copy_of(1, 0, &model);
		uint64_t place = place_of(&b, 2) + 512;

		(void)state;
		/* one sector further, so that its last sector is the footer's */
		memmove(b.at + place, b.at + place - 512, BLOCK + 512);
		put_be(&b, BAT_AT + 8, 4, place / 512);
		if (!killed) {
			memcpy(b.at + b.len - 512, b.at, 512);
			model_mark(&model, 3 * BLOCK - 512, 512, CV_EXTENT_BAD);
		}
		assert_and_drop(&b, &model, killed ? "killed" : "sound");
	}
}

static void an_image_inside_a_larger_volume_is_mapped(void **state)
{
	struct model model;
	struct bytes b = copy_of(1, 1 << 20, &model);

	(void)state;
	memcpy(b.at + b.len - 512, b.at, 512);
	assert_and_drop(&b, &model, "volume");
}

static void what_cannot_be_trusted_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		unsigned width;
		uint64_t value;
		bool both, seal;
	} cases[] = {
		{ "no VHD footer", 0, 8, 0, true, false },
		{ "whose checksum is right", 60, 4, 9, true, false },
		{ "a resize", 0, 8, UINT64_C(0x765f706f69736f6e), true, true },
		{ "a resize", 0, 8, UINT64_C(0x765f706f69736f6e), false, true },
		{ "disk type 9", 60, 4, 9, true, true },
		{ "a disk of", 48, 8, UINT64_MAX, true, true },
		{ "no dynamic header", HEADER_AT, 8, 0, false, false },
		{ "checksum of the dynamic header", HEADER_AT + 800, 1, 1, false, false },
		{ "block size", HEADER_AT + 32, 4, 3000, false, true },
		{ "block size", HEADER_AT + 32, 4, 2048, false, true },
		{ "block size", HEADER_AT + 32, 4, 1u << 29, false, true },
		{ "the BAT at", HEADER_AT + 16, 8, 512, false, true },
		{ "the BAT at", HEADER_AT + 16, 8, UINT64_MAX - 3, false, true },
		{ "the BAT at", HEADER_AT + 28, 4, UINT32_MAX, false, true },
		{ "another bit order", 32, 4, 1, true, true },
	};

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_err err = { CV_OK };
		struct model model;
		struct bytes b = copy_of(1, 0, &model);

		put_be(&b, cases[k].at, cases[k].width, cases[k].value);
		if (cases[k].both)
			put_be(&b, b.len - 512 + cases[k].at, cases[k].width, cases[k].value);
		if (cases[k].seal)
			seal_all(&b);
		assert_refused(cv_source_memory(b.at, b.len, &err), CV_FORMAT_VHD, cases[k].text);
		free(b.at);
		free(model.kinds);
	}
}

static void a_fixed_disk_that_is_cut_has_bad_sectors_at_its_end(void **state)
{
	char *folder = cv_test_folder();
	struct model model;
	struct bytes b;

	(void)state;
	make_random_vhd(&(struct vhd_spec){ "win", VHD_TYPE_FIXED, 4096, 64 << 10, 1, 0, 0 }, &model, folder, "fixed",
			16, &(uint32_t){ 1 });
	b = load_file(folder, "fixed");
	/* 700 bytes are lost from the middle of the file */
	memmove(b.at + b.len - 512 - 700, b.at + b.len - 512, 512);
	b.len -= 700;
	model_mark(&model, (64 << 10) - 1024, 1024, CV_EXTENT_BAD);
	assert_and_drop(&b, &model, "cut fixed disk");
	cv_test_folder_remove(folder);
}

static void a_footer_of_511_bytes_serves_too(void **state)
{
	struct model model;
	struct bytes b = copy_of(1, 0, &model);

	(void)state;
	b.len--;
	memset(b.at, 0, 512);
	assert_and_drop(&b, &model, "511 bytes");
}

/* A source whose reads fail in one place. */
struct faulty {
	struct cv_source source;
	struct bytes bytes;
	struct cv_range bad;
};

static ssize_t faulty_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct faulty *f = (struct faulty *)self;

	if (cv_ranges_touch((struct cv_range){ off, len }, f->bad)) {
		errno = EIO;
		return -1;
	}
	if (off >= f->bytes.len)
		return 0;
	len = len < f->bytes.len - off ? len : f->bytes.len - (size_t)off;
	memcpy(buf, f->bytes.at + off, len);
	return (ssize_t)len;
}

static void faulty_close(struct cv_source *self)
{
	(void)self;
}

static void a_read_error_is_an_error_and_passes(void **state)
{
	static const struct cv_source_ops ops = { .pread = faulty_pread, .close = faulty_close };
	struct faulty f = { .source = { &ops, sound[1].len }, .bytes = sound[1] };
	struct cv_layer *layer = layer_of(&f.source, CV_FORMAT_VHD);
	struct cv_extents list = { 0 };
	uint32_t seed = 5;

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct cv_err err = { CV_OK };

		f.bad = (struct cv_range){ k ? BAT_AT + 1 : place_of(&sound[1], 0) + 1, 1 };
		if (k) {
			cv_layer_close(layer);
			f.bad.len = 0;
			layer = layer_of(&f.source, CV_FORMAT_VHD);
			f.bad.len = 1;
		}
		assert_false(cv_layer_extents(layer, (struct cv_range){ 0, DISK }, &list, &err));
		assert_int_equal(err.code, CV_EIO);
		assert_non_null(strstr(err.text, k ? "while reading the BAT" : "while reading the bitmap of block 0"));
	}
	f.bad.len = 0;
	assert_layer(layer, &models[1], &seed, "after the errors");
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

/* Whatever the bytes are: the map has no gaps and data lie in the file, in bounded time. */
static void map_hostile(const struct bytes *b)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s = cv_source_memory(b->at, b->len, &err);
	struct cv_layer *layer = cv_layer_open(&s, NULL, CV_FORMAT_VHD, &err);
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct cv_extents list = { 0 };
	uint8_t buf[3000];

	for (uint64_t off = 0, n = 0; layer && off < layer->size && n < 50; off = cv_extents_end(&list), n++) {
		if (!cv_layer_extents(layer, (struct cv_range){ off, layer->size - off }, &list, &err))
			fail_msg("%s", err.text);
		for (size_t i = 0; i < list.len; i++)
			assert_true(list.at[i].kind != CV_EXTENT_DATA ||
				    cv_range_inside((struct cv_range){ list.at[i].host, list.at[i].at.len }, b->len));
	}
	if (layer && layer->size >= sizeof buf && !cv_chain_read(&chain, buf, (struct cv_range){ 0, sizeof buf }, &err))
		assert_true(err.code == CV_EFORMAT || err.code == CV_EREFUSED);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void thousands_of_mutations_neither_crash_nor_last(void **state)
{
	static const size_t spots[] = { BAT_AT, HEADER_AT, 0, BATMAP_AT, MAP_AT, HEADER_AT + 16 };
	double start = cpu_seconds();
	uint32_t seed = 42;

	(void)state;
	for (int round = 0; round < 6000; round++) {
		struct model model;
		struct bytes b = copy_of(round % 2, 0, &model);

		for (uint32_t i = 1 + cv_test_random(&seed, 4); i-- > 0;) {
			size_t at = spots[cv_test_random(&seed, CV_COUNT(spots))] + cv_test_random(&seed, 64);
			uint32_t kind = cv_test_random(&seed, 4);

			b.at[at] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)cv_test_random(&seed, 256);
			if (at < 512)
				b.at[b.len - 512 + at] = b.at[at];
		}
		seal_all(&b);
		if (round % 16 == 0)
			b.len = cv_test_random(&seed, (uint32_t)b.len);
		map_hostile(&b);
		free(b.at);
		free(model.kinds);
	}
	assert_true(cpu_seconds() - start < (SANITIZED ? 60 : 10));
}

/* A disk of 2^62 bytes, an endless BAT in a hole: each call ends soon and has something to say. */
static void an_endless_table_is_read_in_bounded_steps(void **state)
{
	char *folder = cv_test_folder(), *path = path_in(folder, "endless");
	struct model model;
	struct bytes b = copy_of(0, 0, &model);
	struct cv_extents list = { 0 };
	struct cv_err err = { CV_OK };
	struct cv_layer *layer;
	double start;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	put_be(&b, 48, 8, UINT64_C(1) << 62);
	put_be(&b, HEADER_AT + 16, 8, 1 << 20);
	put_be(&b, HEADER_AT + 28, 4, UINT32_MAX);
	put_be(&b, HEADER_AT + 32, 4, 256 << 20);
	memcpy(b.at + b.len - 512, b.at, 512);
	seal_all(&b);
	assert_int_equal(pwrite(fd, b.at, 2048, 0), 2048);
	assert_int_equal(pwrite(fd, b.at, 512, INT64_C(1) << 40), 512);
	close(fd);
	layer = layer_of(file_source(path), CV_FORMAT_VHD);
	start = cpu_seconds();
	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_true(cpu_seconds() - start < (SANITIZED ? 20 : 4));
	assert_true(list.full && list.len == 1 && list.at[0].kind == CV_EXTENT_BAD);
	assert_true(cv_extents_end(&list) > UINT64_C(1) << 40);
	cv_extents_fini(&list);
	cv_layer_close(layer);
	free(b.at);
	free(model.kinds);
	free(path);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_that_cannot_be_true_are_bad_and_no_others),
		cmocka_unit_test(a_table_shorter_than_the_disk_leaves_the_rest_unallocated),
		cmocka_unit_test(data_behind_the_end_of_a_cut_file_are_bad),
		cmocka_unit_test(a_block_whose_bitmap_is_cut_is_bad_and_the_others_are_not),
		cmocka_unit_test(one_good_footer_is_enough),
		cmocka_unit_test(data_may_take_the_place_of_a_killed_footer_only),
		cmocka_unit_test(an_image_inside_a_larger_volume_is_mapped),
		cmocka_unit_test(what_cannot_be_trusted_is_refused),
		cmocka_unit_test(a_fixed_disk_that_is_cut_has_bad_sectors_at_its_end),
		cmocka_unit_test(a_footer_of_511_bytes_serves_too),
		cmocka_unit_test(a_read_error_is_an_error_and_passes),
		cmocka_unit_test(thousands_of_mutations_neither_crash_nor_last),
		cmocka_unit_test(an_endless_table_is_read_in_bounded_steps),
	};

	return cmocka_run_group_tests_name("block_vhd_damage", tests, make_images, drop_images) ? 1 : 0;
}

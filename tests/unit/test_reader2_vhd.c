/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * libvhdi on VHD behind the gate: chains whose every sector is known, and an image for each thing that the library
 * reads wrongly. What the tasks say is compared with the model that the images were made from.
 */
#include "tests/unit/test_block_vhd_make.h"
#include "tests/unit/test_reader2.h"
#include "tests/support/run.h"

enum { KIB = 1024, MIB = 1024 * 1024 };
enum { FIXED = VHD_TYPE_FIXED, DYNAMIC = VHD_TYPE_DYNAMIC, CHILD = VHD_TYPE_DIFFERENCING };

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

static const char *const names[MOST_LAYERS] = { "0", "1", "2", "3", "4", "5", "6", "7" };

static struct files vhd_files(size_t count)
{
	struct files f = { .folder = folder, .count = count };

	for (size_t i = 0; i < count; i++) {
		f.at[i].name = names[i];
		f.at[i].format = CV_FORMAT_VHD;
	}
	return f;
}

static void remove_file(const char *name)
{
	char *path = path_in(folder, name);

	unlink(path);
	free(path);
}

static void model_digest(const struct model *models, size_t count, uint8_t sha256[32])
{
	static uint8_t buf[AT_ONCE];
	EVP_MD_CTX *d = EVP_MD_CTX_new();

	assert_int_equal(EVP_DigestInit_ex(d, EVP_sha256(), NULL), 1);
	for (uint64_t off = 0; off < models[0].size; off += AT_ONCE) {
		uint64_t n = models[0].size - off < AT_ONCE ? models[0].size - off : AT_ONCE;

		expected_read(models, count, buf, (struct cv_range){ off, n });
		EVP_DigestUpdate(d, buf, n);
	}
	EVP_DigestFinal_ex(d, sha256, NULL);
	EVP_MD_CTX_free(d);
}

struct corpus {
	uint64_t compared, size, suspect;
};

/* One random chain of images with runs that are aligned as told; 1: not at all. */
static void try_chain(uint32_t *seed, uint32_t align, struct corpus *total)
{
	static const uint32_t blocks[] = { 2 * MIB, 2 * MIB, 512 * KIB, 64 * KIB, 4 * KIB };
	static const char *const creators[] = { "tap", "win", "xo" };
	size_t count = 1 + cv_test_random(seed, 4);
	struct model models[MOST_LAYERS];
	struct files f = vhd_files(count);
	uint64_t size = (uint64_t)(1 + cv_test_random(seed, 6)) * MIB + cv_test_random(seed, 2) * 512;
	uint8_t sha256[32];
	struct answer a;

	for (size_t i = 0; i < count; i++) {
		uint8_t tag = (uint8_t)(count - i);
		struct vhd_spec spec = { creators[cv_test_random(seed, 3)], i + 1 < count ? CHILD : DYNAMIC,
					 blocks[cv_test_random(seed, CV_COUNT(blocks))], size, tag, (uint8_t)(tag - 1),
					 align };

		if (i + 1 == count && !cv_test_random(seed, 5))
			spec.type = FIXED;
		make_random_vhd(&spec, &models[i], folder, names[i], 8, seed);
	}
	total->compared += assert_agrees(&f, &a, "a random chain of VHD");
	total->size += a.checked.size;
	total->suspect += a.checked.gated[CV_GATE_D1];
	assert_true(gated_bytes(&a) == a.checked.gated[CV_GATE_D1]);
	a = run_task(&f, cv_digest_task);
	assert_int_equal(a.state, CV_TASK_DONE);
	model_digest(models, count, sha256);
	assert_memory_equal(a.digest.sha256, sha256, sizeof sha256);
	for (size_t i = 0; i < count; i++) {
		free(models[i].kinds);
		remove_file(names[i]);
	}
}

static void random_chains_agree_with_the_library_and_the_truth(void **state)
{
	struct corpus total = { 0 };
	uint32_t seed = 4711;

	(void)state;
	for (unsigned i = 0; i < chains_to_try(20); i++)
		try_chain(&seed, 1, &total);
	assert_true(total.suspect > 0);
	assert_true(total.compared * 10 > total.size * 5);
}

static void chains_without_the_defect_are_compared_altogether(void **state)
{
	struct corpus total = { 0 };
	uint32_t seed = 815;

	(void)state;
	for (unsigned i = 0; i < chains_to_try(20); i++)
		try_chain(&seed, 8, &total);
	assert_true(total.compared * 100 >= total.size * 95);
}

/* Every sector that the gate holds back for this is one that the library gets wrong, and the other way round. */
static void d1_is_gated_exactly_where_the_library_is_wrong(void **state)
{
	const struct vhd_spec specs[] = { { "tap", CHILD, 2 * MIB, 4 * MIB, 2, 1, 0 },
					  { "tap", DYNAMIC, 2 * MIB, 4 * MIB, 1, 0, 0 } };
	struct files f = vhd_files(2);
	struct model models[2];
	struct cv_range first;
	struct unguarded u;
	uint32_t seed = 99;
	uint64_t wrong = 0, gated;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		make_random_vhd(&specs[i], &models[i], folder, names[i], 16, &seed);
	open_unguarded(&u, &f, true);
	gated = find_gated(&u, CV_GATE_D1, &first);
	for (uint64_t off = 0; off < 4 * MIB; off += 512)
		wrong += library_is_wrong(&u, (struct cv_range){ off, 512 }, 512) ? 512 : 0;
	assert_true(gated > 0);
	/* base and child both suspect and zero or alike can make a suspect sector right by chance */
	assert_true(wrong <= gated && wrong * 10 >= gated * 9);
	assert_true(library_is_wrong(&u, (struct cv_range){ first.off, 512 }, 512));
	close_unguarded(&u);
	for (size_t i = 0; i < 2; i++)
		free(models[i].kinds);
}

/* One child of 64 KiB blocks, all full, over nothing. */
static void make_full(uint32_t block_size, uint64_t size, const char *name)
{
	const struct vhd_spec spec = { "win", DYNAMIC, block_size, size, 1, 0, 0 };
	struct model model;
	struct making k;

	begin_vhd(&k, &spec, &model, folder, name);
	for (uint32_t i = 0; (uint64_t)i * block_size < size; i++)
		put_bytes(&k, i, 0, block_size, true);
	end_vhd(&k);
	free(model.kinds);
}

static void d2_requests_stay_within_a_block(void **state)
{
	const struct vhd_spec specs[] = { { "win", CHILD, 64 * KIB, 4 * MIB, 2, 1, 8 },
					  { "win", DYNAMIC, 512 * KIB, 4 * MIB, 1, 0, 8 } };
	struct files f = vhd_files(2);
	struct model models[2];
	struct unguarded u;
	uint32_t seed = 3;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_random_vhd(&specs[i], &models[i], folder, names[i], 12, &seed);
		free(models[i].kinds);
	}
	open_unguarded(&u, &f, true);
	assert_int_equal(cv_gate_request(&u.gate), 64 * KIB);
	assert_true(library_is_wrong(&u, (struct cv_range){ 0, 4 * MIB }, 128 * KIB));
	assert_false(library_is_wrong(&u, (struct cv_range){ 0, 4 * MIB }, 64 * KIB));
	close_unguarded(&u);
	assert_true(assert_agrees(&f, &a, "small blocks") == 4 * MIB);
	assert_non_null(cv_gate_rows[CV_GATE_D2].avoided);
}

static void store(const struct bytes *b, const char *name)
{
	char *path = path_in(folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && write(fd, b->at, b->len) == (ssize_t)b->len);
	close(fd);
	free(path);
}

/* Both footers, or the header, sealed again. */
static void seal_footers(struct bytes *b)
{
	cv_vhd_seal_footer((struct vhd_footer_disk *)b->at);
	memcpy(b->at + b->len - 512, b->at, 512);
}

static void d4_a_resized_image_is_shown_with_its_present_size(void **state)
{
	struct files f = vhd_files(1);
	struct unguarded u;
	struct answer a;
	struct bytes b;

	(void)state;
	make_full(2 * MIB, 6 * MIB, "0");
	b = load_file(folder, "0");
	put_be(&b, 40, 8, 4 * MIB);
	seal_footers(&b);
	store(&b, "0");
	open_unguarded(&u, &f, false);
	assert_true(u.gate.layers[0].library_size == 4 * MIB);
	close_unguarded(&u);
	assert_true(assert_agrees(&f, &a, "resized") == 6 * MIB);
	free(b.at);
}

static void d5_what_lies_behind_a_short_bat_is_gated(void **state)
{
	struct files f = vhd_files(1);
	struct unguarded u;
	struct answer a;
	struct bytes b;

	(void)state;
	make_full(2 * MIB, 6 * MIB, "0");
	b = load_file(folder, "0");
	put_be(&b, 512 + 28, 4, 1);
	cv_vhd_seal_header((struct vhd_header_disk *)(b.at + 512));
	store(&b, "0");
	assert_true(assert_agrees(&f, &a, "short BAT") == 2 * MIB);
	assert_true(a.checked.gated[CV_GATE_D5] == 4 * MIB);
	open_unguarded(&u, &f, true);
	assert_true(library_is_wrong(&u, (struct cv_range){ 2 * MIB, 4 * MIB }, 64 * KIB));
	close_unguarded(&u);
	free(b.at);
}

/* The end of the file in other shapes: libvhdi alone refuses all of them. */
static void footers_in_odd_places_are_put_where_the_library_looks(void **state)
{
	static const struct { const char *what; size_t cut, more; } rows[] = {
		{ "no footer at the end", 512, 0 }, { "a footer of 511 bytes", 1, 0 }, { "a volume goes on", 0, 4 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct files f = vhd_files(1);
		struct answer a;
		struct bytes b;

		make_full(2 * MIB, 4 * MIB, "0");
		b = load_file(folder, "0");
		b.len += rows[i].more - rows[i].cut;
		if (rows[i].more)
			b.at = realloc(b.at, b.len);
		memset(b.at + b.len - rows[i].more, 0x77, rows[i].more);
		store(&b, "0");
		assert_true(assert_agrees(&f, &a, rows[i].what) == 4 * MIB);
		free(b.at);
		remove_file("0");
	}
}

static void behind_a_smaller_parent_nothing_is_compared(void **state)
{
	const struct vhd_spec specs[] = { { "tap", CHILD, 2 * MIB, 8 * MIB, 2, 1, 8 },
					  { "tap", DYNAMIC, 2 * MIB, 4 * MIB, 1, 0, 8 } };
	struct files f = vhd_files(2);
	struct model models[2];
	struct cv_range first;
	struct unguarded u;
	uint32_t seed = 5;
	struct answer a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_random_vhd(&specs[i], &models[i], folder, names[i], i ? 16 : 4, &seed);
		free(models[i].kinds);
	}
	assert_agrees(&f, &a, "a smaller parent");
	assert_true(a.checked.gated[CV_GATE_Q3] > 0);
	open_unguarded(&u, &f, true);
	assert_true(find_gated(&u, CV_GATE_Q3, &first) == a.checked.gated[CV_GATE_Q3]);
	assert_true(library_is_wrong(&u, (struct cv_range){ first.off, 512 }, 512));
	close_unguarded(&u);
}

static void above_a_raw_parent_the_layers_of_the_library_are_compared(void **state)
{
	const struct vhd_spec spec = { "tap", CHILD, 2 * MIB, 8 * MIB, 1, 0, 8 };
	struct files f = vhd_files(2);
	struct model models[2];
	uint32_t seed = 7;
	uint64_t own = 0;
	struct bytes raw = { calloc(1, 8 * MIB), 8 * MIB };
	struct answer a;

	(void)state;
	make_random_vhd(&spec, &models[0], folder, "0", 10, &seed);
	content_fill(raw.at, 9, 0, raw.len);
	store(&raw, "1");
	f.at[1].format = CV_FORMAT_RAW;
	for (uint64_t s = 0; s < 8 * MIB / 512; s++)
		own += models[0].kinds[s] == CV_EXTENT_DATA ? 512 : 0;
	assert_true(assert_agrees(&f, &a, "a raw parent") == own && own > 0);
	assert_true(a.checked.gated[CV_GATE_RAW] == 8 * MIB - own);
	free(models[0].kinds);
	free(raw.at);
}

static void an_image_without_a_library_is_not_compared(void **state)
{
	struct files f = vhd_files(1);
	struct answer a;

	(void)state;
	make_full(2 * MIB, 2 * MIB, "0");
	f.at[0].format = CV_FORMAT_RAW;
	assert_int_equal(assert_agrees(&f, &a, "raw"), 0);
	assert_true(a.checked.gated[CV_GATE_RAW] == a.checked.size);
}

/* A readers' disagreement that is no known defect is found, to the sector: the batmap says full, the bitmap does
 * not, and the two readers believe different ones. */
static void a_real_difference_is_located(void **state)
{
	const struct vhd_spec spec = { "tap", DYNAMIC, 2 * MIB, 4 * MIB, 1, 0, 0 };
	struct files f = vhd_files(1);
	struct model model;
	struct answer a;
	struct making k;
	struct bytes b;

	(void)state;
	begin_vhd(&k, &spec, &model, folder, "0");
	put_bytes(&k, 0, 0, 2 * MIB, true);
	put_bytes(&k, 1, 0, 2 * MIB, true);
	end_vhd(&k);
	free(model.kinds);
	b = load_file(folder, "0");
	/* sectors 24 to 31 of the second block */
	b.at[get_be32(&b, 1536 + 4) * 512 + 3] = 0;
	store(&b, "0");
	a = run_task(&f, cv_check_task);
	assert_int_equal(a.state, CV_TASK_DONE);
	assert_true(a.checked.differing == 8 * 512 && a.differences == 1);
	assert_true(a.first.at.off == 2 * MIB + 24 * 512 && a.first.at.len == 8 * 512);
	free(b.at);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(random_chains_agree_with_the_library_and_the_truth),
		T(chains_without_the_defect_are_compared_altogether),
		T(d1_is_gated_exactly_where_the_library_is_wrong),
		T(d2_requests_stay_within_a_block),
		T(d4_a_resized_image_is_shown_with_its_present_size),
		T(d5_what_lies_behind_a_short_bat_is_gated),
		T(footers_in_odd_places_are_put_where_the_library_looks),
		T(behind_a_smaller_parent_nothing_is_compared),
		T(above_a_raw_parent_the_layers_of_the_library_are_compared),
		T(an_image_without_a_library_is_not_compared),
		T(a_real_difference_is_located),
	};

	return cmocka_run_group_tests_name("reader2_vhd", tests, NULL, NULL) ? 1 : 0;
}

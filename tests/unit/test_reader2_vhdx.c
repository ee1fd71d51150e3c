/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* libvhdi on VHDX behind the gate: random images, and one for each thing that the library reads wrongly. */
#include "tests/unit/test_block_vhdx_make.h"
#include "tests/unit/test_reader2.h"
#include "tests/support/run.h"

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

static const char *const names[] = { "0", "1", "2" };

static struct files vhdx_files(size_t count)
{
	struct files f = { .folder = folder, .count = count };

	for (size_t i = 0; i < count; i++) {
		f.at[i].name = names[i];
		f.at[i].format = CV_FORMAT_VHDX;
	}
	return f;
}

static void remove_files(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *path = path_in(folder, names[i]);

		unlink(path);
		free(path);
	}
}

/* Base of any states, children of whole and partly present blocks. defects: also what the library misreads. */
static void make_random(const struct vhdx_spec *s, struct model *model, const char *name, bool defects, uint32_t *seed)
{
	static const unsigned base_states[] = { NOT_PRESENT, ZERO, UNMAPPED, FULL, FULL };
	static const unsigned child_states[] = { NOT_PRESENT, PARTIAL, FULL, PARTIAL, ZERO, UNMAPPED };
	struct making k;

	begin_vhdx(&k, s, model, folder, name);
	for (uint64_t b = 0; b < blocks_of(s); b++) {
		unsigned state = s->child ? child_states[cv_test_random(seed, defects ? 6 : 4)] : base_states[cv_test_random(seed, 5)];

		if (!defects && s->child)
			need_bitmap(&k, b);
		if (state == PARTIAL)
			put_partial(&k, b, seed);
		else
			put_block(&k, b, state, state == FULL);
	}
	end_vhdx(&k);
}

static void try_chain(uint32_t *seed, bool defects, uint64_t *compared, uint64_t *size)
{
	size_t count = 1 + cv_test_random(seed, 3);
	struct files f = vhdx_files(count);
	struct model models[3];
	struct answer a;
	struct vhdx_spec s = { .sector = cv_test_random(seed, 3) ? 512 : 4096,
			       .size = (uint64_t)(3 + cv_test_random(seed, 6)) * MIB };

	for (size_t i = 0; i < count; i++) {
		s.block_size = (1 + cv_test_random(seed, 2)) * MIB;
		s.child = i + 1 < count;
		s.tag = (uint8_t)(count - i);
		s.parent_tag = (uint8_t)(s.tag - 1);
		make_random(&s, &models[i], names[i], defects, seed);
		free(models[i].kinds);
	}
	*compared += assert_agrees(&f, &a, "a random chain of VHDX");
	*size += a.checked.size;
	remove_files(count);
}

static void random_chains_agree_with_the_library(void **state)
{
	uint64_t compared = 0, size = 0;
	uint32_t seed = 31;

	(void)state;
	for (unsigned i = 0; i < chains_to_try(20); i++)
		try_chain(&seed, true, &compared, &size);
	assert_true(compared > 0 && compared < size);
}

static void chains_without_the_defects_are_compared_altogether(void **state)
{
	uint64_t compared = 0, size = 0;
	uint32_t seed = 32;

	(void)state;
	for (unsigned i = 0; i < chains_to_try(20); i++)
		try_chain(&seed, false, &compared, &size);
	assert_true(compared * 100 >= size * 95);
}

/* A base with data everywhere and a child with one block in this state. */
static void make_pair(unsigned state, bool bitmap)
{
	const struct vhdx_spec base = { MIB, 512, 4 * MIB, false, false, 1, 0 };
	const struct vhdx_spec child = { MIB, 512, 4 * MIB, true, false, 2, 1 };
	struct making k;

	begin_vhdx(&k, &base, NULL, folder, "1");
	for (uint64_t b = 0; b < 4; b++)
		put_block(&k, b, FULL, true);
	end_vhdx(&k);
	begin_vhdx(&k, &child, NULL, folder, "0");
	if (bitmap)
		need_bitmap(&k, 0);
	put_block(&k, 0, state, false);
	put_block(&k, 1, FULL, true);
	end_vhdx(&k);
}

static const struct defect {
	const char *name;
	enum cv_gate_id gate;
	unsigned state;
	bool bitmap;
	uint64_t gated, compared;
} defects[] = {
	{ "D8", CV_GATE_D8, NOT_PRESENT, false, 3 * MIB, MIB },
	{ "D9", CV_GATE_D9, ZERO, true, MIB, 3 * MIB },
	{ "D9, unmapped", CV_GATE_D9, UNMAPPED, true, MIB, 3 * MIB },
};

static void d8_d9_blocks_without_data_in_a_child_are_gated(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(defects); i++) {
		const struct defect *d = &defects[i];
		struct files f = vhdx_files(2);
		struct cv_range first;
		struct unguarded u;
		struct answer a;

		make_pair(d->state, d->bitmap);
		assert_true(assert_agrees(&f, &a, d->name) == d->compared);
		assert_true(a.checked.gated[d->gate] == d->gated);
		open_unguarded(&u, &f, true);
		assert_true(find_gated(&u, d->gate, &first) == d->gated);
		assert_true(library_is_wrong(&u, (struct cv_range){ first.off, MIB }, 64 * KIB));
		close_unguarded(&u);
		remove_files(2);
	}
}

/* The largest blocks, sparse, so that a second chunk is at hand. */
static void d6_fixed_images_are_compared_in_the_first_chunk(void **state)
{
	const struct vhdx_spec fixed = { 256 * MIB, 512, UINT64_C(4352) * MIB, false, true, 1, 0 };
	uint64_t chunk = UINT64_C(4096) * MIB;
	struct files f = vhdx_files(1);
	struct cv_range first;
	struct unguarded u;
	struct making k;

	(void)state;
	begin_vhdx(&k, &fixed, NULL, folder, "0");
	for (uint64_t b = 0; b < blocks_of(&fixed); b++) {
		put_entry(&k, index_of(&k, b), k.end | FULL);
		put_content(&k, k.end, b * fixed.block_size, MIB, 1);
		k.end += fixed.block_size;
	}
	end_vhdx(&k);
	open_unguarded(&u, &f, true);
	assert_true(find_gated(&u, CV_GATE_D6, &first) == 256 * MIB && first.off == chunk);
	assert_false(library_is_wrong(&u, (struct cv_range){ chunk - 256 * MIB, MIB }, MIB));
	assert_true(library_is_wrong(&u, (struct cv_range){ chunk, MIB }, MIB));
	close_unguarded(&u);
}

static const struct damage {
	const char *name;
	uint64_t at;
} copies[] = {
	{ "header 1", CV_VHDX_HEADER_OFFSET(0) },
	{ "header 2", CV_VHDX_HEADER_OFFSET(1) },
	{ "region table 1", CV_VHDX_REGION_OFFSET(0) },
	{ "region table 2", CV_VHDX_REGION_OFFSET(1) },
};

/* libvhdi wants both copies, we and the specification one: it is shown the good one twice. */
static void a_damaged_copy_is_hidden_from_the_library(void **state)
{
	static const uint8_t nothing[4096];
	const struct vhdx_spec s = { MIB, 512, 4 * MIB, false, false, 1, 0 };
	struct cv_err err = { .code = CV_OK };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(copies); i++) {
		struct files f = vhdx_files(1);
		struct cv_library_chain alone;
		struct cv_source *plain;
		struct answer a;
		struct making k;
		uint64_t size;
		int fd;

		begin_vhdx(&k, &s, NULL, folder, "0");
		put_block(&k, 0, FULL, true);
		put_block(&k, 2, FULL, true);
		write_at(k.fd, nothing, sizeof nothing, copies[i].at);
		end_vhdx(&k);
		fd = open_in(folder, "0", &size);
		plain = cv_source_fd_adopt(fd, size, &err);
		assert_true(cv_library_init(&alone, CV_FORMAT_VHDX, 1, &err));
		if (cv_library_open(&alone, 0, &plain, &size, &err))
			fail_msg("%s: the library does not mind", copies[i].name);
		cv_library_fini(&alone);
		assert_true(assert_agrees(&f, &a, copies[i].name) == 4 * MIB);
		remove_files(1);
	}
	assert_non_null(cv_gate_rows[CV_GATE_COPIES].avoided);
}

/* libvhdi knows whose child an image is; who is not its parent ends the matter before it begins. */
static void a_library_that_cannot_begin_says_nothing_about_the_image(void **state)
{
	const struct vhdx_spec base = { MIB, 512, 4 * MIB, false, false, 1, 0 };
	const struct vhdx_spec child = { MIB, 512, 4 * MIB, true, false, 2, 9 };
	struct files f = vhdx_files(2);
	struct answer a;
	struct making k;

	(void)state;
	begin_vhdx(&k, &base, NULL, folder, "1");
	end_vhdx(&k);
	begin_vhdx(&k, &child, NULL, folder, "0");
	put_block(&k, 0, FULL, true);
	end_vhdx(&k);
	a = run_task(&f, cv_digest_task);
	assert_int_equal(a.state, CV_TASK_DONE);
	a = run_task(&f, cv_check_task);
	assert_int_equal(a.state, CV_TASK_FAILED);
	assert_non_null(strstr(a.err.text, "libvhdi does not take a parent"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(random_chains_agree_with_the_library), T(chains_without_the_defects_are_compared_altogether),
		T(d8_d9_blocks_without_data_in_a_child_are_gated), T(d6_fixed_images_are_compared_in_the_first_chunk),
		T(a_damaged_copy_is_hidden_from_the_library),
		T(a_library_that_cannot_begin_says_nothing_about_the_image),
	};

	return cmocka_run_group_tests_name("reader2_vhdx", tests, NULL, NULL) ? 1 : 0;
}

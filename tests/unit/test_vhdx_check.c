/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of a VHDX: each rule alone; damage at random against a model that compares each entry with
 * each other one, and against qemu-img check where it looks at the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/run.h"
#include "tests/support/tables.h"
#include "tests/unit/test_block_vhdx_make.h"

extern const struct cv_format cv_format_vhdx;

#define ENTRY(mib, state) ((uint64_t)(mib) << 20 | (state))

struct bytes {
	uint8_t *at;
	size_t len;
};

/* Blocks of 1 MiB, from 4 MiB on: those whose bit is in full or in partial, which have their bitmap before them. */
static struct bytes make(bool child, uint64_t size, uint32_t full, uint32_t partial)
{
	struct vhdx_spec spec = { 1 << 20, 512, size, child, false, 7, child ? 9 : 0 };
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhdx");
	struct cv_err err = { CV_OK };
	struct cv_source *s;
	struct making k;
	struct bytes b;

	begin_vhdx(&k, &spec, NULL, folder, "a.vhdx");
	for (uint32_t i = 0; i < 12; i++) {
		if (full >> i & 1)
			put_block(&k, i, FULL, true);
		if (partial >> i & 1) {
			need_bitmap(&k, i);
			put_block(&k, i, PARTIAL, true);
		}
	}
	end_vhdx(&k);
	s = file_source(path);
	b = (struct bytes){ malloc(s->size), s->size };
	assert_true(cv_source_read(s, b.at, b.len, 0, &err));
	cv_source_close(s);
	free(path);
	cv_test_folder_remove(folder);
	return b;
}

static void run(struct cv_tables *t, const struct bytes *b)
{
	struct cv_source *s = cv_source_memory(b->at, b->len, &t->err);

	assert_non_null(s);
	cv_tables_check(t, &cv_format_vhdx, s);
	cv_source_close(s);
}

static void set_entry(struct bytes *b, uint64_t index, uint64_t word)
{
	put_le(b->at + BAT_AT + index * 8, 8, word);
}

static uint64_t get_entry(const struct bytes *b, uint64_t index)
{
	cv_le64 word;

	memcpy(&word, b->at + BAT_AT + index * 8, sizeof word);
	return cv_le64_get(word);
}

static void assert_says(const struct bytes *b, const char *names, const char *title, uint64_t corruptions)
{
	struct cv_tables t = { .facts = NULL };
	char text[512];

	run(&t, b);
	assert_true(t.done);
	cv_tables_names(&t, text, sizeof text);
	assert_string_equal(text, names);
	assert_int_equal(t.corruptions, corruptions);
	if (title) {
		cv_tables_title(&t, 0, text, sizeof text);
		assert_string_equal(text, title);
	}
	cv_tables_fini(&t);
}

static void healthy_disks_say_nothing(void **state)
{
	struct bytes b = make(false, 12 * MIB, 0xfff, 0);

	(void)state;
	assert_says(&b, "", NULL, 0);
	free(b.at);
	b = make(false, 12 * MIB - 512, 0x841, 0);
	assert_says(&b, "", NULL, 0);
	/* What the disk does not reach may be missing. */
	b.len -= 512;
	assert_says(&b, "", NULL, 0);
	b.len -= 512;
	assert_says(&b, "vhdx-bat-out-of-range", "block 11 at 0x600000 ends behind the end of the file at 0x6ffc00", 1);
	free(b.at);
	b = make(true, 12 * MIB, 0x0f0, 0x30f);
	assert_says(&b, "", NULL, 0);
	free(b.at);
}

static void entries_that_cannot_be_are_named(void **state)
{
	static const struct { uint64_t word; const char *title; } rows[] = {
		{ ENTRY(5, 4), "block 1 at 0x500000 has a state that does not exist" },
		{ ENTRY(5, 7), "block 1 at 0x500000 is partially present, but the disk has no parent" },
		{ ENTRY(5, 6) | 8, "block 1 at 0x500000 has bits set that are always zero" },
		{ ENTRY(0, 6), "block 1 at 0x0 lies on the header section at 0x0" },
		{ ENTRY(1, 6), "block 1 at 0x100000 lies on the log at 0x100000" },
		{ ENTRY(2, 6), "block 1 at 0x200000 lies on the metadata at 0x200000" },
		{ ENTRY(3, 6), "block 1 at 0x300000 lies on the BAT at 0x300000" },
		{ ENTRY(9, 6), "block 1 at 0x900000 begins behind the end of the file at 0x900000" },
		{ ENTRY(0xfffffffffffull, 6), "block 1 at 0xfffffffffff00000 begins behind the end of the file at 0x900000" },
	};
	struct bytes b = make(false, 12 * MIB, 0x1d, 0);

	(void)state;
	b.len = 9 * MIB;
	b.at = realloc(b.at, b.len);
	assert_non_null(b.at);
	assert_says(&b, "", NULL, 0);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		set_entry(&b, 1, rows[i].word);
		assert_says(&b, "vhdx-bat-out-of-range", rows[i].title, 1);
	}
	free(b.at);
}

/* States without data: whatever the offset says, nobody reads there. */
static void other_states_may_keep_a_place_or_not(void **state)
{
	static const uint64_t words[] = { 0, 1, 2, 3, 5, ENTRY(1, 3), ENTRY(5, 3), ENTRY(99, 2), ENTRY(5, 1), ENTRY(77, 0) };
	struct bytes b = make(false, 12 * MIB, 0x0f, 0);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(words); i++) {
		set_entry(&b, 8, words[i]);
		assert_says(&b, "", NULL, 0);
	}
	/* A place that is kept is not lost. */
	set_entry(&b, 1, 0);
	set_entry(&b, 8, ENTRY(5, 3));
	assert_says(&b, "", NULL, 0);
	set_entry(&b, 8, 3);
	assert_says(&b, "leaked-clusters", "1M that nothing in the image points to", 0);
	free(b.at);
}

static void overlaps_name_both(void **state)
{
	struct bytes b = make(true, 12 * MIB, 0x0f0, 0x00f);

	(void)state;
	set_entry(&b, 6, get_entry(&b, 5));
	assert_says(&b, "vhdx-bat-overlap leaked-clusters", "block 5 and block 6 overlap at 0xa00000", 1);
	set_entry(&b, 6, (get_entry(&b, 4096) & ~7ull) | 6);
	assert_says(&b, "vhdx-bat-overlap leaked-clusters", "block 6 and sector bitmap 0 overlap at 0x400000", 1);
	set_entry(&b, 6, get_entry(&b, 5));
	set_entry(&b, 7, get_entry(&b, 5));
	assert_says(&b, "vhdx-bat-overlap vhdx-bat-overlap", NULL, 2);
	free(b.at);
}

static void partial_blocks_need_their_bitmap(void **state)
{
	struct bytes b = make(true, 12 * MIB, 0, 0x006);

	(void)state;
	set_entry(&b, 4096, 0);
	assert_says(&b, "vhdx-bat-out-of-range leaked-clusters", "sector bitmap 0 at 0x0 is absent, but block 1 needs it", 1);
	set_entry(&b, 4096, ENTRY(4, 3));
	assert_says(&b, "vhdx-bat-out-of-range", "sector bitmap 0 at 0x400000 has a state that does not exist", 1);
	set_entry(&b, 4096, ENTRY(400, 6));
	assert_says(&b, "vhdx-bat-out-of-range leaked-clusters",
		    "sector bitmap 0 at 0x19000000 begins behind the end of the file at 0x700000", 1);
	free(b.at);
}

static void reseal(struct bytes *b)
{
	for (int i = 0; i < 2; i++) {
		seal(b->at + CV_VHDX_HEADER_OFFSET(i), 4096);
		seal(b->at + CV_VHDX_REGION_OFFSET(i), CV_VHDX_TABLE_SIZE);
	}
}

static void a_bat_without_room_for_the_disk_is_named(void **state)
{
	struct bytes b = make(false, 12 * MIB, 1, 0);

	(void)state;
	put_le(b.at + ITEMS_AT + 8, 8, UINT64_C(200000) << 20);
	assert_says(&b, "vhdx-region-table-invalid",
		    "region table: the BAT has room for 131072 entries, the disk needs 200048", 1);
	free(b.at);
}

/* A log of which only beginnings are left; and tables that an error of the reader's leaves out of reach. */
static void tables_that_cannot_be_had_are_explained_once(void **state)
{
	struct bytes b = make(false, 12 * MIB, 1, 0);

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(b.at + CV_VHDX_HEADER_OFFSET(i) + 48, 0x42, 16);
		memcpy(b.at + LOG_AT + i * 4096, "loge", 4);
		memset(b.at + LOG_AT + i * 4096 + 32, 0x42, 16);
	}
	reseal(&b);
	assert_says(&b, "vhdx-header-invalid", "header: its log is pending, and no sequence of entries in it is whole", 1);
	memset(b.at + METADATA_AT, 0, 32);
	assert_says(&b, "", NULL, 0);
	free(b.at);
}

struct judged {
	unsigned wrong;
	bool overlap;
};

static bool has_data(const struct bytes *b, unsigned i, bool child, uint64_t *at)
{
	uint64_t word = get_entry(b, i), mib = word >> 20;

	*at = mib;
	return !(word & 0xffff8) && ((word & 7) == 6 || ((word & 7) == 7 && child)) && mib >= 4 && mib < b->len >> 20;
}

static struct judged judge(const struct bytes *b, bool child)
{
	struct judged j = { 0 };
	uint64_t bitmap = 0, one, other;
	bool has_bitmap = child && has_data(b, 4096, false, &bitmap), needs = false;

	for (unsigned i = 0; i < 12; i++) {
		uint64_t word = get_entry(b, i);
		bool data = has_data(b, i, child, &one);

		needs |= (word & 7) == 7 && !(word & 0xffff8);
		j.wrong += word & 0xffff8 || (word & 7) == 4 || ((word & 7) >= 6 && !data);
		j.overlap |= data && has_bitmap && one == bitmap;
		for (unsigned k = 0; k < i; k++)
			j.overlap |= data && has_data(b, k, child, &other) && one == other;
	}
	if (child && !has_bitmap)
		j.wrong += get_entry(b, 4096) ? true : needs;
	return j;
}

static void random_entries_are_judged_as_a_model_does(void **state)
{
	uint32_t seed = 8;

	(void)state;
	for (int child = 0; child < 2; child++) {
		struct bytes b = make(child, 12 * MIB, 0x0f5, child ? 0x302 : 0);

		for (int round = 0; round < 500; round++) {
			unsigned at = cv_test_random(&seed, 12);
			uint64_t was = get_entry(&b, at), word = ENTRY(cv_test_random(&seed, 20), cv_test_random(&seed, 8));
			struct cv_tables t = { .facts = NULL };
			struct judged j;

			if (cv_test_random(&seed, 20) == 0)
				word |= UINT64_C(8) << cv_test_random(&seed, 50);
			set_entry(&b, at, word);
			j = judge(&b, child);
			run(&t, &b);
			assert_true(t.done);
			assert_int_equal(t.corruptions > 0, j.wrong || j.overlap);
			assert_true(t.corruptions >= j.wrong + j.overlap);
			cv_tables_fini(&t);
			if (cv_test_random(&seed, 3))
				set_entry(&b, at, was);
		}
		free(b.at);
	}
}

static void damaged_metadata_end_in_findings_and_never_in_a_crash(void **state)
{
	static const size_t spots[] = { 64 * KIB, 128 * KIB, 192 * KIB, 256 * KIB, METADATA_AT, ITEMS_AT, BAT_AT };
	struct bytes whole = make(true, 12 * MIB, 0x0f0, 0x30f), b = { malloc(whole.len), whole.len };
	uint32_t seed = 9;

	(void)state;
	assert_non_null(b.at);
	memcpy(b.at, whole.at, whole.len);
	for (int round = 0; round < 800; round++) {
		struct cv_tables t = { .facts = NULL };

		for (unsigned n = 1 + cv_test_random(&seed, 3); n--;)
			b.at[spots[cv_test_random(&seed, CV_COUNT(spots))] + cv_test_random(&seed, 200)] =
				(uint8_t)cv_test_random(&seed, 256);
		reseal(&b);
		run(&t, &b);
		assert_true(t.facts->finding_count < 64);
		cv_tables_fini(&t);
		if (round % 4 == 3)
			for (size_t i = 0; i < CV_COUNT(spots); i++)
				memcpy(b.at + spots[i], whole.at + spots[i], 256);
	}
	free(whole.at);
	free(b.at);
}

static void save(const char *path, const struct bytes *b)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	write_at(fd, b->at, b->len, 0);
	assert_int_equal(close(fd), 0);
}

/* QEMU compares present blocks with each other, with its tables and with the end of the file. */
static void qemu_img_finds_the_same_blocks_out_of_place(void **state)
{
	static const struct { uint64_t word; bool qemu_refuses; } rows[] = {
		{ ENTRY(5, 6), false }, { ENTRY(9, 6), true }, { ENTRY(4000, 6), true }, { ENTRY(5, 3), false },
	};
	struct bytes b = make(false, 12 * MIB, 0x1d, 0);
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhdx");

	(void)state;
	if (!cv_test_has("qemu-img"))
		skip();
	b.at = realloc(b.at, 9 * MIB);
	assert_non_null(b.at);
	memset(b.at + b.len, 0, 9 * MIB - b.len);
	b.len = 9 * MIB;
	/* What QEMU insists on: the place behind the blocks in use is where the next one goes. */
	set_entry(&b, 2, ENTRY(6, 6));
	set_entry(&b, 3, ENTRY(7, 6));
	set_entry(&b, 4, ENTRY(8, 6));
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_tables t = { .facts = NULL };
		int status;

		set_entry(&b, 1, rows[i].word);
		save(path, &b);
		status = cv_test_do(folder, NULL, "qemu-img", "check", "-f", "vhdx", "a.vhdx");
		assert_int_equal(status != 0, rows[i].qemu_refuses);
		run(&t, &b);
		assert_int_equal(t.corruptions != 0, rows[i].qemu_refuses);
		cv_tables_fini(&t);
	}
	free(b.at);
	free(path);
	cv_test_folder_remove(folder);
}

static void assert_healthy(const char *path)
{
	struct cv_tables t = { .facts = NULL };
	struct cv_source *s = file_source(path);

	cv_tables_check(&t, &cv_format_vhdx, s);
	assert_true(t.done);
	assert_int_equal(t.facts->finding_count, 0);
	cv_tables_fini(&t);
	cv_source_close(s);
}

static void what_qemu_writes_is_healthy(void **state)
{
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhdx"), *copy = path_in(folder, "b.vhdx");
	static const char *const options[] = { "subformat=dynamic,block_size=1M", "subformat=fixed,block_size=1M",
					       "subformat=dynamic,block_size=8M,block_state_zero=off" };

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	for (size_t i = 0; i < CV_COUNT(options); i++) {
		unlink(path);
		if (cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vhdx", "-o", options[i], "a.vhdx", "25M"))
			skip();
		assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "vhdx", "-c", "write 24M 1M", "-c", "write 3M 9M",
					    "a.vhdx"), 0);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "check", "-f", "vhdx", "a.vhdx"), 0);
		/* A copy may have bytes of its own where QEMU left holes. */
		assert_int_equal(cv_test_do(folder, NULL, "cp", "--sparse=never", "a.vhdx", "b.vhdx"), 0);
		assert_healthy(path);
		assert_healthy(copy);
	}
	free(copy);
	free(path);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(healthy_disks_say_nothing),
		cmocka_unit_test(entries_that_cannot_be_are_named),
		cmocka_unit_test(other_states_may_keep_a_place_or_not),
		cmocka_unit_test(overlaps_name_both),
		cmocka_unit_test(partial_blocks_need_their_bitmap),
		cmocka_unit_test(a_bat_without_room_for_the_disk_is_named),
		cmocka_unit_test(tables_that_cannot_be_had_are_explained_once),
		cmocka_unit_test(random_entries_are_judged_as_a_model_does),
		cmocka_unit_test(damaged_metadata_end_in_findings_and_never_in_a_crash),
		cmocka_unit_test(qemu_img_finds_the_same_blocks_out_of_place),
		cmocka_unit_test(what_qemu_writes_is_healthy),
	};

	return cmocka_run_group_tests_name("vhdx check", tests, NULL, NULL);
}

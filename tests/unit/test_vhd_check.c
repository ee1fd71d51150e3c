/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of a VHD: each rule alone, on images that the encoder of repair/ makes; and damage at random
 * against a model that compares each block with each other one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/support/run.h"
#include "tests/support/tables.h"
#include "tests/unit/test_block_vhd_make.h"

extern const struct cv_format cv_format_vhd;

enum { HEADER_AT = 512, BAT_AT = 1536, BLOCKS = 20, BLOCK = 64 << 10, WHOLE = BLOCK + 512 };
enum { MAP_HEADER_AT = 2048, MAP_AT = 2560 }; /* behind a BAT of one sector, for images of tap */

/* All blocks in the order of the file, but those in skip (a bit each). */
static struct bytes make(const char *creator, uint32_t type, uint64_t size, uint32_t skip)
{
	struct vhd_spec spec = { creator, type, BLOCK, size, 7, type == VHD_TYPE_DIFFERENCING ? 9 : 0, 0 };
	char *folder = cv_test_folder();
	struct model model;
	struct making k;
	struct bytes b;

	begin_vhd(&k, &spec, &model, folder, "a.vhd");
	for (uint32_t i = 0; i < (size + BLOCK - 1) / BLOCK; i++)
		if (!(skip >> i & 1))
			put_bytes(&k, i, 0, BLOCK, true);
	end_vhd(&k);
	free(model.kinds);
	b = load_file(folder, "a.vhd");
	cv_test_folder_remove(folder);
	return b;
}

static void run(struct cv_tables *t, const struct bytes *b)
{
	struct cv_source *s = cv_source_memory(b->at, b->len, &t->err);

	assert_non_null(s);
	cv_tables_check(t, &cv_format_vhd, s);
	cv_source_close(s);
}

static uint32_t entry(const struct bytes *b, unsigned block)
{
	return get_be32(b, BAT_AT + block * 4);
}

static void set_entry(struct bytes *b, unsigned block, uint32_t value)
{
	put_be(b, BAT_AT + block * 4, 4, value);
}

static void seal_map(struct bytes *b)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < 512; i++)
		sum += b->at[MAP_AT + i];
	put_be(b, MAP_HEADER_AT + 24, 4, (uint32_t)~sum);
}

/* A name of 20 bytes; sealed. */
static void put_locator(struct bytes *b, unsigned slot, uint64_t off)
{
	struct vhd_header_disk *h = (void *)(b->at + HEADER_AT);

	memcpy(h->locators[slot].code, "W2ru", 4);
	h->locators[slot].space = cv_be32_of(512);
	h->locators[slot].length = cv_be32_of(20);
	h->locators[slot].offset = cv_be64_of(off);
	cv_vhd_seal_header(h);
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

static void healthy_images_of_every_creator_say_nothing(void **state)
{
	static const uint32_t types[] = { VHD_TYPE_DYNAMIC, VHD_TYPE_DIFFERENCING };
	static const uint64_t sizes[] = { BLOCKS * BLOCK, BLOCKS * BLOCK - 512, 5 * BLOCK + 1024 };

	(void)state;
	for (const struct cv_vhd_creator *c = cv_vhd_creators; c->name; c++)
		for (size_t i = 0; i < CV_COUNT(types) * CV_COUNT(sizes); i++) {
			struct bytes b = make(c->name, types[i % 2], sizes[i / 2], i % 3 ? 0x1005 : 0);

			assert_says(&b, "", NULL, 0);
			free(b.at);
		}
}

static void a_cleared_entry_leaves_a_block_that_nothing_points_to(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);
	struct cv_tables t = { .facts = NULL };

	(void)state;
	set_entry(&b, 3, UINT32_MAX);
	set_entry(&b, 4, UINT32_MAX);
	run(&t, &b);
	assert_int_equal(t.corruptions, 0);
	assert_int_equal(t.leaked_bytes, 2 * WHOLE);
	assert_int_equal(t.facts->finding_count, 1);
	assert_int_equal(t.facts->findings[0].id, CV_SPC_LEAKED_CLUSTERS);
	assert_int_equal(t.facts->findings[0].where.off, 2048 + 3 * WHOLE);
	cv_tables_fini(&t);
	/* Behind the last block it is the tail, and no loss. */
	set_entry(&b, 3, 4 + 3 * WHOLE / 512);
	set_entry(&b, 4, 4 + 4 * WHOLE / 512);
	set_entry(&b, 19, UINT32_MAX);
	assert_says(&b, "", NULL, 0);
	free(b.at);
}

static void places_where_no_block_can_be_are_named(void **state)
{
	static const struct { uint32_t sector; const char *title; } rows[] = {
		{ 0, "block 3 at 0x0 lies on the copy of the footer at 0x0" },
		{ 2, "block 3 at 0x400 lies on the dynamic header at 0x200" },
		{ 3, "block 3 at 0x600 lies on the BAT at 0x600" },
		{ 4, "block 3 at 0x800 lies on the batmap header at 0x800" },
		{ 5, "block 3 at 0xa00 lies on the batmap at 0xa00" },
		{ 6, "block 3 at 0xc00 lies on parent locator 5 at 0xc00" },
		{ 0x100000, "block 3 at 0x20000000 begins behind the end of the data at 0x143000" },
		{ 0xfffffffe, "block 3 at 0x1fffffffc00 begins behind the end of the data at 0x143000" },
	};
	struct bytes b = make("tap", VHD_TYPE_DIFFERENCING, BLOCKS * BLOCK, 8);

	(void)state;
	assert_int_equal(entry(&b, 3), UINT32_MAX);
	put_locator(&b, 5, 0xc00);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		set_entry(&b, 3, rows[i].sector);
		assert_says(&b, "vhd-bat-out-of-range", rows[i].title, 1);
	}
	free(b.at);
}

static void a_cut_block_says_how_much_is_missing(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);

	(void)state;
	b.len -= 512;
	assert_says(&b, "", NULL, 0);
	b.len -= 1024;
	assert_says(&b, "vhd-block-past-end", "block 19 at 0x132e00: the last 1K of it are not in the file", 1);
	b.len -= BLOCK;
	assert_says(&b, "vhd-bat-out-of-range vhd-block-past-end",
		    "block 19 at 0x132e00 begins behind the end of the data at 0x132c00", 2);
	b.len = 2048 + 10 * WHOLE + 100;
	assert_says(&b, "vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range "
			"vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range "
			"vhd-block-past-end", NULL, 10);
	free(b.at);
}

/* The disk ends in the middle of a block, and nothing of the block behind that is needed. */
static void what_the_disk_does_not_reach_may_be_missing(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK - 4096, 0);

	(void)state;
	b.len -= 512 + 4096;
	assert_says(&b, "", NULL, 0);
	b.len -= 512;
	assert_says(&b, "vhd-block-past-end", "block 19 at 0x132e00: the last 512 of it are not in the file", 1);
	free(b.at);
}

static void overlaps_are_found_in_any_order(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);
	uint32_t was = entry(&b, 7);

	(void)state;
	set_entry(&b, 7, entry(&b, 2));
	assert_says(&b, "vhd-bat-overlap leaked-clusters", "block 2 and block 7 overlap at 0x20c00", 1);
	set_entry(&b, 7, entry(&b, 2) + 1);
	assert_says(&b, "vhd-bat-overlap vhd-bat-overlap leaked-clusters", "block 2 and block 7 overlap at 0x20e00", 2);
	set_entry(&b, 7, was);
	set_entry(&b, 2, entry(&b, 7) - 1);
	assert_says(&b, "vhd-bat-overlap vhd-bat-overlap leaked-clusters", NULL, 2);
	free(b.at);
}

/* Entries that the disk does not need say nothing; but a place that they have is not lost. */
static void blocks_of_a_disk_that_was_made_smaller_are_nobodys(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);
	struct vhd_footer_disk *end = (void *)(b.at + b.len - 512), *copy = (void *)b.at;

	(void)state;
	end->current_size = cv_be64_of(10 * BLOCK);
	cv_vhd_seal_footer(end);
	*copy = *end;
	set_entry(&b, 15, entry(&b, 3));
	set_entry(&b, 16, 0);
	assert_says(&b, "leaked-clusters", NULL, 0);
	set_entry(&b, 15, 2048 / 512 + 15 * WHOLE / 512);
	assert_says(&b, "leaked-clusters", NULL, 0);
	set_entry(&b, 16, 2048 / 512 + 16 * WHOLE / 512);
	assert_says(&b, "", NULL, 0);
	free(b.at);
}

static void the_batmap_must_not_say_more_than_the_bitmaps(void **state)
{
	struct bytes b = make("tap", VHD_TYPE_DIFFERENCING, BLOCKS * BLOCK - 512, 0x20);
	uint64_t at = (uint64_t)entry(&b, 9) * 512;

	(void)state;
	assert_says(&b, "", NULL, 0);
	b.at[at + 15] = 0xfe;
	assert_says(&b, "vhd-batmap-invalid",
		    "batmap: block 9 is marked as complete, but sector 127 of it is not there", 0);
	b.at[MAP_AT + 1] &= 0xbf;
	seal_map(&b);
	assert_says(&b, "", NULL, 0);
	b.at[MAP_AT] |= 0x04;
	b.at[MAP_AT + 511] = 1;
	seal_map(&b);
	assert_says(&b, "vhd-batmap-invalid vhd-batmap-invalid",
		    "batmap: block 5 is marked as complete, but is not allocated", 0);
	/* One that does not sum is the reader's business, and is not believed here. */
	b.at[MAP_AT + 24] ^= 1;
	assert_says(&b, "", NULL, 0);
	b.at[MAP_AT + 24] ^= 1;
	/* The last sector of the last block is behind the end of the disk. */
	b.at[MAP_AT] &= 0xfb;
	b.at[MAP_AT + 511] = 0;
	seal_map(&b);
	b.at[(size_t)entry(&b, 19) * 512 + 15] &= 0xfe;
	assert_says(&b, "", NULL, 0);
	b.at[(size_t)entry(&b, 19) * 512] = 0x7f;
	assert_says(&b, "vhd-batmap-invalid",
		    "batmap: block 19 is marked as complete, but sector 0 of it is not there", 0);
	free(b.at);
}

static void stray_bits_behind_the_end_and_behind_the_bat_are_mentioned(void **state)
{
	struct bytes b = make("qem2", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK - 512, 0);
	uint8_t *bits = b.at + (size_t)entry(&b, 19) * 512;

	(void)state;
	bits[0] = 0;
	assert_says(&b, "vhd-reserved-nonzero", NULL, 0);
	bits[15] = 0xfe;
	assert_says(&b, "", NULL, 0);
	b.at[BAT_AT + 300] = 0;
	assert_says(&b, "vhd-reserved-nonzero",
		    "reserved bytes of the end of the BAT are not as the format wants them", 0);
	free(b.at);
}

static void structures_must_not_lie_on_each_other(void **state)
{
	struct bytes b = make("tap", VHD_TYPE_DIFFERENCING, BLOCKS * BLOCK, 0);

	(void)state;
	put_locator(&b, 2, BAT_AT);
	assert_says(&b, "vhd-bat-overlap", "parent locator 2 and the BAT overlap at 0x600", 1);
	put_locator(&b, 2, 0xc00);
	assert_says(&b, "", NULL, 0);
	put_locator(&b, 1, 0xc00);
	assert_says(&b, "vhd-bat-overlap", "parent locator 1 and parent locator 2 overlap at 0xc00", 1);
	free(b.at);
}

static void tables_that_the_headers_do_not_vouch_for_are_left_alone(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);

	(void)state;
	memset(b.at + BAT_AT, 0, 40);
	memcpy(b.at + b.len - 512, VHD_POISON, 8);
	cv_vhd_seal_footer((void *)(b.at + b.len - 512));
	assert_says(&b, "", NULL, 0);
	memcpy(b.at + b.len - 512, VHD_COOKIE, 8);
	cv_vhd_seal_footer((void *)(b.at + b.len - 512));
	b.at[HEADER_AT + 70] ^= 1;
	assert_says(&b, "", NULL, 0);
	b.at[HEADER_AT + 70] ^= 1;
	assert_says(&b, "vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range "
			"vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range vhd-bat-out-of-range "
			"leaked-clusters", NULL, 10);
	free(b.at);
}

/* What the check should say of the entries, found by comparing each with all others. */
struct judged {
	unsigned out_of_range, past_end, not_full;
	bool overlap;
};

static bool touches_tables(uint64_t off)
{
	return off < MAP_AT + 512;
}

static struct judged judge(const struct bytes *b, uint64_t limit)
{
	struct judged j = { .overlap = false };

	for (unsigned i = 0; i < BLOCKS; i++) {
		uint64_t off = (uint64_t)entry(b, i) * 512;
		bool marked = b->at[MAP_AT + i / 8] >> (7 - i % 8) & 1, full = true;

		if (entry(b, i) == UINT32_MAX) {
			j.not_full += marked;
			continue;
		}
		if (touches_tables(off) || off >= limit) {
			j.out_of_range++;
			continue;
		}
		j.past_end += off + WHOLE > limit;
		for (unsigned k = 0; k < i; k++) {
			uint64_t other = (uint64_t)entry(b, k) * 512;

			j.overlap |= entry(b, k) != UINT32_MAX && !touches_tables(other) && other < limit &&
				     other < off + WHOLE && off < other + WHOLE;
		}
		for (size_t s = 0; marked && off + 512 <= limit && s < BLOCK / 512; s++)
			full &= b->at[off + s / 8] >> (7 - s % 8) & 1;
		j.not_full += !full;
	}
	return j;
}

static unsigned count(const struct cv_tables *t, enum cv_problem_id id)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < t->facts->finding_count; i++)
		n += t->facts->findings[i].id == id;
	return n;
}

static void damage(struct bytes *b, uint32_t *seed)
{
	unsigned block = cv_test_random(seed, BLOCKS), other = cv_test_random(seed, BLOCKS);
	uint32_t here = entry(b, block);

	switch (cv_test_random(seed, 6)) {
	case 0:
		set_entry(b, block, cv_test_random(seed, (uint32_t)(b->len / 512 + 40)));
		break;
	case 1:
		set_entry(b, block, entry(b, other) + cv_test_random(seed, 200));
		break;
	case 2:
		set_entry(b, block, cv_test_random(seed, 2) ? UINT32_MAX : cv_test_random(seed, UINT32_MAX));
		break;
	case 3:
		b->at[MAP_AT + cv_test_random(seed, 3)] |= (uint8_t)(1 << cv_test_random(seed, 8));
		break;
	case 4:
		if ((uint64_t)here * 512 + 16 <= b->len)
			b->at[(size_t)here * 512 + cv_test_random(seed, 16)] = (uint8_t)cv_test_random(seed, 256);
		break;
	default:
		b->at[MAP_AT + cv_test_random(seed, 3)] &= (uint8_t)cv_test_random(seed, 256);
	}
	/* Bits of blocks that the disk does not have would count, too. */
	b->at[MAP_AT + 2] &= 0xf0;
	seal_map(b);
}

static void random_damage_is_found_as_a_model_finds_it(void **state)
{
	struct bytes whole = make("tap", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0x4210), b = { malloc(whole.len), whole.len };
	uint32_t seed = 5;

	(void)state;
	assert_non_null(b.at);
	for (int round = 0; round < 3000; round++) {
		struct cv_tables t = { .facts = NULL };
		struct judged j;
		unsigned bits;

		memcpy(b.at, whole.at, whole.len);
		for (unsigned n = 1 + cv_test_random(&seed, 3); n--;)
			damage(&b, &seed);
		j = judge(&b, b.len - 512);
		run(&t, &b);
		assert_true(t.done);
		assert_int_equal(count(&t, CV_VHD_BAT_OUT_OF_RANGE), j.out_of_range);
		assert_int_equal(count(&t, CV_VHD_BLOCK_PAST_END), j.past_end);
		assert_int_equal(count(&t, CV_VHD_BAT_OVERLAP) > 0, j.overlap);
		bits = count(&t, CV_VHD_BATMAP_INVALID);
		assert_int_equal(j.overlap ? bits <= j.not_full : bits == (j.not_full < 8 ? j.not_full : 8), 1);
		cv_tables_fini(&t);
	}
	free(whole.at);
	free(b.at);
}

/* Anything may stand in the headers, as long as their checksums are right. */
static void damaged_headers_end_in_findings_and_never_in_a_crash(void **state)
{
	struct bytes whole = make("tap", VHD_TYPE_DIFFERENCING, BLOCKS * BLOCK, 0), b = { malloc(whole.len), whole.len };
	uint32_t seed = 6;

	(void)state;
	assert_non_null(b.at);
	memcpy(b.at, whole.at, whole.len);
	for (int round = 0; round < 4000; round++) {
		struct cv_tables t = { .facts = NULL };

		for (unsigned n = 1 + cv_test_random(&seed, 4); n--;)
			b.at[cv_test_random(&seed, 5120)] = (uint8_t)cv_test_random(&seed, 256);
		memcpy(b.at, VHD_COOKIE, 8);
		memcpy(b.at + HEADER_AT, VHD_HEADER_COOKIE, 8);
		memcpy(b.at + MAP_HEADER_AT, VHD_BATMAP_COOKIE, 8);
		cv_vhd_seal_footer((void *)b.at);
		cv_vhd_seal_header((void *)(b.at + HEADER_AT));
		seal_map(&b);
		if (round % 2)
			memcpy(b.at + b.len - 512, b.at, 512);
		run(&t, &b);
		assert_true(t.facts->finding_count < 64);
		cv_tables_fini(&t);
		if (round % 8 == 7)
			memcpy(b.at, whole.at, whole.len);
	}
	free(whole.at);
	free(b.at);
}

static void what_qemu_writes_is_healthy(void **state)
{
	static const char *const options[] = { "subformat=dynamic", "subformat=dynamic,force_size=on",
					       "subformat=fixed,force_size=on" };
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhd");

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	for (size_t i = 0; i < CV_COUNT(options); i++) {
		struct cv_tables t = { .facts = NULL };
		struct cv_source *s;

		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o", options[i],
					    "a.vhd", "25M"), 0);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "vpc", "-c", "write 24M 1M", "-c",
					    "write 3M 9M", "-c", "write 1M 512", "a.vhd"), 0);
		s = file_source(path);
		cv_tables_check(&t, &cv_format_vhd, s);
		assert_true(t.done);
		assert_int_equal(t.facts->finding_count, 0);
		cv_tables_fini(&t);
		cv_source_close(s);
		unlink(path);
	}
	free(path);
	cv_test_folder_remove(folder);
}

/* libvhdi reads a block that has another one's place without a word, so its reader cannot stand in for a check. */
static void libvhdi_does_not_see_an_overlap(void **state)
{
	struct bytes b = make("win", VHD_TYPE_DYNAMIC, BLOCKS * BLOCK, 0);
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhd");
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	if (!cv_test_has("vhdiinfo"))
		skip();
	set_entry(&b, 7, entry(&b, 2));
	assert_int_equal(write(fd, b.at, b.len), b.len);
	assert_int_equal(close(fd), 0);
	assert_int_equal(cv_test_do(folder, NULL, "vhdiinfo", "a.vhd"), 0);
	assert_says(&b, "vhd-bat-overlap leaked-clusters", NULL, 1);
	free(b.at);
	free(path);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_qemu_writes_is_healthy),
		cmocka_unit_test(libvhdi_does_not_see_an_overlap),
		cmocka_unit_test(healthy_images_of_every_creator_say_nothing),
		cmocka_unit_test(a_cleared_entry_leaves_a_block_that_nothing_points_to),
		cmocka_unit_test(places_where_no_block_can_be_are_named),
		cmocka_unit_test(a_cut_block_says_how_much_is_missing),
		cmocka_unit_test(what_the_disk_does_not_reach_may_be_missing),
		cmocka_unit_test(overlaps_are_found_in_any_order),
		cmocka_unit_test(blocks_of_a_disk_that_was_made_smaller_are_nobodys),
		cmocka_unit_test(the_batmap_must_not_say_more_than_the_bitmaps),
		cmocka_unit_test(stray_bits_behind_the_end_and_behind_the_bat_are_mentioned),
		cmocka_unit_test(structures_must_not_lie_on_each_other),
		cmocka_unit_test(tables_that_the_headers_do_not_vouch_for_are_left_alone),
		cmocka_unit_test(random_damage_is_found_as_a_model_finds_it),
		cmocka_unit_test(damaged_headers_end_in_findings_and_never_in_a_crash),
	};

	return cmocka_run_group_tests_name("vhd check", tests, NULL, NULL);
}

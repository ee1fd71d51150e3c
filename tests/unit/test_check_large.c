/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of the largest images, full to the last block: how long it takes, and how much memory. The
 * files are made up while they are read. And what the parts do that all formats share.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include "inspect/block/few.h"
#include "inspect/block/units.h"
#include "repair/vhd/encode.h"
#include "tests/support/run.h"
#include "tests/support/tables.h"
#include "tests/unit/test_block_vhdx_make.h"

extern const struct cv_format cv_format_vhd, cv_format_vhdx;

/* The most that a check may take: seconds of the processor, KiB of memory. Figures are many times below on a quiet
 * machine without sanitizers, which the bench measures. */
enum { MOST_SECONDS = 40, MOST_KIB = 64 << 10 };

/* A file of which the head is in memory, the BAT is computed, and bitmaps are all ones. */
struct made_up {
	struct cv_source source;
	const uint8_t *head;
	size_t head_len;
	uint64_t bat, bat_entries, first, stride;    /* of the blocks */
	bool vhdx;
	uint8_t footer[512];
	unsigned bitmaps;            /* that were read */
};

static void put_word(const struct made_up *m, uint64_t n, uint8_t *word)
{
	const cv_be32 sector = cv_be32_of((uint32_t)((m->first + n * m->stride) / 512));
	uint64_t ratio = UINT64_C(4096), block = n - n / (ratio + 1);
	const cv_le64 entry = cv_le64_of(n % (ratio + 1) == ratio ? 0 : (m->first + block * m->stride) | 6);

	if (m->vhdx)
		memcpy(word, &entry, sizeof entry);
	else
		memcpy(word, &sector, sizeof sector);
}

static ssize_t made_up_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct made_up *m = (struct made_up *)self;
	size_t width = m->vhdx ? 8 : 4;
	uint8_t *at = buf;

	if (off >= self->size)
		return 0;
	len = len < self->size - off ? len : (size_t)(self->size - off);
	memset(buf, 0, len);
	if (off >= m->bat && off < m->bat + m->bat_entries * width) {
		for (size_t i = 0; i + width <= len; i += width)
			put_word(m, (off - m->bat + i) / width, at + i);
	} else if (off < m->head_len) {
		memcpy(buf, m->head + off, len < m->head_len - off ? len : m->head_len - off);
	} else if (!m->vhdx && off + 512 == self->size) {
		memcpy(buf, m->footer, len);
	} else if (!m->vhdx && off >= m->first && (off - m->first) % m->stride == 0) {
		memset(buf, 0xff, len);
		m->bitmaps++;
	}
	return (ssize_t)len;
}

static void made_up_close(struct cv_source *self)
{
	(void)self;
}

static const struct cv_source_ops made_up_ops = { .pread = made_up_pread, .close = made_up_close };

/* In a process of its own, so that its memory can be told. */
static void check_apart(const struct cv_format *format, struct made_up *m, unsigned bitmaps)
{
	pid_t child = fork();
	struct rusage used;
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct cv_tables t = { .facts = NULL };

		cv_tables_check(&t, format, &m->source);
		_exit(!t.done ? 2 : t.facts->finding_count ? 3 : m->bitmaps < bitmaps ? 4 : t.ticks < 4 ? 5 : 0);
	}
	assert_int_equal(wait4(child, &status, 0, &used), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	printf("%s: %ld.%02ld s, %ld KiB\n", cv_format_name(format->id), (long)used.ru_utime.tv_sec,
	       (long)used.ru_utime.tv_usec / 10000, used.ru_maxrss);
	assert_true(used.ru_utime.tv_sec < MOST_SECONDS);
#ifndef __SANITIZE_ADDRESS__
	assert_true(used.ru_maxrss < MOST_KIB);
#endif
}

/* 2040 GiB: more than a million blocks, all of them marked as complete in the batmap. */
static void a_full_vhd_of_the_largest_size_is_checked_in_little_memory(void **state)
{
	struct cv_vhd_image image = { .type = VHD_TYPE_DYNAMIC, .creator = cv_vhd_creator_find("tap"),
				      .size = UINT64_C(2040) << 30, .timestamp = 800000000, .uuid = { 1 } };
	struct made_up m = { .source = { .ops = &made_up_ops } };
	struct cv_vhd_layout l;
	struct cv_err err = { CV_OK };
	uint8_t *head;

	(void)state;
	assert_true(cv_vhd_plan_layout(&image, &l, &err));
	head = calloc(1, l.data_off);
	assert_non_null(head);
	memset(head + l.map_off, 0xff, l.entries / 8);
	cv_vhd_encode_footer(&image, (void *)head);
	assert_true(cv_vhd_encode_header(&image, &l, (void *)(head + 512), &err));
	cv_vhd_encode_batmap(&image, &l, head + l.map_off, (void *)(head + l.batmap_off));
	memcpy(m.footer, head, sizeof m.footer);
	m.head = head;
	m.head_len = l.data_off;
	m.bat = l.bat_off;
	m.bat_entries = l.entries;
	m.first = (l.data_off + 4095) / 4096 * 4096 + 3584;
	m.stride = l.block_size + 512;
	m.source.size = m.first + l.entries * m.stride + 512;
	check_apart(&cv_format_vhd, &m, l.entries);
	free(head);
}

/* 64 TiB in blocks of 1 MiB: 64 Mi entries, a BAT of half a gigabyte. */
static void a_full_vhdx_of_the_largest_size_is_checked_in_little_memory(void **state)
{
	struct vhdx_spec spec = { 1 << 20, 512, UINT64_C(64) << 40, false, false, 7, 0 };
	struct made_up m = { .source = { .ops = &made_up_ops }, .vhdx = true, .bat = BAT_AT, .stride = 1 << 20 };
	char *folder = cv_test_folder(), *path = path_in(folder, "a.vhdx");
	struct cv_err err = { CV_OK };
	struct cv_source *file;
	struct making k;
	uint8_t *head = malloc(BAT_AT);

	(void)state;
	begin_vhdx(&k, &spec, NULL, folder, "a.vhdx");
	end_vhdx(&k);
	file = file_source(path);
	assert_true(head && cv_source_read(file, head, BAT_AT, 0, &err));
	m.head = head;
	m.head_len = BAT_AT;
	m.bat_entries = (file->size - BAT_AT) / 8;
	m.first = file->size;
	m.source.size = m.first + spec.size;
	check_apart(&cv_format_vhdx, &m, 0);
	cv_source_close(file);
	free(head);
	free(path);
	cv_test_folder_remove(folder);
}

static void whoever_asks_can_stop_it(void **state)
{
	struct cv_vhd_image image = { .type = VHD_TYPE_DYNAMIC, .creator = cv_vhd_creator_find("win"),
				      .size = UINT64_C(2040) << 30, .timestamp = 800000000, .uuid = { 1 } };
	struct made_up m = { .source = { .ops = &made_up_ops } };
	uint8_t head[2048] = { 0 };
	struct cv_vhd_layout l;
	struct cv_err err = { CV_OK };

	(void)state;
	assert_true(cv_vhd_plan_layout(&image, &l, &err));
	cv_vhd_encode_footer(&image, (void *)head);
	assert_true(cv_vhd_encode_header(&image, &l, (void *)(head + 512), &err));
	memcpy(m.footer, head, sizeof m.footer);
	m.head = head;
	m.head_len = sizeof head;
	m.bat = l.bat_off;
	m.bat_entries = l.entries;
	m.first = l.data_off;
	m.stride = l.block_size + 512;
	m.source.size = m.first + l.entries * m.stride + 512;
	for (unsigned n = 1; n < 6; n++) {
		struct cv_tables t = { .stop_after = n };

		cv_tables_check(&t, &cv_format_vhd, &m.source);
		assert_false(t.done);
		assert_int_equal(t.err.code, CV_ECANCELLED);
		assert_int_equal(t.ticks, n);
		cv_tables_fini(&t);
	}
}

static void the_first_few_findings_are_told_and_the_others_counted(void **state)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_few few = { .count = 0 };
	struct cv_text title = { 0 };

	(void)state;
	cv_few_tell(&few, f);
	assert_int_equal(f->finding_count, 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct cv_finding x = cv_finding_of(CV_VHD_BAT_OUT_OF_RANGE);
		char text[200];

		memset(text, 'a' + (int)(i % 26), sizeof text - 1);
		text[i ? sizeof text - 1 : 3] = '\0';
		x.bytes = 3;
		x.arg[0] = cv_arg_number(i);
		x.arg[1] = cv_arg_number(512);
		x.arg[2] = cv_arg_text(text);
		cv_few_add(&few, x);
	}
	assert_int_equal(few.count, 1000);
	cv_few_tell(&few, f);
	assert_int_equal(f->finding_count, CV_FEW);
	cv_finding_title(&title, &f->findings[0]);
	assert_string_equal(cv_text_str(&title), "block 0 at 0x200 aaa");
	assert_int_equal(f->findings[0].bytes, 3);
	assert_int_equal(f->findings[1].arg[2].text.len, CV_FEW_TEXT - 1);
	assert_int_equal(f->findings[CV_FEW - 1].bytes, 3 * (1000 - CV_FEW + 1));
	assert_true(cv_bytes_equal(f->findings[CV_FEW - 1].arg[3].text, cv_bytes_of("; 992 more like it")));
	cv_text_fini(&title);
	cv_facts_free(f);
}

/* Against an array of one byte for each piece. */
static void pieces_are_taken_and_found_as_one_by_one(void **state)
{
	enum { COUNT = 517 };
	uint8_t taken[COUNT] = { 0 };
	struct cv_err err = { CV_OK };
	struct cv_units u;
	uint32_t seed = 4;

	(void)state;
	assert_true(cv_units_init(&u, COUNT, &err));
	assert_int_equal(cv_units_next(&u, 0, true), COUNT);
	for (int round = 0; round < 3000; round++) {
		uint64_t first = cv_test_random(&seed, COUNT + 20), n = cv_test_random(&seed, 4) ? cv_test_random(&seed, 5) : 130;
		uint64_t before = COUNT, from = cv_test_random(&seed, COUNT), next = from;
		bool want = cv_test_random(&seed, 2);

		for (uint64_t i = first; i < first + n && i < COUNT; i++) {
			before = taken[i] && before == COUNT ? i : before;
			taken[i] = 1;
		}
		assert_int_equal(cv_units_take(&u, first, n), before);
		while (next < COUNT && taken[next] != want)
			next++;
		assert_int_equal(cv_units_next(&u, from, want), next);
		if (round % 40 == 39) {
			cv_units_fini(&u);
			memset(taken, 0, sizeof taken);
			assert_true(cv_units_init(&u, COUNT, &err));
		}
	}
	cv_units_fini(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_vhd_of_the_largest_size_is_checked_in_little_memory),
		cmocka_unit_test(a_full_vhdx_of_the_largest_size_is_checked_in_little_memory),
		cmocka_unit_test(whoever_asks_can_stop_it),
		cmocka_unit_test(the_first_few_findings_are_told_and_the_others_counted),
		cmocka_unit_test(pieces_are_taken_and_found_as_one_by_one),
	};

	return cmocka_run_group_tests_name("check of large images", tests, NULL, NULL);
}

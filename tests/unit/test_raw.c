/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The raw format: facts from the size alone, and what content looks like. */
#include <stdarg.h>
#include <setjmp.h>
#include <chainview/format.h>
#include <cmocka.h>
#include "inspect/raw/raw.h"

extern const struct cv_format cv_format_raw;

static struct cv_source *memory(const void *bytes, size_t len)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s = cv_source_memory(bytes, len, &err);

	assert_non_null(s);
	return s;
}

static void a_raw_image_is_as_large_as_its_source(void **state)
{
	static const uint8_t bytes[1537];
	static const size_t sizes[] = { 0, 1, 512, 1537 };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct cv_source *s = memory(bytes, sizes[i]);
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { CV_OK };

		assert_true(cv_format_raw.read(s, f, &err));
		assert_int_equal(f->format, CV_FORMAT_RAW);
		assert_int_equal(f->variant, CV_VARIANT_RAW);
		assert_int_equal(f->virtual_size, sizes[i]);
		assert_int_equal(f->flags, CV_FACT_SIZE);
		assert_int_equal(f->mark, CV_MARK_NONE);
		assert_int_equal(f->finding_count + f->name_count, 0);
		cv_facts_free(f);
		cv_source_close(s);
	}
}

static void what_is_left_of_a_format_is_seen_without_its_magic(void **state)
{
	static const uint8_t qcow2[24] = { [7] = 3, [23] = 16 }, small[24] = { [7] = 3, [23] = 8 }, other[24] = { [7] = 4, [23] = 16 };
	static const struct { const void *bytes; size_t len, at; enum cv_format_id id; } cases[] = {
		{ qcow2, sizeof qcow2, 0, CV_FORMAT_QCOW2 }, { small, sizeof small, 0, CV_FORMAT_NONE },
		{ other, sizeof other, 0, CV_FORMAT_NONE },  { "cxsparse", 8, 512, CV_FORMAT_VHD },
		{ "head", 4, 65536, CV_FORMAT_VHDX },        { "head", 4, 131072, CV_FORMAT_VHDX },
		{ "head", 4, 65537, CV_FORMAT_NONE },        { "\xeb\x63\x90", 3, 0, CV_FORMAT_NONE },
	};
	static uint8_t image[200000];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { CV_OK };
		struct cv_source *s;

		memset(image, 0, sizeof image);
		memcpy(image + cases[i].at, cases[i].bytes, cases[i].len);
		s = memory(image, sizeof image);
		assert_true(cv_image_read(s, CV_FORMAT_NONE, f, &err));
		assert_int_equal(f->format, CV_FORMAT_NONE);
		assert_int_equal(f->lookalike, cases[i].id);
		assert_int_equal(f->flags, cases[i].id == CV_FORMAT_NONE ? 0 : CV_FACT_REMAINS);
		cv_source_close(s);
		s = memory(image, 7);
		assert_int_equal(cv_raw_remains(s), CV_FORMAT_NONE);
		cv_source_close(s);
		cv_facts_free(f);
	}
}

static void raw_is_never_probed(void **state)
{
	struct cv_source *s = memory("any", 3);

	(void)state;
	assert_int_equal(cv_format_raw.probe(s), 0);
	cv_source_close(s);
}

static void content_looks_like_what_its_magic_number_says(void **state)
{
	static const struct { const char *bytes; size_t len, size, at; enum cv_format_id id; } cases[] = {
		{ "QFI\xfb\0\0\0\1", 8, 1024, 0, CV_FORMAT_QCOW },
		{ "QFI\xfb\0\0\0\2", 8, 1024, 0, CV_FORMAT_QCOW2 },
		{ "QFI\xfb\0\0\0\3", 8, 1024, 0, CV_FORMAT_QCOW2 },
		{ "QFI\xfb", 4, 4, 0, CV_FORMAT_QCOW2 },
		{ "vhdxfile", 8, 1024, 0, CV_FORMAT_VHDX },
		{ "vhdxfil", 7, 7, 0, CV_FORMAT_NONE },
		{ "conectix", 8, 1024, 0, CV_FORMAT_VHD },
		{ "v_poison", 8, 1024, 0, CV_FORMAT_VHD },
		{ "conectix", 8, 2048, 2048 - 512, CV_FORMAT_VHD },
		{ "conectix", 8, 2048, 2048 - 511, CV_FORMAT_VHD },
		{ "conectix", 8, 2048, 2048 - 513, CV_FORMAT_NONE },
		{ "vhdxfile", 8, 2048, 2048 - 512, CV_FORMAT_NONE },
		{ "conectix", 8, 511, 0, CV_FORMAT_VHD },
		{ "KDMV", 4, 1024, 0, CV_FORMAT_NONE },
		{ "", 0, 1024, 0, CV_FORMAT_NONE },
		{ "", 0, 0, 0, CV_FORMAT_NONE },
		{ "Q", 1, 1, 0, CV_FORMAT_NONE },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		uint8_t bytes[2048] = { 0 };
		struct cv_source *s;

		memcpy(bytes + cases[i].at, cases[i].bytes, cases[i].len);
		s = memory(bytes, cases[i].size);
		assert_int_equal(cv_raw_lookalike(s), cases[i].id);
		cv_source_close(s);
	}
}

static ssize_t failing_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	(void)self;
	(void)buf;
	(void)len;
	(void)off;
	errno = EIO;
	return -1;
}

static void what_cannot_be_read_looks_like_nothing(void **state)
{
	static const struct cv_source_ops ops = { .pread = failing_pread };
	struct cv_source s = { &ops, 4096 };

	(void)state;
	assert_int_equal(cv_raw_lookalike(&s), CV_FORMAT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_raw_image_is_as_large_as_its_source),
		cmocka_unit_test(what_is_left_of_a_format_is_seen_without_its_magic),
		cmocka_unit_test(raw_is_never_probed),
		cmocka_unit_test(content_looks_like_what_its_magic_number_says),
		cmocka_unit_test(what_cannot_be_read_looks_like_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader: who made an image, and which of its sizes counts. */
#include "tests/unit/test_vhd_image.h"

static void creators_are_named_with_their_version(void **state)
{
	static const struct { char app[5]; uint32_t version; const char *text; } cases[] = {
		{ "tap", 0x10003, "tap 1.3" },  { "qemu", 0x50003, "qemu 5.3" }, { "win ", 0x60001, "win 6.1" },
		{ "xo  ", 0, "xo" },            { "vpc ", 0x50000, "vpc 5.0" },  { "vs  ", 0x10000, "vs 1.0" },
		{ "d2v", 0x20001, "d2v 2.1" },  { "", 0, "" },                   { "", 0x10000, "1.0" },
		{ "\x1b[2J", 1, "\x1b[2J 0.1" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, FIXED);
		set_creator(&i, cases[k].app, cases[k].version);
		seal(&i, SEAL_END);
		f = facts_of(&i);
		assert_bytes(f->creator, cases[k].text);
		cv_facts_free(f);
	}
}

static void the_size_is_the_one_that_the_creators_own_tools_use(void **state)
{
	static const struct {
		const char *app;
		uint64_t size;
		uint32_t geometry;
		uint64_t expected;
		const char *findings;
	} cases[] = {
		{ "qemu", DISK, 302 << 16 | 0x0411, 302 * 4 * 17 * 512, "" },
		{ "qemu", DISK, 400 << 16 | 0x0411, 400 * 4 * 17 * 512, "vhd-size-geometry hostile-value" },
		{ "qemu", DISK, 0xffff10ff, DISK, "" },
		{ "qemu", DISK, 0, DISK, "vhd-size-geometry" },
		{ "qem2", DISK, 0xffff10ff, DISK, "" },
		{ "vpc ", DISK, 302 << 16 | 0x0411, DISK, "" },
		{ "win ", DISK, 301 << 16 | 0x0411, DISK, "" },
		{ "xo  ", DISK, 302 << 16 | 0x0411, DISK, "" },
		{ "d2v", DISK, 200 << 16 | 0x0411, DISK, "vhd-size-geometry" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		set_creator(&i, cases[k].app, 0x10000);
		put_both(&i, 48, 8, cases[k].size);
		put_both(&i, 56, 4, cases[k].geometry);
		put(&i, HEADER_AT + 28, 4, 6);
		seal(&i, SEAL_ALL);
		f = facts_of(&i);
		assert_findings(f, cases[k].app, cases[k].findings);
		assert_int_equal(f->virtual_size, cases[k].expected);
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_CURRENT_SIZE, 0)->number, cases[k].size);
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_GEOMETRY_SIZE, 0)->number,
				 (uint64_t)(cases[k].geometry >> 16) * (cases[k].geometry >> 8 & 255) *
					 (cases[k].geometry & 255) * 512);
		cv_facts_free(f);
	}
}

/* Sizes and the geometry that vhd-util and qemu-img store for them. */
static void geometries_of_the_specification_are_no_finding(void **state)
{
	static const struct { uint64_t size; uint32_t geometry; } cases[] = {
		{ 64 << 10, 1 << 16 | 0x0411 },
		{ UINT64_C(1) << 30, 2080 << 16 | 0x103f },
		{ UINT64_C(127) << 30, 65278 << 16 | 0x10ff },
		{ UINT64_C(2040) << 30, 0xffff10ffu },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, FIXED);
		put_both(&i, 48, 8, cases[k].size);
		put_both(&i, 56, 4, cases[k].geometry);
		seal(&i, SEAL_END);
		f = facts_of(&i);
		for (uint32_t n = 0; n < f->finding_count; n++)
			assert_int_not_equal(f->findings[n].id, CV_VHD_SIZE_GEOMETRY);
		cv_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creators_are_named_with_their_version),
		cmocka_unit_test(the_size_is_the_one_that_the_creators_own_tools_use),
		cmocka_unit_test(geometries_of_the_specification_are_no_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

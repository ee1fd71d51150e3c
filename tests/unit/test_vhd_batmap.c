/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader: the batmap of images that tap made, its checksum, marker and key. */
#include "tests/unit/test_vhd_image.h"

#define IN_HEADER(off) (HEADER_AT + (off))

static void each_change_to_the_batmap_gives_exactly_its_findings(void **state)
{
	static const struct poke pokes[] = {
		{ "cookie", DYNAMIC, AT_FILE, BATMAP_AT, 1, 0, 0, "vhd-batmap-invalid", 0, 0 },
		{ "version", DYNAMIC, AT_FILE, BATMAP_AT + 20, 4, 0x10003, 0, "vhd-batmap-invalid", 0, 0 },
		{ "map outside", DYNAMIC, AT_FILE, BATMAP_AT + 8, 8, 1 << 20, 0, "vhd-batmap-invalid", 0, 0 },
		{ "map wraps", DYNAMIC, AT_FILE, BATMAP_AT + 8, 8, UINT64_MAX, 0, "vhd-batmap-invalid", 0, 0 },
		{ "map too large", DYNAMIC, AT_FILE, BATMAP_AT + 16, 4, UINT32_MAX, 0, "vhd-batmap-invalid", 0, 0 },
		{ "map empty", DYNAMIC, AT_FILE, BATMAP_AT + 16, 4, 0, 0, "vhd-batmap-invalid", 0, 0 },
		{ "checksum", DYNAMIC, AT_FILE, BATMAP_AT + 24, 4, 7, 0, "vhd-batmap-invalid", 0, 0 },
		{ "map byte", DIFFERENCING, AT_FILE, MAP_AT, 1, 0x80, 0, "vhd-batmap-invalid", 0, 0 },
		{ "last map byte", DYNAMIC, AT_FILE, MAP_AT + 511, 1, 0x80, 0, "vhd-batmap-invalid", 0, 0 },
		{ "marker", DYNAMIC, AT_FILE, BATMAP_AT + 28, 1, 1, 0, "", 0, 0 },
		{ "key", DYNAMIC, AT_FILE, BATMAP_AT + 29, 1, 1, 0, "", CV_FACT_ENCRYPTED, 0 },
		{ "no key", DYNAMIC, AT_FILE, BATMAP_AT + 29, 1, 2, 0, "", 0, CV_FACT_ENCRYPTED },
	};

	(void)state;
	assert_pokes(pokes, CV_COUNT(pokes));
}

static void the_batmap_is_summed_as_its_version_says(void **state)
{
	static const struct { const char *app; uint32_t version, map_version; uint64_t cookie,
		sum; const char *findings; }
	cases[] = {
		{ "tap", 0x10003, 0x10002, UINT64_C(0x74646261746d6170), ~UINT64_C(0x81), "" },
		{ "tap", 0x10001, 0x10001, UINT64_C(0x74646261746d6170), 0x7e, "" },
		{ "tap", 0x10001, 0x10001, UINT64_C(0x74646261746d6170), ~UINT64_C(0x81), "vhd-batmap-invalid" },
		{ "tap", 0x10001, 0x10001, 0, 0, "" },       /* updated from 0.1: need not have one */
		{ "tap", 0x10002, 0x10002, 0, 0, "vhd-batmap-invalid" },
		{ "tap", 0x00001, 0x10002, 0, 0, "unsupported-feature" },
		{ "win ", 0x60001, 0x10002, 0, 0, "" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		set_creator(&i, cases[k].app, cases[k].version);
		seal(&i, SEAL_FOOTERS);
		put(&i, BATMAP_AT, 8, cases[k].cookie);
		put(&i, BATMAP_AT + 20, 4, cases[k].map_version);
		put(&i, BATMAP_AT + 24, 4, cases[k].sum);
		put(&i, MAP_AT, 1, 0x80);
		put(&i, MAP_AT + 300, 1, 1);
		f = facts_of(&i);
		assert_findings(f, cases[k].app, cases[k].findings);
		cv_facts_free(f);
	}
}

static void a_large_disks_batmap_is_summed_over_more_than_one_window(void **state)
{
	static struct image i;
	const uint64_t size = UINT64_C(600) << 30;           /* 38,400 bytes of map are summed */
	struct cv_facts *f;
	size_t map;

	(void)state;
	build(&i, DYNAMIC);
	resize(&i, ROOM);
	put_both(&i, 48, 8, size);
	put_both(&i, 56, 4, 0xffff10ff);
	put(&i, IN_HEADER(32), 4, 256 << 20);                /* so that the BAT stays small */
	put(&i, IN_HEADER(28), 4, 2400);
	seal(&i, SEAL_ALL);
	memset(i.b + BATMAP_AT, 0, 1024);
	map = BAT_AT + 9728;                                 /* 2400 * 4, rounded up to sectors */
	memcpy(i.b + map, "tdbatmap", 8);
	put(&i, map + 8, 8, map + 512);
	put(&i, map + 16, 4, 76);
	put(&i, map + 20, 4, 0x10002);
	memset(i.b + map + 512, 1, 38400);
	put(&i, map + 24, 4, ~UINT64_C(38912) + 512);
	f = facts_of(&i);
	assert_findings(f, "large", "");
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_BATMAP_OFFSET, 0)->number, map);
	cv_facts_free(f);
	i.b[map + 512 + 38399] = 2;
	f = facts_of(&i);
	assert_findings(f, "last byte", "vhd-batmap-invalid");
	cv_facts_free(f);
}

static void the_key_of_an_encrypted_image_is_given(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DYNAMIC);
	put(&i, BATMAP_AT + 28, 1, 3);
	put(&i, BATMAP_AT + 29, 1, 1);
	for (size_t k = 0; k < 32; k++)
		put(&i, BATMAP_AT + 62 + k, 1, k);
	f = facts_of(&i);
	assert_true(f->flags & CV_FACT_ENCRYPTED);
	assert_bytes(cv_facts_attr(f, CV_ATTR_VHD_KEY_HASH, 0)->text,
		     "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_BATMAP_MARKER, 0)->number, 3);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_BATMAP_OFFSET, 0)->number, BATMAP_AT);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_BATMAP_VERSION, 0)->number, 0x10002);
	cv_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_change_to_the_batmap_gives_exactly_its_findings),
		cmocka_unit_test(the_batmap_is_summed_as_its_version_says),
		cmocka_unit_test(a_large_disks_batmap_is_summed_over_more_than_one_window),
		cmocka_unit_test(the_key_of_an_encrypted_image_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

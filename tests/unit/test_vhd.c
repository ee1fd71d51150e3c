/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader: footers, what they say, marks, and what is taken for a VHD at all. */
#include "tests/unit/test_vhd_image.h"

#define POISON UINT64_C(0x765f706f69736f6e)

static void sound_images_give_their_facts_and_no_findings(void **state)
{
	static const enum cv_variant variants[] = { [FIXED] = CV_VARIANT_FIXED, [DYNAMIC] = CV_VARIANT_DYNAMIC,
						    [DIFFERENCING] = CV_VARIANT_DIFFERENCING };
	static struct image i;

	(void)state;
	for (uint8_t type = FIXED; type <= DIFFERENCING; type++) {
		struct cv_facts *f;

		build(&i, type);
		f = facts_of(&i);
		assert_findings(f, "sound", "");
		assert_int_equal(f->format, CV_FORMAT_VHD);
		assert_int_equal(f->variant, variants[type]);
		assert_int_equal(f->virtual_size, type == FIXED ? 64 << 10 : DISK);
		assert_int_equal(f->flags & (CV_FACT_SIZE | CV_FACT_UUID | CV_FACT_CREATED),
				 CV_FACT_SIZE | CV_FACT_UUID | CV_FACT_CREATED);
		assert_string_equal(cv_uuid_str(f->uuid).s, "a0a1a2a3-a4a5-a6a7-a8a9-aaabacadaeaf");
		assert_int_equal(f->created, 946684800 + 800000000);
		assert_bytes(f->creator, "tap 1.3");
		assert_int_equal(f->mark, CV_MARK_VISIBLE);
		assert_int_equal(f->block_size, type == FIXED ? 0 : 2 << 20);
		assert_int_equal(!!(f->flags & CV_FACT_PARENT), type == DIFFERENCING);
		assert_int_equal(probe_of(&i), type == FIXED ? 80 : 100);
		cv_facts_free(f);
	}
}

static void each_change_to_a_footer_gives_exactly_its_findings(void **state)
{
	static const struct poke pokes[] = {
		{ "end cookie", DYNAMIC, AT_END, 0, 8, 0, 0, "vhd-footer-missing", 0, CV_FACT_LIVE },
		{ "copy cookie", DYNAMIC, AT_COPY, 0, 8, 0, 0, "vhd-footer-copy-missing", 0, 0 },
		{ "both cookies", DYNAMIC, AT_BOTH, 0, 8, 0, 0, "image-unreadable", CV_FACT_PARENT_UNREADABLE,
		  CV_FACT_SIZE },
		{ "start of a fixed disk", FIXED, AT_FILE, 0, 8, UINT64_C(0x636f6e6563746978), 0, "", 0, 0 },
		{ "end identity", DYNAMIC, AT_END, 68, 4, 7, SEAL_END, "vhd-footers-differ", 0, 0 },
		{ "end identity, not sealed", DYNAMIC, AT_END, 68, 4, 7, 0, "vhd-footer-checksum vhd-footers-differ", 0,
		  0 },
		{ "copy identity, not sealed", DYNAMIC, AT_COPY, 68, 4, 7, 0, "vhd-footer-checksum vhd-footers-differ",
		  0,
		  0 },
		{ "end checksum", DYNAMIC, AT_END, 64, 4, 7, 0, "vhd-footer-checksum", 0, 0 },
		{ "both checksums", DYNAMIC, AT_BOTH, 64, 4, 7, 0, "vhd-footer-checksum vhd-footer-checksum",
		  CV_FACT_SIZE,
		  CV_FACT_PARENT_UNREADABLE },
		{ "both checksums, differencing", DIFFERENCING, AT_BOTH, 64, 4, 7, 0,
		  "vhd-footer-checksum vhd-footer-checksum", CV_FACT_PARENT, CV_FACT_PARENT_UNREADABLE },
		{ "both types, not sealed", DIFFERENCING, AT_BOTH, 60, 4, DYNAMIC, 0,
		  "vhd-footer-checksum vhd-footer-checksum", CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT },
		{ "both types fixed, not sealed", DIFFERENCING, AT_BOTH, 60, 4, FIXED, 0,
		  "vhd-footer-checksum vhd-footer-checksum image-truncated", CV_FACT_PARENT_UNREADABLE,
		    CV_FACT_PARENT },
		{ "types differ", DIFFERENCING, AT_END, 60, 4, DYNAMIC, SEAL_END, "vhd-footers-differ",
		  CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT },
		{ "types differ the other way", DIFFERENCING, AT_COPY, 60, 4, DYNAMIC, SEAL_COPY, "vhd-footers-differ",
		  CV_FACT_PARENT, CV_FACT_PARENT_UNREADABLE },
		{ "fixed, checksum", FIXED, AT_END, 64, 4, 7, 0, "vhd-footer-checksum", CV_FACT_SIZE,
		  CV_FACT_PARENT_UNREADABLE },
		{ "poisoned", DYNAMIC, AT_BOTH, 0, 8, POISON, SEAL_FOOTERS, "vhd-resize-pending",
		  CV_FACT_DISABLED | CV_FACT_SIZE, CV_FACT_LIVE },
		{ "end poisoned", DYNAMIC, AT_END, 0, 8, POISON, SEAL_END, "vhd-resize-pending", CV_FACT_DISABLED, 0 },
		{ "copy poisoned", DYNAMIC, AT_COPY, 0, 8, POISON, SEAL_COPY, "vhd-resize-pending", CV_FACT_DISABLED,
		  0 },
		{ "unknown type", DYNAMIC, AT_BOTH, 60, 4, 5, SEAL_FOOTERS, "unsupported-feature", 0,
		  CV_FACT_PARENT_UNREADABLE },
		{ "huge type", DYNAMIC, AT_BOTH, 60, 4, UINT32_MAX, SEAL_FOOTERS, "unsupported-feature", 0, 0 },
		{ "unknown type, header names a parent", DIFFERENCING, AT_BOTH, 60, 4, 5, SEAL_FOOTERS,
		  "unsupported-feature", CV_FACT_PARENT_UNREADABLE, CV_FACT_PARENT },
		{ "format version", DYNAMIC, AT_BOTH, 12, 4, 0x20000, SEAL_FOOTERS, "unsupported-feature", 0, 0 },
		{ "features", DYNAMIC, AT_BOTH, 8, 4, 0x82, SEAL_FOOTERS, "vhd-reserved-nonzero", 0, 0 },
		{ "temporary", DYNAMIC, AT_BOTH, 8, 4, 3, SEAL_FOOTERS, "", 0, 0 },
		{ "first reserved byte", DYNAMIC, AT_BOTH, 86, 1, 1, SEAL_FOOTERS, "vhd-reserved-nonzero", 0, 0 },
		{ "last reserved byte", FIXED, AT_END, 511, 1, 1, SEAL_END, "vhd-reserved-nonzero", 0, 0 },
		{ "no identity", DYNAMIC, AT_BOTH, 68, 16, 0, SEAL_FOOTERS, "vhd-identity-null", 0, CV_FACT_UUID },
		{ "hidden byte 2", DYNAMIC, AT_BOTH, 85, 1, 2, SEAL_FOOTERS, "vhd-reserved-nonzero", 0, 0 },
		{ "no time", DYNAMIC, AT_BOTH, 24, 4, 0, SEAL_FOOTERS, "", 0, CV_FACT_CREATED },
		{ "geometry zero", DYNAMIC, AT_BOTH, 56, 4, 0, SEAL_FOOTERS, "vhd-size-geometry", 0, 0 },
		{ "a cylinder more", DYNAMIC, AT_BOTH, 56, 4, 302 << 16 | 0x0411, SEAL_FOOTERS, "", 0, 0 },
		{ "two cylinders more", DYNAMIC, AT_BOTH, 56, 4, 303 << 16 | 0x0411, SEAL_FOOTERS, "vhd-size-geometry",
		  0, 0 },
		{ "greatest geometry", DYNAMIC, AT_BOTH, 56, 4, 0xffff10ff, SEAL_FOOTERS, "", 0, 0 },
		{ "original size", DYNAMIC, AT_BOTH, 40, 8, 1 << 20, SEAL_FOOTERS, "", 0, 0 },
		{ "fixed, one byte too short", FIXED, AT_END, 48, 8, (64 << 10) + 1, SEAL_END, "image-truncated", 0,
		  0 },
		{ "fixed, room behind the data", FIXED, AT_END, 48, 8, (64 << 10) - 512, SEAL_END, "", 0, 0 },
		{ "fixed, absurd size", FIXED, AT_END, 48, 8, UINT64_MAX, SEAL_END, "hostile-value", 0, CV_FACT_SIZE },
		{ "newer tap", DYNAMIC, AT_BOTH, 32, 4, 0x10004, SEAL_FOOTERS, "unsupported-feature", 0, 0 },
		{ "tap 0.1", DYNAMIC, AT_BOTH, 32, 4, 1, SEAL_FOOTERS, "unsupported-feature", 0, 0 },
		{ "tap 0.1, fixed", FIXED, AT_END, 32, 4, 1, SEAL_END, "", 0, 0 },
	};

	(void)state;
	assert_pokes(pokes, CV_COUNT(pokes));
}

static void fields_that_differ_are_named_and_the_end_is_believed(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DYNAMIC);
	put(&i, end_at(&i) + 68, 1, 0x77);
	put(&i, end_at(&i) + 48, 8, DISK / 2);
	put(&i, COPY_AT + 84, 1, 1);
	seal(&i, SEAL_FOOTERS);
	f = facts_of(&i);
	assert_findings(f, "differ", "vhd-footers-differ vhd-size-geometry");
	assert_title(f, 0, "the footer and its copy at offset 0 differ in current size, identity, saved state: "
		     "0000000000500000, 77a1a2a3a4a5a6a7a8a9aaabacadaeaf, 00 at the end, "
		     "0000000000a00000, a0a1a2a3a4a5a6a7a8a9aaabacadaeaf, 01 in the copy; the footer at the end is used");
	assert_int_equal(f->findings[0].where.off, end_at(&i) + 48);
	assert_int_equal(f->uuid[0], 0x77);
	assert_int_equal(f->virtual_size, DISK / 2);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_FOOTER_OFFSET, 0)->number, end_at(&i));
	cv_facts_free(f);
	/* ... unless it does not sum */
	put(&i, end_at(&i) + 64, 4, 0);
	f = facts_of(&i);
	assert_findings(f, "end damaged", "vhd-footer-checksum vhd-footers-differ");
	assert_int_equal(f->virtual_size, DISK);
	assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_FOOTER_OFFSET, 0)->number, 0);
	cv_facts_free(f);
}

static void a_killed_footer_marks_the_image_as_live_and_the_copy_serves(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DIFFERENCING);
	memset(i.b + end_at(&i), 0xc7, 512);
	f = facts_of(&i);
	assert_findings(f, "killed", "vhd-footer-killed");
	assert_true(f->flags & CV_FACT_LIVE);
	assert_true(f->flags & CV_FACT_PARENT_UUID);
	assert_false(f->flags & CV_FACT_PARENT_UNREADABLE);
	assert_int_equal(probe_of(&i), 95);
	cv_facts_free(f);
	i.b[i.len - 1] = 0;
	f = facts_of(&i);
	assert_findings(f, "all but one byte", "vhd-footer-missing");
	cv_facts_free(f);
	memset(i.b + end_at(&i), 0xc7, 512);
	i.b[64] ^= 1;
	f = facts_of(&i);
	assert_findings(f, "killed, copy damaged", "vhd-footer-killed vhd-footer-checksum");
	cv_facts_free(f);
	i.b[0] = 0;
	f = facts_of(&i);
	assert_findings(f, "killed, no copy", "vhd-footer-killed image-unreadable");
	assert_int_equal(probe_of(&i), 0);
	cv_facts_free(f);
}

static void it_is_said_which_footer_is_disabled(void **state)
{
	static const struct { int at; const char *title; } cases[] = {
		{ AT_BOTH, "a resize was interrupted: the footer is disabled, and so is its copy at offset 0" },
		{ AT_END, "a resize was interrupted: the footer is disabled" },
		{ AT_COPY, "a resize was interrupted: the footer is disabled in its copy at offset 0" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		poke(&i, &(struct poke){ .at = cases[k].at, .width = 8, .value = POISON, .seal = SEAL_FOOTERS });
		f = facts_of(&i);
		assert_title(f, 0, cases[k].title);
		assert_int_equal(probe_of(&i), 100);
		cv_facts_free(f);
	}
}

static void without_a_good_footer_it_is_said_that_none_can_be_trusted(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DIFFERENCING);
	memset(i.b + end_at(&i), 0, 512);
	i.b[68] ^= 1;
	f = facts_of(&i);
	assert_findings(f, "copy damaged", "image-unreadable vhd-footer-checksum");
	assert_int_equal(f->variant, CV_VARIANT_DIFFERENCING);
	assert_true(f->flags & CV_FACT_PARENT_UUID);
	assert_int_equal(probe_of(&i), 50);
	cv_facts_free(f);
	build(&i, DYNAMIC);
	memset(i.b, 0, 512);
	i.b[end_at(&i) + 68] ^= 1;
	f = facts_of(&i);
	assert_findings(f, "end damaged", "image-unreadable vhd-footer-checksum");
	assert_int_equal(f->virtual_size, DISK);
	cv_facts_free(f);
}

static void old_tap_tools_may_leave_the_sum_of_a_hidden_image(void **state)
{
	static const struct { uint32_t version; bool excused; } cases[] = {
		{ 0x00001, true }, { 0x10001, true }, { 0x10002, false }, { 0x10003, false },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		bool found = false;

		build(&i, DYNAMIC);
		put_both(&i, 32, 4, cases[k].version);
		seal(&i, SEAL_FOOTERS);
		put_both(&i, 85, 1, 1);
		f = facts_of(&i);
		for (uint32_t n = 0; n < f->finding_count; n++)
			found |= f->findings[n].id == CV_VHD_FOOTER_CHECKSUM;
		assert_int_equal(found, !cases[k].excused);
		assert_int_equal(f->mark, CV_MARK_HIDDEN);
		cv_facts_free(f);
	}
	/* only that: a second changed byte is damage */
	build(&i, DYNAMIC);
	put_both(&i, 32, 4, 0x10001);
	seal(&i, SEAL_FOOTERS);
	put_both(&i, 85, 1, 1);
	put_both(&i, 100, 1, 1);
	f = facts_of(&i);
	assert_findings(f, "second byte", "vhd-footer-checksum vhd-footer-checksum vhd-reserved-nonzero");
	cv_facts_free(f);
}

static void the_copy_decides_about_the_hidden_mark(void **state)
{
	static const struct {
		const char *app;
		uint32_t version;
		uint8_t end, copy;
		enum cv_mark mark;
		const char *findings;
	} cases[] = {
		{ "tap", 0x10003, 0, 0, CV_MARK_VISIBLE, "" },
		{ "tap", 0x10003, 1, 1, CV_MARK_HIDDEN, "" },
		{ "tap", 0x10003, 0, 1, CV_MARK_HIDDEN, "vhd-footers-differ" },
		{ "tap", 0x10003, 1, 0, CV_MARK_VISIBLE, "vhd-footers-differ" },
		{ "tap", 0x10001, 0, 1, CV_MARK_HIDDEN, "" },
		{ "win ", 0x60001, 0, 0, CV_MARK_NONE, "" },
		{ "win ", 0x60001, 1, 1, CV_MARK_HIDDEN, "" },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		build(&i, DYNAMIC);
		set_creator(&i, cases[k].app, cases[k].version);
		put(&i, end_at(&i) + 85, 1, cases[k].end);
		put(&i, COPY_AT + 85, 1, cases[k].copy);
		seal(&i, SEAL_FOOTERS);
		f = facts_of(&i);
		assert_findings(f, cases[k].app, cases[k].findings);
		assert_int_equal(f->mark, cases[k].mark);
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_HIDDEN_BYTE, 0)->number, cases[k].copy);
		cv_facts_free(f);
	}
	build(&i, DYNAMIC);
	put(&i, COPY_AT + 85, 1, 1);
	f = facts_of(&i);
	assert_int_equal(f->mark, CV_MARK_VISIBLE);   /* a copy that does not sum decides nothing */
	cv_facts_free(f);
}

static void footers_of_511_bytes_are_read(void **state)
{
	static struct image i;

	(void)state;
	for (uint8_t type = FIXED; type <= DIFFERENCING; type++) {
		struct cv_facts *f;

		build(&i, type);
		i.len--;
		f = facts_of(&i);
		assert_findings(f, "511", "");
		assert_int_equal(cv_facts_attr(f, CV_ATTR_VHD_FOOTER_OFFSET, 0)->number, i.len - 511);
		assert_int_equal(probe_of(&i), type == FIXED ? 80 : 100);
		cv_facts_free(f);
	}
}

static void bytes_behind_the_footer_hide_it(void **state)
{
	static struct image i;

	(void)state;
	for (size_t more = 1; more <= 1024; more = more * 3 + 1) {
		struct cv_facts *f;

		build(&i, DYNAMIC);
		i.len += more;
		f = facts_of(&i);
		assert_findings(f, "behind the footer", "vhd-footer-missing");
		cv_facts_free(f);
		build(&i, FIXED);
		i.len += more;
		assert_int_equal(probe_of(&i), 0);
	}
}

static void a_file_of_one_sector_has_one_footer(void **state)
{
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DYNAMIC);
	i.len = 512;
	f = facts_of(&i);
	assert_findings(f, "dynamic", "vhd-footer-missing image-truncated");
	cv_facts_free(f);
	build(&i, FIXED);
	put(&i, end_at(&i) + 48, 8, 0);
	put(&i, end_at(&i) + 56, 4, 0x0411);
	seal(&i, SEAL_END);
	memcpy(i.b, i.b + end_at(&i), 512);
	i.len = 512;
	f = facts_of(&i);
	assert_findings(f, "fixed", "");
	assert_int_equal(probe_of(&i), 80);
	cv_facts_free(f);
}

static void what_has_neither_footer_is_no_vhd(void **state)
{
	static struct image i;

	(void)state;
	memset(&i, 0, sizeof i);
	for (i.len = 0; i.len < 2048; i.len += 511)
		assert_int_equal(probe_of(&i), 0);
	build(&i, DYNAMIC);
	i.b[end_at(&i)] = i.b[0] = 'C';
	assert_int_equal(probe_of(&i), 0);
	build(&i, DYNAMIC);
	memset(i.b, 0, 512);
	assert_int_equal(probe_of(&i), 85);
	/* a footer of a fixed disk at the start of a file is somebody's data */
	build(&i, FIXED);
	memcpy(i.b, i.b + end_at(&i), 512);
	memset(i.b + end_at(&i), 0, 512);
	assert_int_equal(probe_of(&i), 0);
}

static void all_fields_of_the_footer_are_given_with_their_bytes(void **state)
{
	static const struct { enum cv_attr_id id; uint16_t at; uint8_t len; uint64_t n; } fields[] = {
		{ CV_ATTR_VHD_FEATURES, 8, 4, 2 },           { CV_ATTR_VHD_FORMAT_VERSION, 12, 4, 0x10000 },
		{ CV_ATTR_VHD_HEADER_OFFSET, 16, 8, 512 },   { CV_ATTR_VHD_CREATOR_VERSION, 32, 4, 0x10003 },
		{ CV_ATTR_VHD_ORIGINAL_SIZE, 40, 8, DISK },  { CV_ATTR_VHD_CURRENT_SIZE, 48, 8, DISK },
		{ CV_ATTR_VHD_CYLINDERS, 56, 2, 301 },       { CV_ATTR_VHD_HEADS, 58, 1, 4 },
		{ CV_ATTR_VHD_SECTORS, 59, 1, 17 },          { CV_ATTR_VHD_TYPE, 60, 4, DYNAMIC },
		{ CV_ATTR_VHD_SAVED_STATE, 84, 1, 1 },
	};
	static struct image i;
	struct cv_facts *f;

	(void)state;
	build(&i, DYNAMIC);
	put_both(&i, 84, 1, 1);
	put_text_both(&i, 36, "Wi2k", 4);
	seal(&i, SEAL_FOOTERS);
	f = facts_of(&i);
	for (size_t k = 0; k < CV_COUNT(fields); k++) {
		const struct cv_attr *a = cv_facts_attr(f, fields[k].id, 0);

		assert_non_null(a);
		assert_int_equal(a->number, fields[k].n);
		assert_int_equal(a->where.off, end_at(&i) + fields[k].at);
		assert_int_equal(a->where.len, fields[k].len);
	}
	assert_bytes(cv_facts_attr(f, CV_ATTR_VHD_CREATOR_APP, 0)->text, "tap");
	assert_bytes(cv_facts_attr(f, CV_ATTR_VHD_CREATOR_OS, 0)->text, "Wi2k");
	cv_facts_free(f);
	build(&i, FIXED);
	f = facts_of(&i);
	assert_null(cv_facts_attr(f, CV_ATTR_VHD_HEADER_OFFSET, 0));
	assert_null(cv_facts_attr(f, CV_ATTR_VHD_BLOCK_SIZE, 0));
	cv_facts_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_images_give_their_facts_and_no_findings),
		cmocka_unit_test(each_change_to_a_footer_gives_exactly_its_findings),
		cmocka_unit_test(fields_that_differ_are_named_and_the_end_is_believed),
		cmocka_unit_test(a_killed_footer_marks_the_image_as_live_and_the_copy_serves),
		cmocka_unit_test(it_is_said_which_footer_is_disabled),
		cmocka_unit_test(without_a_good_footer_it_is_said_that_none_can_be_trusted),
		cmocka_unit_test(old_tap_tools_may_leave_the_sum_of_a_hidden_image),
		cmocka_unit_test(the_copy_decides_about_the_hidden_mark),
		cmocka_unit_test(footers_of_511_bytes_are_read),
		cmocka_unit_test(bytes_behind_the_footer_hide_it),
		cmocka_unit_test(a_file_of_one_sector_has_one_footer),
		cmocka_unit_test(what_has_neither_footer_is_no_vhd),
		cmocka_unit_test(all_fields_of_the_footer_are_given_with_their_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

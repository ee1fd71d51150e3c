/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which test shows that the gate catches which defect of the libraries: every defect that is known of libvhdi
 * 20210425 and libqcow 20201213 has a row here, every row of the gate has a defect, every test named is there.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include "inspect/reader2/gate.h"

static const struct {
	const char *defect;
	enum cv_gate_id gate;        /* NONE: the view of the file keeps it from showing */
	const char *program, *test;
} rows[] = {
	/* libvhdi, VHD */
	{ "unwritten sectors behind written ones of a bitmap byte", CV_GATE_D1, "vhd",
	  "d1_is_gated_exactly_where_the_library_is_wrong" },
	{ "requests across the end of a small block", CV_GATE_D2, "vhd", "d2_requests_stay_within_a_block" },
	{ "original size for current size", CV_GATE_D4, "vhd", "d4_a_resized_image_is_shown_with_its_present_size" },
	{ "BAT shorter than the disk", CV_GATE_D5, "vhd", "d5_what_lies_behind_a_short_bat_is_gated" },
	{ "no footer at the end, 511 bytes of it, bytes behind it", CV_GATE_NONE, "vhd",
	  "footers_in_odd_places_are_put_where_the_library_looks" },
	{ "errors behind the end of a smaller parent", CV_GATE_Q3, "vhd", "behind_a_smaller_parent_nothing_is_compared" },
	{ "no raw parents", CV_GATE_RAW, "vhd", "above_a_raw_parent_the_layers_of_the_library_are_compared" },
	/* libvhdi, VHDX */
	{ "fixed images behind the first chunk", CV_GATE_D6, "vhdx", "d6_fixed_images_are_compared_in_the_first_chunk" },
	{ "a pending log is not applied", CV_GATE_D7, "log", "d7_an_image_with_a_pending_log_is_kept_from_the_library" },
	{ "absent blocks without a sector bitmap", CV_GATE_D8, "vhdx", "d8_d9_blocks_without_data_in_a_child_are_gated" },
	{ "zero blocks show the parent", CV_GATE_D9, "vhdx", "d8_d9_blocks_without_data_in_a_child_are_gated" },
	{ "both copies of header and region table are wanted", CV_GATE_COPIES, "vhdx",
	  "a_damaged_copy_is_hidden_from_the_library" },
	{ "a parent that was written later is refused", CV_GATE_NONE, "vhdx",
	  "a_library_that_cannot_begin_says_nothing_about_the_image" },
	/* libqcow */
	{ "zero clusters", CV_GATE_Q1, "qcow", "each_defect_is_gated_and_there" },
	{ "requests larger than a cluster", CV_GATE_Q2, "qcow", "q2_requests_stay_within_the_smallest_cluster" },
	{ "endless loop behind the end of a smaller parent", CV_GATE_Q3, "qcow", "each_defect_is_gated_and_there" },
	{ "tables of version 1 overlays", CV_GATE_Q4, "qcow", "q4_layers_above_an_overlay_of_version_1_are_compared" },
	{ "heap bytes for a cut cluster", CV_GATE_Q5, "qcow", "each_defect_is_gated_and_there" },
	{ "garbage from AES and LUKS", CV_GATE_ENCRYPTED, "qcow", "each_defect_is_gated_and_there" },
	{ "no zstd", CV_GATE_ZSTD, "qcow", "each_defect_is_gated_and_there" },
	{ "no subclusters", CV_GATE_EXTENDED_L2, "qcow", "each_defect_is_gated_and_there" },
	{ "no data files", CV_GATE_DATA_FILE, "qcow", "an_external_data_file_is_gated" },
	{ "corrupt and unknown flags, longer headers", CV_GATE_HEADER, "qcow", "each_defect_is_gated_and_there" },
	{ "256 MiB and more for each file", CV_GATE_ERROR, "qcow", "a_library_without_memory_costs_what_it_could_not_read" },
	/* both */
	{ "one format only in a chain", CV_GATE_FOREIGN, "mixed", "above_another_format_its_own_layers_are_compared" },
	{ "damaged entries are read as if they were none", CV_GATE_OWN, "mixed", "what_our_own_reader_cannot_tell_is_not_compared" },
	{ "crashes", CV_GATE_CRASH, "broken", "behind_crashes_another_process_goes_on" },
	{ "hangs", CV_GATE_HANG, "broken", "behind_a_hang_another_process_goes_on" },
	{ "and does so again and again", CV_GATE_REST, "broken", "who_crashes_too_often_is_given_up" },
};

/* Is it in the list of tests that the program runs? */
static bool runs(const char *program, const char *test)
{
	char path[128], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof path, "tests/unit/test_reader2_%s.c", program);
	f = fopen(path, "re");
	if (!f)
		fail_msg("%s is not there (tests run in the top folder of the tree)", path);
	while (!found && fgets(line, sizeof line, f)) {
		const char *at = strstr(line, test);

		found = at && at > line + 1 && at[strlen(test)] == ')' && at[-1] == '(' && at[-2] == 'T';
	}
	fclose(f);
	return found;
}

static void every_defect_has_a_test(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (!runs(rows[i].program, rows[i].test))
			fail_msg("%s: test_reader2_%s does not run %s", rows[i].defect, rows[i].program, rows[i].test);
}

static void every_row_of_the_gate_has_a_defect(void **state)
{
	(void)state;
	for (size_t id = CV_GATE_NONE + 1; id < CV_GATE_COUNT; id++) {
		bool found = false;

		for (size_t i = 0; i < CV_COUNT(rows); i++)
			found = found || rows[i].gate == id;
		if (!found)
			fail_msg("nothing shows what %s is for", cv_gate_rows[id].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_defect_has_a_test),
		cmocka_unit_test(every_row_of_the_gate_has_a_defect),
	};

	return cmocka_run_group_tests_name("reader2_defects", tests, NULL, NULL) ? 1 : 0;
}

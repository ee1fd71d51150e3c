/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The problem registry: codes that never change, a long text for each row, titles that can be rendered. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <chainview/finding.h>

/* What users, scripts and reports rely on. A row may be added here and never changed. */
static const struct { const char *code, *name; enum cv_severity severity; } promised[] = {
	{ "CV-CHN-0001", "parent-missing", CV_ERROR },
	{ "CV-CHN-0002", "parent-identity-mismatch", CV_ERROR },
	{ "CV-CHN-0003", "parent-ambiguous", CV_ERROR },
	{ "CV-CHN-0004", "parent-path-stale", CV_WARNING },
	{ "CV-CHN-0005", "parent-outside-repository", CV_WARNING },
	{ "CV-CHN-0006", "parent-external", CV_WARNING },
	{ "CV-CHN-0007", "parent-cycle", CV_ERROR },
	{ "CV-CHN-0008", "parent-smaller", CV_WARNING },
	{ "CV-CHN-0009", "parent-larger", CV_WARNING },
	{ "CV-CHN-0010", "parent-locators-disagree", CV_WARNING },
	{ "CV-CHN-0011", "parent-format-unrecorded", CV_WARNING },
	{ "CV-CHN-0012", "parent-newer-than-child", CV_INFO },
	{ "CV-CHN-0013", "parent-content-changed", CV_ERROR },
	{ "CV-CHN-0014", "duplicate-identity", CV_ERROR },
	{ "CV-CHN-0015", "visible-base-with-hidden-children", CV_ERROR },
	{ "CV-CHN-0016", "base-not-hidden", CV_WARNING },
	{ "CV-SPC-0001", "orphaned-base-copy", CV_WARNING },
	{ "CV-SPC-0002", "unreferenced-leaf", CV_WARNING },
	{ "CV-SPC-0003", "leaked-clusters", CV_WARNING },
	{ "CV-SPC-0004", "leftover-file", CV_WARNING },
	{ "CV-SPC-0005", "chain-too-deep", CV_WARNING },
	{ "CV-SPC-0006", "expected-space-exhaustion", CV_WARNING },
	{ "CV-SPC-0007", "coalescable", CV_INFO },
	{ "CV-SPC-0008", "shadowed-data", CV_INFO },
	{ "CV-SPC-0009", "unclaimed-space", CV_INFO },
	{ "CV-VHD-0001", "vhd-footer-missing", CV_ERROR },
	{ "CV-VHD-0002", "vhd-footer-copy-missing", CV_WARNING },
	{ "CV-VHD-0003", "vhd-footers-differ", CV_WARNING },
	{ "CV-VHD-0004", "vhd-footer-checksum", CV_ERROR },
	{ "CV-VHD-0005", "vhd-header-checksum", CV_ERROR },
	{ "CV-VHD-0006", "vhd-footer-killed", CV_WARNING },
	{ "CV-VHD-0007", "vhd-resize-pending", CV_ERROR },
	{ "CV-VHD-0008", "vhd-bat-out-of-range", CV_ERROR },
	{ "CV-VHD-0009", "vhd-bat-overlap", CV_ERROR },
	{ "CV-VHD-0010", "vhd-block-past-end", CV_ERROR },
	{ "CV-VHD-0011", "vhd-batmap-invalid", CV_WARNING },
	{ "CV-VHD-0012", "vhd-reserved-nonzero", CV_INFO },
	{ "CV-VHD-0013", "vhd-size-geometry", CV_INFO },
	{ "CV-VHD-0014", "vhd-identity-null", CV_WARNING },
	{ "CV-QCW-0001", "qcow2-corrupt-flag", CV_ERROR },
	{ "CV-QCW-0002", "qcow2-refcount-too-low", CV_ERROR },
	{ "CV-QCW-0003", "qcow2-refcount-zero", CV_ERROR },
	{ "CV-QCW-0004", "qcow2-table-out-of-range", CV_ERROR },
	{ "CV-QCW-0005", "qcow2-table-overlap", CV_ERROR },
	{ "CV-QCW-0006", "qcow2-entry-unaligned", CV_ERROR },
	{ "CV-QCW-0007", "qcow2-copied-flag-wrong", CV_ERROR },
	{ "CV-QCW-0008", "qcow2-backing-name-invalid", CV_ERROR },
	{ "CV-QCW-0009", "qcow2-header-invalid", CV_ERROR },
	{ "CV-QCW-0010", "qcow2-data-file-missing", CV_ERROR },
	{ "CV-QCW-0011", "qcow2-dirty", CV_WARNING },
	{ "CV-QCW-0012", "qcow2-unmapped-tail", CV_INFO },
	{ "CV-VHX-0001", "vhdx-header-invalid", CV_ERROR },
	{ "CV-VHX-0002", "vhdx-region-table-invalid", CV_ERROR },
	{ "CV-VHX-0003", "vhdx-bat-out-of-range", CV_ERROR },
	{ "CV-VHX-0004", "vhdx-bat-overlap", CV_ERROR },
	{ "CV-VHX-0005", "vhdx-metadata-invalid", CV_ERROR },
	{ "CV-VHX-0006", "vhdx-log-pending", CV_WARNING },
	{ "CV-QCO-0001", "qcow-header-invalid", CV_ERROR },
	{ "CV-QCO-0002", "qcow-table-out-of-range", CV_ERROR },
	{ "CV-REF-0001", "reference-target-missing", CV_WARNING },
	{ "CV-REF-0002", "reference-source-unreadable", CV_WARNING },
	{ "CV-REF-0003", "metadata-link-disagrees", CV_WARNING },
	{ "CV-GEN-0001", "image-truncated", CV_ERROR },
	{ "CV-GEN-0002", "image-unreadable", CV_ERROR },
	{ "CV-GEN-0003", "unsupported-feature", CV_WARNING },
	{ "CV-GEN-0004", "image-in-use", CV_INFO },
	{ "CV-GEN-0005", "operation-pending", CV_WARNING },
	{ "CV-GEN-0006", "foreign-operation-pending", CV_WARNING },
	{ "CV-GEN-0007", "hostile-value", CV_ERROR },
	{ "CV-GEN-0008", "raw-looks-like-format", CV_WARNING },
};

static void codes_names_and_severities_are_those_that_were_promised(void **state)
{
	(void)state;
	assert_int_equal(cv_problem_count, CV_COUNT(promised));
	for (size_t i = 0; i < CV_COUNT(promised); i++) {
		const struct cv_problem *p = cv_problem_find(promised[i].code);

		assert_non_null(p);
		assert_string_equal(p->code, promised[i].code);
		assert_string_equal(p->name, promised[i].name);
		assert_int_equal(p->severity, promised[i].severity);
	}
}

/* The order of the contract's list gives the numbers of chains, space and policy, references and everything else. */
static void every_problem_of_chains_and_repositories_exists_in_its_order(void **state)
{
	static const struct { const char *class, *names[20]; } lists[] = {
		{ "CHN", { "parent-missing", "parent-identity-mismatch", "parent-ambiguous", "parent-path-stale",
			   "parent-outside-repository", "parent-external", "parent-cycle", "parent-smaller", "parent-larger",
			   "parent-locators-disagree", "parent-format-unrecorded", "parent-newer-than-child",
			   "parent-content-changed", "duplicate-identity", "visible-base-with-hidden-children",
			   "base-not-hidden" } },
		{ "SPC", { "orphaned-base-copy", "unreferenced-leaf", "leaked-clusters", "leftover-file", "chain-too-deep",
			   "expected-space-exhaustion", "coalescable", "shadowed-data", "unclaimed-space" } },
		{ "REF", { "reference-target-missing", "reference-source-unreadable", "metadata-link-disagrees" } },
		{ "GEN", { "image-truncated", "image-unreadable", "unsupported-feature", "image-in-use", "operation-pending",
			   "foreign-operation-pending", "hostile-value", "raw-looks-like-format" } },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(lists); i++)
		for (unsigned k = 0; k < CV_COUNT(lists[i].names) && lists[i].names[k]; k++) {
			const struct cv_problem *p = cv_problem_find(lists[i].names[k]);
			char code[16];

			if (!p)
				fail_msg("there is no %s", lists[i].names[k]);
			snprintf(code, sizeof code, "CV-%s-%04u", lists[i].class, k + 1);
			assert_string_equal(p->code, code);
		}
}

static void repairs_belong_to_problems_and_never_to_images_in_use(void **state)
{
	struct cv_finding f = cv_finding_of(CV_VHD_FOOTER_MISSING);
	size_t count = 0;
	bool safe = false;

	(void)state;
	assert_string_equal(cv_finding_fix(&f, &safe), "restore-footer");
	assert_true(safe);
	f.advisory = true;
	assert_null(cv_finding_fix(&f, &safe));
	assert_null(cv_problem_fix(CV_GEN_IMAGE_IN_USE, &safe));
	assert_null(cv_problem_fix(CV_CHN_PARENT_CONTENT_CHANGED, &safe));
	for (size_t i = 0; i < cv_problem_count; i++) {
		const char *kind = cv_problem_fix(cv_problems[i].id, &safe);

		for (const char *at = kind; at && *at; at++)
			assert_true(islower((unsigned char)*at) || *at == '-');
		count += kind != NULL;
	}
	assert_true(count > 20);
}

static void codes_names_and_ids_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_problem_count; i++)
		for (size_t k = 0; k < i; k++) {
			assert_string_not_equal(cv_problems[i].code, cv_problems[k].code);
			assert_string_not_equal(cv_problems[i].name, cv_problems[k].name);
			assert_int_not_equal(cv_problems[i].id, cv_problems[k].id);
		}
}

static void ids_hold_class_and_number(void **state)
{
	(void)state;
	assert_int_equal(CV_VHD_FOOTER_CHECKSUM, CV_CLASS_VHD * 10000 + 4);
	for (size_t i = 0; i < cv_problem_count; i++) {
		const struct cv_problem *p = &cv_problems[i];

		assert_int_equal(strtol(p->code + 7, NULL, 10), p->id % 10000);
		assert_in_range(p->id % 10000, 1, 99);
		assert_ptr_equal(cv_problem_by_id(p->id), p);
	}
	assert_null(cv_problem_by_id(CV_NO_PROBLEM));
}

static void problems_are_found_by_name_or_code_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(cv_problem_find("CV-VHD-0004")->id, CV_VHD_FOOTER_CHECKSUM);
	assert_int_equal(cv_problem_find("cv-vhd-0004")->id, CV_VHD_FOOTER_CHECKSUM);
	assert_int_equal(cv_problem_find("Parent-Missing")->id, CV_CHN_PARENT_MISSING);
	assert_null(cv_problem_find("parent"));
	assert_null(cv_problem_find(""));
	assert_null(cv_problem_find("CV-VHD-9999"));
}

/* Two to four paragraphs, each of whole sentences. */
static void every_problem_is_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_problem_count; i++) {
		const char *at = cv_problems[i].explanation;
		unsigned paragraphs = 0;

		while (*at) {
			const char *end = strstr(at, "\n\n");
			size_t len = end ? (size_t)(end - at) : strlen(at);

			assert_true(len > 20);
			assert_true(isalpha((unsigned char)at[0]));
			assert_int_equal(at[len - 1], '.');
			assert_null(memchr(at, '\n', len));
			assert_true(cv_utf8_valid((struct cv_bytes){ at, len }));
			for (size_t k = 1; k < len; k++)
				assert_false(at[k] == ' ' && at[k - 1] == ' ');
			paragraphs++;
			at += len + (end ? 2 : 0);
		}
		if (paragraphs < 2 || paragraphs > 4)
			print_error("%s\n", cv_problems[i].name);
		assert_in_range(paragraphs, 2, 4);
	}
}

/* How many arguments a title takes; fails the test if a placeholder is none or one number is left out. */
static unsigned placeholders(const char *title)
{
	static const char *const forms[] = { "}", ":x}", ":size}", ":time}" };
	bool used[CV_FINDING_ARGS] = { false };
	unsigned count = 0;

	for (const char *at = strchr(title, '{'); at; at = strchr(at + 1, '{')) {
		bool known = false;

		assert_in_range(at[1], '0', '0' + CV_FINDING_ARGS - 1);
		used[at[1] - '0'] = true;
		for (size_t k = 0; k < CV_COUNT(forms); k++)
			known |= !strncmp(at + 2, forms[k], strlen(forms[k]));
		assert_true(known);
	}
	for (unsigned i = 0; i < CV_FINDING_ARGS; i++) {
		assert_true(!used[i] || count == i);
		count += used[i];
	}
	return count;
}

static void every_title_renders_with_numbers_and_with_hostile_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < cv_problem_count; i++) {
		unsigned count = placeholders(cv_problems[i].title);

		for (int text = 0; text < 2; text++) {
			struct cv_finding f = cv_finding_of(cv_problems[i].id);
			struct cv_text out = { 0 };

			for (unsigned k = 0; k < count; k++)
				f.arg[k] = text ? cv_arg_text("\033[31m{0}\n\xff") : cv_arg_number(UINT64_MAX);
			cv_finding_title(&out, &f);
			assert_false(out.failed);
			assert_true(out.len > 0);
			for (size_t k = 0; k < out.len; k++)
				assert_in_range((unsigned char)out.at[k], 0x20, 0x7e);
			assert_int_equal(f.severity, cv_problems[i].severity);
			assert_true(text || !strchr(cv_text_str(&out), '{'));
			cv_text_fini(&out);
		}
	}
}

static void arguments_have_the_look_that_the_title_asks_for(void **state)
{
	struct cv_finding f = cv_finding_of(CV_VHD_FOOTER_CHECKSUM);
	struct cv_text out = { 0 };

	(void)state;
	f.arg[0] = cv_arg_number(0xdead);
	f.arg[1] = cv_arg_number(1);
	f.arg[2] = cv_arg_text("the footer at the end");
	cv_finding_title(&out, &f);
	assert_string_equal(cv_text_str(&out), "the footer at the end: checksum is 0xdead, its bytes sum to 0x1");
	cv_text_clear(&out);

	f = cv_finding_of(CV_CHN_PARENT_SMALLER);
	f.arg[0] = cv_arg_text("a\tb");
	f.arg[1] = cv_arg_number(512);
	f.arg[2] = cv_arg_number(3ull << 30);
	cv_finding_title(&out, &f);
	assert_string_equal(cv_text_str(&out), "parent a\\x09b is 512, this image is 3G");
	cv_text_clear(&out);

	/* an argument that was left out shows as nothing */
	f = cv_finding_of(CV_VHD_RESIZE_PENDING);
	cv_finding_title(&out, &f);
	assert_string_equal(cv_text_str(&out), "a resize was interrupted: the footer is disabled");
	cv_text_clear(&out);

	f.id = CV_NO_PROBLEM;
	cv_finding_title(&out, &f);
	assert_string_equal(cv_text_str(&out), "unknown problem");
	cv_text_fini(&out);
}

static void severities_have_names_and_letters(void **state)
{
	(void)state;
	assert_string_equal(cv_severity_name(CV_ERROR), "error");
	assert_string_equal(cv_severity_name(CV_WARNING), "warning");
	assert_string_equal(cv_severity_name(CV_INFO), "info");
	assert_int_equal(cv_severity_letter(CV_ERROR), 'E');
	assert_int_equal(cv_severity_letter(CV_WARNING), 'W');
	assert_int_equal(cv_severity_letter(CV_INFO), 'i');
	assert_true(CV_INFO < CV_WARNING && CV_WARNING < CV_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_names_and_severities_are_those_that_were_promised),
		cmocka_unit_test(every_problem_of_chains_and_repositories_exists_in_its_order),
		cmocka_unit_test(repairs_belong_to_problems_and_never_to_images_in_use),
		cmocka_unit_test(codes_names_and_ids_are_unique),
		cmocka_unit_test(ids_hold_class_and_number),
		cmocka_unit_test(problems_are_found_by_name_or_code_in_any_case),
		cmocka_unit_test(every_problem_is_explained),
		cmocka_unit_test(every_title_renders_with_numbers_and_with_hostile_text),
		cmocka_unit_test(arguments_have_the_look_that_the_title_asks_for),
		cmocka_unit_test(severities_have_names_and_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

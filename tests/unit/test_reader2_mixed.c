/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Chains of several formats, and damaged tables: what the library cannot be asked, and what it must not be. */
#include "tests/unit/test_reader2.h"
#include "tests/support/run.h"

#define MIB (UINT64_C(1) << 20)

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

static void run_script(const char *script)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };
	const char *const argv[] = { "sh", "-ec", script, NULL };

	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io")) {
		puts("skipped: qemu-img and qemu-io are not installed");
		skip();
	}
	if (cv_test_run(folder, &said, true, argv))
		fail_msg("%s\n%s", script, cv_text_str(&said));
}

static const struct {
	const char *format, *name;
	enum cv_format_id id;
} bases[] = {
	{ "vpc -o force_size=on", "vhd", CV_FORMAT_VHD },
	{ "vhdx", "vhdx", CV_FORMAT_VHDX },
};

static void above_another_format_its_own_layers_are_compared(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(bases); i++) {
		struct files f = { folder, 3, { { "top", CV_FORMAT_QCOW2, NULL }, { "middle", CV_FORMAT_QCOW2, NULL },
						{ "base", bases[i].id, NULL } } };
		const char *driver = i ? "vhdx" : "vpc";
		char script[800];
		struct answer a;

		snprintf(script, sizeof script,
			 "rm -f *; head -c 8M /dev/urandom > raw; qemu-img convert -f raw -O %s raw base; "
			 "qemu-img create -q -f qcow2 -b base -F %s middle; qemu-io -f qcow2 -c 'write -P 3 1M 1M' middle; "
			 "qemu-img create -q -f qcow2 -b middle -F qcow2 top; qemu-io -f qcow2 -c 'write -P 4 4M 2M' top",
			 bases[i].format, driver);
		run_script(script);
		assert_true(assert_agrees(&f, &a, bases[i].name) == 3 * MIB);
		assert_true(a.checked.gated[CV_GATE_FOREIGN] == 5 * MIB);
		/* the base by itself is compared altogether */
		f = (struct files){ folder, 1, { { "base", bases[i].id, NULL } } };
		assert_true(assert_agrees(&f, &a, bases[i].name) == 8 * MIB);
	}
}

/* What each library makes of a table entry that cannot be true: an error, or an answer that is worth nothing. */
static const struct {
	const char *what, *script;
	enum cv_format_id format;
	uint64_t lost;               /* bytes that the entry stands for */
} entries[] = {
	{ "behind the end of the file", "printf '\\200\\377\\377\\377\\377\\377\\000\\000'", CV_FORMAT_QCOW2, 64 << 10 },
	{ "not at the start of a cluster", "printf '\\200\\000\\000\\000\\000\\005\\002\\000'", CV_FORMAT_QCOW2, 64 << 10 },
	{ "a block behind the end", "printf '\\077\\000\\000\\000'", CV_FORMAT_VHD, 2 * MIB },
};

static void what_our_own_reader_cannot_tell_is_not_compared(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(entries); i++) {
		bool vhd = entries[i].format == CV_FORMAT_VHD;
		struct files f = { folder, 1, { { "image", entries[i].format, NULL } } };
		char script[600];
		struct answer a;

		snprintf(script, sizeof script,
			 "rm -f *; qemu-img create -q -f %s image 8M; qemu-io -f %s -c 'write -P 5 0 8M' image; "
			 "%s | dd of=image bs=1 seek=%d conv=notrunc status=none",
			 vhd ? "vpc -o force_size=on" : "qcow2", vhd ? "vpc" : "qcow2", entries[i].script,
			 vhd ? 1536 : 4 << 16);
		run_script(script);
		assert_true(assert_agrees(&f, &a, entries[i].what) == 8 * MIB - entries[i].lost);
		assert_true(a.checked.gated[CV_GATE_OWN] == entries[i].lost);
		a = run_task(&f, cv_digest_task);
		assert_int_equal(a.state, CV_TASK_FAILED);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		T(above_another_format_its_own_layers_are_compared),
		T(what_our_own_reader_cannot_tell_is_not_compared),
	};

	return cmocka_run_group_tests_name("reader2_mixed", tests, NULL, NULL) ? 1 : 0;
}

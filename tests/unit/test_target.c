/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What holds for targets of all formats: a failing call is an error and nothing more, the same options with the same
 * disk give the same bytes, what overhead() promises holds for any number of blocks.
 */
#include "test_target.h"
#include "tests/support/run.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"
#include "tests/support/tables.h"

#define MIB UINT64_C(1048576)

static const struct row {
	const char *name;
	enum cv_format_id format;
	struct cv_target_options options;
} rows[] = {
	{ "raw", CV_FORMAT_RAW, { .size = 300 * 1024 + 7 * 512 } },
	{ "raw-falloc", CV_FORMAT_RAW, { .size = MIB, .preallocation = CV_PREALLOCATE_FALLOC } },
	{ "raw-full", CV_FORMAT_RAW, { .size = MIB, .preallocation = CV_PREALLOCATE_FULL } },
	{ "qcow2", CV_FORMAT_QCOW2, { .size = 300 * 1024 + 7 * 512, .block_size = 4096 } },
	{ "qcow2-v2", CV_FORMAT_QCOW2, { .size = MIB, .compat_v2 = true } },
	{ "qcow2-zlib", CV_FORMAT_QCOW2, { .size = 300 * 1024 + 512, .block_size = 4096, .compress = true } },
	{ "qcow2-zstd", CV_FORMAT_QCOW2, { .size = 300 * 1024, .block_size = 512, .compress = true, .zstd = true } },
	{ "qcow2-metadata", CV_FORMAT_QCOW2,
	  { .size = MIB, .block_size = 4096, .preallocation = CV_PREALLOCATE_METADATA } },
	{ "qcow2-full", CV_FORMAT_QCOW2, { .size = MIB, .block_size = 4096, .preallocation = CV_PREALLOCATE_FULL } },
	{ "vhd", CV_FORMAT_VHD, { .size = MIB + 512, .block_size = 65536 } },
	{ "vhd-fixed", CV_FORMAT_VHD, { .size = MIB + 512, .fixed = true } },
	{ "vhd-full", CV_FORMAT_VHD, { .size = MIB, .fixed = true, .preallocation = CV_PREALLOCATE_FULL } },
	{ "vhdx", CV_FORMAT_VHDX, { .size = 3 * MIB + 512, .block_size = 1 << 20 } },
	{ "vhdx-fixed", CV_FORMAT_VHDX, { .size = 2 * MIB, .block_size = 1 << 20, .fixed = true } },
	{ "vhdx-falloc", CV_FORMAT_VHDX,
	  { .size = 2 * MIB, .block_size = 1 << 20, .fixed = true, .preallocation = CV_PREALLOCATE_FALLOC } },
};

/* On a disk of its own, of which the call with this number fails; 0: none does. */
static bool write_on_sim(const struct row *row, const struct disk *d, uint64_t fail_at, int error, struct sim **disk,
			 struct cv_err *err)
{
	struct cv_target_options options = row->options;
	struct sim *s = sim_new();
	int root = sim_root(s);
	struct cv_file_out out;
	struct most most;
	bool ok;

	for (int i = 0; i < 4; i++)
		options.uuids[i][3] = (uint8_t)(i + 1);
	assert_true(cv_out_create(&out, &s->io, root, row->name, err));
	s->fail_at = fail_at ? s->calls + fail_at : 0;
	s->fail_errno = error;
	ok = write_disk(&out, row->format, &options, d, &most, err);
	assert_true(ok == (err->code == CV_OK));
	s->fail_at = fail_at && !s->failed ? UINT64_MAX : 0;
	s->io.close(&s->io, out.fd);
	s->io.close(&s->io, root);
	*disk = s;
	return ok;
}

static void each_call_that_fails_is_an_error(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	unsigned calls = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows) * 2; i++) {
		const struct row *row = &rows[i / 2];
		struct disk d;

		random_disk(&d, row->options.size, (uint32_t)i);
		for (uint64_t n = 1;; n++) {
			struct cv_err err = { CV_OK };
			struct sim *s;
			bool ok = write_on_sim(row, &d, n, errors[i % 2], &s, &err);
			bool failed = s->failed;

			sim_free(s);
			if (!failed)
				assert_true(ok);
			else if (ok || err.os_errno != errors[i % 2])
				fail_msg("%s, call %" PRIu64 ": %s", row->name, n, err.text);
			calls++;
			if (!failed)
				break;
		}
	}
	print_message("%u calls failed\n", calls);
	assert_true(calls > 500);
}

/* A file that is not complete is no image of the format. */
static void what_was_not_ended_is_no_image(void **state)
{
	char *folder = cv_test_folder(), path[512];
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = { CV_OK };
		struct cv_source *source;
		struct sim *s;
		struct disk d;
		uint64_t last;

		if (rows[i].format == CV_FORMAT_RAW)
			continue;
		random_disk(&d, rows[i].options.size, 6);
		assert_true(write_on_sim(&rows[i], &d, 0, 0, &s, &err));
		last = s->calls - 3;             /* without create and two closes */
		if (rows[i].format == CV_FORMAT_VHD && !rows[i].options.fixed)
			last--;                  /* it has two footers */
		sim_free(s);
		if (rows[i].options.preallocation && rows[i].format != CV_FORMAT_VHDX)
			continue;                /* the header is written before the space is set aside */
		assert_false(write_on_sim(&rows[i], &d, last, EIO, &s, &err));
		assert_true(sim_export(s, rows[i].name, dir, rows[i].name));
		sim_free(s);
		snprintf(path, sizeof path, "%s/%s", folder, rows[i].name);
		source = open_file(path);
		if (cv_format_probe(source) == cv_format_by_id(rows[i].format))
			fail_msg("%s looks like an image", rows[i].name);
		cv_source_close(source);
	}
	close(dir);
	cv_test_folder_remove(folder);
}

static void the_same_options_give_the_same_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = { CV_OK };
		struct sim *s[2];
		struct disk d;

		random_disk(&d, rows[i].options.size, (uint32_t)i + 70);
		for (int k = 0; k < 2; k++) {
			assert_true(write_on_sim(&rows[i], &d, 0, 0, &s[k], &err));
			sim_settle(s[k]);
		}
		assert_true(sim_hash(s[0]) == sim_hash(s[1]));
		sim_free(s[0]);
		sim_free(s[1]);
	}
}

static void raw_disks_are_what_they_hold(void **state)
{
	char *folder = cv_test_folder(), path[512];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct disk d;

		random_disk(&d, rows[i].options.size, (uint32_t)i);
		snprintf(path, sizeof path, "%s/%s", folder, rows[i].name);
		make_image(folder, rows[i].name, CV_FORMAT_RAW, &rows[i].options, &d);
		read_back(path, CV_FORMAT_RAW, &d);
	}
	cv_test_folder_remove(folder);
}

/* For any number of blocks, up to all of them. */
static void overhead_never_shrinks_and_holds_for_full_disks(void **state)
{
	char *folder = cv_test_folder(), path[512];

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = { CV_OK };
		struct cv_target t;
		uint64_t units, before = 0;
		struct disk d = { .size = rows[i].options.size };

		assert_true(cv_target_begin(&t, rows[i].format, &rows[i].options, NULL, &err));
		units = (d.size + t.unit - 1) / t.unit;
		for (uint64_t n = 0; n <= units; n++) {
			uint64_t now = t.format->overhead(&t, n);

			assert_true(now >= before);
			before = now;
		}
		cv_target_fini(&t);
		add_range(&d, 0, d.size);
		make_image(folder, "x", rows[i].format, &rows[i].options, &d);
		snprintf(path, sizeof path, "%s/x", folder);
		unlink(path);
	}
	cv_test_folder_remove(folder);
}

static void formats_that_are_not_written_are_refused(void **state)
{
	struct cv_err err = { CV_OK };
	struct cv_target t;

	(void)state;
	assert_false(cv_target_begin(&t, CV_FORMAT_QCOW, &(struct cv_target_options){ .size = MIB }, NULL, &err));
	assert_int_equal(err.code, CV_EUSAGE);
	cv_target_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_that_fails_is_an_error),
		cmocka_unit_test(what_was_not_ended_is_no_image),
		cmocka_unit_test(the_same_options_give_the_same_bytes),
		cmocka_unit_test(raw_disks_are_what_they_hold),
		cmocka_unit_test(overhead_never_shrinks_and_holds_for_full_disks),
		cmocka_unit_test(formats_that_are_not_written_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

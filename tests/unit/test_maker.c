/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The encoders of repair/vhd and repair/qcow2, judged by qemu-img and vhdiinfo and by what vhd-util writes. */
#include "repair/sample/maker.h"
#include "repair/vhd/encode.h"
#include "tests/support/run.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char *make(const char *text)
{
	char *folder = cv_test_folder();
	int root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cv_err err = { CV_OK };

	assert_true(root >= 0);
	if (!cv_maker_run(&cv_io_real, root, "test", text, &err))
		fail_msg("%s", err.text);
	close(root);
	return folder;
}

static void need(const char *program)
{
	if (cv_test_has(program))
		return;
	print_message("%s is not installed\n", program);
	skip();
}

static size_t read_file(const char *folder, const char *name, uint64_t off, void *buf, size_t len)
{
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n = pread(fd, buf, len, (off_t)off);

	assert_true(fd >= 0 && n >= 0);
	close(fd);
	close(dir);
	return (size_t)n;
}

static void geometry_and_size_follow_the_habits_of_each_creator(void **state)
{
	/* Sizes as vhd-util, qemu-img 7.2 and vhd-lib gave them. */
	static const struct {
		const char *creator;
		uint64_t asked, size;
		uint32_t cylinders, heads, sectors;
	} rows[] = {
		{ "tap", 3000000, 4194304, 120, 4, 17 },          { "tap", 10485760, 10485760, 301, 4, 17 },
		{ "qemu", 8388608, 8390656, 241, 4, 17 },         { "qemu", 104857600, 104865792, 1004, 12, 17 },
		{ "qemu", 1073741824, 1073995776, 2081, 16, 63 }, { "qem2", 8388608, 8388608, 65535, 16, 255 },
		{ "win", 12582912, 12582912, 361, 4, 17 },        { "vpc", 8388608, 8390656, 241, 4, 17 },
		{ "xo", 1073741824, 1073995776, 2081, 16, 63 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct cv_vhd_creator *c = cv_vhd_creator_find(rows[i].creator);
		uint64_t size = cv_vhd_size_for(c, rows[i].asked);
		struct cv_vhd_geometry g = cv_vhd_geometry_for(c, size);

		assert_int_equal(size, rows[i].size);
		assert_int_equal(g.cylinders, rows[i].cylinders);
		assert_int_equal(g.heads, rows[i].heads);
		assert_int_equal(g.sectors, rows[i].sectors);
	}
}

/* What vhd-util wrote for "snapshot" of mid.vhd, apart from times and identities. */
static void a_leaf_is_laid_out_as_vhd_util_does_it(void **state)
{
	static const char recipe[] = "vhd mid.vhd dynamic size=10M time=2026-11-20T23:46:20Z\n"
				     "vhd leaf.vhd parent=mid.vhd time=2026-11-20T23:46:20Z\n";
	static const struct {
		unsigned off, len;
		const char *bytes;
	} rows[] = {
		{ 0, 24, "conectix\0\0\0\2\0\1\0\0\0\0\0\0\0\0\2\0" },
		{ 28, 32, "tap\0\0\1\0\3\0\0\0\0\0\0\0\0\0\xa0\0\0\0\0\0\0\0\xa0\0\0\1\x2d\4\x11" },
		{ 60, 4, "\0\0\0\4" },
		{ 512, 36, "cxsparse\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\6\0\0\1\0\0\0\0\0\5\0\x20\0\0" },
		{ 576, 16, "\0m\0i\0d\0.\0v\0h\0d\0" },
		{ 1088, 24, "MacX\0\0\2\0\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\x0c\0" },
		{ 1112, 24, "W2ku\0\0\2\0\0\0\0\x12\0\0\0\0\0\0\0\0\0\0\x0e\0" },
		{ 1136, 24, "W2ru\0\0\2\0\0\0\0\x12\0\0\0\0\0\0\0\0\0\0\x10\0" },
		{ 1536, 24,
		  "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0" },
		{ 2048, 32, "tdbatmap\0\0\0\0\0\0\x0a\0\0\0\0\1\0\1\0\2\xff\xff\xff\xff\0\0\0\0" },
		{ 3072, 17, "file://./mid.vhd" },
		{ 3584, 20, ".\0\\\0m\0i\0d\0.\0v\0h\0d\0\0\0" },
		{ 4096, 20, ".\0\\\0m\0i\0d\0.\0v\0h\0d\0\0\0" },
		{ 4608, 24, "conectix\0\0\0\2\0\1\0\0\0\0\0\0\0\0\2\0" },
	};
	char *folder = make(recipe);
	uint8_t bytes[8192];

	(void)state;
	assert_int_equal(read_file(folder, "leaf.vhd", 0, bytes, sizeof bytes), 5120);
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		assert_memory_equal(bytes + rows[i].off, rows[i].bytes, rows[i].len);
	assert_memory_equal(bytes, bytes + 4608, 512);
	cv_test_folder_remove(folder);
}

/* The BAT that vhd-util gave to a full disk of 10 MiB: data on pages. */
static void blocks_of_tap_lie_where_vhd_util_puts_them(void **state)
{
	static const uint32_t expected[] = { 7, 4111, 8215, 12319, 16423 };
	char *folder =
		make("vhd a.vhd dynamic size=10M blocks=0-4\nvhd b.vhd dynamic size=10M creator=win blocks=0-1\n");
	cv_be32 bat[5];

	(void)state;
	read_file(folder, "a.vhd", 1536, bat, sizeof bat);
	for (size_t i = 0; i < CV_COUNT(expected); i++)
		assert_int_equal(cv_be32_get(bat[i]), expected[i]);
	read_file(folder, "b.vhd", 1536, bat, sizeof bat);
	assert_int_equal(cv_be32_get(bat[0]), 4);
	assert_int_equal(cv_be32_get(bat[1]), 4 + 4097);
	cv_test_folder_remove(folder);
}

static void sector_bitmaps_say_which_sectors_are_there(void **state)
{
	char *folder = make("vhd a.vhd dynamic size=10M hidden\nvhd b.vhd parent=a.vhd blocks=1 sectors=11\n"
			    "vhd c.vhd parent=a.vhd blocks=2\n");
	uint8_t bitmap[512], map;
	cv_be32 bat[5];

	(void)state;
	read_file(folder, "b.vhd", 1536, bat, sizeof bat);
	read_file(folder, "b.vhd", (uint64_t)cv_be32_get(bat[1]) * 512, bitmap, sizeof bitmap);
	assert_int_equal(bitmap[0], 0xff);
	assert_int_equal(bitmap[1], 0xe0);
	assert_int_equal(bitmap[2], 0);
	read_file(folder, "b.vhd", 2560, &map, 1);
	assert_int_equal(map, 0);
	read_file(folder, "c.vhd", 2560, &map, 1);
	assert_int_equal(map, 0x20);
	cv_test_folder_remove(folder);
}

static void new_images_have_holes_where_there_are_no_data(void **state)
{
	char *folder = make("vhd a.vhd dynamic size=1G blocks=0-9\nqcow2 b.qcow2 cluster=2M size=1G blocks=0-9\n"
			    "vhd c.vhd fixed size=1G blocks=0,400\nraw d.raw size=1G blocks=5\n");
	static const char *const names[] = { "a.vhd", "b.qcow2", "c.vhd", "d.raw" };
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		struct stat st;

		assert_int_equal(fstatat(dir, names[i], &st, 0), 0);
		assert_true(st.st_size > 20 << 20);
		assert_true(st.st_blocks * 512 < 1 << 20);
	}
	close(dir);
	cv_test_folder_remove(folder);
}

/* In the same folder, because QEMU takes a data file's name from where it runs. */
static void check_clean(const char *folder, const char *name)
{
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	int status = cv_test_run(folder, &out, true, (const char *const[]){ "qemu-img", "check", name, NULL });

	if (status || !strstr(cv_text_str(&out), "No errors were found"))
		fail_msg("%s: %s", name, cv_text_str(&out));
}

static void qemu_finds_nothing_wrong_in_any_qcow2(void **state)
{
	static const char *const options[] = {
		"size=1M",
		"size=64K",
		"size=1G blocks=0-9,16383",
		"version=2 size=1G blocks=0-9,16383",
		"cluster=512 size=8M blocks=0-999,16383 snapshot=a blocks=0-99 snapshot=b",
		"cluster=2M size=100G blocks=0,51199",
		"cluster=1K refcount-bits=64 size=4M blocks=0-4095",
		"cluster=512 refcount-bits=1 size=16M blocks=0-32767",
		"refcount-bits=2 size=1G blocks=0-50 snapshot=a",
		"refcount-bits=4 size=1G blocks=0-50 snapshot=a blocks=3 snapshot=b zeros=4",
		"refcount-bits=8 size=1G blocks=0-50 snapshot=a",
		"refcount-bits=32 size=1G blocks=0-50 snapshot=a",
		"size=1G zeros=0-9 blocks=5 zeros=5",
		"size=1G lazy-refcounts blocks=1",
		"size=1G bitmap=b0 bitmap=b1 granularity=512 blocks=1",
		"cluster=512 size=4M bitmap=b0 granularity=512",
		"size=1G vm-state=300K blocks=0-3 snapshot=a blocks=1 snapshot=b blocks=2",
		"cluster=512 size=1M vm-state=70K blocks=7 snapshot=a blocks=8",
		"size=1G hidden blocks=1",
		"size=1G visible no-feature-names blocks=1",
		"size=64M data-file=data.raw data-file-raw blocks=0-5",
		"size=64M data-file=data.raw blocks=0,9",
	};

	(void)state;
	need("qemu-img");
	for (size_t i = 0; i < CV_COUNT(options); i++) {
		CV_AUTO(cv_text_fini) struct cv_text recipe = { 0 };
		char *folder;

		cv_text_addf(&recipe, "qcow2 disk.qcow2 %s\n", options[i]);
		folder = make(cv_text_str(&recipe));
		check_clean(folder, "disk.qcow2");
		cv_test_folder_remove(folder);
	}
}

static void qemu_reads_back_what_the_header_says(void **state)
{
	static const char recipe[] =
		"raw base.raw size=32M\n"
		"qcow2 a.qcow2 parent=base.raw parent-format=raw cluster=4K refcount-bits=8 lazy-refcounts\n"
		"qcow2 b.qcow2 version=2 size=1G vm-state=128K blocks=0 snapshot=before-upgrade\n"
		"qcow2 c.qcow2 size=1G bitmap=nightly granularity=128K\n";
	static const struct {
		const char *name, *says;
	} rows[] = {
		{ "a.qcow2", "\"virtual-size\": 33554432" },
		{ "a.qcow2", "\"cluster-size\": 4096" },
		{ "a.qcow2", "\"refcount-bits\": 8" },
		{ "a.qcow2", "\"lazy-refcounts\": true" },
		{ "a.qcow2", "\"backing-filename\": \"base.raw\"" },
		{ "a.qcow2", "\"backing-filename-format\": \"raw\"" },
		{ "b.qcow2", "\"compat\": \"0.10\"" },
		{ "b.qcow2", "\"name\": \"before-upgrade\"" },
		{ "b.qcow2", "\"vm-state-size\": 131072" },
		{ "c.qcow2", "\"name\": \"nightly\"" },
		{ "c.qcow2", "\"granularity\": 131072" },
	};
	char *folder;

	(void)state;
	need("qemu-img");
	folder = make(recipe);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		CV_AUTO(cv_text_fini) struct cv_text out = { 0 };

		assert_int_equal(cv_test_do(folder, &out, "qemu-img", "info", "--output=json", rows[i].name), 0);
		if (!strstr(cv_text_str(&out), rows[i].says))
			fail_msg("%s does not have %s: %s", rows[i].name, rows[i].says, cv_text_str(&out));
	}
	cv_test_folder_remove(folder);
}

/* The first bytes of a block in a raw file are this round of the image's pattern. */
static void holds(const char *folder, const char *raw, const char *image, uint64_t block, uint64_t block_size,
		  unsigned round)
{
	uint8_t is[4096], should[4096] = { 0 };

	if (round)
		cv_sample_pattern(image, block, round, should, sizeof should);
	assert_int_equal(read_file(folder, raw, block * block_size, is, sizeof is), sizeof is);
	assert_memory_equal(is, should, sizeof is);
}

static void qemu_sees_the_data_of_each_snapshot(void **state)
{
	char *folder;

	(void)state;
	need("qemu-img");
	folder = make("qcow2 q size=2M cluster=64K blocks=0-3 snapshot=one blocks=1 zeros=2 snapshot=two blocks=3,9\n");
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-O", "raw", "q", "now"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-l", "one", "-O", "raw", "q", "one"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-l", "two", "-O", "raw", "q", "two"), 0);
	for (uint64_t n = 0; n < 4; n++) {
		static const unsigned one[] = { 1, 1, 1, 1 }, two[] = { 1, 2, 0, 1 }, now[] = { 1, 2, 0, 3 };

		holds(folder, "one", "q", n, 65536, one[n]);
		holds(folder, "two", "q", n, 65536, two[n]);
		holds(folder, "now", "q", n, 65536, now[n]);
	}
	holds(folder, "now", "q", 9, 65536, 3);
	holds(folder, "two", "q", 9, 65536, 0);
	cv_test_folder_remove(folder);
}

static void qemu_sees_the_data_of_vhds(void **state)
{
	static const char *const kinds[] = {
		"dynamic creator=tap", "dynamic creator=qem2", "dynamic creator=win", "dynamic creator=qemu",
		"dynamic creator=vpc", "fixed creator=win",    "fixed creator=qem2",  "dynamic creator=win block=512K",
	};

	(void)state;
	need("qemu-img");
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		uint64_t block = strstr(kinds[i], "512K") ? 524288 : 2097152;
		CV_AUTO(cv_text_fini) struct cv_text recipe = { 0 };
		char *folder;

		cv_text_addf(&recipe, "vhd v size=10M blocks=0,3 %s\n", kinds[i]);
		folder = make(cv_text_str(&recipe));
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", "vpc", "-O", "raw", "v", "raw"),
				 0);
		holds(folder, "raw", "v", 0, block, 1);
		holds(folder, "raw", "v", 1, block, 0);
		holds(folder, "raw", "v", 3, block, 1);
		cv_test_folder_remove(folder);
	}
}

/* Byte by byte what qemu-img makes, given its time and identity. */
static void an_empty_vhd_is_the_one_that_qemu_makes(void **state)
{
	static const struct {
		const char *creator, *option;
	} rows[] = { { "qemu", "force_size=off" }, { "qem2", "force_size=on" } };
	char *folder;

	(void)state;
	need("qemu-img");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		CV_AUTO(cv_text_fini) struct cv_text recipe = { 0 };
		struct vhd_footer_disk theirs;
		char *made;

		folder = cv_test_folder();
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o", rows[i].option,
					    "theirs", "100M"),
				 0);
		read_file(folder, "theirs", 0, &theirs, sizeof theirs);
		cv_text_addf(&recipe, "vhd ours dynamic size=100M creator=%s time=%s uuid=%s\n", rows[i].creator,
			     cv_time_utc(VHD_EPOCH + cv_be32_get(theirs.timestamp)).s, cv_uuid_str(theirs.uuid).s);
		made = make(cv_text_str(&recipe));
		cv_text_clear(&recipe);
		cv_text_addf(&recipe, "%s/ours", made);
		assert_int_equal(cv_test_do(folder, NULL, "cmp", "theirs", cv_text_str(&recipe)), 0);
		cv_test_folder_remove(made);
		cv_test_folder_remove(folder);
	}
}

static void vhdiinfo_sees_identity_parent_and_size(void **state)
{
	static const char recipe[] =
		"vhd base.vhd dynamic size=12M hidden uuid=11111111-2222-4333-8444-555555555555\n"
		"vhd leaf.vhd parent=base.vhd uuid=99999999-2222-4333-8444-555555555555 blocks=0\n";
	static const char *const says[] = {
		"Differential",
		"12582912 bytes",
		"99999999-2222-4333-8444-555555555555",
		"11111111-2222-4333-8444-555555555555",
		"base.vhd",
	};
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	char *folder;

	(void)state;
	need("vhdiinfo");
	folder = make(recipe);
	assert_int_equal(cv_test_do(folder, &out, "vhdiinfo", "leaf.vhd"), 0);
	for (size_t i = 0; i < CV_COUNT(says); i++)
		if (!strstr(cv_text_str(&out), says[i]))
			fail_msg("no %s in %s", says[i], cv_text_str(&out));
	cv_test_folder_remove(folder);
}

static void qemu_finds_nothing_wrong_in_vhdx(void **state)
{
	char *folder;

	(void)state;
	need("qemu-img");
	folder = make("vhdx disk.vhdx size=64M\nqcow old.qcow size=64M\nqcow over.qcow size=64M parent=old.qcow\n");
	check_clean(folder, "disk.vhdx");
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "info", "old.qcow"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "map", "over.qcow"), 0);
	cv_test_folder_remove(folder);
}

static void seal_and_set_leave_checksums_that_fit(void **state)
{
	char *folder = make("vhd a.vhd dynamic size=10M blocks=0\npoke a.vhd header+60 01\npoke a.vhd map 80\n"
			    "poke a.vhd footer-copy+90 01\nseal a.vhd\nset a.vhd hidden=1 footer.saved=1\n");
	struct vhd_footer end = { .where = { 0, 512 } }, copy = { .where = { 0, 512 } };
	struct vhd_header header;
	struct stat st;
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(fstatat(dir, "a.vhd", &st, 0), 0);
	close(dir);
	read_file(folder, "a.vhd", 0, &copy.disk, sizeof copy.disk);
	read_file(folder, "a.vhd", (uint64_t)st.st_size - 512, &end.disk, sizeof end.disk);
	read_file(folder, "a.vhd", 512, &header.disk, sizeof header.disk);
	cv_vhd_footer_decode(&copy);
	cv_vhd_footer_decode(&end);
	cv_vhd_header_decode(&header);
	assert_true(copy.sums && end.sums && header.sums);
	assert_int_equal(copy.disk.hidden, 1);
	assert_int_equal(end.disk.hidden, 1);
	assert_int_equal(copy.disk.saved, 0);
	assert_int_equal(end.disk.saved, 1);
	assert_int_equal(copy.disk.reserved[90 - 86], 1);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(geometry_and_size_follow_the_habits_of_each_creator),
		cmocka_unit_test(a_leaf_is_laid_out_as_vhd_util_does_it),
		cmocka_unit_test(blocks_of_tap_lie_where_vhd_util_puts_them),
		cmocka_unit_test(sector_bitmaps_say_which_sectors_are_there),
		cmocka_unit_test(new_images_have_holes_where_there_are_no_data),
		cmocka_unit_test(qemu_finds_nothing_wrong_in_any_qcow2),
		cmocka_unit_test(qemu_reads_back_what_the_header_says),
		cmocka_unit_test(qemu_sees_the_data_of_each_snapshot),
		cmocka_unit_test(qemu_sees_the_data_of_vhds),
		cmocka_unit_test(an_empty_vhd_is_the_one_that_qemu_makes),
		cmocka_unit_test(vhdiinfo_sees_identity_parent_and_size),
		cmocka_unit_test(qemu_finds_nothing_wrong_in_vhdx),
		cmocka_unit_test(seal_and_set_leave_checksums_that_fit),
	};

	return cmocka_run_group_tests_name("maker", tests, NULL, NULL) ? 1 : 0;
}

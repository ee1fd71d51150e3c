/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX metadata: images of qemu-img against what it says of them, and a differencing image built here byte by
 * byte, damaged in every structure. Also the CRC that guards them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <chainview/format.h>
#include "inspect/base/crc32c.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "tests/support/run.h"

#define FILE_SIZE (4u << 20)
#define REGION (2u << 20)
#define BAT (3u << 20)
#define LOCATOR (REGION + 65536 + 256)

extern const struct cv_format cv_format_vhdx;

static uint8_t *image;

static void put_guid(void *at, const char *hex32)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	uint8_t *b = at;

	for (int i = 0; i < 16; i++) {
		unsigned byte = 0;

		sscanf(hex32 + 2 * order[i], "%2x", &byte);
		b[i] = (uint8_t)byte;
	}
}

static void seal(size_t at, size_t len)
{
	cv_le32 sum;

	memset(image + at + 4, 0, 4);
	sum = cv_le32_of(cv_crc32c(0, image + at, len));
	memcpy(image + at + 4, &sum, 4);
}

static void put_utf16(size_t at, const char *text)
{
	for (; *text; text++, at += 2)
		image[at] = (uint8_t)*text;
}

static void put32(size_t at, uint32_t n)
{
	cv_le32 v = cv_le32_of(n);

	memcpy(image + at, &v, 4);
}

static void put64(size_t at, uint64_t n)
{
	cv_le64 v = cv_le64_of(n);

	memcpy(image + at, &v, 8);
}

static void put_header(int copy, uint64_t sequence, const char *data_write)
{
	size_t at = CV_VHDX_HEADER_OFFSET(copy);

	memcpy(image + at, "head", 4);
	put64(at + 8, sequence);
	put_guid(image + at + 16, "0f0e0d0c0b0a09080706050403020100");
	put_guid(image + at + 32, data_write);
	image[at + 66] = 1;
	put32(at + 68, 1u << 20);
	put64(at + 72, 1u << 20);
	seal(at, 4096);
}

static void put_item(int n, const char *guid, uint32_t offset, uint32_t length)
{
	size_t at = REGION + 32 + (size_t)n * 32;

	put_guid(image + at, guid);
	put32(at + 16, offset);
	put32(at + 20, length);
	put32(at + 24, 4);
}

static void put_locator_entry(int n, uint32_t *pool, const char *key, const char *value)
{
	size_t at = LOCATOR + 20 + (size_t)n * 12;

	put32(at, *pool);
	put32(at + 4, *pool + 2 * (uint32_t)strlen(key));
	image[at + 8] = (uint8_t)(2 * strlen(key));
	image[at + 10] = (uint8_t)(2 * strlen(value));
	put_utf16(LOCATOR + *pool, key);
	put_utf16(LOCATOR + *pool + 2 * strlen(key), value);
	*pool += 2 * (uint32_t)(strlen(key) + strlen(value));
}

static void put_locator(void)
{
	uint32_t pool = 20 + 5 * 12;

	put_guid(image + LOCATOR, "b04aefb7d19e4a81b78925b8e9445913");
	image[LOCATOR + 18] = 5;
	put_locator_entry(0, &pool, "parent_linkage", "{9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11}");
	put_locator_entry(1, &pool, "relative_path", "..\\base.vhdx");
	put_locator_entry(2, &pool, "volume_path", "\\\\?\\Volume{1}\\base.vhdx");
	put_locator_entry(3, &pool, "absolute_win32_path", "D:\\vm\\base.vhdx");
	put_locator_entry(4, &pool, "parent_linkage2", "{9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b12}");
}

static void put_metadata(void)
{
	memcpy(image + REGION, "metadata", 8);
	image[REGION + 10] = 6;
	put_item(0, "caa16737fa364d43b3b633f0aa44e76b", 65536, 8);
	put_item(1, "2fa54224cd1b4876b2115dbed83bf4b8", 65536 + 8, 8);
	put_item(2, "beca12abb2e64523" "93efc309e000c746", 65536 + 16, 16);
	put_item(3, "8141bf1da96f4709ba47f233a8faab5f", 65536 + 32, 4);
	put_item(4, "cda348c7445d44719cc9e9885251c556", 65536 + 36, 4);
	put_item(5, "a8d35f2db30b454dabf7d3d84834ab0c", 65536 + 256, 1024);
	put32(REGION + 65536, 2u << 20);
	put32(REGION + 65536 + 4, 2);
	put64(REGION + 65536 + 8, 10ull << 30);
	put_guid(image + REGION + 65536 + 16, "11111111222233334444555555555555");
	put32(REGION + 65536 + 32, 512);
	put32(REGION + 65536 + 36, 4096);
	put_locator();
}

static void put_region_table(int copy)
{
	size_t at = CV_VHDX_REGION_OFFSET(copy);

	memcpy(image + at, "regi", 4);
	put32(at + 8, 2);
	put_guid(image + at + 16, "2dc27766f62342009d64115e9bfd4a08");
	put64(at + 32, BAT);
	put32(at + 40, 1u << 20);
	put_guid(image + at + 48, "8b7ca20647904b9ab8fe575f050f886e");
	put64(at + 64, REGION);
	put32(at + 72, 1u << 20);
	seal(at, 65536);
}

static int build(void **state)
{
	(void)state;
	image = calloc(1, FILE_SIZE);
	if (!image)
		return 1;
	memcpy(image, "vhdxfile", 8);
	put_utf16(8, "Microsoft Windows 10.0");
	put_header(0, 7, "00000000000000000000000000000007");
	put_header(1, 8, "00000000000000000000000000000008");
	put_region_table(0);
	put_region_table(1);
	put_metadata();
	return 0;
}

static int discard(void **state)
{
	(void)state;
	free(image);
	return 0;
}

static struct cv_facts *read_image(size_t size)
{
	struct cv_err err = { 0 };
	struct cv_source *s = cv_source_memory(image, size, &err);
	struct cv_facts *f = cv_facts_new();

	assert_non_null(s);
	assert_non_null(f);
	assert_true(cv_format_vhdx.read(s, f, &err));
	cv_source_close(s);
	return f;
}

static void a_differencing_image_is_read_in_full(void **state)
{
	static const struct { enum cv_name_source source; enum cv_name_kind kind; const char *path; } names[] = {
		{ CV_NAME_VHDX_RELATIVE, CV_NAME_RELATIVE, "../base.vhdx" },
		{ CV_NAME_VHDX_VOLUME, CV_NAME_WINDOWS, "//?/Volume{1}/base.vhdx" },
		{ CV_NAME_VHDX_ABSOLUTE, CV_NAME_WINDOWS, "D:/vm/base.vhdx" },
	};
	struct cv_facts *f = read_image(FILE_SIZE);

	(void)state;
	assert_int_equal(f->finding_count, 0);
	assert_int_equal(f->variant, CV_VARIANT_DIFFERENCING);
	assert_true(f->virtual_size == 10ull << 30);
	assert_int_equal(f->block_size, 2 << 20);
	assert_int_equal(f->flags, CV_FACT_SIZE | CV_FACT_UUID | CV_FACT_PARENT | CV_FACT_PARENT_UUID);
	assert_string_equal(cv_uuid_str(f->uuid).s, "00000000-0000-0000-0000-000000000008");
	assert_string_equal(cv_uuid_str(f->parent_uuid).s, "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11");
	assert_memory_equal(cv_facts_attr(f, CV_ATTR_VHDX_PARENT_LINKAGE2, 0)->text.at,
			    "{9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b12}", 38);
	assert_string_equal(f->creator.at, "Microsoft Windows 10.0");
	assert_int_equal(f->name_count, CV_COUNT(names));
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		assert_int_equal(f->names[i].source, names[i].source);
		assert_int_equal(f->names[i].kind, names[i].kind);
		assert_string_equal(f->names[i].path.at, names[i].path);
	}
	cv_facts_free(f);
}

struct poke {
	const char *name;
	size_t at;
	uint8_t byte;
	size_t seal_at, seal_len;
	enum cv_problem_id id;
	enum cv_severity severity;
};

static const struct poke pokes[] = {
	{ "the older header is damaged", CV_VHDX_HEADER_OFFSET(0) + 8, 9, 0, 0, CV_VHX_VHDX_HEADER_INVALID, CV_WARNING },
	{ "the current header is damaged", CV_VHDX_HEADER_OFFSET(1) + 100, 9, 0, 0, CV_VHX_VHDX_HEADER_INVALID, CV_WARNING },
	{ "header version", CV_VHDX_HEADER_OFFSET(1) + 66, 2, CV_VHDX_HEADER_OFFSET(1), 4096, CV_VHX_VHDX_HEADER_INVALID, CV_WARNING },
	{ "equal sequence, other content", CV_VHDX_HEADER_OFFSET(1) + 8, 7, CV_VHDX_HEADER_OFFSET(1), 4096, CV_VHX_VHDX_HEADER_INVALID, CV_ERROR },
	{ "a log is pending", CV_VHDX_HEADER_OFFSET(1) + 48, 1, CV_VHDX_HEADER_OFFSET(1), 4096, CV_VHX_VHDX_LOG_PENDING, CV_WARNING },
	{ "region table 1 is damaged", CV_VHDX_REGION_OFFSET(0) + 9, 1, 0, 0, CV_VHX_VHDX_REGION_TABLE_INVALID, CV_WARNING },
	{ "block size is no power of two", REGION + 65536, 1, 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "absurd size", REGION + 65536 + 8 + 7, 1, 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "sector size", REGION + 65536 + 32, 1, 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "an item outside the region", REGION + 32 + 32 + 19, 0x7f, 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "too many locator entries", LOCATOR + 19, 0xff, 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "linkage is no GUID", LOCATOR + 20 + 60 + 2 * 14, 'x', 0, 0, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR },
	{ "locator of another type", LOCATOR, 9, 0, 0, CV_GEN_UNSUPPORTED_FEATURE, CV_WARNING },
	{ "unknown required item", REGION + 32 + 2 * 32, 9, 0, 0, CV_GEN_UNSUPPORTED_FEATURE, CV_WARNING },
};

static void a_poke_is_found(void **state)
{
	const struct poke *p = *state;
	struct cv_facts *f;
	bool found = false;

	assert_int_equal(build(NULL), 0);
	image[p->at] = p->byte;
	if (p->seal_len)
		seal(p->seal_at, p->seal_len);
	f = read_image(FILE_SIZE);
	for (uint32_t i = 0; i < f->finding_count; i++)
		found |= f->findings[i].id == p->id && f->findings[i].severity == p->severity;
	assert_true(found);
	cv_facts_free(f);
	discard(NULL);
}

/* A place that wraps would make the whole answer of the reading process worthless. */
static void a_log_that_lies_nowhere_is_pending_at_the_fields_that_say_so(void **state)
{
	size_t header = CV_VHDX_HEADER_OFFSET(1);
	const struct cv_finding *pending = NULL;
	struct cv_facts *f;

	(void)state;
	assert_int_equal(build(NULL), 0);
	image[header + 48] = 1;
	memset(image + header + 68, 0xff, 12);
	seal(header, 4096);
	f = read_image(FILE_SIZE);
	assert_int_equal(f->finding_count, 2);       /* the other one is that the log cannot lie there */
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].id == CV_VHX_VHDX_LOG_PENDING)
			pending = &f->findings[i];
	assert_non_null(pending);
	assert_int_equal(pending->where.off, header + 68);
	assert_int_equal(pending->where.len, 12);
	cv_facts_free(f);
	discard(NULL);
}

static void a_recorded_name_without_a_letter_is_none(void **state)
{
	size_t length = LOCATOR + 20 + 12 + 10;      /* of the value of the second entry, relative_path */
	struct cv_facts *f;

	(void)state;
	assert_int_equal(build(NULL), 0);
	image[length] = image[length + 1] = 0;
	f = read_image(FILE_SIZE);
	assert_true(f->flags & CV_FACT_PARENT);
	for (uint32_t i = 0; i < f->name_count; i++) {
		assert_int_not_equal(f->names[i].source, CV_NAME_VHDX_RELATIVE);
		assert_true(f->names[i].path.len > 0);
	}
	cv_facts_free(f);
	discard(NULL);
}

static void either_header_alone_serves(void **state)
{
	struct cv_facts *f;

	(void)state;
	memset(image + CV_VHDX_HEADER_OFFSET(1), 0, 4096);
	f = read_image(FILE_SIZE);
	assert_string_equal(cv_uuid_str(f->uuid).s, "00000000-0000-0000-0000-000000000007");
	assert_true(f->flags & CV_FACT_SIZE);
	cv_facts_free(f);
}

static void short_and_mutated_files_end_in_findings(void **state)
{
	uint32_t seed = 11;

	(void)state;
	for (size_t size = 0; size < FILE_SIZE; size += 65536 - 13) {
		struct cv_err err = { 0 };
		struct cv_source *s = cv_source_memory(image, size, &err);
		struct cv_facts *f = cv_facts_new();

		cv_format_vhdx.read(s, f, &err);
		assert_true(f->finding_count || err.code || size > REGION + (1u << 20));
		cv_source_close(s);
		cv_facts_free(f);
	}
	for (int round = 0; round < 3000; round++) {
		size_t spots[] = { CV_VHDX_HEADER_OFFSET(0), CV_VHDX_REGION_OFFSET(0), REGION, REGION + 65536, LOCATOR };
		size_t at = spots[round % 5] + cv_test_random(&seed, 300);
		uint8_t old = image[at];

		image[at] = (uint8_t)cv_test_random(&seed, 256);
		seal(CV_VHDX_HEADER_OFFSET(0), 4096);
		seal(CV_VHDX_REGION_OFFSET(0), 65536);
		cv_facts_free(read_image(FILE_SIZE));
		image[at] = old;
	}
}

static void qemu_images_are_read_as_qemu_made_them(void **state)
{
	static const struct { const char *options, *size; uint64_t bytes; uint32_t block; enum cv_variant variant; } rows[] = {
		{ "subformat=dynamic,block_size=1M", "10M", 10 << 20, 1 << 20, CV_VARIANT_DYNAMIC },
		{ "subformat=dynamic,block_size=256M", "3T", 3ull << 40, 256 << 20, CV_VARIANT_DYNAMIC },
		{ "subformat=fixed,block_size=8M", "9M", 9 << 20, 8 << 20, CV_VARIANT_FIXED },
	};
	char *folder = cv_test_folder(), *path = NULL;

	(void)state;
	assert_true(asprintf(&path, "%s/a.vhdx", folder) > 0);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { 0 };
		struct cv_source *s;
		struct stat st;
		int fd;

		if (cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vhdx", "-o", rows[i].options, "a.vhdx",
			       rows[i].size) != 0) {
			puts("skipped: qemu-img cannot make VHDX here");
			skip();
		}
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
		assert_true(cv_format_vhdx.probe(s) > 0);
		assert_true(cv_format_vhdx.read(s, f, &err));
		assert_int_equal(f->finding_count, 0);
		assert_true(f->virtual_size == rows[i].bytes);
		assert_int_equal(f->block_size, rows[i].block);
		assert_int_equal(f->variant, rows[i].variant);
		assert_true(f->flags & CV_FACT_UUID);
		assert_memory_equal(f->creator.at, "QEMU", 4);
		cv_source_close(s);
		cv_facts_free(f);
	}
	free(path);
	cv_test_folder_remove(folder);
}

static void crc32c_gives_the_known_sums(void **state)
{
	uint8_t zeros[32] = { 0 }, ones[32];

	(void)state;
	memset(ones, 0xff, sizeof ones);
	assert_int_equal(cv_crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(cv_crc32c(0, zeros, 32), 0x8a9136aau);      /* RFC 3720, B.4 */
	assert_int_equal(cv_crc32c(0, ones, 32), 0x62a8ab43u);
	assert_int_equal(cv_crc32c(cv_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
	assert_int_equal(cv_crc32c(0, "", 0), 0);
}

#define FIXED_TESTS 5

int main(void)
{
	struct CMUnitTest tests[FIXED_TESTS + CV_COUNT(pokes)] = {
		cmocka_unit_test(crc32c_gives_the_known_sums),
		cmocka_unit_test_setup_teardown(a_differencing_image_is_read_in_full, build, discard),
		cmocka_unit_test(a_recorded_name_without_a_letter_is_none),
		cmocka_unit_test(a_log_that_lies_nowhere_is_pending_at_the_fields_that_say_so),
		cmocka_unit_test_setup_teardown(either_header_alone_serves, build, discard),
		cmocka_unit_test_setup_teardown(short_and_mutated_files_end_in_findings, build, discard),
		cmocka_unit_test(qemu_images_are_read_as_qemu_made_them),
	};

	for (size_t i = 0; i < CV_COUNT(pokes); i++)
		tests[FIXED_TESTS + i] = (struct CMUnitTest){ pokes[i].name, a_poke_is_found, NULL, NULL,
							      (void *)(uintptr_t)&pokes[i] };
	return cmocka_run_group_tests_name("vhdx", tests, NULL, NULL) ? 1 : 0;
}

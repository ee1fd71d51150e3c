/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The QCOW v1 reader: damaged headers, each with exactly the expected findings, and images of qemu-img
 * compared with what qemu-img says. Cut and randomly damaged ones are in test_qcow2_hostile.
 */
#include "test_qcow2_image.h"
#include "tests/support/run.h"
#include <json-c/json.h>

enum { QCOW_SIZE = 8192 };

/* 4 MiB on "base": clusters of 4 KiB, L2 tables of 512 entries, so two L1 entries at 128. */
static void build_qcow(uint8_t image[QCOW_SIZE])
{
	memset(image, 0, QCOW_SIZE);
	put(image, 0, 8, 0x514649fb00000001);
	put(image, 8, 8, 48);
	put(image, 16, 4, 4);
	put(image, 20, 4, 1600000000);
	put(image, 24, 8, 4 << 20);
	put(image, 32, 2, 0x0c09);
	put(image, 40, 8, 128);
	put_text(image, 48, "base");
}

#define HEADER "qcow-header-invalid"
#define RANGE "qcow-table-out-of-range"
#define LOST (CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE)

static const struct poke {
	const char *name;
	struct { uint16_t off; uint8_t width; uint64_t n; } at[2];
	const char *expect;
	uint32_t set, cleared;
} pokes[] = {
	{ "an_untouched_image_is_clean", { { 0 } }, "", CV_FACT_PARENT | CV_FACT_NEEDS_PROBE,
	  CV_FACT_PARENT_UNREADABLE },
	{ "magic_gone", { { 0, 1, 0 } }, HEADER, 0, CV_FACT_SIZE },
	{ "version_2_is_not_qcow", { { 4, 4, 2 } }, HEADER, LOST, CV_FACT_SIZE },
	{ "no_parent", { { 8, 8, 0 } }, "", CV_FACT_SIZE, LOST | CV_FACT_NEEDS_PROBE },
	{ "name_in_the_header", { { 8, 8, 40 } }, HEADER, LOST, 0 },
	{ "name_past_the_end", { { 8, 8, UINT64_MAX } }, HEADER, LOST, 0 },
	{ "name_of_1024_bytes", { { 16, 4, 1024 } }, HEADER, LOST, 0 },
	{ "name_of_no_bytes", { { 16, 4, 0 } }, HEADER, LOST, 0 },
	{ "name_cut_by_nul", { { 49, 1, 0 } }, HEADER, CV_FACT_PARENT, CV_FACT_PARENT_UNREADABLE },
	{ "size_0", { { 24, 8, 0 } }, HEADER, 0, 0 },
	{ "size_beyond_all_meaning", { { 24, 8, UINT64_MAX } }, "hostile-value", 0, CV_FACT_SIZE },
	{ "size_needs_too_many_entries", { { 24, 8, (uint64_t)1 << 60 } }, "hostile-value", CV_FACT_SIZE, 0 },
	{ "size_needs_more_entries_than_fit", { { 24, 8, (uint64_t)1 << 40 } }, RANGE, CV_FACT_SIZE, 0 },
	{ "cluster_bits_8", { { 32, 1, 8 } }, HEADER, 0, 0 },
	{ "cluster_bits_17", { { 32, 1, 17 } }, HEADER, 0, 0 },
	{ "l2_bits_5", { { 33, 1, 5 } }, HEADER, 0, 0 },
	{ "l2_bits_255", { { 33, 1, 255 } }, HEADER, 0, 0 },
	{ "encryption_method_2", { { 36, 4, 2 } }, HEADER, CV_FACT_ENCRYPTED, 0 },
	{ "aes_is_a_fact", { { 36, 4, 1 } }, "", CV_FACT_ENCRYPTED, 0 },
	{ "l1_in_the_header", { { 40, 8, 0 } }, HEADER, 0, 0 },
	{ "l1_past_the_end", { { 40, 8, UINT64_MAX - 8 } }, RANGE, 0, 0 },
	{ "l1_ends_with_the_file", { { 40, 8, QCOW_SIZE - 16 } }, "", 0, 0 },
	{ "l1_one_entry_too_far", { { 40, 8, QCOW_SIZE - 8 } }, RANGE, 0, 0 },
};

static void poke_gives_exactly(void **state)
{
	const struct poke *p = *state;
	uint8_t image[QCOW_SIZE];
	struct cv_facts *f;
	char names[256];

	build_qcow(image);
	for (size_t i = 0; i < CV_COUNT(p->at); i++)
		put(image, p->at[i].off, p->at[i].width, p->at[i].n);
	f = read_memory(&cv_format_qcow, image, sizeof image);
	assert_string_equal(finding_names(f, names, sizeof names), p->expect);
	assert_int_equal(f->flags & p->set, p->set);
	assert_int_equal(f->flags & p->cleared, 0);
	cv_facts_free(f);
}

static void every_field_is_recorded(void **state)
{
	uint8_t image[QCOW_SIZE];
	struct cv_facts *f;

	(void)state;
	build_qcow(image);
	f = read_memory(&cv_format_qcow, image, sizeof image);
	assert_int_equal(f->format, CV_FORMAT_QCOW);
	assert_int_equal(f->variant, CV_VARIANT_OVERLAY);
	assert_int_equal(f->virtual_size, 4 << 20);
	assert_int_equal(f->block_size, 4096);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_VERSION, 0), 1);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_CLUSTER_BITS, 0), 12);
	assert_int_equal(number_of(f, CV_ATTR_QCOW_L2_BITS, 0), 9);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_L1_OFFSET, 0), 128);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_L1_SIZE, 0), 2);
	assert_int_equal(number_of(f, CV_ATTR_QCOW_MTIME, 0), 1600000000);
	assert_text(f, CV_ATTR_QCOW2_CRYPT_METHOD, 0, "none");
	assert_int_equal(f->name_count, 1);
	assert_true(cv_bytes_equal(f->names[0].path, cv_bytes_of("base")));
	cv_facts_free(f);
}

#define BASE "qemu-img create -q -f qcow2 base 4M && "

static const struct row {
	const char *name, *script;           /* makes the file x */
} rows[] = {
	{ "made_by_qemu_img_alone", "qemu-img create -q -f qcow x 10M" },
	{ "made_by_qemu_img_of_odd_size", "qemu-img create -q -f qcow x 1000001" },
	{ "made_by_qemu_img_large", "qemu-img create -q -f qcow x 10G" },
	{ "made_by_qemu_img_on_a_base", BASE "qemu-img create -q -f qcow -b base -F qcow2 x" },
	{ "made_by_qemu_img_on_a_file", BASE "qemu-img create -q -f qcow -b file:base -F qcow2 x" },
	{ "made_by_qemu_img_with_data", "head -c 300000 /dev/urandom > r && qemu-img convert -q -O qcow r x" },
	{ "made_by_qemu_img_encrypted", "qemu-img create -q --object secret,id=s,data=abc -f qcow "
					"-o encrypt.format=aes,encrypt.key-secret=s x 1M" },
};

static void compare(const struct cv_facts *f, struct json_object *info)
{
	struct json_object *o;

	assert_true(json_object_object_get_ex(info, "virtual-size", &o));
	assert_int_equal(f->virtual_size, json_object_get_uint64(o));
	assert_true(json_object_object_get_ex(info, "cluster-size", &o));
	assert_int_equal(f->block_size, json_object_get_uint64(o));
	assert_int_equal(!!(f->flags & CV_FACT_ENCRYPTED),
			 json_object_object_get_ex(info, "encrypted", &o) && json_object_get_boolean(o));
	if (json_object_object_get_ex(info, "backing-filename", &o)) {
		assert_int_equal(f->name_count, 1);
		assert_true(cv_bytes_equal(f->names[0].text, cv_bytes_of(json_object_get_string(o))));
	} else {
		assert_int_equal(f->name_count, 0);
		assert_int_equal(f->variant, CV_VARIANT_STANDALONE);
	}
}

static void qemu_img_says_the_same(void **state)
{
	const struct row *row = *state;
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	struct json_object *info;
	struct cv_facts *f;
	char *folder, path[4096];
	uint64_t size;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	folder = cv_test_folder();
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c", row->script), 0);
	assert_int_equal(cv_test_do(folder, &out, "qemu-img", "info", "-f", "qcow", "--output=json", "x"), 0);
	info = json_tokener_parse(cv_text_str(&out));
	assert_non_null(info);
	snprintf(path, sizeof path, "%s/x", folder);
	f = read_file(&cv_format_qcow, path, &size);
	compare(f, info);
	assert_int_equal(f->finding_count, 0);
	cv_facts_free(f);
	json_object_put(info);
	cv_test_folder_remove(folder);
}

int main(void)
{
	struct CMUnitTest tests[1 + CV_COUNT(pokes) + CV_COUNT(rows)] = { cmocka_unit_test(every_field_is_recorded) };
	size_t n = 1;

	for (size_t i = 0; i < CV_COUNT(pokes); i++)
		tests[n++] = (struct CMUnitTest){
			.name = pokes[i].name,
			.test_func = poke_gives_exactly,
			.initial_state = (void *)(uintptr_t)&pokes[i],
		};
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		tests[n++] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = qemu_img_says_the_same,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	return cmocka_run_group_tests_name("qcow", tests, NULL, NULL) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader against images that qemu-img makes, and what qemu-img and vhdiinfo say about the same bytes. */
#include "tests/unit/test_vhd_image.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tests/support/run.h"

static struct cv_facts *facts_of_file(const char *folder, const char *name, enum cv_format_id *probed)
{
	char path[4096];
	struct stat st;
	struct cv_err err = { CV_OK };
	struct cv_facts *f = cv_facts_new();
	CV_AUTO(cv_auto_source) struct cv_source *s = NULL;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	s = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	assert_non_null(s);
	*probed = cv_format_vhd.probe(s) ? CV_FORMAT_VHD : CV_FORMAT_NONE;
	if (!cv_format_vhd.read(s, f, &err))
		fail_msg("%s: %s", name, err.text);
	return f;
}

/* The number that follows key in text. */
static uint64_t number_after(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

static const struct made {
	const char *name, *options, *size, *creator;
	enum cv_variant variant;
} made[] = {
	{ "dynamic.vhd", "subformat=dynamic", "10M", "qemu 5.3", CV_VARIANT_DYNAMIC },
	{ "fixed.vhd", "subformat=fixed", "10M", "qemu 5.3", CV_VARIANT_FIXED },
	{ "forced.vhd", "force_size=on", "10M", "qem2 5.3", CV_VARIANT_DYNAMIC },
	{ "forced-fixed.vhd", "subformat=fixed,force_size=on", "10M", "qem2 5.3", CV_VARIANT_FIXED },
	{ "odd.vhd", "subformat=dynamic", "1234567890", "qemu 5.3", CV_VARIANT_DYNAMIC },
	{ "large.vhd", "subformat=dynamic", "130G", "qemu 5.3", CV_VARIANT_DYNAMIC },
	{ "largest.vhd", "force_size=on", "2040G", "qem2 5.3", CV_VARIANT_DYNAMIC },
};

static char *make_images(void)
{
	char *folder = cv_test_folder();

	for (size_t k = 0; k < CV_COUNT(made); k++)
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o",
					    made[k].options, made[k].name, made[k].size), 0);
	return folder;
}

static void what_qemu_img_makes_is_read_as_qemu_img_reads_it(void **state)
{
	char *folder;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("skipped: qemu-img is not installed\n");
		skip();
	}
	folder = make_images();
	for (size_t k = 0; k < CV_COUNT(made); k++) {
		struct cv_text out = { 0 };
		enum cv_format_id probed;
		struct cv_facts *f = facts_of_file(folder, made[k].name, &probed);

		assert_int_equal(cv_test_do(folder, &out, "qemu-img", "info", "-f", "vpc", "--output=json",
		    made[k].name), 0);
		assert_findings(f, made[k].name, "");
		assert_int_equal(probed, CV_FORMAT_VHD);
		assert_int_equal(f->variant, made[k].variant);
		assert_int_equal(f->virtual_size, number_after(cv_text_str(&out), "\"virtual-size\": "));
		assert_bytes(f->creator, made[k].creator);
		assert_int_equal(f->mark, CV_MARK_NONE);
		if (f->variant == CV_VARIANT_DYNAMIC)
			assert_int_equal(f->block_size, number_after(cv_text_str(&out), "\"cluster-size\": "));
		cv_facts_free(f);
		cv_text_fini(&out);
	}
	cv_test_folder_remove(folder);
}

static void vhdiinfo_gives_the_same_identity_and_size(void **state)
{
	char *folder;

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("vhdiinfo")) {
		print_message("skipped: qemu-img and vhdiinfo are not both installed\n");
		skip();
	}
	folder = make_images();
	for (size_t k = 0; k < CV_COUNT(made); k++) {
		struct cv_text out = { 0 };
		enum cv_format_id probed;
		struct cv_facts *f = facts_of_file(folder, made[k].name, &probed);
		char size[40];

		assert_int_equal(cv_test_do(folder, &out, "vhdiinfo", made[k].name), 0);
		assert_non_null(strstr(cv_text_str(&out), cv_uuid_str(f->uuid).s));
		snprintf(size, sizeof size, "(%" PRIu64 " bytes)", f->virtual_size);
		assert_non_null(strstr(cv_text_str(&out), size));
		cv_facts_free(f);
		cv_text_fini(&out);
	}
	cv_test_folder_remove(folder);
}

static void write_image(const char *folder, const char *name, const struct image *i)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	file = fopen(path, "wbx");
	assert_non_null(file);
	assert_int_equal(fwrite(i->b, 1, i->len, file), i->len);
	assert_int_equal(fclose(file), 0);
}

static void vhdiinfo_and_qemu_img_agree_on_the_images_of_these_tests(void **state)
{
	static struct image i;
	struct cv_text out = { 0 };
	char *folder, *line;

	(void)state;
	if (!cv_test_has("vhdiinfo") || !cv_test_has("qemu-img")) {
		print_message("skipped: qemu-img and vhdiinfo are not both installed\n");
		skip();
	}
	folder = cv_test_folder();
	build(&i, DIFFERENCING);
	write_image(folder, "leaf.vhd", &i);
	assert_int_equal(cv_test_do(folder, &out, "vhdiinfo", "leaf.vhd"), 0);
	line = strstr(out.at, "Parent identifier");
	assert_non_null(line);
	assert_non_null(strstr(line, "10111213-1415-1617-1819-1a1b1c1d1e1f"));
	assert_non_null(strstr(out.at, "Differential"));
	assert_non_null(strstr(out.at, "(10485760 bytes)"));
	cv_text_clear(&out);
	build(&i, DYNAMIC);
	write_image(folder, "base.vhd", &i);
	assert_int_equal(cv_test_do(folder, &out, "qemu-img", "info", "-f", "vpc", "--output=json", "base.vhd"), 0);
	assert_int_equal(number_after(out.at, "\"virtual-size\": "), DISK);
	cv_text_fini(&out);
	cv_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_qemu_img_makes_is_read_as_qemu_img_reads_it),
		cmocka_unit_test(vhdiinfo_gives_the_same_identity_and_size),
		cmocka_unit_test(vhdiinfo_and_qemu_img_agree_on_the_images_of_these_tests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

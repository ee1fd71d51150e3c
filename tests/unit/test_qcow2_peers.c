/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Images that qemu-img made with many sets of options, each compared field by field with what qemu-img says
 * about it. Images built by hand and hostile input have their own programs.
 */
#include "test_qcow2_image.h"
#include "tests/support/run.h"
#include <json-c/json.h>

#define SECRET "--object secret,id=s,data=abc "
#define OVERLAY "qemu-img create -q -f qcow2 base.qcow2 4M && qemu-img create -q -f qcow2 "
#define REBASED "qemu-img create -q -f qcow2 x 4M && qemu-img rebase -u "

static const struct row {
	const char *name, *script;           /* makes the file x */
	const char *findings;
	uint32_t set;                        /* flags that must be there */
} rows[] = {
	{ "defaults", "qemu-img create -q -f qcow2 x 10M", "", CV_FACT_SIZE },
	{ "empty_disk", "qemu-img create -q -f qcow2 x 0", "", CV_FACT_SIZE },
	{ "odd_size", "qemu-img create -q -f qcow2 x 1000001", "", CV_FACT_SIZE },
	{ "large_disk", "qemu-img create -q -f qcow2 x 60T", "", 0 },
	{ "compat_0_10", "qemu-img create -q -f qcow2 -o compat=0.10 x 10M", "", 0 },
	{ "cluster_size_512", "qemu-img create -q -f qcow2 -o cluster_size=512 x 10M", "", 0 },
	{ "cluster_size_4k", "qemu-img create -q -f qcow2 -o cluster_size=4k x 10G", "", 0 },
	{ "cluster_size_2M", "qemu-img create -q -f qcow2 -o cluster_size=2M x 10M", "", 0 },
	{ "refcount_bits_1", "qemu-img create -q -f qcow2 -o refcount_bits=1 x 10M", "", 0 },
	{ "refcount_bits_64", "qemu-img create -q -f qcow2 -o refcount_bits=64 x 10M", "", 0 },
	{ "lazy_refcounts", "qemu-img create -q -f qcow2 -o lazy_refcounts=on x 10M", "", 0 },
	{ "extended_l2", "qemu-img create -q -f qcow2 -o extended_l2=on x 10M", "", CV_FACT_EXTENDED_L2 },
	{ "extended_l2_large_disk", "qemu-img create -q -f qcow2 -o extended_l2=on,cluster_size=16k x 1T", "", 0 },
	{ "zstd", "qemu-img create -q -f qcow2 -o compression_type=zstd x 10M", "", 0 },
	{ "data_file", "qemu-img create -q -f qcow2 -o data_file=d.raw x 10M", "", CV_FACT_DATA_FILE },
	{ "data_file_raw",
	  "qemu-img create -q -f qcow2 -o data_file=d.raw,data_file_raw=on x 10M", "", CV_FACT_DATA_FILE },
	{ "data_file_absolute", "qemu-img create -q -f qcow2 -o data_file=$PWD/d.raw x 10M", "", CV_FACT_DATA_FILE },
	{ "luks",
	  /* on a busy machine qemu-img now and then cannot time its key derivation and gives up */
	  "for i in 1 2 3 4 5 6 7 8 9; do qemu-img create -q " SECRET
	  "-f qcow2 -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 x 10M && exit; done; exit 1",
	  "", CV_FACT_ENCRYPTED },
	{ "aes",
	  "qemu-img create -q " SECRET "-f qcow2 -o encrypt.format=aes,encrypt.key-secret=s x 10M",
	  "", CV_FACT_ENCRYPTED },
	{ "preallocated_metadata", "qemu-img create -q -f qcow2 -o preallocation=metadata x 10M", "", 0 },
	{ "preallocated_full", "qemu-img create -q -f qcow2 -o preallocation=full x 10M", "", 0 },
	{ "backing_relative", OVERLAY "-b base.qcow2 -F qcow2 x", "", CV_FACT_PARENT },
	{ "backing_relative_v2", OVERLAY "-o compat=0.10 -b base.qcow2 -F qcow2 x", "", CV_FACT_PARENT },
	{ "backing_with_512_byte_clusters",
	  OVERLAY "-o cluster_size=512 -b base.qcow2 -F qcow2 x", "", CV_FACT_PARENT },
	{ "backing_absolute", OVERLAY "-b $PWD/base.qcow2 -F qcow2 x", "", CV_FACT_PARENT },
	{ "backing_in_a_folder",
	  "mkdir f && qemu-img create -q -f qcow2 f/b 4M && qemu-img create -q -f qcow2 -b f/b -F qcow2 x",
	  "", CV_FACT_PARENT },
	{ "backing_raw", "truncate -s 4M b && qemu-img create -q -f qcow2 -b b -F raw x", "", CV_FACT_PARENT_RAW },
	{ "backing_vhd",
	  "qemu-img create -q -f vpc b 4M && qemu-img create -q -f qcow2 -b b -F vpc x", "", CV_FACT_PARENT },
	{ "backing_of_unknown_format", REBASED "-F vmdk -b b x", "", CV_FACT_PARENT },
	{ "backing_without_format", REBASED "-F qcow2 -b b x && "
	  "printf '\\0\\0\\0\\0' | dd of=x bs=1 seek=112 conv=notrunc status=none",
	  "", CV_FACT_PARENT | CV_FACT_NEEDS_PROBE },
	{ "backing_file_prefix", REBASED "-F qcow2 -b file:b.qcow2 x", "", CV_FACT_PARENT },
	{ "backing_json",
	  REBASED "-F qcow2 -b 'json:{\"driver\":\"nbd\",\"host\":\"h\",\"port\":\"1\"}' x", "", CV_FACT_PARENT },
	{ "backing_nbd", REBASED "-F raw -b nbd://127.0.0.1:1/x x", "", CV_FACT_PARENT | CV_FACT_PARENT_RAW },
	{ "backing_with_colon", REBASED "-F qcow2 -b ./vm:1.qcow2 x", "", CV_FACT_PARENT },
	{ "backing_with_newline", REBASED "-F qcow2 -b 'two\nlines' x", "", CV_FACT_PARENT },
	{ "backing_of_1023_bytes", REBASED "-F qcow2 -b $(printf %01023d 7) x", "", CV_FACT_PARENT },
	{ "backing_taken_away", OVERLAY "-b base.qcow2 -F qcow2 x && qemu-img rebase -u -b '' x", "", 0 },
	{ "one_snapshot", "qemu-img create -q -f qcow2 x 4M && qemu-img snapshot -c first x", "", CV_FACT_SNAPSHOTS },
	{ "many_snapshots", "qemu-img create -q -f qcow2 x 4M && for i in 1 2 3 4 5 6 7; do "
			    "qemu-img snapshot -c \"snap number $i\" x; done && qemu-img snapshot -d 'snap number 3' x",
	  "", CV_FACT_SNAPSHOTS },
	{ "snapshots_v2", "qemu-img create -q -f qcow2 -o compat=0.10 x 4M && qemu-img snapshot -c 'a b' x && "
			  "qemu-img snapshot -c \xc3\xa9 x", "", CV_FACT_SNAPSHOTS },
	{ "bitmaps", "qemu-img create -q -f qcow2 x 4M && qemu-img bitmap --add -g 64k x one && "
		     "qemu-img bitmap --add -g 1M --disable x two && qemu-img bitmap --add x three",
	  "", CV_FACT_BITMAPS },
	{ "everything_at_once", OVERLAY "-o cluster_size=16k,extended_l2=on,compression_type=zstd,lazy_refcounts=on "
				"-b base.qcow2 -F qcow2 x && qemu-img snapshot -c s x && qemu-img bitmap --add x b",
	  "", CV_FACT_PARENT | CV_FACT_SNAPSHOTS | CV_FACT_BITMAPS },
	{ "resized",
	  "qemu-img create -q -f qcow2 x 4M && qemu-img resize -q x 9G && qemu-img resize -q --shrink x 1M", "", 0 },
	{ "amended_to_v2", "qemu-img create -q -f qcow2 x 4M && qemu-img amend -q -f qcow2 -o compat=0.10 x", "", 0 },
	{ "converted_compressed", "head -c 3000000 /dev/urandom > r && qemu-img convert -q -c -O qcow2 r x", "", 0 },
	{ "killed_while_writing", "qemu-img create -q -f qcow2 -o lazy_refcounts=on x 4M && "
				  "{ qemu-io -f qcow2 -c 'write -q 0 64k' -c 'sigraise 9' x >&2; true; }",
	  "qcow2-dirty", CV_FACT_DIRTY },
};

/* The member, or NULL. */
static struct json_object *member(struct json_object *o, const char *key)
{
	struct json_object *found = NULL;

	return o && json_object_object_get_ex(o, key, &found) ? found : NULL;
}

static const char *text_member(struct json_object *o, const char *key)
{
	return member(o, key) ? json_object_get_string(member(o, key)) : NULL;
}

static void compare_number(const struct cv_facts *f, enum cv_attr_id id, uint32_t index, struct json_object *said)
{
	if (said)
		assert_int_equal(number_of(f, id, index), json_object_get_uint64(said));
}

static void compare_flag(const struct cv_facts *f, uint32_t flag, struct json_object *said)
{
	assert_int_equal(!!(f->flags & flag), said && json_object_get_boolean(said));
}

static const struct cv_name *name_from(const struct cv_facts *f, enum cv_name_source source)
{
	for (uint32_t i = 0; i < f->name_count; i++)
		if (f->names[i].source == source)
			return &f->names[i];
	return NULL;
}

static void compare_name(const struct cv_facts *f, enum cv_name_source source, const char *said)
{
	const struct cv_name *name = name_from(f, source);

	assert_int_equal(name != NULL, said != NULL);
	if (said && !cv_bytes_equal(name->text, cv_bytes_of(said)))
		fail_msg("name \"%.*s\" is \"%s\" for qemu", (int)name->text.len, name->text.at, said);
}

static void compare_backing(const struct cv_facts *f, struct json_object *info)
{
	const char *format = text_member(info, "backing-filename-format");
	bool parent = member(info, "backing-filename");

	compare_name(f, CV_NAME_BACKING_FILE, text_member(info, "backing-filename"));
	assert_int_equal(!!(f->flags & CV_FACT_PARENT), parent);
	assert_int_equal(f->variant, parent ? CV_VARIANT_OVERLAY : CV_VARIANT_STANDALONE);
	assert_int_equal(!!(f->flags & CV_FACT_NEEDS_PROBE), parent && !format);
	if (parent && format) {
		assert_text(f, CV_ATTR_QCOW2_BACKING_FORMAT, 0, format);
		assert_int_equal(f->parent_format, cv_format_by_name(cv_bytes_of(format)));
	}
}

static void compare_encryption(const struct cv_facts *f, struct json_object *data)
{
	const char *format = text_member(member(data, "encrypt"), "format");

	assert_text(f, CV_ATTR_QCOW2_CRYPT_METHOD, 0, !format ? "none" : !strcmp(format, "luks") ? "LUKS" : "AES");
}

static void compare_data(const struct cv_facts *f, struct json_object *data)
{
	const char *compression = text_member(data, "compression-type");

	assert_int_equal(number_of(f, CV_ATTR_QCOW2_VERSION, 0), strcmp(text_member(data, "compat"), "0.10") ? 3 : 2);
	compare_number(f, CV_ATTR_QCOW2_REFCOUNT_BITS, 0, member(data, "refcount-bits"));
	compare_number(f, CV_ATTR_QCOW2_LAZY_REFCOUNTS, 0, member(data, "lazy-refcounts"));
	compare_number(f, CV_ATTR_QCOW2_DATA_FILE_RAW, 0, member(data, "data-file-raw"));
	compare_flag(f, CV_FACT_CORRUPT, member(data, "corrupt"));
	compare_flag(f, CV_FACT_EXTENDED_L2, member(data, "extended-l2"));
	compare_name(f, CV_NAME_DATA_FILE, text_member(data, "data-file"));
	assert_text(f, CV_ATTR_QCOW2_COMPRESSION, 0, compression ? compression : "zlib");
	compare_encryption(f, data);
}

static void compare_snapshots(const struct cv_facts *f, struct json_object *list)
{
	uint32_t count = list ? (uint32_t)json_object_array_length(list) : 0;

	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_COUNT, 0), count);
	assert_null(cv_facts_attr(f, CV_ATTR_QCOW2_SNAPSHOT_ID, count));
	for (uint32_t i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		assert_text(f, CV_ATTR_QCOW2_SNAPSHOT_ID, i, text_member(o, "id"));
		assert_text(f, CV_ATTR_QCOW2_SNAPSHOT_NAME, i, text_member(o, "name"));
		compare_number(f, CV_ATTR_QCOW2_SNAPSHOT_TIME, i, member(o, "date-sec"));
		compare_number(f, CV_ATTR_QCOW2_SNAPSHOT_VM_STATE, i, member(o, "vm-state-size"));
	}
}

static void compare_bitmaps(const struct cv_facts *f, struct json_object *list)
{
	uint32_t count = list ? (uint32_t)json_object_array_length(list) : 0;

	if (count)
		assert_int_equal(number_of(f, CV_ATTR_QCOW2_BITMAP_COUNT, 0), count);
	assert_null(cv_facts_attr(f, CV_ATTR_QCOW2_BITMAP_NAME, count));
	for (uint32_t i = 0; i < count; i++) {
		struct json_object *o = json_object_array_get_idx(list, i), *flags = member(o, "flags");
		uint64_t bits = 0;

		for (size_t n = 0; flags && n < json_object_array_length(flags); n++)
			bits |= strcmp(json_object_get_string(json_object_array_get_idx(flags, n)), "auto") ? 1 : 2;
		assert_text(f, CV_ATTR_QCOW2_BITMAP_NAME, i, text_member(o, "name"));
		assert_int_equal(number_of(f, CV_ATTR_QCOW2_BITMAP_FLAGS, i), bits);
		compare_number(f, CV_ATTR_QCOW2_BITMAP_GRANULARITY, i, member(o, "granularity"));
	}
}

static void compare(const struct cv_facts *f, struct json_object *info)
{
	struct json_object *data = member(member(info, "format-specific"), "data");

	assert_string_equal(text_member(info, "format"), "qcow2");
	assert_int_equal(f->virtual_size, json_object_get_uint64(member(info, "virtual-size")));
	assert_int_equal(f->block_size, json_object_get_uint64(member(info, "cluster-size")));
	compare_number(f, CV_ATTR_QCOW2_CLUSTER_SIZE, 0, member(info, "cluster-size"));
	compare_flag(f, CV_FACT_DIRTY, member(info, "dirty-flag"));
	compare_flag(f, CV_FACT_ENCRYPTED, member(info, "encrypted"));
	compare_backing(f, info);
	compare_data(f, data);
	compare_snapshots(f, member(info, "snapshots"));
	compare_bitmaps(f, member(data, "bitmaps"));
}

static void qemu_img_says_the_same(void **state)
{
	const struct row *row = *state;
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	struct json_object *info;
	struct cv_facts *f;
	char *folder, names[256], path[4096];
	uint64_t size;

	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io")) {
		print_message("qemu-img or qemu-io is not installed\n");
		skip();
	}
	folder = cv_test_folder();
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c", row->script), 0);
	assert_int_equal(cv_test_do(folder, &out, "qemu-img", "info", "-f", "qcow2", "--output=json", "x"), 0);
	info = json_tokener_parse(cv_text_str(&out));
	assert_non_null(info);
	snprintf(path, sizeof path, "%s/x", folder);
	f = read_file(&cv_format_qcow2, path, &size);
	compare(f, info);
	assert_string_equal(finding_names(f, names, sizeof names), row->findings);
	assert_int_equal(f->flags & row->set, row->set);
	assert_int_equal(f->flags & CV_FACT_PARTIAL, 0);
	for (uint32_t i = 0; i < f->attr_count; i++)
		assert_true(cv_range_inside(f->attrs[i].where, size));
	cv_facts_free(f);
	json_object_put(info);
	cv_test_folder_remove(folder);
}

int main(void)
{
	struct CMUnitTest tests[CV_COUNT(rows)];

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = qemu_img_says_the_same,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	return cmocka_run_group_tests_name("qcow2 against qemu-img", tests, NULL, NULL) ? 1 : 0;
}

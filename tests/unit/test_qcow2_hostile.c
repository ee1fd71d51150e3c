/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The QCOW2 reader against hostile input: images cut at every length, random damage, tables that claim to be
 * huge, and disks that cannot be read. It must end, say only what fits the file, and read and keep little.
 */
#include "test_qcow2_image.h"

#define TABLE (4 * IMAGE_CLUSTER)            /* what is repeated starts here */

/* A source that serves bytes from memory, repeats them up to any size, counts, and fails where it is told. */
struct watched {
	struct cv_source source;
	const uint8_t *image;
	uint64_t period, bytes_read, furthest, bad_from;
	unsigned reads;
};

static ssize_t watched_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct watched *w = (struct watched *)self;
	uint8_t *to = buf;

	if (off + len > w->bad_from) {
		errno = EIO;
		return -1;
	}
	if (off >= self->size)
		return 0;
	if (len > self->size - off)
		len = (size_t)(self->size - off);
	for (size_t i = 0; i < len; i++)
		to[i] = w->image[off + i < TABLE ? off + i : TABLE + (off + i - TABLE) % w->period];
	w->reads++;
	w->bytes_read += len;
	if (off + len > w->furthest)
		w->furthest = off + len;
	return (ssize_t)len;
}

static void watched_close(struct cv_source *self)
{
	(void)self;
}

static const struct cv_source_ops watched_ops = { .pread = watched_pread, .close = watched_close };

static struct watched watch(const uint8_t *image, uint64_t size, uint64_t period)
{
	return (struct watched){
		.source = { &watched_ops, size }, .image = image, .period = period, .bad_from = UINT64_MAX,
	};
}

/* What must hold of any facts, whatever the image was. */
static void assert_sane(const struct cv_facts *f, uint64_t size)
{
	for (uint32_t i = 0; i < f->attr_count; i++) {
		assert_true(f->attrs[i].id < CV_ATTR_COUNT);
		assert_true(cv_range_inside(f->attrs[i].where, size));
	}
	for (uint32_t i = 0; i < f->name_count; i++) {
		assert_true(cv_range_inside(f->names[i].where, size));
		assert_true(f->names[i].path.len <= f->names[i].text.len);
		if (f->names[i].path.len)
			assert_null(memchr(f->names[i].path.at, '\0', f->names[i].path.len));
	}
	for (uint32_t i = 0; i < f->finding_count; i++) {
		assert_non_null(cv_problem_by_id(f->findings[i].id));
		if (f->findings[i].has_where)
			assert_true(cv_range_inside(f->findings[i].where, size));
	}
	if (f->flags & CV_FACT_PARENT)
		assert_true(f->name_count > 0 || f->flags & (CV_FACT_PARENT_UNREADABLE | CV_FACT_PARTIAL));
}

static void read_cut(const struct cv_format *format, const uint8_t *image, size_t len)
{
	/* an allocation of its own, so that a sanitizer sees one byte too many */
	uint8_t *exact = malloc(len ? len : 1);
	struct cv_facts *f;

	assert_non_null(exact);
	if (len)
		memcpy(exact, image, len);
	f = read_memory(format, exact, len);
	assert_sane(f, len);
	assert_true(f->finding_count > 0);
	cv_facts_free(f);
	free(exact);
}

static void an_image_cut_at_any_length_is_reported_and_survived(void **state)
{
	static uint8_t image[IMAGE_SIZE];

	(void)state;
	build_rich(image);
	for (size_t len = 0; len <= 4096; len++) {
		read_cut(&cv_format_qcow2, image, len);
		read_cut(&cv_format_qcow, image, len);
	}
	for (size_t len = 4097; len < 6 * IMAGE_CLUSTER; len += 61)
		read_cut(&cv_format_qcow2, image, len);
}

static void a_cut_header_says_whether_there_may_be_a_parent(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	const uint32_t lost = CV_FACT_PARENT | CV_FACT_PARENT_UNREADABLE;

	(void)state;
	for (int parent = 0; parent < 2; parent++) {
		for (size_t len = 0; len < 104; len++) {
			struct cv_facts *f;
			char names[64];

			build_plain(image);
			put(image, 8, 8, parent ? IMAGE_NAME_AT : 0);
			f = read_memory(&cv_format_qcow2, image, len);
			assert_string_equal(finding_names(f, names, sizeof names), "image-truncated");
			assert_int_equal(f->flags, len && (parent || len < 16) ? lost : 0);
			cv_facts_free(f);
		}
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Numbers at which arithmetic breaks, and random ones. */
static uint64_t nasty_number(uint32_t *seed)
{
	static const uint64_t nasty[] = {
		0, 1, 7, 8, 9, 16, 24, 72, 104, 1023, 1024, 4095, 4096, 4097, 65535, 65536, INT32_MAX, UINT32_MAX,
		UINT32_MAX - 7, (uint64_t)1 << 40, INT64_MAX, UINT64_MAX, UINT64_MAX - 4095, IMAGE_SIZE, IMAGE_SIZE - 1,
	};
	uint32_t pick = next_random(seed) % (CV_COUNT(nasty) * 2);

	return pick < CV_COUNT(nasty) ? nasty[pick] : (uint64_t)next_random(seed) << 32 | next_random(seed);
}

static void mutate(uint8_t *image, uint32_t *seed)
{
	static const struct { size_t off, len; } parts[] = {
		{ 0, 112 }, { 112, 160 }, { IMAGE_NAME_AT, 16 }, { 4 * IMAGE_CLUSTER, 152 }, { 5 * IMAGE_CLUSTER, 32 },
	};
	static const size_t widths[] = { 1, 2, 4, 8 };

	for (unsigned n = 1 + next_random(seed) % 6; n; n--) {
		uint32_t part = next_random(seed) % CV_COUNT(parts);
		size_t width = widths[next_random(seed) % CV_COUNT(widths)];
		size_t off = parts[part].off + next_random(seed) % (parts[part].len / width) * width;

		put(image, off, width, nasty_number(seed));
	}
}

static void random_damage_never_breaks_the_reader(void **state)
{
	uint8_t *pristine = malloc(IMAGE_SIZE), *image = malloc(IMAGE_SIZE);
	uint32_t seed = 20261120, with_findings = 0;

	(void)state;
	assert_non_null(pristine);
	assert_non_null(image);
	build_rich(pristine);
	for (unsigned round = 0; round < 40000; round++) {
		size_t len = round % 8 ? IMAGE_SIZE : next_random(&seed) % IMAGE_SIZE;
		struct cv_facts *f;

		memcpy(image, pristine, IMAGE_SIZE);
		mutate(image, &seed);
		if (round % 16 == 0)
			put(image, 4, 4, 1);
		f = read_memory(round % 16 ? &cv_format_qcow2 : &cv_format_qcow, image, len);
		assert_sane(f, len);
		with_findings += f->finding_count > 0;
		cv_facts_free(f);
	}
	assert_true(with_findings > 20000);
	free(pristine);
	free(image);
}

static void a_plain_overlay_needs_its_first_cluster_only(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct watched w = watch(image, IMAGE_SIZE, IMAGE_SIZE - TABLE);

	(void)state;
	build_plain(image);
	cv_facts_free(read_source(&cv_format_qcow2, &w.source));
	assert_true(w.furthest <= IMAGE_CLUSTER);
	assert_true(w.reads <= 6);
}

/* Records of 72 bytes that repeat for ever: 65,536 of them are 4.5 MiB. */
static void a_long_snapshot_table_is_cut_and_said_to_be(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct watched w = watch(image, 1 << 30, 72);
	struct cv_facts *f;
	char names[64];

	(void)state;
	build_rich(image);
	build_snapshot(image + TABLE, 'c', 0);
	put(image, 60, 4, 65536);
	put(image, BITMAPS_AT, 4, 0x12345678);
	f = read_source(&cv_format_qcow2, &w.source);
	assert_string_equal(finding_names(f, names, sizeof names), "unsupported-feature");
	assert_true(f->flags & CV_FACT_PARTIAL);
	assert_int_equal(number_of(f, CV_ATTR_QCOW2_SNAPSHOT_COUNT, 0), 65536);
	assert_text(f, CV_ATTR_QCOW2_SNAPSHOT_ID, 255, "1c");
	assert_null(cv_facts_attr(f, CV_ATTR_QCOW2_SNAPSHOT_ID, 256));
	assert_true(w.bytes_read < (1 << 20) + 4096);
	assert_true(w.reads < 40);
	cv_facts_free(f);
}

static void the_300th_snapshot_still_tells_of_its_machine(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	static uint8_t table[300 * 72 + 4 * IMAGE_CLUSTER];
	struct cv_facts *f;

	(void)state;
	build_rich(image);
	memcpy(table, image, 4 * IMAGE_CLUSTER);
	for (int i = 0; i < 300; i++)
		build_snapshot(table + 4 * IMAGE_CLUSTER + i * 72, 'd', i == 299 ? 1 : 0);
	put(table, 60, 4, 300);
	put(table, BITMAPS_AT, 4, 0x12345678);
	f = read_memory(&cv_format_qcow2, table, sizeof table);
	assert_true(f->flags & CV_FACT_VM_STATE);
	assert_int_equal(f->flags & CV_FACT_PARTIAL, 0);
	assert_null(cv_facts_attr(f, CV_ATTR_QCOW2_SNAPSHOT_ID, 256));
	cv_facts_free(f);
}

static void endless_extensions_are_given_up(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	struct watched w = watch(image, 1 << 30, 8);
	struct cv_facts *f;
	char names[64];

	(void)state;
	build_plain(image);
	put(image, 8, 8, 0);
	put(image, 20, 4, 21);
	put(image, 40, 8, 2 << 20);
	put(image, 48, 8, 4 << 20);
	for (size_t at = IMAGE_EXTENSIONS; at + 8 <= IMAGE_SIZE; at += 8)
		put(image, at, 8, 0xabcdef0100000000);
	f = read_source(&cv_format_qcow2, &w.source);
	assert_string_equal(finding_names(f, names, sizeof names), "hostile-value");
	assert_true(f->flags & CV_FACT_PARTIAL);
	assert_true(w.reads < 300);
	cv_facts_free(f);
}

static void an_unreadable_disk_is_an_error_and_what_was_read_stays(void **state)
{
	static uint8_t image[IMAGE_SIZE];
	static const struct { uint64_t bad_from; bool size_known; uint32_t names; } rows[] = {
		{ 0, false, 0 }, { 4 * IMAGE_CLUSTER, true, 2 }, { 5 * IMAGE_CLUSTER, true, 2 }, { 1000, true, 1 },
	};

	(void)state;
	build_rich(image);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct watched w = watch(image, IMAGE_SIZE, IMAGE_SIZE - TABLE);
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { 0 };

		w.bad_from = rows[i].bad_from;
		assert_false(cv_format_qcow2.read(&w.source, f, &err));
		assert_int_equal(err.code, CV_EIO);
		assert_non_null(strstr(err.text, "while reading"));
		assert_int_equal(!!(f->flags & CV_FACT_SIZE), rows[i].size_known);
		assert_int_equal(f->name_count, rows[i].names);
		cv_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_cut_at_any_length_is_reported_and_survived),
		cmocka_unit_test(a_cut_header_says_whether_there_may_be_a_parent),
		cmocka_unit_test(random_damage_never_breaks_the_reader),
		cmocka_unit_test(a_plain_overlay_needs_its_first_cluster_only),
		cmocka_unit_test(a_long_snapshot_table_is_cut_and_said_to_be),
		cmocka_unit_test(the_300th_snapshot_still_tells_of_its_machine),
		cmocka_unit_test(endless_extensions_are_given_up),
		cmocka_unit_test(an_unreadable_disk_is_an_error_and_what_was_read_stays),
	};

	return cmocka_run_group_tests_name("qcow2 hostile", tests, NULL, NULL) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The VHD reader on damage: cut files, changed bytes, sources that cannot be read. Nothing may crash or grow. */
#include "tests/unit/test_vhd_image.h"

/* Reads and renders everything, so that a sanitizer sees every pointer that was handed out. */
static void read_all(const struct image *i, const char *what, size_t n)
{
	struct cv_source *s = source_of(i);
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { CV_OK };
	struct cv_text t = { 0 };

	assert_true(cv_format_vhd.probe(s) <= 100);
	if (!cv_format_vhd.read(s, f, &err))
		fail_msg("%s %zu: %s", what, n, err.text);
	for (uint32_t k = 0; k < f->finding_count; k++)
		cv_finding_title(&t, &f->findings[k]);
	for (uint32_t k = 0; k < f->name_count; k++) {
		cv_text_escape(&t, f->names[k].text);
		cv_text_escape(&t, f->names[k].path);
	}
	for (uint32_t k = 0; k < f->attr_count; k++)
		cv_text_escape(&t, f->attrs[k].text);
	if (f->finding_count > 64 || f->name_count > 9 || f->attr_count > 80 || f->flags & CV_FACT_PARTIAL || t.failed)
		fail_msg("%s %zu: %u findings, %u names", what, n, f->finding_count, f->name_count);
	/* what says that it has a parent is never silent about how to find it */
	if (f->flags & CV_FACT_PARENT &&
	    !(f->flags & (CV_FACT_PARENT_UUID | CV_FACT_PARENT_RAW | CV_FACT_PARENT_UNREADABLE)))
		fail_msg("%s %zu: a parent, but flags 0x%x", what, n, f->flags);
	cv_text_fini(&t);
	cv_facts_free(f);
	cv_source_close(s);
}

static void files_cut_at_any_byte_are_read(void **state)
{
	static struct image i;

	(void)state;
	for (uint8_t type = FIXED; type <= DIFFERENCING; type++) {
		build(&i, type);
		for (size_t len = i.len; len-- > 0; len -= type == FIXED && len > 2048 && len < 60000 ? 511 : 0) {
			i.len = len;
			read_all(&i, "cut at", len);
		}
	}
}

static void cut_files_give_the_findings_of_what_is_gone(void **state)
{
	static const struct { size_t len; const char *findings; } cases[] = {
		{ NAME_AT + 1536, "vhd-footer-missing" },
		{ NAME_AT + 1024 + 19, "vhd-footer-missing image-truncated" },
		{ NAME_AT, "vhd-footer-missing image-truncated image-truncated image-truncated" },
		{ MAP_AT, "vhd-footer-missing image-truncated image-truncated image-truncated vhd-batmap-invalid" },
		{ BATMAP_AT, "vhd-footer-missing image-truncated image-truncated image-truncated vhd-batmap-invalid" },
		{ BAT_AT + 19, "vhd-footer-missing image-truncated image-truncated image-truncated "
			       "image-truncated" },
		{ BAT_AT - 1, "vhd-footer-missing image-truncated" },
		{ 512, "vhd-footer-missing image-truncated" },
		{ 511, "vhd-footer-missing image-truncated" },
		{ 510, "image-unreadable" },
		{ 0, "image-unreadable" },
	};
	static struct image i;

	(void)state;
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		char what[32];
		struct cv_facts *f;

		snprintf(what, sizeof what, "%zu bytes", cases[k].len);
		build(&i, DIFFERENCING);
		i.len = cases[k].len;
		f = facts_of(&i);
		assert_findings(f, what, cases[k].findings);
		if (cases[k].len < BAT_AT)
			assert_true(f->flags & CV_FACT_PARENT_UNREADABLE);
		cv_facts_free(f);
	}
}

static uint32_t next(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)*seed * below >> 32);
}

static void tens_of_thousands_of_mutations_neither_crash_nor_fail(void **state)
{
	static const uint8_t favourites[] = { 0, 1, 2, 3, 4, 0x10, 0x7f, 0x80, 0xc7, 0xfe, 0xff };
	static struct image sound[DIFFERENCING + 1], i;
	uint32_t seed = 20261120;

	(void)state;
	for (uint8_t type = DYNAMIC; type <= DIFFERENCING; type++)
		build(&sound[type], type);
	for (size_t round = 0; round < 30000; round++) {
		const struct image *from = &sound[DYNAMIC + (round % 4 != 0)];
		uint32_t changes = 1 + next(&seed, 5);

		memcpy(i.b, from->b, from->len);
		i.len = from->len;
		while (changes--) {
			size_t at = next(&seed, 3) ? next(&seed, NAME_AT) : next(&seed, (uint32_t)i.len);

			i.b[at] = next(&seed, 2) ? favourites[next(&seed, CV_COUNT(favourites))] : (uint8_t)next(&seed,
			    256);
		}
		if (round % 2)
			seal(&i, SEAL_ALL);
		if (next(&seed, 10) == 0)
			i.len = next(&seed, (uint32_t)i.len);
		read_all(&i, "mutation", round);
	}
}

/* A source that counts its reads and fails those that touch a range. */
struct faulty {
	struct cv_source source;
	const struct image *image;
	struct cv_range bad;
	unsigned reads;
};

static ssize_t faulty_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct faulty *f = (struct faulty *)self;

	f->reads++;
	if (cv_ranges_touch((struct cv_range){ off, len }, f->bad)) {
		errno = EIO;
		return -1;
	}
	if (off >= f->image->len)
		return 0;
	if (len > f->image->len - off)
		len = f->image->len - (size_t)off;
	memcpy(buf, f->image->b + off, len);
	return (ssize_t)len;
}

static void faulty_close(struct cv_source *self)
{
	(void)self;
}

static struct faulty faulty(const struct image *i, struct cv_range bad)
{
	static const struct cv_source_ops ops = { .pread = faulty_pread, .close = faulty_close };

	return (struct faulty){ .source = { &ops, i->len }, .image = i, .bad = bad };
}

static void read_errors_are_errors_and_not_findings(void **state)
{
	static const struct { uint64_t off; const char *text; } cases[] = {
		{ NAME_AT + 1536, "while reading a VHD footer" }, { 0, "while reading a VHD footer" },
		{ HEADER_AT, "while reading the dynamic header" },
		{ NAME_AT + 512, "while reading parent locator 1 (W2ku)" },
		{ BATMAP_AT, "while reading the batmap header" }, { MAP_AT, "while reading the batmap" },
	};
	static struct image i;

	(void)state;
	build(&i, DIFFERENCING);
	put(&i, end_at(&i) + 85, 1, 1);
	seal(&i, SEAL_END);
	for (size_t k = 0; k < CV_COUNT(cases); k++) {
		struct faulty s = faulty(&i, (struct cv_range){ cases[k].off + 1, 1 });
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { CV_OK };

		assert_int_equal(cv_format_vhd.probe(&s.source), k < 2 ? 0 : 100);
		assert_false(cv_format_vhd.read(&s.source, f, &err));
		assert_int_equal(err.code, CV_EIO);
		assert_non_null(strstr(err.text, cases[k].text));
		/* what was read before stays */
		assert_findings(f, cases[k].text, k < 2 ? "" : "vhd-footers-differ");
		assert_int_equal(f->virtual_size, k < 2 ? 0 : DISK);
		cv_facts_free(f);
	}
}

static void a_snapshot_is_understood_with_eight_reads(void **state)
{
	static struct image i;
	struct faulty s;
	struct cv_facts *f = cv_facts_new();
	struct cv_err err = { CV_OK };

	(void)state;
	build(&i, DIFFERENCING);
	s = faulty(&i, (struct cv_range){ 0, 0 });
	assert_true(cv_format_vhd.read(&s.source, f, &err));
	assert_int_equal(s.reads, 8);
	cv_facts_free(f);
}

static void absurd_numbers_do_not_make_it_read_more(void **state)
{
	static const struct { size_t at; unsigned width; } places[] = {
		{ HEADER_AT + 28, 4 }, { HEADER_AT + 32, 4 }, { HEADER_AT + 576 + 4, 4 }, { HEADER_AT + 576 + 8, 4 },
		{ HEADER_AT + 600 + 8, 4 }, { BATMAP_AT + 16, 4 }, { COPY_AT + 48, 8 }, { COPY_AT + 40, 8 },
	};
	static struct image i;
	uint32_t seed = 7;

	(void)state;
	for (size_t round = 0; round < 2000; round++) {
		struct cv_facts *f = cv_facts_new();
		struct cv_err err = { CV_OK };
		struct faulty s;

		build(&i, DIFFERENCING);
		for (size_t k = 0; k < CV_COUNT(places); k++)
			if (next(&seed, 2))
				put(&i, places[k].at, places[k].width,
				    UINT64_MAX >> next(&seed, places[k].width == 4 ? 32 : 64));
		memcpy(i.b + end_at(&i), i.b, 512);
		seal(&i, SEAL_ALL);
		s = faulty(&i, (struct cv_range){ 0, 0 });
		assert_true(cv_format_vhd.read(&s.source, f, &err));
		assert_true(s.reads <= 8);
		cv_facts_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_cut_at_any_byte_are_read),
		cmocka_unit_test(cut_files_give_the_findings_of_what_is_gone),
		cmocka_unit_test(tens_of_thousands_of_mutations_neither_crash_nor_fail),
		cmocka_unit_test(read_errors_are_errors_and_not_findings),
		cmocka_unit_test(a_snapshot_is_understood_with_eight_reads),
		cmocka_unit_test(absurd_numbers_do_not_make_it_read_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

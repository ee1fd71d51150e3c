/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reading what can be read of damaged images: every file of every sample, whole and cut at odd places, and with sectors
 * that cannot be read. Nothing harms, every map is complete, and what a strict reader could read reads the same.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <chainview/format.h>
#include <chainview/salvage.h>
#include "inspect/salvage/overlap.h"
#include "repair/convert/piece.h"
#include "repair/sample/sample.h"
#include "tests/support/run.h"

/* Beyond the first sectors, which are headers, so many are left out between two that cannot be read. */
#ifdef __SANITIZE_ADDRESS__
enum { SWEEP = 2003 };
#else
enum { SWEEP = 251 };
#endif
enum { MOST_CALLS = 60, PIECE = 4096, SECTOR = 512 };

/* A file of which some sectors give EIO, and which may end early. */
struct sick {
	struct cv_source base;
	struct cv_source *under;
	struct cv_range bad;
};

static ssize_t sick_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct sick *s = (struct sick *)self;

	if (off >= self->size)
		return 0;
	len = len < self->size - off ? len : (size_t)(self->size - off);
	if (off < s->bad.off + s->bad.len && off + len > s->bad.off) {
		if (off >= s->bad.off) {
			errno = EIO;
			return -1;
		}
		len = (size_t)(s->bad.off - off);
	}
	return s->under->ops->pread(s->under, buf, len, off);
}

static void sick_close(struct cv_source *self)
{
	cv_source_close(((struct sick *)self)->under);
	free(self);
}

static const struct cv_source_ops sick_ops = { sick_pread, sick_close, NULL, NULL };

static struct cv_source *open_file(const char *path, uint64_t cut, struct cv_range bad)
{
	struct sick *s = calloc(1, sizeof *s);
	struct cv_err err = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_non_null(s);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	s->base = (struct cv_source){ &sick_ops, (uint64_t)st.st_size < cut ? (uint64_t)st.st_size : cut };
	s->under = cv_source_fd_adopt(fd, (uint64_t)st.st_size, &err);
	s->bad = bad;
	assert_non_null(s->under);
	return &s->base;
}

static struct cv_layer *open_layer(const char *path, enum cv_format_id format, bool damaged, uint64_t cut,
				   struct cv_range bad)
{
	struct cv_source *source = open_file(path, cut, bad), *none = NULL;
	struct cv_err err = { 0 };
	struct cv_layer *layer = (damaged ? cv_layer_open_damaged : cv_layer_open)(&source, &none, format, &err);

	assert_true(layer || err.code);
	assert_null(source);
	return layer;
}

static enum cv_format_id format_of(const char *path)
{
	CV_AUTO(cv_auto_source) struct cv_source *s = open_file(path, UINT64_MAX, (struct cv_range){ 0, 0 });
	const struct cv_format *format = cv_format_probe(s);

	return format ? format->id : CV_FORMAT_NONE;
}

/* The same bytes by both, where the strict one has them. */
static void compare_bytes(struct cv_layer *strict, struct cv_layer *loose, struct cv_range at)
{
	struct cv_chain one = { &strict, 1, false }, two = { &loose, 1, false };
	static uint8_t a[PIECE], b[PIECE];
	struct cv_err err = { 0 };

	at.len = at.len < PIECE ? at.len : PIECE;
	if (strict && strict->size >= at.off + at.len && cv_chain_read(&one, a, at, &err)) {
		struct cv_err trouble = { 0 };

		assert_true(cv_chain_read(&two, b, at, &trouble));
		assert_memory_equal(a, b, at.len);
	}
}

/* Every extent follows the one before, what is BAD says why, and what is not can be found in the file. */
static void walk(struct cv_layer *layer, struct cv_layer *strict, uint64_t *lost)
{
	struct cv_source *from = layer->data_file ? layer->data_file : layer->source;
	struct cv_range rest = { 0, layer->size };
	struct cv_extents list = { .max = 256 };

	for (unsigned calls = 0; rest.len && calls < MOST_CALLS; calls++) {
		struct cv_err err = { 0 };

		if (!cv_layer_extents(layer, rest, &list, &err))
			fail_msg("%s", err.text);
		assert_true(list.len > 0);
		for (size_t i = 0; i < list.len; i++) {
			const struct cv_extent *e = &list.at[i];

			if (e->kind == CV_EXTENT_BAD) {
				assert_in_range(e->why, CV_LOST_PAST_END, CV_LOST_OVERLAP);
				*lost += e->at.len;
			}
			if (e->kind == CV_EXTENT_DATA && !e->compressed)
				assert_true(cv_range_inside((struct cv_range){ e->host, e->at.len }, from->size));
			if (e->kind != CV_EXTENT_BAD)
				compare_bytes(strict, layer, e->at);
		}
		rest.len -= cv_extents_end(&list) - rest.off;
		rest.off = cv_extents_end(&list);
	}
	cv_extents_fini(&list);
}

static unsigned opened, refused, files;

static void read_damaged(const char *path, enum cv_format_id format, uint64_t cut, struct cv_range bad)
{
	struct cv_layer *loose = open_layer(path, format, true, cut, bad);
	struct cv_layer *strict = loose && format != CV_FORMAT_NONE ? open_layer(path, format, false, cut, bad) : NULL;
	uint64_t lost = 0;

	opened += loose != NULL;
	refused += !loose;
	/* with sectors that cannot be read the strict one fails where the other goes on */
	if (loose)
		walk(loose, bad.len ? NULL : strict, &lost);
	cv_layer_close(loose);
	cv_layer_close(strict);
}

static int take_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const struct cv_range none = { 0, 0 };
	uint64_t size = (uint64_t)st->st_size;
	enum cv_format_id format;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !size || access(path, R_OK))
		return 0;
	format = format_of(path);
	files++;
	read_damaged(path, format, UINT64_MAX, none);
	read_damaged(path, CV_FORMAT_NONE, UINT64_MAX, none);
	if (format == CV_FORMAT_NONE)
		return 0;
	for (unsigned i = 1; i < 5; i++)
		read_damaged(path, format, size * i / 5 / SECTOR * SECTOR + i - 1, none);
	for (uint64_t at = 0; at < size && at < SECTOR * UINT64_C(2000); at += at < 8 * SECTOR ? SECTOR : SWEEP * SECTOR)
		read_damaged(path, format, UINT64_MAX, (struct cv_range){ at, SECTOR });
	return 0;
}

static void every_sample_is_read_as_far_as_it_goes(void **state)
{
	unsigned samples = 0;

	(void)state;
	for (const char *const *name = cv_sample_names(); *name; name++, samples++) {
		struct cv_err err = { 0 };
		char *folder = cv_test_folder(), *sample = NULL;

		assert_true(asprintf(&sample, "%s/sample", folder) > 0);
		if (!cv_sample_build(*name, sample, &err))
			fail_msg("%s: %s", *name, err.text);
		assert_int_equal(nftw(sample, take_file, 16, FTW_PHYS), 0);
		free(sample);
		cv_test_folder_remove(folder);
	}
	print_message("%u samples, %u files: opened %u times, refused %u times\n", samples, files, opened, refused);
	assert_true(samples > 100 && opened > files);
}

/* A sample of one image, opened so. */
struct opened_sample {
	char *folder;
	struct cv_layer *layer;
};

static struct opened_sample open_sample(const char *recipe, const char *image, uint64_t cut, struct cv_range bad)
{
	struct opened_sample o = { .folder = cv_test_folder() };
	char sample[300], path[400];
	struct cv_err err = { 0 };

	snprintf(sample, sizeof sample, "%s/sample", o.folder);
	snprintf(path, sizeof path, "%s/%s", sample, image);
	if (!cv_sample_build(recipe, sample, &err))
		fail_msg("%s", err.text);
	o.layer = open_layer(path, format_of(path), true, cut, bad);
	return o;
}

static void close_sample(struct opened_sample *o)
{
	cv_layer_close(o->layer);
	cv_test_folder_remove(o->folder);
}

static void headers_that_are_damaged_are_gone_by_where_they_can_be_true(void **state)
{
	static const struct { const char *recipe, *image; uint64_t size; } rows[] = {
		{ "vhd-header-checksum", "disk.vhd", 10 << 20 },
		{ "vhd-footer-checksum-both", "disk.vhd", 10 << 20 },
		{ "vhd-footer-missing", "disk.vhd", 10 << 20 },
		{ "vhdx-header-invalid-both", "disk.vhdx", 64 << 20 },
		{ "vhdx-header-invalid-torn", "disk.vhdx", 64 << 20 },
		{ "qcow2-corrupt-flag", "disk.qcow2", 64 << 20 },
		{ "image-unreadable-referenced", "sr/leaf.img", 10 << 20 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct opened_sample o = open_sample(rows[i].recipe, rows[i].image, UINT64_MAX, (struct cv_range){ 0, 0 });
		uint64_t lost = 0;

		if (!o.layer)
			fail_msg("%s: cannot be opened", rows[i].recipe);
		assert_int_equal(o.layer->size, rows[i].size);
		walk(o.layer, NULL, &lost);
		assert_int_equal(lost, 0);
		close_sample(&o);
	}
}

static void what_a_cut_file_lacks_is_told_to_the_sector(void **state)
{
	struct opened_sample o = open_sample("vhd-block-past-end", "disk.vhd", UINT64_MAX, (struct cv_range){ 0, 0 });
	struct cv_extents list = { .max = 256 };
	struct cv_err err = { 0 };
	uint64_t lost = 0;

	(void)state;
	assert_non_null(o.layer);
	walk(o.layer, NULL, &lost);
	/* the file lost its footer and the last MiB less a sector of block 2 */
	assert_int_equal(lost, (1 << 20) - SECTOR);
	assert_true(cv_layer_extents(o.layer, (struct cv_range){ (6 << 20) - SECTOR, SECTOR }, &list, &err));
	assert_int_equal(list.at[0].kind, CV_EXTENT_BAD);
	assert_int_equal(list.at[0].why, CV_LOST_PAST_END);
	assert_int_equal(list.at[0].host, o.layer->source->size + (1 << 20) - 2 * SECTOR);
	cv_extents_fini(&list);
	close_sample(&o);
}

static void a_table_that_cannot_be_read_loses_what_it_decides(void **state)
{
	/* the BAT of this image is in its fourth sector */
	struct opened_sample o = open_sample("healthy-vhd-win", "Base disk.vhd", UINT64_MAX, (struct cv_range){ 3 * SECTOR, SECTOR });
	struct cv_extents list = { .max = 256 };
	struct cv_err err = { 0 };
	uint64_t lost = 0;

	(void)state;
	assert_non_null(o.layer);
	walk(o.layer, NULL, &lost);
	assert_int_equal(lost, o.layer->size);
	assert_true(cv_layer_extents(o.layer, (struct cv_range){ 0, SECTOR }, &list, &err));
	assert_int_equal(list.at[0].why, CV_LOST_IO);
	cv_extents_fini(&list);
	close_sample(&o);
}

static void lost_ranges_are_sorted_and_joined(void **state)
{
	struct cv_lost_list list = { .len = 0 };
	struct cv_err err = { 0 };
	const struct cv_lost in[] = {
		{ .at = { 4096, 512 }, .why = CV_LOST_IO }, { .at = { 4608, 512 }, .why = CV_LOST_IO },
		{ .at = { 0, 512 }, .why = CV_LOST_ENTRY }, { .at = { 512, 512 }, .why = CV_LOST_IO },
		{ .at = { 3584, 512 }, .why = CV_LOST_IO }, { .at = { 9000, 0 }, .why = CV_LOST_IO },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(in); i++)
		assert_true(cv_lost_add(&list, in[i], &err));
	cv_lost_settle(&list);
	assert_int_equal(list.len, 3);
	assert_int_equal(list.bytes, 5 * 512);
	assert_int_equal(list.at[2].at.off, 3584);
	assert_int_equal(list.at[2].at.len, 3 * 512);
	cv_lost_fini(&list);
}

static void too_many_lost_ranges_are_an_error_and_not_memory(void **state)
{
	struct cv_lost_list list = { .len = 0 };
	struct cv_err err = { 0 };

	(void)state;
	for (uint64_t i = 0; i < CV_LOST_MOST; i++)
		assert_true(cv_lost_add(&list, (struct cv_lost){ .at = { 1024 * i, 512 } }, &err));
	assert_false(cv_lost_add(&list, (struct cv_lost){ .at = { UINT64_MAX / 2, 512 } }, &err));
	assert_int_equal(err.code, CV_ELIMIT);
	cv_lost_fini(&list);
}

static void what_is_held_twice_is_doubtful_on_both_sides(void **state)
{
	/* host, then guest: two blocks that share their middle, one inside of a third, a table under data, and one alone */
	const struct cv_held_bytes in[] = {
		{ { 100, 50 }, { 1000, 50 } }, { { 130, 50 }, { 3000, 50 } }, { { 500, 100 }, { 5000, 100 } },
		{ { 540, 10 }, { 4000, 10 } }, { { 900, 20 }, { 10000, 4096 } }, { { 910, 5 }, { 0, 5 } },
		{ { 2000, 10 }, { 20000, 10 } }, { { 2010, 10 }, { 30000, 10 } }, { { 905, 2 }, { 0, 0 } },
	};
	const struct cv_range out[] = {
		{ 0, 5 }, { 1030, 20 }, { 3000, 20 }, { 4000, 10 }, { 5040, 10 }, { 10000, 4096 },
	};
	struct cv_held_vec held = { 0 };
	struct cv_doubt_vec doubts = { 0 };
	struct cv_err err = { 0 };
	bool doubtful;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(in); i++)
		assert_true(cv_held_vec_push(&held, in[i]));
	assert_true(cv_overlap_of(&held, &doubts, &err));
	assert_int_equal(doubts.len, CV_COUNT(out));
	assert_memory_equal(doubts.at, out, sizeof out);
	assert_int_equal(cv_doubt_until(&doubts, 5, 2000, &doubtful), 1030);
	assert_false(doubtful);
	assert_int_equal(cv_doubt_until(&doubts, 1030, 2000, &doubtful), 1050);
	assert_true(doubtful);
	assert_int_equal(cv_doubt_until(&doubts, 1049, 1050, &doubtful), 1050);
	assert_true(doubtful);
	assert_int_equal(cv_doubt_until(&doubts, 20000, 30000, &doubtful), 30000);
	assert_false(doubtful);
	free(held.at);
	free(doubts.at);
}

/* A disk of which two sectors cannot be read, as the copy sees it. */
static const struct cv_range dead[] = { { 3 * SECTOR, SECTOR }, { 20 * SECTOR, SECTOR } };

static ssize_t dying_pread(const struct cv_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	(void)io;
	(void)fd;
	for (size_t i = 0; i < CV_COUNT(dead); i++)
		if (cv_ranges_touch(dead[i], (struct cv_range){ off, len })) {
			errno = EIO;
			return -1;
		}
	memset(buf, 0xaa, len);
	return (ssize_t)len;
}

static void sectors_that_the_device_does_not_give_are_zeros_and_listed(void **state)
{
	struct cv_io io = cv_io_real;
	const struct cv_file_out out = { .io = &io, .fd = -1, .name = "new" };
	const struct cv_feed_file file = { .fd = 0, .part = { SECTOR, 1 << 20 }, .name = "disk" };
	struct cv_err err = { 0 };
	struct cv_crew *crew = cv_crew_new(0, &err);
	struct cv_piece piece;

	(void)state;
	io.pread = dying_pread;
	assert_true(cv_piece_init(&piece, &out));
	piece.salvage = true;
	piece.layer = 2;
	/* from the middle of a sector on */
	cv_piece_read(&piece, &file, 2 * SECTOR + 100, (struct cv_range){ 1 << 20, 40 * SECTOR }, crew);
	cv_crew_wait(crew, &piece.job);
	assert_int_equal(piece.err.code, CV_OK);
	assert_int_equal(piece.lost.len, 2);
	for (size_t i = 0; i < piece.lost.len; i++) {
		const struct cv_lost *l = &piece.lost.at[i];

		assert_int_equal(l->at.off, (1 << 20) + dead[i].off - (2 * SECTOR + 100));
		assert_int_equal(l->at.len, SECTOR);
		assert_int_equal(l->host, dead[i].off - SECTOR);
		assert_int_equal(l->why, CV_LOST_IO);
		assert_int_equal(l->layer, 2);
	}
	for (size_t at = 0; at < 40 * SECTOR; at++)
		assert_int_equal(piece.buf[at], at - (SECTOR - 100) < SECTOR || at - (18 * SECTOR - 100) < SECTOR ? 0 : 0xaa);
	cv_crew_free(crew);
	cv_piece_fini(&piece);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sectors_that_the_device_does_not_give_are_zeros_and_listed),
		cmocka_unit_test(lost_ranges_are_sorted_and_joined),
		cmocka_unit_test(what_is_held_twice_is_doubtful_on_both_sides),
		cmocka_unit_test(too_many_lost_ranges_are_an_error_and_not_memory),
		cmocka_unit_test(headers_that_are_damaged_are_gone_by_where_they_can_be_true),
		cmocka_unit_test(what_a_cut_file_lacks_is_told_to_the_sector),
		cmocka_unit_test(a_table_that_cannot_be_read_loses_what_it_decides),
		cmocka_unit_test(every_sample_is_read_as_far_as_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Maps of chains whose truth is known from how they were made, and what a process that lies can do: nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <png.h>
#include <stdio.h>
#include <unistd.h>
#include <chainview/map.h>
#include "inspect/map/stream.h"
#include "repair/sample/maker.h"
#include "tests/support/run.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)

/* A folder built by a recipe, scanned. */
struct house {
	char *folder;
	struct cv_scan *scan;
	struct cv_references *refs;
	struct cv_graph *graph;
};

static void fail_on(bool ok, const struct cv_err *err)
{
	if (!ok)
		fail_msg("%s", err->text);
}

static void scan_house(struct house *h)
{
	struct cv_place place = { .path = h->folder };
	struct cv_err err = { 0 };

	h->scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	fail_on(h->scan, &err);
	while (cv_scan_step(h->scan, -1))
		;
	h->refs = cv_references_read("none", h->scan, &err);
	fail_on(h->refs, &err);
	h->graph = cv_graph_build(h->scan, h->refs, NULL, NULL, &err);
	fail_on(h->graph, &err);
}

static struct house build(const char *recipe)
{
	struct house h = { .folder = cv_test_folder() };
	int root = open(h.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cv_err err = { 0 };

	assert_true(root >= 0);
	fail_on(cv_maker_run(&cv_io_real, root, "test", recipe, &err), &err);
	close(root);
	scan_house(&h);
	return h;
}

static void pull_down(struct house *h)
{
	cv_graph_free(h->graph);
	cv_references_free(h->refs);
	cv_scan_free(h->scan);
	cv_test_folder_remove(h->folder);
}

static uint32_t image_named(const struct house *h, const char *name)
{
	struct cv_err err = { 0 };
	uint32_t image;

	fail_on(cv_graph_find(h->graph, name, &image, &err), &err);
	return image;
}

static char *path_in(const struct house *h, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", h->folder, name) > 0);
	return path;
}

/* All extents of a map, in one list. */
static struct cv_extents collect(const struct house *h, const char *name, struct cv_range range)
{
	struct cv_err err = { 0 };
	struct cv_map *map = cv_map_open(h->graph, image_named(h, name), &(struct cv_map_options){ .range = range }, &err);
	struct cv_extents all = { .max = 1000000 };
	const struct cv_extent *list;
	enum cv_map_state state;
	bool ready = false;
	size_t count;

	fail_on(map, &err);
	while ((state = cv_map_next(map, -1, &list, &count, &err)) == CV_MAP_READY || state == CV_MAP_EXTENTS) {
		if (state == CV_MAP_READY)
			cv_extents_begin(&all, cv_map_info(map)->range);
		assert_int_equal(ready, state != CV_MAP_READY);
		ready = true;
		for (size_t i = 0; i < count; i++)
			fail_on(cv_extents_add(&all, list[i], &err), &err);
	}
	fail_on(state == CV_MAP_DONE, &err);
	cv_map_free(map);
	return all;
}

struct truth {
	uint64_t off, len;
	enum cv_extent_kind kind;
	uint32_t layer;
};

static void compare(const struct cv_extents *found, const struct truth *truth, size_t count)
{
	size_t t = 0;
	uint64_t left = count ? truth[0].len : 0;

	/* Neighbours in the truth may lie apart in the files. */
	for (size_t i = 0; i < found->len; i++) {
		const struct cv_extent *e = &found->at[i];

		assert_true(t < count);
		if (e->kind != truth[t].kind || e->layer != truth[t].layer || e->at.len > left)
			fail_msg("extent at %" PRIu64 ", %" PRIu64 " B: kind %d, layer %" PRIu32, e->at.off, e->at.len,
				 (int)e->kind, e->layer);
		left -= e->at.len;
		if (!left && ++t < count)
			left = truth[t].len;
	}
	assert_int_equal(t, count);
}

static const char chain[] =
	"vhd base.vhd dynamic size=10M hidden blocks=0-2\n"
	"vhd middle.vhd parent=base.vhd hidden blocks=1-2 sectors=16\n"
	"vhd leaf.vhd parent=middle.vhd blocks=2 sectors=8\n";

static void partial_sectors_of_a_vhd_chain_are_found_in_the_right_layer(void **unused)
{
	static const struct truth truth[] = {
		{ 0, 2 * MIB, CV_EXTENT_DATA, 2 },
		{ 2 * MIB, 8 * KIB, CV_EXTENT_DATA, 1 },
		{ 2 * MIB + 8 * KIB, 2 * MIB - 8 * KIB, CV_EXTENT_DATA, 2 },
		{ 4 * MIB, 4 * KIB, CV_EXTENT_DATA, 0 },
		{ 4 * MIB + 4 * KIB, 4 * KIB, CV_EXTENT_DATA, 1 },
		{ 4 * MIB + 8 * KIB, 2 * MIB - 8 * KIB, CV_EXTENT_DATA, 2 },
		{ 6 * MIB, 4 * MIB, CV_EXTENT_PARENT, 3 },
	};
	struct house h = build(chain);
	struct cv_extents all = collect(&h, "leaf.vhd", (struct cv_range){ 0, 0 });
	struct cv_extents part = collect(&h, "leaf.vhd", (struct cv_range){ 4 * MIB + 512, 8 * KIB });
	static const struct truth middle[] = {
		{ 0, 4 * KIB - 512, CV_EXTENT_DATA, 0 }, { 0, 4 * KIB, CV_EXTENT_DATA, 1 },
		{ 0, 512, CV_EXTENT_DATA, 2 },
	};

	(void)unused;
	compare(&all, truth, CV_COUNT(truth));
	compare(&part, middle, CV_COUNT(middle));
	cv_extents_fini(&all);
	cv_extents_fini(&part);
	pull_down(&h);
}

static void a_chain_of_thirty_knows_its_depths(void **unused)
{
	struct house h = build("vhd 00.vhd dynamic size=64M hidden blocks=0\n"
			       "repeat 29\nvhd {nn}.vhd parent={pp}.vhd blocks={n}\nend\n");
	struct cv_extents all = collect(&h, "29.vhd", (struct cv_range){ 0, 0 });

	(void)unused;
	assert_true(all.len >= 31);
	for (size_t i = 0; i < 30; i++) {
		assert_int_equal(all.at[i].at.off, i * 2 * MIB);
		assert_int_equal(all.at[i].layer, 29 - i);
		assert_int_equal(all.at[i].kind, CV_EXTENT_DATA);
	}
	assert_int_equal(all.at[30].kind, CV_EXTENT_PARENT);
	assert_int_equal(all.at[30].layer, 30);
	cv_extents_fini(&all);
	pull_down(&h);
}

static void a_missing_parent_is_said_and_its_blocks_are_unknown(void **unused)
{
	static const struct truth truth[] = {
		{ 0, 2 * MIB, CV_EXTENT_BAD, 2 }, { 2 * MIB, 8 * KIB, CV_EXTENT_DATA, 1 },
		{ 0, 2 * MIB - 8 * KIB, CV_EXTENT_BAD, 2 }, { 0, 4 * KIB, CV_EXTENT_DATA, 0 },
		{ 0, 4 * KIB, CV_EXTENT_DATA, 1 }, { 0, 6 * MIB - 8 * KIB, CV_EXTENT_BAD, 2 },
	};
	struct house h = build("vhd base.vhd dynamic size=10M hidden blocks=0-2\n"
			       "vhd middle.vhd parent=base.vhd hidden blocks=1-2 sectors=16\n"
			       "vhd leaf.vhd parent=middle.vhd blocks=2 sectors=8\nremove base.vhd\n");
	struct cv_extents all = collect(&h, "leaf.vhd", (struct cv_range){ 0, 0 });
	struct cv_map_place place;
	struct cv_map *map;
	struct cv_err err = { 0 };

	(void)unused;
	compare(&all, truth, CV_COUNT(truth));
	fail_on(cv_map_at(h.graph, image_named(&h, "leaf.vhd"), 0, &place, &map, &err), &err);
	assert_true(cv_map_info(map)->incomplete);
	assert_non_null(strstr(cv_map_info(map)->why, "middle.vhd: its parent is not there"));
	assert_int_equal(place.decided.kind, CV_EXTENT_BAD);
	assert_int_equal(place.count, 2);
	cv_map_place_fini(&place);
	cv_map_free(map);
	cv_extents_fini(&all);
	pull_down(&h);
}

static void a_parent_that_cannot_be_mapped_ends_the_chain(void **unused)
{
	struct house h = build(chain);
	char *path = path_in(&h, "middle.vhd");
	int fd = open(path, O_WRONLY);
	struct cv_err err = { 0 };
	struct cv_map_place place;
	struct cv_map *map;

	/* After the scan, so that the graph still has it. */
	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 700), 0);
	close(fd);
	free(path);
	fail_on(cv_map_at(h.graph, image_named(&h, "leaf.vhd"), 4 * MIB, &place, &map, &err), &err);
	assert_true(cv_map_info(map)->incomplete);
	assert_int_equal(cv_map_info(map)->count, 1);
	assert_non_null(strstr(cv_map_info(map)->why, "middle.vhd: "));
	assert_int_equal(place.decided.kind, CV_EXTENT_DATA);
	cv_map_place_fini(&place);
	cv_map_free(map);
	pull_down(&h);
}

static void a_file_that_took_anothers_place_is_refused(void **unused)
{
	struct house h = build(chain);
	char *leaf = path_in(&h, "leaf.vhd"), *base = path_in(&h, "base.vhd");
	uint32_t image = image_named(&h, "leaf.vhd");
	struct cv_err err = { 0 };

	(void)unused;
	assert_int_equal(rename(base, leaf), 0);
	assert_null(cv_map_open(h.graph, image, NULL, &err));
	assert_int_equal(err.code, CV_EREFUSED);
	assert_non_null(strstr(err.text, "another file has taken its place"));
	cv_err_clear(&err);
	assert_int_equal(unlink(leaf), 0);
	assert_int_equal(symlink("middle.vhd", leaf), 0);
	assert_null(cv_map_open(h.graph, image, NULL, &err));
	assert_int_equal(err.code, CV_EREFUSED);
	cv_err_clear(&err);
	assert_int_equal(unlink(leaf), 0);
	assert_null(cv_map_open(h.graph, image, NULL, &err));
	assert_int_equal(err.code, CV_EIO);
	free(leaf);
	free(base);
	pull_down(&h);
}

static void a_place_shows_table_entries_and_bits(void **unused)
{
	struct house h = build("vhd base.vhd dynamic size=10M hidden blocks=0-2\n"
			       "vhd leaf.vhd parent=base.vhd blocks=1 sectors=8\n"
			       "qcow2 q.qcow2 size=4M blocks=1\n");
	struct cv_err err = { 0 };
	struct cv_map_place place;
	struct cv_map *map;

	(void)unused;
	fail_on(cv_map_at(h.graph, image_named(&h, "leaf.vhd"), 2 * MIB + 4 * KIB, &place, &map, &err), &err);
	assert_int_equal(place.decided.layer, 1);
	assert_int_equal(place.count, 2);
	assert_int_equal(place.words[0].block, 1);
	assert_int_equal(place.words[0].extent.kind, CV_EXTENT_PARENT);
	assert_non_null(strstr(place.words[0].detail, "BAT entry 1 at offset "));
	assert_non_null(strstr(place.words[0].detail, "sector 8 of 4096 in the block: not set"));
	assert_non_null(strstr(place.words[0].detail, "bits of sectors 0 to 63: 11111111 00000000"));
	assert_non_null(strstr(place.words[1].detail, "sector 8 of 4096 in the block: set"));
	cv_map_place_fini(&place);
	cv_map_free(map);
	fail_on(cv_map_at(h.graph, image_named(&h, "q.qcow2"), 0, &place, &map, &err), &err);
	assert_non_null(strstr(place.words[0].detail, "L1 entry 0 at offset "));
	assert_non_null(strstr(place.words[0].detail, "L2 entry 0 at offset "));
	cv_map_place_fini(&place);
	cv_map_free(map);
	assert_false(cv_map_at(h.graph, image_named(&h, "q.qcow2"), 4 * MIB, &place, &map, &err));
	assert_int_equal(err.code, CV_EUSAGE);
	cv_map_place_fini(&place);
	cv_map_free(map);
	pull_down(&h);
}

/* What the image at a depth of the chain says about an offset. */
static void assert_says(const struct house *h, const char *image, uint64_t offset, size_t depth, const char *const *lines)
{
	struct cv_map *map = NULL;
	struct cv_map_place place;
	struct cv_err err = { 0 };

	fail_on(cv_map_at(h->graph, image_named(h, image), offset, &place, &map, &err), &err);
	assert_true(depth < place.count);
	for (; *lines; lines++)
		if (!strstr(place.words[depth].detail, *lines))
			fail_msg("%s at %" PRIu64 " does not say \"%s\":\n%s", image, offset, *lines,
				 place.words[depth].detail);
	cv_map_place_fini(&place);
	cv_map_free(map);
}

#define SAYS(...) (const char *const[]){ __VA_ARGS__, NULL }

/* Sectors 0 to 99 of blocks 1 and 19 are in the child; 2048 blocks share a bitmap, whose entry comes behind theirs. */
static void a_place_in_a_vhdx_shows_entries_and_the_sector_bitmap(void **unused)
{
	struct house h = build("vhdx base.vhdx size=40M block=1M blocks=3,39\n"
			       "vhdx leaf.avhdx parent=base.vhdx block=2M partial=1,19 sectors=100 blocks=2\n");

	(void)unused;
	assert_says(&h, "leaf.avhdx", 2 * MIB + 99 * 512, 0,
		    SAYS("BAT entry 1 at offset ", "7: partially present, offset ",
			 "BAT entry 2048 at offset ", "6: sector bitmap at offset ",
			 "sector 99 of 4096 in the block: set", "bits of sectors 64 to 127: 11111111 11111111 11111111 "
			 "11111111 11110000 00000000"));
	assert_says(&h, "leaf.avhdx", 38 * MIB + 100 * 512, 0, SAYS("BAT entry 19 ", "sector 100 of 4096 in the block: not set"));
	assert_says(&h, "leaf.avhdx", 4 * MIB, 0, SAYS("BAT entry 2 ", "6: fully present, offset "));
	assert_says(&h, "leaf.avhdx", 0, 0, SAYS("BAT entry 0 ", ": 0000000000000000: not present\n"));
	assert_says(&h, "leaf.avhdx", 38 * MIB, 1, SAYS("BAT entry 38 ", "not present\n"));
	pull_down(&h);
}

static void a_place_in_a_qcow_shows_both_entries(void **unused)
{
	struct house h = build("qcow old.qcow size=8M blocks=0,1 compressed=3\nqcow2 q.qcow2 size=4M blocks=1\n");

	(void)unused;
	assert_says(&h, "old.qcow", 4096, 0, SAYS("L1 entry 0 at offset 48: ", ": L2 table at offset ", "L2 entry 1 at offset ",
						  ": cluster at offset "));
	assert_says(&h, "old.qcow", 3 * 4096, 0, SAYS("L2 entry 3 at offset ", ": compressed, ", " B at offset "));
	assert_says(&h, "old.qcow", 2 * 4096, 0, SAYS("L2 entry 2 at offset ", ": 0000000000000000: no cluster\n"));
	assert_says(&h, "old.qcow", 7 * MIB, 0, SAYS("L1 entry 3 at offset ", ": 0000000000000000: no L2 table\n"));
	assert_says(&h, "q.qcow2", 0, 0, SAYS("L2 entry 0 at offset ", ": 0000000000000000: no cluster\n"));
	assert_says(&h, "q.qcow2", 64 * KIB, 0, SAYS("L2 entry 1 at offset ", ": cluster at offset ", ", used once"));
	pull_down(&h);
}

/* --- a process that lies ------------------------------------------------------------------------------- */

static struct cv_map_head_layer two[2] = { { 10 * MIB, 512, 0 }, { 10 * MIB, 512, 0 } };

static bool lie_head(struct cv_task_out *out, struct cv_map_head head, size_t layers)
{
	uint8_t bytes[sizeof head + sizeof two];

	memcpy(bytes, &head, sizeof head);
	memcpy(bytes + sizeof head, two, sizeof two);
	return cv_task_send(out, CV_MAP_HEAD, bytes, sizeof head + layers * sizeof two[0]);
}

static bool lie_piece(struct cv_task_out *out, struct cv_map_packed piece)
{
	return cv_task_send(out, CV_MAP_PIECE, &piece, sizeof piece);
}

/* The request is the number of the lie. */
static bool liar(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		 const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	static const struct cv_map_head good = { { 0, 10 * MIB }, 10 * MIB, 2, 1 };
	struct cv_map_head head = good;
	struct cv_map_packed piece = { 0, 10 * MIB, 0, 0, CV_EXTENT_DATA, 1, 0, 0 };
	int lie;

	(void)sources, (void)data, (void)images, (void)count, (void)err;
	memcpy(&lie, request, request_len);
	head.count = lie == 1 ? 0 : lie == 2 ? 4 : 2;
	head.range.len = lie == 3 ? UINT64_MAX : head.range.len;
	head.incomplete = lie != 4;
	if (lie != 5)
		lie_head(out, head, lie == 6 ? 1 : 2);
	piece.off = lie == 7 ? 512 : 0;
	piece.len = lie == 8 ? 11 * MIB : lie == 9 ? 0 : piece.len;
	piece.layer = lie == 10 ? 2 : lie == 11 ? UINT32_MAX : 0;
	piece.kind = lie == 12 ? 99 : lie == 13 ? CV_EXTENT_PARENT : CV_EXTENT_DATA;
	piece.placed = lie != 13 && lie != 14;
	piece.host = lie == 15 ? UINT64_MAX : 0;
	if (lie == 16)
		cv_task_send(out, CV_MAP_PIECE, &piece, sizeof piece - 1);
	if (lie == 17)
		cv_task_send(out, CV_MAP_WORD, &piece, sizeof piece);
	if (lie == 18)
		cv_task_send(out, 77, &piece, sizeof piece);
	if (lie == 19)
		lie_head(out, head, 2);
	if (lie == 20)
		piece.len = 512;
	return lie_piece(out, piece);
}

static void a_process_that_lies_is_not_believed(void **unused)
{
	struct house h = build(chain);

	(void)unused;
	for (int lie = 0; lie <= 20; lie++) {
		struct cv_err err = { 0 };
		struct cv_map *map = cv_map_open(h.graph, image_named(&h, "leaf.vhd"), NULL, &err);
		const struct cv_extent *list;
		enum cv_map_state state;
		size_t count;

		fail_on(map, &err);
		cv_task_free(map->task);
		map->task = cv_task_start(NULL, 0, liar, &lie, sizeof lie, NULL, &err);
		fail_on(map->task, &err);
		do
			state = cv_map_next(map, -1, &list, &count, &err);
		while (state == CV_MAP_READY || state == CV_MAP_EXTENTS);
		if (state != (lie ? CV_MAP_FAILED : CV_MAP_DONE))
			fail_msg("lie %d ends with state %d", lie, (int)state);
		if (lie)
			assert_non_null(strstr(err.text, "gave a damaged answer: "));
		cv_map_free(map);
	}
	pull_down(&h);
}

/* --- reports ------------------------------------------------------------------------------------------ */

static bool into_text(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

static void a_png_can_be_read_and_shows_the_map(void **unused)
{
	struct house h = build(chain);
	struct cv_err err = { 0 };
	struct cv_map *map = cv_map_open(h.graph, image_named(&h, "leaf.vhd"), NULL, &err);
	struct cv_text bytes = { 0 };
	struct cv_sink sink = { into_text, &bytes };
	struct cv_map_view view = { h.graph, image_named(&h, "leaf.vhd"), NULL, NULL, NULL };
	const struct cv_extent *list;
	struct cv_map_model m;
	png_image image = { .version = PNG_IMAGE_VERSION };
	uint8_t *dots;
	size_t count;

	(void)unused;
	fail_on(map && cv_map_next(map, -1, &list, &count, &err) == CV_MAP_READY, &err);
	view.info = cv_map_info(map);
	fail_on(cv_map_model_init(&m, view.info->range, view.info->count, CV_MAP_PICTURE_CELLS, UINT32_MAX,
				  &err), &err);
	fail_on(cv_map_model_fill(&m, map, &err), &err);
	view.model = &m;
	fail_on(cv_report_map_png(&view, &sink, &err), &err);
	assert_true(png_image_begin_read_from_memory(&image, bytes.at, bytes.len));
	assert_int_equal(image.width, 2 * 20 + 70 + CV_MAP_PICTURE_COLUMNS * 10);
	image.format = PNG_FORMAT_RGB;
	dots = malloc(PNG_IMAGE_SIZE(image));
	assert_true(png_image_finish_read(&image, NULL, dots, 0, NULL));
	/* The first cell is of the base: the last colour of the ramp. */
	assert_memory_equal(dots + ((size_t)(20 + 2 * 18 + 5) * image.width + 20 + 70 + 5) * 3, "\xff\xff\x5f", 3);
	free(dots);
	cv_text_fini(&bytes);
	cv_map_model_fini(&m);
	cv_map_free(map);
	pull_down(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partial_sectors_of_a_vhd_chain_are_found_in_the_right_layer),
		cmocka_unit_test(a_chain_of_thirty_knows_its_depths),
		cmocka_unit_test(a_missing_parent_is_said_and_its_blocks_are_unknown),
		cmocka_unit_test(a_parent_that_cannot_be_mapped_ends_the_chain),
		cmocka_unit_test(a_file_that_took_anothers_place_is_refused),
		cmocka_unit_test(a_place_shows_table_entries_and_bits),
		cmocka_unit_test(a_place_in_a_vhdx_shows_entries_and_the_sector_bitmap),
		cmocka_unit_test(a_place_in_a_qcow_shows_both_entries),
		cmocka_unit_test(a_process_that_lies_is_not_believed),
		cmocka_unit_test(a_png_can_be_read_and_shows_the_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}

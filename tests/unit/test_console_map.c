/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The depth map and the space view of the console: golden screens of models that are filled by hand, key scripts,
 * and the life of the jobs as far as that needs no scan.
 */
#include "tests/support/handmade.h"
#include "tests/unit/test_console_gallery.h"
#include "tui/console_model.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

/* The console, and the result of the space model that it shows. */
struct scene {
	struct handmade h;
	struct cv_console *c;
	struct cv_space space;
	struct cv_space_plan plans[2];
	struct cv_space_image images[64];
};

static void begin(struct scene *s, int w, int h, bool ascii)
{
	*s = (struct scene){ 0 };
	handmade_house(&s->h);
	s->c = console_of(&s->h, w, h, ascii);
}

static void end(struct scene *s)
{
	cv_console_free(s->c);
	handmade_fini(&s->h);
}

static void add(struct cv_map_model *m, uint64_t from, uint64_t to, enum cv_extent_kind kind, uint32_t layer)
{
	struct cv_extent e = { .at = { from, to - from }, .kind = kind, .layer = layer };

	cv_map_model_add(m, &e, 1);
}

/* What the job would have made of the chain root, mid, base of web01: 96 GiB, some of everything. */
static void fill_map(struct cv_console *c)
{
	static const uint32_t layers[] = { 30, 28, 27 };
	struct cv_map_grid grid = cv_map_grid_of(c->w, c->h);
	struct cv_map_job *job = &c->map;
	struct cv_err err = { 0 };

	assert_true(cv_map_model_init(&job->model, (struct cv_range){ 0, 96 * GIB }, 3, grid.columns * grid.lines,
				      UINT32_MAX, &err));
	job->layers = calloc(3, sizeof *job->layers);
	assert_non_null(job->layers);
	memcpy(job->layers, layers, sizeof layers);
	job->layer_count = 3;
	job->columns = grid.columns;
	job->lines = grid.lines;
	job->size = job->done = 96 * GIB;
	job->state = CV_JOB_DONE;
	add(&job->model, 0, 6 * GIB, CV_EXTENT_DATA, 0);
	add(&job->model, 6 * GIB, 15 * GIB, CV_EXTENT_DATA, 1);
	add(&job->model, 15 * GIB, 17 * GIB, CV_EXTENT_ZERO, 1);
	add(&job->model, 17 * GIB, 48 * GIB, CV_EXTENT_DATA, 2);
	add(&job->model, 48 * GIB, 48 * GIB + 2 * MIB, CV_EXTENT_BAD, 1);
	add(&job->model, 48 * GIB + 2 * MIB, 95 * GIB, CV_EXTENT_PARENT, 3);
	add(&job->model, 95 * GIB, 96 * GIB, CV_EXTENT_DATA, 0);
	job->merges = calloc(2, sizeof *job->merges);
	assert_non_null(job->merges);
	job->merges[0] = 1;
	job->merge_count = 1;
	cv_map_plan(job);
	cv_touch(c, 1u << CV_VIEW_MAP);
	cv_settle(c);
}

static void fill_space(struct scene *s)
{
	for (size_t i = 0; i < s->h.count; i++) {
		s->images[i].known = i != 5;
		s->images[i].why = i != 5 ? NULL : "it cannot be read";
		s->images[i].bytes[CV_SPACE_LIVE] = s->h.images[i].file->allocated;
	}
	s->images[31].bytes[CV_SPACE_LIVE] = 0;
	s->images[31].bytes[CV_SPACE_ORPHANED] = 58 * GIB;
	s->images[27].bytes[CV_SPACE_LIVE] -= 7 * GIB;
	s->images[27].bytes[CV_SPACE_SHADOWED] = 7 * GIB;
	s->images[28].merge = (struct cv_space_merge){ true, 2 * GIB, 7 * (int64_t)GIB };
	s->images[30].bytes[CV_SPACE_LEAKED] = 21 * MIB;
	s->images[30].bytes[CV_SPACE_LIVE] -= 21 * MIB;
	s->images[30].zero_known = true;
	s->images[30].zero_bytes = 300 * MIB;
	/* a merge that costs more than it frees */
	s->images[25].bytes[CV_SPACE_LIVE] -= 2 * GIB;
	s->images[25].bytes[CV_SPACE_SHADOWED] = 2 * GIB;
	s->images[26].merge = (struct cv_space_merge){ true, 3 * GIB, -(int64_t)GIB };
	s->plans[0] = (struct cv_space_plan){ .free_now = 312 * GIB, .net_bytes = 65 * (int64_t)GIB, .fits = true };
	s->space = (struct cv_space){ .graph = &s->h.graph, .images = s->images, .plans = s->plans,
				      .repository_count = 2, .unknown = 1 };
	s->c->space.space = &s->space;
	s->c->space.state = CV_JOB_DONE;
	cv_touch(s->c, 1u << CV_VIEW_SPACE);
	cv_settle(s->c);
}

static const struct { const char *name, *way, *script; bool space;
} shows[] = {
	{ "map-start", "<Enter>/web01-root<Enter>d", "", false },
	{ "map-mean", "<Enter>/web01-root<Enter>d", "mjjll", false },
	{ "map-bad", "<Enter>/web01-root<Enter>d", "/unreadable<Enter>h<Right>", false },
	{ "map-plan", "<Enter>/web01-root<Enter>d", "wjjjj", false },
	{ "space-start", "o", "", true },
	{ "space-second", "<Enter>o", "j", true },
	{ "space-menu", "o", "sj", true },
	{ "space-marks", "o", "sf j ", true },
};
enum { MAP_START, SPACE_START = 4 };

static void open_scene(struct scene *s, size_t screen, int w, int h, bool ascii)
{
	begin(s, w, h, ascii);
	send(s->c, shows[screen].way);
	if (shows[screen].space)
		fill_space(s);
	else
		fill_map(s->c);
	send(s->c, shows[screen].script);
}

/* The scene of the gallery. */
static struct scene hung;

static const char *name_of(const struct gallery *g, size_t i)
{
	(void)g;
	return shows[i].name;
}

static struct cv_console *hang(const struct gallery *g, size_t i, int w, int h, bool ascii)
{
	(void)g;
	open_scene(&hung, i, w, h, ascii);
	return hung.c;
}

static void take_down(void)
{
	end(&hung);
}

static const struct gallery gallery = { .count = CV_COUNT(shows), .name = name_of, .open = hang, .close = take_down };

static void every_screen_is_as_it_was(void **state)
{
	(void)state;
	gallery_is_as_it_was(&gallery);
}

static void the_cursor_moves_by_cells_and_lines_and_stays_inside(void **state)
{
	struct scene s;
	size_t *cursor;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	cursor = &s.c->view[CV_VIEW_MAP].list.cursor;
	assert_int_equal(*cursor, 0);
	send(s.c, "hk");
	assert_int_equal(*cursor, 0);
	send(s.c, "lljj");
	assert_int_equal(*cursor, 2 + 2 * s.c->map.columns);
	send(s.c, "<Left><Up>");
	assert_int_equal(*cursor, 1 + s.c->map.columns);
	send(s.c, "G");
	assert_int_equal(*cursor, s.c->map.model.cell_count - 1);
	send(s.c, "lj");
	assert_int_equal(*cursor, s.c->map.model.cell_count - 1);
	assert_shows(s.c, "hops 0 = web01-root", true);
	end(&s);
}

static void a_zoom_asks_for_the_part_around_the_cursor(void **state)
{
	struct scene s;
	struct cv_range r;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	send(s.c, "-");
	assert_shows(s.c, "this is the whole disk", true);
	assert_int_equal(s.c->map.state, CV_JOB_DONE);
	send(s.c, "jjjj+");
	r = s.c->map.asked;
	assert_int_equal(s.c->map.state, CV_JOB_WANTED);
	assert_int_equal(r.len, 24 * GIB);
	assert_true(r.off <= s.c->map.focus && s.c->map.focus < r.off + r.len);
	/* until it is there nothing old is shown, and keys are safe */
	assert_shows(s.c, "Opening the images", true);
	send(s.c, "+");
	assert_int_equal(s.c->map.asked.len, 6 * GIB);
	send(s.c, "-----");
	assert_int_equal(s.c->map.asked.len, 0);
	send(s.c, "jklm<PageDown>G");
	end(&s);
}

static void a_zoom_at_the_end_stays_on_the_disk(void **state)
{
	struct scene s;
	struct cv_range r;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	send(s.c, "G+");
	r = s.c->map.asked;
	assert_int_equal(r.off + r.len, 96 * GIB);
	assert_int_equal(r.len, 24 * GIB);
	end(&s);
}

static void leaving_ends_the_job(void **state)
{
	static const char *const ways[] = { "q", "<Esc>", "1" };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(ways); i++) {
		struct scene s;
		unsigned fx = 0;

		open_scene(&s, MAP_START, 80, 24, true);
		assert_false(send(s.c, ways[i]) & FX_QUIT);
		assert_int_not_equal(cv_top(s.c), CV_VIEW_MAP);
		assert_false(cv_console_work(s.c, 1, &fx));
		assert_int_equal(s.c->map.state, CV_JOB_NONE);
		assert_null(s.c->map.model.cells);
		end(&s);
	}
}

static void another_size_or_graph_asks_again_for_the_same_image(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	send(s.c, "<Resize 120x40>");
	assert_int_equal(s.c->map.state, CV_JOB_WANTED);
	fill_map(s.c);
	assert_true(cv_console_show(s.c, &s.h.snapshot));
	assert_int_equal(s.c->map.state, CV_JOB_WANTED);
	assert_null(s.c->map.model.cells);
	fill_map(s.c);
	send(s.c, "~C");
	assert_int_equal(s.c->map.state, CV_JOB_DONE);
	end(&s);
}

static void a_map_that_is_being_read_says_how_far_it_is(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	s.c->map.state = CV_JOB_RUNNING;
	s.c->map.done = 24 * GIB;
	assert_shows(s.c, "reading 25%", true);
	assert_shows(s.c, "????????", true);
	s.c->map.state = CV_JOB_DONE;
	assert_shows(s.c, "????????", false);
	end(&s);
}

static void an_incomplete_chain_and_a_failure_are_told(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	snprintf(s.c->map.why, sizeof s.c->map.why, "gone.vhd is not there");
	assert_shows(s.c, "The chain is incomplete: gone.vhd", true);
	send(s.c, "q");
	send(s.c, "d");
	s.c->map.state = CV_JOB_FAILED;
	snprintf(s.c->map.why, sizeof s.c->map.why, "permission denied");
	assert_shows(s.c, "permission denied", true);
	send(s.c, "+-mhjkl/x<Enter>n");
	end(&s);
}

static void a_job_waits_for_the_scan(void **state)
{
	struct scene s;
	struct cv_scan_progress progress = { 0 };
	unsigned fx = 0;

	(void)state;
	begin(&s, 80, 24, true);
	s.h.graph.partial = true;
	cv_console_progress(s.c, &progress, 1);
	send(s.c, "<Enter>/web01-root<Enter>d");
	assert_false(cv_console_work(s.c, 1, &fx));
	assert_int_equal(s.c->map.state, CV_JOB_WANTED);
	assert_shows(s.c, "The map begins when the scan is done", true);
	send(s.c, "o");
	assert_false(cv_console_work(s.c, 1, &fx));
	assert_int_equal(s.c->space.state, CV_JOB_WANTED);
	assert_shows(s.c, "The space is computed when the scan is done", true);
	assert_int_equal(fx, 0);
	end(&s);
}

static void computing_is_announced_before_it_is_done(void **state)
{
	struct scene s;
	unsigned fx = 0;

	(void)state;
	begin(&s, 80, 24, true);
	send(s.c, "o");
	assert_shows(s.c, "computing the space", true);
	assert_true(cv_console_work(s.c, 1, &fx));
	assert_int_equal(fx, FX_REDRAW);
	assert_int_equal(s.c->space.state, CV_JOB_RUNNING);
	/* whoever leaves now does not wait for it */
	send(s.c, "q");
	assert_false(cv_console_work(s.c, 1, &fx));
	assert_int_equal(s.c->space.state, CV_JOB_NONE);
	end(&s);
}

static void a_stopped_scan_is_not_added_up(void **state)
{
	struct scene s;
	unsigned fx = 0;

	(void)state;
	begin(&s, 80, 24, true);
	s.h.graph.partial = true;
	send(s.c, "o");
	assert_false(cv_console_work(s.c, 1, &fx));
	assert_int_equal(fx, FX_REDRAW);
	assert_shows(s.c, "The scan was stopped; R reads everything", true);
	end(&s);
}

static void rows_lead_to_their_images_and_repositories_follow_each_other(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, SPACE_START, 80, 24, true);
	assert_int_equal(s.c->space.count, 5);
	assert_shows(s.c, "no child", true);
	send(s.c, "/web01-base<Enter>i");
	assert_int_equal(cv_top(s.c), CV_VIEW_DETAILS);
	assert_int_equal(s.c->details_image, 27);
	send(s.c, "qd");
	assert_int_equal(cv_top(s.c), CV_VIEW_MAP);
	assert_int_equal(s.c->map.image, 27);
	send(s.c, "q]");
	assert_int_equal(cv_space_repository(s.c), 1);
	assert_shows(s.c, "Nothing could be freed here", true);
	send(s.c, "[<Enter>");
	assert_int_equal(cv_top(s.c), CV_VIEW_TREE);
	end(&s);
}

static void a_plan_is_shown_over_the_map_and_taken_off_again(void **state)
{
	struct scene s;
	double now;

	(void)state;
	open_scene(&s, MAP_START, 80, 24, true);
	now = cv_map_cell_mean(&s.c->map.model.total);
	assert_shows(s.c, "mean 1.49 hops, max 2   plan 1 of 1: mean 0.86, max 1 (", true);
	assert_shows(s.c, "after merging", false);
	send(s.c, "w");
	assert_shows(s.c, "~web01-mid.vhd into web01-base.vhd [READ-ONLY]", true);
	assert_int_equal(cv_map_shown(&s.c->map)->layer_count, 2);
	assert_true(cv_map_cell_mean(&s.c->map.model.total) == now);
	send(s.c, "w");
	assert_shows(s.c, "as it is now", true);
	assert_int_equal(cv_map_shown(&s.c->map)->layer_count, 3);
	s.c->map.merge_count = 0;
	send(s.c, "w");
	assert_shows(s.c, "no image of this chain can be merged", true);
	end(&s);
}

static void rows_are_sorted_by_what_is_chosen(void **state)
{
	static const struct { const char *script; enum cv_space_kind first; uint64_t bytes; } orders[] = {
		{ "ss", CV_SPACE_ROW_ORPHAN, 58 * GIB }, { "sf", CV_SPACE_ROW_ORPHAN, 58 * GIB },
		{ "sn", CV_SPACE_ROW_SHADOWED, 2 * GIB }, { "sw", CV_SPACE_ROW_ORPHAN, 58 * GIB },
		{ "sp", CV_SPACE_ROW_ORPHAN, 58 * GIB },
	};
	struct scene s;

	(void)state;
	open_scene(&s, SPACE_START, 80, 24, true);
	for (size_t i = 0; i < CV_COUNT(orders); i++) {
		send(s.c, orders[i].script);
		assert_int_equal(s.c->space.rows[0].kind, orders[i].first);
		assert_int_equal(s.c->space.rows[0].bytes, orders[i].bytes);
	}
	/* the cursor stays with its row */
	send(s.c, "ssg/web01-base<Enter>sn");
	assert_int_equal(s.c->space.rows[s.c->view[CV_VIEW_SPACE].list.cursor].image, 27);
	end(&s);
}

static void marks_of_rows_say_what_they_would_free(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, SPACE_START, 80, 24, true);
	send(s.c, "  ");
	assert_shows(s.c, "2 marked: 65G, peak 2G", true);
	/* they are not those of the trees */
	assert_int_equal(s.c->marked.len, 0);
	send(s.c, "]");
	assert_shows(s.c, "marked", false);
	send(s.c, "[");
	assert_shows(s.c, "2 marked: 65G", true);
	send(s.c, "g ");
	assert_shows(s.c, "1 marked: 7G", true);
	send(s.c, "u");
	assert_shows(s.c, "marked", false);
	end(&s);
}

static void every_key_is_safe_in_both_views(void **state)
{
	(void)state;
	gallery_bears_every_key(&gallery, SPACE_START);
}

static void every_key_is_safe_on_an_empty_graph(void **state)
{
	static const char *const scripts[] = { "o", "o]jkG[/x<Enter>no", "tdq", "fd", "td+-hjklmG", "o<Enter>d", "oi" };
	struct cv_text t = { 0 };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(scripts) * 2; i++) {
		struct cv_console_options options = { .program = "chainview 1.0" };
		struct cv_console *c = cv_console_new(&options);
		struct handmade h;

		assert_non_null(c);
		handmade_init(&h, 0, 0);
		handmade_finish(&h);
		if (i & 1)
			assert_true(cv_console_show(c, &h.snapshot));
		send(c, scripts[i / 2]);
		picture(c, &t);
		cv_console_free(c);
		handmade_fini(&h);
	}
	cv_text_fini(&t);
}

static void every_size_can_be_drawn(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(shows); i++) {
		struct scene s;

		open_scene(&s, i, 120, 40, i & 1);
		for (int w = 1; w <= 260; w += w < 130 ? 3 : 40)
			for (int h = 1; h <= 45; h += 2) {
				struct cv_cells frame;

				assert_true(cv_cells_init(&frame, w, h, false));
				cv_console_draw(s.c, &frame);
				cv_console_resize(s.c, w, h);
				if (!shows[i].space && !s.c->map.model.cells)
					fill_map(s.c);
				cv_console_draw(s.c, &frame);
				cv_cells_fini(&frame);
			}
		end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_screen_is_as_it_was),
		cmocka_unit_test(the_cursor_moves_by_cells_and_lines_and_stays_inside),
		cmocka_unit_test(a_zoom_asks_for_the_part_around_the_cursor),
		cmocka_unit_test(a_zoom_at_the_end_stays_on_the_disk),
		cmocka_unit_test(leaving_ends_the_job),
		cmocka_unit_test(another_size_or_graph_asks_again_for_the_same_image),
		cmocka_unit_test(a_map_that_is_being_read_says_how_far_it_is),
		cmocka_unit_test(an_incomplete_chain_and_a_failure_are_told),
		cmocka_unit_test(a_job_waits_for_the_scan),
		cmocka_unit_test(computing_is_announced_before_it_is_done),
		cmocka_unit_test(a_stopped_scan_is_not_added_up),
		cmocka_unit_test(rows_lead_to_their_images_and_repositories_follow_each_other),
		cmocka_unit_test(a_plan_is_shown_over_the_map_and_taken_off_again),
		cmocka_unit_test(rows_are_sorted_by_what_is_chosen),
		cmocka_unit_test(marks_of_rows_say_what_they_would_free),
		cmocka_unit_test(every_key_is_safe_in_both_views),
		cmocka_unit_test(every_key_is_safe_on_an_empty_graph),
		cmocka_unit_test(every_size_can_be_drawn),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("console_map", tests, NULL, NULL) ? 1 : 0;
}

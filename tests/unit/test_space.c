/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Space: sums for all samples, single cases, and forecasts of merges against qemu-img commit on the same files. The
 * classes of random trees are compared in test_trees.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "repair/sample/sample.h"
#include "inspect/space/space_runs.h"
#include "tests/support/run.h"
#include "tests/support/space_world.h"

static void the_strongest_claim_counts_once(void **state)
{
	size_t held = 0, cursor[CV_CLAIM_CLASS_COUNT] = { 0 };
	struct cv_space_account a = { .held = &held, .most = 100, .slice = { 0, 1000 } };
	const struct { uint64_t end; int class;
	} expected[] = {
		{ 100, -1 },  { 150, CV_CLAIM_SHADOWED }, { 250, CV_CLAIM_LIVE }, { 300, CV_CLAIM_SHADOWED },
		{ 1000, -1 },
	};
	struct cv_err err = { 0 };
	uint64_t pos = 0, end;

	(void)state;
	assert_true(cv_space_claim(&a, CV_CLAIM_SHADOWED, (struct cv_range){ 200, 100 }, &err));
	assert_true(cv_space_claim(&a, CV_CLAIM_LIVE, (struct cv_range){ 150, 100 }, &err));
	assert_true(cv_space_claim(&a, CV_CLAIM_SHADOWED, (struct cv_range){ 100, 110 }, &err));
	assert_true(cv_space_claim(&a, CV_CLAIM_LIVE, (struct cv_range){ 1000, UINT64_MAX - 5 }, &err));
	cv_space_account_join(&a);
	for (size_t i = 0; i < CV_COUNT(expected); i++, pos = end) {
		assert_int_equal(cv_space_claimed(&a, cursor, pos, &end), expected[i].class);
		assert_int_equal(end, expected[i].end);
	}
	cv_space_account_fini(&a);
}

static void more_pieces_than_memory_is_meant_for_are_refused(void **state)
{
	size_t held = 0;
	struct cv_space_account a = { .held = &held, .most = 100, .slice = { 0, 1 << 20 } };
	struct cv_err err = { 0 };
	uint64_t n = 0;

	(void)state;
	while (n < 1000 && cv_space_claim(&a, CV_CLAIM_LIVE, (struct cv_range){ n * 10, 5 }, &err))
		n++;
	assert_int_equal(n, 100);
	assert_int_equal(err.code, CV_ELIMIT);
	cv_space_account_fini(&a);
}

/* Every sample: the classes add up, or it is said why they cannot be had. */
static void classes_of_all_samples_add_up(void **state)
{
	size_t known = 0;

	(void)state;
	for (const char *const *name = cv_sample_names(); *name; name++) {
		char *folder = cv_test_folder(), *sample = NULL;
		struct cv_err err = { 0 };
		struct world w;

		assert_true(asprintf(&sample, "%s/sample", folder) > 0);
		if (!cv_sample_build(*name, sample, &err))
			fail_msg("%s: %s", *name, err.text);
		world_open(&w, sample, "none", &(struct cv_space_options){ .deep = true });
		world_assert_sums(&w, *name);
		for (uint32_t i = 0; i < w.graph->image_count; i++)
			known += w.space->images[i].known;
		if (!strncmp(*name, "healthy-", 8))
			assert_int_equal(w.space->unknown, 0);
		world_close(&w);
		free(sample);
		cv_test_folder_remove(folder);
	}
	assert_true(known > 150);
}

static void random_writes(const char *folder, const char *name, bool zeros, uint32_t *seed)
{
	char command[12][64];
	const char *words[40] = { "qemu-io", "-f", "qcow2" };
	size_t n = 3;

	for (int k = 0; k < 10; k++) {
		static const char *const what[] = { "write -P 9", "write -z", "discard" };
		uint32_t kind = zeros ? cv_test_random(seed, 6) : 0, at = cv_test_random(seed, 30000) * 512;

		snprintf(command[k], sizeof command[k], "%s %" PRIu32 " %" PRIu32, what[kind < 3 ? kind : 0], at,
			 (1 + cv_test_random(seed, 700)) * 512);
		words[n++] = "-c";
		words[n++] = command[k];
	}
	words[n++] = name;
	words[n] = NULL;
	assert_int_equal(cv_test_run(folder, NULL, false, words), 0);
}

/* Options of the parent, of the child; the child's disk. */
struct merge_kind { const char *of_parent, *of_child, *size; };

static void check_merge(const struct merge_kind *kind, uint32_t seed)
{
	char *folder = cv_test_folder();
	const struct cv_space_merge *merge;
	uint64_t before, child, after;
	struct world w;
	int64_t real;

	assert_int_equal(
		cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", kind->of_parent, "p", "16M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", kind->of_child, "-b",
				    "p", "-F", "qcow2", "c", kind->size),
			 0);
	random_writes(folder, "p", false, &seed);
	random_writes(folder, "c", true, &seed);
	before = world_on_disk(folder, "p");
	child = world_on_disk(folder, "c");
	world_open(&w, folder, "none", NULL);
	world_assert_sums(&w, "a pair");
	merge = &w.space->images[world_image(&w, "c")].merge;
	assert_true(merge->known);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "commit", "-q", "-d", "c"), 0);
	after = world_on_disk(folder, "p");
	real = (int64_t)child - ((int64_t)after - (int64_t)before);
	/* A file system may need a page more for its own list of pieces. */
	if (llabs(real - merge->net_bytes) > 4096)
		fail_msg("parent %s, child %s of %s: net %" PRId64 " was foretold, %" PRId64 " came", kind->of_parent,
			 kind->of_child, kind->size, merge->net_bytes, real);
	assert_true(after <= before || merge->peak_bytes >= after - before);
	world_close(&w);
	cv_test_folder_remove(folder);
}

static void merges_free_what_was_foretold(void **state)
{
	static const struct merge_kind kinds[] = {
		{ "cluster_size=65536", "cluster_size=65536", "16M" },
		{ "cluster_size=65536", "cluster_size=4096", "16M" },
		{ "cluster_size=4096", "cluster_size=65536", "16M" },
		{ "cluster_size=4096", "cluster_size=4096", "16M" },
		{ "compat=0.10", "cluster_size=65536", "16M" },
		{ "cluster_size=65536", "compat=0.10", "16M" },
		{ "extended_l2=on", "cluster_size=65536", "16M" },
		{ "extended_l2=on,cluster_size=256K", "cluster_size=65536", "16M" },
		{ "cluster_size=65536", "extended_l2=on", "16M" },
		{ "cluster_size=2M", "cluster_size=4096", "16M" },
		{ "cluster_size=65536", "cluster_size=65536", "15M" },
		{ "cluster_size=65536", "cluster_size=65536", "17M" },
	};

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		skip();
	}
	for (uint32_t round = 0; round < 2 * CV_COUNT(kinds); round++)
		check_merge(&kinds[round % CV_COUNT(kinds)], round * 31 + 5);
}

/* Snapshots, deletes and discards: what they do to the file is counted, and adds up. */
static void snapshots_and_discards_add_up(void **state)
{
	uint64_t snapshot = 0, slack = 0;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		skip();
	}
	for (uint32_t round = 0; round < 6; round++) {
		char *folder = cv_test_folder();
		uint32_t seed = round + 400;
		struct world w;

		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "p", "16M"), 0);
		random_writes(folder, "p", false, &seed);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "snapshot", "-c", "a", "p"), 0);
		random_writes(folder, "p", true, &seed);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "snapshot", "-c", "b", "p"), 0);
		random_writes(folder, "p", true, &seed);
		if (round % 2)
			assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "snapshot", "-d", "a", "p"), 0);
		world_open(&w, folder, "none", NULL);
		world_assert_sums(&w, "snapshots");
		assert_int_equal(w.space->unknown, 0);
		assert_int_equal(w.space->images[0].bytes[CV_SPACE_LEAKED], 0);
		snapshot += w.space->images[0].bytes[CV_SPACE_SNAPSHOT];
		slack += w.space->images[0].bytes[CV_SPACE_SLACK];
		world_close(&w);
		cv_test_folder_remove(folder);
	}
	assert_true(snapshot > 0 && slack > 0);
}

/* Counts a cluster that nothing uses: the next free one, in the first refcount block. */
static void leak_clusters(const char *folder, const char *name, unsigned count)
{
	char *path = NULL;
	uint8_t table[8], cluster[65536];
	struct stat st;
	int fd;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0 && !fstat(fd, &st));
	assert_int_equal(pread(fd, table, 8, 65536), 8);
	memset(cluster, 0xee, sizeof cluster);
	for (unsigned i = 0; i < count; i++) {
		uint64_t n = (uint64_t)st.st_size / 65536 + i;
		uint8_t one[2] = { 0, 1 };

		assert_int_equal(pwrite(fd, cluster, sizeof cluster, (off_t)(n * 65536)), sizeof cluster);
		assert_int_equal(
			pwrite(fd, one, 2,
			       (off_t)((uint64_t)table[5] << 16 | (uint64_t)table[6] << 8 | table[7]) + (off_t)(n * 2)),
			2);
	}
	close(fd);
	free(path);
}

static bool has_finding(const struct world *w, enum cv_problem_id id, uint32_t image, uint64_t bytes)
{
	for (size_t i = 0; i < w->space->finding_count; i++)
		if (w->space->findings[i].id == id && w->space->findings[i].image == image &&
		    w->space->findings[i].bytes == bytes)
			return true;
	return false;
}

static void leaked_and_shadowed_bytes_are_findings(void **state)
{
	char *folder = cv_test_folder();
	struct world w;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		cv_test_folder_remove(folder);
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "p", "16M"), 0);
	assert_int_equal(
		cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "p", "-F", "qcow2", "c"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 1M", "p"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 512K 1M", "c"), 0);
	leak_clusters(folder, "p", 3);
	world_open(&w, folder, "none", NULL);
	world_assert_sums(&w, "a leak");
	assert_true(has_finding(&w, CV_SPC_LEAKED_CLUSTERS, world_image(&w, "p"), 3 * 65536));
	assert_true(has_finding(&w, CV_SPC_SHADOWED_DATA, world_image(&w, "p"), 512 * 1024));
	assert_int_equal(w.space->finding_count, 2);
	assert_int_equal(w.space->images[world_image(&w, "p")].leaked_pieces, 3);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* An internal snapshot of a child reads the parent too, as it was when it was taken. */
static void what_a_snapshot_of_a_child_reads_is_live(void **state)
{
	char *folder = cv_test_folder();
	struct world w;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		cv_test_folder_remove(folder);
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "p", "16M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 1M", "p"), 0);
	assert_int_equal(
		cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "p", "-F", "qcow2", "c"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 256K", "c"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "snapshot", "-c", "s", "c"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 1M", "c"), 0);
	world_open(&w, folder, "none", NULL);
	world_assert_sums(&w, "a snapshot");
	assert_int_equal(w.space->images[world_image(&w, "p")].bytes[CV_SPACE_SHADOWED], 256 * 1024);
	assert_int_equal(w.space->images[world_image(&w, "p")].bytes[CV_SPACE_LIVE], 768 * 1024);
	assert_true(w.space->images[world_image(&w, "c")].bytes[CV_SPACE_SNAPSHOT] >= 256 * 1024);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* What only a hidden image without children reads, in it and below it. */
static void what_only_an_orphan_reads_is_orphaned(void **state)
{
	char *folder = cv_test_folder(), *sample = NULL;
	struct cv_err err = { 0 };
	uint64_t orphaned = 0;
	struct world w;

	(void)state;
	assert_true(asprintf(&sample, "%s/sample", folder) > 0);
	assert_true(cv_sample_build("orphaned-base-copy", sample, &err));
	world_open(&w, sample, "none", NULL);
	for (uint32_t i = 0; i < w.graph->image_count; i++) {
		orphaned += w.space->images[i].bytes[CV_SPACE_ORPHANED];
		if (w.graph->images[i].role == CV_ROLE_ORPHAN)
			assert_int_equal(w.space->images[i].bytes[CV_SPACE_LIVE], 0);
	}
	assert_true(orphaned > 0);
	world_close(&w);
	free(sample);
	cv_test_folder_remove(folder);
}

/* Base, an image between, a leaf that is referred to, all with other data. */
static void make_three(const char *folder, char refs[300])
{
	FILE *f;

	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "p", "16M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 0 1M", "p"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "p", "-F", "qcow2",
				    "m"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 2 512K 2M", "m"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "m", "-F", "qcow2",
				    "c"), 0);
	snprintf(refs, 300, "list:%s/list", folder);
	f = fopen(refs + 5, "w");
	assert_non_null(f);
	fprintf(f, "%s/c\n", folder);
	fclose(f);
}

/* What a merge needs is known to the byte. */
static void a_plan_that_does_not_fit_says_what_is_missing(void **state)
{
	char *folder = cv_test_folder(), refs[300];
	const struct cv_space_plan *p;
	uint64_t room, need;
	struct world w;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not there\n");
		cv_test_folder_remove(folder);
		skip();
	}
	make_three(folder, refs);
	world_open(&w, folder, refs, NULL);
	p = &w.space->plans[0];
	assert_true(p->fits && p->count == 1 && !p->left_out);
	assert_int_equal(p->steps[0].action, CV_SPACE_COALESCE);
	need = p->steps[0].peak_bytes;
	room = p->free_now;
	assert_true(need > 0 && p->lowest_free == room - need);
	world_close(&w);
	/* Nearly all of the file system is kept free: 1 B less than what is needed is left. */
	world_open(&w, folder, refs, &(struct cv_space_options){ .reserve = UINT64_MAX });
	p = &w.space->plans[0];
	assert_true(!p->fits && !p->count && p->left_out == 1);
	assert_int_equal(p->missing_for, world_image(&w, "m"));
	assert_true(p->missing_bytes == p->reserve - p->free_now + need);
	world_close(&w);
	cv_test_folder_remove(folder);
}

static void needs_qemu(void)
{
	if (cv_test_has("qemu-img"))
		return;
	print_message("qemu-img is not there\n");
	skip();
}

/* Six disks without parents: as many trees. */
static void make_six(const char *folder)
{
	for (int i = 0; i < 6; i++) {
		char name[8];

		snprintf(name, sizeof name, "d%d", i);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", name, "16M"), 0);
	}
}

static void a_survey_goes_on_step_by_step(void **state)
{
	const struct cv_space_options two = { .processes = 2 };
	struct cv_survey_progress p, before = { 0 };
	char *folder = cv_test_folder();
	struct cv_survey *survey;
	struct cv_err err = { 0 };
	struct world w;

	(void)state;
	needs_qemu();
	make_six(folder);
	world_scan(&w, folder, "none");
	survey = cv_survey_new(w.graph, &two, &err);
	assert_non_null(survey);
	p = cv_survey_progress(survey);
	assert_int_equal(p.trees, 6);
	assert_int_equal(p.images, 6);
	assert_int_equal(p.images_done, 0);
	while (cv_survey_step(survey, 0)) {
		struct pollfd wait = { .fd = cv_survey_poll_fd(survey), .events = POLLIN };

		p = cv_survey_progress(survey);
		assert_true(p.trees_done >= before.trees_done && p.permille <= 1000);
		before = p;
		if (wait.fd >= 0)
			assert_int_equal(poll(&wait, 1, 60000), 1);
	}
	p = cv_survey_progress(survey);
	assert_int_equal(p.trees_done, 6);
	assert_int_equal(p.permille, 1000);
	w.space = cv_survey_take(survey, &err);
	assert_non_null(w.space);
	assert_false(w.space->cancelled);
	assert_int_equal(w.space->unknown, 0);
	world_assert_sums(&w, "six trees");
	world_close(&w);
	cv_test_folder_remove(folder);
}

static void a_survey_that_is_stopped_says_what_it_knows(void **state)
{
	const struct cv_space_options one = { .processes = 1 };
	char *folder = cv_test_folder();
	struct cv_survey *survey;
	struct cv_err err = { 0 };
	size_t known = 0;
	struct world w;

	(void)state;
	needs_qemu();
	make_six(folder);
	world_scan(&w, folder, "none");
	survey = cv_survey_new(w.graph, &one, &err);
	while (cv_survey_progress(survey).trees_done < 2)
		assert_true(cv_survey_step(survey, 1));
	cv_survey_cancel(survey);
	assert_false(cv_survey_step(survey, 0));
	w.space = cv_survey_take(survey, &err);
	assert_non_null(w.space);
	assert_true(w.space->cancelled);
	world_assert_sums(&w, "what is known");
	for (uint32_t i = 0; i < 6; i++) {
		known += w.space->images[i].known;
		if (!w.space->images[i].known)
			assert_string_equal(w.space->images[i].why, "cancelled");
	}
	assert_true(known >= 2 && known < 6);
	assert_int_equal(w.space->unknown, 6 - known);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* A base with 700 children: more than are held open anywhere else. */
static void a_tree_of_many_images_is_computed(void **state)
{
	char *folder = cv_test_folder();
	struct cv_space_row *rows;
	size_t count;
	struct world w;

	(void)state;
	needs_qemu();
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-ec",
				    "new() { qemu-img create -q -f qcow2 -o cluster_size=4096 \"$@\"; }\n"
				    "new p 64M; qemu-io -f qcow2 -c 'write -P 1 0 8K' p\n"
				    "new -b p -F qcow2 c; qemu-io -f qcow2 -c 'write -P 1 4K 8K' c\n"
				    "for i in $(seq 699); do cp c c$i; done"),
			 0);
	world_open(&w, folder, "none", NULL);
	assert_int_equal(w.graph->image_count, 701);
	assert_int_equal(w.space->unknown, 0);
	world_assert_sums(&w, "many");
	assert_int_equal(w.space->images[world_image(&w, "p")].bytes[CV_SPACE_SHADOWED], 4096);
	for (uint32_t i = 0; i < w.graph->image_count; i++)
		if (w.graph->images[i].child_count == 0)
			assert_int_equal(w.space->images[i].bytes[CV_SPACE_LIVE], 8192);
	/* to flatten all of them would cost more than that */
	assert_true(cv_space_rows(w.space, 0, &rows, &count));
	assert_int_equal(count, 1);
	assert_int_equal(rows[0].remedy, CV_REMEDY_CHOOSE);
	assert_true(rows[0].known && rows[0].net_bytes < 0);
	free(rows);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* What is compressed above takes more room below: to merge it frees nothing, and is no remedy. */
static void a_merge_that_costs_is_no_remedy(void **state)
{
	char *folder = cv_test_folder(), refs[300];
	CV_AUTO(cv_text_fini) struct cv_text cure = { 0 };
	struct cv_space_row *rows;
	size_t count;
	struct world w;

	(void)state;
	needs_qemu();
	make_three(folder, refs);
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c", "rm c m && qemu-img create -q -f qcow2 -b p -F qcow2 x &&"
				    "qemu-io -f qcow2 -c 'write -q -P 3 512K 8M' x && qemu-img convert -c -O qcow2 "
				    "-B p -F qcow2 x m && rm x && qemu-img create -q -f qcow2 -b m -F qcow2 c"), 0);
	world_open(&w, folder, refs, NULL);
	assert_true(w.graph->images[world_image(&w, "m")].coalesce.possible);
	assert_true(w.space->images[world_image(&w, "m")].merge.net_bytes < 0);
	assert_int_equal(w.space->plans[0].count, 0);
	assert_true(w.space->plans[0].fits);
	assert_true(cv_space_rows(w.space, 0, &rows, &count));
	assert_true(count == 1 && rows[0].kind == CV_SPACE_ROW_SHADOWED);
	/* what m reads of its parent is less than all of the parent */
	assert_int_equal(rows[0].remedy, CV_REMEDY_FLATTEN);
	assert_true(rows[0].net_bytes > 0 && rows[0].peak_bytes > 0 && !rows[0].now);
	free(rows);
	world_close(&w);
	/* where nobody knows whether the parent is needed for itself, that is none either */
	world_open(&w, folder, "none", NULL);
	assert_true(cv_space_rows(w.space, 0, &rows, &count));
	assert_true(count == 1 && rows[0].remedy == CV_REMEDY_NONE && !rows[0].now);
	cv_space_row_cure(&cure, w.space, &rows[0]);
	assert_non_null(strstr(cv_text_str(&cure), "nothing: merging m costs"));
	free(rows);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* Two merges of a run; there is room for the first of them only, and it does not make enough for the second. */
static void as_much_of_a_run_is_planned_as_fits(void **state)
{
	char *folder = cv_test_folder(), refs[300];
	const struct cv_space_plan *p;
	uint64_t first, room;
	struct world w;

	(void)state;
	needs_qemu();
	make_three(folder, refs);
	/* m, then n with much more, under the leaf */
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c", "rm c && qemu-img create -q -f qcow2 -b m -F qcow2 n &&"
				    "qemu-io -f qcow2 -c 'write -q -P 3 6M 9M' n &&"
				    "qemu-img create -q -f qcow2 -b n -F qcow2 c"), 0);
	world_open(&w, folder, refs, NULL);
	p = &w.space->plans[0];
	assert_true(p->fits && p->count == 2);
	assert_int_equal(p->steps[0].image, world_image(&w, "m"));
	assert_int_equal(p->steps[1].image, world_image(&w, "n"));
	first = p->steps[0].peak_bytes;
	room = p->free_now;
	assert_true(p->steps[1].peak_bytes > first + (7 << 20));
	/* what is free was asked once, for both: the reserve leaves 256 KiB more than the first one needs */
	world_survey(&w, &(struct cv_space_options){ .reserve = room - first - (256 << 10) });
	p = &w.space->plans[0];
	assert_int_equal(p->count, 1);
	assert_int_equal(p->steps[0].image, world_image(&w, "m"));
	assert_true(!p->fits && p->left_out == 1 && p->missing_bytes > 0);
	assert_int_equal(p->missing_for, world_image(&w, "n"));
	assert_true(p->lowest_free >= p->reserve);
	world_close(&w);
	cv_test_folder_remove(folder);
}

/* What was set aside before it is needed, and what was given back from the middle of a file. */
static void files_that_were_preallocated_or_punched_add_up(void **state)
{
	static const char *const how[] = { "metadata", "falloc", "full", "off" };

	(void)state;
	needs_qemu();
	for (uint32_t round = 0; round < 8; round++) {
		char *folder = cv_test_folder(), option[40], command[200];
		uint32_t seed = round + 90;
		struct world w;

		snprintf(option, sizeof option, "preallocation=%s", how[round % 4]);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", option, "p",
					    "16M"), 0);
		random_writes(folder, "p", true, &seed);
		assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-b", "p", "-F",
					    "qcow2", "c"), 0);
		random_writes(folder, "c", true, &seed);
		for (int k = 0; k < 6; k++) {
			snprintf(command, sizeof command, "fallocate -p -o %" PRIu32 " -l %d %s",
				 (1000 + cv_test_random(&seed, 3000)) * 4096, 40960, k % 2 ? "p" : "c");
			assert_int_equal(cv_test_do(folder, NULL, "sh", "-c", command), 0);
		}
		assert_int_equal(cv_test_do(folder, NULL, "sync", "p", "c"), 0);
		world_open(&w, folder, "none", NULL);
		world_assert_sums(&w, how[round % 4]);
		assert_int_equal(w.space->unknown, 0);
		world_close(&w);
		cv_test_folder_remove(folder);
	}
}

/* On a file system of its own, since few have this: copies that share their blocks. */
static void copies_that_share_blocks_add_up(void **state)
{
	static const char script[] = "truncate -s 300M fs && { mkfs.btrfs -q fs || mkfs.xfs -q fs; } >/dev/null 2>&1 &&"
				     "mkdir m && mount -o loop fs m && cd m && qemu-img create -q -f qcow2 p 16M &&"
				     "qemu-io -f qcow2 -c 'write -q -P 1 0 4M' p &&"
				     "qemu-img create -q -f qcow2 -b p -F qcow2 c &&"
				     "qemu-io -f qcow2 -c 'write -q -P 1 2M 4M' c && sync -f . &&"
				     "cp --reflink=always c c2 && sync -f .";
	char *folder = cv_test_folder(), *mounted = NULL;
	bool made;
	struct world w;

	(void)state;
	needs_qemu();
	made = !geteuid() && cv_test_do(folder, NULL, "sh", "-c", script) == 0;
	if (made) {
		assert_true(asprintf(&mounted, "%s/m", folder) > 0);
		world_open(&w, mounted, "none", NULL);
		world_assert_sums(&w, "reflinks");
		assert_int_equal(w.space->unknown, 0);
		assert_true(w.space->images[world_image(&w, "c2")].shared_bytes >= 4 << 20);
		assert_true(w.space->images[world_image(&w, "p")].shared_bytes == 0);
		assert_int_equal(w.space->images[world_image(&w, "p")].bytes[CV_SPACE_SHADOWED], 2 << 20);
		world_close(&w);
		free(mounted);
	}
	cv_test_do(folder, NULL, "sh", "-c", "umount m 2>/dev/null");
	cv_test_folder_remove(folder);
	if (!made) {
		print_message("no file system with reflinks could be made and mounted\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_claim_counts_once),
		cmocka_unit_test(more_pieces_than_memory_is_meant_for_are_refused),
		cmocka_unit_test(classes_of_all_samples_add_up),
		cmocka_unit_test(merges_free_what_was_foretold),
		cmocka_unit_test(snapshots_and_discards_add_up),
		cmocka_unit_test(leaked_and_shadowed_bytes_are_findings),
		cmocka_unit_test(what_a_snapshot_of_a_child_reads_is_live),
		cmocka_unit_test(what_only_an_orphan_reads_is_orphaned),
		cmocka_unit_test(a_plan_that_does_not_fit_says_what_is_missing),
		cmocka_unit_test(a_survey_goes_on_step_by_step),
		cmocka_unit_test(a_survey_that_is_stopped_says_what_it_knows),
		cmocka_unit_test(a_tree_of_many_images_is_computed),
		cmocka_unit_test(a_merge_that_costs_is_no_remedy),
		cmocka_unit_test(as_much_of_a_run_is_planned_as_fits),
		cmocka_unit_test(files_that_were_preallocated_or_punched_add_up),
		cmocka_unit_test(copies_that_share_blocks_add_up),
	};

	return cmocka_run_group_tests_name("space", tests, NULL, NULL) ? 1 : 0;
}

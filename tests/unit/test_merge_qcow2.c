/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging into QCOW2 parents in place, on real files that qemu-img makes: what the leaf reads is what it read, qemu-img check
 * has nothing to say about the parent, and it took no more space than was set aside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "inspect/qcow2/qcow2_disk.h"
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "tests/support/run.h"
#include "tests/support/sim_host.h"
#include <chainview/format.h>

enum { BASE, PARENT, IMAGE, LEAF, IMAGES };

/* A chain: a base that may be missing, the parent, the image that is merged, the leaf that stands on it. */
struct chain {
	char *folder;
	bool based;
	uint64_t size[IMAGES];
	const char *options[IMAGES];
	uint32_t seed;
	struct cv_err err;
};

static const char *const names[IMAGES] = { "b.qcow2", "p.qcow2", "n.qcow2", "g.qcow2" };

static void must(const struct chain *c, int got, int want, const char *what)
{
	if (got != want)
		fail_msg("seed %" PRIu32 " (parent %s of %" PRIu64 ", image %s of %" PRIu64 "): %s ended with %d", c->seed, c->options[PARENT],
			 c->size[PARENT], c->options[IMAGE], c->size[IMAGE], what, got);
}

static void create(const struct chain *c, int i)
{
	char size[32];
	bool top = i == BASE || (i == PARENT && !c->based);

	snprintf(size, sizeof size, "%" PRIu64, c->size[i]);
	must(c, top ? cv_test_do(c->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", c->options[i], names[i], size)
		    : cv_test_do(c->folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "-o", c->options[i], "-F", "qcow2", "-b",
				 names[i - 1], names[i], size), 0, "qemu-img create");
}

/* Things that a guest, or a backup, does to an image. */
static void scribble(const struct chain *c, int i, uint32_t *seed)
{
	static const struct { const char *verb; bool data; uint32_t unit, longest; } kinds[] = {
		{ "write", true, 512, 300 }, { "write", true, 65536, 4 }, { "write -z", false, 65536, 8 },
		{ "write -zu", false, 4096, 64 }, { "write -z", false, 2 << 20, 1 }, { "discard", false, 65536, 6 },
		{ "write", true, 2 << 20, 1 },
	};
	const char *argv[64] = { "qemu-io", "-f", "qcow2" };
	char commands[24][80];
	size_t n = 3, count = cv_test_random(seed, 12) + 1;

	for (size_t k = 0; k < count; k++) {
		uint32_t kind = cv_test_random(seed, CV_COUNT(kinds));
		uint64_t unit = kinds[kind].unit, off = cv_test_random(seed, (uint32_t)(c->size[i] / unit) + 1) * unit;
		uint64_t len = (1 + cv_test_random(seed, kinds[kind].longest)) * unit;
		char pattern[16] = "";

		if (off >= c->size[i])
			continue;
		len = len < c->size[i] - off ? len : c->size[i] - off;
		if (kinds[kind].data)
			snprintf(pattern, sizeof pattern, "-P %" PRIu32, cv_test_random(seed, 255) + 1);
		snprintf(commands[k], sizeof commands[k], "%s %s %" PRIu64 " %" PRIu64, kinds[kind].verb, pattern, off, len);
		argv[n++] = "-c";
		argv[n++] = commands[k];
	}
	argv[n++] = names[i];
	argv[n] = NULL;
	if (n > 4)
		must(c, cv_test_run(c->folder, NULL, true, argv), 0, "qemu-io");
}

/* Compressed clusters, whole ones. */
static void squeeze(const struct chain *c, int i, uint64_t cluster, uint32_t *seed)
{
	char commands[3][80];

	for (size_t k = 0; k < 3; k++) {
		uint64_t clusters = c->size[i] / cluster, at = cv_test_random(seed, (uint32_t)clusters);

		snprintf(commands[k], sizeof commands[k], "write -c -P %u %" PRIu64 " %" PRIu64, cv_test_random(seed, 255) + 1,
			 at * cluster, cluster);
		if (clusters)
			cv_test_do(c->folder, NULL, "qemu-io", "-f", "qcow2", "-c", commands[k], names[i]);
	}
}

static struct cv_plan_item item_of(struct cv_writing *w, const char *name)
{
	struct cv_plan_item item = { .path = name };
	struct stat st;

	assert_true(cv_place_stat(w, name, &st));
	item.device = st.st_dev;
	item.inode = st.st_ino;
	item.size = (uint64_t)st.st_size;
	item.allocated = (uint64_t)st.st_blocks * 512;
	item.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	return item;
}

static bool merge(struct chain *c, struct cv_operation_result *result)
{
	int root = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[3][300];
	struct sim_host host;
	struct cv_writing w;
	bool ok;

	for (int i = 0; i < 3; i++)
		snprintf(path[i], sizeof path[i], "%s/%s", c->folder, names[i]);
	sim_host_init(&host, 5, 1, 1, 4711);
	assert_true(cv_writing_open(&w, &cv_io_real, &host.host, root, &c->err));
	{
		struct cv_plan_item items[] = { item_of(&w, names[IMAGE]), item_of(&w, names[PARENT]), item_of(&w, names[LEAF]) };
		struct cv_plan_item base = c->based ? item_of(&w, names[BASE]) : (struct cv_plan_item){ 0 };
		const struct cv_plan_source source = { path[BASE], base.device, base.inode, base.size, base.mtime_ns };
		const struct cv_plan_link link = { .format = CV_FORMAT_QCOW2, .folder = c->folder, .path = path[PARENT],
						   .former = path[IMAGE] };
		const enum cv_format_id below = CV_FORMAT_QCOW2;
		const struct cv_plan_merge merge_plan = { .format = CV_FORMAT_QCOW2, .parent_format = CV_FORMAT_QCOW2, .links = &link,
							  .link_count = 1, .below = &below, .below_count = c->based };
		const struct cv_plan plan = { .kind = CV_PLAN_COALESCE, .items = items, .item_count = 3, .merge = &merge_plan,
					      .sources = &source, .source_count = c->based };

		ok = cv_work_run(&w, &plan, "coalesce", NULL, result, &c->err);
	}
	cv_store_close(&w.store);
	close(root);
	return ok;
}

static void assert_merged(struct chain *c)
{
	CV_AUTO(cv_text_fini) struct cv_text out = { 0 };
	struct cv_operation_result result = { 0 };
	int check;

	must(c, cv_test_do(c->folder, NULL, "qemu-img", "convert", "-O", "raw", names[LEAF], "before"), 0, "qemu-img convert");
	if (!merge(c, &result))
		fail_msg("seed %" PRIu32 " (parent %s of %" PRIu64 ", image %s of %" PRIu64 "): %s", c->seed, c->options[PARENT],
			 c->size[PARENT], c->options[IMAGE], c->size[IMAGE], c->err.text);
	check = cv_test_run(c->folder, &out, true, (const char *const[]){ "qemu-img", "check", names[PARENT], NULL });
	if (check)
		fail_msg("seed %" PRIu32 ", parent %s: %s", c->seed, c->options[PARENT], cv_text_str(&out));
	must(c, cv_test_do(c->folder, NULL, "qemu-img", "check", "-q", names[LEAF]), 0, "qemu-img check of the leaf");
	must(c, cv_test_do(c->folder, NULL, "rm", "-r", ".chainview"), 0, "rm");
	must(c, cv_test_do(c->folder, NULL, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", "before", names[LEAF]), 0, "qemu-img compare");
	cv_text_fini(&out);
	cv_test_do(c->folder, &out, "qemu-img", "info", names[LEAF]);
	if (!strstr(cv_text_str(&out), "backing file: p.qcow2"))
		fail_msg("seed %" PRIu32 ": %s", c->seed, cv_text_str(&out));
}

struct row {
	const char *parent, *image;
	uint64_t parent_cluster;
	uint64_t size, more;                 /* of the parent; how much larger the image is */
};

static const struct row rows[] = {
	{ "cluster_size=64k", "cluster_size=64k", 65536, 6 << 20, 0 },
	{ "cluster_size=64k", "cluster_size=512", 65536, 3 << 20, 0 },
	{ "cluster_size=512", "cluster_size=64k", 512, 3 << 20, 0 },
	{ "cluster_size=2M", "cluster_size=64k", 2 << 20, 9 << 20, 0 },
	{ "cluster_size=2M", "cluster_size=2M", 2 << 20, (9 << 20) + 512, 0 },
	{ "cluster_size=64k,compat=0.10", "cluster_size=4k", 65536, 6 << 20, 0 },
	{ "cluster_size=4k,compat=0.10", "cluster_size=64k,compat=0.10", 4096, 6 << 20, 0 },
	{ "cluster_size=64k,refcount_bits=1", "cluster_size=64k", 65536, 6 << 20, 0 },
	{ "cluster_size=512,refcount_bits=64", "cluster_size=512", 512, 3 << 20, 0 },
	{ "cluster_size=4k,refcount_bits=2", "cluster_size=4k", 4096, 6 << 20, 0 },
	{ "cluster_size=1k,refcount_bits=8,compression_type=zstd", "cluster_size=4k", 1024, 3 << 20, 0 },
	{ "cluster_size=64k", "cluster_size=64k", 65536, (3 << 20) + 1536, 5 << 20 },
	{ "cluster_size=512", "cluster_size=4k", 512, 1 << 20, (4 << 20) + 512 },
	{ "cluster_size=4k,compat=0.10", "cluster_size=4k", 4096, (1 << 20) + 512, 7 << 20 },
	{ "cluster_size=512,refcount_bits=4", "cluster_size=64k", 512, 512, 9 << 20 },
};

static void chains_of_all_kinds_can_be_merged(void **state)
{
	enum { ROUNDS = 2 };

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	for (uint32_t round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < CV_COUNT(rows); i++) {
			struct chain c = { .folder = cv_test_folder(), .seed = (uint32_t)(round * CV_COUNT(rows) + i + 1) };
			uint32_t seed = c.seed * 7919;

			c.based = round % 3 != 0;
			c.size[BASE] = round % 3 == 1 || rows[i].more ? rows[i].size : rows[i].size + 65536;
			c.size[PARENT] = rows[i].size;
			c.size[IMAGE] = c.size[LEAF] = rows[i].size + rows[i].more;
			c.options[BASE] = "cluster_size=64k";
			c.options[PARENT] = rows[i].parent;
			c.options[IMAGE] = rows[i].image;
			c.options[LEAF] = "cluster_size=4k";
			for (int k = c.based ? BASE : PARENT; k < IMAGES; k++) {
				create(&c, k);
				if (k == PARENT && round % 2)
					squeeze(&c, k, rows[i].parent_cluster, &seed);
				scribble(&c, k, &seed);
			}
			assert_merged(&c);
			cv_test_folder_remove(c.folder);
		}
}

/* Clusters, and a whole table, that a disk had which was longer once. */
static void what_lies_behind_the_end_of_a_parent_does_not_come_back(void **state)
{
	struct chain c = { .options = { NULL, "cluster_size=4k", "cluster_size=4k", "cluster_size=4k" },
			   .size = { 0, 6 << 20, 6 << 20, 6 << 20 } };

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	c.folder = cv_test_folder();
	create(&c, PARENT);
	must(&c, cv_test_do(c.folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 7 1044480 100k", "-c", "write -c -P 8 3M 4k", "-c",
			    "write -P 9 5M 8k", names[PARENT]), 0, "qemu-io");
	must(&c, cv_test_do(c.folder, NULL, "sh", "-c", "printf '\\020\\002\\000' | dd of=p.qcow2 bs=1 seek=29 conv=notrunc status=none"), 0, "dd");
	c.size[PARENT] = (1 << 20) + 512;
	create(&c, IMAGE);
	create(&c, LEAF);
	must(&c, cv_test_do(c.folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 1 5246976 512", names[IMAGE]), 0, "qemu-io");
	assert_merged(&c);
	cv_test_folder_remove(c.folder);
}

/* What is done to the parent before, and what is said then. */
static const struct { const char *options, *command, *says; } unfit[] = {
	{ "cluster_size=64k", "qemu-img snapshot -c s p.qcow2", "internal snapshots" },
	{ "cluster_size=64k", "qemu-img bitmap --add p.qcow2 b", "qemu-img bitmap --remove" },
	{ "cluster_size=64k,extended_l2=on", "true", "subclusters" },
	{ "cluster_size=64k,data_file=d.raw", "true", "external file" },
	{ "cluster_size=64k", "printf '\\001' | dd of=p.qcow2 bs=1 seek=79 conv=notrunc status=none", "qemu-img check -r all" },
	{ "cluster_size=64k", "printf '\\002' | dd of=p.qcow2 bs=1 seek=79 conv=notrunc status=none", "must be repaired first" },
	{ "cluster_size=64k", "printf '\\200' | dd of=p.qcow2 bs=1 seek=88 conv=notrunc status=none", "autoclear" },
};

static void parents_of_other_kinds_are_refused_and_not_touched(void **state)
{
	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io"))
		skip();
	for (size_t i = 0; i < CV_COUNT(unfit); i++) {
		struct chain c = { .folder = cv_test_folder(), .options = { NULL, unfit[i].options, "cluster_size=64k", "cluster_size=4k" },
				   .size = { 0, 1 << 20, 1 << 20, 1 << 20 } };
		struct cv_operation_result result = { 0 };

		for (int k = PARENT; k < IMAGES; k++)
			create(&c, k);
		must(&c, cv_test_do(c.folder, NULL, "qemu-io", "-f", "qcow2", "-c", "write -P 7 0 70000", names[IMAGE]), 0, "qemu-io");
		must(&c, cv_test_do(c.folder, NULL, "sh", "-c", unfit[i].command), 0, unfit[i].command);
		must(&c, cv_test_do(c.folder, NULL, "cp", names[PARENT], "kept"), 0, "cp");
		if (merge(&c, &result) || c.err.code != CV_EREFUSED || !strstr(c.err.text, unfit[i].says))
			fail_msg("%s, %s: %s", unfit[i].options, unfit[i].command, c.err.text);
		must(&c, cv_test_do(c.folder, NULL, "cmp", names[PARENT], "kept"), 0, "cmp");
		cv_test_folder_remove(c.folder);
	}
}

static void what_the_parent_stands_on_must_not_show_behind_its_end(void **state)
{
	struct chain c = { .based = true, .options = { "cluster_size=64k", "cluster_size=64k", "cluster_size=64k", "cluster_size=4k" },
			   .size = { 3 << 20, 1 << 20, 2 << 20, 2 << 20 } };
	struct cv_operation_result result = { 0 };

	(void)state;
	if (!cv_test_has("qemu-img"))
		skip();
	c.folder = cv_test_folder();
	for (int k = BASE; k < IMAGES; k++)
		create(&c, k);
	assert_false(merge(&c, &result));
	assert_int_equal(c.err.code, CV_EREFUSED);
	assert_non_null(strstr(c.err.text, "stands alone"));
	cv_test_folder_remove(c.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_of_all_kinds_can_be_merged),
		cmocka_unit_test(what_lies_behind_the_end_of_a_parent_does_not_come_back),
		cmocka_unit_test(parents_of_other_kinds_are_refused_and_not_touched),
		cmocka_unit_test(what_the_parent_stands_on_must_not_show_behind_its_end),
	};

	return cmocka_run_group_tests_name("merging into QCOW2", tests, NULL, NULL);
}

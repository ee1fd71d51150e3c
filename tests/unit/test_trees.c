/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Properties of random trees in all formats: what a guest reads from each image, which image serves it, the space
 * that is shadowed, and the digest with the second reader's word, against a model (tests/support/tree.h).
 *
 * Every run takes the same seeds and a fresh one. SEEDS=100 takes so many fresh ones instead. What fails is
 * repeated with the line that it prints: SEED=... FAMILY=... build/tests/test_trees
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <chainview/map.h>
#include <chainview/space.h>
#include <chainview/verify.h>
#include "inspect/map/files.h"
#include "tests/support/run.h"
#include "tests/support/tree.h"
#include "tests/support/tree_kinds.h"
#include "tests/support/tree_qcow.h"
#include "tests/support/tree_space.h"
#include "tests/support/tree_vhd.h"
#include "tests/support/tree_vhdx.h"

/* The tree in hand; seed 0: none. */
static struct {
	const char *family;
	uint32_t seed;
} now;

static struct tree tree;
static struct cv_scan *scan;
static struct cv_references *refs;
static struct cv_graph *graph;
static uint64_t compared_bytes, all_bytes, class_bytes[CV_SPACE_CLASS_COUNT];

static void fail_on(bool ok, const struct cv_err *err)
{
	if (!ok)
		fail_msg("%s", err->text);
}

static void open_house(const char *folder)
{
	const struct cv_place place = { .path = folder };
	struct cv_err err = { 0 };

	scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	fail_on(scan, &err);
	while (cv_scan_step(scan, -1))
		;
	refs = cv_references_read("none", scan, &err);
	fail_on(refs, &err);
	graph = cv_graph_build(scan, refs, NULL, NULL, &err);
	fail_on(graph, &err);
}

static void close_house(void)
{
	cv_graph_free(graph);
	cv_references_free(refs);
	cv_scan_free(scan);
	graph = NULL;
	refs = NULL;
	scan = NULL;
}

static uint32_t graph_index(const char *name)
{
	for (uint32_t i = 0; i < graph->image_count; i++)
		if (!strcmp(graph->images[i].id, name))
			return i;
	fail_msg("%s is not among the images", name);
	return 0;
}

static uint32_t image_of(int image)
{
	char name[32];

	tree_name(&tree, image, name);
	return graph_index(name);
}

/* --- what guests read -------------------------------------------------------------------------------------------- */

struct chain {
	struct cv_layer *layers[TREE_IMAGES];
	struct cv_chain chain;
};

static void open_layers(struct chain *c, int image)
{
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files files = { 0 };
	struct cv_err err = { 0 };

	fail_on(cv_chain_files_open(graph, image_of(image), &files, &err), &err);
	if (files.incomplete)
		fail_msg("image %d: %s", image, cv_text_str(&files.why));
	*c = (struct chain){ .chain = { .layers = c->layers, .count = files.count } };
	for (size_t i = 0; i < files.count; i++) {
		const struct cv_task_image *f = &files.images[i];
		struct cv_source *source = cv_source_fd_adopt(dup(f->fd), f->length, &err), *data = NULL;

		if (f->data_fd >= 0)
			data = cv_source_fd_adopt(dup(f->data_fd), (uint64_t)lseek(f->data_fd, 0, SEEK_END), &err);
		c->layers[i] = cv_layer_open(&source, &data, f->format, &err);
		fail_on(c->layers[i], &err);
	}
}

static void compare_sectors(int image, uint32_t first, uint32_t count, const uint8_t *bytes)
{
	for (uint32_t i = 0; i < count; i++, bytes += TREE_SECTOR) {
		uint8_t want = tree_value(&tree, image, first + i);

		for (uint32_t k = 0; k < TREE_SECTOR; k++)
			if (bytes[k] != want)
				fail_msg("image %d: byte %" PRIu32 " of sector %" PRIu32 " is %02x, not %02x", image, k, first + i,
					 bytes[k], want);
	}
}

static void compare_content(int image, const struct cv_chain *chain)
{
	const struct tree_image *m = &tree.image[image];
	static uint8_t bytes[1 << 20];
	struct cv_err err = { 0 };
	uint32_t seed = now.seed;

	if (chain->layers[0]->size != (uint64_t)m->sectors * TREE_SECTOR)
		fail_msg("image %d is of %" PRIu64 " B, not %u sectors", image, chain->layers[0]->size, m->sectors);
	for (uint32_t s = 0, n; s < m->sectors; s += n) {
		n = 1 + cv_test_random(&seed, sizeof bytes / TREE_SECTOR);
		n = n < m->sectors - s ? n : m->sectors - s;
		memset(bytes, 0x5a, sizeof bytes);
		fail_on(cv_chain_read(chain, bytes,
				      (struct cv_range){ (uint64_t)s * TREE_SECTOR, (uint64_t)n * TREE_SECTOR }, &err), &err);
		compare_sectors(image, s, n, bytes);
	}
}

/* --- who serves it ----------------------------------------------------------------------------------------------- */

/* What is a hole in a raw file is for its file system to say. */
static bool is_of_kind(const struct cv_extent *e, int owner, uint32_t sector)
{
	const struct tree_image *m = owner < 0 ? NULL : &tree.image[owner];

	if (!m)
		return e->kind == CV_EXTENT_PARENT;
	if (m->kind->can & TREE_HOLES)
		return e->kind == CV_EXTENT_DATA || e->kind == CV_EXTENT_ZERO;
	return e->kind == (m->has[sector] == TREE_DATA ? CV_EXTENT_DATA : CV_EXTENT_ZERO);
}

static void compare_owner(int image, const struct cv_extent *e, uint32_t sector)
{
	unsigned depth;
	int owner = tree_owner(&tree, image, sector, &depth);

	if (!is_of_kind(e, owner, sector) || (owner >= 0 && e->layer != depth))
		fail_msg("image %d: sector %" PRIu32 " is served by depth %" PRIu32 " as kind %d, not by depth %u as %d", image,
			 sector, e->layer, e->kind, depth, owner < 0 ? TREE_NOTHING : tree.image[owner].has[sector]);
}

/* The depth of every sector. */
static void compare_owners(int image, const struct cv_chain *chain)
{
	CV_AUTO(cv_extents_fini) struct cv_extents list = { 0 };
	uint64_t size = chain->layers[0]->size;
	struct cv_err err = { 0 };

	for (uint64_t pos = 0; pos < size; pos = cv_extents_end(&list)) {
		fail_on(cv_chain_extents(chain, (struct cv_range){ pos, size - pos }, &list, &err), &err);
		for (size_t i = 0; i < list.len; i++) {
			struct cv_range r = list.at[i].at;

			assert_int_equal((r.off | r.len) % TREE_SECTOR, 0);
			for (uint64_t at = r.off; at < r.off + r.len; at += TREE_SECTOR)
				compare_owner(image, &list.at[i], (uint32_t)(at / TREE_SECTOR));
		}
	}
}

struct histogram {
	uint64_t data[TREE_IMAGES], zero[TREE_IMAGES], none;
};

static struct histogram expected_histogram(int image)
{
	struct histogram h = { .none = 0 };

	for (uint32_t s = 0; s < tree.image[image].sectors; s++) {
		unsigned depth;
		int owner = tree_owner(&tree, image, s, &depth);
		const struct tree_image *m = owner < 0 ? NULL : &tree.image[owner];

		if (!m)
			h.none += TREE_SECTOR;
		else if (m->has[s] == TREE_DATA)
			h.data[depth] += TREE_SECTOR;
		else
			h.zero[depth] += TREE_SECTOR;
	}
	return h;
}

static const struct tree_image *image_at_depth(int image, size_t depth)
{
	for (; depth; depth--)
		image = tree.image[image].parent;
	return &tree.image[image];
}

static void compare_depths(int image)
{
	struct histogram want = expected_histogram(image);
	struct cv_err err = { 0 };
	struct cv_map *map = cv_map_open(graph, image_of(image), NULL, &err);
	const struct cv_extent *list;
	struct cv_map_model model;
	size_t count;

	fail_on(map && cv_map_next(map, -1, &list, &count, &err) == CV_MAP_READY, &err);
	fail_on(cv_map_model_init(&model, cv_map_info(map)->range, cv_map_info(map)->count, 64, UINT32_MAX, &err), &err);
	fail_on(cv_map_model_fill(&model, map, &err), &err);
	if (model.total.unallocated != want.none || model.total.bad || model.total.missing)
		fail_msg("image %d: nobody has %" PRIu64 " B, not %" PRIu64, image, model.total.unallocated, want.none);
	for (size_t d = 0; d < model.layer_count; d++) {
		/* what is a hole in a raw file is for its file system to say */
		bool holes = image_at_depth(image, d)->kind->can & TREE_HOLES;

		if (holes ? model.data[d] + model.zero[d] != want.data[d] + want.zero[d]
			  : model.data[d] != want.data[d] || model.zero[d] != want.zero[d])
			fail_msg("image %d: depth %zu serves %" PRIu64 " B of data and %" PRIu64 " B of zeros, not %" PRIu64
				 " and %" PRIu64, image, d, model.data[d], model.zero[d], want.data[d], want.zero[d]);
	}
	cv_map_model_fini(&model);
	cv_map_free(map);
}

static void compare_blocks(int image)
{
	struct chain c;

	open_layers(&c, image);
	compare_content(image, &c.chain);
	compare_owners(image, &c.chain);
	for (size_t i = 0; i < c.chain.count; i++)
		cv_layer_close(c.layers[i]);
}

/* --- space ------------------------------------------------------------------------------------------------------- */

static void compare_classes(const struct cv_space *space, const char *name, int image, bool data, const char *folder)
{
	uint32_t id = graph_index(name);
	const struct cv_space_image *found = &space->images[id];
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	struct tree_space want;

	if (!found->known)
		fail_msg("%s: %s", name, found->why);
	if (!tree_space_of(&tree, image, folder, data, graph->images[id].file->allocated, &want, &why))
		fail_msg("%s: %s", name, cv_text_str(&why));
	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		if (found->bytes[c] != want.bytes[c])
			fail_msg("%s: %" PRIu64 " B are %s, not %" PRIu64, name, found->bytes[c], cv_space_class_name(c),
				 want.bytes[c]);
	if (want.bytes[CV_SPACE_LEAKED] && found->leaked_at != want.leaked_at)
		fail_msg("%s: the first leak is at %" PRIu64 ", not %" PRIu64, name, found->leaked_at, want.leaked_at);
	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		class_bytes[c] += want.bytes[c];
}

/* Every byte of every file, to the byte. */
static void compare_space(const char *folder)
{
	struct cv_err err = { 0 };
	struct cv_survey *survey = cv_survey_new(graph, NULL, &err);
	struct cv_space *space;

	fail_on(survey, &err);
	while (cv_survey_step(survey, -1))
		;
	space = cv_survey_take(survey, &err);
	fail_on(space, &err);
	for (int i = 0; i < tree.count; i++) {
		char name[32], data[48];

		if (tree.image[i].gone)
			continue;
		tree_name(&tree, i, name);
		snprintf(data, sizeof data, "data-of-%s", name);
		compare_classes(space, name, i, false, folder);
		if (tree.image[i].kind->can & TREE_ELSEWHERE)
			compare_classes(space, data, i, true, folder);
	}
	cv_space_free(space);
}

/* --- digests and the second reader ------------------------------------------------------------------------------- */

static void expected_digest(int image, uint8_t sha256[32])
{
	EVP_MD_CTX *d = EVP_MD_CTX_new();
	uint8_t sector[TREE_SECTOR];

	assert_int_equal(EVP_DigestInit_ex(d, EVP_sha256(), NULL), 1);
	for (uint32_t s = 0; s < tree.image[image].sectors; s++) {
		memset(sector, tree_value(&tree, image, s), sizeof sector);
		EVP_DigestUpdate(d, sector, sizeof sector);
	}
	EVP_DigestFinal_ex(d, sha256, NULL);
	EVP_MD_CTX_free(d);
}

static void compare_digest(int image)
{
	uint32_t id = image_of(image);
	struct cv_err err = { 0 };
	struct cv_verify *v = cv_verify_new(graph, &id, 1, NULL, &err);
	const struct cv_verified *r;
	uint8_t sha256[32];

	fail_on(v, &err);
	while (cv_verify_step(v, 1000))
		;
	r = cv_verify_result(v, 0);
	if (!r->digested)
		fail_msg("image %d: %s", image, r->trouble);
	expected_digest(image, sha256);
	if (memcmp(sha256, r->sha256, sizeof sha256) != 0)
		fail_msg("image %d has another digest", image);
	if (r->second.verdict == CV_SECOND_DIFFER || r->second.verdict == CV_SECOND_FAILED || r->second.trouble)
		fail_msg("image %d: the second reader says %s: %s, first at %" PRIu64, image,
			 cv_second_verdict_name(r->second.verdict), r->second.trouble ? r->second.trouble : "differences",
			 r->second.differences[0].off);
	compared_bytes += r->second.compared;
	all_bytes += r->size;
	cv_verify_free(v);
}

/* --- trees ------------------------------------------------------------------------------------------------------- */

static void try_tree(const struct tree_family *family, uint32_t seed)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	char *folder = cv_test_folder();

	now.family = family->name;
	now.seed = seed;
	tree_grow(&tree, family, seed);
	for (int i = 0; getenv("SEED") && i < tree.count; i++)
		if (!tree.image[i].gone)
			printf("# image %d: %s, %u sectors, parent %d\n%s", i, tree.image[i].kind->name, tree.image[i].sectors,
			       tree.image[i].parent, cv_text_str(&tree.image[i].script));
	if (!tree_make(&tree, folder, &why))
		fail_msg("%s", cv_text_str(&why));
	open_house(folder);
	for (int i = 0; i < tree.count; i++) {
		if (tree.image[i].gone)
			continue;
		compare_blocks(i);
		compare_depths(i);
		if (!tree.image[i].children)
			compare_digest(i);
	}
	compare_space(folder);
	close_house();
	tree_fini(&tree);
	cv_test_folder_remove(folder);
	now.seed = 0;
}

static uint32_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static uint32_t fresh_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint32_t)t.tv_nsec ^ (uint32_t)t.tv_sec << 10 ^ (uint32_t)getpid()) | 1;
}

static void trees_are_as_the_model_has_them(void **state)
{
	const struct tree_family *family = *state;
	const char *only = getenv("FAMILY");
	uint32_t seed = number_of("SEED"), fresh = number_of("SEEDS");

	if (only && strcmp(only, family->name) != 0)
		return;
	if (family->needs_qemu && !(cv_test_has("qemu-img") && cv_test_has("qemu-io"))) {
		puts("skipped: qemu-img and qemu-io are not installed");
		skip();
	}
	if (seed) {
		try_tree(family, seed);
		return;
	}
	for (uint32_t i = 1; !fresh && i <= family->seeds; i++)
		try_tree(family, i);
	for (uint32_t i = 0; i < (fresh ? fresh : 1); i++) {
		seed = fresh_seed();
		printf("# %s: fresh seed %" PRIu32 "\n", family->name, seed);
		try_tree(family, seed);
	}
}

/* The same seeds every time: there is some of everything among them. */
static void every_class_of_space_was_met(void **state)
{
	(void)state;
	if (number_of("SEED") || number_of("SEEDS") || getenv("FAMILY") || !cv_test_has("qemu-img"))
		skip();
	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		if (class_bytes[c] < 1 << 20)
			fail_msg("of all trees only %" PRIu64 " B are %s", class_bytes[c], cv_space_class_name(c));
	printf("# the second reader compared %" PRIu64 " of %" PRIu64 " MiB\n", compared_bytes >> 20, all_bytes >> 20);
	assert_true(compared_bytes > all_bytes / 4);
}

static int say_how_to_repeat(void **state)
{
	(void)state;
	if (now.seed)
		print_error("to repeat it: SEED=%u FAMILY=%s build/tests/test_trees\n", now.seed, now.family);
	now.seed = 0;
	tree_fini(&tree);
	close_house();
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[16];
	size_t n = 0;

	for (const struct tree_family *f = tree_families; f->name; f++)
		tests[n++] = (struct CMUnitTest){ f->name, trees_are_as_the_model_has_them, NULL, say_how_to_repeat,
						  (void *)(uintptr_t)f };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_class_of_space_was_met);
	return _cmocka_run_group_tests("trees", tests, n, NULL, NULL) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging into VHDX parents in place, on real files with blocks in random states, against a model of every sector: what is read
 * through the leaf and through the parent, and that nothing is wrong with the parent afterwards.
 */
#include "tests/unit/test_block_vhdx_make.h"
#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/vhdx/change.h"
#include "tests/support/run.h"
#include "tests/support/sim_host.h"
#include <chainview/format.h>

enum { LEAF, IMAGE, PARENT, BASE, IMAGES };

static const char *const names[IMAGES] = { "g.vhdx", "n.vhdx", "p.vhdx", "b.vhdx" };

struct row {
	const char *name;
	uint32_t block_size, sector;
	uint64_t size, more;                 /* of the parent's disk; how much larger the image's is */
	bool based, fixed;
	uint64_t first, count;               /* blocks that are looked at; count 0: all */
};

#define CHUNK (UINT64_C(4) << 30)

static const struct row rows[] = {
	{ "alone", MIB, 512, 5 * MIB + 3072, 0, false, false, 0, 0 },
	{ "on another", MIB, 512, 5 * MIB + 3072, 0, true, false, 0, 0 },
	{ "large sectors", MIB, 4096, 4 * MIB + 8192, 0, true, false, 0, 0 },
	{ "blocks of 4 MiB", 4 * MIB, 512, 13 * MIB, 0, true, false, 0, 0 },
	{ "fixed", MIB, 512, 4 * MIB, 0, false, true, 0, 0 },
	{ "two chunks", MIB, 512, CHUNK + 4 * MIB, 0, true, false, 4093, 7 },
	{ "image larger", MIB, 512, 2 * MIB + 1536, 3 * MIB, false, false, 0, 0 },
	{ "image larger, on another", MIB, 512, 2 * MIB + 1536, 2 * MIB + 512, true, false, 0, 0 },
	{ "image larger, one chunk more", MIB, 512, CHUNK - 2 * MIB + 512, 4 * MIB, true, false, 4092, 8 },
	{ "image smaller", MIB, 512, 5 * MIB + 3072, 0, true, false, 0, 0 },
};

struct world {
	const struct row *row;
	char *folder;
	uint32_t seed;
	size_t count;                        /* of images: BASE may be missing */
	struct vhdx_spec spec[IMAGES];
	struct model model[IMAGES];
	struct cv_err err;
};

static uint64_t blocks_to_look_at(const struct world *w, int i, uint64_t *first)
{
	uint64_t all = blocks_of(&w->spec[i]);

	*first = w->row->count ? w->row->first : 0;
	return w->row->count && *first + w->row->count < all ? w->row->count : all - *first;
}

static void make_block(struct world *w, struct making *k, uint64_t block)
{
	static const struct { unsigned state; bool placed, child; } kinds[] = {
		{ NOT_PRESENT, false, false }, { ZERO, false, false }, { UNMAPPED, true, false }, { UNDEFINED, false, false },
		{ FULL, true, false }, { FULL, true, false }, { PARTIAL, true, true }, { PARTIAL, true, true }, { PARTIAL, true, true },
	};
	uint32_t kind = cv_test_random(&w->seed, k->spec->fixed ? 0 : CV_COUNT(kinds));

	if (k->spec->fixed)
		put_block(k, block, FULL, true);
	else if (kinds[kind].state == PARTIAL && k->spec->child)
		put_partial(k, block, &w->seed);
	else if (kinds[kind].state != PARTIAL && kinds[kind].state != NOT_PRESENT)
		put_block(k, block, kinds[kind].state, kinds[kind].placed);
}

/* What a disk that was longer once leaves behind its last block. */
static void leave_entries(struct making *k, uint64_t upto)
{
	for (uint64_t block = blocks_of(k->spec); block < upto; block++)
		put_entry(k, index_of(k, block), 3 * MIB | FULL);
}

static void make_image(struct world *w, int i)
{
	struct making k;
	uint64_t first, count;

	begin_vhdx(&k, &w->spec[i], &w->model[i], w->folder, names[i]);
	count = blocks_to_look_at(w, i, &first);
	for (uint64_t block = first; block < first + count; block++)
		make_block(w, &k, block);
	if (i == PARENT)
		leave_entries(&k, blocks_of(&w->spec[IMAGE]));
	end_vhdx(&k);
}

static void make_world(struct world *w, const struct row *row, uint32_t seed)
{
	bool smaller = !strcmp(row->name, "image smaller");

	*w = (struct world){ .row = row, .folder = cv_test_folder(), .seed = seed * 7919 + 1, .count = row->based ? IMAGES : BASE };
	for (int i = (int)w->count - 1; i >= LEAF; i--) {
		w->spec[i] = (struct vhdx_spec){ .block_size = row->block_size, .sector = row->sector, .size = row->size, .child = i + 1 < (int)w->count,
						 .fixed = row->fixed && i == PARENT, .tag = (uint8_t)(0x10 + i), .parent_tag = (uint8_t)(0x11 + i) };
		if (i < PARENT)
			w->spec[i].size = row->size + row->more - (smaller ? 2 * MIB : 0);
	}
	for (int i = (int)w->count - 1; i >= LEAF; i--)
		make_image(w, i);
}

static void end_world(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		free(w->model[i].kinds);
	cv_test_folder_remove(w->folder);
}

/* --- merging --------------------------------------------------------------------------------------------- */

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

static bool merge(struct world *world)
{
	int root = open(world->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct cv_operation_result result = { 0 };
	char *parent = path_in(world->folder, names[PARENT]), *image = path_in(world->folder, names[IMAGE]);
	struct cv_plan_link link = { .format = CV_FORMAT_VHDX, .folder = world->folder, .path = parent, .former = image };
	const struct cv_plan_merge plan_merge = { .format = CV_FORMAT_VHDX, .parent_format = CV_FORMAT_VHDX, .links = &link, .link_count = 1 };
	struct sim_host host;
	struct cv_writing w;
	bool ok;

	memset(link.uuid, world->spec[PARENT].tag, sizeof link.uuid);
	sim_host_init(&host, 5, 1, 1, 4711);
	assert_true(cv_writing_open(&w, &cv_io_real, &host.host, root, &world->err));
	{
		struct cv_plan_item items[] = { item_of(&w, names[IMAGE]), item_of(&w, names[PARENT]), item_of(&w, names[LEAF]) };
		const struct cv_plan plan = { .kind = CV_PLAN_COALESCE, .items = items, .item_count = CV_COUNT(items), .merge = &plan_merge };

		ok = cv_work_run(&w, &plan, "coalesce", NULL, &result, &world->err);
	}
	cv_store_close(&w.store);
	close(root);
	free(parent);
	free(image);
	return ok;
}

/* --- what is looked at ----------------------------------------------------------------------------------- */

static void fail_world(const struct world *w, const char *what)
{
	fail_msg("%s (seed %" PRIu32 "): %s", w->row->name, w->seed, what);
}

/* What the models from one image on say is read through a chain of files. */
static void assert_reads(struct world *w, const int *files, size_t count, int from)
{
	static uint8_t read[AT_ONCE], expected[AT_ONCE];
	struct cv_layer *layers[IMAGES];
	const struct cv_chain chain = { layers, count, false };
	uint64_t first, blocks;

	for (size_t i = 0; i < count; i++)
		layers[i] = open_vhdx(w->folder, names[files[i]]);
	blocks = blocks_to_look_at(w, from, &first);
	for (uint64_t off = first * w->spec[from].block_size, end = off + blocks * w->spec[from].block_size; off < end; off += AT_ONCE) {
		uint64_t len = w->spec[from].size > off ? w->spec[from].size - off : 0;

		len = len < AT_ONCE ? len : AT_ONCE;
		expected_read(w->model + from, w->count - (size_t)from, expected, (struct cv_range){ off, len });
		if (len && !cv_chain_read(&chain, read, (struct cv_range){ off, len }, &w->err))
			fail_world(w, w->err.text);
		for (uint64_t i = 0; i < len; i++)
			if (read[i] != expected[i])
				fail_msg("%s (seed %" PRIu32 "): through %s guest offset %" PRIu64 " reads %02x, not %02x", w->row->name, w->seed,
					 names[files[0]], off + i, read[i], expected[i]);
	}
	for (size_t i = 0; i < count; i++)
		cv_layer_close(layers[i]);
}

static void assert_sound(struct world *w, int image)
{
	struct cv_facts *f = cv_facts_new();
	char *path = path_in(w->folder, names[image]);
	struct cv_source *source = file_source(path);
	struct cv_checking k = { .source = source, .facts = f };

	assert_true(cv_image_read(source, CV_FORMAT_VHDX, f, &w->err));
	assert_true(cv_format_by_id(CV_FORMAT_VHDX)->check(&k, &w->err));
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].severity == CV_ERROR)
			fail_world(w, "it has errors");
	if (k.corruptions || k.leaked_bytes)
		fail_world(w, k.corruptions ? "its table is damaged" : "space of it is lost");
	cv_source_close(source);
	cv_facts_free(f);
	free(path);
}

/* Those who stand on it know it by one identity; whoever wrote to it is told by the other. */
static void assert_identity(struct world *w)
{
	char *path = path_in(w->folder, names[PARENT]);
	struct cv_source *source = file_source(path);
	struct cv_vhdx_header_disk h;
	uint8_t data[16], file[16];
	uint64_t off;

	memset(data, w->spec[PARENT].tag, sizeof data);
	memset(file, w->spec[PARENT].tag ^ 0x55, sizeof file);
	assert_true(cv_vhdx_current_header(source, &h, &off, &w->err));
	assert_memory_equal(h.data_write.b, data, sizeof data);
	assert_memory_not_equal(h.file_write.b, file, sizeof file);
	assert_int_equal(source->size % MIB, 0);
	cv_source_close(source);
	free(path);
}

static void trees_of_all_kinds_can_be_merged(void **state)
{
	enum { ROUNDS = 6 };
	static const int before[] = { LEAF, IMAGE, PARENT, BASE }, after[] = { LEAF, PARENT, BASE };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		for (uint32_t round = 0; round < (rows[i].count ? 2 : ROUNDS); round++) {
			struct world w;

			make_world(&w, &rows[i], round * CV_COUNT(rows) + (uint32_t)i + 1);
			assert_reads(&w, before, w.count, LEAF);
			if (!merge(&w))
				fail_world(&w, w.err.text);
			assert_reads(&w, after, w.count - 1, LEAF);
			if (w.spec[IMAGE].size >= w.spec[PARENT].size)
				assert_reads(&w, after + 1, w.count - 2, IMAGE);
			assert_sound(&w, PARENT);
			assert_sound(&w, LEAF);
			assert_identity(&w);
			end_world(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees_of_all_kinds_can_be_merged),
	};

	return cmocka_run_group_tests_name("merging into VHDX", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The adder of extents, and chains of made-up layers against a model that looks at every sector on its own.
 * No image format is used here.
 */
#include "test_block.h"
#include "tests/support/run.h"

enum { SECTOR = 512, MOST_SECTORS = 4096, CLUSTER_SECTORS = 4 };

static struct cv_extent extent(uint64_t off, uint64_t len, enum cv_extent_kind kind, uint64_t host)
{
	return (struct cv_extent){ .at = { off, len }, .kind = kind, .placed = kind == CV_EXTENT_DATA, .host = host };
}

static void neighbours_that_say_the_same_become_one(void **state)
{
	static const struct {
		struct cv_extent a, b;
		size_t len;
	} rows[] = {
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, false, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, false, 108, 0 },
		  1 },
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, false, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, false, 107, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, false, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, false, 108, 1 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, true, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, true, 108, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, true, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, true, 100, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_DATA, 0, true, true, 100, 0 },
		  { { 8, 4 }, CV_EXTENT_DATA, 0, true, false, 108, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_ZERO, 0, false, false, 5, 0 },
		  { { 8, 4 }, CV_EXTENT_ZERO, 0, false, false, 9, 0 },
		  1 },
		{ { { 0, 8 }, CV_EXTENT_ZERO, 0, true, false, 5, 0 },
		  { { 8, 4 }, CV_EXTENT_ZERO, 0, false, false, 13, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_ZERO, 0, true, false, 5, 0 },
		  { { 8, 4 }, CV_EXTENT_ZERO, 0, true, false, 13, 0 },
		  1 },
		{ { { 0, 8 }, CV_EXTENT_ZERO, 0, false, false, 0, 0 },
		  { { 8, 4 }, CV_EXTENT_PARENT, 0, false, false, 0, 0 },
		  2 },
		{ { { 0, 8 }, CV_EXTENT_PARENT, 0, false, false, 0, 0 },
		  { { 8, 4 }, CV_EXTENT_PARENT, 0, false, false, 0, 0 },
		  1 },
		{ { { 0, 8 }, CV_EXTENT_BAD, 0, false, false, 7, 0 },
		  { { 8, 4 }, CV_EXTENT_BAD, 0, false, false, 900, 0 },
		  1 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_extents list = { 0 };
		struct cv_err err = { 0 };

		cv_extents_begin(&list, (struct cv_range){ 0, 100 });
		assert_true(cv_extents_add(&list, rows[i].a, &err));
		assert_true(cv_extents_add(&list, rows[i].b, &err));
		if (list.len != rows[i].len)
			fail_msg("row %zu gives %zu extents", i, list.len);
		assert_int_equal(cv_extents_end(&list), 12);
		cv_extents_fini(&list);
	}
}

static void an_extent_that_breaks_the_rules_is_refused(void **state)
{
	static const struct cv_extent wrong[] = {
		{ .at = { 11, 4 }, .kind = CV_EXTENT_PARENT },                   /* gap */
		{ .at = { 9, 4 }, .kind = CV_EXTENT_PARENT },                    /* overlap */
		{ .at = { 10, 0 }, .kind = CV_EXTENT_PARENT },
		{ .at = { 10, 91 }, .kind = CV_EXTENT_PARENT },                  /* asked for 100 */
		{ .at = { 10, UINT64_MAX }, .kind = CV_EXTENT_PARENT },
		{ .at = { 10, 4 }, .kind = CV_EXTENT_DATA },                     /* no place */
		{ .at = { 10, 4 }, .kind = CV_EXTENT_PARENT, .placed = true },
		{ .at = { 10, 4 }, .kind = CV_EXTENT_BAD, .placed = true },
		{ .at = { 10, 4 }, .kind = CV_EXTENT_ZERO, .compressed = true },
		{ .at = { 10, 4 }, .kind = CV_EXTENT_DATA, .placed = true, .host = UINT64_MAX - 2 },
		{ .at = { 10, 4 }, .kind = 9 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(wrong); i++) {
		struct cv_extents list = { 0 };
		struct cv_err err = { 0 };

		cv_extents_begin(&list, (struct cv_range){ 0, 100 });
		assert_true(cv_extents_add(&list, extent(0, 10, CV_EXTENT_DATA, 0), &err));
		if (cv_extents_add(&list, wrong[i], &err))
			fail_msg("row %zu is taken", i);
		assert_int_equal(err.code, CV_EUSAGE);
		assert_int_equal(cv_extents_end(&list), 10);
		cv_extents_fini(&list);
	}
}

static void a_full_list_keeps_what_it_has_and_says_where_to_go_on(void **state)
{
	struct cv_extents list = { .max = 3 };
	struct cv_err err = { 0 };

	(void)state;
	cv_extents_begin(&list, (struct cv_range){ 1000, 1000 });
	assert_int_equal(cv_extents_end(&list), 1000);
	for (uint64_t i = 0; i < 50; i++)
		assert_true(cv_extents_add(&list, extent(1000 + i * 10, 10, i % 2 ? CV_EXTENT_ZERO : CV_EXTENT_DATA, i),
					   &err));
	assert_true(list.full);
	assert_int_equal(list.len, 3);
	assert_int_equal(cv_extents_end(&list), 1030);
	cv_extents_begin(&list, (struct cv_range){ 0, 10 });
	assert_false(list.full);
	assert_int_equal(list.len, 0);
	cv_extents_fini(&list);
	assert_int_equal(list.max, 3);
	cv_extents_begin(&(struct cv_extents){ 0 }, (struct cv_range){ 0, 0 });
}

/* A layer made of sectors: what each one is, and where. */
struct made {
	struct cv_layer base;                /* first, so that a layer can be cast */
	size_t count;
	uint32_t asked;                      /* how often it was asked */
	struct { enum cv_extent_kind kind; bool placed, compressed; uint32_t host; } sector[MOST_SECTORS];
	uint8_t file[256 * SECTOR];
};

static struct cv_extent sector_extent(const struct made *m, size_t i)
{
	return (struct cv_extent){
		.at = { i * SECTOR, SECTOR },
		.kind = m->sector[i].kind,
		.placed = m->sector[i].placed,
		.compressed = m->sector[i].compressed,
		.host = (uint64_t)m->sector[i].host * SECTOR,
	};
}

/* Ends a compressed extent only where its cluster ends. */
static bool made_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	struct made *m = (struct made *)layer;
	uint64_t pos = range.off, end = range.off + range.len;

	m->asked++;
	while (pos < end && !list->full) {
		size_t i = pos / SECTOR;
		struct cv_extent e = sector_extent(m, i);
		uint64_t stop = e.at.off + SECTOR;

		if (e.compressed)
			stop = (i / CLUSTER_SECTORS + 1) * CLUSTER_SECTORS * SECTOR;
		if (stop > end)
			stop = end;
		if (e.placed && !e.compressed)
			e.host += pos - e.at.off;
		e.at = (struct cv_range){ pos, stop - pos };
		if (!cv_extents_add(list, e, err))
			return false;
		pos = stop;
	}
	return true;
}

static uint8_t inflated_byte(uint64_t host, uint64_t guest)
{
	return (uint8_t)(host / SECTOR * 31 + guest * 7 + guest / SECTOR);
}

static bool made_inflate(struct cv_layer *layer, const struct cv_extent *e, void *buf, struct cv_err *err)
{
	(void)layer, (void)err;
	assert_true(e->at.off % (CLUSTER_SECTORS * SECTOR) + e->at.len <= CLUSTER_SECTORS * SECTOR);
	for (uint64_t i = 0; i < e->at.len; i++)
		((uint8_t *)buf)[i] = inflated_byte(e->host, e->at.off + i);
	return true;
}

static const struct cv_layer_ops made_ops = { .extents = made_extents, .inflate = made_inflate };

/* Runs of random length; half of everything is the parent's. */
static void make_layer(struct made *m, uint32_t *seed, bool bad)
{
	struct cv_err err = { 0 };

	memset(m, 0, sizeof *m);
	m->count = 1 + cv_test_random(seed, cv_test_random(seed, 4) ? 600 : MOST_SECTORS);
	for (size_t i = 0; i < sizeof m->file; i++)
		m->file[i] = (uint8_t)cv_test_random(seed, 256);
	for (size_t i = 0; i < m->count;) {
		size_t n = 1 + cv_test_random(seed, cv_test_random(seed, 3) ? 5 : 100),
		       host = cv_test_random(seed, 100);
		unsigned what = cv_test_random(seed, bad ? 9 : 8);
		bool compressed = what == 7 && i % CLUSTER_SECTORS == 0;

		for (n = compressed ? CLUSTER_SECTORS : n; n && i < m->count; n--, i++, host += !compressed) {
			m->sector[i].kind = what < 4 ? CV_EXTENT_PARENT : what < 6 || what == 7 ? CV_EXTENT_DATA
					    : what == 6 ? CV_EXTENT_ZERO : CV_EXTENT_BAD;
			m->sector[i].compressed = compressed;
			m->sector[i].placed = m->sector[i].kind == CV_EXTENT_DATA || (what == 6 && n % 2);
			m->sector[i].host = (uint32_t)host;
		}
	}
	m->base = (struct cv_layer){ .ops = &made_ops, .size = m->count * SECTOR, .block_size = SECTOR };
	m->base.source = cv_source_memory(m->file, sizeof m->file, &err);
	assert_non_null(m->base.source);
}

/* What the chain says of one sector, by the words of the contract. */
static struct cv_extent model(const struct cv_chain *chain, size_t sector)
{
	struct cv_extent none = { .at = { sector * SECTOR, SECTOR }, .layer = (uint32_t)chain->count };

	for (uint32_t k = 0; k < chain->count; k++) {
		const struct made *m = (const struct made *)chain->layers[k];
		struct cv_extent e;

		if (sector >= m->count)
			return none;
		e = sector_extent(m, sector);
		e.layer = k;
		if (e.kind != CV_EXTENT_PARENT)
			return e;
	}
	none.kind = chain->incomplete ? CV_EXTENT_BAD : CV_EXTENT_PARENT;
	return none;
}

static void compare_extents(const struct cv_chain *chain, struct cv_range range, struct cv_extents *list)
{
	uint64_t pos = range.off, end = range.off + range.len;
	struct cv_err err = { 0 };

	while (pos < end) {
		assert_true(cv_chain_extents(chain, (struct cv_range){ pos, end - pos }, list, &err));
		assert_int_equal(list->at[0].at.off, pos);
		for (size_t i = 0; i < list->len; i++) {
			const struct cv_extent *e = &list->at[i];

			for (; pos < e->at.off + e->at.len; pos = (pos / SECTOR + 1) * SECTOR) {
				struct cv_extent want = model(chain, pos / SECTOR);

				assert_int_equal(e->kind, want.kind);
				assert_int_equal(e->layer, want.layer);
				assert_int_equal(e->placed, want.placed);
				assert_int_equal(e->compressed, want.compressed);
				if (want.placed)
					assert_int_equal(want.compressed ? e->host : e->host + (pos - e->at.off),
							 want.host + (want.compressed ? 0 : pos % SECTOR));
			}
		}
		assert_true(list->full || cv_extents_end(list) == end);
		pos = cv_extents_end(list);
	}
	assert_int_equal(pos, end);
}

static void compare_bytes(const struct cv_chain *chain, struct cv_range range)
{
	uint8_t *bytes = malloc(range.len ? range.len : 1);
	struct cv_err err = { 0 };
	bool bad = false;

	assert_non_null(bytes);
	for (uint64_t s = range.off / SECTOR; s * SECTOR < range.off + range.len; s++)
		bad |= model(chain, s).kind == CV_EXTENT_BAD;
	assert_int_equal(cv_chain_read(chain, bytes, range, &err), !bad);
	if (bad) {
		assert_int_equal(err.code, CV_EFORMAT);
		assert_non_null(strstr(err.text, "guest offset"));
	}
	for (uint64_t i = 0; !bad && i < range.len; i++) {
		uint64_t at = range.off + i;
		struct cv_extent e = model(chain, at / SECTOR);
		uint8_t want = 0;

		if (e.kind == CV_EXTENT_DATA && e.compressed)
			want = inflated_byte(e.host, at);
		else if (e.kind == CV_EXTENT_DATA)
			want = ((const struct made *)chain->layers[e.layer])->file[e.host + at % SECTOR];
		assert_int_equal(bytes[i], want);
	}
	free(bytes);
}

static void chains_say_what_a_model_of_every_sector_says(void **state)
{
	struct made *made = malloc(8 * sizeof *made);
	struct cv_layer *layers[8];
	uint32_t seed = 20240607;

	(void)state;
	assert_non_null(made);
	for (unsigned round = 0; round < 400; round++) {
		struct cv_chain chain = { layers, 1 + cv_test_random(&seed, 8), !cv_test_random(&seed, 4) };
		struct cv_extents list = { .max = 1 + cv_test_random(&seed, round % 2 ? 10 : 100000) };

		for (size_t k = 0; k < chain.count; k++) {
			make_layer(&made[k], &seed, round % 3 == 0);
			layers[k] = &made[k].base;
		}
		compare_extents(&chain, (struct cv_range){ 0, layers[0]->size }, &list);
		for (unsigned part = 0; part < 6; part++) {
			uint64_t off = cv_test_random(&seed, (uint32_t)layers[0]->size);
			uint64_t len = cv_test_random(&seed, (uint32_t)(layers[0]->size - off + 1));

			compare_extents(&chain, (struct cv_range){ off, len }, &list);
			compare_bytes(&chain, (struct cv_range){ off, len > 20000 ? len % 20000 : len });
		}
		cv_extents_fini(&list);
		for (size_t k = 0; k < chain.count; k++)
			cv_source_close(layers[k]->source);
	}
	free(made);
}

static void what_does_not_lie_on_the_disk_is_refused(void **state)
{
	static const struct cv_range wrong[] = {
		{ 0, 513 }, { 513, 0 }, { 512, 1 }, { UINT64_MAX, 2 }, { 1, UINT64_MAX }
	};
	struct made *m = calloc(1, sizeof *m);
	struct cv_layer *layer = &m->base;
	struct cv_chain chain = { &layer, 1, false };
	struct cv_extents list = { 0 };

	(void)state;
	m->count = 1;
	m->base = (struct cv_layer){ .ops = &made_ops, .size = SECTOR, .block_size = SECTOR };
	for (size_t i = 0; i < CV_COUNT(wrong); i++) {
		struct cv_err err = { 0 }, again = { 0 }, third = { 0 };

		assert_false(cv_chain_extents(&chain, wrong[i], &list, &err));
		assert_int_equal(err.code, CV_EUSAGE);
		assert_false(cv_layer_extents(layer, wrong[i], &list, &again));
		assert_false(cv_chain_read(&chain, NULL, wrong[i], &third));
	}
	cv_extents_fini(&list);
	free(m);
}

/* A chain in which each layer has every n-th sector: asking must not cost more than the layers have. */
static void a_fragmented_chain_asks_each_layer_in_large_pieces(void **state)
{
	enum { DEPTH = 8 };
	struct made *made = calloc(DEPTH, sizeof *made);
	struct cv_layer *layers[DEPTH];
	struct cv_chain chain = { layers, DEPTH, false };
	struct cv_extents list = { 0 };

	(void)state;
	assert_non_null(made);
	for (size_t k = 0; k < DEPTH; k++) {
		made[k].count = MOST_SECTORS;
		for (size_t i = k; i < MOST_SECTORS; i += DEPTH)
			made[k].sector[i].kind = CV_EXTENT_ZERO;
		made[k].base =
			(struct cv_layer){ .ops = &made_ops, .size = MOST_SECTORS * SECTOR, .block_size = SECTOR };
		layers[k] = &made[k].base;
	}
	compare_extents(&chain, (struct cv_range){ 0, MOST_SECTORS * SECTOR }, &list);
	assert_int_equal(list.len, MOST_SECTORS);
	for (size_t k = 0; k < DEPTH; k++)
		assert_in_range(made[k].asked, 1, 4);
	cv_extents_fini(&list);
	free(made);
}

/* A file of 1 MiB with data from 256 KiB to 320 KiB only. NULL where the file system keeps no holes. */
static struct cv_source *file_with_holes(const char *folder)
{
	enum { AT = 256 << 10, LEN = 64 << 10 };
	static uint8_t data[LEN];
	uint64_t from = 0, upto = 0;
	struct cv_err err = { 0 };
	struct cv_source *s;
	char path[512];
	int fd;

	memset(data, 0x55, LEN);
	snprintf(path, sizeof path, "%s/holes", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pwrite(fd, data, LEN, AT), LEN);
	s = cv_source_fd_adopt(fd, 1 << 20, &err);
	assert_non_null(s);
	if (s->ops->hole(s, 0, &from, &upto) && from == AT && upto == AT + LEN)
		return s;
	cv_source_close(s);
	return NULL;
}

static void holes_of_a_raw_image_are_seen_through_every_kind_of_source(void **state)
{
	/* 64 KiB of hole; data in the middle of a piece; a piece that ends in data; nothing but hole, twice */
	static const struct cv_source_extent pieces[] = {
		{ 0, 64 << 10 },         { 192 << 10, 256 << 10 }, { 288 << 10, 16 << 10 },
		{ 512 << 10, 64 << 10 }, { 600 << 10, 8 << 10 },
	};
	static const struct { uint64_t upto; enum cv_extent_kind kind; } want[] = {
		{ 128 << 10, CV_EXTENT_ZERO }, { 192 << 10, CV_EXTENT_DATA }, { 320 << 10, CV_EXTENT_ZERO },
		{ 336 << 10, CV_EXTENT_DATA }, { 408 << 10, CV_EXTENT_ZERO },
	};
	char *folder = cv_test_folder();
	struct cv_source *file = file_with_holes(folder), *some, *cached;
	struct cv_extents list = { 0 };
	struct cv_err err = { 0 };
	struct cv_layer *layer;

	(void)state;
	cv_test_folder_remove(folder);
	if (!file) {
		puts("skipped: the file system of the temporary folder keeps no holes");
		skip();
	}
	some = cv_source_extents(&file, pieces, CV_COUNT(pieces), &err);
	assert_non_null(some);
	cached = cv_source_cached(&some, 4096, 512, &err);
	assert_non_null(cached);
	layer = cv_layer_open(&cached, NULL, CV_FORMAT_RAW, &err);
	assert_non_null(layer);
	assert_true(cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, &err));
	assert_int_equal(list.len, CV_COUNT(want));
	for (size_t i = 0; i < list.len; i++) {
		assert_int_equal(list.at[i].kind, want[i].kind);
		assert_int_equal(list.at[i].at.off + list.at[i].at.len, want[i].upto);
		assert_int_equal(list.at[i].host, list.at[i].at.off);
	}
	assert_true(cv_layer_extents(layer, (struct cv_range){ 130 << 10, 10 }, &list, &err));
	assert_int_equal(list.at[0].kind, CV_EXTENT_DATA);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void a_source_that_knows_no_holes_is_all_data(void **state)
{
	static const uint8_t bytes[1000];
	struct cv_err err = { 0 };
	struct cv_source *memory = cv_source_memory(bytes, sizeof bytes, &err);
	struct cv_layer *layer = cv_layer_open(&memory, NULL, CV_FORMAT_RAW, &err);
	struct cv_extents list = { 0 };

	(void)state;
	assert_non_null(layer);
	assert_true(cv_layer_extents(layer, (struct cv_range){ 1, 999 }, &list, &err));
	assert_int_equal(list.len, 1);
	assert_int_equal(list.at[0].kind, CV_EXTENT_DATA);
	assert_int_equal(list.at[0].host, 1);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_that_say_the_same_become_one),
		cmocka_unit_test(an_extent_that_breaks_the_rules_is_refused),
		cmocka_unit_test(a_full_list_keeps_what_it_has_and_says_where_to_go_on),
		cmocka_unit_test(chains_say_what_a_model_of_every_sector_says),
		cmocka_unit_test(what_does_not_lie_on_the_disk_is_refused),
		cmocka_unit_test(a_fragmented_chain_asks_each_layer_in_large_pieces),
		cmocka_unit_test(holes_of_a_raw_image_are_seen_through_every_kind_of_source),
		cmocka_unit_test(a_source_that_knows_no_holes_is_all_data),
	};

	return cmocka_run_group_tests_name("extents", tests, NULL, NULL) ? 1 : 0;
}

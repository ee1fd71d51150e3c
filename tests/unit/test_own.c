/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an image holds of its own, in units of any grain: written over the parent it reads as the chain did; units of which
 * it holds nothing stay the parent's; and compressed bytes come from where they were, also those that were read ahead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repair/convert/own.h"
#include "tests/support/run.h"

enum { SECTOR = 512, MOST = 4096, LAYERS = 3 };

/* Of each sector: who decides, and what it is. */
struct chain {
	size_t sectors;
	uint8_t layer[MOST], kind[MOST];   /* layer LAYERS: nobody */
	bool packed[MOST];
	struct cv_extent extents[MOST];
	size_t count;
};

struct chain_feed {
	struct cv_feed feed;         /* first */
	const struct chain *chain;
	size_t at;
	uint32_t seed;
	bool bytes_due;
};

static uint8_t byte_of(uint64_t sector, unsigned layer)
{
	return (uint8_t)(sector * 7 + layer * 50 + 1);
}

static void make_extents(struct chain *c, uint32_t *r)
{
	c->count = 0;
	for (size_t s = 0, end; s < c->sectors; s = end) {
		for (end = s + 1; end < c->sectors && c->layer[end] == c->layer[s] && c->kind[end] == c->kind[s] &&
				  c->packed[end] == c->packed[s] && cv_test_random(r, 40); end++)
			;
		c->extents[c->count++] = (struct cv_extent){
			.at = { s * SECTOR, (end - s) * SECTOR }, .kind = c->kind[s], .layer = c->layer[s], .host = s * SECTOR,
			.placed = c->kind[s] == CV_EXTENT_DATA, .compressed = c->packed[s],
		};
	}
}

static void random_chain(struct chain *c, size_t sectors, uint32_t *r)
{
	uint8_t layer = 0, kind = CV_EXTENT_DATA;
	bool packed = false;

	*c = (struct chain){ .sectors = sectors };
	for (size_t s = 0; s < sectors; s++) {
		if (!cv_test_random(r, cv_test_random(r, 20) ? 12 : 2)) {
			layer = (uint8_t)cv_test_random(r, LAYERS + 1);
			kind = layer == LAYERS ? CV_EXTENT_PARENT : cv_test_random(r, 3) ? CV_EXTENT_DATA : CV_EXTENT_ZERO;
			packed = kind == CV_EXTENT_DATA && !cv_test_random(r, 3);
		}
		c->layer[s] = layer;
		c->kind[s] = kind;
		c->packed[s] = packed;
	}
	make_extents(c, r);
}

/* Lists of any length; a compressed one ends its list. */
static bool chain_next(struct cv_feed *feed, const struct cv_extent **list, size_t *count, struct cv_err *err)
{
	struct chain_feed *f = (struct chain_feed *)feed;
	size_t most = 1 + cv_test_random(&f->seed, 9), n = 0;

	(void)err;
	*list = &f->chain->extents[f->at];
	while (n < most && f->at + n < f->chain->count)
		if ((*list)[n++].compressed)
			break;
	f->bytes_due = n && (*list)[n - 1].compressed;
	f->at += n;
	*count = n;
	return true;
}

static bool chain_inflate(struct cv_feed *feed, const struct cv_extent *e, uint8_t *buf, struct cv_err *err)
{
	struct chain_feed *f = (struct chain_feed *)feed;

	(void)err;
	assert_true(f->bytes_due);
	assert_int_equal(e->at.off, f->chain->extents[f->at - 1].at.off);
	f->bytes_due = false;
	for (uint64_t i = 0; i < e->at.len; i++)
		buf[i] = byte_of((e->at.off + i) / SECTOR, e->layer);
	return true;
}

static void chain_close(struct cv_feed *feed)
{
	free(feed);
}

static struct cv_feed *feed_of(const struct chain *c, uint32_t seed)
{
	struct chain_feed *f = calloc(1, sizeof *f);

	assert_non_null(f);
	*f = (struct chain_feed){ .feed = { .next = chain_next, .inflate = chain_inflate, .close = chain_close }, .chain = c, .seed = seed };
	return &f->feed;
}

static bool unit_is_own(const struct chain *c, size_t unit, size_t per_unit)
{
	for (size_t s = unit * per_unit; s < (unit + 1) * per_unit && s < c->sectors; s++)
		if (c->layer[s] == 0)
			return true;
	return false;
}

/* What came out, by sector. */
struct outcome {
	uint8_t kind[MOST];
	size_t sectors;
};

static void take(struct cv_feed *feed, const struct cv_extent *e, const struct chain *c, struct outcome *out)
{
	static uint8_t buf[MOST * SECTOR];
	struct cv_err err = { CV_OK };

	assert_int_equal(e->at.off, out->sectors * SECTOR);
	assert_true(e->at.len && e->at.len % SECTOR == 0);
	if (e->kind == CV_EXTENT_DATA && e->compressed)
		assert_true(feed->inflate(feed, e, buf, &err));
	for (uint64_t i = 0; i < e->at.len / SECTOR; i++, out->sectors++) {
		size_t s = out->sectors;

		assert_true(s < c->sectors);
		out->kind[s] = (uint8_t)e->kind;
		if (e->kind != CV_EXTENT_DATA)
			continue;
		assert_int_equal(c->kind[s], CV_EXTENT_DATA);
		assert_int_equal(e->layer, c->layer[s]);
		assert_int_equal(e->compressed, c->packed[s]);
		if (e->compressed)
			assert_int_equal(buf[i * SECTOR], byte_of(s, c->layer[s]));
		else
			assert_int_equal(e->host + i * SECTOR, s * SECTOR);
	}
}

static void judge(const struct chain *c, const struct outcome *out, size_t per_unit)
{
	assert_int_equal(out->sectors, c->sectors);
	for (size_t unit = 0; unit * per_unit < c->sectors; unit++) {
		bool own = unit_is_own(c, unit, per_unit), placed = false;
		size_t end = (unit + 1) * per_unit < c->sectors ? (unit + 1) * per_unit : c->sectors;

		for (size_t s = unit * per_unit; s < end; s++)
			placed |= out->kind[s] == CV_EXTENT_DATA;
		for (size_t s = unit * per_unit; s < end; s++) {
			if (!own)
				assert_int_equal(out->kind[s], CV_EXTENT_PARENT);
			else if (c->kind[s] == CV_EXTENT_DATA)
				assert_int_equal(out->kind[s], CV_EXTENT_DATA);
			else
				assert_int_equal(out->kind[s], placed ? CV_EXTENT_PARENT : CV_EXTENT_ZERO);
		}
	}
}

static void an_image_gets_its_own_and_whole_units_of_it(void **state)
{
	static const size_t per_unit[] = { 1, 2, 8, 64, 1024 };
	static struct chain c;
	static struct outcome out;

	(void)state;
	for (uint32_t seed = 1; seed <= 300; seed++) {
		size_t grain = per_unit[seed % CV_COUNT(per_unit)], count;
		uint32_t r = seed;
		struct cv_err err = { CV_OK };
		const struct cv_extent *list;
		struct cv_feed *feed;

		random_chain(&c, 1 + cv_test_random(&r, MOST - 1), &r);
		feed = cv_own_feed(feed_of(&c, seed), c.sectors * SECTOR, (uint32_t)(grain * SECTOR), &err);
		assert_non_null(feed);
		out.sectors = 0;
		do {
			assert_true(feed->next(feed, &list, &count, &err));
			for (size_t i = 0; i < count; i++)
				take(feed, &list[i], &c, &out);
		} while (count);
		/* With grains of one sector nothing is added: then zeros stay what they are. */
		judge(&c, &out, grain);
		cv_feed_close(feed);
	}
}

/* Damage below stays unseen where it is not copied. */
static void damage_matters_where_it_is_copied(void **state)
{
	const struct cv_extent extents[] = {
		{ .at = { 0, 4096 }, .kind = CV_EXTENT_BAD, .layer = 1 },
		{ .at = { 4096, 512 }, .kind = CV_EXTENT_DATA, .placed = true, .host = 0 },
		{ .at = { 4608, 3584 }, .kind = CV_EXTENT_BAD, .layer = 1 },
	};
	struct cv_own own = { .size = 8192, .grain = 4096 };

	(void)state;
	for (size_t i = 0; i < CV_COUNT(extents); i++)
		assert_true(cv_own_push(&own, &extents[i]));
	assert_int_equal(own.out.len, 3);
	assert_int_equal(own.out.at[0].kind, CV_EXTENT_PARENT);
	assert_int_equal(own.out.at[1].kind, CV_EXTENT_DATA);
	assert_int_equal(own.out.at[2].kind, CV_EXTENT_BAD);
	cv_own_fini(&own);
}

static void a_compressed_cluster_that_cannot_be_is_refused(void **state)
{
	static struct chain c = { .sectors = 1, .count = 1 };
	struct cv_err err = { CV_OK };
	const struct cv_extent *list;
	struct cv_feed *feed;
	size_t count;

	(void)state;
	c.extents[0] = (struct cv_extent){ .at = { 0, UINT64_C(1) << 40 }, .kind = CV_EXTENT_DATA, .compressed = true };
	feed = cv_own_feed(feed_of(&c, 1), UINT64_C(1) << 40, 65536, &err);
	assert_false(feed->next(feed, &list, &count, &err));
	assert_int_equal(err.code, CV_ELIMIT);
	cv_feed_close(feed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_image_gets_its_own_and_whole_units_of_it),
		cmocka_unit_test(damage_matters_where_it_is_copied),
		cmocka_unit_test(a_compressed_cluster_that_cannot_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The kept inputs of the fuzz targets (tests/fuzz): everything that once broke something, and the fewest others that
 * reach as much as all that were ever tried. One test for each target; with sanitizers their memory is counted too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include "tests/fuzz/target.h"

#define LARGEST_INPUT (64u << 10)

static const struct row {
	const struct fuzz_target *target;
	const char *corpus;
} rows[] = {
#define T(target, corpus, share) { &fuzz_target_##target, "tests/fuzz/corpus/" #corpus },
#include "tests/fuzz/targets.def"
#undef T
};

static const struct row *now;
static unsigned replayed;

/* Outside of libFuzzer: a byte here and there. */
size_t fuzz_mutate_bytes(uint8_t *at, size_t len, size_t max)
{
	static struct fuzz_dice d;

	(void)max;
	for (unsigned n = 1 + fuzz_below(&d, 4); len && n; n--)
		at[fuzz_below(&d, (uint32_t)len)] = (uint8_t)fuzz_number(&d);
	return len;
}

/* The input in memory of its own size, so that a sanitizer sees a read behind its end. */
static void replay(const uint8_t *at, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, at, len);
	fuzz_run(now->target, copy, len);
	free(copy);
	replayed++;
}

static int take_file(const char *path, const struct stat *st, int type, struct FTW *where)
{
	static uint8_t input[LARGEST_INPUT];
	FILE *f;

	(void)where;
	if (type != FTW_F)
		return 0;
	assert_true((uint64_t)st->st_size <= sizeof input);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fread(input, 1, (size_t)st->st_size, f), st->st_size);
	fclose(f);
	replay(input, (size_t)st->st_size);
	return 0;
}

/* Also what the mutator makes of it: it must always make something. */
static void replay_seed(struct fuzz_seeds *s, const void *at, size_t len)
{
	static uint8_t input[LARGEST_INPUT];
	struct fuzz_dice d = { replayed };

	(void)s;
	replay(at, len);
	if (len > now->target->max)
		return;
	memcpy(input, at, len);
	for (int round = 0; round < 4 && len; round++) {
		len = now->target->mutate ? now->target->mutate(input, len, now->target->max, &d) :
					    fuzz_mutate_bytes(input, len, now->target->max);
		assert_true(len <= now->target->max);
		replay(input, len);
	}
}

static void the_kept_inputs_do_no_harm(void **state)
{
	struct fuzz_seeds seeds = { replay_seed };

	now = *state;
	replayed = 0;
	assert_int_equal(nftw(now->corpus, take_file, 8, FTW_PHYS), 0);
	assert_true(replayed > 0);
	for (const char *const *w = now->target->words; w && *w; w++)
		replay_seed(&seeds, *w, strlen(*w));
	if (now->target->seeds)
		now->target->seeds(&seeds);
	replay((const uint8_t *)"", 0);
	print_message("%s: %u inputs\n", now->target->name, replayed);
}

int main(void)
{
	struct CMUnitTest tests[CV_COUNT(rows)];

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		tests[i] = (struct CMUnitTest){ rows[i].target->name, the_kept_inputs_do_no_harm, NULL, NULL,
						(void *)(uintptr_t)&rows[i] };
	return _cmocka_run_group_tests("the kept inputs of", tests, CV_COUNT(tests), NULL, NULL);
}

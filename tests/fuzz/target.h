/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A fuzz target: one parser, fed with bytes that somebody else chose. The same targets run under libFuzzer
 * (libfuzzer.c, clang) and over the kept inputs in corpus/ (tests/unit/test_fuzz_corpus.c, any compiler).
 *
 * Adding one: a struct fuzz_target called fuzz_target_NAME in a fuzz_*.c, a line in targets.def.
 */
#ifndef CV_TESTS_FUZZ_TARGET_H
#define CV_TESTS_FUZZ_TARGET_H

#include <chainview/text.h>

/* Random choices; the same seed gives the same ones. */
struct fuzz_dice { uint64_t state; };
uint64_t fuzz_roll(struct fuzz_dice *d);
/* 0 to below - 1; below is not 0. */
uint32_t fuzz_below(struct fuzz_dice *d, uint32_t below);
/* A number that parsers trip over: 0, 1, powers of two and their neighbours, all ones, any. */
uint64_t fuzz_number(struct fuzz_dice *d);

/* The mutator of libFuzzer; in programs without it, a small one of our own. Works in place, returns the new length. */
size_t fuzz_mutate_bytes(uint8_t *at, size_t len, size_t max);

/* Takes one input to begin with. */
struct fuzz_seeds {
	void (*keep)(struct fuzz_seeds *s, const void *at, size_t len);
};

struct fuzz_target {
	const char *name;
	size_t max;              /* bytes of an input */
	/* Must hold for any bytes at all: no crash, no open, no promise broken (fuzz_require). */
	void (*run)(const uint8_t *at, size_t len);
	/* Changes an input that it understands; NULL: fuzz_mutate_bytes(). */
	size_t (*mutate)(uint8_t *at, size_t len, size_t max, struct fuzz_dice *d);
	/* Inputs made at run time; NULL: the rows of words. */
	void (*seeds)(struct fuzz_seeds *s);
	const char *const *words;   /* NULL-ended; may be NULL */
};

#define FUZZ_TARGET(target) extern const struct fuzz_target fuzz_target_##target;
#define T(target, corpus, share) FUZZ_TARGET(target)
#include "tests/fuzz/targets.def"
#undef T

/* Ends the program with the reason if what must be true is not. */
#define fuzz_require(true_that, ...) ((true_that) ? (void)0 : fuzz_broken(__FILE__, __LINE__, __VA_ARGS__))
void fuzz_broken(const char *file, int line, const char *fmt, ...) CV_PRINTF(3, 4) __attribute__((noreturn));

/* Runs a target and holds it to its limits: processor time, and memory where a sanitizer counts it. */
#define FUZZ_SECONDS 2.0
#define FUZZ_MEMORY ((size_t)64 << 20)
void fuzz_run(const struct fuzz_target *target, const uint8_t *at, size_t len);

/* The bytes of an input taken one after the other; behind the end they are zero. */
struct fuzz_bytes { const uint8_t *at, *end; };
uint64_t fuzz_take(struct fuzz_bytes *b, size_t bytes);
/* Up to most bytes, as many as the next byte (or two, if most is larger than 255) says. */
struct cv_bytes fuzz_take_text(struct fuzz_bytes *b, size_t most);

/* Text that may be shown: legal UTF-8, no control but a newline where those are allowed, nothing unseen. */
void fuzz_require_shown(struct cv_bytes text, bool lines);

#endif

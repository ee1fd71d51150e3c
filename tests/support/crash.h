/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What may be on a disk after a power cut, all of it: an operation runs on a simulated disk, and before each barrier
 * and each change of names, where the most is pending, every state that the disk could come back in is made, recovery
 * runs on it, and the result is looked at. Recovery itself is cut short in the same way, also where the program was
 * only killed and what was pending still is when recovery begins.
 *
 * Pending sectors are there, not there, or trashed (zeros, ones, noise, other data of the disk; with the whole
 * physical sector of 4 KiB if asked for); lengths come or do not; names come in order, or in any order that the file
 * system could choose. Few pending sectors: all combinations; many: none, all, each missing, each alone, each
 * beginning, and random ones.
 */
#ifndef TESTS_SUPPORT_CRASH_H
#define TESTS_SUPPORT_CRASH_H

#include "tests/support/simdisk.h"

struct crash_scene {
	const char *name;
	/* The operation, from its start to its end. What it returns is only looked at when nothing goes wrong. */
	bool (*run)(struct sim *s, void *ctx, struct cv_err *err);
	/* What is run after a cut. Doing nothing must be all that it does when it is run again. */
	bool (*recover)(struct sim *s, void *ctx, struct cv_err *err);
	/* NULL if all that must be readable is, and reads as it should; else what is wrong, static or the scene's.
	 * recovered: false right after the cut. guest: which guest wrote between the two (guests + 0: none). */
	const char *(*look)(struct sim *s, void *ctx, bool recovered, unsigned guest);
	/* Ways in which somebody may write to what is readable between cut and recovery: 1..guests; may be none. */
	unsigned guests;
	void (*guest)(struct sim *s, void *ctx, unsigned which);
	void *ctx;
};

struct crash_options {
	uint64_t seed;
	unsigned random;             /* random states at each point where not all are made; 0: 32 */
	unsigned inner;              /* one of so many states is also cut inside of recovery; 0: none */
	unsigned share;              /* one of so many different states is recovered from; 0: all */
	bool pages;                  /* a trashed sector takes its 4 KiB with it */
	bool either;                 /* for cells: that a barrier is left out may show only where pages are torn */
	bool atomic;                 /* no sector is ever trashed; these states are looked at, but recovered from only as inner says */
	uint64_t before;             /* barriers that come before those of the operation: not looked at */
	uint32_t inode;              /* only points where something of this file is pending are looked at; 0: all are */
	uint64_t drop_barrier;       /* for mutants: this one is not carried out */
	bool stop_at_first;          /* failure: for mutants, one is enough */
};

struct crash_result {
	uint64_t barriers, names, points, states, distinct, recoveries, inner, failures;
	char first[512];             /* the first failure, with what reproduces it */
};

/* Whether a test notices that a barrier is missing is asked once, and not again under sanitizers. What is recovered from
 * under them is one of so many different states: what memory recovery touches is much the same in all of a point. */
#ifdef __SANITIZE_ADDRESS__
#define CRASH_MUTANTS false
#define CRASH_SHARE 16u
#else
#define CRASH_MUTANTS true
#define CRASH_SHARE 1u
#endif

/* Adds to *r. */
void crash_enumerate(const struct sim *start, const struct crash_scene *scene, const struct crash_options *options,
		     struct crash_result *r);

#endif

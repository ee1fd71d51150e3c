/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Findings of a check of tables, which can be as many as there are entries: neighbours of the same kind become one
 * finding with a range, the first of each problem are listed one by one, the rest is one finding with their number
 * and bytes. Nothing is lost in the sums, and memory does not depend on how many there are.
 */
#ifndef CV_INSPECT_TABLES_GATHER_H
#define CV_INSPECT_TABLES_GATHER_H

#include <chainview/facts.h>

/* The most findings of one problem that are listed one by one; the first of each kind always is. */
#define CV_GATHER_LISTED 8
/* Kinds (problem and what it is about) that are told apart. */
#define CV_GATHER_KINDS 64

/* What is wrong with one thing, or with count things of one kind in a row. */
struct cv_gathered {
	/* where and bytes are added up; argument 0 is made here ("data cluster", "12 data clusters", "900 more data
	 * clusters"), the others are those of the first. */
	struct cv_finding finding;
	const char *one, *many; /* what it is: static text */
	uint64_t count;
};

struct cv_gather_kind {
	struct cv_gathered last; /* may still grow; count 0: none */
	struct cv_gathered rest;
	bool listed;                 /* at least one of them */
};

struct cv_gather {
	struct cv_facts *facts;
	size_t kinds;
	struct cv_gather_kind kind[CV_GATHER_KINDS];
};

/* Neighbours are merged when their ranges touch and arguments 2 and 3 are equal (1 is where it is). */
void cv_gather(struct cv_gather *g, const struct cv_gathered *one);
/* Gives everything that is still held to the facts. */
void cv_gather_end(struct cv_gather *g);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which bytes of a file are held for what, as lists of runs: claims come in any order and may overlap, the
 * strongest one counts. And what of a file the file system really holds. Knows no format.
 */
#ifndef CV_INSPECT_SPACE_RUNS_H
#define CV_INSPECT_SPACE_RUNS_H

#include <chainview/source.h>
#include <chainview/vec.h>

/* The stronger ones are greater. OWNED: something points to it, but no data are there. */
enum cv_claim_class {
	CV_CLAIM_OWNED, CV_CLAIM_SHADOWED, CV_CLAIM_ORPHANED, CV_CLAIM_SNAPSHOT, CV_CLAIM_LIVE, CV_CLAIM_METADATA,
	CV_CLAIM_CLASS_COUNT
};

CV_VEC(cv_space_runs, struct cv_range);

/* Sorts the runs and joins those that touch. */
void cv_space_runs_join(struct cv_space_runs *runs);

struct cv_space_account {
	struct cv_space_runs runs[CV_CLAIM_CLASS_COUNT];
	size_t join_at[CV_CLAIM_CLASS_COUNT];
	uint64_t claimed[CV_CLAIM_CLASS_COUNT];  /* bytes of all claims in the slice, also of those that overlap */
	size_t *held;            /* runs of all accounts together */
	size_t most;             /* how many they may be */
	struct cv_range slice;   /* claims outside are dropped */
};

/* CV_ELIMIT if there are too many runs: the caller begins again with smaller slices. */
bool cv_space_claim(struct cv_space_account *a, enum cv_claim_class class, struct cv_range bytes, struct cv_err *err);
/* The strongest claim at pos, -1 if there is none, and where that changes; after all runs were joined. cursor
 * holds a position in each list and is all zero at the start of the slice. */
int cv_space_claimed(const struct cv_space_account *a, size_t cursor[CV_CLAIM_CLASS_COUNT], uint64_t pos,
		     uint64_t *end);
void cv_space_account_join(struct cv_space_account *a);
void cv_space_account_fini(struct cv_space_account *a);

/* What of a file is on disk: a list, or what the source says. */
struct cv_space_disk {
	struct cv_source *source;
	const struct cv_range *map;      /* sorted; NULL: ask the source */
	size_t count;
	struct cv_range held;            /* the last answer of the source */
};

/* How many bytes of the range are on disk. */
uint64_t cv_space_on_disk(struct cv_space_disk *d, struct cv_range range);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All merges of a repository: which, in an order that fits, and what is not taken and why. Each of them is an operation of
 * its own with a plan of its own; what is decided here is which comes next. Planning only reads.
 */
#ifndef CHAINVIEW_MERGES_H
#define CHAINVIEW_MERGES_H

#include <chainview/operation.h>
#include <chainview/space.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_merge_step {
	uint32_t image, into;        /* in the graph; into: who is its parent when its turn comes */
	const char *name, *into_name;        /* their ids, raw bytes */
	uint64_t bytes;              /* that the image takes up */
	uint64_t peak;
	int64_t net;                 /* what is free afterwards is so much more; less, as long as the trash is not purged */
	uint64_t free_after;
	size_t after;                /* number of the step that has to be done before; SIZE_MAX: none */
	struct cv_plan *plan;        /* NULL: it can only be made when the step before is done */
};

struct cv_merge_left {
	const char *name;            /* raw bytes */
	const char *reason;          /* escaped */
	bool blocked;                /* it would be merged but for a safety rule or the space */
};

/* Chains of several: each image straight into the base of its chain, the lowest first, which copies every byte once; or
 * single ones into their parents, as the space plan has it, where the base has no room for that. */
enum cv_merges_way { CV_MERGES_BEST, CV_MERGES_STRAIGHT, CV_MERGES_SINGLE };

struct cv_merges {
	const char *repository;      /* absolute, raw bytes */
	const char *const *searched;
	size_t searched_count;
	struct cv_merge_step *steps;         /* in the order in which they are done */
	size_t count;
	struct cv_merge_left *left;  /* inner nodes that are not taken */
	size_t left_count, blocked_count;
	struct cv_plan_space space;  /* of all steps together */
	enum cv_merges_way way;      /* STRAIGHT or SINGLE */
	bool purge;                  /* what is merged is removed for good, so that its space counts */
	size_t purged_first;         /* images that an earlier run merged and did not come to remove: they go first */
	uint64_t purged_first_bytes;
	const char *confirm;         /* what is typed to consent: the repository's name, escaped */
	struct cv_arena *arena;
};

struct cv_merges_options {
	uint32_t repository;         /* of the scan */
	bool purge;
	bool full;                   /* what the parents were is kept */
	enum cv_merges_way way;
	size_t purged_first;         /* how many images are removed from the trash before, */
	uint64_t purged_first_bytes; /* and what that frees */
	uint64_t reserve;
};
/* space: of the graph. Both must outlive the result only as far as numbers of images are used. */
CV_API struct cv_merges *cv_merges_plan(const struct cv_graph *g, const struct cv_space *space,
					const struct cv_merges_options *options, struct cv_err *err);
CV_API void cv_merges_free(struct cv_merges *m);

/* What became of a step. */
struct cv_merge_outcome {
	bool tried;
	struct cv_plan *plan;        /* that was carried out, or refused; NULL: none was made */
	struct cv_operation_result result;
	const char *why;             /* escaped: why it was not done, or not purged; NULL */
	bool purged;
};

/* Text for people, and the document: "plan" with all steps, "plans" with each one's own, "result" if outcomes are given
 * (as many as there are steps; may be NULL). */
CV_API bool cv_report_merges(const struct cv_merges *m, const struct cv_style *style, const struct cv_sink *sink);
CV_API bool cv_report_merges_json(const struct cv_merges *m, const struct cv_merge_outcome *outcomes,
				  const struct cv_report_head *head, const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

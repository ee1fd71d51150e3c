/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Space: what every allocated byte of every image is for, and what would free it. Works on a graph whose scan is
 * done; the blocks of each tree are looked at by one task process.
 */
#ifndef CHAINVIEW_SPACE_H
#define CHAINVIEW_SPACE_H

#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Disjoint; they add up to the allocated bytes of a file. */
enum cv_space_class {
	CV_SPACE_LIVE,           /* some leaf or needed node reads it */
	CV_SPACE_SNAPSHOT,       /* only internal snapshots hold it */
	CV_SPACE_SHADOWED,       /* everybody who could read it reads something nearer */
	CV_SPACE_ORPHANED,       /* only an orphan reads it */
	CV_SPACE_LEAKED,         /* nothing in the image points to it, and the image cannot use it again */
	CV_SPACE_METADATA,
	CV_SPACE_SLACK,          /* padding, filled holes, free clusters, the tail */
	CV_SPACE_CLASS_COUNT
};
CV_API const char *cv_space_class_name(enum cv_space_class class);   /* "live", "snapshot_only", ... as in JSON */

/* What merging an image into its parent does to the space of the repository. */
struct cv_space_merge {
	bool known;
	uint64_t peak_bytes;     /* more than now, at most, before the merged image is gone */
	int64_t net_bytes;       /* freed in the end; below zero: it costs that much */
};

struct cv_space_image {
	bool known;
	const char *why;         /* why it is not known: one escaped line; else NULL */
	uint64_t bytes[CV_SPACE_CLASS_COUNT];
	uint64_t leaked_at, leaked_pieces;   /* host offset of the first; how many */
	bool zero_known, shared_known;
	uint64_t zero_bytes;     /* with deep: allocated pages of data that hold zeros only */
	uint64_t shared_bytes;   /* the file system shares them with other files (reflinks) */
	struct cv_space_merge merge;         /* into the parent as it is now */
	struct cv_space_merge planned;       /* into the base of its run, after those between have been merged */
	bool flatten_known;
	uint64_t flatten_bytes;  /* what it would take up more, if it held all that it reads from its parents */
};

enum cv_space_action { CV_SPACE_DELETE, CV_SPACE_COALESCE };
struct cv_space_step {
	enum cv_space_action action;
	uint32_t image, into;    /* into: the image that takes the data, or CV_NO_IMAGE */
	uint64_t peak_bytes;
	int64_t net_bytes;
	uint64_t free_after;     /* of the file system, when the step is done and its trash purged */
};

/* What can be freed now in one repository, in an order that fits as far as one does. */
struct cv_space_plan {
	struct cv_space_step *steps;
	size_t count;
	uint64_t free_now, lowest_free, reserve;
	int64_t net_bytes;
	bool fits;               /* nothing was left out for want of space */
	size_t left_out;         /* merges that no order makes room for */
	uint64_t missing_bytes;  /* so many more and the next of them could be done */
	uint32_t missing_for;    /* which; CV_NO_IMAGE if none was left out */
};

struct cv_space {
	const struct cv_graph *graph;
	struct cv_space_image *images;       /* as graph->images */
	struct cv_space_plan *plans;         /* for each repository of the scan */
	size_t repository_count;
	struct cv_finding *findings;         /* shadowed-data and leaked-clusters, by image */
	size_t finding_count;
	size_t unknown;                      /* images of reported repositories that could not be computed */
	bool cancelled;
	struct cv_arena *arena;
};

struct cv_space_options {
	bool deep;               /* read the data too, for zero_bytes */
	uint64_t reserve;        /* bytes that plans leave free */
	bool (*stop)(void);      /* asked now and then; may be NULL */
};

/* The graph must outlive the result. Trouble with single trees is recorded, not returned. */
CV_API struct cv_space *cv_space_compute(const struct cv_graph *g, const struct cv_space_options *options,
					 struct cv_err *err);
CV_API void cv_space_free(struct cv_space *space);

CV_API bool cv_report_space(const struct cv_space *space, const struct cv_style *style, const struct cv_sink *sink);
/* The document of the command space. */
CV_API bool cv_report_space_json(const struct cv_space *space, const struct cv_report_head *head,
				 const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

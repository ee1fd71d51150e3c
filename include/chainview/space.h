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
	struct cv_space_merge flatten;       /* net: what it takes up more, below zero, if it holds all that it reads */
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
	bool chains_only;        /* leave out images that stand alone */
	uint64_t reserve;        /* bytes that plans leave free */
	unsigned processes;      /* at once; 0 = as the machine has processors, at most CV_SPACE_PROCESSES */
};
#define CV_SPACE_PROCESSES 8

/*
 * The accounting, step by step: each tree is looked at by a process of its own, some of them side by side. The graph
 * must outlive survey and result. Trouble with single trees is recorded, not returned.
 */
struct cv_survey;
CV_API struct cv_survey *cv_survey_new(const struct cv_graph *g, const struct cv_space_options *options,
				       struct cv_err *err);
/* Works and waits for up to timeout_ms (-1: as long as it takes), less when a signal arrives. True while there is more
 * to come. */
CV_API bool cv_survey_step(struct cv_survey *survey, int timeout_ms);
/* Becomes readable when a step has something to do; -1: it has now. */
CV_API int cv_survey_poll_fd(const struct cv_survey *survey);
struct cv_survey_progress {
	size_t trees, trees_done, images, images_done;
	unsigned permille;       /* of the work, by images and by what has been walked of each tree */
};
CV_API struct cv_survey_progress cv_survey_progress(const struct cv_survey *survey);
/* What is not done yet is not done any more: its images are "cancelled". */
CV_API void cv_survey_cancel(struct cv_survey *survey);
/* Ends the survey and gives its result, of which the rest is cancelled if it was not done. NULL with err set when
 * memory ran out. */
CV_API struct cv_space *cv_survey_take(struct cv_survey *survey, struct cv_err *err);
/* Ends the processes; the result goes with them. NULL is fine. */
CV_API void cv_survey_free(struct cv_survey *survey);
CV_API void cv_space_free(struct cv_space *space);

/* --- rows ---------------------------------------------------------------------------------------------- */

/* What could be freed, one row for an image and a kind of it. */
enum cv_space_kind {
	CV_SPACE_ROW_ORPHAN, CV_SPACE_ROW_SHADOWED, CV_SPACE_ROW_MERGE, CV_SPACE_ROW_LEAKED, CV_SPACE_ROW_SNAPSHOT,
	CV_SPACE_ROW_ZEROS,
	CV_SPACE_KIND_COUNT
};
CV_API const char *cv_space_kind_name(enum cv_space_kind kind);      /* "orphan", "shadowed", "mergeable", ... */

enum cv_space_remedy {
	CV_REMEDY_NONE,              /* nothing that would not cost more than it frees */
	CV_REMEDY_DELETE,            /* target to the trash */
	CV_REMEDY_DELETE_ABOVE,      /* the orphans that stand on it */
	CV_REMEDY_MERGE,             /* target into its parent */
	CV_REMEDY_FLATTEN,           /* target; then nobody needs what it stands on */
	CV_REMEDY_FLATTEN_OTHERS,    /* all children but target, which is merged then */
	CV_REMEDY_CHOOSE,            /* delete all children but one: which, only the user knows */
	CV_REMEDY_REPAIR, CV_REMEDY_DELETE_SNAPSHOTS, CV_REMEDY_SPARSIFY,
	CV_REMEDY_COUNT
};
CV_API const char *cv_space_remedy_name(enum cv_space_remedy remedy);        /* "coalesce", "flatten", ... */

struct cv_space_row {
	uint64_t bytes;
	uint32_t image, target;      /* target: whom the remedy is done to; CV_NO_IMAGE */
	enum cv_space_kind kind;
	enum cv_space_remedy remedy;
	bool known;                  /* the following are; also for NONE: what the best of them would do */
	uint64_t peak_bytes;
	int64_t net_bytes;
	bool now;                    /* nothing stands in the way of it */
};
/* The rows of one repository, the largest first; the caller frees them. False when memory ran out. */
CV_API bool cv_space_rows(const struct cv_space *space, uint32_t repository, struct cv_space_row **rows,
			  size_t *count);
/* Why the row takes space, and what frees it: escaped, one line. */
CV_API void cv_space_row_why(struct cv_text *out, const struct cv_space *space, const struct cv_space_row *row);
CV_API void cv_space_row_cure(struct cv_text *out, const struct cv_space *space, const struct cv_space_row *row);
/* What frees it in few words, without names: the net gain first, what stands in its way last. */
CV_API void cv_space_row_cure_short(struct cv_text *out, const struct cv_space *space, const struct cv_space_row *row);

/* Sums over the images of a repository that could be computed. */
struct cv_space_totals {
	uint64_t bytes[CV_SPACE_CLASS_COUNT], allocated;
	size_t unknown;
};
CV_API struct cv_space_totals cv_space_totals_of(const struct cv_space *space, uint32_t repository);

/* --- reports ------------------------------------------------------------------------------------------- */

CV_API bool cv_report_space(const struct cv_space *space, const struct cv_style *style, const struct cv_sink *sink);
/* The document of the command space. */
CV_API bool cv_report_space_json(const struct cv_space *space, const struct cv_report_head *head,
				 const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

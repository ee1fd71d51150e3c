/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The graph: images, who stands on whom, who needs whom, and what is wrong. It is built from a scan in one
 * go and never changes; a later state of the scan gives a new graph. It borrows from the scan, the references
 * and the check, which must outlive it.
 */
#ifndef CHAINVIEW_GRAPH_H
#define CHAINVIEW_GRAPH_H

#include <chainview/check.h>
#include <chainview/reference.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_parent_status {
	CV_PARENT_NONE, CV_PARENT_FOUND, CV_PARENT_MISSING, CV_PARENT_MISMATCH, CV_PARENT_AMBIGUOUS,
	CV_PARENT_OUTSIDE, CV_PARENT_CYCLE, CV_PARENT_EXTERNAL, CV_PARENT_UNREADABLE, CV_PARENT_STATUS_COUNT
};
CV_API const char *cv_parent_status_name(enum cv_parent_status status);

/* Why a parent was taken for the parent. */
enum cv_parent_basis { CV_BASIS_NONE, CV_BASIS_IDENTITY, CV_BASIS_NAME, CV_BASIS_BOTH };
CV_API const char *cv_parent_basis_name(enum cv_parent_basis basis);   /* "identity", "name", "identity and name" */

enum cv_role { CV_ROLE_LEAF, CV_ROLE_BASE, CV_ROLE_ORPHAN };
CV_API const char *cv_role_name(enum cv_role role);

/* Whether something may be done with a node, and why: one sentence for people, without a final dot. */
struct cv_verdict {
	bool possible;
	uint32_t into;               /* the other image concerned, or CV_NO_IMAGE */
	const char *reason;          /* escaped */
	bool leaf;                   /* merging: nothing is against it but that it is a leaf, which is said: coalesce --leaf */
};

struct cv_reference {
	uint32_t image;
	const struct cv_claim *claim;
};

struct cv_image {
	const struct cv_file *file;
	const struct cv_facts *facts;      /* never NULL; empty facts when nothing could be read */
	uint32_t repository;
	const char *id;                    /* path relative to the repository, raw bytes */
	enum cv_format_id format;          /* RAW for files that are images only because a parent was declared so */
	enum cv_variant variant;
	uint64_t virtual_size;             /* bytes; valid if size_known */
	bool size_known;
	enum cv_mark mark;

	enum cv_parent_status status;
	enum cv_parent_basis basis;
	uint32_t parent;                   /* index; CV_NO_IMAGE unless the edge leads to an image (FOUND, CYCLE, MISMATCH) */
	const struct cv_name *parent_name; /* the recorded name that led there, or the one to show; may be NULL */

	uint32_t first_child, child_count; /* into graph->children; children are edges of status FOUND or CYCLE */
	uint32_t depth;                    /* images below it in the chain; a parent that was not found counts as one */
	uint32_t root;                     /* the lowest image of its chain that was found; itself without a parent */
	uint32_t below;                    /* images that stand on it, directly or not */
	enum cv_role role;
	uint32_t first_reference, reference_count;   /* into graph->references */
	uint32_t finding_count;
	bool any_finding;
	enum cv_severity worst;            /* of its findings; valid if any_finding */
	struct cv_verdict coalesce;        /* merge into its parent */
	struct cv_verdict deletable;       /* move to the trash: possible only if nothing needs it */
};

/* A rule of the administrator: findings of this problem are known, and need not be reported before a day. */
struct cv_ignore {
	enum cv_problem_id problem;
	const char *image;                 /* id, path (raw or as displayed) or UUID; NULL: of every image, and of none */
	int64_t until;                     /* Unix seconds; from then on the rule does nothing but be reported */
	const char *origin;                /* where the rule is written: "file:line", escaped */
	const char *rule, *reason;         /* as written: "leaked-clusters:web01.qcow2", "until the move is done" */
};

struct cv_graph_policy {
	uint32_t depth_warn, depth_limit;  /* images in a chain; 0 = 25 and 30 */
	uint32_t leak_percent;             /* leaks below this share of what a file takes up are not reported; 0: all are */
	uint32_t growth_percent;           /* so much of what thin images may still grow by should fit; 0: not asked for */
	bool reserve_set;                  /* false: 1% of the file system, at most 16 GiB */
	uint64_t space_reserve;            /* bytes of a file system that should stay free */
	uint64_t unclaimed_bytes;          /* from so many on they are reported; 0 = 64 MiB */
	const struct cv_ignore *ignores;   /* must outlive the graph */
	size_t ignore_count;
	int64_t now;                       /* Unix seconds; decides which rules have ended */
};

/* A finding that a rule took out of the list. */
struct cv_ignored {
	struct cv_finding finding;
	uint32_t rule;                     /* into policy.ignores */
};

struct cv_graph {
	const struct cv_scan *scan;
	const struct cv_references *refs;  /* NULL: not asked yet (a scan that still runs) */
	const struct cv_check *checks;     /* NULL: tables were not looked at */
	bool partial;                      /* the scan was not done: findings that need everything are left out */
	struct cv_image *images;           /* sorted by repository, then id in byte order */
	size_t image_count;
	uint32_t *children;                /* indexes, grouped by parent, in id order */
	size_t child_count;
	uint32_t *roots;                   /* images without a found parent, and one of each cycle, in order */
	size_t root_count;
	struct cv_reference *references;   /* grouped by image */
	size_t reference_count;
	struct cv_finding *findings;       /* sorted by repository, image, offset, id; without an image first */
	size_t finding_count;
	struct cv_ignored *ignored;        /* in the same order; counted nowhere else */
	size_t ignored_count;
	struct cv_graph_policy policy;     /* with the usual values put in */
	struct cv_arena *arena;
};

/* checks: the findings about tables become part of the graph; NULL: tables were not looked at. */
CV_API struct cv_graph *cv_graph_build(const struct cv_scan *scan, const struct cv_references *refs,
				       const struct cv_check *checks, const struct cv_graph_policy *policy,
				       struct cv_err *err);
/* The same graph once more with findings that were made of it (fingerprints, space): they count like its own, also for
 * verdicts. Their image and repository are those of the graph; their texts are copied. */
CV_API struct cv_graph *cv_graph_rebuild(const struct cv_graph *g, const struct cv_finding *findings, size_t count,
					 struct cv_err *err);
CV_API void cv_graph_free(struct cv_graph *g);

/* The i-th child of an image (i < child_count). */
static inline uint32_t cv_graph_child(const struct cv_graph *g, const struct cv_image *image, uint32_t i)
{
	return g->children[image->first_child + i];
}

/* The image made of this scanned file; CV_NO_IMAGE if the file is none. */
CV_API uint32_t cv_graph_by_file(const struct cv_graph *g, const struct cv_file *file);

/*
 * The image a user means by a path (raw or as displayed, escaped), a UUID, a UUID prefix of four or more
 * digits, an id, or a unique file name. False with CV_EUSAGE and the candidates in the text if there is none
 * or more than one.
 */
CV_API bool cv_graph_find(const struct cv_graph *g, const char *what, uint32_t *image, struct cv_err *err);

/* The findings of one image. */
CV_API size_t cv_graph_findings_of(const struct cv_graph *g, uint32_t image, const struct cv_finding **first);

/* How many findings of a severity; repository UINT32_MAX means all that are reported on. */
CV_API size_t cv_graph_count(const struct cv_graph *g, uint32_t repository, enum cv_severity severity);

/* Every image that would lose data if this one were gone: everything that stands on it, nearest first.
 * Appends to a vector of indexes the caller frees. */
CV_API bool cv_graph_impact(const struct cv_graph *g, uint32_t image, uint32_t **list, size_t *count);

/* The whole chain from the image to its root, itself first; the caller frees it. Ends at a repeated image. */
CV_API bool cv_graph_chain(const struct cv_graph *g, uint32_t image, uint32_t **list, size_t *count);

#ifdef __cplusplus
}
#endif
#endif

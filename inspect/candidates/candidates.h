/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of candidates: the pool of images, its indexes, and what is known of one lost link while it is looked at. */
#ifndef CV_INSPECT_CANDIDATES_CANDIDATES_H
#define CV_INSPECT_CANDIDATES_CANDIDATES_H

#include <chainview/candidates.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"
#include "inspect/chain/build.h"
#include "inspect/fingerprint/links.h"

/* How many are taken from each index for one lost link. */
enum { CV_MOST_TWINS = 16, CV_MOST_NAMED = 12, CV_MOST_STEMS = 6, CV_MOST_SIZES = 6, CV_MOST_SIZES_KNOWN = 32 };
/* Scores that differ by less say nothing. */
enum { CV_TIE_MARGIN = 10 };
/* Of the very time that is recorded of the parent. */
enum { CV_WEIGHT_OF_TIME = 15 };

/* An image that can be a candidate. */
struct cv_pooled {
	const struct cv_graph *graph;
	const struct cv_image *image;
	uint32_t index; /* in its graph */
	bool trash;
	const char *name;     /* its last component, as it was before it went to the trash */
	struct cv_bytes stem; /* of the name: without extension, number and separators before it */
};
CV_VEC(cv_pooled_vec, struct cv_pooled);

/* A path of an image, for the index by paths read from their end. */
struct cv_pool_path {
	const char *path;
	uint32_t entry; /* in the pool */
};
CV_VEC(cv_pool_path_vec, struct cv_pool_path);

struct cv_pool {
	struct cv_pooled_vec images;
	uint32_t *by_identity; /* by format, identity, entry; only those that have one */
	size_t identity_count;
	uint32_t *by_stem; /* by stem, entry; only those that have one */
	size_t stem_count;
	uint32_t *by_size; /* by format, size, entry; only those of known size */
	size_t size_count;
	struct cv_pool_path_vec by_tail; /* by last component, the one before it, ... */
};

/* index.c */
bool cv_pool_make(struct cv_pool *p, const struct cv_graph *g, const struct cv_graph *spare);
void cv_pool_fini(struct cv_pool *p);
/* The entries [*first, returned end) of by_identity. */
size_t cv_pool_identity(const struct cv_pool *p, enum cv_format_id format, const uint8_t uuid[16], size_t *first);
size_t cv_pool_stem(const struct cv_pool *p, struct cv_bytes stem, size_t *first);
size_t cv_pool_size(const struct cv_pool *p, enum cv_format_id format, uint64_t size, size_t *first);
/* Of by_tail: those whose last component is this one. *near: where the path itself would stand; the nearer, the longer
 * the common end. */
size_t cv_pool_tail(const struct cv_pool *p, struct cv_bytes path, size_t *first, size_t *near);
/* The order of that index. *common: how many components the two have in common at their ends. */
int cv_compare_tails(struct cv_bytes a, struct cv_bytes b, unsigned *common);
/* The part of a file name that does not count up: "base-12.vhd" and "Base_3.vhd" have the same. */
struct cv_bytes cv_name_stem(struct cv_bytes name);

/* Fingerprints by what stays when a repository moves. */
struct cv_known_index {
	const struct cv_fingerprints *set;
	uint32_t *by_child; /* by identity of the child; those that have none are left out */
	size_t by_child_count;
	uint32_t *by_tail; /* of the others: by the path of the child, read from its end */
	size_t by_tail_count;
};

/* known.c */
bool cv_known_make(struct cv_known_index *k, const struct cv_fingerprints *set);
void cv_known_fini(struct cv_known_index *k);
/* The fingerprint that was taken of this image with its parent; *moved: it lay elsewhere then. NULL if there is none, or if
 * more than one could be meant. */
const struct cv_fingerprint *cv_known_find(const struct cv_known_index *k, const struct cv_image *child, bool *moved);

CV_VEC(cv_evidence_vec, struct cv_evidence);

/* What samples say of a candidate. */
enum cv_content { CV_CONTENT_UNKNOWN, CV_CONTENT_UNREAD, CV_CONTENT_AGREES, CV_CONTENT_DIFFERS };

/* One candidate while it is looked at. */
struct cv_suspect {
	uint32_t entry; /* in the pool */
	struct cv_candidate pub;
	struct cv_evidence_vec evidence;
	unsigned common;         /* components at the end that its path shares with a recorded name */
	enum cv_content content; /* against the fingerprint of the child */
	enum cv_content twin;    /* against the first one of the same identity */
	struct cv_fingerprint_match match, twin_match;
};
CV_VEC(cv_suspect_vec, struct cv_suspect);

/* One lost link while it is looked at. */
struct cv_search {
	const struct cv_graph *g;
	const struct cv_pool *pool;
	struct cv_arena *arena; /* for texts */
	const struct cv_image *child;
	uint32_t index; /* of the child */
	enum cv_problem_id problem;
	bool identified; /* an identity is recorded that means something */
	bool second_known;
	uint8_t second[16]; /* the other identity that a VHDX allows */
	const struct cv_fingerprint *known;
	bool known_moved;
	struct cv_suspect_vec suspects;
	struct cv_fingerprint *of_first; /* samples of the first of several of one identity */
	size_t twins_left, names_left;   /* not looked at: of the identity, of a recorded name */
	unsigned left_common; /* the longest end of a path that one of the latter shares with what is recorded */
	enum cv_lost_verdict verdict;
	const struct cv_suspect *chosen;
	struct cv_text reason;
	bool failed; /* memory is short */
};
CV_VEC(cv_search_vec, struct cv_search);

static inline const struct cv_pooled *cv_suspect_of(const struct cv_search *s, const struct cv_suspect *x)
{
	return &s->pool->images.at[x->entry];
}

/* gather.c: who could it be? */
void cv_search_gather(struct cv_search *s);
/* True if the candidate stands on the image, directly or not. */
bool cv_search_stands_on_child(const struct cv_search *s, const struct cv_suspect *x);
/* A recorded name as it is compared with paths; false if it says nothing about one, or if out->failed is set. */
bool cv_search_name(const struct cv_name *name, struct cv_text *out);

/* evidence.c: what the metadata says of each; once the content was compared, what that says. */
void cv_search_weigh(struct cv_search *s);
void cv_search_weigh_content(struct cv_search *s);

/* content.c: samples of all candidates of all searches. */
bool cv_searches_compare(const struct cv_graph *g, struct cv_search *at, size_t count, bool (*stop)(void),
			 struct cv_err *err);

/* verdict.c: sorts, and says what follows. */
void cv_search_judge(struct cv_search *s);
/* Those of all that are chosen must not lead round in a circle together. at: sorted by index. */
void cv_searches_open_rings(struct cv_search *at, size_t count);

#endif

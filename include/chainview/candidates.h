/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Finding the lost parent: for every image whose link to its parent is broken, the images that could be the parent, with
 * what speaks for and against each, and what follows from that. Nothing is changed.
 *
 * Candidates are images of the same graph, and those of a second one (the spare graph: the trash, places to search) whose
 * images are nobody's parents by themselves. An image is compared only with those that share an identity, a name, the stem
 * of a name or the size with what is looked for: thousands of lost links among tens of thousands of images take seconds.
 *
 * An identity is not content: a VHD keeps its identity through a merge, so copies and trashed twins have it, too.
 */
#ifndef CHAINVIEW_CANDIDATES_H
#define CHAINVIEW_CANDIDATES_H

#include <chainview/fingerprint.h>
#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_evidence_kind {
	CV_EVIDENCE_IDENTITY,
	CV_EVIDENCE_FINGERPRINT,
	CV_EVIDENCE_CHAIN,
	CV_EVIDENCE_NAME,
	CV_EVIDENCE_NAMING,
	CV_EVIDENCE_FORMAT,
	CV_EVIDENCE_SIZE,
	CV_EVIDENCE_BLOCKS,
	CV_EVIDENCE_TIME,
	CV_EVIDENCE_MARK,
	CV_EVIDENCE_CREATOR,
	CV_EVIDENCE_STATE,
	CV_EVIDENCE_PLACE,
	CV_EVIDENCE_COUNT
};
CV_API const char *cv_evidence_name(enum cv_evidence_kind kind); /* "identity", "fingerprint", ... */

struct cv_evidence {
	enum cv_evidence_kind kind;
	int weight;       /* the score is their sum */
	bool against;     /* with this it cannot be the parent, whatever speaks for it */
	const char *text; /* escaped, one phrase */
};

enum cv_candidate_place { CV_CANDIDATE_HERE, CV_CANDIDATE_OTHER, CV_CANDIDATE_SEARCHED, CV_CANDIDATE_TRASH };
CV_API const char *
cv_candidate_place_name(enum cv_candidate_place place); /* "repository", "other", "searched", "trash" */

struct cv_candidate {
	const struct cv_graph *graph; /* that it is an image of */
	uint32_t image;
	enum cv_candidate_place place; /* seen from the image that looks for its parent */
	bool identity;                 /* it has the identity that the image recorded of its parent */
	bool fingerprint;              /* it holds what was recorded while the chain was whole */
	bool named;                    /* a recorded name, read as a path, leads to it */
	bool against;                  /* one piece of evidence is */
	int score;
	const struct cv_evidence *evidence;
	size_t evidence_count;
};

enum cv_lost_verdict {
	CV_LOST_NONE, /* nothing that could be the parent, or too little speaks for it */
	CV_LOST_SAFE, /* the only one with the identity, in the same repository, and nothing speaks against it */
	CV_LOST_ASKS, /* the one that is chosen, if somebody says so */
	CV_LOST_TIE,  /* two or more that nothing here tells apart */
};
CV_API const char *cv_lost_verdict_name(enum cv_lost_verdict verdict); /* "none", "safe", "asks", "tie" */

/* Of one problem of an image; the most serious one of its link, where there are several. */
struct cv_lost {
	uint32_t child; /* in the graph */
	enum cv_problem_id problem;
	enum cv_lost_verdict verdict;
	const char *reason;                    /* of the verdict: one sentence, escaped, without a final dot */
	const struct cv_candidate *chosen;     /* one of the candidates; NULL unless the verdict is SAFE or ASKS */
	const struct cv_candidate *candidates; /* those that can be it first, by falling score */
	size_t count;
	size_t left_out;                    /* images with the same name, or identity, that were not looked at */
	const struct cv_fingerprint *known; /* what was recorded while the chain was whole; may be NULL */
};

struct cv_candidates {
	struct cv_lost *at; /* sorted by child */
	size_t count;
	struct cv_arena *arena;
};

struct cv_candidates_options {
	const struct cv_graph *spare;        /* may be NULL */
	const struct cv_fingerprints *known; /* may be NULL */
	const uint32_t *only;                /* these images alone; NULL: all of repositories that are reported on */
	size_t only_count;
	bool unread;        /* compare no content: nothing is opened, and nothing is safe by it */
	bool (*stop)(void); /* asked now and then; may be NULL. Content that was not compared is said to be so */
};

/* The graph and all of the options must outlive what is returned. */
CV_API struct cv_candidates *cv_candidates_find(const struct cv_graph *g, const struct cv_candidates_options *options,
						struct cv_err *err);
CV_API void cv_candidates_free(struct cv_candidates *c);
/* Of this image of the graph; NULL if its link is whole. */
CV_API const struct cv_lost *cv_candidates_of(const struct cv_candidates *c, uint32_t child);

/* Whether the link of an image is broken; *problem is the most serious finding that says so. */
CV_API bool cv_link_lost(const struct cv_graph *g, uint32_t image, enum cv_problem_id *problem);

/* To follow the page of info: what came of it, and each candidate with its evidence. */
CV_API bool cv_report_lost(const struct cv_graph *g, const struct cv_lost *lost, const struct cv_style *style,
			   const struct cv_sink *sink);
/* The document of info: cv_report_json() with "lost_parents"; lost may be NULL. */
CV_API bool cv_report_info_json(const struct cv_graph *g, const struct cv_report_head *head, const uint32_t *selection,
				size_t selected, const struct cv_candidates *lost, const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

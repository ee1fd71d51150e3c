/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fingerprints: what images read from their parents at some places, as it was while the chain was whole. Later they
 * tell that a parent was replaced or written to, also where the format has no identities (QCOW2, raw), and whether a
 * file that is found somewhere can be the parent that is lost.
 *
 * A sample is what a guest reads through the parent, so a proper merge below the parent changes none; places that the
 * child holds itself are not compared, so a merge into the parent changes none either. Samples prove a difference and
 * never that there is none.
 *
 * A set of fingerprints is kept as text, one JSON object a line, by whoever calls: nothing is written here. What is
 * read is treated like an image: as if anybody had written it.
 */
#ifndef CHAINVIEW_FINGERPRINT_H
#define CHAINVIEW_FINGERPRINT_H

#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CV_SAMPLE_BYTES 4096u
#define CV_SAMPLES 48u

struct cv_sample {
	uint64_t off;                    /* guest offset */
	uint8_t digest[8];               /* the first bytes of the SHA-256 of up to CV_SAMPLE_BYTES from there */
};

struct cv_fingerprint {
	const char *child, *parent;      /* absolute paths, raw bytes */
	bool child_known, parent_known;  /* the identities are known */
	uint8_t child_uuid[16], parent_uuid[16];
	uint64_t size;                   /* of the parent's virtual disk */
	int64_t recorded, seen;          /* Unix seconds; seen: when it was last found to hold */
	uint32_t count;
	struct cv_sample samples[CV_SAMPLES];
};

struct cv_fingerprints {
	struct cv_fingerprint *at;       /* sorted by child, then parent */
	size_t count;
	struct cv_arena *arena;
};

/* Reads a set. A line that is damaged fails with its number; nothing of the text is kept then. */
CV_API struct cv_fingerprints *cv_fingerprints_read(struct cv_bytes text, struct cv_err *err);
CV_API void cv_fingerprints_free(struct cv_fingerprints *set);
CV_API bool cv_fingerprints_write(const struct cv_fingerprints *set, const struct cv_sink *sink);
/* A set of both: where both know a child, the newer counts. What nobody has seen for so many seconds is left out. */
CV_API struct cv_fingerprints *cv_fingerprints_merge(const struct cv_fingerprints *old, const struct cv_fingerprints *add,
						     int64_t now, int64_t forget, struct cv_err *err);
/* The fingerprint of a child with any parent; NULL if there is none. */
CV_API const struct cv_fingerprint *cv_fingerprints_of(const struct cv_fingerprints *set, const char *child);

struct cv_fingerprint_options {
	bool renew;                      /* record what is there now, whatever was there before */
	int64_t now;                     /* Unix seconds */
	bool (*stop)(void);              /* asked now and then; may be NULL */
};

/* What came of comparing a whole graph with a set. */
struct cv_fingerprinted {
	struct cv_finding *findings;     /* parent-content-changed, by image, as for cv_graph_rebuild() */
	size_t finding_count;
	struct cv_fingerprints *now;     /* to be merged into what is kept; those that differ stay as they were */
	size_t compared, recorded;       /* links */
	size_t unknown;                  /* links that could not be looked at */
	bool cancelled;
	struct cv_arena *arena;
};

/* For every image of a graph whose parent was found, and whose chain is whole and without errors. known may be NULL. The
 * images are read in processes that can do nothing else. Trouble with single chains is counted, not returned. */
CV_API struct cv_fingerprinted *cv_fingerprint_graph(const struct cv_graph *g, const struct cv_fingerprints *known,
						     const struct cv_fingerprint_options *options, struct cv_err *err);
CV_API void cv_fingerprinted_free(struct cv_fingerprinted *f);

/* Could this image be the parent that the fingerprint of the child was taken of? */
struct cv_fingerprint_match {
	uint32_t compared, differing;    /* samples */
	uint64_t first_difference;       /* guest offset */
};
CV_API bool cv_fingerprint_compare(const struct cv_graph *g, uint32_t child, uint32_t candidate,
				   const struct cv_fingerprint *known, struct cv_fingerprint_match *match,
				   struct cv_err *err);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References: who outside the images needs an image. Sources of references are rows of one table
 * (inspect/reference/sources.c); each yields claims, which the graph matches to its nodes.
 */
#ifndef CHAINVIEW_REFERENCE_H
#define CHAINVIEW_REFERENCE_H

#include <chainview/scan.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_claim_kind { CV_CLAIM_INODE, CV_CLAIM_PATH, CV_CLAIM_UUID };
enum cv_confidence { CV_DEFINITE, CV_POSSIBLE };

/* One statement "this is needed". The one kind that is set decides which fields count. */
struct cv_claim {
	enum cv_claim_kind kind;
	enum cv_confidence confidence;
	uint32_t source;             /* index into sources */
	uint64_t device, inode;      /* INODE */
	struct cv_bytes text;        /* PATH (absolute, clean), UUID as text, or a name inside the repository */
	uint8_t uuid[16];
	struct cv_bytes who;         /* "qemu-system-x86_64, pid 4711, writing": raw bytes */
	bool in_use;                 /* an open file or lock, not a configuration: image-in-use */
};

struct cv_claim_source {
	const char *name;            /* "list:needed.txt", "proc" */
	bool read, complete;         /* complete: it knows every reference of its kind there can be */
	bool automatic;              /* nobody named it: that it knows less than it could is no finding */
	const char *trouble;         /* why it could not be (fully) read: one escaped line, or NULL */
	size_t claims;
};

struct cv_references {
	struct cv_claim *claims;
	size_t claim_count;
	struct cv_claim_source *sources;
	size_t source_count;
	size_t watched_count;        /* behind them: who has images open, where no source that was asked for says it */
	bool complete;               /* as a whole: at least one source that is complete, and none that failed */
	bool none;                   /* --refs=none: the user says that there is no source but the disks */
	struct cv_arena *arena;
};

/*
 * Reads the sources that spec names ("auto", "none", "list:FILE", "proc", separated by commas). NULL is
 * "auto". A source that cannot be read is recorded and does not fail the call; a spec that is not understood,
 * and an empty list, do (CV_EUSAGE). The scan must be done or cancelled: its files are what is looked for.
 *
 * Who has images open is looked at whatever spec says, "none" included: what is found in an image that somebody
 * writes is advisory. For what is needed only the sources that were asked for count.
 */
CV_API struct cv_references *cv_references_read(const char *spec, const struct cv_scan *scan, struct cv_err *err);
CV_API void cv_references_free(struct cv_references *refs);

/* Only seen to be in use: no source that was asked for says so. */
static inline bool cv_claim_watched(const struct cv_references *refs, const struct cv_claim *claim)
{
	return refs->watched_count && claim->source >= refs->source_count;
}

/* Of a claim, also one that was only watched; NULL if it is of none. */
static inline const struct cv_claim_source *cv_claim_source_of(const struct cv_references *refs, const struct cv_claim *claim)
{
	return refs && claim->source < refs->source_count + refs->watched_count ? &refs->sources[claim->source] : NULL;
}

/* The rows for --help and completion: name, what it is. NULL-ended. */
struct cv_reference_row { const char *name, *what; };
CV_API extern const struct cv_reference_row cv_reference_rows[];

#ifdef __cplusplus
}
#endif
#endif

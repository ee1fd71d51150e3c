/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Salvage: what of a damaged disk is missing in the copy that was made of it (convert.h), range by range, and why. The
 * ranges are exact: everything that is not in them reads in the copy as it does in the source.
 */
#ifndef CHAINVIEW_SALVAGE_H
#define CHAINVIEW_SALVAGE_H

#include <chainview/extent.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* "past-end", "entry", "io-error", ...: stable; and the same for people. */
CV_API const char *cv_lost_why_name(enum cv_lost_why why);
CV_API const char *cv_lost_why_text(enum cv_lost_why why);

/* Guest bytes that could not be read, and are zeros in the copy. */
struct cv_lost {
	struct cv_range at;
	uint64_t host;               /* where the first of them should be in the file; valid if placed */
	uint32_t layer;              /* the image that is at fault: 0 = the image itself, n = its n-th parent */
	uint8_t why;                 /* enum cv_lost_why */
	bool placed;
};

/* So many ranges are kept; a disk with more of them is no disk any more. */
#define CV_LOST_MOST (UINT32_C(1) << 20)

/* Ranges in the order of the disk, none touching another that says the same. */
struct cv_lost_list {
	struct cv_lost *at;
	size_t len, cap;
	uint64_t bytes;              /* of all of them; after cv_lost_settle() */
	bool settled;
};
/* In any order; each byte once. Neighbours that come one after the other become one at once. */
CV_API bool cv_lost_add(struct cv_lost_list *list, struct cv_lost lost, struct cv_err *err);
CV_API void cv_lost_settle(struct cv_lost_list *list);
CV_API void cv_lost_fini(struct cv_lost_list *list);

struct cv_salvage {
	const char *const *images;   /* of the chain, the image first: paths, raw bytes */
	size_t image_count;
	uint64_t size;               /* of the disk */
	const char *ends;            /* why the chain ends before its end: one escaped line; NULL: it is whole */
	struct cv_lost_list lost;
	struct cv_lost_list doubtful;        /* copied, but two entries say that the bytes are theirs */
	bool tables_wrong;           /* a check finds leaks, or entries that cannot be: what is lost by that may be in no list */
};

/* Text: a head of lines that begin with "#", then a range a line: start, length, "lost" or "doubtful", why, the offset in
 * the file ("-": none), the image. Numbers are bytes. */
CV_API bool cv_report_salvage(const struct cv_salvage *s, const struct cv_sink *sink);
/* The first ranges for a screen, with what is left out: at most so many lines. */
CV_API void cv_salvage_show(const struct cv_salvage *s, size_t lines, struct cv_text *out);
/* A document of its own. */
CV_API bool cv_report_salvage_json(const struct cv_salvage *s, const struct cv_report_head *head, const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

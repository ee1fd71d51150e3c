/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Verification: the SHA-256 of what a guest reads from an image through its whole chain, a second opinion by
 * libvhdi or libqcow, and the comparison of two images. Everything that touches image bytes runs in processes of
 * its own; this side only collects what they say.
 *
 * The second reader is compared where it can be trusted. What it is known to read wrongly is not compared, and
 * counted with the reason: its verdict is never better than what was looked at.
 */
#ifndef CHAINVIEW_VERIFY_H
#define CHAINVIEW_VERIFY_H

#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_second_verdict {
	CV_SECOND_AGREE,         /* every byte of the disk was compared, and is the same */
	CV_SECOND_DIFFER,
	CV_SECOND_PARTIAL,       /* what could be compared is the same */
	CV_SECOND_FAILED,        /* the library could not begin, gave nothing but errors, or crashed or hung too often:
				  * says nothing about the image */
	CV_SECOND_SKIPPED,       /* nothing was compared */
	CV_SECOND_COUNT
};
CV_API const char *cv_second_verdict_name(enum cv_second_verdict verdict);   /* "agree", "differ", ... */

struct cv_not_checked {
	const char *reason;      /* static text: one phrase */
	uint64_t bytes;
};

#define CV_VERIFY_GAPS 32
#define CV_VERIFY_DIFFERENCES 16

struct cv_second_result {
	const char *name;        /* "libvhdi", "libqcow"; NULL: there is none for this format, or it was not asked */
	enum cv_second_verdict verdict;
	uint64_t compared, differing;              /* bytes */
	struct cv_not_checked gaps[CV_VERIFY_GAPS];
	size_t gap_count;
	struct cv_range differences[CV_VERIFY_DIFFERENCES];   /* the first ones; guest bytes in whole sectors */
	size_t difference_count;
	const char *trouble;     /* what went wrong first in the library, one escaped line: always with FAILED, else where
				  * it could not read or was lost over single ranges; NULL if nothing did */
};

struct cv_verified {
	uint32_t image;
	uint64_t size;           /* of the virtual disk, bytes */
	bool digested;
	uint8_t sha256[32];      /* valid if digested */
	const char *trouble;     /* why there is no digest: one escaped line */
	struct cv_second_result second;
};

/* Of two images. Equal means: of one size, and every byte the same. */
struct cv_compared {
	bool known;
	bool equal;
	bool same_content;       /* they only differ in that the longer one goes on with zeros */
	uint64_t first_difference;   /* guest offset; the end of the shorter one if that is all. Valid unless equal */
	const char *trouble;         /* why it is not known although there are two digests: one escaped line; or NULL */
};

struct cv_verify_options {
	bool own_reader_only;
};

struct cv_verify_progress {
	uint64_t done, total;    /* bytes of the disks; done when each reader has looked at them */
};

struct cv_verify;

/*
 * Starts the processes for one image or two. False only when that is not possible for any of them; an image whose
 * chain is not complete is one of the results. Scan and graph must outlive it; the scan must be done.
 */
CV_API struct cv_verify *cv_verify_new(const struct cv_graph *g, const uint32_t *images, size_t count,
				       const struct cv_verify_options *options, struct cv_err *err);
/* Waits up to timeout_ms (-1: as long as it takes) for something to happen. True while there is more to come. */
CV_API bool cv_verify_step(struct cv_verify *v, int timeout_ms);
CV_API struct cv_verify_progress cv_verify_progress(const struct cv_verify *v);
CV_API size_t cv_verify_count(const struct cv_verify *v);
/* Complete when cv_verify_step() has returned false. */
CV_API const struct cv_verified *cv_verify_result(const struct cv_verify *v, size_t i);
CV_API const struct cv_compared *cv_verify_compared(const struct cv_verify *v);
/* Ends the processes, whether they are done or not. NULL is fine. */
CV_API void cv_verify_free(struct cv_verify *v);

/* Text for people, and the JSON document of the contract. */
CV_API bool cv_report_verify(const struct cv_graph *g, const struct cv_verify *v, const struct cv_style *style,
			     const struct cv_sink *sink);
CV_API bool cv_report_verify_json(const struct cv_graph *g, const struct cv_verify *v, const struct cv_report_head *head,
				  const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What verification runs in processes of its own, and what these say. Records are the structures below as they
 * are; the side that gets them trusts only their lengths after checking them.
 */
#ifndef CV_INSPECT_READER2_TASKS_H
#define CV_INSPECT_READER2_TASKS_H

#include "inspect/reader2/gate.h"
#include <chainview/salvage.h>
#include "inspect/sandbox/task.h"

enum cv_verify_record {
	CV_VERIFY_PROGRESS = 1, CV_VERIFY_DIGEST, CV_VERIFY_CHECKED, CV_VERIFY_DIFFERENCE, CV_VERIFY_COMPARED,
	CV_VERIFY_TROUBLE,       /* text: the first error that a library gave */
};

struct cv_progress_record { uint64_t done; };
struct cv_digest_record { uint64_t size; uint8_t sha256[32]; };
struct cv_difference_record { struct cv_range at; };
/* What was found in the first done bytes of the disk, each of which was compared or is gated for one reason. */
struct cv_checked_record {
	uint64_t size, done;
	uint64_t compared, differing, gated[CV_GATE_COUNT];
	struct cv_range difference;  /* the last one if it reaches to done, and is not told yet; else len 0 */
};
struct cv_compared_record { uint64_t sizes[2], first; uint32_t differ, tail_is_zero; };

/* Tells how far a task is, a few times a second at most; also a sign of life. */
struct cv_pace {
	struct cv_task_out *out;
	uint64_t told_ms, since;
};
/* done: bytes so far. False when nobody listens. */
bool cv_pace_tell(struct cv_pace *p, uint64_t done, struct cv_err *err);
bool cv_task_say(struct cv_task_out *out, enum cv_verify_record kind, const void *record, size_t len,
		 struct cv_err *err);

/*
 * A library can take its process down. So a check leaves how far it is, and what it asks of the library, in memory
 * that it shares with the side that started it; that one can start another, which goes on behind the bad range.
 */
#define CV_CHECK_RESTARTS 8u
struct cv_check_mark {
	struct cv_checked_record states[2];
	uint32_t current;            /* of the two: the other one may be half written */
	struct cv_range asked;       /* what the library is about to give; len 0: nothing */
};
struct cv_check_request {
	struct cv_check_mark *mark;  /* the same address on both sides */
	struct cv_checked_record from;       /* where to go on; size 0: at the beginning */
	struct cv_avoided avoided[CV_CHECK_RESTARTS];
	size_t avoided_count;
};

/* SHA-256 of the disk by our own reader; one cv_digest_record. cv_digest_prepare() comes before it is started. */
cv_task_function cv_digest_task;
/* Our own reader against a library; difference records, then one cv_checked_record. The request is a
 * struct cv_check_request or nothing. */
cv_task_function cv_check_task;
/* Two chains; the request is a struct cv_compare_request. One cv_compared_record. */
struct cv_compare_request {
	uint32_t first;              /* images of the first chain */
	bool salvaged;               /* it is damaged, and the second one a copy of what can be read of it... */
	bool incomplete;             /* ...without the parent of its last image */
	const struct cv_lost *lost;  /* what reads as zeros in the copy; the same address on both sides */
	size_t lost_count;
};
cv_task_function cv_compare_task;

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The SHA-256 of a disk by our own reader, and how a task tells how far it is. */
#include "inspect/reader2/content.h"
#include "inspect/reader2/tasks.h"
#include <chainview/digest.h>
#include <time.h>

#define TELL_MS 150u
/* The clock is not looked at for every small piece. */
#define TELL_BYTES ((uint64_t)1 << 20)

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool cv_task_say(struct cv_task_out *out, enum cv_verify_record kind, const void *record, size_t len, struct cv_err *err)
{
	return cv_task_send(out, kind, record, len) || cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
}

bool cv_pace_tell(struct cv_pace *p, uint64_t done, struct cv_err *err)
{
	struct cv_progress_record record = { done };
	uint64_t now;

	if (done - p->since < TELL_BYTES)
		return true;
	p->since = done;
	now = now_ms();
	if (now - p->told_ms < TELL_MS)
		return true;
	p->told_ms = now;
	return cv_task_say(p->out, CV_VERIFY_PROGRESS, &record, sizeof record, err);
}

/*
 * In pieces, so that a long run of zeros shows signs of life too. SHA-256 has no shortcut for them: each block's state
 * depends on the one before. Nothing is read or filled for them, so that this is as fast as libcrypto is on one core.
 */
static bool add_zeros(struct cv_digest *d, uint64_t len, struct cv_pace *pace, uint64_t done, struct cv_err *err)
{
	while (len) {
		size_t n = len < CV_CONTENT_PIECE ? (size_t)len : CV_CONTENT_PIECE;

		if (!cv_digest_add(d, cv_content_zeros, n, err))
			return false;
		len -= n;
		done += n;
		if (!cv_pace_tell(pace, done, err))
			return false;
	}
	return true;
}

static bool digest(struct cv_content *c, struct cv_digest *d, struct cv_pace *pace, struct cv_err *err)
{
	struct cv_content_piece piece;
	uint64_t done = 0;

	for (;; done += piece.len) {
		if (!cv_content_next(c, &piece, err))
			return false;
		if (!piece.len)
			return true;
		if (!piece.bytes && !add_zeros(d, piece.len, pace, done, err))
			return false;
		if (piece.bytes && !cv_digest_add(d, piece.bytes, piece.len, err))
			return false;
		if (!cv_pace_tell(pace, done + piece.len, err))
			return false;
	}
}

bool cv_digest_task(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		    const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	CV_AUTO(cv_content_close) struct cv_chain chain = { .count = 0 };
	CV_AUTO(cv_content_fini) struct cv_content content = { .chain = &chain };
	CV_AUTO(cv_auto_digest) struct cv_digest *d = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	struct cv_pace pace = { .out = out };
	struct cv_digest_record record = { 0 };

	(void)request, (void)request_len;
	if (!d || !cv_content_open(&chain, sources, data, images, count, err) || !cv_content_init(&content, &chain, err) ||
	    !digest(&content, d, &pace, err))
		return false;
	record.size = chain.layers[0]->size;
	return cv_digest_end(d, CV_DIGEST_SHA256, record.sha256, err) &&
	       cv_task_say(out, CV_VERIFY_DIGEST, &record, sizeof record, err);
}

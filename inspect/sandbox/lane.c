/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One worker as the pool sees it: its batch, its answers, its death. An answer is copied out of the shared
 * memory before anything in it is looked at.
 */
#include "inspect/sandbox/lane.h"
#include "inspect/sandbox/wire.h"
#include <sys/epoll.h>
#include <sys/socket.h>

#define FAILED_STARTS 3
/* A worker has this long to start, if the time for an image is shorter. */
#define START_MS 5000
/* How often processor time is granted while one batch makes progress. */
#define GRANT_MS 1000

/* Delivers the complete records. False with err set if there is a damaged one. */
static bool take_results(struct cv_pool *pool, struct cv_lane *lane, struct cv_err *err)
{
	struct cv_shared *sh = lane->process.shared;
	struct cv_batch *b = &lane->batch;
	size_t len = sh->used, at = 0;

	if (len > sizeof sh->records)
		return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: too long");
	memcpy(pool->copy, sh->records, len);
	sh->used = 0;
	while (at < len) {
		struct cv_answer answer;
		size_t n = cv_wire_decode(pool->copy + at, len - at, &answer, err);

		if (!n)
			return false;
		at += n;
		if (answer.index != b->next || b->next >= b->count) {
			cv_facts_free(answer.facts);
			return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: out of order");
		}
		cv_pool_deliver(pool, &b->job[b->next++], answer.facts, answer.why.code ? &answer.why : NULL);
	}
	return true;
}

void cv_lane_start(struct cv_pool *pool, struct cv_lane *lane)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = (uint32_t)(lane - pool->lanes) };

	lane->ready = lane->sent = false;
	lane->still_ms = 0;
	lane->looked_ms = cv_pool_now_ms();
	while (lane->failed_starts < FAILED_STARTS) {
		cv_err_clear(&pool->start_error);
		if (cv_process_start(&lane->process, &pool->options, &pool->start_error) &&
		    (epoll_ctl(pool->epoll, EPOLL_CTL_ADD, lane->process.socket, &event) == 0 ||
		     cv_fail_errno(&pool->start_error, "cannot watch a reading process")))
			return;
		lane->failed_starts++;
		cv_process_kill(&lane->process);
		cv_process_release(&lane->process);
	}
	lane->dead = true;
}

/* What is left of the batch goes to the next process. */
static void drop_delivered(struct cv_batch *b)
{
	memmove(b->job, b->job + b->next, (b->count - b->next) * sizeof b->job[0]);
	b->count -= b->next;
	b->next = 0;
}

/* The worker is dead, or has to die for the reason in why. The image it was at bears the blame; the complete
 * answers count, unless they are what is wrong. */
static void lose(struct cv_pool *pool, struct cv_lane *lane, const struct cv_err *why)
{
	bool damaged = why && why->code == CV_EFORMAT;
	int status = cv_process_kill(&lane->process);
	struct cv_err err = { 0 };

	if (why)
		err = *why;
	else
		cv_process_status(status, pool->options.cpu_seconds, &err);
	if (lane->sent && !damaged) {
		struct cv_err wrong = { 0 };

		take_results(pool, lane, &wrong);
	}
	if (lane->sent && lane->batch.next < lane->batch.count)
		cv_pool_deliver(pool, &lane->batch.job[lane->batch.next++], NULL, &err);
	drop_delivered(&lane->batch);
	if (!lane->ready) {
		lane->failed_starts++;
		pool->start_error = err;
	}
	cv_process_release(&lane->process);
	cv_lane_start(pool, lane);
}

static void lose_damaged(struct cv_pool *pool, struct cv_lane *lane)
{
	struct cv_err err = { 0 };

	cv_fail(&err, CV_EFORMAT, "the reading process gave a damaged answer");
	lose(pool, lane, &err);
}

void cv_lane_send(struct cv_pool *pool, struct cv_lane *lane)
{
	const struct cv_batch *b = &lane->batch;
	union { struct cmsghdr head; char space[CMSG_SPACE(sizeof(int) * CV_BATCH_MAX)]; } control = { 0 };
	struct cv_request request = { .count = b->count };
	struct iovec part = { &request, offsetof(struct cv_request, image) + b->count * sizeof request.image[0] };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * b->count) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * b->count);
	for (uint32_t i = 0; i < b->count; i++) {
		const struct cv_job *job = &b->job[i];

		memcpy(CMSG_DATA(c) + i * sizeof(int), &job->fd, sizeof(int));
		request.image[i] = (struct cv_request_image){ job->declared, job->offset, job->length };
	}
	lane->process.shared->started = lane->process.shared->used = 0;
	lane->seen_started = 0;
	lane->still_ms = 0;
	lane->looked_ms = lane->granted_ms = cv_pool_now_ms();
	cv_process_grant(&lane->process, pool->options.cpu_seconds);
	lane->sent = sendmsg(lane->process.socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

static void hear_ready(struct cv_pool *pool, struct cv_lane *lane, const struct cv_confined *confined)
{
	struct cv_err err = { 0 };

	if (pool->options.require_sandbox && !cv_confined_fully(confined)) {
		cv_fail(&err, CV_EREFUSED, "the sandbox that was asked for cannot be had");
		pool->confined = *confined;
		lane->failed_starts = FAILED_STARTS;
		lose(pool, lane, &err);
		return;
	}
	/* The weakest of all is what is told. */
	if (!pool->confined.landlock_abi || !cv_confined_fully(confined))
		pool->confined = *confined;
	lane->ready = true;
	lane->failed_starts = 0;
}

static void hear_results(struct cv_pool *pool, struct cv_lane *lane, enum cv_notice_kind kind)
{
	static const struct cv_request go_on = { .count = 0 };
	uint32_t before = lane->batch.next;
	struct cv_err err = { 0 };

	if (!take_results(pool, lane, &err)) {
		lose(pool, lane, &err);
		return;
	}
	if (kind == CV_NOTICE_DONE && lane->batch.next == lane->batch.count) {
		lane->sent = false;
		lane->batch.count = lane->batch.next = 0;
	} else if (kind != CV_NOTICE_FULL || lane->batch.next == before) {
		lose_damaged(pool, lane);
	} else if (send(lane->process.socket, &go_on, offsetof(struct cv_request, image),
			MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		lose(pool, lane, NULL);
	}
}

void cv_lane_hear(struct cv_pool *pool, struct cv_lane *lane)
{
	struct cv_notice notice;
	ssize_t n = recv(lane->process.socket, &notice, sizeof notice, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		lose(pool, lane, NULL);
	else if (n == sizeof notice && notice.kind == CV_NOTICE_READY && !lane->ready)
		hear_ready(pool, lane, &notice.confined);
	else if (n == sizeof notice && lane->sent)
		hear_results(pool, lane, notice.kind);
	else
		lose_damaged(pool, lane);
}

/* The worker says where it is, and may lie: the only sign that counts is one that it can give once for an image. */
static bool has_begun_another(struct cv_lane *lane)
{
	uint32_t started = lane->process.shared->started;

	if (started <= lane->seen_started || started > lane->batch.count)
		return false;
	lane->seen_started = started;
	return true;
}

void cv_lane_watch(struct cv_pool *pool, struct cv_lane *lane)
{
	unsigned wall = pool->options.wall_ms;
	unsigned allowed = lane->ready || wall > START_MS ? wall : START_MS;
	int64_t now = cv_pool_now_ms(), passed = now - lane->looked_ms;
	struct cv_err err = { 0 };

	lane->looked_ms = now;
	if (!lane->process.shared || (lane->ready && !lane->sent))
		return;
	if (lane->sent && has_begun_another(lane)) {
		lane->still_ms = 0;
		if (now - lane->granted_ms >= GRANT_MS) {
			lane->granted_ms = now;
			cv_process_grant(&lane->process, pool->options.cpu_seconds);
		}
		return;
	}
	/* When nobody looked for long the whole program may have been stopped, the worker with it. */
	lane->still_ms += passed < wall / 2 + 1 ? passed : wall / 2 + 1;
	if (lane->still_ms <= allowed)
		return;
	if (allowed % 1000)
		cv_fail(&err, CV_ELIMIT, "no answer within %u ms", allowed);
	else
		cv_fail(&err, CV_ELIMIT, "no answer within %u s", allowed / 1000);
	lose(pool, lane, &err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One process of a check: the images that it gets, and what it says about them. A process that ends early costs the
 * image that it was busy with its result; the others are given to another one.
 */
#include "inspect/repository/reopen.h"
#include "inspect/sandbox/wire.h"
#include "inspect/tables/tables.h"
#include <stdio.h>
#include <sys/epoll.h>

/* So that one process that talks much does not keep the others waiting. */
#define RECORDS_AT_ONCE 256

static void settle(struct cv_check *c, struct cv_check_job *job)
{
	job->settled = true;
	job->done = job->total;
	c->settled++;
}

void cv_check_give_up(struct cv_check *c, struct cv_check_job *job, const struct cv_err *why)
{
	free(job->trouble);
	job->trouble = strdup(why->text);
	job->pub.trouble = job->trouble ? job->trouble : "out of memory";
	job->pub.done = false;
	settle(c, job);
}

static bool open_image(const struct cv_check *c, const struct cv_check_job *job, struct cv_task_image *out,
		       struct cv_err *err)
{
	const struct cv_file *file = cv_scan_file(c->scan, job->file), *data = NULL;
	struct cv_range part = { 0 }, data_part;

	*out = (struct cv_task_image){ .fd = -1, .data_fd = -1, .format = file->facts->format };
	out->fd = cv_scan_reopen(c->scan, file, &part, err);
	if (out->fd < 0)
		return false;
	out->offset = part.off;
	out->length = part.len;
	if (file->facts->flags & CV_FACT_DATA_FILE)
		data = cv_scan_data_file(c->scan, file, file->facts);
	if (!data)
		return true;
	/* Without it less can be checked; why it is not there is said by the graph. */
	out->data_fd = cv_scan_reopen(c->scan, data, &data_part, err);
	cv_err_clear(err);
	return true;
}

/* How many images the next process gets: few when few are left, so that all processes have something to do. */
static size_t batch_size(const struct cv_check *c)
{
	size_t share = c->waiting.len / (c->lane_count * 2) + 1;

	return share < c->setup.batch ? share : c->setup.batch;
}

/* Opens waiting images until there are enough for one process. */
static size_t gather(struct cv_check *c, struct cv_check_lane *lane, struct cv_task_image *images, size_t most)
{
	size_t n = 0;

	while (c->waiting.len && n < most) {
		uint32_t number = c->waiting.at[c->waiting.len - 1];
		struct cv_check_job *job = &c->jobs[number];
		struct cv_err err = { 0 };

		if (n && (job->alone || c->jobs[lane->jobs[0]].alone))
			break;
		c->waiting.len--;
		if (open_image(c, job, &images[n], &err))
			lane->jobs[n++] = number;
		else
			cv_check_give_up(c, job, &err);
	}
	return n;
}

bool cv_check_lane_start(struct cv_check *c, struct cv_check_lane *lane, struct cv_err *err)
{
	struct cv_check_request request = { c->setup.function_of };
	struct cv_task_options options = { .stall_seconds = c->setup.stall_seconds };
	struct epoll_event event = { .events = EPOLLIN };
	size_t most = batch_size(c);
	CV_AUTO(cv_auto_free) struct cv_task_image *images = calloc(most, sizeof *images);

	*lane = (struct cv_check_lane){ .jobs = calloc(most, sizeof *lane->jobs) };
	if (!images || !lane->jobs)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	lane->count = gather(c, lane, images, most);
	if (!lane->count)
		return true;
	lane->task = cv_task_start(images, lane->count, cv_check_work, &request, sizeof request, &options, err);
	if (!lane->task)
		return false;
	c->running++;
	if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, cv_task_poll_fd(lane->task), &event) < 0)
		return cv_fail_errno(err, "cannot wait for a reading process");
	return true;
}

void cv_check_lane_end(struct cv_check *c, struct cv_check_lane *lane)
{
	if (lane->task) {
		epoll_ctl(c->epoll, EPOLL_CTL_DEL, cv_task_poll_fd(lane->task), NULL);
		c->running--;
	}
	cv_task_free(lane->task);
	free(lane->jobs);
	*lane = (struct cv_check_lane){ 0 };
}

static bool fail_damaged(struct cv_err *err, const char *how)
{
	return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: %s", how);
}

static struct cv_check_job *job_at(struct cv_check *c, const struct cv_check_lane *lane, size_t i)
{
	return &c->jobs[lane->jobs[i]];
}

/* The images are taken up in their order, each once. */
static bool hear_begin(struct cv_check_lane *lane, const struct cv_task_record *r, struct cv_err *err)
{
	struct cv_check_wire_begin begin;

	if (lane->busy || r->len != sizeof begin)
		return fail_damaged(err, "an image that begins");
	memcpy(&begin, r->bytes, sizeof begin);
	if (begin.image != lane->next || begin.image >= lane->count)
		return fail_damaged(err, "an image out of turn");
	lane->next++;
	lane->busy = true;
	return true;
}

static bool hear_progress(struct cv_check *c, struct cv_check_lane *lane, const struct cv_task_record *r,
			  struct cv_err *err)
{
	struct cv_check_wire_progress progress;
	struct cv_check_job *job;

	if (!lane->busy || r->len != sizeof progress)
		return fail_damaged(err, "progress of no image");
	memcpy(&progress, r->bytes, sizeof progress);
	job = job_at(c, lane, lane->next - 1);
	/* Sums of many of them must not run over. */
	job->total = progress.total < UINT64_C(1) << 40 ? progress.total : UINT64_C(1) << 40;
	job->done = progress.done < job->total ? progress.done : job->total;
	return true;
}

static bool hear_result(struct cv_check *c, struct cv_check_lane *lane, const struct cv_task_record *r,
			struct cv_err *err)
{
	struct cv_check_wire_result result;
	struct cv_answer answer = { 0 };
	struct cv_check_job *job;

	if (!lane->busy || r->len < sizeof result)
		return fail_damaged(err, "a result of no image");
	memcpy(&result, r->bytes, sizeof result);
	if (cv_wire_decode(r->bytes + sizeof result, r->len - sizeof result, &answer, err) != r->len - sizeof result) {
		cv_facts_free(answer.facts);
		return err->code ? false : fail_damaged(err, "a result of a wrong length");
	}
	job = job_at(c, lane, lane->next - 1);
	lane->busy = false;
	job->facts = answer.facts;
	job->pub = (struct cv_checked){ .done = !answer.why.code,
					.facts = answer.facts,
					.corruptions = result.corruptions,
					.leaked_bytes = result.leaked_bytes };
	if (answer.why.code)
		cv_check_give_up(c, job, &answer.why);
	else
		settle(c, job);
	return true;
}

static bool hear(struct cv_check *c, struct cv_check_lane *lane, const struct cv_task_record *r, struct cv_err *err)
{
	switch (r->kind) {
	case CV_CHECK_BEGIN:
		return hear_begin(lane, r, err);
	case CV_CHECK_PROGRESS:
		return hear_progress(c, lane, r, err);
	case CV_CHECK_RESULT:
		return hear_result(c, lane, r, err);
	default:
		return fail_damaged(err, "a record of no kind");
	}
}

/* The process is gone. One that was busy with no image has ended because of any of them: each is tried by itself. */
static void lose(struct cv_check *c, struct cv_check_lane *lane, const struct cv_err *why)
{
	size_t first = lane->next;

	if (lane->busy || lane->count == 1) {
		first = lane->busy ? lane->next : 1;
		if (!job_at(c, lane, first - 1)->settled)
			cv_check_give_up(c, job_at(c, lane, first - 1), why);
	}
	for (size_t i = lane->count; i > first; i--) {
		struct cv_check_job *job = job_at(c, lane, i - 1);

		job->alone |= !lane->busy;
		/* There is room: the list was as long as this before. */
		if (!cv_job_list_push(&c->waiting, lane->jobs[i - 1]))
			cv_check_give_up(c, job, why);
	}
}

bool cv_check_lane_hear(struct cv_check *c, struct cv_check_lane *lane)
{
	struct cv_err err = { 0 };
	enum cv_task_state state = CV_TASK_RECORD;
	size_t heard = 0;

	for (; lane->task && state == CV_TASK_RECORD && heard < RECORDS_AT_ONCE; heard++) {
		struct cv_task_record record;

		state = cv_task_next(lane->task, 0, &record, &err);
		if (state == CV_TASK_WAIT)
			break;
		if (state == CV_TASK_RECORD && !hear(c, lane, &record, &err))
			state = CV_TASK_FAILED;
	}
	if (state == CV_TASK_DONE && (lane->busy || lane->next < lane->count)) {
		fail_damaged(&err, "it ends early");
		state = CV_TASK_FAILED;
	}
	if (state == CV_TASK_FAILED)
		lose(c, lane, &err);
	if (state == CV_TASK_FAILED || state == CV_TASK_DONE)
		cv_check_lane_end(c, lane);
	return heard;
}

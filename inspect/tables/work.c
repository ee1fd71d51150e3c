/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The process of a check: one image after the other. An error with one costs that one only. */
#include "inspect/tables/tables.h"
#include "inspect/sandbox/task_link.h"
#include "inspect/sandbox/wire.h"
#include <time.h>

/* Of a second; a sign of life is due once in a second. */
#define PROGRESS_NS 200000000

struct work {
	struct cv_task_out *out;
	uint8_t *record; /* CV_TASK_RECORD_MAX bytes */
	uint64_t next_ns;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool gone(struct cv_err *err)
{
	return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
}

static bool tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	struct work *w = c->ctx;
	struct cv_check_wire_progress progress = { done, total };
	uint64_t now = now_ns();

	if (now < w->next_ns)
		return true;
	w->next_ns = now + PROGRESS_NS;
	return cv_task_send(w->out, CV_CHECK_PROGRESS, &progress, sizeof progress) || gone(err);
}

/* The lists of facts have caps, so they fit but for texts of absurd length: then the last findings go. */
static bool send_result(struct work *w, uint32_t image, struct cv_checking *c, struct cv_err *why)
{
	struct cv_check_wire_result result = { c->corruptions, c->leaked_bytes };
	size_t len = 0, room = CV_TASK_RECORD_MAX - sizeof result;

	memcpy(w->record, &result, sizeof result);
	while (!(len = cv_wire_encode(w->record + sizeof result, room, image, c->facts, why->code ? why : NULL)) &&
	       c->facts->finding_count) {
		c->facts->finding_count /= 2;
		c->facts->flags |= CV_FACT_PARTIAL;
		cv_fail(why, CV_ELIMIT, "there are more findings than can be told");
	}
	return len && cv_task_send(w->out, CV_CHECK_RESULT, w->record, sizeof result + len);
}

static bool check_one(struct work *w, uint32_t image, struct cv_source *source, struct cv_source *data,
		      cv_check_function *function, struct cv_err *err)
{
	struct cv_check_wire_begin begin = { image };
	struct cv_checking c = { .source = source, .data = data, .facts = cv_facts_new(), .tick = tick, .ctx = w };
	struct cv_err why = { 0 };
	bool sent;

	if (!c.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	sent = cv_task_send(w->out, CV_CHECK_BEGIN, &begin, sizeof begin);
	if (sent && function && !function(&c, &why) && !why.code)
		cv_fail(&why, CV_EFORMAT, "it cannot be checked, and no reason is known");
	sent = sent && send_result(w, image, &c, &why);
	cv_facts_free(c.facts);
	return sent || gone(err);
}

bool cv_check_work(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images,
		   size_t count, const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	const struct cv_check_request *r = request;
	struct work w = { .out = out, .record = malloc(CV_TASK_RECORD_MAX) };
	bool ok = w.record && request_len == sizeof *r;

	if (!ok)
		cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < count && ok; i++)
		ok = check_one(&w, (uint32_t)i, sources[i], data[i], r->function_of(images[i].format), err);
	free(w.record);
	return ok;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A verification as the program sees it: processes that are started, what they say, and the results made of that.
 * No byte of an image is looked at here.
 */
#include "inspect/map/files.h"
#include "inspect/reader2/second.h"
#include <chainview/digest.h>
#include <poll.h>

#define MOST_IMAGES 2u
/* Of each image our own reader and the second one; and the comparison. */
#define MOST_PROCESSES (2 * MOST_IMAGES + 1)

struct reading {
	struct cv_task *task;            /* our own reader; NULL: not started, or done */
	struct cv_second *second;        /* NULL: not started */
	bool second_runs;
	uint64_t done;                   /* by our own reader */
	struct cv_verified result;
	char trouble[sizeof ((struct cv_err *)0)->text];
	char second_trouble[sizeof ((struct cv_err *)0)->text];
};

struct cv_verify {
	const struct cv_graph *g;
	bool second_wanted;
	size_t count;
	struct reading readings[MOST_IMAGES];
	struct cv_task *comparing;
	bool comparison_begun;
	uint64_t compared_bytes;
	struct cv_compared compared;
	char comparison_trouble[sizeof ((struct cv_err *)0)->text];
};

const char *cv_second_verdict_name(enum cv_second_verdict verdict)
{
	static const char *const names[CV_SECOND_COUNT] = {
		[CV_SECOND_AGREE] = "agree", [CV_SECOND_DIFFER] = "differ", [CV_SECOND_PARTIAL] = "partial",
		[CV_SECOND_FAILED] = "failed", [CV_SECOND_SKIPPED] = "skipped",
	};

	return (unsigned)verdict < CV_SECOND_COUNT ? names[verdict] : "unknown";
}

static void set_trouble(struct reading *r, const struct cv_err *why)
{
	memcpy(r->trouble, why->text, sizeof r->trouble);
	r->result.trouble = r->trouble;
}

static struct cv_task *start_own(const struct cv_graph *g, uint32_t image, struct cv_err *err)
{
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files files = { 0 };
	struct cv_task *task;

	if (!cv_second_open(g, image, &files, err))
		return NULL;
	task = cv_task_start(files.images, files.count, cv_digest_task, NULL, 0, NULL, err);
	cv_chain_files_taken(&files);
	return task;
}

static void not_compared(struct cv_second_result *second, const char *reason)
{
	second->verdict = CV_SECOND_SKIPPED;
	second->compared = 0;
	second->gaps[0] = (struct cv_not_checked){ reason, 0 };
	second->gap_count = 1;
}

/* The bytes that had no chance to be compared. */
static void close_gap(struct reading *r)
{
	struct cv_second_result *second = &r->result.second;

	if (second->verdict == CV_SECOND_SKIPPED && second->gap_count == 1 && !second->gaps[0].bytes)
		second->gaps[0].bytes = r->result.size;
}

static void start_second(struct cv_verify *v, struct reading *r)
{
	struct cv_second_result *second = &r->result.second;
	enum cv_format_id format = v->g->images[r->result.image].format;
	struct cv_err err = { .code = CV_OK };

	second->name = v->second_wanted ? cv_gate_library(format) : NULL;
	if (!second->name) {
		not_compared(second, v->second_wanted ? cv_gate_rows[CV_GATE_RAW].reason : "not asked for");
		return;
	}
	second->verdict = CV_SECOND_SKIPPED;
	r->second = cv_second_start(v->g, r->result.image, NULL, second, &err);
	r->second_runs = r->second != NULL;
	if (r->second)
		return;
	memcpy(r->second_trouble, err.text, sizeof r->second_trouble);
	second->verdict = CV_SECOND_FAILED;
	second->trouble = r->second_trouble;
}

static void start_reading(struct cv_verify *v, struct reading *r, uint32_t image)
{
	struct cv_err err = { .code = CV_OK };

	r->result = (struct cv_verified){ .image = image, .size = v->g->images[image].virtual_size };
	r->task = start_own(v->g, image, &err);
	if (r->task) {
		start_second(v, r);
		return;
	}
	set_trouble(r, &err);
	not_compared(&r->result.second, cv_gate_rows[CV_GATE_OWN].reason);
	close_gap(r);
}

struct cv_verify *cv_verify_new(const struct cv_graph *g, const uint32_t *images, size_t count,
				const struct cv_verify_options *options, struct cv_err *err)
{
	struct cv_verify *v;

	if (!count || count > MOST_IMAGES) {
		cv_fail(err, CV_EUSAGE, "one image or two can be verified");
		return NULL;
	}
	if (!cv_digest_prepare(err))
		return NULL;
	v = calloc(1, sizeof *v);
	if (!v) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	v->g = g;
	v->count = count;
	v->second_wanted = !options || !options->own_reader_only;
	for (size_t i = 0; i < count; i++)
		start_reading(v, &v->readings[i], images[i]);
	return v;
}

void cv_verify_free(struct cv_verify *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->count; i++) {
		cv_task_free(v->readings[i].task);
		cv_second_free(v->readings[i].second);
	}
	cv_task_free(v->comparing);
	free(v);
}

/* Copies a record of exactly this length. */
static bool take(const struct cv_task_record *record, void *to, size_t len)
{
	if (record->len != len)
		return false;
	memcpy(to, record->bytes, len);
	return true;
}

static bool hear(struct reading *r, const struct cv_task_record *record)
{
	struct cv_progress_record p;
	struct cv_digest_record d;

	if (record->kind == CV_VERIFY_PROGRESS && take(record, &p, sizeof p)) {
		r->done = p.done;
		return true;
	}
	if (record->kind != CV_VERIFY_DIGEST || !take(record, &d, sizeof d))
		return false;
	r->result.size = r->done = d.size;
	memcpy(r->result.sha256, d.sha256, sizeof d.sha256);
	r->result.digested = true;
	return true;
}

/* Everything that our own reader has to say now. */
static void listen_to_own(struct reading *r)
{
	struct cv_task_record record;
	struct cv_err err = { .code = CV_OK };
	enum cv_task_state state;

	while ((state = cv_task_next(r->task, 0, &record, &err)) == CV_TASK_RECORD)
		if (!hear(r, &record)) {
			cv_fail(&err, CV_EFORMAT, "the reading process gave a damaged answer");
			break;
		}
	if (state == CV_TASK_WAIT)
		return;
	cv_task_free(cv_take(r->task));
	if (state == CV_TASK_DONE && !r->result.digested)
		cv_fail(&err, CV_EFORMAT, "the reading process ended without an answer");
	if (!err.code)
		return;
	r->result.digested = false;
	set_trouble(r, &err);
}

static void listen_to(struct reading *r)
{
	struct cv_second_result *second = &r->result.second;

	if (r->task)
		listen_to_own(r);
	if (r->second_runs)
		r->second_runs = cv_second_listen(r->second);
	if (r->task)
		return;
	/* Without a digest nobody needs to know what another reader thinks. */
	if (!r->result.digested && r->second_runs) {
		r->second_runs = false;
		cv_second_free(cv_take(r->second));
		second->trouble = NULL;
		not_compared(second, cv_gate_rows[CV_GATE_OWN].reason);
	}
	close_gap(r);
}

static void fail_comparison(struct cv_verify *v, const struct cv_err *err)
{
	memcpy(v->comparison_trouble, err->text, sizeof v->comparison_trouble);
	v->compared = (struct cv_compared){ .trouble = v->comparison_trouble };
}

/* Both chains in one process. */
static void start_comparing(struct cv_verify *v)
{
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files a = { 0 }, b = { 0 };
	CV_AUTO(cv_auto_free) struct cv_task_image *both = NULL;
	struct cv_err err = { .code = CV_OK };
	struct cv_compare_request request = { .first = 0 };

	v->comparison_begun = true;
	if (cv_second_open(v->g, v->readings[0].result.image, &a, &err) &&
	    cv_second_open(v->g, v->readings[1].result.image, &b, &err)) {
		both = calloc(a.count + b.count, sizeof *both);
		if (!both)
			cv_fail(&err, CV_ENOMEM, "out of memory");
	}
	if (both) {
		memcpy(both, a.images, a.count * sizeof *both);
		memcpy(both + a.count, b.images, b.count * sizeof *both);
		request.first = (uint32_t)a.count;
		v->comparing = cv_task_start(both, a.count + b.count, cv_compare_task, &request, sizeof request, NULL,
					    &err);
		cv_chain_files_taken(&a);
		cv_chain_files_taken(&b);
	}
	if (!v->comparing)
		fail_comparison(v, &err);
}

/* Equal digests of equal sizes need no further look. */
static void compare_digests(struct cv_verify *v)
{
	const struct cv_verified *a = &v->readings[0].result, *b = &v->readings[1].result;

	if (v->count != 2 || v->comparison_begun || v->compared.known || !a->digested || !b->digested)
		return;
	if (a->size != b->size || memcmp(a->sha256, b->sha256, sizeof a->sha256) != 0) {
		start_comparing(v);
		return;
	}
	v->compared = (struct cv_compared){ .known = true, .equal = true, .same_content = true };
}

static bool hear_compared(struct cv_verify *v, const struct cv_task_record *record)
{
	struct cv_compared_record c;
	struct cv_progress_record p;

	if (record->kind == CV_VERIFY_PROGRESS && take(record, &p, sizeof p)) {
		v->compared_bytes = p.done;
		return true;
	}
	if (record->kind != CV_VERIFY_COMPARED || !take(record, &c, sizeof c))
		return false;
	v->compared = (struct cv_compared){
		.known = true, .same_content = !c.differ && c.tail_is_zero, .first_difference = c.first,
	};
	return true;
}

static void listen_to_comparison(struct cv_verify *v)
{
	struct cv_task_record record;
	struct cv_err err = { .code = CV_OK };
	enum cv_task_state state;

	if (!v->comparing)
		return;
	while ((state = cv_task_next(v->comparing, 0, &record, &err)) == CV_TASK_RECORD)
		if (!hear_compared(v, &record)) {
			cv_fail(&err, CV_EFORMAT, "the reading process gave a damaged answer");
			state = CV_TASK_FAILED;
			break;
		}
	if (state == CV_TASK_WAIT)
		return;
	cv_task_free(cv_take(v->comparing));
	if (state == CV_TASK_DONE && !v->compared.known)
		cv_fail(&err, CV_EFORMAT, "the reading process ended without an answer");
	if (err.code)
		fail_comparison(v, &err);
}

static size_t waiting(const struct cv_verify *v, struct pollfd *fds)
{
	size_t n = 0;

	for (size_t i = 0; i < v->count; i++) {
		const struct reading *r = &v->readings[i];

		if (r->task)
			fds[n++].fd = cv_task_poll_fd(r->task);
		if (r->second_runs)
			fds[n++].fd = cv_second_poll_fd(r->second);
	}
	if (v->comparing)
		fds[n++].fd = cv_task_poll_fd(v->comparing);
	for (size_t i = 0; i < n; i++)
		fds[i].events = POLLIN;
	return n;
}

bool cv_verify_step(struct cv_verify *v, int timeout_ms)
{
	struct pollfd fds[MOST_PROCESSES] = { { .fd = -1 } };
	size_t n = waiting(v, fds);

	if (n)
		poll(fds, n, timeout_ms);
	for (size_t i = 0; i < v->count; i++)
		listen_to(&v->readings[i]);
	if (!waiting(v, fds))
		compare_digests(v);
	listen_to_comparison(v);
	return waiting(v, fds) > 0;
}

/* The slowest reader of each image: how long it takes is what people want to know. */
struct cv_verify_progress cv_verify_progress(const struct cv_verify *v)
{
	struct cv_verify_progress p = { .done = v->compared_bytes };
	uint64_t longest = 0;

	for (size_t i = 0; i < v->count; i++) {
		const struct reading *r = &v->readings[i];
		uint64_t size = r->result.size, own = r->task ? r->done : size;
		uint64_t second = r->second_runs ? cv_second_done(r->second) : size;

		p.done += own < second ? own : second;
		p.total += size;
		longest = size > longest ? size : longest;
	}
	if (v->comparison_begun)
		p.total += longest;
	return p;
}

size_t cv_verify_count(const struct cv_verify *v)
{
	return v->count;
}

const struct cv_verified *cv_verify_result(const struct cv_verify *v, size_t i)
{
	return &v->readings[i].result;
}

const struct cv_compared *cv_verify_compared(const struct cv_verify *v)
{
	return &v->compared;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A verification as the program sees it: processes that are started, what they say, and the results made of that.
 * No byte of an image is looked at here.
 */
#include "inspect/map/files.h"
#include "inspect/reader2/tasks.h"
#include <chainview/verify.h>
#include <poll.h>

#define LIBRARY_MEMORY ((uint64_t)1 << 30)
#define LIBRARY_STALL_SECONDS 60
#define MOST_IMAGES 2u

enum part { OWN_READER, SECOND_READER, PARTS };

struct reading {
	struct cv_task *task[PARTS];     /* NULL: not started, or done */
	uint64_t done[PARTS];
	bool answered[PARTS];
	struct cv_verified result;
	char trouble[PARTS][sizeof ((struct cv_err *)0)->text];
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

static void set_trouble(struct reading *r, enum part part, const struct cv_err *why)
{
	memcpy(r->trouble[part], why->text, sizeof r->trouble[part]);
	if (part == OWN_READER) {
		r->result.trouble = r->trouble[part];
		return;
	}
	r->result.second.verdict = CV_SECOND_FAILED;
	r->result.second.trouble = r->trouble[part];
}

/* The files of a chain, all of it or nothing. */
static bool open_chain(const struct cv_graph *g, uint32_t image, struct cv_chain_files *files, struct cv_err *err)
{
	if (!cv_chain_files_open(g, image, files, err))
		return false;
	return !files->incomplete || cv_fail(err, CV_EIO, "the chain is not complete: %s", cv_text_str(&files->why));
}

static struct cv_task *start_part(const struct cv_graph *g, uint32_t image, enum part part, struct cv_err *err)
{
	static const struct cv_task_options options[PARTS] = {
		[SECOND_READER] = { LIBRARY_MEMORY, LIBRARY_STALL_SECONDS, true },
	};
	static cv_task_function *const functions[PARTS] = { cv_digest_task, cv_check_task };
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files files = { 0 };
	struct cv_task *task;

	if (!open_chain(g, image, &files, err))
		return NULL;
	task = cv_task_start(files.images, files.count, functions[part], NULL, 0, &options[part], err);
	cv_chain_files_taken(&files);
	return task;
}

static void start_second(struct cv_verify *v, struct reading *r)
{
	struct cv_second_result *second = &r->result.second;
	enum cv_format_id format = v->g->images[r->result.image].format;
	struct cv_err err = { .code = CV_OK };

	second->verdict = CV_SECOND_SKIPPED;
	second->name = v->second_wanted ? cv_gate_library(format) : NULL;
	if (!second->name) {
		second->gaps[0].reason = v->second_wanted ? cv_gate_rows[CV_GATE_RAW].reason : "not asked for";
		second->gap_count = 1;
		return;
	}
	r->task[SECOND_READER] = start_part(v->g, r->result.image, SECOND_READER, &err);
	if (!r->task[SECOND_READER])
		set_trouble(r, SECOND_READER, &err);
}

static void start_reading(struct cv_verify *v, struct reading *r, uint32_t image)
{
	struct cv_err err = { .code = CV_OK };

	r->result = (struct cv_verified){ .image = image, .size = v->g->images[image].virtual_size };
	r->task[OWN_READER] = start_part(v->g, image, OWN_READER, &err);
	if (r->task[OWN_READER]) {
		start_second(v, r);
		return;
	}
	set_trouble(r, OWN_READER, &err);
	r->result.second.verdict = CV_SECOND_SKIPPED;
	r->result.second.gaps[0].reason = cv_gate_rows[CV_GATE_OWN].reason;
	r->result.second.gap_count = 1;
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
	for (size_t i = 0; i < v->count; i++)
		for (size_t part = 0; part < PARTS; part++)
			cv_task_free(v->readings[i].task[part]);
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

static bool hear_digest(struct reading *r, const struct cv_task_record *record)
{
	struct cv_digest_record d;

	if (!take(record, &d, sizeof d))
		return false;
	r->result.size = r->done[OWN_READER] = d.size;
	memcpy(r->result.sha256, d.sha256, sizeof d.sha256);
	r->result.digested = r->answered[OWN_READER] = true;
	return true;
}

static bool hear_difference(struct reading *r, const struct cv_task_record *record)
{
	struct cv_second_result *second = &r->result.second;
	struct cv_difference_record d;

	if (!take(record, &d, sizeof d) || second->difference_count == CV_VERIFY_DIFFERENCES)
		return false;
	second->differences[second->difference_count++] = d.at;
	return true;
}

_Static_assert(CV_GATE_COUNT <= CV_VERIFY_GAPS, "every reason has room");

static bool hear_checked(struct reading *r, const struct cv_task_record *record)
{
	struct cv_second_result *second = &r->result.second;
	struct cv_checked_record c;

	if (!take(record, &c, sizeof c))
		return false;
	r->answered[SECOND_READER] = true;
	r->done[SECOND_READER] = c.size;
	second->compared = c.compared;
	second->differing = c.differing;
	for (size_t i = 0; i < CV_GATE_COUNT; i++)
		if (c.gated[i])
			second->gaps[second->gap_count++] =
				(struct cv_not_checked){ cv_gate_rows[i].reason, c.gated[i] };
	if (c.differing)
		second->verdict = CV_SECOND_DIFFER;
	else if (second->gap_count)
		second->verdict = c.compared ? CV_SECOND_PARTIAL : CV_SECOND_SKIPPED;
	else
		second->verdict = CV_SECOND_AGREE;
	return true;
}

static bool hear(struct reading *r, enum part part, const struct cv_task_record *record)
{
	struct cv_progress_record p;

	if (record->kind == CV_VERIFY_PROGRESS && take(record, &p, sizeof p)) {
		r->done[part] = p.done;
		return true;
	}
	if (part == OWN_READER)
		return record->kind == CV_VERIFY_DIGEST && hear_digest(r, record);
	if (record->kind == CV_VERIFY_DIFFERENCE)
		return hear_difference(r, record);
	return record->kind == CV_VERIFY_CHECKED && !r->answered[part] && hear_checked(r, record);
}

/* The bytes that had no chance to be compared. */
static void close_gap(struct reading *r)
{
	struct cv_second_result *second = &r->result.second;

	if (second->verdict == CV_SECOND_SKIPPED && second->gap_count == 1 && !second->gaps[0].bytes)
		second->gaps[0].bytes = r->result.size;
}

static void finish_part(struct reading *r, enum part part, enum cv_task_state state, struct cv_err *err)
{
	struct cv_second_result *second = &r->result.second;

	cv_task_free(cv_take(r->task[part]));
	if (state == CV_TASK_DONE && !r->answered[part])
		cv_fail(err, CV_EFORMAT, "the reading process ended without an answer");
	if (err->code)
		set_trouble(r, part, err);
	if (!err->code || part != SECOND_READER)
		return;
	second->compared = 0;
	second->gap_count = 0;
	/* what it found before it failed is not forgotten */
	for (size_t i = 0; i < second->difference_count; i++) {
		second->verdict = CV_SECOND_DIFFER;
		second->differing += second->differences[i].len;
	}
}

/* Everything that a part has to say now. */
static void listen_to(struct reading *r, enum part part)
{
	struct cv_task_record record;
	struct cv_err err = { .code = CV_OK };
	enum cv_task_state state;

	if (!r->task[part])
		return;
	while ((state = cv_task_next(r->task[part], 0, &record, &err)) == CV_TASK_RECORD)
		if (!hear(r, part, &record)) {
			cv_fail(&err, CV_EFORMAT, "the reading process gave a damaged answer");
			state = CV_TASK_FAILED;
			break;
		}
	if (state != CV_TASK_WAIT)
		finish_part(r, part, state, &err);
	/* Without a digest nobody needs to know what another reader thinks. */
	if (part == OWN_READER && !r->task[part] && !r->result.digested && r->task[SECOND_READER]) {
		cv_task_free(cv_take(r->task[SECOND_READER]));
		r->result.second.gaps[0].reason = cv_gate_rows[CV_GATE_OWN].reason;
		r->result.second.gap_count = 1;
	}
	if (!r->task[OWN_READER])
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
	uint32_t split;

	v->comparison_begun = true;
	if (open_chain(v->g, v->readings[0].result.image, &a, &err) &&
	    open_chain(v->g, v->readings[1].result.image, &b, &err)) {
		both = calloc(a.count + b.count, sizeof *both);
		if (!both)
			cv_fail(&err, CV_ENOMEM, "out of memory");
	}
	if (both) {
		memcpy(both, a.images, a.count * sizeof *both);
		memcpy(both + a.count, b.images, b.count * sizeof *both);
		split = (uint32_t)a.count;
		v->comparing = cv_task_start(both, a.count + b.count, cv_compare_task, &split, sizeof split, NULL, &err);
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

	for (size_t i = 0; i < v->count; i++)
		for (size_t part = 0; part < PARTS; part++)
			if (v->readings[i].task[part])
				fds[n++] = (struct pollfd){ .fd = cv_task_poll_fd(v->readings[i].task[part]), .events = POLLIN };
	if (v->comparing)
		fds[n++] = (struct pollfd){ .fd = cv_task_poll_fd(v->comparing), .events = POLLIN };
	return n;
}

bool cv_verify_step(struct cv_verify *v, int timeout_ms)
{
	struct pollfd fds[MOST_IMAGES * PARTS + 1];
	size_t n = waiting(v, fds);

	if (n)
		poll(fds, n, timeout_ms);
	for (size_t i = 0; i < v->count; i++)
		for (enum part part = OWN_READER; part < PARTS; part++)
			listen_to(&v->readings[i], part);
	if (!waiting(v, fds))
		compare_digests(v);
	listen_to_comparison(v);
	return waiting(v, fds) > 0;
}

struct cv_verify_progress cv_verify_progress(const struct cv_verify *v)
{
	struct cv_verify_progress p = { .done = v->compared_bytes };

	for (size_t i = 0; i < v->count; i++) {
		const struct reading *r = &v->readings[i];

		for (size_t part = 0; part < PARTS; part++) {
			p.done += r->done[part];
			p.total += r->task[part] ? r->result.size : r->done[part];
		}
	}
	if (v->comparing)
		p.total += v->readings[0].result.size;
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

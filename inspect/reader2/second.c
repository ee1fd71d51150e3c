/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Starts processes with a library, and others behind what killed them. Nothing that they leave is trusted: it has
 * to add up, or there is no second opinion.
 */
#include "inspect/reader2/second.h"
#include "inspect/map/files.h"
#include "inspect/reader2/content.h"
#include <sys/mman.h>

#define LIBRARY_MEMORY ((uint64_t)1 << 30)
#define STALL_SECONDS 60u
/* Who hung once is not waited for as long again. */
#define LESS_PATIENCE 4u
/* A range next to the last one is taken larger by this: what follows a bad place is often bad as well. */
#define WIDER 16u

struct cv_second {
	const struct cv_graph *g;
	uint32_t image;
	struct cv_second_options options;
	struct cv_task *task;                /* NULL: done */
	struct cv_check_mark *mark;          /* shared with the process */
	struct cv_check_request request;
	struct cv_second_result *result;
	uint64_t done;
	bool answered;
	char trouble[sizeof ((struct cv_err *)0)->text];
};

bool cv_second_open(const struct cv_graph *g, uint32_t image, struct cv_chain_files *files, struct cv_err *err)
{
	if (!cv_chain_files_open(g, image, files, err))
		return false;
	return !files->incomplete || cv_fail(err, CV_EIO, "the chain is not complete: %s", cv_text_str(&files->why));
}

/* Only the process that is to use the mark gets it: another one could answer in its name. */
static bool start_process(struct cv_second *s, struct cv_err *err)
{
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files files = { 0 };
	const struct cv_task_options options = { LIBRARY_MEMORY, s->options.stall_seconds, true };

	memset(s->mark, 0, sizeof *s->mark);
	if (!cv_second_open(s->g, s->image, &files, err))
		return false;
	if (madvise(s->mark, sizeof *s->mark, MADV_DOFORK) < 0)
		return cv_fail_errno(err, "cannot start a reading process");
	s->task = cv_task_start(files.images, files.count, s->options.function, &s->request, sizeof s->request, &options,
				err);
	cv_chain_files_taken(&files);
	madvise(s->mark, sizeof *s->mark, MADV_DONTFORK);
	return s->task != NULL;
}

static void set_trouble(struct cv_second *s, const char *text)
{
	if (!s->trouble[0])
		memcpy(s->trouble, text, sizeof s->trouble);
	s->result->trouble = s->trouble;
}

struct cv_second *cv_second_start(const struct cv_graph *g, uint32_t image, const struct cv_second_options *options,
				  struct cv_second_result *result, struct cv_err *err)
{
	struct cv_second *s = calloc(1, sizeof *s);

	if (!s) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*s = (struct cv_second){ .g = g, .image = image, .result = result };
	if (options)
		s->options = *options;
	if (!s->options.function)
		s->options.function = cv_check_task;
	if (!s->options.stall_seconds)
		s->options.stall_seconds = STALL_SECONDS;
	s->mark = mmap(NULL, sizeof *s->mark, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->mark == MAP_FAILED) {
		s->mark = NULL;
		cv_fail_errno(err, "cannot start a reading process");
	}
	s->request.mark = s->mark;
	if (s->mark && start_process(s, err))
		return s;
	cv_second_free(s);
	return NULL;
}

void cv_second_free(struct cv_second *s)
{
	if (!s)
		return;
	cv_task_free(s->task);
	if (s->mark)
		munmap(s->mark, sizeof *s->mark);
	free(s);
}

/* --- what it says ----------------------------------------------------------------------------------------------- */

_Static_assert(CV_GATE_COUNT <= CV_VERIFY_GAPS, "every reason has room");

/* Do the counts of a state make up what it says was looked at? */
static bool adds_up(const struct cv_checked_record *c)
{
	uint64_t sum = c->compared;

	for (size_t i = 0; i < CV_GATE_COUNT; i++)
		if (__builtin_add_overflow(sum, c->gated[i], &sum))
			return false;
	return sum == c->done && c->done <= c->size && c->differing <= c->compared;
}

/* In order; what a process before this one has told already comes again. */
static void add_difference(struct cv_second_result *r, struct cv_range at)
{
	struct cv_range *last = r->difference_count ? &r->differences[r->difference_count - 1] : NULL;

	if (!at.len || r->difference_count == CV_VERIFY_DIFFERENCES || (last && at.off <= last->off))
		return;
	r->differences[r->difference_count++] = at;
}

static void settle(struct cv_second *s, const struct cv_checked_record *c)
{
	struct cv_second_result *r = s->result;
	uint64_t broken = c->gated[CV_GATE_ERROR] + c->gated[CV_GATE_CRASH] + c->gated[CV_GATE_HANG];

	r->compared = c->compared;
	r->differing = c->differing;
	r->gap_count = 0;
	for (size_t i = 0; i < CV_GATE_COUNT; i++)
		if (c->gated[i])
			r->gaps[r->gap_count++] = (struct cv_not_checked){ cv_gate_rows[i].reason, c->gated[i] };
	if (c->differing)
		r->verdict = CV_SECOND_DIFFER;
	else if (c->gated[CV_GATE_REST] || (broken && !c->compared))
		r->verdict = CV_SECOND_FAILED;
	else if (r->gap_count)
		r->verdict = c->compared ? CV_SECOND_PARTIAL : CV_SECOND_SKIPPED;
	else
		r->verdict = CV_SECOND_AGREE;
}

/* Text of a process was escaped there, unless it is not what it should be: then this does it. */
static void hear_trouble(struct cv_second *s, const struct cv_task_record *record)
{
	CV_AUTO(cv_text_fini) struct cv_text plain = { 0 }, escaped = { 0 };
	struct cv_err err = { .code = CV_OK };

	cv_text_unescape(&plain, (struct cv_bytes){ (const char *)record->bytes, record->len });
	cv_text_escape(&escaped, (struct cv_bytes){ cv_text_str(&plain), plain.len });
	cv_fail(&err, CV_EIO, "%s", plain.failed || escaped.failed ? "out of memory" : cv_text_str(&escaped));
	set_trouble(s, err.text);
}

static bool hear(struct cv_second *s, const struct cv_task_record *record)
{
	struct cv_progress_record progress;
	struct cv_difference_record difference;
	struct cv_checked_record checked;

	if (record->kind == CV_VERIFY_PROGRESS && record->len == sizeof progress) {
		memcpy(&progress, record->bytes, sizeof progress);
		s->done = progress.done > s->done ? progress.done : s->done;
	} else if (record->kind == CV_VERIFY_DIFFERENCE && record->len == sizeof difference) {
		memcpy(&difference, record->bytes, sizeof difference);
		add_difference(s->result, difference.at);
	} else if (record->kind == CV_VERIFY_TROUBLE && record->len < sizeof s->trouble) {
		hear_trouble(s, record);
	} else if (record->kind == CV_VERIFY_CHECKED && record->len == sizeof checked && !s->answered) {
		memcpy(&checked, record->bytes, sizeof checked);
		s->answered = adds_up(&checked) && checked.done == checked.size;
		if (s->answered)
			settle(s, &checked);
		s->done = checked.size;
		return s->answered;
	} else {
		return false;
	}
	return true;
}

/* --- when it dies ----------------------------------------------------------------------------------------------- */

/* What is known without the library's last process; false if that makes no sense. */
static bool last_state(const struct cv_second *s, struct cv_checked_record *state, struct cv_range *asked)
{
	*asked = s->mark->asked;
	*state = s->mark->states[s->mark->current & 1];
	return asked->len && asked->len <= CV_CONTENT_PIECE && adds_up(state) && asked->off >= state->done &&
	       asked->off - state->done < CV_CONTENT_PIECE && asked->off < state->size &&
	       asked->len <= state->size - asked->off;
}

static bool avoid(struct cv_check_request *request, struct cv_range asked, uint64_t size, enum cv_gate_id why)
{
	size_t n = request->avoided_count;
	const struct cv_range *last = n ? &request->avoided[n - 1].at : NULL;

	if (n == CV_CHECK_RESTARTS)
		return false;
	if (last && last->off + last->len == asked.off && last->len < size / WIDER)
		asked.len = last->len * WIDER;
	if (asked.len > size - asked.off)
		asked.len = size - asked.off;
	request->avoided[request->avoided_count++] = (struct cv_avoided){ asked, why };
	return true;
}

/* The rest of the disk was not looked at. */
static void give_up(struct cv_second *s, struct cv_checked_record *state)
{
	state->gated[CV_GATE_REST] += state->size - state->done;
	state->done = state->size;
	add_difference(s->result, state->difference);
	settle(s, state);
}

/* Goes on behind the range that the library died over, if it did. */
static bool go_on(struct cv_second *s, const struct cv_err *died, struct cv_err *err)
{
	enum cv_gate_id why = died->code == CV_ELIMIT ? CV_GATE_HANG : CV_GATE_CRASH;
	struct cv_checked_record state;
	struct cv_range asked;

	if (!last_state(s, &state, &asked)) {
		*err = *died;
		return false;
	}
	set_trouble(s, died->text);
	if (why == CV_GATE_HANG && !s->request.avoided_count)
		s->options.stall_seconds = (s->options.stall_seconds + LESS_PATIENCE - 1) / LESS_PATIENCE;
	if (!avoid(&s->request, asked, state.size, why)) {
		give_up(s, &state);
		return true;
	}
	s->request.from = state;
	return start_process(s, err);
}

static void fail(struct cv_second *s, const struct cv_err *err)
{
	struct cv_second_result *r = s->result;

	s->trouble[0] = '\0';
	set_trouble(s, err->text);
	r->verdict = CV_SECOND_FAILED;
	r->compared = 0;
	r->gap_count = 0;
	/* what it found before it failed is not forgotten */
	for (size_t i = 0; i < r->difference_count; i++) {
		r->verdict = CV_SECOND_DIFFER;
		r->differing += r->differences[i].len;
	}
}

bool cv_second_listen(struct cv_second *s)
{
	struct cv_err died = { .code = CV_OK }, err = { .code = CV_OK };
	enum cv_task_state state = CV_TASK_WAIT;
	struct cv_task_record record;

	while (s->task && (state = cv_task_next(s->task, 0, &record, &died)) == CV_TASK_RECORD)
		if (!hear(s, &record)) {
			cv_fail(&err, CV_EFORMAT, "the reading process gave a damaged answer");
			break;
		}
	if (!s->task || state == CV_TASK_WAIT)
		return s->task != NULL;
	cv_task_free(cv_take(s->task));
	if (state == CV_TASK_DONE && !s->answered)
		cv_fail(&err, CV_EFORMAT, "the reading process ended without an answer");
	else if (state == CV_TASK_FAILED)
		go_on(s, &died, &err);
	if (err.code)
		fail(s, &err);
	return s->task != NULL;
}

int cv_second_poll_fd(const struct cv_second *s)
{
	return cv_task_poll_fd(s->task);
}

uint64_t cv_second_done(const struct cv_second *s)
{
	return s->done;
}

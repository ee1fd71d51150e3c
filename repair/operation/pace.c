/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How fast an operation goes, and where it may be stopped: at points that it comes to often, somebody who waits for one of
 * its images is looked for, the caller is asked, and it waits as long as it is to.
 */
#include "repair/operation/work.h"
#include <linux/ioprio.h>

/* Nothing waits longer without looking; what may be done at once after a time with nothing to do. */
enum { SLICE_MS = 100, CREDIT_MS = 1000 };
#define LEAST_PIECE ((uint64_t)64 << 10)

bool cv_work_is_exclusive(const struct cv_work *work)
{
	return work->monitor && work->monitor->exclusive;
}

/* Best effort, and the last of those: "ionice -c 2 -n 7". What the user has chosen is left as it is. */
void cv_work_step_back(struct cv_work *work)
{
	const struct cv_io *io = work->w->io;
	int now = io->priority(io, -1);

	if (work->pace.lowered || now < 0 || IOPRIO_PRIO_CLASS(now) != IOPRIO_CLASS_NONE)
		return;
	work->pace.before = now;
	work->pace.lowered = io->priority(io, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 7)) >= 0;
}

void cv_work_step_forward(struct cv_work *work)
{
	if (work->pace.lowered)
		work->w->io->priority(work->w->io, work->pace.before);
	work->pace.lowered = false;
}

static uint64_t ms_for(uint64_t bytes, uint64_t rate)
{
	uint64_t rest;

	if (__builtin_mul_overflow(bytes % rate, UINT64_C(1000), &rest) || bytes / rate > UINT64_MAX / 2000)
		return 0;
	return bytes / rate * 1000 + rest / rate;
}

static void count_from(struct cv_pace *pace, const char *what, uint64_t done, uint64_t now)
{
	pace->what = what;
	pace->done = done;
	pace->ms = now;
}

/* For so long it has to wait until what is done was not too much. */
static uint64_t too_early(struct cv_pace *pace, uint64_t rate, const char *what, uint64_t done, uint64_t now)
{
	uint64_t due;

	if (!pace->what || strcmp(pace->what, what) || done < pace->done)
		count_from(pace, what, done, now);
	due = pace->ms + ms_for(done - pace->done, rate);
	if (now >= due + CREDIT_MS)
		count_from(pace, what, done, now);
	return now < due ? due - now : 0;
}

/* Waits for a little, if it is paused. */
static bool pauses(struct cv_work *work, const char *what, uint64_t done)
{
	const struct cv_monitor *m = work->monitor;
	const struct cv_io *io = work->w->io;

	if (!m || !m->paused || !m->paused(m->ctx))
		return false;
	io->nap(io, SLICE_MS);
	count_from(&work->pace, what, done, io->clock_ms(io));
	return true;
}

/* Waits for a little, if it is to wait. */
static bool waits(struct cv_work *work, const char *what, uint64_t done)
{
	const struct cv_monitor *m = work->monitor;
	const struct cv_io *io = work->w->io;
	uint64_t now = io->clock_ms(io), ms;

	if (pauses(work, what, done))
		return true;
	ms = m && m->rate ? too_early(&work->pace, m->rate, what, done, now) : 0;
	if (ms)
		io->nap(io, ms < SLICE_MS ? ms : SLICE_MS);
	return ms != 0;
}

static bool asks(struct cv_work *work, const char *what, uint64_t done, uint64_t total, struct cv_err *err)
{
	if (!work->monitor || !work->monitor->tick || work->monitor->tick(work->monitor->ctx, what, done, total))
		return true;
	return cv_fail(err, CV_ECANCELLED, "cancelled");
}

bool cv_work_item(struct cv_work *work, const char *what, size_t i, struct cv_err *err)
{
	if (!i)
		work->done = work->total = 0;
	for (size_t k = 0; !i && k < work->item_count; k++)
		work->total += work->items[k].allocated;
	work->done += i ? work->items[i - 1].allocated : 0;
	while (asks(work, what, work->done, work->total, err)) {
		if (!pauses(work, what, work->done))
			return true;
		if (!cv_work_look(work, err))
			return false;
	}
	return false;
}

bool cv_work_batch(struct cv_work *work, const char *what, uint64_t done, uint64_t total, struct cv_err *err)
{
	cv_work_step_back(work);
	do {
		if (!cv_work_look(work, err) || !asks(work, what, done, total, err))
			return false;
	} while (waits(work, what, done));
	return true;
}

uint64_t cv_work_piece(const struct cv_work *work, uint64_t usual)
{
	uint64_t slow = work->monitor && work->monitor->rate ? work->monitor->rate / 4 & ~(LEAST_PIECE - 1) : usual;

	if (slow < LEAST_PIECE)
		slow = LEAST_PIECE;
	return slow < usual ? slow : usual;
}

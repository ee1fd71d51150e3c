/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The job behind the space view: one frame says that it is computed, then it is. Layout and rows are not here.
 */
#include <poll.h>
#include <unistd.h>

#include "tui/console_model.h"

static void drop(struct cv_space_job *job)
{
	cv_space_free(job->owned);
	job->owned = NULL;
	job->space = NULL;
	job->lines.len = 0;
	job->why[0] = '\0';
}

void cv_space_end(struct cv_console *c)
{
	drop(&c->space);
	free(c->space.lines.at);
	c->space = (struct cv_space_job){ 0 };
	cv_touch(c, 1u << CV_VIEW_SPACE);
}

void cv_space_forget(struct cv_console *c)
{
	if (c->space.state == CV_JOB_NONE)
		return;
	drop(&c->space);
	c->space.state = CV_JOB_WANTED;
}

/* The repository that the view on top is about. */
static struct cv_ident repository_at_hand(const struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));
	size_t row = c->view[CV_VIEW_REPOSITORIES].list.cursor;

	if (cv_top(c) == CV_VIEW_TREE && c->scoped)
		return c->scope;
	if (image && image->repository < c->snap.repository_count)
		row = image->repository;
	return c->shown && row < c->snap.repository_count ? cv_repository_ident(c->snap.repositories[row])
							   : (struct cv_ident){ 0 };
}

void cv_space_want(struct cv_console *c)
{
	if (cv_top(c) == CV_VIEW_SPACE) {
		cv_space_forget(c);
	} else {
		c->space.repository = repository_at_hand(c);
		c->view[CV_VIEW_SPACE].list = (struct cv_list){ 0 };
	}
	if (c->space.state == CV_JOB_NONE || c->space.state == CV_JOB_FAILED)
		c->space.state = CV_JOB_WANTED;
	cv_touch(c, 1u << CV_VIEW_SPACE);
	cv_push_view(c, CV_VIEW_SPACE);
}

/* The call cannot be stepped, so a key that waits at the terminal ends it, when the model asks: that is while it waits
 * for a slow tree. The loop reads that key afterwards. */
static bool key_waits(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&in, 1, 0) > 0;
}

static void compute(struct cv_console *c)
{
	struct cv_space_options how = { .stop = key_waits };
	struct cv_space_job *job = &c->space;
	struct cv_err err = { 0 };

	drop(job);
	job->owned = cv_space_compute(c->snap.graph, &how, &err);
	job->space = job->owned;
	job->state = job->owned ? CV_JOB_DONE : CV_JOB_FAILED;
	if (!job->owned)
		snprintf(job->why, sizeof job->why, "%s", err.text);
	else if (job->owned->cancelled)
		cv_console_say(c, "stopped by a key: not everything is counted; o computes again");
	cv_touch(c, 1u << CV_VIEW_SPACE);
	cv_settle(c);
}

bool cv_space_tick(struct cv_console *c, unsigned *fx)
{
	struct cv_space_job *job = &c->space;

	if (job->state == CV_JOB_NONE)
		return false;
	if (!cv_on_stack(c, CV_VIEW_SPACE)) {
		cv_space_end(c);
		return false;
	}
	if (cv_top(c) != CV_VIEW_SPACE || !c->shown || c->scanning)
		return false;
	if (c->snap.graph->partial) {
		*fx |= job->state != CV_JOB_FAILED ? FX_REDRAW : 0;
		job->state = CV_JOB_FAILED;
		snprintf(job->why, sizeof job->why, "The scan was stopped; R reads everything.");
		return false;
	}
	if (job->state == CV_JOB_WANTED) {
		/* the frame that says so is drawn before the next call */
		job->state = CV_JOB_RUNNING;
		*fx |= FX_REDRAW;
		return true;
	}
	if (job->state == CV_JOB_RUNNING) {
		compute(c);
		*fx |= FX_REDRAW;
	}
	return false;
}

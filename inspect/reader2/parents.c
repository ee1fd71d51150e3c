/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The comparison of two parents as the program sees it: which files it takes, and what came out. See parents.h. */
#include "inspect/map/files.h"
#include "inspect/reader2/parents.h"
#include "inspect/reader2/second.h"
#include "inspect/reader2/tasks.h"

enum { STEP_MS = 100 };

/* The files of both chains, each once. */
struct files {
	struct cv_chain_files now, then;     /* now: with the image in front */
	struct cv_task_image *all;
	size_t count;
	struct cv_parents_request request;
};

static void files_fini(struct files *f)
{
	cv_chain_files_fini(&f->now);
	cv_chain_files_fini(&f->then);
	free(f->all);
}

/* How many images both chains end with. */
static size_t common_end(const struct cv_chain_files *a, const struct cv_chain_files *b)
{
	size_t n = 0;

	while (n + 1 < a->count && n < b->count && a->list[a->count - 1 - n] == b->list[b->count - 1 - n])
		n++;
	return n;
}

static bool files_open(struct files *f, const struct cv_graph *g, uint32_t image, uint32_t parent, struct cv_err *err)
{
	size_t both;

	if (!cv_second_open(g, image, &f->now, err) || (parent != CV_NO_IMAGE && !cv_second_open(g, parent, &f->then, err)))
		return false;
	both = common_end(&f->now, &f->then);
	f->request.now = (uint32_t)(f->now.count - 1 - both);
	f->request.then = (uint32_t)(f->then.count - both);
	f->all = calloc(f->now.count + f->then.count, sizeof *f->all);
	if (!f->all)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < f->now.count - both; i++)
		f->all[f->count++] = f->now.images[i];
	for (size_t i = 0; i < f->then.count - both; i++)
		f->all[f->count++] = f->then.images[i];
	for (size_t i = f->now.count - both; i < f->now.count; i++)
		f->all[f->count++] = f->now.images[i];
	return true;
}

/* The task takes what it was given; what both chains have was opened twice, and the second one is left to be closed. */
static struct cv_task *start(struct files *f, struct cv_err *err)
{
	size_t both = f->then.count - f->request.then;
	struct cv_task *task = cv_task_start(f->all, f->count, cv_parents_task, &f->request, sizeof f->request, NULL, err);

	cv_chain_files_taken(&f->now);
	for (size_t i = 0; i + both < f->then.count; i++)
		f->then.images[i].fd = f->then.images[i].data_fd = -1;
	return task;
}

static bool hear(const struct cv_task_record *record, uint64_t *done, struct cv_parents_result *result, bool *known,
		 struct cv_err *err)
{
	struct cv_progress_record p;

	if (record->kind == CV_VERIFY_PROGRESS && record->len == sizeof p) {
		memcpy(&p, record->bytes, sizeof p);
		*done = p.done;
		return true;
	}
	if (record->kind != CV_PARENTS_RESULT || record->len != sizeof *result)
		return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer");
	memcpy(result, record->bytes, sizeof *result);
	*known = true;
	return true;
}

static bool listen_to(struct cv_task *task, uint64_t total, const struct cv_parents_watch *watch,
		      struct cv_parents_result *result, struct cv_err *err)
{
	struct cv_task_record record;
	bool known = false;
	uint64_t done = 0;

	for (;;) {
		switch (cv_task_next(task, STEP_MS, &record, err)) {
		case CV_TASK_RECORD:
			if (!hear(&record, &done, result, &known, err))
				return false;
			break;
		case CV_TASK_DONE:
			return known || cv_fail(err, CV_EFORMAT, "the reading process ended without an answer");
		case CV_TASK_FAILED:
			return false;
		case CV_TASK_WAIT:
			break;
		}
		if (watch && !watch->tick(watch->ctx, done, total))
			return cv_fail(err, CV_ECANCELLED, "cancelled");
	}
}

bool cv_parents_compare(const struct cv_graph *g, uint32_t image, uint32_t parent, const struct cv_parents_units *units,
			const struct cv_parents_watch *watch, struct cv_parents_result *result, struct cv_err *err)
{
	CV_AUTO(files_fini) struct files f = { .request = { .unit = units ? units->unit : 512, .whole = units && units->whole } };
	struct cv_task *task;
	bool ok;

	*result = (struct cv_parents_result){ 0 };
	if (!files_open(&f, g, image, parent, err))
		return false;
	task = start(&f, err);
	ok = task && listen_to(task, g->images[image].virtual_size, watch, result, err);
	cv_task_free(task);
	return ok;
}

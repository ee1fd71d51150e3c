/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Opens the images of several links and has their samples taken in one process. */
#include <chainview/digest.h>
#include "inspect/fingerprint/links.h"
#include "inspect/map/files.h"
#include "inspect/reader2/tasks.h"

/* Enough that starting a process does not count, and few enough for a usual limit of open files. */
#define MOST_JOBS 64u
#define MOST_FILES 128u

struct batch {
	struct cv_sample_job *jobs;
	size_t *links;                   /* the link of each job */
	struct cv_task_image *images;
	size_t job_count, image_count, image_room;
};

static void batch_fini(struct batch *b)
{
	for (size_t i = 0; i < b->image_count; i++) {
		cv_auto_close(&b->images[i].fd);
		cv_auto_close(&b->images[i].data_fd);
	}
	free(b->jobs);
	free(b->links);
	free(b->images);
}

static bool make_room(struct batch *b, size_t more)
{
	struct cv_task_image *images;

	if (b->image_count + more <= b->image_room)
		return true;
	images = realloc(b->images, (b->image_count + more) * sizeof *images);
	if (!images)
		return false;
	b->images = images;
	b->image_room = b->image_count + more;
	return true;
}

/* The child and the chain of the parent; nothing is added if one of them cannot be opened. */
static bool add_link(struct batch *b, const struct cv_graph *g, const struct cv_link *link, size_t number)
{
	CV_AUTO(cv_chain_files_fini) struct cv_chain_files files = { 0 };
	struct cv_sample_job *job = &b->jobs[b->job_count];
	const struct cv_file *data;
	struct cv_err err = { CV_OK };

	if (!cv_chain_files_open(link->parent_graph ? link->parent_graph : g, link->parent, &files, &err) ||
	    files.incomplete || !make_room(b, files.count + 1) ||
	    !cv_image_file_open(g, link->child, &b->images[b->image_count], &data, &err))
		return false;
	memcpy(b->images + b->image_count + 1, files.images, files.count * sizeof *files.images);
	cv_chain_files_taken(&files);
	*job = (struct cv_sample_job){ .images = (uint32_t)files.count + 1 };
	b->image_count += job->images;
	if (link->known) {
		job->known = link->known->count;
		memcpy(job->samples, link->known->samples, sizeof job->samples);
	}
	b->links[b->job_count++] = number;
	return true;
}

static bool take_record(const struct batch *b, struct cv_link *links, const struct cv_task_record *r)
{
	struct cv_sample_record record;
	struct cv_link *link;

	if (r->kind != 1 || r->len != sizeof record)
		return false;
	memcpy(&record, r->bytes, sizeof record);
	if (record.job >= b->job_count || record.fresh_count > CV_SAMPLES)
		return false;
	link = &links[b->links[record.job]];
	link->record = record;
	link->done = !record.failed;
	return true;
}

static bool run(struct batch *b, struct cv_link *links, struct cv_err *err)
{
	struct cv_task *task = cv_task_start(b->images, b->image_count, cv_sample_task, b->jobs,
					     b->job_count * sizeof *b->jobs, NULL, err);
	struct cv_task_record record;
	struct cv_err trouble = { CV_OK };

	b->image_count = 0;              /* the descriptors are taken, also when it fails */
	if (!task)
		return false;
	while (cv_task_next(task, -1, &record, &trouble) == CV_TASK_RECORD && take_record(b, links, &record))
		;
	cv_task_free(task);
	return true;
}

bool cv_links_batch(const struct cv_graph *g, struct cv_link *links, size_t count, size_t *next, struct cv_err *err)
{
	CV_AUTO(batch_fini) struct batch b = {
		.jobs = calloc(MOST_JOBS, sizeof *b.jobs), .links = calloc(MOST_JOBS, sizeof *b.links),
	};

	if (!b.jobs || !b.links)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_digest_prepare(err))
		return false;
	cv_task_room(2 * MOST_FILES);
	for (; *next < count && b.job_count < MOST_JOBS && b.image_count < MOST_FILES; ++*next)
		add_link(&b, g, &links[*next], *next);
	return !b.job_count || run(&b, links, err);
}

struct cv_fingerprint_match cv_link_match(const struct cv_link *link)
{
	struct cv_fingerprint_match m = { .first_difference = UINT64_MAX };

	for (uint32_t i = 0; i < link->known->count; i++) {
		uint8_t state = link->record.state[i];
		bool differs = state == CV_SAMPLE_DIFFERS;

		m.compared += differs || state == CV_SAMPLE_SAME;
		m.differing += differs;
		if (differs && link->known->samples[i].off < m.first_difference)
			m.first_difference = link->known->samples[i].off;
	}
	return m;
}

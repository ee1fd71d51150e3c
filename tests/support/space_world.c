/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Scan, graph and accounting of a folder, one after the other, with no patience for trouble. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/support/space_world.h"

void world_scan(struct world *w, const char *folder, const char *refs)
{
	const struct cv_place place = { .path = folder };
	struct cv_err err = { 0 };

	*w = (struct world){ 0 };
	w->scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	if (!w->scan)
		fail_msg("%s", err.text);
	while (cv_scan_step(w->scan, -1))
		;
	w->refs = cv_references_read(refs, w->scan, &err);
	w->graph = w->refs ? cv_graph_build(w->scan, w->refs, NULL, NULL, &err) : NULL;
	if (!w->graph)
		fail_msg("%s", err.text);
}

void world_open(struct world *w, const char *folder, const char *refs, const struct cv_space_options *options)
{
	world_scan(w, folder, refs);
	world_survey(w, options);
}

void world_survey(struct world *w, const struct cv_space_options *options)
{
	struct cv_err err = { 0 };
	struct cv_survey *survey = cv_survey_new(w->graph, options, &err);

	cv_space_free(w->space);
	while (survey && cv_survey_step(survey, -1))
		;
	w->space = survey ? cv_survey_take(survey, &err) : NULL;
	if (!w->space)
		fail_msg("%s", err.text);
}

void world_close(struct world *w)
{
	cv_space_free(w->space);
	cv_graph_free(w->graph);
	cv_references_free(w->refs);
	cv_scan_free(w->scan);
}

uint32_t world_image(const struct world *w, const char *id)
{
	for (uint32_t i = 0; i < w->graph->image_count; i++)
		if (!strcmp(w->graph->images[i].id, id))
			return i;
	fail_msg("there is no image %s", id);
	return 0;
}

static uint64_t sum_of(const struct cv_space_image *m)
{
	uint64_t sum = 0;

	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		sum += m->bytes[c];
	return sum;
}

void world_assert_sums(const struct world *w, const char *what)
{
	for (uint32_t i = 0; i < w->graph->image_count; i++) {
		const struct cv_space_image *m = &w->space->images[i];

		if (!m->known && (!m->why || !*m->why))
			fail_msg("%s: %s is not computed, without a reason", what, w->graph->images[i].id);
		if (m->known && sum_of(m) != w->graph->images[i].file->allocated)
			fail_msg("%s: the classes of %s make %" PRIu64 ", it has %" PRIu64, what,
				 w->graph->images[i].id, sum_of(m), w->graph->images[i].file->allocated);
	}
}

uint64_t world_on_disk(const char *folder, const char *name)
{
	char *path = NULL;
	struct stat st;
	int fd;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && !fsync(fd) && !fstat(fd, &st));
	close(fd);
	free(path);
	return (uint64_t)st.st_blocks * 512;
}

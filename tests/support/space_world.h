/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A folder that was scanned and whose space was computed, for tests of the accounting. */
#ifndef CV_TESTS_SUPPORT_SPACE_WORLD_H
#define CV_TESTS_SUPPORT_SPACE_WORLD_H

#include <chainview/space.h>

struct world {
	struct cv_scan *scan;
	struct cv_references *refs;
	struct cv_graph *graph;
	struct cv_space *space;
};

/* All of it; options may be NULL. Fails the test if it cannot be done. */
void world_open(struct world *w, const char *folder, const char *refs, const struct cv_space_options *options);
/* Up to the graph. */
void world_scan(struct world *w, const char *folder, const char *refs);
/* The rest, or once more with other options on the same graph. */
void world_survey(struct world *w, const struct cv_space_options *options);
void world_close(struct world *w);
uint32_t world_image(const struct world *w, const char *id);
/* The classes of every image make up what is on disk, or there is a reason. */
void world_assert_sums(const struct world *w, const char *what);
/* What a file takes up, once all of it is written. */
uint64_t world_on_disk(const char *folder, const char *name);

#endif

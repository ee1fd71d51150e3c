/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Graphs made by hand: a repository, images with parents, findings; without files, scans or clocks, so that
 * what is drawn of them is the same everywhere.
 */
#ifndef TESTS_SUPPORT_HANDMADE_H
#define TESTS_SUPPORT_HANDMADE_H

#include <chainview/graph.h>

#include "tui/console.h"

struct handmade {
	struct cv_repository *repositories;
	const struct cv_repository **repository_list;
	size_t repository_count;
	struct cv_file *files;
	struct cv_facts *facts;
	struct cv_image *images;
	struct cv_finding *findings;
	uint32_t *children, *roots;
	char **paths;
	size_t cap, count, finding_count;
	struct cv_references refs;
	struct cv_claim_source source;
	struct cv_graph graph;
	struct cv_snapshot snapshot;
};

/* Room for cap images. */
void handmade_init(struct handmade *h, size_t repositories, size_t cap);
void handmade_fini(struct handmade *h);
/* An image in repository r; parent is an index or CV_NO_IMAGE. Inodes count from 1000 in order of adding unless
 * changed afterwards. Returns it, to be changed before handmade_finish(). */
struct cv_image *handmade_add(struct handmade *h, uint32_t r, const char *id, uint32_t parent, uint64_t allocated);
void handmade_find(struct handmade *h, enum cv_problem_id id, uint32_t image, struct cv_arg a, struct cv_arg b);
/* Children, roots, depths, roles, counts; then h->snapshot can be shown. */
void handmade_finish(struct handmade *h);
/* The repository of the screens: chains of VHD and QCOW2, an orphan, a missing parent, hostile names. */
void handmade_house(struct handmade *h);

#endif

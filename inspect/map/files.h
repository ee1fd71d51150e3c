/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The files of a chain, opened for a task: for everything that works on the blocks of chains of a graph. */
#ifndef CV_INSPECT_MAP_FILES_H
#define CV_INSPECT_MAP_FILES_H

#include <chainview/graph.h>
#include "inspect/sandbox/task.h"

struct cv_chain_files {
	struct cv_task_image *images;   /* for cv_task_start(), which takes the descriptors */
	uint32_t *list;                 /* the images in the graph */
	const struct cv_file **data;    /* data files; NULL for images that hold their data themselves */
	size_t count;
	bool incomplete;                /* the last one has a parent that is not among them */
	struct cv_text why;             /* then: one escaped line */
};

/*
 * Opens an image and the images below it. A parent that is not there or cannot be opened ends the chain, which is
 * incomplete then; false only if the image itself cannot be opened. cv_chain_files_fini() is always fine.
 */
bool cv_chain_files_open(const struct cv_graph *g, uint32_t image, struct cv_chain_files *files, struct cv_err *err);
/* All of them are to be read as far as they can be. */
void cv_chain_files_damaged(struct cv_chain_files *files);
/* Closes what is still open. */
void cv_chain_files_fini(struct cv_chain_files *files);
/* Once they are taken by cv_task_start(): forgets the descriptors. */
void cv_chain_files_taken(struct cv_chain_files *files);

/* Opens one image of the graph (and its data file, *data) for a task. */
bool cv_image_file_open(const struct cv_graph *g, uint32_t image, struct cv_task_image *out,
			const struct cv_file **data, struct cv_err *err);

#endif

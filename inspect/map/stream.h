/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Inside of maps: one that is being received. */
#ifndef CV_INSPECT_MAP_STREAM_H
#define CV_INSPECT_MAP_STREAM_H

#include <chainview/map.h>
#include "inspect/map/files.h"
#include "inspect/map/wire.h"

struct cv_map {
	const struct cv_graph *g;
	struct cv_chain_files files;
	struct cv_task *task;
	struct cv_map_layer *layers;
	struct cv_map_info info;
	bool ready;
	char why[480];               /* why the next layer cannot be opened, as the task said it */
	uint64_t pos;                /* where the next extent begins */
	struct cv_extents list;
	struct cv_map_place *place;  /* being filled; NULL: nobody asked for words */
	bool inflates;               /* bytes of compressed extents are told */
	struct cv_range inflating;   /* what is missing of the bytes of the compressed extent that was told last */
	const uint8_t *bytes;        /* the record that was heard last, when it gave no extents */
	size_t bytes_len;
};

/* cv_map_open(), and with words also what each layer says about the first offset. */
struct cv_map *cv_map_begin(const struct cv_graph *g, uint32_t image, const struct cv_map_options *options, bool words,
			    struct cv_err *err);
/* For those who copy: over files that they have opened (taken; what they say about damage holds). A compressed extent is the last that cv_map_next() gives
 * at once; then it says CV_MAP_EXTENTS with none, and bytes and bytes_len are some of its guest bytes, until all were told. */
struct cv_map *cv_map_begin_bytes(const struct cv_graph *g, struct cv_chain_files *files, struct cv_err *err);
/* place.c: one layer's word. */
bool cv_map_hear_word(struct cv_map *map, const struct cv_task_record *r, struct cv_err *err);

#endif

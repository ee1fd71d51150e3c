/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the process that maps a chain is asked, and the records that it answers with. Both sides are one program. */
#ifndef CV_INSPECT_MAP_WIRE_H
#define CV_INSPECT_MAP_WIRE_H

#include "inspect/sandbox/task.h"

struct cv_map_request {
	struct cv_range range;       /* len 0: up to the end of the disk */
	bool incomplete;             /* the last image has a parent that is not here */
	bool words;                  /* also what each layer says about range.off */
	bool bytes;                  /* also the guest bytes of what is compressed; encrypted images fail */
};

enum cv_map_record {
	CV_MAP_HEAD = 1,             /* struct cv_map_head, then a struct cv_map_head_layer for each layer */
	CV_MAP_WHY,                  /* text: why the image after the last layer cannot be opened; before the head */
	CV_MAP_PIECE,                /* struct cv_map_packed, as many as fit */
	CV_MAP_WORD,                 /* struct cv_map_said, then text */
	CV_MAP_BYTES,                /* guest bytes of the compressed extent that was told last, from where the record before
				      * of this kind ended; each at most CV_MAP_BYTES_MAX, until it is complete */
};

struct cv_map_head {
	struct cv_range range;
	uint64_t size;
	uint32_t count, incomplete;
};

struct cv_map_head_layer {
	uint64_t size;
	uint32_t block_size, zero;
};

struct cv_map_packed {
	uint64_t off, len, host;
	uint32_t layer;
	uint8_t kind, placed, compressed, why;
};

struct cv_map_said {
	struct cv_map_packed extent;
	uint32_t layer, zero;
};

#define CV_MAP_PACKED_MAX 16384u
#define CV_MAP_BYTES_MAX ((size_t)512 << 10)

static inline struct cv_map_packed cv_map_pack(const struct cv_extent *e)
{
	return (struct cv_map_packed){ e->at.off, e->at.len, e->host, e->layer, (uint8_t)e->kind, e->placed,
				       e->compressed, e->why };
}

/* cv_extents_add() looks at the rest; a flag is set or not. */
static inline struct cv_extent cv_map_unpack(const struct cv_map_packed *p)
{
	return (struct cv_extent){ .at = { p->off, p->len }, .kind = (enum cv_extent_kind)p->kind,
				   .placed = p->placed != 0, .compressed = p->compressed != 0, .host = p->host,
				   .layer = p->layer, .why = p->why };
}

/* work.c; the request is a struct cv_map_request. */
cv_task_function cv_map_work;

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes a new QCOW2 file whose guest clusters come in ascending order: an L2 table is written when the walk leaves
 * what it maps, so memory is the L1 table, one L2 table, and one word for each refcount block. In the file:
 *
 *   header | L1 | L2, its clusters, L2, its clusters ... | refcount blocks | refcount table
 *
 * Until cv_qcow2_stream_end() has succeeded the file has no header, so that nothing can take it for an image.
 * "qemu-img check" has nothing to say about what was made this way.
 */
#ifndef CV_REPAIR_QCOW2_STREAM_H
#define CV_REPAIR_QCOW2_STREAM_H

#include "repair/qcow2/encode.h"
#include <chainview/vec.h>

/* A host cluster that more than one compressed cluster lies in. */
struct cv_qcow2_shared {
	uint64_t cluster;
	uint32_t count;
};
CV_VEC(cv_qcow2_shared_vec, struct cv_qcow2_shared);
CV_VEC(cv_qcow2_place_vec, cv_be64);

struct cv_qcow2_stream {
	const struct cv_file_out *out;
	struct cv_qcow2_image image;
	bool map_all; /* every guest cluster gets a place, in order */
	uint64_t cluster_size, per_l2;
	uint64_t guest_clusters;
	uint64_t most;    /* clusters that a file with these counters can have */
	uint64_t end;     /* clusters of the file so far */
	cv_be64 *l1, *l2; /* as they will lie in the file */
	uint64_t l1_entries, l1_clusters;
	uint64_t region, l2_cluster;       /* which L1 entry l2 belongs to, UINT64_MAX: none; where it will lie */
	uint64_t next;                     /* map_all: the first guest cluster that has no place yet */
	uint64_t pack_end;                 /* byte behind the last compressed cluster; 0: there was none */
	uint64_t pack_cluster;             /* the host cluster in which that lies */
	uint32_t pack_count;               /* compressed clusters in there so far */
	struct cv_qcow2_shared_vec shared; /* of clusters whose refcount block is not written yet, ascending */
	struct cv_qcow2_place_vec blocks;  /* the refcount table so far: blocks that are written */
};

/* Borrows out. Refuses sizes that these clusters cannot map. */
bool cv_qcow2_stream_begin(struct cv_qcow2_stream *s, const struct cv_file_out *out, const struct cv_qcow2_image *image,
			   bool map_all, struct cv_err *err);
/* Where the bytes of a range of the disk go, as place() of struct cv_target_format has it. */
bool cv_qcow2_stream_place(struct cv_qcow2_stream *s, struct cv_range range, uint64_t *host, uint64_t *run,
			   struct cv_err *err);
/* Whole clusters (the last one as much of it as the disk has) read as zeros whatever the backing file has; version 3. */
bool cv_qcow2_stream_zero(struct cv_qcow2_stream *s, struct cv_range range, struct cv_err *err);
/* Writes one guest cluster in its compressed form, which has fewer bytes than a cluster. */
bool cv_qcow2_stream_pack(struct cv_qcow2_stream *s, uint64_t guest_cluster, const void *packed, size_t len,
			  struct cv_err *err);
/* Writes tables and counters and, last, the header. The file has its length then. */
bool cv_qcow2_stream_end(struct cv_qcow2_stream *s, struct cv_err *err);
void cv_qcow2_stream_fini(struct cv_qcow2_stream *s);

/* The most clusters that a file of so many guest clusters with data has, those included. */
uint64_t cv_qcow2_stream_clusters(const struct cv_qcow2_stream *s, uint64_t guest_clusters);

/* Between stream.c and stream_counts.c. */
bool cv_qcow2_stream_allocate(struct cv_qcow2_stream *s, uint64_t count, uint64_t *first, struct cv_err *err);
/* Writes those refcount blocks whose clusters all lie below limit: their counters do not change any more. */
bool cv_qcow2_stream_write_blocks(struct cv_qcow2_stream *s, uint64_t limit, struct cv_err *err);
/* All that is left of them, and the table; where that lies. */
bool cv_qcow2_stream_write_counts(struct cv_qcow2_stream *s, struct cv_qcow2_tables *tables, struct cv_err *err);

#endif

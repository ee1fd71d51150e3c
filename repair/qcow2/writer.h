/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Makes a new QCOW2 file, from the front to the back: guest clusters in any order, internal snapshots between
 * them, and everything that counts and points at the end. Until cv_qcow2_end() has succeeded the file has no
 * header, so that nothing can take it for an image.
 *
 * A file that was made this way has nothing to say for "qemu-img check".
 */
#ifndef CV_REPAIR_QCOW2_WRITER_H
#define CV_REPAIR_QCOW2_WRITER_H

#include "repair/qcow2/encode.h"
#include <chainview/vec.h>

/* An L2 table: of the active layer, of a snapshot, or of both. */
struct cv_qcow2_l2 {
	uint64_t *entries; /* host order, without the COPIED bit */
	uint64_t cluster;  /* where it will lie */
	bool active;
};
CV_VEC(cv_qcow2_l2_vec, struct cv_qcow2_l2);
CV_VEC(cv_qcow2_count_vec, uint32_t);

struct cv_qcow2_snapshot {
	struct cv_bytes name; /* borrowed */
	uint32_t seconds;     /* since 1970 */
	uint64_t vm_state_size;
	uint32_t *l1;     /* as cv_qcow2_writer.l1 */
	uint64_t cluster; /* of its L1 table */
};
CV_VEC(cv_qcow2_snapshot_vec, struct cv_qcow2_snapshot);

struct cv_qcow2_writer {
	const struct cv_file_out *out; /* metadata, and guest data unless data_out is set */
	const struct cv_file_out *data_out;
	struct cv_qcow2_image image;
	uint64_t cluster_size;
	uint32_t per_l2, l1_entries, disk_l1_entries;
	uint32_t *l1; /* index into l2 plus one; 0 = none */
	struct cv_qcow2_l2_vec l2;
	struct cv_qcow2_count_vec counts; /* references to each cluster of the file */
	struct cv_qcow2_snapshot_vec snapshots;
	uint64_t pack_end; /* byte behind the last compressed cluster; 0: there was none */
	/* Where the tables went, valid after cv_qcow2_end(). */
	uint64_t l1_cluster, snapshot_cluster, refcount_cluster, refcount_clusters, directory_cluster;
	uint64_t snapshot_bytes, directory_bytes;
	uint64_t extension_off, name_off; /* the first header extension, the backing file name */
};

/* Borrows everything it is given. data_out is NULL unless the image has a data file. */
bool cv_qcow2_begin(struct cv_qcow2_writer *w, const struct cv_file_out *out, const struct cv_file_out *data_out,
		    const struct cv_qcow2_image *image, struct cv_err *err);
/* One guest cluster of cluster_size bytes; zero pages stay holes. Overwrites what was there before. */
bool cv_qcow2_put(struct cv_qcow2_writer *w, uint64_t guest_cluster, const void *data, struct cv_err *err);
/* One guest cluster that has nothing yet, in its compressed form, which has fewer bytes than a cluster. */
bool cv_qcow2_put_packed(struct cv_qcow2_writer *w, uint64_t guest_cluster, const void *packed, size_t len, struct cv_err *err);
/* Makes a guest cluster read as zeros, whatever the backing file has there. Version 3. */
bool cv_qcow2_put_zero(struct cv_qcow2_writer *w, uint64_t guest_cluster, struct cv_err *err);
/* Freezes what was put so far. With a state, clusters put behind the disk's end are taken as VM state. */
bool cv_qcow2_snapshot(struct cv_qcow2_writer *w, struct cv_bytes name, uint32_t seconds, uint64_t vm_state_size,
		       struct cv_err *err);
/* The first guest cluster of VM state. */
uint64_t cv_qcow2_vm_state_cluster(const struct cv_qcow2_writer *w);
/* Writes tables, refcounts and, last, the header. */
bool cv_qcow2_end(struct cv_qcow2_writer *w, struct cv_err *err);
/* Frees the writer's memory; a writer that is all zero is fine. */
void cv_qcow2_fini(struct cv_qcow2_writer *w);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One reading of a QCOW2 image: what its parts hand on to each other. Internal to inspect/qcow2; the facts
 * are what leaves it.
 */
#ifndef CV_INSPECT_QCOW2_READING_H
#define CV_INSPECT_QCOW2_READING_H

#include "inspect/qcow2/common.h"
#include "inspect/qcow2/qcow2_disk.h"

/* The header in host form; fields that the version does not have hold what version 2 implies. */
struct cv_qcow2_header {
	uint32_t version, backing_len, cluster_bits, crypt_method, l1_entries, refcount_clusters, snapshot_count;
	uint32_t refcount_order, header_length;
	uint64_t backing_off, size, l1_off, refcount_off, snapshot_off, incompatible, compatible, autoclear;
	uint8_t compression_type;
};

/* Where the data of each known extension lies; off 0: there is none. */
struct cv_qcow2_extensions {
	struct cv_range format, features, bitmaps, luks, data_file, mark;
	bool damaged;              /* one that is not there may have been lost; it was said */
};

struct cv_qcow2_reading {
	struct cv_source *source;
	struct cv_facts *facts;
	struct cv_qcow2_header h;
	struct cv_qcow2_extensions ext;
	uint64_t cluster_size;     /* what bounds the first cluster; assumed when cluster_known is false */
	bool cluster_known;
	bool damaged;              /* the magic may be wrong */
};

#define CV_QCOW2_FIELD(member) CV_QCOW_FIELD(struct cv_qcow2_header_disk, member)

/* Reads, records and checks the header. *usable is false if there is nothing behind it to go on with. */
bool cv_qcow2_read_header(struct cv_qcow2_reading *r, bool *usable, struct cv_err *err);

/* Finds the extensions, then uses each of them. After the backing file name. */
bool cv_qcow2_read_extensions(struct cv_qcow2_reading *r, struct cv_err *err);

bool cv_qcow2_read_snapshots(struct cv_qcow2_reading *r, struct cv_err *err);
bool cv_qcow2_read_bitmaps(struct cv_qcow2_reading *r, struct cv_err *err);

/* header-invalid: "what is n", "what is why". */
void cv_qcow2_bad_number(struct cv_qcow2_reading *r, const char *what, uint64_t n, struct cv_range where);
void cv_qcow2_bad_text(struct cv_qcow2_reading *r, const char *what, const char *why, struct cv_range where);

/* Reports an offset that is no multiple of the cluster size. */
void cv_qcow2_aligned(struct cv_qcow2_reading *r, const char *what, uint64_t off, struct cv_range where);
/* Checks the position of a table of which len bytes are used; where: the field that points to it. True if its
 * bytes can be read. */
bool cv_qcow2_table(struct cv_qcow2_reading *r, const char *what, struct cv_range table, struct cv_range where);

#endif

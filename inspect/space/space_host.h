/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The file of an image as seen from its own structures: which bytes are metadata, which are pointed to, and what
 * a piece that nothing points to is. One table of functions for each format.
 */
#ifndef CV_INSPECT_SPACE_HOST_H
#define CV_INSPECT_SPACE_HOST_H

#include <chainview/extent.h>
#include "inspect/space/space_runs.h"

struct cv_space_host;

struct cv_space_host_ops {
	enum cv_format_id format;
	/* Claims METADATA, OWNED and SNAPSHOT; data are claimed by those who know who reads them. */
	bool (*claim)(struct cv_space_host *h, struct cv_err *err);
	/* The bytes of the file that a compressed extent lies in. NULL if there are none. */
	bool (*packed)(struct cv_space_host *h, const struct cv_extent *e, struct cv_range *bytes, struct cv_err *err);
	/* Is the gap, to which nothing points, lost? Shortens it to the part for which the answer holds. NULL: no. */
	bool (*lost)(struct cv_space_host *h, struct cv_range *gap, bool *is_lost, struct cv_err *err);
	void (*close)(struct cv_space_host *h);
	/* Gives back what can be had again, until somebody asks again. NULL: there is nothing. */
	void (*rest)(struct cv_space_host *h);
};

struct cv_space_host {
	const struct cv_space_host_ops *ops;     /* NULL: every byte is data or nothing */
	struct cv_layer *layer;          /* borrowed */
	void *state;                     /* the format's own */
	bool exact;                      /* only what tables point to, byte by byte: the structures are known to somebody else */
	struct cv_space_disk disk, data_disk;
	struct cv_space_account account, data_account;   /* of the file and of its data file */
};

/* What the claims say about one slice of a file. */
struct cv_space_sums {
	uint64_t claimed[CV_CLAIM_CLASS_COUNT];
	uint64_t lost, lost_at, lost_pieces;     /* on disk, pointed to by nothing, never used again; its clusters */
	uint64_t idle;                           /* on disk, pointed to by nothing */
};

extern const struct cv_space_host_ops cv_space_host_vhd, cv_space_host_vhdx, cv_space_host_qcow, cv_space_host_qcow2;

bool cv_space_host_open(struct cv_space_host *h, enum cv_format_id format, struct cv_err *err);
void cv_space_host_close(struct cv_space_host *h);
void cv_space_host_rest(struct cv_space_host *h);
/* Adds what lies in the account's slice to the sums. unit: what one lost piece is, for counting. */
bool cv_space_host_settle(struct cv_space_host *h, uint64_t unit, struct cv_space_sums *sums, struct cv_err *err);
/* The same for the data file, where every byte without a claim is idle. */
bool cv_space_data_settle(struct cv_space_host *h, struct cv_space_sums *sums);

#endif

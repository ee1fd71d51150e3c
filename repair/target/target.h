/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A new image that is written from the front to the back of its disk, in any format that can be written: first it is
 * asked where bytes go, then they are put there by whoever has them (copied, shared, or from memory), and at last the
 * target writes everything that points to them. What is never asked for reads as zeros.
 *
 * Memory grows with the tables that must be kept until the end (an entry for each block or each L2 table), never with
 * the data. A format is a row here: one file with a struct cv_target_format, and a line in target.c.
 */
#ifndef CV_REPAIR_TARGET_TARGET_H
#define CV_REPAIR_TARGET_TARGET_H

#include "repair/io/io.h"
#include <chainview/facts.h>

/* As qemu-img names them. What else than OFF is done with parts that nobody placed is done by the target's end(). */
enum cv_preallocation { CV_PREALLOCATE_OFF, CV_PREALLOCATE_METADATA, CV_PREALLOCATE_FALLOC, CV_PREALLOCATE_FULL };

/* What a new image that stands on another says about it. */
struct cv_target_parent {
	const char *path;            /* from the folder of the new image: "../a.vhd", raw bytes */
	uint8_t uuid[16];            /* that it is known by, for formats that record it */
	int64_t time;                /* Unix seconds: when it was written to, for formats that record it */
};

/* Zero where nothing was asked for: the format's own default. */
struct cv_target_options {
	uint64_t size;               /* of the disk, bytes; a multiple of 512, but for raw disks */
	bool device;                 /* raw: onto a block device, whose length is what it is */
	bool fixed;                  /* VHD, VHDX: subformat=fixed */
	uint32_t block_size;         /* QCOW2: cluster_size; VHD, VHDX: block_size */
	uint32_t log_size;           /* VHDX */
	bool compat_v2;              /* QCOW2: compat=0.10 */
	bool lazy_refcounts;         /* QCOW2 */
	uint32_t refcount_bits;      /* QCOW2: 1 to 64 */
	bool compress;               /* QCOW2: guest clusters come by pack() */
	bool zstd;                   /* QCOW2: compression_type=zstd */
	enum cv_preallocation preallocation;
	/* NULL: the image stands on nothing, and what is never asked for reads as zeros; else as its parent does there. */
	const struct cv_target_parent *parent;
	enum cv_mark mark;           /* VHD, QCOW2 */
	const char *creator;         /* VHD: a row of repair/vhd/creators.c; NULL: tap, whose images have a place for a mark */
	/* The same options with the same of these give the same bytes. */
	uint8_t uuids[4][16];        /* identities for whatever needs one, the disk's first */
	int64_t now;                 /* Unix seconds, for creation times */
};

struct cv_target;

struct cv_target_format {
	enum cv_format_id format;
	const char *name;            /* "qcow2" */
	/* Refuses what the format cannot be (size, block size), with what it can in the text. Nothing is written yet. */
	bool (*begin)(struct cv_target *t, struct cv_err *err);
	/*
	 * Where the bytes of a guest range go: those from range.off on go to *host, and *run of them (at least one sector,
	 * at most all) lie there one behind the other. Ranges are whole sectors inside the disk and never go backwards; a
	 * block may be asked for in several pieces. Sectors of a block that are never asked for read as zeros. May write
	 * tables that are complete.
	 */
	bool (*place)(struct cv_target *t, struct cv_range range, uint64_t *host, uint64_t *run, struct cv_err *err);
	/* One whole guest block (t->unit bytes, less at the end of the disk) from memory, which the target may compress;
	 * instead of place(), with options.compress. NULL: the format cannot. */
	bool (*pack)(struct cv_target *t, uint64_t guest, const void *bytes, size_t len, struct cv_err *err);
	/* Writes all tables and headers and gives the file its length. No barrier: the caller has one behind it. */
	bool (*end)(struct cv_target *t, struct cv_err *err);
	/* Frees what begin() made, also after a failure. */
	void (*fini)(struct cv_target *t);
	/* After begin(), at most so many bytes of the file are tables and headers when units pieces of t->unit hold data;
	 * everything above the data themselves. */
	uint64_t (*overhead)(const struct cv_target *t, uint64_t units);
	/* With a parent: the range reads as zeros whatever the parent has there; in the order of place(). A unit of t->grain
	 * of which only a part is zero is asked for by place() in its other parts, all of them. NULL: the format has no parents. */
	bool (*zero)(struct cv_target *t, struct cv_range range, struct cv_err *err);
};

struct cv_target {
	const struct cv_target_format *format;
	struct cv_target_options options;
	const struct cv_file_out *out;   /* NULL while only planning: begin() and overhead() need none */
	uint32_t unit;               /* set by begin(): what the format maps as one, bytes; raw and fixed: 4096 */
	/* Set by begin(): with a parent, what an image can have of its own without having more; a unit of this is asked for as
	 * a whole or not at all. */
	uint32_t grain;
	void *state;
};

extern const struct cv_target_format cv_target_raw, cv_target_vhd, cv_target_vhdx, cv_target_qcow2;
/* NULL: this format is not written. */
const struct cv_target_format *cv_target_format(enum cv_format_id format);

bool cv_target_begin(struct cv_target *t, enum cv_format_id format, const struct cv_target_options *options,
		     const struct cv_file_out *out, struct cv_err *err);
bool cv_target_end(struct cv_target *t, struct cv_err *err);
void cv_target_fini(struct cv_target *t);

/* For place(): a range of the disk that is not empty, or an error. */
bool cv_target_on_disk(const struct cv_target *t, struct cv_range range, struct cv_err *err);
/* For zero(): every part of the range gets its place in a new file, where it reads as zeros. */
bool cv_target_place_zeros(struct cv_target *t, struct cv_range range, struct cv_err *err);
/* For begin() of formats whose fixed disks alone can be preallocated: refuses what is asked for beyond that. */
bool cv_target_fixed_preallocates(const struct cv_target *t, struct cv_err *err);
/* For end(): with FALLOC sets aside what the file up to size does not have yet, with FULL writes zeros there. */
bool cv_target_preallocate(const struct cv_target *t, uint64_t size, struct cv_err *err);

#endif

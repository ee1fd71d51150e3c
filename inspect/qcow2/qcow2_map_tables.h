/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The two levels of tables that QCOW v1 and QCOW2 share: L1 entries point to L2 tables, L2 entries describe
 * clusters. What an L2 entry means is the format's business; where the tables lie and how they are read is here.
 */
#ifndef CV_INSPECT_QCOW2_MAP_TABLES_H
#define CV_INSPECT_QCOW2_MAP_TABLES_H

#include <chainview/extent.h>

struct cv_qcow_tables;

/* Neighbouring L2 entries in host form, and the part of their guest bytes that was asked for. */
struct cv_qcow_piece {
	const uint64_t *word;        /* words_per_entry for each cluster */
	size_t count;                /* clusters; at least one */
	uint64_t guest;              /* where the first cluster begins */
	struct cv_range asked;       /* begins in the first cluster */
};

/* Adds the extents of a piece, all of it unless the list gets full. */
typedef bool cv_qcow_add(const struct cv_qcow_tables *t, const struct cv_qcow_piece *piece, struct cv_extents *list,
			 struct cv_err *err);

#define CV_QCOW_SLOTS 64

/* A part of an L2 table that is kept. */
struct cv_qcow_slot {
	uint64_t off;                /* in the file */
	size_t have;                 /* clusters; fewer than a slice has when the file ends before */
	uint64_t *word;              /* NULL: nothing was kept here yet */
};

struct cv_qcow_tables {
	/* set by the format */
	struct cv_source *source;
	cv_qcow_add *add;
	void *format;                /* for add */
	uint64_t l1_off, l1_entries;
	uint64_t l1_mask, l1_reserved;       /* bits of the offset; bits that must not be set */
	unsigned cluster_bits, l2_bits;      /* l2_bits: clusters of one L2 table */
	unsigned words_per_entry;            /* 1, or 2 with subclusters */
	bool l2_aligned;                     /* tables begin where clusters do */
	bool lean;                           /* as of the layer */
	enum cv_extent_kind behind_l1;       /* what lies behind a short L1 table */

	/* filled here */
	unsigned slice_bits, slots;          /* clusters of a slice; slots in use */
	uint64_t *l1, l1_first, l1_window;   /* the window of L1 that is kept, and the entries it has room for */
	size_t l1_count, l1_have;            /* its entries; those that the file has */
	void *raw;                           /* what was read last, before it is decoded */
	struct cv_qcow_slot slot[CV_QCOW_SLOTS];
};

/* After the format has set its members. False when memory is short; fini is always fine. */
bool cv_qcow_tables_init(struct cv_qcow_tables *t, struct cv_err *err);
void cv_qcow_tables_fini(struct cv_qcow_tables *t);

/* The extents of the range. Sets list->full when it has done much work, so that a caller gets a say now and then. */
bool cv_qcow_tables_walk(struct cv_qcow_tables *t, struct cv_range range, struct cv_extents *list, struct cv_err *err);

/* The first word of the L2 entry for a guest offset; 0 if there is none. */
bool cv_qcow_tables_entry(struct cv_qcow_tables *t, uint64_t guest, uint64_t *word, struct cv_err *err);

/*
 * qcow2_map_describe.c: lines about the entries for a guest offset, each with its place and its digits. What the L2
 * entry at this place of the file means the format adds to its line, and further lines.
 */
typedef bool cv_qcow_tell(const struct cv_qcow_tables *t, uint64_t at, uint64_t guest, struct cv_text *lines,
			  struct cv_err *err);
bool cv_qcow_tables_describe(const struct cv_qcow_tables *t, uint64_t guest, cv_qcow_tell *tell, struct cv_text *lines,
			     struct cv_err *err);
/* A word of a table, big-endian in the file. */
bool cv_qcow_read_word(const struct cv_qcow_tables *t, uint64_t off, uint64_t *word, struct cv_err *err);

/* Clusters that say the same and lie one behind the other. */
struct cv_qcow_run {
	uint64_t guest, len;         /* guest begins a cluster or a subcluster */
	enum cv_extent_kind kind;
	bool placed, compressed;
	uint64_t host;               /* of guest */
};

/*
 * Adds what was asked for of a run. limit: the length of the file that host is in. As for QEMU, a cluster that
 * is cut by the end of the file reads as zeros there; one that lies behind it altogether cannot be true.
 */
bool cv_qcow_add_run(const struct cv_qcow_tables *t, const struct cv_qcow_piece *piece, struct cv_qcow_run run,
		     uint64_t limit, struct cv_extents *list, struct cv_err *err);

#endif

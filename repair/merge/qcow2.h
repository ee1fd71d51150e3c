/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A QCOW2 that is merged into: what the files of the format share. Private to repair/merge/qcow2*.c.
 *
 * New clusters are taken behind everything that has a count, one after the other, and never from what was given back. Their
 * counts go to disk with their data, then what points to them, then the counts of what lost its last pointer.
 */
#ifndef CV_REPAIR_MERGE_QCOW2_H
#define CV_REPAIR_MERGE_QCOW2_H

#include "inspect/qcow2/qcow2_map.h"
#include "repair/merge/merge.h"

enum { CV_MERGE_COUNTED = 1, CV_MERGE_POINTED = 2, CV_MERGE_GIVEN_BACK = 3 };        /* layers */

/* An L2 table, held until another one is wanted. */
struct cv_merge_l2 {
	bool held, fresh, changed;           /* fresh: it gets a place of its own when it changes */
	uint64_t index;                      /* of its L1 entry */
	uint64_t place;                      /* in the file; fresh: of the table that it is a copy of; 0: there is none */
	cv_be64 *entries;
};

/* What becomes of a cluster of the disk. */
enum cv_merge_fate {
	CV_MERGE_STAYS,                      /* it reads so already */
	CV_MERGE_IN_PLACE,                   /* it is written where it is */
	CV_MERGE_SET_ASIDE,                  /* a place is kept for it, which is filled */
	CV_MERGE_NEW,                        /* it gets another place */
	CV_MERGE_CLEARED,                    /* its entry says zeros, or nothing */
};

/* The cluster that pieces come for, until another one's turn. */
struct cv_merge_cluster {
	bool held, begun;                    /* begun: something else than zeros from its beginning on has come */
	uint64_t number, entry;
	uint64_t zeros;                      /* that many bytes from its beginning are to be zeros */
	uint64_t filled;                     /* bytes of buffer, from its beginning */
	uint8_t *buffer;                     /* of those that are written as a whole */
	const uint8_t *whole;                /* instead, of a piece that is all of it: until it is put down, which is at once */
};

struct cv_merge_qcow2 {
	uint32_t version;
	unsigned bits, order;                /* of a cluster; of a count */
	uint64_t cluster, per_l2, per_block;
	uint64_t l1_off, l1_entries;
	uint64_t table_off, table_clusters;  /* of refcounts */
	uint64_t disk;                       /* bytes, when it has grown */
	struct cv_merge_l2 l2;
	struct cv_merge_cluster c;
	uint64_t next, counted;              /* the next new cluster; those from counted on have no count yet */
	struct cv_layer **layers;            /* the parent, for clusters not touched yet, and what it stands on; when needed */
	struct cv_chain before;
	/* What will be needed. */
	uint64_t clusters, tables, l1_clusters;      /* of data, of L2 tables, of the L1 table */
	uint64_t last_l2, last_stale;        /* the L1 entry that was counted last, plus one */
	uint64_t last_end;                   /* of the last piece: of the disk */
	uint64_t last_new;                   /* the last cluster of the disk that gets a new place, plus one */
	uint64_t reach;                      /* how far the file must reach, for what is written in place */
};

static inline uint64_t cv_merge_qcow2_clusters(const struct cv_merge_qcow2 *q, uint64_t bytes)
{
	return bytes / q->cluster + (bytes % q->cluster != 0);
}

/* qcow2_counts.c: clusters and their counts. */
uint64_t cv_merge_qcow2_take(struct cv_merge_qcow2 *q, uint64_t clusters);
/* Something new that is pointed to in a later layer of the batch: what shares a page with others goes along with counts. */
bool cv_merge_qcow2_write_new(struct cv_merge *m, uint64_t off, const void *bytes, size_t len, struct cv_err *err);
/* One reference less, for each cluster that these bytes lie in. */
bool cv_merge_qcow2_give_back(struct cv_merge *m, struct cv_range bytes, struct cv_err *err);
/* What was taken so far is in use when the batch is on disk. */
void cv_merge_qcow2_advance(struct cv_merge *m);
/* Those that were taken get their counts. */
bool cv_merge_qcow2_count(struct cv_merge *m, struct cv_err *err);
/* Pages of counts that are still to be changed. */
uint64_t cv_merge_qcow2_count_pages(const struct cv_merge_qcow2 *q);
/* The first cluster at or behind former where nothing is, up to the end of the file. */
bool cv_merge_qcow2_find_end(struct cv_merge *m, struct cv_err *err);
/* Room for so many clusters, with what counts them. */
bool cv_merge_qcow2_reserve(struct cv_merge *m, uint64_t clusters, struct cv_err *err);

/* qcow2_tables.c */
bool cv_merge_qcow2_entry(struct cv_merge *m, uint64_t number, uint64_t *entry, struct cv_err *err);
bool cv_merge_qcow2_set_entry(struct cv_merge *m, uint64_t number, uint64_t entry, struct cv_err *err);
/* Changing the entry takes a new table. */
bool cv_merge_qcow2_needs_table(struct cv_merge *m, uint64_t number, bool *needed, struct cv_err *err);
/* A new table that is held goes to where it belongs; it stays held. */
bool cv_merge_qcow2_put_table(struct cv_merge *m, struct cv_err *err);
/* What an entry points to loses a reference. */
bool cv_merge_qcow2_let_go(struct cv_merge *m, uint64_t entry, struct cv_err *err);

/* qcow2_cluster.c */
bool cv_merge_qcow2_count_piece(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err);
bool cv_merge_qcow2_put_piece(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err);
bool cv_merge_qcow2_count_held(struct cv_merge *m, struct cv_err *err);
bool cv_merge_qcow2_put_held(struct cv_merge *m, struct cv_err *err);
/* Cluster of the disk that must move before a part of it can be written. */
bool cv_merge_qcow2_must_move(uint64_t entry);
/* If there is no room for more, a batch ends. */
bool cv_merge_qcow2_make_room(struct cv_merge *m, struct cv_err *err);
/* Everything but the cluster that is held. */
bool cv_merge_qcow2_settle(struct cv_merge *m, struct cv_err *err);

/* qcow2_grow.c */
/* What growing takes. Refuses what cannot be. */
bool cv_merge_qcow2_plan_growth(struct cv_merge *m, struct cv_err *err);
bool cv_merge_qcow2_grow(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of a QCOW2 image, inside. Everything in the file that points to a cluster is gone through and counted in
 * the tally; then the counts are compared with the stored refcounts. The file is done in one piece if the tally is
 * large enough for it, else in slices of its clusters, each with all of that once more.
 */
#ifndef CV_INSPECT_QCOW2_CHECK_H
#define CV_INSPECT_QCOW2_CHECK_H

#include <chainview/format.h>
#include "inspect/qcow2/qcow2_map.h"
#include "inspect/qcow2/qcow2_tally.h"
#include "inspect/qcow2/qcow2_words.h"
#include "inspect/tables/gather.h"

/* What uses a cluster. */
enum cv_qcow2_user {
	CV_QCOW2_IS_HEADER, CV_QCOW2_IS_L1, CV_QCOW2_IS_L2, CV_QCOW2_IS_SNAPSHOT_L1, CV_QCOW2_IS_SNAPSHOTS,
	CV_QCOW2_IS_REFCOUNTS, CV_QCOW2_IS_BLOCK, CV_QCOW2_IS_LUKS, CV_QCOW2_IS_BITMAPS, CV_QCOW2_IS_BITMAP_TABLE,
	CV_QCOW2_IS_BITMAP, CV_QCOW2_IS_DATA, CV_QCOW2_IS_PACKED, CV_QCOW2_USER_COUNT
};
struct cv_qcow2_user_row {
	const char *one, *many, *entry, *entries;    /* the thing, and the entry that points to it */
	enum cv_tally_kind kind;
};
extern const struct cv_qcow2_user_row cv_qcow2_users[CV_QCOW2_USER_COUNT];

/* A piece of the file in use. */
struct cv_qcow2_claim {
	enum cv_qcow2_user user;
	struct cv_range at;
	struct cv_range by;          /* the bytes that say so */
	uint64_t times;
	bool said;                   /* the reader of the metadata reports it when it lies outside */
};

/* Clusters that are used as several things: who they are is found by going through everything once more. */
#define CV_QCOW2_NAMED 64u
struct cv_qcow2_named {
	uint64_t cluster;
	enum cv_qcow2_user user[2];
	unsigned users;
};

/* An L2 table, and how many L1 entries point to it: in all, in the active table. */
struct cv_qcow2_l2 {
	uint64_t off;
	uint32_t times, active;
	uint64_t guest;              /* the first cluster that it describes */
};

/* Leaked clusters. */
struct cv_qcow2_leaks {
	uint64_t clusters, pieces;   /* that nothing points to */
	uint64_t tail, lost_tables, lost;    /* of these: behind all that is used; L2 tables and what they point to */
	uint64_t first;              /* cluster */
	uint64_t counted_high;       /* that are used, but less often than their refcount says */
	uint64_t high_first;
	struct cv_range run;         /* clusters: being put together */
	uint64_t looked_into;        /* clusters that were read to see whether they are tables */
};

/* What is counted; put back when a slice has to begin anew. */
struct cv_qcow2_sums {
	uint64_t corruptions, high;  /* high: clusters with a refcount that is too high, qemu's "leaks" */
	struct cv_qcow2_leaks leaks;
	uint64_t excused[2];         /* wrong refcounts that a dirty image has: too low, zero */
	struct cv_range excused_at[2];       /* the first of each */
	uint64_t excused_low, excused_count; /* the first that is too low, and how often it is used */
	uint32_t findings;
	struct cv_gather gather;
};

struct cv_qcow2_check {
	struct cv_checking *c;
	struct cv_source *source;
	struct cv_qcow2_header h;
	struct cv_qcow2_extensions ext;
	struct cv_qcow2_map map;     /* what the entries mean; its tables are not opened */
	uint64_t cluster, size, clusters;    /* bytes of a cluster; of the file; clusters of it, the last may be cut */
	unsigned bits;
	bool extended, data_file, dirty;
	bool refcounts_said;         /* the refcount table is not where it could be read: what follows is known */

	uint64_t *blocks;            /* the refcount table as it is */
	uint64_t block_count;
	uint8_t *block, *table;      /* one cluster each: a refcount block, an L2 table */
	uint64_t block_at;           /* offset of the block that is held; UINT64_MAX: none */
	struct cv_range data, hole;  /* bytes of the file known to be on disk, known not to be */
	uint64_t words_left;
	struct cv_qcow2_snapshot *snapshots;
	size_t snapshot_count;
	struct cv_range snapshot_table;

	struct cv_tally tally;
	uint64_t from, upto;         /* clusters of this slice */
	bool first, only;            /* the first slice; the only one */
	uint64_t used;               /* clusters up to the last one that something points to */
	uint64_t counted;            /* or that has a refcount */
	struct cv_qcow2_sums sums;

	struct cv_qcow2_l2 *l2;      /* of this round, by offset */
	size_t l2_count;
	uint64_t l2_from, l2_upto;   /* offsets of the round */
	uint64_t odd_tables;         /* that are not aligned: only so many are followed */
	bool cut;                    /* something was not followed, so that sums are not complete */

	struct cv_qcow2_named named[CV_QCOW2_NAMED];
	size_t named_count;
	bool naming;                 /* nothing is counted, only named */
	uint64_t done, total;        /* bytes of tables */
};

/* As struct cv_format wants it. */
bool cv_qcow2_check(struct cv_checking *c, struct cv_err *err);

static inline bool cv_qcow2_in_slice(const struct cv_qcow2_check *k, uint64_t cluster)
{
	return cluster >= k->from && cluster < k->upto;
}

/* qcow2_check_use.c: what is in use. */
bool cv_qcow2_claim(struct cv_qcow2_check *k, const struct cv_qcow2_claim *claim, struct cv_err *err);
bool cv_qcow2_claim_all(struct cv_qcow2_check *k, struct cv_err *err);

/* qcow2_check_l1.c, qcow2_check_l2.c: the two levels. */
bool cv_qcow2_check_tables(struct cv_qcow2_check *k, struct cv_err *err);
bool cv_qcow2_check_l2(struct cv_qcow2_check *k, const struct cv_qcow2_l2 *l2, struct cv_err *err);

/* qcow2_check_stored.c: refcounts as they are stored. */
bool cv_qcow2_stored_open(struct cv_qcow2_check *k, struct cv_err *err);
bool cv_qcow2_stored_load(struct cv_qcow2_check *k, struct cv_err *err);
bool cv_qcow2_stored_claim(struct cv_qcow2_check *k, struct cv_err *err);
bool cv_qcow2_stored(struct cv_qcow2_check *k, uint64_t cluster, uint64_t *count, struct cv_err *err);

/* qcow2_check_compare.c, qcow2_check_leaks.c */
bool cv_qcow2_compare(struct cv_qcow2_check *k, struct cv_err *err);
bool cv_qcow2_leak(struct cv_qcow2_check *k, uint64_t cluster, struct cv_err *err);
bool cv_qcow2_leaks_end(struct cv_qcow2_check *k, struct cv_err *err);

/* Reads what the file has of a table; the rest is zeros. *any is false if all of it is. */
bool cv_qcow2_check_read(struct cv_qcow2_check *k, uint8_t *buf, uint64_t off, uint64_t len, bool *any,
			 struct cv_err *err);
/* A finding about count things of a kind. how: what is wrong with it, argument 2. */
struct cv_qcow2_wrong {
	enum cv_problem_id id;
	const char *one, *many;
	struct cv_range where;
	uint64_t at;                 /* argument 1 */
	struct cv_arg arg[2];        /* arguments 2 and 3 */
	uint64_t bytes;
};
void cv_qcow2_wrong(struct cv_qcow2_check *k, const struct cv_qcow2_wrong *w);
/* The flag of an entry against the stored refcount (0, 1, 2 = more), times over. */
void cv_qcow2_flag(struct cv_qcow2_check *k, enum cv_qcow2_user user, uint64_t entry, uint64_t stored, struct cv_range by,
		   uint64_t times);

#endif

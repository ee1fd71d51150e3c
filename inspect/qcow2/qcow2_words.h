/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tables of QCOW2 that are rows of numbers (L1 tables, the refcount table, tables of bitmaps), its lists of
 * records, and refcounts: for everybody who goes through all of them.
 */
#ifndef CV_INSPECT_QCOW2_WORDS_H
#define CV_INSPECT_QCOW2_WORDS_H

#include "inspect/qcow2/reading.h"

/* Called for every number that is not zero. */
typedef bool cv_qcow2_word(void *ctx, uint64_t index, uint64_t word, struct cv_err *err);

/* Goes through entries 64-bit numbers at off. What the file does not have is zero, and holes are stepped over. left:
 * numbers that may still be read, for all tables together; CV_ELIMIT if that is not enough. */
bool cv_qcow2_words(struct cv_source *source, uint64_t off, uint64_t entries, uint64_t *left, cv_qcow2_word *each,
		    void *ctx, struct cv_err *err);

/* One internal snapshot, as far as its tables are concerned. */
struct cv_qcow2_snapshot {
	struct cv_range where;       /* its record */
	uint64_t l1_off, l1_entries;
	uint32_t index, extra_len;
};
typedef bool cv_qcow2_each_snapshot(void *ctx, const struct cv_qcow2_snapshot *s, struct cv_err *err);
/* table: what all records take. Ends early where the file does. */
bool cv_qcow2_snapshots(struct cv_source *source, const struct cv_qcow2_header *h, cv_qcow2_each_snapshot *each,
			void *ctx, struct cv_range *table, struct cv_err *err);

struct cv_qcow2_bitmap {
	struct cv_range where;       /* its entry in the directory */
	uint64_t table_off, table_entries;
	uint32_t index;
};
typedef bool cv_qcow2_each_bitmap(void *ctx, const struct cv_qcow2_bitmap *b, struct cv_err *err);
/* directory: where it lies; empty if there is none that can be read. */
bool cv_qcow2_bitmaps(struct cv_source *source, const struct cv_qcow2_extensions *ext, cv_qcow2_each_bitmap *each,
		      void *ctx, struct cv_range *directory, struct cv_err *err);

/* Where the LUKS header lies; empty if there is none. */
bool cv_qcow2_luks(struct cv_source *source, const struct cv_qcow2_extensions *ext, struct cv_range *area,
		   struct cv_err *err);

/* The counter with this index in a refcount block. */
uint64_t cv_qcow2_counter(const uint8_t *block, unsigned order, uint64_t index);

#endif

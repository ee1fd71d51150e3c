/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the reading process of a dump is asked and what it says. Both sides are one program, so records are plain
 * structures; every number in them is tested by who hears it.
 */
#ifndef CV_INSPECT_DUMP_WIRE_H
#define CV_INSPECT_DUMP_WIRE_H

#include <chainview/digest.h>
#include "inspect/dump/layout.h"

#define CV_DUMP_FIRST_BYTES 32u              /* of a gap, that are shown */
#define CV_DUMP_LARGEST_SHOWN ((uint64_t)64 << 10)   /* of one structure */
#define CV_DUMP_TABLE_SHOWN ((uint64_t)4 << 10)      /* of a table */
#define CV_DUMP_COUNTS 12u

struct cv_dump_request {
	uint64_t max_bytes;      /* of structures and gaps in the document */
	uint64_t on_disk;        /* bytes that the file takes up: nothing is read much more often than that */
	uint32_t digests;        /* of the whole file: bits 1 << cv_digest_kind */
	uint32_t runs;           /* send what every byte of the file is */
};

enum cv_dump_record {
	CV_DUMP_SANDBOX = 1, CV_DUMP_STRUCTURE, CV_DUMP_COUNT, CV_DUMP_SUMMARY, CV_DUMP_GAP, CV_DUMP_RUNS, CV_DUMP_OVERLAP,
	CV_DUMP_COVERAGE, CV_DUMP_DIGEST, CV_DUMP_TROUBLE, CV_DUMP_LIMIT, CV_DUMP_PROGRESS,
};

/* CV_DUMP_SANDBOX; a line of text follows. */
struct cv_dump_sandbox {
	int32_t landlock_abi, landlock_errno, seccomp_errno, limits_errno, privileges_errno;
};

enum cv_dump_copy { CV_COPY_ONLY, CV_COPY_PRIMARY, CV_COPY_BACKUP, CV_COPY_FIRST, CV_COPY_SECOND, CV_COPY_COUNT };
enum cv_dump_state {
	CV_STATE_NONE, CV_STATE_ABSENT, CV_STATE_KILLED, CV_STATE_POISONED, CV_STATE_ACTIVE, CV_STATE_INACTIVE,
	CV_STATE_OTHER_GUID, CV_STATE_INVALID, CV_STATE_COUNT
};
enum cv_dump_sum { CV_SUM_NONE, CV_SUM_BYTES, CV_SUM_SIGNED_BYTES, CV_SUM_CRC32C, CV_SUM_COUNT };

enum {
	CV_STRUCTURE_USED = 1, CV_STRUCTURE_REPLAYED = 2, CV_STRUCTURE_CLAIMED = 4, CV_STRUCTURE_HASHED = 8,
	CV_STRUCTURE_CUT = 16,       /* the file ends before it does */
	CV_STRUCTURE_INDEXED = 32,
	CV_STRUCTURE_HAS_COPIES = 64,
};

/* CV_DUMP_STRUCTURE; shown bytes follow. What is not shown of the present bytes is zeros if zero_tail says so. */
struct cv_dump_structure {
	uint64_t offset, length, present, zero_tail;
	uint32_t layout, index, flags, shown;
	uint32_t copy, state, sum, sum_stored, sum_computed, filler;
	uint8_t sha256[32];
};

/* Numbers about a table, named in counts.c; they belong to the structure or summary sent last. */
enum cv_dump_number {
	CV_COUNT_ENTRIES, CV_COUNT_USED, CV_COUNT_UNUSED, CV_COUNT_BEYOND_FILE, CV_COUNT_NOT_PRESENT, CV_COUNT_UNDEFINED,
	CV_COUNT_ZERO, CV_COUNT_UNMAPPED, CV_COUNT_FULL, CV_COUNT_PARTIAL, CV_COUNT_RESERVED_STATE, CV_COUNT_BITMAPS,
	CV_COUNT_EMPTY, CV_COUNT_COPIED, CV_COUNT_LOWEST, CV_COUNT_HIGHEST, CV_COUNT_NUMBERS
};
struct cv_dump_count {
	uint32_t number, filler;
	uint64_t value;
};

/* Many structures of one kind as one digest, in the order of the table that points to them. */
enum cv_dump_group {
	CV_GROUP_BLOCK_BITMAPS, CV_GROUP_SECTOR_BITMAPS, CV_GROUP_L2, CV_GROUP_REFCOUNT_BLOCKS, CV_GROUP_SNAPSHOT_L2,
	CV_GROUP_COUNT
};
struct cv_dump_summary {
	uint64_t structures, bytes;
	uint32_t group, index, indexed, complete;    /* index: of the snapshot */
	uint8_t sha256[32];
};

enum { CV_GAP_HASHED = 1, CV_GAP_ZERO = 2, CV_GAP_READ = 4 /* all of it could be read */ };
struct cv_dump_gap {
	uint64_t offset, length;
	uint32_t flags, first_len;
	uint8_t sha256[32], first[CV_DUMP_FIRST_BYTES];
};

enum cv_dump_class { CV_RUN_STRUCTURE, CV_RUN_TABLE, CV_RUN_DATA, CV_RUN_SNAPSHOT, CV_RUN_GAP, CV_RUN_CLASSES };
/* CV_DUMP_RUNS: so many of them; ascending, without holes. */
struct cv_dump_run {
	uint64_t offset, length;
	uint32_t class, filler;
};

/* Bytes that are two things at once. */
struct cv_dump_overlap {
	uint64_t offset, length;
	uint32_t classes, filler;    /* bits 1 << cv_dump_class; one bit: two of the same */
};

struct cv_dump_coverage {
	uint64_t bytes[CV_RUN_CLASSES];
	uint64_t gaps, overlap_bytes, shared_bytes;  /* shared: data that more than one table entry points to */
	uint32_t mapped, filler;                     /* not mapped: where data lie could not be found out */
};

struct cv_dump_digest {
	uint32_t data_file, kind;
	uint8_t bytes[CV_DIGEST_LARGEST];
};

/* CV_DUMP_TROUBLE, CV_DUMP_LIMIT: a line of text follows. */
struct cv_dump_trouble {
	uint64_t offset;
	int32_t os_errno;
	uint32_t has_offset;
};

struct cv_dump_progress {
	uint64_t done, total;
};

#endif

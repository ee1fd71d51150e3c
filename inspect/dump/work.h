/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The dump of one image, inside of its task: a walk per format says where the structures are, this reads them once
 * (checksum, digest, bytes to show) and sends them. Trouble with bytes is sent and costs nothing else; what returns
 * false ends the dump: nobody listens, or there is no memory.
 */
#ifndef CV_INSPECT_DUMP_WORK_H
#define CV_INSPECT_DUMP_WORK_H

#include <chainview/extent.h>
#include <chainview/vec.h>
#include "inspect/dump/wire.h"
#include "inspect/sandbox/task.h"

CV_VEC(cv_dump_ranges, struct cv_range);

struct cv_dumping {
	struct cv_source *source;            /* as stored */
	struct cv_source *view;              /* what structures are read from: source, or the log replayed */
	struct cv_source *data;              /* external data file, or NULL */
	enum cv_format_id format;
	struct cv_dump_request request;
	struct cv_task_out *out;
	struct cv_digest *digest;
	uint8_t *buffer;                     /* CV_DUMP_PIECE bytes */
	uint8_t *shown;                      /* the record being made */
	uint64_t left;                       /* bytes that still may be put into the document */
	uint64_t zeros_left;                 /* bytes of holes that may still be summed */
	uint64_t reads_left;                 /* bytes of groups that may still be read */
	uint64_t read, told;                 /* bytes read; when this was said last */
	bool is_short, said_left, said_shown, said_structures, said_zeros, said_reads, said_gaps;
	struct cv_dump_ranges claimed;       /* by structures */
};

#define CV_DUMP_PIECE ((size_t)128 << 10)

/* One structure. */
struct cv_dump_piece {
	enum cv_layout_id layout;
	struct cv_range at;
	enum cv_dump_copy copy;
	enum cv_dump_state state;
	bool used, has_index;
	uint32_t index;
	enum cv_dump_sum sum;                /* over sum_len bytes (0: all) without the 4 at sum_at (UINT32_MAX: none) */
	uint32_t sum_at;
	uint64_t sum_len;
	bool sum_given;                      /* stored elsewhere, as */
	uint32_t sum_stored;
};
bool cv_dump_piece(struct cv_dumping *d, const struct cv_dump_piece *p, struct cv_err *err);
bool cv_dump_number(struct cv_dumping *d, enum cv_dump_number number, uint64_t value, struct cv_err *err);
bool cv_dump_trouble(struct cv_dumping *d, const struct cv_range *where, struct cv_err *trouble, struct cv_err *err);
bool cv_dump_limit(struct cv_dumping *d, bool *said, const char *text, struct cv_err *err);
/* Reads of the view; what cannot be read is sent as trouble and *good is false. */
bool cv_dump_read(struct cv_dumping *d, void *buf, size_t len, uint64_t off, bool *good, struct cv_err *err);

/* A group: begin, add each, end. */
struct cv_dump_sum_up {
	struct cv_dumping *d;
	struct cv_digest *digest;
	struct cv_dump_summary summary;
};
bool cv_dump_group_begin(struct cv_dumping *d, enum cv_dump_group group, struct cv_dump_sum_up *s, struct cv_err *err);
/* At most CV_DUMP_PIECE at a time are looked at by look, which may be NULL. */
typedef bool cv_dump_look(void *ctx, const uint8_t *bytes, size_t len, struct cv_err *err);
bool cv_dump_group_add(struct cv_dump_sum_up *s, struct cv_range at, cv_dump_look *look, void *ctx, struct cv_err *err);
/* The digest of the whole group; the counts that follow belong to it. */
bool cv_dump_group_end(struct cv_dump_sum_up *s, struct cv_err *err);

/* What can be summed of a range: bytes in pieces to each, holes as zeros without reading them. */
struct cv_dump_scan {
	uint64_t sum_len;            /* in: as cv_dump_piece; out the rest */
	uint32_t sum_at;
	enum cv_dump_sum sum;
	uint8_t *keep;               /* the first keep_len bytes go here */
	size_t keep_len;
	uint32_t sum_computed;
	uint64_t present;            /* bytes that could be read, from the start */
	uint64_t nonzero;            /* bytes up to the last that is not zero */
	bool hashed;
	uint8_t sha256[32];
};
bool cv_dump_scan(struct cv_dumping *d, struct cv_source *from, struct cv_range range, struct cv_dump_scan *scan,
		  struct cv_err *err);
/* How many bytes from pos on are a hole, which reads as zeros: whole tables may be. */
uint64_t cv_dump_hole(struct cv_source *from, uint64_t pos, uint64_t end);
bool cv_dump_send(struct cv_dumping *d, enum cv_dump_record kind, const void *record, size_t len, struct cv_err *err);
/* Takes so much from what the document may hold; false and said once when that is used up. */
bool cv_dump_take(struct cv_dumping *d, uint64_t bytes);

/* The walks. */
typedef bool cv_dump_walk(struct cv_dumping *d, struct cv_err *err);
cv_dump_walk cv_dump_vhd, cv_dump_vhdx, cv_dump_qcow2, cv_dump_qcow;
/* cover.c: what every byte of the file is, and the gaps. */
cv_dump_walk cv_dump_cover;
/* Digests of the whole file in one pass. */
cv_dump_walk cv_dump_whole;

cv_task_function cv_dump_work;

#endif

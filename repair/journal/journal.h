/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journal of one operation: how it is written and read. A file "<operation>.cvj" exists exactly when its PREPARE
 * record is on disk: it is written whole under the name "<operation>.tmp", and then renamed.
 *
 * Nothing here knows what the records of an operation mean.
 */
#ifndef CV_REPAIR_JOURNAL_JOURNAL_H
#define CV_REPAIR_JOURNAL_JOURNAL_H

#include "repair/io/io.h"
#include "repair/journal/host.h"
#include "repair/journal/journal_disk.h"
#include <chainview/plan.h>
#include <chainview/vec.h>

/* Numbers are on disks: they never change. */
enum cv_record_type {
	CV_RECORD_PREPARE = 1, CV_RECORD_META, CV_RECORD_UNDO, CV_RECORD_PROGRESS, CV_RECORD_VERIFIED, CV_RECORD_RELINKED,
	CV_RECORD_SWAP, CV_RECORD_PUBLISH, CV_RECORD_EXTEND, CV_RECORD_ZERO, CV_RECORD_ZERODONE, CV_RECORD_TRASHED,
	CV_RECORD_ABORTED, CV_RECORD_DONE, CV_RECORD_BOOT, CV_RECORD_KEPT, CV_RECORD_TYPES
};

#define CV_RECORD_PAYLOAD_MAX (5u << 20)

struct cv_journal_name { char s[48]; };      /* "<uuid>.cvj" */

struct cv_journal {
	const struct cv_io *io;
	const struct cv_host *host;
	int dir, fd;                         /* dir: borrowed */
	uint8_t op[16], repository[16];
	enum cv_plan_kind type;
	uint64_t created_ns;
	uint32_t slots, next;                /* next: slot for the next record */
	uint32_t board;                      /* slots set aside for what is written over and over */
	uint64_t posted;                     /* how often it was */
	uint64_t number, epoch;              /* number: of the last record */
	uint32_t last_crc;
	uint8_t last_seal[32];
};

/* Slots that a record with so much payload takes. */
uint32_t cv_journal_slots(size_t payload);

/* Makes the file with room for its PREPARE record and more slots, and with a board of so many; it is on disk when this
 * returns. dir is the folder for journals. The operation gets a new identity. */
bool cv_journal_create(struct cv_journal *j, const struct cv_io *io, const struct cv_host *host, int dir,
		       const uint8_t repository[16], enum cv_plan_kind type, const void *prepare, size_t len,
		       uint32_t more_slots, uint32_t board, struct cv_err *err);
/* Writes one record; it is on disk after the next barrier. Fails when there is no room, and writes nothing then. */
bool cv_journal_add(struct cv_journal *j, enum cv_record_type type, const void *payload, size_t len, struct cv_err *err);
bool cv_journal_barrier(struct cv_journal *j, struct cv_err *err);
/*
 * Writes to the board, over what was there; on disk after the next barrier. What was there must not be needed any more:
 * a power cut may leave neither. At most cv_journal_board_room() bytes.
 */
bool cv_journal_post(struct cv_journal *j, const void *payload, size_t len, struct cv_err *err);
size_t cv_journal_board_room(const struct cv_journal *j);
/* Makes sure that there is room for so many slots more, on disk: recoveries that were cut short may have used it up. */
bool cv_journal_grow(struct cv_journal *j, uint32_t slots, struct cv_err *err);
/* DONE or ABORTED, then the file moves to the other folder; both are on disk when this returns. */
bool cv_journal_finish(struct cv_journal *j, enum cv_record_type type, int done_dir, struct cv_err *err);
void cv_journal_close(struct cv_journal *j);

struct cv_record {
	enum cv_record_type type;
	uint64_t number, time_ns;
	const uint8_t *payload;
	size_t len;
};
CV_VEC(cv_record_vec, struct cv_record);

/* One that was read. */
struct cv_journal_log {
	enum cv_plan_kind type;
	uint8_t op[16], repository[16], host[16], boot[16];
	uint32_t pid, slots, end;            /* end: the first slot behind the records */
	uint32_t board_slots;
	uint64_t pid_start, epoch, created_ns;
	uint32_t last_crc;
	uint8_t last_seal[32];
	bool own;                            /* every seal is right: this host wrote it */
	bool damaged;                        /* records follow behind one that is not valid */
	struct cv_record board;              /* payload NULL: nothing is there, or it is torn */
	struct cv_record_vec records;        /* the first is PREPARE, unless damaged */
	uint8_t *bytes;                      /* the file */
};

/* CV_EFORMAT if it is no journal; one whose records are damaged is read, and says so. */
bool cv_journal_read(struct cv_journal_log *log, const struct cv_io *io, const struct cv_host *host, int dir,
		     const char *name, struct cv_err *err);
void cv_journal_log_fini(struct cv_journal_log *log);
/* The last record of the type, or NULL. */
const struct cv_record *cv_journal_last(const struct cv_journal_log *log, enum cv_record_type type);

/* Makes an operation ours that was left by a process that is gone: the epoch grows, on disk. Refused (CV_EREFUSED) while its
 * owner may still run, and for one of another host or that is not sealed by us unless adopt is set. */
bool cv_journal_take_over(struct cv_journal *j, const struct cv_journal_log *log, const struct cv_io *io,
			  const struct cv_host *host, int dir, const char *name, bool adopt, struct cv_err *err);

struct cv_journal_name cv_journal_name(const uint8_t op[16]);
const char *cv_operation_name(enum cv_plan_kind type);   /* "trash", ...; NULL if there is none */

#endif

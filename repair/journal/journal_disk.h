/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The journal of one operation, as it lies in its file: slots of 4 KiB, all written (with zeros) before the
 * operation begins, so that nothing that it has to note later can fail for want of space.
 *
 *   slot 0, 1   superblock, two copies: the valid one with the larger epoch counts
 *   slot 2...   the board, if there is one: a record of its own that each next one is written over
 *   behind it   records, each from the start of a slot, one behind the other; the first that is not valid is the end
 *
 * Everything is little-endian. A record is valid if its magic, version, operation, number (the one before plus
 * one), epoch, chained checksum and checksum are right; the checksum begins with a number that is not zero, so that
 * zeros never are. Slots of records are never used twice. What is on the board is only needed until what it is about is
 * on disk, and the next is written there only then; one that is torn was therefore not needed yet. The seal (HMAC-SHA256 with a key that this host keeps outside of the
 * repository, over the record and the seal before it) tells our own records from those of whoever can write here.
 */
#ifndef CV_REPAIR_JOURNAL_JOURNAL_DISK_H
#define CV_REPAIR_JOURNAL_JOURNAL_DISK_H

#include <chainview/bytes.h>

#define CV_JOURNAL_SLOT 4096u
#define CV_JOURNAL_VERSION 1
#define CV_JOURNAL_SUPER_MAGIC "CVJSUP01"
#define CV_JOURNAL_RECORD_MAGIC "CVR1"
#define CV_JOURNAL_BOARD_MAGIC "CVB1"        /* of what is on the board: never taken for a record */
#define CV_JOURNAL_SUPERS 2u                 /* slots; the board follows, then the records */

struct cv_journal_super_disk {
	uint8_t magic[8];          /*   0 */
	cv_le16 version, type;     /*   8  of the layout; enum cv_plan_kind */
	cv_le32 slots;             /*  12  in the whole file */
	uint8_t op[16];            /*  16  identity of the operation */
	uint8_t repository[16];    /*  32 */
	uint8_t host[16];          /*  48  who owns it: host, boot, process */
	uint8_t boot[16];          /*  64 */
	cv_le64 pid_start;         /*  80  clock ticks after the boot */
	cv_le64 epoch;             /*  88  one more with each take-over */
	cv_le64 created_ns;        /*  96  since 1970 */
	cv_le32 pid;               /* 104 */
	uint8_t filler0[4];        /* 108 */
	cv_le32 board;             /* 112  slots */
	uint8_t filler[12];        /* 116 */
	uint8_t seal[32];          /* 128 */
	cv_le32 crc;               /* 160  CRC-32C of the slot with this field zero */
};
_Static_assert(sizeof(struct cv_journal_super_disk) == 164, "a superblock");
_Static_assert(offsetof(struct cv_journal_super_disk, seal) == 128, "its seal");

struct cv_journal_record_disk {
	uint8_t magic[4];          /*   0 */
	cv_le16 version, type;     /*   4  of the layout; enum cv_record_type */
	cv_le64 number;            /*   8  1, 2, 3... */
	uint8_t op[16];            /*  16 */
	cv_le32 len;               /*  32  of the payload behind this head, bytes */
	cv_le32 previous_crc;      /*  36 */
	cv_le64 epoch;             /*  40 */
	cv_le64 time_ns;           /*  48 */
	uint8_t filler[4];         /*  56 */
	cv_le32 crc;               /*  60  of all its slots with this field zero, beginning with crc32c(op) | 1 */
	uint8_t seal[32];          /*  64 */
};
_Static_assert(sizeof(struct cv_journal_record_disk) == 96, "the head of a record");
_Static_assert(offsetof(struct cv_journal_record_disk, crc) == 60, "its checksum");

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The log of a VHDX: its layout, what of it waits to be done, and a source that reads as if that had been done.
 * Nothing is ever written. Layout and rules are those of [MS-VHDX] 2.3; private to inspect/vhdx/.
 */
#ifndef CV_INSPECT_VHDX_LOG_H
#define CV_INSPECT_VHDX_LOG_H

#include <chainview/vec.h>
#include "inspect/vhdx/vhdx.h"

#define CV_VHDX_PAGE 4096u                   /* a sector of the log, and what one data descriptor changes */

struct cv_vhdx_entry_disk {
	uint8_t signature[4];                /*   0  "loge" */
	cv_le32 checksum;                    /*   4  CRC-32C of the whole entry, this field 0 */
	cv_le32 length, tail;                /*   8  bytes; where in the log the active sequence then began */
	cv_le64 sequence;                    /*  16 */
	cv_le32 count, reserved;             /*  24  descriptors */
	struct cv_guid_disk guid;            /*  32  the header's LogGuid */
	cv_le64 flushed_size, last_size;     /*  48  of the file: what was stable; what all its structures need */
};
_Static_assert(sizeof(struct cv_vhdx_entry_disk) == 64, "the header of a VHDX log entry is 64 bytes");
_Static_assert(offsetof(struct cv_vhdx_entry_disk, guid) == 32, "log entry: GUID");
_Static_assert(offsetof(struct cv_vhdx_entry_disk, last_size) == 56, "log entry: LastFileOffset");

struct cv_vhdx_descriptor_disk {
	uint8_t signature[4];                /*   0  "desc": a page; "zero": a range of zeros */
	uint8_t trailing[4];                 /*   4  "desc": the last bytes of the page */
	uint8_t leading[8];                  /*   8  "desc": its first bytes; "zero": le64, length */
	cv_le64 offset, sequence;            /*  16 */
};
_Static_assert(sizeof(struct cv_vhdx_descriptor_disk) == 32, "a descriptor of the VHDX log is 32 bytes");
_Static_assert(offsetof(struct cv_vhdx_descriptor_disk, offset) == 16, "log descriptor: offset");

struct cv_vhdx_data_disk {
	uint8_t signature[4];                /*    0  "data" */
	cv_le32 sequence_high;               /*    4 */
	uint8_t bytes[4084];                 /*    8  of the page, without its first 8 and last 4 */
	cv_le32 sequence_low;                /* 4092 */
};
_Static_assert(sizeof(struct cv_vhdx_data_disk) == CV_VHDX_PAGE, "a data sector of the VHDX log is 4 KiB");
_Static_assert(offsetof(struct cv_vhdx_data_disk, sequence_low) == 4092, "log data: sequence");

/* What one descriptor does to the file. */
struct cv_vhdx_change {
	struct cv_range at;
	const struct cv_vhdx_descriptor_disk *edges;   /* of a page, in the log's bytes */
	const struct cv_vhdx_data_disk *page;          /* NULL: zeros */
};
CV_VEC(cv_vhdx_changes, struct cv_vhdx_change);

struct cv_vhdx_log {
	uint8_t *bytes;                      /* all of it */
	uint32_t sectors;
	struct cv_guid_disk guid;            /* of the current header */
	struct cv_vhdx_changes changes;      /* of the active sequence, in the order in which they were made */
	uint64_t flushed_size, last_size;    /* the greatest of the active sequence */
	uint64_t first, last;                /* sequence numbers of its entries; 0: there is none */
};

/* Finds the active sequence in a log that was read; the changes point into its bytes. */
bool cv_vhdx_log_find(struct cv_vhdx_log *log, struct cv_err *err);

/* Puts all of a pending log into memory; *pending is false if there is none. */
bool cv_vhdx_log_load(struct cv_vhdx_log *log, struct cv_source *source, const struct cv_facts *facts, bool *pending,
		      struct cv_err *err);
void cv_vhdx_log_fini(struct cv_vhdx_log *log);

/*
 * If the facts of the current header say that a log is pending: puts a source that shows it done in the place
 * of *source. On failure *source may be NULL, and is closed then.
 */
bool cv_vhdx_log_apply(struct cv_source **source, const struct cv_facts *facts, struct cv_err *err);

/* vhdx_map_overlay.c: takes both *under and what log points to, also when it fails. */
struct cv_source *cv_vhdx_overlay_new(struct cv_source **under, struct cv_vhdx_log *log, struct cv_err *err);
/* Of such a source: the first bytes at or behind off that the log decides, whole pages; false if there are none. */
bool cv_vhdx_overlay_next(const struct cv_source *overlay, uint64_t off, struct cv_range *at);

#endif

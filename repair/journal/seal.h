/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Checksums and seals of superblocks and records, shared by the writing and the reading side. */
#ifndef CV_REPAIR_JOURNAL_SEAL_H
#define CV_REPAIR_JOURNAL_SEAL_H

#include "repair/journal/journal.h"

/* Of a slot that holds a superblock; their own fields count as zero. */
uint32_t cv_super_crc(const uint8_t slot[CV_JOURNAL_SLOT]);
bool cv_super_seal(const struct cv_host *host, const struct cv_journal_super_disk *super, uint8_t seal[32]);
/* That stands before the first record, and before what is on the board. */
extern const uint8_t cv_first_seal[32];
/* Of all slots of a record; their own fields count as zero. */
uint32_t cv_record_crc(const uint8_t *slots, size_t len);
/* before: the seal of the record before, or of the superblock as it was made. False without a key. */
bool cv_record_seal(const struct cv_host *host, const uint8_t *record, size_t len, const uint8_t before[32],
		    uint8_t seal[32]);

#endif

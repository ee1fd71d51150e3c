/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Payloads of journal records: numbers of eight bytes, little-endian, and byte strings with their length before them.
 * What is read may be anybody's: the reader checks every length. */
#ifndef CV_REPAIR_OPERATION_PACK_H
#define CV_REPAIR_OPERATION_PACK_H

#include <chainview/base.h>

struct cv_pack {
	uint8_t *at;
	size_t len, cap;
	bool failed;                 /* memory ran short */
};

void cv_pack_number(struct cv_pack *p, uint64_t n);
void cv_pack_bytes(struct cv_pack *p, const void *bytes, size_t len);
void cv_pack_fini(struct cv_pack *p);

struct cv_unpack {
	const uint8_t *at;
	size_t left;
	bool failed;                 /* something was not there: all that follows is zero and empty */
	bool no_memory;              /* for who reads and keeps: it failed for want of that */
};

uint64_t cv_unpack_number(struct cv_unpack *u);
struct cv_bytes cv_unpack_bytes(struct cv_unpack *u);
/* Exactly so many bytes as a string; zeros if they are not there. */
void cv_unpack_into(struct cv_unpack *u, void *to, size_t len);

#endif

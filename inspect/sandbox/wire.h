/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a reading process found out about one image, as flat bytes. The side that decodes trusts nothing: the
 * process that wrote them may have been taken over by the image it read. Both sides are one program, so numbers
 * are in the order of the machine.
 */
#ifndef CV_INSPECT_SANDBOX_WIRE_H
#define CV_INSPECT_SANDBOX_WIRE_H

#include <chainview/facts.h>
#include <chainview/error.h>

/* The most list entries of one kind that are accepted; as many as struct cv_facts itself ever holds. */
#define CV_WIRE_ENTRIES 8192

/*
 * Writes one record: the index of the image in its batch, its facts (NULL: none), and why reading it failed (NULL:
 * it did not). Returns its length, or 0 if it does not fit into cap bytes.
 */
size_t cv_wire_encode(uint8_t *at, size_t cap, uint32_t index, const struct cv_facts *facts, const struct cv_err *why);

/* One decoded record. */
struct cv_answer {
	uint32_t index;
	struct cv_facts *facts;   /* owned; NULL if there are none */
	struct cv_err why;        /* code CV_OK if the image was read to its end; else one escaped line */
};

/*
 * Decodes the first record of len bytes. Returns its length, or 0 with err set: nothing of a damaged record is
 * used. The facts of one image are one block of memory, not larger than about seven times its record.
 */
size_t cv_wire_decode(const uint8_t *at, size_t len, struct cv_answer *answer, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A table of records of different length, read in pieces as far as it is needed and never beyond a cap. Knows
 * nothing about what is in the records.
 */
#ifndef CV_INSPECT_QCOW2_RECORDS_H
#define CV_INSPECT_QCOW2_RECORDS_H

#include <chainview/source.h>

#define CV_QCOW2_RECORDS_CAP (1u << 20)      /* bytes of one table that are looked at */
#define CV_QCOW2_RECORDS_LISTED 256u         /* records that become attributes */

struct cv_qcow2_records {
	struct cv_source *source;
	uint64_t off, len;           /* where the table may lie: to its end, or that of the file */
	uint8_t *at;                 /* its bytes as far as they were read */
	size_t have, cap;
};

enum cv_qcow2_fit {
	CV_QCOW2_FITS,
	CV_QCOW2_PAST_END,           /* the table ends before that */
	CV_QCOW2_PAST_CAP,           /* more of it than anybody should want */
};

/* Can the first `upto` bytes of the table be had? */
enum cv_qcow2_fit cv_qcow2_records_fit(const struct cv_qcow2_records *t, uint64_t upto);

/* Makes t->at hold the first `upto` bytes, which must fit. Moves t->at. */
bool cv_qcow2_records_load(struct cv_qcow2_records *t, uint64_t upto, struct cv_err *err);

void cv_qcow2_records_fini(struct cv_qcow2_records *t);

#endif

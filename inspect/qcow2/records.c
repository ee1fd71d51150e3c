/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reading a table of records piece by piece up to a cap. The records themselves are decoded elsewhere. */
#include "inspect/qcow2/records.h"

#define PIECE 4096u                          /* most tables are smaller */

enum cv_qcow2_fit cv_qcow2_records_fit(const struct cv_qcow2_records *t, uint64_t upto)
{
	if (upto > t->len)
		return CV_QCOW2_PAST_END;
	return upto > CV_QCOW2_RECORDS_CAP ? CV_QCOW2_PAST_CAP : CV_QCOW2_FITS;
}

/* Twice as much as last time, so that a long table needs few reads. */
static size_t next_length(const struct cv_qcow2_records *t, uint64_t upto)
{
	uint64_t want = t->have ? t->have * 2 : PIECE;

	if (want < upto)
		want = upto;
	if (want > t->len)
		want = t->len;
	return want > CV_QCOW2_RECORDS_CAP ? CV_QCOW2_RECORDS_CAP : (size_t)want;
}

bool cv_qcow2_records_load(struct cv_qcow2_records *t, uint64_t upto, struct cv_err *err)
{
	size_t want = next_length(t, upto);

	if (upto <= t->have)
		return true;
	if (want > t->cap) {
		uint8_t *at = realloc(t->at, want);

		if (!at)
			return cv_fail(err, CV_ENOMEM, "no memory for %zu bytes of a table", want);
		t->at = at;
		t->cap = want;
	}
	if (!cv_source_read(t->source, t->at + t->have, want - t->have, t->off + t->have, err))
		return false;
	t->have = want;
	return true;
}

void cv_qcow2_records_fini(struct cv_qcow2_records *t)
{
	free(t->at);
	*t = (struct cv_qcow2_records){ 0 };
}

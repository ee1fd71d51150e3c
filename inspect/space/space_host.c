/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From claims to sums: each allocated byte of a file is counted once, for the strongest claim on it. Which claims
 * there are is known in the files of the formats.
 */
#include "inspect/space/space_host.h"

static const struct cv_space_host_ops *const formats[CV_FORMAT_COUNT] = {
	[CV_FORMAT_VHD] = &cv_space_host_vhd,
	[CV_FORMAT_VHDX] = &cv_space_host_vhdx,
	[CV_FORMAT_QCOW] = &cv_space_host_qcow,
	[CV_FORMAT_QCOW2] = &cv_space_host_qcow2,
};

bool cv_space_host_open(struct cv_space_host *h, enum cv_format_id format, struct cv_err *err)
{
	h->ops = format < CV_FORMAT_COUNT ? formats[format] : NULL;
	return !h->ops || h->ops->claim(h, err);
}

void cv_space_host_close(struct cv_space_host *h)
{
	if (h->ops && h->ops->close)
		h->ops->close(h);
	cv_space_account_fini(&h->account);
	cv_space_account_fini(&h->data_account);
	h->state = NULL;
}

void cv_space_host_rest(struct cv_space_host *h)
{
	if (h->ops && h->ops->rest)
		h->ops->rest(h);
}

static bool settle_gap(struct cv_space_host *h, struct cv_range gap, uint64_t unit, struct cv_space_sums *sums,
		       struct cv_err *err)
{
	while (gap.len) {
		struct cv_range part = gap;
		bool lost = false;
		uint64_t held;

		if (h->ops && h->ops->lost && !h->ops->lost(h, &part, &lost, err))
			return false;
		held = cv_space_on_disk(&h->disk, part);
		*(lost ? &sums->lost : &sums->idle) += held;
		if (lost && !sums->lost_pieces)
			sums->lost_at = part.off;
		if (lost)
			sums->lost_pieces += (part.len + unit - 1) / unit;
		gap.off += part.len;
		gap.len -= part.len;
	}
	return true;
}

/* A gap that nothing on disk lies in need not be looked at: tables of huge empty files are not read for it. */
static bool settle_unclaimed(struct cv_space_host *h, struct cv_range gap, uint64_t unit, struct cv_space_sums *sums,
			     struct cv_err *err)
{
	return !cv_space_on_disk(&h->disk, gap) || settle_gap(h, gap, unit, sums, err);
}

bool cv_space_host_settle(struct cv_space_host *h, uint64_t unit, struct cv_space_sums *sums, struct cv_err *err)
{
	struct cv_space_account *a = &h->account;
	size_t cursor[CV_CLAIM_CLASS_COUNT] = { 0 };
	uint64_t pos = a->slice.off, stop = pos + a->slice.len, end;

	cv_space_account_join(a);
	for (; pos < stop; pos = end) {
		int class = cv_space_claimed(a, cursor, pos, &end);
		struct cv_range r = { pos, end - pos };

		if (class >= 0)
			sums->claimed[class] += cv_space_on_disk(&h->disk, r);
		else if (!settle_unclaimed(h, r, unit, sums, err))
			return false;
	}
	return true;
}

bool cv_space_data_settle(struct cv_space_host *h, struct cv_space_sums *sums)
{
	struct cv_space_account *a = &h->data_account;
	size_t cursor[CV_CLAIM_CLASS_COUNT] = { 0 };
	uint64_t pos = a->slice.off, stop = pos + a->slice.len, end;

	cv_space_account_join(a);
	for (; pos < stop; pos = end) {
		int class = cv_space_claimed(a, cursor, pos, &end);
		uint64_t held = cv_space_on_disk(&h->data_disk, (struct cv_range){ pos, end - pos });

		*(class >= 0 ? &sums->claimed[class] : &sums->idle) += held;
	}
	return true;
}

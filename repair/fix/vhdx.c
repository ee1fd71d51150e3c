/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a VHDX has twice: two headers, of which the one with the higher sequence number counts, and two region tables that are to
 * be the same ([MS-VHDX] 2.2.2, 2.2.3). The one that cannot be used is made again from the one that counts, which stays as it is.
 */
#include "repair/fix/vhdx.h"
#include "inspect/base/crc32c.h"
#include "repair/vhdx/change.h"

/* An older one, as if the current one had been written after it: so the other still counts when both can be read. */
static void make_older(struct cv_vhdx_header_disk *h)
{
	uint64_t sequence = cv_le64_get(h->sequence);

	h->sequence = cv_le64_of(sequence ? sequence - 1 : 0);
	h->checksum = cv_le32_of(0);
	h->checksum = cv_le32_of(cv_crc32c(0, h, sizeof *h));
}

bool cv_fix_vhdx_header(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	struct cv_vhdx_header_disk h;
	uint64_t off, other;

	if (!cv_vhdx_current_header(job->source, &h, &off, &why))
		return why.code == CV_EREFUSED ? cv_fix_refuse(fix, "%s", why.text) : cv_fail(err, why.code, "%s", why.text);
	other = off == CV_VHDX_HEADER_OFFSET(0) ? CV_VHDX_HEADER_OFFSET(1) : CV_VHDX_HEADER_OFFSET(0);
	make_older(&h);
	cv_fix_say(fix, "the header at offset %" PRIu64 " from the one at offset %" PRIu64 ", as an older one", other, off);
	return cv_fix_patch(fix, other, &h, sizeof h, 1, err);
}

bool cv_fix_vhdx_regions(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *tables = malloc(2 * (size_t)CV_VHDX_TABLE_SIZE);
	const char *fault[2];
	unsigned good;

	if (!tables)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhdx_read_tables(job->source, tables, fault, err))
		return false;
	if (fault[0] && fault[1])
		return cv_fix_refuse(fix, "neither of its region tables can be used");
	good = fault[0] ? 1 : 0;
	if (fault[0] || fault[1])
		cv_fix_say(fix, "region table %u from table %u", 2 - good, good + 1);
	else
		cv_fix_ask(fix, "region table 2 as table 1, which readers go by");
	return cv_fix_patch(fix, CV_VHDX_REGION_OFFSET(1 - good), tables + good * (size_t)CV_VHDX_TABLE_SIZE, CV_VHDX_TABLE_SIZE, 1, err);
}

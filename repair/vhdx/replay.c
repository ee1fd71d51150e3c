/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See replay.h. Which entries count, and what they change, is found out by the reader (inspect/vhdx/vhdx_log.h). */
#include "repair/vhdx/replay.h"
#include "inspect/source/hole.h"
#include "inspect/vhdx/vhdx_log.h"
#include "repair/vhdx/change.h"
#include <chainview/digest.h>

#define LARGEST_FILE (CV_VHDX_SIZE_MAX / 64 * 66)    /* the largest disk, and room for its tables */
#define MOST_LOOKED_AT (UINT64_C(1) << 30)           /* bytes that a log may ask to be zeros where the file has some already */

/* Whoever writes to a file says so. The same for the same log, whenever it is looked at. */
static bool make_fresh(const struct cv_vhdx_header_disk *h, uint8_t fresh[16], struct cv_err *err)
{
	CV_AUTO(cv_auto_digest) struct cv_digest *d = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	uint8_t out[CV_DIGEST_LARGEST];

	if (!d || !cv_digest_begin(d, err) || !cv_digest_add(d, h, sizeof *h, err) ||
	    !cv_digest_end(d, CV_DIGEST_SHA256, out, err))
		return false;
	memcpy(fresh, out, 16);
	fresh[7] = (uint8_t)((fresh[7] & 0x0f) | 0x40);
	fresh[8] = (uint8_t)((fresh[8] & 0x3f) | 0x80);
	return true;
}

/* First the one that is not current: when it is whole it is, and the log is empty. Then the other one, so that the log does not come
 * back when that one header is lost. */
static bool make_headers(struct cv_vhdx_replay *r, struct cv_vhdx_header_disk h, uint64_t off, struct cv_err *err)
{
	uint8_t fresh[16];

	if (cv_le64_get(h.sequence) >= UINT64_MAX - 1)
		return cv_fail(err, CV_EREFUSED, "no header can follow on its number %" PRIu64, cv_le64_get(h.sequence));
	if (!make_fresh(&h, fresh, err))
		return false;
	memset(&h.log, 0, sizeof h.log);
	for (unsigned i = 0; i < 2; i++) {
		cv_vhdx_renew_header(&h, &off, fresh);
		r->headers[i].disk = h;
		r->headers[i].off = off;
	}
	return true;
}

/* What the log changes must be none of what decides about the log. */
static bool check_places(const struct cv_vhdx_replay *r, const struct cv_vhdx_header_disk *h, struct cv_err *err)
{
	const struct cv_range heads = { 0, CV_VHDX_REGION_OFFSET(0) };
	const struct cv_range log = { cv_le64_get(h->log_offset), cv_le32_get(h->log_length) };
	uint64_t looked_at = 0;
	struct cv_range at;

	for (uint64_t off = 0; cv_vhdx_overlay_next(r->after, off, &at); off = at.off + at.len) {
		if (cv_ranges_touch(at, heads) || cv_ranges_touch(at, log))
			return cv_fail(err, CV_EREFUSED, "its log would change the headers or the log itself, at offset %" PRIu64, at.off);
		if (at.off < r->before->size && __builtin_add_overflow(looked_at, at.len, &looked_at))
			looked_at = UINT64_MAX;
	}
	return looked_at <= MOST_LOOKED_AT ||
	       cv_fail(err, CV_EREFUSED, "its log changes %" PRIu64 " B of the file, more than %" PRIu64, looked_at, MOST_LOOKED_AT);
}

static bool foresee(struct cv_vhdx_replay *r, const struct cv_vhdx_header_disk *h, uint64_t off, struct cv_err *err)
{
	r->size = r->after->size;
	if (r->size > LARGEST_FILE && r->size > r->before->size)
		return cv_fail(err, CV_EREFUSED, "its log asks for a file of %" PRIu64 " B", r->size);
	if (r->size > r->before->size)
		r->size = (r->size + CV_VHDX_MIB - 1) / CV_VHDX_MIB * CV_VHDX_MIB;
	return check_places(r, h, err) && make_headers(r, *h, off, err);
}

/* What is wrong with a log is why nothing is written. */
static bool apply(struct cv_vhdx_replay *r, const struct cv_facts *facts, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	r->after = cv_source_borrow(r->before, err);
	if (!r->after)
		return false;
	if (cv_vhdx_log_apply(&r->after, facts, &why))
		return true;
	return cv_fail(err, why.code == CV_EFORMAT || why.code == CV_ELIMIT ? CV_EREFUSED : why.code, "%s", why.text);
}

bool cv_vhdx_replay_open(struct cv_vhdx_replay *r, struct cv_source *source, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = NULL;
	struct cv_vhdx_header_disk h;
	uint64_t off;

	*r = (struct cv_vhdx_replay){ .before = source };
	if (!cv_vhdx_find_header(source, &facts, &h, &off, err))
		return false;
	if (cv_guid_is_null(&h.log))
		return cv_fail(err, CV_EREFUSED, "its log is empty");
	return apply(r, facts, err) && foresee(r, &h, off, err);
}

/* What lies behind the end of the file is zeros. */
static bool read_before(const struct cv_vhdx_replay *r, uint8_t page[CV_VHDX_PAGE], uint64_t off, struct cv_err *err)
{
	uint64_t left = r->before->size > off ? r->before->size - off : 0;

	memset(page, 0, CV_VHDX_PAGE);
	return !left || cv_source_read(r->before, page, left < CV_VHDX_PAGE ? (size_t)left : CV_VHDX_PAGE, off, err);
}

bool cv_vhdx_replay_pages(const struct cv_vhdx_replay *r,
			  bool (*write)(void *ctx, uint64_t off, const uint8_t *page, struct cv_err *err), void *ctx,
			  struct cv_err *err)
{
	uint8_t is[CV_VHDX_PAGE], will[CV_VHDX_PAGE];
	struct cv_range at;

	for (uint64_t off = 0; cv_vhdx_overlay_next(r->after, off, &at) && at.off < r->size; off = at.off + CV_VHDX_PAGE) {
		uint64_t left = r->after->size > at.off ? r->after->size - at.off : 0;

		memset(will, 0, sizeof will);
		if (!read_before(r, is, at.off, err) ||
		    (left && !cv_source_read(r->after, will, left < CV_VHDX_PAGE ? (size_t)left : CV_VHDX_PAGE, at.off, err)))
			return false;
		if (memcmp(is, will, CV_VHDX_PAGE) != 0 && !write(ctx, at.off, will, err))
			return false;
	}
	return true;
}

void cv_vhdx_replay_fini(struct cv_vhdx_replay *r)
{
	cv_source_close(r->after);
	r->after = NULL;
}

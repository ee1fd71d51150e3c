/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a change of parents leaves in the journal before it begins. */
#include "repair/relink/relink.h"

enum { LAYOUT = 1, LAYOUT_SIZES = 2 };    /* with the lengths of the file */

bool cv_relink_pack(struct cv_pack *p, const struct cv_relink *r, const uint8_t boot[16])
{
	cv_pack_number(p, r->new_size ? LAYOUT_SIZES : LAYOUT);
	cv_pack_bytes(p, boot, 16);
	if (r->new_size) {
		cv_pack_number(p, r->old_size);
		cv_pack_number(p, r->new_size);
	}
	cv_pack_bytes(p, cv_text_str(&r->says_old), r->says_old.len);
	cv_pack_bytes(p, cv_text_str(&r->says_new), r->says_new.len);
	cv_pack_number(p, r->pages.len);
	for (size_t i = 0; i < r->pages.len; i++) {
		const struct cv_page *page = &r->pages.at[i];

		cv_pack_number(p, page->off);
		cv_pack_bytes(p, page->layer, sizeof page->layer);
		cv_pack_bytes(p, page->old, page->len);
		cv_pack_bytes(p, page->new, page->len);
	}
	return !p->failed;
}

static bool unpack_page(struct cv_unpack *u, struct cv_page *page)
{
	struct cv_bytes old, new;

	page->off = cv_unpack_number(u);
	cv_unpack_into(u, page->layer, sizeof page->layer);
	old = cv_unpack_bytes(u);
	new = cv_unpack_bytes(u);
	if (u->failed || old.len != new.len || old.len > CV_RELINK_PAGE || old.len % CV_RELINK_SECTOR ||
	    page->off % CV_RELINK_PAGE || page->off > INT64_MAX - CV_RELINK_PAGE)
		return false;
	for (size_t i = 0; i < CV_RELINK_SECTORS; i++)
		if (page->layer[i] > CV_RELINK_LAYERS || (page->layer[i] && i * CV_RELINK_SECTOR >= old.len))
			return false;
	page->len = (uint32_t)old.len;
	memcpy(page->old, old.at, old.len);
	memcpy(page->new, new.at, new.len);
	return true;
}

bool cv_relink_unpack(struct cv_relink *r, const void *payload, size_t len, uint8_t boot[16], struct cv_err *err)
{
	struct cv_unpack u = { .at = payload, .left = len };
	uint64_t layout = cv_unpack_number(&u), count;
	struct cv_bytes old, new;

	cv_unpack_into(&u, boot, 16);
	if (layout == LAYOUT_SIZES) {
		r->old_size = cv_unpack_number(&u);
		r->new_size = cv_unpack_number(&u);
		u.failed |= !r->old_size || !r->new_size || r->old_size > INT64_MAX || r->new_size > INT64_MAX;
	}
	old = cv_unpack_bytes(&u);
	new = cv_unpack_bytes(&u);
	count = cv_unpack_number(&u);
	cv_text_add_bytes(&r->says_old, old.at, old.len);
	cv_text_add_bytes(&r->says_new, new.at, new.len);
	if (u.failed || (layout != LAYOUT && layout != LAYOUT_SIZES) || count > CV_RELINK_PAGES_LARGE)
		return cv_fail(err, CV_EFORMAT, "its UNDO record is of layout %" PRIu64 ", %" PRIu64 " pages", layout, count);
	for (uint64_t i = 0; i < count; i++) {
		struct cv_page page = { 0 };

		if (!unpack_page(&u, &page))
			return cv_fail(err, CV_EFORMAT, "its UNDO record has a page that cannot be");
		if (!cv_pages_push(&r->pages, page))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return (!r->says_old.failed && !r->says_new.failed) || cv_fail(err, CV_ENOMEM, "out of memory");
}

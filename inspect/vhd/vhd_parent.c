/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the dynamic header says about the parent, and whether that can be believed. The recorded names are
 * read in vhd_locator.c and compared here.
 */
#include "inspect/vhd/vhd_name.h"
#include <strings.h>

#define AT(member) offsetof(struct vhd_header_disk, member)

static bool header_names_a_parent(const struct vhd_header *h)
{
	const struct vhd_header_disk *d = &h->disk;

	return !cv_uuid_is_null(d->parent_uuid) || cv_vhd_nonzero(d->parent_name, sizeof d->parent_name).len ||
	       cv_vhd_nonzero((const uint8_t *)d->locators, sizeof d->locators).len;
}

static bool says_differencing(const struct vhd_footer *f)
{
	return cv_vhd_has_cookie(f) && f->type == VHD_TYPE_DIFFERENCING;
}

/* True if the image might have a parent although the believed footer says no, or might not be what it says. */
static bool kind_is_doubtful(const struct vhd_reader *r)
{
	bool both = cv_vhd_is_good(&r->end) && cv_vhd_is_good(&r->copy);

	return !r->used->sums || r->facts->variant == CV_VARIANT_NONE || (both && r->end.type != r->copy.type);
}

static void report_says(struct vhd_reader *r, struct cv_range where, const char *footer, const char *other,
			const char *says)
{
	cv_vhd_report(r, CV_CHN_PARENT_LOCATORS_DISAGREE, where,
		      (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text("the footer"), cv_arg_text(footer),
							cv_arg_text(other), cv_arg_text(says) });
}

/*
 * A fixed disk has no copy of its footer, no header and no parent; the header of a dynamic one has no parent in it.
 * True if it is otherwise. Where the footers themselves are in doubt, other findings say so.
 */
static bool report_contradiction(struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;

	if (kind_is_doubtful(r))
		return false;
	if (r->used->type == VHD_TYPE_FIXED && cv_vhd_has_cookie(&r->copy)) {
		report_says(r, r->copy.where, "a fixed disk", "its copy at offset 0",
			    "by being there, another kind of disk");
		return true;
	}
	if (r->used->type != VHD_TYPE_DYNAMIC || !h->sums || !header_names_a_parent(h))
		return false;
	report_says(r, h->where, "a dynamic disk", "the dynamic header", "a disk with a parent");
	return true;
}

static bool parent_is_unreadable(const struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;

	if (r->used->type == VHD_TYPE_DIFFERENCING)
		return !h->sums;
	if (says_differencing(&r->end) || says_differencing(&r->copy))
		return true;
	if (!kind_is_doubtful(r))
		return false;
	return h->sums ? header_names_a_parent(h) : r->used->type != VHD_TYPE_FIXED;
}

static void take_parent(struct vhd_reader *r)
{
	const struct vhd_header *h = &r->header;

	if (!cv_uuid_is_null(h->disk.parent_uuid)) {
		memcpy(r->facts->parent_uuid, h->disk.parent_uuid, sizeof r->facts->parent_uuid);
		r->facts->flags |= CV_FACT_PARENT_UUID;
		r->facts->parent_format = CV_FORMAT_VHD;
	} else if (h->sums) {
		r->facts->flags |= CV_FACT_PARENT_RAW;
		r->facts->parent_format = CV_FORMAT_RAW;
	}
	if (h->parent_time) {
		r->facts->flags |= CV_FACT_PARENT_TIME;
		r->facts->parent_time = VHD_EPOCH + h->parent_time;
	}
}

/* What stands behind the last slash, trailing slashes aside. */
static struct cv_bytes last_component(struct cv_bytes path)
{
	size_t end = path.len, start;

	while (end && path.at[end - 1] == '/')
		end--;
	start = end;
	while (start && path.at[start - 1] != '/')
		start--;
	return (struct cv_bytes){ path.at + start, end - start };
}

/* The same file name; or the URL that some writers of MacX locators make of it; Windows ignores case. */
static bool same_component(const struct cv_name *a, const struct cv_name *b)
{
	struct cv_bytes x = last_component(a->path), y = last_component(b->path);
	struct cv_text plain_x = { 0 }, plain_y = { 0 };
	bool windows = a->kind == CV_NAME_WINDOWS || b->kind == CV_NAME_WINDOWS;
	bool same = cv_bytes_equal(x, y) || (windows && x.len == y.len && !strncasecmp(x.at, y.at, x.len));

	if (!same && (a->source == CV_NAME_MACX || b->source == CV_NAME_MACX)) {
		cv_vhd_percent_decode(&plain_x, x, a->source == CV_NAME_MACX);
		cv_vhd_percent_decode(&plain_y, y, b->source == CV_NAME_MACX);
		same = cv_bytes_equal((struct cv_bytes){ plain_x.at, plain_x.len },
				      (struct cv_bytes){ plain_y.at, plain_y.len });
	}
	cv_text_fini(&plain_x);
	cv_text_fini(&plain_y);
	return same;
}

/* One finding for an image: the first name against the first that says otherwise. */
static void compare_names(struct vhd_reader *r)
{
	const struct cv_name *first = NULL;

	for (uint32_t i = 0; i < r->facts->name_count; i++) {
		const struct cv_name *n = &r->facts->names[i];

		if (n->kind == CV_NAME_OPAQUE)
			continue;
		if (!first) {
			first = n;
		} else if (!same_component(first, n)) {
			cv_vhd_report(r, CV_CHN_PARENT_LOCATORS_DISAGREE, n->where,
				      (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(cv_name_source_name(first->source)),
									cv_arg_bytes(first->text),
									cv_arg_text(cv_name_source_name(n->source)),
									cv_arg_bytes(n->text) });
			return;
		}
	}
}

bool cv_vhd_parent_read(struct vhd_reader *r, struct cv_err *err)
{
	bool contradicts = report_contradiction(r);

	if (parent_is_unreadable(r) || contradicts)
		r->facts->flags |= CV_FACT_PARENT_UNREADABLE;
	if (r->used->type != VHD_TYPE_DIFFERENCING)
		return true;
	r->facts->flags |= CV_FACT_PARENT;
	if (!r->header.present)
		return true;
	take_parent(r);
	if (!cv_vhd_locators_read(r, err))
		return false;
	compare_names(r);
	return true;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The two footers of a VHD: finding them, deciding which one is believed, and saying what is wrong with them.
 * The facts that the believed one states are taken in vhd_identity.c.
 */
#include "inspect/vhd/vhd.h"
#include <stdio.h>

static bool load(struct vhd_reader *r, struct vhd_footer *f, struct cv_range where, struct cv_err *err)
{
	memset(f, 0, sizeof *f);
	f->where = where;
	if (!cv_source_read(r->source, &f->disk, where.len, where.off, err))
		return cv_wrap(err, "while reading a VHD footer");
	cv_vhd_footer_decode(f);
	return true;
}

/* The last sector; or the last 511 bytes, when the file's length has room for such a footer. */
static bool load_end(struct vhd_reader *r, struct cv_err *err)
{
	uint64_t size = r->source->size;

	r->end.where.len = size < VHD_SECTOR ? size : VHD_SECTOR;
	r->end.where.off = size - r->end.where.len;
	if (size >= VHD_SECTOR && !load(r, &r->end, r->end.where, err))
		return false;
	if (r->end.state == VHD_FOOTER_ABSENT && size % VHD_SECTOR == VHD_SHORT_FOOTER) {
		struct vhd_footer brief;

		if (!load(r, &brief, (struct cv_range){ size - VHD_SHORT_FOOTER, VHD_SHORT_FOOTER }, err))
			return false;
		if (cv_vhd_has_cookie(&brief))
			r->end = brief;
	}
	return true;
}

/* A file of one sector has one footer: a fixed disk's is at the end, of the others only the copy can be left. */
static void settle_overlap(struct vhd_reader *r)
{
	if (r->source->size > VHD_SECTOR)
		return;
	if (cv_vhd_has_cookie(&r->end) && r->end.type != VHD_TYPE_FIXED) {
		r->copy = r->end;
		r->end.state = VHD_FOOTER_ABSENT;
	} else {
		r->copy.state = VHD_FOOTER_ABSENT;
	}
}

static bool is_own_copy(const struct vhd_reader *r)
{
	return cv_vhd_is_good(&r->copy) && !cv_uuid_is_null(r->copy.disk.uuid) &&
	       !memcmp(r->copy.disk.uuid, r->end.disk.uuid, sizeof r->end.disk.uuid);
}

static const struct vhd_footer *believed(const struct vhd_reader *r)
{
	if (cv_vhd_is_good(&r->end))
		return &r->end;
	if (cv_vhd_is_good(&r->copy))
		return &r->copy;
	if (cv_vhd_has_cookie(&r->end))
		return &r->end;
	return cv_vhd_has_cookie(&r->copy) ? &r->copy : NULL;
}

bool cv_vhd_footers_load(struct vhd_reader *r, struct cv_err *err)
{
	if (!load_end(r, err))
		return false;
	if (r->source->size >= VHD_SECTOR && !load(r, &r->copy, (struct cv_range){ 0, VHD_SECTOR }, err))
		return false;
	/* What lies at the start of a fixed disk belongs to the guest, whatever it looks like; but no guest knows the
	 * identity of its disk, so what has that was written as a copy of the footer. */
	if (!cv_vhd_has_cookie(&r->copy) ||
	    (cv_vhd_is_good(&r->end) && r->end.type == VHD_TYPE_FIXED && !is_own_copy(r)))
		r->copy.state = VHD_FOOTER_ABSENT;
	settle_overlap(r);
	r->used = believed(r);
	return true;
}

static const char *which_is_used(const struct vhd_reader *r)
{
	if (!cv_vhd_is_good(r->used))
		return r->used == &r->end ? "; no footer is good, this one is shown"
					  : "; no footer is good, the copy at offset 0 is shown";
	return r->used == &r->end ? "; the footer at the end is used" : "; the copy at offset 0 is used";
}

static void report_sum(struct vhd_reader *r, const struct vhd_footer *f)
{
	if (!cv_vhd_has_cookie(f) || f->sums)
		return;
	cv_vhd_report(r, CV_VHD_FOOTER_CHECKSUM,
		      (struct cv_range){ f->where.off + offsetof(struct vhd_footer_disk, checksum), 4 },
		      (struct cv_arg[CV_FINDING_ARGS]){
			      cv_arg_number(f->sum_stored), cv_arg_number(f->sum_actual),
			      cv_arg_text(f == &r->end ? "the footer at the end" : "the copy of the footer"),
			      cv_arg_text(which_is_used(r)) });
}

static void report_poison(struct vhd_reader *r)
{
	bool end = r->end.state == VHD_FOOTER_POISONED, copy = r->copy.state == VHD_FOOTER_POISONED;
	const struct vhd_footer *at = end ? &r->end : &r->copy;

	if (!end && !copy)
		return;
	r->facts->flags |= CV_FACT_DISABLED;
	cv_vhd_reportf(r, CV_VHD_RESIZE_PENDING, (struct cv_range){ at->where.off, sizeof at->disk.cookie }, "%s",
		       end && copy ? ", and so is its copy at offset 0"
		       : end       ? ""
				   : " in its copy at offset 0");
}

/* Why no footer can be trusted, in the cases where no checksum finding says all of it; otherwise NULL. */
static const char *why_none(const struct vhd_reader *r, bool end, bool copy)
{
	if (!end && !copy)
		return "no VHD footer at the end of the file, and no copy at offset 0";
	if (!end && r->end.state != VHD_FOOTER_KILLED && !r->copy.sums)
		return "no VHD footer at the end of the file, and its copy at offset 0 is damaged";
	if (!copy && !r->end.sums && r->end.type != VHD_TYPE_FIXED)
		return "the VHD footer is damaged, and there is no copy at offset 0";
	return NULL;
}

/* The first bytes of what is no footer. */
static void report_gone(struct vhd_reader *r, enum cv_problem_id id, const struct vhd_footer *f, struct cv_range where)
{
	cv_be64 first;
	char text[24];

	memcpy(&first, f->disk.cookie, sizeof first);
	snprintf(text, sizeof text, "%016" PRIx64, cv_be64_get(first));
	cv_vhd_report(r, id, where, (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(text) });
}

static void report_killed(struct vhd_reader *r)
{
	const char *copy = cv_vhd_is_good(&r->copy) ? "; the copy at offset 0 is used" : "; there is no good copy";

	r->facts->flags |= CV_FACT_LIVE;
	cv_vhd_report(r, CV_VHD_FOOTER_KILLED, r->end.where, (struct cv_arg[CV_FINDING_ARGS]){ cv_arg_text(copy) });
}

/* What is not there, and whether the other one makes up for it. */
static void report_absence(struct vhd_reader *r)
{
	bool end = cv_vhd_has_cookie(&r->end), copy = cv_vhd_has_cookie(&r->copy);
	const char *why = why_none(r, end, copy);

	if (r->end.state == VHD_FOOTER_KILLED)
		report_killed(r);
	else if (!end && cv_vhd_is_good(&r->copy))
		report_gone(r, CV_VHD_FOOTER_MISSING, &r->end, r->end.where);
	if (!copy && cv_vhd_is_good(&r->end) && r->end.type != VHD_TYPE_FIXED)
		report_gone(r, CV_VHD_FOOTER_COPY_MISSING, &r->copy, (struct cv_range){ 0, VHD_SECTOR });
	if (why)
		cv_vhd_reportf(r, CV_GEN_IMAGE_UNREADABLE, r->end.where, "%s", why);
}

#define FIELD(member) offsetof(struct vhd_footer_disk, member), sizeof(((struct vhd_footer_disk *)0)->member)

/* The cookie has findings of its own, and the checksum follows from the others. */
static const struct compared {
	const char *name;
	uint16_t at, len;
} compared[] = {
	{ "features", FIELD(features) },
	{ "format version", FIELD(version) },
	{ "header offset", FIELD(data_offset) },
	{ "time", FIELD(timestamp) },
	{ "creator", FIELD(app) },
	{ "creator version", FIELD(app_version) },
	{ "creator system", FIELD(os) },
	{ "original size", FIELD(original_size) },
	{ "current size", FIELD(current_size) },
	{ "cylinders", FIELD(cylinders) },
	{ "heads", FIELD(heads) },
	{ "sectors per track", FIELD(sectors) },
	{ "disk type", FIELD(type) },
	{ "identity", FIELD(uuid) },
	{ "saved state", FIELD(saved) },
	{ "hidden byte", FIELD(hidden) },
	{ "reserved bytes", FIELD(reserved) },
};

/* Old tap tools changed the hidden byte in the copy alone, which is where they looked for it. */
static bool may_differ(const struct vhd_reader *r, const struct compared *c)
{
	return c->at == offsetof(struct vhd_footer_disk, hidden) && cv_vhd_made_by_tap(&r->end) &&
	       (r->end.app_version == VHD_VERSION(0, 1) || r->end.app_version == VHD_VERSION(1, 1));
}

/* The last byte of a 511-byte footer is not there and so cannot differ. */
static bool differs(const struct vhd_reader *r, const struct compared *c)
{
	size_t len = c->at + c->len > r->end.where.len ? r->end.where.len - c->at : c->len;

	return memcmp((const uint8_t *)&r->end.disk + c->at, (const uint8_t *)&r->copy.disk + c->at, len) &&
	       !may_differ(r, c);
}

#define SHOWN_FIELDS 3u
#define SHOWN_BYTES  16u

/* In hex, as it lies in the file. */
static void add_value(struct cv_text *t, const struct vhd_footer *f, const struct compared *c)
{
	const uint8_t *bytes = (const uint8_t *)&f->disk + c->at;

	cv_text_add(t, t->len ? ", " : "");
	for (size_t i = 0; i < c->len && i < SHOWN_BYTES; i++)
		cv_text_addf(t, "%02x", bytes[i]);
	cv_text_add(t, c->len > SHOWN_BYTES ? "..." : "");
}

/* Storage managers of Xen go by the copy's hidden byte, and so does the mark that is shown. */
static const char *who_is_believed(const struct vhd_reader *r)
{
	if (r->end.disk.hidden != r->copy.disk.hidden && r->used == &r->end && cv_vhd_is_good(&r->copy))
		return "; the footer at the end is used, of the copy its hidden byte";
	return which_is_used(r);
}

struct differences {
	struct cv_text names, end, copy;
	struct cv_range where;       /* of the first */
	unsigned count;
};

static void find_differences(const struct vhd_reader *r, struct differences *d)
{
	for (size_t i = 0; i < CV_COUNT(compared); i++) {
		const struct compared *c = &compared[i];

		if (!differs(r, c))
			continue;
		if (!d->count)
			d->where = (struct cv_range){ r->end.where.off + c->at, c->len };
		cv_text_addf(&d->names, "%s%s", d->count ? ", " : "", c->name);
		if (d->count++ < SHOWN_FIELDS) {
			add_value(&d->end, &r->end, c);
			add_value(&d->copy, &r->copy, c);
		}
	}
}

static void report_differences(struct vhd_reader *r)
{
	struct differences d = { .count = 0 };

	if (!cv_vhd_has_cookie(&r->end) || !cv_vhd_has_cookie(&r->copy))
		return;
	find_differences(r, &d);
	if (d.count)
		cv_vhd_report(r, CV_VHD_FOOTERS_DIFFER, d.where,
			      (struct cv_arg[CV_FINDING_ARGS]){
				      cv_arg_text(cv_text_str(&d.names)), cv_arg_text(cv_text_str(&d.end)),
				      cv_arg_text(cv_text_str(&d.copy)), cv_arg_text(who_is_believed(r)) });
	cv_text_fini(&d.names);
	cv_text_fini(&d.end);
	cv_text_fini(&d.copy);
}

void cv_vhd_footers_report(struct vhd_reader *r)
{
	report_absence(r);
	report_poison(r);
	report_sum(r, &r->end);
	report_sum(r, &r->copy);
	report_differences(r);
}

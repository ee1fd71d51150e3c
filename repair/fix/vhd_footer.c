/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The two footers of a VHD. Each is the other's copy, so one that is good makes up for the other: nothing is lost. But a
 * footer at the end of a file that lacks the end of a block would make a truncated image look whole, so where all blocks
 * end is looked at first; and where both are good and differ somebody has to say which one is meant.
 */
#include "repair/fix/vhd.h"
#include "repair/vhd/encode.h"
#include <stdio.h>

/* Where the footer belongs: over what is left of one at the end of the file, or behind the last block. */
static uint64_t footer_place(const struct cv_fix_vhd *v)
{
	uint64_t size = v->r.source->size, last = size - size % VHD_SECTOR;

	if (size % VHD_SECTOR == 0 && size >= v->end + VHD_SECTOR)
		return size - VHD_SECTOR;
	return last > v->end ? last : v->end;
}

/* The tables say where blocks end; without them nobody knows. False: the fix has its answer. */
static bool blocks_end(struct cv_fix_vhd *v, struct cv_fix *fix, bool *known, struct cv_err *err)
{
	char reason[128];

	*known = false;
	if (!cv_fix_vhd_has_tables(v))
		return cv_fix_refuse(fix, "where the blocks of the disk end is not known, as its header or its BAT is damaged");
	if (!cv_fix_vhd_walk(v, err))
		return false;
	if (v->any_past) {
		snprintf(reason, sizeof reason, "the file ends before block %" PRIu32 " does, and a footer would make it look whole",
			 v->past);
		return cv_fix_refuse_salvage(v->job, fix, reason);
	}
	*known = true;
	return true;
}

static bool write_end(struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	uint64_t at = footer_place(v);

	fix->size = at + VHD_SECTOR;
	fix->off = at;
	cv_fix_say(fix, "%s at offset %" PRIu64 " from its copy at offset 0", at >= v->r.source->size ? "appended" : "written again", at);
	return cv_fix_patch(fix, at, &v->r.copy.disk, sizeof v->r.copy.disk, 1, err);
}

static bool end_from_copy(struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	bool known;

	if (!cv_vhd_is_good(&v->r.copy))
		return cv_fix_refuse(fix, "there is no good copy of the footer to restore it from");
	if (!blocks_end(v, fix, &known, err))
		return false;
	return !known || write_end(v, fix, err);
}

static bool copy_from_end(struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	bool known;

	if (!cv_vhd_is_good(&v->r.end) || v->r.end.type == VHD_TYPE_FIXED)
		return cv_fix_refuse(fix, "there is no good footer to restore its copy from");
	if (!blocks_end(v, fix, &known, err))
		return false;
	if (!known)
		return true;
	if (v->r.header.where.off < VHD_SECTOR || v->r.header.table_offset < VHD_SECTOR || v->first < VHD_SECTOR)
		return cv_fix_refuse(fix, "something else lies where the copy belongs");
	cv_fix_say(fix, "the copy at offset 0 from the footer at offset %" PRIu64, v->r.end.where.off);
	return cv_fix_patch(fix, 0, &v->r.end.disk, sizeof v->r.end.disk, 1, err);
}

/* The same way for all of them: look, decide, free. */
typedef bool decide_function(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err);

static bool with_image(const struct cv_fix_job *job, struct cv_fix *fix, decide_function *decide, struct cv_err *err)
{
	struct cv_fix_vhd v;
	bool ok = cv_fix_vhd_read(job, &v, err) && decide(job, &v, fix, err);

	cv_fix_vhd_fini(&v);
	return ok;
}

static bool missing(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	(void)job;
	return cv_vhd_has_cookie(&v->r.end) || end_from_copy(v, fix, err);
}

static bool copy_missing(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	(void)job;
	return cv_vhd_has_cookie(&v->r.copy) || copy_from_end(v, fix, err);
}

/* What is poisoned waits for a resize to be finished or taken back. */
static bool checksum(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	bool end = cv_vhd_has_cookie(&v->r.end) && !v->r.end.sums, copy = cv_vhd_has_cookie(&v->r.copy) && !v->r.copy.sums;

	(void)job;
	if (v->r.end.state == VHD_FOOTER_POISONED || v->r.copy.state == VHD_FOOTER_POISONED)
		return cv_fix_refuse(fix, "a resize is pending: that comes first");
	if (end && cv_vhd_is_good(&v->r.copy))
		return end_from_copy(v, fix, err);
	if (copy && cv_vhd_is_good(&v->r.end))
		return copy_from_end(v, fix, err);
	return (!end && !copy) || cv_fix_refuse(fix, "no footer has a checksum that fits: what they say cannot be relied on");
}

/* tapdisk does this to an image that it has open, and puts the footer back when it closes it: that it is not open is seen when
 * the image is claimed, but on this host only. */
static bool killed(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	(void)job;
	if (v->r.end.state != VHD_FOOTER_KILLED)
		return true;
	if (!end_from_copy(v, fix, err))
		return false;
	return fix->verdict == CV_FIX_REFUSED ||
	       cv_fix_ask(fix, "written again at offset %" PRIu64 " from its copy: only if no other host has the image open", fix->off);
}

/* --- both are good, and differ --------------------------------------------------------------------------- */

#define FIELD(member) offsetof(struct vhd_footer_disk, member), sizeof(((struct vhd_footer_disk *)0)->member)

/* Fields that decide what the disk is. */
static const char *against_end(const struct vhd_footer_disk *a, const struct vhd_footer_disk *b)
{
	static const struct { const char *name; size_t at, len; } fields[] = {
		{ "its kind", FIELD(type) }, { "its size", FIELD(current_size) }, { "where its header is", FIELD(data_offset) },
		{ "its identity", FIELD(uuid) }, { "the version of the format", FIELD(version) },
	};

	for (size_t i = 0; i < CV_COUNT(fields); i++)
		if (memcmp((const uint8_t *)a + fields[i].at, (const uint8_t *)b + fields[i].at, fields[i].len))
			return fields[i].name;
	return NULL;
}

/* Like those that stand on it want it; where none does, as storage managers see it, which read the copy. */
static uint8_t hidden_of(const struct cv_fix_job *job, const struct cv_fix_vhd *v)
{
	return job->g->images[job->image].child_count ? 1 : v->r.copy.disk.hidden;
}

static bool write_both(struct cv_fix_vhd *v, struct vhd_footer_disk *footer, struct cv_fix *fix, struct cv_err *err)
{
	cv_vhd_seal_footer(footer);
	fix->off = v->r.end.where.off;
	return cv_fix_patch(fix, v->r.end.where.off, footer, v->r.end.where.len, 1, err) &&
	       cv_fix_patch(fix, 0, footer, sizeof *footer, 1, err);
}

static bool differ(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct vhd_footer_disk footer = v->r.end.disk;
	const char *field = against_end(&v->r.end.disk, &v->r.copy.disk);
	bool hidden = v->r.end.disk.hidden != v->r.copy.disk.hidden;

	if (!cv_vhd_is_good(&v->r.end) || !cv_vhd_is_good(&v->r.copy))
		return cv_fix_refuse(fix, "not both footers are good: that comes first");
	if (!memcmp(&v->r.end.disk, &v->r.copy.disk, v->r.end.where.len))
		return true;
	if (field)
		return cv_fix_refuse(fix, "they differ in %s, and the image does not say which one is right", field);
	footer.hidden = hidden ? hidden_of(job, v) : footer.hidden;
	cv_fix_ask(fix, hidden ? "both as the footer at the end, %s" : "the copy as the footer at the end",
		   footer.hidden ? "and marked hidden" : "and visible");
	return write_both(v, &footer, fix, err);
}

bool cv_fix_footer_missing(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, missing, err);
}

bool cv_fix_footer_copy(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, copy_missing, err);
}

bool cv_fix_footer_checksum(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, checksum, err);
}

bool cv_fix_footer_killed(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, killed, err);
}

bool cv_fix_footers_differ(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, differ, err);
}

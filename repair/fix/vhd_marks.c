/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a VHD says about itself in both of its footers: an identity that it lacks, the mark of a base copy, and bytes that the
 * format wants to be zero. Nothing of it decides where data lie; all of it may mean something to somebody, so all of it asks.
 */
#include "repair/fix/vhd.h"
#include "repair/vhd/encode.h"
#include <openssl/evp.h>

/* One footer, for both places; false with the answer in the fix if they are not one. */
static bool one_footer(const struct cv_fix_vhd *v, struct vhd_footer_disk *footer, struct cv_fix *fix)
{
	bool fixed = v->r.used && v->r.used->type == VHD_TYPE_FIXED && v->r.copy.state == VHD_FOOTER_ABSENT;

	if (!cv_vhd_is_good(&v->r.end) || (!fixed && !cv_vhd_is_good(&v->r.copy)))
		return !cv_fix_refuse(fix, "not both of its footers are good: that comes first");
	if (!fixed && memcmp(&v->r.end.disk, &v->r.copy.disk, v->r.end.where.len))
		return !cv_fix_refuse(fix, "its footers differ: that comes first");
	*footer = v->r.end.disk;
	return true;
}

static bool write_footers(const struct cv_fix_vhd *v, struct vhd_footer_disk *footer, struct cv_fix *fix, struct cv_err *err)
{
	cv_vhd_seal_footer(footer);
	if (!fix->off)
		fix->off = v->r.end.where.off;
	return cv_fix_patch(fix, v->r.end.where.off, footer, v->r.end.where.len, 1, err) &&
	       (!cv_vhd_is_good(&v->r.copy) || cv_fix_patch(fix, 0, footer, sizeof *footer, 1, err));
}

static bool with_image(const struct cv_fix_job *job, struct cv_fix *fix,
		       bool (*decide)(const struct cv_fix_job *, struct cv_fix_vhd *, struct cv_fix *, struct cv_err *), struct cv_err *err)
{
	struct cv_fix_vhd v;
	bool ok = cv_fix_vhd_read(job, &v, err) && decide(job, &v, fix, err);

	cv_fix_vhd_fini(&v);
	return ok;
}

/* --- the mark --------------------------------------------------------------------------------------------- */

/* It may be the disk that somebody uses, under what a collector is about to take away: hidden it would go, too. */
static const char *against_hiding(const struct cv_fix_job *job)
{
	const struct cv_image *image = &job->g->images[job->image];
	uint32_t hidden = 0;

	for (uint32_t i = 0; i < image->child_count; i++)
		hidden += job->g->images[cv_graph_child(job->g, image, i)].mark == CV_MARK_HIDDEN;
	if (image->reference_count)
		return "somebody refers to it as a disk: it must stay visible";
	return image->child_count && hidden == image->child_count ? "all that stands on it is hidden: it may be the disk itself" : NULL;
}

static bool hide(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct vhd_footer_disk footer;
	const char *reason = against_hiding(job);

	if (reason)
		return cv_fix_refuse(fix, "%s", reason);
	if (!one_footer(v, &footer, fix) || footer.hidden)
		return true;
	footer.hidden = 1;
	cv_fix_ask(fix, "marked hidden in both footers, as a base copy: storage managers show it no longer as a disk, and may merge it");
	return write_footers(v, &footer, fix, err);
}

/* As an unfinished operation of another program has it: the first argument says how. */
static bool mark(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct vhd_footer_disk footer;
	bool hidden = job->finding->arg[0].number != 0;

	if (!one_footer(v, &footer, fix) || (footer.hidden != 0) == hidden)
		return true;
	footer.hidden = hidden;
	return write_footers(v, &footer, fix, err);
}

/* --- the identity ----------------------------------------------------------------------------------------- */

/* Always the same for the same file as it is, so that a plan that is made again is the same; and nobody else's. */
static bool make_identity(const struct cv_fix_job *job, const struct vhd_footer_disk *footer, uint8_t uuid[16], struct cv_err *err)
{
	const struct cv_file *file = job->g->images[job->image].file;
	struct { uint64_t device, inode; int64_t mtime_ns; struct vhd_footer_disk footer; } of;
	uint8_t digest[32];
	unsigned len = sizeof digest;

	memset(&of, 0, sizeof of);
	of.device = file ? file->device : 0;
	of.inode = file ? file->inode : 0;
	of.mtime_ns = file ? file->mtime_ns : 0;
	of.footer = *footer;
	if (!EVP_Digest(&of, sizeof of, digest, &len, EVP_sha256(), NULL))
		return cv_fail(err, CV_ENOMEM, "cannot make an identity");
	memcpy(uuid, digest, 16);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
	return true;
}

static bool identify(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	uint32_t children = job->g->images[job->image].child_count;
	struct vhd_footer_disk footer;

	if (!one_footer(v, &footer, fix) || !cv_uuid_is_null(footer.uuid))
		return true;
	if (children)
		return cv_fix_refuse(fix, "images stand on it (%" PRIu32 "), and know it as one without identity: with one they would not find "
				     "it any more", children);
	if (!make_identity(job, &footer, footer.uuid, err))
		return false;
	cv_fix_ask(fix, "it becomes %s", cv_uuid_str(footer.uuid).s);
	return write_footers(v, &footer, fix, err);
}

/* --- bytes that are to be zero ------------------------------------------------------------------------------ */

static bool clear_footers(struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	uint32_t known = VHD_FEATURE_TEMPORARY | VHD_FEATURE_RESERVED;
	struct vhd_footer_disk footer;

	if (!one_footer(v, &footer, fix))
		return true;
	memset(footer.reserved, 0, sizeof footer.reserved);
	footer.features = cv_be32_of((cv_be32_get(footer.features) & known) | VHD_FEATURE_RESERVED);
	footer.saved = footer.saved != 0;
	footer.hidden = footer.hidden != 0;
	return !memcmp(&footer, &v->r.end.disk, sizeof footer) || write_footers(v, &footer, fix, err);
}

static bool clear_header(const struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct vhd_header_disk header = v->r.header.disk;

	if (!v->r.header.sums)
		return true;
	header.data_offset = cv_be64_of(VHD_NO_OFFSET);
	memset(header.reserved1, 0, sizeof header.reserved1);
	memset(header.reserved2, 0, sizeof header.reserved2);
	if (!memcmp(&header, &v->r.header.disk, sizeof header))
		return true;
	cv_vhd_seal_header(&header);
	return cv_fix_patch(fix, v->r.header.where.off, &header, sizeof header, 1, err);
}

static bool clear_batmap(const struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	struct vhd_batmap_disk d;

	if (!v->r.batmap.present)
		return true;
	if (!cv_source_read(v->r.source, &d, sizeof d, v->r.batmap.where.off, err))
		return false;
	if (!cv_vhd_nonzero(d.reserved, sizeof d.reserved).len)
		return true;
	memset(d.reserved, 0, sizeof d.reserved);
	return cv_fix_patch(fix, v->r.batmap.where.off, &d, sizeof d, 1, err);
}

/* Behind the last entry of the BAT, up to the end of its sector. */
static bool clear_table_end(const struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	uint64_t end = v->r.header.table_offset + (uint64_t)v->r.header.entries * 4, len = (VHD_SECTOR - end % VHD_SECTOR) % VHD_SECTOR;
	uint8_t pad[VHD_SECTOR];
	bool same = true;

	if (!len || !cv_range_inside((struct cv_range){ end, len }, v->r.source->size))
		return true;
	if (!cv_source_read(v->r.source, pad, (size_t)len, end, err))
		return false;
	for (size_t i = 0; i < len; i++)
		same &= pad[i] == pad[0];
	if (same && (pad[0] == 0 || pad[0] == 0xff))
		return true;
	memset(pad, 0xff, sizeof pad);
	return cv_fix_patch(fix, end, pad, (size_t)len, 1, err);
}

/* Marks of the last block for sectors that the disk does not have, unless all of its sectors are marked. */
static bool clear_last_bitmap(const struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	uint64_t size = v->r.facts->block_size, disk = v->r.facts->virtual_size, block = disk ? (disk - 1) / size : 0;
	uint64_t sectors = (disk - block * size + VHD_SECTOR - 1) / VHD_SECTOR, len = (size / VHD_SECTOR + 7) / 8;
	CV_AUTO(cv_auto_free) uint8_t *bits = NULL;
	cv_be32 entry;
	uint64_t at;

	if (!disk || block >= v->r.header.entries || sectors * VHD_SECTOR == size)
		return true;
	if (!cv_source_read(v->r.source, &entry, sizeof entry, v->r.header.table_offset + block * 4, err))
		return false;
	at = (uint64_t)cv_be32_get(entry) * VHD_SECTOR;
	if (cv_be32_get(entry) == VHD_UNUSED || !cv_range_inside((struct cv_range){ at, len }, v->r.source->size))
		return true;
	bits = malloc((size_t)len);
	if (!bits)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_source_read(v->r.source, bits, (size_t)len, at, err))
		return false;
	for (uint64_t i = sectors; i < len * 8; i++)
		bits[i / 8] &= (uint8_t)~(0x80 >> i % 8);
	return cv_fix_patch(fix, at, bits, (size_t)len, 1, err);
}

static bool clear_tables(const struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	return clear_header(v, fix, err) && clear_batmap(v, fix, err) &&
	       (!cv_fix_vhd_has_tables(v) || (clear_table_end(v, fix, err) && clear_last_bitmap(v, fix, err)));
}

static bool clear(const struct cv_fix_job *job, struct cv_fix_vhd *v, struct cv_fix *fix, struct cv_err *err)
{
	(void)job;
	fix->off = job->finding->where.off;
	cv_fix_ask(fix, "all of them as the format wants them");
	return clear_footers(v, fix, err) && (fix->verdict == CV_FIX_REFUSED || clear_tables(v, fix, err));
}

bool cv_fix_hidden(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, hide, err);
}

bool cv_fix_mark(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, mark, err);
}

bool cv_fix_identity(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, identify, err);
}

bool cv_fix_reserved(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	return with_image(job, fix, clear, err);
}

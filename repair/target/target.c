/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See target.h. */
#include "repair/target/target.h"

static const struct cv_target_format *const formats[] = { &cv_target_raw, &cv_target_vhd, &cv_target_vhdx,
						       &cv_target_qcow2 };

const struct cv_target_format *cv_target_format(enum cv_format_id format)
{
	for (size_t i = 0; i < CV_COUNT(formats); i++)
		if (formats[i]->format == format)
			return formats[i];
	return NULL;
}

bool cv_target_begin(struct cv_target *t, enum cv_format_id format, const struct cv_target_options *options,
		     const struct cv_file_out *out, struct cv_err *err)
{
	*t = (struct cv_target){ .format = cv_target_format(format), .options = *options, .out = out };
	if (!t->format)
		return cv_fail(err, CV_EUSAGE, "images of this format are not written");
	if (options->size % 512 && format != CV_FORMAT_RAW)
		return cv_fail(err, CV_EUSAGE, "a disk of %" PRIu64 " B is no whole number of sectors", options->size);
	if (options->compress && !t->format->pack)
		return cv_fail(err, CV_EUSAGE, "%s knows no compression", t->format->name);
	if (options->parent && !t->format->zero)
		return cv_fail(err, CV_EUSAGE, "a %s image cannot stand on another", t->format->name);
	if (options->parent && (options->fixed || options->preallocation != CV_PREALLOCATE_OFF))
		return cv_fail(err, CV_EUSAGE, "an image that stands on another cannot be fixed or preallocated");
	return t->format->begin(t, err);
}

/* The next hole from pos on, up to size; an empty range at size if there is none. */
static bool next_hole(const struct cv_file_out *out, uint64_t pos, uint64_t size, struct cv_range *hole, struct cv_err *err)
{
	int64_t from, to;

	*hole = (struct cv_range){ size, 0 };
	if (pos >= size)
		return true;
	from = out->io->seek(out->io, out->fd, pos, SEEK_HOLE);
	if (from < 0)
		return cv_io_fail(err, "look for holes in", out->name);
	if ((uint64_t)from >= size)
		return true;
	to = out->io->seek(out->io, out->fd, (uint64_t)from, SEEK_DATA);
	if (to < 0 && errno != ENXIO)
		return cv_io_fail(err, "look for data in", out->name);
	if (to < 0 || (uint64_t)to > size)
		to = (int64_t)size;
	*hole = (struct cv_range){ (uint64_t)from, (uint64_t)(to - from) };
	return true;
}

static bool write_zeros(const struct cv_file_out *out, uint64_t size, struct cv_err *err)
{
	static const uint8_t zeros[1 << 18];
	struct cv_range hole = { 0, 0 };

	while (hole.off + hole.len < size) {
		if (!next_hole(out, hole.off + hole.len, size, &hole, err))
			return false;
		for (uint64_t at = 0; at < hole.len; at += sizeof zeros) {
			size_t len = hole.len - at < sizeof zeros ? (size_t)(hole.len - at) : sizeof zeros;

			if (!cv_out_write(out, zeros, len, hole.off + at, err))
				return false;
		}
	}
	return true;
}

bool cv_target_on_disk(const struct cv_target *t, struct cv_range range, struct cv_err *err)
{
	if (range.len && cv_range_inside(range, t->options.size))
		return true;
	return cv_fail(err, CV_EUSAGE, "%" PRIu64 " bytes at %" PRIu64 " do not lie on the disk", range.len, range.off);
}

bool cv_target_place_zeros(struct cv_target *t, struct cv_range range, struct cv_err *err)
{
	uint64_t host, run;

	for (; range.len; range.off += run, range.len -= run)
		if (!t->format->place(t, range, &host, &run, err))
			return false;
	return true;
}

bool cv_target_fixed_preallocates(const struct cv_target *t, struct cv_err *err)
{
	enum cv_preallocation how = t->options.preallocation;

	if (how != CV_PREALLOCATE_OFF && !t->options.fixed)
		return cv_fail(err, CV_EUSAGE, "%s: only fixed disks can be preallocated", t->format->name);
	if (how == CV_PREALLOCATE_METADATA)
		return cv_fail(err, CV_EUSAGE, "%s: preallocation is off, falloc or full", t->format->name);
	return true;
}

bool cv_target_preallocate(const struct cv_target *t, uint64_t size, struct cv_err *err)
{
	const struct cv_file_out *out = t->out;

	if (t->options.preallocation == CV_PREALLOCATE_FULL)
		return write_zeros(out, size, err);
	if (t->options.preallocation == CV_PREALLOCATE_FALLOC && out->io->fallocate(out->io, out->fd, 0, 0, size) != 0)
		return cv_io_fail(err, "set space aside for", out->name);
	return true;
}

bool cv_target_end(struct cv_target *t, struct cv_err *err)
{
	return t->format->end(t, err);
}

void cv_target_fini(struct cv_target *t)
{
	if (t->format)
		t->format->fini(t);
	*t = (struct cv_target){ 0 };
}

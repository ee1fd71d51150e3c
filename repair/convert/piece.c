/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See piece.h. */
#include "repair/convert/piece.h"

/* Zeros are looked for in steps of a page, whatever smaller units a target has. */
enum { PAGE = 4096, SECTOR = 512 };

bool cv_piece_init(struct cv_piece *p, const struct cv_file_out *out)
{
	*p = (struct cv_piece){ .job = { .done = true }, .out = out, .buf = malloc(CV_PIECE_BYTES) };
	return p->buf != NULL;
}

void cv_piece_fini(struct cv_piece *p)
{
	free(p->buf);
	free(p->parts.at);
	cv_lost_fini(&p->lost);
	*p = (struct cv_piece){ .buf = NULL };
}

/* Sector by sector: what cannot be read is zeros. */
static bool read_sectors(struct cv_piece *p, const struct cv_file_out *from)
{
	for (uint64_t at = 0, len; at < p->guest.len; at += len) {
		struct cv_err trouble = { .code = CV_OK };
		struct cv_lost lost = { .host = p->host + at - p->file->part.off, .layer = p->layer, .why = CV_LOST_IO,
					.placed = true };

		len = SECTOR - (p->host + at) % SECTOR;
		len = len < p->guest.len - at ? len : p->guest.len - at;
		if (cv_out_read(from, p->buf + at, len, p->host + at, &trouble))
			continue;
		memset(p->buf + at, 0, len);
		lost.at = (struct cv_range){ p->guest.off + at, len };
		if (!cv_lost_add(&p->lost, lost, &p->err))
			return false;
	}
	return true;
}

static void run_read(struct cv_job *job)
{
	struct cv_piece *p = (struct cv_piece *)job;
	struct cv_file_out from = { p->out->io, p->file->fd, p->file->name };
	struct cv_err trouble = { .code = CV_OK };

	if (p->salvage) {
		p->lost.len = 0;
		(void)(cv_out_read(&from, p->buf, p->guest.len, p->host, &trouble) || read_sectors(p, &from));
		return;
	}
	if (!cv_out_read(&from, p->buf, p->guest.len, p->host, &p->err))
		cv_wrap(&p->err, "guest offset %" PRIu64, p->guest.off);
}

void cv_piece_read(struct cv_piece *p, const struct cv_feed_file *file, uint64_t host, struct cv_range guest,
		   struct cv_crew *crew)
{
	p->file = file;
	p->host = host;
	p->guest = guest;
	p->job.run = run_read;
	cv_crew_give(crew, &p->job);
}

void cv_piece_hold(struct cv_piece *p, struct cv_range guest)
{
	p->guest = guest;
	p->job.done = true;
}

static bool is_zero(const uint8_t *at, uint64_t len)
{
	return at[0] == 0 && !memcmp(at, at + 1, len - 1);
}

static bool add_part(struct cv_piece *p, uint64_t at, uint64_t len, uint64_t host, struct cv_err *err)
{
	p->to_write += len;
	return cv_piece_parts_push(&p->parts, (struct cv_piece_part){ at, len, host }) ||
	       cv_fail(err, CV_ENOMEM, "out of memory");
}

/* A run of units that are not zero. */
static bool place_run(struct cv_piece *p, struct cv_target *target, uint64_t at, uint64_t len, struct cv_err *err)
{
	while (len) {
		uint64_t host, run;

		if (!target->format->place(target, (struct cv_range){ p->guest.off + at, len }, &host, &run, err) ||
		    !add_part(p, at, run, host, err))
			return false;
		at += run;
		len -= run;
	}
	return true;
}

/* Zeros hide what is below: of the target's own kind where they fill whole units of what it can have alone, stored ones else. */
static bool place_zeros(struct cv_piece *p, struct cv_target *t, uint64_t at, uint64_t len, struct cv_err *err)
{
	uint64_t off = p->guest.off + at, end = off + len;
	uint64_t first = (off + t->grain - 1) / t->grain * t->grain, last = end == t->options.size ? end : end / t->grain * t->grain;

	if (first >= last)
		return place_run(p, t, at, len, err);
	return place_run(p, t, at, first - off, err) && t->format->zero(t, (struct cv_range){ first, last - first }, err) &&
	       place_run(p, t, last - p->guest.off, end - last, err);
}

/* The end of the unit that begins, or goes on, at this place of the piece. */
static uint64_t unit_end(const struct cv_piece *p, uint64_t unit, uint64_t at)
{
	uint64_t end = (p->guest.off + at) / unit * unit + unit - p->guest.off;

	return end < p->guest.len ? end : p->guest.len;
}

bool cv_piece_place(struct cv_piece *p, struct cv_target *target, bool keep_zeros, struct cv_err *err)
{
	uint64_t unit = target->unit > PAGE ? target->unit : PAGE, run = 0, at = 0;

	p->parts.len = 0;
	p->to_write = 0;
	p->whole = keep_zeros;
	if (p->placed)
		return add_part(p, 0, p->guest.len, p->placed_at, err);
	if (keep_zeros)
		return place_run(p, target, 0, p->guest.len, err);
	for (uint64_t end; at < p->guest.len; at = end) {
		end = unit_end(p, unit, at);
		if (!is_zero(p->buf + at, end - at))
			continue;
		if (at > run && !place_run(p, target, run, at - run, err))
			return false;
		if (target->options.parent && !place_zeros(p, target, at, end - at, err))
			return false;
		run = end;
	}
	return at <= run || place_run(p, target, run, at - run, err);
}

bool cv_packer_init(struct cv_packer *k, struct cv_target *target)
{
	*k = (struct cv_packer){ .target = target, .buf = malloc(target->unit), .unit = UINT64_MAX };
	return k->buf != NULL;
}

void cv_packer_fini(struct cv_packer *k)
{
	free(k->buf);
	k->buf = NULL;
}

bool cv_packer_flush(struct cv_packer *k, struct cv_err *err)
{
	struct cv_target *t = k->target;
	uint64_t off = k->unit * t->unit, left = t->options.size - off;

	if (k->unit == UINT64_MAX)
		return true;
	k->unit = UINT64_MAX;
	left = left < t->unit ? left : t->unit;
	if (k->zero)
		return !t->options.parent || t->format->zero(t, (struct cv_range){ off, left }, err);
	return t->format->pack(t, off, k->buf, (size_t)left, err);
}

static bool change_unit(struct cv_packer *k, uint64_t unit, struct cv_err *err)
{
	if (unit == k->unit)
		return true;
	if (!cv_packer_flush(k, err))
		return false;
	memset(k->buf, 0, k->target->unit);
	k->unit = unit;
	k->zero = true;
	return true;
}

bool cv_piece_pack(struct cv_piece *p, struct cv_packer *k, struct cv_err *err)
{
	p->parts.len = 0;
	p->to_write = 0;
	for (uint64_t at = 0, end; at < p->guest.len; at = end) {
		uint64_t off = p->guest.off + at;
		bool zero = true;

		end = unit_end(p, k->target->unit, at);
		if (!is_zero(p->buf + at, end - at))
			zero = false;
		else if (!k->target->options.parent)
			continue;
		if (!change_unit(k, off / k->target->unit, err))
			return false;
		if (zero)
			continue;
		memcpy(k->buf + off % k->target->unit, p->buf + at, end - at);
		k->zero = false;
		p->to_write += end - at;
	}
	return true;
}

static void run_write(struct cv_job *job)
{
	struct cv_piece *p = (struct cv_piece *)job;

	for (size_t i = 0; i < p->parts.len; i++) {
		const struct cv_piece_part *part = &p->parts.at[i];
		bool ok = p->whole ? cv_out_write(p->out, p->buf + part->at, part->len, part->host, &p->err)
				   : cv_out_write_sparse(p->out, p->buf + part->at, part->len, part->host, &p->err);

		if (!ok)
			return;
	}
}

void cv_piece_write(struct cv_piece *p, struct cv_crew *crew)
{
	p->placed = false;
	p->job.run = run_write;
	cv_crew_give(crew, &p->job);
}

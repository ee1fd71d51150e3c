/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See copy.h. */
#include "repair/convert/copy.h"
#include "repair/convert/piece.h"

/* In flight: half of them being read, half being written. */
enum { PIECES = 8 };
/* Shared at once: there is a point to stop at between two. */
#define SHARE_BYTES (UINT64_C(1) << 30)

struct copy {
	struct cv_feed *feed;
	struct cv_target *target;
	const struct cv_copy_options *options;
	const struct cv_copy_watch *watch;
	struct cv_copied *copied;
	struct cv_crew *crew;
	struct cv_piece pieces[PIECES];
	uint64_t given, settled;     /* numbers of pieces: pieces[n % PIECES] */
	uint64_t block;              /* of the file system of the target: what can be shared lies on such bounds */
	bool *unshared;              /* by layer: sharing with it was tried, and is not possible */
	struct cv_packer packer;
};

/* What a thread could not read. */
static bool keep_lost(struct copy *c, struct cv_piece *p, struct cv_err *err)
{
	for (size_t i = 0; i < p->lost.len; i++)
		if (!cv_lost_add(&c->options->salvage->lost, p->lost.at[i], err))
			return false;
	p->lost.len = 0;
	return true;
}

/* The oldest piece that was read gets its place and is written. */
static bool settle_one(struct copy *c, struct cv_err *err)
{
	struct cv_piece *p = &c->pieces[c->settled++ % PIECES];

	cv_crew_wait(c->crew, &p->job);
	if (p->err.code)
		return cv_fail(err, p->err.code, "%s", p->err.text);
	if (p->lost.len && !keep_lost(c, p, err))
		return false;
	if (!(c->packer.buf ? cv_piece_pack(p, &c->packer, err) : cv_piece_place(p, c->target, c->options->keep_zeros || c->options->overwrite, err)))
		return false;
	c->copied->zeros += p->guest.len - p->to_write;
	c->copied->written += p->to_write;
	cv_piece_write(p, c->crew);
	c->copied->done += p->guest.len;
	return c->watch->batch(c->watch->ctx, c->copied->done, err);
}

/* A piece that nobody works on. */
static struct cv_piece *idle_piece(struct copy *c, struct cv_err *err)
{
	struct cv_piece *p = &c->pieces[c->given % PIECES];

	if (c->given - c->settled >= PIECES / 2 && !settle_one(c, err))
		return NULL;
	cv_crew_wait(c->crew, &p->job);
	if (p->err.code) {
		cv_fail(err, p->err.code, "%s", p->err.text);
		return NULL;
	}
	c->given++;
	return p;
}

static bool settle_all(struct copy *c, struct cv_err *err)
{
	while (c->settled < c->given)
		if (!settle_one(c, err))
			return false;
	return true;
}

/* The end of the piece that begins at off: pieces end where units of the target do. */
static uint64_t piece_end(const struct copy *c, uint64_t off, uint64_t end)
{
	uint64_t most = off + CV_PIECE_BYTES;

	if (c->target->unit <= CV_PIECE_BYTES)
		most = most / c->target->unit * c->target->unit;
	return most < end ? most : end;
}

static bool read_pieces(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	const struct cv_feed_file *file = &c->feed->files[e->layer];
	uint64_t end = e->at.off + e->at.len;

	for (uint64_t off = e->at.off, stop; off < end; off = stop) {
		struct cv_piece *p = idle_piece(c, err);

		if (!p)
			return false;
		stop = piece_end(c, off, end);
		p->layer = e->layer;
		cv_piece_read(p, file, file->part.off + e->host + (off - e->at.off), (struct cv_range){ off, stop - off },
			      c->crew);
	}
	return true;
}

static bool inflate_pieces(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	struct cv_piece *p;

	if (e->at.len > CV_PIECE_BYTES)
		return cv_fail(err, CV_ELIMIT, "a compressed cluster of %" PRIu64 " B", e->at.len);
	p = idle_piece(c, err);
	if (!p)
		return false;
	cv_piece_hold(p, e->at);
	return c->feed->inflate(c->feed, e, p->buf, err);
}

static bool is_not_possible(int error)
{
	return error == EOPNOTSUPP || error == ENOTSUP || error == EXDEV || error == EINVAL || error == ENOTTY ||
	       error == ENOSYS || error == EPERM || error == EBADF || error == ETXTBSY;
}

/* Whole blocks only, and where both files agree on what is whole. */
static bool can_share(const struct copy *c, const struct cv_extent *e, struct cv_range *whole)
{
	uint64_t host = c->feed->files[e->layer].part.off + e->host, from = (e->at.off + c->block - 1) / c->block * c->block;
	uint64_t to = (e->at.off + e->at.len) / c->block * c->block;

	if (c->options->no_sharing || c->packer.buf || c->unshared[e->layer] || (host - e->at.off) % c->block ||
	    c->target->unit % c->block || from >= to)
		return false;
	*whole = (struct cv_range){ from, to - from };
	return true;
}

static struct cv_extent part_of(const struct cv_extent *e, uint64_t off, uint64_t end)
{
	struct cv_extent part = *e;

	part.at = (struct cv_range){ off, end - off };
	part.host += off - e->at.off;
	return part;
}

/* What could not be shared although it has its place. */
static bool read_placed(struct copy *c, const struct cv_extent *e, uint64_t host, struct cv_err *err)
{
	const struct cv_feed_file *file = &c->feed->files[e->layer];

	for (uint64_t at = 0; at < e->at.len;) {
		uint64_t len = e->at.len - at < CV_PIECE_BYTES ? e->at.len - at : CV_PIECE_BYTES;
		struct cv_piece *p = idle_piece(c, err);

		if (!p)
			return false;
		p->layer = e->layer;
		p->placed = true;
		p->placed_at = host + at;
		cv_piece_read(p, file, file->part.off + e->host + at, (struct cv_range){ e->at.off + at, len }, c->crew);
		at += len;
	}
	return true;
}

static bool share(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	const struct cv_feed_file *file = &c->feed->files[e->layer];
	const struct cv_file_out *out = c->target->out;

	for (uint64_t at = 0, run; at < e->at.len; at += run) {
		uint64_t left = e->at.len - at, off = e->at.off + at, host;
		struct cv_extent part = part_of(e, off, off + (left < SHARE_BYTES ? left : SHARE_BYTES));

		if (!c->target->format->place(c->target, part.at, &host, &run, err))
			return false;
		part.at.len = run;
		if (!c->unshared[e->layer] && host % c->block == 0 && run % c->block == 0 &&
		    out->io->clone_range(out->io, file->fd, file->part.off + part.host, out->fd, host, run) == 0) {
			c->copied->shared += run;
			c->copied->done += run;
		} else if (c->unshared[e->layer] || host % c->block || run % c->block || is_not_possible(errno)) {
			c->unshared[e->layer] = true;
			if (!read_placed(c, &part, host, err))
				return false;
		} else {
			return cv_io_fail(err, "share extents of", file->name);
		}
		if (!c->watch->batch(c->watch->ctx, c->copied->done, err))
			return false;
	}
	return true;
}

/* Places are given in the order of the disk: what was read before has its own first. */
static bool share_or_read(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	struct cv_range whole;
	uint64_t end = e->at.off + e->at.len;

	if (!can_share(c, e, &whole))
		return read_pieces(c, e, err);
	if (whole.off > e->at.off) {
		struct cv_extent head = part_of(e, e->at.off, whole.off);

		if (!read_pieces(c, &head, err))
			return false;
	}
	if (!settle_all(c, err))
		return false;
	{
		struct cv_extent middle = part_of(e, whole.off, whole.off + whole.len), tail = part_of(e, whole.off + whole.len, end);

		return share(c, &middle, err) && (!tail.at.len || read_pieces(c, &tail, err));
	}
}

/* Every number comes from the process that reads the images: it may be anything. */
static bool is_inside(const struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	if (e->layer >= c->feed->count ||
	    !cv_range_inside((struct cv_range){ e->host, e->at.len }, c->feed->files[e->layer].part.len))
		return cv_fail(err, CV_EFORMAT, "guest offset %" PRIu64 ": its data at offset %" PRIu64 " lie outside of the file",
			       e->at.off, e->host);
	return true;
}

/* Where the file system or device can be told to; else they are written. */
static bool write_zeros(struct copy *c, uint64_t host, uint64_t len, struct cv_err *err)
{
	static const uint8_t zeros[1 << 20];
	const struct cv_file_out *out = c->target->out;

	if (out->io->fallocate(out->io, out->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, host, len) == 0)
		return true;
	if (!is_not_possible(errno))
		return cv_io_fail(err, "write zeros to", out->name);
	for (uint64_t at = 0; at < len; at += sizeof zeros)
		if (!cv_out_write(out, zeros, len - at < sizeof zeros ? (size_t)(len - at) : sizeof zeros, host + at, err))
			return false;
	return true;
}

static bool make_zero(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	for (uint64_t at = 0, run; at < e->at.len; at += run) {
		uint64_t left = e->at.len - at, host;
		struct cv_range part = { e->at.off + at, left < SHARE_BYTES ? left : SHARE_BYTES };

		if (!c->target->format->place(c->target, part, &host, &run, err) || !write_zeros(c, host, run, err) ||
		    !c->watch->batch(c->watch->ctx, c->copied->done, err))
			return false;
	}
	return true;
}

/* With a parent: what was read before has its place first. */
static bool hide(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	return settle_all(c, err) && (!c->packer.buf || cv_packer_flush(&c->packer, err)) &&
	       c->target->format->zero(c->target, e->at, err);
}

/* A parent whose file is not there either is the fault of the image that names it. */
static struct cv_lost lost_of(const struct copy *c, const struct cv_extent *e)
{
	return (struct cv_lost){ .at = e->at, .host = e->host, .why = e->why, .placed = e->host != 0,
				 .layer = e->layer < c->feed->count || !e->layer ? e->layer : e->layer - 1 };
}

static bool lose(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	struct cv_lost lost = lost_of(c, e);

	return cv_lost_add(&c->options->salvage->lost, lost, err) && (!c->options->overwrite || make_zero(c, e, err));
}

/* It is copied as it is told. */
static bool doubt(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	return cv_lost_add(&c->options->salvage->doubtful, lost_of(c, e), err);
}

static bool copy_extent(struct copy *c, const struct cv_extent *e, struct cv_err *err)
{
	if (e->kind == CV_EXTENT_BAD && c->options->salvage)
		return lose(c, e, err);
	if (e->why && c->options->salvage && !doubt(c, e, err))
		return false;
	if (e->kind == CV_EXTENT_BAD)
		return cv_fail(err, CV_EFORMAT, "guest offset %" PRIu64 ": its table entry is damaged, %" PRIu64 " B cannot be read",
			       e->at.off, e->at.len);
	if (e->kind == CV_EXTENT_ZERO && c->target->options.parent)
		return hide(c, e, err);
	if (e->kind != CV_EXTENT_DATA)
		return !c->options->overwrite || make_zero(c, e, err);
	if (e->compressed)
		return inflate_pieces(c, e, err);
	return is_inside(c, e, err) && share_or_read(c, e, err);
}

static bool copy_all(struct copy *c, struct cv_err *err)
{
	const struct cv_extent *list;
	size_t count;

	do {
		if (!c->feed->next(c->feed, &list, &count, err))
			return false;
		for (size_t i = 0; i < count; i++) {
			struct cv_extent e = list[i];

			if (!copy_extent(c, &e, err))
				return false;
		}
	} while (count);
	return settle_all(c, err) && (!c->packer.buf || cv_packer_flush(&c->packer, err));
}

static bool begin(struct copy *c, struct cv_err *err)
{
	const struct cv_file_out *out = c->target->out;
	struct statvfs vfs;

	if (out->io->fstatvfs(out->io, out->fd, &vfs) != 0)
		return cv_io_fail(err, "look at the file system of", out->name);
	c->block = vfs.f_bsize >= 512 ? vfs.f_bsize : 4096;
	c->unshared = calloc(c->feed->count + 1, sizeof *c->unshared);
	c->crew = cv_crew_new(c->options->threads, err);
	for (size_t i = 0; i < PIECES; i++) {
		if (!cv_piece_init(&c->pieces[i], out))
			return cv_fail(err, CV_ENOMEM, "out of memory");
		c->pieces[i].salvage = c->options->salvage != NULL;
	}
	if (c->target->options.compress && !cv_packer_init(&c->packer, c->target))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return c->crew && (c->unshared || cv_fail(err, CV_ENOMEM, "out of memory"));
}

/* Nobody may work on a piece any more when its memory goes. */
static bool finish(struct copy *c, bool ok, struct cv_err *err)
{
	for (size_t i = 0; i < PIECES; i++) {
		struct cv_piece *p = &c->pieces[i];

		if (c->crew && p->buf)
			cv_crew_wait(c->crew, &p->job);
		if (ok && p->err.code)
			ok = cv_fail(err, p->err.code, "%s", p->err.text);
		cv_piece_fini(p);
	}
	cv_crew_free(c->crew);
	cv_packer_fini(&c->packer);
	free(c->unshared);
	return ok;
}

bool cv_copy(struct cv_feed *feed, struct cv_target *target, const struct cv_copy_options *options,
	     const struct cv_copy_watch *watch, struct cv_copied *copied, struct cv_err *err)
{
	struct copy c = { .feed = feed, .target = target, .options = options, .watch = watch, .copied = copied };
	bool ok;

	*copied = (struct cv_copied){ 0 };
	if (options->salvage)
		options->salvage->lost.len = options->salvage->doubtful.len = 0;
	ok = begin(&c, err) && copy_all(&c, err);
	if (options->salvage) {
		cv_lost_settle(&options->salvage->lost);
		cv_lost_settle(&options->salvage->doubtful);
	}
	return finish(&c, ok, err);
}

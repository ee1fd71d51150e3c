/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* From an image into its parent: what the image has of its own, piece by piece, in batches; and whether it is there. */
#include "repair/io/source.h"
#include "repair/merge/merge.h"

enum { WINDOW_UNITS = 256 };
#define WINDOW_LEAST (UINT64_C(64) << 20)

typedef bool each_piece(struct cv_merge_copy *c, const struct cv_merge_piece *piece, void *ctx, struct cv_err *err);

/* Only from one multiple of the unit to the next, and no more than a piece. */
static uint64_t cut(const struct cv_merge *m, uint64_t pos, uint64_t end)
{
	uint64_t most = CV_MERGE_PIECE - pos % CV_MERGE_PIECE, unit = m->unit - pos % m->unit;

	most = unit < most ? unit : most;
	return end - pos < most ? end : pos + most;
}

static bool walk_extent(struct cv_merge_copy *c, const struct cv_extent *e, each_piece *each, void *ctx, struct cv_err *err)
{
	uint64_t end = e->at.off + e->at.len;

	if (e->kind == CV_EXTENT_PARENT)
		return true;
	if (e->kind == CV_EXTENT_BAD)
		return cv_fail(err, CV_EFORMAT, "the image cannot be read at guest offset %" PRIu64 ": its tables are damaged", e->at.off);
	for (uint64_t pos = e->at.off, next; pos < end; pos = next) {
		struct cv_merge_piece piece = { .zero = e->kind == CV_EXTENT_ZERO };

		piece.placed = e->kind == CV_EXTENT_DATA && e->placed && !e->compressed;
		piece.host = e->host + (pos - e->at.off);
		next = cut(c->m, pos, end);
		piece.at = (struct cv_range){ pos, next - pos };
		if (!each(c, &piece, ctx, err))
			return false;
	}
	return true;
}

/* All pieces, in ascending order. */
static bool walk(struct cv_merge_copy *c, each_piece *each, void *ctx, struct cv_err *err)
{
	uint64_t size = c->child->size, window = (uint64_t)c->m->unit * WINDOW_UNITS;
	struct cv_extents list = { .max = 4096 };
	bool ok = true;

	window = window < WINDOW_LEAST ? WINDOW_LEAST : window;
	for (uint64_t pos = 0; ok && pos < size; pos = cv_extents_end(&list)) {
		ok = cv_layer_extents(c->child, (struct cv_range){ pos, size - pos < window ? size - pos : window }, &list, err);
		for (size_t i = 0; ok && i < list.len; i++)
			ok = walk_extent(c, &list.at[i], each, ctx, err);
	}
	cv_extents_fini(&list);
	return ok;
}

static bool count_piece(struct cv_merge_copy *c, const struct cv_merge_piece *piece, void *ctx, struct cv_err *err)
{
	(void)ctx;
	c->owned += piece->at.len;
	return c->m->format->count(c->m, piece, err);
}

/* --- copying --------------------------------------------------------------------------------------------- */

/* Pieces that were written and not read back yet; neighbours are one. */
CV_VEC(cv_merge_pieces, struct cv_merge_piece);

struct copying {
	uint8_t *buffer;
	uint64_t next;                       /* done when the batch is to end */
	struct cv_merge_pieces written;
};

static bool reread(struct cv_merge_copy *c, struct copying *k, uint64_t upto, struct cv_err *err);

static bool end_batch(struct cv_merge_copy *c, struct cv_err *err)
{
	struct cv_merge *m = c->m;

	return (!m->format->settle || m->format->settle(m, err)) && cv_merge_flush(m, err);
}

static bool begin_batch(struct cv_merge_copy *c, struct copying *k, struct cv_err *err)
{
	uint64_t next = CV_MERGE_BATCH;

	if (!c->batch(c->ctx, "merging", c->done, c->owned, &next, err))
		return false;
	k->next = c->done + next;
	return true;
}

/* The unit that pieces come for may be held until the next one's turn. */
static uint64_t sure_upto(const struct cv_merge_copy *c, const struct copying *k)
{
	const struct cv_merge_piece *last = k->written.len ? &k->written.at[k->written.len - 1] : NULL;
	uint64_t end = last ? last->at.off + last->at.len : 0;

	return end ? (end - 1) / c->m->unit * c->m->unit : 0;
}

/* What is done is on disk, and it may be left here. */
static bool rest(struct cv_merge_copy *c, struct copying *k, struct cv_err *err)
{
	return end_batch(c, err) && reread(c, k, sure_upto(c, k), err) && begin_batch(c, k, err);
}

/* What an image lacks is told by what it has, which is more by now: what it lacked is still there below it. */
static bool read_child(const struct cv_merge_copy *c, struct cv_range at, uint8_t *buffer, struct cv_err *err)
{
	struct cv_layer *layers[] = { c->child };
	const struct cv_chain alone = { layers, 1, false };

	if (c->reread)
		return cv_source_read(c->child->source, buffer, (size_t)at.len, at.off, err);
	return cv_chain_read(&alone, buffer, at, err);
}

static bool note_written(struct cv_merge_copy *c, struct copying *k, const struct cv_merge_piece *piece, struct cv_err *err)
{
	struct cv_merge_piece *last = k->written.len ? &k->written.at[k->written.len - 1] : NULL;

	if (!c->reread)
		return true;
	if (last && last->zero == piece->zero && last->at.off + last->at.len == piece->at.off &&
	    piece->at.off % c->m->unit) {
		last->at.len += piece->at.len;
		return true;
	}
	return cv_merge_pieces_push(&k->written, (struct cv_merge_piece){ .at = piece->at, .zero = piece->zero }) ||
	       cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool copy_piece(struct cv_merge_copy *c, const struct cv_merge_piece *piece, void *ctx, struct cv_err *err)
{
	struct copying *k = ctx;
	struct cv_merge_piece full = *piece;
	bool ok;

	if ((cv_merge_is_full(c->m) || c->done >= k->next) && !rest(c, k, err))
		return false;
	if (!piece->zero) {
		full.data = k->buffer;
		if (!cv_merge_share_offer(c->m, piece, k->buffer) && !read_child(c, piece->at, k->buffer, err))
			return false;
	}
	c->done += piece->at.len;
	ok = c->m->format->put(c->m, &full, err) && note_written(c, k, piece, err);
	c->m->share.len = 0;
	return ok;
}

static bool grow(struct cv_merge_copy *c, struct cv_err *err)
{
	struct cv_merge *m = c->m;
	bool more = m->child_size > m->size;

	for (unsigned step = 0; more; step++) {
		more = false;
		if (!m->format->grow)
			return cv_fail(err, CV_EREFUSED, "the image is larger than its parent, which cannot grow in place");
		if (!m->format->grow(m, step, &more, err) || ((more || m->patches.len) && !cv_merge_flush(m, err)))
			return false;
	}
	return true;
}

/* What was held of the last unit goes to where it belongs, too. */
static bool finish(struct cv_merge *m, struct cv_err *err)
{
	return (!m->format->finish || m->format->finish(m, err)) && cv_merge_flush(m, err) &&
	       (!m->format->trim || m->format->trim(m, err)) && cv_merge_flush(m, err);
}

static bool copy_all(struct cv_merge_copy *c, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *buffer = malloc((size_t)CV_MERGE_PIECE);
	struct copying k = { .buffer = buffer };
	bool ok;

	c->done = 0;
	if (!buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = begin_batch(c, &k, err) && walk(c, copy_piece, &k, err) && rest(c, &k, err) && finish(c->m, err) &&
	     reread(c, &k, UINT64_MAX, err);
	free(k.written.at);
	return ok;
}

/* All at once, so that there is one barrier for all; what is found out to be written later is kept then. */
static bool keep_wanted(struct cv_merge_copy *c, struct cv_err *err)
{
	struct cv_keep *k = c->m->keep;
	uint64_t before = k ? k->bytes : 0, next = CV_MERGE_BATCH;
	bool more = k && k->pages;

	while (more) {
		if (!c->batch(c->ctx, "keeping", k->bytes - before, k->pages * CV_MERGE_PAGE, &next, err) ||
		    !cv_keep_wanted(k, &c->m->out, next, &more, err))
			return false;
	}
	return !k || cv_keep_sync(k, err);
}

bool cv_merge_copy(struct cv_merge_copy *c, struct cv_err *err)
{
	struct cv_merge *m = c->m;

	c->owned = 0;
	/* What is reserved is on disk with the first data, before anything points there. */
	return walk(c, count_piece, NULL, err) && keep_wanted(c, err) && m->format->reserve(m, err) && grow(c, err) &&
	       copy_all(c, err);
}

/* --- reading back ---------------------------------------------------------------------------------------- */

struct comparing {
	struct cv_layer *parent;
	struct cv_extents list;
	bool stands_alone;                   /* what the parent does not have reads as zeros */
	uint8_t *mine, *theirs;
	uint64_t next;
};

static bool differs(struct cv_err *err, uint64_t at)
{
	return cv_fail(err, CV_EIO, "reading it back: the parent does not hold what the image has at guest offset %" PRIu64, at);
}

/* The parent must have it itself. */
static bool is_held(struct comparing *k, struct cv_range at, struct cv_err *err)
{
	for (uint64_t pos = at.off; pos < at.off + at.len; pos = cv_extents_end(&k->list)) {
		if (!cv_layer_extents(k->parent, (struct cv_range){ pos, at.off + at.len - pos }, &k->list, err))
			return false;
		for (size_t i = 0; i < k->list.len; i++)
			if (k->list.at[i].kind == CV_EXTENT_BAD || (k->list.at[i].kind == CV_EXTENT_PARENT && !k->stands_alone))
				return differs(err, k->list.at[i].at.off);
	}
	return true;
}

static bool is_same(const struct cv_merge_copy *c, struct comparing *k, const struct cv_merge_piece *piece, struct cv_err *err)
{
	const struct cv_chain alone = { &k->parent, 1, false };
	size_t len = (size_t)piece->at.len;

	if (!cv_range_inside(piece->at, k->parent->size))
		return differs(err, piece->at.off);
	if (!is_held(k, piece->at, err))
		return false;
	memset(k->mine, 0, len);
	if ((!piece->zero && !read_child(c, piece->at, k->mine, err)) || !cv_chain_read(&alone, k->theirs, piece->at, err))
		return false;
	return !memcmp(k->mine, k->theirs, len) || differs(err, piece->at.off);
}

static bool compare_piece(struct cv_merge_copy *c, const struct cv_merge_piece *piece, void *ctx, struct cv_err *err)
{
	struct comparing *k = ctx;

	if (c->done >= k->next) {
		uint64_t next = CV_MERGE_BATCH;

		if (!c->batch(c->ctx, "verifying", c->done, c->owned, &next, err))
			return false;
		k->next = c->done + next;
	}
	c->done += piece->at.len;
	return is_same(c, k, piece, err);
}

bool cv_merge_verify(struct cv_merge_copy *c, enum cv_format_id parent, struct cv_source **source, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *buffer = malloc(2 * (size_t)CV_MERGE_PIECE);
	struct comparing k = { .stands_alone = !c->m->based, .mine = buffer,
			       .theirs = buffer + CV_MERGE_PIECE };
	bool ok = buffer != NULL;

	c->done = 0;
	if (!ok) {
		cv_source_close(cv_take(*source));
		return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	k.parent = cv_layer_open(source, NULL, parent, err);
	ok = k.parent && walk(c, compare_piece, &k, err) &&
	     (k.parent->size >= c->child->size || differs(err, k.parent->size));
	cv_layer_close(k.parent);
	cv_extents_fini(&k.list);
	return ok;
}

/* Those up to a place of the disk that are on disk for sure. */
static bool compare_written(const struct cv_merge_copy *c, struct comparing *k, const struct cv_merge_pieces *written, uint64_t upto,
			    size_t *done, struct cv_err *err)
{
	for (*done = 0; *done < written->len && written->at[*done].at.off < upto; ++*done) {
		uint64_t pos = written->at[*done].at.off, end = pos + written->at[*done].at.len;

		for (uint64_t next; pos < end; pos = next) {
			struct cv_merge_piece piece = { .zero = written->at[*done].zero };

			next = cut(c->m, pos, end);
			piece.at = (struct cv_range){ pos, next - pos };
			if (!is_same(c, k, &piece, err))
				return false;
		}
	}
	return true;
}

/* What is compared comes from the disk, as far as the system can be made to ask it. */
static bool reread(struct cv_merge_copy *c, struct copying *k, uint64_t upto, struct cv_err *err)
{
	const struct cv_file_out *out = &c->m->out;
	struct comparing cmp = { .stands_alone = !c->m->based };
	CV_AUTO(cv_auto_source) struct cv_source *source = NULL;
	size_t done = 0;
	bool ok;

	if (!k->written.len)
		return true;
	cmp.mine = malloc(2 * (size_t)CV_MERGE_PIECE);
	cmp.theirs = cmp.mine + CV_MERGE_PIECE;
	out->io->forget(out->io, out->fd, 0, 0);
	source = cmp.mine ? cv_io_source(out->io, out->fd, err) : NULL;
	cmp.parent = source ? cv_layer_open(&source, NULL, c->m->format->format, err) : NULL;
	ok = cmp.parent ? compare_written(c, &cmp, &k->written, upto, &done, err)
			: err->code == CV_OK ? cv_fail(err, CV_ENOMEM, "out of memory") : false;
	memmove(k->written.at, k->written.at + done, (k->written.len - done) * sizeof *k->written.at);
	k->written.len -= done;
	cv_layer_close(cmp.parent);
	cv_extents_fini(&cmp.list);
	free(cmp.mine);
	return ok;
}

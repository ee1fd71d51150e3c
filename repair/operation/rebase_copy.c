/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image another parent that reads otherwise where the image has nothing, or none: what it reads there through the
 * present one it gets of its own first, in its own file. That changes nothing of what it reads, whenever it is cut short;
 * then it names the other.
 *
 * Unlike the parent of a merge the image may be opened by a guest after a crash, before recovery. So what the board says is
 * carried out only as long as it may be needed: it is emptied behind each batch, and where somebody has written to the image
 * since, the image is taken as it is. After the change of parents has been noted nothing else is written any more.
 */
#include "repair/io/source.h"
#include "repair/merge/differing.h"
#include "repair/operation/merging.h"
#include "repair/operation/relinking.h"

enum { LAYOUT = 1, IMAGE = 0, MOST_SOURCES = 65536 };
#define WINDOW (UINT64_C(64) << 20)

static bool prepare(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p)
{
	const struct cv_plan_copy *copy = plan->copy;

	(void)w;
	cv_pack_number(p, LAYOUT);
	cv_pack_number(p, copy->format);
	cv_link_pack(p, plan->link);
	cv_pack_number(p, copy->now);
	cv_pack_number(p, copy->then);
	cv_pack_number(p, plan->source_count);
	for (size_t i = 0; i < plan->source_count; i++) {
		cv_pack_number(p, copy->formats[i]);
		cv_source_pack(p, &plan->sources[i]);
	}
	return !p->failed;
}

static struct cv_journal_size room(const struct cv_plan *plan)
{
	uint64_t pages = plan->copy ? plan->copy->bytes / CV_MERGE_PAGE : 0;

	pages = pages < CV_MERGE_BOARD_MOST ? pages : CV_MERGE_BOARD_MOST;
	return (struct cv_journal_size){ 0, pages > CV_MERGE_BOARD_LEAST ? (uint32_t)pages : CV_MERGE_BOARD_LEAST };
}

struct copying {
	struct cv_work *work;
	struct cv_plan_copy plan;
	struct cv_plan_link link;
	struct cv_journal_log log;           /* when it is recovered: what there was */
	bool recovered, own_error;
	struct cv_layer **layers;            /* of the sources */
	struct cv_layer **then_layers;
	struct cv_chain now, then;
	struct cv_merging g;
};

static bool unpack_sources(struct copying *c, struct cv_unpack *u)
{
	struct cv_work *work = c->work;
	uint64_t count = cv_unpack_number(u);
	struct cv_plan_source *sources = count <= MOST_SOURCES ? cv_arena_alloc(work->arena, (size_t)(count + 1) * sizeof *sources) : NULL;
	enum cv_format_id *formats = sources ? cv_arena_alloc(work->arena, (size_t)(count + 1) * sizeof *formats) : NULL;

	for (uint64_t i = 0; formats && i < count; i++) {
		formats[i] = (enum cv_format_id)cv_unpack_number(u);
		if (!cv_source_unpack(work->arena, u, &sources[i]))
			return false;
	}
	c->plan.formats = formats;
	work->sources = sources;
	work->source_count = formats ? (size_t)count : 0;
	return formats && !u->failed && c->plan.now <= count && c->plan.then <= count - c->plan.now;
}

static bool unpack(struct copying *c, struct cv_err *err)
{
	struct cv_unpack u = { .at = (const uint8_t *)c->work->more.at, .left = c->work->more.len };
	uint64_t layout = cv_unpack_number(&u);
	bool ok;

	c->plan.format = (enum cv_format_id)cv_unpack_number(&u);
	ok = layout == LAYOUT && cv_link_unpack(c->work->arena, &u, &c->link);
	c->plan.now = (size_t)cv_unpack_number(&u);
	c->plan.then = (size_t)cv_unpack_number(&u);
	return (ok && unpack_sources(c, &u)) || cv_fail(err, CV_EFORMAT, "its PREPARE record is not one of a rebase that copies");
}

static void close_sources(struct copying *c)
{
	for (size_t i = 0; c->layers && i < c->work->source_count; i++)
		cv_layer_close(c->layers[i]);
	free(c->layers);
	free(c->then_layers);
	c->layers = c->then_layers = NULL;
	c->now = c->then = (struct cv_chain){ .count = 0 };
}

static void copying_fini(struct copying *c)
{
	cv_merging_fini(&c->g);
	close_sources(c);
	cv_journal_log_fini(&c->log);
}

static bool copying_init(struct copying *c, struct cv_err *err)
{
	struct cv_work *work = c->work;

	if (work->plan) {
		c->plan = *work->plan->copy;
		c->link = *work->plan->link;
	} else if (!unpack(c, err)) {
		return false;
	}
	return work->item_count == 1 || cv_fail(err, CV_EFORMAT, "it is about %zu images", work->item_count);
}

/* --- copying --------------------------------------------------------------------------------------------- */

/* Nobody writes to what is read through either chain, and nobody has since the plan was made. */
static bool open_sources(struct copying *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	size_t count = work->source_count, now = c->plan.now, then = c->plan.then, both = count - now - then;

	c->layers = calloc(count + 1, sizeof *c->layers);
	c->then_layers = calloc(2 * count + 1, sizeof *c->then_layers);
	if (!c->layers || !c->then_layers)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++) {
		c->layers[i] = cv_merging_source(work, i, c->plan.formats[i], err);
		if (!c->layers[i])
			return cv_wrap(err, "%s", work->sources[i].path);
	}
	for (size_t i = 0; i < then + both; i++)
		c->then_layers[i] = c->layers[now + i];
	for (size_t i = 0; i < now + both; i++)
		c->then_layers[then + both + i] = c->layers[i < now ? i : then + i];
	c->then = (struct cv_chain){ c->then_layers, then + both, false };
	c->now = (struct cv_chain){ c->then_layers + then + both, now + both, false };
	return true;
}

static bool open_image(struct copying *c, bool again, const struct cv_chain *below, struct cv_err *err)
{
	const struct cv_plan_merge merge = { .format = c->plan.format, .parent_format = c->plan.format };

	if (!cv_merging_open(&c->g, c->work, &merge, (struct cv_merging_how){ .again = again, .alone = below }, err))
		return false;
	c->g.plan = NULL;
	return true;
}

/* What is on the board is in the file, when nothing is pending. Whether it says so after a crash does not matter, unless a guest has
 * used the image. */
static bool batch(void *ctx, const char *what, uint64_t done, uint64_t total, uint64_t *next, struct cv_err *err)
{
	struct copying *c = ctx;

	(void)what;
	if (c->g.m.posted.len && !c->g.m.dirty && !cv_journal_post(&c->work->journal, NULL, 0, err))
		return false;
	*next = cv_work_piece(c->work, CV_MERGE_BATCH);
	return cv_work_batch(c->work, "copying", done, total, err);
}

/* The image as it is on disk, and what it lacks. */
struct lacking {
	struct cv_layer *image, *differing;
};

static void lacking_fini(struct lacking *l)
{
	cv_layer_close(l->differing);
	cv_layer_close(l->image);
}

static bool lacking_open(struct lacking *l, struct copying *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	CV_AUTO(cv_auto_source) struct cv_source *source = cv_io_source(work->w->io, work->claims[IMAGE], err);
	struct cv_differing d = { .now = c->now, .then = c->then, .m = &c->g.m };

	d.image = l->image = source ? cv_layer_open(&source, NULL, c->plan.format, err) : NULL;
	l->differing = l->image ? cv_differing_open(&d, err) : NULL;
	return l->differing != NULL;
}

/* Wherever it has nothing of its own now both read the same. */
static bool verify(struct copying *c, struct cv_err *err)
{
	const struct cv_io *io = c->work->w->io;
	CV_AUTO(lacking_fini) struct lacking l = { NULL, NULL };
	CV_AUTO(cv_extents_fini) struct cv_extents list = { .max = 4096 };
	uint64_t size;

	io->forget(io, c->work->claims[IMAGE], 0, 0);
	if (!lacking_open(&l, c, err))
		return false;
	size = l.differing->size;
	for (uint64_t pos = 0; pos < size; pos = cv_extents_end(&list)) {
		if (!cv_work_batch(c->work, "verifying", pos, size, err) ||
		    !cv_layer_extents(l.differing, (struct cv_range){ pos, size - pos < WINDOW ? size - pos : WINDOW }, &list, err))
			return false;
		for (size_t i = 0; i < list.len; i++)
			if (list.at[i].kind != CV_EXTENT_PARENT)
				return cv_fail(err, CV_EIO, "reading it back: the image would not read the same at guest offset %" PRIu64,
					       list.at[i].at.off);
	}
	return true;
}

static bool copy(struct copying *c, struct cv_err *err)
{
	CV_AUTO(lacking_fini) struct lacking l = { NULL, NULL };
	struct cv_merging *g = &c->g;

	if (!open_image(c, c->recovered, &c->now, err) || !lacking_open(&l, c, err))
		return false;
	cv_merging_from(g, l.differing);
	g->copy.reread = true;
	g->copy.batch = batch;
	g->copy.ctx = c;
	return cv_merge_copy(&g->copy, err);
}

/* The data that are there stay, and so does what is left of the operation. */
static void note_stopped(struct copying *c)
{
	struct cv_err none = { .code = CV_OK };

	c->work->stays = true;
	if (cv_journal_post(&c->work->journal, NULL, 0, &none))
		cv_journal_barrier(&c->work->journal, &none);
}

static bool copy_and_verify(struct copying *c, struct cv_err *err)
{
	const struct cv_host *host = &c->work->w->host;
	uint64_t began = host->now_ns(host), copied = began;
	bool ok = copy(c, err);

	if (ok)
		copied = host->now_ns(host);
	ok = ok && verify(c, err);
	if (!ok && err->code == CV_ECANCELLED && (c->recovered || c->g.m.written))
		note_stopped(c);
	if (ok && c->work->result) {
		c->work->result->written = c->g.m.written;
		c->work->result->copy_ms = (uint32_t)((copied - began) / 1000000u);
		c->work->result->verify_ms = (uint32_t)((host->now_ns(host) - copied) / 1000000u);
	}
	return ok;
}

/* --- the parent ------------------------------------------------------------------------------------------ */

static bool relink(struct copying *c, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };
	const struct cv_host *host = &c->work->w->host;
	struct cv_work *work = c->work;

	if (!cv_work_look(work, err)) {
		if (err->code == CV_ECANCELLED)
			note_stopped(c);
		return false;
	}
	if (!cv_relinking_begin(&b, work, IMAGE, work->claims[IMAGE], err))
		return false;
	if (!host->random(host, b.change.fresh, sizeof b.change.fresh))
		return cv_fail_errno(err, "cannot make an identity");
	return cv_relink_make(&b.change, b.source, &c->link, err) && cv_relinking_note(&b, NULL, err) && cv_relinking_apply(&b, err);
}

static bool rebase_copy_run(struct cv_work *work, struct cv_err *err)
{
	CV_AUTO(copying_fini) struct copying c = { .work = work };

	return copying_init(&c, err) && open_sources(&c, err) && copy_and_verify(&c, err) && relink(&c, err);
}

/* --- recovery -------------------------------------------------------------------------------------------- */

/* In a later boot than that of the last batch what looks torn may be a guest's; then the image was written to in this one, and
 * is sound. */
static bool somebody_wrote(const struct copying *c, struct cv_err *err, bool *wrote)
{
	const struct cv_writing *w = c->work->w;
	struct stat st;

	if (w->io->fstat(w->io, c->work->claims[IMAGE], &st) != 0)
		return cv_io_fail(err, "look at", c->work->items[IMAGE].path);
	*wrote = w->host.began_ns && cv_stat_mtime(&st) > (int64_t)w->host.began_ns &&
		 cv_merging_is_sound(c->work, IMAGE, c->plan.format);
	return true;
}

/* What a cut has left half done in the image's structures, unless they have changed since: then it is as somebody else has left
 * it, and nothing of it is torn. */
static bool put_right(struct copying *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	struct cv_replay r = { .out = { work->w->io, work->claims[IMAGE], work->items[IMAGE].path }, .boot = work->w->host.boot,
			       .own_error = c->own_error, .shared = true };
	struct cv_err why = { .code = CV_OK };

	if (!c->log.board.len)
		return true;
	if (!c->own_error && !somebody_wrote(c, err, &r.used))
		return false;
	if (!cv_merge_replay(&r, &c->log.board, &why) && (c->own_error || why.code != CV_EREFUSED))
		return cv_fail(err, why.code, "%s", why.text);
	return cv_journal_post(&work->journal, NULL, 0, err) && cv_journal_barrier(&work->journal, err);
}

/* Nothing of the image has been written to by this process. */
static bool is_untouched(const struct copying *c)
{
	const struct cv_writing *w = c->work->w;
	struct stat st;

	return c->own_error && !c->work->journal.posted && w->io->fstat(w->io, c->work->claims[IMAGE], &st) == 0 &&
	       (uint64_t)st.st_size == c->work->items[IMAGE].size;
}

/* As it was, but for data that nobody is led to or that read the same. */
static bool give_up(struct copying *c, struct cv_err *err)
{
	static const struct cv_chain nothing = { .count = 0 };

	cv_merging_fini(&c->g);
	close_sources(c);
	return is_untouched(c) || (open_image(c, true, &nothing, err) && cv_merging_drop(&c->g, err));
}

static bool settle(struct copying *c, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };

	if (!put_right(c, err))
		return false;
	if (c->own_error || c->work->w->give_up)
		return give_up(c, err);
	if (!open_sources(c, &why)) {
		if (why.code == CV_ECANCELLED || why.code == CV_ENOMEM)
			return cv_fail(err, why.code, "%s", why.text);
		return give_up(c, err);
	}
	*end = CV_RECORD_DONE;
	return copy_and_verify(c, err) && relink(c, err);
}

static bool rebase_copy_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(copying_fini) struct copying c = { .work = work, .recovered = true, .own_error = work->claims != NULL };
	const struct cv_writing *w = work->w;

	*end = CV_RECORD_ABORTED;
	if (!copying_init(&c, err) ||
	    !cv_journal_read(&c.log, w->io, &w->host, w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	if (cv_journal_last(&c.log, CV_RECORD_UNDO))
		return cv_relinking_settle_one(work, &c.log, end, err);
	if (!c.own_error && (!cv_journal_grow(&work->journal, CV_RELINKING_SLOTS, err) || !cv_work_claim_from(work, IMAGE, err)))
		return false;
	return settle(&c, end, err);
}

const struct cv_operation_row cv_operation_rebase_copy = {
	CV_PLAN_REBASE_COPY, "rebase", true, rebase_copy_run, rebase_copy_recover, .slots = CV_RELINKING_SLOTS, .prepare = prepare,
	.room = room,
};

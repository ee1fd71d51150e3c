/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging an image into its parent, in place: data, read back, those that stood on it onto the parent, and the image to the
 * trash. Until the first of them names the parent nobody can see what has become of it, since the image lies over it; from then on
 * it has all that the image has.
 *
 * After a crash nothing that was true before is believed: a guest may have run meanwhile. What is torn is put right, all data
 * are gone through again and read back, and only then it goes on with those that do not name the parent yet.
 */
#include "repair/operation/coalesce.h"
#include "repair/operation/former.h"
#include "repair/io/source.h"
#include <chainview/format.h>

enum { LAYOUT = 1, LAYOUT_KEEPS = 2, IMAGE = CV_COALESCE_IMAGE, PARENT = CV_COALESCE_PARENT, FIRST_CHILD = CV_COALESCE_FIRST_CHILD, MOST_LINKS = 65536 };
enum { SLOTS_BESIDES = CV_COALESCE_SLOTS_BESIDES };

/* --- the plan in the journal ----------------------------------------------------------------------------- */

bool cv_coalesce_prepare(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p)
{
	const struct cv_plan_merge *merge = plan->merge;

	cv_pack_number(p, merge->keeps ? LAYOUT_KEEPS : LAYOUT);
	cv_pack_bytes(p, w->host.boot, sizeof w->host.boot);
	cv_pack_number(p, merge->format);
	cv_pack_number(p, merge->parent_format);
	cv_pack_number(p, merge->link_count);
	for (size_t i = 0; i < merge->link_count; i++)
		cv_link_pack(p, &merge->links[i]);
	cv_pack_number(p, merge->below_count);
	for (size_t i = 0; i < merge->below_count; i++) {
		cv_pack_number(p, merge->below[i]);
		cv_source_pack(p, &plan->sources[i]);
	}
	return !p->failed;
}

struct cv_journal_size cv_coalesce_room(const struct cv_plan *plan)
{
	uint64_t pages = plan->item_count ? plan->items[IMAGE].allocated / CV_MERGE_PAGE : 0, children = plan->merge ? plan->merge->link_count : 0;
	struct cv_journal_size size = { SLOTS_BESIDES + (uint32_t)(children > MOST_LINKS ? MOST_LINKS : children) * CV_RELINKING_SLOTS_EACH,
					CV_MERGE_BOARD_LEAST };

	if (pages > CV_MERGE_BOARD_LEAST)
		size.board = pages < CV_MERGE_BOARD_MOST ? (uint32_t)pages : CV_MERGE_BOARD_MOST;
	return size;
}

static bool unpack_below(struct cv_work *work, struct cv_unpack *u, struct cv_plan_merge *merge)
{
	uint64_t count = cv_unpack_number(u);
	struct cv_plan_source *sources = count <= MOST_LINKS ? cv_arena_alloc(work->arena, (size_t)(count + 1) * sizeof *sources) : NULL;
	enum cv_format_id *formats = sources ? cv_arena_alloc(work->arena, (size_t)(count + 1) * sizeof *formats) : NULL;

	for (uint64_t i = 0; formats && i < count; i++) {
		formats[i] = (enum cv_format_id)cv_unpack_number(u);
		if (!cv_source_unpack(work->arena, u, &sources[i]))
			return false;
	}
	merge->below = formats;
	merge->below_count = formats ? (size_t)count : 0;
	work->sources = sources;
	work->source_count = merge->below_count;
	return formats && !u->failed;
}

/* Of one that is recovered; kept in its arena. */
static bool unpack(struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	struct cv_plan_merge *merge = &c->plan;
	struct cv_unpack u = { .at = (const uint8_t *)work->more.at, .left = work->more.len };
	uint64_t layout = cv_unpack_number(&u), count;
	struct cv_plan_link *links;
	bool ok;

	cv_unpack_into(&u, c->boot, sizeof c->boot);
	merge->format = (enum cv_format_id)cv_unpack_number(&u);
	merge->parent_format = (enum cv_format_id)cv_unpack_number(&u);
	count = cv_unpack_number(&u);
	merge->keeps = layout == LAYOUT_KEEPS;
	ok = !u.failed && (layout == LAYOUT || merge->keeps) && count <= MOST_LINKS && work->item_count == FIRST_CHILD + count;
	links = ok ? cv_arena_alloc(work->arena, (size_t)(count + 1) * sizeof *links) : NULL;
	for (uint64_t i = 0; links && i < count && ok; i++)
		ok = cv_link_unpack(work->arena, &u, &links[i]);
	merge->links = links;
	merge->link_count = (size_t)count;
	return (ok && links && unpack_below(work, &u, merge)) || cv_fail(err, CV_EFORMAT, "its PREPARE record is not one of a merge");
}

bool cv_coalesce_formats(const struct cv_journal_log *log, enum cv_format_id *image, enum cv_format_id *parent, struct cv_err *err)
{
	struct cv_bytes more = log->records.len ? cv_items_more(&log->records.at[0]) : (struct cv_bytes){ NULL, 0 };
	struct cv_unpack u = { .at = (const uint8_t *)more.at, .left = more.len };
	uint64_t layout = cv_unpack_number(&u);
	uint8_t boot[16];

	cv_unpack_into(&u, boot, sizeof boot);
	*image = (enum cv_format_id)cv_unpack_number(&u);
	*parent = (enum cv_format_id)cv_unpack_number(&u);
	return (!u.failed && (layout == LAYOUT || layout == LAYOUT_KEEPS)) || cv_fail(err, CV_EFORMAT, "its PREPARE record is not one of a merge");
}

/* --- what both ways do ----------------------------------------------------------------------------------- */

void cv_coalesce_fini(struct cv_coalesce *c)
{
	cv_journal_log_fini(&c->log);
	free(c->is_new);
}

bool cv_coalesce_init(struct cv_coalesce *c, struct cv_work *work, struct cv_err *err)
{
	c->work = work;
	if (work->plan)
		c->plan = *work->plan->merge;
	else if (!unpack(c, err))
		return false;
	if (work->item_count != FIRST_CHILD + c->plan.link_count)
		return cv_fail(err, CV_EFORMAT, "it is about %zu images", work->item_count);
	c->is_new = calloc(c->plan.link_count + 1, sizeof *c->is_new);
	if (!c->is_new)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return !c->recovered || cv_journal_read(&c->log, work->w->io, &work->w->host, work->w->store.journal,
						cv_journal_name(work->journal.op).s, err);
}

/* On disk when it returns: a record that is lost before one that is not makes a journal a damaged one. */
static bool note(struct cv_work *work, enum cv_record_type type, const void *payload, size_t len, struct cv_err *err)
{
	return cv_journal_add(&work->journal, type, payload, len, err) && cv_journal_barrier(&work->journal, err);
}

bool cv_coalesce_note_boot(struct cv_work *work, bool stopped, struct cv_err *err)
{
	uint8_t payload[17];

	memcpy(payload, work->w->host.boot, 16);
	payload[16] = stopped;
	return note(work, CV_RECORD_BOOT, payload, sizeof payload, err);
}

static bool stat_item(const struct cv_work *work, size_t item, struct stat *st, struct cv_err *err)
{
	return work->w->io->fstat(work->w->io, work->claims[item], st) == 0 || cv_io_fail(err, "look at", work->items[item].path);
}

/* What the parent is like now that it is complete, and the image that it was compared with. */
static bool note_verified(struct cv_work *work, struct cv_err *err)
{
	const size_t items[] = { PARENT, IMAGE };
	struct cv_pack p = { 0 };
	struct stat st;
	bool ok;

	for (size_t i = 0; i < CV_COUNT(items); i++) {
		if (!stat_item(work, items[i], &st, err)) {
			cv_pack_fini(&p);
			return false;
		}
		cv_pack_number(&p, (uint64_t)st.st_size);
		cv_pack_number(&p, (uint64_t)cv_stat_mtime(&st));
	}
	ok = p.failed ? cv_fail(err, CV_ENOMEM, "out of memory") : note(work, CV_RECORD_VERIFIED, p.at, p.len, err);
	cv_pack_fini(&p);
	return ok;
}

bool cv_coalesce_merge(struct cv_coalesce *c, struct cv_merging_how how, struct cv_err *err)
{
	CV_AUTO(cv_keep_close) struct cv_keep keep = { .out.fd = -1 };
	CV_AUTO(cv_merging_fini) struct cv_merging g = { 0 };
	struct cv_work *work = c->work;

	if (c->plan.keeps && !cv_former_begin(work, PARENT, c->recovered ? &c->log : NULL, &keep, err))
		return false;
	how.keep = keep.out.fd >= 0 ? &keep : NULL;
	if (cv_merging_open(&g, work, &c->plan, how, err) && cv_merging_do(&g, err))
		return note_verified(work, err);
	if (err->code == CV_ECANCELLED && (c->recovered || g.m.written)) {
		struct cv_err none = { .code = CV_OK };

		/* What is in the parent need not be written again; if this cannot be noted, it is. */
		work->stays = true;
		cv_coalesce_note_boot(work, true, &none);
	}
	return false;
}

/* --- those that stand on it ------------------------------------------------------------------------------ */

/* A new identity for whoever wrote last, where a format wants one: the same one in each round. */
static void fresh_of(const struct cv_work *work, size_t item, uint8_t fresh[16])
{
	memcpy(fresh, work->journal.op, 16);
	for (size_t i = 0; i < 4; i++)
		fresh[i] ^= (uint8_t)((item + 1) >> 8 * i);
}

static bool relink(struct cv_coalesce *c, size_t child, struct cv_err *err)
{
	CV_AUTO(cv_relinking_fini) struct cv_relinking b = { .work = NULL };
	struct cv_plan_link link = c->plan.links[child];
	struct cv_work *work = c->work;
	size_t item = FIRST_CHILD + child;
	struct stat st;

	if (!stat_item(work, PARENT, &st, err) || !cv_relinking_begin(&b, work, item, work->claims[item], err))
		return false;
	b.of_many = true;
	link.time = st.st_mtim.tv_sec;
	fresh_of(work, item, b.change.fresh);
	return (cv_relink_make(&b.change, b.source, &link, err) && cv_relinking_note(&b, c->recovered ? &c->log : NULL, err) &&
		cv_relinking_apply(&b, err)) || cv_wrap(err, "%s", work->items[item].path);
}

bool cv_coalesce_look(struct cv_coalesce *c, struct cv_err *err)
{
	if (cv_work_look(c->work, err))
		return true;
	c->work->stays = err->code == CV_ECANCELLED;
	return false;
}

static bool relink_all(struct cv_coalesce *c, struct cv_err *err)
{
	for (size_t i = 0; i < c->plan.link_count; i++)
		if (!c->is_new[i] && (!cv_coalesce_look(c, err) || !relink(c, i, err)))
			return false;
	return note(c->work, CV_RECORD_RELINKED, NULL, 0, err);
}

static bool sync_moved(struct cv_work *work, struct cv_err *err)
{
	return cv_place_sync_trash(work->w, work->journal.op, err) && cv_place_sync_homes(work->w, work->items, 1, err);
}

static bool to_trash(struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	int dir = cv_place_trash(work->w, work->journal.op, true, err);

	if (dir < 0)
		return false;
	work->w->io->close(work->w->io, dir);
	/* An image must not be where only a folder that may vanish leads to. */
	return cv_store_sync(work->w->io, work->w->store.trash, "the trash", err) && cv_coalesce_look(c, err) &&
	       cv_place_to_trash(work->w, work->journal.op, IMAGE, &work->items[IMAGE], err) && sync_moved(work, err);
}

static bool coalesce_run(struct cv_work *work, struct cv_err *err)
{
	CV_AUTO(cv_coalesce_fini) struct cv_coalesce c = { .work = work };

	return cv_coalesce_init(&c, work, err) && cv_coalesce_merge(&c, (struct cv_merging_how){ .image = true }, err) && relink_all(&c, err) &&
	       to_trash(&c, err);
}

/* --- recovery -------------------------------------------------------------------------------------------- */

bool cv_coalesce_went_on_here(const struct cv_coalesce *c, bool *stopped)
{
	const struct cv_record *r = cv_journal_last(&c->log, CV_RECORD_BOOT);
	bool known = r && r->len == 17;

	*stopped = known && r->payload[16];
	return !memcmp(known ? r->payload : c->boot, c->work->w->host.boot, 16);
}

/* From here on it is at work in this boot. What the board said is done. */
static bool go_on_here(const struct cv_coalesce *c, struct cv_err *err)
{
	struct cv_work *work = c->work;
	bool stopped, here = cv_coalesce_went_on_here(c, &stopped);

	return (!c->log.board.len || cv_journal_post(&work->journal, NULL, 0, err)) &&
	       (here && !stopped ? cv_journal_barrier(&work->journal, err) : cv_coalesce_note_boot(work, false, err));
}

/* Somebody else's image under the parent's name and inode. What is torn says nothing, and is put right first. */
static bool is_the_parent(const struct cv_coalesce *c, struct cv_err *err)
{
	const struct cv_work *work = c->work;
	struct cv_facts *f = cv_facts_new();
	CV_AUTO(cv_auto_source) struct cv_source *source = cv_io_source(work->w->io, work->claims[PARENT], err);
	struct cv_err torn = { .code = CV_OK };
	bool same = true;

	if (f && source && cv_image_read(source, c->plan.parent_format, f, &torn) && f->flags & CV_FACT_UUID) {
		same = cv_uuid_is_null(work->items[PARENT].uuid) || !memcmp(f->uuid, work->items[PARENT].uuid, sizeof f->uuid);
		for (uint32_t i = 0; i < f->finding_count; i++)
			same |= f->findings[i].id == CV_VHD_FOOTER_CHECKSUM || f->findings[i].id == CV_GEN_IMAGE_UNREADABLE;
	}
	if (!f || !source)
		same = err->code == CV_OK && cv_fail(err, CV_ENOMEM, "out of memory");
	else if (!same)
		cv_fail(err, CV_EREFUSED, "the parent has another identity than when it was begun: nothing is touched");
	cv_facts_free(f);
	return same;
}

bool cv_coalesce_settle_parent(struct cv_coalesce *c, bool any, struct cv_err *err)
{
	const struct cv_work *work = c->work;
	const struct cv_replay r = { .out = { work->w->io, work->claims[PARENT], work->items[PARENT].path },
				     .boot = work->w->host.boot, .own_error = c->own_error, .sure = any };

	if (!is_the_parent(c, err))
		return false;
	if (c->log.board.len && !cv_merge_replay(&r, &c->log.board, err))
		return false;
	return c->own_error || go_on_here(c, err);
}

/* The image comes back from where a crash may have left it, and is what it was. */
static bool bring_home(struct cv_coalesce *c, enum cv_whereabouts where, struct cv_err *err)
{
	struct cv_work *work = c->work;

	if (where == CV_IN_TRASH && (!cv_place_to_home(work->w, work->journal.op, IMAGE, &work->items[IMAGE], err) ||
				     !cv_place_sync_homes(work->w, work->items, 1, err)))
		return false;
	if (where != CV_AT_HOME && where != CV_IN_TRASH)
		return cv_fail(err, CV_EREFUSED, "the image is not where it was: nothing more is touched");
	if (work->claims[IMAGE] < 0)
		work->claims[IMAGE] = cv_claim_item(work->w, &work->items[IMAGE], err);
	return work->claims[IMAGE] >= 0;
}

bool cv_coalesce_give_up(struct cv_coalesce *c, struct cv_err *err)
{
	CV_AUTO(cv_merging_fini) struct cv_merging g = { 0 };
	const struct cv_merging_how how = { .again = true };

	return cv_merging_open(&g, c->work, &c->plan, how, err) && cv_merging_drop(&g, err);
}

static bool go_on(struct cv_coalesce *c, struct cv_merging_how how, struct cv_err *err)
{
	/* What was read back by this process, which has held everything since, is so. */
	if (!(c->own_error && cv_journal_last(&c->log, CV_RECORD_VERIFIED)) && !cv_coalesce_merge(c, how, err))
		return false;
	return relink_all(c, err) && to_trash(c, err);
}

static bool settle(struct cv_coalesce *c, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_work *work = c->work;
	struct cv_merging_how how = { .again = true, .image = true };
	bool any, all, taken, stopped;
	enum cv_whereabouts where = cv_place_find(work->w, work->journal.op, IMAGE, &work->items[IMAGE], &taken, err);

	if (where == CV_UNKNOWN || !cv_relinking_settle_all(work, &c->log, c->own_error, FIRST_CHILD, c->is_new, &any, &all, err))
		return false;
	*end = CV_RECORD_DONE;
	if (all && where == CV_IN_TRASH)
		return sync_moved(work, err);
	/* Before what is noted for this boot. */
	how.trusting = any || (!c->own_error && (!cv_coalesce_went_on_here(c, &stopped) || stopped));
	if (!cv_coalesce_settle_parent(c, any, err) || !bring_home(c, where, err))
		return false;
	if (any || !(c->own_error || work->w->give_up) || cv_journal_last(&c->log, CV_RECORD_VERIFIED))
		return go_on(c, how, err);
	*end = CV_RECORD_ABORTED;
	return cv_coalesce_give_up(c, err) && (!c->plan.keeps || cv_place_tidy(work->w, work->journal.op, err));
}

static bool coalesce_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	CV_AUTO(cv_coalesce_fini) struct cv_coalesce c = { .recovered = true, .own_error = work->claims != NULL };

	*end = CV_RECORD_ABORTED;
	if (!cv_coalesce_init(&c, work, err))
		return false;
	if (!c.own_error && (!cv_journal_grow(&work->journal, SLOTS_BESIDES + (uint32_t)c.plan.link_count * CV_RELINKING_SLOTS_EACH, err) ||
			     !cv_work_claim_from(work, PARENT, err)))
		return false;
	return settle(&c, end, err);
}

const struct cv_operation_row cv_operation_coalesce = {
	CV_PLAN_COALESCE, "coalesce", true, coalesce_run, coalesce_recover, .prepare = cv_coalesce_prepare, .room = cv_coalesce_room,
};

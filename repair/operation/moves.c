/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See moves.h. */
#include "repair/operation/moves.h"

/* --- in the journal --------------------------------------------------------------------------------------- */

bool cv_moves_pack(const struct cv_plan *plan, struct cv_pack *p)
{
	if (!plan->move_count)
		return true;
	cv_pack_number(p, plan->move_count);
	for (size_t i = 0; i < plan->move_count; i++) {
		const struct cv_plan_move *m = &plan->moves[i];

		cv_pack_number(p, m->kind);
		cv_pack_number(p, m->item);
		cv_pack_bytes(p, m->to ? m->to : "", m->to ? strlen(m->to) : 0);
		cv_pack_number(p, m->apart);
	}
	return !p->failed;
}

static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A name beside that of the item, and not the same. */
static bool is_beside(const char *path, const char *to)
{
	size_t len = folder_len(path);
	const char *name = to + len;

	return !strncmp(path, to, len) && folder_len(to) == len && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       strcmp(path, to) != 0;
}

static bool unpack_move(const struct cv_work *work, struct cv_unpack *u, struct cv_plan_move *m)
{
	struct cv_bytes to;

	m->kind = (enum cv_plan_move_kind)cv_unpack_number(u);
	m->item = (size_t)cv_unpack_number(u);
	to = cv_unpack_bytes(u);
	m->apart = cv_unpack_number(u) != 0;
	if (u->failed || m->kind < CV_MOVE_RENAME || m->kind > CV_MOVE_RESTORE || m->item >= work->item_count ||
	    (to.len && memchr(to.at, '\0', to.len)))
		return false;
	m->to = cv_arena_dup(work->arena, to.at, to.len);
	return m->to && (m->kind != CV_MOVE_RENAME || is_beside(work->items[m->item].path, m->to));
}

static bool unpack(const struct cv_work *work, struct cv_moves *m, struct cv_err *err)
{
	struct cv_unpack u = { .at = (const uint8_t *)work->more.at, .left = work->more.len };
	struct cv_plan_move *list;

	*m = (struct cv_moves){ .count = 0 };
	if (!work->more.len)
		return true;
	m->count = (size_t)cv_unpack_number(&u);
	if (u.failed || m->count > work->item_count)
		return cv_fail(err, CV_EFORMAT, "its PREPARE record tells of %zu moves", m->count);
	list = cv_arena_alloc(work->arena, (m->count + 1) * sizeof *list);
	if (!list)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < m->count; i++)
		if (!unpack_move(work, &u, &list[i]))
			return cv_fail(err, CV_EFORMAT, "its PREPARE record tells of a move that cannot be");
	m->at = list;
	return true;
}

bool cv_moves_of(const struct cv_work *work, struct cv_moves *m, struct cv_err *err)
{
	const struct cv_plan *plan = work->plan;

	if (!plan)
		return unpack(work, m, err);
	*m = (struct cv_moves){ .at = plan->moves, .count = plan->move_count };
	return true;
}

/* --- places ----------------------------------------------------------------------------------------------- */

struct spot {
	int dir;
	char name[256];
};

static void spot_close(const struct cv_work *work, const struct spot *s)
{
	if (s->dir >= 0)
		work->w->io->close(work->w->io, s->dir);
}

static bool name_it(struct spot *s, const char *name)
{
	size_t len = strlen(name);

	if (len >= sizeof s->name)
		return false;
	memcpy(s->name, name, len + 1);
	return true;
}

static bool at_home(const struct cv_work *work, const char *path, struct spot *s, struct cv_err *err)
{
	const char *base = path;

	s->dir = cv_place_open(work->w, path, &base, err);
	return s->dir >= 0 && (name_it(s, base) || cv_fail(err, CV_EREFUSED, "its name is too long"));
}

static bool in_trash(const struct cv_work *work, const uint8_t op[16], uint32_t index, const char *path, struct spot *s,
		     struct cv_err *err)
{
	s->dir = cv_place_trash(work->w, op, false, err);
	return s->dir >= 0 && name_it(s, cv_trash_name(index, path).s);
}

/* Where it comes from, or goes to. */
static bool spot_open(const struct cv_work *work, const struct cv_plan_move *m, bool end, struct spot *s, struct cv_err *err)
{
	const struct cv_plan_item *item = &work->items[m->item];

	s->dir = -1;
	if (m->kind == CV_MOVE_TRASH && end)
		return in_trash(work, work->journal.op, (uint32_t)m->item, item->path, s, err);
	if (m->kind == CV_MOVE_RESTORE && !end)
		return in_trash(work, item->from, item->from_index, item->path, s, err);
	return at_home(work, m->kind == CV_MOVE_RENAME && end ? m->to : item->path, s, err);
}

/* 1: the item is there; 0: it is not; -1 with err set. A folder that is not there holds nothing. */
static int is_there(const struct cv_work *work, const struct cv_plan_move *m, bool end, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	struct spot s;
	int found = 0;

	if (spot_open(work, m, end, &s, &why))
		found = cv_place_look(work->w, s.dir, s.name, &work->items[m->item], err);
	else if (why.code != CV_EUSAGE && why.os_errno != ENOENT)
		found = cv_fail(err, why.code, "%s", why.text) ? 0 : -1;
	spot_close(work, &s);
	return found == 2 ? 0 : found;
}

int cv_move_is_made(const struct cv_work *work, const struct cv_plan_move *move, struct cv_err *err)
{
	return is_there(work, move, true, err);
}

static bool move(const struct cv_work *work, const struct cv_plan_move *m, bool back, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	struct spot from = { .dir = -1 }, to = { .dir = -1 };
	bool ok = spot_open(work, m, back, &from, err) && spot_open(work, m, !back, &to, err);

	if (ok)
		ok = io->renameat(io, from.dir, from.name, to.dir, to.name, RENAME_NOREPLACE) == 0 || cv_io_fail(err, "move", from.name);
	spot_close(work, &from);
	spot_close(work, &to);
	return ok;
}

/* --- making it sure --------------------------------------------------------------------------------------- */

static bool sync_trash(const struct cv_work *work, const uint8_t op[16], struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };

	return cv_place_sync_trash(work->w, op, &none) || none.code == CV_EUSAGE || cv_fail(err, none.code, "%s", none.text);
}

/* The folder in the trash that it goes to or comes from; NULL: none. */
static const uint8_t *trash_of(const struct cv_work *work, const struct cv_plan_move *m)
{
	return m->kind == CV_MOVE_RENAME ? NULL : m->kind == CV_MOVE_TRASH ? work->journal.op : work->items[m->item].from;
}

static bool sync_homes(const struct cv_work *work, const struct cv_plan_move *m, size_t count, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct cv_plan_item *items = calloc(count + 1, sizeof *items);

	if (!items)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		items[i] = work->items[m[i].item];
	return cv_place_sync_homes(work->w, items, count, err);
}

/* What these have moved, also in another life: first where it is by now. */
static bool sync_moves(const struct cv_work *work, const struct cv_plan_move *m, size_t count, struct cv_err *err)
{
	const uint8_t *op = NULL;
	bool out = false;

	for (size_t i = 0; i < count; i++) {
		op = op ? op : trash_of(work, &m[i]);
		out |= m[i].kind == CV_MOVE_RESTORE;
	}
	return (out || !op || sync_trash(work, op, err)) && sync_homes(work, m, count, err) && (!out || sync_trash(work, op, err));
}

/* The folder that they go to; it must be there for sure before anything is in it. back: they go to where they came from. */
static bool make_trash(const struct cv_work *work, const struct cv_moves *m, bool back, struct cv_err *err)
{
	const uint8_t *op = NULL;
	int dir;

	for (size_t i = 0; i < m->count; i++)
		if (m->at[i].kind == (back ? CV_MOVE_RESTORE : CV_MOVE_TRASH))
			op = trash_of(work, &m->at[i]);
	if (!op)
		return true;
	dir = cv_place_trash(work->w, op, true, err);
	if (dir < 0)
		return false;
	work->w->io->close(work->w->io, dir);
	return cv_store_sync(work->w->io, work->w->store.trash, "the trash", err);
}

bool cv_moves_tidy(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->at[i].kind != CV_MOVE_RENAME)
			return cv_place_tidy(work->w, trash_of(work, &m->at[i]), err);
	return true;
}

/* Those from first on, up to one that stands apart, or that one alone. */
static size_t count_together(const struct cv_moves *m, size_t first)
{
	size_t end = first + 1;

	while (end < m->count && !m->at[first].apart && !m->at[end].apart)
		end++;
	return end - first;
}

bool cv_moves_do(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err)
{
	if (!make_trash(work, m, false, err))
		return false;
	for (size_t first = 0, count; first < m->count; first += count) {
		count = count_together(m, first);
		for (size_t i = first; i < first + count; i++)
			if (!move(work, &m->at[i], false, err))
				return false;
		if (!sync_moves(work, &m->at[first], count, err))
			return false;
	}
	return true;
}

bool cv_moves_finish(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err)
{
	if (!make_trash(work, m, false, err))
		return false;
	for (size_t i = 0; i < m->count; i++) {
		int made = is_there(work, &m->at[i], true, err);

		if (made < 0 || (!made && !move(work, &m->at[i], false, err)) || !sync_moves(work, &m->at[i], 1, err))
			return false;
	}
	return true;
}

bool cv_moves_are_settled(const struct cv_work *work, const struct cv_moves *m, bool *settled, struct cv_err *err)
{
	bool any = false;

	*settled = true;
	for (size_t i = 0; *settled && i < m->count; i++) {
		int made = m->at[i].apart ? 1 : is_there(work, &m->at[i], true, err);

		if (made < 0)
			return false;
		any |= !m->at[i].apart;
		*settled = made;
	}
	*settled &= any;
	return true;
}

/* Also what is back already is made sure, for that may be in memory only. */
bool cv_moves_back(const struct cv_work *work, const struct cv_moves *m, struct cv_err *err)
{
	if (!make_trash(work, m, true, err))
		return false;
	for (size_t i = m->count; i-- > 0;) {
		int made = is_there(work, &m->at[i], true, err);

		if (made < 0 || (made && !move(work, &m->at[i], true, err)) || !sync_moves(work, &m->at[i], 1, err))
			return false;
	}
	return cv_moves_tidy(work, m, err);
}

bool cv_moves_are_done(const struct cv_work *work, const struct cv_moves *m, bool *done, struct cv_err *err)
{
	*done = true;
	for (size_t i = 0; *done && i < m->count; i++) {
		int made = is_there(work, &m->at[i], true, err);

		if (made < 0)
			return false;
		*done = made;
	}
	return !*done || sync_moves(work, m->at, m->count, err);
}

const char *cv_moves_path(const struct cv_work *work, const struct cv_moves *m, size_t item, struct cv_err *err)
{
	const char *path = work->items[item].path;

	for (size_t i = 0; i < m->count; i++) {
		int made = m->at[i].item == item && m->at[i].kind == CV_MOVE_RENAME ? is_there(work, &m->at[i], true, err) : 0;

		if (made)
			return made < 0 ? NULL : m->at[i].to;
	}
	return path;
}

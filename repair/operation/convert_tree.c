/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Writing a tree of new images, parents before their children. All of them grow in the stage, each is made sure and read
 * back through its whole new chain; then one record says that they may have their names (PUBLISH, with their inodes), and
 * they get them in the same order, one by one, so that none ever stands on something that is not there. Until that
 * record a crash ends all of it: every part goes. After it recovery gives the names that are missing.
 */
#include "repair/convert/job.h"
#include "repair/operation/work.h"
#include <stdio.h>

enum { ROOT_ONLY = 1 };

struct part_name { char s[64]; };

static struct part_name part_name(const struct cv_work *work, size_t i)
{
	struct part_name name;

	snprintf(name.s, sizeof name.s, "%s.%zu.part", cv_uuid_str(work->journal.op).s, i);
	return name;
}

/* The new images on their way. */
struct growing {
	struct cv_work *work;
	const struct cv_convert_tree *tree;
	int stage;
	struct stat *made;           /* of each, once it is sure */
	uint8_t (*ids)[16];          /* of each: what its children know it by */
	int *fds;                    /* of a chain, while it is read back */
	uint8_t disk_id[16];         /* that all have in common, if there is none to keep */
};

static uint64_t now_ns(const struct cv_work *work)
{
	return work->w->host.now_ns(&work->w->host);
}

static bool make_sure(const struct cv_file_out *out, struct stat *made, struct cv_err *err)
{
	if (out->io->fsync(out->io, out->fd) != 0)
		return cv_io_fail(err, "sync", out->name);
	return out->io->fstat(out->io, out->fd, made) == 0 || cv_io_fail(err, "look at", out->name);
}

/* With all that is known only now: identities, and when its parent was written. */
static bool complete(struct growing *g, size_t i, struct cv_convert_job *job, struct cv_target_parent *parent, struct cv_err *err)
{
	static const uint8_t none[16];
	const struct cv_convert_node *node = &g->tree->nodes[i];

	*job = node->job;
	if (!cv_convert_identify(g->work, &job->target, err))
		return false;
	if (!i)
		memcpy(g->disk_id, job->target.uuids[1], sizeof g->disk_id);
	if (!memcmp(node->job.target.uuids[1], none, sizeof none))
		memcpy(job->target.uuids[1], g->disk_id, sizeof g->disk_id);
	memcpy(g->ids[i], job->target.uuids[0], sizeof g->ids[i]);
	if (node->parent == UINT32_MAX)
		return true;
	*parent = (struct cv_target_parent){ .path = node->parent_path, .time = g->made[node->parent].st_mtim.tv_sec };
	memcpy(parent->uuid, g->ids[node->parent], sizeof parent->uuid);
	job->target.parent = parent;
	return true;
}

static bool write_one(struct growing *g, size_t i, const struct cv_convert_job *job, struct cv_err *err)
{
	struct cv_work *work = g->work;
	struct part_name part = part_name(work, i);
	struct cv_file_out out;
	uint64_t began = now_ns(work);
	bool ok;

	if (!cv_out_create(&out, work->w->io, g->stage, part.s, err))
		return false;
	out.name = work->items[i].path;
	ok = cv_convert_fill(work, job, &out, err) && make_sure(&out, &g->made[i], err);
	work->result->copy_ms += (uint32_t)((now_ns(work) - began) / 1000000u);
	return cv_out_close(&out, ok, err);
}

/* By another way than they were written: all files of the new chain are opened anew. */
static bool read_back(struct growing *g, size_t i, struct cv_convert_job *job, struct cv_err *err)
{
	const struct cv_io *io = g->work->w->io;
	size_t count = 0;
	bool ok = true;

	for (size_t n = i; n != UINT32_MAX && ok; n = g->tree->nodes[n].parent) {
		struct part_name part = part_name(g->work, n);
		int fd = io->openat(io, g->stage, part.s, O_RDONLY, 0);

		ok = fd >= 0 || cv_io_fail(err, "open", part.s);
		if (ok)
			g->fds[count++] = fd;
	}
	job->below = g->fds + ROOT_ONLY;
	job->below_count = count - 1;
	ok = ok && cv_convert_verify(g->work, job, g->fds[0], err);
	while (count--)
		io->close(io, g->fds[count]);
	return ok;
}

static bool grow_one(struct growing *g, size_t i, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_target_parent parent;
	struct cv_convert_job job;

	if (complete(g, i, &job, &parent, err) && write_one(g, i, &job, err) && read_back(g, i, &job, err))
		return true;
	cv_text_escape(&name, cv_bytes_of(g->work->items[i].path));
	return cv_wrap(err, "%s", cv_text_str(&name));
}

static bool announce(const struct growing *g, struct cv_err *err)
{
	struct cv_journal *journal = &g->work->journal;
	struct cv_pack p = { 0 };
	bool ok;

	for (size_t i = 0; i < g->tree->count; i++)
		cv_made_pack(&p, &g->made[i]);
	ok = p.failed ? cv_fail(err, CV_ENOMEM, "out of memory")
		      : cv_journal_add(journal, CV_RECORD_PUBLISH, p.at, p.len, err) && cv_journal_barrier(journal, err);
	cv_pack_fini(&p);
	return ok;
}

static size_t folder_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Of those from the first-th on: one for all that are in it. */
static bool is_first_in_folder(const struct cv_work *work, size_t first, size_t i)
{
	size_t len = folder_length(work->items[i].path);

	for (size_t k = first; k < i; k++)
		if (folder_length(work->items[k].path) == len && !memcmp(work->items[k].path, work->items[i].path, len))
			return false;
	return true;
}

static bool make_folders(const struct cv_work *work, struct cv_err *err)
{
	for (size_t i = 0; i < work->item_count; i++) {
		const char *base;
		bool new = folder_length(work->items[i].path) && is_first_in_folder(work, 0, i);
		int dir = new ? cv_place_make(work->w, work->items[i].path, &base, err) : -1;

		if (dir >= 0)
			work->w->io->close(work->w->io, dir);
		else if (err->code)
			return false;
	}
	return true;
}

static bool sync_stage(const struct cv_work *work, int stage, struct cv_err *err)
{
	return stage < 0 || cv_store_sync(work->w->io, stage, "the stage", err);
}

/* The names of these images are on disk, and so is that they have left the stage. */
static bool sync_names(const struct cv_work *work, int stage, size_t first, size_t end, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;

	for (size_t i = first; i < end; i++) {
		const char *base;
		int dir;
		bool ok;

		if (!is_first_in_folder(work, first, i))
			continue;
		dir = cv_place_open(work->w, work->items[i].path, &base, err);
		ok = dir >= 0 && cv_store_sync(io, dir, "the folder of a new image", err);
		if (dir >= 0)
			io->close(io, dir);
		if (!ok)
			return false;
	}
	return first == end || sync_stage(work, stage, err);
}

/* Before the i-th gets its name: its parent has its own for sure. Those before *sure are. */
static bool sync_parent(const struct cv_work *work, int stage, size_t i, size_t *sure, struct cv_err *err)
{
	const char *parent = work->items[i].parent;
	size_t k = *sure;

	while (parent && k < i && strcmp(work->items[k].path, parent) != 0)
		k++;
	if (!parent || k == i)
		return true;
	if (!sync_names(work, stage, *sure, i, err))
		return false;
	*sure = i;
	return true;
}

static bool publish_one(const struct cv_work *work, int stage, size_t i, size_t *sure, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	const char *base;
	int dir = sync_parent(work, stage, i, sure, err) ? cv_place_open(work->w, work->items[i].path, &base, err) : -1;
	bool ok;

	if (dir < 0)
		return false;
	ok = io->renameat(io, stage, part_name(work, i).s, dir, base, RENAME_NOREPLACE) == 0 ||
	     cv_io_fail(err, "give its name to", base);
	io->close(io, dir);
	return ok;
}

static bool grow(struct growing *g, struct cv_err *err)
{
	const struct cv_io *io = g->work->w->io;
	size_t sure = 0;

	for (size_t i = 0; i < g->tree->count; i++)
		if (!grow_one(g, i, err))
			return false;
	/* What is announced must be found again, by its name in the stage and the stage by its own. */
	if (!cv_store_sync(io, g->stage, "the stage", err) || !cv_store_sync(io, g->work->w->store.dir, CV_STORE_NAME, err) ||
	    !announce(g, err) || !make_folders(g->work, err))
		return false;
	for (size_t i = 0; i < g->tree->count; i++)
		if (!publish_one(g->work, g->stage, i, &sure, err))
			return false;
	return sync_names(g->work, g->stage, sure, g->tree->count, err);
}

static bool tree_run(struct cv_work *work, struct cv_err *err)
{
	size_t count = work->item_count;
	CV_AUTO(cv_auto_free) struct stat *made = calloc(count + 1, sizeof *made);
	CV_AUTO(cv_auto_free) uint8_t (*ids)[16] = calloc(count + 1, sizeof *ids);
	CV_AUTO(cv_auto_free) int *fds = calloc(count + 1, sizeof *fds);
	struct growing g = { .work = work, .tree = work->plan->convert_tree, .made = made, .ids = ids, .fds = fds };
	bool ok;

	if (!made || !ids || !fds)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	g.stage = cv_convert_stage(work->w, true, err);
	if (g.stage < 0)
		return false;
	ok = grow(&g, err);
	work->w->io->close(work->w->io, g.stage);
	return ok;
}

static bool drop_part(const struct cv_work *work, int stage, size_t i, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;

	return stage < 0 || io->unlinkat(io, stage, part_name(work, i).s, 0) == 0 || errno == ENOENT ||
	       cv_io_fail(err, "remove", part_name(work, i).s);
}

/* The parts from the first-th on. */
static bool drop_parts(const struct cv_work *work, int stage, size_t first, struct cv_err *err)
{
	for (size_t i = first; i < work->item_count; i++)
		if (!drop_part(work, stage, i, err))
			return false;
	return sync_stage(work, stage, err);
}

enum state { NOWHERE, STAGED, NAMED, DISPLACED };

/* Where the i-th is. */
static bool find(const struct cv_work *work, int stage, size_t i, const struct cv_plan_item *made, enum state *state,
		 struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	struct cv_err none = { .code = CV_OK };
	const char *base;
	int dir = cv_place_open(work->w, work->items[i].path, &base, &none), home = 0, there = 0;

	if (dir < 0 && errno != ENOENT)
		return cv_fail(err, none.code, "%s", none.text);
	if (dir >= 0) {
		home = cv_place_look(work->w, dir, base, made, err);
		io->close(io, dir);
	}
	if (home >= 0 && stage >= 0)
		there = cv_place_look(work->w, stage, part_name(work, i).s, made, err);
	*state = home == 1 ? NAMED : home == 2 ? DISPLACED : there == 1 ? STAGED : NOWHERE;
	return home >= 0 && there >= 0;
}

/* They are complete, were read back and are sure: some lack their names. Where one cannot have it any more, those that
 * come behind it go, for they may stand on it; those before it are whole, and stay. */
static bool finish(const struct cv_work *work, int stage, const struct cv_plan_item *made, enum cv_record_type *end,
		   struct cv_err *err)
{
	enum state state = NOWHERE;
	size_t sure = 0;

	if (!work->item_count)
		return cv_fail(err, CV_EFORMAT, "its PREPARE record names no images");
	if (!find(work, stage, 0, &made[0], &state, err))
		return false;
	if (state == STAGED && work->w->give_up)
		return drop_parts(work, stage, 0, err);
	if (!make_folders(work, err))
		return false;
	for (size_t i = 0; i < work->item_count; i++) {
		if (!find(work, stage, i, &made[i], &state, err))
			return false;
		if (state == STAGED && !publish_one(work, stage, i, &sure, err))
			return false;
		if (state == NAMED && !drop_part(work, stage, i, err))
			return false;
		if (state == NOWHERE || state == DISPLACED)
			return sync_names(work, stage, sure, i, err) && drop_parts(work, stage, i, err);
	}
	*end = CV_RECORD_DONE;
	return sync_names(work, stage, sure, work->item_count, err);
}

static bool settle(const struct cv_work *work, int stage, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	CV_AUTO(cv_auto_free) struct cv_plan_item *made = calloc(work->item_count + 1, sizeof *made);
	struct cv_journal_log log;
	const struct cv_record *publish;
	bool ok;

	if (!made)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_journal_read(&log, io, &work->w->host, work->w->store.journal, cv_journal_name(work->journal.op).s, err))
		return false;
	publish = cv_journal_last(&log, CV_RECORD_PUBLISH);
	if (!publish)
		ok = drop_parts(work, stage, 0, err);
	else
		ok = cv_made_read(publish, made, work->item_count) ? finish(work, stage, made, end, err)
								   : cv_fail(err, CV_EFORMAT, "its PUBLISH record is damaged");
	cv_journal_log_fini(&log);
	return ok;
}

static bool tree_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };
	int stage = cv_convert_stage(work->w, false, &none);
	bool ok;

	*end = CV_RECORD_ABORTED;
	if (stage < 0 && none.code != CV_EUSAGE)
		return cv_fail(err, none.code, "%s", none.text);
	ok = settle(work, stage, end, err);
	if (stage >= 0)
		work->w->io->close(work->w->io, stage);
	return ok;
}

/* The journal must have room for what each of them is on disk. */
static struct cv_journal_size room(const struct cv_plan *plan)
{
	return (struct cv_journal_size){ cv_journal_slots(plan->item_count * 5 * sizeof(uint64_t)), 0 };
}

const struct cv_operation_row cv_operation_convert_tree = {
	CV_PLAN_CONVERT_TREE, "convert-tree", false, tree_run, tree_recover, .room = room,
};

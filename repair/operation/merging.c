/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See merging.h. */
#include "repair/operation/merging.h"
#include "repair/io/source.h"
#include <chainview/format.h>

/* --- strict checks --------------------------------------------------------------------------------------- */

static bool tick(struct cv_checking *c, uint64_t done, uint64_t total, struct cv_err *err)
{
	struct cv_work *work = c->ctx;
	const struct cv_monitor *m = work->monitor;

	return !m || !m->tick || m->tick(m->ctx, "checking", done, total) || cv_fail(err, CV_ECANCELLED, "cancelled");
}

static bool has_errors(const struct cv_facts *f)
{
	bool any = false;

	for (uint32_t i = 0; i < f->finding_count; i++)
		any |= f->findings[i].severity == CV_ERROR;
	return any;
}

/* What neither of the two may be; with what can be done about it. */
static const struct { uint32_t flag; const char *why; } unfit[] = {
	{ CV_FACT_DISABLED, "has features that this version does not know" },
	{ CV_FACT_CORRUPT, "is marked as corrupt: chainview check shows why, and that must be repaired first" },
	{ CV_FACT_ENCRYPTED, "is encrypted, and what it holds cannot be read" },
	{ CV_FACT_DATA_FILE, "has its data in an external file: chainview convert makes an image that holds them itself" },
	{ CV_FACT_VM_STATE, "has the state of a running guest in it: qemu-img snapshot -d removes what nobody needs" },
	{ CV_FACT_SNAPSHOTS, "has internal snapshots: qemu-img snapshot -d removes those that nobody needs" },
};

/* An image that is merged, or merged into, has no error at all. */
static bool check_strictly(struct cv_work *work, size_t item, enum cv_format_id format, struct cv_source *source, uint32_t *flags,
			   struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	const struct cv_format *row = cv_format_by_id(format);
	struct cv_checking c = { .source = source, .facts = facts, .tick = tick, .ctx = work };

	if (!facts || !row)
		return cv_fail(err, facts ? CV_EFORMAT : CV_ENOMEM, facts ? "its format is not known" : "out of memory");
	if (!cv_image_read(source, format, facts, err) || (!has_errors(facts) && row->check && !row->check(&c, err)))
		return false;
	*flags = facts->flags;
	cv_text_escape(&name, cv_bytes_of(work->items[item].path));
	if (has_errors(facts) || c.corruptions)
		return cv_fail(err, CV_EREFUSED, "%s has errors: chainview check shows them, and that must be repaired first", cv_text_str(&name));
	if (!cv_uuid_is_null(work->items[item].uuid) && memcmp(facts->uuid, work->items[item].uuid, 16) != 0)
		return cv_fail(err, CV_EREFUSED, "%s has another identity than when the plan was made", cv_text_str(&name));
	for (size_t i = 0; i < CV_COUNT(unfit); i++)
		if (*flags & unfit[i].flag)
			return cv_fail(err, CV_EREFUSED, "%s %s", cv_text_str(&name), unfit[i].why);
	return true;
}

static struct cv_source *checked_source(struct cv_work *work, size_t item, enum cv_format_id format, uint32_t *flags,
					struct cv_err *err)
{
	struct cv_source *source = cv_io_source(work->w->io, work->claims[item], err);

	if (source && !check_strictly(work, item, format, source, flags, err))
		cv_source_close(cv_take(source));
	return source;
}

bool cv_merging_is_sound(struct cv_work *work, size_t item, enum cv_format_id format)
{
	struct cv_err err = { .code = CV_OK };
	uint32_t flags;
	CV_AUTO(cv_auto_source) struct cv_source *source = checked_source(work, item, format, &flags, &err);

	return source != NULL;
}

/* --- opening --------------------------------------------------------------------------------------------- */

struct cv_layer *cv_merging_source(struct cv_work *work, size_t i, enum cv_format_id format, struct cv_err *err)
{
	const struct cv_io *io = work->w->io;
	int fd = work->readers[i] >= 0 ? work->readers[i] : io->openat(io, AT_FDCWD, work->sources[i].path, O_RDONLY | O_NONBLOCK, 0);
	bool ok = fd >= 0 ? work->readers[i] >= 0 || cv_work_claim_reader(work, fd, i, err)
			  : cv_io_fail(err, "open", work->sources[i].path);
	CV_AUTO(cv_auto_source) struct cv_source *source = ok ? cv_io_source(io, work->readers[i], err) : NULL;

	if (fd >= 0 && fd != work->readers[i])
		io->close(io, fd);
	return source ? cv_layer_open(&source, NULL, format, err) : NULL;
}

/* What the parent stands on is only read, and held so that nobody writes to it. */
static bool open_below(struct cv_merging *g, struct cv_err *err)
{
	struct cv_work *work = g->work;

	if (!g->m.format->below || !g->plan->below_count)
		return true;
	g->layers = calloc(work->source_count + 1, sizeof *g->layers);
	if (!g->layers || g->plan->below_count > work->source_count)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	g->below = (struct cv_chain){ .layers = g->layers };
	for (size_t i = 0; i < g->plan->below_count; i++) {
		g->layers[i] = cv_merging_source(work, i, g->plan->below[i], err);
		if (!g->layers[i])
			return false;
		g->below.count++;
	}
	g->m.below = &g->below;
	return true;
}

static bool open_parent(struct cv_merging *g, bool again, struct cv_err *err)
{
	struct cv_merge *m = &g->m;
	uint32_t flags;

	if (!cv_out_size(&m->out, &m->file, err))
		return false;
	m->sure = m->file;
	if (again && m->format->mend && (!m->format->mend(m, err) || !cv_merge_flush(m, err)))
		return false;
	m->source = checked_source(g->work, g->into, m->format->format, &flags, err);
	if (!m->source)
		return false;
	m->based = flags & CV_FACT_PARENT;
	return open_below(g, err) && m->format->open(m, err);
}

static bool open_child(struct cv_merging *g, struct cv_err *err)
{
	uint32_t flags;
	CV_AUTO(cv_auto_source) struct cv_source *source = checked_source(g->work, 0, g->plan->format, &flags, err);

	g->child = source ? cv_layer_open(&source, NULL, g->plan->format, err) : NULL;
	return g->child != NULL;
}

/* What a file system cannot share is found out when it is tried. */
static void may_share(struct cv_merging *g)
{
	struct cv_work *work = g->work;
	struct cv_merge_share *s = &g->m.share;
	struct cv_err none = { .code = CV_OK };
	struct statvfs vfs;

	s->image = (struct cv_file_out){ work->w->io, work->claims[0], work->items[0].path };
	if (cv_out_size(&s->image, &s->size, &none) && work->w->io->fstatvfs(work->w->io, s->image.fd, &vfs) == 0)
		s->block = vfs.f_bsize > CV_MERGE_PAGE ? vfs.f_bsize : CV_MERGE_PAGE;
}

static bool batch(void *ctx, const char *what, uint64_t done, uint64_t total, uint64_t *next, struct cv_err *err)
{
	struct cv_work *work = ctx;

	*next = cv_work_piece(work, CV_MERGE_BATCH);
	return cv_work_batch(work, what, done, total, err);
}

bool cv_merging_open(struct cv_merging *g, struct cv_work *work, const struct cv_plan_merge *plan, struct cv_merging_how how,
		     struct cv_err *err)
{
	size_t into = how.alone ? 0 : 1;

	*g = (struct cv_merging){ .work = work, .plan = plan, .into = into };
	g->m = (struct cv_merge){
		.format = cv_merge_format(plan->parent_format), .out = { work->w->io, work->claims[into], work->items[into].path },
		.journal = &work->journal, .former = work->items[into].size, .boot = work->w->host.boot, .trusting = how.trusting,
		.keep = how.keep, .below = how.alone, .most = cv_merge_room(cv_journal_board_room(&work->journal)), .dirty = how.again, .again = how.again,
	};
	g->copy = (struct cv_merge_copy){ .m = &g->m, .batch = batch, .ctx = work };
	if (!g->m.format)
		return cv_fail(err, CV_EREFUSED, "this version cannot merge into such a parent");
	if (how.image && !open_child(g, err))
		return false;
	g->copy.child = g->child;
	g->m.child_size = g->child ? g->child->size : 0;
	if (g->child && !how.alone)
		may_share(g);
	return open_parent(g, how.again, err);
}

void cv_merging_from(struct cv_merging *g, struct cv_layer *child)
{
	g->copy.child = child;
	g->m.child_size = child->size;
}

void cv_merging_fini(struct cv_merging *g)
{
	if (g->m.format)
		cv_merge_fini(&g->m);
	cv_layer_close(g->child);
	for (size_t i = 0; i < g->below.count; i++)
		cv_layer_close(g->layers[i]);
	free(g->layers);
	g->child = NULL;
	g->layers = NULL;
	g->below.count = 0;
}

/* --- doing ----------------------------------------------------------------------------------------------- */

/* What is compared comes from the disk, as far as the system can be made to ask it. */
static bool verify(struct cv_merging *g, struct cv_err *err)
{
	const struct cv_io *io = g->m.out.io;
	struct cv_source *source;

	io->forget(io, g->m.out.fd, 0, 0);
	source = cv_io_source(io, g->m.out.fd, err);
	return source && cv_merge_verify(&g->copy, g->plan->parent_format, &source, err);
}

bool cv_merging_do(struct cv_merging *g, struct cv_err *err)
{
	const struct cv_host *host = &g->work->w->host;
	uint64_t began = host->now_ns(host), copied;

	if (!cv_merge_copy(&g->copy, err))
		return false;
	copied = host->now_ns(host);
	if (!verify(g, err))
		return false;
	if (g->work->result) {
		g->work->result->written = g->m.written;
		g->work->result->shared = g->m.share.bytes;
		g->work->result->copy_ms = (uint32_t)((copied - began) / 1000000u);
		g->work->result->verify_ms = (uint32_t)((host->now_ns(host) - copied) / 1000000u);
	}
	return true;
}

bool cv_merging_drop(struct cv_merging *g, struct cv_err *err)
{
	struct cv_merge *m = &g->m;

	return cv_merge_flush(m, err) && (!m->format->trim || m->format->trim(m, err)) && cv_merge_flush(m, err);
}

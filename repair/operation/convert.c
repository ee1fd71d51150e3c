/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Writing a new image. It grows in the repository's own folder (.chainview/stage, which no scan enters), is made sure, read
 * back and compared, and only then gets its name. Until the journal says that it may (PUBLISH, with its inode), a crash
 * ends it: the file goes. After that recovery finishes it.
 */
#include "repair/convert/job.h"
#include "repair/convert/own.h"
#include "repair/operation/work.h"
#include <stdio.h>
#include <unistd.h>

struct part_name { char s[64]; };

static struct part_name part_name(const uint8_t op[16])
{
	struct part_name name;

	snprintf(name.s, sizeof name.s, "%s.part", cv_uuid_str(op).s);
	return name;
}

int cv_convert_stage(const struct cv_writing *w, bool make, struct cv_err *err)
{
	return cv_store_folder(w->io, w->store.dir, "stage", make, err);
}

/* The new image on its way. */
struct making {
	struct cv_work *work;
	const struct cv_convert_job *job;
	int stage, dir;              /* where it grows, where it will be */
	const char *base;            /* its name there */
	struct part_name part;
	struct cv_file_out out;
	struct stat made;            /* what it is, once it is sure */
};

struct watched {
	struct cv_work *work;
	const char *what;
	uint64_t before, total;
};

static bool batch(void *ctx, uint64_t done, struct cv_err *err)
{
	const struct watched *w = ctx;

	return cv_work_batch(w->work, w->what, w->before + done, w->total, err);
}

bool cv_convert_identify(const struct cv_work *work, struct cv_target_options *options, struct cv_err *err)
{
	static const uint8_t none[16];
	const struct cv_host *host = &work->w->host;

	options->now = (int64_t)(host->now_ns(host) / 1000000000u);
	for (size_t i = 0; i < CV_COUNT(options->uuids); i++)
		if (!memcmp(options->uuids[i], none, sizeof none) && !host->random(host, options->uuids[i], sizeof options->uuids[i]))
			return cv_fail_errno(err, "cannot make an identity");
	return true;
}

static uint32_t since_ms(const struct cv_work *work, uint64_t began_ns)
{
	return (uint32_t)((work->w->host.now_ns(&work->w->host) - began_ns) / 1000000u);
}

/* Until it was read back the source stays as it is, or we hear of it. */
static bool claim(struct cv_work *work, const struct cv_convert_job *job, const struct cv_feed *feed, struct cv_err *err)
{
	size_t count = job->sources ? job->source_count : work->source_count;

	for (size_t i = 0; i < count; i++) {
		size_t source = job->sources ? job->sources[i] : i;

		if (i >= feed->claimable_count)
			return cv_fail(err, CV_EREFUSED, "its chain is another than when the plan was made");
		if (work->readers[source] < 0 && !cv_work_claim_reader(work, feed->claimable[i], source, err))
			return false;
	}
	return cv_work_batch(work, "copying", job->before, job->total ? job->total : job->data, err);
}

/* With a parent it gets only what is its own. */
static struct cv_feed *open_feed(const struct cv_convert_job *job, const struct cv_target *target, struct cv_err *err)
{
	struct cv_feed *feed = job->open(job, err);

	return target->options.parent ? cv_own_feed(feed, target->options.size, target->grain, err) : feed;
}

bool cv_convert_fill(struct cv_work *work, const struct cv_convert_job *job, const struct cv_file_out *out,
		     struct cv_err *err)
{
	struct cv_target_options options = job->target;
	struct watched watched = { work, "copying", job->before, job->total ? job->total : job->data };
	struct cv_copy_watch watch = { batch, &watched };
	struct cv_target target = { .format = NULL };
	struct cv_copied copied = { 0 };
	struct cv_feed *feed;
	bool ok;

	if (!cv_convert_identify(work, &options, err))
		return false;
	ok = cv_target_begin(&target, job->to, &options, out, err);
	feed = ok ? open_feed(job, &target, err) : NULL;
	ok = feed && claim(work, job, feed, err) && cv_copy(feed, &target, &job->copy, &watch, &copied, err) && cv_target_end(&target, err);
	cv_target_fini(&target);
	cv_feed_close(feed);
	work->result->written += copied.written;
	work->result->shared += copied.shared;
	return ok;
}

bool cv_convert_verify(struct cv_work *work, const struct cv_convert_job *job, int fd, struct cv_err *err)
{
	struct watched watched = { work, "verifying", 0, job->target.size };
	struct cv_feed_watch watch = { batch, &watched };
	uint64_t began = work->w->host.now_ns(&work->w->host);
	bool ok = job->verify(job, fd, &watch, err) &&
		  (!job->second || job->second(job, fd, &watch, &work->result->second_compared, err));

	work->result->verify_ms += since_ms(work, began);
	return ok || cv_wrap(err, "reading it back");
}

static bool make_sure(struct making *m, struct cv_err *err)
{
	if (m->out.io->fsync(m->out.io, m->out.fd) != 0)
		return cv_io_fail(err, "sync", m->base);
	return m->out.io->fstat(m->out.io, m->out.fd, &m->made) == 0 || cv_io_fail(err, "look at", m->base);
}

/* By another way than it was written: the file is opened anew, and its tables are read from it. */
static bool verify(struct making *m, struct cv_err *err)
{
	const struct cv_io *io = m->out.io;
	int fd = io->openat(io, m->stage, m->part.s, O_RDONLY, 0);
	bool ok;

	if (fd < 0)
		return cv_io_fail(err, "open", m->part.s);
	ok = cv_convert_verify(m->work, m->job, fd, err);
	io->close(io, fd);
	return ok;
}

void cv_made_pack(struct cv_pack *p, const struct stat *st)
{
	cv_pack_number(p, (uint64_t)st->st_dev);
	cv_pack_number(p, (uint64_t)st->st_ino);
	cv_pack_number(p, (uint64_t)st->st_size);
	cv_pack_number(p, (uint64_t)cv_stat_mtime(st));
	cv_pack_number(p, (uint64_t)st->st_blocks * 512);
}

static bool announce(struct making *m, struct cv_err *err)
{
	struct cv_pack p = { 0 };
	bool ok;

	cv_made_pack(&p, &m->made);
	ok = p.failed ? cv_fail(err, CV_ENOMEM, "out of memory")
		      : cv_journal_add(&m->work->journal, CV_RECORD_PUBLISH, p.at, p.len, err) &&
				cv_journal_barrier(&m->work->journal, err);
	cv_pack_fini(&p);
	return ok;
}

/* The part leaves the stage, and both folders are sure of it. */
static bool publish(const struct making *m, struct cv_err *err)
{
	const struct cv_io *io = m->work->w->io;

	if (io->renameat(io, m->stage, m->part.s, m->dir, m->base, RENAME_NOREPLACE) != 0)
		return cv_io_fail(err, "give its name to", m->base);
	return cv_store_sync(io, m->dir, "the folder of the new image", err) && cv_store_sync(io, m->stage, "the stage", err);
}

static bool make(struct making *m, struct cv_err *err)
{
	const struct cv_work *work = m->work;
	uint64_t began = work->w->host.now_ns(&work->w->host);
	bool ok = cv_out_create(&m->out, work->w->io, m->stage, m->part.s, err);

	if (ok) {
		ok = cv_convert_fill(m->work, m->job, &m->out, err) && make_sure(m, err);
		ok = cv_out_close(&m->out, ok, err);
	}
	work->result->copy_ms = since_ms(work, began);
	return ok && verify(m, err) && announce(m, err) && publish(m, err);
}

static void close_folders(const struct making *m)
{
	const struct cv_io *io = m->work->w->io;

	if (m->stage >= 0)
		io->close(io, m->stage);
	if (m->dir >= 0)
		io->close(io, m->dir);
}

static bool convert_run(struct cv_work *work, struct cv_err *err)
{
	struct making m = { .work = work, .job = work->plan->convert, .part = part_name(work->journal.op), .stage = -1 };
	bool ok;

	m.dir = cv_place_open(work->w, work->items[0].path, &m.base, err);
	if (m.dir >= 0)
		m.stage = cv_convert_stage(work->w, true, err);
	ok = m.stage >= 0 && make(&m, err);
	close_folders(&m);
	return ok;
}

bool cv_made_read(const struct cv_record *publish, struct cv_plan_item *items, size_t count)
{
	struct cv_unpack u = { .at = publish->payload, .left = publish->len };

	for (size_t i = 0; i < count; i++) {
		items[i].device = cv_unpack_number(&u);
		items[i].inode = cv_unpack_number(&u);
		items[i].size = cv_unpack_number(&u);
		items[i].mtime_ns = (int64_t)cv_unpack_number(&u);
		items[i].allocated = cv_unpack_number(&u);
	}
	return !u.failed;
}

static bool drop_part(const struct making *m, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_io *io = m->work->w->io;

	*end = CV_RECORD_ABORTED;
	if (m->stage < 0)
		return true;
	if (io->unlinkat(io, m->stage, m->part.s, 0) != 0 && errno != ENOENT)
		return cv_io_fail(err, "remove", m->part.s);
	return cv_store_sync(io, m->stage, "the stage", err);
}

/* It was complete, read back and sure: it only lacks its name, or that its name is sure. */
static bool finish(const struct making *m, const struct cv_record *r, enum cv_record_type *end, struct cv_err *err)
{
	const struct cv_io *io = m->work->w->io;
	struct cv_plan_item made;
	int home, there;

	if (!cv_made_read(r, &made, 1))
		return cv_fail(err, CV_EFORMAT, "its PUBLISH record is damaged");
	home = cv_place_look(m->work->w, m->dir, m->base, &made, err);
	there = home < 0 ? -1 : m->stage < 0 ? 0 : cv_place_look(m->work->w, m->stage, m->part.s, &made, err);
	if (there < 0)
		return false;
	*end = CV_RECORD_DONE;
	if (home == 1)
		return cv_store_sync(io, m->dir, "the folder of the new image", err) && drop_part(m, &(enum cv_record_type){ 0 }, err);
	if (home == 0 && there == 1)
		return publish(m, err);
	return drop_part(m, end, err);
}

/* A folder that the new image was to be in and that is gone has no part of it either. */
static bool open_folders(struct making *m, struct cv_err *err)
{
	const struct cv_work *work = m->work;
	struct cv_err none = { .code = CV_OK };

	if (work->item_count != 1)
		return cv_fail(err, CV_EFORMAT, "its PREPARE record names %zu images", work->item_count);
	m->dir = cv_place_open(work->w, work->items[0].path, &m->base, err);
	if (m->dir < 0)
		return false;
	m->stage = cv_convert_stage(work->w, false, &none);
	return m->stage >= 0 || none.code == CV_EUSAGE || cv_fail(err, none.code, "%s", none.text);
}

static bool convert_recover(struct cv_work *work, enum cv_record_type *end, struct cv_err *err)
{
	struct making m = { .work = work, .part = part_name(work->journal.op), .stage = -1, .dir = -1 };
	const struct cv_record *r;
	struct cv_journal_log log;
	bool ok = open_folders(&m, err) && cv_journal_read(&log, work->w->io, &work->w->host, work->w->store.journal,
							   cv_journal_name(work->journal.op).s, err);

	*end = CV_RECORD_ABORTED;
	if (ok) {
		r = cv_journal_last(&log, CV_RECORD_PUBLISH);
		ok = r ? finish(&m, r, end, err) : drop_part(&m, end, err);
		cv_journal_log_fini(&log);
	}
	close_folders(&m);
	return ok;
}

const struct cv_operation_row cv_operation_convert = { CV_PLAN_CONVERT, "convert", false, convert_run, convert_recover, .slots = 0 };

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Plans of conversions: what is read, what that takes in the new format, and whether there is room for it. */
#include "repair/operation/work.h"
#include "repair/plan/convert.h"
#include "repair/plan/survey.h"
#include <chainview/map.h>

struct cv_feed *cv_convert_open(const struct cv_convert_job *job, struct cv_err *err)
{
	return cv_feed_open(job->g, job->image, job->salvage != NULL, err);
}

/* A device may be longer than what was written to it. */
static bool length_of(const struct cv_convert_job *job, int fd, uint64_t *length, struct cv_err *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return cv_io_fail(err, "look at", "what was written");
	*length = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : job->target.size;
	return true;
}

static bool compare(const struct cv_convert_job *job, struct cv_feed_made *made, int fd, const struct cv_feed_watch *watch,
		    struct cv_err *err)
{
	for (size_t i = 0; i <= job->below_count; i++) {
		made[i].fd = i ? job->below[i - 1] : fd;
		if (!length_of(job, made[i].fd, &made[i].length, err))
			return false;
	}
	return cv_feed_compare(job->g, job->image, made, job->below_count + 1, job->to, job->salvage, watch, err);
}

bool cv_convert_compare(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct cv_feed_made *made = calloc(job->below_count + 1, sizeof *made);

	return made ? compare(job, made, fd, watch, err) : cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool verify_again(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, uint64_t *compared,
			 struct cv_err *err)
{
	uint64_t length;

	return length_of(job, fd, &length, err) && cv_feed_second(fd, length, job->to, watch, compared, err);
}

/* What is wrong with a table that leads to data: one that says nothing any more cannot say either that something is missing. */
static bool hides_losses(enum cv_problem_id id)
{
	static const enum cv_problem_id ids[] = {
		CV_SPC_LEAKED_CLUSTERS, CV_VHD_BAT_OUT_OF_RANGE, CV_VHX_VHDX_BAT_OUT_OF_RANGE, CV_QCW_TABLE_OUT_OF_RANGE, CV_QCW_ENTRY_UNALIGNED,
	};

	for (size_t i = 0; i < CV_COUNT(ids); i++)
		if (ids[i] == id)
			return true;
	return false;
}

static void check_tables(struct cv_plan_maker *m, const struct cv_convert_job *job, struct cv_salvage *salvage)
{
	for (uint32_t i = job->image; i != CV_NO_IMAGE; i = job->g->images[i].parent) {
		const struct cv_finding *list;
		size_t count = cv_graph_findings_of(job->g, i, &list);
		CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

		cv_text_escape(&name, cv_bytes_of(job->g->images[i].id));
		m->failed |= name.failed;
		for (size_t k = 0; k < count; k++) {
			if (!hides_losses(list[k].id))
				continue;
			salvage->tables_wrong = true;
			cv_plan_check(m, "tables-right", true, "%s: %s: what it has cost is not listed where no table tells of it any more",
				      cv_text_str(&name), cv_problem_by_id(list[k].id)->name);
		}
	}
}

/* Nothing speaks against a salvage but that there is nothing to save. */
static void check_salvage(struct cv_plan_maker *m, const struct cv_convert_job *job, const struct cv_survey *s)
{
	if (!s->whole)
		cv_plan_check(m, "chain-complete", true, "%s: what would be read from there is listed as lost (a parent that is "
			      "elsewhere: --with REPO, or chainview repair)", cv_text_str(&s->why));
	cv_plan_check(m, "source-readable", true,
		      s->lost ? "by the tables %" PRIu64 " of %" PRIu64 " bytes cannot be read and will be zeros; what the file itself does "
				"not give comes on top"
			      : "by the tables %" PRIu64 " of %" PRIu64 " bytes cannot be read; what the file itself does not give comes on top",
		      s->lost, job->target.size);
	cv_plan_check(m, "something-to-save", s->data || !s->lost, "%s",
		      s->data || !s->lost ? "there are data that can be read" : "nothing of its data can be read: the copy would be empty");
	check_tables(m, job, job->salvage);
}

static void check_source(struct cv_plan_maker *m, const struct cv_survey *s)
{
	cv_plan_check(m, "chain-complete", s->whole, s->whole ? "%s" : "%s; convert --salvage copies what is there",
		      s->whole ? "every image of the chain is there" : cv_text_str(&s->why));
	if (s->bad.len)
		cv_plan_check(m, "source-readable", false,
			      "%" PRIu64 " B from guest offset %" PRIu64 " on cannot be read: chainview check says why; convert --salvage copies the rest",
			      s->bad.len, s->bad.off);
	else
		cv_plan_check(m, "source-readable", true, "every table entry of the chain leads to data");
}

static void check_dest(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_writing *w, const char *dest)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct cv_err err = { .code = CV_OK };
	struct stat st, folder, root;
	const char *base;
	int dir = cv_place_open(w, dest, &base, &err);

	cv_text_escape(&name, cv_bytes_of(dest));
	if (dir >= 0 && w->io->fstat(w->io, dir, &folder) == 0 && w->io->fstat(w->io, w->root, &root) == 0)
		cv_plan_check(m, "one-file-system", folder.st_dev == root.st_dev, "%s",
			      folder.st_dev == root.st_dev
				      ? "the new image is on the file system of its repository"
				      : "its folder is on another file system than the repository: convert to a folder that is not below a configured repository");
	if (dir < 0)
		cv_plan_check(m, "destination-free", false, "%s", err.text);
	else if (w->io->fstatat(w->io, dir, base, &st) == 0)
		cv_plan_check(m, "destination-free", false, "%s is there already: give another name", cv_text_str(&name));
	else
		cv_plan_check(m, "destination-free", errno == ENOENT, "nothing is called %s", cv_text_str(&name));
	if (dir >= 0)
		w->io->close(w->io, dir);
	cv_plan_check_unnamed(m, g, dest, "give another name");
}

static void check_sharing(struct cv_plan_maker *m, const struct cv_survey *s)
{
	if (s->shared)
		cv_plan_check(m, "shared-extents", true,
			      "%" PRIu64 " bytes (%s) can be shared with the source and take no room of their own", s->shared,
			      cv_size_short(s->shared).s);
}

static bool plan_space(struct cv_plan_maker *m, const struct cv_writing *w, const struct cv_convert_options *o,
		       uint64_t bytes, struct cv_err *err)
{
	struct statvfs vfs;

	if (w->io->fstatvfs(w->io, w->root, &vfs) != 0)
		return cv_io_fail(err, "look at the file system of", m->plan->repository);
	m->plan->space = (struct cv_plan_space){ .free_now = (uint64_t)vfs.f_bavail * vfs.f_frsize, .reserve = o->reserve,
						 .net = -(int64_t)bytes, .peak = bytes };
	return true;
}

static void add_sources(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t image)
{
	uint32_t *chain;
	size_t count;

	if (!cv_graph_chain(g, image, &chain, &count)) {
		m->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		cv_plan_source(m, g, chain[i]);
	free(chain);
}

static void add_steps(struct cv_plan_maker *m, const char *dest, const struct cv_survey *s, const struct cv_target *t,
		      const char *how)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	cv_text_addf(&why, "as %s; %s", t->format->name, how);
	cv_plan_step(m, "write", dest, s->data, cv_text_str(&why));
	cv_plan_step(m, "verify", dest, t->options.size, "read back and compared with the source, byte by byte");
}

/* Options, source and name: another plan if one of them is another. */
void cv_plan_carry_job(struct cv_plan_maker *m, const struct cv_convert_job *job)
{
	const struct cv_target_options *o = &job->target;

	cv_pack_number(&m->carried, job->to);
	cv_pack_number(&m->carried, o->size);
	cv_pack_number(&m->carried, o->block_size);
	cv_pack_number(&m->carried, o->log_size);
	cv_pack_number(&m->carried, o->refcount_bits);
	cv_pack_number(&m->carried, (uint64_t)o->preallocation);
	cv_pack_number(&m->carried, (uint64_t)o->fixed | (uint64_t)o->compat_v2 << 1 | (uint64_t)o->lazy_refcounts << 2 |
					    (uint64_t)o->compress << 3 | (uint64_t)o->zstd << 4 |
					    (uint64_t)job->copy.keep_zeros << 5 | (uint64_t)job->copy.no_sharing << 6 |
					    (uint64_t)(job->second != NULL) << 7 |
					    (uint64_t)(job->salvage != NULL) << 8);
}

const struct cv_salvage *cv_plan_salvage(const struct cv_plan *plan)
{
	return plan->convert ? plan->convert->salvage : NULL;
}

/* Of the damaged disk, as far as it can be opened; and what its chain is called. */
static bool look_at_damaged(struct cv_plan_maker *m, struct cv_convert_job *job, struct cv_err *err)
{
	struct cv_map_options how = { .salvage = true };
	struct cv_salvage *s = cv_arena_alloc(m->plan->arena, sizeof *s);
	struct cv_map *map = cv_map_open(job->g, job->image, &how, err);
	enum cv_map_state state = CV_MAP_WAIT;
	const struct cv_extent *list;
	CV_AUTO(cv_auto_free) uint32_t *chain = NULL;
	const char **names;
	size_t count;

	while (map && state == CV_MAP_WAIT)
		state = cv_map_next(map, -1, &list, &count, err);
	if (map && !s)
		cv_fail(err, CV_ENOMEM, "out of memory");
	if (!s || state != CV_MAP_READY) {
		cv_map_free(map);
		return map ? cv_wrap(err, "nothing can be saved") : false;
	}
	job->target.size = cv_map_info(map)->size;
	*s = (struct cv_salvage){ .size = job->target.size };
	if (cv_map_info(map)->incomplete)
		s->ends = cv_plan_keep(m, cv_map_info(map)->why);
	cv_map_free(map);
	if (!cv_graph_chain(job->g, job->image, &chain, &s->image_count))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	names = cv_arena_alloc(m->plan->arena, s->image_count * sizeof *names);
	for (size_t i = 0; names && i < s->image_count; i++)
		names[i] = cv_plan_keep(m, job->g->images[chain[i]].file->path);
	s->images = names;
	job->salvage = job->copy.salvage = s;
	job->copy.no_sharing = true;
	return names || cv_fail(err, CV_ENOMEM, "out of memory");
}

static struct cv_convert_job *new_job(struct cv_plan_maker *m, const struct cv_graph *g, uint32_t image,
				      const struct cv_convert_options *o, struct cv_err *err)
{
	struct cv_convert_job *job = cv_arena_alloc(m->plan->arena, sizeof *job);

	if (!job) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*job = (struct cv_convert_job){ .to = o->to, .g = g, .image = image, .open = cv_convert_open, .verify = cv_convert_compare,
					.second = o->full_verify ? verify_again : NULL };
	job->target.size = g->images[image].facts->virtual_size;
	job->copy = (struct cv_copy_options){ .threads = 2, .keep_zeros = o->keep_zeros, .no_sharing = o->no_sharing };
	if (o->salvage && !look_at_damaged(m, job, err))
		return NULL;
	if (o->to != CV_FORMAT_RAW)
		job->target.size = (job->target.size + 511) / 512 * 512;
	return cv_convert_options_read(o, &job->target, err) ? job : NULL;
}

/* What both kinds of destination have in common; bytes: what the new image takes at most. */
static bool plan_source(struct cv_plan_maker *m, struct cv_convert_job *job, const struct cv_convert_options *o,
			const char *dest, const char *how, uint64_t *bytes, struct cv_err *err)
{
	struct cv_target target;
	struct cv_survey s = { .whole = false };
	bool ok = cv_survey_begin(&target, job, err);

	if (ok) {
		cv_survey_sharing(&s, m, job, &target, dest);
		ok = cv_survey_walk(&s, job, &target, o, err);
	}
	if (ok) {
		*bytes = cv_survey_needed(&s, &target);
		job->data = s.data;
		m->plan->convert = job;
		add_sources(m, job->g, job->image);
		add_steps(m, dest, &s, &target, how);
		if (job->salvage)
			check_salvage(m, job, &s);
		else
			check_source(m, &s);
		check_sharing(m, &s);
		for (size_t i = 0; i < cv_scan_repository_count(job->g->scan); i++)
			cv_plan_searched(m, cv_scan_repository(job->g->scan, i)->path);
		cv_plan_carry_job(m, job);
	}
	cv_target_fini(&target);
	cv_survey_fini(&s);
	return ok;
}

static bool plan_file(struct cv_plan_maker *m, const struct cv_writing *w, struct cv_convert_job *job, const char *dest,
		      const struct cv_convert_options *o, struct cv_err *err)
{
	uint64_t bytes = 0;

	if (!plan_source(m, job, o, dest, "under another name until it is complete", &bytes, err) ||
	    !plan_space(m, w, o, bytes, err))
		return false;
	cv_plan_item(m, (struct cv_plan_item){ .path = dest });
	cv_plan_charge(m, dest);
	cv_plan_step(m, "publish", dest, 0, "gets its name");
	check_dest(m, job->g, w, dest);
	return true;
}

struct cv_plan *cv_plan_convert(const struct cv_graph *g, uint32_t image, const char *repository, const char *dest,
				const struct cv_convert_options *options, struct cv_err *err)
{
	struct cv_writing w = { .io = &cv_io_real };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(repository, err);
	struct cv_convert_job *job;
	struct cv_plan_maker m;

	w.root = root;
	if (root < 0 || !cv_plan_begin(&m, CV_PLAN_CONVERT, repository, err))
		return NULL;
	job = new_job(&m, g, image, options, err);
	if (job && plan_file(&m, &w, job, dest, options, err))
		return cv_plan_end(&m, err);
	cv_plan_drop(&m);
	return NULL;
}

/* Of the disk, and of what the journal needs, which is on another file system. */
static bool plan_device(struct cv_plan_maker *m, const struct cv_writing *w, struct cv_convert_job *job, const char *device,
			const struct cv_convert_options *o, struct cv_err *err)
{
	struct cv_device_look look;
	uint64_t bytes = 0;

	if (job->to != CV_FORMAT_RAW)
		return cv_fail(err, CV_EUSAGE, "onto a block device a disk is written as it is: --to raw");
	job->target.device = job->copy.overwrite = true;
	if (!cv_device_look(device, &look, err) ||
	    !plan_source(m, job, o, device, "what was on the device is lost from then on", &bytes, err) ||
	    !plan_space(m, w, o, 0, err))
		return false;
	cv_plan_item(m, (struct cv_plan_item){ .path = device + 1, .device = look.number, .size = look.size });
	cv_plan_check(m, "device-free", look.free, "%s", look.why);
	cv_plan_check(m, "device-large-enough", look.size >= job->target.size,
		      "the device has %" PRIu64 " B, the disk %" PRIu64 " B", look.size, job->target.size);
	return true;
}

struct cv_plan *cv_plan_convert_device(const struct cv_graph *g, uint32_t image, const char *repository,
				       const char *device, const struct cv_convert_options *options, struct cv_err *err)
{
	struct cv_writing w = { .io = &cv_io_real };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(repository, err);
	struct cv_convert_job *job;
	struct cv_plan_maker m;

	w.root = root;
	if (root < 0 || !cv_plan_begin(&m, CV_PLAN_CONVERT_DEVICE, repository, err))
		return NULL;
	job = new_job(&m, g, image, options, err);
	if (job && plan_device(&m, &w, job, device, options, err))
		return cv_plan_end(&m, err);
	cv_plan_drop(&m);
	return NULL;
}

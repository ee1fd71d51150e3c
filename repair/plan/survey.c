/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See survey.h. */
#include "repair/plan/survey.h"
#include "repair/convert/own.h"
#include <chainview/map.h>

enum { PAGE = 4096, STEP_MS = 100 };

static uint64_t count_new(uint64_t *end, struct cv_range at, uint64_t size)
{
	uint64_t first = at.off / size, last = (at.off + at.len - 1) / size + 1, n;

	if (first < *end)
		first = *end;
	n = last > first ? last - first : 0;
	*end = last > *end ? last : *end;
	return n;
}

/* As the copy will try it. Whatever is not quite clear is taken not to be possible: then it needs room. */
static uint64_t shared_bytes(const struct cv_survey *s, const struct cv_graph *g, const struct cv_extent *e,
			     const struct cv_map_info *info)
{
	const struct cv_image *from = e->layer < info->count ? &g->images[info->layers[e->layer].image] : NULL;
	uint64_t first, end;

	if (!s->block || e->compressed || !from || from->facts->flags & CV_FACT_DATA_FILE ||
	    from->file->device != s->device || cv_scan_repository(g->scan, from->repository)->offset ||
	    (e->host - e->at.off) % s->block)
		return 0;
	first = (e->at.off + s->block - 1) / s->block * s->block;
	end = (e->at.off + e->at.len) / s->block * s->block;
	/* a piece of its own is an entry in the file system's tables */
	return end > first + PAGE ? end - first - PAGE : 0;
}

static void survey_extent(struct cv_survey *s, const struct cv_extent *e, const struct cv_target *t)
{
	if (e->kind == CV_EXTENT_BAD && !s->bad.len)
		s->bad = e->at;
	if (e->kind == CV_EXTENT_BAD)
		s->lost += e->at.len;
	/* zeros that hide something have their entries in the tables */
	if (e->kind == CV_EXTENT_DATA || (e->kind == CV_EXTENT_ZERO && t->options.parent))
		s->units += count_new(&s->unit_end, e->at, t->unit);
	if (e->kind != CV_EXTENT_DATA)
		return;
	s->data += e->at.len;
	s->pages += count_new(&s->page_end, e->at, PAGE);
}

static bool survey_list(struct cv_survey *s, struct cv_own *own, const struct cv_extent *list, size_t count,
			const struct cv_convert_job *job, const struct cv_target *t, const struct cv_map_info *info)
{
	own->out.len = 0;
	for (size_t i = 0; t->options.parent && i < count; i++)
		if (!cv_own_push(own, &list[i]))
			return false;
	if (t->options.parent) {
		list = own->out.at;
		count = own->out.len;
	}
	for (size_t i = 0; i < count; i++) {
		survey_extent(s, &list[i], t);
		if (list[i].kind == CV_EXTENT_DATA)
			s->shared += shared_bytes(s, job->g, &list[i], info);
	}
	return true;
}

static bool walk(struct cv_survey *s, struct cv_map *map, struct cv_own *own, const struct cv_convert_job *job,
		 const struct cv_target *t, const struct cv_convert_options *o, struct cv_err *err)
{
	enum cv_map_state state = CV_MAP_WAIT;
	uint64_t done = 0;

	while (state != CV_MAP_FAILED && state != CV_MAP_DONE) {
		const struct cv_extent *list;
		size_t count;

		state = cv_map_next(map, STEP_MS, &list, &count, err);
		if (count && !survey_list(s, own, list, count, job, t, cv_map_info(map)))
			return cv_fail(err, CV_ENOMEM, "out of memory");
		done = count ? list[count - 1].at.off + list[count - 1].at.len : done;
		if (state != CV_MAP_FAILED && o->tick && !o->tick(o->ctx, done, job->target.size))
			return cv_fail(err, CV_ECANCELLED, "cancelled");
	}
	return state == CV_MAP_DONE;
}

bool cv_survey_walk(struct cv_survey *s, const struct cv_convert_job *job, const struct cv_target *t,
		    const struct cv_convert_options *o, struct cv_err *err)
{
	struct cv_own own = { .size = job->target.size, .grain = t->grain };
	struct cv_map_options how = { .salvage = job->salvage != NULL };
	struct cv_map *map = cv_map_open(job->g, job->image, &how, err);
	bool ok = map && walk(s, map, &own, job, t, o, err);

	if (ok) {
		s->whole = !cv_map_info(map)->incomplete;
		if (!s->whole)
			cv_text_add(&s->why, cv_map_info(map)->why);
	}
	cv_own_fini(&own);
	cv_map_free(map);
	return ok;
}

void cv_survey_fini(struct cv_survey *s)
{
	cv_text_fini(&s->why);
}

/* In every format data begin where pages do. */
void cv_survey_sharing(struct cv_survey *s, const struct cv_plan_maker *m, const struct cv_convert_job *job,
		       const struct cv_target *t, const char *dest)
{
	const struct cv_target_options *o = &job->target;

	if (o->device || o->compress || job->copy.no_sharing || o->preallocation > CV_PREALLOCATE_METADATA ||
	    !cv_plan_can_share(m, dest, &s->device, &s->block) || PAGE % s->block || t->unit % s->block)
		s->block = 0;
}

uint64_t cv_survey_needed(const struct cv_survey *s, const struct cv_target *t)
{
	uint64_t all = (t->options.size + t->unit - 1) / t->unit, units = s->units, data;

	data = t->unit >= PAGE ? s->pages * PAGE : s->units * t->unit;
	data -= s->shared < data ? s->shared : data;
	if (t->options.preallocation != CV_PREALLOCATE_OFF)
		units = all;
	if (t->options.preallocation > CV_PREALLOCATE_METADATA)
		data = all * t->unit;
	return data + t->format->overhead(t, units);
}

bool cv_survey_begin(struct cv_target *t, const struct cv_convert_job *job, struct cv_err *err)
{
	if (cv_target_begin(t, job->to, &job->target, NULL, err))
		return true;
	if (err->code == CV_ELIMIT)
		err->code = CV_EREFUSED;
	return false;
}

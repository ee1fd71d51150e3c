/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See fix.h: what fixers say with, and how their patches come together. */
#include "repair/fix/fix.h"
#include "repair/relink/relink.h"
#include <stdarg.h>
#include <stdio.h>

const char *cv_fix_verdict_name(enum cv_fix_verdict verdict)
{
	static const char *const names[] = { "safe", "asks", "refused" };

	return names[verdict];
}

bool cv_fix_patch(struct cv_fix *fix, uint64_t off, const void *bytes, size_t len, unsigned layer, struct cv_err *err)
{
	struct cv_plan_patch patch = { off, (const uint8_t *)cv_arena_dup(fix->arena, bytes, len), (uint32_t)len, (uint8_t)layer };

	return (patch.bytes && cv_fix_patches_push(&fix->patches, patch)) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_fix_take(struct cv_fix *fix, const struct cv_relink *change, struct cv_err *err)
{
	for (size_t i = 0; i < change->pages.len; i++) {
		const struct cv_page *page = &change->pages.at[i];

		for (size_t k = 0; k < CV_RELINK_SECTORS; k++)
			if (page->layer[k] && !cv_fix_patch(fix, page->off + k * CV_RELINK_SECTOR, page->new + k * CV_RELINK_SECTOR,
							    CV_RELINK_SECTOR, page->layer[k], err))
				return false;
	}
	return true;
}

static bool say(struct cv_fix *fix, enum cv_fix_verdict verdict, const char *fmt, va_list args)
{
	char line[1024];
	const char *copy;

	vsnprintf(line, sizeof line, fmt, args);
	copy = cv_arena_dup(fix->arena, line, strlen(line));
	fix->verdict = copy ? verdict : CV_FIX_REFUSED;
	fix->why = copy ? copy : "memory ran short";
	return true;
}

#define SAYS(name, verdict) \
	bool name(struct cv_fix *fix, const char *fmt, ...) \
	{ \
		va_list args; \
		bool ok; \
\
		va_start(args, fmt); \
		ok = say(fix, verdict, fmt, args); \
		va_end(args); \
		return ok; \
	}
SAYS(cv_fix_refuse, CV_FIX_REFUSED)
SAYS(cv_fix_ask, CV_FIX_ASKS)
SAYS(cv_fix_say, fix->verdict)
#undef SAYS

bool cv_fix_lay(struct cv_relink *change, const struct cv_plan_patch *patches, size_t count, uint64_t size, struct cv_err *err)
{
	if (size && size != change->source->size) {
		change->old_size = change->source->size;
		change->new_size = size;
	}
	for (size_t i = 0; i < count; i++)
		if (!cv_relink_set(change, patches[i].off, patches[i].bytes, patches[i].len, patches[i].layer, err))
			return false;
	return true;
}

/* --- one fix --------------------------------------------------------------------------------------------- */

static size_t count_of(const struct cv_fix_ids *ids, enum cv_problem_id id)
{
	size_t n = 0;

	for (size_t i = 0; i < ids->len; i++)
		n += ids->at[i] == id;
	return n;
}

bool cv_fix_becomes(enum cv_problem_id was, enum cv_problem_id is)
{
	return was == CV_SPC_LEAKED_CLUSTERS && is == CV_QCW_UNMAPPED_TAIL;
}

/* What would be wrong that was not, or there is more of. */
static enum cv_problem_id new_in(const struct cv_fix_ids *before, const struct cv_fix_ids *after, enum cv_problem_id id)
{
	for (size_t i = 0; i < after->len; i++)
		if (count_of(after, after->at[i]) > count_of(before, after->at[i]) && !cv_fix_becomes(id, after->at[i]))
			return after->at[i];
	return CV_NO_PROBLEM;
}

static bool compare(const struct cv_fix_ids *before, const struct cv_fix_ids *after, enum cv_problem_id id, struct cv_fix *fix)
{
	const struct cv_problem *brings = cv_problem_by_id(new_in(before, after, id));

	if (brings)
		return cv_fix_refuse(fix, "it would not be well then: %s", brings->name);
	if (count_of(before, id) && count_of(after, id) >= count_of(before, id))
		return cv_fix_refuse(fix, "that would not mend it: what is wrong here is more than that");
	return true;
}

/* The pages with those of the fix laid over them. */
static bool copy_pages(const struct cv_relink *from, struct cv_relink *to, struct cv_err *err)
{
	*to = (struct cv_relink){ .source = from->source, .say = from->say, .old_size = from->old_size, .new_size = from->new_size };
	for (size_t i = 0; i < from->pages.len; i++)
		if (!cv_pages_push(&to->pages, from->pages.at[i]))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	return true;
}

static bool try_on(struct cv_fixing *f, const struct cv_fix *fix, struct cv_fix_ids *before, struct cv_fix_ids *after,
		   struct cv_err *err)
{
	struct cv_outcome now, then;
	struct cv_relink trial;
	bool ok = copy_pages(f->change, &trial, err) &&
		  cv_fix_lay(&trial, fix->patches.at, fix->patches.len, fix->size, err);

	cv_relink_outcome(f->change, &now);
	cv_relink_outcome(&trial, &then);
	ok = ok && cv_fix_wrong(&now.base, before, err) && cv_fix_wrong(&then.base, after, err);
	cv_relink_fini(&trial);
	return ok;
}

/* It must do what it is for and nothing that a check would find. */
static bool prove(struct cv_fixing *f, const struct cv_finding *finding, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_fix_ids before = { 0 }, after = { 0 };
	struct cv_err why = { .code = CV_OK };
	bool ok = try_on(f, fix, &before, &after, &why);

	if (ok)
		compare(&before, &after, finding->id, fix);
	else if (why.code == CV_EREFUSED)
		ok = cv_fix_refuse(fix, "%s", why.text);
	else
		cv_fail(err, why.code, "%s", why.text);
	free(before.at);
	free(after.at);
	return ok;
}

static bool is_so(struct cv_source *now, const struct cv_plan_patch *p, bool *same, struct cv_err *err)
{
	uint8_t have[4096];

	if (!cv_range_inside((struct cv_range){ p->off, p->len }, now->size))
		*same = false;
	for (uint32_t done = 0; *same && done < p->len; done += sizeof have) {
		size_t n = p->len - done < sizeof have ? p->len - done : sizeof have;

		if (!cv_source_read(now, have, n, p->off + done, err))
			return false;
		*same = !memcmp(have, p->bytes + done, n);
	}
	return true;
}

/* What is so already is no patch. */
static bool drop_done(struct cv_source *now, struct cv_fix *fix, struct cv_err *err)
{
	size_t kept = 0;

	for (size_t i = 0; i < fix->patches.len; i++) {
		bool same = true;

		if (!is_so(now, &fix->patches.at[i], &same, err))
			return false;
		if (!same)
			fix->patches.at[kept++] = fix->patches.at[i];
	}
	fix->patches.len = kept;
	fix->size = fix->size == now->size ? 0 : fix->size;
	return true;
}

bool cv_fixing_look(struct cv_fixing *f, const struct cv_fixer *row, const struct cv_finding *finding, struct cv_fix *fix,
		    struct cv_err *err)
{
	struct cv_outcome now;
	struct cv_fix_job job = { f->g, f->image, finding, &now.base, f->arena, f->candidates };
	bool safe = false;

	cv_problem_fix(finding->id, &safe);
	*fix = (struct cv_fix){ .verdict = safe ? CV_FIX_SAFE : CV_FIX_ASKS, .why = "", .arena = f->arena };
	cv_relink_outcome(f->change, &now);
	if (!row->make(&job, fix, err) || !drop_done(&now.base, fix, err))
		return false;
	if (fix->verdict == CV_FIX_REFUSED || (!fix->patches.len && !fix->size))
		return true;
	if (!fix->off)
		fix->off = fix->patches.len ? fix->patches.at[0].off : 0;
	return prove(f, finding, fix, err);
}

bool cv_fixing_take(struct cv_fixing *f, const struct cv_fix *fix, struct cv_err *err)
{
	if (!cv_fix_lay(f->change, fix->patches.at, fix->patches.len, fix->size, err))
		return false;
	for (size_t i = 0; i < fix->patches.len; i++)
		if (!cv_fix_patches_push(&f->patches, fix->patches.at[i]))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	return true;
}

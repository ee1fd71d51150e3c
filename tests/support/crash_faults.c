/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See crash_faults.h. */
#include "tests/support/crash_faults.h"
#include <stdio.h>

/* An operation that makes more calls than this does not end. */
#define MOST_CALLS 2000u

struct fault {
	uint64_t at;
	int error;
	bool persistent, shortened;
};

/* NULL if all is well; *over: the operation made fewer calls than that. */
static const char *run_with(struct sim *s, const struct crash_scene *scene, const struct fault *how, bool *over,
			    struct cv_err *err)
{
	bool ok;

	s->fail_at = how->at;
	s->fail_errno = how->error;
	s->fail_persistent = how->persistent;
	s->fail_short = how->shortened;
	ok = scene->run(s, scene->ctx, err);
	*over = !s->failed;
	s->fail_at = 0;
	if (!ok && (err->code == CV_OK || !err->text[0]))
		return "it failed without a word";
	for (size_t i = 0; i < s->fds.len; i++)
		if (s->fds.at[i].inode)
			return "a descriptor is left open";
	return scene->look(s, scene->ctx, false, 0);
}

static bool is_sound(const struct sim *start, const struct crash_scene *scene, struct crash_faults *f,
		     const struct fault *how, bool *over)
{
	struct sim *s = sim_copy(start);
	struct cv_err err = { .code = CV_OK };
	const char *wrong;

	if (f->reset)
		f->reset(scene->ctx);
	wrong = run_with(s, scene, how, over, &err);
	cv_err_clear(&err);
	if (!wrong && !scene->recover(s, scene->ctx, &err))
		wrong = err.text;
	if (!wrong)
		wrong = scene->look(s, scene->ctx, true, 0);
	if (wrong)
		snprintf(f->first, sizeof f->first, "%s: call %llu fails with %d%s: %s", scene->name,
			 (unsigned long long)how->at, how->error, how->persistent ? " and all after it" : "", wrong);
	sim_free(s);
	return !wrong;
}

bool crash_fail_each(const struct sim *start, const struct crash_scene *scene, struct crash_faults *f)
{
	for (size_t way = 0; way < 2 * f->count + 1; way++) {
		struct fault how = { .error = f->errors[way / 2 % f->count], .persistent = way % 2,
				     .shortened = way == 2 * f->count };
		bool over = false;

		for (how.at = 1; !over && how.at <= MOST_CALLS; how.at++, f->runs++)
			if (!is_sound(start, scene, f, &how, &over))
				return false;
	}
	return true;
}

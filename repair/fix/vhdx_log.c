/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A log that waits is done (repair/vhdx/replay.h): what it changes becomes part of the file, and then it is emptied. */
#include "repair/fix/vhdx.h"
#include "repair/relink/relink.h"
#include "repair/vhdx/replay.h"

enum { DATA_LAYER = 1, HEADER_LAYER = 2 };

struct listing {
	struct cv_fix *fix;
	size_t pages;                /* that change */
};

/* Those that are too many are counted, too, to say how many. */
static bool list_page(void *ctx, uint64_t off, const uint8_t *page, struct cv_err *err)
{
	struct listing *l = ctx;

	return l->pages++ >= CV_RELINK_PAGES_LARGE || cv_fix_patch(l->fix, off, page, CV_RELINK_PAGE, DATA_LAYER, err);
}

static bool list(const struct cv_vhdx_replay *r, struct cv_fix *fix, struct cv_err *err)
{
	enum { HEADERS = 2, MOST = CV_RELINK_PAGES_LARGE - HEADERS };
	struct listing l = { fix, 0 };

	if (!cv_vhdx_replay_pages(r, list_page, &l, err))
		return false;
	if (l.pages > MOST)
		return cv_fix_refuse(fix, "its log changes %zu pages of the file, more than the %d that can be kept for undo: whoever attaches "
				     "it for writing replays it", l.pages, (int)MOST);
	for (unsigned i = 0; i < HEADERS; i++)
		if (!cv_fix_patch(fix, r->headers[i].off, &r->headers[i].disk, sizeof r->headers[i].disk, HEADER_LAYER + i, err))
			return false;
	fix->size = r->size > r->before->size ? r->size : 0;
	if (!l.pages)
		return cv_fix_say(fix, "all that its log holds is in place: the log becomes empty");
	return cv_fix_say(fix, "%zu page%s of its log into place, then the log becomes empty; its identity stays", l.pages,
			  l.pages == 1 ? "" : "s");
}

bool cv_fix_vhdx_log(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	struct cv_vhdx_replay r;
	bool ok = cv_vhdx_replay_open(&r, job->source, &why);

	if (!ok && why.code == CV_EREFUSED)
		ok = cv_fix_refuse(fix, "%s", why.text);
	else if (!ok)
		cv_fail(err, why.code, "%s", why.text);
	else
		ok = list(&r, fix, err);
	cv_vhdx_replay_fini(&r);
	return ok;
}

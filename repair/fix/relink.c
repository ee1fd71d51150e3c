/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Broken links: the image names again who is its parent, by the evidence that was found (chainview/candidates.h). That is
 * safe where an identity proves it and nothing speaks against it; else somebody has to say so, and a tie is for nobody here
 * to decide. What lies in the trash, or in a place that was only searched, has to come back or be given first.
 */
#include <chainview/digest.h>
#include "repair/fix/links.h"
#include "repair/relink/relink.h"
#include <chainview/format.h>

static const struct cv_image *child_of(const struct cv_fix_job *job)
{
	return &job->g->images[job->image];
}

/* --- what may be done ------------------------------------------------------------------------------------- */

/* A parent that may well be where it is said to be is not lost: only who knows what it held may be taken for it. */
static bool is_only_outside(const struct cv_lost *l)
{
	return l->problem == CV_CHN_PARENT_OUTSIDE_REPOSITORY && !l->chosen->identity && !l->chosen->fingerprint;
}

/* QCOW2: that there is a parent is known, and its name is all that cannot be read. */
static bool is_name_lost(const struct cv_fix_job *job)
{
	return job->finding->id == CV_QCW_BACKING_NAME_INVALID;
}

/* As the image is with what was mended of it before. */
static bool may_name_another(const struct cv_fix_job *job, bool *may, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *f = cv_facts_new();

	if (!f)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_image_read(job->source, CV_FORMAT_NONE, f, err))
		return false;
	*may = !(f->flags & (CV_FACT_DISABLED | CV_FACT_PARTIAL)) && (!(f->flags & CV_FACT_PARENT_UNREADABLE) || is_name_lost(job));
	return true;
}

/* True: it was refused. */
static bool refuses(const struct cv_lost *l, bool may, const struct cv_fix_job *job, struct cv_fix *fix)
{
	if (!l)
		return cv_fix_refuse(fix, "nobody looked for its parent");
	if (!l->chosen && l->problem == CV_CHN_PARENT_CYCLE)
		return cv_fix_refuse(fix, "%s: chainview info lists the candidates; where its parent is lost for good, only what the image "
				     "holds itself can be saved", l->reason);
	if (!l->chosen)
		return cv_fix_refuse(fix, "%s: chainview info lists the candidates", l->reason);
	if (!may)
		return cv_fix_refuse(fix, "what names its parent is damaged, or must not be written to");
	if (l->chosen->place == CV_CANDIDATE_TRASH)
		return cv_fix_refuse(fix, "what could be its parent lies in the trash: chainview trash restore brings it back");
	if (l->chosen->graph != job->g)
		return cv_fix_refuse(fix, "what could be its parent lies where was only searched: --with takes it for a repository");
	if (is_only_outside(l))
		return cv_fix_refuse(fix, "the recorded parent lies outside the repositories and may be whole: --with looks there, "
					  "chainview rebase gives it another one");
	return false;
}

/* --- how it is done --------------------------------------------------------------------------------------- */

/* Where the same parent is found again, what is recorded of it besides its path is as good as it was. */
static int64_t time_of(const struct cv_image *child, const struct cv_candidate *c)
{
	const struct cv_image *parent = &c->graph->images[c->image];

	if (c->identity && child->facts->flags & CV_FACT_PARENT_TIME)
		return child->facts->parent_time;
	return parent->file->mtime_ns / 1000000000;
}

/* A new identity of what was written, the same for the same repair whenever it is planned. */
static bool make_fresh(const struct cv_image *child, const struct cv_plan_link *link, uint8_t fresh[16], struct cv_err *err)
{
	CV_AUTO(cv_auto_digest) struct cv_digest *d = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	uint8_t out[CV_DIGEST_LARGEST];

	if (!d || !cv_digest_begin(d, err) || !cv_digest_add(d, child->facts->uuid, 16, err) ||
	    !cv_digest_add(d, &child->file->mtime_ns, sizeof child->file->mtime_ns, err) ||
	    !cv_digest_add(d, link->uuid, 16, err) || !cv_digest_add(d, link->path, strlen(link->path), err) ||
	    !cv_digest_end(d, CV_DIGEST_SHA256, out, err))
		return false;
	memcpy(fresh, out, 16);
	fresh[7] = (uint8_t)((fresh[7] & 0x0f) | 0x40);
	fresh[8] = (uint8_t)((fresh[8] & 0x3f) | 0x80);
	return true;
}

static bool take_link(const struct cv_fix_job *job, const struct cv_plan_link *link, struct cv_fix *fix, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	struct cv_relink change = { .name_is_lost = is_name_lost(job) };
	bool ok = make_fresh(child_of(job), link, change.fresh, err);

	if (!ok)
		return false;
	ok = cv_relink_make(&change, job->source, link, &why) ? cv_fix_take(fix, &change, err)
	     : why.code == CV_EREFUSED ? cv_fix_refuse(fix, "%s", why.text)
				       : cv_fail(err, why.code, "%s", why.text);
	cv_relink_fini(&change);
	return ok;
}

static bool relink_to(const struct cv_fix_job *job, const struct cv_lost *l, struct cv_fix *fix, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	const struct cv_image *child = child_of(job), *parent = &job->g->images[l->chosen->image];
	const char *slash = strrchr(child->file->path, '/');
	struct cv_plan_link link = {
		.format = parent->format, .path = parent->file->path, .time = time_of(child, l->chosen),
		.former = child->parent != CV_NO_IMAGE ? job->g->images[child->parent].file->path : NULL,
	};

	cv_text_add_bytes(&folder, child->file->path, slash && slash != child->file->path ? (size_t)(slash - child->file->path) : 1);
	if (folder.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	link.folder = folder.at;
	if (parent->format == child->format && parent->format != CV_FORMAT_QCOW2)
		memcpy(link.uuid, parent->facts->uuid, sizeof link.uuid);
	return take_link(job, &link, fix, err);
}

bool cv_fix_relink(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	const struct cv_lost *l = job->candidates ? cv_candidates_of(job->candidates, job->image) : NULL;
	bool may = false;

	if (!may_name_another(job, &may, err))
		return false;
	if (refuses(l, may, job, fix))
		return true;
	if (l->verdict == CV_LOST_SAFE) {
		fix->verdict = CV_FIX_SAFE;
		cv_fix_say(fix, "%s", l->reason);
	} else {
		cv_fix_ask(fix, "%s", l->reason);
	}
	return relink_to(job, l, fix, err);
}

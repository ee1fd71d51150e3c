/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* How the checks add findings: the count and the worst of each image are kept right here and nowhere else. */
#include "inspect/check/check.h"

static bool is_reported(const struct cv_build *b, uint32_t repository)
{
	return repository < cv_scan_repository_count(b->scan) && !cv_scan_repository(b->scan, repository)->other;
}

/* Findings that a rule takes out are kept with the others up to the end, and are counted apart. */
static bool is_ignored(struct cv_build *b, const struct cv_finding *f)
{
	bool ignored = cv_ignore_rule(b, f) != CV_NO_RULE;

	b->ignored += ignored;
	return ignored;
}

/* A leak that is smaller than what the user wants to hear of. */
static bool is_too_small(const struct cv_build *b, const struct cv_image *i, const struct cv_finding *f)
{
	return f->id == CV_SPC_LEAKED_CLUSTERS && f->bytes && f->bytes < i->file->allocated / 100 * b->policy.leak_percent;
}

void cv_found(struct cv_build *b, uint32_t image, struct cv_finding f)
{
	struct cv_image *i = &b->g->images[image];

	if (!is_reported(b, i->repository) || is_too_small(b, i, &f))
		return;
	f.repository = i->repository;
	f.image = image;
	b->failed |= !cv_finding_vec_push(&b->findings, f);
	if (is_ignored(b, &f))
		return;
	i->finding_count++;
	if (!i->any_finding || f.severity > i->worst)
		i->worst = f.severity;
	i->any_finding = true;
}

void cv_found_in(struct cv_build *b, uint32_t repository, struct cv_finding f)
{
	if (!is_reported(b, repository))
		return;
	f.repository = repository;
	f.image = CV_NO_IMAGE;
	is_ignored(b, &f);
	b->failed |= !cv_finding_vec_push(&b->findings, f);
}

void cv_check_given(struct cv_build *b)
{
	for (size_t i = 0; i < b->given_count; i++) {
		struct cv_finding f = b->given[i];

		for (unsigned k = 0; k < CV_FINDING_ARGS; k++)
			if (f.arg[k].kind == CV_ARG_TEXT) {
				f.arg[k].text.at = cv_arena_dup(b->g->arena, f.arg[k].text.at, f.arg[k].text.len);
				b->failed |= !f.arg[k].text.at;
			}
		if (f.image >= b->g->image_count) {
			cv_found_in(b, f.repository, f);
			continue;
		}
		b->notes[f.image].changed |= f.id == CV_CHN_PARENT_CONTENT_CHANGED;
		cv_found(b, f.image, f);
	}
}

const char *cv_keep(struct cv_build *b, struct cv_text *t)
{
	const char *kept = t->failed ? NULL : cv_arena_dup(b->g->arena, cv_text_str(t), t->len);

	b->failed |= !kept;
	cv_text_fini(t);
	*t = (struct cv_text){ 0 };
	return kept ? kept : "";
}

bool cv_facts_report(const struct cv_facts *f, enum cv_problem_id id)
{
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].id == id)
			return true;
	return false;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What plans say, for reports and screens alike: the arithmetic of space, and why a plan is refused. */
#include "repair/plan/make.h"

size_t cv_plan_sums(const struct cv_plan_space *s, struct cv_plan_sum *rows)
{
	size_t n = 0;

	rows[n++] = (struct cv_plan_sum){ "free now", ' ', s->free_now, NULL, false };
	if (s->peak)
		rows[n++] = (struct cv_plan_sum){ "needed during the run", '-', s->peak, NULL, false };
	rows[n++] = (struct cv_plan_sum){ "lowest during the run", ' ', s->lowest_free, NULL, false };
	rows[n++] = (struct cv_plan_sum){ "reserve", ' ', s->reserve, s->fits ? "fits" : "does not fit", !s->fits };
	if (s->quota)
		rows[n++] = (struct cv_plan_sum){ "left by a quota", ' ', s->quota_left,
						  cv_plan_quota_fits(s) ? "fits" : "does not fit", !cv_plan_quota_fits(s) };
	if (s->net > 0)
		rows[n++] = (struct cv_plan_sum){ "frees", '+', (uint64_t)s->net, NULL, false };
	else if (s->net < 0)
		rows[n++] = (struct cv_plan_sum){ "takes for good", '-', 0 - (uint64_t)s->net, NULL, false };
	return n;
}

static void add_missing(const struct cv_plan_space *s, struct cv_text *out)
{
	uint64_t needed, missing;

	cv_text_add(out, "it does not fit");
	if (__builtin_add_overflow(s->peak, s->reserve, &needed) || needed <= s->free_now)
		return;
	missing = needed - s->free_now;
	cv_text_addf(out, ": %" PRIu64 " bytes (%s) are missing", missing, cv_size_short(missing).s);
}

void cv_plan_refusal(const struct cv_plan *plan, struct cv_text *out)
{
	const struct cv_plan_check *first = NULL;
	size_t bad = 0;

	for (size_t i = 0; i < plan->check_count; i++) {
		if (plan->checks[i].ok)
			continue;
		first = first ? first : &plan->checks[i];
		bad++;
	}
	if (first)
		cv_text_add(out, first->text);
	else if (plan->refused && !plan->space.fits)
		add_missing(&plan->space, out);
	if (bad > 1)
		cv_text_addf(out, " (and %zu more)", bad - 1);
}

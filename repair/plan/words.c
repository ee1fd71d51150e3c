/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What plans say, for reports and screens alike: the arithmetic of space, and why a plan is refused. */
#include <chainview/plan.h>

size_t cv_plan_sums(const struct cv_plan_space *s, struct cv_plan_sum *rows)
{
	uint64_t taken = s->free_now > s->lowest_free ? s->free_now - s->lowest_free : 0;
	size_t n = 0;

	rows[n++] = (struct cv_plan_sum){ "free now", ' ', s->free_now, NULL, false };
	if (taken)
		rows[n++] = (struct cv_plan_sum){ "needed during the run", '-', taken, NULL, false };
	rows[n++] = (struct cv_plan_sum){ "lowest during the run", ' ', s->lowest_free, NULL, false };
	rows[n++] = (struct cv_plan_sum){ "reserve", ' ', s->reserve, s->fits ? "fits" : "does not fit", !s->fits };
	if (s->net > 0)
		rows[n++] = (struct cv_plan_sum){ "frees", '+', (uint64_t)s->net, NULL, false };
	else if (s->net < 0)
		rows[n++] = (struct cv_plan_sum){ "takes for good", '-', 0 - (uint64_t)s->net, NULL, false };
	return n;
}

static void add_missing(const struct cv_plan_space *s, struct cv_text *out)
{
	uint64_t needed = s->reserve;

	cv_text_add(out, "it does not fit");
	if (s->lowest_free < needed)
		cv_text_addf(out, ": %" PRIu64 " bytes (%s) are missing to the reserve", needed - s->lowest_free,
			     cv_size_short(needed - s->lowest_free).s);
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

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See survey.h. */
#include "tui/command/progress.h"
#include "tui/command/signals.h"
#include "tui/command/survey.h"

#define STEP_MS 50

static void show(struct cv_progress_line *line, const struct cv_survey *survey)
{
	struct cv_survey_progress p = cv_survey_progress(survey);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!cv_progress_due(line))
		return;
	cv_text_addf(&t, "looking at blocks: %u%%, %zu of %zu trees, %zu of %zu images", p.permille / 10, p.trees_done,
		     p.trees, p.images_done, p.images);
	if (!t.failed)
		cv_progress_text(line, cv_text_str(&t));
}

struct cv_space *cv_session_survey(struct cv_session *s, const struct cv_space_options *how, struct cv_err *err)
{
	struct cv_survey *survey = cv_survey_new(s->graph, how, err);
	struct cv_progress_line line = cv_progress_begin(&s->settings);

	if (!survey)
		return NULL;
	if (s->watch_plan)
		s->watch_plan(s->watch_ctx, "look at blocks", 0, 0);
	while (!cv_signals_stop() && cv_survey_step(survey, STEP_MS))
		show(&line, survey);
	cv_progress_end(&line);
	return cv_survey_take(survey, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Repairs: the wish for one, of a finding, an image or a repository; what becomes of each finding; and the answers to what has to
 * be asked, of which the plan is made anew.
 */
#include "tui/console_model.h"

/* --- the wish -------------------------------------------------------------------------------------------- */

static void put_title(struct cv_wish *wish, const struct cv_image *image)
{
	const struct cv_problem *problem = cv_problem_by_id(wish->repairs.problem);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "repair %s", image ? "" : "all images");
	if (image && problem)
		cv_text_addf(&t, "%s of ", problem->name);
	if (image)
		cv_image_name(&t, image);
	cv_copy_text(wish->title, sizeof wish->title, cv_text_str(&t));
}

/* image: NULL, all of the repository. */
static struct cv_wish *wish_of(const char *repository, const struct cv_image *image, enum cv_problem_id problem)
{
	struct cv_wish *wish = cv_wish_new(repository);
	struct cv_repairs *r = wish ? &wish->repairs : NULL;

	if (!wish || !(r->repository = strdup(repository)) || (image && !(wish->words[0] = strdup(image->id)))) {
		cv_wish_free(wish);
		return NULL;
	}
	r->how = CV_REPAIRS_ASK;
	r->problem = problem;
	if (image) {
		wish->repaired = cv_image_word_of(wish->words[0], image);
		r->only = &wish->repaired;
		r->only_count = 1;
	}
	wish->call = cv_repairs_call(r);
	wish->carry_out = cv_repairs_carry_out;
	wish->tables = true;
	put_title(wish, image);
	return wish;
}

/* A finding is meant where findings are shown, an image elsewhere. */
void cv_repair_want(struct cv_console *c)
{
	const struct cv_image *image = cv_image_at(c, cv_current_image(c));
	const struct cv_finding *finding = NULL;
	uint32_t repository = image ? image->repository : cv_repository_by_ident(c, cv_repository_at_hand(c));
	size_t row = c->view[CV_VIEW_FINDINGS].list.cursor;

	if (cv_top(c) == CV_VIEW_FINDINGS && row < c->finding_rows.len) {
		finding = &c->snap.graph->findings[c->finding_rows.at[row]];
		repository = finding->repository;
	}
	if ((cv_top(c) == CV_VIEW_FINDINGS && !finding) || repository >= c->snap.repository_count)
		cv_console_say(c, "nothing is selected that could be repaired");
	else
		cv_plan_view_show(c, wish_of(c->snap.repositories[repository]->path, image, image && finding ? finding->id : CV_NO_PROBLEM));
}

/* From a finding to its image, and from that to its repository. What was answered stays answered. */
void cv_repair_want_more(struct cv_console *c)
{
	struct cv_wish *now = c->plan.wish, *more;
	const struct cv_image *image = NULL;

	if (!now || !now->repairs.repository) {
		cv_console_say(c, "this plan is about no repair");
		return;
	}
	if (now->repairs.problem)
		image = cv_image_at(c, cv_image_by_ident(c, (struct cv_ident){ now->repaired.device, now->repaired.inode, 0 }));
	else if (!now->repairs.only) {
		cv_console_say(c, "this is all of the repository");
		return;
	}
	more = wish_of(now->repairs.repository, image, CV_NO_PROBLEM);
	if (more) {
		more->repairs.answers = now->repairs.answers;
		now->repairs.answers = (struct cv_repairs_answers){ 0 };
	}
	cv_plan_view_show(c, more);
}

/* --- what becomes of each finding ------------------------------------------------------------------------ */

enum fate { FATE_DONE, FATE_OPEN, FATE_NOT_WANTED, FATE_REFUSED, FATE_OTHER };

/* Somebody has to say whether it is meant so, and nobody has. */
static bool is_open(const struct cv_repairs *r, const struct cv_plan_fix *fix)
{
	return fix->verdict == CV_FIX_ASKS && (!r->problem || fix->problem == r->problem) && !cv_repairs_answered(r, fix);
}

static enum fate fate_of(const struct cv_plan_view *v, const struct cv_plan_fix *fix)
{
	const struct cv_repairs *r = v->wish && v->wish->repairs.repository ? &v->wish->repairs : NULL;

	if (fix->chosen)
		return FATE_DONE;
	if (r && r->problem && fix->problem != r->problem)
		return FATE_OTHER;
	if (fix->verdict == CV_FIX_REFUSED)
		return FATE_REFUSED;
	return r && is_open(r, fix) ? FATE_OPEN : FATE_NOT_WANTED;
}

size_t cv_repair_open_questions(const struct cv_plan_view *v)
{
	size_t count = 0;

	for (size_t i = 0; v->plan && v->wish && v->state == CV_JOB_DONE && i < v->plan->fix_count; i++)
		count += is_open(&v->wish->repairs, &v->plan->fixes[i]);
	return count;
}

static void add_subject(struct cv_text *t, const struct cv_plan_fix *fix)
{
	cv_text_escape(t, cv_bytes_of(fix->image));
	cv_text_addf(t, ": %s: ", cv_problem_by_id(fix->problem)->name);
}

static size_t write_fate(const struct cv_plan_view *v, enum fate fate, const char *word, enum cv_ink ink, struct cv_paper *p)
{
	size_t count = 0;

	for (size_t i = 0; i < v->plan->fix_count; i++) {
		const struct cv_plan_fix *fix = &v->plan->fixes[i];
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
		char label[32];

		if (fate_of(v, fix) != fate)
			continue;
		count++;
		if (!word)
			continue;
		snprintf(label, sizeof label, "%-4s %s", word, cv_fix_verdict_name(fix->verdict));
		add_subject(&t, fix);
		cv_text_add(&t, fix->why);
		if (fate == FATE_DONE && fix->bytes)
			cv_text_addf(&t, " (%" PRIu64 " bytes)", fix->bytes);
		cv_paper_field(p, 14, label, ink, cv_text_str(&t));
	}
	return count;
}

void cv_repair_write_fixes(const struct cv_plan_view *v, struct cv_paper *p)
{
	static const struct { enum fate fate; const char *word; enum cv_ink ink; } rows[] = {
		{ FATE_DONE, "do", CV_INK_TEXT }, { FATE_OPEN, "?", CV_INK_PROMPT }, { FATE_NOT_WANTED, "no", CV_INK_TEXT },
		{ FATE_REFUSED, "--", CV_INK_TEXT },
	};
	size_t others = write_fate(v, FATE_OTHER, NULL, CV_INK_TEXT, p), questions = write_fate(v, FATE_OPEN, NULL, CV_INK_TEXT, p);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (questions) {
		cv_text_addf(&t, "a answers %zu question%s. What is not answered is not done.", questions, cv_plural(questions));
		cv_paper_text(p, CV_INK_PROMPT, cv_text_str(&t));
		cv_text_clear(&t);
	}
	cv_paper_open(p, "repairs");
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		write_fate(v, rows[i].fate, rows[i].word, rows[i].ink, p);
	if (others == v->plan->fix_count)
		cv_paper_text(p, CV_INK_TEXT, "it is not found any more, or nothing is known that mends it");
	cv_paper_close(p);
	if (others) {
		cv_text_addf(&t, "%zu more finding%s of this image: F plans for all of them.", others, cv_plural(others));
		cv_paper_text(p, CV_INK_QUIET, cv_text_str(&t));
	}
}

/* --- asking ---------------------------------------------------------------------------------------------- */

/* The next that is open, from here on; false: there is none. */
static bool find_question(struct cv_plan_view *v)
{
	while (v->asking < v->plan->fix_count && !is_open(&v->wish->repairs, &v->plan->fixes[v->asking]))
		v->asking++;
	return v->asking < v->plan->fix_count;
}

static void stop_asking(struct cv_console *c)
{
	c->mode = CV_MODE_NORMAL;
	if (c->plan.answered)
		cv_plan_view_touch(c);
	c->plan.answered = false;
}

/* When all is answered it begins anew. */
void cv_repair_ask(struct cv_console *c)
{
	struct cv_plan_view *v = &c->plan;

	if (!v->wish || !v->wish->repairs.repository) {
		cv_console_say(c, "this plan is about no repair");
	} else if (v->state != CV_JOB_DONE || !v->plan) {
		cv_console_say(c, "the plan is not made yet");
	} else {
		if (!cv_repair_open_questions(v))
			cv_repairs_forget(&v->wish->repairs);
		v->asking = 0;
		if (find_question(v))
			cv_input_begin(c, CV_MODE_ANSWER);
		else
			cv_console_say(c, "nothing has to be asked about");
	}
}

void cv_repair_answered(struct cv_console *c, int key)
{
	struct cv_plan_view *v = &c->plan;
	bool all = key == 'a' || key == 's', wanted = key == 'y' || key == 'a';

	if (v->state != CV_JOB_DONE || !v->plan || !find_question(v) || key == CV_KEY_ESC || key == 'q') {
		stop_asking(c);
		return;
	}
	if (!all && !wanted && key != 'n')
		return;
	if (!cv_repairs_answer(&v->wish->repairs, &v->plan->fixes[v->asking], wanted, all)) {
		stop_asking(c);
		cv_console_say(c, "not enough memory for the answer");
		return;
	}
	v->answered = true;
	if (!find_question(v))
		stop_asking(c);
}

void cv_repair_write_question(const struct cv_console *c, struct cv_paper *p)
{
	const struct cv_plan_view *v = &c->plan;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	size_t left = cv_repair_open_questions(v);

	if (!v->plan || v->asking >= v->plan->fix_count)
		return;
	add_subject(&t, &v->plan->fixes[v->asking]);
	cv_paper_text(p, CV_INK_PROMPT, cv_text_str(&t));
	cv_paper_text(p, CV_INK_TEXT, v->plan->fixes[v->asking].why);
	cv_paper_blank(p);
	cv_text_clear(&t);
	cv_text_addf(&t, "Do this?   y yes   n no\na all of this kind   s skip all of this kind\nEsc later (%zu question%s left). "
		     "Nothing is done before the plan is confirmed.", left, cv_plural(left));
	cv_paper_text(p, CV_INK_TEXT, cv_text_str(&t));
}

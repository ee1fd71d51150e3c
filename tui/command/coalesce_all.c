/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See coalesce_all.h. */
#include <stdio.h>
#include <unistd.h>

#include "tui/command/coalesce_all.h"
#include "tui/command/signals.h"
#include "tui/command/write.h"
#include "tui/write/merges.h"

struct all {
	struct cv_session *s;
	char *path;                  /* of the repository */
	struct cv_merges *merges;
	struct cv_merge_outcome *outcomes;   /* NULL: it was a dry run */
	struct cv_write_watch watch;
	struct cv_monitor monitor;
	size_t ended;                /* steps, done or not */
	const char *what;            /* that is told now: of an operation, and with the step (two, since the line keeps one) */
	char told[2][64];
	unsigned telling;
	int status;
};

/* --- what is shown ----------------------------------------------------------------------------------------- */

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct all *a = ctx;
	struct cv_style style = cv_session_style(a->s, STDOUT_FILENO);

	return cv_report_merges(a->merges, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct all *a = ctx;
	struct cv_report_head head = { a->s->command, a->s->argc, a->s->argv, a->status };

	return cv_report_merges_json(a->merges, a->outcomes, &head, sink);
}

static int show(struct all *a, int status)
{
	a->status = status;
	return cv_output_report((struct cv_report_call){ a->s->settings.json ? write_json : write_text, a }, status);
}

static bool speaks(const struct all *a)
{
	return !a->s->settings.json && !a->s->settings.quiet;
}

static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct all *a = ctx;

	if (!a->what || strcmp(a->what, what) != 0) {
		a->what = what;
		a->telling ^= 1;
		snprintf(a->told[a->telling], sizeof a->told[0], "step %zu of %zu: %s", a->ended + 1, a->merges->count, what);
	}
	cv_progress_show_bytes(&a->watch.line, a->told[a->telling], done, total);
	return !cv_signals_stop();
}

static const struct cv_monitor *begin(void *ctx, size_t number)
{
	const struct all *a = ctx;

	(void)number;
	return &a->monitor;
}

static bool stopped(void *ctx)
{
	(void)ctx;
	return cv_signals_stop();
}

static void add_end(const struct all *a, size_t number, struct cv_text *out)
{
	const struct cv_merge_step *step = &a->merges->steps[number];
	const struct cv_merge_outcome *o = &a->outcomes[number];

	cv_text_addf(out, "step %zu of %zu: ", a->ended, a->merges->count);
	cv_text_escape(out, cv_bytes_of(step->name));
	if (o->result.state != CV_RESULT_DONE) {
		cv_text_addf(out, " is not merged: %s\n", o->why ? o->why : "out of memory");
		return;
	}
	cv_text_add(out, " is merged into ");
	cv_text_escape(out, cv_bytes_of(step->into_name));
	cv_text_addf(out, " (%s written, read back), and %s: operation %s\n", cv_size_short(o->result.written).s,
		     o->purged ? "removed for good" : "in the trash", cv_uuid_str(o->result.id).s);
	if (o->why)
		cv_text_addf(out, "  it stays in the trash: %s\n", o->why);
}

static void say_end(struct all *a, size_t number)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	bool done = a->outcomes[number].result.state == CV_RESULT_DONE;

	add_end(a, number, &t);
	if (a->s->settings.json || (a->s->settings.quiet && done))
		return;
	if (done)
		a->status |= cv_command_print(&t, CV_EXIT_OK);
	else
		fprintf(stderr, "chainview: %s", cv_text_str(&t));
}

static void ended(void *ctx, size_t number)
{
	struct all *a = ctx;

	a->ended++;
	a->what = NULL;
	cv_progress_end(&a->watch.line);
	say_end(a, number);
}

/* --- how it ended ------------------------------------------------------------------------------------------ */

static size_t count_done(const struct all *a)
{
	size_t done = 0;

	for (size_t i = 0; i < a->merges->count; i++)
		done += a->outcomes[i].result.state == CV_RESULT_DONE;
	return done;
}

static int status_of(const struct all *a)
{
	static const int bits[] = {
		[CV_RESULT_DONE] = CV_EXIT_OK, [CV_RESULT_REFUSED] = CV_EXIT_ERRORS, [CV_RESULT_FAILED] = CV_EXIT_FAILED,
		[CV_RESULT_CANCELLED] = CV_EXIT_CANCELLED,
	};
	int status = a->merges->blocked_count ? CV_EXIT_ERRORS : CV_EXIT_OK;

	for (size_t i = 0; i < a->merges->count; i++) {
		const struct cv_merge_outcome *o = &a->outcomes[i];

		status |= bits[o->result.state];
		if (o->result.state == CV_RESULT_DONE && a->merges->purge && !o->purged)
			status |= CV_EXIT_ERRORS;
	}
	return status;
}

static void sum_up(const struct all *a)
{
	size_t done = count_done(a), left = a->merges->count - done;

	if (!speaks(a))
		return;
	fflush(stdout);
	if (left)
		fprintf(stderr, "chainview: %s%zu of %zu images merged, %zu not: calling this again goes on with what can be done then\n",
			cv_signals_stop() ? "stopped: " : "", done, a->merges->count, left);
	else if (!a->merges->purge)
		fputs("chainview: all done; chainview trash purge frees the space of what was merged\n", stderr);
}

/* Steps that were not begun any more, each with its reason. */
static void say_untried(struct all *a)
{
	for (size_t i = 0; i < a->merges->count; i++)
		if (a->outcomes[i].tried && !a->outcomes[i].plan && !cv_signals_stop()) {
			a->ended++;
			say_end(a, i);
		}
}

static int execute(struct all *a)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };
	struct cv_merges_run run = { .session = a->s, .shown = a->merges, .begin = begin, .ended = ended, .stopped = stopped, .ctx = a };
	struct cv_err err = { .code = CV_OK };

	a->outcomes = calloc(a->merges->count + 1, sizeof *a->outcomes);
	if (!a->outcomes)
		return cv_fail(&err, CV_ENOMEM, "out of memory"), cv_command_fail(a->s, &err);
	run.outcomes = a->outcomes;
	cv_write_line(a->s, &line);
	run.command = cv_text_str(&line);
	cv_write_watch_begin(&a->watch, a->s);
	a->monitor = a->watch.monitor;
	a->monitor.tick = tick;
	a->monitor.ctx = a;
	if (!cv_merges_carry_out(&run, &err))
		a->status |= cv_command_fail(a->s, &err);
	else
		say_untried(a);
	cv_write_watch_end(&a->watch);
	if (run.not_purged) {
		cv_complain(run.not_purged);
		a->status |= CV_EXIT_ERRORS;
	}
	free(run.not_purged);
	sum_up(a);
	a->status |= status_of(a);
	return a->s->settings.json ? show(a, a->status) : a->status;
}

/* --- what comes before ------------------------------------------------------------------------------------- */

/* What a crash left is settled before anything is planned: until then nothing may be merged. */
static bool settle(struct all *a, struct cv_err *err)
{
	struct cv_operation_list *list = cv_operation_list_read(a->path, err);
	struct cv_writing *w;
	struct cv_recover_options how;
	size_t pending = 0, settled = 0;
	bool ok;

	for (size_t i = 0; list && i < list->count; i++)
		pending += !list->entries[i].archived;
	cv_operation_list_free(list);
	if (!list || !pending)
		return list != NULL;
	cv_write_watch_begin(&a->watch, a->s);
	how = (struct cv_recover_options){ .monitor = &a->watch.monitor };
	w = cv_writing_begin(a->path, err);
	ok = w && cv_recover(w, &how, &settled, err);
	cv_writing_end(w);
	cv_write_watch_end(&a->watch);
	if (ok && settled && speaks(a))
		fprintf(stderr, "chainview: settled %zu unfinished operation%s first\n", settled, settled == 1 ? "" : "s");
	return ok || cv_wrap(err, "what is unfinished here has to be settled first");
}

static bool has_work(const struct all *a)
{
	return a->merges->count || a->merges->purged_first;
}

static int dry(const struct all *a)
{
	bool refused = !has_work(a) && a->merges->blocked_count;

	if (speaks(a) && refused)
		fputs("chainview: refused: nothing here can be merged as it is; nothing was touched\n", stderr);
	else if (speaks(a) && has_work(a))
		fputs("chainview: this was a dry run: nothing was written; --yes does it\n", stderr);
	else if (speaks(a))
		fputs("chainview: there is nothing to merge\n", stderr);
	return refused ? CV_EXIT_ERRORS : CV_EXIT_OK;
}

static int with_plan(struct all *a)
{
	const struct cv_settings *set = &a->s->settings;
	bool wants = set->write.yes && !set->dry_run && has_work(a);
	int status = !has_work(a) && a->merges->blocked_count ? CV_EXIT_ERRORS : CV_EXIT_OK;

	if (set->json ? !wants : !set->quiet || !wants) {
		int shown = show(a, status);

		if (shown != status)
			return shown;
	}
	a->status = CV_EXIT_OK;
	if (!wants && !set->dry_run && has_work(a))
		wants = cv_write_consents(a->s, a->merges->confirm);
	if (!wants && cv_signals_stop())
		return CV_EXIT_CANCELLED;
	return wants ? execute(a) : dry(a);
}

static int scan_and_go(struct all *a, struct cv_err *err)
{
	const struct cv_settings *set = &a->s->settings;

	if (!cv_session_add_all(a->s, NULL, 0, err) || (set->write.yes && !set->dry_run && !settle(a, err)) || !cv_session_run(a->s, err))
		return cv_command_fail(a->s, err);
	if (a->s->cancelled)
		return CV_EXIT_CANCELLED;
	a->merges = cv_merges_of(a->s, a->path, err);
	return a->merges ? with_plan(a) : cv_command_fail(a->s, err);
}

int cv_coalesce_all(struct cv_session *s, const char *word)
{
	struct all a = { .s = s };
	struct cv_err err = { .code = CV_OK };
	int status = cv_write_repository(s, word, &a.path, &err) ? scan_and_go(&a, &err) : cv_command_fail(s, &err);

	cv_merge_outcomes_free(a.outcomes, a.merges ? a.merges->count : 0);
	cv_merges_free(a.merges);
	free(a.path);
	return status;
}

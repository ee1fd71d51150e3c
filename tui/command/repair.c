/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview repair: mends what check finds, where that loses nothing or where it is said to be meant so. One plan for each
 * repository, in one document; what is left decides the exit status, as with check.
 */
#include <stdio.h>
#include <unistd.h>

#include "tui/command/check.h"
#include "tui/command/closer.h"
#include "tui/command/signals.h"
#include "tui/command/write.h"
#include "tui/write/repairs.h"

static const struct cv_option_row options[] = {
	CV_REPAIR_OPTIONS,
	CV_RESERVE_OPTION,
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

struct repair {
	struct cv_session *s;
	struct cv_repairs what;
	struct cv_write_call call;
	struct cv_plan *plan;
	struct cv_operation_result outcome;
	const struct cv_operation_result *result;    /* that outcome; NULL: nothing was done */
	int status;
};
CV_VEC(repairs, struct repair *);

/* What of several repositories becomes one document. */
struct documents {
	struct cv_session *s;
	struct repairs list;
	int status;
};

static bool speaks(const struct repair *r)
{
	return !r->s->settings.json && !r->s->settings.quiet;
}

/* --- asking ----------------------------------------------------------------------------------------------- */

/* The end of the input is no. A signal ends all questions, and then nothing is done. */
static bool ask(void *ctx, const struct cv_plan_fix *fix, bool *all)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	char line[64];

	(void)ctx;
	cv_text_escape(&t, cv_bytes_of(fix->image));
	cv_text_addf(&t, ": %s: %s", cv_problem_by_id(fix->problem)->name, fix->why);
	while (!cv_signals_stop()) {
		fprintf(stderr, "%s\n  do this? y(es), n(o), a(ll of this kind), s(kip all of this kind): ", cv_text_str(&t));
		if (!fgets(line, sizeof line, stdin))
			return false;
		*all = line[0] == 'a' || line[0] == 's';
		if (line[0] && line[1] == '\n' && strchr("ynas", line[0]))
			return line[0] == 'y' || line[0] == 'a';
	}
	return false;
}

static bool at_terminal(const struct cv_session *s)
{
	return !s->settings.json && isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

static enum cv_repairs_how how_of(const struct cv_session *s)
{
	const struct cv_settings *set = &s->settings;

	if (set->dry_run)
		return CV_REPAIRS_SHOW;
	if (set->write.safe)
		return CV_REPAIRS_SAFE;
	if (set->write.yes)
		return CV_REPAIRS_ALL;
	return at_terminal(s) ? CV_REPAIRS_ASK : CV_REPAIRS_SHOW;
}

/* --- showing ---------------------------------------------------------------------------------------------- */

static bool write_text(const struct cv_sink *sink, void *ctx)
{
	const struct repair *r = ctx;
	struct cv_style style = cv_session_style(r->s, STDOUT_FILENO);

	return cv_report_plan(r->plan, &style, sink);
}

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct repair *r = ctx;
	struct cv_report_head head = { "repair", r->s->argc, r->s->argv, r->status };

	return cv_report_plan_json(r->plan, r->result, &head, sink);
}

static bool write_all_json(const struct cv_sink *sink, void *ctx)
{
	const struct documents *d = ctx;
	struct cv_report_head head = { "repair", d->s->argc, d->s->argv, d->status };
	struct cv_planned *plans = calloc(d->list.len + 1, sizeof *plans);
	bool ok = plans != NULL;

	for (size_t i = 0; ok && i < d->list.len; i++)
		plans[i] = (struct cv_planned){ d->list.at[i]->plan, d->list.at[i]->result };
	ok = ok && cv_report_plans_json(plans, d->list.len, &head, sink);
	free(plans);
	return ok;
}

/* The plan; false if it could not be written. */
static bool show(struct repair *r)
{
	int shown = speaks(r) ? cv_output_report((struct cv_report_call){ write_text, r }, CV_EXIT_OK) : CV_EXIT_OK;

	r->status |= shown;
	return shown == CV_EXIT_OK;
}

static void say_left(const struct repair *r)
{
	size_t errors = cv_graph_count(r->s->graph, UINT32_MAX, CV_ERROR), warnings = cv_graph_count(r->s->graph, UINT32_MAX, CV_WARNING);

	if (speaks(r) && errors + warnings)
		printf("left: %zu error%s, %zu warning%s: chainview check shows them\n", errors, errors == 1 ? "" : "s", warnings,
		       warnings == 1 ? "" : "s");
}

/* --- doing ------------------------------------------------------------------------------------------------ */

static bool carry_out(struct repair *r, struct cv_operation_result *result, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };
	struct cv_write_watch watch;
	struct cv_flow flow = { .session = r->s, .call = &r->call, .monitor = &watch.monitor };
	bool ok;

	cv_write_line(r->s, &line);
	flow.command = cv_text_str(&line);
	cv_write_watch_begin(&watch, r->s);
	ok = cv_repairs_carry_out(&r->what, &flow, &r->plan, result, err);
	cv_write_watch_end(&watch);
	return ok;
}

static int left_after(const struct repair *r)
{
	return r->s->graph ? cv_check_status(r->s) : CV_EXIT_OK;
}

static void execute(struct repair *r)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct cv_err err = { .code = CV_OK };

	r->result = &r->outcome;
	if (!carry_out(r, &r->outcome, &err)) {
		/* What is wrong is what was wrong before. */
		r->status |= cv_command_fail(r->s, &err) | left_after(r);
		return;
	}
	r->call.tell(r->plan, r->result, &t);
	r->status |= CV_EXIT_CORRECTED | left_after(r);
	if (speaks(r))
		r->status |= cv_command_print(&t, CV_EXIT_OK);
	say_left(r);
}

static void dry(struct repair *r)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

	r->status |= cv_check_status(r->s);
	cv_plan_refusal(r->plan, &why);
	if (r->plan->refused && speaks(r))
		fprintf(stderr, "chainview: refused: %s; nothing was touched\n", cv_text_str(&why));
	else if (r->plan->item_count && speaks(r))
		fputs("chainview: this was a dry run: nothing was written; -p does what is safe, -y all of it\n", stderr);
	r->status |= r->plan->refused ? CV_EXIT_ERRORS : 0;
}

static void with_plan(struct repair *r)
{
	bool wanted = r->what.how != CV_REPAIRS_SHOW && r->plan->item_count && !r->plan->refused;

	if (r->what.how == CV_REPAIRS_ASK && cv_signals_stop()) {
		fputs("\nchainview: cancelled before anything was done\n", stderr);
		r->status |= CV_EXIT_CANCELLED;
		return;
	}
	if (!r->plan->fix_count && speaks(r))
		printf("%s\n", r->call.nothing);
	if (r->plan->fix_count && !show(r))
		return;
	if (wanted)
		execute(r);
	else
		dry(r);
}

static void repair_free(struct repair *r)
{
	cv_plan_free(r->plan);
	cv_repairs_fini(&r->what);
	free(r);
}

/* One repository, by the name that the scan has for it. NULL: no memory. */
static struct repair *repair_one(struct cv_session *s, const char *repository, const struct cv_image_word *only, size_t count)
{
	struct repair *r = calloc(1, sizeof *r);
	struct cv_err err = { .code = CV_OK };

	if (!r)
		return NULL;
	*r = (struct repair){ .s = s, .what = { .session = s, .repository = strdup(repository), .how = how_of(s), .only = only,
						.only_count = count, .ask = ask } };
	r->call = cv_repairs_call(&r->what);
	if (r->what.repository)
		r->plan = r->call.plan(s, r->call.ctx, &err);
	else
		cv_fail(&err, CV_ENOMEM, "out of memory");
	if (r->plan)
		with_plan(r);
	else
		r->status = cv_command_fail(s, &err);
	return r;
}

/* --- which ------------------------------------------------------------------------------------------------ */

CV_VEC(names, char *);

static bool list_repositories(const struct cv_session *s, struct names *list)
{
	for (size_t i = 0; i < cv_scan_repository_count(s->scan); i++) {
		const struct cv_repository *r = cv_scan_repository(s->scan, i);
		char *name = r->other ? NULL : strdup(r->path);

		if (!r->other && (!name || !names_push(list, name))) {
			free(name);
			return false;
		}
	}
	return true;
}

/* One repository has a document of its own. One that nothing could be planned for was told of, and is in none. */
static int write_documents(struct documents *d, bool one)
{
	if (!d->s->settings.json || (one && !d->list.len))
		return CV_EXIT_OK;
	if (!one)
		return cv_output_report((struct cv_report_call){ write_all_json, d }, d->status);
	d->list.at[0]->status = d->status;
	return cv_output_report((struct cv_report_call){ write_json, d->list.at[0] }, d->status);
}

/* Adds what came of it; the status is that of what is left in the end, while what was corrected in one stays said. */
static bool take_one(struct documents *d, struct repair *r, int *left)
{
	const int lasting = CV_EXIT_CORRECTED | CV_EXIT_FAILED | CV_EXIT_USAGE | CV_EXIT_CANCELLED;
	bool kept = r && r->plan && repairs_push(&d->list, r);

	if (r) {
		*left = r->status;
		d->status |= r->status & lasting;
	}
	if (r && !kept) {
		bool planned = r->plan;

		repair_free(r);
		return !planned;
	}
	return kept;
}

static int repair_each(struct cv_session *s, const struct cv_image_word *only, size_t count)
{
	struct documents d = { .s = s };
	struct cv_err err = { .code = CV_OK };
	struct names list = { 0 };
	int left = 0;

	if (!list_repositories(s, &list))
		cv_fail(&err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; !err.code && i < list.len && s->graph && !(d.status & CV_EXIT_CANCELLED); i++)
		if (!take_one(&d, repair_one(s, list.at[i], only, count), &left))
			cv_fail(&err, CV_ENOMEM, "out of memory");
	if (err.code)
		d.status |= cv_command_fail(s, &err);
	d.status |= left;
	d.status |= write_documents(&d, list.len == 1);
	for (size_t i = 0; i < d.list.len; i++)
		repair_free(d.list.at[i]);
	for (size_t i = 0; i < list.len; i++)
		free(list.at[i]);
	free(d.list.at);
	free(list.at);
	return d.status;
}

static bool is_image(const struct cv_session *s, const char *word)
{
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 };
	struct stat st;
	const char *path = cv_session_stat(word, &unescaped, &st);

	if (cv_config_named(&s->config, word) || s->settings.has_offset)
		return false;
	return path ? S_ISREG(st.st_mode) : true;
}

static bool add_words(struct cv_session *s, int argc, char **argv, struct cv_image_word *images, size_t *count, struct cv_err *err)
{
	*count = 0;
	for (int i = 0; i < argc; i++)
		*count += is_image(s, argv[i]);
	if (*count && *count != (size_t)argc)
		return cv_fail(err, CV_EUSAGE, "give repositories or images, not both");
	return *count ? cv_image_words_add(s, argv, *count, images, err) : cv_session_add_all(s, argv, (size_t)argc, err);
}

static int scan_and_repair(struct cv_session *s, const struct cv_image_word *images, size_t count)
{
	struct cv_err err = { .code = CV_OK };

	s->tables = true;
	if (!cv_session_run(s, &err) || !cv_session_look_closer(s, NULL, &err))
		return cv_command_fail(s, &err);
	return s->cancelled ? CV_EXIT_CANCELLED : repair_each(s, count ? images : NULL, count);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_image_word *images = calloc((size_t)argc + 1, sizeof *images);
	const struct cv_settings *set = &s->settings;
	struct cv_err err = { .code = CV_OK };
	size_t count = 0;
	int status;

	if (set->write.safe && set->write.yes)
		cv_fail(&err, CV_EUSAGE, "give one of -p and -y");
	else if (!images)
		cv_fail(&err, CV_ENOMEM, "out of memory");
	else
		add_words(s, argc, argv, images, &count, &err);
	status = err.code ? cv_command_fail(s, &err) : scan_and_repair(s, images, count);
	free(images);
	return status;
}

const struct cv_command cv_command_repair = {
	"repair", "[REPO|IMAGE...]", "mend what check finds", CV_COMMAND_WRITES, options, run,
};

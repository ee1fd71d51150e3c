/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * chainview trash list|restore|purge: what was taken away, back or for good.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "tui/command/clock.h"
#include "tui/command/trash.h"
#include "tui/command/write.h"

static bool set_keep(struct cv_settings *settings, const char *value, struct cv_err *err)
{
	int64_t keep;

	if (!cv_duration_take(&keep, "--trash-keep", value, err))
		return false;
	settings->write.has_keep = true;
	settings->write.keep = (uint64_t)keep;
	return true;
}

static const struct cv_option_row options[] = {
	CV_WRITE_OPTIONS,
	{ "trash-keep", 0, "TIME", NULL, "purge what has been there for longer (default 7d)", set_keep, 0 },
	{ "now", 0, NULL, NULL, "purge whatever its age", CV_ON(write.now) },
	{ "all", 0, NULL, NULL, "restore everything", CV_ON(write.all) },
	{ NULL, 0, NULL, NULL, NULL, NULL, 0 },
};

/* An image is named by its path, its last part, or the operation that took it away (four digits or more). */
static bool is_named(const struct cv_trash_entry *e, const char *word)
{
	const char *slash = strrchr(e->item->path, '/');
	size_t len = strlen(word);

	return !strcmp(word, e->item->path) || !strcmp(word, slash ? slash + 1 : e->item->path) ||
	       (len >= 4 && !strncmp(word, cv_uuid_str(e->operation).s, len));
}

static bool is_old(const struct cv_session *s, const struct cv_trash_entry *e)
{
	uint64_t keep = s->settings.write.has_keep ? s->settings.write.keep : CV_TRASH_KEEP_SECONDS;

	return s->settings.write.now || (int64_t)time(NULL) - e->since >= (int64_t)keep;
}

static bool is_picked(const struct cv_trash_call *c, const struct cv_trash_entry *e)
{
	for (size_t i = 0; i < c->pick_count; i++)
		if (c->picks[i].index == e->index && !memcmp(c->picks[i].operation, e->operation, sizeof e->operation))
			return true;
	return false;
}

static bool is_chosen(const struct cv_session *s, const struct cv_trash_call *c, const struct cv_trash_entry *e)
{
	bool named = !c->word_count;

	if (c->pick_count)
		return is_picked(c, e);
	for (size_t i = 0; i < c->word_count; i++)
		named |= is_named(e, c->words[i]);
	if (c->operation)
		return !strncmp(c->operation, cv_uuid_str(e->operation).s, strlen(c->operation));
	if (c->purge)
		return named && is_old(s, e);
	return named && (c->word_count || s->settings.write.all);
}

static bool every_word_means_something(const struct cv_trash_call *c, const struct cv_trash *trash, struct cv_err *err)
{
	for (size_t i = 0; i < c->word_count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
		bool found = false;

		for (size_t k = 0; k < trash->count; k++)
			found |= is_named(&trash->entries[k], c->words[i]);
		cv_session_show_word(&t, c->words[i]);
		if (!found)
			return cv_fail(err, CV_EUSAGE, "%s is not in the trash", cv_text_str(&t));
	}
	return true;
}

static struct cv_plan *plan_purge(const struct cv_session *s, const struct cv_trash_call *c,
				  const struct cv_trash *trash, const size_t *chosen, size_t count, struct cv_err *err)
{
	uint32_t repository = cv_flow_repository(s, c->path);

	if (repository != UINT32_MAX)
		return cv_plan_purge(s->graph, repository, trash, chosen, count, err);
	cv_fail(err, CV_EUSAGE, "the repository was not scanned");
	return NULL;
}

/* An operation of which nothing is in the trash: what became of it. The newest that took from it tells. */
static void say_gone(const struct cv_trash *trash, const char *operation, struct cv_err *err)
{
	const struct cv_operation_entry *by = NULL;

	for (size_t i = 0; i < trash->operations->count; i++) {
		const struct cv_operation_entry *e = &trash->operations->entries[i];

		if ((e->kind != CV_PLAN_RESTORE && e->kind != CV_PLAN_PURGE) || e->state != CV_OPERATION_DONE)
			continue;
		for (size_t k = 0; k < e->item_count; k++)
			if (!strncmp(operation, cv_uuid_str(e->items[k].from).s, strlen(operation)))
				by = e;
	}
	if (!by)
		cv_fail(err, CV_EREFUSED, "nothing of it is in the trash: there is nothing to take back");
	else
		cv_fail(err, CV_EREFUSED, "what it took away was %s by operation %.8s: there is nothing to take back",
			by->kind == CV_PLAN_RESTORE ? "put back" : "removed for good", cv_uuid_str(by->id).s);
}

static struct cv_plan *plan(struct cv_session *s, void *ctx, struct cv_err *err)
{
	const struct cv_trash_call *c = ctx;
	struct cv_trash *trash = cv_trash_read(c->path, err);
	CV_AUTO(cv_auto_free) size_t *chosen = trash ? calloc(trash->count + 1, sizeof *chosen) : NULL;
	struct cv_plan *made = NULL;
	size_t count = 0;

	if (trash && !chosen)
		cv_fail(err, CV_ENOMEM, "out of memory");
	if (chosen && every_word_means_something(c, trash, err)) {
		for (size_t i = 0; i < trash->count; i++)
			if (is_chosen(s, c, &trash->entries[i]))
				chosen[count++] = i;
		if (c->operation && !count)
			say_gone(trash, c->operation, err);
		else
			made = c->purge ? plan_purge(s, c, trash, chosen, count, err)
					: cv_plan_restore(c->path, trash, chosen, count, err);
	}
	cv_trash_free(trash);
	return made;
}

static void tell_restored(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_addf(out, "put back %zu image%s: operation %s\n", done->item_count, done->item_count == 1 ? "" : "s",
		     cv_uuid_str(result->id).s);
}

static void tell_purged(const struct cv_plan *done, const struct cv_operation_result *result, struct cv_text *out)
{
	cv_text_addf(out, "removed %zu image%s for good: operation %s\n", done->item_count,
		     done->item_count == 1 ? "" : "s", cv_uuid_str(result->id).s);
}

static bool write_list(const struct cv_sink *sink, void *ctx)
{
	const struct cv_trash *trash = ctx;
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (trash->count)
		cv_text_add(&t, "OPERATION  SINCE                      ALLOC  IMAGE\n");
	for (size_t i = 0; i < trash->count; i++) {
		const struct cv_trash_entry *e = &trash->entries[i];

		cv_text_addf(&t, "%.8s   %s  %9s  ", cv_uuid_str(e->operation).s, cv_time_utc(e->since).s,
			     cv_size_short(e->allocated).s);
		cv_text_escape(&t, cv_bytes_of(e->item->path));
		cv_text_add(&t, "\n");
	}
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

struct listing {
	const struct cv_session *s;
	const char *path;
	const struct cv_trash *trash;
};

static bool write_json(const struct cv_sink *sink, void *ctx)
{
	const struct listing *l = ctx;
	struct cv_report_head head = { l->s->command, l->s->argc, l->s->argv, CV_EXIT_OK };

	return cv_report_trash_json(l->path, l->trash, &head, sink);
}

static int list(struct cv_session *s, const struct cv_trash_call *c)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_trash *trash = cv_trash_read(c->path, &err);
	struct listing listing = { s, c->path, trash };
	int status;

	if (!trash)
		return cv_command_fail(s, &err);
	if (!trash->count && !s->settings.quiet && !s->settings.json)
		fputs("chainview: the trash is empty\n", stderr);
	status = cv_output_report(s->settings.json ? (struct cv_report_call){ write_json, &listing }
						   : (struct cv_report_call){ write_list, trash },
				  CV_EXIT_OK);
	cv_trash_free(trash);
	return status;
}

struct cv_write_call cv_trash_call_of(struct cv_trash_call *c)
{
	return c->purge ? (struct cv_write_call){ plan, c, true, "nothing in the trash is old enough (--trash-keep, --now)",
						  tell_purged }
			: (struct cv_write_call){ plan, c, false, "there is nothing to restore", tell_restored };
}

static int restore(struct cv_session *s, struct cv_trash_call *c)
{
	struct cv_write_call call = cv_trash_call_of(c);

	if (!c->word_count && !c->operation && !s->settings.write.all)
		return cv_command_usage(s, "name the images, or give --all");
	return cv_write_run(s, &call);
}

static int purge(struct cv_session *s, struct cv_trash_call *c)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_write_call call;

	c->purge = true;
	call = cv_trash_call_of(c);
	return cv_session_add_all(s, NULL, 0, &err) ? cv_write_run(s, &call) : cv_command_fail(s, &err);
}

static int run(struct cv_session *s, int argc, char **argv)
{
	struct cv_trash_call c = { .words = argv + 2, .word_count = argc > 2 ? (size_t)argc - 2 : 0 };
	struct cv_err err = { .code = CV_OK };
	const char *verb = argc ? argv[0] : "";
	int status;

	if (argc < 2)
		return cv_command_usage(s, "say list, restore or purge, and give one repository");
	if (!cv_write_repository(s, argv[1], &c.path, &err))
		return cv_command_fail(s, &err);
	if (!strcmp(verb, "list") && argc == 2)
		status = list(s, &c);
	else if (!strcmp(verb, "restore"))
		status = restore(s, &c);
	else if (!strcmp(verb, "purge"))
		status = purge(s, &c);
	else
		status = cv_command_usage(s, "say list, restore or purge, and give one repository");
	free(c.path);
	return status;
}

const struct cv_command cv_command_trash = {
	"trash", "list|restore|purge REPO [IMAGE...]", "what was taken away: show it, put it back, remove it for good",
	CV_COMMAND_WRITES, options, run,
};

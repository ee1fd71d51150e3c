/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The flow that commands share: places, scan with progress and signals, references, graph. What is printed
 * about the graph does not belong here.
 */
#include <sys/stat.h>

#include "tui/command/exit.h"
#include "tui/command/output.h"
#include "tui/command/policy.h"
#include "tui/command/progress.h"
#include "tui/command/session.h"
#include "tui/command/signals.h"

#define STEP_MS 50

void cv_session_init(struct cv_session *s, int argc, char **argv)
{
	*s = (struct cv_session){ .argc = argc, .argv = calloc((size_t)argc + 1, sizeof *argv) };
	if (s->argv)
		memcpy(s->argv, argv, (size_t)argc * sizeof *argv);
	else
		s->argc = 0;
	cv_settings_init(&s->settings);
}

void cv_session_fini(struct cv_session *s)
{
	cv_graph_free(s->graph);
	cv_references_free(s->refs);
	cv_check_free(s->checks);
	cv_scan_free(s->scan);
	for (size_t i = 0; i < s->places.len; i++)
		free(s->places.at[i].path);
	free(s->places.at);
	free(s->argv);
	cv_config_fini(&s->config);
	cv_settings_fini(&s->settings);
}

void cv_session_show_word(struct cv_text *out, const char *word)
{
	CV_AUTO(cv_text_fini) struct cv_text raw = { 0 };

	cv_text_unescape(&raw, cv_bytes_of(word));
	cv_text_escape(out, (struct cv_bytes){ cv_text_str(&raw), raw.len });
	out->failed |= raw.failed;
}

static bool fail_at(struct cv_err *err, const char *what, const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	int saved = errno;

	cv_session_show_word(&t, path);
	errno = saved;
	return cv_fail_errno(err, "%s %s", what, cv_text_str(&t));
}

static struct cv_session_place *place_like(struct cv_session *s, const struct cv_session_place *p)
{
	for (size_t i = 0; i < s->places.len; i++) {
		struct cv_session_place *q = &s->places.at[i];

		if (q->device == p->device && q->inode == p->inode && q->offset == p->offset)
			return q;
	}
	return NULL;
}

const char *cv_session_stat(const char *word, struct cv_text *unescaped, struct stat *st)
{
	int saved;

	if (!stat(word, st))
		return word;
	saved = errno;
	cv_text_clear(unescaped);
	cv_text_unescape(unescaped, cv_bytes_of(word));
	if (!unescaped->failed && strlen(cv_text_str(unescaped)) == unescaped->len && !stat(cv_text_str(unescaped), st))
		return cv_text_str(unescaped);
	errno = saved;
	return NULL;
}

/* The folder of an image that is a repository by itself: its relatives are looked for there, as they are when the
 * image is asked about, but only the image is reported on. */
static bool add_folder_of(struct cv_session *s, const char *path, const struct stat *st, struct cv_err *err)
{
	const char *slash = strrchr(path, '/');
	CV_AUTO(cv_auto_free) char *folder = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));

	if (!S_ISREG(st->st_mode) || s->settings.has_offset)
		return true;
	return folder ? cv_session_add(s, folder, true, err) : cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_session_add(struct cv_session *s, const char *repository, bool other, struct cv_err *err)
{
	const struct cv_config_repository *named = cv_config_named(&s->config, repository);
	struct cv_session_place p = { .other = other }, *old;
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 };
	const char *path;
	struct stat st;

	if (!*repository)
		return cv_fail(err, CV_EUSAGE, "a repository cannot have an empty name");
	path = cv_session_stat(named ? named->path : repository, &unescaped, &st);
	if (!path)
		return fail_at(err, "cannot open", named ? named->path : repository);
	p.device = st.st_dev;
	p.inode = st.st_ino;
	p.offset = s->settings.has_offset && !other && !S_ISDIR(st.st_mode) ? s->settings.offset : 0;
	old = place_like(s, &p);
	if (old) {
		old->other = old->other && other;
		return true;
	}
	p.path = strdup(path);
	if (p.path && cv_session_places_push(&s->places, p))
		return other || add_folder_of(s, path, &st, err);
	free(p.path);
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

/* A configured repository that is not there (not mounted, say) is said and does not stop the rest. */
static bool add_configured(struct cv_session *s, bool other, struct cv_err *err)
{
	for (size_t i = 0; i < s->config.repositories.len; i++) {
		if (cv_session_add(s, s->config.repositories.at[i].name, other, err))
			continue;
		if (err->code != CV_EIO)
			return false;
		cv_wrap(err, "configured repository");
		cv_complain(err->text);
		cv_err_clear(err);
		s->unavailable = true;
	}
	return true;
}

static bool has_main_place(const struct cv_session *s)
{
	for (size_t i = 0; i < s->places.len; i++)
		if (!s->places.at[i].other)
			return true;
	return false;
}

/* Of several repositories one that is not there does not stop the rest either. */
static bool add_given(struct cv_session *s, char *const *repositories, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (cv_session_add(s, repositories[i], false, err))
			continue;
		if (err->code != CV_EIO || count == 1)
			return false;
		cv_complain(err->text);
		cv_err_clear(err);
		s->unavailable = true;
	}
	return true;
}

bool cv_session_add_all(struct cv_session *s, char *const *repositories, size_t count, struct cv_err *err)
{
	if (!add_given(s, repositories, count, err))
		return false;
	if (s->settings.repo && !cv_session_add(s, s->settings.repo, false, err))
		return false;
	for (size_t i = 0; i < s->settings.with.len; i++)
		if (!cv_session_add(s, s->settings.with.at[i], true, err))
			return false;
	if (!add_configured(s, has_main_place(s), err))
		return false;
	if (has_main_place(s))
		return true;
	if (s->unavailable)
		return cv_fail(err, CV_EIO, "none of the %srepositories is there", count ? "" : "configured ");
	return cv_fail(err, CV_EUSAGE, "no repository given and none configured");
}

struct cv_place *cv_session_place_list(const struct cv_session *s, size_t *count)
{
	struct cv_place *list = calloc(s->places.len + 1, sizeof *list);

	*count = s->places.len;
	for (size_t i = 0; list && i < s->places.len; i++)
		list[i] = (struct cv_place){ .path = s->places.at[i].path, .other = s->places.at[i].other,
					     .offset = s->places.at[i].offset };
	return list;
}

struct cv_scan_options cv_session_scan_options(const struct cv_session *s, const struct cv_place *places, size_t count)
{
	return (struct cv_scan_options){
		.places = places, .place_count = count, .cross_file_systems = s->settings.cross_file_systems,
		.workers = s->settings.workers, .require_sandbox = s->settings.require_sandbox,
	};
}

static struct cv_scan *new_scan(const struct cv_session *s, struct cv_err *err)
{
	size_t count;
	CV_AUTO(cv_auto_free) struct cv_place *places = cv_session_place_list(s, &count);
	struct cv_scan_options options = cv_session_scan_options(s, places, count);

	if (!places) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	return cv_scan_new(&options, err);
}

/* Whenever the signal came: what is reported after it is not called complete. */
static bool notice_signal(struct cv_session *s)
{
	if (!s->cancelled && cv_signals_stop()) {
		cv_scan_cancel(s->scan);
		if (s->checks)
			cv_check_cancel(s->checks);
		s->cancelled = true;
	}
	return s->cancelled;
}

static void scan_all(struct cv_session *s)
{
	struct cv_progress_line line = cv_progress_begin(&s->settings);
	struct cv_scan_progress p;

	while (!notice_signal(s) && cv_scan_step(s->scan, STEP_MS)) {
		p = cv_scan_progress(s->scan);
		cv_progress_show(&line, &p);
		if (s->watch)
			s->watch(s->watch_ctx, p.files_read, p.files_found);
	}
	p = cv_scan_progress(s->scan);
	cv_progress_tell(&line, 1, p.files_read, p.files_found, NULL);
	cv_progress_end(&line);
}

/* Images that a signal leaves out are said to be incomplete by the cancelled scan. */
static bool check_all(struct cv_session *s, const bool *wanted, struct cv_err *err)
{
	struct cv_check_options options = { .workers = s->settings.workers, .wanted = wanted };
	struct cv_progress_line line = cv_progress_begin(&s->settings);
	struct cv_check_progress p;

	if (s->cancelled)
		return true;
	s->checks = cv_check_new(s->scan, &options, err);
	if (!s->checks)
		return false;
	while (!notice_signal(s) && cv_check_step(s->checks, STEP_MS)) {
		p = cv_check_progress(s->checks);
		cv_progress_show_check(&line, &p);
	}
	p = cv_check_progress(s->checks);
	cv_progress_tell(&line, 2, p.images_done, p.images, NULL);
	cv_progress_end(&line);
	return true;
}

const char *cv_session_refs(const struct cv_session *s)
{
	return s->settings.refs ? s->settings.refs : s->config.refs;
}

/* A signal that comes while the graph is built changes what may be said: it is built once more. */
static bool build_graph(struct cv_session *s, struct cv_err *err)
{
	struct cv_graph_policy policy = s->config.policy;

	cv_policy_over(&policy, &s->settings.policy);
	do {
		notice_signal(s);
		cv_graph_free(s->graph);
		s->graph = cv_graph_build(s->scan, s->refs, s->checks, &policy, err);
	} while (s->graph && !s->cancelled && cv_signals_stop());
	return s->graph != NULL;
}

bool cv_session_check(struct cv_session *s, const bool *wanted, struct cv_err *err)
{
	return check_all(s, wanted, err) && build_graph(s, err);
}

bool cv_session_run(struct cv_session *s, struct cv_err *err)
{
	cv_signals_catch();
	s->scan = new_scan(s, err);
	if (!s->scan)
		return false;
	scan_all(s);
	if (s->tables && !check_all(s, NULL, err))
		return false;
	s->refs = cv_references_read(cv_session_refs(s), s->scan, err);
	return s->refs && build_graph(s, err);
}

bool cv_session_again(struct cv_session *s, struct cv_err *err)
{
	cv_graph_free(s->graph);
	cv_references_free(s->refs);
	cv_check_free(s->checks);
	cv_scan_free(s->scan);
	s->graph = NULL;
	s->refs = NULL;
	s->checks = NULL;
	s->scan = NULL;
	return cv_session_run(s, err);
}

bool cv_session_holds(const struct cv_session *s, const char *path)
{
	CV_AUTO(cv_auto_free) char *real = realpath(path, NULL);
	const char *slash = strrchr(path, '/');

	if (!real) {
		CV_AUTO(cv_auto_free) char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");

		real = folder ? realpath(folder, NULL) : NULL;
	}
	for (size_t i = 0; real && i < s->places.len; i++) {
		CV_AUTO(cv_auto_free) char *place = realpath(s->places.at[i].path, NULL);
		size_t len = place ? strlen(place) : 0;

		if (place && !strncmp(real, place, len) && (real[len] == '/' || !real[len] || len == 1))
			return true;
	}
	return false;
}

/* A source that was asked for by name, on the command line or in the configuration, and could not be read at all. */
static bool source_failed(const struct cv_session *s)
{
	for (size_t i = 0; s->refs && i < s->refs->source_count; i++)
		if (!s->refs->sources[i].automatic && !s->refs->sources[i].read && s->refs->sources[i].trouble)
			return true;
	return false;
}

bool cv_session_incomplete(const struct cv_session *s)
{
	if (s->unavailable || source_failed(s))
		return true;
	for (size_t i = 0; i < cv_scan_repository_count(s->scan); i++)
		if (cv_scan_repository(s->scan, i)->failed)
			return true;
	for (size_t i = 0; i < cv_scan_file_count(s->scan); i++) {
		const struct cv_checked *c = s->checks ? cv_check_of(s->checks, i) : NULL;

		if (cv_scan_file(s->scan, i)->state == CV_FILE_FAILED || (c && c->trouble))
			return true;
	}
	return false;
}

int cv_session_status(const struct cv_session *s)
{
	return (cv_session_incomplete(s) ? CV_EXIT_FAILED : 0) | (s->cancelled ? CV_EXIT_CANCELLED : 0);
}

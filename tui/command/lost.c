/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A second scan, of places whose images are nobody's parents by themselves, and the search for lost parents in both. */
#include <sys/stat.h>

#include "tui/command/fingerprints.h"
#include "tui/command/lost.h"
#include "tui/command/output.h"
#include "tui/command/signals.h"

#define STEP_MS 50

CV_VEC(place_vec, struct cv_place);

static bool is_folder(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISDIR(st.st_mode);
}

static bool push(struct place_vec *places, const char *path, struct cv_err *err)
{
	struct cv_place p = { .path = strdup(path) };

	if (p.path && place_vec_push(places, p))
		return true;
	free((void *)(uintptr_t)p.path);
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

/* Both folders are made by us: a link in their place is nothing to follow. */
static bool add_trash(struct place_vec *places, const struct cv_repository *r, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	bool there;

	cv_text_addf(&path, "%s/.chainview", r->path);
	there = is_folder(cv_text_str(&path));
	cv_text_add(&path, "/trash");
	if (path.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return !there || !is_folder(path.at) || push(places, path.at, err);
}

static bool add_search(struct place_vec *places, const char *word, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text unescaped = { 0 }, shown = { 0 };
	struct stat st;
	const char *path = cv_session_stat(word, &unescaped, &st);
	int number = errno;

	if (path)
		return push(places, path, err);
	cv_session_show_word(&shown, word);
	errno = number;
	return cv_fail_errno(err, "cannot search %s", cv_text_str(&shown));
}

static bool add_places(const struct cv_session *s, struct place_vec *places, struct cv_err *err)
{
	bool ok = true;

	for (size_t i = 0; ok && i < s->settings.search.len; i++)
		ok = add_search(places, s->settings.search.at[i], err);
	for (size_t i = 0; ok && i < cv_scan_repository_count(s->scan); i++)
		ok = add_trash(places, cv_scan_repository(s->scan, i), err);
	return ok;
}

static bool scan(struct cv_session *s, const struct place_vec *places, struct cv_lost_parents *out, struct cv_err *err)
{
	struct cv_scan_options options = cv_session_scan_options(s, places->at, places->len);

	out->scan = cv_scan_new(&options, err);
	if (!out->scan)
		return false;
	do {
		s->cancelled |= cv_signals_stop();
		if (s->cancelled)
			cv_scan_cancel(out->scan);
	} while (!s->cancelled && cv_scan_step(out->scan, STEP_MS));
	out->graph = cv_graph_build(out->scan, NULL, NULL, NULL, err);
	return out->graph != NULL;
}

static bool any_lost(const struct cv_graph *g, const uint32_t *images, size_t count)
{
	enum cv_problem_id problem;

	for (size_t i = 0; i < (images ? count : g->image_count); i++)
		if (cv_link_lost(g, images ? images[i] : (uint32_t)i, &problem))
			return true;
	return false;
}

/* What was kept and cannot be used is said, and is no reason to say nothing else. */
static void load_known(const struct cv_session *s, struct cv_lost_parents *out)
{
	struct cv_err err = { .code = CV_OK };
	bool usable;

	out->known = cv_fingerprints_load(&usable, &err);
	if (err.code && (usable || err.code == CV_EREFUSED || s->settings.verbose)) {
		cv_wrap(&err, "fingerprints are not compared");
		cv_complain(err.text);
	}
}

bool cv_lost_parents_find(struct cv_session *s, const uint32_t *images, size_t count, struct cv_lost_parents *out,
			  struct cv_err *err)
{
	struct place_vec places = { 0 };
	struct cv_candidates_options o = { .only = images, .only_count = count, .stop = cv_signals_stop };
	bool ok = add_places(s, &places, err);

	*out = (struct cv_lost_parents){ 0 };
	if (ok && any_lost(s->graph, images, count)) {
		ok = !places.len || scan(s, &places, out, err);
		if (ok)
			load_known(s, out);
		o.spare = out->graph;
		o.known = out->known;
		out->found = ok ? cv_candidates_find(s->graph, &o, err) : NULL;
		ok = ok && out->found;
		s->cancelled |= cv_signals_stop();
	}
	for (size_t i = 0; i < places.len; i++)
		free((void *)(uintptr_t)places.at[i].path);
	free(places.at);
	return ok;
}

void cv_lost_parents_fini(struct cv_lost_parents *l)
{
	cv_candidates_free(l->found);
	cv_fingerprints_free(l->known);
	cv_graph_free(l->graph);
	cv_scan_free(l->scan);
}

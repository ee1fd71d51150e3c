/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The closer look of check. The fingerprints are compared and renewed in the state folder. The space is accounted for
 * in chains only, as nobody can stand in the light of an image that stands alone, and not when there are so many of
 * them that it would take long: then chainview space tells. Who wants to know all of it gets what was read then.
 */
#include <time.h>

#include <chainview/space.h>

#include "tui/command/closer.h"
#include "tui/command/survey.h"
#include "tui/command/fingerprints.h"
#include "tui/command/output.h"
#include "tui/command/signals.h"
#include "tui/command/state.h"

/* Images that stand on others or carry some; each takes some milliseconds. */
#define MOST_IMAGES_IN_CHAINS 1000u

CV_VEC(finding_vec, struct cv_finding);

struct closer {
	struct cv_session *s;
	struct cv_fingerprinted *prints;
	struct cv_space *space;
	bool whole;                     /* of all images: somebody wants that anyway */
	struct finding_vec findings;
};

static void complain(const char *what, const struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "%s: %s", what, err->text);
	cv_complain(cv_text_str(&t));
}

static bool add(struct closer *c, const struct cv_finding *findings, size_t count, enum cv_problem_id only)
{
	for (size_t i = 0; i < count; i++)
		if (findings[i].id == only && !finding_vec_push(&c->findings, findings[i]))
			return false;
	return true;
}

static bool compare_prints(struct closer *c, struct cv_err *err)
{
	const struct cv_settings *settings = &c->s->settings;
	struct cv_fingerprint_options how = {
		.renew = settings->fingerprints == CV_FINGERPRINTS_RENEW, .now = time(NULL), .stop = cv_signals_stop,
	};
	struct cv_err trouble = { .code = CV_OK };
	struct cv_fingerprints *known;
	bool usable = false;

	if (settings->fingerprints == CV_FINGERPRINTS_OFF || !cv_state_folder() || cv_session_holds(c->s, cv_state_folder()))
		return true;
	known = cv_fingerprints_load(&usable, &trouble);
	/* No check depends on the folder; what is in it and cannot be believed is another matter. */
	if (trouble.code && (usable || trouble.code == CV_EREFUSED || settings->verbose))
		complain("fingerprints are not compared", &trouble);
	c->s->unavailable |= usable && trouble.code;
	if (usable)
		c->prints = cv_fingerprint_graph(c->s->graph, known, &how, err);
	cv_fingerprints_free(known);
	if (!usable)
		return true;
	if (!c->prints)
		return false;
	cv_err_clear(&trouble);
	if (!cv_fingerprints_store(c->prints->now, how.now, &trouble))
		complain("fingerprints are not kept", &trouble);
	c->s->cancelled |= c->prints->cancelled;
	return add(c, c->prints->findings, c->prints->finding_count, CV_CHN_PARENT_CONTENT_CHANGED) ||
	       cv_fail(err, CV_ENOMEM, "out of memory");
}

static size_t images_in_chains(const struct cv_graph *g)
{
	size_t count = 0;

	for (size_t i = 0; i < g->image_count; i++)
		count += g->images[i].child_count || g->images[i].parent != CV_NO_IMAGE;
	return count;
}

static bool account(struct closer *c, struct cv_err *err)
{
	struct cv_space_options how = { .chains_only = !c->whole, .processes = c->s->settings.workers,
					.reserve = cv_session_reserve(c->s) };
	size_t count = images_in_chains(c->s->graph);

	if (!c->whole && (!count || c->s->graph->partial))
		return true;
	if (!c->whole && count > MOST_IMAGES_IN_CHAINS) {
		if (c->s->settings.verbose)
			cv_complain("shadowed-data is not looked for in so many images: chainview space does");
		return true;
	}
	c->space = cv_session_survey(c->s, &how, err);
	if (!c->space)
		return false;
	c->s->cancelled |= c->space->cancelled;
	return add(c, c->space->findings, c->space->finding_count, CV_SPC_SHADOWED_DATA) ||
	       cv_fail(err, CV_ENOMEM, "out of memory");
}

/* The graph once more, with what has been found so far. */
static bool rebuild(struct closer *c, struct cv_err *err)
{
	struct cv_graph *again = c->findings.len ? cv_graph_rebuild(c->s->graph, c->findings.at, c->findings.len, err)
						 : c->s->graph;

	if (!again)
		return false;
	if (again != c->s->graph)
		cv_graph_free(c->s->graph);
	c->s->graph = again;
	if (c->space)
		c->space->graph = again;
	return true;
}

/* What is planned to be freed depends on what the fingerprints say. */
static bool look(struct closer *c, struct cv_err *err)
{
	size_t found;

	if (c->s->cancelled)
		return true;
	if (!compare_prints(c, err) || !rebuild(c, err))
		return false;
	found = c->findings.len;
	return c->s->cancelled || (account(c, err) && (c->findings.len == found || rebuild(c, err)));
}

bool cv_session_look_closer(struct cv_session *s, struct cv_space **whole, struct cv_err *err)
{
	struct closer c = { .s = s, .whole = whole };
	bool ok = look(&c, err);

	if (whole)
		*whole = ok ? cv_take(c.space) : NULL;
	cv_fingerprinted_free(c.prints);
	cv_space_free(c.space);
	free(c.findings.at);
	return ok;
}

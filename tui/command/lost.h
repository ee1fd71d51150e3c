/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Looking for lost parents: besides the repositories also in their trash, and in the places of --search. */
#ifndef TUI_COMMAND_LOST_H
#define TUI_COMMAND_LOST_H

#include <chainview/candidates.h>

#include "tui/command/session.h"

struct cv_lost_parents {
	struct cv_scan *scan; /* of the trash and the places of --search; NULL if there are none */
	struct cv_graph *graph;
	struct cv_fingerprints *known;
	struct cv_candidates *found; /* NULL: no link was broken, so nobody looked */
};

/* After cv_session_run(): for these images of its graph (NULL: all). A signal is as it is there. */
bool cv_lost_parents_find(struct cv_session *s, const uint32_t *images, size_t count, struct cv_lost_parents *out,
			  struct cv_err *err);
void cv_lost_parents_fini(struct cv_lost_parents *l);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Thresholds: the same rows for the configuration file (section [defaults], depth_warn = 20) and for the command line
 * (--depth-warn=20), which goes before it.
 */
#ifndef TUI_COMMAND_POLICY_H
#define TUI_COMMAND_POLICY_H

#include <chainview/graph.h>

/* Sets one threshold by the name of its key. False with err empty if there is no such key. */
bool cv_policy_set(struct cv_graph_policy *policy, const char *key, const char *value, struct cv_err *err);
/* Takes over what is set in over. */
void cv_policy_over(struct cv_graph_policy *policy, const struct cv_graph_policy *over);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The configuration file: known repositories and thresholds. /etc/chainview/chainview.conf first, then
 * ~/.config/chainview/config; CHAINVIEW_CONFIG names one file that is read instead of both.
 */
#ifndef TUI_COMMAND_CONFIG_H
#define TUI_COMMAND_CONFIG_H

#include <chainview/graph.h>
#include <chainview/vec.h>

struct cv_config_repository {
	char *name, *path;       /* path is absolute */
};
CV_VEC(cv_config_repositories, struct cv_config_repository);

struct cv_config {
	struct cv_graph_policy policy;
	char *refs;              /* default for --refs, or NULL */
	struct cv_config_repositories repositories;
};

/* Reads the files that there are; a missing one is fine unless CHAINVIEW_CONFIG names it. A bad line gives
 * CV_EUSAGE with "file:line: what". */
bool cv_config_load(struct cv_config *config, struct cv_err *err);
bool cv_config_read_file(struct cv_config *config, const char *path, struct cv_err *err);
void cv_config_fini(struct cv_config *config);

/* The repository of that name, or NULL. */
const struct cv_config_repository *cv_config_named(const struct cv_config *config, const char *name);
/* The repository with the longest path that holds the absolute path, or NULL. */
const struct cv_config_repository *cv_config_enclosing(const struct cv_config *config, const char *path);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The state folder: the last result of each repository, and a lock for each. /var/lib/chainview, or what
 * CHAINVIEW_STATE_DIR names; empty: there is none. Nobody depends on it: a check that cannot write it works without.
 */
#ifndef TUI_COMMAND_STATE_H
#define TUI_COMMAND_STATE_H

#include <chainview/result.h>

#include "tui/command/config.h"

/* NULL: none. */
const char *cv_state_folder(void);

/* How a repository is called where a file or a metric needs a name: its name in the configuration, or its path. */
struct cv_state_name {
	char *name;              /* raw bytes; NULL: it has none but its path */
	char *key;               /* safe in a file name; the same for every way to the repository */
};
bool cv_state_name_of(struct cv_state_name *out, const struct cv_config *config, const char *path, uint64_t offset,
		      struct cv_err *err);
void cv_state_name_fini(struct cv_state_name *n);

/* The last result. CV_EIO with ENOENT if there is none. */
struct cv_result *cv_state_read(const char *key, struct cv_err *err);
bool cv_state_write(const char *key, const struct cv_result *r, struct cv_err *err);
/* A lock that lasts as long as the program does. False with *busy when somebody else has it; false with an error when
 * it cannot be had at all. */
bool cv_state_lock(const char *key, bool *busy, struct cv_err *err);

#endif

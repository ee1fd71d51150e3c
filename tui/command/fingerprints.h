/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fingerprints of the state folder: /var/lib/chainview, or what CHAINVIEW_STATE_DIR names (empty: there is none). They
 * are used when the folder is there; one that CHAINVIEW_STATE_DIR names is made.
 */
#ifndef TUI_COMMAND_FINGERPRINTS_H
#define TUI_COMMAND_FINGERPRINTS_H

#include <chainview/fingerprint.h>

#define CV_FINGERPRINT_FILE "fingerprints.ndjson"

/* What is kept. NULL without an error if there is nothing; *usable: the folder can be used. What is damaged, or could
 * have been written by somebody else, is an error. */
struct cv_fingerprints *cv_fingerprints_load(bool *usable, struct cv_err *err);
/* Merges the set into what is kept by now, under a lock, and puts it in place of that. */
bool cv_fingerprints_store(const struct cv_fingerprints *now, int64_t seconds, struct cv_err *err);

#endif

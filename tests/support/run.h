/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Temporary folders and other programs, for tests that use real peers. */
#ifndef CV_TESTS_SUPPORT_RUN_H
#define CV_TESTS_SUPPORT_RUN_H

#include <chainview/text.h>

/* A fresh folder below $TMPDIR or /tmp; the caller frees the name. Ends the test program if it cannot be had. */
char *cv_test_folder(void);
/* Removes a folder made by cv_test_folder() with all that is in it, and frees the name. */
void cv_test_folder_remove(char *folder);

/* True if a program of this name is on the PATH. */
bool cv_test_has(const char *program);

/* Runs a program (argv NULL-ended) in a folder (NULL: here) and returns its exit status, 128 + signal if it was
 * killed, -1 if it could not be started. Its output is added to out, its errors too if both is set; NULL
 * drops both. */
int cv_test_run(const char *folder, struct cv_text *out, bool both, const char *const argv[]);

/* As above, for a handful of words: cv_test_do(folder, NULL, "qemu-img", "create", ...). Ends the list itself. */
#define cv_test_do(folder, out, ...) cv_test_run(folder, out, false, (const char *const[]){ __VA_ARGS__, NULL })

/* A small generator with a seed, the same everywhere. */
uint32_t cv_test_random(uint32_t *seed, uint32_t below);

#endif

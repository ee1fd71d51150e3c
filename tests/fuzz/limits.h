/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a target may use while it runs: memory (where a sanitizer can count it), and no open at all. */
#ifndef CV_TESTS_FUZZ_LIMITS_H
#define CV_TESTS_FUZZ_LIMITS_H

void fuzz_limits_begin(void);
void fuzz_limits_end(void);

#endif

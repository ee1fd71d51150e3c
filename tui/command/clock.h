/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The time of day, which CHAINVIEW_NOW replaces (Unix seconds or 2026-11-20T10:42:01Z) so that what depends on it can
 * be tested; and how long things take, as people write it.
 */
#ifndef TUI_COMMAND_CLOCK_H
#define TUI_COMMAND_CLOCK_H

#include <chainview/error.h>

/* Unix seconds. */
int64_t cv_clock_now(void);
/* Milliseconds that only ever go forward. */
uint64_t cv_clock_ticks(void);
/* "2027-01-31": the end of that day in UTC, as Unix seconds. */
bool cv_day_parse(const char *text, int64_t *end);
/* "7d", "12h", "30m", "2w", "90" and "90s" as seconds. */
bool cv_duration_parse(const char *text, int64_t *seconds);
/* The same for options and settings: what is the name of the one that takes it. */
bool cv_duration_take(int64_t *seconds, const char *what, const char *text, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One line of progress on standard error, at most ten times a second, erased when the work is done.
 */
#ifndef TUI_COMMAND_PROGRESS_H
#define TUI_COMMAND_PROGRESS_H

#include <chainview/check.h>

#include "tui/command/options.h"

struct cv_progress_line {
	bool on, terminal, drawn;
	int fd;                      /* "pass done total name" lines, as fsck(8) reads them; 0 = none */
	unsigned width;
	uint64_t next_ms;            /* not drawn again before this time */
	const char *what;            /* of bytes that are counted, since when, from how many on */
	uint64_t since_ms, from;
};

struct cv_progress_line cv_progress_begin(const struct cv_settings *settings);
/* True if something may be drawn now; then text, one line, is what is shown. */
bool cv_progress_due(struct cv_progress_line *line);
void cv_progress_text(struct cv_progress_line *line, const char *text);
/* How far a scan is. */
void cv_progress_show(struct cv_progress_line *line, const struct cv_scan_progress *p);
void cv_progress_show_check(struct cv_progress_line *line, const struct cv_check_progress *p);
/* "copy: 1.2G of 4.0G, 310M/s, 9 s left"; total 0: not known. The rate is counted anew for each other what (static). */
void cv_progress_show_bytes(struct cv_progress_line *line, const char *what, uint64_t done, uint64_t total);
/* The line for fsck(8) alone, if it is wanted: it adds those of several checks together. Also for the end of a pass. */
void cv_progress_tell(const struct cv_progress_line *line, unsigned pass, size_t done, size_t total, const char *current);
void cv_progress_end(struct cv_progress_line *line);

#endif

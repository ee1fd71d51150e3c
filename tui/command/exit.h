/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Exit statuses: bits, OR-ed, as users and scripts rely on them.
 */
#ifndef TUI_COMMAND_EXIT_H
#define TUI_COMMAND_EXIT_H

#include <chainview/error.h>

enum cv_exit {
	CV_EXIT_OK = 0,
	CV_EXIT_CORRECTED = 1,
	CV_EXIT_ERRORS = 4,          /* check: errors are left; others: refused by a safety rule */
	CV_EXIT_FAILED = 8,          /* could not look or could not finish */
	CV_EXIT_USAGE = 16,
	CV_EXIT_CANCELLED = 32,
	CV_EXIT_WARNINGS = 64,       /* check only */
};

static inline int cv_exit_of(const struct cv_err *err)
{
	switch (err->code) {
	case CV_OK:
		return CV_EXIT_OK;
	case CV_EUSAGE:
		return CV_EXIT_USAGE;
	case CV_EREFUSED:
		return CV_EXIT_ERRORS;
	case CV_ECANCELLED:
		return CV_EXIT_CANCELLED;
	default:
		return CV_EXIT_FAILED;
	}
}

#endif

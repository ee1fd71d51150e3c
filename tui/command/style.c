/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How to draw on a descriptor: options first, then what the environment says, then the terminal itself.
 */
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tui/command/session.h"

static bool says(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static bool wants_color(enum cv_when when, int fd)
{
	const char *force = getenv("CLICOLOR_FORCE"), *term = getenv("TERM");

	if (when != CV_WHEN_AUTO)
		return when == CV_WHEN_ALWAYS;
	if (says("NO_COLOR"))
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(fd) == 1 && term && *term && strcmp(term, "dumb") != 0;
}

static unsigned columns_of(int fd)
{
	const char *columns = getenv("COLUMNS");
	unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;
	struct winsize size;

	if (n > 0 && n < 10000)
		return (unsigned)n;
	return isatty(fd) == 1 && !ioctl(fd, TIOCGWINSZ, &size) ? size.ws_col : 0;
}

struct cv_style cv_session_style(const struct cv_session *s, int fd)
{
	return (struct cv_style){
		.color = wants_color(s->settings.color, fd),
		.ascii = s->settings.ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0,
		.width = columns_of(fd),
		.verbose = s->settings.verbose,
	};
}

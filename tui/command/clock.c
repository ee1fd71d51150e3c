/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Clock, days and durations. */
#include <time.h>

#include "tui/command/clock.h"

static bool read_all(const char *text, const char *format, int64_t *at)
{
	struct tm tm = { .tm_mday = 1 };
	const char *end = strptime(text, format, &tm);

	if (!end || *end)
		return false;
	*at = (int64_t)timegm(&tm);
	return true;
}

int64_t cv_clock_now(void)
{
	const char *given = getenv("CHAINVIEW_NOW");
	int64_t at;

	if (given && *given && (read_all(given, "%Y-%m-%dT%H:%M:%SZ", &at) || cv_duration_parse(given, &at)))
		return at;
	return (int64_t)time(NULL);
}

uint64_t cv_clock_ticks(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool cv_day_parse(const char *text, int64_t *end)
{
	/* strptime takes "2027-1-3" too, and 31 February: written back it must be the same. */
	char back[16];
	struct tm tm;
	time_t day;
	int64_t at;

	if (strlen(text) != strlen("2027-01-31") || !read_all(text, "%Y-%m-%d", &at))
		return false;
	day = (time_t)at;
	if (!gmtime_r(&day, &tm) || !strftime(back, sizeof back, "%Y-%m-%d", &tm) || strcmp(back, text) != 0)
		return false;
	*end = at + 86400;
	return true;
}

bool cv_duration_parse(const char *text, int64_t *seconds)
{
	static const struct {
		const char *unit;
		int64_t seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 } };
	char *end;
	long long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoll(text, &end, 10);
	for (size_t i = 0; !errno && i < CV_COUNT(units); i++)
		if (!strcmp(end, units[i].unit))
			return !__builtin_mul_overflow(n, units[i].seconds, seconds);
	return false;
}

bool cv_duration_take(int64_t *seconds, const char *what, const char *text, struct cv_err *err)
{
	return cv_duration_parse(text, seconds) ||
	       cv_fail(err, CV_EUSAGE, "%s takes a time such as 7d, 12h or 30m", what);
}

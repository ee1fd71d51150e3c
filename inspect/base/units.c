/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Sizes, times and identities as text, the same everywhere. */
#include <chainview/text.h>
#include <stdio.h>
#include <time.h>

static const char units[] = "BKMGTPE";

struct cv_size_text cv_size_short(uint64_t bytes)
{
	struct cv_size_text out;
	unsigned unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (!unit)
		snprintf(out.s, sizeof out.s, "%" PRIu64, bytes);
	else if (whole < 100 && rest)
		snprintf(out.s, sizeof out.s, "%" PRIu64 ".%" PRIu64 "%c", whole, rest * 10 / 1024, units[unit]);
	else
		snprintf(out.s, sizeof out.s, "%" PRIu64 "%c", whole, units[unit]);
	return out;
}

/* Digits in groups of three. */
static void grouped(char *out, size_t size, uint64_t n)
{
	char plain[24];
	int digits = snprintf(plain, sizeof plain, "%" PRIu64, n);
	size_t at = 0;

	for (int i = 0; i < digits && at + 2 < size; i++) {
		if (i && (digits - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = plain[i];
	}
	out[at] = '\0';
}

struct cv_size_long cv_size_full(uint64_t bytes)
{
	struct cv_size_long out;
	char digits[32];
	struct cv_size_text brief = cv_size_short(bytes);
	size_t len = strlen(brief.s);

	grouped(digits, sizeof digits, bytes);
	if (bytes < 1024)
		snprintf(out.s, sizeof out.s, "%s B", digits);
	else
		snprintf(out.s, sizeof out.s, "%.*s %ciB (%s B)", (int)len - 1, brief.s, brief.s[len - 1], digits);
	return out;
}

/* What stands behind the digits: the power and whether it counts in 1000 ("GB") or 1024 ("G", "GiB"). */
static bool read_unit(const char *text, unsigned *power, uint64_t *base)
{
	const char *at = *text ? strchr(units, *text & ~0x20) : units;

	if (!at)
		return false;
	*power = (unsigned)(at - units);
	*base = *power && !strcmp(text + 1, "B") ? 1000 : 1024;
	return !*text || !text[1] || (*power && (*base == 1000 || !strcmp(text + 1, "iB")));
}

bool cv_size_parse(const char *text, uint64_t *bytes)
{
	char *end;
	unsigned power;
	uint64_t n, base;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		*bytes = strtoull(text, &end, 16);
		return !errno && end > text + 2 && !*end;
	}
	n = strtoull(text, &end, 10);
	if (errno || !read_unit(end, &power, &base))
		return false;
	while (power--)
		if (__builtin_mul_overflow(n, base, &n))
			return false;
	*bytes = n;
	return true;
}

struct cv_time_text cv_time_utc(int64_t unix_seconds)
{
	struct cv_time_text out;
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < -1900 || tm.tm_year > 8099)
		snprintf(out.s, sizeof out.s, "@%" PRId64, unix_seconds);
	else
		strftime(out.s, sizeof out.s, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

struct cv_uuid_text cv_uuid_str(const uint8_t uuid[16])
{
	struct cv_uuid_text out;
	char *at = out.s;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", uuid[i]);
	}
	return out;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Ranges as the guidelines of the monitoring plugins define them: "10" alerts outside 0..10, "10:" below 10, "~:10"
 * above 10, "10:20" outside, "@10:20" inside; the ends belong to the range.
 */
#include <chainview/result.h>
#include <ctype.h>

/* Digits with at most one point, perhaps a minus; the C locale's point, whatever the caller's is. */
static bool read_number(const char **at, double *n)
{
	const char *c = *at;
	bool minus = *c == '-';
	double scale = 1;
	size_t digits = 0;

	c += minus;
	for (*n = 0; isdigit((unsigned char)*c); c++, digits++)
		*n = *n * 10 + (*c - '0');
	if (*c == '.')
		for (c++; isdigit((unsigned char)*c); c++, digits++)
			*n += (*c - '0') * (scale /= 10);
	*n = minus ? -*n : *n;
	*at = c;
	return digits > 0 && digits < 40;
}

bool cv_nagios_range_parse(struct cv_nagios_range *range, const char *text)
{
	const char *c = text;

	*range = (struct cv_nagios_range){ .has_start = true, .text = text };
	range->inside = *c == '@';
	c += range->inside;
	if (strchr(c, ':')) {
		range->has_start = *c != '~';
		if (!range->has_start)
			c++;
		else if (*c != ':' && !read_number(&c, &range->start))
			return false;
		if (*c != ':')
			return false;
		/* An end that is left out is far away; but then there must be a beginning. */
		if (!*++c)
			return range->has_start && c - text > 1 + range->inside;
	}
	range->has_end = true;
	return read_number(&c, &range->end) && !*c && (!range->has_start || range->start <= range->end);
}

bool cv_nagios_range_alerts(const struct cv_nagios_range *range, double value)
{
	bool within = (!range->has_start || value >= range->start) && (!range->has_end || value <= range->end);

	return within == range->inside;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Thresholds as rows: name, bounds, and where the value goes. */
#include "tui/command/policy.h"

static bool parse_number(const char *value, uint64_t *n)
{
	char *end = NULL;

	errno = 0;
	*n = strtoull(value, &end, 10);
	return *value >= '0' && *value <= '9' && !*end && !errno;
}

static const struct row {
	const char *key;
	bool is_size;            /* else a number within the bounds */
	uint32_t least, most;
	size_t at;               /* in the policy */
} rows[] = {
	{ "depth_warn", false, 1, 100000, offsetof(struct cv_graph_policy, depth_warn) },
	{ "depth_limit", false, 1, 100000, offsetof(struct cv_graph_policy, depth_limit) },
	{ "leak_percent", false, 0, 100, offsetof(struct cv_graph_policy, leak_percent) },
	{ "growth_percent", false, 0, 1000, offsetof(struct cv_graph_policy, growth_percent) },
	{ "space_reserve", true, 0, 0, offsetof(struct cv_graph_policy, space_reserve) },
	{ "unclaimed_bytes", true, 0, 0, offsetof(struct cv_graph_policy, unclaimed_bytes) },
};

bool cv_policy_set(struct cv_graph_policy *policy, const char *key, const char *value, struct cv_err *err)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char *at = (char *)policy + rows[i].at;
		uint64_t n;

		if (strcmp(rows[i].key, key))
			continue;
		if (rows[i].is_size) {
			policy->reserve_set |= rows[i].at == offsetof(struct cv_graph_policy, space_reserve);
			return cv_size_parse(value, (uint64_t *)(void *)at) ||
			       cv_fail(err, CV_EUSAGE, "%s takes a size, such as 10G", key);
		}
		if (!parse_number(value, &n) || n < rows[i].least || n > rows[i].most)
			return cv_fail(err, CV_EUSAGE, "%s takes a number from %" PRIu32 " to %" PRIu32, key, rows[i].least,
				       rows[i].most);
		*(uint32_t *)(void *)at = (uint32_t)n;
		return true;
	}
	return false;
}

void cv_policy_over(struct cv_graph_policy *policy, const struct cv_graph_policy *over)
{
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *from = (const char *)over + rows[i].at;
		char *to = (char *)policy + rows[i].at;

		if (rows[i].is_size && *(const uint64_t *)(const void *)from)
			memcpy(to, from, sizeof(uint64_t));
		else if (!rows[i].is_size && *(const uint32_t *)(const void *)from)
			memcpy(to, from, sizeof(uint32_t));
	}
	if (over->reserve_set)
		policy->space_reserve = over->space_reserve;
	policy->reserve_set |= over->reserve_set;
}

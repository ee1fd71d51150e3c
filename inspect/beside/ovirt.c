/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The metadata file of an oVirt volume: lines KEY=VALUE, the last of which is EOF. */
#include "inspect/beside/beside.h"

/* vdsm keeps it within one sector; later versions pad it. */
#define MOST 8192u

static const struct key {
	const char *name;
	enum cv_attr_id attr;
	bool needed;             /* a file without it is no such file */
} keys[] = {
	{ "PUUID", CV_ATTR_OVIRT_PARENT, true },
	{ "LEGALITY", CV_ATTR_OVIRT_LEGALITY, true },
	{ "IMAGE", CV_ATTR_OVIRT_IMAGE, true },
	{ "FORMAT", CV_ATTR_OVIRT_FORMAT, true },
	{ "VOLTYPE", CV_ATTR_OVIRT_VOLTYPE, false },
};

struct values {
	struct cv_bytes at[CV_COUNT(keys)];
};

static void take_line(struct values *v, struct cv_bytes line)
{
	for (size_t i = 0; i < CV_COUNT(keys); i++) {
		size_t len = strlen(keys[i].name);

		if (line.len > len && !memcmp(line.at, keys[i].name, len) && line.at[len] == '=')
			v->at[i] = (struct cv_bytes){ line.at + len + 1, line.len - len - 1 };
	}
}

bool cv_beside_ovirt(struct cv_bytes text, bool whole, struct cv_facts *facts)
{
	struct values v = { 0 };
	bool ended = false;

	if (!whole || text.len > MOST)
		return false;
	for (size_t pos = 0; pos < text.len && !ended;) {
		const char *at = text.at + pos, *end = memchr(at, '\n', text.len - pos);
		struct cv_bytes line = { at, end ? (size_t)(end - at) : text.len - pos };

		pos += line.len + 1;
		ended = cv_bytes_equal(line, cv_bytes_of("EOF"));
		take_line(&v, line);
	}
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (keys[i].needed && !v.at[i].len)
			return false;
	for (size_t i = 0; ended && i < CV_COUNT(keys); i++)
		if (v.at[i].len)
			cv_facts_text(facts, keys[i].attr, 0, v.at[i],
				      (struct cv_range){ (uint64_t)(v.at[i].at - text.at), v.at[i].len });
	return ended;
}

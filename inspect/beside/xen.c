/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Journals of XenServer / XCP-ng: the undo journal of a resize, and the values of its other journals. */
#include "inspect/beside/beside.h"
#include <uuid/uuid.h>

#define UUID_TEXT 36u
/* A clone journal holds two of them. */
#define MOST_UUIDS 4u

bool cv_beside_resize(struct cv_bytes text, bool whole, struct cv_facts *facts)
{
	static const char cookie[] = "vjournal";
	struct cv_range where = { sizeof cookie - 1, 16 };
	uint8_t uuid[16];

	(void)whole;
	if (text.len < where.off + where.len || memcmp(text.at, cookie, where.off) != 0)
		return false;
	memcpy(uuid, text.at + where.off, sizeof uuid);
	return cv_facts_text(facts, CV_ATTR_RESIZE_OF, 0, cv_bytes_of(cv_uuid_str(uuid).s), where);
}

static bool is_uuid(const char *at)
{
	char text[UUID_TEXT + 1] = "";
	uuid_t uuid;

	memcpy(text, at, UUID_TEXT);
	return uuid_parse(text, uuid) == 0;
}

/* "UUID" or "UUID_UUID", and nothing behind it but blanks. */
bool cv_beside_journal(struct cv_bytes text, bool whole, struct cv_facts *facts)
{
	size_t count = 0, pos = 0;

	while (text.len && strchr(" \n", text.at[text.len - 1]))
		text.len--;
	while (whole && count < MOST_UUIDS && text.len - pos >= UUID_TEXT && is_uuid(text.at + pos)) {
		count++;
		pos += UUID_TEXT;
		if (pos == text.len)
			break;
		if (text.at[pos++] != '_')
			return false;
	}
	if (!count || pos != text.len)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct cv_range where = { i * (UUID_TEXT + 1), UUID_TEXT };

		cv_facts_text(facts, CV_ATTR_JOURNAL_VALUE, (uint32_t)i,
			      (struct cv_bytes){ text.at + where.off, where.len }, where);
	}
	return true;
}

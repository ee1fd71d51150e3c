/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Parent locators: from a path to the bytes that each kind of locator holds. */
#include "repair/vhd/encode.h"

enum payload { URL, WIDE, NARROW, BLOB };

static const struct {
	const char *kind, *code;
	enum payload payload;
} kinds[] = {
	{ "macx", "MacX", URL }, { "w2ku", "W2ku", WIDE },   { "w2ru", "W2ru", WIDE },
	{ "mac", "Mac ", BLOB }, { "wi2r", "Wi2r", NARROW }, { "wi2k", "Wi2k", NARROW },
};

const char *cv_vhd_locator_code(const char *kind)
{
	for (size_t i = 0; i < CV_COUNT(kinds); i++)
		if (!strcmp(kinds[i].kind, kind))
			return kinds[i].code;
	return NULL;
}

static void add_unit(struct cv_text *out, uint32_t unit, bool big_endian)
{
	const uint8_t high = (uint8_t)(unit >> 8), low = (uint8_t)unit;
	const uint8_t bytes[2] = { big_endian ? high : low, big_endian ? low : high };

	cv_text_add_bytes(out, bytes, sizeof bytes);
}

void cv_vhd_add_utf16(struct cv_text *out, struct cv_bytes text, bool big_endian)
{
	for (size_t at = 0; at < text.len;) {
		int32_t c = cv_utf8_next(text, &at);

		if (c < 0x10000) {
			add_unit(out, c < 0 ? 0xfffd : (uint32_t)c, big_endian);
		} else {
			add_unit(out, 0xd800 + (((uint32_t)c - 0x10000) >> 10), big_endian);
			add_unit(out, 0xdc00 + ((uint32_t)c & 0x3ff), big_endian);
		}
	}
}

/* Windows wants backslashes, and vhd-util has every relative path start with ".\". */
static void add_windows(struct cv_text *out, struct cv_bytes path, bool wide)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (path.len > 1 && path.at[0] == '.' && path.at[1] == '.')
		cv_text_add(&t, "./");
	cv_text_add_bytes(&t, path.at, path.len);
	for (size_t i = 0; i < t.len; i++)
		if (t.at[i] == '/')
			t.at[i] = '\\';
	out->failed |= t.failed;
	if (wide)
		cv_vhd_add_utf16(out, (struct cv_bytes){ t.at, t.len }, false);
	else
		cv_text_add_bytes(out, t.at, t.len);
}

void cv_vhd_locator_payload(const char *code, struct cv_bytes path, struct cv_text *out)
{
	for (size_t i = 0; i < CV_COUNT(kinds); i++) {
		if (strcmp(kinds[i].code, code))
			continue;
		if (kinds[i].payload == WIDE || kinds[i].payload == NARROW) {
			add_windows(out, path, kinds[i].payload == WIDE);
			return;
		}
		if (kinds[i].payload == URL)
			cv_text_add(out, "file://");
		cv_text_add_bytes(out, path.at, path.len);
	}
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * UTF-8, UTF-16 and the one sanitiser: every byte of an image or a directory that is shown anywhere has
 * come through cv_text_escape(). Facts on UTF-8 from RFC 3629, on invisible characters from the Unicode
 * character database (general categories Cc, Cf, Zl, Zp, Cs, Co, Cn).
 */
#include <chainview/text.h>

/* How many continuation bytes follow a first byte and which bits of it count; 0xff: not a first byte. */
static unsigned continuation_bytes(unsigned char c, int32_t *bits, int32_t *least)
{
	if (c < 0x80)
		return *bits = c, *least = 0, 0;
	if (c >= 0xc2 && c <= 0xdf)
		return *bits = c & 0x1f, *least = 0x80, 1;
	if (c >= 0xe0 && c <= 0xef)
		return *bits = c & 0x0f, *least = 0x800, 2;
	if (c >= 0xf0 && c <= 0xf4)
		return *bits = c & 0x07, *least = 0x10000, 3;
	return 0xff;
}

int32_t cv_utf8_next(struct cv_bytes bytes, size_t *pos)
{
	size_t start = (*pos)++;
	int32_t c = 0, least = 0;
	unsigned more = continuation_bytes((unsigned char)bytes.at[start], &c, &least);

	if (more == 0xff || bytes.len - start - 1 < more)
		return -1;
	for (unsigned i = 1; i <= more; i++) {
		unsigned char next = (unsigned char)bytes.at[start + i];

		if ((next & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (next & 0x3f);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	*pos = start + 1 + more;
	return c;
}

bool cv_utf8_valid(struct cv_bytes bytes)
{
	for (size_t pos = 0; pos < bytes.len;)
		if (cv_utf8_next(bytes, &pos) < 0)
			return false;
	return true;
}

/* Characters that are legal but not seen, or that change how their neighbours are seen. */
static bool is_unseen(int32_t c)
{
	static const struct { int32_t first, last; } unseen[] = {
		{ 0xad, 0xad },       { 0x34f, 0x34f },     { 0x61c, 0x61c },     { 0x600, 0x605 },
		{ 0x6dd, 0x6dd },     { 0x70f, 0x70f },     { 0x890, 0x891 },     { 0x8e2, 0x8e2 },
		{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },
		{ 0x2028, 0x202e },   { 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xe000, 0xf8ff },
		{ 0xfdd0, 0xfdef },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },   { 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },   { 0xfffe, 0xffff },   { 0x110bd, 0x110bd }, { 0x110cd, 0x110cd },
		{ 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a }, { 0xe0000, 0x10ffff },
	};

	for (size_t i = 0; i < CV_COUNT(unseen); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return (c & 0xfffe) == 0xfffe;
}

static bool starts_an_escape(struct cv_bytes bytes, size_t backslash)
{
	size_t left = bytes.len - backslash - 1;
	const char *next = bytes.at + backslash + 1;

	return (left >= 1 && next[0] == 'x') || (left >= 2 && next[0] == 'u' && next[1] == '{');
}

static void add_byte_escape(struct cv_text *t, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";

	cv_text_add_bytes(t, (const char[]){ '\\', 'x', digits[byte >> 4], digits[byte & 15] }, 4);
}

/* The character c at start; -1 is a byte that is not legal there. */
static bool is_shown_as_it_is(struct cv_bytes bytes, size_t start, int32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return c == '\\' ? !starts_an_escape(bytes, start) : c < 0x80 || !is_unseen(c);
}

void cv_text_escape(struct cv_text *t, struct cv_bytes bytes)
{
	size_t added = 0;

	for (size_t pos = 0; pos < bytes.len;) {
		size_t start = pos;
		int32_t c = cv_utf8_next(bytes, &pos);

		if (is_shown_as_it_is(bytes, start, c))
			continue;
		cv_text_add_bytes(t, bytes.at + added, start - added);
		if (c >= 0xa0)
			cv_text_addf(t, "\\u{%x}", (unsigned)c);
		for (size_t i = start; c < 0xa0 && i < pos; i++)
			add_byte_escape(t, (unsigned char)bytes.at[i]);
		added = pos;
	}
	if (added < bytes.len)
		cv_text_add_bytes(t, bytes.at + added, bytes.len - added);
}

static void add_utf8(struct cv_text *t, uint32_t c)
{
	char b[4];

	if (c < 0x80) {
		b[0] = (char)c;
		cv_text_add_bytes(t, b, 1);
	} else if (c < 0x800) {
		b[0] = (char)(0xc0 | c >> 6);
		b[1] = (char)(0x80 | (c & 0x3f));
		cv_text_add_bytes(t, b, 2);
	} else if (c < 0x10000) {
		b[0] = (char)(0xe0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 0x3f));
		b[2] = (char)(0x80 | (c & 0x3f));
		cv_text_add_bytes(t, b, 3);
	} else {
		b[0] = (char)(0xf0 | c >> 18);
		b[1] = (char)(0x80 | (c >> 12 & 0x3f));
		b[2] = (char)(0x80 | (c >> 6 & 0x3f));
		b[3] = (char)(0x80 | (c & 0x3f));
		cv_text_add_bytes(t, b, 4);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads "\xHH" or "\u{H..}" at pos; returns its length, 0 if there is none. */
static size_t read_escape(struct cv_bytes text, size_t pos, bool *is_byte, uint32_t *value)
{
	const char *s = text.at + pos;
	size_t left = text.len - pos, i = 3;
	uint32_t n = 0;

	if (left >= 4 && s[1] == 'x' && hex_digit(s[2]) >= 0 && hex_digit(s[3]) >= 0) {
		*is_byte = true;
		*value = (uint32_t)(hex_digit(s[2]) << 4 | hex_digit(s[3]));
		return 4;
	}
	if (left < 5 || s[1] != 'u' || s[2] != '{')
		return 0;
	for (; i < left && i < 9 && hex_digit(s[i]) >= 0; i++)
		n = n << 4 | (uint32_t)hex_digit(s[i]);
	if (i == 3 || i == left || s[i] != '}' || n > 0x10ffff)
		return 0;
	*is_byte = false;
	*value = n;
	return i + 1;
}

void cv_text_unescape(struct cv_text *t, struct cv_bytes text)
{
	for (size_t pos = 0; pos < text.len;) {
		bool is_byte = false;
		uint32_t value = 0;
		size_t used = text.at[pos] == '\\' ? read_escape(text, pos, &is_byte, &value) : 0;

		if (!used)
			cv_text_add_bytes(t, text.at + pos, 1);
		else if (is_byte)
			cv_text_add_bytes(t, &(char){ (char)value }, 1);
		else
			add_utf8(t, value);
		pos += used ? used : 1;
	}
}

static uint32_t utf16_unit(const uint8_t *b, bool big_endian)
{
	return big_endian ? (uint32_t)b[0] << 8 | b[1] : (uint32_t)b[1] << 8 | b[0];
}

size_t cv_text_add_utf16(struct cv_text *t, const uint8_t *bytes, size_t len, bool big_endian)
{
	size_t pos = 0;

	while (len - pos >= 2) {
		uint32_t c = utf16_unit(bytes + pos, big_endian);

		if (!c)
			break;
		pos += 2;
		if (c >= 0xd800 && c < 0xdc00 && len - pos >= 2) {
			uint32_t low = utf16_unit(bytes + pos, big_endian);

			if (low >= 0xdc00 && low < 0xe000) {
				c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
				pos += 2;
			}
		}
		add_utf8(t, c);
	}
	return pos;
}

void cv_text_quote(struct cv_text *t, const char *word)
{
	cv_text_add(t, "'");
	for (; *word; word++)
		if (*word == '\'')
			cv_text_add(t, "'\\''");
		else
			cv_text_add_bytes(t, word, 1);
	cv_text_add(t, "'");
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Growing text. What makes foreign bytes printable is in escape.c. */
#include <chainview/text.h>
#include <stdarg.h>
#include <stdio.h>

/* Makes room for more bytes and the NUL behind them. */
static bool reserve(struct cv_text *t, size_t more)
{
	size_t need, cap = t->cap ? t->cap : 64;
	char *grown;

	if (t->failed || __builtin_add_overflow(t->len, more, &need) || need == SIZE_MAX)
		return !(t->failed = true);
	if (need < t->cap)
		return true;
	while (cap <= need)
		cap = cap > SIZE_MAX / 2 ? need + 1 : cap * 2;
	grown = realloc(t->at, cap);
	if (!grown)
		return !(t->failed = true);
	t->at = grown;
	t->cap = cap;
	return true;
}

void cv_text_add_bytes(struct cv_text *t, const void *bytes, size_t len)
{
	if (!reserve(t, len))
		return;
	if (len)
		memcpy(t->at + t->len, bytes, len);
	t->len += len;
	t->at[t->len] = '\0';
}

void cv_text_add(struct cv_text *t, const char *text)
{
	cv_text_add_bytes(t, text, strlen(text));
}

void cv_text_addf(struct cv_text *t, const char *fmt, ...)
{
	va_list args, again;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		t->failed = true;
	else if (reserve(t, (size_t)len))
		t->len += (size_t)vsnprintf(t->at + t->len, (size_t)len + 1, fmt, again);
	va_end(again);
}

void cv_text_fill(struct cv_text *t, char c, size_t count)
{
	if (!reserve(t, count))
		return;
	memset(t->at + t->len, c, count);
	t->len += count;
	t->at[t->len] = '\0';
}

void cv_text_clear(struct cv_text *t)
{
	t->len = 0;
	t->failed = false;
	if (t->at)
		t->at[0] = '\0';
}

void cv_text_fini(struct cv_text *t)
{
	free(t->at);
	*t = (struct cv_text){ 0 };
}

const char *cv_text_str(const struct cv_text *t)
{
	return t->at ? t->at : "";
}

void cv_text_base64(struct cv_text *t, struct cv_bytes bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		const uint8_t *b = (const uint8_t *)bytes.at + i;
		uint32_t n = (uint32_t)b[0] << 16 | (left > 1 ? (uint32_t)b[1] << 8 : 0) | (left > 2 ? b[2] : 0);
		char four[4] = { digits[n >> 18], digits[n >> 12 & 63], left > 1 ? digits[n >> 6 & 63] : '=',
				 left > 2 ? digits[n & 63] : '=' };

		cv_text_add_bytes(t, four, 4);
	}
}

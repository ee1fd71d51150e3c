/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The error object: first error wins, layers add what they were doing in front. Prints nothing. */
#include <chainview/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Cuts a text that filled its buffer so that no UTF-8 character stays half. */
static void cut_on_character(char *text, size_t size)
{
	size_t end = strlen(text);

	if (end + 1 < size)
		return;
	while (end > 0 && ((unsigned char)text[end - 1] & 0xc0) == 0x80)
		end--;
	if (end > 0 && (unsigned char)text[end - 1] >= 0xc0)
		end--;
	text[end] = '\0';
}

static void set(struct cv_err *err, enum cv_status code, int os_errno, const char *fmt, va_list args)
{
	if (err->code != CV_OK)
		return;
	err->code = code;
	err->os_errno = os_errno;
	vsnprintf(err->text, sizeof err->text, fmt, args);
	cut_on_character(err->text, sizeof err->text);
}

bool cv_fail(struct cv_err *err, enum cv_status code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(err, code, 0, fmt, args);
	va_end(args);
	return false;
}

bool cv_fail_errno(struct cv_err *err, const char *fmt, ...)
{
	int saved = errno;
	bool first = err->code == CV_OK;
	va_list args;

	va_start(args, fmt);
	set(err, saved == ENOMEM ? CV_ENOMEM : CV_EIO, saved, fmt, args);
	va_end(args);
	if (first) {
		size_t used = strlen(err->text);

		snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
		cut_on_character(err->text, sizeof err->text);
	}
	return false;
}

bool cv_wrap(struct cv_err *err, const char *fmt, ...)
{
	char old[sizeof err->text];
	va_list args;
	size_t used;

	memcpy(old, err->text, sizeof old);
	va_start(args, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, args);
	va_end(args);
	used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", old);
	cut_on_character(err->text, sizeof err->text);
	return false;
}

void cv_auto_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

const char *cv_version(void)
{
	return CV_VERSION;
}

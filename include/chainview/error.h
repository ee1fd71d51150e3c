/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The error object. Three kinds of trouble have three channels: a bad image is a finding (finding.h),
 * "could not look" is an error (here), a bug of ours is an assert.
 *
 * Rules:
 *  - The caller owns the object; it is the last parameter; a function that takes one returns false (or
 *    NULL) exactly when it has set it. NULL is not allowed.
 *  - The first error wins: setting one that is set keeps the old text.
 *  - Messages start in lower case, carry values with their units, and end without a dot or a newline.
 *    Bytes from images or names go through cv_text_escape() first.
 *  - A layer that adds what it was doing calls cv_wrap(): "while reading the header: <old text>".
 */
#ifndef CHAINVIEW_ERROR_H
#define CHAINVIEW_ERROR_H

#include <chainview/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_status {
	CV_OK,
	CV_EIO,        /* the operating system said no; os_errno says which */
	CV_ENOMEM,
	CV_EFORMAT,    /* the bytes are not what they claim to be */
	CV_EUSAGE,     /* the caller asked for something that does not exist */
	CV_EREFUSED,   /* a safety rule said no; nothing was touched */
	CV_ECANCELLED,
	CV_ELIMIT,     /* a cap on memory, time or count was reached */
};

struct cv_err {
	enum cv_status code;
	int os_errno;          /* 0 when no system call was involved */
	char text[480];        /* NUL-terminated; cut on a character boundary if too long */
};

/* Always returns false, so that "return cv_fail(...)" reads well. */
CV_API bool cv_fail(struct cv_err *err, enum cv_status code, const char *fmt, ...) CV_PRINTF(3, 4);

/* As cv_fail(CV_EIO), with errno recorded and its text appended: "cannot open x: Permission denied". */
CV_API bool cv_fail_errno(struct cv_err *err, const char *fmt, ...) CV_PRINTF(2, 3);

/* Puts "fmt: " before the text that is already there. Always returns false. */
CV_API bool cv_wrap(struct cv_err *err, const char *fmt, ...) CV_PRINTF(2, 3);

/* Makes the object empty again. */
static inline void cv_err_clear(struct cv_err *err)
{
	err->code = CV_OK;
	err->os_errno = 0;
	err->text[0] = '\0';
}

#ifdef __cplusplus
}
#endif
#endif

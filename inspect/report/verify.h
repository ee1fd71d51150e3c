/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the text and the JSON of a verification share. */
#ifndef CV_INSPECT_REPORT_VERIFY_H
#define CV_INSPECT_REPORT_VERIFY_H

#include <chainview/verify.h>

/* 64 digits and a NUL. */
void cv_verify_hex(char out[65], const uint8_t sha256[32]);

#endif

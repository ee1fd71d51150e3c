/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A tiny font for pictures: capital letters, digits and a few signs, three dots wide and five high. */
#ifndef CV_INSPECT_REPORT_MAP_FONT_H
#define CV_INSPECT_REPORT_MAP_FONT_H

#include <stdint.h>

#define CV_FONT_WIDTH 3u
#define CV_FONT_HEIGHT 5u

/* 15 bits, the top left dot is the highest; small letters look like capitals, what is not known like a box. */
uint16_t cv_font_dots(char c);

#endif

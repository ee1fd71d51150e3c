/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Questions to a scan that only the rest of inspect asks. Nothing is opened for an answer. */
#ifndef CV_INSPECT_REPOSITORY_LOOKUP_H
#define CV_INSPECT_REPOSITORY_LOOKUP_H

#include <chainview/scan.h>

/* How many names (hard links) the file has besides those under which it was found. */
uint32_t cv_scan_links_elsewhere(const struct cv_scan *scan, const struct cv_file *file);
/* Another path by which its folder is reached (a bind mount), or NULL. */
const char *cv_scan_mounted_elsewhere(const struct cv_scan *scan, const struct cv_file *file);

#endif

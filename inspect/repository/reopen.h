/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Opening a file of a scan once more, by the rules by which it was opened then. */
#ifndef CV_INSPECT_REPOSITORY_REOPEN_H
#define CV_INSPECT_REPOSITORY_REOPEN_H

#include <chainview/scan.h>

/*
 * A descriptor for reading, or -1 with err set. It is looked up below the root of its repository, under each of its
 * paths, without following links, and must have the device and inode that were scanned. part: where the image lies
 * in the file.
 */
int cv_scan_reopen(const struct cv_scan *scan, const struct cv_file *file, struct cv_range *part, struct cv_err *err);

/* The file that an image names for its guest data (facts: what is in it); NULL if it is not among those that were
 * scanned. */
const struct cv_file *cv_scan_data_file(const struct cv_scan *scan, const struct cv_file *file,
					const struct cv_facts *facts);

#endif

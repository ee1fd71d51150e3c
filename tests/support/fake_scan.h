/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A scan made of a table, for tests of the graph: it implements the functions of scan.h that the graph uses
 * and is linked instead of inspect/repository. No file is touched.
 */
#ifndef CV_TESTS_FAKE_SCAN_H
#define CV_TESTS_FAKE_SCAN_H

#include <chainview/scan.h>

/* An empty scan that is done; cv_scan_free() it. Paths are absolute; everything given is copied. */
struct cv_scan *fake_scan_new(void);
/* The progress that the scan reports. */
void fake_scan_running(struct cv_scan *scan, bool running);
/* A repository; those that are added first get the smaller numbers. */
struct cv_repository *fake_repository(struct cv_scan *scan, const char *path);

/* A regular file that was read: 1 MiB, facts of no format, an inode of its own. */
struct cv_file *fake_file(struct cv_scan *scan, const char *path);
/* Its facts, to be filled in. */
struct cv_facts *fake_facts(struct cv_file *file);
/* Another path of the file; to be added in byte order. */
void fake_alias(struct cv_scan *scan, struct cv_file *file, const char *path);
/* A path that leads to the file by a link on the way, so that the file is not called so. */
void fake_leads(struct cv_scan *scan, const char *path, const struct cv_file *file);
/* Something under a path that is no scanned file. */
void fake_other(struct cv_scan *scan, const char *path, enum cv_found found, const char *what);
/* How often paths were looked up so far. */
size_t fake_lookups(const struct cv_scan *scan);

#endif

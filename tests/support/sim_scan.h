/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A scan of a folder of a simulated disk, without processes: it implements the functions of scan.h and is linked instead
 * of inspect/repository. Whoever opens a file of it once more gets a copy that nobody can write to.
 */
#ifndef TESTS_SUPPORT_SIM_SCAN_H
#define TESTS_SUPPORT_SIM_SCAN_H

#include "tests/support/simdisk.h"
#include <chainview/graph.h>

/* The folder "repository" of the disk, which everybody else knows by this path. */
#define SIM_REPOSITORY "/repository"
enum { SIM_FREE_MIB = 1024 };

/* All of it; cv_scan_free() it. */
struct cv_scan *sim_scan(struct sim *s);
/* The same with the graph of it, and with what the check of tables says. */
struct sim_house {
	struct cv_scan *scan;
	struct cv_check *check;
	struct cv_references refs;
	struct cv_graph *graph;
};
/* needed: "\n"-ended names of images that are referred to; nothing else is, and that is sure. NULL: nobody knows
 * anything but what is on the disk. changed: tables are checked only of files that no earlier scan has seen like that. */
void sim_house_open(struct sim_house *h, struct sim *s, const char *needed, bool changed);
void sim_house_close(struct sim_house *h);
/* CV_NO_IMAGE: there is none of that name. */
uint32_t sim_house_image(const struct sim_house *h, const char *id);

/* Its bytes in memory; until sim_scan_forget() at the latest. */
struct cv_source *sim_scan_source(const struct cv_file *file);

/* Ends the copies that are kept from one scan to the next. */
void sim_scan_forget(void);

#endif

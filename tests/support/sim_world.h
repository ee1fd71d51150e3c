/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Images of recipes on a simulated disk, as items of plans; and what goes before an operation, which is not looked at. */
#ifndef TESTS_SUPPORT_SIM_WORLD_H
#define TESTS_SUPPORT_SIM_WORLD_H

#include "tests/support/simdisk.h"
#include <chainview/plan.h>

/* What a recipe makes, on disk for sure. name: for the message if it cannot be made. */
struct sim *sim_repository(const char *name, const char *recipe);
/* By what its name ends with. */
enum cv_format_id sim_format_of(const char *name);
/* The file as it is now; and with the identity of the image in it. path: borrowed. */
struct cv_plan_item sim_item(struct sim *s, const char *path);
struct cv_plan_item sim_item_of_image(struct sim *s, const char *path);

/* From sim_hush() to sim_watch() every call works, no barrier is left out, and none counts. */
struct sim_hushed {
	void (*before)(struct sim *, void *, const char *);
	uint64_t drop_barrier, fail_at;
};
struct sim_hushed sim_hush(struct sim *s);
void sim_watch(struct sim *s, const struct sim_hushed *hushed);

#endif

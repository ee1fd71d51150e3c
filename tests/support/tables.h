/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The check of the tables of one image, in this process: what was found is compared as text. */
#ifndef CV_TESTS_SUPPORT_TABLES_H
#define CV_TESTS_SUPPORT_TABLES_H

#include <chainview/format.h>

struct cv_tables {
	struct cv_facts *facts;      /* of the check */
	uint64_t corruptions, leaked_bytes;
	unsigned ticks;
	unsigned stop_after;         /* the tick that says no; 0: none does */
	bool done;
	struct cv_err err;           /* why not */
};

/* Reads and checks. Borrows the source; ends the test if the image cannot be read. */
void cv_tables_check(struct cv_tables *t, const struct cv_format *format, struct cv_source *source);
void cv_tables_fini(struct cv_tables *t);
/* The names of the findings in their order, separated by blanks. */
void cv_tables_names(const struct cv_tables *t, char *out, size_t size);
/* The title of one finding, as people see it. */
void cv_tables_title(const struct cv_tables *t, uint32_t index, char *out, size_t size);

#endif

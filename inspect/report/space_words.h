/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the text and the JSON about space share: the rows of what could be freed, and the totals. */
#ifndef CV_INSPECT_REPORT_SPACE_WORDS_H
#define CV_INSPECT_REPORT_SPACE_WORDS_H

#include <chainview/space.h>

/* Why it takes space, what kind of it, and what frees it; an image may have several. */
struct cv_space_row {
	uint64_t bytes;
	const char *kind;
	uint32_t image;
	struct cv_text why, cure;
};
struct cv_space_rows {
	struct cv_space_row *at;
	size_t len, cap;
};

/* The rows of one repository, the largest first. False when memory ran out; fini in any case. */
bool cv_space_rows_make(struct cv_space_rows *rows, const struct cv_space *s, uint32_t repository);
void cv_space_rows_fini(struct cv_space_rows *rows);

/* Sums over the images of a repository that could be computed. */
struct cv_space_totals {
	uint64_t bytes[CV_SPACE_CLASS_COUNT], allocated;
	uint64_t mergeable, merges;      /* what the plan's merges free */
	uint64_t deletable, orphans;     /* what its deletions free */
	size_t unknown;
};
struct cv_space_totals cv_space_totals_of(const struct cv_space *s, uint32_t repository);

#endif

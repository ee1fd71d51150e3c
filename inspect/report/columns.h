/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The columns of the tree, as rows: adding one is a row and a function.
 */
#ifndef CV_INSPECT_REPORT_COLUMNS_H
#define CV_INSPECT_REPORT_COLUMNS_H

#include <chainview/report.h>

#define CV_COLUMNS 5

struct cv_cell { char s[24]; };          /* ASCII */
struct cv_cell cv_cell_text(const char *text);
/* A size, short or exact as the style wants it. */
struct cv_cell cv_cell_size(const struct cv_style *style, uint64_t bytes);

struct cv_column {
	const char *title;
	bool right;
	struct cv_cell (*text)(const struct cv_graph *g, const struct cv_image *m, const struct cv_style *style);
};
extern const struct cv_column cv_columns[CV_COLUMNS];
/* The order in which they go when there is no room. */
extern const unsigned char cv_columns_drop[CV_COLUMNS];

#endif

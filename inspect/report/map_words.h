/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the reports of maps share: names, legend rows, colours. */
#ifndef CV_INSPECT_REPORT_MAP_WORDS_H
#define CV_INSPECT_REPORT_MAP_WORDS_H

#include <chainview/map.h>

/* One of so many rows of a picture has a label. */
#define CV_MAP_LABELLED 4

/* "data", "zero", "unallocated", "bad". */
const char *cv_map_kind_name(enum cv_extent_kind kind);

/* One row of the histogram. */
struct cv_map_row {
	struct cv_map_sight sight;
	struct cv_text name;         /* escaped */
	uint64_t bytes;
};
/* The rows of a view in order, without those of zeros and trouble that are not there. Depths that are 35 and more
 * are one. NULL if memory is short; free with cv_map_rows_free(). */
struct cv_map_row *cv_map_rows(const struct cv_map_view *view, size_t *count);
void cv_map_rows_free(struct cv_map_row *rows, size_t count);

/* The colour of a sight: an index of the 256 colours of terminals, and the same as 0xRRGGBB. */
struct cv_map_colour { unsigned index; uint32_t rgb; };
struct cv_map_colour cv_map_colour(struct cv_map_sight sight, size_t layer_count);

/* "mean 2.3 hops, max 3" of a model. */
void cv_map_add_figures(struct cv_text *t, const struct cv_map_model *m);
/* "after the coalesce of A into B: mean 1.7 hops, max 2"; nothing without a plan. */
void cv_map_add_plan(struct cv_text *t, const struct cv_map_view *view);
/* "96 GiB as 64 x 12 cells of 128 MiB; a cell shows its deepest block, in hops" */
void cv_map_add_scale(struct cv_text *t, const struct cv_map_view *view, size_t columns);

#endif

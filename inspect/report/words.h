/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Phrases and counts that several reports share. Layout does not belong here.
 */
#ifndef CV_INSPECT_REPORT_WORDS_H
#define CV_INSPECT_REPORT_WORDS_H

#include "inspect/report/page.h"

/* Appends the escaped id; the escaped path when the image lies in another repository than seen_from. */
void cv_words_image(struct cv_text *t, const struct cv_graph *g, uint32_t image, uint32_t seen_from);
/* Appends the name by which an image calls its parent: the one found, the recorded text, or the identity. */
void cv_words_parent(struct cv_text *t, const struct cv_graph *g, uint32_t image);
/* True if the fields that would say who the parent is are unreadable themselves. */
bool cv_words_parent_unknown(const struct cv_image *m);
/* Behind the title of a finding that is advisory. */
#define CV_WORDS_ADVISORY " (advisory: the image is in use)"
/* Appends "parent base.vhd missing"; false and nothing when the parent gives no trouble. */
bool cv_words_parent_trouble(struct cv_text *t, const struct cv_graph *g, uint32_t image);
/* What is wrong with a parent of this status: "missing", to follow its name; NULL when nothing is. */
const char *cv_words_trouble(enum cv_parent_status status);
/* Appends "1 error, 2 warnings, 3 notes"; what is zero is left out, "no findings" when all are. */
void cv_words_counts(struct cv_text *t, size_t errors, size_t warnings, size_t notes);
/* Appends "1 image" or "7 images". */
void cv_words_number(struct cv_text *t, uint64_t n, const char *one, const char *many);
/* Appends what is known about the sources of references, to follow "References: "; without a final dot. */
void cv_words_references(struct cv_text *t, const struct cv_graph *g);
/* Appends the bytes of a range: "at 0x200, 1,024 B". */
void cv_words_where(struct cv_text *t, struct cv_range where);

/* Appends an ignore rule: "leaked-clusters:web01.qcow2, until 2027-01-31: being moved". */
void cv_words_rule(struct cv_text *t, const struct cv_ignore *rule);

/* "VHD": for prose, where cv_format_name() is for columns and JSON. */
const char *cv_words_format(enum cv_format_id format);

/* Flag letters of an image and what they mean. The text of an image is built by asking each in turn. */
struct cv_flag_row {
	char letter;
	const char *what;
	bool (*applies)(const struct cv_graph *g, const struct cv_image *image);
};
extern const struct cv_flag_row cv_flag_rows[];
extern const size_t cv_flag_count;

enum cv_paint cv_words_paint(enum cv_severity severity);
/* True if the repository is one that is reported on. */
bool cv_words_reported(const struct cv_graph *g, uint32_t repository);
/* True if the finding is one that is reported: of such a repository, or of none in particular. */
bool cv_words_listed(const struct cv_graph *g, const struct cv_finding *f);
/* The images of a repository: [*first, returned end). */
size_t cv_words_images_of(const struct cv_graph *g, uint32_t repository, size_t *first);

#endif

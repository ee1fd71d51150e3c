/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How images and findings are put into words and letters, the same in every view. Everything from images is
 * escaped here.
 */
#ifndef TUI_VIEW_WORDS_H
#define TUI_VIEW_WORDS_H

#include "tui/view/view.h"

/* The flag letters, in the order of their columns; '\0'-ended rows. */
struct cv_flag_row {
	char letter;
	int column;
	const char *help;
	bool (*has)(const struct cv_graph *g, const struct cv_image *image);
};
#define CV_FLAG_COLUMNS 5
extern const struct cv_flag_row cv_flags[];
bool cv_image_has_flag(const struct cv_graph *g, const struct cv_image *image, char letter);

struct cv_flag_text { char s[CV_FLAG_COLUMNS + 1]; };
struct cv_flag_text cv_image_flags(const struct cv_graph *g, const struct cv_image *image);

/* "X" error, "!" warning, "i" info, "~" not read yet, "?" could not be read, " " nothing to say. */
char cv_image_state(const struct cv_image *image);
enum cv_ink cv_state_ink(char state);
enum cv_ink cv_severity_ink(enum cv_severity severity);

void cv_image_name(struct cv_text *out, const struct cv_image *image);
/* "s" unless there is exactly one. */
static inline const char *cv_plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* "2026-11-18 02:00", UTC. */
struct cv_time_text cv_minute(int64_t unix_seconds);
int64_t cv_image_mtime(const struct cv_image *image);

/* The findings of an image; by the order that graph.h promises, without the chain code. */
size_t cv_findings_of(const struct cv_graph *g, const struct cv_image *image, const struct cv_finding **first);

/* Its title; in front of it, where it is not cut off, that it is advisory because the image is in use. */
void cv_finding_words(struct cv_text *out, const struct cv_finding *f);

/* Fields of an image on paper. all: with children and times, without the state (which has a box of its own). */
void cv_write_image(const struct cv_snapshot *s, uint32_t image, struct cv_paper *p, bool all);
/* The state box of the details: chain, references, verdicts, findings, and what follows from them. */
void cv_write_state(const struct cv_snapshot *s, uint32_t image, struct cv_paper *p);
void cv_write_attributes(const struct cv_image *image, struct cv_paper *p);
void cv_write_findings(const struct cv_graph *g, const struct cv_image *image, struct cv_paper *p);

#endif

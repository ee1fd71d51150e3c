/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Filters: words as users type them ("format:vhd depth>5 flag:O web"), parsed once, tested on many images or
 * findings. All words must hold; "!" before a word turns it round.
 */
#ifndef TUI_VIEW_FILTER_H
#define TUI_VIEW_FILTER_H

#include <chainview/graph.h>

#define CV_FILTER_TERMS 8

struct cv_filter_term {
	const struct cv_filter_word *word;   /* NULL: plain text */
	char op;                             /* ':' '=' '<' '>', 'l' for <=, 'g' for >= */
	bool negated;
	uint64_t number;
	char text[64];
};

struct cv_filter {
	struct cv_filter_term term[CV_FILTER_TERMS];
	size_t count;                        /* 0 lets everything through */
};

/* What is tested. finding is NULL for images; name is the text that plain words are looked for in. */
struct cv_filter_subject {
	const struct cv_graph *graph;
	const struct cv_image *image;        /* NULL for findings without one */
	const struct cv_finding *finding;
	const char *name;
};

bool cv_filter_parse(struct cv_filter *f, const char *text, struct cv_err *err);
bool cv_filter_fits(const struct cv_filter *f, const struct cv_filter_subject *subject);
/* "text" is in "in", whatever the case of ASCII letters. */
bool cv_text_contains(const char *in, const char *text);

/* The words there are, for the help. NULL-ended. */
struct cv_filter_word {
	const char *name, *help;
	bool (*number)(const struct cv_filter_subject *s, uint64_t *n);    /* or */
	bool (*fits)(const struct cv_filter_subject *s, const char *text);
};
extern const struct cv_filter_word cv_filter_words[];

#endif

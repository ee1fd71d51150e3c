/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Forms: what an operation on an image has to be told before there can be a plan. A form is a const struct cv_form, a
 * table of fields and a function that makes a wish of them (form_*.c), and a row in form.c; the view draws and changes any
 * of them.
 */
#ifndef TUI_VIEW_FORM_H
#define TUI_VIEW_FORM_H

#include "tui/view/work.h"

#define CV_FORM_VALUES 20

struct cv_field {
	const char *key;             /* what it is called, and what its value is kept by */
	const char *words;           /* what can be chosen, separated by blanks; NULL: it is typed */
	const char *help;            /* one phrase */
	bool optional;               /* it may be left empty: "default" */
};

struct cv_form_value {
	const char *key;
	char text[CV_NAME_MAX];      /* as shown: escaped */
};

struct cv_form_view {
	const struct cv_form *form;  /* NULL: none was opened */
	struct cv_ident image;       /* that it is about */
	struct cv_form_value value[CV_FORM_VALUES];
	size_t values;
	const char *editing;         /* key of the field that is being typed */
};

struct cv_form {
	enum cv_action action;       /* that opens it */
	const char *verb;            /* "convert" */
	/* Sets the values that it begins with; false if there is no point in it, which it says. */
	bool (*begin)(struct cv_console *c, const struct cv_image *image);
	/* The i-th field, with the values as they are; false behind the last. */
	bool (*field)(const struct cv_form_view *v, size_t i, struct cv_field *field);
	/* A value has become another; may be NULL. */
	void (*changed)(struct cv_console *c, const char *key, const char *before);
	/* What it says, as something that a plan can be made of. */
	struct cv_wish *(*wish)(struct cv_console *c, const struct cv_image *image, struct cv_err *err);
};

extern const struct cv_form cv_form_convert, cv_form_convert_tree;

/* The value of a field; "" if it has none. */
const char *cv_form_get(const struct cv_form_view *v, const char *key);
void cv_form_set(struct cv_form_view *v, const char *key, const char *text);

#endif

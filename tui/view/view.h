/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a view is and what an action is. Views are const structs of functions over the console model; a view
 * never opens a file, and its draw function changes nothing.
 */
#ifndef TUI_VIEW_VIEW_H
#define TUI_VIEW_VIEW_H

#include "tui/cell/paper.h"
#include "tui/console.h"

enum cv_view_id {
#define V(name, tag) CV_VIEW_##tag,
#define W(name, tag) V(name, tag)
#include "tui/view/views.def"
#undef V
#undef W
	CV_VIEW_COUNT
};

enum cv_action {
	CV_ACT_NONE,
#define A(tag, key, key2, key3, shown, rank, label, group, views, help) CV_ACT_##tag,
#define W(tag, key, key2, key3, shown, rank, label, group, views, help) CV_ACT_##tag,
#include "tui/view/actions.def"
#undef A
#undef W
	CV_ACT_COUNT
};

enum cv_action_group { GROUP_MOVE, GROUP_FIND, GROUP_VIEWS, GROUP_WORK, GROUP_SCREEN, CV_GROUP_COUNT };

struct cv_action_row {
	enum cv_action action;
	int key[3];              /* 0 is none */
	const char *shown;       /* the keys as text; the first word goes into the key bar */
	unsigned rank;
	const char *label;
	enum cv_action_group group;
	unsigned views;          /* bit set of enum cv_view_id; 0: not in this program */
	const char *help;
};

extern const struct cv_action_row cv_actions[];
extern const size_t cv_action_count;
extern const char *const cv_group_names[CV_GROUP_COUNT];
/* Appends what it does, and in which views if those are few. */
void cv_action_help(struct cv_text *out, const struct cv_action_row *row);
enum cv_action cv_action_of_key(int key, enum cv_view_id view);

/* Who a row is, from one scan to the next: device and inode for images, and more where that is not enough. */
struct cv_ident {
	uint64_t a, b, c;
};

struct cv_view {
	const char *name;
	bool scrolls;            /* no cursor: lines of c->paper, moved as a whole */
	/* Makes the rows again after the data, the filter, the order, a fold or the width changed, and sets the
	 * list's count. False when memory is short. */
	bool (*rebuild)(struct cv_console *c);
	/* Fills the panes for the row under the cursor; may be NULL. */
	void (*panes)(struct cv_console *c);
	struct cv_ident (*ident)(const struct cv_console *c, size_t row);
	/* How many rows fit on the screen. */
	int (*page)(const struct cv_console *c);
	/* Actions that only this view knows; false passes the action on. */
	bool (*act)(struct cv_console *c, enum cv_action action, unsigned *fx);
	void (*draw)(const struct cv_console *c, struct cv_cells *out, struct cv_area area);
	void (*title)(const struct cv_console *c, struct cv_text *out);
	/* A hint for the status line. */
	void (*hint)(const struct cv_console *c, struct cv_text *out);
	/* What the rows can be sorted by, the usual first, NULL-ended and each with a first letter of its own; NULL: they
	 * have one order. */
	const char *const *sorts;
	/* Says for the status line what is marked, if these are marks of its own; may be NULL. */
	void (*marks)(const struct cv_console *c, struct cv_text *out);
	/* Opens it for what is at hand in the view on top; NULL: there is nothing to open. */
	void (*want)(struct cv_console *c);
	/* The job behind it, each may be NULL: works for about budget_ms, true while there is more to do; lets go of what it
	 * has of the graph, which is about to be freed, and of open files; ends for good. */
	bool (*work)(struct cv_console *c, int budget_ms, unsigned *fx);
	void (*forget)(struct cv_console *c);
	void (*end)(struct cv_console *c);
	/* A value was typed (CV_MODE_FIELD); it is in the input. */
	void (*typed)(struct cv_console *c);
	/* CV_MODE_ANSWER: writes what is asked; a key is the answer. */
	void (*question)(const struct cv_console *c, struct cv_paper *p);
	void (*answered)(struct cv_console *c, int key);
	/* What was typed to consent is what was asked for. */
	void (*confirmed)(struct cv_console *c);
	/* Searching: places in order, the text of each, where the cursor is among them, and going there. */
	size_t (*places)(const struct cv_console *c);
	void (*place_text)(const struct cv_console *c, size_t place, struct cv_text *out);
	size_t (*place_now)(const struct cv_console *c);
	void (*place_go)(struct cv_console *c, size_t place);
};

#define V(name, tag) extern const struct cv_view cv_view_##name;
#define W(name, tag) V(name, tag)
#include "tui/view/views.def"
#undef V
#undef W
extern const struct cv_view *const cv_views[CV_VIEW_COUNT];

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The inside of the console: the snapshot shown, an index over it, the stack of views and the state of each.
 * Views work on this struct; nothing outside tui/console*.c and tui/view/ includes it.
 */
#ifndef TUI_CONSOLE_MODEL_H
#define TUI_CONSOLE_MODEL_H

#include <stdio.h>

#include <chainview/report.h>

#include "tui/view/filter.h"
#include "tui/view/form.h"
#include "tui/view/map.h"
#include "tui/view/parents.h"
#include "tui/view/space.h"
#include "tui/view/records.h"
#include "tui/view/view.h"
#include "tui/view/words.h"
#include "tui/view/work.h"

#define CV_STACK_MAX 16
#define CV_LINE_MAX 128
#define CV_RECORDS_MS 2000       /* how often journals are read again while something there is unfinished */
#define CV_MIN_W 60
#define CV_MIN_H 16
#define CV_WIDE_W 110
#define CV_TALL_H 30

/* Views that share the paper; those that show what lies in .chainview. */
#define CV_PAPER_VIEWS (1u << CV_VIEW_DETAILS | 1u << CV_VIEW_HELP | 1u << CV_VIEW_PLAN | 1u << CV_VIEW_RUN | \
			1u << CV_VIEW_OPERATION)
/* Views that lead to an operation: they are gone when it is done. */
#define CV_ASKING_VIEWS (1u << CV_VIEW_PLAN | 1u << CV_VIEW_FORM | 1u << CV_VIEW_PARENTS)
#define CV_RECORD_VIEWS (1u << CV_VIEW_JOURNAL | 1u << CV_VIEW_OPERATION | 1u << CV_VIEW_TRASH)

/* Sets of identities. */
bool cv_ident_set_has(const struct cv_ident_set *s, struct cv_ident id);
bool cv_ident_set_add(struct cv_ident_set *s, struct cv_ident id);
void cv_ident_set_remove(struct cv_ident_set *s, struct cv_ident id);
void cv_ident_set_clear(struct cv_ident_set *s);
void cv_ident_set_fini(struct cv_ident_set *s);
static inline bool cv_ident_equal(struct cv_ident x, struct cv_ident y)
{
	return x.a == y.a && x.b == y.b && x.c == y.c;
}
struct cv_ident cv_image_ident(const struct cv_image *image);
struct cv_ident cv_repository_ident(const struct cv_repository *repository);

/* What the views need to know about an image and what stands on it; made once for a snapshot. */
struct cv_image_sum {
	uint32_t up;             /* its place in the walk: the image it hangs on, or CV_NO_IMAGE */
	uint32_t below;          /* images hanging on it, directly or not */
	uint32_t deepest;        /* greatest depth in its subtree, itself included, and so on */
	uint32_t findings;
	uint8_t worst;           /* 0 none, else severity + 1 */
	uint64_t allocated;
	int64_t newest;          /* seconds */
	bool here;               /* some image of the subtree is in the repository looked at */
};

struct cv_repository_sum {
	size_t count[3];         /* findings by severity */
	size_t images, trees, leaves, bases, orphans, unread;
	size_t formats[CV_FORMAT_COUNT];
	uint64_t allocated;
	uint32_t longest;        /* images in the longest chain */
};

struct cv_index {
	struct cv_image_sum *images;
	struct cv_repository_sum *repositories;
	uint32_t *order;         /* every image once, each after the one it hangs on */
	size_t order_len;
};
bool cv_index_build(struct cv_index *x, const struct cv_snapshot *s);
void cv_index_fini(struct cv_index *x);

struct cv_list {
	size_t count, cursor, top;
	bool keyed;              /* the user has moved: the cursor stays with this row */
	struct cv_ident key;
};

struct cv_tree_row {
	uint32_t image;
	uint32_t level;
	uint32_t up;             /* row of the parent; UINT32_MAX */
	bool last;               /* the last child on the screen */
	bool context;            /* shown only because of what stands on it */
	bool folded;
};
CV_VEC(cv_tree_rows, struct cv_tree_row);
CV_VEC(cv_numbers, uint32_t);

enum cv_sort { CV_SORT_NAME, CV_SORT_SIZE, CV_SORT_DEPTH, CV_SORT_FINDINGS, CV_SORT_MODIFIED, CV_SORT_COUNT };

struct cv_view_state {
	struct cv_list list;
	struct cv_filter filter;
	char filter_text[CV_LINE_MAX];
	size_t sort;             /* of the view's sorts */
};

struct cv_pane {
	char title[160];
	struct cv_paper paper;
	size_t top;
	struct cv_area area;     /* where it was laid out; h 0 when there is none */
};

/* CONFIRM: the name of what a plan changes is typed. ASK: yes or no. FIELD: a value of a form.
 * ANSWER: something that the view on top asks. */
enum cv_mode {
	CV_MODE_NORMAL, CV_MODE_SEARCH, CV_MODE_FILTER, CV_MODE_SORT, CV_MODE_CONFIRM, CV_MODE_ASK, CV_MODE_FIELD, CV_MODE_ANSWER
};

struct cv_input {
	char text[CV_NAME_MAX];
	size_t len;
	size_t choice;           /* sort menu */
};

struct cv_console {
	struct cv_console_options options;
	char program[48];
	int w, h;
	bool ascii;
	bool writing;                      /* plans may be carried out */

	struct cv_snapshot snap;
	bool shown;
	struct cv_index index;

	enum cv_view_id stack[CV_STACK_MAX];
	size_t stack_len;
	struct cv_view_state view[CV_VIEW_COUNT];
	unsigned dirty;          /* views whose rows are older than the data */
	bool rebuilt;            /* panes must be written again */

	struct cv_ident_set folded, marked;
	bool opened;             /* a complete graph was shown: from here only the user folds */
	uint64_t marked_bytes;
	bool scoped;             /* the tree shows one repository */
	struct cv_ident scope;

	struct cv_numbers tree_order;      /* images as the tree would show them unfolded */
	struct cv_tree_rows tree_rows;
	size_t tree_total, tree_matches;   /* images of the trees looked at; those that fit the filter */
	struct cv_numbers finding_rows;
	struct cv_ident details;           /* the image that the details view is about */
	bool has_details;
	uint32_t details_image;
	struct cv_paper paper;             /* of the scrolling view on top */
	int help_page;
	struct cv_map_job map;
	struct cv_space_view space;
	struct cv_form_view form;
	struct cv_parents_view parents;
	struct cv_plan_view plan;
	struct cv_run_view run;
	struct cv_records records;
	struct cv_pane pane[2];
	bool pane_focus;

	enum cv_mode mode;
	char question[160];
	enum cv_action doing;              /* what a key asked for, while it is done */
	enum cv_action asked;              /* what the answer "yes" does, and while it is done */
	bool sure;
	struct cv_input input;
	char needle[CV_LINE_MAX];
	char message[512];

	bool scanning;
	struct cv_scan_progress progress;
	struct cv_text current;            /* what is being read, escaped */
	uint64_t progress_ms, started_ms;
};

static inline enum cv_view_id cv_top(const struct cv_console *c)
{
	return c->stack[c->stack_len - 1];
}

static inline struct cv_view_state *cv_state(struct cv_console *c)
{
	return &c->view[cv_top(c)];
}

static inline const struct cv_graph *cv_shown_graph(const struct cv_console *c)
{
	return c->shown ? c->snap.graph : NULL;
}

static inline const struct cv_image *cv_image_at(const struct cv_console *c, uint32_t i)
{
	return c->shown && i < c->snap.graph->image_count ? &c->snap.graph->images[i] : NULL;
}

static inline size_t cv_smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Opens a view on top of the stack. */
void cv_push_view(struct cv_console *c, enum cv_view_id view);
/* Closes the view on top; false if it is the only one. */
bool cv_pop_view(struct cv_console *c);
bool cv_on_stack(const struct cv_console *c, enum cv_view_id view);
/* Marks views (bits) for rebuilding. */
void cv_touch(struct cv_console *c, unsigned views);
/* Takes a view out of the stack, unless it is the one on top. */
void cv_drop_view(struct cv_console *c, enum cv_view_id view);
/* Rebuilds what is on top if needed, puts the cursor back and writes the panes. Called after every change. */
void cv_settle(struct cv_console *c);
/* Puts the cursor on a row and keeps it there. */
void cv_list_go(struct cv_console *c, size_t row);
/* Cut at a character if it is too long. */
void cv_copy_text(char *to, size_t size, const char *text);
void cv_pane_title(struct cv_pane *pane, const char *title);
/* The first row to draw so that the cursor can be seen on a page. */
size_t cv_list_top(const struct cv_list *l, int page);
/* The image with this identity, or CV_NO_IMAGE. */
uint32_t cv_image_by_ident(const struct cv_console *c, struct cv_ident id);
/* Opens the details of an image, or its place in the tree. */
void cv_open_details(struct cv_console *c, uint32_t image);
void cv_open_in_tree(struct cv_console *c, uint32_t image);
/* The image under the cursor of the view on top, or CV_NO_IMAGE. */
uint32_t cv_current_image(const struct cv_console *c);

/* Index of the repository with this identity, or UINT32_MAX. */
uint32_t cv_repository_by_ident(const struct cv_console *c, struct cv_ident id);
/* The repository that the view on top is about; all zero if there is none. */
struct cv_ident cv_repository_at_hand(const struct cv_console *c);
/* The next one of those that were asked for; false if there is none. */
bool cv_next_repository(const struct cv_console *c, struct cv_ident *id, int direction);

unsigned cv_do_action(struct cv_console *c, enum cv_action action);

/* Prompts: search, filter, sort menu, consent (console_input.c). */
void cv_input_begin(struct cv_console *c, enum cv_mode mode);
/* Asks a question; after "yes" the action is done with c->sure set. */
void cv_ask(struct cv_console *c, enum cv_action action, const char *question);
/* How many sorts the view on top has. */
size_t cv_sort_count(const struct cv_console *c);
unsigned cv_input_key(struct cv_console *c, int key);
void cv_search_step(struct cv_console *c, int direction);

/* Screen areas, from the size alone (console_draw.c). */
bool cv_is_small(int w, int h);  /* too small to show anything */
struct cv_area cv_body(int w, int h);
int cv_pane_height(const struct cv_console *c, enum cv_view_id view);
int cv_second_pane_height(const struct cv_console *c, enum cv_view_id view);
void cv_draw_pane(const struct cv_console *c, struct cv_cells *out, int which, struct cv_area area);
/* Draws the cursor column and the reverse of a selected row. */
void cv_draw_cursor(const struct cv_console *c, struct cv_cells *out, int y, int w);
/* Columns that the text of a pane or the paper has on the present screen. */
int cv_pane_width(const struct cv_console *c);

#endif

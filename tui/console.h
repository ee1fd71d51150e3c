/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The console from outside: options, the model (keys in, effects out, drawing into cells), the loop and the
 * scan that feeds it. What the model looks like inside is in console_model.h and only views include that.
 */
#ifndef TUI_CONSOLE_H
#define TUI_CONSOLE_H

#include <chainview/graph.h>

enum cv_color { CV_COLOR_AUTO, CV_COLOR_ALWAYS, CV_COLOR_NEVER };

struct cv_session;
struct cv_text;

struct cv_console_options {
	struct cv_scan_options scan;
	const char *refs;               /* as --refs; NULL is "auto" */
	struct cv_graph_policy policy;
	const char *program;            /* starts the title; NULL is "chainview" with the version */
	const char *title;              /* what is being looked at: a host or a folder; NULL: the first place */
	bool ascii;                     /* only ASCII on the screen */
	enum cv_color color;
	bool writing;                   /* unlocked for writing; false shows [READ-ONLY] */
	struct cv_session *session;     /* the same places: what plans are made with; NULL: there are none */
};

/*
 * Scans the places and shows them on the terminal until the user leaves. Standard input and output must be a
 * terminal. Everything that goes wrong before the screen is taken is said on standard error. Returns the
 * exit status of the program: 0; 8 if the terminal or a place cannot be used; 16 if TERM is of no use; 32 if
 * Ctrl-C or a signal ended it.
 */
int cv_console_run_terminal(const struct cv_console_options *options);

/* What a key asks the loop to do. */
enum cv_fx {
	FX_REDRAW = 1, FX_RESCAN = 2, FX_STOP = 4, FX_QUIT = 8, FX_SUSPEND = 16, FX_REPAINT = 32,
	FX_INTERRUPT = 64,              /* with FX_QUIT: it was broken off, by Ctrl-C or a signal */
};

/* Keys: a character is its code point, control characters included; the rest is here. */
enum cv_keycode {
	CV_KEY_NONE = -1,               /* nothing was pressed in time */
	CV_KEY_ENTER = '\r', CV_KEY_TAB = '\t', CV_KEY_ESC = 27, CV_KEY_BACKSPACE = 127,
	CV_KEY_UP = 0x110000, CV_KEY_DOWN, CV_KEY_LEFT, CV_KEY_RIGHT, CV_KEY_PAGE_UP, CV_KEY_PAGE_DOWN, CV_KEY_HOME,
	CV_KEY_END, CV_KEY_DELETE,
	CV_KEY_F0, CV_KEY_F12 = CV_KEY_F0 + 12,
	CV_KEY_RESIZE,                  /* the size has changed: ask for it */
	CV_KEY_HANGUP,                  /* the terminal is gone, or a signal wants the end */
};
#define CV_KEY_CTRL(letter) ((letter) & 31)
#define CV_KEY_F(n) (CV_KEY_F0 + (n))

/* The state of the scan that the console shows. Everything is borrowed and must outlive the next show. */
struct cv_snapshot {
	const struct cv_graph *graph;
	const struct cv_repository *const *repositories;
	size_t repository_count;
	const struct cv_trouble *const *troubles;
	size_t trouble_count;
	const char *sandbox;            /* one line, may be NULL */
	/* cv_describe_image, unless a test puts its own */
	bool (*describe)(const struct cv_graph *g, uint32_t image, struct cv_text *out);
};

struct cv_console;
struct cv_cells;

/* The options are copied, what they point to is borrowed. NULL when memory is short. */
struct cv_console *cv_console_new(const struct cv_console_options *options);
void cv_console_free(struct cv_console *c);

/* Another state of the scan; selection, folds and marks stay with the images they were on. False when memory is
 * short: then nothing is shown, and the old snapshot may go. */
bool cv_console_show(struct cv_console *c, const struct cv_snapshot *snapshot);
/* The scan's counters; NULL when no scan runs. now_ms is a clock that only goes forward. */
void cv_console_progress(struct cv_console *c, const struct cv_scan_progress *progress, uint64_t now_ms);
/* A line for the status line; stays until the next key. Escaped text. */
void cv_console_say(struct cv_console *c, const char *fmt, ...) CV_PRINTF(2, 3);
void cv_console_resize(struct cv_console *c, int w, int h);

/* Returns enum cv_fx bits. */
unsigned cv_console_key(struct cv_console *c, int key);
/* Draws into cells of any size; changes nothing in the model. */
void cv_console_draw(const struct cv_console *c, struct cv_cells *out);

/* A terminal, or what stands in for one. */
struct cv_screen_ops {
	int (*key)(void *self, int wait_ms);                    /* CV_KEY_NONE after wait_ms; -1 waits for ever */
	void (*flush)(void *self, const struct cv_cells *frame);
	void (*size)(void *self, int *w, int *h);
	void (*suspend)(void *self, bool repaint_only);         /* Ctrl-Z; or only paint everything again */
};

/* The scan behind the console: stepped between keys, turned into graphs from time to time. */
struct cv_feed;
struct cv_feed *cv_feed_new(const struct cv_console_options *options, struct cv_err *err);
void cv_feed_free(struct cv_feed *f);
/* Begins again; what is shown stays until the new scan is done. */
bool cv_feed_restart(struct cv_feed *f, struct cv_err *err);
void cv_feed_stop(struct cv_feed *f);
/* Works for about budget_ms. Adds FX_REDRAW to *fx when something new is to be seen; true while there is more to do. */
bool cv_console_tick(struct cv_console *c, struct cv_feed *f, int budget_ms, unsigned *fx);

/* Works at what the views have asked for, maps and sums of space, likewise. Works for about budget_ms. */
bool cv_console_work(struct cv_console *c, int budget_ms, unsigned *fx);
/* For so many milliseconds there is nothing to work at; -1: until a key. */
int cv_console_wait(const struct cv_console *c);
/* Appends what is to be said on the terminal when the console has left it, a line; nothing if there is nothing. */
void cv_console_parting(const struct cv_console *c, struct cv_text *out);

/* Runs until FX_QUIT; false if that came with FX_INTERRUPT. feed may be NULL (nothing is scanned). */
bool cv_console_run(struct cv_console *c, struct cv_feed *feed, const struct cv_screen_ops *screen, void *self);

#endif

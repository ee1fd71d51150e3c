/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An operation that the console has begun, in a process of its own, and the board that the two share: the child writes
 * what it does and how it ended, the console writes what is wanted.
 *
 * Why not a thread: a lease is refused while anybody has the image open, the own process included, and the console has
 * images open for its views; here all that is closed. SIGIO, which announces that somebody wants a lease back, would go
 * to any thread that does not block it and end the program; here there is one. And the terminal may vanish, or the
 * console be killed: the operation goes on to its end and leaves its locks as it should.
 *
 * Plans are made in such a process, too: that may take long, and what waits for a disk cannot be stopped in any other
 * way. It ends with the console.
 */
#ifndef TUI_WRITE_CHILD_H
#define TUI_WRITE_CHILD_H

#include <stdatomic.h>

#include <chainview/operation.h>

#define CV_BOARD_LINES 64

/* What was done when, in order; a line never changes once it is counted. */
struct cv_board_line {
	int64_t at;                  /* Unix seconds */
	uint64_t at_ms;              /* a clock that only goes forward */
	char text[120];
};

struct cv_board {
	/* the child's */
	struct cv_board_line line[CV_BOARD_LINES];
	_Atomic unsigned lines;
	_Atomic uint64_t done, total;        /* bytes of what the last line says; total 0: not known */
	_Atomic bool waits;                  /* it is paused, at a safe point */
	_Atomic bool ended;                  /* from then on the rest does not change */
	struct cv_operation_result result;
	size_t settled;                      /* by a recovery */
	struct cv_err err;
	char told[480];                      /* what there is to say about it, escaped lines */
	_Atomic bool counts;                 /* done and total are files, not bytes */
	/* the console's */
	_Atomic bool pause;
	int console;                         /* its process */
};

struct cv_child {
	int pid;                     /* 0: none runs */
	int status;                  /* as of wait(2), once it has ended */
	struct cv_board *board;      /* NULL: none was begun */
};

/* Starts run(board, ctx) in a new process, which ends when that returns. What was there before is forgotten. */
bool cv_child_start(struct cv_child *child, void (*run)(struct cv_board *board, void *ctx), void *ctx,
		    struct cv_err *err);
/* The same for what only reads: it keeps what the console has open, and ends with the console. */
bool cv_child_think(struct cv_child *child, void (*run)(struct cv_board *board, void *ctx), void *ctx,
		    struct cv_err *err);
/* True while it runs. */
bool cv_child_runs(struct cv_child *child);
/* Asks it to stop at the next point where that is safe. */
void cv_child_cancel(struct cv_child *child);
/* It goes on alone if it runs. */
void cv_child_forget(struct cv_child *child);
/* It ends here and now; only for what reads. */
void cv_child_kill(struct cv_child *child);

/* For the child: a new line; how far it is; and the monitor of an operation, which also pauses and cancels. */
void cv_board_say(struct cv_board *board, const char *text);
void cv_board_count(struct cv_board *board, uint64_t done, uint64_t total, bool files);
struct cv_monitor cv_board_monitor(struct cv_board *board);
/* What a session does is seen on the board from now on, and nowhere else. */
struct cv_session;
void cv_board_watch(struct cv_board *board, struct cv_session *s);

#endif

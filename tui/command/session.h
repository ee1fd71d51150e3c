/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A session: the settings, the places to look at, and the flow scan -> references -> graph that the commands
 * and the console share. Commands call cv_session_run(); the console drives the same parts step by step.
 */
#ifndef TUI_COMMAND_SESSION_H
#define TUI_COMMAND_SESSION_H

#include <sys/stat.h>

#include <chainview/report.h>

#include "tui/command/config.h"
#include "tui/command/options.h"

/* A place and what it is on disk, so that two ways to one place are one. */
struct cv_session_place {
	char *path;
	uint64_t device, inode, offset;
	bool other;
};
CV_VEC(cv_session_places, struct cv_session_place);

struct cv_session {
	struct cv_settings settings;
	struct cv_config config;
	const char *command;           /* the name of the command that runs */
	int argc;                      /* the whole command line as it was typed, for reports */
	char **argv;
	struct cv_session_places places;
	struct cv_scan *scan;          /* these four are owned by the session; NULL before they are made */
	struct cv_check *checks;
	struct cv_references *refs;
	struct cv_graph *graph;
	/* Told how many files were read of how many that were found, while a scan runs; may be NULL. */
	void (*watch)(void *ctx, uint64_t done, uint64_t found);
	/* Told how far a plan is that takes long, instead of a progress line; may be NULL. */
	void (*watch_plan)(void *ctx, const char *what, uint64_t done, uint64_t total);
	void *watch_ctx;               /* of both */
	bool tables;                   /* set by a command: the tables of all images are to be checked, too */
	bool cancelled;                /* stopped by the user or a signal */
	bool unavailable;              /* one of several repositories is not there, or what was kept cannot be used */
};

void cv_session_init(struct cv_session *s, int argc, char **argv);
void cv_session_fini(struct cv_session *s);

/* The path that a word means: the word itself, or what it is the escaped form of, whichever is there. NULL with errno
 * set if neither is. */
const char *cv_session_stat(const char *word, struct cv_text *unescaped, struct stat *st);
/* Appends a word of the user for a message: escaped, but not twice if it was typed so. */
void cv_session_show_word(struct cv_text *out, const char *word);

/* Adds a place: a configured name or a path, as the user gave it or in its escaped form. A place that is there
 * already is not added again, but becomes one that is reported on if this one is. */
bool cv_session_add(struct cv_session *s, const char *repository, bool other, struct cv_err *err);
/* Adds the REPO arguments (all configured repositories when there are none), --with, and the configured
 * repositories as places where parents and children may lie. CV_EUSAGE when there is nothing to look at. */
bool cv_session_add_all(struct cv_session *s, char *const *repositories, size_t count, struct cv_err *err);

/* The places as the library wants them; the array is the caller's, the paths are borrowed. NULL when memory is
 * short. */
struct cv_place *cv_session_place_list(const struct cv_session *s, size_t *count);
/* A scan of the places, just opened; the caller's. */
struct cv_scan_options cv_session_scan_options(const struct cv_session *s, const struct cv_place *places, size_t count);
struct cv_scan *cv_session_new_scan(const struct cv_session *s, struct cv_err *err);
/* All in one for commands: scan with progress and signals, check of tables if it is wanted, references,
 * graph. A signal at any time before this
 * returns gives a partial graph, sets s->cancelled and is no error; one that comes later does nothing. */
bool cv_session_run(struct cv_session *s, struct cv_err *err);

/* After that, where s->tables was not set: checks the tables of the files that are wanted, by their index in the scan
 * (NULL: of all), and makes the graph anew. */
bool cv_session_check(struct cv_session *s, const bool *wanted, struct cv_err *err);

/* True if the path, or the folder that it would be made in, lies in one of the places: nothing is made there. */
bool cv_session_holds(const struct cv_session *s, const char *path);

/* Once more, from the beginning: what the first run found is gone. */
bool cv_session_again(struct cv_session *s, struct cv_err *err);

/* Bytes that plans leave free: from the command line, else from the configuration. */
static inline uint64_t cv_session_reserve(const struct cv_session *s)
{
	return s->settings.has_reserve ? s->settings.reserve : s->config.reserve;
}

/* The value for --refs: from the command line, the configuration, or NULL for the library's choice. */
const char *cv_session_refs(const struct cv_session *s);

/* How to draw on the descriptor (1 = stdout), from the options, the environment and the terminal. */
struct cv_style cv_session_style(const struct cv_session *s, int fd);

/* True if something that was asked for could not be looked at. */
bool cv_session_incomplete(const struct cv_session *s);
/* CV_EXIT_FAILED and CV_EXIT_CANCELLED as they apply. */
int cv_session_status(const struct cv_session *s);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Carrying out a recipe: what has been made so far, and one function for each verb. All writing goes through
 * struct cv_io, below one directory.
 */
#ifndef CV_REPAIR_SAMPLE_MAKER_H
#define CV_REPAIR_SAMPLE_MAKER_H

#include "inspect/base/arena.h"
#include "repair/io/io.h"
#include "repair/sample/recipe.h"
#include <chainview/facts.h>
#include <chainview/vec.h>

/* A structure of an image that later lines can name. */
struct cv_spot {
	const char *name;
	uint64_t off, len;
};
CV_VEC(cv_spot_vec, struct cv_spot);

enum cv_made_kind { CV_MADE_DIRECTORY, CV_MADE_FILE, CV_MADE_OTHER };

struct cv_made {
	const char *name; /* relative to the sample's directory */
	enum cv_made_kind kind;
	enum cv_format_id format; /* NONE: no image */
	uint8_t uuid[16];
	uint64_t size; /* virtual, bytes */
	int64_t mtime; /* Unix seconds; set when all is done */
	struct cv_spot_vec spots;
};
CV_VEC(cv_made_vec, struct cv_made);

struct cv_maker {
	const struct cv_io *io;
	int root;
	struct cv_arena *arena;
	int64_t clock; /* what time it is for the next thing that is made */
	struct cv_made_vec made;
};

/* made.c */
/* The entry of that name, or NULL. Moves when something is made. */
struct cv_made *cv_made_find(struct cv_maker *m, const char *name);
/* As above; an error if there is none or if it is not a file. */
struct cv_made *cv_made_file(struct cv_maker *m, const char *name, struct cv_err *err);
/* True if the name leads to a place below the sample's directory. */
bool cv_made_inside(const char *name, struct cv_err *err);
/* Notes a new entry, one minute after the last one. The name must lie inside the sample and be free. */
struct cv_made *cv_made_add(struct cv_maker *m, const char *name, enum cv_made_kind kind, struct cv_err *err);
/* The same, and creates the file. */
struct cv_made *cv_made_create(struct cv_maker *m, const char *name, struct cv_file_out *out, struct cv_err *err);
bool cv_made_open(struct cv_maker *m, const char *name, struct cv_file_out *out, struct cv_err *err);
bool cv_made_spot(struct cv_maker *m, struct cv_made *made, const char *name, uint64_t off, uint64_t len,
		  struct cv_err *err);
/* NULL if it has no such structure. */
const struct cv_spot *cv_spot_find(const struct cv_made *made, const char *name);
/* The name of what a relative path that is recorded in an image leads to, from the sample's directory. */
const char *cv_made_resolve(struct cv_maker *m, const char *image, const char *path, struct cv_err *err);
/* A formatted name that lives as long as the maker. */
const char *cv_made_text(struct cv_maker *m, struct cv_err *err, const char *fmt, ...) CV_PRINTF(3, 4);

/* options.c: words of the form key or key=value */
enum cv_word_kind {
	CV_WORD_FLAG,   /* bool */
	CV_WORD_TEXT,   /* const char * */
	CV_WORD_NUMBER, /* uint64_t */
	CV_WORD_SIZE,   /* uint64_t; "all" is UINT64_MAX */
	CV_WORD_UUID,   /* struct cv_uuid_option */
	CV_WORD_TIME,   /* struct cv_time_option */
	CV_WORD_STEP,   /* carried out in its turn, see cv_steps_run() */
};
struct cv_uuid_option {
	bool given;
	uint8_t uuid[16];
};
struct cv_time_option {
	bool given;
	int64_t unix_seconds;
};
struct cv_word_row {
	const char *key;
	enum cv_word_kind kind;
	size_t slot; /* offset in the struct that is filled; not for steps */
};
/* Reads the words from the third on. rows end with a NULL key. */
bool cv_words_read(const struct cv_recipe_line *line, const struct cv_word_row *rows, void *into, struct cv_err *err);
/* The usual form, or "null". */
bool cv_word_uuid(const char *text, uint8_t uuid[16]);
bool cv_word_time(const char *text, int64_t *unix_seconds);

/* Steps: options that do something to the image that is being made, in the order in which they stand. */
struct cv_step_row {
	const char *key;
	bool (*run)(void *ctx, const char *value, struct cv_err *err);
};
bool cv_steps_run(const struct cv_recipe_line *line, const struct cv_step_row *rows, void *ctx, struct cv_err *err);
/* "0-3,7": calls run for 0, 1, 2, 3, 7. */
bool cv_list_each(const char *list, bool (*run)(void *ctx, uint64_t n, struct cv_err *err), void *ctx,
		  struct cv_err *err);

/* pattern.c */
/* An identity that follows from a name, in the form of a random UUID. */
void cv_sample_uuid(const char *name, uint8_t uuid[16]);
/* Guest data that follow from the image's name, the block and how often the image has been written to before. */
void cv_sample_pattern(const char *name, uint64_t block, unsigned round, void *buf, size_t len);

/* One verb. The line has as many words as the row says. */
typedef bool cv_verb_fn(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err);
struct cv_verb {
	const char *verb, *usage;
	size_t least, most; /* words, the verb included; most 0 = any number */
	cv_verb_fn *run;
};
/* The verbs of each file, ended by a row without one. */
extern const struct cv_verb cv_verbs_files[], cv_verbs_images[], cv_verbs_damage[];
cv_verb_fn cv_make_vhd, cv_make_qcow2, cv_make_qcow, cv_make_vhdx, cv_make_raw, cv_damage_set, cv_damage_seal;

/* maker.c */
/* Carries out the text in an open, empty directory. On failure what was made is removed again. */
bool cv_maker_run(const struct cv_io *io, int root, const char *name, const char *text, struct cv_err *err);

#endif

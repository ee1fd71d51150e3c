/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a dump holds: for the reports, which are the only ones to look into it. */
#ifndef CV_INSPECT_DUMP_DUMP_H
#define CV_INSPECT_DUMP_DUMP_H

#include <chainview/dump.h>
#include <chainview/map.h>
#include <chainview/vec.h>
#include "inspect/base/arena.h"
#include "inspect/dump/wire.h"
#include "inspect/sandbox/task.h"

/* A file as the system describes it. */
struct cv_dump_stat {
	bool known;
	uint32_t mode, owner, group, links, dev_major, dev_minor;
	uint64_t device, inode, size, blocks;        /* blocks of 512 B */
	struct cv_dump_time { bool known; int64_t seconds; uint32_t ns; } atime, mtime, ctime, btime;
	bool no_atime;                               /* it was opened so that access times stay */
	bool block_device, read_only_device;
};

struct cv_dump_source_of {
	const struct cv_file *file;
	uint64_t offset;                             /* of the image in it */
	struct cv_dump_stat before, after;
	bool unchanged;                              /* false also for one that could not be opened */
	bool digested[CV_DIGEST_COUNT];
	uint8_t digest[CV_DIGEST_COUNT][CV_DIGEST_LARGEST];
};

/* One record as it was heard, checked. */
struct cv_dump_item {
	enum cv_dump_record kind;
	uint32_t len;
	const void *bytes;
};
CV_VEC(cv_dump_items, struct cv_dump_item);

struct cv_dump_side_file {
	bool there;
	char name[32];
	uint64_t bytes;
	uint8_t sha256[CV_DIGEST_LARGEST];
};

struct cv_dump_image_of {
	uint32_t image;                              /* in the graph */
	size_t source, data_source;                  /* SIZE_MAX: there is none */
	struct cv_dump_items items;
	struct cv_dump_sandbox sandbox;
	const char *sandbox_line;                    /* NULL: no process was started */
	bool covered;
	struct cv_dump_coverage coverage;
	const char *trouble;                         /* the reading process failed: one escaped line */
	int trouble_errno;
	struct cv_dump_side_file layout, map;
	const char *map_trouble;                     /* it could not be made to its end */
	const char *map_incomplete;                  /* why it does not show all images of the chain */
};

struct cv_dump {
	const struct cv_graph *g;
	struct cv_dump_options options;
	struct cv_arena *arena;
	struct cv_dump_source_of *sources;
	size_t source_count;
	struct cv_dump_image_of *images;
	size_t count, at;                            /* at: the one that is at work */
	bool finished;
	int64_t started, ended;                      /* ms since 1970 */

	/* the work on one image */
	struct cv_task *task;
	struct cv_map *map;
	struct cv_dump_side *side;                   /* the file that is being written */
	uint64_t held;                               /* bytes of records */
	uint64_t covered_upto;                       /* of the runs */
	uint64_t bytes;
};

/* stat.c: opens it once more by the rules of the scan and closes it. */
bool cv_dump_look_at(const struct cv_scan *scan, const struct cv_file *file, struct cv_dump_stat *stat, uint64_t *offset,
		     struct cv_err *err);
bool cv_dump_same(const struct cv_dump_stat *a, const struct cv_dump_stat *b);

/* hear.c: checks a record and keeps it. False if it is damaged. */
bool cv_dump_hear(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r, struct cv_err *err);

/* side.c: files of lines beside the document. */
struct cv_dump_side;
bool cv_dump_side_begin(struct cv_dump *d, struct cv_dump_side_file *file, const char *kind, struct cv_err *err);
bool cv_dump_side_runs(struct cv_dump *d, const struct cv_dump_run *runs, size_t count, struct cv_err *err);
bool cv_dump_side_extents(struct cv_dump *d, const struct cv_map_info *info, const struct cv_extent *extents,
			  size_t count, struct cv_err *err);
bool cv_dump_side_end(struct cv_dump *d, struct cv_dump_side_file *file, struct cv_err *err);
void cv_dump_side_drop(struct cv_dump *d);

/* fields.c: goes through the fields of a structure that are wholly within the bytes that are shown. */
struct cv_dump_field {
	const struct cv_layout_field *row;
	const char *list;                            /* the records that it is one of, or NULL */
	uint32_t list_index;
	uint64_t at, len;                            /* in the structure */
	const uint8_t *bytes;                        /* len of them; zeros behind what is shown are there too */
	bool little;
	bool blank;                                  /* the record is nothing but zeros */
	bool is_number;
	uint64_t number;
};
typedef bool cv_dump_each_field(void *ctx, const struct cv_dump_field *f);
bool cv_dump_fields(const struct cv_dump_structure *s, const uint8_t *shown, cv_dump_each_field *each, void *ctx);
/* The decoded value of fields that are no numbers, as raw bytes; false if it has none. */
bool cv_dump_value(const struct cv_dump_field *f, struct cv_text *value);
/* Unix seconds of a time. */
bool cv_dump_is_time(const struct cv_dump_field *f, int64_t *epoch);

/* names.c */
const char *cv_dump_copy_name(uint32_t copy);        /* NULL: there is only one */
const char *cv_dump_state_name(uint32_t state);      /* NULL: nothing to say */
const char *cv_dump_sum_name(uint32_t sum);
const char *cv_dump_number_name(uint32_t number);
const char *cv_dump_group_name(uint32_t group);
const char *cv_dump_class_name(uint32_t class);
/* Trouble i of the scan, if the document says it nowhere else: a folder, an image that is not in it; or NULL. */
const struct cv_trouble *cv_dump_elsewhere(const struct cv_dump *d, size_t i);
/* Whether a finding belongs to the document: what is true of a moment or of a place (who has it open, how much of the
 * disk it takes there) is none of what is to be reproduced elsewhere. */
bool cv_dump_has_finding(const struct cv_dump *d, const struct cv_finding *f);
/* The number of an image of the graph among those that are dumped; SIZE_MAX. */
size_t cv_dump_index(const struct cv_dump *d, uint32_t image);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan: what an operation will do, what it needs, and what was looked at to allow it. Planning only reads. The plan
 * that is shown is the plan that is carried out: it holds what every image was like, and an image that is not like
 * that any more when it is claimed makes the operation refuse.
 */
#ifndef CHAINVIEW_PLAN_H
#define CHAINVIEW_PLAN_H

#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The numbers are in journals: they never change. */
enum cv_plan_kind {
	CV_PLAN_NONE, CV_PLAN_TRASH = 1, CV_PLAN_RESTORE = 2, CV_PLAN_PURGE = 3, CV_PLAN_CONVERT = 4, CV_PLAN_REBASE = 5,
	CV_PLAN_CONVERT_DEVICE = 6, CV_PLAN_COALESCE = 7, CV_PLAN_COALESCE_UNDO = 8, CV_PLAN_LEAF = 9,
	CV_PLAN_CONVERT_TREE = 10,
	CV_PLAN_REPAIR = 11,
	CV_PLAN_REBASE_COPY = 12,
	CV_PLAN_KIND_COUNT
};
CV_API const char *cv_plan_kind_name(enum cv_plan_kind kind);    /* "trash", "restore", "purge" */

/* An image that takes part: where it is and what it was like when the plan was made. */
struct cv_plan_item {
	const char *path;            /* relative to the repository, raw bytes */
	uint64_t device, inode, size, allocated;
	int64_t mtime_ns;
	uint8_t uuid[16];            /* null: it has none */
	const char *parent;          /* relative path of its parent in this repository; NULL: none, or elsewhere */
	uint64_t parent_inode, parent_size;
	int64_t parent_mtime_ns;
	uint8_t from[16];            /* RESTORE, PURGE: the operation that put it into the trash; or the one that is taken back */
	uint32_t from_index;         /* and its number there */
};

/* A file that is only read, and must stay as it is meanwhile. It may lie in another repository. */
struct cv_plan_source {
	const char *path;            /* absolute, raw bytes */
	uint64_t device, inode, size;
	int64_t mtime_ns;
};

/* REBASE, REBASE_COPY, COALESCE: what the image will say about its parent. */
struct cv_plan_link {
	enum cv_format_id format;    /* of the parent */
	const char *folder;          /* that the image lies in: absolute, raw bytes */
	const char *path;            /* of the parent: absolute, raw bytes */
	const char *former;          /* of the parent that it has now; NULL: not known */
	uint8_t uuid[16];            /* that the parent is known by; null: by its name alone */
	int64_t time;                /* Unix seconds: when the parent was written to, for formats that record it */
};

/* COALESCE and LEAF (and the items of COALESCE_UNDO): item 0 is the image, item 1 its parent, the others are those that stand on the image. */
struct cv_plan_merge {
	enum cv_format_id format, parent_format;
	const struct cv_plan_link *links;  /* of items 2 and on; their time is when the merge is done */
	size_t link_count;
	const enum cv_format_id *below;    /* of the sources, which the parent stands on, if these have to be read */
	size_t below_count;
	bool keeps;                        /* what the parent was is kept, or comes back */
};

/* REBASE_COPY: what an image reads through its present chain, where the new one reads otherwise, it gets of its own. A link
 * without a path (format NONE): it has no parent then, and stands alone. */
struct cv_plan_copy {
	enum cv_format_id format;          /* of the image */
	const enum cv_format_id *formats;  /* of the sources: those of the present chain alone, of the new one alone, of both */
	size_t now, then;                  /* how many they are of the first two */
	uint64_t bytes;                    /* that are copied */
};

/* REPAIR: bytes of an image that will be others. Layers are on disk one after the other. */
struct cv_plan_patch {
	uint64_t off;
	const uint8_t *bytes;
	uint32_t len;
	uint8_t layer;
};
/* All that is done to one item. */
struct cv_plan_mend {
	const struct cv_plan_patch *patches;
	size_t count;
	uint64_t size;               /* the file's new length; 0: stays */
	size_t pages;                /* of 4 KiB that have something of it: the journal needs room for them */
};

/* REPAIR: an item gets another place. First all bytes change, then one item after the other moves. */
enum cv_plan_move_kind {
	CV_MOVE_RENAME = 1,          /* to another name in its folder */
	CV_MOVE_TRASH = 2,
	CV_MOVE_RESTORE = 3,         /* out of the trash, from where the item says that it is */
};
struct cv_plan_move {
	enum cv_plan_move_kind kind;
	size_t item;
	const char *to;              /* RENAME: relative to the repository, raw bytes */
	bool apart;                  /* all before it is on disk before it is made, and it is before what follows */
};

enum cv_fix_verdict {
	CV_FIX_SAFE,                 /* loses nothing, whoever is right: -p does it */
	CV_FIX_ASKS,                 /* somebody has to say that it is meant so */
	CV_FIX_REFUSED,              /* not done here; why says what can be done instead */
};
CV_API const char *cv_fix_verdict_name(enum cv_fix_verdict verdict);   /* "safe", "asks", "refused" */

/* What is mended of the one is the other from then on, and that is no harm: leaked clusters at the end of the file become space
 * behind everything that is in use. */
CV_API bool cv_fix_becomes(enum cv_problem_id was, enum cv_problem_id is);

/* REPAIR: a finding, and what becomes of it. */
struct cv_plan_fix {
	enum cv_problem_id problem;
	const char *image;           /* its id, raw bytes */
	const char *kind;            /* of the repair, "restore-footer"; NULL: there is none */
	enum cv_fix_verdict verdict;
	bool chosen;                 /* it is part of the plan */
	const char *why;             /* escaped, one phrase: what is done, or why not */
	uint64_t off;                /* where it begins in the image */
	uint64_t bytes;              /* that change */
};

struct cv_plan_step {
	const char *kind;            /* "move", "unlink": one word */
	const char *target;          /* raw bytes */
	uint64_t bytes;              /* that it concerns */
	const char *why;             /* escaped; one phrase */
};

/* Something that must be so. */
struct cv_plan_check {
	const char *name;            /* "references-complete": stable */
	bool ok;
	const char *text;            /* escaped; what was found, and the way out if it is not so */
};

struct cv_plan_space {
	uint64_t free_now, lowest_free, reserve;
	uint64_t peak;               /* what it takes at most while it runs */
	int64_t net;                 /* what is free afterwards is so much more */
	bool fits;                   /* on the file system; what a quota says is a check */
	bool quota;                  /* there is one that leaves less than the file system, namely so much */
	uint64_t quota_left;
};

struct cv_plan {
	enum cv_plan_kind kind;
	const char *repository;      /* absolute, raw bytes */
	const char *const *searched; /* places in which children were looked for: absolute, raw bytes */
	size_t searched_count;
	const struct cv_plan_item *items;
	size_t item_count;
	const struct cv_plan_source *sources;
	size_t source_count;
	const struct cv_plan_link *link;   /* NULL unless an image gets another parent */
	const struct cv_plan_merge *merge; /* COALESCE, LEAF; COALESCE_UNDO if the parent gets back what it was: formats, and that */
	const struct cv_plan_copy *copy;   /* REBASE_COPY */
	const struct cv_plan_mend *mends;  /* REPAIR: for each item; without patches when it takes a repair back */
	const struct cv_plan_move *moves;  /* REPAIR */
	size_t move_count;
	size_t elsewhere;                  /* so many of the first items are in the trash, and are brought home first */
	const struct cv_plan_fix *fixes;   /* REPAIR: of all findings of the images */
	size_t fix_count;
	const struct cv_plan_step *steps;
	size_t step_count;
	const struct cv_plan_check *checks;
	size_t check_count;
	struct cv_plan_space space;
	bool makes_folder;           /* the repository is a folder that is not there yet: cv_convert_make_folder() comes first */
	bool refused;                /* one of the checks is not as it must be, or it does not fit */
	const char *confirm;         /* what is typed to consent: the image's name, or "yes" for several; escaped */
	uint8_t digest[32];          /* SHA-256 of everything above that is carried out */
	const struct cv_convert_job *convert;        /* CONVERT: what is written, and how */
	const struct cv_convert_tree *convert_tree;  /* CONVERT_TREE: the same for each item, parents first */
	struct cv_arena *arena;
};

CV_API void cv_plan_free(struct cv_plan *plan);

/* A plan as bytes, appended, and back: for a process that makes plans for another. What is loaded can be shown, and compared
 * with one that is made anew; it lacks sources, link and convert, and so cannot be carried out itself. */
CV_API bool cv_plan_save(const struct cv_plan *plan, struct cv_text *out);
CV_API struct cv_plan *cv_plan_load(struct cv_bytes saved, struct cv_err *err);

/* How gc chooses: hidden orphans that nothing needs; with unreferenced also leaves that no reference names. only: of these
 * images of the repository, by their ids; one of them that may not be taken away makes the plan a refused one. */
struct cv_gc_options {
	bool unreferenced;
	uint64_t reserve;
	const char *const *only;
	size_t only_count;           /* 0: all that there are */
};
/* What nothing needs goes to the trash. A plan without items is one that has nothing to do. */
CV_API struct cv_plan *cv_plan_gc(const struct cv_graph *g, uint32_t repository, const struct cv_gc_options *options,
				  struct cv_err *err);

/* Another parent for an image. Whether both read the same wherever the image has nothing of its own is found out while planning;
 * if they do not, what it reads through the present one is copied into it (REBASE_COPY). Also for the parent that it has, when
 * only the recorded path is wrong. */
struct cv_rebase_options {
	uint32_t image, onto;        /* in the graph; onto CV_NO_IMAGE: it gets all that it reads, and stands alone */
	uint64_t reserve;
	/* While both are compared: done of total bytes of the disk; false stops (CV_ECANCELLED). May be NULL. */
	bool (*tick)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};
/* Why the graph alone forbids it (onto CV_NO_IMAGE: none at all); NULL: nothing does, and a plan will tell. about_image: it is about the image, and so the
 * same for every parent. */
CV_API const char *cv_plan_rebase_obstacle(const struct cv_graph *g, uint32_t image, uint32_t onto, bool *about_image);
CV_API struct cv_plan *cv_plan_rebase(const struct cv_graph *g, const struct cv_rebase_options *options, struct cv_err *err);

/* The bytes that a finished rebase has changed, back to what they were. done: its entry; image and onto of the options are
 * found. */
struct cv_operation_entry;
CV_API struct cv_plan *cv_plan_rebase_undo(const struct cv_graph *g, uint32_t repository,
					   const struct cv_operation_entry *done, const struct cv_rebase_options *options,
					   struct cv_err *err);

/* Merging an image into its parent, in place; those that stand on it then stand on the parent, and it goes to the trash. */
struct cv_space;
struct cv_coalesce_options {
	uint32_t image;              /* in the graph */
	uint64_t reserve;
	const struct cv_space *space;        /* of the graph: how much the parent will grow by */
	bool leaf;                   /* it is one: the parent gets its name, and the identity that goes with it */
	bool full;                   /* what the parent was is kept, so that undo gives it back */
};
CV_API struct cv_plan *cv_plan_coalesce(const struct cv_graph *g, const struct cv_coalesce_options *options, struct cv_err *err);

/* A merged image comes back from the trash, and those that stood on it stand on it again. done: the entry of the merge. The
 * parent gets back what it was if that was kept; else it keeps what was merged into it, where nobody sees it. */
CV_API struct cv_plan *cv_plan_coalesce_undo(const struct cv_graph *g, uint32_t repository, const struct cv_operation_entry *done,
					     uint64_t reserve, struct cv_err *err);

/* What is wrong and can be mended without losing anything is mended; images are to have been checked (cv_check). */
struct cv_repair_options {
	const uint32_t *only;        /* these images of the graph; NULL: all of the repository */
	size_t only_count;
	uint64_t reserve;
	const struct cv_candidates *candidates;      /* for lost parents; NULL: no link is mended */
	/* Whether to do what is not refused. Asked for each fix in the order in which they are done. */
	bool (*wants)(void *ctx, const struct cv_plan_fix *fix);
	void *ctx;
};
/* A plan without items is one that has nothing to do; its fixes say what is left. */
CV_API struct cv_plan *cv_plan_repair(const struct cv_graph *g, uint32_t repository, const struct cv_repair_options *options,
				      struct cv_err *err);
/* The bytes that a finished repair has changed, back to what they were. done: its entry. */
CV_API struct cv_plan *cv_plan_repair_undo(const struct cv_graph *g, uint32_t repository, const struct cv_operation_entry *done,
					   uint64_t reserve, struct cv_err *err);

/* How the space is told, on the command line and on screens: one row an amount, in the order of the arithmetic. */
struct cv_plan_sum {
	const char *label;           /* "free now" */
	char sign;                   /* ' ', or '-' and '+' for what is taken off and added */
	uint64_t bytes;
	const char *note;            /* NULL, or what follows from it */
	bool bad;
};
#define CV_PLAN_SUMS 7
/* Fills in rows, at most CV_PLAN_SUMS; returns how many. */
CV_API size_t cv_plan_sums(const struct cv_plan_space *space, struct cv_plan_sum *rows);
/* Appends, escaped, why the plan is refused: the first check that is not as it must be and how many more there are, or
 * how many bytes are missing. Nothing if it is not refused. */
CV_API void cv_plan_refusal(const struct cv_plan *plan, struct cv_text *out);

/* Text for people; "plan" of the JSON documents of writers, with "result" if there is one. */
CV_API bool cv_report_plan(const struct cv_plan *plan, const struct cv_style *style, const struct cv_sink *sink);
struct cv_operation_result;
CV_API bool cv_report_plan_json(const struct cv_plan *plan, const struct cv_operation_result *result,
				const struct cv_report_head *head, const struct cv_sink *sink);
/* The same for one of each of several repositories: "plans". */
struct cv_planned {
	const struct cv_plan *plan;
	const struct cv_operation_result *result;    /* NULL: it was not carried out */
};
CV_API bool cv_report_plans_json(const struct cv_planned *plans, size_t count, const struct cv_report_head *head,
				 const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

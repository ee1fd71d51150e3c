/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Operations: carrying out plans, and what is known about those that were carried out. Everything is journalled in the
 * repository (REPO/.chainview) before it is done, so that what a crash leaves can be finished or put back.
 */
#ifndef CHAINVIEW_OPERATION_H
#define CHAINVIEW_OPERATION_H

#include <chainview/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_result_state { CV_RESULT_DONE, CV_RESULT_REFUSED, CV_RESULT_FAILED, CV_RESULT_CANCELLED };
CV_API const char *cv_result_state_name(enum cv_result_state state);   /* "done", "refused", "failed", "cancelled" */

struct cv_operation_result {
	enum cv_result_state state;
	bool has_id;                 /* it got as far as a journal */
	uint8_t id[16];
	/* Of operations that copy: bytes that were written and that are shared with the source, and how long it took to copy
	 * (until it was sure) and to read back. */
	uint64_t written, shared;
	uint32_t copy_ms, verify_ms;
	uint64_t second_compared;    /* bytes that a second reader was heard on */
};

/*
 * How the caller watches, paces and stops. While something is copied the I/O priority of the thread is best-effort 7, unless
 * it had one; afterwards it is what it was.
 */
struct cv_monitor {
	/* done of total bytes of what ("copy", one word), total 0 if that is not known; false: please stop at this safe point.
	 * Called at least ten times a second while it waits for rate or pause. */
	bool (*tick)(void *ctx, const char *what, uint64_t done, uint64_t total);
	void *ctx;
	/* True: please wait here. Images stay claimed, and who needs one is noticed. NULL: never. */
	bool (*paused)(void *ctx);
	uint64_t rate;               /* at most so many bytes a second; 0: as many as can be */
	/* A guest that opens an image meanwhile is turned away. Otherwise it gets the image, and the operation ends
	 * (CV_ECANCELLED) with everything as it was. */
	bool exclusive;
};

/*
 * A repository that is written to: its folder is made if need be, and locked until this is freed. What a crash left is
 * not touched by this. Refused (CV_EREFUSED) while another operation is at work.
 */
struct cv_writing;
CV_API struct cv_writing *cv_writing_begin(const char *repository, struct cv_err *err);
CV_API void cv_writing_end(struct cv_writing *w);

/* Carries out a plan. What went wrong is in err; result says how it ended in any case. */
CV_API bool cv_operation_run(struct cv_writing *w, const struct cv_plan *plan, const char *command,
			     const struct cv_monitor *monitor, struct cv_operation_result *result, struct cv_err *err);

enum cv_operation_state { CV_OPERATION_PENDING, CV_OPERATION_DONE, CV_OPERATION_ABORTED, CV_OPERATION_DAMAGED };
CV_API const char *cv_operation_state_name(enum cv_operation_state state);

/* One journal. */
struct cv_operation_entry {
	uint8_t id[16];
	enum cv_operation_state state;
	enum cv_plan_kind kind;      /* NONE: not known to this version */
	uint64_t created_ns;         /* since 1970 */
	bool own;                    /* sealed by this host */
	bool archived;               /* its journal was put aside: there is nothing to settle */
	bool running;                /* its process is there */
	uint32_t pid;
	const char *command;         /* escaped */
	const struct cv_plan_item *items;
	size_t item_count;
	const char *trouble;         /* escaped; NULL: none */
};

struct cv_operation_list {
	struct cv_operation_entry *entries;   /* oldest first */
	size_t count;
	struct cv_arena *arena;
};
/* All journals of a repository; only reads. A repository that was never written to has none. */
CV_API struct cv_operation_list *cv_operation_list_read(const char *repository, struct cv_err *err);
CV_API void cv_operation_list_free(struct cv_operation_list *list);
/* The later operation that took this entry of the list back, and was not taken back itself; NULL: none, or nobody knows, as of
 * a file that was brought back from the trash by itself. */
CV_API const struct cv_operation_entry *cv_operation_taken_back(const struct cv_operation_list *list,
								const struct cv_operation_entry *e);

/* Finishes or puts back what is pending. Counts what it settled. */
struct cv_recover_options {
	bool adopt;                  /* also what another host or another key has left */
	bool give_up;                /* what could be finished and can be put back, as a merge of which nobody uses anything, is put back */
	const struct cv_monitor *monitor;     /* NULL: none; what it stops stays pending */
};
CV_API bool cv_recover(struct cv_writing *w, const struct cv_recover_options *options, size_t *settled, struct cv_err *err);

/* One image in the trash. */
struct cv_trash_entry {
	uint8_t operation[16];
	uint32_t index;              /* of the item in its operation */
	const struct cv_plan_item *item;
	int64_t since;               /* Unix seconds */
	uint64_t allocated;
};
struct cv_trash {
	struct cv_trash_entry *entries;       /* oldest first */
	size_t count;
	struct cv_operation_list *operations;
};
CV_API struct cv_trash *cv_trash_read(const char *repository, struct cv_err *err);
CV_API void cv_trash_free(struct cv_trash *trash);

/* Puts images back where they were. chosen: indexes of entries. Parents must be as they were. */
CV_API struct cv_plan *cv_plan_restore(const char *repository, const struct cv_trash *trash, const size_t *chosen,
				       size_t count, struct cv_err *err);
/* Removes images for good: those that nothing in the graph refers to by identity or path. */
CV_API struct cv_plan *cv_plan_purge(const struct cv_graph *g, uint32_t repository, const struct cv_trash *trash,
				     const size_t *chosen, size_t count, struct cv_err *err);

/* JSON documents. journal: "repositories", each with its "operations". */
struct cv_report_head;
struct cv_sink;
struct cv_journal_part {
	const char *repository;      /* absolute, raw bytes */
	const struct cv_operation_list *operations;
};
CV_API bool cv_report_journal_json(const struct cv_journal_part *parts, size_t count, const struct cv_report_head *head,
				   const struct cv_sink *sink);
/* recover: what was "unfinished" when it began, of one repository, and the "result" (NULL: it was a dry run). */
struct cv_recovered {
	enum cv_result_state state;
	size_t settled;
	const char *why;             /* escaped; NULL or empty if it is done */
};
CV_API bool cv_report_recover_json(const struct cv_journal_part *part, bool (*concerns)(const struct cv_operation_entry *e),
				   const struct cv_recovered *result, const struct cv_report_head *head,
				   const struct cv_sink *sink);
/* attach: how the operation ended, or "running", or "gone" (its process is). why: raw bytes, "" if there is nothing. */
CV_API bool cv_report_attach_json(const char *operation_id, const char *state, const char *why,
				  const struct cv_report_head *head, const struct cv_sink *sink);
/* trash list: "images". */
CV_API bool cv_report_trash_json(const char *repository, const struct cv_trash *trash, const struct cv_report_head *head,
				 const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

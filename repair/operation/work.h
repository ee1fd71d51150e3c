/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What operations stand on: the repository that is written to, an operation at work, and the table of kinds. Adding an
 * operation is a planner in plan/, a file here, and a row in operation.c.
 */
#ifndef CV_REPAIR_OPERATION_WORK_H
#define CV_REPAIR_OPERATION_WORK_H

#include "inspect/base/arena.h"
#include "repair/journal/store.h"
#include "repair/operation/pack.h"
#include <chainview/operation.h>

struct cv_writing {
	const struct cv_io *io;
	struct cv_host host;
	int root;                    /* the repository's folder */
	struct cv_store store;
	const struct cv_monitor *monitor;     /* of a recovery; NULL: none */
	bool give_up;                /* a recovery puts back what could be finished, where that can be chosen */
};

/* The same for tests: root is borrowed, the lock is taken. */
bool cv_writing_open(struct cv_writing *w, const struct cv_io *io, const struct cv_host *host, int root,
		     struct cv_err *err);

/* The folder of a repository, also behind a link that the user gave; -1 with err set. The caller's. */
int cv_repository_open(const char *repository, struct cv_err *err);

/* From when on, and from what on, the rate is counted. */
struct cv_pace {
	const char *what;
	uint64_t done, ms;
	bool lowered;                /* the I/O priority, from what it was before */
	int before;
};

/* An operation while it runs or is recovered. */
struct cv_work {
	struct cv_writing *w;
	struct cv_journal journal;
	const struct cv_plan *plan;  /* NULL when it is recovered */
	const struct cv_plan_item *items;
	size_t item_count;
	const struct cv_plan_source *sources;
	size_t source_count;
	const char *command;         /* the line that began it, raw bytes */
	int *claims;                 /* a descriptor for each item, or -1 */
	int *readers;                /* the same for each source */
	struct cv_pace pace;
	const struct cv_monitor *monitor;
	struct cv_operation_result *result;  /* figures go there; NULL when it is recovered */
	uint64_t done, total;        /* of the items' bytes, for cv_work_item() */
	struct cv_bytes more;        /* what PREPARE holds besides the items; only when it is recovered */
	size_t elsewhere;            /* so many of the first items are not at home: whoever brings them there claims them */
	bool stays;                  /* it was stopped, and is to be resumed: nothing is put back */
	struct cv_arena *arena;
};

/* pace.c. Between two pieces of long work, at points where it may be left: done of total bytes of what ("copy"). Looks
 * at the claims, asks the monitor, and waits while it is to be slow or paused. False with err set (CV_ECANCELLED) when
 * it is to stop here; an image that somebody waits for is let go by then if it is only read. */
bool cv_work_batch(struct cv_work *work, const char *what, uint64_t done, uint64_t total, struct cv_err *err);
/* Before the i-th of the items, for operations that take one after the other in no time: asks the monitor, and waits
 * while it is paused. Not behind the last: what is done cannot be cancelled. */
bool cv_work_item(struct cv_work *work, const char *what, size_t i, struct cv_err *err);
/* How many bytes to do until the next cv_work_batch() where so many are usual: fewer when it is to be slow. */
uint64_t cv_work_piece(const struct cv_work *work, uint64_t usual);
bool cv_work_is_exclusive(const struct cv_work *work);
/* Lowers the I/O priority of this thread, and of those that it starts then; gives it back. */
void cv_work_step_back(struct cv_work *work);
void cv_work_step_forward(struct cv_work *work);

/* Slots of a journal. */
struct cv_journal_size {
	uint32_t records, board;
};
/* Of the journal of a plan, but for PREPARE. */
struct cv_journal_size cv_work_room(const struct cv_plan *plan);

struct cv_operation_row {
	enum cv_plan_kind kind;
	const char *name;
	bool claims;                 /* its items are files that somebody may have open */
	/* From a durable PREPARE on. What it returns true for is on disk. */
	bool (*run)(struct cv_work *work, struct cv_err *err);
	/* Whatever run() did or left undone: finished (DONE) or put back (ABORTED). Nothing that was true before a crash
	 * is believed. May be cut short and run again. */
	bool (*recover)(struct cv_work *work, enum cv_record_type *end, struct cv_err *err);
	uint32_t slots;              /* of the journal, for its records between PREPARE and the end */
	/* What else PREPARE holds, and how many slots more the journal needs for such a plan. NULL: nothing, none. */
	bool (*prepare)(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p);
	struct cv_journal_size (*room)(const struct cv_plan *plan);
	size_t elsewhere;            /* so many of the first items are not claimed with the others, but by run() */
};
extern const struct cv_operation_row cv_operation_trash, cv_operation_restore, cv_operation_purge, cv_operation_convert, cv_operation_convert_device,
	cv_operation_rebase, cv_operation_coalesce, cv_operation_coalesce_undo, cv_operation_leaf, cv_operation_convert_tree,
	cv_operation_repair, cv_operation_rebase_copy;
/* NULL if this version knows none. */
const struct cv_operation_row *cv_operation_row(enum cv_plan_kind kind);

/* The whole way: claims, journal, run, DONE. After an error what was begun is put back at once, if that is possible. */
bool cv_work_run(struct cv_writing *w, const struct cv_plan *plan, const char *command, const struct cv_monitor *monitor,
		 struct cv_operation_result *result, struct cv_err *err);
/* Recovers one journal by its name. */
bool cv_work_recover(struct cv_writing *w, const char *name, bool adopt, struct cv_err *err);

/* Recovers all; the first thing that went wrong is in err, and the others are tried all the same. */
bool cv_recover_all(struct cv_writing *w, bool adopt, size_t *settled, struct cv_err *err);

/* items.c: the payload of PREPARE. Decoding keeps nothing of the payload. */
bool cv_items_pack(struct cv_pack *p, const char *command, const struct cv_plan_item *items, size_t count);
bool cv_items_unpack(struct cv_arena *arena, const struct cv_record *prepare, const char **command,
		     const struct cv_plan_item **items, size_t *count, struct cv_err *err);
/* What the row's prepare() has put behind them; empty if it put nothing there. */
struct cv_bytes cv_items_more(const struct cv_record *prepare);
void cv_link_pack(struct cv_pack *p, const struct cv_plan_link *link);
bool cv_link_unpack(struct cv_arena *arena, struct cv_unpack *u, struct cv_plan_link *link);
void cv_source_pack(struct cv_pack *p, const struct cv_plan_source *source);
bool cv_source_unpack(struct cv_arena *arena, struct cv_unpack *u, struct cv_plan_source *source);

/* merged.c: what a merge that is done has left, from its journal. */
struct cv_merged {
	uint64_t size;               /* of the parent, when it was read back */
	int64_t mtime_ns;
	uint64_t image_size;         /* of the image; both zero: not noted */
	int64_t image_mtime_ns;
};
bool cv_merged_read(const struct cv_journal_log *log, struct cv_merged *merged, struct cv_err *err);
/* The journal of an operation that is done; the caller's, also on failure. Refused if it cannot be relied on. */
bool cv_done_read(const struct cv_writing *w, const uint8_t op[16], struct cv_journal_log *log, struct cv_err *err);

/* convert.c: what new images are on disk, in a PUBLISH record; into so many items, false if the record is damaged. */
void cv_made_pack(struct cv_pack *p, const struct stat *st);
bool cv_made_read(const struct cv_record *publish, struct cv_plan_item *items, size_t count);

/* places.c: the folder of a relative path, gone through name by name and never through a link; its descriptor is the
 * caller's. *base: the last name. -1 with err set, and errno (ENOENT if a folder is not there). */
int cv_place_open(const struct cv_writing *w, const char *path, const char **base, struct cv_err *err);
/* The same; folders that are not there are made, and are on disk then. */
int cv_place_make(const struct cv_writing *w, const char *path, const char **base, struct cv_err *err);
/* When it was last written to, as plans and journals have it. */
static inline int64_t cv_stat_mtime(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

/* The very file that was recorded. A file system has another device number when it was mounted anew: what lies on that of the
 * repository is known by its inode number and by where it is. */
bool cv_place_same(const struct cv_writing *w, const struct stat *st, uint64_t device, uint64_t inode);
/* 1: the item is there; 2: something else is; 0: nothing; -1 with err set. */
int cv_place_look(const struct cv_writing *w, int dir, const char *name, const struct cv_plan_item *item, struct cv_err *err);
/* What is under a relative path; false if nothing is, or it cannot be looked at. */
bool cv_place_stat(const struct cv_writing *w, const char *path, struct stat *st);
/* The folder of an operation in the trash. */
int cv_place_trash(const struct cv_writing *w, const uint8_t op[16], bool make, struct cv_err *err);
struct cv_trash_name { char s[256]; };
/* What the item is called there: its number in its operation, and as much of its name as fits. */
struct cv_trash_name cv_trash_name(uint32_t index, const char *path);

enum cv_whereabouts {
	CV_AT_HOME,                  /* under its own path */
	CV_IN_TRASH,
	CV_GONE,                     /* at neither place */
	CV_REPLACED,                 /* another file is under its path, and it is not in the trash */
	CV_UNKNOWN,                  /* could not be looked at: err is set */
};
/* The item with this number of the operation op. home_taken: something is under its own path. */
enum cv_whereabouts cv_place_find(const struct cv_writing *w, const uint8_t op[16], uint32_t index,
				  const struct cv_plan_item *item, bool *home_taken, struct cv_err *err);
/* Moves it; never over anything. The folders are not synced. */
bool cv_place_to_trash(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		       struct cv_err *err);
bool cv_place_to_home(const struct cv_writing *w, const uint8_t op[16], uint32_t index, const struct cv_plan_item *item,
		      struct cv_err *err);
/* Makes what was moved there or away sure: in the trash of that operation (CV_EUSAGE: it is not there), in the folders that
 * the items are at home in. */
bool cv_place_sync_trash(const struct cv_writing *w, const uint8_t op[16], struct cv_err *err);
bool cv_place_sync_homes(const struct cv_writing *w, const struct cv_plan_item *items, size_t count, struct cv_err *err);
/* Removes the folder of the operation from the trash if no image is in it, and with it what is left of a merge (former.h). */
bool cv_place_tidy(const struct cv_writing *w, const uint8_t op[16], struct cv_err *err);

/* claim/claim.c */
/* Opens the item and makes sure that nobody else has it, and that it is what the plan saw; the descriptor keeps it so
 * until it is closed. -1 with err set (CV_EREFUSED: in use, or changed). */
int cv_claim_item(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err);
/* The same for an image of an operation that is taken up again, whatever it is like now: it must be the same file. */
int cv_claim_as_it_is(const struct cv_writing *w, const struct cv_plan_item *item, struct cv_err *err);
/*
 * The same for a file that is only read, through a descriptor that is open for reading only: it is what the plan saw,
 * nobody has it open for writing, and nobody can begin to without waiting for us (F_GETLEASE then says so). Others may
 * read it. exclusive: no QEMU may open it either, not even with force-share; only "qemu-img info -U", which reads
 * without asking, can. Programs that know nothing of QEMU's locks can always read.
 */
bool cv_claim_reader(const struct cv_io *io, int fd, const struct cv_plan_source *source, bool exclusive,
		     struct cv_err *err);
/*
 * A block device, which has no leases: nobody is seen to have it open, QEMU has no lock on it, wherever it runs, and until
 * the descriptor is closed it is turned away by ours. Of others who come meanwhile nothing is heard.
 */
bool cv_claim_device(const struct cv_io *io, int fd, const char *path, struct cv_err *err);
/* Lets locks and lease go, in this order; the descriptor stays open. */
void cv_claim_drop(const struct cv_io *io, int fd);

/* claim/held.c: the claims of one operation. */
/* Makes room for all of them, and with items claims these. */
bool cv_work_claim(struct cv_work *work, bool items, struct cv_err *err);
/* Of one that is taken up again: the items from first on, as they are. */
bool cv_work_claim_from(struct cv_work *work, size_t first, struct cv_err *err);
/* Claims the source of this index through a descriptor that it was opened with, which stays the caller's: the claim lasts
 * until cv_work_release(), also when the descriptor is closed before. */
bool cv_work_claim_reader(struct cv_work *work, int fd, size_t index, struct cv_err *err);
/*
 * Somebody waits for one of them to be let go: CV_ECANCELLED. A source is let go at once, an item by cv_work_release().
 * When the operation is exclusive whoever waits is let in instead, and QEMU is turned away by the locks: fails only if
 * somebody stays or has written, within three seconds.
 */
bool cv_work_look(struct cv_work *work, struct cv_err *err);
void cv_work_release(struct cv_work *work);

#endif

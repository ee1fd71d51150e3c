/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image of an operation another parent, on disk: what relink.h has found out is noted in the journal (UNDO), then
 * applied layer by layer, and read back. After a crash the image is settled: it names one of both, and all else in it is as
 * it was or as a guest has made it since.
 */
#ifndef CV_REPAIR_OPERATION_RELINKING_H
#define CV_REPAIR_OPERATION_RELINKING_H

#include "repair/operation/work.h"
#include "repair/relink/relink.h"

/* Slots of the journal for one UNDO record with as many pages as there may be. */
enum { CV_RELINKING_SLOTS = 32 };
/* For one of many: that, and what later rounds note of it, which are as large as need be. */
enum { CV_RELINKING_SLOTS_EACH = CV_RELINKING_SLOTS + 8 };
_Static_assert((CV_RELINKING_SLOTS - 2) * CV_JOURNAL_SLOT > CV_RELINK_PAGES_MOST * (2 * CV_RELINK_PAGE + 64), "room for it");

/* The same for other changes. */
enum { CV_RELINKING_SLOTS_LARGE = 1052 };
_Static_assert((CV_RELINKING_SLOTS_LARGE - 12) * CV_JOURNAL_SLOT > CV_RELINK_PAGES_LARGE * (2 * CV_RELINK_PAGE + 64), "room for it");

struct cv_relinking {
	struct cv_work *work;
	size_t item;                         /* which of its items */
	bool of_many;                        /* others may be relinked, too: records say which it is */
	struct cv_file_out out;
	struct cv_source *source;            /* over it */
	struct cv_relink change;
	bool unreadable;                     /* nobody can have opened it as it is */
	uint8_t noted[CV_RELINK_PAGES_LARGE];        /* pages that a recovery before this one found spoilt */
};

/* fd: borrowed. What is not about the parent sets b->change.say. The caller then makes b->change from b->source, or cv_relinking_settle() finds it in the journal. */
bool cv_relinking_begin(struct cv_relinking *b, struct cv_work *work, size_t item, int fd, struct cv_err *err);
void cv_relinking_fini(struct cv_relinking *b);
/* On disk when it returns. before: the journal as it was read, or NULL: what is noted there already is not noted again. */
bool cv_relinking_note(struct cv_relinking *b, const struct cv_journal_log *before, struct cv_err *err);
/* There is a record of what changes in this item of many. */
bool cv_relinking_is_noted(const struct cv_journal_log *log, size_t item);
/* Instead of making the change: what another operation, which is done, has changed in this image is to be as it was. Its
 * items were in the same order. */
bool cv_relinking_take_back(struct cv_relinking *b, const struct cv_journal_log *done, struct cv_err *err);
/* The same as a change of source, for planning. */
bool cv_relinking_taken(const struct cv_journal_log *done, bool of_many, size_t item, struct cv_source *source,
			struct cv_relink *change, struct cv_err *err);
/* What that changed is as it was before: it was put back, or taken back. */
bool cv_relinking_is_old(const struct cv_journal_log *done, bool of_many, size_t item, struct cv_source *source, bool *is_old,
			 struct cv_err *err);
bool cv_relinking_apply(struct cv_relinking *b, struct cv_err *err);

/* All that was noted back to what it was, whether it is so or not: only for a file that nobody else has written to. */
bool cv_relinking_revert(struct cv_relinking *b, struct cv_err *err);

/* Whatever the crash left of what the journal says of this item. own_error: a call of this process failed, and there was no
 * crash. *is_new: it names the new parent; if there is no record, nothing was begun. */
bool cv_relinking_settle(struct cv_relinking *b, const struct cv_journal_log *log, bool own_error, bool *is_new,
			 struct cv_err *err);

/* Item 0, of an operation that relinks nothing else; claimed or not. *end becomes DONE if it names the new parent. */
bool cv_relinking_settle_one(struct cv_work *work, const struct cv_journal_log *log, enum cv_record_type *end, struct cv_err *err);
/* All items from first on, which are claimed. is_new: for each of them. */
bool cv_relinking_settle_all(struct cv_work *work, const struct cv_journal_log *log, bool own_error, size_t first, bool *is_new,
			     bool *any, bool *all, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What merging an image that others stand on and merging a leaf have in common: data into the parent, and how that is taken up again. */
#ifndef CV_REPAIR_OPERATION_COALESCE_H
#define CV_REPAIR_OPERATION_COALESCE_H

#include "repair/operation/merging.h"
#include "repair/operation/relinking.h"

/* Items: the image, its parent, those that stand on the image. Slots of the journal besides those for what is relinked. */
enum { CV_COALESCE_IMAGE = 0, CV_COALESCE_PARENT = 1, CV_COALESCE_FIRST_CHILD = 2, CV_COALESCE_SLOTS_BESIDES = 16 };

struct cv_coalesce {
	struct cv_work *work;
	struct cv_plan_merge plan;
	struct cv_journal_log log;           /* when it is recovered: what there was */
	uint8_t boot[16];                    /* in which it was begun; when it is recovered */
	bool recovered, own_error;
	bool *is_new;                        /* for each child: it names the parent already */
};

/* Members of the rows. */
bool cv_coalesce_prepare(const struct cv_writing *w, const struct cv_plan *plan, struct cv_pack *p);
struct cv_journal_size cv_coalesce_room(const struct cv_plan *plan);

/* Also reads the journal if it is recovered. cv_coalesce_fini() it in any case. */
bool cv_coalesce_init(struct cv_coalesce *c, struct cv_work *work, struct cv_err *err);
void cv_coalesce_fini(struct cv_coalesce *c);
/* Of a merge by its journal: what the image was, and its parent. */
bool cv_coalesce_formats(const struct cv_journal_log *log, enum cv_format_id *image, enum cv_format_id *parent, struct cv_err *err);
/* Data into the parent, read back, and noted so. */
bool cv_coalesce_merge(struct cv_coalesce *c, struct cv_merging_how how, struct cv_err *err);
/* Images that are opened by somebody meanwhile are left to them: it goes on later. */
bool cv_coalesce_look(struct cv_coalesce *c, struct cv_err *err);
/* In which boot it is at work; or that it stopped there with all that it wrote on disk. */
bool cv_coalesce_note_boot(struct cv_work *work, bool stopped, struct cv_err *err);
/* Whether it was last at work in this boot, and whether it was stopped there with all on disk. */
bool cv_coalesce_went_on_here(const struct cv_coalesce *c, bool *stopped);
/* What was being written into the parent's structures is put right. any: somebody names the parent, so all that it has
 * was on disk. */
bool cv_coalesce_settle_parent(struct cv_coalesce *c, bool any, struct cv_err *err);
/* As if nothing had been begun: what the parent has got of the image stays, but nobody sees it. */
bool cv_coalesce_give_up(struct cv_coalesce *c, struct cv_err *err);

#endif

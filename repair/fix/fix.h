/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a finding to what mends it: pure, from the graph and what is read of the image to bytes that are to be others.
 * Nothing is written here; the plan shows it (plan/repair.c), and the operation journals it and does it
 * (operation/repair.c).
 *
 * A fixer is a row: the problem that it is for, and a function that looks at the image and says what is to be done. A
 * finding is only where it begins: what it writes must follow from the image itself (or from the chain), and be right
 * whatever else is wrong with it. What it cannot vouch for it refuses, and says why.
 */
#ifndef CV_REPAIR_FIX_FIX_H
#define CV_REPAIR_FIX_FIX_H

#include "inspect/base/arena.h"
#include <chainview/candidates.h>
#include <chainview/plan.h>
#include <chainview/source.h>
#include <chainview/vec.h>

/* Layers are on disk one after the other: structures first (1), then what points to them. */
enum { CV_FIX_LAYERS = 3 };

CV_VEC(cv_fix_patches, struct cv_plan_patch);

/* What a fixer gets. */
struct cv_fix_job {
	const struct cv_graph *g;
	uint32_t image;              /* in the graph */
	const struct cv_finding *finding;
	struct cv_source *source;    /* the image as it will be with the fixes that come before this one */
	struct cv_arena *arena;      /* for what outlives the call */
	const struct cv_candidates *candidates;      /* for lost parents; NULL: nobody looked */
};

/* What it says. No patches and not refused: a fix that came before has mended this, too. */
struct cv_fix {
	enum cv_fix_verdict verdict; /* as fixes.def says, until the fixer knows better */
	const char *why;             /* escaped, one phrase: what is done, or why not; in the arena, or static */
	uint64_t off;                /* where it begins in the image, for people; 0: the first patch */
	struct cv_fix_patches patches;
	uint64_t size;               /* the file's length from then on; 0: stays */
	struct cv_arena *arena;      /* of the job */
};

/* One that can be mended or knows why not. */
struct cv_fixer {
	enum cv_problem_id id;       /* the kind of repair is that of fixes.def */
	enum cv_format_id format;    /* only in images of this format; NONE: in any */
	/* False: it could not look (an I/O error, no memory). */
	bool (*make)(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
};
/* table.c: in the order in which they are done. */
extern const struct cv_fixer cv_fixers[];
extern const size_t cv_fixer_count;

/* For fixers. These bytes are to be so; copied. What is so already changes nothing. */
bool cv_fix_patch(struct cv_fix *fix, uint64_t off, const void *bytes, size_t len, unsigned layer, struct cv_err *err);
/* All that another change does (relink/relink.h). */
struct cv_relink;
bool cv_fix_take(struct cv_fix *fix, const struct cv_relink *change, struct cv_err *err);
/* Returns true, for it is an answer. fmt: escaped. */
bool cv_fix_refuse(struct cv_fix *fix, const char *fmt, ...) CV_PRINTF(2, 3);
bool cv_fix_ask(struct cv_fix *fix, const char *fmt, ...) CV_PRINTF(2, 3);
/* Refuses, and names the command that copies what can be read of the image to a new one. */
bool cv_fix_refuse_salvage(const struct cv_fix_job *job, struct cv_fix *fix, const char *reason);
/* For problems that have no other way. */
bool cv_fix_salvage(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err);
bool cv_fix_say(struct cv_fix *fix, const char *fmt, ...) CV_PRINTF(2, 3);

/* ways.c: of what has no fixer, who else does something about it; one phrase. */
const char *cv_fix_way(enum cv_problem_id id);

/* fix.c: what is to be done to one image, built up fix by fix. */
struct cv_fixing {
	const struct cv_graph *g;
	uint32_t image;
	struct cv_relink *change;    /* with the source; its pages are those of the fixes that were taken */
	struct cv_arena *arena;
	struct cv_fix_patches patches;       /* of all of them, in order */
	const struct cv_candidates *candidates;      /* may be NULL */
};
/* What is to be done about a finding; verdict and why are set. False: it could not look. */
bool cv_fixing_look(struct cv_fixing *f, const struct cv_fixer *row, const struct cv_finding *finding, struct cv_fix *fix,
		    struct cv_err *err);
/* It is done from now on, and what comes later sees the image so. */
bool cv_fixing_take(struct cv_fixing *f, const struct cv_fix *fix, struct cv_err *err);

/* says.c: what an image says to those who check it, as text: equal texts for images that are equally well. */
bool cv_fix_says(struct cv_source *source, struct cv_text *out, struct cv_err *err);
/* The same as a list of what is wrong, in order. Added to ids. */
CV_VEC(cv_fix_ids, enum cv_problem_id);
bool cv_fix_wrong(struct cv_source *source, struct cv_fix_ids *ids, struct cv_err *err);
/* Makes pages of patches. */
struct cv_relink;
bool cv_fix_lay(struct cv_relink *change, const struct cv_plan_patch *patches, size_t count, uint64_t size, struct cv_err *err);

#endif

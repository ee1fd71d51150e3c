/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Giving an image another parent: which of its bytes change, and in which order. Nothing is written here: what comes out
 * is a list of pages as they are and as they will be, which is journalled before it is applied (operation/rebase.c).
 *
 * Sectors belong to layers: a layer is on disk before the next one begins. So an image whose format allows it (QCOW2,
 * VHDX) reads right at every moment: first the new name where nobody looks, then the one sector that points to it.
 *
 * A format is a row here: one file with a struct cv_relink_format, and a line in relink.c.
 */
#ifndef CV_REPAIR_RELINK_RELINK_H
#define CV_REPAIR_RELINK_RELINK_H

#include "repair/operation/pack.h"
#include <chainview/facts.h>
#include <chainview/plan.h>
#include <chainview/source.h>
#include <chainview/vec.h>

enum { CV_RELINK_SECTOR = 512, CV_RELINK_PAGE = 4096, CV_RELINK_SECTORS = CV_RELINK_PAGE / CV_RELINK_SECTOR };
/* More are refused: so the journal knows how much room it needs. */
enum { CV_RELINK_PAGES_MOST = 12, CV_RELINK_LAYERS = 3 };
/* The same for other changes: one record of a journal holds them. */
enum { CV_RELINK_PAGES_LARGE = 512 };

/* A page of the file. A power cut may spoil all of it, so all of it is kept, not only what changes. */
struct cv_page {
	uint64_t off;
	uint32_t len;                /* less than a page at the end of the file; whole sectors */
	uint8_t layer[CV_RELINK_SECTORS];   /* 1 and on; 0: the sector does not change */
	uint8_t old[CV_RELINK_PAGE], new[CV_RELINK_PAGE];
};
CV_VEC(cv_pages, struct cv_page);

struct cv_relink {
	struct cv_source *source;            /* borrowed */
	const struct cv_facts *facts;        /* what the parser says about it */
	const struct cv_plan_link *link;     /* what it shall say */
	bool name_is_lost;                   /* QCOW2: what is recorded leads nowhere in the file, and all of it is made anew */
	bool own;                            /* it is about what the image is, not about its parent: cv_relink_own() */
	uint8_t fresh[16];                   /* a new identity, if the format wants one for whoever wrote last */
	/* What an image says, where the change is about something else than its parent; as cv_relink_says(), which NULL means. */
	bool (*say)(struct cv_source *source, struct cv_text *out, struct cv_err *err);
	uint64_t old_size, new_size;         /* of the file, if that changes; both 0 if not */
	struct cv_pages pages;               /* no pages: there is nothing to change */
	struct cv_text says_old, says_new;   /* see cv_relink_says() */
};

/* What an image is to be: not marked as hidden any more, and known as uuid (NULL: as it is). */
struct cv_relink_own {
	const uint8_t *uuid;
};

struct cv_relink_format {
	enum cv_format_id format;
	/* Adds what changes (cv_relink_set()). CV_EREFUSED with the reason if it cannot be. */
	bool (*make)(struct cv_relink *r, struct cv_err *err);
	/* The same for what the image itself is; NULL: images of this format say nothing of that. */
	bool (*own)(struct cv_relink *r, const struct cv_relink_own *own, struct cv_err *err);
	/* The same for no parent any more (a link without a path): the image has all that it reads, and stands alone. Until the last
	 * layer is on disk it may be read either way. NULL: not for this format. */
	bool (*part)(struct cv_relink *r, struct cv_err *err);
	/* The same for the format of the parent that it has, where none is recorded. NULL: images of this format have no place for it,
	 * or never lack it. */
	bool (*format_of_parent)(struct cv_relink *r, enum cv_format_id format, struct cv_err *err);
};
extern const struct cv_relink_format cv_relink_vhd, cv_relink_vhdx, cv_relink_qcow2;
/* NULL: images of this format cannot be given another parent. */
const struct cv_relink_format *cv_relink_format(enum cv_format_id format);

/* The change from what the source says to what the link says. The parser has seen the outcome, and agrees. r->fresh is
 * set by the caller; cv_relink_fini() it also on failure. */
bool cv_relink_make(struct cv_relink *r, struct cv_source *source, const struct cv_plan_link *link, struct cv_err *err);
/* The change from what the image is to that. No pages if it is so already. */
bool cv_relink_own(struct cv_relink *r, struct cv_source *source, const struct cv_relink_own *own, struct cv_err *err);
/* The change that records of which format the parent is, where the image does not say. */
bool cv_relink_record_format(struct cv_relink *r, struct cv_source *source, enum cv_format_id format, struct cv_err *err);
/* The other way round: from the pages that an earlier change (taken) left to what was before it. Bytes that it did not
 * change may have changed since, and stay. Refused if others have. r->say is set by the caller. */
bool cv_relink_take_back(struct cv_relink *r, struct cv_source *source, const struct cv_relink *taken, struct cv_err *err);
void cv_relink_fini(struct cv_relink *r);
/* Bytes of the sectors that change. */
uint64_t cv_relink_bytes(const struct cv_relink *r);

/* For changes that are made in another way, and have all their pages: what the image says and will say; pages that stay as they
 * are go. */
bool cv_relink_foresee(struct cv_relink *r, struct cv_err *err);

/* The image as it will be, for reading; both must outlive it. There is nothing to close. */
struct cv_outcome {
	struct cv_source base;
	const struct cv_relink *r;
};
void cv_relink_outcome(const struct cv_relink *r, struct cv_outcome *outcome);

/* For formats: these bytes are to be so. */
bool cv_relink_set(struct cv_relink *r, uint64_t off, const void *bytes, size_t len, unsigned layer, struct cv_err *err);

/* Appends the parent's path as seen from the image: "../bases/a.vhd", "a.vhd". */
void cv_relink_relative(const struct cv_plan_link *link, struct cv_text *out);
/* The former parent lay in the folder of the new one: what leads to one by its folder leads to the other. */
bool cv_relink_same_folder(const struct cv_plan_link *link);

/* What an image says about its parent, or with own about itself: equal texts for equal ones. Other parts of it do not matter. */
bool cv_relink_says(struct cv_source *source, bool own, struct cv_text *out, struct cv_err *err);

/* The same of an image that this is a change of, as the change wants it told. */
bool cv_relink_tells(const struct cv_relink *r, struct cv_source *source, struct cv_text *out, struct cv_err *err);

/* The payload of UNDO. boot: of the host that wrote it. */
bool cv_relink_pack(struct cv_pack *p, const struct cv_relink *r, const uint8_t boot[16]);
bool cv_relink_unpack(struct cv_relink *r, const void *payload, size_t len, uint8_t boot[16], struct cv_err *err);

#endif

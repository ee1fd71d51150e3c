/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a check of QCOW2 remembers of each cluster of the file: how often it is referred to, as what, and roughly what
 * its stored refcount is. Pages of 64 clusters are made when one of theirs is touched and hold a byte for each as
 * long as that is enough, so that memory follows the references and not the length of the file. There is a cap.
 */
#ifndef CV_INSPECT_QCOW2_TALLY_H
#define CV_INSPECT_QCOW2_TALLY_H

#include <chainview/base.h>

/* One cluster. */
#define CV_TALLY_KIND 3u             /* enum cv_tally_kind */
#define CV_TALLY_OVERLAP 4u          /* used as things that cannot share a cluster */
#define CV_TALLY_STORED_SHIFT 3      /* stored refcount: 0, 1, 2 = more */
#define CV_TALLY_STORED (3u << CV_TALLY_STORED_SHIFT)
#define CV_TALLY_COUNT_SHIFT 5       /* references */

enum cv_tally_kind { CV_TALLY_NOTHING, CV_TALLY_DATA, CV_TALLY_L2, CV_TALLY_METADATA };

#define CV_TALLY_PAGE_BITS 6
#define CV_TALLY_PAGE (1u << CV_TALLY_PAGE_BITS)

struct cv_tally_slot {
	uint64_t number;             /* cluster >> CV_TALLY_PAGE_BITS */
	void *page;                  /* NULL: free */
	unsigned width;              /* bytes for each cluster: 1, 2, 8 */
};

struct cv_tally {
	struct cv_tally_slot *slots;
	size_t size, used, held;     /* slots; those in use; bytes of pages */
	size_t most;                 /* bytes of pages that may be held */
	struct cv_tally_slot *last;
	void *chunks;                /* of pages of a byte for each cluster; each begins with a pointer to the next */
	void *spare;                 /* pages of them that are not used, linked in the same way */
	bool full;                   /* something could not be remembered: the cap is reached, or memory is short */
	bool no_memory;
};

void cv_tally_fini(struct cv_tally *t);
/* Forgets everything but the cap. */
void cv_tally_clear(struct cv_tally *t);

/* The page with this number; NULL if it is not there (and cannot be made). */
struct cv_tally_slot *cv_tally_find(struct cv_tally *t, uint64_t number, bool make);
static inline struct cv_tally_slot *cv_tally_page(struct cv_tally *t, uint64_t number, bool make)
{
	return t->last && t->last->number == number ? t->last : cv_tally_find(t, number, make);
}
uint64_t cv_tally_value(const struct cv_tally_slot *slot, unsigned i);
uint64_t cv_tally_get(struct cv_tally *t, uint64_t cluster);
/* Sets t->full if that is not possible. */
void cv_tally_put(struct cv_tally *t, uint64_t cluster, uint64_t value);
/* times more references as this kind. */
void cv_tally_add(struct cv_tally *t, uint64_t cluster, enum cv_tally_kind kind, uint64_t times);

/* The numbers of all pages in order; the caller frees them. NULL when memory is short or there are none. */
uint64_t *cv_tally_numbers(const struct cv_tally *t);

#endif

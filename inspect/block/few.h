/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Findings about entries of tables, of which a damaged image can have millions: the first few are told one by one,
 * of the others their number. So memory does not grow with what is wrong.
 */
#ifndef CV_INSPECT_BLOCK_FEW_H
#define CV_INSPECT_BLOCK_FEW_H

#include <chainview/facts.h>

#define CV_FEW 8
#define CV_FEW_TEXT 80

/* One kind of finding. The first argument that it does not use is for "; N more like it", and it uses three at most. */
struct cv_few {
	struct cv_finding kept[CV_FEW];
	char text[CV_FEW][CV_FINDING_ARGS - 1][CV_FEW_TEXT];
	uint64_t count, more_bytes;          /* all of them; the bytes concerned by those that are not kept */
};

/* If enough of them are kept already: only counts one more, which need not be made for that. */
static inline bool cv_few_counts(struct cv_few *few, uint64_t bytes)
{
	if (few->count < CV_FEW)
		return false;
	few->count++;
	few->more_bytes += bytes;
	return true;
}

/* Copies text arguments, cut if they are too long. */
void cv_few_add(struct cv_few *few, struct cv_finding finding);
/* Adds what was kept to the facts. */
void cv_few_tell(struct cv_few *few, struct cv_facts *facts);

#endif

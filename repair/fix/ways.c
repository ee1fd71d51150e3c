/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What a repair does not do, but something else does: the way out that is told with the refusal. */
#include "repair/fix/fix.h"

static const struct {
	enum cv_problem_id id;
	const char *way;
} ways[] = {
	{ CV_CHN_VISIBLE_BASE_WITH_HIDDEN_CHILDREN,
	  "what stands on it is garbage: chainview gc moves that to the trash, and the danger is over" },
	{ CV_SPC_ORPHANED_BASE_COPY, "chainview gc moves it to the trash" },
	{ CV_SPC_UNREFERENCED_LEAF, "chainview gc --unreferenced moves it to the trash" },
	{ CV_SPC_LEFTOVER_FILE, "let the program that left it finish, or take back, what it did; chainview info says why it counts as needed, "
				"and what does not goes to the trash by chainview gc --unreferenced" },
	{ CV_SPC_CHAIN_TOO_DEEP, "chainview coalesce merges images that only one other stands on" },
	{ CV_VHD_RESIZE_PENDING, "the program that resized it has kept in its journal what was there before: chainview explain says how that "
				 "comes back" },
	{ CV_GEN_OPERATION_PENDING, "chainview recover finishes it, or takes it back" },
};

const char *cv_fix_way(enum cv_problem_id id)
{
	for (size_t i = 0; i < CV_COUNT(ways); i++)
		if (ways[i].id == id)
			return ways[i].way;
	return "there is no repair for it here: chainview explain says what can be done";
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tables of views and actions, made of views.def and actions.def. What an action does is not here.
 */
#include "tui/view/view.h"

#define IN(tag) (1u << CV_VIEW_##tag)
#define IN_ALL ((1u << CV_VIEW_COUNT) - 1)

const struct cv_action_row cv_actions[] = {
#define A(tag, key, key2, key3, shown, rank, label, group, views, help) \
	{ CV_ACT_##tag, { key, key2, key3 }, shown, rank, label, group, views, help },
#include "tui/view/actions.def"
#undef A
};
const size_t cv_action_count = CV_COUNT(cv_actions);

const char *const cv_group_names[CV_GROUP_COUNT] = {
	[GROUP_MOVE] = "Move", [GROUP_FIND] = "Find", [GROUP_VIEWS] = "Views", [GROUP_SCREEN] = "Screen",
};

const struct cv_view *const cv_views[CV_VIEW_COUNT] = {
#define V(name, tag) [CV_VIEW_##tag] = &cv_view_##name,
#include "tui/view/views.def"
#undef V
};

enum cv_action cv_action_of_key(int key, enum cv_view_id view)
{
	for (size_t i = 0; i < cv_action_count; i++)
		for (size_t k = 0; k < CV_COUNT(cv_actions[i].key); k++)
			if (key > 0 && cv_actions[i].key[k] == key && cv_actions[i].views & 1u << view)
				return cv_actions[i].action;
	return CV_ACT_NONE;
}

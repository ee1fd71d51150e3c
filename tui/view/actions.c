/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The tables of views and actions, made of views.def and actions.def. What an action does is not here. With
 * CV_READ_ONLY the views that lead to writing are left out, so that their code is not even linked, and their keys do
 * nothing.
 */
#include "tui/view/view.h"

#define IN(tag) (1u << CV_VIEW_##tag)
#define IN_ALL ((1u << CV_VIEW_COUNT) - 1)

#ifdef CV_READ_ONLY
#define WRITING(what) 0
#else
#define WRITING(what) (what)
#endif

const struct cv_action_row cv_actions[] = {
#define A(tag, key, key2, key3, shown, rank, label, group, views, help) \
	{ CV_ACT_##tag, { key, key2, key3 }, shown, rank, label, group, views, help },
#define W(tag, key, key2, key3, shown, rank, label, group, views, help) \
	A(tag, key, key2, key3, shown, rank, label, group, WRITING(views), help)
#include "tui/view/actions.def"
#undef A
#undef W
};
const size_t cv_action_count = CV_COUNT(cv_actions);

const char *const cv_group_names[CV_GROUP_COUNT] = {
	[GROUP_MOVE] = "Move", [GROUP_FIND] = "Find", [GROUP_VIEWS] = "Views", [GROUP_WORK] = "Work",
	[GROUP_SCREEN] = "Screen",
};

#ifdef CV_READ_ONLY
#define W(file, tag) const struct cv_view cv_view_##file = { .name = #file };
#define V(name, tag)
#include "tui/view/views.def"
#undef V
#undef W
#endif

const struct cv_view *const cv_views[CV_VIEW_COUNT] = {
#define V(name, tag) [CV_VIEW_##tag] = &cv_view_##name,
#define W(name, tag) V(name, tag)
#include "tui/view/views.def"
#undef V
#undef W
};

void cv_action_help(struct cv_text *out, const struct cv_action_row *row)
{
	unsigned few = __builtin_popcount(row->views) <= 2 ? row->views : 0;

	cv_text_add(out, row->help);
	for (unsigned v = 0; v < CV_VIEW_COUNT; v++)
		if (few & 1u << v)
			cv_text_addf(out, " (%s)", cv_views[v]->name);
}

enum cv_action cv_action_of_key(int key, enum cv_view_id view)
{
	for (size_t i = 0; i < cv_action_count; i++)
		for (size_t k = 0; k < CV_COUNT(cv_actions[i].key); k++)
			if (key > 0 && cv_actions[i].key[k] == key && cv_actions[i].views & 1u << view)
				return cv_actions[i].action;
	return CV_ACT_NONE;
}

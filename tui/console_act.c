/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What keys do that mean the same in every view: moving, opening views, asking the loop for something. A
 * view's own actions are asked first.
 */
#include "tui/console_model.h"

static size_t page_of(const struct cv_console *c)
{
	int page = cv_views[cv_top(c)]->page(c);

	return page > 1 ? (size_t)page - 1 : 1;
}

/* Scrolls the pane, to its last full page at most. */
static void scroll_pane(struct cv_console *c, int direction, size_t rows)
{
	struct cv_pane *pane = &c->pane[0];
	int height = cv_pane_height(c, cv_top(c)) - 2;
	size_t page = height > 0 ? (size_t)height : 1, lines = pane->paper.lines.len,
	       most = lines > page ? lines - page : 0;

	pane->top = direction < 0 ? pane->top - cv_smaller(pane->top, rows) : cv_smaller(pane->top + rows, most);
}

/* Moves by rows; scrolls the pane instead when it has the focus. */
static unsigned move(struct cv_console *c, int direction, size_t rows)
{
	struct cv_list *l = &cv_state(c)->list;
	size_t from;

	if (c->pane_focus) {
		scroll_pane(c, direction, rows);
		return FX_REDRAW;
	}
	if (!l->count)
		return 0;
	from = cv_views[cv_top(c)]->scrolls ? l->top : l->cursor;
	cv_list_go(c, direction < 0 ? from - cv_smaller(from, rows) : from + cv_smaller(rows, l->count));
	return FX_REDRAW;
}

static unsigned act_up(struct cv_console *c)
{
	return move(c, -1, 1);
}

static unsigned act_down(struct cv_console *c)
{
	return move(c, 1, 1);
}

static unsigned act_page_up(struct cv_console *c)
{
	return move(c, -1, page_of(c));
}

static unsigned act_page_down(struct cv_console *c)
{
	return move(c, 1, page_of(c));
}

static unsigned act_first(struct cv_console *c)
{
	return move(c, -1, SIZE_MAX / 2);
}

static unsigned act_last(struct cv_console *c)
{
	return move(c, 1, SIZE_MAX / 2);
}

static unsigned act_back(struct cv_console *c)
{
	if (c->pane_focus) {
		c->pane_focus = false;
		return FX_REDRAW;
	}
	return cv_pop_view(c) ? FX_REDRAW : cv_do_action(c, CV_ACT_QUIT);
}

static unsigned act_help(struct cv_console *c)
{
	cv_push_view(c, CV_VIEW_HELP);
	return FX_REDRAW;
}

/* They are where everything begins: nothing is left to go back to. */
static unsigned act_repositories(struct cv_console *c)
{
	while (cv_pop_view(c))
		;
	return FX_REDRAW;
}

static unsigned act_tree(struct cv_console *c)
{
	uint32_t image = cv_current_image(c);

	if (image != CV_NO_IMAGE)
		cv_open_in_tree(c, image);
	else
		cv_push_view(c, CV_VIEW_TREE);
	return FX_REDRAW;
}

static unsigned act_findings(struct cv_console *c)
{
	cv_push_view(c, CV_VIEW_FINDINGS);
	return FX_REDRAW;
}

static unsigned act_details(struct cv_console *c)
{
	cv_open_details(c, cv_current_image(c));
	return FX_REDRAW;
}

static unsigned want(struct cv_console *c, enum cv_view_id view)
{
	cv_views[view]->want(c);
	return FX_REDRAW;
}

static unsigned act_map(struct cv_console *c)
{
	return want(c, CV_VIEW_MAP);
}

static unsigned act_space(struct cv_console *c)
{
	return want(c, CV_VIEW_SPACE);
}

static unsigned act_plan(struct cv_console *c)
{
	return want(c, CV_VIEW_PLAN);
}

static unsigned act_form(struct cv_console *c)
{
	return want(c, CV_VIEW_FORM);
}

static unsigned act_rebase(struct cv_console *c)
{
	return want(c, CV_VIEW_PARENTS);
}

static unsigned act_running(struct cv_console *c)
{
	return want(c, CV_VIEW_RUN);
}

static unsigned act_journal(struct cv_console *c)
{
	return want(c, CV_VIEW_JOURNAL);
}

static unsigned act_trash(struct cv_console *c)
{
	return want(c, CV_VIEW_TRASH);
}

static unsigned act_allow(struct cv_console *c)
{
	if (c->writing)
		cv_console_say(c, "read-only again: W allows writing");
	else if (!c->sure)
		cv_ask(c, CV_ACT_ALLOW, "Allow plans to be carried out until this console ends?");
	else
		cv_console_say(c, "writing is allowed: Y in a plan asks for a name first; W locks again");
	c->writing = !c->writing && c->sure;
	return FX_REDRAW;
}

static unsigned act_search(struct cv_console *c)
{
	cv_input_begin(c, CV_MODE_SEARCH);
	return FX_REDRAW;
}

static unsigned act_filter(struct cv_console *c)
{
	cv_input_begin(c, CV_MODE_FILTER);
	return FX_REDRAW;
}

static unsigned act_sort(struct cv_console *c)
{
	cv_input_begin(c, CV_MODE_SORT);
	return FX_REDRAW;
}

static unsigned act_next(struct cv_console *c)
{
	cv_search_step(c, 1);
	return FX_REDRAW;
}

static unsigned act_previous(struct cv_console *c)
{
	cv_search_step(c, -1);
	return FX_REDRAW;
}

static unsigned act_pane(struct cv_console *c)
{
	if (cv_pane_height(c, cv_top(c)))
		c->pane_focus = !c->pane_focus;
	else
		cv_console_say(c, "the pane needs a taller terminal; i shows everything");
	return FX_REDRAW;
}

static unsigned act_rescan(struct cv_console *c)
{
	if (c->scanning) {
		cv_console_say(c, "a scan is running; z stops it");
		return FX_REDRAW;
	}
	if (c->run.active) {
		cv_console_say(c, "an operation must be alone with its images: all is read again when it is over");
		return FX_REDRAW;
	}
	return FX_RESCAN | FX_REDRAW;
}

static unsigned act_stop(struct cv_console *c)
{
	if (!c->scanning) {
		cv_console_say(c, "no scan is running");
		return FX_REDRAW;
	}
	return FX_STOP | FX_REDRAW;
}

static unsigned act_ascii(struct cv_console *c)
{
	/* a terminal or locale that cannot show more was told so by the options */
	if (c->options.ascii)
		cv_console_say(c, "this terminal shows ASCII only");
	else
		c->ascii = !c->ascii;
	cv_touch(c, CV_PAPER_VIEWS);
	return FX_REDRAW;
}

static unsigned act_repaint(struct cv_console *c)
{
	(void)c;
	return FX_REPAINT | FX_REDRAW;
}

static unsigned act_suspend(struct cv_console *c)
{
	(void)c;
	return FX_SUSPEND | FX_REDRAW;
}

static unsigned act_quit(struct cv_console *c)
{
	if (!c->run.active || c->sure)
		return FX_QUIT;
	cv_ask(c, CV_ACT_QUIT, "An operation is at work and goes on without the console. Leave?");
	return FX_REDRAW;
}

static unsigned (*const common[CV_ACT_COUNT])(struct cv_console *) = {
	[CV_ACT_UP] = act_up,
	[CV_ACT_DOWN] = act_down,
	[CV_ACT_PAGE_UP] = act_page_up,
	[CV_ACT_PAGE_DOWN] = act_page_down,
	[CV_ACT_FIRST] = act_first,
	[CV_ACT_LAST] = act_last,
	[CV_ACT_BACK] = act_back,
	[CV_ACT_HELP] = act_help,
	[CV_ACT_REPOSITORIES] = act_repositories,
	[CV_ACT_TREE] = act_tree,
	[CV_ACT_FINDINGS] = act_findings,
	[CV_ACT_DETAILS] = act_details,
	[CV_ACT_MAP] = act_map,
	[CV_ACT_SPACE] = act_space,
	[CV_ACT_MAKE_PLAN] = act_plan,
	[CV_ACT_COALESCE] = act_plan,
	[CV_ACT_CONVERT] = act_form,
	[CV_ACT_CONVERT_TREE] = act_form,
	[CV_ACT_REBASE] = act_rebase,
	[CV_ACT_REPAIR] = act_plan,
	[CV_ACT_REPAIR_FINDING] = act_plan,
	[CV_ACT_RUNNING] = act_running,
	[CV_ACT_JOURNAL] = act_journal,
	[CV_ACT_TRASH] = act_trash,
	[CV_ACT_ALLOW] = act_allow,
	[CV_ACT_ALLOW_EARLY] = act_allow,
	[CV_ACT_SEARCH] = act_search,
	[CV_ACT_SEARCH_NEXT] = act_next,
	[CV_ACT_SEARCH_PREVIOUS] = act_previous,
	[CV_ACT_FILTER] = act_filter,
	[CV_ACT_SORT] = act_sort,
	[CV_ACT_PANE] = act_pane,
	[CV_ACT_RESCAN] = act_rescan,
	[CV_ACT_STOP] = act_stop,
	[CV_ACT_ASCII] = act_ascii,
	[CV_ACT_REPAINT] = act_repaint,
	[CV_ACT_SUSPEND] = act_suspend,
	[CV_ACT_QUIT] = act_quit,
};

unsigned cv_do_action(struct cv_console *c, enum cv_action action)
{
	const struct cv_view *v = cv_views[cv_top(c)];
	unsigned fx = FX_REDRAW;

	c->doing = action;
	if (v->act && v->act(c, action, &fx))
		return fx;
	return common[action] ? common[action](c) : 0;
}

/* Nothing may happen that cannot be seen: on a screen that is too small there is only a way out. */
static unsigned small_key(int key)
{
	if (key == CV_KEY_CTRL('c'))
		return FX_QUIT | FX_INTERRUPT;
	return key == 'q' || cv_action_of_key(key, CV_VIEW_REPOSITORIES) == CV_ACT_QUIT ? FX_QUIT : 0;
}

unsigned cv_console_key(struct cv_console *c, int key)
{
	enum cv_action action;
	bool said = c->message[0] != '\0';
	unsigned fx;

	if (key == CV_KEY_NONE || key == CV_KEY_RESIZE)
		return key == CV_KEY_RESIZE ? FX_REDRAW : 0;
	if (key == CV_KEY_HANGUP)
		return FX_QUIT | FX_INTERRUPT;
	if (cv_is_small(c->w, c->h))
		return small_key(key);
	c->message[0] = '\0';
	if (c->mode != CV_MODE_NORMAL) {
		fx = cv_input_key(c, key);
	} else {
		action = cv_action_of_key(key, cv_top(c));
		if (action == CV_ACT_NONE)
			cv_console_say(c, "that key does nothing here; ? lists the keys");
		fx = action == CV_ACT_NONE ? FX_REDRAW : cv_do_action(c, action);
		fx |= fx & FX_QUIT && key == CV_KEY_CTRL('c') ? FX_INTERRUPT : 0;
	}
	cv_settle(c);
	return fx | (said ? FX_REDRAW : 0);
}

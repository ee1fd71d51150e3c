/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Help: the keys from the table of actions, the letters from the table of flags, the filter words from
 * theirs, and a glossary. Nothing about a key is written down here.
 */
#include "tui/console_model.h"
#include "tui/view/scroll.h"

static const struct { const char *symbol, *ascii, *help;
} symbols[] = {
	{ "X  !  i", "X  !  i", "findings: error, warning, info" },
	{ "~  =  ?", "~  =  ?", "being read, healthy, not (fully) read" },
	{ ">  *", ">  *", "cursor, marked" },
	{ "\xe2\x96\xbc  \xe2\x96\xba", "v  >", "unfolded, folded (a folded row sums up)" },
	{ "x  <", "x  <", "orphan; levels left out on the left" },
	{ ">12", ">12", "at least: the scan is not done" },
	{ ".  z", ".  z", "map: not allocated, zeros" },
	{ "0-9 a-y +", "0-9 a-y +", "map: hops to the image that has it; + above 34" },
	{ "X  !  ?", "X  !  ?", "map: parent missing, unreadable, not read yet" },
	{ "~  !  X", "~  !  X", "journal: at work, unfinished, damaged" },
	{ "ok  !!", "ok  !!", "plan: as it must be, not as it must be" },
};

static const struct { const char *word, *help; } words[] = {
	{ "chain", "an image and all images below it that it reads from" },
	{ "leaf", "an image that no other image stands on" },
	{ "base copy", "an image that other images stand on" },
	{ "orphan", "a hidden image without children: nobody can read it" },
	{ "coalesce", "merge an image into its parent and drop it" },
	{ "plan", "what an operation would do; nothing is done by making it" },
	{ "trash", "where images go that are taken away; until they are removed they can come back" },
	{ "DEP", "images below it in its chain; 0 = no parent" },
	{ "VIRT ALLOC", "size as a guest sees it; bytes held on disk" },
	{ "REF", "references found outside of the images; ? = not asked yet" },
};

static bool has_keys(int group)
{
	for (size_t i = 0; i < cv_action_count; i++)
		if ((int)cv_actions[i].group == group && cv_actions[i].views)
			return true;
	return false;
}

static void write_keys(struct cv_paper *p)
{
	for (int group = 0; group < CV_GROUP_COUNT; group++) {
		if (!has_keys(group))
			continue;
		cv_paper_open(p, cv_group_names[group]);
		for (size_t i = 0; i < cv_action_count; i++) {
			struct cv_text t = { 0 };

			if ((int)cv_actions[i].group != group || !cv_actions[i].views)
				continue;
			cv_action_help(&t, &cv_actions[i]);
			cv_paper_field(p, 10, cv_actions[i].shown, CV_INK_TEXT, cv_text_str(&t));
			cv_text_fini(&t);
		}
		cv_paper_close(p);
	}
}

static void write_symbols(struct cv_paper *p)
{
	cv_paper_open(p, "symbols");
	for (size_t i = 0; i < CV_COUNT(symbols); i++)
		cv_paper_field(p, 10, p->ascii ? symbols[i].ascii : symbols[i].symbol, CV_INK_TEXT, symbols[i].help);
	cv_paper_close(p);
	cv_paper_open(p, "FLAG");
	for (const struct cv_flag_row *row = cv_flags; row->letter; row++)
		cv_paper_field(p, 10, (char[]){ row->letter, '\0' }, CV_INK_TEXT, row->help);
	cv_paper_close(p);
}

static void write_words(struct cv_paper *p)
{
	cv_paper_open(p, "filter: words side by side must all hold; ! turns a word round");
	for (const struct cv_filter_word *w = cv_filter_words; w->name; w++)
		cv_paper_field(p, 12, w->name, CV_INK_TEXT, w->help);
	cv_paper_field(p, 12, "text", CV_INK_TEXT, "anything else: a part of the name");
	cv_paper_close(p);
	cv_paper_open(p, "words");
	for (size_t i = 0; i < CV_COUNT(words); i++)
		cv_paper_field(p, 12, words[i].word, CV_INK_TEXT, words[i].help);
	cv_paper_close(p);
}

static const struct { const char *title; void (*write)(struct cv_paper *p); } pages[] = {
	{ "keys", write_keys }, { "symbols", write_symbols }, { "filter and words", write_words },
};

static bool rebuild(struct cv_console *c)
{
	cv_paper_begin(&c->paper, c->w, c->ascii);
	pages[c->help_page].write(&c->paper);
	c->view[CV_VIEW_HELP].list.count = c->paper.lines.len;
	return !c->paper.failed;
}

static bool act(struct cv_console *c, enum cv_action action, unsigned *fx)
{
	(void)fx;
	if (action == CV_ACT_HELP) {
		cv_pop_view(c);
		return true;
	}
	if (action != CV_ACT_PAGE)
		return false;
	c->help_page = (c->help_page + 1) % (int)CV_COUNT(pages);
	c->view[CV_VIEW_HELP].list = (struct cv_list){ 0 };
	cv_touch(c, 1u << CV_VIEW_HELP);
	return true;
}

static void title(const struct cv_console *c, struct cv_text *out)
{
	cv_text_addf(out, "help: %s (%d of %zu)", pages[c->help_page].title, c->help_page + 1, CV_COUNT(pages));
}

static void hint(const struct cv_console *c, struct cv_text *out)
{
	cv_scroll_hint(c, out);
	cv_text_add(out, "Everything on a screen is also a command: chainview --help");
}

const struct cv_view cv_view_help = {
	.name = "help", CV_SCROLL_OPS, .rebuild = rebuild, .act = act, .title = title, .hint = hint,
};

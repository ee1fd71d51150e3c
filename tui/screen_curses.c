/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The terminal: the only file that knows ncurses. Takes the screen, turns cells into it and keys into ours,
 * and gives the terminal back as it was, whatever ends the program.
 */
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

/* the wide functions of ncurses are asked for before its header is read */
#ifndef NCURSES_WIDECHAR
#define NCURSES_WIDECHAR 1
#endif
#include <curses.h>
#include <term.h>

#include "tui/cell/cells.h"
#include "tui/console.h"

struct terminal {
	SCREEN *screen;
	int colors;
	short pair[CV_INK_COUNT];
};

/* What signal handlers need; there is one terminal in a process. */
static struct {
	volatile sig_atomic_t wanted;    /* a signal that asks for the end */
	struct termios before;
	char restore[256];
	size_t restore_len;
} at_signal;

static void on_end(int number)
{
	at_signal.wanted = number;
}

/* Only calls that are allowed in a handler: the terminal's own settings and a prepared string. */
static void on_crash(int number)
{
	ssize_t ignored = write(STDOUT_FILENO, at_signal.restore, at_signal.restore_len);

	(void)ignored;
	tcsetattr(STDIN_FILENO, TCSANOW, &at_signal.before);
	signal(number, SIG_DFL);
	raise(number);
}

static void prepare_restore(void)
{
	static const char *const names[] = { "rmkx", "sgr0", "cnorm", "rmcup" };

	for (size_t i = 0; i < CV_COUNT(names); i++) {
		const char *s = tigetstr((NCURSES_CONST char *)names[i]);
		size_t len = s && s != (char *)-1 ? strlen(s) : 0;

		if (len && at_signal.restore_len + len < sizeof at_signal.restore) {
			memcpy(at_signal.restore + at_signal.restore_len, s, len);
			at_signal.restore_len += len;
		}
	}
}

static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
static const int ends[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT };

static void catch_signals(bool on)
{
	struct sigaction crash = { .sa_handler = on ? on_crash : SIG_DFL, .sa_flags = (int)SA_RESETHAND };
	struct sigaction end = { .sa_handler = on ? on_end : SIG_DFL };

	for (size_t i = 0; i < CV_COUNT(crashes); i++)
		sigaction(crashes[i], &crash, NULL);
	for (size_t i = 0; i < CV_COUNT(ends); i++)
		sigaction(ends[i], &end, NULL);
}

static void set_up_colors(struct terminal *t, enum cv_color color)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	bool never = color == CV_COLOR_NEVER || (color == CV_COLOR_AUTO && no_color && *no_color) ||
		     (term && !strcmp(term, "dumb"));

	if (never || !has_colors() || start_color() == ERR || COLORS < 8)
		return;
	use_default_colors();
	t->colors = COLORS;
	for (int ink = 0; ink < CV_INK_COUNT; ink++) {
		struct cv_look look = cv_theme_look((enum cv_ink)ink, t->colors);

		if (look.color >= 0 && init_pair((short)(ink + 1), (short)look.color, (short)look.back) != ERR)
			t->pair[ink] = (short)(ink + 1);
	}
}

static attr_t attributes_of(unsigned bits)
{
	return (bits & CV_BOLD ? A_BOLD : 0) | (bits & CV_REVERSE ? A_REVERSE : 0) |
	       (bits & CV_UNDERLINE ? A_UNDERLINE : 0);
}

static void flush_cell(const struct terminal *t, const struct cv_cell *cell, int x, int y)
{
	struct cv_look look = cv_theme_look((enum cv_ink)cell->ink, t->colors);
	wchar_t text[2 + CV_CELL_MARKS] = { (wchar_t)cell->ch };
	attr_t attributes = attributes_of(look.attributes ^ (cell->flags & CV_CELL_CURSOR ? (unsigned)CV_REVERSE : 0u));
	cchar_t cc;

	for (int i = 0; i < CV_CELL_MARKS && cell->mark[i]; i++)
		text[i + 1] = (wchar_t)cell->mark[i];
	if (setcchar(&cc, text, attributes, t->pair[cell->ink], NULL) != ERR)
		mvadd_wch(y, x, &cc);
}

static void curses_flush(void *self, const struct cv_cells *frame)
{
	const struct terminal *t = self;

	erase();
	for (int y = 0; y < frame->h && y < LINES; y++)
		for (int x = 0; x < frame->w && x < COLS; x++) {
			const struct cv_cell *cell = &frame->at[(size_t)y * (size_t)frame->w + (size_t)x];

			if (!(cell->flags & CV_CELL_TAIL))
				flush_cell(t, cell, x, y);
		}
	curs_set(frame->cursor_x >= 0);
	if (frame->cursor_x >= 0)
		move(frame->cursor_y < LINES ? frame->cursor_y : LINES - 1,
		     frame->cursor_x < COLS ? frame->cursor_x : COLS - 1);
	refresh();
}

static int special_key(wint_t code)
{
	static const struct { wint_t code; int key;
	} map[] = {
		{ KEY_UP, CV_KEY_UP },
		{ KEY_DOWN, CV_KEY_DOWN },
		{ KEY_LEFT, CV_KEY_LEFT },
		{ KEY_RIGHT, CV_KEY_RIGHT },
		{ KEY_PPAGE, CV_KEY_PAGE_UP },
		{ KEY_NPAGE, CV_KEY_PAGE_DOWN },
		{ KEY_HOME, CV_KEY_HOME },
		{ KEY_END, CV_KEY_END },
		{ KEY_DC, CV_KEY_DELETE },
		{ KEY_ENTER, CV_KEY_ENTER },
		{ KEY_BACKSPACE, CV_KEY_BACKSPACE },
		{ KEY_RESIZE, CV_KEY_RESIZE },
	};

	for (size_t i = 0; i < CV_COUNT(map); i++)
		if (map[i].code == code)
			return map[i].key;
	return code >= KEY_F(0) && code <= KEY_F(12) ? CV_KEY_F0 + (int)(code - KEY_F0) : CV_KEY_NONE;
}

/* Esc with a digit right behind it is a function key, for keyboards and terminals that have none. */
static int after_escape(void)
{
	wint_t code;

	timeout(0);
	if (get_wch(&code) != OK)
		return CV_KEY_ESC;
	if (code >= '0' && code <= '9')
		return CV_KEY_F(code == '0' ? 10 : (int)code - '0');
	unget_wch((wchar_t)code);
	return CV_KEY_ESC;
}

/* A terminal that is gone makes get_wch fail at once, for ever. */
static bool is_gone(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR | POLLNVAL);
}

static int curses_key(void *self, int wait_ms)
{
	wint_t code;
	int rc;

	(void)self;
	if (at_signal.wanted)
		return CV_KEY_HANGUP;
	timeout(wait_ms);
	rc = get_wch(&code);
	if (at_signal.wanted || (rc == ERR && is_gone()))
		return CV_KEY_HANGUP;
	if (rc == ERR)
		return CV_KEY_NONE;
	if (rc == KEY_CODE_YES)
		return special_key(code);
	if (code == 27)
		return after_escape();
	return code == '\n' ? CV_KEY_ENTER : code == 8 ? CV_KEY_BACKSPACE : (int)code;
}

static void curses_size(void *self, int *w, int *h)
{
	(void)self;
	*w = COLS;
	*h = LINES;
}

static void curses_suspend(void *self, bool repaint_only)
{
	(void)self;
	/* the handler of ncurses gives the terminal back and, after SIGCONT, takes it again */
	if (!repaint_only)
		raise(SIGTSTP);
	clearok(curscr, TRUE);
	refresh();
}

static const struct cv_screen_ops curses_ops = { curses_key, curses_flush, curses_size, curses_suspend };

/* Takes the terminal. A name of a terminal that has no cursor movement is of no use here. */
static int take_terminal(struct terminal *t, enum cv_color color)
{
	const char *move_cursor;

	tcgetattr(STDIN_FILENO, &at_signal.before);
	if (!getenv("ESCDELAY"))
		set_escdelay(25);
	t->screen = newterm(NULL, stdout, stdin);
	move_cursor = t->screen ? tigetstr((NCURSES_CONST char *)"cup") : NULL;
	if (!move_cursor || move_cursor == (char *)-1) {
		if (t->screen) {
			endwin();
			delscreen(t->screen);
		}
		fprintf(stderr, "chainview: this terminal (TERM=%s) cannot show the console; try: chainview tree\n",
			getenv("TERM") ? getenv("TERM") : "");
		return 16;
	}
	prepare_restore();
	catch_signals(true);
	raw();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_up_colors(t, color);
	return 0;
}

static void give_back(struct terminal *t)
{
	endwin();
	delscreen(t->screen);
	catch_signals(false);
}

/* Without UTF-8 nothing but ASCII can be shown. */
static bool needs_ascii(void)
{
	const char *codeset = nl_langinfo(CODESET);

	return strcmp(codeset, "UTF-8") != 0;
}

static int run(struct cv_console *c, struct cv_feed *feed, enum cv_color color)
{
	struct terminal t = { 0 };
	int status = take_terminal(&t, color);

	if (status)
		return status;
	status = cv_console_run(c, feed, &curses_ops, &t) ? 0 : 32;
	give_back(&t);
	return status;
}

int cv_console_run_terminal(const struct cv_console_options *options)
{
	struct cv_console_options mine = *options;
	struct cv_err err = { 0 };
	struct cv_feed *feed;
	struct cv_console *c;
	struct cv_text parting = { 0 };
	int status = 8;

	/* characters only: numbers must look the same everywhere */
	setlocale(LC_CTYPE, "");
	mine.ascii |= needs_ascii();
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fprintf(stderr, "chainview: the console needs a terminal; try: chainview tree\n");
		return status;
	}
	feed = cv_feed_new(&mine, &err);
	c = feed ? cv_console_new(&mine) : NULL;
	if (c) {
		status = run(c, feed, mine.color);
		cv_console_parting(c, &parting);
		fputs(cv_text_str(&parting), stderr);
		cv_text_fini(&parting);
	} else {
		fprintf(stderr, "chainview: %s\n", err.text[0] ? err.text : "not enough memory");
	}
	cv_console_free(c);
	cv_feed_free(feed);
	return status;
}

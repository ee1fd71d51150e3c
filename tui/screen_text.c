/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The screen without a terminal: reads scripts, keeps frames. Never touches standard input or output. */
#include "tui/screen_text.h"

static const struct { const char *name; int key; } names[] = {
	{ "Up", CV_KEY_UP }, { "Down", CV_KEY_DOWN }, { "Left", CV_KEY_LEFT }, { "Right", CV_KEY_RIGHT },
	{ "PgUp", CV_KEY_PAGE_UP }, { "PgDn", CV_KEY_PAGE_DOWN }, { "Home", CV_KEY_HOME }, { "End", CV_KEY_END },
	{ "Enter", CV_KEY_ENTER }, { "Esc", CV_KEY_ESC }, { "Tab", CV_KEY_TAB }, { "Backspace", CV_KEY_BACKSPACE },
	{ "Delete", CV_KEY_DELETE }, { "lt", '<' }, { "Wait", CV_KEY_NONE },
};

static void shot(struct cv_screen_text *s)
{
	cv_text_add(&s->out, cv_text_str(&s->last));
}

/* "120x40" */
static int resize(struct cv_screen_text *s, const char *size)
{
	char *end;
	long w = strtol(size, &end, 10), h = *end == 'x' ? strtol(end + 1, &end, 10) : 0;

	if (*end || w < 1 || h < 1 || w > 4096 || h > 4096)
		return CV_KEY_NONE;
	s->w = (int)w;
	s->h = (int)h;
	return CV_KEY_RESIZE;
}

/* What stands between the angle brackets. */
static int named_key(struct cv_screen_text *s, const char *name)
{
	for (size_t i = 0; i < CV_COUNT(names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].key;
	if (name[0] == 'F' && name[1] >= '1' && name[1] <= '9')
		return CV_KEY_F((int)strtol(name + 1, NULL, 10) % 13);
	if (name[0] == 'C' && name[1] == '-' && name[2])
		return CV_KEY_CTRL(name[2]);
	if (!strncmp(name, "Resize ", 7))
		return resize(s, name + 7);
	if (!strcmp(name, "Shot"))
		shot(s);
	return CV_KEY_NONE;
}

int cv_script_key(struct cv_screen_text *s)
{
	struct cv_bytes left = cv_bytes_of(s->script);
	size_t used = 0, len;
	char name[32];
	int32_t ch;

	if (!left.len)
		return CV_KEY_HANGUP;
	len = left.at[0] == '<' ? strcspn(left.at, ">") : left.len;
	if (len < left.len && len - 1 < sizeof name) {
		memcpy(name, left.at + 1, len - 1);
		name[len - 1] = '\0';
		s->script += len + 1;
		return named_key(s, name);
	}
	ch = cv_utf8_next(left, &used);
	s->script += used;
	return ch < 0 ? '?' : ch;
}

static int text_key(void *self, int wait_ms)
{
	(void)wait_ms;
	return cv_script_key(self);
}

static void text_flush(void *self, const struct cv_cells *frame)
{
	struct cv_screen_text *s = self;

	cv_text_clear(&s->last);
	cv_cells_dump(frame, &s->last);
	s->frames++;
}

static void text_size(void *self, int *w, int *h)
{
	struct cv_screen_text *s = self;

	*w = s->w;
	*h = s->h;
}

static void text_suspend(void *self, bool repaint_only)
{
	((struct cv_screen_text *)self)->suspended += !repaint_only;
}

void cv_screen_text_fini(struct cv_screen_text *s)
{
	cv_text_fini(&s->last);
	cv_text_fini(&s->out);
}

const struct cv_screen_ops cv_screen_text_ops = { text_key, text_flush, text_size, text_suspend };

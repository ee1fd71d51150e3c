/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A finding as one line: the template of its problem with the arguments put in, everything foreign escaped. */
#include <chainview/finding.h>

enum look { LOOK_PLAIN, LOOK_HEX, LOOK_SIZE, LOOK_TIME, LOOK_COUNT };

/* "{2:size}" at the start of the text: which argument, which look, how many characters; 0 if it is none. */
static size_t read_placeholder(const char *at, unsigned *arg, enum look *look)
{
	static const char *const ends[LOOK_COUNT] = { "}", ":x}", ":size}", ":time}" };

	if (at[0] != '{' || at[1] < '0' || at[1] >= '0' + CV_FINDING_ARGS)
		return 0;
	*arg = (unsigned)(at[1] - '0');
	for (*look = LOOK_PLAIN; *look < LOOK_COUNT; (*look)++)
		if (!strncmp(at + 2, ends[*look], strlen(ends[*look])))
			return 2 + strlen(ends[*look]);
	return 0;
}

static void add_number(struct cv_text *t, uint64_t n, enum look look)
{
	if (look == LOOK_HEX)
		cv_text_addf(t, "0x%" PRIx64, n);
	else if (look == LOOK_SIZE)
		cv_text_add(t, cv_size_short(n).s);
	else if (look == LOOK_TIME)
		cv_text_add(t, cv_time_utc((int64_t)n).s);
	else
		cv_text_addf(t, "%" PRIu64, n);
}

/* An argument that was left out shows as nothing. */
static void add_argument(struct cv_text *t, const struct cv_arg *arg, enum look look)
{
	if (arg->kind == CV_ARG_TEXT)
		cv_text_escape(t, arg->text);
	else if (arg->kind == CV_ARG_NUMBER)
		add_number(t, arg->number, look);
}

void cv_finding_title(struct cv_text *t, const struct cv_finding *f)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	const char *at = p ? p->title : "unknown problem";

	while (*at) {
		size_t plain = strcspn(at, "{"), len;
		unsigned arg;
		enum look look;

		cv_text_add_bytes(t, at, plain);
		at += plain;
		if (!*at)
			break;
		len = read_placeholder(at, &arg, &look);
		if (len)
			add_argument(t, &f->arg[arg], look);
		else
			cv_text_add_bytes(t, at, 1);
		at += len ? len : 1;
	}
}

bool cv_finding_title_has(const struct cv_finding *f, unsigned arg)
{
	const struct cv_problem *p = cv_problem_by_id(f->id);
	enum look look;
	unsigned n;

	for (const char *at = p ? strchr(p->title, '{') : NULL; at; at = strchr(at + 1, '{'))
		if (read_placeholder(at, &n, &look) && n == arg)
			return true;
	return false;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Names and lines of other programs, turned into lines of our own. */
#include <getopt.h>
#include <stdio.h>

#include "tui/command/alias.h"

struct line {
	char **words;
	int count;
};

static void add(struct line *l, const char *word)
{
	l->words[l->count++] = (char *)(uintptr_t)word;
}

static bool plugin_line(struct line *l, int argc, char **argv, struct cv_err *err)
{
	(void)err;
	add(l, "check");
	add(l, "--output=nagios");
	for (int i = 1; i < argc; i++)
		add(l, argv[i]);
	return true;
}

/* As fsck(8) calls: -a and -p repair what is safe, -y all, -r asks, -n nothing. check repairs nothing so far, so that
 * what is left is in the exit status; and no flag makes it skip anything, as "clean" ones do elsewhere. */
static bool fsck_line(struct line *l, int argc, char **argv, struct cv_err *err)
{
	static char progress[32];
	int option, fd;

	add(l, "check");
	optind = 0;
	opterr = 0;
	while ((option = getopt(argc, argv, "+:apnyfrVC:t:")) != -1)
		switch (option) {
		case 'V':
			add(l, "-v");
			break;
		case 'C':
			/* 0 is a bar for people, less is none */
			fd = atoi(optarg);
			if (fd > 0 && snprintf(progress, sizeof progress, "--progress=fd:%d", fd) > 0)
				add(l, progress);
			else if (!fd)
				add(l, "--progress=always");
			break;
		case '?':
		case ':':
			return cv_fail(err, CV_EUSAGE, "fsck.chain takes -a -p -n -y -f -r -V, -C FD and -t TYPE");
		default:
			break;
		}
	add(l, "--");
	for (; optind < argc; optind++)
		add(l, argv[optind]);
	return true;
}

static const struct {
	const char *name;
	bool (*line)(struct line *l, int argc, char **argv, struct cv_err *err);
} names[] = { { "check_chainview", plugin_line }, { "fsck.chain", fsck_line } };

static const char *called(char **argv)
{
	const char *slash = strrchr(argv[0], '/');

	return slash ? slash + 1 : argv[0];
}

char **cv_alias_line(int *argc, char **argv, struct cv_err *err)
{
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		struct line l = { NULL, 0 };

		if (strcmp(called(argv), names[i].name) != 0)
			continue;
		l.words = calloc((size_t)*argc * 2 + 6, sizeof *l.words);
		if (!l.words) {
			cv_fail(err, CV_ENOMEM, "out of memory");
			return NULL;
		}
		add(&l, argv[0]);
		if (!names[i].line(&l, *argc, argv, err)) {
			free(l.words);
			return NULL;
		}
		*argc = l.count;
		return l.words;
	}
	return argv;
}

bool cv_alias_is_plugin(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--output=nagios") ||
		    (!strcmp(argv[i], "--output") && i + 1 < argc && !strcmp(argv[i + 1], "nagios")))
			return true;
	return false;
}

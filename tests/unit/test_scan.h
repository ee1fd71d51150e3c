/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the tests of the scan share: folders with things in them, and scans of these. */
#ifndef CV_TESTS_UNIT_TEST_SCAN_H
#define CV_TESTS_UNIT_TEST_SCAN_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chainview/scan.h>
#include "tests/support/run.h"

#define NOBODY 65534
#define OUT_OF_TIME 100000

/* "folder/name", in one of a few buffers that take turns. */
static inline const char *in(const char *folder, const char *name)
{
	static char buffers[6][PATH_MAX];
	static unsigned next;
	char *b = buffers[next++ % CV_COUNT(buffers)];

	assert_true(snprintf(b, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
	return b;
}

static inline void put(const char *folder, const char *name, const char *text)
{
	int fd = open(in(folder, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void make(const char *folder, const char *name)
{
	assert_int_equal(mkdir(in(folder, name), 0755), 0);
}

/* A folder whose name has no links in it. */
static inline int make_folder(void **state)
{
	char *folder = cv_test_folder();

	*state = realpath(folder, NULL);
	free(folder);
	return *state ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	cv_test_folder_remove(*state);
	return 0;
}

static inline struct cv_scan *begin(struct cv_scan_options options)
{
	struct cv_err err = { 0 };
	struct cv_scan *s;

	options.workers = 1;
	s = cv_scan_new(&options, &err);
	if (!s)
		print_message("cv_scan_new: %s\n", err.text);
	assert_non_null(s);
	return s;
}

static inline struct cv_scan *scan_places(const struct cv_place *places, size_t count)
{
	struct cv_scan *s = begin((struct cv_scan_options){ .places = places, .place_count = count });

	while (cv_scan_step(s, -1))
		;
	assert_true(cv_scan_progress(s).done);
	return s;
}

static inline struct cv_scan *scan(const char *folder)
{
	return scan_places(&(struct cv_place){ .path = folder }, 1);
}

static inline const struct cv_file *file_at(const struct cv_scan *s, const char *path)
{
	struct cv_lookup l = cv_scan_lookup(s, path);

	return l.found == CV_FOUND_FILE ? cv_scan_file(s, l.file) : NULL;
}

static inline bool has_path(const struct cv_file *f, const char *path)
{
	bool found = !strcmp(f->path, path);

	for (uint32_t i = 0; i < f->alias_count; i++)
		found |= !strcmp(f->aliases[i], path);
	return found;
}

static inline bool has_trouble(const struct cv_scan *s, const char *path, const char *text)
{
	for (size_t i = 0; i < cv_scan_trouble_count(s); i++)
		if (!strcmp(cv_scan_trouble(s, i)->path, path) && strstr(cv_scan_trouble(s, i)->text, text))
			return true;
	return false;
}

static inline void make_socket(const char *folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s/socket.vhd", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

#endif

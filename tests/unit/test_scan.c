/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The scan, on real directories: what is found, what is left alone, what is said about the rest. */
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
static const char *in(const char *folder, const char *name)
{
	static char buffers[6][PATH_MAX];
	static unsigned next;
	char *b = buffers[next++ % CV_COUNT(buffers)];

	assert_true(snprintf(b, PATH_MAX, "%s/%s", folder, name) < PATH_MAX);
	return b;
}

static void put(const char *folder, const char *name, const char *text)
{
	int fd = open(in(folder, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make(const char *folder, const char *name)
{
	assert_int_equal(mkdir(in(folder, name), 0755), 0);
}

/* A folder whose name has no links in it. */
static int make_folder(void **state)
{
	char *folder = cv_test_folder();

	*state = realpath(folder, NULL);
	free(folder);
	return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
	cv_test_folder_remove(*state);
	return 0;
}

static struct cv_scan *begin(struct cv_scan_options options)
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

static struct cv_scan *scan_places(const struct cv_place *places, size_t count)
{
	struct cv_scan *s = begin((struct cv_scan_options){ .places = places, .place_count = count });

	while (cv_scan_step(s, -1))
		;
	assert_true(cv_scan_progress(s).done);
	return s;
}

static struct cv_scan *scan(const char *folder)
{
	return scan_places(&(struct cv_place){ .path = folder }, 1);
}

static const struct cv_file *file_at(const struct cv_scan *s, const char *path)
{
	struct cv_lookup l = cv_scan_lookup(s, path);

	return l.found == CV_FOUND_FILE ? cv_scan_file(s, l.file) : NULL;
}

static bool has_path(const struct cv_file *f, const char *path)
{
	bool found = !strcmp(f->path, path);

	for (uint32_t i = 0; i < f->alias_count; i++)
		found |= !strcmp(f->aliases[i], path);
	return found;
}

static bool has_trouble(const struct cv_scan *s, const char *path, const char *text)
{
	for (size_t i = 0; i < cv_scan_trouble_count(s); i++)
		if (!strcmp(cv_scan_trouble(s, i)->path, path) && strstr(cv_scan_trouble(s, i)->text, text))
			return true;
	return false;
}

static void files_of_all_depths_are_found_and_read(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;
	const struct cv_file *f;

	put(folder, "top", "x");
	make(folder, "a");
	make(folder, "a/b");
	put(folder, "a/b/deep", "12345");
	make(folder, ".hidden");
	put(folder, ".hidden/file", "x");
	make(folder, ".chainview");
	put(folder, ".chainview/trash", "x");
	make(folder, "a/.chainview");
	put(folder, "a/.chainview/trash", "x");
	s = scan(folder);
	assert_int_equal(cv_scan_file_count(s), 3);
	assert_int_equal(cv_scan_trouble_count(s), 0);
	assert_int_equal(cv_scan_repository_count(s), 1);
	assert_string_equal(cv_scan_repository(s, 0)->path, folder);
	assert_true(cv_scan_repository(s, 0)->complete);
	assert_true(cv_scan_repository(s, 0)->size_bytes > cv_scan_repository(s, 0)->free_bytes);
	f = file_at(s, in(folder, "a/b/deep"));
	assert_non_null(f);
	assert_int_equal(f->state, CV_FILE_READ);
	assert_non_null(f->facts);
	assert_null(f->trouble);
	assert_int_equal(f->size, 5);
	assert_int_equal(f->links, 1);
	assert_true(f->mtime_ns > 1500000000ll * 1000000000);
	assert_int_equal(cv_scan_by_inode(s, f->device, f->inode), cv_scan_lookup(s, f->path).file);
	assert_int_equal(cv_scan_by_inode(s, f->device, f->inode + 100000), SIZE_MAX);
	assert_non_null(file_at(s, in(folder, ".hidden/file")));
	assert_non_null(strstr(cv_scan_sandbox(s), "MiB"));
	cv_scan_free(s);
}

static void names_of_any_bytes_are_kept_as_they_are(void **state)
{
	char longest[256] = "", invalid[] = "caf\xe9\xff.qcow2";
	const char *names[] = { "two words", "two\nlines", "\x1b]0;owned\x07", invalid, longest, "back\\slash",
				"-n", " ", "...", "\xe2\x80\xae.vhd" };
	const char *folder = *state;
	struct cv_scan *s;

	memset(longest, 'n', 255);
	for (size_t i = 0; i < CV_COUNT(names); i++)
		put(folder, names[i], "x");
	s = scan(folder);
	assert_int_equal(cv_scan_file_count(s), CV_COUNT(names));
	for (size_t i = 0; i < CV_COUNT(names); i++)
		assert_string_equal(file_at(s, in(folder, names[i]))->path, in(folder, names[i]));
	cv_scan_free(s);
}

static void hard_links_are_one_file_with_sorted_paths(void **state)
{
	static const char *const names[] = { "m", "sub/z", "b", "c", "sub/a", "x", "y" };
	const char *folder = *state;
	const struct cv_file *f;
	struct cv_scan *s;

	make(folder, "sub");
	put(folder, names[0], "x");
	for (size_t i = 1; i < CV_COUNT(names); i++)
		assert_int_equal(link(in(folder, names[0]), in(folder, names[i])), 0);
	s = scan(folder);
	assert_int_equal(cv_scan_file_count(s), 1);
	f = cv_scan_file(s, 0);
	assert_string_equal(f->path, in(folder, "b"));
	assert_int_equal(f->alias_count, CV_COUNT(names) - 1);
	assert_int_equal(f->links, CV_COUNT(names));
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		assert_true(has_path(f, in(folder, names[i])));
		assert_ptr_equal(file_at(s, in(folder, names[i])), f);
	}
	for (uint32_t i = 1; i < f->alias_count; i++)
		assert_true(strcmp(f->aliases[i - 1], f->aliases[i]) < 0);
	cv_scan_free(s);
}

static void links_are_other_paths_only_inside_the_repository(void **state)
{
	static const struct { const char *name, *target; bool alias; } rows[] = {
		{ "relative", "real/image", true }, { "real/up", "../real/image", true }, { "second", "relative", true },
		{ "absolute", "%s/r/real/image", true }, { "twice", "absolute", true }, { "around", "../r/real/image", true },
		{ "out", "../outside", false }, { "far", "/etc/passwd", false }, { "dangling", "nothing", false },
		{ "loop", "loop", false }, { "folder", "real", false }, { "parent", "..", false },
		{ "trash", ".chainview/t", false },
		{ "device", "/dev/null", false }, { "odd", "real/../real/image", true },
	};
	const char *folder = *state;
	char root[PATH_MAX];
	const struct cv_file *f;
	struct cv_scan *s;

	make(folder, "r");
	snprintf(root, sizeof root, "%s/r", folder);
	make(root, "real");
	make(root, ".chainview");
	put(root, "real/image", "x");
	put(root, ".chainview/t", "x");
	put(folder, "outside", "x");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const char *percent = strstr(rows[i].target, "%s");

		assert_int_equal(symlink(percent ? in(folder, percent + 3) : rows[i].target, in(root, rows[i].name)), 0);
	}
	s = scan(root);
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_trouble_count(s), 0);
	assert_true(cv_scan_repository(s, 0)->complete);
	f = cv_scan_file(s, 0);
	assert_string_equal(f->path, in(root, "real/image"));
	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (has_path(f, in(root, rows[i].name)) != rows[i].alias)
			fail_msg("link %s: alias %d", rows[i].name, !rows[i].alias);
	cv_scan_free(s);
}

static void make_socket(const char *folder)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s/socket.vhd", folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	close(fd);
}

static void fifos_sockets_and_devices_are_never_opened(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;

	assert_int_equal(mkfifo(in(folder, "fifo.qcow2"), 0666), 0);
	make_socket(folder);
	if (mknod(in(folder, "null.raw"), S_IFCHR | 0666, makedev(1, 3)) < 0)
		print_message("no device made: %s\n", strerror(errno));
	assert_int_equal(symlink("fifo.qcow2", in(folder, "link")), 0);
	put(folder, "file", "x");
	s = scan(folder);               /* would hang in the FIFO */
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_trouble_count(s), 0);
	assert_string_equal(cv_scan_lookup(s, in(folder, "fifo.qcow2")).what, "a FIFO");
	assert_string_equal(cv_scan_lookup(s, in(folder, "link")).what, "a FIFO");
	cv_scan_free(s);
}

/* Runs a check as a user who is not root; its status is 0 if all went well. */
static int as_nobody(int (*check)(const char *folder), const char *folder)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (geteuid() == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0))
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);      /* /proc/self is ours again, as after an exec */
		_exit(check(folder));
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int check_denied(const char *folder)
{
	struct cv_scan *s = scan(folder);
	const struct cv_file *secret = file_at(s, in(folder, "secret.qcow2")), *open = file_at(s, in(folder, "open"));

	if (!has_trouble(s, in(folder, "lost+found"), "cannot open: Permission denied"))
		return 1;
	if (!secret || secret->state != CV_FILE_FAILED || strcmp(secret->trouble, "cannot open: Permission denied"))
		return 2;
	if (!secret->size || !secret->inode || cv_scan_by_inode(s, secret->device, secret->inode) == SIZE_MAX)
		return 3;
	if (!open || open->state != CV_FILE_READ)
		return 4;
	if (cv_scan_repository(s, 0)->complete)
		return 5;
	if (cv_scan_lookup(s, in(folder, "lost+found/x")).found != CV_FOUND_UNREADABLE)
		return 6;
	cv_scan_free(s);
	return 0;
}

static int check_closed_place(const char *folder)
{
	struct cv_place place = { .path = in(folder, "lost+found") };
	struct cv_err err = { 0 };
	struct cv_scan *s = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);

	return s || err.os_errno != EACCES || !strstr(err.text, "lost+found: Permission denied");
}

static void what_may_not_be_read_is_said_and_hides_nothing_else(void **state)
{
	const char *folder = *state;

	assert_int_equal(chmod(folder, 0755), 0);
	make(folder, "lost+found");
	put(folder, "lost+found/x", "x");
	assert_int_equal(chmod(in(folder, "lost+found"), 0), 0);
	put(folder, "open", "x");
	put(folder, "secret.qcow2", "secret");
	assert_int_equal(chmod(in(folder, "secret.qcow2"), 0), 0);
	assert_int_equal(as_nobody(check_denied, folder), 0);
	assert_int_equal(as_nobody(check_closed_place, folder), 0);
}

static void nested_and_double_places_give_every_file_once(void **state)
{
	static const struct { const char *name, *places[4]; int others, repositories; } rows[] = {
		{ "twice",               { ".", "." }, 0, 1 },
		{ "inside",              { ".", "sub" }, 0, 1 },
		{ "inside, named first", { "sub", "." }, 0, 1 },
		{ "image and folder",    { "sub/c", ".", "b" }, 0, 1 },
		{ "image twice",         { "sub/c", "sub/c", "." }, 0, 1 },
		{ "through a link",      { ".", "way" }, 0, 1 },
		{ "deeper and deeper",   { "sub/sub", "sub", "." }, 0, 1 },
		{ "relatives around",    { "sub", "." }, 2, 2 },
		{ "relatives inside",    { ".", "sub" }, 2, 1 },
		{ "relatives the same",  { ".", "." }, 2, 1 },
		{ "relatives first",     { ".", "sub" }, 1, 2 },
	};
	const char *folder = *state;

	make(folder, "sub");
	make(folder, "sub/sub");
	make(folder, "sub-");
	put(folder, "a", "x");
	put(folder, "b", "x");
	put(folder, "sub/c", "x");
	put(folder, "sub/sub/d", "x");
	put(folder, "sub-/e", "x");
	assert_int_equal(symlink("sub", in(folder, "way")), 0);
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		struct cv_place places[4];
		char names[4][PATH_MAX];
		size_t count = 0;
		struct cv_scan *s;

		for (; count < 4 && rows[r].places[count]; count++) {
			snprintf(names[count], PATH_MAX, "%s/%s", folder, rows[r].places[count]);
			places[count] = (struct cv_place){ .path = names[count], .other = rows[r].others >> count & 1 };
		}
		s = scan_places(places, count);
		if (cv_scan_file_count(s) != 5 || (int)cv_scan_repository_count(s) != rows[r].repositories)
			fail_msg("%s: %zu files, %zu repositories", rows[r].name, cv_scan_file_count(s), cv_scan_repository_count(s));
		for (size_t i = 0; i < 5; i++) {
			const struct cv_file *f = cv_scan_file(s, i);
			const struct cv_repository *home = cv_scan_repository(s, f->repository);

			if (f->alias_count || f->state != CV_FILE_READ || strncmp(f->path, home->path, strlen(home->path)))
				fail_msg("%s: file %s", rows[r].name, f->path);
		}
		for (size_t i = 0; i < cv_scan_repository_count(s); i++)
			assert_true(cv_scan_repository(s, i)->complete);
		assert_string_equal(file_at(s, in(folder, "sub/c"))->path, in(folder, "sub/c"));
		cv_scan_free(s);
	}
}

static void a_file_in_two_places_belongs_to_the_one_that_is_reported_on(void **state)
{
	const char *folder = *state;
	struct cv_place places[2] = { { .other = true }, { .other = false } };
	char names[2][PATH_MAX];

	make(folder, "a");
	make(folder, "z");
	put(folder, "a/1", "x");
	assert_int_equal(link(in(folder, "a/1"), in(folder, "z/1")), 0);
	for (int order = 0; order < 2; order++) {
		struct cv_scan *s;
		const struct cv_file *f;

		for (int i = 0; i < 2; i++) {
			snprintf(names[i], PATH_MAX, "%s/%s", folder, places[i].other ? "a" : "z");
			places[i].path = names[i];
		}
		s = scan_places(places, 2);
		assert_int_equal(cv_scan_file_count(s), 1);
		f = cv_scan_file(s, 0);
		assert_string_equal(f->path, in(folder, "z/1"));
		assert_false(cv_scan_repository(s, f->repository)->other);
		assert_int_equal(f->alias_count, 1);
		cv_scan_free(s);
		places[0].other = false;
		places[1].other = true;
	}
}

static void one_image_is_a_repository_of_its_own(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;

	put(folder, "image", "x");
	put(folder, "other", "x");
	s = scan(in(folder, "image"));
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_repository(s, 0)->kind, CV_REPOSITORY_IMAGE);
	assert_string_equal(cv_scan_repository(s, 0)->path, in(folder, "image"));
	assert_string_equal(cv_scan_file(s, 0)->path, in(folder, "image"));
	assert_true(cv_scan_repository(s, 0)->complete);
	assert_int_equal(cv_scan_lookup(s, in(folder, "other")).found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, folder).found, CV_FOUND_OUTSIDE);
	cv_scan_free(s);
}

static void an_image_inside_a_file_is_read_at_its_offset(void **state)
{
	const char *folder = *state;
	char image[PATH_MAX];
	struct cv_place places[2] = { { .path = image, .offset = 4096 }, { .path = folder } };
	struct cv_scan *s;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	snprintf(image, sizeof image, "%s/disk", folder);
	assert_int_equal(cv_test_do(folder, NULL, "sh", "-c",
				    "qemu-img create -q -f qcow2 q 1M && head -c 4096 /dev/zero >disk && "
				    "cat q >>disk && rm q"), 0);
	s = scan_places(places, 2);
	assert_int_equal(cv_scan_file_count(s), 1);
	assert_int_equal(cv_scan_file(s, 0)->facts->format, CV_FORMAT_QCOW2);
	assert_int_equal(cv_scan_repository(s, cv_scan_file(s, 0)->repository)->offset, 4096);
	cv_scan_free(s);
}

static void a_raw_extension_declares_the_format(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "disk.RAW", "1M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "1M"), 0);
	s = scan(folder);
	assert_int_equal(file_at(s, in(folder, "disk.RAW"))->facts->format, CV_FORMAT_RAW);
	assert_true(file_at(s, in(folder, "disk.RAW"))->facts->flags & CV_FACT_RAW_LOOKALIKE);
	assert_int_equal(file_at(s, in(folder, "disk.qcow2"))->facts->format, CV_FORMAT_QCOW2);
	cv_scan_free(s);
}

static void places_that_are_none_are_refused(void **state)
{
	static const struct { const char *name; uint64_t offset; enum cv_status code; const char *says; } rows[] = {
		{ "nothing", 0, CV_EIO, "No such file" }, { "fifo", 0, CV_EUSAGE, "a FIFO" }, { "", 512, CV_EUSAGE, "directory" },
		{ "file", 4096, CV_EUSAGE, "behind its end" }, { "file/x", 0, CV_EIO, "Not a directory" },
		{ "es\x1b", 0, CV_EIO, "es\\x1b" }, { "loop", 0, CV_EIO, "symbolic links" },
	};
	const char *folder = *state;

	assert_int_equal(mkfifo(in(folder, "fifo"), 0666), 0);
	put(folder, "file", "x");
	assert_int_equal(symlink("loop", in(folder, "loop")), 0);
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_place place = { .path = in(folder, rows[i].name), .offset = rows[i].offset };
		struct cv_err err = { 0 };

		assert_null(cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err));
		if (err.code != rows[i].code || !strstr(err.text, rows[i].says))
			fail_msg("%s: code %d: %s", rows[i].name, err.code, err.text);
	}
}

static void many_files(const char *folder, int count)
{
	char name[32];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "f%d", i);
		put(folder, name, "x");
	}
}

static void a_file_that_goes_while_it_is_listed_is_a_failed_file(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;
	size_t found = 0, failed = 0;
	char name[32];

	many_files(folder, 300);
	s = begin((struct cv_scan_options){ .places = &(struct cv_place){ .path = folder }, .place_count = 1 });
	assert_true(cv_scan_step(s, 0));
	found = cv_scan_file_count(s);
	assert_in_range(found, 1, 299);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "f%d", i);
		if (!file_at(s, in(folder, name)))
			assert_int_equal(unlink(in(folder, name)), 0);
	}
	while (cv_scan_step(s, -1))
		;
	for (size_t i = 0; i < cv_scan_file_count(s); i++) {
		const struct cv_file *f = cv_scan_file(s, i);

		if (f->state != CV_FILE_FAILED)
			continue;
		failed++;
		assert_string_equal(f->trouble, "cannot open: No such file or directory");
		assert_true(has_trouble(s, f->path, "No such file"));
	}
	assert_int_equal(cv_scan_file_count(s), 300);
	assert_int_equal(failed, 300 - found);
	assert_false(cv_scan_repository(s, 0)->complete);
	cv_scan_free(s);
}

static void cancelling_keeps_what_was_found(void **state)
{
	const char *folder = *state;
	struct cv_scan_progress p;
	struct cv_scan *s;
	size_t found;

	many_files(folder, 300);
	s = begin((struct cv_scan_options){ .places = &(struct cv_place){ .path = folder }, .place_count = 1 });
	assert_int_equal(cv_scan_poll_fd(s), -1);
	assert_true(cv_scan_step(s, 0));
	p = cv_scan_progress(s);
	assert_true(p.walking && !p.done && !p.cancelled && p.current);
	assert_false(cv_scan_repository(s, 0)->complete);
	found = p.files_found;
	assert_in_range(found, 1, 299);
	cv_scan_cancel(s);
	assert_false(cv_scan_step(s, -1));
	p = cv_scan_progress(s);
	assert_true(p.cancelled && !p.walking);
	assert_int_equal(cv_scan_file_count(s), found);
	assert_false(cv_scan_repository(s, 0)->complete);
	assert_non_null(file_at(s, cv_scan_file(s, 0)->path));
	assert_non_null(cv_scan_sandbox(s));
	cv_scan_cancel(s);
	cv_scan_free(s);
}

static void short_steps_and_poll_come_to_the_end(void **state)
{
	const char *folder = *state;
	struct cv_scan *s;
	int rounds = 0;

	many_files(folder, 200);
	s = begin((struct cv_scan_options){ .places = &(struct cv_place){ .path = folder }, .place_count = 1 });
	while (cv_scan_step(s, 0)) {
		struct pollfd p = { .fd = cv_scan_poll_fd(s), .events = POLLIN };

		if (p.fd >= 0)
			assert_int_equal(poll(&p, 1, 5000), 1);
		assert_true(++rounds < OUT_OF_TIME);
	}
	assert_true(rounds > 2);
	assert_int_equal(cv_scan_progress(s).files_read, 200);
	assert_int_equal(cv_scan_poll_fd(s), -1);
	assert_true(cv_scan_repository(s, 0)->complete);
	cv_scan_free(s);
}

static void two_thousand_files_of_random_names_are_all_found(void **state)
{
	char (*names)[64] = calloc(2000, sizeof *names);
	const char *folder = *state;
	uint32_t seed = 4711;
	struct cv_scan *s;

	assert_non_null(names);
	for (int i = 0; i < 2000; i++) {
		char text[16];
		size_t n = (size_t)snprintf(names[i], sizeof *names, "d%u/%d-", cv_test_random(&seed, 40), i);

		for (uint32_t k = cv_test_random(&seed, 40); k > 0; k--) {
			char c = (char)(1 + cv_test_random(&seed, 255));

			names[i][n++] = c == '/' ? '_' : c;
		}
		snprintf(text, sizeof text, "%.*s", (int)strcspn(names[i], "/"), names[i]);
		mkdir(in(folder, text), 0755);
		put(folder, names[i], text);
	}
	s = scan(folder);
	assert_int_equal(cv_scan_file_count(s), 2000);
	assert_int_equal(cv_scan_progress(s).files_read, 2000);
	for (int i = 0; i < 2000; i++) {
		const struct cv_file *f = file_at(s, in(folder, names[i]));
		struct stat st;

		assert_non_null(f);
		assert_int_equal(stat(in(folder, names[i]), &st), 0);
		assert_int_equal(f->inode, st.st_ino);
		assert_int_equal(f->state, CV_FILE_READ);
	}
	cv_scan_free(s);
	free(names);
}

static void lookups_say_what_lies_where(void **state)
{
	static const struct { const char *path; enum cv_found found; const char *what; } rows[] = {
		{ "r/image", CV_FOUND_FILE, NULL }, { "r/sub/link", CV_FOUND_FILE, NULL }, { "r/way/image", CV_FOUND_FILE, NULL },
		{ "r/away/image", CV_FOUND_FILE, NULL }, { "entrance/image", CV_FOUND_FILE, NULL },
		{ "r/none", CV_FOUND_MISSING, NULL }, { "r/none/deeper", CV_FOUND_MISSING, NULL },
		{ "r/image/deeper", CV_FOUND_MISSING, NULL }, { "r/dangling", CV_FOUND_MISSING, NULL },
		{ "r", CV_FOUND_NOT_REGULAR, "a directory" }, { "r/sub", CV_FOUND_NOT_REGULAR, "a directory" },
		{ "r/fifo", CV_FOUND_NOT_REGULAR, "a FIFO" }, { "r/socket.vhd", CV_FOUND_NOT_REGULAR, "a socket" },
		{ "outside", CV_FOUND_OUTSIDE, NULL }, { "r2", CV_FOUND_OUTSIDE, NULL }, { "r2/x", CV_FOUND_OUTSIDE, NULL },
		{ "r/out", CV_FOUND_OUTSIDE, NULL }, { "r/up/outside", CV_FOUND_OUTSIDE, NULL },
		{ "r/far/passwd", CV_FOUND_OUTSIDE, NULL },
		{ "r/.chainview/t", CV_FOUND_OUTSIDE, NULL }, { "r/loop", CV_FOUND_UNREADABLE, NULL },
		{ "r/newer", CV_FOUND_UNREADABLE, NULL },
	};
	static const char *const links[][2] = {
		{ "r/sub/link", "../image" }, { "r/way", "." }, { "r/dangling", "gone" }, { "r/out", "../outside" },
		{ "r/up", ".." }, { "r/far", "/etc" }, { "r/loop", "loop" }, { "entrance", "r" },
	};
	const char *folder = *state;
	char root[PATH_MAX];
	struct cv_scan *s;

	make(folder, "r");
	make(folder, "r2");
	snprintf(root, sizeof root, "%s/entrance", folder);
	make(folder, "r/sub");
	make(folder, "r/.chainview");
	put(folder, "r/image", "x");
	put(folder, "r/.chainview/t", "x");
	put(folder, "r2/x", "x");
	put(folder, "outside", "x");
	assert_int_equal(mkfifo(in(folder, "r/fifo"), 0666), 0);
	make_socket(in(folder, "r"));
	for (size_t i = 0; i < CV_COUNT(links); i++)
		assert_int_equal(symlink(links[i][1], in(folder, links[i][0])), 0);
	assert_int_equal(symlink(in(folder, "r/sub/.."), in(folder, "r/strange")), 0);
	assert_int_equal(symlink(in(folder, "r"), in(folder, "r/away")), 0);
	s = scan(root);
	assert_string_equal(cv_scan_repository(s, 0)->path, root);
	put(folder, "r/newer", "x");
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_lookup l = cv_scan_lookup(s, in(folder, rows[i].path));

		if (l.found != rows[i].found || (rows[i].what && strcmp(rows[i].what, l.what)))
			fail_msg("%s: %d %s", rows[i].path, l.found, l.what ? l.what : "");
		if (l.found == CV_FOUND_FILE)
			assert_int_equal(l.file, 0);
	}
	assert_int_equal(cv_scan_lookup(s, "/").found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, "/etc/passwd").found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_lookup(s, in(folder, "r/strange/image")).found, CV_FOUND_OUTSIDE);
	assert_int_equal(cv_scan_file_count(s), 1);
	cv_scan_free(s);
}

static void other_file_systems_are_entered_only_when_told_to(void **state)
{
	const char *folder = *state;
	struct cv_place place = { .path = folder };
	const char *mounted = in(folder, "mounted");
	struct cv_scan *s;

	make(folder, "mounted");
	put(folder, "here", "x");
	if (mount("tmpfs", mounted, "tmpfs", 0, "size=1m") < 0) {
		print_message("cannot mount a file system here: %s\n", strerror(errno));
		skip();
	}
	put(folder, "mounted/there", "x");
	for (int cross = 0; cross < 2; cross++) {
		s = begin((struct cv_scan_options){ .places = &place, .place_count = 1, .cross_file_systems = cross });
		while (cv_scan_step(s, -1))
			;
		assert_int_equal(cv_scan_file_count(s), 1 + cross);
		assert_int_equal(cv_scan_lookup(s, in(folder, "mounted/there")).found, cross ? CV_FOUND_FILE : CV_FOUND_OUTSIDE);
		/* not entering is right, but it must be said; and it is no failure */
		assert_int_equal(cv_scan_trouble_count(s), !cross);
		assert_int_equal(has_trouble(s, in(folder, "mounted"), "another file system is mounted here"), !cross);
		assert_int_equal(cv_scan_repository(s, 0)->complete, cross);
		assert_false(cv_scan_repository(s, 0)->failed);
		cv_scan_free(s);
	}
	s = scan_places((struct cv_place[]){ place, { .path = in(folder, "mounted") } }, 2);
	assert_int_equal(cv_scan_trouble_count(s), 0);
	assert_true(cv_scan_repository(s, 0)->complete && cv_scan_repository(s, 1)->complete);
	assert_int_equal(cv_scan_file_count(s), 2);
	assert_int_equal(cv_scan_repository_count(s), 2);
	cv_scan_free(s);
	umount2(in(folder, "mounted"), MNT_DETACH);
}

static void kinds_are_told_by_what_is_there(void **state)
{
	static const struct { const char *name, *vpc[2], *qcow2[2]; enum cv_repository_kind kind; } rows[] = {
		{ "plain", { "a.vhd" }, { "b.qcow2" }, CV_REPOSITORY_DIRECTORY },
		{ "uuids by qemu", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd" }, { NULL }, CV_REPOSITORY_DIRECTORY },
		{ "xen", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", "+" }, { NULL }, CV_REPOSITORY_XEN_FILE_SR },
		{ "xen names few", { "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11.vhd", "+" }, { "a", "b" }, CV_REPOSITORY_DIRECTORY },
		{ "hyperv", { "vm_1234.AVHD" }, { NULL }, CV_REPOSITORY_HYPERV },
		{ "proxmox", { NULL }, { "images/100/vm-100-disk-0.qcow2", "images/7/base-7-disk-1.qcow2" },
		  CV_REPOSITORY_PROXMOX },
		{ "no proxmox", { NULL }, { "images/2024/holiday.qcow2" }, CV_REPOSITORY_DIRECTORY },
	};

	if (!cv_test_has("qemu-img")) {
		print_message("qemu-img is not installed\n");
		skip();
	}
	for (size_t r = 0; r < CV_COUNT(rows); r++) {
		const char *folder = in(*state, rows[r].name);
		char here[PATH_MAX], command[PATH_MAX];
		struct cv_scan *s;

		snprintf(here, sizeof here, "%s", folder);
		assert_int_equal(cv_test_do(NULL, NULL, "mkdir", "-p", in(here, "images/100"), in(here, "images/7"),
					    in(here, "images/2024")), 0);
		for (int i = 0; i < 2; i++) {
			bool tap = rows[r].vpc[i] && *rows[r].vpc[i] == '+';

			if (rows[r].qcow2[i])
				assert_int_equal(cv_test_do(here, NULL, "qemu-img", "create", "-q", "-f", "qcow2", rows[r].qcow2[i], "1M"), 0);
			if (rows[r].vpc[i] && !tap)
				assert_int_equal(cv_test_do(here, NULL, "qemu-img", "create", "-q", "-f", "vpc", rows[r].vpc[i], "4M"), 0);
			/* the creator is what counts, its checksum may then be wrong */
			snprintf(command, sizeof command, "for f in *.vhd; do s=$(stat -c %%s $f); for o in 28 $((s - 484)); do "
				 "printf 'tap\\000' | dd of=$f bs=1 seek=$o conv=notrunc; done; done");
			if (tap)
				assert_int_equal(cv_test_do(here, NULL, "sh", "-c", command), 0);
		}
		s = scan(here);
		if (cv_scan_repository(s, 0)->kind != rows[r].kind)
			fail_msg("%s: %s", rows[r].name, cv_repository_kind_name(cv_scan_repository(s, 0)->kind));
		cv_scan_free(s);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(files_of_all_depths_are_found_and_read),
		CASE(names_of_any_bytes_are_kept_as_they_are),
		CASE(hard_links_are_one_file_with_sorted_paths),
		CASE(links_are_other_paths_only_inside_the_repository),
		CASE(fifos_sockets_and_devices_are_never_opened),
		CASE(what_may_not_be_read_is_said_and_hides_nothing_else),
		CASE(nested_and_double_places_give_every_file_once),
		CASE(a_file_in_two_places_belongs_to_the_one_that_is_reported_on),
		CASE(one_image_is_a_repository_of_its_own),
		CASE(an_image_inside_a_file_is_read_at_its_offset),
		CASE(a_raw_extension_declares_the_format),
		CASE(places_that_are_none_are_refused),
		CASE(a_file_that_goes_while_it_is_listed_is_a_failed_file),
		CASE(cancelling_keeps_what_was_found),
		CASE(short_steps_and_poll_come_to_the_end),
		CASE(two_thousand_files_of_random_names_are_all_found),
		CASE(lookups_say_what_lies_where),
		CASE(other_file_systems_are_entered_only_when_told_to),
		CASE(kinds_are_told_by_what_is_there),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The one place that opens: what it refuses, what it follows, and that it leaves no trace. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include "inspect/source/open.h"
#include "tests/support/run.h"

/* A repository full of things that must not be opened. */
struct scene {
	char *folder;
	struct cv_root root;
};

static char *in(const struct scene *s, const char *rel)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", s->folder, rel);
	return path;
}

static void put_file(const struct scene *s, const char *rel, const char *text)
{
	int fd = open(in(s, rel), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int make_scene(void **state)
{
	struct scene *s = calloc(1, sizeof *s);
	struct cv_err err = { 0 };

	s->folder = cv_test_folder();
	assert_int_equal(mkdir(in(s, "repo"), 0755), 0);
	assert_int_equal(mkdir(in(s, "repo/sub"), 0755), 0);
	assert_int_equal(mkdir(in(s, "outside"), 0755), 0);
	put_file(s, "outside/secret", "secret");
	put_file(s, "repo/a.vhd", "hello");
	put_file(s, "repo/sub/b.vhd", "there");
	assert_int_equal(mkfifo(in(s, "repo/fifo"), 0644), 0);
	assert_int_equal(mknod(in(s, "repo/socket"), S_IFSOCK | 0644, 0), 0);
	assert_int_equal(symlink("a.vhd", in(s, "repo/link")), 0);
	assert_int_equal(symlink("../a.vhd", in(s, "repo/sub/up")), 0);
	assert_int_equal(symlink("sub", in(s, "repo/folder-link")), 0);
	assert_int_equal(symlink("../outside/secret", in(s, "repo/out")), 0);
	assert_int_equal(symlink("/etc/passwd", in(s, "repo/absolute")), 0);
	assert_int_equal(symlink("fifo", in(s, "repo/to-fifo")), 0);
	assert_int_equal(symlink("loop", in(s, "repo/loop")), 0);
	assert_int_equal(symlink("/proc/self/fd/0", in(s, "repo/magic")), 0);
	assert_int_equal(symlink("nothing", in(s, "repo/dangling")), 0);
	assert_true(cv_root_open(in(s, "repo"), false, &s->root, &err));
	*state = s;
	return 0;
}

static int remove_scene(void **state)
{
	struct scene *s = *state;

	umount2(in(s, "repo/mount"), MNT_DETACH);
	cv_root_close(&s->root);
	cv_test_folder_remove(s->folder);
	free(s);
	return 0;
}

static const struct lookup_row {
	const char *rel;
	enum cv_entry_kind plain, followed;
} lookups[] = {
	{ "a.vhd", CV_ENTRY_REGULAR, CV_ENTRY_REGULAR },
	{ "./sub//b.vhd", CV_ENTRY_REGULAR, CV_ENTRY_REGULAR },
	{ ".", CV_ENTRY_DIRECTORY, CV_ENTRY_DIRECTORY },
	{ "sub", CV_ENTRY_DIRECTORY, CV_ENTRY_DIRECTORY },
	{ "fifo", CV_ENTRY_FIFO, CV_ENTRY_FIFO },
	{ "socket", CV_ENTRY_SOCKET, CV_ENTRY_SOCKET },
	{ "link", CV_ENTRY_SYMLINK, CV_ENTRY_REGULAR },
	{ "sub/up", CV_ENTRY_SYMLINK, CV_ENTRY_REGULAR },
	{ "folder-link/b.vhd", CV_ENTRY_SYMLINK, CV_ENTRY_REGULAR },
	{ "to-fifo", CV_ENTRY_SYMLINK, CV_ENTRY_FIFO },
	{ "out", CV_ENTRY_SYMLINK, CV_ENTRY_OUTSIDE },
	{ "absolute", CV_ENTRY_SYMLINK, CV_ENTRY_OUTSIDE },
	{ "magic", CV_ENTRY_SYMLINK, CV_ENTRY_OUTSIDE },
	{ "loop", CV_ENTRY_SYMLINK, CV_ENTRY_SYMLINK },
	{ "dangling", CV_ENTRY_SYMLINK, CV_ENTRY_MISSING },
	{ "missing", CV_ENTRY_MISSING, CV_ENTRY_MISSING },
	{ "a.vhd/x", CV_ENTRY_MISSING, CV_ENTRY_MISSING },
	{ "..", CV_ENTRY_OUTSIDE, CV_ENTRY_OUTSIDE },
	{ "sub/../a.vhd", CV_ENTRY_OUTSIDE, CV_ENTRY_OUTSIDE },
	{ "../outside/secret", CV_ENTRY_OUTSIDE, CV_ENTRY_OUTSIDE },
	{ "/etc/passwd", CV_ENTRY_OUTSIDE, CV_ENTRY_OUTSIDE },
};

/* The number of the first row that comes out otherwise, counted from 1; 0 if none does. */
static size_t wrong_lookup(const struct cv_root *root, bool follow)
{
	for (size_t i = 0; i < CV_COUNT(lookups); i++) {
		struct cv_entry e = follow ? cv_root_follow(root, lookups[i].rel) : cv_root_stat(root, lookups[i].rel);
		enum cv_entry_kind wanted = follow ? lookups[i].followed : lookups[i].plain;

		if (e.kind != wanted) {
			print_message("%s is %s, not %s\n", lookups[i].rel, cv_entry_kind_name(e.kind),
				      cv_entry_kind_name(wanted));
			return i + 1;
		}
	}
	return 0;
}

static void every_kind_of_entry_is_told_apart(void **state)
{
	const struct scene *s = *state;
	struct cv_entry e = cv_root_stat(&s->root, "a.vhd");
	struct stat st;

	assert_int_equal(wrong_lookup(&s->root, false), 0);
	assert_int_equal(wrong_lookup(&s->root, true), 0);
	assert_int_equal(lstat(in(s, "repo/a.vhd"), &st), 0);
	assert_int_equal(e.device, st.st_dev);
	assert_int_equal(e.inode, st.st_ino);
	assert_int_equal(e.size, 5);
	assert_int_equal(e.links, 1);
	assert_int_equal(e.allocated, st.st_blocks * 512);
	assert_int_equal(e.mtime_ns, (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec);
	assert_int_equal(e.mode, 0644);
	assert_int_equal(e.owner, geteuid());
}

/* In a child, as a filter cannot be taken off again. The result is the exit status: no asserts there. */
static void old_kernels_get_the_same_answers(void **state)
{
	const struct scene *s = *state;
	static const int numbers[] = { ENOSYS, EPERM };

	for (size_t i = 0; i < CV_COUNT(numbers); i++) {
		int status = -1;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

			if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)numbers[i]), SYS_openat2, 0) ||
			    seccomp_load(filter))
				_exit(100);
			_exit((int)wrong_lookup(&s->root, false));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void only_regular_files_are_opened(void **state)
{
	const struct scene *s = *state;

	for (size_t i = 0; i < CV_COUNT(lookups); i++)
		for (unsigned flags = 0; flags <= CV_OPEN_FOLLOW; flags++) {
			struct cv_err err = { 0 };
			struct cv_entry e;
			int fd = cv_root_open_image(&s->root, lookups[i].rel, flags, &e, &err);
			enum cv_entry_kind wanted = flags ? lookups[i].followed : lookups[i].plain;

			assert_int_equal(e.kind, wanted);
			assert_int_equal(fd >= 0, wanted == CV_ENTRY_REGULAR);
			assert_int_equal(err.code != CV_OK, fd < 0);
			if (fd < 0)
				continue;
			assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
			assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
			close(fd);
		}
}

static void refusals_say_what_is_there(void **state)
{
	const struct scene *s = *state;
	static const struct { const char *rel, *text; } rows[] = {
		{ "fifo", "a FIFO, not opened" }, { "socket", "a socket, not opened" },
		{ "sub", "a directory, not opened" }, { "link", "a symbolic link, not followed" },
		{ "folder-link/b.vhd", "reached through a symbolic link, not followed" },
		{ "../x", "leads outside the repository" }, { "missing", "cannot open: No such file or directory" },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = { 0 };
		struct cv_entry e;

		assert_int_equal(cv_root_open_image(&s->root, rows[i].rel, 0, &e, &err), -1);
		assert_string_equal(err.text, rows[i].text);
	}
}

static void images_can_be_listed_and_read_without_a_trace(void **state)
{
	const struct scene *s = *state;
	static const struct timespec old[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	struct cv_err err = { 0 };
	struct cv_entry e;
	struct stat st;
	char buf[8];
	int fd;

	assert_int_equal(utimensat(AT_FDCWD, in(s, "repo/sub/b.vhd"), old, 0), 0);
	fd = cv_root_open_image(&s->root, "sub/b.vhd", 0, &e, &err);
	assert_int_equal(pread(fd, buf, sizeof buf, 0), 5);
	assert_memory_equal(buf, "there", 5);
	close(fd);
	assert_int_equal(stat(in(s, "repo/sub/b.vhd"), &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000000000);
	fd = cv_root_open_directory(&s->root, "sub", &e, &err);
	assert_true(fd >= 0);
	assert_int_equal(e.kind, CV_ENTRY_DIRECTORY);
	assert_int_equal(faccessat(fd, "b.vhd", R_OK, 0), 0);
	close(fd);
	assert_int_equal(cv_root_open_directory(&s->root, "folder-link", &e, &err), -1);
	assert_int_equal(e.kind, CV_ENTRY_SYMLINK);
}

static void links_are_read_as_text(void **state)
{
	const struct scene *s = *state;
	struct cv_text target = { 0 };
	struct cv_err err = { 0 };

	assert_true(cv_root_readlink(&s->root, "out", &target, &err));
	assert_string_equal(cv_text_str(&target), "../outside/secret");
	assert_false(cv_root_readlink(&s->root, "a.vhd", &target, &err));
	cv_text_fini(&target);
}

static void mount_points_are_crossed_only_when_asked(void **state)
{
	struct scene *s = *state;
	struct cv_root crossing;
	struct cv_err err = { 0 };

	assert_int_equal(mkdir(in(s, "repo/mount"), 0755), 0);
	if (mount("none", in(s, "repo/mount"), "tmpfs", 0, NULL) < 0) {
		print_message("skipped: cannot mount a tmpfs here\n");
		skip();
	}
	put_file(s, "repo/mount/c.vhd", "c");
	assert_int_equal(symlink("mount/c.vhd", in(s, "repo/to-mount")), 0);
	assert_true(cv_root_open(in(s, "repo"), true, &crossing, &err));
	assert_int_equal(cv_root_stat(&s->root, "mount/c.vhd").kind, CV_ENTRY_OTHER_FS);
	assert_int_equal(cv_root_follow(&s->root, "to-mount").kind, CV_ENTRY_OTHER_FS);
	assert_int_equal(cv_root_follow(&s->root, "out").kind, CV_ENTRY_OUTSIDE);
	assert_int_equal(cv_root_stat(&crossing, "mount/c.vhd").kind, CV_ENTRY_REGULAR);
	assert_int_equal(cv_root_follow(&crossing, "to-mount").kind, CV_ENTRY_REGULAR);
	assert_int_equal(cv_root_follow(&crossing, "out").kind, CV_ENTRY_OUTSIDE);
	cv_root_close(&crossing);
}

static void devices_are_not_opened_unless_the_user_named_a_block_device(void **state)
{
	struct scene *s = *state;
	struct cv_err err = { 0 };
	struct cv_entry e;

	if (mknod(in(s, "repo/zero"), S_IFCHR | 0600, makedev(1, 5)) < 0 ||
	    mknod(in(s, "repo/block"), S_IFBLK | 0600, makedev(60, 0)) < 0) {
		print_message("skipped: cannot make device nodes here\n");
		skip();
	}
	assert_int_equal(cv_root_open_image(&s->root, "zero", CV_OPEN_BLOCK_DEVICE, &e, &err), -1);
	assert_string_equal(err.text, "a character device, not opened");
	cv_err_clear(&err);
	assert_int_equal(cv_root_open_image(&s->root, "block", 0, &e, &err), -1);
	assert_string_equal(err.text, "a block device, not opened");
	cv_err_clear(&err);
	/* No driver has major 60 (it is for local use), so that it is tried shows in the error. */
	assert_int_equal(cv_root_open_image(&s->root, "block", CV_OPEN_BLOCK_DEVICE, &e, &err), -1);
	assert_true(err.code != CV_EREFUSED);
}

static void a_named_block_device_has_the_size_of_the_device(void **state)
{
	struct scene *s = *state;
	struct cv_text out = { 0 };
	struct cv_err err = { 0 };
	struct cv_entry e;
	char device[64];
	int fd;

	put_file(s, "disk", "");
	assert_int_equal(truncate(in(s, "disk"), 3 << 20), 0);
	if (cv_test_do(s->folder, &out, "losetup", "-r", "-f", "--show", "disk") != 0) {
		cv_text_fini(&out);
		print_message("skipped: no loop devices here\n");
		skip();
	}
	snprintf(device, sizeof device, "%.*s", (int)strcspn(out.at, "\n"), out.at);
	cv_text_fini(&out);
	fd = cv_named_open_image(device, &e, &err);
	cv_test_do(NULL, NULL, "losetup", "-d", device);
	assert_true(fd >= 0);
	assert_int_equal(e.kind, CV_ENTRY_BLOCK);
	assert_int_equal(e.size, 3 << 20);
	close(fd);
}

static void named_files_may_be_reached_through_links(void **state)
{
	struct scene *s = *state;
	struct cv_err err = { 0 };
	struct cv_entry e;
	int fd = cv_named_open_image(in(s, "repo/out"), &e, &err);

	assert_true(fd >= 0);
	assert_int_equal(e.size, 6);
	close(fd);
	assert_int_equal(cv_named_stat(in(s, "repo/to-fifo")).kind, CV_ENTRY_FIFO);
	assert_int_equal(cv_named_open_image(in(s, "repo/to-fifo"), &e, &err), -1);
	assert_non_null(strstr(err.text, "/repo/to-fifo: a FIFO, not opened"));
	cv_err_clear(&err);
	assert_int_equal(cv_named_open_image("\x1b[31mred", &e, &err), -1);
	assert_string_equal(err.text, "\\x1b[31mred: cannot open: No such file or directory");
}

static void roots_know_their_absolute_path(void **state)
{
	struct scene *s = *state;
	struct cv_root root;
	struct cv_err err = { 0 };
	char here[PATH_MAX], real[PATH_MAX];

	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(s->folder), 0);
	assert_non_null(realpath("repo/sub", real));
	assert_true(cv_root_open("repo//./folder-link/", false, &root, &err));
	assert_string_equal(root.path, in(s, "repo/folder-link"));
	assert_string_equal(root.real, real);
	assert_int_equal(cv_root_stat(&root, "b.vhd").kind, CV_ENTRY_REGULAR);
	cv_root_close(&root);
	assert_true(cv_root_open("repo/folder-link/../sub", false, &root, &err));
	assert_string_equal(root.path, real);
	cv_root_close(&root);
	cv_root_close(&root);
	assert_false(cv_root_open("repo/a.vhd", false, &root, &err));
	assert_string_equal(err.text, "repo/a.vhd: cannot open: Not a directory");
	assert_int_equal(chdir(here), 0);
}

static void system_files_are_read_up_to_a_cap(void **state)
{
	struct cv_text text = { 0 };
	struct cv_err err = { 0 };

	(void)state;
	assert_true(cv_system_read_all("/proc/self/status", 1 << 20, &text, &err));
	assert_non_null(strstr(cv_text_str(&text), "Threads:\t1\n"));
	cv_text_clear(&text);
	assert_false(cv_system_read_all("/proc/self/status", 10, &text, &err));
	assert_string_equal(err.text, "/proc/self/status is longer than 10 B");
	cv_err_clear(&err);
	assert_false(cv_system_read_all("/proc/self/no-such-file", 10, &text, &err));
	assert_int_equal(err.os_errno, ENOENT);
	cv_err_clear(&err);
	assert_int_equal(cv_system_open("/dev/zero", &err), -1);
	assert_string_equal(err.text, "/dev/zero is not a regular file");
	cv_text_fini(&text);
}

#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, remove_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCENE(every_kind_of_entry_is_told_apart),
		IN_SCENE(old_kernels_get_the_same_answers),
		IN_SCENE(only_regular_files_are_opened),
		IN_SCENE(refusals_say_what_is_there),
		IN_SCENE(images_can_be_listed_and_read_without_a_trace),
		IN_SCENE(links_are_read_as_text),
		IN_SCENE(mount_points_are_crossed_only_when_asked),
		IN_SCENE(devices_are_not_opened_unless_the_user_named_a_block_device),
		IN_SCENE(a_named_block_device_has_the_size_of_the_device),
		IN_SCENE(named_files_may_be_reached_through_links),
		IN_SCENE(roots_know_their_absolute_path),
		cmocka_unit_test(system_files_are_read_up_to_a_cap),
	};

	return cmocka_run_group_tests_name("open", tests, NULL, NULL) ? 1 : 0;
}

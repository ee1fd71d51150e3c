/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The scan, on real directories: what is found, what is left alone, what is said about the rest. */
#include "tests/unit/test_scan.h"
#include "tests/support/run.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(files_of_all_depths_are_found_and_read),
		CASE(names_of_any_bytes_are_kept_as_they_are),
		CASE(hard_links_are_one_file_with_sorted_paths),
		CASE(links_are_other_paths_only_inside_the_repository),
		CASE(fifos_sockets_and_devices_are_never_opened),
		CASE(what_may_not_be_read_is_said_and_hides_nothing_else),
		CASE(a_file_that_goes_while_it_is_listed_is_a_failed_file),
		CASE(cancelling_keeps_what_was_found),
		CASE(short_steps_and_poll_come_to_the_end),
		CASE(two_thousand_files_of_random_names_are_all_found),
	};

	return cmocka_run_group_tests_name("scan", tests, NULL, NULL) ? 1 : 0;
}

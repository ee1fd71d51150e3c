/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* References: lists as users write them, and what real processes of this host hold. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <chainview/reference.h>
#include "inspect/reference/holders.h"
#include "tests/support/run.h"

#define UUID "9c1d44e0-3a0b-4f5e-b8f0-6c9e1d2a7b11"

struct scene {
	char *folder;
	struct cv_scan *scan;
};

static const char *in(const struct scene *s, const char *name)
{
	static char buffers[4][PATH_MAX];
	static unsigned next;
	char *b = buffers[next++ % CV_COUNT(buffers)];

	assert_true(snprintf(b, PATH_MAX, "%s/%s", s->folder, name) < PATH_MAX);
	return b;
}

static void put(const struct scene *s, const char *name, const char *bytes, size_t len)
{
	int fd = open(in(s, name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

/* A repository r with a few images; lists are kept beside it. */
static int make_scene(void **state)
{
	struct scene *s = calloc(1, sizeof *s);
	char *folder = cv_test_folder(), page[4096] = "";
	struct cv_err err = { 0 };
	struct cv_place place;

	s->folder = realpath(folder, NULL);
	free(folder);
	cv_test_do(s->folder, NULL, "mkdir", "-p", "r/sub");
	put(s, "r/image", page, sizeof page);
	put(s, "r/sub/deep", page, sizeof page);
	put(s, "r/two words", page, sizeof page);
	put(s, "beside", page, sizeof page);
	place = (struct cv_place){ .path = in(s, "r") };
	s->scan = cv_scan_new(&(struct cv_scan_options){ .places = &place, .place_count = 1, .workers = 1 }, &err);
	while (s->scan && cv_scan_step(s->scan, -1))
		;
	*state = s;
	return s->scan ? 0 : -1;
}

static int end_scene(void **state)
{
	struct scene *s = *state;

	cv_scan_free(s->scan);
	cv_test_folder_remove(s->folder);
	free(s);
	return 0;
}

static struct cv_references *read_refs(const struct scene *s, const char *spec)
{
	struct cv_err err = { 0 };
	struct cv_references *refs = cv_references_read(spec, s->scan, &err);

	if (!refs)
		print_message("%s: %s\n", spec, err.text);
	assert_non_null(refs);
	return refs;
}

static struct cv_references *read_list(const struct scene *s, const char *bytes, size_t len)
{
	char spec[PATH_MAX + 8];

	put(s, "list", bytes, len);
	snprintf(spec, sizeof spec, "list:%s", in(s, "list"));
	return read_refs(s, spec);
}

static void expect_text(const struct cv_claim *c, enum cv_claim_kind kind, const char *text)
{
	if (c->kind != kind || !cv_bytes_equal(c->text, cv_bytes_of(text)))
		fail_msg("claim of kind %d: %.*s, not %s", c->kind, (int)c->text.len, c->text.at, text);
}

static void a_list_gives_paths_uuids_and_names(void **state)
{
	struct scene *s = *state;
	struct cv_text list = { 0 };
	struct cv_references *refs;

	cv_text_addf(&list, "# a comment\n%s\r\n\n" UUID "\nsub/deep\n#also/a/comment\ntwo words\n", in(s, "r/image"));
	cv_text_addf(&list, "%s/./x//../sub/deep\nnot there\n \t/blank first \t", in(s, "r"));
	refs = read_list(s, list.at, list.len);
	assert_int_equal(refs->claim_count, 7);
	expect_text(&refs->claims[0], CV_CLAIM_INODE, in(s, "r/image"));
	expect_text(&refs->claims[1], CV_CLAIM_UUID, UUID);
	assert_int_equal(refs->claims[1].uuid[0], 0x9c);
	expect_text(&refs->claims[2], CV_CLAIM_PATH, "sub/deep");
	expect_text(&refs->claims[3], CV_CLAIM_PATH, "two words");
	expect_text(&refs->claims[4], CV_CLAIM_PATH, in(s, "r/sub/deep"));
	expect_text(&refs->claims[5], CV_CLAIM_PATH, "not there");
	expect_text(&refs->claims[6], CV_CLAIM_PATH, "/blank first");
	assert_memory_equal(refs->claims[1].who.at, "line 4 of /", strlen("line 4 of /"));
	assert_int_equal(refs->claims[0].confidence, CV_DEFINITE);
	assert_false(refs->claims[0].in_use);
	assert_int_equal(refs->source_count, 1);
	assert_int_equal(refs->sources[0].claims, 7);
	assert_true(refs->sources[0].read && refs->sources[0].complete && refs->complete && !refs->none);
	cv_references_free(refs);
	cv_text_fini(&list);
}

static void names_are_tried_from_here_and_from_the_repository(void **state)
{
	struct scene *s = *state;
	char here[PATH_MAX];
	struct cv_references *refs;

	assert_non_null(getcwd(here, sizeof here));
	assert_int_equal(chdir(s->folder), 0);
	refs = read_list(s, "r/image\nimage\nbeside\n", 21);
	assert_int_equal(refs->claim_count, 3);
	expect_text(&refs->claims[0], CV_CLAIM_INODE, in(s, "r/image"));
	expect_text(&refs->claims[1], CV_CLAIM_PATH, "image");
	expect_text(&refs->claims[2], CV_CLAIM_INODE, in(s, "beside"));
	cv_references_free(refs);
	assert_int_equal(chdir(in(s, "r/sub")), 0);
	put(s, "r/sub/image", "", 0);           /* here, but not scanned: the one of the repository is meant */
	refs = read_list(s, "image", 5);
	assert_int_equal(refs->claim_count, 1);
	expect_text(&refs->claims[0], CV_CLAIM_PATH, "image");
	cv_references_free(refs);
	assert_int_equal(chdir(here), 0);
}

static bool claims_file(const struct scene *s, const struct cv_claim *c, const char *name)
{
	const struct cv_file *f = cv_scan_file(s->scan, cv_scan_lookup(s->scan, in(s, name)).file);

	return c->kind == CV_CLAIM_INODE && c->device == f->device && c->inode == f->inode;
}

static void a_path_in_a_list_means_what_the_system_finds_under_it(void **state)
{
	struct scene *s = *state;
	struct cv_text list = { 0 };
	struct cv_references *refs;

	cv_test_do(s->folder, NULL, "ln", "-s", "r/sub", "link");
	cv_text_addf(&list, "\xef\xbb\xbf%s\n", in(s, "link/deep"));
	cv_text_addf(&list, "%s\nfile://%s\n", in(s, "link/../image"), in(s, "r/two words"));
	cv_text_addf(&list, "file:%s \nfile://localhost%s", in(s, "r/image"), in(s, "beside"));
	refs = read_list(s, list.at, list.len);
	assert_int_equal(refs->claim_count, 5);
	assert_true(claims_file(s, &refs->claims[0], "r/sub/deep"));
	assert_true(claims_file(s, &refs->claims[1], "r/image"));
	assert_true(claims_file(s, &refs->claims[2], "r/two words"));
	assert_true(claims_file(s, &refs->claims[3], "r/image"));
	expect_text(&refs->claims[4], CV_CLAIM_INODE, in(s, "beside"));
	assert_int_equal(cv_scan_by_inode(s->scan, refs->claims[4].device, refs->claims[4].inode), SIZE_MAX);
	cv_references_free(refs);
	cv_text_fini(&list);
}

static void names_of_any_bytes_are_claimed_as_they_are(void **state)
{
	static const char list[] = "/r/caf\xe9\n\x1b[31m\n/with\0nul\n";
	struct cv_references *refs = read_list(*state, list, sizeof list - 1);

	assert_int_equal(refs->claim_count, 3);
	expect_text(&refs->claims[0], CV_CLAIM_PATH, "/r/caf\xe9");
	expect_text(&refs->claims[1], CV_CLAIM_PATH, "\x1b[31m");
	assert_int_equal(refs->claims[2].text.len, 9);
	cv_references_free(refs);
}

static void specs_that_are_not_understood_are_usage_errors(void **state)
{
	static const struct { const char *spec, *says; } rows[] = {
		{ "", "no such source" }, { "prok", "no such source" }, { "list", "file name" }, { "list:", "file name" },
		{ "proc:x", "nothing can follow" }, { "none:", "nothing can follow" }, { "none,proc", "cannot stand beside" },
		{ "auto,none", "cannot stand beside" }, { "proc,", "no such source" }, { "es\x1b", "es\\x1b" },
		{ "pro", "no such source" },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_err err = { 0 };

		assert_null(cv_references_read(rows[i].spec, s->scan, &err));
		if (err.code != CV_EUSAGE || !strstr(err.text, rows[i].says))
			fail_msg("\"%s\": %d %s", rows[i].spec, err.code, err.text);
	}
}

static void an_empty_list_is_an_error_and_a_missing_one_is_trouble(void **state)
{
	static const char *const empty[] = { "", "\n\r\n", "# only a comment\n" };
	struct scene *s = *state;
	char spec[PATH_MAX + 8];
	struct cv_references *refs;

	snprintf(spec, sizeof spec, "list:%s", in(s, "list"));
	for (size_t i = 0; i < CV_COUNT(empty); i++) {
		struct cv_err err = { 0 };

		put(s, "list", empty[i], strlen(empty[i]));
		assert_null(cv_references_read(spec, s->scan, &err));
		assert_int_equal(err.code, CV_EUSAGE);
		assert_non_null(strstr(err.text, "is empty"));
	}
	unlink(in(s, "list"));
	refs = read_refs(s, spec);
	assert_int_equal(refs->source_count, 1);
	assert_string_equal(refs->sources[0].name, spec);
	assert_false(refs->sources[0].read || refs->sources[0].complete || refs->complete);
	assert_non_null(strstr(refs->sources[0].trouble, "No such file"));
	cv_references_free(refs);
}

static void none_and_auto_are_what_they_say(void **state)
{
	struct cv_references *refs = read_refs(*state, "none");

	assert_true(refs->none && !refs->complete);
	assert_int_equal(refs->source_count, 0);
	cv_references_free(refs);
	refs = read_refs(*state, NULL);
	assert_false(refs->none || refs->complete);
	assert_int_equal(refs->source_count, 1);
	assert_string_equal(refs->sources[0].name, "proc");
	assert_true(refs->sources[0].read && refs->sources[0].automatic);
	assert_int_equal(refs->watched_count, 0);
	assert_false(refs->sources[0].complete);
	cv_references_free(refs);
	refs = read_refs(*state, "auto,proc,auto");
	assert_int_equal(refs->source_count, 1);
	cv_references_free(refs);
}

static void a_list_beside_proc_is_complete(void **state)
{
	struct scene *s = *state;
	char spec[PATH_MAX + 16];
	struct cv_references *refs;

	put(s, "list", "image\n", 6);
	snprintf(spec, sizeof spec, "proc,list:%s", in(s, "list"));
	refs = read_refs(s, spec);
	assert_int_equal(refs->source_count, 2);
	assert_true(refs->complete);
	assert_int_equal(refs->claims[refs->claim_count - 1].source, 1);
	cv_references_free(refs);
}

/* Starts a process that runs hold(path) and waits until it says that it has it. */
static pid_t start_holder(const char *path, void (*hold)(const char *path))
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold(path);
		if (write(ends[1], "x", 1) == 1)
			pause();
		_exit(0);
	}
	assert_true(pid > 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static void stop_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void hold_for_reading(const char *path)
{
	if (open(path, O_RDONLY) < 0)
		_exit(1);
}

static void hold_for_writing(const char *path)
{
	if (open(path, O_RDWR) < 0)
		_exit(1);
}

static void hold_mapped(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0 || mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
		_exit(1);
	close(fd);
}

static void lock_bytes(int fd, off_t start, off_t len)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	if (fcntl(fd, F_OFD_SETLK, &l) < 0)
		_exit(1);
}

static void hold_as_qemu_reads(const char *path)
{
	int fd = open(path, O_RDONLY);

	lock_bytes(fd, 100, 1);
	lock_bytes(fd, 201, 1);
	lock_bytes(fd, 203, 1);
}

static void hold_as_qemu_writes(const char *path)
{
	int fd = open(path, O_RDONLY);

	lock_bytes(fd, 100, 2);
	lock_bytes(fd, 103, 1);
	lock_bytes(fd, 201, 1);
}

static void hold_locked(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (flock(fd, LOCK_SH) < 0)
		_exit(1);
}

/* A claim on the file whose holder is described with these words; NULL if there is none. */
static const struct cv_claim *find_claim(const struct scene *s, const struct cv_references *refs, const char *path,
					 const char *words)
{
	const struct cv_file *f = cv_scan_file(s->scan, cv_scan_lookup(s->scan, path).file);

	for (size_t i = 0; i < refs->claim_count; i++) {
		const struct cv_claim *c = &refs->claims[i];

		if (c->kind == CV_CLAIM_INODE && c->device == f->device && c->inode == f->inode &&
		    memmem(c->who.at, c->who.len, words, strlen(words)))
			return c;
	}
	return NULL;
}

static void processes_are_seen_with_what_they_hold(void **state)
{
	static const struct { void (*hold)(const char *path); const char *words; } rows[] = {
		{ hold_for_reading, "open for reading" }, { hold_for_writing, "open for writing" }, { hold_mapped, "mapped" },
		{ hold_as_qemu_reads, ", reading" }, { hold_as_qemu_writes, ", writing" }, { hold_locked, "open for reading" },
	};
	struct scene *s = *state;

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		pid_t pid = start_holder(in(s, "r/image"), rows[i].hold);
		struct cv_references *refs = read_refs(s, "proc");
		const struct cv_claim *c;
		char who[80];

		snprintf(who, sizeof who, "test_reference, pid %ld, ", (long)pid);
		c = find_claim(s, refs, in(s, "r/image"), who);
		if (!c || !memmem(c->who.at, c->who.len, rows[i].words, strlen(rows[i].words)) || !c->in_use)
			fail_msg("row %zu: %.*s", i, c ? (int)c->who.len : 4, c ? c->who.at : "none");
		assert_int_equal(refs->claim_count, 1);
		assert_int_equal(refs->sources[0].claims, 1);
		cv_references_free(refs);
		stop_holder(pid);
	}
}

static void open_images_are_seen_whatever_source_is_asked(void **state)
{
	struct scene *s = *state;
	pid_t pid = start_holder(in(s, "r/image"), hold_as_qemu_writes);
	char list[PATH_MAX + 8];
	const char *specs[] = { "none", list };

	put(s, "list", "sub/deep\n", 9);
	snprintf(list, sizeof list, "list:%s", in(s, "list"));
	for (size_t i = 0; i < CV_COUNT(specs); i++) {
		struct cv_references *refs = read_refs(s, specs[i]);
		const struct cv_claim *c = find_claim(s, refs, in(s, "r/image"), ", writing");

		if (!c || !c->in_use)
			fail_msg("%s: the open image is not seen", specs[i]);
		assert_int_equal(refs->source_count, i);
		assert_int_equal(refs->watched_count, 1);
		assert_string_equal(cv_claim_source_of(refs, c)->name, "proc");
		assert_int_equal(refs->complete, i);
		assert_int_equal(refs->none, !i);
		cv_references_free(refs);
	}
	stop_holder(pid);
}

static void our_own_descriptors_are_no_reference(void **state)
{
	struct scene *s = *state;
	int fd = open(in(s, "r/image"), O_RDONLY);
	struct cv_references *refs = read_refs(s, "proc");

	assert_int_equal(refs->claim_count, 0);
	cv_references_free(refs);
	close(fd);
}

static void a_real_qemu_is_seen_writing(void **state)
{
	struct scene *s = *state;
	char command[PATH_MAX];
	struct cv_references *refs = NULL;
	const struct cv_claim *c = NULL;
	pid_t pid;

	if (!cv_test_has("qemu-io")) {
		print_message("qemu-io is not installed\n");
		skip();
	}
	assert_true(snprintf(command, sizeof command, "%s", in(s, "r/two words")) < PATH_MAX);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("qemu-io", "qemu-io", "-f", "raw", "-c", "sleep 60000", command, NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !c; i++) {
		cv_references_free(refs);
		usleep(10000);
		refs = read_refs(s, "auto");
		c = find_claim(s, refs, in(s, "r/two words"), "qemu-io, pid ");
		c = c && memmem(c->who.at, c->who.len, "writing", 7) ? c : NULL;
	}
	assert_non_null(c);
	assert_true(c->in_use);
	assert_int_equal(refs->claim_count, 1);
	cv_references_free(refs);
	stop_holder(pid);
}

static void a_loop_device_holds_its_file(void **state)
{
	struct scene *s = *state;
	struct cv_text device = { 0 };
	struct cv_references *refs;
	bool found;

	if (geteuid() || !cv_test_has("losetup") ||
	    cv_test_do(s->folder, &device, "losetup", "--find", "--show", "--read-only", "r/sub/deep")) {
		print_message("no loop device can be made here\n");
		cv_text_fini(&device);
		skip();
	}
	device.at[strcspn(device.at, "\n")] = '\0';
	refs = read_refs(s, "proc");
	found = find_claim(s, refs, in(s, "r/sub/deep"), device.at) != NULL;
	cv_test_do(NULL, NULL, "losetup", "--detach", device.at);
	assert_true(found);
	cv_references_free(refs);
	cv_text_fini(&device);
}

static void what_may_not_be_looked_at_is_counted(void **state)
{
	struct scene *s = *state;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct cv_err err = { 0 };
		struct cv_references *refs;

		if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0))
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		refs = cv_references_read("proc", s->scan, &err);
		if (!refs || !refs->sources[0].read || refs->sources[0].complete)
			_exit(1);
		_exit(!refs->sources[0].trouble || !strstr(refs->sources[0].trouble, "could not be looked at"));
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* As under systemd: root, but with no more than the right to read all files. */
static bool keep_one_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct one[2] = { { .effective = 1u << CAP_DAC_READ_SEARCH, .permitted = 1u << CAP_DAC_READ_SEARCH } };

	return syscall(SYS_capset, &head, one) == 0;
}

static void links_that_may_be_listed_but_not_followed_are_not_looked_at(void **state)
{
	struct scene *s = *state;
	pid_t holder = start_holder(in(s, "r/image"), hold_for_writing), pid;
	int status;

	if (geteuid()) {
		print_message("only root has capabilities to lose\n");
		stop_holder(holder);
		skip();
	}
	pid = fork();
	if (pid == 0) {
		struct cv_err err = { 0 };
		struct cv_references *refs;

		if (!keep_one_capability())
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		refs = cv_references_read("proc", s->scan, &err);
		_exit(!refs || refs->claim_count || !refs->sources[0].trouble ||
		      !strstr(refs->sources[0].trouble, "could not be looked at"));
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	stop_holder(holder);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_lock_whose_holder_cannot_be_seen_is_still_a_reference(void **state)
{
	struct scene *s = *state;
	pid_t holder = start_holder(in(s, "r/image"), hold_as_qemu_writes), pid;
	int status;

	if (geteuid()) {
		print_message("only root can become somebody who may not see\n");
		stop_holder(holder);
		skip();
	}
	pid = fork();
	if (pid == 0) {
		struct cv_err err = { 0 };
		struct cv_references *refs;

		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(99);
		prctl(PR_SET_DUMPABLE, 1);
		refs = cv_references_read("proc", s->scan, &err);
		_exit(!refs || refs->claim_count != 1 ||
		      !cv_bytes_equal(refs->claims[0].who, cv_bytes_of("a process that cannot be seen from here, writing")));
	}
	assert_true(waitpid(pid, &status, 0) == pid);
	stop_holder(holder);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void lock_lines_are_decoded(void **state)
{
	static const struct { const char *line; unsigned hold; } rows[] = {
		{ "1: OFDLCK ADVISORY  READ -1 fd:00:1234 100 101", CV_HOLD_WRITING },
		{ "1: OFDLCK ADVISORY  READ -1 fd:00:1234 100 100", CV_HOLD_READING },
		{ "1: OFDLCK ADVISORY  READ -1 fd:00:1234 103 103", CV_HOLD_WRITING },
		{ "1: OFDLCK ADVISORY  READ -1 fd:00:1234 201 201", CV_HOLD_READING },
		{ "12: POSIX  ADVISORY  WRITE 77 fd:00:1234 100 103", CV_HOLD_WRITING },
		{ "2: POSIX  ADVISORY  WRITE 77 fd:00:1234 0 EOF", CV_HOLD_LOCKED },
		{ "2: POSIX  ADVISORY  READ 77 fd:00:1234 0 0", CV_HOLD_LOCKED },
		{ "2: POSIX  ADVISORY  READ 77 fd:00:1234 300 301", CV_HOLD_LOCKED },
		{ "3: FLOCK  ADVISORY  WRITE 77 fd:00:1234 0 EOF", CV_HOLD_LOCKED },
		{ "3: -> FLOCK  ADVISORY  WRITE 77 fd:00:1234 0 EOF", 0 },
		{ "4: LEASE  ACTIVE    READ 77 fd:00:1234 0 EOF", 0 },
		{ "4: DELEG  ACTIVE    READ 77 fd:00:1234 0 EOF", 0 },
		{ "5: OFDLCK ADVISORY  READ -1 fd:00:1234 100", 0 }, { "", 0 }, { "garbage", 0 },
		{ "6: OFDLCK ADVISORY  READ -1 fd:00:1234 9223372036854775807 EOF", CV_HOLD_LOCKED },
		{ "7: OFDLCK ADVISORY  READ -1 fd:00:1234 101 3", CV_HOLD_LOCKED },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct cv_lock_line l = { 0 };
		bool is_lock = cv_lock_line_read(rows[i].line, &l);

		if (is_lock != (rows[i].hold != 0) || l.hold != rows[i].hold || (is_lock && l.inode != 1234))
			fail_msg("%s: %d %u", rows[i].line, is_lock, l.hold);
	}
}

static void map_lines_are_decoded(void **state)
{
	static const struct { const char *line; uint64_t inode; const char *path; } rows[] = {
		{ "7f00-7f01 r--s 00000000 fd:01 1234                       /a b/c (deleted)", 1234, "/a b/c (deleted)" },
		{ "7f00-7f01 rw-p 00000000 00:00 0 ", 0, "" }, { "7f00-7f01 rw-p 00000000 00:00 0    [heap]", 0, "" },
		{ "7f00-7f01 r-xp 00001000 103:05 77", 77, "" }, { "", 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		char line[128];
		struct cv_map_line m = { 0 };

		snprintf(line, sizeof line, "%s", rows[i].line);
		assert_int_equal(cv_map_line_read(line, &m), rows[i].inode != 0);
		assert_int_equal(m.inode, rows[i].inode);
		if (m.inode)
			assert_string_equal(m.path, rows[i].path);
	}
}

static void every_source_is_in_the_help(void **state)
{
	static const char *const names[] = { "auto", "none", "list:FILE", "proc" };
	size_t count = 0;

	(void)state;
	for (const struct cv_reference_row *r = cv_reference_rows; r->name; r++, count++) {
		assert_string_equal(r->name, names[count]);
		assert_true(strlen(r->what) > 10);
	}
	assert_int_equal(count, CV_COUNT(names));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, make_scene, end_scene)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_list_gives_paths_uuids_and_names),
		CASE(names_are_tried_from_here_and_from_the_repository),
		CASE(a_path_in_a_list_means_what_the_system_finds_under_it),
		CASE(names_of_any_bytes_are_claimed_as_they_are),
		CASE(specs_that_are_not_understood_are_usage_errors),
		CASE(an_empty_list_is_an_error_and_a_missing_one_is_trouble),
		CASE(none_and_auto_are_what_they_say),
		CASE(a_list_beside_proc_is_complete),
		CASE(processes_are_seen_with_what_they_hold),
		CASE(open_images_are_seen_whatever_source_is_asked),
		CASE(our_own_descriptors_are_no_reference),
		CASE(a_real_qemu_is_seen_writing),
		CASE(a_loop_device_holds_its_file),
		CASE(what_may_not_be_looked_at_is_counted),
		CASE(links_that_may_be_listed_but_not_followed_are_not_looked_at),
		CASE(a_lock_whose_holder_cannot_be_seen_is_still_a_reference),
		cmocka_unit_test(lock_lines_are_decoded),
		cmocka_unit_test(map_lines_are_decoded),
		cmocka_unit_test(every_source_is_in_the_help),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL) ? 1 : 0;
}

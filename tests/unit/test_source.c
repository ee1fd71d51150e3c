/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Byte sources, the libbfio handle over them, and the one place that opens: what it refuses and what it leaves alone. */
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
#include "inspect/source/bfio.h"
#include <libqcow.h>
#include <libvhdi.h>
#include "inspect/source/open.h"
#include "tests/support/run.h"

static uint8_t pattern[5000];

/* A source over memory that interrupts, gives a few bytes at a time, and fails in one place. */
struct odd_source {
	struct cv_source base;
	const uint8_t *bytes;
	size_t at_most;
	struct cv_range bad;
	uint64_t really;       /* where it ends, whatever its size says */
	unsigned calls, *closed;
};

static ssize_t odd_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct odd_source *s = (struct odd_source *)self;

	if (++s->calls % 3 == 0)
		return errno = EINTR, -1;
	if (off >= s->really)
		return 0;
	len = len < s->at_most ? len : s->at_most;
	len = len < s->really - off ? len : s->really - off;
	if (off < s->bad.off && len > s->bad.off - off)
		len = s->bad.off - off;
	if (cv_ranges_touch((struct cv_range){ off, len }, s->bad))
		return errno = EIO, -1;
	memcpy(buf, s->bytes + off, len);
	return (ssize_t)len;
}

static void odd_close(struct cv_source *self)
{
	struct odd_source *s = (struct odd_source *)self;

	if (s->closed)
		++*s->closed;
	free(s);
}

static const struct cv_source_ops odd_ops = { odd_pread, odd_close };

static struct odd_source *odd_new(uint64_t bad_off, uint64_t bad_len)
{
	struct odd_source *s = calloc(1, sizeof *s);

	assert_non_null(s);
	*s = (struct odd_source){ { &odd_ops, sizeof pattern }, pattern, 7, { bad_off, bad_len }, sizeof pattern, 0, NULL };
	return s;
}

static int fill_pattern(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof pattern; i++)
		pattern[i] = (uint8_t)(i * 131 + i / 256);
	return 0;
}

/* Every start and a few lengths, whatever pieces the source gives them in. */
static void reads_as_pattern(struct cv_source *s, const uint8_t *wanted, size_t len)
{
	static const size_t lengths[] = { 0, 1, 2, 13, 511, 512, 700 };
	uint8_t buf[700];
	struct cv_err err = { 0 };

	assert_int_equal(s->size, len);
	for (size_t off = 0; off <= len; off += off % 64 < 3 || len - off < 4 ? 1 : 61)
		for (size_t i = 0; i < CV_COUNT(lengths); i++) {
			if (off + lengths[i] > len)
				continue;
			assert_true(cv_source_read(s, buf, lengths[i], off, &err));
			assert_memory_equal(buf, wanted + off, lengths[i]);
		}
}

static void short_and_interrupted_reads_are_continued(void **state)
{
	struct cv_source *s = &odd_new(0, 0)->base;

	(void)state;
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
	cv_source_close(NULL);
}

static void errors_name_length_and_offset(void **state)
{
	struct odd_source *odd = odd_new(3000, 10);
	struct cv_err err = { 0 };
	uint8_t buf[512];

	(void)state;
	assert_false(cv_source_read(&odd->base, buf, 512, 2900, &err));
	assert_int_equal(err.code, CV_EIO);
	assert_int_equal(err.os_errno, EIO);
	assert_string_equal(err.text, "cannot read 512 B at offset 2900: Input/output error");
	cv_err_clear(&err);
	assert_false(cv_source_read(&odd->base, buf, 512, 4800, &err));
	assert_string_equal(err.text, "cannot read 512 B at offset 4800: it has only 5000 B");
	cv_err_clear(&err);
	assert_false(cv_source_read(&odd->base, buf, 512, UINT64_MAX - 1, &err));
	assert_int_equal(err.code, CV_EFORMAT);
	cv_err_clear(&err);
	odd->really = 4000;
	assert_false(cv_source_read(&odd->base, buf, 512, 3900, &err));
	assert_string_equal(err.text,
			    "cannot read 512 B at offset 3900: it ends after 100 B of them, was it cut meanwhile?");
	cv_source_close(&odd->base);
}

static void memory_reads_back(void **state)
{
	struct cv_err err = { 0 };
	struct cv_source *s = cv_source_memory(pattern, sizeof pattern, &err);

	(void)state;
	assert_non_null(s);
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
	s = cv_source_memory(NULL, 0, &err);
	assert_non_null(s);
	assert_int_equal(s->ops->pread(s, NULL, 0, 0), 0);
	cv_source_close(s);
}

static void extents_come_one_after_the_other(void **state)
{
	static const struct cv_source_extent extents[] = {
		{ 4000, 1000 }, { 7, 0 }, { 0, 1 }, { 100, 900 }, { 100, 300 }, { 5000, 0 },
	};
	uint8_t wanted[2201];
	struct cv_source *under = &odd_new(0, 0)->base, *s;
	unsigned closed = 0;
	struct cv_err err = { 0 };
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(extents); at += extents[i++].len)
		memcpy(wanted + at, pattern + extents[i].off, extents[i].len);
	((struct odd_source *)under)->closed = &closed;
	s = cv_source_extents(&under, extents, CV_COUNT(extents), &err);
	assert_non_null(s);
	assert_null(under);
	reads_as_pattern(s, wanted, sizeof wanted);
	cv_source_close(s);
	assert_int_equal(closed, 1);
}

static void extents_that_cannot_be_are_refused(void **state)
{
	static const struct { struct cv_source_extent extent[2]; size_t count; bool good; } rows[] = {
		{ { { 0, 5000 } }, 1, true }, { { { 0, 5001 } }, 1, false }, { { { 5000, 0 } }, 1, true },
		{ { { 5001, 0 } }, 1, false }, { { { UINT64_MAX, 2 } }, 1, false }, { { { 2, UINT64_MAX } }, 1, false },
		{ { { 1, 1 }, { 4999, 2 } }, 2, false }, { { { 0, 0 } }, 0, true },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		struct odd_source *odd = odd_new(0, 0);
		struct cv_source *under = &odd->base, *s;
		unsigned closed = 0;
		struct cv_err err = { 0 };

		odd->closed = &closed;
		s = cv_source_extents(&under, rows[i].extent, rows[i].count, &err);
		assert_int_equal(s != NULL, rows[i].good);
		assert_int_equal(err.code, rows[i].good ? CV_OK : CV_EUSAGE);
		assert_null(under);
		cv_source_close(s);
		assert_int_equal(closed, 1);
	}
}

static void totals_that_wrap_are_refused(void **state)
{
	struct odd_source *odd = odd_new(0, 0);
	struct cv_source *under = &odd->base;
	const struct cv_source_extent twice[] = { { 0, UINT64_MAX }, { 0, 1 } };
	struct cv_err err = { 0 };

	(void)state;
	odd->base.size = UINT64_MAX;
	assert_null(cv_source_extents(&under, twice, 2, &err));
	assert_string_equal(err.text, "the extents add up to more than 2^64 B");
}

static void a_cache_gives_the_same_bytes_with_fewer_reads(void **state)
{
	static const size_t sizes[][2] = {
		{ 0, 0 }, { 1, 1 }, { 100, 50 }, { 2500, 2500 }, { 4000, 2000 }, { 5000, 0 }, { 0, 5000 }, { 9000, 1 },
		{ 1, 9000 }, { 512, 511 },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(sizes); i++) {
		struct odd_source *odd = odd_new(0, 0);
		struct cv_source *under = &odd->base, *s;
		struct cv_err err = { 0 };
		uint8_t buf[512];
		unsigned calls;

		s = cv_source_cached(&under, sizes[i][0], sizes[i][1], &err);
		assert_non_null(s);
		assert_null(under);
		reads_as_pattern(s, pattern, sizeof pattern);
		calls = odd->calls;
		if (sizes[i][0] >= 512)
			assert_true(cv_source_read(s, buf, 512, 0, &err));
		if (sizes[i][1] >= 511)
			assert_true(cv_source_read(s, buf, 511, sizeof pattern - 511, &err));
		assert_int_equal(odd->calls, calls);
		cv_source_close(s);
	}
}

static void a_cache_keeps_errors_for_those_who_ask(void **state)
{
	struct cv_source *under = &odd_new(700, 100)->base, *s;
	struct cv_err err = { 0 };
	uint8_t buf[1024];

	(void)state;
	s = cv_source_cached(&under, 1000, 200, &err);
	assert_non_null(s);
	assert_true(cv_source_read(s, buf, 700, 0, &err));
	assert_memory_equal(buf, pattern, 700);
	assert_false(cv_source_read(s, buf, 701, 0, &err));
	assert_int_equal(err.os_errno, EIO);
	cv_err_clear(&err);
	assert_true(cv_source_read(s, buf, 1024, 1000, &err));
	assert_memory_equal(buf, pattern + 1000, 1024);
	assert_true(cv_source_read(s, buf, 200, 4800, &err));
	cv_source_close(s);
}

static void a_cache_is_bounded_by_the_size_not_by_the_wish(void **state)
{
	struct cv_source *under = &odd_new(0, 0)->base, *s;
	struct cv_err err = { 0 };

	(void)state;
	s = cv_source_cached(&under, SIZE_MAX, SIZE_MAX, &err);
	assert_non_null(s);
	reads_as_pattern(s, pattern, sizeof pattern);
	cv_source_close(s);
}

static void a_file_that_grows_keeps_its_size(void **state)
{
	char name[] = "/tmp/chainview-source-XXXXXX";
	int fd = mkstemp(name);
	struct cv_err err = { 0 };
	struct cv_source *s;

	(void)state;
	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(pwrite(fd, pattern, sizeof pattern, 0), sizeof pattern);
	s = cv_source_fd_adopt(dup(fd), 4096, &err);
	assert_non_null(s);
	reads_as_pattern(s, pattern, 4096);
	cv_source_close(s);
	assert_null(cv_source_fd_adopt(fd, UINT64_MAX, &err));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(err.code, CV_EUSAGE);
}

/* libbfio: what the handle promises, and both libraries over it. */
static void a_bfio_handle_reads_seeks_and_never_writes(void **state)
{
	struct cv_err err = { 0 };
	struct cv_source *s = &odd_new(0, 0)->base;
	libbfio_handle_t *h = cv_bfio_new(s, &err);
	uint8_t buf[600];
	size64_t size = 0;

	(void)state;
	assert_non_null(h);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_READ_WRITE, NULL), -1);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_WRITE, NULL), -1);
	assert_int_equal(libbfio_handle_open(h, LIBBFIO_OPEN_READ, NULL), 1);
	assert_int_equal(libbfio_handle_get_size(h, &size, NULL), 1);
	assert_int_equal(size, sizeof pattern);
	assert_int_equal(libbfio_handle_seek_offset(h, -300, SEEK_END, NULL), 4700);
	assert_int_equal(libbfio_handle_read_buffer(h, buf, 600, NULL), 300);
	assert_memory_equal(buf, pattern + 4700, 300);
	assert_int_equal(libbfio_handle_seek_offset(h, 10, SEEK_SET, NULL), 10);
	assert_int_equal(libbfio_handle_read_buffer(h, buf, 600, NULL), 600);
	assert_memory_equal(buf, pattern + 10, 600);
	assert_int_equal(libbfio_handle_seek_offset(h, -1, SEEK_SET, NULL), -1);
	assert_int_equal(libbfio_handle_seek_offset(h, INT64_MAX, SEEK_CUR, NULL), -1);
	assert_int_equal(libbfio_handle_write_buffer(h, buf, 1, NULL), -1);
	assert_int_equal(libbfio_handle_close(h, NULL), 0);
	assert_int_equal(libbfio_handle_free(&h, NULL), 1);
	cv_source_close(s);
}

static struct cv_source *open_source(const char *folder, const char *name)
{
	struct cv_text path = { 0 };
	struct cv_entry entry;
	struct cv_err err = { 0 };
	int fd;

	cv_text_addf(&path, "%s/%s", folder, name);
	fd = cv_named_open_image(cv_text_str(&path), &entry, &err);
	cv_text_fini(&path);
	return fd < 0 ? NULL : cv_source_fd_adopt(fd, entry.size, &err);
}

static void libvhdi_and_libqcow_read_through_the_handle(void **state)
{
	char *folder = cv_test_folder();
	struct cv_err err = { 0 };
	struct cv_source *vhd, *qcow;
	libbfio_handle_t *vhd_handle, *qcow_handle;
	libvhdi_file_t *vhd_file = NULL;
	libqcow_file_t *qcow_file = NULL;
	size64_t size = 0;

	(void)state;
	if (!cv_test_has("qemu-img")) {
		cv_test_folder_remove(folder);
		print_message("skipped: qemu-img is not installed\n");
		skip();
	}
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", "a.vhd", "8M"), 0);
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "qcow2", "a.qcow2", "8M"), 0);
	vhd = open_source(folder, "a.vhd");
	qcow = open_source(folder, "a.qcow2");
	assert_non_null(vhd);
	assert_non_null(qcow);
	vhd_handle = cv_bfio_new(vhd, &err);
	qcow_handle = cv_bfio_new(qcow, &err);
	assert_int_equal(libvhdi_file_initialize(&vhd_file, NULL), 1);
	assert_int_equal(libvhdi_file_open_file_io_handle(vhd_file, vhd_handle, LIBVHDI_OPEN_READ, NULL), 1);
	assert_int_equal(libvhdi_file_get_media_size(vhd_file, &size, NULL), 1);
	assert_int_equal(size, 8 << 20);
	assert_int_equal(libqcow_file_initialize(&qcow_file, NULL), 1);
	assert_int_equal(libqcow_file_open_file_io_handle(qcow_file, qcow_handle, LIBQCOW_OPEN_READ, NULL), 1);
	assert_int_equal(libqcow_file_get_media_size(qcow_file, &size, NULL), 1);
	assert_int_equal(size, 8 << 20);
	libvhdi_file_free(&vhd_file, NULL);
	libqcow_file_free(&qcow_file, NULL);
	libbfio_handle_free(&vhd_handle, NULL);
	libbfio_handle_free(&qcow_handle, NULL);
	cv_source_close(vhd);
	cv_source_close(qcow);
	cv_test_folder_remove(folder);
}

/* Opening: a repository full of things that must not be opened. */
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
			print_message("%s is %s, not %s\n", lookups[i].rel, cv_entry_kind_name(e.kind), cv_entry_kind_name(wanted));
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

			if (seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)numbers[i]), SYS_openat2, 0) || seccomp_load(filter))
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
		{ "fifo", "a FIFO, not opened" }, { "socket", "a socket, not opened" }, { "sub", "a directory, not opened" },
		{ "link", "a symbolic link, not followed" },
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
		cmocka_unit_test(short_and_interrupted_reads_are_continued),
		cmocka_unit_test(errors_name_length_and_offset),
		cmocka_unit_test(memory_reads_back),
		cmocka_unit_test(extents_come_one_after_the_other),
		cmocka_unit_test(extents_that_cannot_be_are_refused),
		cmocka_unit_test(totals_that_wrap_are_refused),
		cmocka_unit_test(a_cache_gives_the_same_bytes_with_fewer_reads),
		cmocka_unit_test(a_cache_keeps_errors_for_those_who_ask),
		cmocka_unit_test(a_cache_is_bounded_by_the_size_not_by_the_wish),
		cmocka_unit_test(a_file_that_grows_keeps_its_size),
		cmocka_unit_test(a_bfio_handle_reads_seeks_and_never_writes),
		cmocka_unit_test(libvhdi_and_libqcow_read_through_the_handle),
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

	return cmocka_run_group_tests_name("source", tests, fill_pattern, NULL) ? 1 : 0;
}

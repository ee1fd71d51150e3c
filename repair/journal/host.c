/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* This machine, this boot, this process, and the key that tells its journals from others'. */
#include "repair/journal/host.h"
#include "repair/io/io.h"
#include <openssl/evp.h>
#include <signal.h>
#include <sys/random.h>
#include <unistd.h>

#define KEY_NAME "journal.key"

static uint64_t clock_now(const struct cv_host *host)
{
	struct timespec now;

	(void)host;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool system_random(const struct cv_host *host, void *bytes, size_t len)
{
	(void)host;
	return getrandom(bytes, len, 0) == (ssize_t)len;
}

/* The bytes of a small file, ended with a NUL; false if it cannot be read. */
static bool small_file(const char *path, char *text, size_t size)
{
	const struct cv_io *io = &cv_io_real;
	int fd = io->openat(io, AT_FDCWD, path, O_RDONLY, 0);
	ssize_t n = fd >= 0 ? io->pread(io, fd, text, size - 1, 0) : -1;

	if (fd >= 0)
		io->close(io, fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* Behind field 2 of /proc/PID/stat: the name before that may hold anything, so it is sought from the last parenthesis. */
static const char *behind(const char *at, int field)
{
	for (int n = 2; at && n < field; n++)
		at = strchr(at + 1, ' ');
	return at;
}

/* When it began (field 22); 0: there is none. One that was killed, but was not asked for by its parent yet, is a zombie, and
 * stays one for ever where nobody asks: it is gone when its last thread is (fields 3 and 20). */
static uint64_t start_of(uint32_t pid)
{
	char path[64], text[1024];
	const char *at, *state, *threads;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/stat", pid);
	at = small_file(path, text, sizeof text) ? strrchr(text, ')') : NULL;
	state = behind(at, 3);
	threads = behind(at, 20);
	at = behind(at, 22);
	if (!at || (strchr("ZX", state[1]) && strtoull(threads, NULL, 10) <= 1))
		return 0;
	return strtoull(at, NULL, 10);
}

static bool process_alive(const struct cv_host *host, uint32_t pid, uint64_t pid_start)
{
	(void)host;
	return (kill((pid_t)pid, 0) == 0 || errno == EPERM) && start_of(pid) == pid_start;
}

static bool hash_file(const char *path, uint8_t id[16])
{
	char text[256];
	uint8_t digest[32];
	unsigned len = sizeof digest;

	if (!small_file(path, text, sizeof text) ||
	    !EVP_Digest(text, strcspn(text, "\n"), digest, &len, EVP_sha256(), NULL))
		return false;
	memcpy(id, digest, 16);
	return true;
}

static bool read_key(int dir, uint8_t key[32])
{
	const struct cv_io *io = &cv_io_real;
	int fd = io->openat(io, dir, KEY_NAME, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	bool ok = fd >= 0 && io->fstat(io, fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077) &&
		  (st.st_uid == geteuid() || !st.st_uid) && st.st_size == 32 && io->pread(io, fd, key, 32, 0) == 32;

	if (fd >= 0)
		io->close(io, fd);
	return ok;
}

/* Linked into place when it is whole: two that do this at once end up with one key. */
static void make_key(int dir)
{
	const struct cv_io *io = &cv_io_real;
	struct cv_err err = { .code = CV_OK };
	struct cv_file_out out;
	char name[64];
	uint8_t key[32];
	int fd;

	snprintf(name, sizeof name, KEY_NAME ".%ld", (long)getpid());
	fd = getrandom(key, sizeof key, 0) == sizeof key ?
		     io->openat(io, dir, name, O_RDWR | O_CREAT | O_EXCL, 0600) : -1;
	if (fd < 0)
		return;
	out = (struct cv_file_out){ io, fd, name };
	if (cv_out_write(&out, key, sizeof key, 0, &err) && io->fsync(io, fd) == 0 &&
	    io->linkat(io, dir, name, dir, KEY_NAME) == 0)
		io->fsync(io, dir);
	io->close(io, fd);
	io->unlinkat(io, dir, name, 0);
}

static void find_key(struct cv_host *host, bool make)
{
	const struct cv_io *io = &cv_io_real;
	const char *set = getenv("CHAINVIEW_STATE_DIR"), *path = set && *set ? set : "/var/lib/chainview";
	int dir;

	if (make && io->mkdirat(io, AT_FDCWD, path, 0700) != 0 && errno != EEXIST)
		return;
	dir = io->openat(io, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return;
	host->has_key = read_key(dir, host->key);
	if (!host->has_key && make) {
		make_key(dir);
		host->has_key = read_key(dir, host->key);
	}
	io->close(io, dir);
}

static uint64_t boot_began(void)
{
	struct timespec now, since;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || clock_gettime(CLOCK_BOOTTIME, &since) != 0 || now.tv_sec <= since.tv_sec)
		return 0;
	return (uint64_t)(now.tv_sec - since.tv_sec) * 1000000000;
}

bool cv_host_here(struct cv_host *host, bool make, struct cv_err *err)
{
	*host = (struct cv_host){ .pid = (uint32_t)getpid(), .now_ns = clock_now, .random = system_random,
				  .alive = process_alive };
	host->pid_start = start_of(host->pid);
	host->began_ns = boot_began();
	if (!hash_file("/proc/sys/kernel/random/boot_id", host->boot))
		return cv_fail_errno(err, "cannot find out which boot this is");
	/* A machine without an identity of its own is known by its name. */
	if (!hash_file("/etc/machine-id", host->id) && !hash_file("/proc/sys/kernel/hostname", host->id))
		return cv_fail_errno(err, "cannot find out which machine this is");
	find_key(host, make);
	return true;
}

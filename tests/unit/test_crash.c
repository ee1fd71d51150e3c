/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The simulated disk and the enumerator themselves: they must find what is known to be wrong, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/crash.h"

#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

#define SIZE (3 * SIM_SECTOR)

/* A file that is replaced as a whole: first old bytes, then new ones. */
struct replace {
	bool sync_file, sync_directory, done;
};

static void fill(uint8_t *bytes, uint8_t seed)
{
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(seed + i / 7);
}

static bool put(const struct cv_io *io, int dir, const char *name, uint8_t seed, bool sync)
{
	uint8_t bytes[SIZE];
	int fd = io->openat(io, dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);

	fill(bytes, seed);
	return fd >= 0 && io->pwrite(io, fd, bytes, sizeof bytes, 0) == SIZE && (!sync || !io->fsync(io, fd)) &&
	       !io->close(io, fd);
}

static bool replace_run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct replace *r = ctx;
	int root = sim_root(s);
	bool ok = put(&s->io, root, "new", 100, r->sync_file) && !s->io.renameat(&s->io, root, "new", root, "file", 0) &&
		  (!r->sync_directory || !s->io.fsync(&s->io, root));

	s->io.close(&s->io, root);
	r->done = ok;
	return ok || cv_fail(err, CV_EIO, "the calls themselves failed");
}

static bool replace_recover(struct sim *s, void *ctx, struct cv_err *err)
{
	int root = sim_root(s);
	bool ok = !sim_lookup(s, "new") ||
		  (!s->io.unlinkat(&s->io, root, "new", 0) && !s->io.fsync(&s->io, root));

	(void)ctx;
	s->io.close(&s->io, root);
	return ok || cv_fail(err, CV_EIO, "the calls of recovery failed");
}

static bool reads(struct sim *s, const char *name, uint8_t seed)
{
	int root = sim_root(s), fd = s->io.openat(&s->io, root, name, O_RDONLY, 0);
	uint8_t bytes[SIZE + 1], expected[SIZE];
	bool same;

	fill(expected, seed);
	same = fd >= 0 && s->io.pread(&s->io, fd, bytes, sizeof bytes, 0) == SIZE && !memcmp(bytes, expected, SIZE);
	if (fd >= 0)
		s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return same;
}

static const char *replace_look(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct replace *r = ctx;

	(void)recovered, (void)guest;
	if (r->done && !reads(s, "file", 100))
		return "the new file was promised and is not there";
	return reads(s, "file", 1) || reads(s, "file", 100) ? NULL : "the file is neither the old nor the new one";
}

static struct sim *one_file(void)
{
	struct sim *s = sim_new();
	int root = sim_root(s);

	assert_true(put(&s->io, root, "file", 1, false));
	s->io.close(&s->io, root);
	sim_settle(s);
	return s;
}

static struct crash_result enumerate_replace(struct replace r, uint64_t drop)
{
	struct crash_scene scene = { "replace", replace_run, replace_recover, replace_look, 0, NULL, &r };
	struct crash_options options = { .seed = 7, .inner = 1, .drop_barrier = drop };
	struct crash_result result = { 0 };
	struct sim *s = one_file();

	crash_enumerate(s, &scene, &options, &result);
	sim_free(s);
	return result;
}

static void replacing_a_file_with_both_barriers_is_found_sound(void **state)
{
	struct crash_result r = enumerate_replace((struct replace){ true, true, false }, 0);

	(void)state;
	if (r.failures)
		fail_msg("%s", r.first);
	assert_int_equal(r.barriers, 2 + 1 - 1);
	assert_int_equal(r.names, 2 + 1);
	assert_true(r.distinct > 20 && r.inner > 0);
}

static void every_barrier_that_is_left_out_is_noticed(void **state)
{
	(void)state;
	assert_true(enumerate_replace((struct replace){ false, true, false }, 0).failures > 0);
	assert_true(enumerate_replace((struct replace){ true, false, false }, 0).failures > 0);
	assert_true(enumerate_replace((struct replace){ true, true, false }, 1).failures > 0);
	assert_true(enumerate_replace((struct replace){ true, true, false }, 2).failures > 0);
}

/* Overwriting in place needs what was there before: without it a torn sector is seen. */
static bool overwrite_run(struct sim *s, void *ctx, struct cv_err *err)
{
	uint8_t bytes[SIZE];
	int root = sim_root(s), fd = s->io.openat(&s->io, root, "file", O_RDWR, 0);
	bool ok;

	(void)ctx;
	fill(bytes, 100);
	ok = fd >= 0 && s->io.pwrite(&s->io, fd, bytes, SIZE, 0) == SIZE && !s->io.fsync(&s->io, fd);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return ok || cv_fail(err, CV_EIO, "the calls themselves failed");
}

static bool nothing(struct sim *s, void *ctx, struct cv_err *err)
{
	(void)s, (void)ctx, (void)err;
	return true;
}

static void overwriting_in_place_is_found_out(void **state)
{
	struct replace r = { 0 };
	struct crash_scene scene = { "overwrite", overwrite_run, nothing, replace_look, 0, NULL, &r };
	struct crash_options options = { .seed = 7 };
	struct crash_result result = { 0 };
	struct sim *s = one_file();

	(void)state;
	crash_enumerate(s, &scene, &options, &result);
	sim_free(s);
	assert_true(result.failures > 0);
	assert_non_null(strstr(result.first, "neither"));
}

/* A recovery that is not able to go on where it was cut itself. */
static bool clumsy_recover(struct sim *s, void *ctx, struct cv_err *err)
{
	int root = sim_root(s);
	bool ok = true;

	(void)ctx;
	if (sim_lookup(s, "new"))
		ok = !s->io.unlinkat(&s->io, root, "file", 0) && !s->io.fsync(&s->io, root) &&
		     !s->io.renameat(&s->io, root, "new", root, "file", 0) && !s->io.fsync(&s->io, root);
	s->io.close(&s->io, root);
	return ok || cv_fail(err, CV_EIO, "the calls of recovery failed");
}

static void cuts_inside_of_recovery_are_looked_at(void **state)
{
	struct replace r = { true, true, false };
	struct crash_scene scene = { "clumsy", replace_run, clumsy_recover, replace_look, 0, NULL, &r };
	struct crash_options options = { .seed = 7, .inner = 1 };
	struct crash_result result = { 0 };
	struct sim *s = one_file();

	(void)state;
	crash_enumerate(s, &scene, &options, &result);
	sim_free(s);
	assert_true(result.failures > 0);
}

/* The same calls on the simulated disk and on a real one show the same. */
struct pair {
	const struct cv_io *io[2];
	int dir[2];
	struct sim *s;
};

static const char *const names[] = { "a", "b", "c" };

static void same_call(struct pair *p, unsigned r)
{
	const char *one = names[r / 8 % 3], *two = names[r / 24 % 3];
	int result[2], error[2];
	uint8_t bytes[2000];

	memset(bytes, (int)(r >> 16), sizeof bytes);
	for (unsigned k = 0; k < 2; k++) {
		const struct cv_io *io = p->io[k];
		int fd = io->openat(io, p->dir[k], one, O_RDWR | (r % 8 == 0 ? O_CREAT : 0), 0600);

		errno = 0;
		result[k] = fd < 0 ? -1 : 0;
		if (r % 8 == 1)
			result[k] = io->renameat(io, p->dir[k], one, p->dir[k], two, r & 256 ? RENAME_NOREPLACE : 0);
		else if (r % 8 == 2)
			result[k] = io->linkat(io, p->dir[k], one, p->dir[k], two);
		else if (r % 8 == 3)
			result[k] = io->unlinkat(io, p->dir[k], one, 0);
		else if (r % 8 == 4 && fd >= 0)
			result[k] = io->ftruncate(io, fd, r >> 5 & 0xfff);
		else if (r % 8 == 5 && fd >= 0)
			result[k] = io->fallocate(io, fd, r & 512 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : 0,
						  r >> 5 & 0xfff, 1 + (r >> 9 & 0x7ff));
		else if (fd >= 0)
			result[k] = (int)io->pwrite(io, fd, bytes, r >> 3 & 0x7cf, r >> 10 & 0xfff);
		error[k] = result[k] < 0 ? errno : 0;
		if (fd >= 0)
			io->close(io, fd);
	}
	assert_int_equal(result[0], result[1]);
	assert_int_equal(error[0], error[1]);
}

static void same_files(struct pair *p)
{
	for (size_t i = 0; i < CV_COUNT(names); i++) {
		uint8_t bytes[2][16384];
		ssize_t got[2];
		struct stat st[2];

		for (unsigned k = 0; k < 2; k++) {
			const struct cv_io *io = p->io[k];
			int fd = io->openat(io, p->dir[k], names[i], O_RDONLY, 0);

			memset(&st[k], 0, sizeof st[k]);
			got[k] = fd < 0 ? -1 : io->pread(io, fd, bytes[k], sizeof bytes[k], 0);
			if (fd >= 0) {
				assert_int_equal(io->fstat(io, fd, &st[k]), 0);
				io->close(io, fd);
			}
		}
		assert_int_equal(got[0], got[1]);
		assert_int_equal(st[0].st_nlink, st[1].st_nlink);
		assert_int_equal(st[0].st_size, st[1].st_size);
		if (got[0] > 0)
			assert_memory_equal(bytes[0], bytes[1], (size_t)got[0]);
	}
}

static void the_simulated_disk_behaves_like_a_real_one(void **state)
{
	char path[] = "/tmp/cv-crash-XXXXXX";
	uint64_t seed = 1;

	(void)state;
	assert_non_null(mkdtemp(path));
	for (unsigned round = 0; round < 60; round++) {
		struct sim *s = sim_new();
		struct pair p = { { &s->io, &cv_io_real }, { sim_root(s), open(path, O_RDONLY | O_DIRECTORY) }, s };

		for (unsigned i = 0; i < 200; i++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			same_call(&p, (unsigned)(seed >> 33));
			same_files(&p);
		}
		for (size_t i = 0; i < CV_COUNT(names); i++)
			unlinkat(p.dir[1], names[i], 0);
		close(p.dir[1]);
		sim_free(s);
	}
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replacing_a_file_with_both_barriers_is_found_sound),
		cmocka_unit_test(every_barrier_that_is_left_out_is_noticed),
		cmocka_unit_test(overwriting_in_place_is_found_out),
		cmocka_unit_test(cuts_inside_of_recovery_are_looked_at),
		cmocka_unit_test(the_simulated_disk_behaves_like_a_real_one),
	};

	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}

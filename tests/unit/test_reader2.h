/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the tests of the second reader share: running its tasks on files of a folder, and looking at what the gate
 * keeps away: are these really bytes that the library reads wrongly?
 */
#ifndef CV_TESTS_UNIT_TEST_READER2_H
#define CV_TESTS_UNIT_TEST_READER2_H

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include "inspect/reader2/content.h"
#include "inspect/reader2/library.h"
#include "inspect/reader2/tasks.h"
#include <chainview/digest.h>
#include "inspect/reader2/view.h"

enum { MOST_FILES = 16 };

/* A chain as files of a folder, the image first. data: an external data file or NULL. */
struct files {
	const char *folder;
	size_t count;
	struct { const char *name; enum cv_format_id format; const char *data; } at[MOST_FILES];
};

static inline int open_in(const char *folder, const char *name, uint64_t *size)
{
	char path[512];
	struct stat st;
	int fd;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail_msg("cannot open %s: %s", path, strerror(errno));
	*size = (uint64_t)st.st_size;
	return fd;
}

struct answer {
	enum cv_task_state state;            /* DONE or FAILED */
	struct cv_err err;
	struct cv_digest_record digest;
	struct cv_checked_record checked;
	struct cv_difference_record first;   /* difference */
	unsigned differences;
};

static inline void take_answer(struct answer *a, const struct cv_task_record *r)
{
	if (r->kind == CV_VERIFY_DIGEST && r->len == sizeof a->digest)
		memcpy(&a->digest, r->bytes, sizeof a->digest);
	else if (r->kind == CV_VERIFY_CHECKED && r->len == sizeof a->checked)
		memcpy(&a->checked, r->bytes, sizeof a->checked);
	else if (r->kind == CV_VERIFY_DIFFERENCE && r->len == sizeof a->first && !a->differences++)
		memcpy(&a->first, r->bytes, sizeof a->first);
}

static inline struct answer run_task_in(const struct files *f, cv_task_function *function, uint64_t memory)
{
	const struct cv_task_options options = { memory, 20, function == cv_check_task };
	struct cv_task_image images[MOST_FILES];
	struct answer a = { .state = CV_TASK_WAIT };
	struct cv_task_record record;
	struct cv_task *task;
	uint64_t ignored;

	assert_true(cv_digest_prepare(&a.err));
	for (size_t i = 0; i < f->count; i++) {
		images[i] = (struct cv_task_image){ .data_fd = -1, .format = f->at[i].format };
		images[i].fd = open_in(f->folder, f->at[i].name, &images[i].length);
		if (f->at[i].data)
			images[i].data_fd = open_in(f->folder, f->at[i].data, &ignored);
	}
	task = cv_task_start(images, f->count, function, NULL, 0, &options, &a.err);
	if (!task)
		fail_msg("%s", a.err.text);
	while ((a.state = cv_task_next(task, -1, &record, &a.err)) == CV_TASK_RECORD || a.state == CV_TASK_WAIT)
		if (a.state == CV_TASK_RECORD)
			take_answer(&a, &record);
	cv_task_free(task);
	return a;
}

static inline struct answer run_task(const struct files *f, cv_task_function *function)
{
	return run_task_in(f, function, (uint64_t)1 << 30);
}

static inline uint64_t gated_bytes(const struct answer *a)
{
	uint64_t n = 0;

	for (size_t i = 0; i < CV_GATE_COUNT; i++)
		n += a->checked.gated[i];
	return n;
}

/* Both readers agree on all that was compared; returns that. */
static inline uint64_t assert_agrees(const struct files *f, struct answer *a, const char *what)
{
	*a = run_task(f, cv_check_task);
	if (a->state != CV_TASK_DONE)
		fail_msg("%s: %s", what, a->err.text);
	if (a->checked.differing)
		fail_msg("%s: %" PRIu64 " B differ, first %" PRIu64 " B at %" PRIu64, what, a->checked.differing,
			 a->first.at.len, a->first.at.off);
	assert_true(a->checked.compared + gated_bytes(a) == a->checked.size);
	return a->checked.compared;
}

/* --- what lies behind the gate, in this process ----------------------------------------------------------------- */

struct unguarded {
	struct cv_chain chain;
	struct cv_gate_keeper gate;
	struct cv_library_chain library;
};

static inline void open_unguarded(struct unguarded *u, const struct files *f, bool repaired)
{
	struct cv_source *sources[MOST_FILES] = { NULL }, *data[MOST_FILES] = { NULL };
	struct cv_task_image images[MOST_FILES];
	enum cv_format_id formats[MOST_FILES];
	struct cv_err err = { .code = CV_OK };
	uint64_t size;

	*u = (struct unguarded){ .chain = { .count = 0 } };
	for (size_t i = 0; i < f->count; i++) {
		int fd = open_in(f->folder, f->at[i].name, &size);

		formats[i] = f->at[i].format;
		images[i] = (struct cv_task_image){ .format = formats[i] };
		sources[i] = cv_source_fd_adopt(fd, size, &err);
	}
	if (!cv_content_open(&u->chain, sources, data, images, f->count, &err) ||
	    !cv_gate_init(&u->gate, &u->chain, formats, &err) ||
	    !cv_library_init(&u->library, formats[0], f->count, &err))
		fail_msg("%s", err.text);
	for (size_t i = 0; i < f->count; i++) {
		int fd = open_in(f->folder, f->at[i].name, &size);
		struct cv_source *plain = cv_source_fd_adopt(fd, size, &err);
		struct cv_source *view = repaired ? cv_view_of(&u->gate.layers[i], &err) : plain;

		if (repaired)
			cv_source_close(plain);
		if (!view || !cv_library_open(&u->library, i, &view, &u->gate.layers[i].library_size, &err))
			fail_msg("%s", err.text);
	}
	if (!cv_library_link(&u->library, &err))
		fail_msg("%s", err.text);
}

static inline void close_unguarded(struct unguarded *u)
{
	cv_library_fini(&u->library);
	cv_gate_fini(&u->gate);
	cv_content_close(&u->chain);
}

/* Is there, in the first bytes of the disk and at least up to the given end, one that the library gives
 * otherwise? request: the size of its requests. An error counts as other bytes. */
static inline bool library_is_wrong(struct unguarded *u, struct cv_range range, size_t request)
{
	CV_AUTO(cv_auto_free) uint8_t *ours = malloc(request), *theirs = malloc(request);
	struct cv_err err = { .code = CV_OK };

	for (uint64_t off = range.off; off < range.off + range.len; off += request) {
		uint64_t n = range.off + range.len - off < request ? range.off + range.len - off : request;

		if (!cv_chain_read(&u->chain, ours, (struct cv_range){ off, n }, &err))
			fail_msg("%s", err.text);
		if (!cv_library_read(&u->library, theirs, n, off, &err) || memcmp(ours, theirs, n) != 0)
			return true;
	}
	return false;
}

/* Fills the free memory, so that a library that reads too far does not find the zeros of fresh pages by luck. */
static inline void soil_heap(void)
{
	enum { PIECES = 256, PIECE = 100000 };
	void *piece[PIECES];

	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	for (int i = 0; i < PIECES; i++) {
		piece[i] = malloc(PIECE);
		if (piece[i])
			memset(piece[i], 0xaa, PIECE);
		__asm__ volatile("" : : "r"(piece[i]) : "memory");
	}
	for (int i = 0; i < PIECES; i++)
		free(piece[i]);
}

/* The same in a process of its own that may crash or hang: after some seconds that counts as wrong too. */
static inline bool library_is_wrong_apart(const struct files *f, struct cv_range range, size_t request)
{
	int status = 0;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (!child) {
		static const int signals[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL };
		struct unguarded u;

		for (size_t i = 0; i < CV_COUNT(signals); i++)
			signal(signals[i], SIG_DFL);
		alarm(3);
		soil_heap();
		open_unguarded(&u, f, true);
		_exit(library_is_wrong(&u, range, request) ? 1 : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status != 0;
}

/* Bytes of the disk for which the gate gives this answer, and the first range of them. */
static inline uint64_t find_gated(struct unguarded *u, enum cv_gate_id id, struct cv_range *first)
{
	struct cv_extents list = { .max = 4096 };
	struct cv_err err = { .code = CV_OK };
	uint64_t size = u->chain.layers[0]->size, found = 0;

	*first = (struct cv_range){ 0, 0 };
	for (uint64_t off = 0, end; off < size; off = end) {
		assert_true(cv_chain_extents(&u->chain, (struct cv_range){ off, size - off }, &list, &err));
		end = cv_extents_end(&list) == size ? size : cv_extents_end(&list) / CV_GATE_GROUP * CV_GATE_GROUP;
		assert_true(cv_gate_window(&u->gate, off, &end, &err));
		for (size_t i = 0; i < list.len; i++) {
			const struct cv_extent *e = &list.at[i];
			uint64_t stop = e->at.off + e->at.len < end ? e->at.off + e->at.len : end;

			for (uint64_t pos = e->at.off, next; pos < stop; pos = next) {
				next = stop;
				if (cv_gate_at(&u->gate, e, pos, &next) != id)
					continue;
				found += next - pos;
				if (!first->len)
					*first = (struct cv_range){ pos, next - pos };
			}
		}
	}
	cv_extents_fini(&list);
	return found;
}

static inline unsigned chains_to_try(unsigned usual)
{
	const char *text = getenv("CHAINVIEW_CHAINS");
	unsigned long n = text ? strtoul(text, NULL, 10) : 0;

	return n ? (unsigned)n : usual;
}

static inline void digest_text(char hex[65], const uint8_t sha256[32])
{
	for (int i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", sha256[i]);
}

#endif

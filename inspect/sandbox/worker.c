/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A reading process: takes batches of descriptors, reads them one after the other, writes what it found into
 * shared memory. It opens nothing and has no other way out. */
#include "inspect/sandbox/link.h"
#include "inspect/sandbox/wire.h"
#include <sys/socket.h>
#include <unistd.h>

/* Where the metadata of most images lies: header, tables and names in front, a VHD footer at the end. */
#define HEAD_BYTES (16 * 1024)
#define TAIL_BYTES 1024

enum { BROKEN_REQUEST = 3, BROKEN_LINK };

struct worker {
	int socket;
	struct cv_shared *shared;
	cv_pool_reader *read;
};

static void receive(const struct worker *w, struct cv_request *request, int *fds)
{
	union { struct cmsghdr head; char space[CMSG_SPACE(sizeof(int) * CV_BATCH_MAX)]; } control;
	struct iovec part = { request, sizeof *request };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof control };
	struct cmsghdr *c;
	size_t got = 0;
	ssize_t n;

	do
		n = recvmsg(w->socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(n < 0 ? BROKEN_LINK : 0);
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		got = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
		memcpy(fds, CMSG_DATA(c), got * sizeof *fds);
	}
	if ((size_t)n < sizeof request->count || request->count > CV_BATCH_MAX || got != request->count ||
	    (size_t)n != offsetof(struct cv_request, image) + got * sizeof request->image[0])
		_exit(BROKEN_REQUEST);
}

static void notify(const struct worker *w, const struct cv_notice *notice)
{
	struct iovec part = { (void *)(uintptr_t)notice, sizeof *notice };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	do
		n = sendmsg(w->socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		_exit(BROKEN_LINK);
}

static bool read_image(const struct worker *w, int fd, const struct cv_request_image *image, struct cv_facts *facts,
		       struct cv_err *err)
{
	struct cv_source_extent part = { image->offset, image->length };
	CV_AUTO(cv_auto_source) struct cv_source *s = NULL;
	uint64_t end;

	/* A range that wraps becomes a size that no file has. */
	if (__builtin_add_overflow(part.off, part.len, &end))
		end = UINT64_MAX;
	s = cv_source_fd_adopt(fd, end, err);
	if (s && part.off)
		s = cv_source_extents(&s, &part, 1, err);
	if (s)
		s = cv_source_cached(&s, HEAD_BYTES, TAIL_BYTES, err);
	if (!s || w->read(s, (enum cv_format_id)image->declared, facts, err))
		return s != NULL;
	return cv_fail(err, CV_EFORMAT, "it cannot be read, and no reason is known");
}

/* Appends a record. When the results are full the pool is asked to take them first. */
static void answer(const struct worker *w, uint32_t index, const struct cv_facts *facts, const struct cv_err *why)
{
	struct cv_shared *sh = w->shared;
	struct cv_err too_much = { 0 };
	size_t n = cv_wire_encode(sh->records + sh->used, sizeof sh->records - sh->used, index, facts, why);

	if (!n && sh->used) {
		struct cv_request go_on;
		int none[CV_BATCH_MAX];

		notify(w, &(struct cv_notice){ .kind = CV_NOTICE_FULL });
		receive(w, &go_on, none);
		sh->used = 0;
		n = cv_wire_encode(sh->records, sizeof sh->records, index, facts, why);
	}
	if (!n) {
		cv_fail(&too_much, CV_ELIMIT, "what there is to say about it takes more than %zu MiB",
			CV_RESULT_BYTES >> 20);
		n = cv_wire_encode(sh->records + sh->used, sizeof sh->records - sh->used, index, NULL, &too_much);
	}
	sh->used += (uint32_t)n;
}

static void read_batch(const struct worker *w, const struct cv_request *request, const int *fds)
{
	for (uint32_t i = 0; i < request->count; i++) {
		struct cv_facts *facts;
		struct cv_err err = { 0 };
		bool good;

		w->shared->started = i + 1;
		facts = cv_facts_new();
		if (!facts)
			close(fds[i]);
		good = facts ? read_image(w, fds[i], &request->image[i], facts, &err)
			     : cv_fail(&err, CV_ENOMEM, "out of memory");
		answer(w, i, facts, good ? NULL : &err);
		cv_facts_free(facts);
	}
	notify(w, &(struct cv_notice){ .kind = CV_NOTICE_DONE });
}

void cv_worker_run(int socket, struct cv_shared *shared, const struct cv_pool_options *options)
{
	struct worker w = { socket, shared, options->read };
	struct cv_confine_limits limits = { options->memory_bytes, options->cpu_seconds, CV_BATCH_MAX + 8, false };
	struct cv_request request;
	int fds[CV_BATCH_MAX];

	cv_confine_close_others();
	notify(&w, &(struct cv_notice){ CV_NOTICE_READY, cv_confine(&limits) });
	for (;;) {
		receive(&w, &request, fds);
		read_batch(&w, &request, fds);
	}
}

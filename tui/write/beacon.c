/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See beacon.h. */
#include "tui/write/beacon.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "chainview-"
#define EVERY_MS 200u

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The first byte of an abstract name is zero. */
static socklen_t address_of(const struct cv_uuid_text *op, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(a->sun_path + 1, sizeof a->sun_path - 1, PREFIX "%s", op->s);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

static void light(struct cv_beacon *b)
{
	struct cv_uuid_text op = cv_uuid_str(b->result->id);
	struct sockaddr_un a;
	socklen_t len = address_of(&op, &a);

	b->tried = true;
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd >= 0 && (bind(b->fd, (struct sockaddr *)&a, len) || listen(b->fd, CV_BEACON_GUESTS)))
		cv_auto_close(&b->fd);
}

static bool may_watch(int guest)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return !getsockopt(guest, SOL_SOCKET, SO_PEERCRED, &peer, &len) && (peer.uid == 0 || peer.uid == geteuid());
}

static void let_in(struct cv_beacon *b)
{
	int guest;

	while (b->guests < CV_BEACON_GUESTS && (guest = accept4(b->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (may_watch(guest))
			b->guest[b->guests++] = guest;
		else
			cv_auto_close(&guest);
	}
}

/* Whoever does not listen in time misses something; whoever is gone is forgotten. */
static void say(struct cv_beacon *b, const char *line)
{
	for (unsigned i = b->guests; i-- > 0;) {
		ssize_t n = send(b->guest[i], line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0 || errno == EAGAIN)
			continue;
		cv_auto_close(&b->guest[i]);
		b->guest[i] = b->guest[--b->guests];
	}
}

static void tell(struct cv_beacon *b, const char *what, uint64_t done, uint64_t total)
{
	uint64_t now = now_ms();
	char line[160];

	if (!b->tried && b->result->has_id)
		light(b);
	if (b->fd < 0 || now < b->next_ms)
		return;
	b->next_ms = now + EVERY_MS;
	let_in(b);
	snprintf(line, sizeof line, "%s\t%" PRIu64 "\t%" PRIu64 "\n", what, done, total);
	say(b, line);
}

static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct cv_beacon *b = ctx;

	tell(b, what, done, total);
	return !b->inner || !b->inner->tick || b->inner->tick(b->inner->ctx, what, done, total);
}

static bool paused(void *ctx)
{
	const struct cv_beacon *b = ctx;

	return b->inner && b->inner->paused && b->inner->paused(b->inner->ctx);
}

void cv_beacon_begin(struct cv_beacon *b, const struct cv_monitor *inner, const struct cv_operation_result *result)
{
	*b = (struct cv_beacon){ .inner = inner, .result = result, .fd = -1 };
	if (inner)
		b->monitor = *inner;
	b->monitor.tick = tick;
	b->monitor.paused = paused;
	b->monitor.ctx = b;
}

void cv_beacon_end(struct cv_beacon *b, const struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_addf(&t, "=%s\t%s\n", cv_result_state_name(b->result->state), b->result->state == CV_RESULT_DONE ? "" : err->text);
	if (b->fd >= 0)
		let_in(b);
	say(b, cv_text_str(&t));
	for (unsigned i = 0; i < b->guests; i++)
		cv_auto_close(&b->guest[i]);
	cv_auto_close(&b->fd);
}

size_t cv_beacon_find(const char *beginning, struct cv_uuid_text *op)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	size_t found = 0;

	while (f && fgets(line, sizeof line, f)) {
		const char *name = strstr(line, "@" PREFIX);

		/* Connections have the name, too; only what listens has the flag. */
		if (!name || !strstr(line, " 00010000 ") || strncmp(name + strlen("@" PREFIX), beginning, strlen(beginning)))
			continue;
		snprintf(op->s, sizeof op->s, "%.36s", name + strlen("@" PREFIX));
		found++;
	}
	if (f)
		fclose(f);
	return found;
}

int cv_beacon_watch(const struct cv_uuid_text *op, struct cv_err *err)
{
	struct sockaddr_un a;
	socklen_t len = address_of(op, &a);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, len))
		return fd;
	cv_fail_errno(err, "cannot watch operation %.8s", op->s);
	cv_auto_close(&fd);
	return -1;
}

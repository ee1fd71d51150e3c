/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An operation at work tells how far it is to whoever asks for it by its number: the same user, or root, in the same network
 * name space. It is an abstract socket, so that nothing is left of it when its process is gone, and nothing is written.
 *
 *   "WHAT\tDONE\tTOTAL\n"   a few times a second        "=STATE\tWHY\n"   once, at the end
 */
#ifndef TUI_WRITE_BEACON_H
#define TUI_WRITE_BEACON_H

#include <chainview/operation.h>

#define CV_BEACON_GUESTS 8

struct cv_beacon {
	struct cv_monitor monitor;           /* what the operation gets */
	const struct cv_monitor *inner;      /* what the caller gave; may be NULL */
	const struct cv_operation_result *result;    /* its number, once it has one */
	int fd;                              /* -1: not lit */
	bool tried;
	int guest[CV_BEACON_GUESTS];
	unsigned guests;
	uint64_t next_ms;
};

/* b.monitor does all that inner does. */
void cv_beacon_begin(struct cv_beacon *b, const struct cv_monitor *inner, const struct cv_operation_result *result);
/* err: why it ended so; not looked at if it is done. */
void cv_beacon_end(struct cv_beacon *b, const struct cv_err *err);

/* For those who watch: the full numbers of operations at work that begin so; how many were found (put in op: the last). */
size_t cv_beacon_find(const char *beginning, struct cv_uuid_text *op);
/* A socket to it, or -1 with err set. */
int cv_beacon_watch(const struct cv_uuid_text *op, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A new image with what a guest reads from another, for the command and for the console. */
#ifndef TUI_COMMAND_CONVERT_H
#define TUI_COMMAND_CONVERT_H

#include "tui/command/target.h"
#include "tui/write/flow.h"

struct cv_convert_call {
	struct cv_image_word source;
	const struct cv_convert_settings *settings;
	char *repository;            /* of the new image: absolute */
	const char *dest;            /* its path there */
	char *path;                  /* of both together; of a device */
	bool device;                 /* then the repository is the source's */
};

/* Where the new image goes: a device, a name in one of the repositories (absolute paths, NULL-ended; may be NULL), or in the
 * configured one around it, or in a folder that is one from then on. The path is as typed. */
bool cv_convert_call_place(struct cv_convert_call *c, const struct cv_session *s, const char *path,
			   const char *const *repositories, struct cv_err *err);
void cv_convert_call_fini(struct cv_convert_call *c);

/* The plan that this is. c is borrowed; the place was added to the session. */
struct cv_write_call cv_convert_call_of(struct cv_convert_call *c);

#endif

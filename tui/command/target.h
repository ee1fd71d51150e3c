/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From a word on the command line to an image: which repository to scan for it, and which image it is then.
 */
#ifndef TUI_COMMAND_TARGET_H
#define TUI_COMMAND_TARGET_H

#include "tui/command/session.h"

struct cv_image_word {
	const char *word;            /* what is left to look up; borrowed from argv */
	bool by_inode;
	uint64_t device, inode;
};

/* Adds the places where the images are to be looked for, and everything else that may matter to them. */
bool cv_image_words_add(struct cv_session *s, char *const *words, size_t count, struct cv_image_word *targets,
		    struct cv_err *err);
/* An image that was found already; its name, for messages, is borrowed. */
struct cv_image_word cv_image_word_of(const char *name, const struct cv_image *image);
/* The image, after the scan. */
bool cv_image_word_find(const struct cv_image_word *target, const struct cv_session *s, uint32_t *image, struct cv_err *err);

#endif

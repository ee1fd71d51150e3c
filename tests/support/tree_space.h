/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What every byte of the files of a tree is for, by brute force: the tables are read as they lie in the file, a mark
 * is made for each byte, and who reads which sector is what the model says. Shares no code with inspect/space/.
 */
#ifndef TESTS_SUPPORT_TREE_SPACE_H
#define TESTS_SUPPORT_TREE_SPACE_H

#include <chainview/space.h>
#include "tests/support/tree.h"

/* The greater one counts where several are true. LOST: nothing points to it, but it cannot be used again either.
 * HELD: something points to it, but there are no data. */
enum tree_byte { TREE_BYTE_IDLE, TREE_BYTE_LOST, TREE_BYTE_HELD, TREE_BYTE_SHADOWED, TREE_BYTE_ORPHANED,
		 TREE_BYTE_SNAPSHOT, TREE_BYTE_LIVE, TREE_BYTE_METADATA };

struct tree_use {
	const struct tree *t;
	int image;
	const uint8_t *need;         /* of its sectors: who reads them, CV_SPACE_LIVE or CV_SPACE_ORPHANED as 1 << class */
	uint8_t *file, *is;          /* content and, for each byte, an enum tree_byte */
	uint64_t size;
	struct tree_use *data;       /* where its data lie: this, or its data file */
};

/* What the image has there, for the kinds to say: one byte after another. */
void tree_use_take(struct tree_use *u, uint64_t off, uint64_t len, enum tree_byte what);
/* A sector of the disk lies there, with data or without. */
void tree_use_sector(struct tree_use *u, uint32_t sector, uint64_t off);
/* Where nobody has so many bytes in one piece, with something behind it, a block was lost. */
void tree_use_find_lost(struct tree_use *u, uint64_t whole);
uint64_t tree_be(const uint8_t *b, unsigned width);
void tree_use_raw(struct tree_use *u);

struct tree_space {
	uint64_t bytes[CV_SPACE_CLASS_COUNT];
	uint64_t leaked_at;          /* valid if any is */
};
/* Of an image's file, which takes up so much; data: of its data file. False with the reason in why. */
bool tree_space_of(const struct tree *t, int image, const char *folder, bool data, uint64_t allocated,
		   struct tree_space *space, struct cv_text *why);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Random snapshot trees in a model that knows every sector of every image, and the same trees as files. The model
 * follows what the programs that own a format do with clusters and blocks (what is copied up on a write, what a
 * discard leaves behind), so that it also knows which image serves a sector, not only what a guest reads there.
 */
#ifndef TESTS_SUPPORT_TREE_H
#define TESTS_SUPPORT_TREE_H

#include <chainview/format.h>
#include <chainview/text.h>

enum { TREE_IMAGES = 8, TREE_SECTORS = 16384, TREE_SECTOR = 512, TREE_INSIDE = 3 };
enum { TREE_NOTHING, TREE_DATA, TREE_ZERO };

/* What says whether people see a disk: nothing, or a mark. */
enum tree_mark { TREE_UNMARKED, TREE_SHOWN, TREE_HIDDEN };

struct tree;
struct tree_use;                             /* tree_space.h */
struct tree_family;                          /* tree_kinds.h */

/* How images are made and what their program does. All sizes in sectors. */
struct tree_kind {
	const char *name;            /* for messages */
	enum cv_format_id format;
	const char *driver;          /* qemu's name of the format if qemu's programs make it */
	const char *backing;         /* qemu's name of the format */
	const char *ending;
	const char *options;         /* of qemu-img create */
	uint32_t block;              /* what has one table entry */
	uint32_t piece;              /* what a write fills up in an image with a parent ... */
	uint32_t base_piece;         /* ... and in one without */
	unsigned can;
	/* Makes the file; false with the reason in why. */
	bool (*make)(const struct tree *t, int image, const char *folder, struct cv_text *why);
	/* Says what the bytes of the finished file are for. */
	void (*use)(struct tree_use *u);
	unsigned stands_on;          /* formats that a parent may have: 1 << CV_FORMAT_... */
	uint32_t sector;             /* VHDX: the logical sector, bytes */
};
enum {
	TREE_ZEROES = 1,             /* whole blocks (or pieces) can be zeros without data */
	TREE_DISCARDS = 2,           /* whole blocks can be given back */
	TREE_COMPRESSES = 4,
	TREE_RESIZES = 8,
	TREE_SNAPSHOTS = 16,         /* internal ones */
	TREE_FULL = 32,              /* all of it is data from the start */
	TREE_HOLES = 64,             /* all of it is zeros from the start; data or zeros is for the file system to say */
	TREE_OLD = 128,              /* QCOW2 version 2: a discard above a parent does nothing, nor can it be zeroed */
	TREE_BY_BLOCK = 256,         /* a block is zero altogether or not at all */
	TREE_ELSEWHERE = 1024,       /* its data lie in a file of their own */
	TREE_BITMAP_BASE = 512,      /* without a parent, what is not written in a block with data is zeros of its own */
	TREE_MARKS = 2048,           /* there may be a mark that hides it */
	TREE_LOSES = 4096,           /* clusters can be lost */
};

struct tree_image {
	const struct tree_kind *kind;
	int parent;                  /* -1: none */
	bool gone, trashed;          /* trashed: gone, but its file is kept in the trash */
	enum tree_mark mark;
	unsigned children;
	uint32_t sectors;
	uint8_t has[TREE_SECTORS], value[TREE_SECTORS];      /* value: the byte that fills the sector */
	bool placed[TREE_SECTORS];   /* its block has, or keeps, a place in the file */
	bool compressed;             /* something is */
	unsigned snapshots;          /* internal ones */
	struct tree_inside { uint32_t sectors; uint8_t has[TREE_SECTORS]; } inside[TREE_INSIDE];
	bool loses;                  /* the table entry of the cluster at lost is cleared at last, its count is not */
	uint32_t lost;
	bool in_io;                  /* script is inside of a qemu-io command */
	struct cv_text script;       /* what was done, for makers that do it again */
};

struct tree {
	const struct tree_family *family;
	uint32_t seed;
	bool whole;                  /* everything is done to whole blocks */
	int count;
	struct tree_image image[TREE_IMAGES];
};

/* Grows a tree and does things to it. */
void tree_grow(struct tree *t, const struct tree_family *family, uint32_t seed);
void tree_fini(struct tree *t);
/* The files of all images that are not gone, and a trash with those that were deleted. */
bool tree_make(const struct tree *t, const char *folder, struct cv_text *why);
/* "i3.qcow2" */
void tree_name(const struct tree *t, int image, char name[32]);

/* Who decides a sector of an image: an image, with *depth hops; -1: nobody. */
int tree_owner(const struct tree *t, int image, uint32_t sector, unsigned *depth);
/* The byte that fills a sector of an image. */
uint8_t tree_value(const struct tree *t, int image, uint32_t sector);

#endif

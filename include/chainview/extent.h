/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The block level: which bytes of a virtual disk an image holds itself, where they lie in its file, and what a
 * guest reads through a whole chain. Everything streams: memory does not grow with the size of a disk.
 *
 * This code reads hostile tables; programs run it in a task process (see scan.h for the workers).
 */
#ifndef CHAINVIEW_EXTENT_H
#define CHAINVIEW_EXTENT_H

#include <chainview/facts.h>
#include <chainview/source.h>
#include <chainview/text.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_extent_kind {
	CV_EXTENT_PARENT,        /* not in this image: the parent decides; without one it reads as zeros */
	CV_EXTENT_DATA,
	CV_EXTENT_ZERO,          /* this image says that it reads as zeros */
	CV_EXTENT_BAD,           /* its table entry cannot be true (outside the file, unaligned, reserved bits): unreadable */
};

/* Why bytes cannot be read. Told of BAD extents where damaged images are read as far as they can be (salvage.h). */
enum cv_lost_why {
	CV_LOST_UNKNOWN,
	CV_LOST_PAST_END,        /* they, or the table that says where they are, lie past the end of the file */
	CV_LOST_ENTRY,           /* the table entry cannot be true */
	CV_LOST_IO,              /* reading the file fails */
	CV_LOST_INFLATE,         /* a compressed cluster does not decompress */
	CV_LOST_PARENT,          /* they are in a parent that is not here, or cannot be opened */
	CV_LOST_ENCRYPTED,
	CV_LOST_OVERLAP,         /* doubtful: two entries have the same place, one of them is wrong */
	CV_LOST_WHY_COUNT
};

struct cv_extent {
	struct cv_range at;      /* guest bytes */
	enum cv_extent_kind kind;
	uint8_t why;             /* enum cv_lost_why; of another kind than BAD: what is told is doubtful */
	bool placed;             /* host is valid: DATA, and ZERO with space set aside for it */
	bool compressed;         /* DATA only: one cluster, host is where its compressed bytes begin */
	uint64_t host;           /* offset in the file (of the data file, if the image has one) */
	uint32_t layer;          /* 0 = the image itself, n = its n-th parent */
};

/*
 * The one adder. Extents must come in ascending order without gaps from the first; neighbours that say the same
 * and lie one behind the other are merged (compressed ones never are). A violation is a bug of the caller and
 * fails. full is set when max extents are held: the producer then stops at what it has, the consumer asks again
 * from cv_extents_end().
 */
struct cv_extents {
	struct cv_extent *at;
	size_t len, cap, max;    /* max 0: 65,536 */
	struct cv_range asked;
	bool full;
	uint64_t limit;          /* length of the file, to tell why an extent is BAD; 0: nobody asks */
};
CV_API void cv_extents_begin(struct cv_extents *list, struct cv_range asked);
CV_API bool cv_extents_add(struct cv_extents *list, struct cv_extent extent, struct cv_err *err);
/* Where the next extent has to begin. */
CV_API uint64_t cv_extents_end(const struct cv_extents *list);
CV_API void cv_extents_fini(struct cv_extents *list);

struct cv_layer;

/* What a format does at block level; struct cv_format points to one. state is the format's own. */
struct cv_layer_ops {
	/* Reads what it needs to know of the tables' places and sizes, within bounded memory. */
	bool (*open)(struct cv_layer *layer, struct cv_err *err);
	/* Adds the extents of the range (which lies inside the disk) to the list; may stop early when it is full,
	 * but never before the first extent. Layer 0 everywhere. Damage becomes CV_EXTENT_BAD, not an error. */
	bool (*extents)(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err);
	/* The guest bytes of a compressed extent, all of it; the extent may be a part of its cluster. NULL if the
	 * format knows no compression. Other DATA extents are read from the file at host directly. */
	bool (*inflate)(struct cv_layer *layer, const struct cv_extent *extent, void *buf, struct cv_err *err);
	void (*close)(struct cv_layer *layer);
	/* Adds lines of text (plain, each ended by a newline) about the tables for one guest offset: entries with their
	 * places, bits. For people; NULL if there is nothing to say. */
	bool (*describe)(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err);
};

struct cv_layer {
	const struct cv_layer_ops *ops;
	struct cv_source *source;        /* owned */
	struct cv_source *data_file;     /* owned; NULL: data lies in source */
	uint64_t size;                   /* of the virtual disk, bytes; set by open */
	uint32_t block_size;             /* smallest piece that is mapped on its own, bytes; set by open */
	void *state;
	bool lean;                       /* one of very many: open and the rest hold as little as they can */
	bool damaged;                    /* opened to read what can be read: what cannot becomes BAD, where it can be told */
	bool alone;                      /* set by open of a damaged one: it says itself that it has no parent */
	uint32_t entry_bytes;            /* guest bytes that one table entry decides; 0: block_size. Set by open */
	bool encrypted;                  /* set by open: DATA is not what a guest reads; cv_chain_read refuses */
};

/*
 * Opens one image at block level. Takes *source. data_file is for images whose guest data lie in another file
 * (taken too; NULL otherwise).
 */
CV_API struct cv_layer *cv_layer_open(struct cv_source **source, struct cv_source **data_file, enum cv_format_id format,
				      struct cv_err *err);
/*
 * The same for an image that is damaged: what can be read of it. Headers that do not sum up are believed where they can be
 * true, sizes and tables are taken from what is there, a failing read is BAD where the table says what it is about. The
 * format may be NONE: then the remains are looked at.
 */
CV_API struct cv_layer *cv_layer_open_damaged(struct cv_source **source, struct cv_source **data_file,
					      enum cv_format_id format, struct cv_err *err);
CV_API void cv_layer_close(struct cv_layer *layer);
/* Begins the list anew for the range. */
CV_API bool cv_layer_extents(struct cv_layer *layer, struct cv_range range, struct cv_extents *list, struct cv_err *err);

/* A chain: layers[0] is the image, each next one the parent of the one before. Borrowed. */
struct cv_chain {
	struct cv_layer **layers;
	size_t count;
	bool incomplete;                 /* the last layer has a parent that is not here: what is not found is BAD, not zero */
};

/* What a guest reads: no extent of kind PARENT is left where a parent exists; where nobody has the bytes the kind
 * is PARENT with layer = count. Beyond the end of a smaller parent it reads as zeros: nobody has them. */
CV_API bool cv_chain_extents(const struct cv_chain *chain, struct cv_range range, struct cv_extents *list, struct cv_err *err);

/* The guest-visible bytes of the range. Fails on BAD with image layer, guest offset and host offset in the text. */
CV_API bool cv_chain_read(const struct cv_chain *chain, void *buf, struct cv_range range, struct cv_err *err);

#ifdef __cplusplus
}
#endif
#endif

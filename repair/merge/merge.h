/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Merging an image into its parent, in the parent's own file. What the image has of its own goes into the parent; as long
 * as the image lies over it nobody can see that, so the order of data does not matter. What matters is the order of what
 * points to data: it changes only when these are on disk, and only after the journal has its new bytes.
 *
 * The work is cut into batches. Within one, everything that a format asks for goes to disk in this order, each step sure
 * before the next begins:
 *
 *   cv_merge_write, cv_merge_zero   data of the image, and new structures in space that nothing points to
 *   (META)                          all pages of structures in use that change, as they will be, into the journal
 *   cv_merge_set, layer 1           structures that are in use, into the file, and data that share a page with something
 *   cv_merge_set, layer 2...
 *
 * So either nothing that is in use is changed by a batch, or all of it is once the journal was replayed.
 *
 * A power cut may spoil all of a page that is written to. So a page of which only a part is data is journalled, too, unless
 * it lies in space that nothing points to (fresh). After a crash the pages of the last META are put right, the parent
 * is opened anew, and all is done once more: whatever a format does must come out the same when some of it is done
 * already. Space that was taken and is not pointed to may be lost or taken again.
 *
 * A format is a row here: one file with a struct cv_merge_format, and a line in merge.c.
 */
#ifndef CV_REPAIR_MERGE_MERGE_H
#define CV_REPAIR_MERGE_MERGE_H

#include "repair/io/io.h"
#include "repair/journal/journal.h"
#include "repair/merge/keep.h"
#include <chainview/extent.h>
#include <chainview/vec.h>

enum { CV_MERGE_PAGE = 4096, CV_MERGE_SECTOR = 512, CV_MERGE_LAYERS = 4 };
#define CV_MERGE_PIECE ((uint64_t)1 << 20)   /* no piece is larger */
#define CV_MERGE_BATCH ((uint64_t)128 << 20) /* bytes of data, usually */
enum { CV_MERGE_BOARD_LEAST = 40, CV_MERGE_BOARD_MOST = 1040 };      /* slots of the journal for META: a page takes more than one */

/* A part of a page that is to be written. */
struct cv_patch {
	uint64_t off;                        /* of the page */
	uint8_t layer;                       /* 0: data */
	uint8_t mask[CV_MERGE_PAGE / 8], bytes[CV_MERGE_PAGE];
};
CV_VEC(cv_patches, struct cv_patch);

/* Something that the image has of its own. It lies within one unit of the parent, and within one piece. */
struct cv_merge_piece {
	struct cv_range at;                  /* guest bytes; whole sectors but at the end of the disk */
	bool zero;                           /* reads as zeros */
	const uint8_t *data;                 /* NULL if it is zero, and while it is only counted; see cv_merge_load() */
	bool placed;                         /* its data lie in the image's file as they are, at host */
	uint64_t host;
};

/* Data that both files can have in common. */
struct cv_merge_share {
	struct cv_file_out image;            /* its file; borrowed */
	uint64_t size;                       /* of it, bytes */
	uint64_t block;                      /* of the file system; 0: nothing is shared */
	uint8_t *buffer;                     /* the piece that is being put, which lies at host in the image's file */
	uint64_t host, len;
	bool loaded;
	uint64_t from, to, run;              /* found so far, and not done: in the image, in the parent, bytes */
	uint64_t bytes;                      /* shared, in all */
};

/* A parent that is merged into. */
struct cv_merge {
	const struct cv_merge_format *format;
	struct cv_file_out out;              /* its file; borrowed */
	struct cv_source *source;            /* over it, with the length that it had when it was opened; owned */
	struct cv_journal *journal;          /* borrowed */
	uint64_t child_size;                 /* of the image's disk, bytes */
	uint64_t former;                     /* length of the file before the operation began */
	bool based;                          /* the parent has a parent of its own */
	const struct cv_chain *below;        /* that and all it stands on, if the format wants it; else NULL */
	const uint8_t *boot;                 /* of this host: noted with META */
	/* It was read back after a power cut: what is there already is on disk, and need not be written again. */
	bool trusting;
	bool again;                          /* after a crash or an error */
	struct cv_keep *keep;                /* what is there before it is written goes there; NULL: nowhere. Borrowed */

	/* Set by the format when it is opened; kept up by it. */
	uint64_t size;                       /* of the parent's disk, bytes */
	uint32_t unit;                       /* blocks, clusters: a power of two from 512 on */
	uint64_t fresh;                      /* nothing in use points behind this offset of the file: a whole page */
	void *state;                         /* the format's own */

	/* merge.c */
	uint64_t file, sure;                 /* length of the file now; that it has on disk, if it did not become shorter */
	struct cv_patches patches;
	size_t most;                         /* patches that there is room for in the journal */
	struct cv_posted { uint64_t *at; size_t len, cap; } posted;  /* pages on the board */
	bool dirty;                          /* something was written since the last barrier */
	uint64_t written;                    /* bytes, so far */
	struct cv_merge_share share;
	struct { uint64_t from, end, bytes; } waiting;  /* of them, those that have not begun to go to disk */
};

struct cv_merge_format {
	enum cv_format_id format;            /* of the parent */
	const char *name;                    /* of what is written to, for plans: "the blocks of the VHD" */
	bool below;                          /* reads what the parent stands on: cv_merge_below() */
	/* Puts right what a crash leaves outside of pages that are journalled (cv_merge_set), before the parent is checked
	 * and opened. NULL: nothing. */
	bool (*mend)(struct cv_merge *m, struct cv_err *err);
	/* Reads what it needs to know, within bounded memory, of a parent whose strict check found nothing. CV_EREFUSED with
	 * the reason if it cannot be merged into in place. */
	bool (*open)(struct cv_merge *m, struct cv_err *err);
	/* Adds up what a piece will need; all pieces come by, in ascending order, before anything is written. */
	bool (*count)(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err);
	/* Sets aside all space that will be needed (also by grow), and writes what must lie at the new end of the file. It is
	 * on disk with the first batch, before any set() of it. Here it is found out if there is no space. */
	bool (*reserve)(struct cv_merge *m, struct cv_err *err);
	/* Makes the parent's disk as large as the image's. Called with 0, 1, ... as long as *more comes back true; each
	 * time is a batch of its own, but for data of the last time, which ride with what comes next. Only called if the
	 * image is larger. NULL: refused before. */
	bool (*grow)(struct cv_merge *m, unsigned step, bool *more, struct cv_err *err);
	/* Refuses (CV_EREFUSED) a disk that this parent, just opened, cannot become as large as; only reads. NULL: that shows
	 * later. */
	bool (*may_grow)(struct cv_merge *m, struct cv_err *err);
	bool (*put)(struct cv_merge *m, const struct cv_merge_piece *piece, struct cv_err *err);
	/* A batch ends: sets what was only noted until now. NULL: nothing. */
	bool (*settle)(struct cv_merge *m, struct cv_err *err);
	/* Behind all data, a batch of its own. NULL: nothing. */
	bool (*finish)(struct cv_merge *m, struct cv_err *err);
	/* Gives back what was set aside and is not in use: at the end, and when it is given up (after a new open; nothing
	 * was counted then). A barrier stands before it and behind it. NULL: nothing. */
	bool (*trim)(struct cv_merge *m, struct cv_err *err);
	/* For formats whose readers may not look at which parts of a unit an image has that has no parent: whether this unit has a
	 * place. Before it loses its parent an image has all of each that has one. NULL: none. */
	bool (*has_unit)(struct cv_merge *m, uint64_t unit, bool *has, struct cv_err *err);
	void (*close)(struct cv_merge *m);
};
extern const struct cv_merge_format cv_merge_raw, cv_merge_vhd, cv_merge_qcow2, cv_merge_vhdx;
/* NULL: nothing can be merged into images of this format. */
const struct cv_merge_format *cv_merge_format(enum cv_format_id format);

/* --- for formats: what is written ----------------------------------------------------------------------- */

/* Data of the image, or something new in fresh space. */
bool cv_merge_write(struct cv_merge *m, uint64_t off, const void *bytes, size_t len, struct cv_err *err);
/* The same, zeros. punch: whole pages of them become a hole where that can be. */
bool cv_merge_zero(struct cv_merge *m, uint64_t off, uint64_t len, bool punch, struct cv_err *err);
/* The same in space that nothing points to, nothing written there yet by whoever calls: what the file did not have before the
 * operation reads as zeros already, unless an attempt that was cut off may have written there. */
bool cv_merge_zero_fresh(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err);
/* Data there; those that are zeros in the same way. */
bool cv_merge_write_fresh(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err);
/* Before bytes of a piece are looked at: what is only to be written may be shared, and is not read. */
bool cv_merge_load(struct cv_merge *m, const uint8_t *bytes, size_t len, struct cv_err *err);
/* A structure that is in use; layer 1 to CV_MERGE_LAYERS. */
bool cv_merge_set(struct cv_merge *m, unsigned layer, uint64_t off, const void *bytes, size_t len, struct cv_err *err);
/* The file as it will be when this batch is on disk. */
bool cv_merge_read(struct cv_merge *m, void *buf, size_t len, uint64_t off, struct cv_err *err);
/* As it will be before the layers behind this one. */
bool cv_merge_read_layer(struct cv_merge *m, unsigned upto, void *buf, size_t len, uint64_t off, struct cv_err *err);
/* The file becomes so long; what is new of it is set aside, and reads as zeros. Shorter is fine. */
bool cv_merge_resize(struct cv_merge *m, uint64_t size, struct cv_err *err);
/* While counting: this part of the file will be written. Holes in it are set aside. */
bool cv_merge_expect(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err);
/* The same, where it becomes a hole. */
void cv_merge_will_change(struct cv_merge *m, uint64_t off, uint64_t len);
/* What is read through the parent where it has nothing of its own; zeros behind the end of what it stands on. */
bool cv_merge_below(struct cv_merge *m, void *buf, struct cv_range range, struct cv_err *err);

/* --- between the files of this folder -------------------------------------------------------------------- */

/* These bytes of the parent's file are about to change: what is there is kept, if that is asked for. */
bool cv_merge_keep(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err);

/* --- share.c ----------------------------------------------------------- */

/* From now on buffer stands for the piece; false: it has to be read. */
bool cv_merge_share_offer(struct cv_merge *m, const struct cv_merge_piece *piece, uint8_t *buffer);
/* What of the part->len bytes that are to be at off will be shared, in *part, from there on; len 0: nothing. */
bool cv_merge_share_take(struct cv_merge *m, uint64_t off, const uint8_t *bytes, struct cv_range *part, struct cv_err *err);
/* What was taken and not done yet. */
bool cv_merge_share_run(struct cv_merge *m, struct cv_err *err);

/* --- for the operation ---------------------------------------------------------------------------------- */

/* No room for what another piece may change: cv_merge_flush() comes first. */
bool cv_merge_is_full(const struct cv_merge *m);
/* All that is pending, in its order; on disk when this returns. */
bool cv_merge_flush(struct cv_merge *m, struct cv_err *err);
/* The board becomes empty, for sure: pages that were on it are about to be written otherwise. */
bool cv_merge_unpost(struct cv_merge *m, struct cv_err *err);
/* The page as it is now goes on the board, for sure: what is done next may spoil it until it is on disk. */
bool cv_merge_guard(struct cv_merge *m, uint64_t off, struct cv_err *err);
/* How many patches a board of so many bytes has room for. */
size_t cv_merge_room(size_t board);
/*
 * What the journal's board says: the pages as they will be are put right, and are on disk when this returns. Sectors that
 * are neither as they were nor as they will be are torn; where they cannot be, because there was no power cut since (boot is the
 * one they were written in) and no call failed, they are somebody else's: CV_EREFUSED.
 */
struct cv_replay {
	struct cv_file_out out;              /* the parent */
	const uint8_t *boot;                 /* of this host */
	bool own_error;                      /* a call of this process failed */
	bool sure;                           /* what looks right is on disk, and others read it already: it is left alone */
	/* Others may open it at any time: what was not to change is theirs where no power cut can have taken it, which is in the boot
	 * that it was, or if somebody has written to it after a boot (used). */
	bool shared, used;
};
bool cv_merge_replay(const struct cv_replay *r, const struct cv_record *board, struct cv_err *err);
void cv_merge_fini(struct cv_merge *m);
/* For planners: whether what is in source (taken) can be merged into; CV_EREFUSED with the reason if not. */
bool cv_merge_may_take(const struct cv_merge_format *format, struct cv_source **source, struct cv_err *err);
/* For planners: whether the parent in source (taken) can become as large as a disk; CV_EREFUSED if not. */
bool cv_merge_may_grow(const struct cv_merge_format *format, struct cv_source **source, uint64_t child_size, struct cv_err *err);

/* copy.c: what an image has of its own, piece by piece. */
struct cv_merge_copy {
	struct cv_merge *m;
	struct cv_layer *child;              /* the image */
	uint64_t owned, done;                /* bytes */
	bool reread;                         /* what was written is read back behind each batch; the child is what the image lacks */
	/* Between batches: done of owned bytes are on disk. How many to do until the next. */
	bool (*batch)(void *ctx, const char *what, uint64_t done, uint64_t total, uint64_t *next, struct cv_err *err);
	void *ctx;
};
/* The whole of it: counts, reserves, grows, copies, finishes, gives back what was not needed. The parent is open. */
bool cv_merge_copy(struct cv_merge_copy *c, struct cv_err *err);
/* Reads both anew and compares: the parent has all that the image has. source: over the parent's file, taken. */
bool cv_merge_verify(struct cv_merge_copy *c, enum cv_format_id parent, struct cv_source **source, struct cv_err *err);

#endif

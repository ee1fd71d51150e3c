/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The gate: what libvhdi 20210425 and libqcow 20201213 are known to read wrongly. Each row is a defect with the
 * reason that users see, and says of which images (cuts) or of which guest bytes (catches) it must keep the
 * library away. It is computed from our own maps; what it lets through is compared, and every difference there is
 * a real one. Found by experiments with those versions; names D and Q are those of the tests.
 */
#ifndef CV_INSPECT_READER2_GATE_H
#define CV_INSPECT_READER2_GATE_H

#include <chainview/extent.h>
#include <chainview/vec.h>

enum cv_gate_id {
	CV_GATE_NONE,
	/* libvhdi */
	CV_GATE_D1, CV_GATE_D2, CV_GATE_D4, CV_GATE_D5, CV_GATE_D6, CV_GATE_D7, CV_GATE_D8, CV_GATE_D9,
	CV_GATE_COPIES,
	/* libqcow */
	CV_GATE_Q5, CV_GATE_Q1, CV_GATE_Q2, CV_GATE_Q3, CV_GATE_Q4,
	CV_GATE_ENCRYPTED, CV_GATE_ZSTD, CV_GATE_EXTENDED_L2, CV_GATE_DATA_FILE, CV_GATE_HEADER,
	/* both */
	CV_GATE_RAW, CV_GATE_FOREIGN, CV_GATE_OWN,
	/* not known before, but found out while reading */
	CV_GATE_ERROR, CV_GATE_CRASH, CV_GATE_HANG, CV_GATE_REST,
	CV_GATE_COUNT
};

/* One image as the gate needs to know it. */
struct cv_gate_layer {
	struct cv_layer *own;
	struct cv_facts *facts;
	enum cv_format_id format;
	bool differencing, fixed, has_parent;
	uint32_t block_size;         /* of a BAT entry or a cluster, bytes */
	uint64_t covered;            /* VHD: guest bytes that the BAT has entries for */
	uint64_t library_size;       /* of the disk, as the library says; set when it has opened the image */
	/* VHDX */
	uint64_t bat_off, ratio;     /* ratio: blocks in a chunk */
	uint64_t chunk;              /* looked up last; UINT64_MAX: none */
	bool chunk_has_bitmap;
};

/* Sectors that the library takes for written in a layer, although they are not. */
struct cv_suspect {
	struct cv_range at;
	uint32_t layer;
};
CV_VEC(cv_suspects, struct cv_suspect);

/* Guest bytes that cost a library process its life. */
struct cv_avoided {
	struct cv_range at;
	enum cv_gate_id why;
};

struct cv_gate_keeper {
	struct cv_chain chain;
	struct cv_gate_layer *layers;        /* all of the chain's */
	size_t opened;                       /* the first so many are read by the library */
	enum cv_gate_id cut;                 /* why not more of them */
	struct cv_suspects suspects;         /* of the present window, in order */
	struct cv_extents scratch;
	const struct cv_avoided *avoided;    /* borrowed */
	size_t avoided_count;
};

struct cv_gate_row {
	const char *name;
	const char *reason;          /* why these bytes were not compared: one phrase */
	/* True for an image that the library must not get, nor anything below it. */
	bool (*cuts)(const struct cv_gate_layer *layer);
	/* True if the byte at pos of an extent of the chain must not be compared. Shortens *end to where the
	 * answer may change. */
	bool (*catches)(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end);
	const char *avoided;         /* how the defect is kept from showing, where nothing needs to be left out */
};
extern const struct cv_gate_row cv_gate_rows[CV_GATE_COUNT];

/* Reads the facts of every layer and decides how many the library may get. The layers of the chain are borrowed. */
bool cv_gate_init(struct cv_gate_keeper *k, const struct cv_chain *chain, const enum cv_format_id *formats,
		  struct cv_err *err);
void cv_gate_fini(struct cv_gate_keeper *k);

/* Requests to the library must not cross a multiple of this. A power of two. */
uint32_t cv_gate_request(const struct cv_gate_keeper *k);

/* Prepares for the guest bytes [range.off, *end), with *end brought nearer as needed; range.off is a multiple of
 * CV_GATE_GROUP. */
#define CV_GATE_GROUP 4096u
bool cv_gate_window(struct cv_gate_keeper *k, uint64_t off, uint64_t *end, struct cv_err *err);
/* Why the byte at pos of an extent (of the window) is not compared; the answer holds up to *end. */
enum cv_gate_id cv_gate_at(struct cv_gate_keeper *k, const struct cv_extent *e, uint64_t pos, uint64_t *end);

/* "libvhdi", "libqcow", or NULL. */
const char *cv_gate_library(enum cv_format_id format);

#endif

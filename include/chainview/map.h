/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The map of a disk: which image of a chain serves each block. A map is a stream of extents (extent.h) from a
 * process that can do nothing but read the images; a model is what a view keeps of such a stream, in memory that
 * depends on the number of its cells and not on the size of the disk.
 *
 * Depth is that of qemu-img map: 0 is the image itself, n its n-th parent.
 */
#ifndef CHAINVIEW_MAP_H
#define CHAINVIEW_MAP_H

#include <chainview/extent.h>
#include <chainview/graph.h>
#include <chainview/report.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_map_options {
	struct cv_range range;       /* guest bytes; len 0: up to the end of the disk */
	bool salvage;                /* damaged images are opened as far as they can be; BAD extents say why they are */
};

/* One image of the chain. */
struct cv_map_layer {
	uint32_t image;              /* index in the graph */
	uint32_t block_size;         /* of its format: blocks, clusters */
	uint64_t size;               /* of its virtual disk */
	struct cv_bytes data_path;   /* where its guest data lie: the image or its data file; raw bytes */
};

/* What is known once the images are open. */
struct cv_map_info {
	struct cv_range range;       /* what is mapped */
	uint64_t size;               /* of the disk */
	const struct cv_map_layer *layers;
	size_t count;                /* layers that are looked at */
	bool incomplete;             /* the last one has a parent that cannot be looked at: BAD with layer = count */
	const char *why;             /* incomplete: one escaped line; else NULL */
};

struct cv_map;

/*
 * Opens the images of a chain once more, by the rules of the scan, and starts to map them. False only if the image
 * itself cannot be opened; a parent that cannot be makes the map incomplete. The graph must outlive the map.
 */
CV_API struct cv_map *cv_map_open(const struct cv_graph *g, uint32_t image, const struct cv_map_options *options,
				  struct cv_err *err);
/* Ends the process. NULL is fine. */
CV_API void cv_map_free(struct cv_map *map);

enum cv_map_state {
	CV_MAP_WAIT,                 /* nothing within the time */
	CV_MAP_READY,                /* once, at first: cv_map_info() can be asked */
	CV_MAP_EXTENTS,
	CV_MAP_DONE,
	CV_MAP_FAILED,               /* err says why */
};
/*
 * The next extents, ascending and without gaps, as cv_chain_extents() gives them; they are valid until the next call.
 * timeout_ms -1 waits as long as it takes, 0 not at all. Returns early (WAIT) when a signal arrives.
 */
CV_API enum cv_map_state cv_map_next(struct cv_map *map, int timeout_ms, const struct cv_extent **extents,
				     size_t *count, struct cv_err *err);
/* Becomes readable when cv_map_next() has something, once that has said WAIT. */
CV_API int cv_map_poll_fd(const struct cv_map *map);
/* Valid after CV_MAP_READY, until the map is freed. */
CV_API const struct cv_map_info *cv_map_info(const struct cv_map *map);

/* --- model -------------------------------------------------------------------------------------------- */

/* So many depths are told apart; everything deeper is one. */
#define CV_MAP_DEPTHS 64

struct cv_map_cell {
	uint64_t zero;               /* bytes that an image says are zeros */
	uint64_t unallocated;        /* nobody has them */
	uint64_t bad;                /* unreadable: a damaged table entry */
	uint64_t missing;            /* they would be in a parent that is not here */
	uint64_t data;               /* data bytes of all depths */
	double depth_bytes;          /* sum of depth times bytes, over data and zero */
	uint32_t deepest;            /* of data and zero; valid if there are any */
};

struct cv_map_model {
	struct cv_range range;
	uint64_t cell_bytes;         /* of one cell; the last one may be shorter */
	size_t cell_count, depths;   /* depths: layers that are told apart, at least 1 */
	struct cv_map_cell *cells;
	uint64_t *cell_depths;       /* [cell * depths + depth]: data and zero bytes */
	/* The same for the whole range, but by exact depth (layer_count of each). */
	struct cv_map_cell total;
	size_t layer_count;
	uint64_t *data, *zero;       /* [depth] */
	uint32_t merge;              /* the plan: this layer is merged into the next; UINT32_MAX: none */
};

/*
 * Room for the range in at most cell_max cells of one size, which is a power of two of at least 512 bytes.
 * merge: UINT32_MAX, or a layer that is to be counted as merged into its parent (layer + 1), as after a
 * coalesce: the chain is one shorter then.
 */
CV_API bool cv_map_model_init(struct cv_map_model *model, struct cv_range range, size_t layer_count, size_t cell_max,
			      uint32_t merge, struct cv_err *err);
CV_API void cv_map_model_fini(struct cv_map_model *model);
/* Adds extents of a map; what lies outside of the range is left out. */
CV_API void cv_map_model_add(struct cv_map_model *model, const struct cv_extent *extents, size_t count);
/* Takes extents of the map until it is done or fails. False with err set. */
CV_API bool cv_map_model_fill(struct cv_map_model *model, struct cv_map *map, struct cv_err *err);

/*
 * A model of the same cells as it would be with a layer (less than CV_MAP_DEPTHS - 1) merged into its parent; the map
 * is not read again. In chains longer than CV_MAP_DEPTHS the most frequent depth of a cell may come out too deep where
 * that is as deep as is told apart.
 */
CV_API bool cv_map_model_merged(struct cv_map_model *after, const struct cv_map_model *now, uint32_t merge,
				struct cv_err *err);

/* Mean depth of all bytes that some image of the chain decides (data and zeros), weighted by bytes; what nobody
 * has counts nothing. 0 if there are none. */
CV_API double cv_map_cell_mean(const struct cv_map_cell *cell);
/* The depth that decides most bytes of a cell; the nearest of equals. */
CV_API uint32_t cv_map_cell_mode(const struct cv_map_model *model, size_t cell);

/* What a cell is drawn as. */
enum cv_map_basis { CV_MAP_DEEPEST, CV_MAP_MEAN, CV_MAP_MODE };
enum cv_map_look { CV_MAP_LOOK_NONE, CV_MAP_LOOK_ZERO, CV_MAP_LOOK_DEPTH, CV_MAP_LOOK_MISSING, CV_MAP_LOOK_BAD };
struct cv_map_sight {
	enum cv_map_look look;       /* the worst that is in the cell; data before zeros before nothing */
	uint32_t depth;              /* LOOK_DEPTH */
	char glyph;                  /* '.' 'z' '0'-'9' 'a'-'y' '+' 'X' '!' */
};
CV_API struct cv_map_sight cv_map_cell_sight(const struct cv_map_model *model, size_t cell, enum cv_map_basis basis);
/* An offset in the largest unit that gives a whole number: "3968M". */
CV_API void cv_map_add_exact(struct cv_text *out, uint64_t offset);
/*
 * Where a row of so many cells begins, in at most CV_MAP_LABEL columns: in the unit of the end of the map, with
 * decimals; where these do not tell neighbours apart exactly, and if that is too long from the beginning of the map on: "+64K".
 */
#define CV_MAP_LABEL 7
CV_API void cv_map_add_label(struct cv_text *out, const struct cv_map_model *model, size_t columns, size_t row,
			     unsigned decimals);

/* '0' to '9', 'a' to 'y', '+' above 34. */
CV_API char cv_map_glyph(uint32_t depth);
/* Step 0 (near) to CV_MAP_STEPS - 1 (deep) of the ramp of colours, for a chain of so many layers. */
#define CV_MAP_STEPS 8
CV_API unsigned cv_map_step(uint32_t depth, size_t layer_count);

/* --- one place ---------------------------------------------------------------------------------------- */

/* What one layer says about a guest offset. */
struct cv_map_word {
	struct cv_extent extent;     /* from the offset on; clipped to the smallest piece that is mapped on its own */
	uint64_t block;              /* number of the block (size: cv_map_layer) */
	char *detail;                /* table entries and bitmap, one escaped line each, newline-ended; "" if none */
};
struct cv_map_place {
	uint64_t offset;
	struct cv_extent decided;    /* what a guest reads there */
	struct cv_map_word *words;   /* of all layers of the map, from the image down */
	size_t count;
};
/* Looks at one offset in all images of the chain. *map is done then and kept for cv_map_info(); the caller frees both,
 * also on failure. */
CV_API bool cv_map_at(const struct cv_graph *g, uint32_t image, uint64_t offset, struct cv_map_place *place,
		      struct cv_map **map, struct cv_err *err);
CV_API void cv_map_place_fini(struct cv_map_place *place);

/* --- reports ------------------------------------------------------------------------------------------ */

/* All that a report shows. planned: the model of the plan, or NULL; model: NULL for reports about one place. */
struct cv_map_view {
	const struct cv_graph *g;
	uint32_t image;
	const struct cv_map_info *info;
	const struct cv_map_model *model, *planned;
};

/* Gives the next extents in order; count 0 is the end. False: it cannot go on, and has said why. */
struct cv_map_feed {
	bool (*next)(void *ctx, const struct cv_extent **extents, size_t *count);
	void *ctx;
};

/* How many cells a text map of this style should have, and how many of them go into a line. */
CV_API size_t cv_report_map_cells(const struct cv_style *style, size_t *columns);
/* Text: head, map, histogram. */
CV_API bool cv_report_map(const struct cv_map_view *view, const struct cv_style *style, const struct cv_sink *sink);
/* The document of map. The extents are merged as qemu-img map merges them, and not kept. */
CV_API bool cv_report_map_json(const struct cv_map_view *view, const struct cv_map_feed *feed,
			       const struct cv_report_head *head, const struct cv_sink *sink);
CV_API bool cv_report_map_place(const struct cv_map_view *view, const struct cv_map_place *place,
				const struct cv_style *style, const struct cv_sink *sink);
CV_API bool cv_report_map_place_json(const struct cv_map_view *view, const struct cv_map_place *place,
				     const struct cv_report_head *head, const struct cv_sink *sink);

/* Pictures; cells for them, and how many go into a line. */
#define CV_MAP_PICTURE_COLUMNS 96
#define CV_MAP_PICTURE_CELLS (96 * 48)
CV_API bool cv_report_map_svg(const struct cv_map_view *view, const struct cv_sink *sink);
CV_API bool cv_report_map_png(const struct cv_map_view *view, const struct cv_sink *sink, struct cv_err *err);

#ifdef __cplusplus
}
#endif
#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHD structures as bytes, and the habits of the programs that write them: which size they give to a disk,
 * where they put things, which parent locators they use. Encoding only; the file is made by writer.h.
 */
#ifndef CV_REPAIR_VHD_ENCODE_H
#define CV_REPAIR_VHD_ENCODE_H

#include "inspect/vhd/vhd.h"
#include <chainview/text.h>

#define VHD_UNUSED UINT32_MAX /* a BAT entry without a block */

enum cv_vhd_size_rule {
	CV_CREATOR_SIZE_EXACT,    /* as asked for */
	CV_CREATOR_SIZE_2M,       /* up to 2 MiB */
	CV_CREATOR_SIZE_GEOMETRY, /* up to the next size that the algorithm gives a geometry of its own */
	CV_CREATOR_SIZE_CYLINDER, /* up to a whole cylinder */
};

/* A program that writes VHDs. */
struct cv_vhd_creator {
	const char *name; /* as in recipes: "tap" */
	char app[5];
	uint32_t version;
	char os[5];
	enum cv_vhd_size_rule size_rule;
	bool largest_geometry; /* always says 65535/16/255 */
	bool batmap;
	uint8_t bat_tail;       /* what fills the last sector of the BAT */
	uint32_t extra_entries; /* BAT entries more than the size needs */
	uint32_t data_align;    /* the data of a block start at a multiple of this */
	const char *locators;   /* kinds in slot order, comma-separated */
};

extern const struct cv_vhd_creator cv_vhd_creators[];               /* ended by a row without a name */
const struct cv_vhd_creator *cv_vhd_creator_find(const char *name); /* NULL if there is none */

struct cv_vhd_geometry {
	uint32_t cylinders, heads, sectors;
};

/* What the specification's algorithm gives for a disk of this size. */
struct cv_vhd_geometry cv_vhd_geometry_of(uint64_t size);
/* The size that a creator gives to a new disk of at least so many bytes. */
uint64_t cv_vhd_size_for(const struct cv_vhd_creator *creator, uint64_t size);
/* The geometry that it writes for a disk of this size. */
struct cv_vhd_geometry cv_vhd_geometry_for(const struct cv_vhd_creator *creator, uint64_t size);

struct cv_vhd_locator {
	char code[5];
	struct cv_bytes payload; /* the bytes as they will lie in the file */
};

/* All that footer and header say; zero and empty where it does not matter. */
struct cv_vhd_image {
	uint32_t type; /* VHD_TYPE_... */
	const struct cv_vhd_creator *creator;
	uint32_t creator_version; /* 0: the creator's */
	uint64_t size;            /* bytes, as recorded: see cv_vhd_size_for() */
	uint32_t block_size;      /* a power of two, 512 B to 2 GiB; 0 = 2 MiB */
	uint32_t timestamp;       /* seconds since 2000 */
	uint8_t uuid[16];
	uint8_t hidden, saved;
	uint8_t parent_uuid[16];     /* differencing; all zero: the parent is raw */
	uint32_t parent_time;        /* seconds since 2000 */
	struct cv_bytes parent_name; /* UTF-8; stored as UTF-16BE */
	struct cv_vhd_locator locators[VHD_LOCATORS];
	unsigned locator_count;
};

/* Where everything lies; offsets and lengths in bytes. */
struct cv_vhd_layout {
	uint32_t entries;
	uint64_t bat_off, bat_len;             /* whole sectors */
	uint64_t batmap_off, map_off, map_len; /* 0 without batmap */
	uint64_t locator_off[VHD_LOCATORS];
	uint32_t locator_space[VHD_LOCATORS];
	uint64_t data_off;               /* the first byte behind all that */
	uint32_t block_size, bitmap_len; /* the bitmap in whole sectors */
};

bool cv_vhd_plan_layout(const struct cv_vhd_image *image, struct cv_vhd_layout *layout, struct cv_err *err);

/* Encoded and sealed, that is with their checksums. */
void cv_vhd_encode_footer(const struct cv_vhd_image *image, struct vhd_footer_disk *d);
bool cv_vhd_encode_header(const struct cv_vhd_image *image, const struct cv_vhd_layout *layout,
			  struct vhd_header_disk *d, struct cv_err *err);
void cv_vhd_encode_batmap(const struct cv_vhd_image *image, const struct cv_vhd_layout *layout, const uint8_t *map,
			  struct vhd_batmap_disk *d);

/* The checksums again, after a change. */
void cv_vhd_seal_footer(struct vhd_footer_disk *d);
void cv_vhd_seal_header(struct vhd_header_disk *d);
/* How many bytes of the map a batmap's checksum covers, for a disk of this size. */
uint64_t cv_vhd_batmap_summed(uint64_t size);

/* Seconds since 2000 from seconds since 1970; what does not fit becomes 0. */
uint32_t cv_vhd_time(int64_t unix_seconds);

/* locator.c */
/* The code of "macx", "w2ku", "w2ru", "mac", "wi2r", "wi2k"; NULL if it is none of these. */
const char *cv_vhd_locator_code(const char *kind);
/* Appends the payload for a path that is given with slashes: "./a.vhd", "../a.vhd", "C:/vm/a.vhd". */
void cv_vhd_locator_payload(const char *code, struct cv_bytes path, struct cv_text *out);
/* Appends UTF-8 as UTF-16; a byte that is not legal becomes U+FFFD. */
void cv_vhd_add_utf16(struct cv_text *out, struct cv_bytes text, bool big_endian);

#endif

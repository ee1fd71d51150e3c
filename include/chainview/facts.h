/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What was read from one image: flat facts, without names of other files opened or followed. Format code
 * fills them in the reading process; they cross to the rest of the program as bytes that are checked again.
 *
 * Everything that a struct cv_facts points to belongs to it and goes with cv_facts_free().
 */
#ifndef CHAINVIEW_FACTS_H
#define CHAINVIEW_FACTS_H

#include <chainview/finding.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_format_id { CV_FORMAT_NONE, CV_FORMAT_RAW, CV_FORMAT_VHD, CV_FORMAT_VHDX, CV_FORMAT_QCOW, CV_FORMAT_QCOW2, CV_FORMAT_COUNT };
CV_API const char *cv_format_name(enum cv_format_id id);            /* "raw", "vhd", ...; "unknown" for NONE */
/* As qemu and users spell formats ("vpc" is vhd); CV_FORMAT_NONE if unknown. */
CV_API enum cv_format_id cv_format_by_name(struct cv_bytes name);

enum cv_variant {
	CV_VARIANT_NONE, CV_VARIANT_FIXED, CV_VARIANT_DYNAMIC, CV_VARIANT_DIFFERENCING, CV_VARIANT_STANDALONE,
	CV_VARIANT_OVERLAY, CV_VARIANT_RAW, CV_VARIANT_COUNT
};
CV_API const char *cv_variant_name(enum cv_variant variant);

/* The hidden mark of XenServer / XCP-ng (VHD footer byte 85 written by "tap"; QCOW2 header extension
 * 0x76617465; LV tag). NONE: this image has no place for a mark, so nothing follows from its absence. */
enum cv_mark { CV_MARK_NONE, CV_MARK_VISIBLE, CV_MARK_HIDDEN };

enum cv_fact_flag {
	CV_FACT_SIZE = 1 << 0,               /* virtual_size is known */
	CV_FACT_UUID = 1 << 1,               /* uuid is known and not null */
	CV_FACT_PARENT = 1 << 2,             /* the image says that it has a parent */
	CV_FACT_PARENT_UUID = 1 << 3,        /* parent_uuid is known and not null */
	CV_FACT_PARENT_RAW = 1 << 4,         /* the parent is declared to be raw (VHD: null parent UUID; QCOW2: format raw) */
	CV_FACT_PARENT_UNREADABLE = 1 << 5,  /* the fields that say so are damaged: any image might be the parent */
	CV_FACT_ENCRYPTED = 1 << 6,
	CV_FACT_DIRTY = 1 << 7,
	CV_FACT_CORRUPT = 1 << 8,
	CV_FACT_SNAPSHOTS = 1 << 9,          /* internal snapshots */
	CV_FACT_VM_STATE = 1 << 10,          /* at least one of them with VM state */
	CV_FACT_BITMAPS = 1 << 11,           /* persistent bitmaps */
	CV_FACT_DATA_FILE = 1 << 12,         /* guest data lies in another file (a name of source DATA_FILE) */
	CV_FACT_LIVE = 1 << 13,              /* signs of an open image (killed footer): findings are advisory */
	CV_FACT_DISABLED = 1 << 14,          /* v_poison, unknown incompatible feature: must not be opened for writing */
	CV_FACT_NEEDS_PROBE = 1 << 15,       /* the parent's format is not recorded */
	CV_FACT_RAW_LOOKALIKE = 1 << 16,     /* declared raw, content looks like lookalike */
	CV_FACT_CREATED = 1 << 17,           /* created is known */
	CV_FACT_PARENT_TIME = 1 << 18,       /* parent_time is known */
	CV_FACT_EXTENDED_L2 = 1 << 19,
	CV_FACT_PARTIAL = 1 << 20,           /* a cap was reached: lists are cut, a finding says so */
	CV_FACT_REMAINS = 1 << 21,           /* no format is recognised, but there are remains of one: lookalike says which */
};

enum cv_name_source {
	CV_NAME_NONE, CV_NAME_MACX, CV_NAME_W2KU, CV_NAME_W2RU, CV_NAME_MAC, CV_NAME_WI2R, CV_NAME_WI2K, CV_NAME_VHD_HEADER,
	CV_NAME_UNKNOWN_LOCATOR, CV_NAME_BACKING_FILE, CV_NAME_DATA_FILE, CV_NAME_VHDX_RELATIVE, CV_NAME_VHDX_VOLUME,
	CV_NAME_VHDX_ABSOLUTE, CV_NAME_SOURCE_COUNT
};
CV_API const char *cv_name_source_name(enum cv_name_source source);   /* "MacX", "W2ku", "header", "backing file", ... */

enum cv_name_kind {
	CV_NAME_OPAQUE,     /* cannot be read as a path (Mac alias, undecodable): kept, never followed */
	CV_NAME_RELATIVE,   /* to the directory of the path by which the image is reached */
	CV_NAME_ABSOLUTE,   /* starts with "/" */
	CV_NAME_WINDOWS,    /* a drive, a share or a volume; only its last component can mean anything here */
	CV_NAME_BASENAME,   /* a file name without directory, a hint only (VHD header) */
	CV_NAME_EXTERNAL,   /* json:, nbd:, http: ...: recorded, never followed */
};

/* One recorded name of a parent (or data file). */
struct cv_name {
	enum cv_name_source source;
	enum cv_name_kind kind;
	struct cv_bytes text;      /* as stored; UTF-16 as UTF-8 */
	struct cv_bytes path;      /* as it would be looked up: "/" between components, no "file:"; empty if never */
	struct cv_range where;     /* its bytes in the image */
};

/* One decoded field that has no member of its own below; the rows are in attrs.def. */
enum cv_attr_id {
#define A(tag, key, label, type) CV_ATTR_##tag,
#include <chainview/attrs.def>
#undef A
	CV_ATTR_COUNT
};
enum cv_attr_type { CV_TYPE_NUMBER, CV_TYPE_HEX, CV_TYPE_SIZE, CV_TYPE_TIME, CV_TYPE_TEXT, CV_TYPE_FLAG };
struct cv_attr_row {
	const char *key, *label;   /* JSON key; label for people */
	enum cv_attr_type type;
};
CV_API extern const struct cv_attr_row cv_attr_rows[];

struct cv_attr {
	enum cv_attr_id id;
	uint32_t index;            /* which snapshot, locator, bitmap...; 0 for single fields */
	uint64_t number;           /* NUMBER, HEX, SIZE, TIME (Unix seconds), FLAG (0 or 1) */
	struct cv_bytes text;      /* TEXT, raw bytes */
	struct cv_range where;     /* its bytes in the image; len 0 when derived */
};

struct cv_arena;

struct cv_facts {
	enum cv_format_id format;
	enum cv_variant variant;
	enum cv_mark mark;
	enum cv_format_id lookalike;       /* with CV_FACT_RAW_LOOKALIKE */
	enum cv_format_id parent_format;   /* declared; NONE when not recorded or not known to us */
	uint32_t flags;                    /* enum cv_fact_flag */
	uint32_t block_size;               /* bytes; 0 when it does not apply */
	uint64_t virtual_size;             /* bytes, as a guest sees them */
	int64_t created, parent_time;      /* Unix seconds, UTC */
	uint8_t uuid[16], parent_uuid[16]; /* in the order in which they are printed */
	struct cv_bytes creator;           /* "tap 1.3", "qemu", ...: raw bytes */
	struct cv_name *names;
	struct cv_attr *attrs;
	struct cv_finding *findings;
	uint32_t name_count, attr_count, finding_count;
	struct cv_arena *arena;
};

/* All zero but for its memory. NULL when memory is short. */
CV_API struct cv_facts *cv_facts_new(void);
CV_API void cv_facts_free(struct cv_facts *f);
static inline void cv_auto_facts(struct cv_facts **f)
{
	cv_facts_free(*f);
}

/* Copies of the bytes, owned by the facts. The adders return false when memory is short or a cap is reached
 * (then CV_FACT_PARTIAL is set); a reader may ignore that and go on with what it has. */
CV_API bool cv_facts_bytes(struct cv_facts *f, const void *bytes, size_t len, struct cv_bytes *copy);
CV_API bool cv_facts_name(struct cv_facts *f, struct cv_name name);          /* copies text and path */
CV_API bool cv_facts_find(struct cv_facts *f, struct cv_finding finding);    /* copies text arguments */
CV_API bool cv_facts_number(struct cv_facts *f, enum cv_attr_id id, uint32_t index, uint64_t n, struct cv_range where);
CV_API bool cv_facts_text(struct cv_facts *f, enum cv_attr_id id, uint32_t index, struct cv_bytes text, struct cv_range where);

/* The attribute, or NULL. */
CV_API const struct cv_attr *cv_facts_attr(const struct cv_facts *f, enum cv_attr_id id, uint32_t index);

#ifdef __cplusplus
}
#endif
#endif

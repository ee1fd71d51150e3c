/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Layouts: what the fields of each structure of each format are, as tables. One walker (fields.c) decodes all of
 * them; the places come from the structures that the readers use, so nothing is declared twice.
 */
#ifndef CV_INSPECT_DUMP_LAYOUT_H
#define CV_INSPECT_DUMP_LAYOUT_H

#include <chainview/base.h>

enum cv_field_type {
	CV_FIELD_NUMBER, CV_FIELD_HEX,
	CV_FIELD_TEXT,           /* bytes, up to a NUL */
	CV_FIELD_UTF16_BIG, CV_FIELD_UTF16_LITTLE,
	CV_FIELD_UUID,           /* in the order in which it is printed */
	CV_FIELD_GUID,           /* its first three numbers are little-endian */
	CV_FIELD_TIME_VHD,       /* seconds since 2000-01-01 UTC */
	CV_FIELD_TIME_UNIX,      /* seconds since 1970-01-01 UTC */
	CV_FIELD_BYTES,          /* no meaning of their own: reserved, digests */
};

/* What a value means; with mask, a bit of it. */
struct cv_layout_word {
	uint64_t value;
	const char *name;
};

struct cv_layout_field {
	const char *name;
	uint16_t at, len;        /* len 0: up to the end of the structure */
	uint8_t type;            /* enum cv_field_type */
	bool bits;               /* words are bits, not values */
	const struct cv_layout_word *words;      /* NULL-named row ends them; NULL: none */
};

/* Records of one size behind the fields: regions, features, locators. */
struct cv_layout_each {
	const char *name;
	const struct cv_layout_field *fields;
	size_t count;
	uint16_t from, size;
	uint16_t number_at, number_len;          /* where their number is; len 0: most of them, as far as they fit */
	uint16_t most;
};

struct cv_layout {
	const char *name;        /* as in documents */
	const struct cv_layout_field *fields;
	size_t count;
	bool little;             /* byte order of its numbers */
	bool is_table;           /* entries without end: not many of its bytes are shown */
	struct cv_layout_each each;
};

/* All layouts, in groups by format. */
enum cv_layout_id {
#define L(tag) CV_LAYOUT_##tag,
#include "inspect/dump/layouts.def"
#undef L
	CV_LAYOUT_COUNT
};
/* NULL for a number that is none. */
const struct cv_layout *cv_layout_of(uint32_t id);

#define CV_AT(type, member) offsetof(type, member), sizeof(((const type *)0)->member)
#define CV_FIELDS(table) .fields = table, .count = CV_COUNT(table)

#endif

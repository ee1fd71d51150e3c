/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of the VHD metadata reader share: the decoded structures and the state of one reading.
 * Private to inspect/vhd/.
 */
#ifndef CV_INSPECT_VHD_H
#define CV_INSPECT_VHD_H

#include <chainview/format.h>
#include "inspect/vhd/vhd_disk.h"

enum vhd_footer_state { VHD_FOOTER_ABSENT, VHD_FOOTER_KILLED, VHD_FOOTER_PLAIN, VHD_FOOTER_POISONED };

struct vhd_footer {
	enum vhd_footer_state state;
	bool sums;                   /* its checksum is right, or wrong only as old tap tools left it */
	struct cv_range where;
	uint32_t sum_stored, sum_actual;
	uint32_t version, app_version, type, timestamp, features;
	uint64_t data_offset, current_size;
	uint64_t geometry_size;      /* bytes that cylinders, heads and sectors make */
	struct vhd_footer_disk disk;
};

struct vhd_header {
	bool present;                /* the cookie is there */
	bool sums;
	bool table_sane;             /* the BAT lies in the file and on nothing else */
	struct cv_range where;
	uint32_t sum_stored, sum_actual;
	uint32_t version, entries, block_size, parent_time;
	uint64_t table_offset;
	struct vhd_header_disk disk;
};

struct vhd_batmap {
	bool present;                /* there is a header that makes sense */
	bool sound;                  /* and the map sums to its checksum */
	struct cv_range where, map;
	uint64_t vouched;            /* bytes of the map that the checksum covers */
};

/* One reading of one image. */
struct vhd_reader {
	struct cv_source *source;
	struct cv_facts *facts;
	struct vhd_footer end, copy;
	const struct vhd_footer *used;   /* one of the two; NULL when neither is there */
	struct vhd_header header;
	struct vhd_batmap batmap;
};

static inline bool cv_vhd_has_cookie(const struct vhd_footer *f)
{
	return f->state == VHD_FOOTER_PLAIN || f->state == VHD_FOOTER_POISONED;
}

static inline bool cv_vhd_is_good(const struct vhd_footer *f)
{
	return cv_vhd_has_cookie(f) && f->sums;
}

/* vhd_decode.c: bytes in, host structures out; reads nothing, reports nothing. */
uint32_t cv_vhd_sum(const void *bytes, size_t len, size_t checksum_at);
void cv_vhd_footer_decode(struct vhd_footer *f);
void cv_vhd_header_decode(struct vhd_header *h);
bool cv_vhd_made_by_tap(const struct vhd_footer *f);
/* The bytes set aside for a locator; 0 when the field makes no sense. */
uint64_t cv_vhd_locator_space(uint32_t space);
/* The part of len bytes from the first to the last that is not zero, relative to bytes; len 0 if there is none. */
struct cv_range cv_vhd_nonzero(const uint8_t *bytes, size_t len);

/* vhd_report.c: facts and findings. */
struct vhd_field {
	enum cv_attr_id id;
	uint16_t at;
	uint8_t len;                 /* bytes, 1 to 8 */
};
void cv_vhd_fields(struct vhd_reader *r, const struct vhd_field *fields, size_t count, const void *disk, uint64_t base,
		   uint32_t index);
/* args may be NULL. */
void cv_vhd_report(struct vhd_reader *r, enum cv_problem_id id, struct cv_range where,
		   const struct cv_arg args[CV_FINDING_ARGS]);
/* A finding whose one argument is a formatted text. */
void cv_vhd_reportf(struct vhd_reader *r, enum cv_problem_id id, struct cv_range where, const char *fmt, ...)
	CV_PRINTF(4, 5);
/* A finding about a number: what, its value, the greatest that can be meant. */
void cv_vhd_report_hostile(struct vhd_reader *r, struct cv_range where, const char *what, uint64_t n, uint64_t limit);
/* True if the range lies in the file; otherwise reports that what does not. field is where the offset is stored. */
bool cv_vhd_inside(struct vhd_reader *r, const char *what, struct cv_range range, struct cv_range field);
/* Reports bytes that should be zero; bytes are at file offset base. */
void cv_vhd_reserved(struct vhd_reader *r, const char *what, const uint8_t *bytes, size_t len, uint64_t base);

/* The parts of a reading, in their order. False: an I/O error or no memory. */
bool cv_vhd_footers_load(struct vhd_reader *r, struct cv_err *err);
void cv_vhd_footers_report(struct vhd_reader *r);
void cv_vhd_footer_facts(struct vhd_reader *r);
bool cv_vhd_header_read(struct vhd_reader *r, struct cv_err *err);
bool cv_vhd_parent_read(struct vhd_reader *r, struct cv_err *err);
bool cv_vhd_locators_read(struct vhd_reader *r, struct cv_err *err);
bool cv_vhd_batmap_read(struct vhd_reader *r, struct cv_err *err);
/* All of them. */
bool cv_vhd_read(struct vhd_reader *r, struct cv_err *err);

/* vhd_check.c */
bool cv_vhd_check(struct cv_checking *c, struct cv_err *err);

#endif

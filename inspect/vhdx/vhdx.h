/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the parts of the VHDX reader share. */
#ifndef CV_INSPECT_VHDX_H
#define CV_INSPECT_VHDX_H

#include <chainview/format.h>
#include "inspect/vhdx/vhdx_disk.h"

struct cv_vhdx_region {
	uint64_t offset;
	uint32_t length;
	bool named, found;           /* in the table; and it lies where it can */
};

struct cv_vhdx {
	struct cv_source *source;
	struct cv_facts *facts;
	struct cv_vhdx_region bat, metadata;
	bool damaged;            /* a region table may have a wrong checksum */
};

/* A GUID as its text has it: the first three fields are little-endian in the file. */
void cv_guid_print_order(const struct cv_guid_disk *guid, uint8_t out[16]);
/* The bytes of a GUID given in print order, as text of a constant: compare with memcmp. */
bool cv_guid_is(const struct cv_guid_disk *guid, const char *text);
bool cv_guid_is_null(const struct cv_guid_disk *guid);
/* Reads "{xxxxxxxx-....}" or without braces into print order. */
bool cv_guid_parse(struct cv_bytes text, uint8_t out[16]);

/* Adds a finding with one text and where it is. */
void cv_vhdx_find(struct cv_vhdx *v, enum cv_problem_id id, enum cv_severity severity, const char *text,
		  struct cv_range where);

bool cv_vhdx_read_headers(struct cv_vhdx *v, struct cv_err *err);
bool cv_vhdx_read_regions(struct cv_vhdx *v, struct cv_err *err);
/* Both region tables, 2 * CV_VHDX_TABLE_SIZE bytes. fault: why each cannot be used; NULL if it can. */
bool cv_vhdx_read_tables(struct cv_source *source, uint8_t *tables, const char *fault[2], struct cv_err *err);
bool cv_vhdx_read_metadata(struct cv_vhdx *v, struct cv_err *err);
/* The parent locator item, already in memory; at is its place in the file. */
void cv_vhdx_read_locator(struct cv_vhdx *v, const uint8_t *item, uint32_t length, uint64_t at);

/* vhdx_check.c */
bool cv_vhdx_check(struct cv_checking *c, struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the names that a VHD stores for its parent mean. Private to inspect/vhd/. */
#ifndef CV_INSPECT_VHD_NAME_H
#define CV_INSPECT_VHD_NAME_H

#include "inspect/vhd/vhd.h"

enum vhd_encoding { VHD_ENCODING_BLOB, VHD_ENCODING_BYTES, VHD_ENCODING_UTF16LE, VHD_ENCODING_UTF16BE };

/* One kind of stored name: a platform code of a locator, or the header's own field. */
struct vhd_platform {
	char code[5];
	enum cv_name_source source;
	enum vhd_encoding encoding;
	bool windows;                /* components are separated by backslashes */
};

/* The platform of a locator's code; NULL for an unknown one. */
const struct vhd_platform *cv_vhd_platform(const uint8_t code[4]);
extern const struct vhd_platform cv_vhd_header_name;

/* Adds the name stored in the bytes of range where. platform NULL: kept as an opaque name. */
void cv_vhd_name_add(struct cv_facts *facts, const struct vhd_platform *platform, const uint8_t *bytes,
		     struct cv_range where);

/* Appends the text; with "%41" and the like as the bytes that they stand for, if is_url. */
void cv_vhd_percent_decode(struct cv_text *t, struct cv_bytes text, bool is_url);

#endif

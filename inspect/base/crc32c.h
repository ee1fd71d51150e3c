/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected), as VHDX and the journal use it. */
#ifndef CV_INSPECT_BASE_CRC32C_H
#define CV_INSPECT_BASE_CRC32C_H

#include <chainview/base.h>

/* Continues a sum; begin with 0. cv_crc32c(0, "123456789", 9) is 0xe3069283. */
uint32_t cv_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif

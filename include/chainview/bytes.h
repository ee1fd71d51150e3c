/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Byte order as a type: a number as it lies in a file cannot be used as a number by accident. The types
 * have alignment 1, so structures made of them need no packing and can be laid over any buffer.
 */
#ifndef CHAINVIEW_BYTES_H
#define CHAINVIEW_BYTES_H

#include <chainview/base.h>

typedef struct { uint8_t b[2]; } cv_be16;
typedef struct { uint8_t b[4]; } cv_be32;
typedef struct { uint8_t b[8]; } cv_be64;
typedef struct { uint8_t b[2]; } cv_le16;
typedef struct { uint8_t b[4]; } cv_le32;
typedef struct { uint8_t b[8]; } cv_le64;

static inline uint16_t cv_be16_get(cv_be16 v)
{
	return (uint16_t)(v.b[0] << 8 | v.b[1]);
}

static inline uint32_t cv_be32_get(cv_be32 v)
{
	return (uint32_t)v.b[0] << 24 | (uint32_t)v.b[1] << 16 | (uint32_t)v.b[2] << 8 | v.b[3];
}

static inline uint64_t cv_be64_get(cv_be64 v)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | v.b[i];
	return n;
}

static inline uint16_t cv_le16_get(cv_le16 v)
{
	return (uint16_t)(v.b[1] << 8 | v.b[0]);
}

static inline uint32_t cv_le32_get(cv_le32 v)
{
	return (uint32_t)v.b[3] << 24 | (uint32_t)v.b[2] << 16 | (uint32_t)v.b[1] << 8 | v.b[0];
}

static inline uint64_t cv_le64_get(cv_le64 v)
{
	uint64_t n = 0;

	for (int i = 7; i >= 0; i--)
		n = n << 8 | v.b[i];
	return n;
}

static inline cv_be16 cv_be16_of(uint16_t n)
{
	return (cv_be16){ { (uint8_t)(n >> 8), (uint8_t)n } };
}

static inline cv_be32 cv_be32_of(uint32_t n)
{
	return (cv_be32){ { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
}

static inline cv_be64 cv_be64_of(uint64_t n)
{
	cv_be64 v;

	for (int i = 7; i >= 0; i--, n >>= 8)
		v.b[i] = (uint8_t)n;
	return v;
}

static inline cv_le16 cv_le16_of(uint16_t n)
{
	return (cv_le16){ { (uint8_t)n, (uint8_t)(n >> 8) } };
}

static inline cv_le32 cv_le32_of(uint32_t n)
{
	return (cv_le32){ { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) } };
}

static inline cv_le64 cv_le64_of(uint64_t n)
{
	cv_le64 v;

	for (int i = 0; i < 8; i++, n >>= 8)
		v.b[i] = (uint8_t)n;
	return v;
}

#endif

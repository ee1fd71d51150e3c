/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Everything in a sample that looks random and is not: identities and guest data. */
#include "repair/sample/maker.h"
#include <stdio.h>

/* FNV-1a, the 64-bit form. */
static uint64_t hash(const char *text, uint64_t seed)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

/* One step of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators). */
static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void put_number(uint8_t *at, uint64_t n, size_t len)
{
	for (size_t i = 0; i < len; i++, n >>= 8)
		at[i] = (uint8_t)n;
}

void cv_sample_uuid(const char *name, uint8_t uuid[16])
{
	uint64_t state = hash(name, 0);

	put_number(uuid, next(&state), 8);
	put_number(uuid + 8, next(&state), 8);
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* version 4, variant 1: what a random UUID looks like */
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

void cv_sample_pattern(const char *name, uint64_t block, unsigned round, void *buf, size_t len)
{
	uint64_t state = hash(name, block * 1021 + round + 1);
	uint8_t *at = buf;
	char label[64];
	int n = snprintf(label, sizeof label, "sample data %016" PRIx64 " block %" PRIu64 " round %u\n", hash(name, 0),
			 block, round);

	for (size_t i = 0; i < len; i += 8)
		put_number(at + i, next(&state), len - i < 8 ? len - i : 8);
	if (n > 0 && (size_t)n < sizeof label)
		memcpy(at, label, (size_t)n < len ? (size_t)n : len);
}

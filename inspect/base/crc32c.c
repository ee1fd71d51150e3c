/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* CRC-32C by the processor's instruction where it has one, else by tables, eight bytes at a time. The tables are computed once,
 * before main() runs. */
#include "inspect/base/crc32c.h"

#define POLYNOMIAL 0x82f63b78u

static uint32_t table[8][256];

__attribute__((constructor)) static void fill_tables(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][byte] = crc;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t byte = 0; byte < 256; byte++)
			table[k][byte] = table[k - 1][byte] >> 8 ^ table[0][table[k - 1][byte] & 0xff];
}

static uint32_t by_tables(uint32_t crc, const uint8_t *b, size_t len)
{
	for (; len >= 8; b += 8, len -= 8)
		crc = table[7][(crc ^ b[0]) & 0xff] ^ table[6][(crc >> 8 ^ b[1]) & 0xff] ^
		      table[5][(crc >> 16 ^ b[2]) & 0xff] ^ table[4][(crc >> 24 ^ b[3]) & 0xff] ^
		      table[3][b[4]] ^ table[2][b[5]] ^ table[1][b[6]] ^ table[0][b[7]];
	while (len--)
		crc = crc >> 8 ^ table[0][(crc ^ *b++) & 0xff];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *b, size_t len)
{
	uint64_t wide = crc, word;

	for (; len >= sizeof word; b += sizeof word, len -= sizeof word) {
		memcpy(&word, b, sizeof word);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	for (crc = (uint32_t)wide; len; len--)
		crc = __builtin_ia32_crc32qi(crc, *b++);
	return crc;
}
#endif

uint32_t cv_crc32c(uint32_t crc, const void *bytes, size_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(~crc, bytes, len);
#endif
	return ~by_tables(~crc, bytes, len);
}

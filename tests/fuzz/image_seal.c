/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Checksums of VHD and VHDX, put right over an image that was changed. Written without the parsers' own code for it. */
#include <stddef.h>
#include "inspect/base/crc32c.h"
#include "inspect/vhd/vhd_disk.h"
#include "inspect/vhdx/vhdx_disk.h"
#include "tests/fuzz/image.h"

uint64_t fuzz_image_get(const struct fuzz_image *m, uint64_t off, size_t bytes)
{
	bool little = m->format == CV_FORMAT_VHDX;
	uint64_t n = 0;
	uint8_t b[8];

	sparse_read(&m->file, b, bytes, off);
	for (size_t i = 0; i < bytes; i++)
		n = n << 8 | b[little ? bytes - 1 - i : i];
	return n;
}

bool fuzz_image_put(struct fuzz_image *m, uint64_t off, uint64_t n, size_t bytes)
{
	bool little = m->format == CV_FORMAT_VHDX;
	uint8_t b[8];

	for (size_t i = 0; i < bytes; i++)
		b[little ? i : bytes - 1 - i] = (uint8_t)(n >> 8 * i);
	return fuzz_image_poke(m, off, b, bytes);
}

static void touch(struct fuzz_image *m, struct cv_range r)
{
	if (m->touched_count < CV_COUNT(m->touched))
		m->touched[m->touched_count++] = r;
}

/* In the uppermost piece that holds all of it, or as a new piece on top. */
bool fuzz_image_poke(struct fuzz_image *m, uint64_t off, const void *bytes, size_t len)
{
	struct sparse *s = &m->file;

	touch(m, (struct cv_range){ off, len });
	for (size_t i = s->count; i-- > 0;) {
		struct sparse_piece *p = &s->at[i];
		struct cv_range piece = { p->off, (uint64_t)p->len * p->times }, ours = { off, len };

		if (!cv_ranges_touch(piece, ours))
			continue;
		if (off < p->off || p->times > 1 || !cv_range_inside((struct cv_range){ off - p->off, len }, p->len))
			break;
		memcpy((uint8_t *)(uintptr_t)p->bytes + (off - p->off), bytes, len);
		return true;
	}
	if (s->count == SPARSE_PIECES || len > sizeof m->pool - m->used)
		return false;
	memcpy(m->pool + m->used, bytes, len);
	s->at[s->count++] = (struct sparse_piece){ off, (uint32_t)len, 1, s->size - off <= 512, m->pool + m->used };
	m->used += len;
	return true;
}

static bool was_touched(const struct fuzz_image *m, struct cv_range r)
{
	for (size_t i = 0; i < m->touched_count; i++)
		if (cv_ranges_touch(m->touched[i], r))
			return true;
	return false;
}

/* The ones' complement of the sum of all bytes but those of the field itself. */
static void seal_vhd(struct fuzz_image *m, uint64_t off, size_t len, size_t field)
{
	uint8_t b[1024];
	uint32_t sum = 0;

	if (!was_touched(m, (struct cv_range){ off, len }))
		return;
	sparse_read(&m->file, b, len, off);
	for (size_t i = 0; i < len; i++)
		sum += i >= field && i < field + 4 ? 0 : b[i];
	fuzz_image_put(m, off + field, ~sum, 4);
}

static void seal_vhd_all(struct fuzz_image *m)
{
	uint64_t size = m->file.size, header = fuzz_image_get(m, offsetof(struct vhd_footer_disk, data_offset), 8);

	seal_vhd(m, header < size ? header : 512, sizeof(struct vhd_header_disk), offsetof(struct vhd_header_disk, checksum));
	seal_vhd(m, 0, sizeof(struct vhd_footer_disk), offsetof(struct vhd_footer_disk, checksum));
	if (size >= 512)
		seal_vhd(m, size - 512, sizeof(struct vhd_footer_disk), offsetof(struct vhd_footer_disk, checksum));
}

/* CRC-32C with the field at 4 as zero. */
static void seal_vhdx(struct fuzz_image *m, uint64_t off, size_t len)
{
	static uint8_t b[CV_VHDX_TABLE_SIZE];

	if (len < 8 || len > sizeof b || !was_touched(m, (struct cv_range){ off, len }))
		return;
	sparse_read(&m->file, b, len, off);
	memset(b + 4, 0, 4);
	fuzz_image_put(m, off + 4, cv_crc32c(0, b, len), 4);
}

static void seal_vhdx_all(struct fuzz_image *m)
{
	size_t pieces = m->file.count;

	for (unsigned i = 0; i < 2; i++) {
		seal_vhdx(m, CV_VHDX_HEADER_OFFSET(i), sizeof(struct cv_vhdx_header_disk));
		seal_vhdx(m, CV_VHDX_REGION_OFFSET(i), CV_VHDX_TABLE_SIZE);
	}
	for (size_t i = 0; i < pieces; i++) {
		const struct sparse_piece *p = &m->file.at[i];

		if (p->len > 12 && !memcmp(p->bytes, "loge", 4))
			seal_vhdx(m, p->off, fuzz_image_get(m, p->off + 8, 4));
	}
}

void fuzz_image_seal(struct fuzz_image *m)
{
	if (m->format == CV_FORMAT_VHD)
		seal_vhd_all(m);
	else if (m->format == CV_FORMAT_VHDX)
		seal_vhdx_all(m);
}

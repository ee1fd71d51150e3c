/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The mutator of images: numbers in their places, entries that point to what is there, pieces moved about. */
#include "tests/fuzz/image.h"

/* Header fields worth a second look: where, how wide. From the end if negative. */
struct field { int16_t at; uint8_t bytes; };

static const struct field vhd_fields[] = {
	{ -512 + 8, 4 }, { -512 + 12, 4 }, { -512 + 16, 8 }, { -512 + 48, 8 }, { -512 + 60, 4 }, { -512 + 84, 2 }, { 8, 4 },
	{ 16, 8 }, { 48, 8 }, { 60, 4 }, { 512 + 16, 8 }, { 512 + 24, 4 }, { 512 + 28, 4 }, { 512 + 32, 4 }, { 512 + 576, 4 },
	{ 512 + 580, 4 }, { 512 + 584, 4 }, { 512 + 592, 8 }, { 512 + 600, 4 }, { 512 + 608, 4 }, { 512 + 616, 8 },
};
static const struct field qcow2_fields[] = {
	{ 4, 4 }, { 8, 8 }, { 16, 4 }, { 20, 4 }, { 24, 8 }, { 32, 4 }, { 36, 4 }, { 40, 8 }, { 48, 8 }, { 56, 4 }, { 60, 4 },
	{ 64, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 }, { 96, 4 }, { 100, 4 }, { 104, 1 }, { 112, 4 }, { 116, 4 },
};
static const struct field qcow_fields[] = {
	{ 8, 8 }, { 16, 4 }, { 24, 8 }, { 32, 1 }, { 33, 1 }, { 36, 4 }, { 40, 8 }, { 48, 8 }, { 56, 8 },
};

/* One of the fields of a VHDX: both copies of header and region table, where they always lie. */
static void vhdx_field(struct fuzz_dice *d, uint64_t *off, size_t *bytes)
{
	static const struct field header[] = { { 8, 8 }, { 48, 8 }, { 64, 2 }, { 66, 2 }, { 68, 4 }, { 72, 8 } };
	static const struct field region[] = { { 8, 4 }, { 32, 8 }, { 40, 4 }, { 44, 4 }, { 64, 8 }, { 72, 4 }, { 96, 8 } };
	bool first = fuzz_below(d, 2);
	const struct field *f = first ? &header[fuzz_below(d, CV_COUNT(header))] : &region[fuzz_below(d, CV_COUNT(region))];

	*off = (first ? 65536u : 196608u) + 65536u * (uint64_t)fuzz_below(d, 2) + (uint64_t)f->at;
	*bytes = f->bytes;
}

static void header_field(struct fuzz_image *m, struct fuzz_dice *d, uint64_t *off, size_t *bytes)
{
	static const struct { const struct field *at; uint32_t count; } rows[CV_FORMAT_COUNT] = {
		[CV_FORMAT_VHD] = { vhd_fields, CV_COUNT(vhd_fields) },
		[CV_FORMAT_QCOW2] = { qcow2_fields, CV_COUNT(qcow2_fields) },
		[CV_FORMAT_QCOW] = { qcow_fields, CV_COUNT(qcow_fields) },
	};
	const struct field *f;

	if (m->format == CV_FORMAT_VHDX) {
		vhdx_field(d, off, bytes);
		return;
	}
	f = rows[m->format].at ? &rows[m->format].at[fuzz_below(d, rows[m->format].count)] : &(struct field){ 0, 8 };
	*off = f->at < 0 ? m->file.size + (uint64_t)f->at : (uint64_t)f->at;
	*bytes = f->bytes;
}

static struct sparse_piece *any_piece(struct fuzz_image *m, struct fuzz_dice *d)
{
	return &m->file.at[fuzz_below(d, (uint32_t)m->file.count)];
}

/* A number of a table: aligned in its piece. */
static void any_field(struct fuzz_image *m, struct fuzz_dice *d, uint64_t *off, size_t *bytes)
{
	const struct sparse_piece *p = any_piece(m, d);
	uint64_t span = (uint64_t)p->len * p->times;

	*bytes = (size_t)1 << fuzz_below(d, 4);
	*off = (p->off + fuzz_roll(d) % span) / *bytes * *bytes;
	if (*off < p->off)
		*off = p->off;
}

/* An offset as an entry of the format's tables holds it. */
static uint64_t as_entry(const struct fuzz_image *m, struct fuzz_dice *d, uint64_t off)
{
	switch (m->format) {
	case CV_FORMAT_VHD: return off / 512;
	case CV_FORMAT_VHDX: return (off & ~UINT64_C(0xfffff)) | fuzz_below(d, 8);
	case CV_FORMAT_QCOW2: return (off & ~UINT64_C(511)) | (uint64_t)fuzz_below(d, 4) << 62 | fuzz_below(d, 2);
	case CV_FORMAT_QCOW: return off | (uint64_t)fuzz_below(d, 2) << 63;
	default: return off;
	}
}

static uint64_t choose_number(struct fuzz_image *m, struct fuzz_dice *d, uint64_t old, size_t bytes)
{
	const struct sparse_piece *p = any_piece(m, d);
	uint64_t near[] = { p->off, p->off + p->len, m->file.size, m->file.size - 512, p->off & ~UINT64_C(65535) };
	uint64_t other;
	size_t wide;

	switch (fuzz_below(d, 6)) {
	case 0: return old + fuzz_below(d, 9) - 4;
	case 1: return old ^ (uint64_t)1 << fuzz_below(d, (uint32_t)(8 * bytes));
	case 2: return as_entry(m, d, near[fuzz_below(d, CV_COUNT(near))]);
	case 3: return near[fuzz_below(d, CV_COUNT(near))];
	case 4:
		any_field(m, d, &other, &wide);
		return fuzz_image_get(m, other, bytes);
	default: return fuzz_number(d);
	}
}

static void set_header_number(struct fuzz_image *m, struct fuzz_dice *d)
{
	uint64_t off;
	size_t bytes;

	header_field(m, d, &off, &bytes);
	fuzz_image_put(m, off, choose_number(m, d, fuzz_image_get(m, off, bytes), bytes), bytes);
}

static void set_number(struct fuzz_image *m, struct fuzz_dice *d)
{
	uint64_t off;
	size_t bytes;

	any_field(m, d, &off, &bytes);
	fuzz_image_put(m, off, choose_number(m, d, fuzz_image_get(m, off, bytes), bytes), bytes);
}

static void change_bytes(struct fuzz_image *m, struct fuzz_dice *d)
{
	struct sparse_piece *p = any_piece(m, d);

	fuzz_mutate_bytes((uint8_t *)(uintptr_t)p->bytes, p->len, p->len);
	if (m->touched_count < CV_COUNT(m->touched))
		m->touched[m->touched_count++] = (struct cv_range){ p->off, p->len };
}

static void change_size(struct fuzz_image *m, struct fuzz_dice *d)
{
	const struct sparse_piece *p = any_piece(m, d);
	uint64_t old = m->file.size;
	uint64_t sizes[] = { old + 1, old - 1, old + 512, old - 512, old - 65536, p->off, p->off + p->len, p->off + 1,
			     fuzz_number(d), old * 2 };

	m->file.size = sizes[fuzz_below(d, CV_COUNT(sizes))] & INT64_MAX;
	for (size_t i = 0; i < m->file.count; i++)
		if (m->file.at[i].from_end)
			m->file.at[i].off += m->file.size - old;
}

static void copy_piece(struct fuzz_image *m, struct fuzz_dice *d)
{
	const struct sparse_piece *from = any_piece(m, d), *to = any_piece(m, d);
	uint64_t places[] = { to->off, to->off + to->len, from->off + from->len, m->file.size - 512, m->file.size & ~UINT64_C(511) };

	fuzz_image_poke(m, places[fuzz_below(d, CV_COUNT(places))], from->bytes, from->len < 4096 ? from->len : 4096);
}

static void drop_piece(struct fuzz_image *m, struct fuzz_dice *d)
{
	size_t i = fuzz_below(d, (uint32_t)m->file.count);

	if (m->file.count < 2)
		return;
	memmove(&m->file.at[i], &m->file.at[i + 1], (m->file.count - i - 1) * sizeof m->file.at[0]);
	m->file.count--;
}

static void move_piece(struct fuzz_image *m, struct fuzz_dice *d)
{
	struct sparse_piece *p = any_piece(m, d);

	p->off += (uint64_t)(fuzz_below(d, 3) - 1) << fuzz_below(d, 24);
	p->off &= INT64_MAX;
	if (fuzz_below(d, 4) == 0)
		p->times = 1 + fuzz_below(d, 4096);
}

/* A table entry where there was none. */
static void add_entry(struct fuzz_image *m, struct fuzz_dice *d)
{
	const struct sparse_piece *p = any_piece(m, d), *target = any_piece(m, d);
	uint64_t off = (p->off + p->len + 7) / 8 * 8 + 8 * (uint64_t)fuzz_below(d, 4);

	fuzz_image_put(m, off, as_entry(m, d, target->off), m->format == CV_FORMAT_VHD ? 4 : 8);
}

static void load(struct fuzz_image *m, enum cv_format_id format, const uint8_t *at, size_t len)
{
	m->format = format;
	m->used = m->touched_count = 0;
	sparse_decode(&m->file, at, len);
	for (size_t i = 0; i < m->file.count; i++) {
		struct sparse_piece *p = &m->file.at[i];

		if (p->len > sizeof m->pool - m->used) {
			m->file.count = i;
			return;
		}
		p->bytes = memcpy(m->pool + m->used, p->bytes, p->len);
		m->used += p->len;
	}
}

size_t fuzz_image_mutate_as(enum cv_format_id format, void (*seal)(struct fuzz_image *m), uint8_t *at, size_t len, size_t max,
			    struct fuzz_dice *d)
{
	static void (*const ways[])(struct fuzz_image *m, struct fuzz_dice *d) = {
		set_header_number, set_header_number, set_number, set_number, set_number, change_bytes, change_size, copy_piece,
		drop_piece, move_piece, add_entry,
	};
	static struct fuzz_image m;

	load(&m, format, at, len);
	if (!m.file.count || !fuzz_below(d, 64))
		return fuzz_mutate_bytes(at, len, max);
	for (uint32_t n = 1u << fuzz_below(d, 4); n; n--)
		ways[fuzz_below(d, CV_COUNT(ways))](&m, d);
	if (fuzz_below(d, 16))
		seal(&m);
	return sparse_encode(&m.file, at, max);
}

size_t fuzz_image_mutate(enum cv_format_id format, uint8_t *at, size_t len, size_t max, struct fuzz_dice *d)
{
	return fuzz_image_mutate_as(format, fuzz_image_seal, at, len, max, d);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who points to which bytes of VHD, VHDX and QCOW v1 files. These formats have no counters: a gap that would hold
 * a block was one that is lost, a smaller one is padding, and what lies behind everything is the tail.
 */
#include "inspect/qcow/qcow_disk.h"
#include "inspect/qcow2/qcow2_map_tables.h"
#include "inspect/space/space_host.h"
#include "inspect/vhd/vhd_map.h"
#include "inspect/vhdx/vhdx_map.h"
#include <chainview/format.h>

#define UNALLOCATED UINT32_MAX
#define CHUNK 8192u

/* What is known of an opened file: how large a lost block is, and where the last structure ends. */
struct blocks {
	uint64_t whole, end;
	struct cv_qcow_tables tables;    /* QCOW v1 only */
};

static bool claim(struct cv_space_host *h, enum cv_claim_class class, uint64_t off, uint64_t len, struct cv_err *err)
{
	struct blocks *b = h->state;
	struct cv_range r = { off, len };

	if (!cv_range_inside(r, h->layer->source->size)) {
		if (off >= h->layer->source->size)
			return true;
		r.len = h->layer->source->size - off;
	}
	if (r.off + r.len > b->end)
		b->end = r.off + r.len;
	return cv_space_claim(&h->account, class, r, err);
}

static bool lost(struct cv_space_host *h, struct cv_range *gap, bool *is_lost, struct cv_err *err)
{
	const struct blocks *b = h->state;

	(void)err;
	*is_lost = b->whole && gap->len >= b->whole && gap->off + gap->len < b->end;
	return true;
}

static bool begin(struct cv_space_host *h, struct cv_err *err)
{
	h->state = calloc(1, sizeof(struct blocks));
	return h->state || cv_fail(err, CV_ENOMEM, "out of memory");
}

static void close_blocks(struct cv_space_host *h)
{
	struct blocks *b = h->state;

	if (b)
		cv_qcow_tables_fini(&b->tables);
	free(b);
}

static bool claim_locators(struct cv_space_host *h, struct cv_err *err)
{
	struct cv_facts *f = cv_facts_new();
	bool ok = f ? cv_image_read(h->layer->source, CV_FORMAT_VHD, f, err) : cv_fail(err, CV_ENOMEM, "out of memory");

	for (uint32_t i = 0; ok && i < VHD_LOCATORS; i++) {
		const struct cv_attr *at = cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_OFFSET, i);
		const struct cv_attr *space = cv_facts_attr(f, CV_ATTR_VHD_LOCATOR_SPACE, i);

		if (at && space && at->number)
			ok = claim(h, CV_CLAIM_METADATA, at->number, cv_vhd_locator_space((uint32_t)space->number),
				   err);
	}
	cv_facts_free(f);
	return ok;
}

static bool claim_block(struct cv_space_host *h, uint32_t entry, struct cv_err *err)
{
	const struct vhd_map *m = h->layer->state;
	uint64_t off = (uint64_t)entry * VHD_SECTOR;

	if (entry == UNALLOCATED || off >= m->limit)
		return true;
	return claim(h, CV_CLAIM_METADATA, off, m->bitmap_len, err) &&
	       claim(h, CV_CLAIM_OWNED, off + m->bitmap_len, m->block_size, err);
}

static bool claim_vhd_blocks(struct cv_space_host *h, struct cv_err *err)
{
	const struct vhd_map *m = h->layer->state;
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(CHUNK * sizeof *bat);
	uint64_t entries = (m->size + m->block_size - 1) / m->block_size, n;

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (entries > m->bat_entries)
		entries = m->bat_entries;
	for (uint64_t first = 0; first < entries; first += n) {
		n = entries - first < CHUNK ? entries - first : CHUNK;
		if (!cv_source_read(m->source, bat, (size_t)n * sizeof *bat, m->bat_off + first * sizeof *bat, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++)
			if (!claim_block(h, cv_be32_get(bat[i]), err))
				return false;
	}
	return true;
}

static bool claim_vhd(struct cv_space_host *h, struct cv_err *err)
{
	const struct vhd_map *m = h->layer->state;
	struct blocks *b;

	if (!begin(h, err))
		return false;
	b = h->state;
	if (!m->fixed) {
		b->whole = (uint64_t)m->bitmap_len + m->block_size;
		for (size_t i = 0; i < m->place_count && !h->exact; i++)
			if (!claim(h, CV_CLAIM_METADATA, m->places[i].off, m->places[i].len, err))
				return false;
		if ((!h->exact && !claim_locators(h, err)) || !claim_vhd_blocks(h, err))
			return false;
	}
	/* The footer is no sign of blocks before it. */
	return h->exact || m->limit >= m->source->size ||
	       cv_space_claim(&h->account, CV_CLAIM_METADATA,
			      (struct cv_range){ m->limit, m->source->size - m->limit }, err);
}

/* Payload blocks are in all states but "not present" kept for the image where an offset is given. */
static bool claim_vhdx_entry(struct cv_space_host *h, uint64_t index, uint64_t entry, struct cv_err *err)
{
	const struct vhdx_map *m = h->layer->state;
	uint64_t off = entry & ~(uint64_t)(CV_VHDX_MIB - 1);
	bool bitmap = index % (m->ratio + 1) == m->ratio;

	if (!off || !(entry & 7))
		return true;
	return bitmap ? claim(h, CV_CLAIM_METADATA, off, CV_VHDX_MIB, err)
		      : claim(h, CV_CLAIM_OWNED, off, m->block_size, err);
}

static bool claim_vhdx(struct cv_space_host *h, struct cv_err *err)
{
	const struct vhdx_map *m = h->layer->state;
	CV_AUTO(cv_auto_free) cv_le64 *bat = malloc(CHUNK * sizeof *bat);
	uint64_t n;

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!begin(h, err))
		return false;
	((struct blocks *)h->state)->whole = m->block_size;
	for (size_t i = 0; i < m->place_count && !h->exact; i++)
		if (!claim(h, CV_CLAIM_METADATA, m->places[i].off, m->places[i].len, err))
			return false;
	for (uint64_t first = 0; first < m->bat_entries; first += n) {
		n = m->bat_entries - first < CHUNK ? m->bat_entries - first : CHUNK;
		if (!cv_source_read(m->source, bat, (size_t)n * sizeof *bat, m->bat_off + first * sizeof *bat, err))
			return cv_wrap(err, "while reading the BAT");
		for (uint64_t i = 0; i < n; i++)
			if (!claim_vhdx_entry(h, first + i, cv_le64_get(bat[i]), err))
				return false;
	}
	return true;
}

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

static bool no_add(const struct cv_qcow_tables *t, const struct cv_qcow_piece *p, struct cv_extents *list,
		   struct cv_err *err)
{
	(void)t;
	(void)p;
	(void)list;
	return cv_fail(err, CV_EUSAGE, "these tables are only looked up");
}

/* The name of the backing file, which lies between the header and the L1 table. */
static bool claim_name(struct cv_space_host *h, const struct cv_facts *f, struct cv_err *err)
{
	for (uint32_t i = 0; i < f->name_count; i++)
		if (f->names[i].source == CV_NAME_BACKING_FILE &&
		    !claim(h, CV_CLAIM_METADATA, f->names[i].where.off, f->names[i].where.len, err))
			return false;
	return true;
}

/* The layer keeps its tables to itself; these are for looking up entries and for going through L1. */
static bool take_tables(struct cv_space_host *h, struct cv_err *err)
{
	struct blocks *b = h->state;
	struct cv_facts *f = cv_facts_new();
	bool ok =
		f ? cv_image_read(h->layer->source, CV_FORMAT_QCOW, f, err) : cv_fail(err, CV_ENOMEM, "out of memory");

	if (ok)
		b->tables = (struct cv_qcow_tables){
			.source = h->layer->source, .add = no_add,
			.l1_off = number(f, CV_ATTR_QCOW2_L1_OFFSET), .l1_entries = number(f, CV_ATTR_QCOW2_L1_SIZE),
			.l1_mask = UINT64_MAX, .cluster_bits = (unsigned)__builtin_ctz(h->layer->block_size),
			.l2_bits = (unsigned)number(f, CV_ATTR_QCOW_L2_BITS), .words_per_entry = 1,
		};
	ok = ok && claim_name(h, f, err);
	cv_facts_free(f);
	return ok && cv_qcow_tables_init(&b->tables, err);
}

/* From bit 63 down: the flag, the length in bytes, the offset. */
static struct cv_range packed_bytes(const struct cv_qcow_tables *t, uint64_t entry)
{
	unsigned bits = 63 - t->cluster_bits;

	return (struct cv_range){ entry & ((UINT64_C(1) << bits) - 1), (entry & ~(UINT64_C(1) << 63)) >> bits };
}

static bool claim_l2(struct cv_space_host *h, uint64_t off, cv_be64 *raw, struct cv_err *err)
{
	const struct cv_qcow_tables *t = &((struct blocks *)h->state)->tables;
	uint64_t left = UINT64_C(1) << t->l2_bits, size = h->layer->source->size;

	if (!claim(h, CV_CLAIM_METADATA, off, left * 8, err))
		return false;
	for (uint64_t n; left && off < size; left -= n, off += n * 8) {
		n = left < CHUNK ? left : CHUNK;
		n = n < (size - off) / 8 ? n : (size - off) / 8;
		if (!n)
			break;
		if (!cv_space_on_disk(&h->disk, (struct cv_range){ off, n * 8 }))
			continue;
		if (!cv_source_read(h->layer->source, raw, (size_t)n * 8, off, err))
			return cv_wrap(err, "while reading an L2 table");
		for (uint64_t i = 0; i < n; i++) {
			uint64_t word = cv_be64_get(raw[i]);
			struct cv_range r = word >> 63 ? packed_bytes(t, word)
						       : (struct cv_range){ word, UINT64_C(1) << t->cluster_bits };

			if (word && !claim(h, CV_CLAIM_OWNED, r.off, r.len, err))
				return false;
		}
	}
	return true;
}

/* The L2 tables of some L1 entries; *left more of them can be on disk. What lies in a hole holds zeros only. */
static bool claim_l2_tables(struct cv_space_host *h, const cv_be64 *l1, size_t count, cv_be64 *raw, uint64_t *left,
			    struct cv_err *err)
{
	unsigned l2_bits = ((struct blocks *)h->state)->tables.l2_bits;

	for (size_t i = 0; i < count; i++) {
		uint64_t off = cv_be64_get(l1[i]);

		if (!off || off >= h->layer->source->size)
			continue;
		if (cv_space_on_disk(&h->disk, (struct cv_range){ off, UINT64_C(8) << l2_bits }) && !(*left)--)
			return cv_fail(err, CV_EFORMAT, "more L2 tables than the file can hold");
		if (!claim_l2(h, off, raw, err))
			return false;
	}
	return true;
}

static bool claim_qcow(struct cv_space_host *h, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_be64 *raw = malloc(CHUNK * sizeof *raw);
	CV_AUTO(cv_auto_free) cv_be64 *l1 = malloc(CHUNK * sizeof *l1);
	uint64_t size = h->layer->source->size, at, count, left;
	const struct cv_qcow_tables *t;

	if (!raw || !l1)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!begin(h, err) || !take_tables(h, err))
		return false;
	t = &((struct blocks *)h->state)->tables;
	((struct blocks *)h->state)->whole = UINT64_C(1) << t->cluster_bits;
	if (!claim(h, CV_CLAIM_METADATA, 0, sizeof(struct cv_qcow_header_disk), err) ||
	    !claim(h, CV_CLAIM_METADATA, t->l1_off, t->l1_entries * 8, err))
		return false;
	at = t->l1_off;
	count = at < size ? (size - at) / 8 : 0;
	count = count < t->l1_entries ? count : t->l1_entries;
	left = cv_space_on_disk(&h->disk, (struct cv_range){ 0, size }) / 512 + 1;
	for (uint64_t n; count; count -= n, at += n * 8) {
		n = count < CHUNK ? count : CHUNK;
		if (!cv_space_on_disk(&h->disk, (struct cv_range){ at, n * 8 }))
			continue;
		if (!cv_source_read(h->layer->source, l1, (size_t)n * 8, at, err))
			return cv_wrap(err, "while reading the L1 table");
		if (!claim_l2_tables(h, l1, (size_t)n, raw, &left, err))
			return false;
	}
	return true;
}

static bool packed_qcow(struct cv_space_host *h, const struct cv_extent *e, struct cv_range *bytes, struct cv_err *err)
{
	struct blocks *b = h->state;
	uint64_t entry;

	if (!cv_qcow_tables_entry(&b->tables, e->at.off, &entry, err))
		return false;
	*bytes = packed_bytes(&b->tables, entry);
	return true;
}

const struct cv_space_host_ops cv_space_host_vhd = { CV_FORMAT_VHD, claim_vhd, NULL, lost, close_blocks, NULL };
const struct cv_space_host_ops cv_space_host_vhdx = { CV_FORMAT_VHDX, claim_vhdx, NULL, lost, close_blocks, NULL };
const struct cv_space_host_ops cv_space_host_qcow = { CV_FORMAT_QCOW, claim_qcow, packed_qcow, lost, close_blocks, NULL };

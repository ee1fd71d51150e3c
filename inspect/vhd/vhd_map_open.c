/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the metadata reader has found out, as the map of the blocks needs it: which footer counts, how large the
 * disk is and where the tables lie are decided there. The batmap's bits are read here, the tables are not.
 */
#include "inspect/vhd/vhd_map.h"

static bool add_place(struct vhd_map *m, uint64_t off, uint64_t len)
{
	if (m->place_count == CV_COUNT(m->places))
		return false;
	m->places[m->place_count++] = (struct cv_range){ off, len };
	return true;
}

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* A batmap saves reading bitmaps and is nothing else, so one that is damaged or odd is left alone. */
static bool take_batmap(struct vhd_map *m, const struct vhd_reader *r, struct cv_err *err)
{
	const struct vhd_batmap *b = &r->batmap;

	if (!b->sound || !add_place(m, b->where.off, b->where.len) || !add_place(m, b->map.off, b->map.len))
		return true;
	m->full = malloc((size_t)b->vouched);
	if (!m->full)
		return cv_fail(err, CV_ENOMEM, "out of memory for the batmap");
	if (!cv_source_read(m->source, m->full, (size_t)b->vouched, b->map.off, err))
		return cv_wrap(err, "while reading the batmap");
	m->full_blocks = b->vouched * 8;
	return true;
}

static bool take_tables(struct vhd_map *m, const struct vhd_reader *r, const struct cv_layer *layer, struct cv_err *err)
{
	const struct vhd_header *h = &r->header;

	if (!h->present)
		return cv_fail(err, CV_EFORMAT, "the VHD has no dynamic header");
	if (!h->sums && !layer->damaged)
		return cv_fail(err, CV_EFORMAT, "the checksum of the dynamic header is wrong");
	if (!r->facts->block_size)
		return cv_fail(err, CV_EFORMAT, "a block size of %" PRIu32 " B cannot be", h->block_size);
	m->bat_off = h->table_offset;
	m->bat_entries = h->entries;
	if (!h->table_sane && !(layer->damaged && cv_vhd_table_cut(m, r)))
		return cv_fail(err, CV_EFORMAT,
			       "the BAT at 0x%" PRIx64 " does not lie in the file, clear of the headers",
			       h->table_offset);
	if (cv_vhd_made_by_tap(r->used) && r->used->app_version == VHD_VERSION(0, 1))
		return cv_fail(err, CV_EFORMAT, "written by tap 0.1, whose block bitmaps have another bit order");
	m->block_size = r->facts->block_size;
	m->bitmap_len = (uint32_t)whole_sectors((m->block_size / VHD_SECTOR + 7) / 8);
	add_place(m, 0, VHD_SECTOR);
	add_place(m, h->where.off, h->where.len);
	add_place(m, m->bat_off, whole_sectors(m->bat_entries * sizeof(cv_be32)));
	m->bitmap = malloc(m->bitmap_len);
	if (!m->bitmap)
		return cv_fail(err, CV_ENOMEM, "out of memory for the tables of blocks");
	return cv_bat_open(&m->bat, sizeof(cv_be32), layer->lean, err);
}

/* Which kind and how large, from a footer that is sound. */
static bool take_footer(struct vhd_map *m, struct vhd_reader *r, struct cv_err *err)
{
	if (!r->used)
		return cv_fail(err, CV_EFORMAT, "the file has no VHD footer");
	if (!cv_vhd_is_good(r->used))
		return cv_fail(err, CV_EFORMAT, "the file has no VHD footer whose checksum is right");
	/* Blocks may be on their way from one place to another; what is where only vhd-util's journal knows. */
	if (r->end.state == VHD_FOOTER_POISONED || r->copy.state == VHD_FOOTER_POISONED)
		return cv_fail(err, CV_EREFUSED, "a resize of the VHD was not finished");
	cv_vhd_footer_facts(r);
	m->fixed = r->facts->variant == CV_VARIANT_FIXED;
	m->differencing = r->facts->variant == CV_VARIANT_DIFFERENCING;
	if (r->facts->variant == CV_VARIANT_NONE || (m->fixed && r->used == &r->copy))
		return cv_fail(err, CV_EFORMAT,
			       "a VHD footer of disk type %" PRIu32 " at offset 0x%" PRIx64 " cannot be", r->used->type,
			       r->used->where.off);
	if (!(r->facts->flags & CV_FACT_SIZE))
		return cv_fail(err, CV_EFORMAT, "a disk of %" PRIu64 " B cannot be", r->facts->virtual_size);
	m->size = r->facts->virtual_size;
	m->limit = cv_vhd_is_good(&r->end) ? r->end.where.off : m->source->size;
	return true;
}

/* Of a damaged image one that cannot be read is one that is not there. */
static bool find_batmap(struct vhd_map *m, struct vhd_reader *r, bool damaged, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	if (cv_vhd_batmap_read(r, &trouble) && take_batmap(m, r, &trouble))
		return true;
	free(m->full);
	m->full = NULL;
	return (damaged && trouble.code != CV_ENOMEM) || cv_fail(err, trouble.code, "%s", trouble.text);
}

bool cv_vhd_map_init(struct vhd_map *m, struct cv_layer *layer, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct vhd_reader r = { .source = layer->source, .facts = facts };

	*m = (struct vhd_map){ .source = layer->source, .bitmap_of = UINT64_MAX };
	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_vhd_footers_load(&r, err) || (layer->damaged && !cv_vhd_footer_imagine(&r, err)) || !take_footer(m, &r, err))
		return false;
	layer->size = m->size;
	layer->block_size = VHD_SECTOR;
	layer->alone = !m->differencing;
	if (m->fixed)
		return true;
	if (!cv_vhd_header_read(&r, err) || !take_tables(m, &r, layer, err) || !find_batmap(m, &r, layer->damaged, err))
		return false;
	layer->entry_bytes = m->block_size;
	layer->encrypted = facts->flags & CV_FACT_ENCRYPTED;
	return true;
}

void cv_vhd_map_fini(struct vhd_map *m)
{
	free(m->bat.entries);
	free(m->bitmap);
	free(m->full);
}

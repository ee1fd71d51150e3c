/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the metadata reader has found out, as the map of the blocks needs it. Which header and which region table
 * count is decided there; the log is put between the two, for a pending one may change everything but the headers.
 */
#include "inspect/vhdx/vhdx_map.h"
#include "inspect/vhdx/vhdx_log.h"

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

static void add_place(struct vhdx_map *m, uint64_t off, uint64_t len)
{
	if (len)
		m->places[m->place_count++] = (struct cv_range){ off, len };
}

/* Region tables and metadata were read with the log applied. */
static bool take_facts(struct vhdx_map *m, const struct cv_vhdx *v, struct cv_err *err)
{
	const struct cv_facts *f = v->facts;
	uint64_t sector = number(f, CV_ATTR_VHDX_LOGICAL_SECTOR);

	if (f->flags & CV_FACT_DISABLED)
		return cv_fail(err, CV_EFORMAT, "the VHDX has a required region or item of unknown kind");
	if (!v->bat.found || !v->metadata.found)
		return cv_fail(err, CV_EFORMAT, "the VHDX has no %s that could be read",
			       v->bat.found ? "metadata" : "BAT");
	if (!(f->flags & CV_FACT_SIZE) || !f->block_size)
		return cv_fail(err, CV_EFORMAT, "the metadata of the VHDX do not say how large %s",
			       f->block_size ? "its disk is" : "a block is");
	if (sector != 512 && sector != 4096)
		return cv_fail(err, CV_EFORMAT, "the metadata of the VHDX give no possible size of a logical sector");
	m->size = f->virtual_size;
	m->block_size = f->block_size;
	m->sector = (uint32_t)sector;
	m->differencing = f->variant == CV_VARIANT_DIFFERENCING;
	m->fixed = f->variant == CV_VARIANT_FIXED;
	m->ratio = (uint64_t)CV_VHDX_MIB * 8 * m->sector / m->block_size;
	m->bat_off = v->bat.offset;
	m->bat_entries = v->bat.length / sizeof(cv_le64);
	add_place(m, 0, CV_VHDX_MIB);
	add_place(m, v->bat.offset, v->bat.length);
	add_place(m, v->metadata.offset, v->metadata.length);
	add_place(m, number(f, CV_ATTR_VHDX_LOG_OFFSET), number(f, CV_ATTR_VHDX_LOG_LENGTH));
	return true;
}

/* Of a damaged image the log only where it is whole: without it everything is as it was before the last writes. */
static bool apply_log(struct cv_vhdx *v, struct cv_layer *layer, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };
	struct cv_source *lent;
	bool ok;

	if (!layer->damaged)
		return cv_vhdx_log_apply(&layer->source, v->facts, err);
	if (!cv_facts_attr(v->facts, CV_ATTR_VHDX_LOG_GUID, 0))
		return true;
	lent = cv_source_borrow(layer->source, err);
	if (!lent)
		return false;
	ok = cv_vhdx_log_apply(&lent, v->facts, &trouble);
	cv_source_close(lent);
	if (!ok && trouble.code == CV_ENOMEM)
		return cv_fail(err, CV_ENOMEM, "%s", trouble.text);
	return !ok || cv_vhdx_log_apply(&layer->source, v->facts, err);
}

/* The layer's source may be another one afterwards. */
static bool read_metadata(struct cv_vhdx *v, struct cv_layer *layer, struct cv_err *err)
{
	if (v->source->size < CV_VHDX_MIB)
		return cv_fail(err, CV_EFORMAT, "a VHDX has at least 1 MiB, this file has %" PRIu64 " B",
			       v->source->size);
	if (!cv_vhdx_read_headers(v, err))
		return false;
	if (!cv_facts_attr(v->facts, CV_ATTR_VHDX_LOG_GUID, 0) && !layer->damaged)
		return cv_fail(err, CV_EFORMAT, "the VHDX has no header that could be used");
	if (!apply_log(v, layer, err))
		return false;
	v->source = layer->source;
	return cv_vhdx_read_regions(v, err) && cv_vhdx_read_metadata(v, err);
}

bool cv_vhdx_map_init(struct vhdx_map *m, struct cv_layer *layer, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_vhdx v = { .source = layer->source, .facts = facts, .damaged = layer->damaged };

	*m = (struct vhdx_map){ .chunk = UINT64_MAX };
	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	facts->variant = CV_VARIANT_DYNAMIC;
	if (!read_metadata(&v, layer, err) || !take_facts(m, &v, err))
		return false;
	m->source = layer->source;
	m->bits = malloc(VHDX_MAP_BITS);
	if (!m->bits)
		return cv_fail(err, CV_ENOMEM, "out of memory for the tables of blocks");
	if (!cv_bat_open(&m->bat, sizeof(cv_le64), layer->lean, err))
		return false;
	layer->size = m->size;
	layer->entry_bytes = m->block_size;
	layer->alone = !m->differencing;
	layer->block_size = m->differencing ? m->sector : m->block_size;
	return true;
}

void cv_vhdx_map_fini(struct vhdx_map *m)
{
	free(m->bat.entries);
	free(m->bits);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the gate knows of each image and of each window of the disk: facts of headers, how far down the library may
 * go, and the suspect sectors of VHD bitmaps. What is done with it is in gate.c.
 */
#include "inspect/reader2/gate.h"
#include <chainview/format.h>

#define WINDOW_EXTENTS 4096u
#define VHD_SECTOR_BYTES 512u
#define VHDX_CHUNK_SECTORS (UINT64_C(1) << 23)

const char *cv_gate_library(enum cv_format_id format)
{
	static const char *const names[CV_FORMAT_COUNT] = {
		[CV_FORMAT_VHD] = "libvhdi", [CV_FORMAT_VHDX] = "libvhdi",
		[CV_FORMAT_QCOW] = "libqcow", [CV_FORMAT_QCOW2] = "libqcow",
	};

	return (unsigned)format < CV_COUNT(names) ? names[format] : NULL;
}

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

static bool read_layer(struct cv_gate_layer *l, struct cv_err *err)
{
	const struct cv_facts *f;

	l->facts = cv_facts_new();
	if (!l->facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_image_read(l->own->source, l->format, l->facts, err))
		return false;
	f = l->facts;
	l->differencing = f->variant == CV_VARIANT_DIFFERENCING;
	l->fixed = f->variant == CV_VARIANT_FIXED;
	l->has_parent = f->flags & CV_FACT_PARENT;
	l->block_size = f->block_size;
	l->covered = number(f, CV_ATTR_VHD_MAX_TABLE_ENTRIES) * l->block_size;
	l->library_size = UINT64_MAX;
	l->bat_off = number(f, CV_ATTR_VHDX_BAT_OFFSET);
	l->chunk = UINT64_MAX;
	if (l->format == CV_FORMAT_VHDX && l->block_size)
		l->ratio = VHDX_CHUNK_SECTORS * number(f, CV_ATTR_VHDX_LOGICAL_SECTOR) / l->block_size;
	return (l->format != CV_FORMAT_VHDX || l->ratio) || cv_fail(err, CV_EFORMAT, "the VHDX has no sector size");
}

/* The formats that one library reads as parents of each other. */
static bool goes_with(enum cv_format_id child, enum cv_format_id parent)
{
	const char *a = cv_gate_library(child), *b = cv_gate_library(parent);

	return child == parent || (child != CV_FORMAT_VHD && child != CV_FORMAT_VHDX && a && b && !strcmp(a, b));
}

static enum cv_gate_id why_cut(const struct cv_gate_keeper *k, size_t i)
{
	for (size_t g = 0; g < CV_GATE_COUNT; g++)
		if (cv_gate_rows[g].cuts && cv_gate_rows[g].cuts(&k->layers[i]))
			return (enum cv_gate_id)g;
	return i && !goes_with(k->layers[i - 1].format, k->layers[i].format) ? CV_GATE_FOREIGN : CV_GATE_NONE;
}

bool cv_gate_init(struct cv_gate_keeper *k, const struct cv_chain *chain, const enum cv_format_id *formats,
		  struct cv_err *err)
{
	*k = (struct cv_gate_keeper){ .chain = *chain, .scratch = { .max = WINDOW_EXTENTS } };
	k->layers = calloc(chain->count, sizeof *k->layers);
	if (!k->layers)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < chain->count; i++) {
		k->layers[i].own = chain->layers[i];
		k->layers[i].format = formats[i];
		if (!read_layer(&k->layers[i], err))
			return cv_wrap(err, "while looking at layer %zu", i);
	}
	while (k->opened < chain->count && !k->cut) {
		k->cut = why_cut(k, k->opened);
		k->opened += !k->cut;
	}
	return true;
}

void cv_gate_fini(struct cv_gate_keeper *k)
{
	for (size_t i = 0; k->layers && i < k->chain.count; i++)
		cv_facts_free(k->layers[i].facts);
	free(k->layers);
	free(k->suspects.at);
	cv_extents_fini(&k->scratch);
}

/*
 * libvhdi looks at a bit without masking those before it: a clear bit behind a set one of its byte counts as set.
 * So what is suspect follows a written extent, up to the end of the byte.
 */
static bool add_suspects(struct cv_gate_keeper *k, uint32_t layer, struct cv_err *err)
{
	const struct cv_gate_layer *l = &k->layers[layer];
	uint64_t group = 8 * VHD_SECTOR_BYTES < l->block_size ? 8 * VHD_SECTOR_BYTES : l->block_size;

	for (size_t i = 1; i < k->scratch.len; i++) {
		const struct cv_extent *e = &k->scratch.at[i];
		uint64_t rest = e->at.off % group ? group - e->at.off % group : 0;
		struct cv_suspect s = { { e->at.off, rest < e->at.len ? rest : e->at.len }, layer };

		if (e[-1].kind == CV_EXTENT_DATA && e->kind != CV_EXTENT_DATA && s.at.len &&
		    !cv_suspects_push(&k->suspects, s))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	}
	return true;
}

static int by_offset(const void *a, const void *b)
{
	const struct cv_suspect *x = a, *y = b;

	return x->at.off < y->at.off ? -1 : x->at.off > y->at.off;
}

bool cv_gate_window(struct cv_gate_keeper *k, uint64_t off, uint64_t *end, struct cv_err *err)
{
	k->suspects.len = 0;
	for (size_t i = 0; i < k->opened; i++) {
		const struct cv_gate_layer *l = &k->layers[i];
		uint64_t stop = *end < l->own->size ? *end : l->own->size;

		if (l->format != CV_FORMAT_VHD || l->fixed || !l->block_size || off >= stop)
			continue;
		if (!cv_layer_extents(l->own, (struct cv_range){ off, stop - off }, &k->scratch, err) ||
		    !add_suspects(k, (uint32_t)i, err))
			return false;
		if (cv_extents_end(&k->scratch) < stop)
			*end = cv_extents_end(&k->scratch) / CV_GATE_GROUP * CV_GATE_GROUP;
	}
	if (k->suspects.len)
		qsort(k->suspects.at, k->suspects.len, sizeof *k->suspects.at, by_offset);
	return *end > off || cv_fail(err, CV_ELIMIT, "the map of the blocks does not go on at guest offset %" PRIu64, off);
}

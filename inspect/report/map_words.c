/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Words, rows and colours that the text and the pictures of maps share. Layout does not belong here. */
#include "inspect/report/map_words.h"
#include "inspect/report/words.h"

/* Depths up to this one have a row each, as they have a glyph each. */
#define ROWS_APART 35u

const char *cv_map_kind_name(enum cv_extent_kind kind)
{
	static const char *const names[] = {
		[CV_EXTENT_PARENT] = "unallocated", [CV_EXTENT_DATA] = "data", [CV_EXTENT_ZERO] = "zero",
		[CV_EXTENT_BAD] = "bad",
	};

	return (unsigned)kind < CV_COUNT(names) ? names[kind] : "bad";
}

/* 256-colour numbers from near to deep: luminance rises from each to the next, and neighbours stay apart for all
 * common kinds of colour blindness. */
static const unsigned char ramp[CV_MAP_STEPS] = { 17, 19, 25, 31, 37, 78, 149, 227 };

/* The six levels of the colour cube of 256-colour terminals. */
static uint32_t rgb_of(unsigned index)
{
	static const unsigned char level[] = { 0, 95, 135, 175, 215, 255 };
	unsigned n = index - 16;

	return (uint32_t)level[n / 36] << 16 | (uint32_t)level[n / 6 % 6] << 8 | level[n % 6];
}

struct cv_map_colour cv_map_colour(struct cv_map_sight sight, size_t layer_count)
{
	unsigned index = ramp[cv_map_step(sight.depth, layer_count)];

	switch (sight.look) {
	case CV_MAP_LOOK_DEPTH:
		return (struct cv_map_colour){ index, rgb_of(index) };
	case CV_MAP_LOOK_ZERO:
		return (struct cv_map_colour){ 250, 0xbcbcbc };
	case CV_MAP_LOOK_NONE:
		return (struct cv_map_colour){ 255, 0xeeeeee };
	default:
		return (struct cv_map_colour){ 16, 0x000000 };
	}
}

static struct cv_map_row *push_row(struct cv_map_row *rows, size_t *count, struct cv_map_sight sight, const char *name,
				   uint64_t bytes)
{
	struct cv_map_row *row = &rows[(*count)++];

	row->sight = sight;
	row->bytes = bytes;
	cv_text_add(&row->name, name);
	return row;
}

static void push_depths(const struct cv_map_view *v, struct cv_map_row *rows, size_t *count)
{
	const struct cv_map_model *m = v->model;

	for (size_t i = 0; i < m->layer_count; i++) {
		struct cv_map_sight sight = { CV_MAP_LOOK_DEPTH, (uint32_t)i, cv_map_glyph((uint32_t)i) };
		struct cv_map_row *row;

		if (i > ROWS_APART) {
			rows[*count - 1].bytes += m->data[i];
			continue;
		}
		row = push_row(rows, count, sight, "", m->data[i]);
		if (i == ROWS_APART && m->layer_count > i + 1) {
			cv_text_add(&row->name, "all deeper ones");
			continue;
		}
		cv_words_image(&row->name, v->g, v->info->layers[i].image, v->g->images[v->image].repository);
		cv_text_add(&row->name, i ? "" : " (this)");
	}
}

struct cv_map_row *cv_map_rows(const struct cv_map_view *v, size_t *count)
{
	const struct cv_map_cell *total = &v->model->total;
	struct cv_map_row *rows = calloc(ROWS_APART + 6, sizeof *rows);

	*count = 0;
	if (!rows)
		return NULL;
	push_row(rows, count, (struct cv_map_sight){ CV_MAP_LOOK_NONE, 0, '.' }, "not allocated", total->unallocated);
	if (total->zero)
		push_row(rows, count, (struct cv_map_sight){ CV_MAP_LOOK_ZERO, 0, 'z' }, "zeros", total->zero);
	push_depths(v, rows, count);
	if (total->missing)
		push_row(rows, count, (struct cv_map_sight){ CV_MAP_LOOK_MISSING, 0, 'X' }, "parent missing",
			 total->missing);
	if (total->bad)
		push_row(rows, count, (struct cv_map_sight){ CV_MAP_LOOK_BAD, 0, '!' }, "unreadable", total->bad);
	for (size_t i = 0; i < *count; i++)
		if (rows[i].name.failed) {
			cv_map_rows_free(rows, *count);
			return NULL;
		}
	return rows;
}

void cv_map_rows_free(struct cv_map_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cv_text_fini(&rows[i].name);
	free(rows);
}

void cv_map_add_figures(struct cv_text *t, const struct cv_map_model *m)
{
	if (!(m->total.data | m->total.zero)) {
		cv_text_add(t, "no image has anything");
		return;
	}
	cv_text_addf(t, "mean %.2f hops, max %" PRIu32, cv_map_cell_mean(&m->total), m->total.deepest);
}

void cv_map_add_plan(struct cv_text *t, const struct cv_map_view *v)
{
	const struct cv_map_layer *merged;
	uint32_t repository = v->g->images[v->image].repository;

	if (!v->planned)
		return;
	merged = &v->info->layers[v->planned->merge];
	cv_text_add(t, "after the coalesce of ");
	cv_words_image(t, v->g, merged[0].image, repository);
	cv_text_add(t, " into ");
	cv_words_image(t, v->g, merged[1].image, repository);
	cv_text_add(t, ": ");
	cv_map_add_figures(t, v->planned);
}

static const char units[] = "BKMGTPE";
enum { LARGEST = sizeof units - 2 };

/* The largest unit of which the number is a multiple. */
static unsigned whole_unit(uint64_t n)
{
	unsigned unit = n ? (unsigned)__builtin_ctzll(n) / 10 : 0;

	return unit < LARGEST ? unit : LARGEST;
}

void cv_map_add_exact(struct cv_text *out, uint64_t offset)
{
	unsigned unit = whole_unit(offset);

	cv_text_addf(out, "%" PRIu64 "%c", offset >> 10 * unit, units[unit]);
}

void cv_map_add_scale(struct cv_text *t, const struct cv_map_view *v, size_t columns)
{
	const struct cv_map_model *m = v->model;
	size_t lines = (m->cell_count + columns - 1) / columns;

	cv_text_add(t, cv_size_short(m->range.len).s);
	if (m->range.off) {
		cv_text_add(t, " from ");
		cv_map_add_exact(t, m->range.off);
	}
	cv_text_addf(t, " as %zu x %zu cells of %s; a cell shows its deepest block, in hops",
		     m->cell_count < columns ? m->cell_count : columns, lines, cv_size_short(m->cell_bytes).s);
}

/* The unit in which a number is at least 1, if there is one. */
static unsigned unit_of(uint64_t n)
{
	unsigned unit = 0;

	while (unit < LARGEST && n >> 10 * (unit + 1))
		unit++;
	return unit;
}

static void add_decimal(struct cv_text *out, uint64_t n, unsigned unit, unsigned decimals)
{
	cv_text_addf(out, "%.*f%c", unit ? (int)decimals : 0, (double)n / (double)(UINT64_C(1) << 10 * unit), units[unit]);
}

/* Numbers up to end that are to be told apart, and the columns that there are for one. */
struct scale { uint64_t end, step; size_t room; };

/* With as many decimals as there is room for; false if these do not show a step. */
static bool show_decimal(struct cv_text *out, uint64_t n, const struct scale *s, unsigned decimals)
{
	CV_AUTO(cv_text_fini) struct cv_text longest = { 0 };
	unsigned unit = unit_of(s->end);
	uint64_t parts = 1;

	for (;; decimals--) {
		cv_text_clear(&longest);
		add_decimal(&longest, s->end, unit, decimals);
		if (longest.len <= s->room || !decimals)
			break;
	}
	for (unsigned i = 0; i < decimals; i++)
		parts *= 10;
	if (unit && s->step < (UINT64_C(1) << 10 * unit) / parts)
		return false;
	add_decimal(out, n, unit, decimals);
	return true;
}

/* In whole numbers of a unit; false if there is no room for the last one. */
static bool show_whole(struct cv_text *out, uint64_t n, const struct scale *s, unsigned unit)
{
	CV_AUTO(cv_text_fini) struct cv_text longest = { 0 };

	cv_text_addf(&longest, "%" PRIu64 "%c", s->end >> 10 * unit, units[unit]);
	if (longest.len > s->room)
		return false;
	cv_text_addf(out, "%" PRIu64 "%c", n >> 10 * unit, units[unit]);
	return true;
}

void cv_map_add_label(struct cv_text *out, const struct cv_map_model *model, size_t columns, size_t row,
		      unsigned decimals)
{
	uint64_t step = columns * model->cell_bytes, from = row * step, off = model->range.off;
	struct scale disk = { off + model->range.len, step, CV_MAP_LABEL };
	struct scale map = { model->range.len, step, CV_MAP_LABEL - 1 };

	if (show_decimal(out, off + from, &disk, decimals) || show_whole(out, off + from, &disk, whole_unit(step | off)))
		return;
	/* A map has few rows, so that the unit of its length tells them apart. */
	cv_text_add(out, "+");
	if (!show_whole(out, from, &map, whole_unit(step)))
		show_decimal(out, from, &map, 2);
}

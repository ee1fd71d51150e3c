/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a view keeps of a map: sums for the whole range and for each of its cells. Memory depends on the cells and
 * the layers, never on the size of the disk.
 */
#include <chainview/map.h>

#define LEAST_CELL 512u
#define MOST_CELLS ((size_t)1 << 20)

/* The smallest power of two that does with so many cells. */
static uint64_t cell_size(uint64_t len, size_t cell_max)
{
	uint64_t size = LEAST_CELL;

	while (size < UINT64_C(1) << 63 && (len + (size - 1)) / size > cell_max)
		size *= 2;
	return size;
}

bool cv_map_model_init(struct cv_map_model *m, struct cv_range range, size_t layer_count, size_t cell_max,
		       uint32_t merge, struct cv_err *err)
{
	*m = (struct cv_map_model){ .range = range, .merge = UINT32_MAX, .layer_count = layer_count };
	if (!layer_count || !cell_max || cell_max > MOST_CELLS || range.len > INT64_MAX)
		return cv_fail(err, CV_EUSAGE, "a map of %zu cells cannot be made", cell_max);
	if (merge != UINT32_MAX && (size_t)merge + 1 >= layer_count)
		return cv_fail(err, CV_EUSAGE, "layer %" PRIu32 " has no parent to be merged into", merge);
	m->merge = merge;
	m->layer_count -= merge != UINT32_MAX;
	m->depths = m->layer_count < CV_MAP_DEPTHS ? m->layer_count : CV_MAP_DEPTHS;
	m->cell_bytes = cell_size(range.len, cell_max);
	m->cell_count = (size_t)((range.len + (m->cell_bytes - 1)) / m->cell_bytes);
	m->cells = calloc(m->cell_count + 1, sizeof *m->cells);
	m->cell_depths = calloc((m->cell_count + 1) * m->depths, sizeof *m->cell_depths);
	m->data = calloc(m->layer_count, sizeof *m->data);
	m->zero = calloc(m->layer_count, sizeof *m->zero);
	if (m->cells && m->cell_depths && m->data && m->zero)
		return true;
	cv_map_model_fini(m);
	return cv_fail(err, CV_ENOMEM, "out of memory");
}

void cv_map_model_fini(struct cv_map_model *m)
{
	free(m->cells);
	free(m->cell_depths);
	free(m->data);
	free(m->zero);
	*m = (struct cv_map_model){ .merge = UINT32_MAX };
}

/* The depth after the plan: the merged layer and its parent are one, all below them move up. */
static uint32_t depth_of(const struct cv_map_model *m, uint32_t layer)
{
	return m->merge != UINT32_MAX && layer > m->merge ? layer - 1 : layer;
}

static void add_decided(struct cv_map_cell *cell, uint32_t depth, uint64_t bytes)
{
	if (!(cell->data | cell->zero) || depth > cell->deepest)
		cell->deepest = depth;
	cell->depth_bytes += (double)depth * (double)bytes;
}

/* Adds bytes of one extent to a cell or to the total. */
static void add_bytes(struct cv_map_cell *cell, const struct cv_map_model *m, const struct cv_extent *e, uint32_t depth,
		      uint64_t bytes)
{
	switch (e->kind) {
	case CV_EXTENT_PARENT:
		cell->unallocated += bytes;
		return;
	case CV_EXTENT_BAD:
		*(depth < m->layer_count ? &cell->bad : &cell->missing) += bytes;
		return;
	case CV_EXTENT_DATA:
		add_decided(cell, depth, bytes);
		cell->data += bytes;
		return;
	case CV_EXTENT_ZERO:
		add_decided(cell, depth, bytes);
		cell->zero += bytes;
		return;
	}
}

static bool is_decided(const struct cv_extent *e)
{
	return e->kind == CV_EXTENT_DATA || e->kind == CV_EXTENT_ZERO;
}

static void add_to_cells(struct cv_map_model *m, const struct cv_extent *e, uint64_t from, uint64_t end, uint32_t depth)
{
	size_t kept = depth < m->depths ? depth : m->depths - 1;

	while (from < end) {
		size_t i = (size_t)((from - m->range.off) / m->cell_bytes);
		uint64_t stop = (i + 1) * m->cell_bytes + m->range.off, bytes = (stop < end ? stop : end) - from;

		add_bytes(&m->cells[i], m, e, depth, bytes);
		if (is_decided(e))
			m->cell_depths[i * m->depths + kept] += bytes;
		from += bytes;
	}
}

void cv_map_model_add(struct cv_map_model *m, const struct cv_extent *extents, size_t count)
{
	uint64_t first = m->range.off, last = first + m->range.len;

	for (size_t i = 0; i < count; i++) {
		const struct cv_extent *e = &extents[i];
		uint64_t from = e->at.off > first ? e->at.off : first, end = e->at.off + e->at.len;
		uint32_t depth = depth_of(m, e->layer);

		if (end > last)
			end = last;
		if (from >= end || (is_decided(e) && depth >= m->layer_count))
			continue;
		add_bytes(&m->total, m, e, depth, end - from);
		if (is_decided(e))
			(e->kind == CV_EXTENT_DATA ? m->data : m->zero)[depth] += end - from;
		add_to_cells(m, e, from, end, depth);
	}
}

/* Bytes that move up, of the sums by depth. */
static uint64_t moved_bytes(const uint64_t *by_depth, size_t depths, uint32_t merge)
{
	uint64_t sum = 0;

	for (size_t i = (size_t)merge + 1; i < depths; i++)
		sum += by_depth[i];
	return sum;
}

static void move_cell(struct cv_map_cell *cell, uint32_t merge, uint64_t moved)
{
	cell->depth_bytes -= (double)moved;
	if ((cell->data | cell->zero) && cell->deepest > merge)
		cell->deepest--;
}

static void move_depths(uint64_t *after, size_t count, const uint64_t *now, size_t depths, uint32_t merge)
{
	for (size_t i = 0; i < depths; i++) {
		size_t to = i > merge ? i - 1 : i;

		after[to < count ? to : count - 1] += now[i];
	}
}

bool cv_map_model_merged(struct cv_map_model *after, const struct cv_map_model *now, uint32_t merge, struct cv_err *err)
{
	if (merge + 1 >= CV_MAP_DEPTHS || now->merge != UINT32_MAX) {
		*after = (struct cv_map_model){ .merge = UINT32_MAX };
		return cv_fail(err, CV_EUSAGE, "layer %" PRIu32 " is too deep for this", merge);
	}
	if (!cv_map_model_init(after, now->range, now->layer_count, now->cell_count ? now->cell_count : 1, merge, err))
		return false;
	memcpy(after->cells, now->cells, now->cell_count * sizeof *now->cells);
	for (size_t i = 0; i < now->cell_count; i++) {
		const uint64_t *depths = &now->cell_depths[i * now->depths];

		move_depths(&after->cell_depths[i * after->depths], after->depths, depths, now->depths, merge);
		move_cell(&after->cells[i], merge, moved_bytes(depths, now->depths, merge));
	}
	after->total = now->total;
	move_depths(after->data, after->layer_count, now->data, now->layer_count, merge);
	move_depths(after->zero, after->layer_count, now->zero, now->layer_count, merge);
	move_cell(&after->total, merge, moved_bytes(now->data, now->layer_count, merge) +
					moved_bytes(now->zero, now->layer_count, merge));
	return true;
}

bool cv_map_model_fill(struct cv_map_model *m, struct cv_map *map, struct cv_err *err)
{
	for (;;) {
		const struct cv_extent *extents;
		size_t count;

		switch (cv_map_next(map, -1, &extents, &count, err)) {
		case CV_MAP_EXTENTS:
			cv_map_model_add(m, extents, count);
			break;
		case CV_MAP_READY:
			break;
		case CV_MAP_DONE:
			return true;
		case CV_MAP_WAIT:
			return cv_fail(err, CV_ECANCELLED, "interrupted");
		case CV_MAP_FAILED:
			return false;
		}
	}
}

double cv_map_cell_mean(const struct cv_map_cell *cell)
{
	double bytes = (double)cell->data + (double)cell->zero;

	return bytes > 0 ? cell->depth_bytes / bytes : 0;
}

uint32_t cv_map_cell_mode(const struct cv_map_model *m, size_t cell)
{
	const uint64_t *bytes = &m->cell_depths[cell * m->depths];
	size_t most = 0;

	for (size_t i = 1; i < m->depths; i++)
		if (bytes[i] > bytes[most])
			most = i;
	return (uint32_t)most;
}

char cv_map_glyph(uint32_t depth)
{
	return "0123456789abcdefghijklmnopqrstuvwxy+"[depth < 35 ? depth : 35];
}

unsigned cv_map_step(uint32_t depth, size_t layer_count)
{
	if (!depth || layer_count < 2)
		return 0;
	if (depth >= layer_count)
		return CV_MAP_STEPS - 1;
	return (unsigned)((uint64_t)depth * (CV_MAP_STEPS - 1) / (layer_count - 1));
}

struct cv_map_sight cv_map_cell_sight(const struct cv_map_model *m, size_t cell, enum cv_map_basis basis)
{
	const struct cv_map_cell *c = &m->cells[cell];
	uint32_t depth = c->deepest;

	if (c->bad)
		return (struct cv_map_sight){ CV_MAP_LOOK_BAD, 0, '!' };
	if (c->missing)
		return (struct cv_map_sight){ CV_MAP_LOOK_MISSING, 0, 'X' };
	if (!c->data)
		return c->zero ? (struct cv_map_sight){ CV_MAP_LOOK_ZERO, 0, 'z' }
			       : (struct cv_map_sight){ CV_MAP_LOOK_NONE, 0, '.' };
	if (basis == CV_MAP_MEAN)
		depth = (uint32_t)(cv_map_cell_mean(c) + 0.5);
	else if (basis == CV_MAP_MODE)
		depth = cv_map_cell_mode(m, cell);
	return (struct cv_map_sight){ CV_MAP_LOOK_DEPTH, depth, cv_map_glyph(depth) };
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What could be freed, image by image: how much, what would do it, and what that costs. What may be done is decided
 * by the verdicts of the graph, what it costs was computed; a remedy that would cost more than it frees is none.
 */
#include "inspect/report/words.h"
#include <chainview/space.h>
#include <chainview/vec.h>

struct rows {
	struct cv_space_row *at;
	size_t len, cap;
};

const char *cv_space_kind_name(enum cv_space_kind kind)
{
	static const char *const names[CV_SPACE_KIND_COUNT] = {
		[CV_SPACE_ROW_ORPHAN] = "orphan", [CV_SPACE_ROW_SHADOWED] = "shadowed",
		[CV_SPACE_ROW_MERGE] = "mergeable", [CV_SPACE_ROW_LEAKED] = "leaked",
		[CV_SPACE_ROW_SNAPSHOT] = "snapshot", [CV_SPACE_ROW_ZEROS] = "zeros",
	};

	return names[kind];
}

const char *cv_space_remedy_name(enum cv_space_remedy remedy)
{
	static const char *const names[CV_REMEDY_COUNT] = {
		[CV_REMEDY_NONE] = "none", [CV_REMEDY_DELETE] = "delete", [CV_REMEDY_DELETE_ABOVE] = "delete-orphans",
		[CV_REMEDY_MERGE] = "coalesce", [CV_REMEDY_FLATTEN] = "flatten",
		[CV_REMEDY_FLATTEN_OTHERS] = "flatten-and-coalesce", [CV_REMEDY_CHOOSE] = "delete-children",
		[CV_REMEDY_REPAIR] = "repair", [CV_REMEDY_DELETE_SNAPSHOTS] = "delete-snapshots",
		[CV_REMEDY_SPARSIFY] = "sparsify",
	};

	return names[remedy];
}

static const struct cv_image *image_of(const struct cv_space *s, uint32_t i)
{
	return &s->graph->images[i];
}

static bool push(struct rows *rows, struct cv_space_row row)
{
	struct cv_space_row *grown = rows->len < rows->cap ? rows->at
		: cv_vec_grow(rows->at, &rows->cap, rows->len + 1, sizeof *rows->at);

	if (!grown)
		return false;
	rows->at = grown;
	rows->at[rows->len++] = row;
	return true;
}

static bool orphaned(struct rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	bool itself = m->role == CV_ROLE_ORPHAN;
	uint64_t bytes = itself ? m->file->allocated : s->images[i].bytes[CV_SPACE_ORPHANED];

	if (!s->images[i].bytes[CV_SPACE_ORPHANED])
		return true;
	return push(rows, (struct cv_space_row){
		.bytes = bytes, .image = i, .target = itself ? i : CV_NO_IMAGE, .kind = CV_SPACE_ROW_ORPHAN,
		.remedy = itself ? CV_REMEDY_DELETE : CV_REMEDY_DELETE_ABOVE, .known = itself,
		.net_bytes = (int64_t)bytes, .now = itself && m->deletable.possible });
}

static void take(struct cv_space_row *row, enum cv_space_remedy remedy, const struct cv_space_merge *m, bool now)
{
	bool better = m->known && (!row->known || m->net_bytes > row->net_bytes);

	if (!better)
		return;
	row->remedy = m->net_bytes > 0 ? remedy : CV_REMEDY_NONE;
	row->known = true;
	row->peak_bytes = m->peak_bytes;
	row->net_bytes = m->net_bytes;
	row->now = now && m->net_bytes > 0;
}

/* Would nobody need it, if this child did not? */
static bool is_only_for_child(const struct cv_space *s, const struct cv_image *m)
{
	const struct cv_references *refs = s->graph->refs;

	return m->child_count == 1 && !m->reference_count && m->status != CV_PARENT_CYCLE &&
	       (m->mark == CV_MARK_HIDDEN || (m->mark == CV_MARK_NONE && refs && refs->complete && !refs->none));
}

/* The image takes up what it reads from below; then what stood there for it alone can go. */
static struct cv_space_merge flattened(const struct cv_space *s, uint32_t i)
{
	struct cv_space_merge m = s->images[i].flatten;
	uint32_t below = image_of(s, i)->parent;

	while (m.known && below != CV_NO_IMAGE && is_only_for_child(s, image_of(s, below))) {
		m.net_bytes += (int64_t)image_of(s, below)->file->allocated;
		below = image_of(s, below)->status == CV_PARENT_FOUND ? image_of(s, below)->parent : CV_NO_IMAGE;
	}
	return m;
}

/* All children but one take up what they read, the last one is merged: the one that would take up most. */
static struct cv_space_merge flattened_others(const struct cv_space *s, const struct cv_image *m, uint32_t *kept)
{
	struct cv_space_merge sum = { .known = true };
	uint64_t most = 0;

	*kept = cv_graph_child(s->graph, m, 0);
	for (uint32_t k = 0; k < m->child_count; k++) {
		uint32_t child = cv_graph_child(s->graph, m, k);
		const struct cv_space_merge *f = &s->images[child].flatten;

		sum.known &= f->known;
		sum.peak_bytes += f->peak_bytes;
		sum.net_bytes += f->net_bytes;
		if (f->peak_bytes > most) {
			most = f->peak_bytes;
			*kept = child;
		}
	}
	sum.known &= s->images[*kept].merge.known;
	sum.net_bytes += s->images[*kept].merge.net_bytes - s->images[*kept].flatten.net_bytes;
	sum.peak_bytes += s->images[*kept].merge.peak_bytes - s->images[*kept].flatten.peak_bytes;
	return sum;
}

static bool shadowed(struct rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	struct cv_space_row row = { .bytes = s->images[i].bytes[CV_SPACE_SHADOWED], .image = i, .target = CV_NO_IMAGE,
				    .kind = CV_SPACE_ROW_SHADOWED };
	struct cv_space_merge merge;

	if (!row.bytes)
		return true;
	if (m->child_count > 1) {
		merge = flattened_others(s, m, &row.target);
		take(&row, CV_REMEDY_FLATTEN_OTHERS, &merge, false);
		row.remedy = row.remedy == CV_REMEDY_NONE ? CV_REMEDY_CHOOSE : row.remedy;
	} else if (m->child_count) {
		row.target = cv_graph_child(s->graph, m, 0);
		take(&row, CV_REMEDY_MERGE, &s->images[row.target].merge, image_of(s, row.target)->coalesce.possible);
		/* takes much more for a while than a merge: only where that frees nothing */
		merge = flattened(s, row.target);
		if (row.remedy == CV_REMEDY_NONE && merge.net_bytes > 0)
			take(&row, CV_REMEDY_FLATTEN, &merge, false);
	}
	return push(rows, row);
}

/* Merges that free something, unless a row of the parent says so. */
static bool mergeable(struct rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_image *m = image_of(s, i);
	const struct cv_space_merge *merge = &s->images[i].merge;
	bool said = m->parent != CV_NO_IMAGE && s->images[m->parent].known &&
		    s->images[m->parent].bytes[CV_SPACE_SHADOWED] &&
		    image_of(s, m->parent)->repository == m->repository;

	if (!m->coalesce.possible || !merge->known || merge->net_bytes <= 0 || said)
		return true;
	return push(rows, (struct cv_space_row){
		.bytes = (uint64_t)merge->net_bytes, .image = i, .target = i, .kind = CV_SPACE_ROW_MERGE,
		.remedy = CV_REMEDY_MERGE, .known = true, .peak_bytes = merge->peak_bytes,
		.net_bytes = merge->net_bytes, .now = true });
}

static bool others(struct rows *rows, const struct cv_space *s, uint32_t i)
{
	const struct cv_space_image *m = &s->images[i];
	const struct { uint64_t bytes; enum cv_space_kind kind; enum cv_space_remedy remedy; bool known;
	} table[] = {
		{ m->bytes[CV_SPACE_LEAKED], CV_SPACE_ROW_LEAKED, CV_REMEDY_REPAIR, false },
		{ m->bytes[CV_SPACE_SNAPSHOT], CV_SPACE_ROW_SNAPSHOT, CV_REMEDY_DELETE_SNAPSHOTS, false },
		{ m->zero_known ? m->zero_bytes : 0, CV_SPACE_ROW_ZEROS, CV_REMEDY_SPARSIFY, true },
	};

	for (size_t k = 0; k < CV_COUNT(table); k++)
		if (table[k].bytes &&
		    !push(rows, (struct cv_space_row){ .bytes = table[k].bytes, .image = i, .target = i,
						       .kind = table[k].kind, .remedy = table[k].remedy,
						       .known = table[k].known, .net_bytes = (int64_t)table[k].bytes,
						       .now = table[k].known && !image_of(s, i)->child_count }))
			return false;
	return true;
}

static int by_size(const void *a, const void *b)
{
	const struct cv_space_row *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->image != y->image)
		return x->image < y->image ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

bool cv_space_rows(const struct cv_space *s, uint32_t repository, struct cv_space_row **list, size_t *count)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);
	struct rows rows = { 0 };
	bool ok = true;

	for (uint32_t i = (uint32_t)first; ok && i < end; i++)
		ok = !s->images[i].known || (orphaned(&rows, s, i) && shadowed(&rows, s, i) &&
					     mergeable(&rows, s, i) && others(&rows, s, i));
	if (rows.len)
		qsort(rows.at, rows.len, sizeof *rows.at, by_size);
	*list = rows.at;
	*count = rows.len;
	return ok;
}

struct cv_space_totals cv_space_totals_of(const struct cv_space *s, uint32_t repository)
{
	size_t first, end = cv_words_images_of(s->graph, repository, &first);
	struct cv_space_totals t = { 0 };

	for (size_t i = first; i < end; i++) {
		t.allocated += s->graph->images[i].file ? s->graph->images[i].file->allocated : 0;
		t.unknown += !s->images[i].known;
		for (int c = 0; s->images[i].known && c < CV_SPACE_CLASS_COUNT; c++)
			t.bytes[c] += s->images[i].bytes[c];
	}
	return t;
}

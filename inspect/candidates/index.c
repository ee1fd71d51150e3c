/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The pool of all images that could be a parent, in several orders: sorted arrays, so that no choice of identities or names
 * can make a search slow. Paths are sorted from their ends: what a moved repository keeps of them stands side by side.
 */
#include "inspect/candidates/candidates.h"
#include <strings.h>

/* --- names ----------------------------------------------------------------------------------------------- */

/* The last component of the first *len bytes; *len is moved before it and its slashes. */
static struct cv_bytes last_component(struct cv_bytes path, size_t *len)
{
	size_t end = *len, start;

	while (end && path.at[end - 1] == '/')
		end--;
	for (start = end; start && path.at[start - 1] != '/';)
		start--;
	*len = start;
	return (struct cv_bytes){ path.at + start, end - start };
}

static int compare_bytes(struct cv_bytes a, struct cv_bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? memcmp(a.at, b.at, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

int cv_compare_tails(struct cv_bytes a, struct cv_bytes b, unsigned *common)
{
	size_t a_len = a.len, b_len = b.len;
	int order = 0;

	for (*common = 0; !order; ++*common) {
		struct cv_bytes x = last_component(a, &a_len), y = last_component(b, &b_len);

		if (!x.len && !y.len)
			return 0;
		order = compare_bytes(x, y);
	}
	--*common;
	return order;
}

static bool is_extension(struct cv_bytes name, size_t dot)
{
	return dot && name.len - dot <= 6 && name.len - dot > 1;
}

struct cv_bytes cv_name_stem(struct cv_bytes name)
{
	size_t dot = name.len;

	while (dot && name.at[dot - 1] != '.')
		dot--;
	if (dot && is_extension(name, dot - 1))
		name.len = dot - 1;
	while (name.len && strchr("0123456789-_. ()", name.at[name.len - 1]))
		name.len--;
	return name;
}

/* Without regard to case, as people number things by hand. */
static int compare_stems(struct cv_bytes a, struct cv_bytes b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common ? strncasecmp(a.at, b.at, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* --- orders ---------------------------------------------------------------------------------------------- */

typedef int order_fn(const struct cv_pooled *a, const struct cv_pooled *b);

static int by_identity(const struct cv_pooled *a, const struct cv_pooled *b)
{
	if (a->image->format != b->image->format)
		return a->image->format < b->image->format ? -1 : 1;
	return memcmp(a->image->facts->uuid, b->image->facts->uuid, 16);
}

static int by_stem(const struct cv_pooled *a, const struct cv_pooled *b)
{
	return compare_stems(a->stem, b->stem);
}

static int by_size(const struct cv_pooled *a, const struct cv_pooled *b)
{
	if (a->image->format != b->image->format)
		return a->image->format < b->image->format ? -1 : 1;
	return (a->image->virtual_size > b->image->virtual_size) - (a->image->virtual_size < b->image->virtual_size);
}

struct sorting {
	const struct cv_pool *pool;
	order_fn *order;
};

static int compare_entries(const void *a, const void *b, void *ctx)
{
	const struct sorting *s = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = s->order(&s->pool->images.at[x], &s->pool->images.at[y]);

	return order ? order : (x > y) - (x < y);
}

static bool has_identity(const struct cv_pooled *e)
{
	return cv_has(e->image->facts, CV_FACT_UUID);
}

static bool has_stem(const struct cv_pooled *e)
{
	return e->stem.len > 0;
}

static bool has_size(const struct cv_pooled *e)
{
	return e->image->size_known && e->image->format != CV_FORMAT_NONE;
}

static uint32_t *sorted(const struct cv_pool *p, bool (*wanted)(const struct cv_pooled *e), order_fn *order,
			size_t *count)
{
	uint32_t *list = calloc(p->images.len + 1, sizeof *list);

	*count = 0;
	for (uint32_t i = 0; list && i < p->images.len; i++)
		if (wanted(&p->images.at[i]))
			list[(*count)++] = i;
	if (list)
		qsort_r(list, *count, sizeof *list, compare_entries, &(struct sorting){ p, order });
	return list;
}

/* The first of a list that is not before the key, or (after) that is behind it. */
static size_t bound(const struct cv_pool *p, const uint32_t *list, size_t count, order_fn *order,
		    const struct cv_pooled *key, bool after)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int at = order(&p->images.at[list[middle]], key);

		if (at < 0 || (after && !at))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static size_t range(const struct cv_pool *p, const uint32_t *list, size_t count, order_fn *order,
		    const struct cv_pooled *key, size_t *first)
{
	*first = bound(p, list, count, order, key, false);
	return bound(p, list, count, order, key, true);
}

size_t cv_pool_identity(const struct cv_pool *p, enum cv_format_id format, const uint8_t uuid[16], size_t *first)
{
	struct cv_facts facts = { .format = format };
	struct cv_image image = { .format = format, .facts = &facts };

	memcpy(facts.uuid, uuid, 16);
	return range(p, p->by_identity, p->identity_count, by_identity, &(struct cv_pooled){ .image = &image }, first);
}

size_t cv_pool_stem(const struct cv_pool *p, struct cv_bytes stem, size_t *first)
{
	return range(p, p->by_stem, p->stem_count, by_stem, &(struct cv_pooled){ .stem = stem }, first);
}

size_t cv_pool_size(const struct cv_pool *p, enum cv_format_id format, uint64_t size, size_t *first)
{
	struct cv_image image = { .format = format, .virtual_size = size };

	return range(p, p->by_size, p->size_count, by_size, &(struct cv_pooled){ .image = &image }, first);
}

/* --- paths ----------------------------------------------------------------------------------------------- */

static int compare_paths(const void *a, const void *b)
{
	const struct cv_pool_path *x = a, *y = b;
	unsigned common;
	int order = cv_compare_tails(cv_bytes_of(x->path), cv_bytes_of(y->path), &common);

	return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

/* The first that is not before the path, which may be shorter; (after) the first whose last component is behind it. */
static size_t tail_bound(const struct cv_pool *p, struct cv_bytes path, bool after)
{
	size_t low = 0, high = p->by_tail.len;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		unsigned common;
		int order = cv_compare_tails(cv_bytes_of(p->by_tail.at[middle].path), path, &common);

		if (order < 0 || (after && common))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t cv_pool_tail(const struct cv_pool *p, struct cv_bytes path, size_t *first, size_t *near)
{
	size_t len = path.len;
	struct cv_bytes last = last_component(path, &len);

	*first = tail_bound(p, last, false);
	*near = tail_bound(p, path, false);
	return tail_bound(p, last, true);
}

/* --- the pool -------------------------------------------------------------------------------------------- */

/* Names in the trash begin with the number of the image in its operation. */
static const char *name_of(const char *path, bool trash)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *at = name;

	while (trash && *at >= '0' && *at <= '9')
		at++;
	return trash && at > name && *at == '-' && at[1] ? at + 1 : name;
}

static bool add_image(struct cv_pool *p, const struct cv_graph *g, uint32_t index, bool trash)
{
	const struct cv_image *m = &g->images[index];
	struct cv_pooled e = { .graph = g, .image = m, .index = index, .trash = trash };
	uint32_t entry = (uint32_t)p->images.len;
	bool ok;

	e.name = name_of(m->file->path, trash);
	e.stem = cv_name_stem(cv_bytes_of(e.name));
	ok = cv_pooled_vec_push(&p->images, e) &&
	     cv_pool_path_vec_push(&p->by_tail, (struct cv_pool_path){ trash ? e.name : m->file->path, entry });
	for (uint32_t i = 0; ok && !trash && i < m->file->alias_count; i++)
		ok = cv_pool_path_vec_push(&p->by_tail, (struct cv_pool_path){ m->file->aliases[i], entry });
	return ok;
}

static bool is_in_trash(const struct cv_graph *g, const struct cv_image *m)
{
	return strstr(cv_scan_repository(g->scan, m->repository)->path, "/.chainview/trash") != NULL;
}

/* What both graphs have is one image. */
static bool add_spare(struct cv_pool *p, const struct cv_graph *g, const struct cv_graph *spare)
{
	bool ok = true;

	for (uint32_t i = 0; ok && spare && i < spare->image_count; i++) {
		const struct cv_file *f = spare->images[i].file;

		if (cv_scan_by_inode(g->scan, f->device, f->inode) == SIZE_MAX)
			ok = add_image(p, spare, i, is_in_trash(spare, &spare->images[i]));
	}
	return ok;
}

bool cv_pool_make(struct cv_pool *p, const struct cv_graph *g, const struct cv_graph *spare)
{
	bool ok = true;

	*p = (struct cv_pool){ 0 };
	for (uint32_t i = 0; ok && i < g->image_count; i++)
		ok = add_image(p, g, i, false);
	if (!ok || !add_spare(p, g, spare))
		return false;
	p->by_identity = sorted(p, has_identity, by_identity, &p->identity_count);
	p->by_stem = sorted(p, has_stem, by_stem, &p->stem_count);
	p->by_size = sorted(p, has_size, by_size, &p->size_count);
	if (p->by_tail.len)
		qsort(p->by_tail.at, p->by_tail.len, sizeof *p->by_tail.at, compare_paths);
	return p->by_identity && p->by_stem && p->by_size;
}

void cv_pool_fini(struct cv_pool *p)
{
	free(p->images.at);
	free(p->by_identity);
	free(p->by_stem);
	free(p->by_size);
	free(p->by_tail.at);
}

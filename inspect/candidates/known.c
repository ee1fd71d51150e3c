/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fingerprints are kept by the path of the child. Where a repository was moved, the child is found by its identity, or, where
 * it has none, by the end of its path.
 */
#include "inspect/candidates/candidates.h"

typedef int order_fn(const struct cv_fingerprint *a, const struct cv_fingerprint *b);

static int by_child(const struct cv_fingerprint *a, const struct cv_fingerprint *b)
{
	return memcmp(a->child_uuid, b->child_uuid, 16);
}

static int by_tail(const struct cv_fingerprint *a, const struct cv_fingerprint *b)
{
	unsigned common;

	return cv_compare_tails(cv_bytes_of(a->child), cv_bytes_of(b->child), &common);
}

struct sorting {
	const struct cv_fingerprints *set;
	order_fn *order;
};

static int compare_entries(const void *a, const void *b, void *ctx)
{
	const struct sorting *s = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = s->order(&s->set->at[x], &s->set->at[y]);

	return order ? order : (x > y) - (x < y);
}

/* Those whose child has an identity, or those whose child has none. */
static uint32_t *sorted(const struct cv_fingerprints *set, bool identified, order_fn *order, size_t *count)
{
	uint32_t *list = calloc(set->count + 1, sizeof *list);

	*count = 0;
	for (uint32_t i = 0; list && i < set->count; i++)
		if (set->at[i].child_known == identified)
			list[(*count)++] = i;
	if (list)
		qsort_r(list, *count, sizeof *list, compare_entries, &(struct sorting){ set, order });
	return list;
}

bool cv_known_make(struct cv_known_index *k, const struct cv_fingerprints *set)
{
	*k = (struct cv_known_index){ .set = set };
	if (!set)
		return true;
	k->by_child = sorted(set, true, by_child, &k->by_child_count);
	k->by_tail = sorted(set, false, by_tail, &k->by_tail_count);
	return k->by_child && k->by_tail;
}

void cv_known_fini(struct cv_known_index *k)
{
	free(k->by_child);
	free(k->by_tail);
}

static size_t bound(const struct cv_known_index *k, const uint32_t *list, size_t count, order_fn *order,
		    const struct cv_fingerprint *key)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (order(&k->set->at[list[middle]], key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct cv_fingerprint *of_identity(const struct cv_known_index *k, const uint8_t uuid[16])
{
	struct cv_fingerprint key = { .child_known = true };
	size_t at;

	memcpy(key.child_uuid, uuid, 16);
	at = bound(k, k->by_child, k->by_child_count, by_child, &key);
	if (at == k->by_child_count || by_child(&k->set->at[k->by_child[at]], &key) ||
	    (at + 1 < k->by_child_count && !by_child(&k->set->at[k->by_child[at + 1]], &key)))
		return NULL;
	return &k->set->at[k->by_child[at]];
}

static unsigned common_at(const struct cv_known_index *k, size_t at, const char *path)
{
	unsigned common = 0;

	if (at < k->by_tail_count)
		cv_compare_tails(cv_bytes_of(k->set->at[k->by_tail[at]].child), cv_bytes_of(path), &common);
	return common;
}

/* The one with the longest common end; those that share as much stand side by side, and then none is meant. */
static const struct cv_fingerprint *of_tail(const struct cv_known_index *k, const char *path)
{
	size_t at = bound(k, k->by_tail, k->by_tail_count, by_tail, &(struct cv_fingerprint){ .child = path });
	unsigned after = common_at(k, at, path), before = at ? common_at(k, at - 1, path) : 0;

	if (before == after)
		return NULL;
	if (before > after)
		at--;
	if (common_at(k, at + 1, path) == common_at(k, at, path) ||
	    (at && common_at(k, at - 1, path) == common_at(k, at, path)))
		return NULL;
	return &k->set->at[k->by_tail[at]];
}

static const struct cv_fingerprint *of_path(const struct cv_known_index *k, const struct cv_image *child)
{
	const struct cv_fingerprint *f = cv_fingerprints_of(k->set, child->file->path);

	for (uint32_t i = 0; !f && i < child->file->alias_count; i++)
		f = cv_fingerprints_of(k->set, child->file->aliases[i]);
	return f;
}

const struct cv_fingerprint *cv_known_find(const struct cv_known_index *k, const struct cv_image *child, bool *moved)
{
	bool identified = cv_has(child->facts, CV_FACT_UUID);
	const struct cv_fingerprint *f = k->set ? of_path(k, child) : NULL;

	*moved = false;
	if (f && f->child_known == identified && (!identified || !memcmp(f->child_uuid, child->facts->uuid, 16)))
		return f;
	if (!k->set)
		return NULL;
	f = identified ? of_identity(k, child->facts->uuid) : of_tail(k, child->file->path);
	*moved = f != NULL;
	return f;
}

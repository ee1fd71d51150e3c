/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who could be the parent: those of the recorded identity, those that a recorded name may mean, those that are numbered like
 * it, and those of the right size. A few of each, the nearest; what is left out is counted where it could matter.
 */
#include "inspect/candidates/candidates.h"

static void add(struct cv_search *s, uint32_t entry)
{
	struct cv_suspect x = { .entry = entry };
	const struct cv_pooled *e = &s->pool->images.at[entry];

	if (e->image == s->child)
		return;
	for (size_t i = 0; i < s->suspects.len; i++)
		if (s->suspects.at[i].entry == entry)
			return;
	x.pub = (struct cv_candidate){ .graph = e->graph, .image = e->index };
	s->failed |= !cv_suspect_vec_push(&s->suspects, x);
}

/* Of a list that is sorted by entry: those nearest to the child, which lie where it lies. Returns how many it leaves. */
static size_t add_nearest(struct cv_search *s, const uint32_t *list, size_t first, size_t end, size_t most)
{
	size_t low = first, high = end, after;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list[middle] < s->index)
			low = middle + 1;
		else
			high = middle;
	}
	for (after = low; most && (low > first || after < end); most--)
		if (low > first && (after == end || s->index - list[low - 1] <= list[after] - s->index))
			add(s, list[--low]);
		else
			add(s, list[after++]);
	return (low - first) + (end - after);
}

static void add_identity(struct cv_search *s, const uint8_t uuid[16])
{
	size_t first, end = cv_pool_identity(s->pool, s->child->format, uuid, &first);

	s->twins_left += add_nearest(s, s->pool->by_identity, first, end, CV_MOST_TWINS);
}

bool cv_search_name(const struct cv_name *name, struct cv_text *out)
{
	struct cv_bytes from = name->path.len ? name->path : name->text;

	cv_text_clear(out);
	if (name->source == CV_NAME_DATA_FILE || name->kind == CV_NAME_EXTERNAL || !cv_name_last(name).len)
		return false;
	cv_text_add_bytes(out, from.at, from.len);
	for (size_t i = 0; !out->failed && i < out->len; i++)
		if (out->at[i] == '\\' && name->kind != CV_NAME_RELATIVE && name->kind != CV_NAME_ABSOLUTE)
			out->at[i] = '/';
	return !out->failed;
}

static unsigned common_at(const struct cv_search *s, size_t at, struct cv_bytes path)
{
	unsigned common;

	cv_compare_tails(cv_bytes_of(s->pool->by_tail.at[at].path), path, &common);
	return common;
}

/* The images whose paths have most of their end in common with this one: the nearest of those that are sorted so. */
static void add_tail(struct cv_search *s, struct cv_bytes path)
{
	size_t first, near, end = cv_pool_tail(s->pool, path, &first, &near), low = near, after = near;
	unsigned below = 0, above = 0;

	for (unsigned most = CV_MOST_NAMED;; most--) {
		below = low > first ? common_at(s, low - 1, path) : 0;
		above = after < end ? common_at(s, after, path) : 0;
		if (!most || !(below || above))
			break;
		add(s, s->pool->by_tail.at[below > above ? --low : after++].entry);
	}
	/* Several names usually mean the same images. */
	if ((low - first) + (end - after) > s->names_left)
		s->names_left = (low - first) + (end - after);
	s->left_common = below > s->left_common ? below : above > s->left_common ? above : s->left_common;
}

static void add_stem(struct cv_search *s, struct cv_bytes name)
{
	struct cv_bytes stem = cv_name_stem(name);
	size_t first, end;

	if (!stem.len)
		return;
	end = cv_pool_stem(s->pool, stem, &first);
	add_nearest(s, s->pool->by_stem, first, end, CV_MOST_STEMS);
}

static void add_names(struct cv_search *s)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const struct cv_facts *f = s->child->facts;

	for (uint32_t i = 0; i < f->name_count; i++) {
		if (!cv_search_name(&f->names[i], &path))
			continue;
		add_tail(s, (struct cv_bytes){ path.at, path.len });
		add_stem(s, cv_name_last(&f->names[i]));
	}
	if (s->known)
		add_tail(s, cv_bytes_of(s->known->parent));
	add_stem(s, cv_bytes_of(s->pool->images.at[s->index].name));
	s->failed |= path.failed;
}

/* Where an identity is recorded, nobody is the parent for its size alone. */
static void add_sizes(struct cv_search *s)
{
	enum cv_format_id wanted = s->child->facts->parent_format;
	uint64_t size = s->known ? s->known->size : s->child->virtual_size;

	if (s->identified || (!s->known && (s->suspects.len || !s->child->size_known)))
		return;
	for (enum cv_format_id k = CV_FORMAT_RAW; k < CV_FORMAT_COUNT; k++) {
		size_t first, end = cv_pool_size(s->pool, k, size, &first);

		if (wanted == CV_FORMAT_NONE || wanted == k)
			add_nearest(s, s->pool->by_size, first, end, s->known ? CV_MOST_SIZES_KNOWN : CV_MOST_SIZES);
	}
}

bool cv_search_stands_on_child(const struct cv_search *s, const struct cv_suspect *x)
{
	const struct cv_pooled *e = cv_suspect_of(s, x);
	const struct cv_image *at = e->image;

	if (e->graph != s->g)
		return false;
	for (uint32_t steps = at->depth; steps && at != s->child && at->parent != CV_NO_IMAGE; steps--) {
		if (at->status != CV_PARENT_FOUND && at->status != CV_PARENT_CYCLE)
			break;
		at = &s->g->images[at->parent];
	}
	return at == s->child;
}

/* An identity that only leads back to the image itself was not the parent's. */
static bool is_identified(const struct cv_search *s)
{
	if (!cv_has(s->child->facts, CV_FACT_PARENT_UUID))
		return false;
	if (cv_has(s->child->facts, CV_FACT_UUID) && !memcmp(s->child->facts->uuid, s->child->facts->parent_uuid, 16))
		return false;
	if (s->child->status != CV_PARENT_CYCLE)
		return true;
	for (size_t i = 0; i < s->suspects.len; i++)
		if (!cv_search_stands_on_child(s, &s->suspects.at[i]))
			return true;
	return false;
}

void cv_search_gather(struct cv_search *s)
{
	const struct cv_facts *f = s->child->facts;

	s->second_known = s->child->format == CV_FORMAT_VHDX && cv_second_identity(f, s->second);
	if (cv_has(f, CV_FACT_PARENT_UUID))
		add_identity(s, f->parent_uuid);
	if (s->second_known)
		add_identity(s, s->second);
	s->identified = is_identified(s);
	if (s->child->parent != CV_NO_IMAGE)
		add(s, s->child->parent);
	add_names(s);
	add_sizes(s);
}

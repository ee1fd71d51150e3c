/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who is whose parent. Identity decides where a format has one; recorded names decide where it has none, and
 * choose between images of the same identity. A name never outweighs an identity: an image of another
 * identity under the right name is a mismatch, not a parent.
 */
#include "inspect/chain/build.h"

/* Names that are paths count; names that are only hints count where an image has no others. */
static bool counts(const struct cv_node *n, const struct cv_target *t)
{
	return !t->data && (!t->hint || !n->has_paths);
}

static void settle(struct cv_node *n, enum cv_parent_status status, enum cv_parent_basis basis, uint32_t parent,
		   uint32_t name)
{
	n->status = status;
	n->basis = basis;
	n->parent = parent;
	n->name = name;
}

/* The name to show when none led anywhere: a path, else a hint, else anything. */
static uint32_t name_to_show(const struct cv_node *n)
{
	uint32_t best = CV_NO_NAME;
	int best_rank = -1;

	for (uint32_t i = 0; i < n->facts->name_count; i++) {
		const struct cv_name *name = &n->facts->names[i];
		int rank = cv_name_is_path(name) ? 3 : cv_name_is_hint(name) ? 2 : name->kind == CV_NAME_EXTERNAL;

		if (name->source != CV_NAME_DATA_FILE && name->text.len && rank > best_rank) {
			best = i;
			best_rank = rank;
		}
	}
	return best;
}

/* No name leads to a file: what the best of them met says why. */
static void settle_nowhere(const struct cv_build *b, struct cv_node *n)
{
	static const struct { enum cv_found found; enum cv_parent_status status; } order[] = {
		{ CV_FOUND_UNREADABLE, CV_PARENT_UNREADABLE },
		{ CV_FOUND_OUTSIDE, CV_PARENT_OUTSIDE },
		{ CV_FOUND_NOT_REGULAR, CV_PARENT_MISSING },
	};
	const struct cv_target *t = cv_targets_of(b, n);
	uint32_t show = name_to_show(n);
	bool external = show != CV_NO_NAME && n->facts->names[show].kind == CV_NAME_EXTERNAL;

	for (size_t k = 0; k < CV_COUNT(order); k++)
		for (uint32_t i = 0; i < n->target_count; i++)
			if (counts(n, &t[i]) && t[i].found == order[k].found) {
				settle(n, order[k].status, CV_BASIS_NONE, CV_NO_FILE, t[i].name);
				return;
			}
	settle(n, external ? CV_PARENT_EXTERNAL : CV_PARENT_MISSING, CV_BASIS_NONE, CV_NO_FILE, show);
	if (cv_has(n->facts, CV_FACT_PARENT_UNREADABLE))
		n->status = CV_PARENT_UNREADABLE;
}

/* The first file that a name of the node leads to from one of its paths, or NULL. */
static const struct cv_target *first_file(const struct cv_build *b, const struct cv_node *n, uint32_t path)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t i = 0; i < n->target_count; i++)
		if ((path == UINT32_MAX || t[i].path == path) && t[i].file != CV_NO_FILE && counts(n, &t[i]))
			return &t[i];
	return NULL;
}

/* True if another path of the node leads to another file than this target. */
static bool paths_differ(const struct cv_build *b, const struct cv_node *n, const struct cv_target *first)
{
	const struct cv_target *t = cv_targets_of(b, n);
	uint32_t seen = first->path;

	for (uint32_t i = 0; i < n->target_count; i++) {
		if (t[i].path == seen || t[i].file == CV_NO_FILE || !counts(n, &t[i]))
			continue;
		if (t[i].file != first->file)
			return true;
		seen = t[i].path;
	}
	return false;
}

static bool is_unread(const struct cv_node *n)
{
	return n->file->state == CV_FILE_FAILED && (!n->facts || n->facts->format == CV_FORMAT_NONE);
}

static bool is_unknown(const struct cv_node *n)
{
	return n->file->state != CV_FILE_WAITING && (!n->facts || n->facts->format == CV_FORMAT_NONE);
}

/* Nothing was read that would say whether it has a parent. An empty file says that it has none. */
static bool says_nothing(const struct cv_node *n)
{
	if (cv_has(n->facts, CV_FACT_PARENT_UNREADABLE))
		return true;
	if (n->facts && n->facts->format == CV_FORMAT_RAW)
		return false;
	return n->file->state == CV_FILE_FAILED || (is_unknown(n) && n->file->size);
}

/* A VHD with an all-zero identity looks to its children like a raw parent. */
static bool is_nameless_vhd(const struct cv_node *child, const struct cv_node *parent)
{
	return child->facts->format == CV_FORMAT_VHD && parent->facts && parent->facts->format == CV_FORMAT_VHD &&
	       !cv_has(parent->facts, CV_FACT_UUID);
}

/* A name alone led from n to a file that must be taken for what it is. */
static void settle_named(struct cv_build *b, struct cv_node *n, const struct cv_target *t)
{
	struct cv_node *parent = &b->nodes[t->file];
	bool declared = cv_has(n->facts, CV_FACT_PARENT_RAW) && !is_nameless_vhd(n, parent);
	bool guessed = cv_has(n->facts, CV_FACT_NEEDS_PROBE) && !cv_image_extension(parent->file->path);

	parent->chosen = true;
	if (is_unread(parent) || (is_unknown(parent) && !declared && !guessed)) {
		settle(n, CV_PARENT_UNREADABLE, CV_BASIS_NONE, t->file, t->name);
		return;
	}
	settle(n, CV_PARENT_FOUND, CV_BASIS_NAME, t->file, t->name);
	n->declares_raw = declared || (guessed && is_unknown(parent));
}

static void by_name(struct cv_build *b, struct cv_node *n)
{
	const struct cv_target *t = first_file(b, n, UINT32_MAX);

	if (!t)
		settle_nowhere(b, n);
	else if (paths_differ(b, n, t))
		settle(n, CV_PARENT_AMBIGUOUS, CV_BASIS_NONE, CV_NO_FILE, t->name);
	else
		settle_named(b, n, t);
}

static void find_data_file(struct cv_build *b, struct cv_node *n)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t i = 0; i < n->target_count && n->data == CV_NO_FILE; i++)
		if (t[i].data && t[i].file != CV_NO_FILE && &b->nodes[t[i].file] != n) {
			n->data = t[i].file;
			b->nodes[n->data].chosen = true;
		}
}

void cv_resolve_by_name(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->node_count; i++) {
		struct cv_node *n = &b->nodes[i];

		if (cv_has(n->facts, CV_FACT_DATA_FILE))
			find_data_file(b, n);
		if (cv_has(n->facts, CV_FACT_PARENT)) {
			if (!cv_has(n->facts, CV_FACT_PARENT_UUID))
				by_name(b, n);
		} else if (says_nothing(n)) {
			n->status = CV_PARENT_UNREADABLE;
		}
	}
}

static bool leads_to_identity(const struct cv_build *b, const struct cv_node *n, const struct cv_target *t)
{
	const struct cv_facts *f = t->file != CV_NO_FILE ? b->nodes[t->file].facts : NULL;

	return !t->data && cv_has(f, CV_FACT_UUID) && f->format == n->facts->format &&
	       !memcmp(f->uuid, n->facts->parent_uuid, 16);
}

/*
 * The first target that leads to an image of the identity that the node looks for, or NULL. Paths come
 * first; where the identity is right a hint is evidence enough, whatever the paths say.
 */
static const struct cv_target *leading(const struct cv_build *b, const struct cv_node *n)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (int hints = 0; hints < 2; hints++)
		for (uint32_t i = 0; i < n->target_count; i++)
			if (t[i].hint == hints && leads_to_identity(b, n, &t[i]))
				return &t[i];
	return NULL;
}

/* Nobody has the identity. What lies under the recorded name is somebody else, or nobody knows. */
static void settle_without_identity(struct cv_build *b, struct cv_node *n)
{
	const struct cv_target *t = first_file(b, n, UINT32_MAX);
	struct cv_node *parent = t ? &b->nodes[t->file] : NULL;

	if (!t) {
		settle_nowhere(b, n);
		return;
	}
	parent->chosen = true;
	if (parent->file->state == CV_FILE_WAITING)
		settle(n, CV_PARENT_FOUND, CV_BASIS_NAME, t->file, t->name);
	else if (is_unknown(parent) || cv_has(n->facts, CV_FACT_PARENT_UNREADABLE) ||
		 (parent->file->state == CV_FILE_FAILED && !cv_has(parent->facts, CV_FACT_UUID)))
		settle(n, CV_PARENT_UNREADABLE, CV_BASIS_NONE, t->file, t->name);
	else
		settle(n, CV_PARENT_MISMATCH, CV_BASIS_NONE, t->file, t->name);
}

bool cv_second_identity(const struct cv_facts *f, uint8_t uuid[16])
{
	const struct cv_attr *a = f ? cv_facts_attr(f, CV_ATTR_VHDX_PARENT_LINKAGE2, 0) : NULL;
	struct cv_bytes text = a ? a->text : (struct cv_bytes){ NULL, 0 };

	if (text.len > 2 && text.at[0] == '{' && text.at[text.len - 1] == '}')
		text = (struct cv_bytes){ text.at + 1, text.len - 2 };
	return text.len && cv_uuid_read(text.at, text.len, uuid) && !cv_uuid_is_null(uuid);
}

static bool anybody_is(const struct cv_build *b, const struct cv_node *n, const uint8_t uuid[16])
{
	size_t count;

	cv_identity_find(b, n->facts->format, uuid, &count);
	return count != 0;
}

/* The second counts where a recorded path leads to who has it, and where nobody has the first. From here on it is the
 * identity of the parent. */
static void choose_identity(struct cv_build *b, struct cv_node *n)
{
	const struct cv_facts *before = n->facts;
	struct cv_facts *f;
	uint8_t uuid[16];

	if (!cv_has(before, CV_FACT_PARENT_UUID) || !cv_second_identity(before, uuid) || leading(b, n) || !anybody_is(b, n, uuid))
		return;
	f = cv_arena_alloc(b->g->arena, sizeof *f);
	if (!f) {
		b->failed = true;
		return;
	}
	*f = *before;
	memcpy(f->parent_uuid, uuid, sizeof uuid);
	n->facts = f;
	if (!leading(b, n) && anybody_is(b, n, before->parent_uuid))
		n->facts = before;
}

void cv_resolve_identities(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->node_count; i++)
		choose_identity(b, &b->nodes[i]);
}

static void by_identity(struct cv_build *b, struct cv_node *n)
{
	size_t count;
	const struct cv_identity *ids = cv_identity_find(b, n->facts->format, n->facts->parent_uuid, &count);
	const struct cv_target *t = count ? leading(b, n) : NULL;

	if (!count)
		settle_without_identity(b, n);
	else if (t)
		settle(n, CV_PARENT_FOUND, CV_BASIS_BOTH, t->file, t->name);
	else if (count == 1)
		settle(n, CV_PARENT_FOUND, CV_BASIS_IDENTITY, ids[0].node, name_to_show(n));
	else
		settle(n, CV_PARENT_AMBIGUOUS, CV_BASIS_NONE, CV_NO_FILE, name_to_show(n));
}

void cv_resolve_by_identity(struct cv_build *b)
{
	for (uint32_t i = 0; i < b->node_count; i++) {
		struct cv_node *n = &b->nodes[i];

		if (cv_has(n->facts, CV_FACT_PARENT) && cv_has(n->facts, CV_FACT_PARENT_UUID))
			by_identity(b, n);
	}
}

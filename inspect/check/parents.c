/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What is wrong between an image and its parent. One function for each thing; the table at the end says
 * which of them need the whole repository and stay silent while a scan still runs.
 */
#include "inspect/check/check.h"

static const char *parent_label(const struct cv_build *b, uint32_t i)
{
	return cv_image_label(b->g, b->g->images[i].repository, b->g->images[i].parent);
}

static struct cv_finding at_name(enum cv_problem_id id, const struct cv_name *name)
{
	struct cv_finding f = cv_finding_of(id);

	if (name && name->where.len) {
		f.has_where = true;
		f.where = name->where;
	}
	return f;
}

/* The recorded name, or the recorded identity where there is no name. */
static void add_recorded(struct cv_text *t, const struct cv_image *image)
{
	if (image->parent_name)
		cv_text_add_bytes(t, image->parent_name->text.at, image->parent_name->text.len);
	else if (cv_has(image->facts, CV_FACT_PARENT_UUID))
		cv_text_add(t, cv_uuid_str(image->facts->parent_uuid).s);
	else
		cv_text_add(t, "(no name recorded)");
}

/* What a recorded name led to when it is no regular file: "a FIFO"; NULL otherwise. */
static const char *odd_target(const struct cv_build *b, uint32_t i)
{
	const struct cv_node *n = cv_node_of(b, i);
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t k = 0; k < n->target_count; k++)
		if (t[k].name == n->name && t[k].found == CV_FOUND_NOT_REGULAR)
			return t[k].what ? t[k].what : "something that is no regular file";
	return NULL;
}

static void parent_missing(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = at_name(CV_CHN_PARENT_MISSING, image->parent_name);
	const char *odd = odd_target(b, i);
	struct cv_text text = { 0 };

	if (image->status != CV_PARENT_MISSING)
		return;
	add_recorded(&text, image);
	if (odd)
		cv_text_addf(&text, " (the name leads to %s)", odd);
	else if (image->parent_name && cv_has(image->facts, CV_FACT_PARENT_UUID))
		cv_text_addf(&text, " (%s)", cv_uuid_str(image->facts->parent_uuid).s);
	f.arg[0] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

static void parent_not_followed(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	bool outside = image->status == CV_PARENT_OUTSIDE;
	struct cv_finding f =
		at_name(outside ? CV_CHN_PARENT_OUTSIDE_REPOSITORY : CV_CHN_PARENT_EXTERNAL, image->parent_name);
	struct cv_text text = { 0 };

	if (!outside && image->status != CV_PARENT_EXTERNAL)
		return;
	add_recorded(&text, image);
	f.arg[0] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

static void parent_mismatch(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i], *parent;
	struct cv_finding f = at_name(CV_CHN_PARENT_IDENTITY_MISMATCH, image->parent_name);
	struct cv_text has = { 0 }, wanted = { 0 };

	if (image->status != CV_PARENT_MISMATCH)
		return;
	parent = &b->g->images[image->parent];
	if (cv_has(parent->facts, CV_FACT_UUID))
		cv_text_add(&has, cv_uuid_str(parent->facts->uuid).s);
	else
		cv_text_add(&has, "none");
	if (parent->format != image->format)
		cv_text_addf(&has, " (%s)", cv_format_name(parent->format));
	cv_text_add(&wanted, cv_uuid_str(image->facts->parent_uuid).s);
	f.arg[0] = cv_arg_text(parent_label(b, i));
	f.arg[1] = cv_arg_kept(b, &has);
	f.arg[2] = cv_arg_kept(b, &wanted);
	cv_found(b, i, f);
}

#define SHOWN_CANDIDATES 3

/* One more of the images that could be the parent; the first few are named. */
static void add_candidate(struct cv_build *b, struct cv_text *t, uint64_t number, const struct cv_image *child,
			  uint32_t node)
{
	uint32_t image = b->nodes[node].image;

	if (number < SHOWN_CANDIDATES)
		cv_text_addf(t, "%s%s", number ? ", " : "",
			     image != CV_NO_IMAGE ? cv_image_label(b->g, child->repository, image)
						  : b->nodes[node].file->path);
	else if (number == SHOWN_CANDIDATES)
		cv_text_add(t, ", ...");
}

/* By name: different paths of the image lead to different files. */
static uint64_t candidates_by_name(struct cv_build *b, uint32_t i, struct cv_text *t)
{
	const struct cv_node *n = cv_node_of(b, i);
	const struct cv_target *at = cv_targets_of(b, n);
	uint32_t previous = CV_NO_FILE;
	uint64_t count = 0;

	for (uint32_t k = 0; k < n->target_count; k++) {
		if (at[k].file == CV_NO_FILE || at[k].data || (at[k].hint && n->has_paths) || at[k].file == previous)
			continue;
		previous = at[k].file;
		add_candidate(b, t, count++, &b->g->images[i], at[k].file);
	}
	return count;
}

static void parent_ambiguous(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = at_name(CV_CHN_PARENT_AMBIGUOUS, image->parent_name);
	struct cv_text text = { 0 };
	size_t count;

	if (image->status != CV_PARENT_AMBIGUOUS)
		return;
	if (cv_has(image->facts, CV_FACT_PARENT_UUID)) {
		const struct cv_identity *ids = cv_identity_find(b, image->format, image->facts->parent_uuid, &count);

		for (size_t k = 0; k < count && k <= SHOWN_CANDIDATES; k++)
			add_candidate(b, &text, k, image, ids[k].node);
	} else {
		count = candidates_by_name(b, i, &text);
	}
	f.arg[0] = cv_arg_number(count);
	f.arg[1] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

/* The recorded name that should have led to the parent and did not; NULL if one did, or if none is recorded. */
static const struct cv_name *stale_name(const struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	const struct cv_node *n = cv_node_of(b, i);
	const struct cv_name *name = image->parent_name;

	if (image->parent == CV_NO_IMAGE || image->basis < CV_BASIS_IDENTITY || image->basis == CV_BASIS_NAME || !name)
		return NULL;
	if (image->basis == CV_BASIS_IDENTITY)
		return cv_name_is_path(name) || cv_name_is_hint(name) ? name : NULL;
	/* a hint led there, and no path did */
	for (uint32_t k = 0; cv_name_is_hint(name) && n->has_paths && k < n->facts->name_count; k++)
		if (cv_name_is_path(&n->facts->names[k]) && n->facts->names[k].source != CV_NAME_DATA_FILE)
			return &n->facts->names[k];
	return NULL;
}

static void path_stale(struct cv_build *b, uint32_t i)
{
	const struct cv_name *name = stale_name(b, i);
	struct cv_finding f = at_name(CV_CHN_PARENT_PATH_STALE, name);

	if (!name)
		return;
	f.arg[0] = cv_arg_text(parent_label(b, i));
	f.arg[1] = cv_arg_bytes(name->text);
	cv_found(b, i, f);
}

#define SHOWN_MEMBERS 4

/* Of the images in a ring, and of those that stand on one: neither can be read. */
static void cycle(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = at_name(CV_CHN_PARENT_CYCLE, image->parent_name);
	uint32_t first = image->status == CV_PARENT_CYCLE ? i : image->root, member = first, shown = 0;
	const struct cv_image *ring = &b->g->images[first];
	struct cv_text text = { 0 };

	if (ring->status != CV_PARENT_CYCLE)
		return;
	do {
		cv_text_addf(&text, "%s -> ", cv_image_label(b->g, image->repository, member));
		member = b->g->images[member].parent;
		shown++;
	} while (member != first && shown < SHOWN_MEMBERS);
	if (member != first && ring->depth + 1 > shown)
		cv_text_addf(&text, "%" PRIu32 " more -> ", ring->depth + 1 - shown);
	cv_text_add(&text, cv_image_label(b->g, image->repository, first));
	f.arg[0] = cv_arg_kept(b, &text);
	cv_found(b, i, f);
}

/* In whole sectors: a guest sees nothing smaller, and a raw file may end within one. */
static uint64_t sectors(const struct cv_image *image)
{
	return image->virtual_size / 512 + (image->virtual_size % 512 != 0);
}

/* As a size; to the byte where short forms would look the same. */
static struct cv_arg size_arg(struct cv_build *b, uint64_t size, uint64_t other)
{
	struct cv_text text = { 0 };

	if (strcmp(cv_size_short(size).s, cv_size_short(other).s) != 0)
		return cv_arg_number(size);
	cv_text_addf(&text, "%" PRIu64 " B", size);
	return cv_arg_kept(b, &text);
}

static void sizes(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i], *parent;
	struct cv_finding f;

	if (image->status != CV_PARENT_FOUND)
		return;
	parent = &b->g->images[image->parent];
	if (!image->size_known || !parent->size_known || sectors(image) == sectors(parent))
		return;
	f = cv_finding_of(parent->virtual_size < image->virtual_size ? CV_CHN_PARENT_SMALLER : CV_CHN_PARENT_LARGER);
	f.arg[0] = cv_arg_text(parent_label(b, i));
	f.arg[1] = size_arg(b, parent->virtual_size, image->virtual_size);
	f.arg[2] = size_arg(b, image->virtual_size, parent->virtual_size);
	cv_found(b, i, f);
}

/* VHD records when its parent was last modified; two seconds are what file systems and hosts differ by. */
static void parent_newer(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = cv_finding_of(CV_CHN_PARENT_NEWER_THAN_CHILD);
	int64_t modified;

	if (image->status != CV_PARENT_FOUND || image->format != CV_FORMAT_VHD ||
	    !cv_has(image->facts, CV_FACT_PARENT_TIME))
		return;
	modified = b->g->images[image->parent].file->mtime_ns / 1000000000;
	if (modified - 2 <= image->facts->parent_time)
		return;
	f.arg[0] = cv_arg_text(parent_label(b, i));
	f.arg[1] = cv_arg_number((uint64_t)modified);
	f.arg[2] = cv_arg_number((uint64_t)image->facts->parent_time);
	cv_found(b, i, f);
}

/* QCOW of version 1 has no place for the format of its parent. That matters only where what is guessed from can be
 * changed by a guest: in a raw parent. */
static bool guess_is_harmless(const struct cv_build *b, const struct cv_image *image)
{
	return image->format == CV_FORMAT_QCOW &&
	       (image->parent == CV_NO_IMAGE || b->g->images[image->parent].format != CV_FORMAT_RAW);
}

static void format_unrecorded(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = at_name(CV_CHN_PARENT_FORMAT_UNRECORDED, image->parent_name);
	struct cv_text text = { 0 };

	if (!cv_has(image->facts, CV_FACT_NEEDS_PROBE) || guess_is_harmless(b, image) ||
	    cv_facts_report(image->facts, CV_CHN_PARENT_FORMAT_UNRECORDED))
		return;
	add_recorded(&text, image);
	f.arg[0] = cv_arg_kept(b, &text);
	f.by_hand = image->format == CV_FORMAT_QCOW;
	if (f.by_hand)
		f.arg[1] = cv_arg_text("QCOW version 1 has no place for it: as QCOW2 the image could record it");
	cv_found(b, i, f);
}

/* The recorded format of the parent against what the parent is taken for. */
static void format_disagrees(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i], *parent;
	struct cv_finding f = cv_finding_of(CV_CHN_PARENT_LOCATORS_DISAGREE);
	struct cv_text text = { 0 };

	if (image->parent == CV_NO_IMAGE || image->status == CV_PARENT_MISMATCH || !image->facts->parent_format)
		return;
	parent = &b->g->images[image->parent];
	if (parent->format == image->facts->parent_format || parent->format == CV_FORMAT_NONE)
		return;
	if (cv_has(parent->facts, CV_FACT_RAW_LOOKALIKE))
		cv_text_addf(&text, "another image on %s", parent_label(b, i));
	else
		cv_text_addf(&text, "the content of %s", parent_label(b, i));
	f.arg[0] = cv_arg_text("the recorded format of the parent");
	f.arg[1] = cv_arg_text(cv_format_name(image->facts->parent_format));
	f.arg[2] = cv_arg_kept(b, &text);
	f.arg[3] = cv_arg_text(cv_format_name(parent->format));
	cv_found(b, i, f);
}

static void base_marks(struct cv_build *b, uint32_t i)
{
	const struct cv_image *image = &b->g->images[i];
	struct cv_finding f = cv_finding_of(CV_CHN_BASE_NOT_HIDDEN);

	if (image->mark != CV_MARK_VISIBLE || !image->child_count || image->status == CV_PARENT_CYCLE)
		return;
	f.arg[0] = cv_arg_number(image->child_count);
	cv_found(b, i, f);
}

void cv_check_parents(struct cv_build *b)
{
	static const struct {
		void (*rule)(struct cv_build *b, uint32_t image);
		bool needs_all;
	} rules[] = {
		{ parent_missing, true }, { parent_not_followed, true }, { parent_mismatch, true },
		{ parent_ambiguous, true }, { path_stale, false }, { cycle, false }, { sizes, false },
		{ parent_newer, false }, { format_unrecorded, false }, { format_disagrees, false },
		{ cv_check_names_agree, false }, { base_marks, true },
	};

	for (uint32_t i = 0; i < b->g->image_count; i++)
		for (size_t k = 0; k < CV_COUNT(rules); k++)
			if (!rules[k].needs_all || !b->g->partial)
				rules[k].rule(b, i);
}

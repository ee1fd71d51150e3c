/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names that lead to nothing or cannot be followed, and whom they may mean. A name that leads out of the repositories can come back
 * through a link or a mount under any name (a place given with --with settles it), a description like json: can
 * hold the path of an image: so each image that is called what such a name ends in, or has in it, or that has the
 * format expected there, is perhaps needed. Where a name does lead is found in inspect/chain.
 */
#include "inspect/check/check.h"
#include <ctype.h>

/* An image that has such a name, and the name. */
struct namer {
	uint32_t image;
	const struct cv_name *name;
};

/* Up to two of them: the second serves the image that is itself the first. */
struct namers {
	struct namer at[2];
	unsigned count;
};

/* The last component of one path of an image. */
struct called {
	const char *name;
	uint32_t image;
	struct namers namers;       /* of all images that are called so; kept at the first of them */
};
CV_VEC(called_vec, struct called);

struct search {
	struct cv_build *b;
	struct called_vec called;   /* sorted by name, without regard to case */
	struct namers escaped;      /* images with a description that has escapes in it and may stand for anything */
	struct namers outside[CV_FORMAT_COUNT]; /* images with a name that leads out of the repositories, by the format
						 * that they expect there; NONE: any. A link may lead back from there */
	struct namers renamed[CV_FORMAT_COUNT]; /* images whose parent is not there and has no identity, or is not what
						 * it was: the true one may lie here under another name, as an
						 * image that nobody claims */
	bool *claimed;              /* of each image: it is somebody's parent or data already */
};

static void add_namer(struct namers *to, struct namer n)
{
	if (!to->count || (to->count == 1 && to->at[0].image != n.image))
		to->at[to->count++] = n;
}

static int compare_fold(const char *name, struct cv_bytes word)
{
	for (size_t i = 0; i < word.len; i++) {
		int x = tolower((unsigned char)name[i]), y = tolower((unsigned char)word.at[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return name[word.len] != '\0';
}

static int compare_called(const void *a, const void *b)
{
	const struct called *x = a, *y = b;
	int order = compare_fold(x->name, cv_bytes_of(y->name));

	return order ? order : (x->image > y->image) - (x->image < y->image);
}

/* What descriptions are made of, and so ends a word in them. Bytes beyond ASCII are letters. */
static bool ends_word(char c)
{
	unsigned char byte = (unsigned char)c;

	return byte < 0x80 && !isalnum(byte) && !strchr("._-+~@", byte ? byte : ' ');
}

/* The longest word of a name of several words: a description that holds the name holds this word. NULL if the
 * name is one word itself, or has none. */
static const char *longest_word(struct cv_build *b, const char *name)
{
	struct cv_bytes longest = { name, 0 };
	size_t start = 0, len = strlen(name);

	for (size_t end = 0; end <= len; end++) {
		if (end < len && !ends_word(name[end]))
			continue;
		if (end - start > longest.len)
			longest = (struct cv_bytes){ name + start, end - start };
		start = end + 1;
	}
	return longest.len && longest.len < len ? cv_arena_dup(b->g->arena, longest.at, longest.len) : NULL;
}

static void add_called(struct search *s, const char *name, uint32_t image)
{
	if (name)
		s->b->failed |= !called_vec_push(&s->called, (struct called){ .name = name, .image = image });
}

static void index_names(struct search *s)
{
	for (uint32_t i = 0; i < s->b->g->image_count; i++) {
		const struct cv_file *f = s->b->g->images[i].file;

		for (uint32_t k = 0; k <= f->alias_count; k++) {
			const char *path = k ? f->aliases[k - 1] : f->path, *slash = strrchr(path, '/');

			path = slash ? slash + 1 : path;
			add_called(s, path, i);
			add_called(s, longest_word(s->b, path), i);
		}
	}
	if (s->called.len)
		qsort(s->called.at, s->called.len, sizeof *s->called.at, compare_called);
}

static void name_may_mean(struct search *s, struct cv_bytes word, struct namer n)
{
	size_t low = 0, high = s->called.len;

	if (!word.len || memchr(word.at, '\0', word.len))
		return;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_fold(s->called.at[middle].name, word) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < s->called.len && !compare_fold(s->called.at[low].name, word))
		add_namer(&s->called.at[low].namers, n);
}

/* A description: every word in it may be the name of an image. */
static void words_may_mean(struct search *s, struct namer n)
{
	struct cv_bytes text = n.name->text;
	size_t start = 0;

	if (memmem(text.at, text.len, "\\u", 2) || memchr(text.at, '%', text.len))
		add_namer(&s->escaped, n);
	for (size_t end = 0; end <= text.len; end++) {
		if (end < text.len && !ends_word(text.at[end]))
			continue;
		name_may_mean(s, (struct cv_bytes){ text.at + start, end - start }, n);
		start = end + 1;
	}
}

static bool leads_to_file(const struct cv_build *b, const struct cv_node *n, uint32_t name)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t i = 0; i < n->target_count; i++)
		if (t[i].name == name && t[i].file != CV_NO_FILE)
			return true;
	return false;
}

static bool leads_outside(const struct cv_build *b, const struct cv_node *n, uint32_t name)
{
	const struct cv_target *t = cv_targets_of(b, n);

	for (uint32_t i = 0; i < n->target_count; i++)
		if (t[i].name == name && t[i].found == CV_FOUND_OUTSIDE && !t[i].hint)
			return true;
	return false;
}

/* An identity says more than a name: an image that records its parent's needs none of those that have another. */
static void outside_may_mean(struct search *s, const struct cv_facts *own, struct namer n)
{
	bool data = n.name->source == CV_NAME_DATA_FILE;

	if (data || !cv_has(own, CV_FACT_PARENT_UUID))
		add_namer(&s->outside[data ? CV_FORMAT_RAW : own->parent_format], n);
}

/* No name of the parent led anywhere, and it has no identity by which it could be recognised. */
static bool may_be_renamed(const struct cv_image *image, const struct cv_facts *own, const struct cv_name *name)
{
	if (!cv_name_is_path(name) && !cv_name_is_hint(name))
		return false;
	return name->source == CV_NAME_DATA_FILE ||
	       (image->status == CV_PARENT_MISSING && !cv_has(own, CV_FACT_PARENT_UUID));
}

static void renamed_may_mean(struct search *s, const struct cv_facts *own, struct namer n)
{
	bool raw = n.name->source == CV_NAME_DATA_FILE || cv_has(own, CV_FACT_PARENT_RAW);

	add_namer(&s->renamed[raw ? CV_FORMAT_RAW : own->parent_format], n);
}

static void note_claimed(struct search *s)
{
	const struct cv_graph *g = s->b->g;

	for (uint32_t i = 0; s->claimed && i < g->image_count; i++) {
		const struct cv_image *image = &g->images[i];

		if (image->parent != CV_NO_IMAGE && image->status != CV_PARENT_MISMATCH)
			s->claimed[image->parent] = true;
		s->claimed[i] |= s->b->notes[i].data_of != CV_NO_IMAGE;
	}
}

static bool is_called(const struct cv_file *f, struct cv_bytes word)
{
	for (uint32_t i = 0; i <= f->alias_count; i++) {
		const char *path = i ? f->aliases[i - 1] : f->path, *slash = strrchr(path, '/');

		if (!memchr(word.at, '\0', word.len) && !compare_fold(slash ? slash + 1 : path, word))
			return true;
	}
	return false;
}

/* True if it is known what the name means: it led there, or the parent was found elsewhere and is called so. */
static bool is_settled(const struct cv_build *b, const struct cv_image *image, const struct cv_name *name)
{
	if (name->source == CV_NAME_DATA_FILE)
		return cv_node_of(b, (uint32_t)(image - b->g->images))->data != CV_NO_FILE;
	if (image->status != CV_PARENT_FOUND)
		return false;
	return image->basis != CV_BASIS_IDENTITY || is_called(b->g->images[image->parent].file, cv_name_last(name));
}

static void search_names_of(struct search *s, uint32_t image)
{
	const struct cv_node *n = cv_node_of(s->b, image);
	const struct cv_facts *own = cv_own_facts(n);

	for (uint32_t i = 0; own && i < own->name_count; i++) {
		struct namer namer = { image, &own->names[i] };

		if (s->b->notes[image].changed && namer.name->source != CV_NAME_DATA_FILE)
			renamed_may_mean(s, own, namer);
		if (is_settled(s->b, &s->b->g->images[image], namer.name))
			continue;
		if (namer.name->kind == CV_NAME_EXTERNAL || namer.name->kind == CV_NAME_OPAQUE)
			words_may_mean(s, namer);
		else if (!leads_to_file(s->b, n, i))
			name_may_mean(s, cv_name_last(namer.name), namer);
		if (leads_outside(s->b, n, i))
			outside_may_mean(s, own, namer);
		else if (!leads_to_file(s->b, n, i) && may_be_renamed(&s->b->g->images[image], own, namer.name))
			renamed_may_mean(s, own, namer);
	}
}

static void note(struct cv_build *b, uint32_t image, const struct namers *namers)
{
	for (unsigned i = 0; i < namers->count && b->notes[image].perhaps == CV_NO_IMAGE; i++)
		if (namers->at[i].image != image) {
			b->notes[image].perhaps = namers->at[i].image;
			b->notes[image].perhaps_name = namers->at[i].name;
		}
}

void cv_notes_perhaps(struct cv_build *b)
{
	struct search s = { .b = b, .claimed = calloc(b->g->image_count + 1, sizeof *s.claimed) };
	size_t first = 0;

	b->failed |= !s.claimed;
	note_claimed(&s);
	index_names(&s);
	for (uint32_t i = 0; i < b->g->image_count && !b->failed; i++)
		search_names_of(&s, i);
	for (size_t i = 0; i < s.called.len && !b->failed; i++) {
		const struct called *c = &s.called.at[i];

		if (compare_fold(c->name, cv_bytes_of(s.called.at[first].name)))
			first = i;
		note(b, c->image, &s.called.at[first].namers);
		note(b, c->image, &s.escaped);
		note(b, c->image, &s.outside[CV_FORMAT_NONE]);
		note(b, c->image, &s.outside[b->g->images[c->image].format]);
		if (s.claimed[c->image])
			continue;
		note(b, c->image, &s.renamed[CV_FORMAT_NONE]);
		note(b, c->image, &s.renamed[b->g->images[c->image].format]);
	}
	free(s.claimed);
	free(s.called.at);
}

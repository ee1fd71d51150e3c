/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One tree: its files are opened again, a task does the work, its answers are taken. Nothing that the task says is
 * believed further than it fits to what the file system says.
 */
#include "inspect/repository/reopen.h"
#include "inspect/space/space.h"
#include <chainview/vec.h>

#define MOST_IMAGES 512u
#define MEMORY (UINT64_C(768) << 20)
#define STALL_SECONDS 300
#define WAIT_MS 200

struct tree {
	struct cv_space *space;
	const struct cv_space_role *roles;
	const uint32_t *order;           /* the images, the lowest first */
	size_t count;
	struct cv_task_image *images;
	struct cv_space_ask *asks;
	struct cv_space_map *maps;       /* two for each: its file, its data file */
	size_t opened;
	uint8_t *request;
	size_t request_len;
};

static void tree_fini(struct tree *t)
{
	for (size_t i = 0; t->images && i < t->opened; i++) {
		cv_auto_close(&t->images[i].fd);
		cv_auto_close(&t->images[i].data_fd);
	}
	for (size_t i = 0; t->maps && i < t->count * 2; i++)
		free(t->maps[i].pieces.at);
	free(t->images);
	free(t->asks);
	free(t->maps);
	free(t->request);
}

/* The reason for all of the tree's images that have none yet. */
static void all_unknown(struct tree *t, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	const char *kept;

	cv_text_add(&text, *why ? why : "it could not be looked at");
	kept = cv_arena_dup(t->space->arena, cv_text_str(&text), text.len);
	for (size_t i = 0; i < t->count; i++)
		if (!t->space->images[t->order[i]].why && !t->space->images[t->order[i]].known)
			t->space->images[t->order[i]].why = kept ? kept : "out of memory";
}

static uint32_t place_of(const struct tree *t, uint32_t image)
{
	for (size_t i = 0; i < t->count && image != CV_NO_IMAGE; i++)
		if (t->order[i] == image)
			return (uint32_t)i;
	return CV_SPACE_NOBODY;
}

static void fill_ask(struct tree *t, size_t i)
{
	const struct cv_space_role *role = &t->roles[t->order[i]];
	const struct cv_facts *facts = t->space->graph->images[t->order[i]].facts;
	const struct cv_attr *snapshots = cv_facts_attr(facts, CV_ATTR_QCOW2_SNAPSHOT_COUNT, 0);

	t->asks[i] = (struct cv_space_ask){
		.parent = place_of(t, role->parent), .base = place_of(t, role->base), .need = role->need,
		.snapshots = snapshots && facts->flags & CV_FACT_SNAPSHOTS ? (uint32_t)snapshots->number : 0,
		.snapshots_need = role->need & CV_NEED_ORPHAN ? CV_NEED_ORPHAN : CV_NEED_LIVE,
		.pieces = CV_SPACE_NOBODY, .data_pieces = CV_SPACE_NOBODY,
	};
}

/* Asks the file system about an open file. */
static void fill_map(struct cv_space_map *map, int fd, uint64_t offset, uint32_t *pieces)
{
	if (fd >= 0 && cv_space_map_read(map, fd) && !offset)
		*pieces = (uint32_t)map->pieces.len;
}

static bool open_image(struct tree *t, size_t i, struct cv_err *err)
{
	const struct cv_graph *g = t->space->graph;
	const struct cv_image *m = &g->images[t->order[i]];
	const struct cv_space_role *role = &t->roles[t->order[i]];
	struct cv_range part = { 0 }, data_part = { 0 };
	struct cv_task_image *image = &t->images[i];

	*image = (struct cv_task_image){ .fd = -1, .data_fd = -1, .format = m->format };
	t->opened = i + 1;
	image->fd = cv_scan_reopen(g->scan, m->file, &part, err);
	if (image->fd < 0)
		return false;
	image->offset = part.off;
	image->length = part.len;
	if (role->data_file != SIZE_MAX && m->facts->flags & CV_FACT_DATA_FILE)
		image->data_fd = cv_scan_reopen(g->scan, cv_scan_file(g->scan, role->data_file), &data_part, err);
	if (image->data_fd < 0)
		cv_err_clear(err);
	fill_ask(t, i);
	fill_map(&t->maps[2 * i], image->fd, image->offset, &t->asks[i].pieces);
	fill_map(&t->maps[2 * i + 1], image->data_fd, 0, &t->asks[i].data_pieces);
	return true;
}

static bool make_request(struct tree *t, bool deep, struct cv_err *err)
{
	struct cv_space_request head;
	size_t len = sizeof head + t->count * sizeof *t->asks, pieces = 0;
	uint8_t *at;

	for (size_t i = 0; i < t->count * 2; i++)
		pieces += t->maps[i].pieces.len;
	t->request = at = malloc(len + pieces * sizeof(struct cv_range));
	if (!at)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memset(&head, 0, sizeof head);
	head.count = (uint32_t)t->count;
	head.deep = deep;
	memcpy(at, &head, sizeof head);
	memcpy(at + sizeof head, t->asks, t->count * sizeof *t->asks);
	for (size_t i = 0; i < t->count * 2; i++) {
		uint32_t used = i % 2 ? t->asks[i / 2].data_pieces : t->asks[i / 2].pieces;

		if (used == CV_SPACE_NOBODY || !used)
			continue;
		memcpy(at + len, t->maps[i].pieces.at, used * sizeof(struct cv_range));
		len += used * sizeof(struct cv_range);
	}
	t->request_len = len;
	return true;
}

/* What is claimed may be more than what the file system counts (compression, tiny files), and is less where it
 * counts its own tables. The sums are made to fit: the excess is taken in this order, what is missing is slack. */
static void fit(struct cv_space_image *image, uint64_t allocated)
{
	static const enum cv_space_class order[] = {
		CV_SPACE_SLACK, CV_SPACE_LIVE, CV_SPACE_METADATA, CV_SPACE_SHADOWED, CV_SPACE_ORPHANED,
		CV_SPACE_SNAPSHOT, CV_SPACE_LEAKED,
	};
	uint64_t sum = 0, excess;

	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		if (__builtin_add_overflow(sum, image->bytes[c], &sum))
			sum = UINT64_MAX;
	if (sum <= allocated) {
		image->bytes[CV_SPACE_SLACK] += allocated - sum;
		return;
	}
	excess = sum - allocated;
	for (size_t i = 0; i < CV_COUNT(order); i++) {
		uint64_t *b = &image->bytes[order[i]], part = *b < excess ? *b : excess;

		*b -= part;
		excess -= part;
	}
}

static void take_sums(struct cv_space_image *image, const struct cv_space_sums *sums, uint64_t allocated)
{
	image->known = true;
	image->bytes[CV_SPACE_LIVE] = sums->claimed[CV_CLAIM_LIVE];
	image->bytes[CV_SPACE_SNAPSHOT] = sums->claimed[CV_CLAIM_SNAPSHOT];
	image->bytes[CV_SPACE_SHADOWED] = sums->claimed[CV_CLAIM_SHADOWED];
	image->bytes[CV_SPACE_ORPHANED] = sums->claimed[CV_CLAIM_ORPHANED];
	image->bytes[CV_SPACE_METADATA] = sums->claimed[CV_CLAIM_METADATA];
	image->bytes[CV_SPACE_LEAKED] = sums->lost;
	image->leaked_at = sums->lost_at;
	image->leaked_pieces = sums->lost_pieces;
	image->bytes[CV_SPACE_SLACK] = sums->claimed[CV_CLAIM_OWNED];
	if (__builtin_add_overflow(image->bytes[CV_SPACE_SLACK], sums->idle, &image->bytes[CV_SPACE_SLACK]))
		image->bytes[CV_SPACE_SLACK] = UINT64_MAX;
	fit(image, allocated);
}

static struct cv_space_merge merge_of(uint32_t has, const struct cv_space_growth *g, uint64_t allocated)
{
	struct cv_space_merge m = { .known = has != 0 };

	if (!m.known || __builtin_sub_overflow((int64_t)allocated, g->growth, &m.net_bytes))
		return (struct cv_space_merge){ 0 };
	m.peak_bytes = g->peak;
	return m;
}

static void take_answer(struct tree *t, const struct cv_space_answer *a)
{
	uint32_t image = t->order[a->image];
	const struct cv_graph *g = t->space->graph;
	const struct cv_space_role *role = &t->roles[image];
	struct cv_space_image *s = &t->space->images[image];
	uint64_t allocated = g->images[image].file->allocated;
	CV_AUTO(cv_text_fini) struct cv_text plain = { 0 }, why = { 0 };

	if (!a->known) {
		/* It was escaped where it was made, unless somebody else wrote it. */
		cv_text_unescape(&plain, (struct cv_bytes){ a->why, strnlen(a->why, sizeof a->why) });
		cv_text_escape(&why, (struct cv_bytes){ cv_text_str(&plain), plain.len });
		s->why = cv_arena_dup(t->space->arena, cv_text_str(&why), why.len);
		return;
	}
	take_sums(s, &a->own, allocated);
	s->zero_known = a->deep != 0;
	s->zero_bytes = a->zero < allocated ? a->zero : allocated;
	s->shared_known = t->maps[2 * a->image].known;
	s->shared_bytes = t->maps[2 * a->image].shared;
	s->merge = merge_of(a->has_merge, &a->merge, allocated);
	s->planned = merge_of(a->has_planned, &a->planned, allocated);
	s->flatten_known = a->has_flatten && role->parent != CV_NO_IMAGE;
	s->flatten_bytes = a->flatten;
	if (role->data != CV_NO_IMAGE && g->images[image].facts->flags & CV_FACT_DATA_FILE)
		take_sums(&t->space->images[role->data], &a->data, g->images[role->data].file->allocated);
}

static bool listen(struct tree *t, struct cv_task *task, bool (*stop)(void), struct cv_err *err)
{
	for (;;) {
		struct cv_task_record record;
		struct cv_space_answer a;

		switch (cv_task_next(task, WAIT_MS, &record, err)) {
		case CV_TASK_WAIT:
			if (stop && stop())
				return cv_fail(err, CV_ECANCELLED, "cancelled");
			break;
		case CV_TASK_RECORD:
			if (record.kind != CV_SPACE_ANSWER || record.len != sizeof a)
				return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer");
			memcpy(&a, record.bytes, sizeof a);
			if (a.image >= t->count)
				return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer");
			take_answer(t, &a);
			break;
		case CV_TASK_DONE:
			return true;
		default:
			return false;
		}
	}
}

static bool work(struct tree *t, const struct cv_space_options *options, struct cv_err *err)
{
	const struct cv_task_options limits = { .memory_bytes = MEMORY, .stall_seconds = STALL_SECONDS };
	struct cv_task *task;
	bool ok;

	t->images = calloc(t->count, sizeof *t->images);
	t->asks = calloc(t->count, sizeof *t->asks);
	t->maps = calloc(t->count * 2, sizeof *t->maps);
	if (!t->images || !t->asks || !t->maps)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_task_room(t->count * 2);
	for (size_t i = 0; i < t->count; i++)
		if (!open_image(t, i, err))
			return false;
	if (!make_request(t, options->deep, err))
		return false;
	task = cv_task_start(t->images, t->count, cv_space_work, t->request, t->request_len, &limits, err);
	t->opened = 0;
	ok = task && listen(t, task, options->stop, err);
	cv_task_free(task);
	return ok;
}

bool cv_space_tree(struct cv_space *s, const struct cv_space_role *roles, const uint32_t *order, size_t count,
		   const struct cv_space_options *options, struct cv_err *err)
{
	CV_AUTO(tree_fini) struct tree t = { .space = s, .roles = roles, .order = order, .count = count };
	struct cv_err trouble = { .code = CV_OK };

	if (count > MOST_IMAGES) {
		all_unknown(&t, "its tree has more images than can be looked at together");
		return true;
	}
	if (work(&t, options, &trouble))
		return true;
	all_unknown(&t, trouble.text);
	if (trouble.code != CV_ECANCELLED && trouble.code != CV_ENOMEM)
		return true;
	*err = trouble;
	return false;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One tree: its files are opened again, a task does the work, its answers are taken. Nothing that the task says is
 * believed further than it fits to what the file system says.
 */
#include "inspect/repository/reopen.h"
#include "inspect/sandbox/lane.h"
#include "inspect/space/space.h"
#include <chainview/vec.h>

#define MOST_IMAGES 16384u
#define MOST_LISTED 131072u                  /* pieces of all files, as the file system lists them: 2 MiB */
#define MEMORY (UINT64_C(768) << 20)
#define STALL_SECONDS 300

struct cv_space_job {
	struct cv_space *space;
	const struct cv_space_role *roles;
	const uint32_t *order;           /* the images, the lowest first */
	size_t count;
	bool deep;
	size_t pieces;                   /* that the process may hold */
	struct cv_task_image *images;
	struct cv_space_ask *asks;
	struct cv_space_map *maps;       /* two for each: its file, its data file */
	size_t opened, listed;
	struct cv_task *task;            /* NULL before all is opened, and afterwards */
	unsigned permille;
};

static void close_images(struct cv_space_job *t)
{
	for (size_t i = 0; t->images && i < t->opened; i++) {
		cv_auto_close(&t->images[i].fd);
		cv_auto_close(&t->images[i].data_fd);
	}
	t->opened = 0;
}

static void free_pieces(struct cv_space_job *t)
{
	for (size_t i = 0; t->maps && i < t->count * 2; i++) {
		free(t->maps[i].pieces.at);
		t->maps[i].pieces = (struct cv_space_runs){ 0 };
	}
}

void cv_space_job_free(struct cv_space_job *t)
{
	if (!t)
		return;
	cv_task_free(t->task);
	close_images(t);
	free_pieces(t);
	free(t->images);
	free(t->asks);
	free(t->maps);
	free(t);
}

/* The reason for all of the tree's images that have none yet. */
static void all_unknown(struct cv_space_job *t, const char *why)
{
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	const char *kept;

	cv_text_add(&text, *why ? why : "it could not be looked at");
	kept = cv_arena_dup(t->space->arena, cv_text_str(&text), text.len);
	for (size_t i = 0; i < t->count; i++)
		if (!t->space->images[t->order[i]].why && !t->space->images[t->order[i]].known)
			t->space->images[t->order[i]].why = kept ? kept : "out of memory";
}

/* Where in the tree an image of a lower level is; they are sorted by level and number. */
static uint32_t place_of(const struct cv_space_job *t, uint32_t image)
{
	size_t low = 0, high = image == CV_NO_IMAGE ? 0 : t->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t at = t->order[middle];
		uint32_t level = t->roles[at].level, wanted = t->roles[image].level;

		if (at == image)
			return (uint32_t)middle;
		if (level < wanted || (level == wanted && at < image))
			low = middle + 1;
		else
			high = middle;
	}
	return CV_SPACE_NOBODY;
}

static void fill_ask(struct cv_space_job *t, size_t i)
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
static void fill_map(struct cv_space_job *t, size_t map, int fd, uint64_t offset, uint32_t *pieces)
{
	if (fd < 0)
		return;
	cv_space_map_read(&t->maps[map], fd, MOST_LISTED - t->listed);
	if (!t->maps[map].listed || offset)
		return;
	*pieces = (uint32_t)t->maps[map].pieces.len;
	t->listed += t->maps[map].pieces.len;
}

static bool open_image(struct cv_space_job *t, size_t i, struct cv_err *err)
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
	fill_map(t, 2 * i, image->fd, image->offset, &t->asks[i].pieces);
	fill_map(t, 2 * i + 1, image->data_fd, 0, &t->asks[i].data_pieces);
	return true;
}

/* The head, the asks, the pieces; the caller's to free. */
static uint8_t *make_request(const struct cv_space_job *t, size_t *len, struct cv_err *err)
{
	struct cv_space_request head;
	size_t asks = t->count * sizeof *t->asks;
	uint8_t *request = malloc(sizeof head + asks + t->listed * sizeof(struct cv_range));

	if (!request) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	memset(&head, 0, sizeof head);
	head.count = (uint32_t)t->count;
	head.deep = t->deep;
	head.most = t->pieces;
	memcpy(request, &head, sizeof head);
	memcpy(request + sizeof head, t->asks, asks);
	*len = sizeof head + asks;
	for (size_t i = 0; i < t->count * 2; i++) {
		uint32_t used = i % 2 ? t->asks[i / 2].data_pieces : t->asks[i / 2].pieces;

		if (used == CV_SPACE_NOBODY || !used)
			continue;
		memcpy(request + *len, t->maps[i].pieces.at, used * sizeof(struct cv_range));
		*len += used * sizeof(struct cv_range);
	}
	return request;
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

static struct cv_space_merge merge_of(bool has, const struct cv_space_growth *g, uint64_t allocated)
{
	struct cv_space_merge m = { .known = has };

	if (!m.known || __builtin_sub_overflow((int64_t)allocated, g->growth, &m.net_bytes))
		return (struct cv_space_merge){ 0 };
	m.peak_bytes = g->peak;
	return m;
}

static void take_answer(struct cv_space_job *t, const struct cv_space_answer *a)
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
	s->flatten = merge_of(a->has_flatten && role->parent != CV_NO_IMAGE, &a->flatten, 0);
	if (role->data != CV_NO_IMAGE && g->images[image].facts->flags & CV_FACT_DATA_FILE)
		take_sums(&t->space->images[role->data], &a->data, g->images[role->data].file->allocated);
}

static bool hear(struct cv_space_job *t, const struct cv_task_record *record)
{
	struct cv_space_walked w;
	struct cv_space_answer a;

	if (record->kind == CV_SPACE_WALKED && record->len == sizeof w) {
		memcpy(&w, record->bytes, sizeof w);
		t->permille = w.total && w.done <= w.total ? (unsigned)((double)w.done / (double)w.total * 1000) : 0;
		return true;
	}
	if (record->kind != CV_SPACE_ANSWER || record->len != sizeof a)
		return false;
	memcpy(&a, record->bytes, sizeof a);
	if (a.image >= t->count)
		return false;
	take_answer(t, &a);
	return true;
}

/* True while it works. */
static bool listen(struct cv_space_job *t, int64_t deadline, struct cv_err *err)
{
	do {
		struct cv_task_record record;

		switch (cv_task_next(t->task, 0, &record, err)) {
		case CV_TASK_WAIT:
			return true;
		case CV_TASK_RECORD:
			if (hear(t, &record))
				break;
			cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer");
			return false;
		default:
			return false;
		}
	} while (cv_pool_now_ms() < deadline);
	return true;
}

/* All images of a tree are open at once. */
static bool have_room(const struct cv_space_job *t, struct cv_err *err)
{
	size_t files = t->count, room;

	for (size_t i = 0; i < t->count; i++)
		files += t->roles[t->order[i]].data_file != SIZE_MAX;
	room = cv_task_room(files);
	if (t->count > MOST_IMAGES)
		return cv_fail(err, CV_ELIMIT, "its tree has %zu images, and not more than %u can be looked at together",
			       t->count, MOST_IMAGES);
	return files <= room || cv_fail(err, CV_ELIMIT, "the %zu files of its tree have to be open at once, and no more "
					"than %zu may be (ulimit -n)", files, room);
}

static bool start(struct cv_space_job *t, struct cv_err *err)
{
	const struct cv_task_options limits = { .memory_bytes = MEMORY, .stall_seconds = STALL_SECONDS };
	size_t len;
	CV_AUTO(cv_auto_free) uint8_t *request = make_request(t, &len, err);

	if (!request)
		return false;
	t->task = cv_task_start(t->images, t->count, cv_space_work, request, len, &limits, err);
	t->opened = 0;
	free_pieces(t);
	return t->task != NULL;
}

/* True while there is more to do. */
static bool advance(struct cv_space_job *t, int64_t deadline, struct cv_err *err)
{
	if (t->task)
		return listen(t, deadline, err);
	if (!t->opened && !have_room(t, err))
		return false;
	do {
		if (!open_image(t, t->opened, err))
			return false;
		if (t->opened == t->count)
			return start(t, err);
	} while (cv_pool_now_ms() < deadline);
	return true;
}

bool cv_space_job_step(struct cv_space_job *t, int64_t deadline, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	if (advance(t, deadline, &trouble))
		return true;
	if (trouble.code)
		all_unknown(t, trouble.text);
	/* what the process lacks is the trouble of this tree */
	if (trouble.code == CV_ENOMEM && !t->task)
		*err = trouble;
	return false;
}

void cv_space_job_cancel(struct cv_space_job *t)
{
	all_unknown(t, "cancelled");
	cv_task_free(cv_take(t->task));
}

int cv_space_job_fd(const struct cv_space_job *t)
{
	return t->task ? cv_task_poll_fd(t->task) : -1;
}

size_t cv_space_job_images(const struct cv_space_job *t)
{
	return t->count;
}

unsigned cv_space_job_permille(const struct cv_space_job *t)
{
	return t->permille;
}

struct cv_space_job *cv_space_job_new(struct cv_space *s, const struct cv_space_role *roles, const uint32_t *order,
				      size_t count, bool deep, size_t pieces)
{
	struct cv_space_job *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	*t = (struct cv_space_job){ .space = s, .roles = roles, .order = order, .count = count, .deep = deep,
				    .pieces = pieces };
	t->images = calloc(count, sizeof *t->images);
	t->asks = calloc(count, sizeof *t->asks);
	t->maps = calloc(count * 2, sizeof *t->maps);
	if (t->images && t->asks && t->maps)
		return t;
	cv_space_job_free(t);
	return NULL;
}

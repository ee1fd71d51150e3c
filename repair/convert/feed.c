/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The feed of an image of a graph: the map of its chain, with the bytes of what is compressed. */
#include "repair/convert/feed.h"
#include "inspect/map/stream.h"
#include "inspect/reader2/tasks.h"
#include <unistd.h>

/* Longer than any guest offset takes to compare; a task that only reads may be slow on a slow disk. */
enum { STEP_MS = 200, STALL_SECONDS = 600 };

struct chain_feed {
	struct cv_feed feed;         /* first */
	struct cv_map *map;
	struct cv_feed_file *files;
	int *kept;                   /* of each layer its image, and its data file if it has one */
	size_t kept_count;
	bool done;
};

static int keep(struct chain_feed *f, int fd)
{
	int own = cv_io_real.dup(&cv_io_real, fd);

	if (own >= 0)
		f->kept[f->kept_count++] = own;
	return own;
}

/* Descriptors of our own of what the task gets: they share the position of nothing, only the open file. */
static bool keep_files(struct chain_feed *f, const struct cv_graph *g, const struct cv_chain_files *files,
		       struct cv_err *err)
{
	f->files = calloc(files->count, sizeof *f->files);
	f->kept = calloc(files->count * 2, sizeof *f->kept);
	if (!f->files || !f->kept)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < files->count; i++) {
		const struct cv_task_image *from = &files->images[i];
		const struct cv_file *image = g->images[files->list[i]].file, *data = files->data[i];
		struct cv_feed_file *to = &f->files[i];

		*to = (struct cv_feed_file){ keep(f, from->fd), { from->offset, from->length }, image->path };
		if (to->fd >= 0 && data)
			*to = (struct cv_feed_file){ keep(f, from->data_fd), { 0, data->size }, data->path };
		if (to->fd < 0)
			return cv_io_fail(err, "keep open", to->name);
	}
	f->feed.files = f->files;
	f->feed.count = files->count;
	f->feed.claimable = f->kept;
	f->feed.claimable_count = f->kept_count;
	return true;
}

static bool next(struct cv_feed *feed, const struct cv_extent **extents, size_t *count, struct cv_err *err)
{
	struct chain_feed *f = (struct chain_feed *)feed;

	*count = 0;
	while (!*count && !f->done) {
		enum cv_map_state state = cv_map_next(f->map, -1, extents, count, err);

		if (state == CV_MAP_FAILED)
			return false;
		f->done = state == CV_MAP_DONE;
	}
	return true;
}

static bool inflate(struct cv_feed *feed, const struct cv_extent *e, uint8_t *buf, struct cv_err *err)
{
	struct chain_feed *f = (struct chain_feed *)feed;

	for (uint64_t at = 0; at < e->at.len;) {
		const struct cv_extent *none;
		size_t count;
		enum cv_map_state state = cv_map_next(f->map, -1, &none, &count, err);

		if (state == CV_MAP_FAILED)
			return false;
		if (state == CV_MAP_WAIT)
			continue;
		if (state == CV_MAP_DONE || count || f->map->bytes_len > e->at.len - at)
			return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: bytes are missing");
		memcpy(buf + at, f->map->bytes, f->map->bytes_len);
		at += f->map->bytes_len;
	}
	return true;
}

static void close_chain(struct cv_feed *feed)
{
	struct chain_feed *f = (struct chain_feed *)feed;

	for (size_t i = 0; i < f->kept_count; i++)
		cv_auto_close(&f->kept[i]);
	cv_map_free(f->map);
	free(f->kept);
	free(f->files);
	free(f);
}

/* The whole chain or nothing: a disk with parts missing is no copy. */
static bool open_whole(const struct cv_graph *g, uint32_t image, struct cv_chain_files *files, struct cv_err *err)
{
	if (!cv_chain_files_open(g, image, files, err))
		return false;
	return !files->incomplete ||
	       cv_fail(err, CV_EREFUSED, "its chain is not complete: %s", cv_text_str(&files->why));
}

/* As whole as it has to be. */
static bool open_chain(const struct cv_graph *g, uint32_t image, bool salvage, struct cv_chain_files *files,
		       struct cv_err *err)
{
	if (!salvage)
		return open_whole(g, image, files, err);
	if (!cv_chain_files_open(g, image, files, err))
		return false;
	cv_chain_files_damaged(files);
	return true;
}

struct cv_feed *cv_feed_open(const struct cv_graph *g, uint32_t image, bool salvage, struct cv_err *err)
{
	struct chain_feed *f = calloc(1, sizeof *f);
	struct cv_chain_files files = { .count = 0 };

	if (!f) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	f->feed.next = next;
	f->feed.inflate = inflate;
	f->feed.close = close_chain;
	if (open_chain(g, image, salvage, &files, err) && keep_files(f, g, &files, err))
		f->map = cv_map_begin_bytes(g, &files, err);
	cv_chain_files_fini(&files);
	if (f->map)
		return &f->feed;
	close_chain(&f->feed);
	return NULL;
}

void cv_feed_close(struct cv_feed *f)
{
	if (f)
		f->close(f);
}

static bool judge(const struct cv_task_record *r, struct cv_err *err)
{
	struct cv_compared_record c;

	if (r->len != sizeof c)
		return cv_fail(err, CV_EFORMAT, "the comparing process gave a damaged answer");
	memcpy(&c, r->bytes, sizeof c);
	if (c.differ)
		return cv_fail(err, CV_EIO, "what was written reads differently from offset %" PRIu64 " on", c.first);
	/* A disk that ends within a sector is filled up with zeros. */
	return c.sizes[0] == c.sizes[1] || (c.sizes[1] - c.sizes[0] < 512 && c.sizes[1] % 512 == 0 && c.tail_is_zero) ||
	       cv_fail(err, CV_EIO, "what was written has %" PRIu64 " B instead of %" PRIu64 " B", c.sizes[1], c.sizes[0]);
}

static bool hear_compared(struct cv_task *task, const struct cv_feed_watch *watch, struct cv_err *err)
{
	struct cv_progress_record progress = { 0 };
	bool judged = false;

	for (;;) {
		struct cv_task_record r;
		enum cv_task_state state = cv_task_next(task, STEP_MS, &r, err);

		if (state == CV_TASK_FAILED)
			return false;
		if (state == CV_TASK_DONE)
			return judged || cv_fail(err, CV_EFORMAT, "the comparing process ended early");
		if (state == CV_TASK_RECORD && r.kind == CV_VERIFY_COMPARED) {
			if (!judge(&r, err))
				return false;
			judged = true;
		}
		if (state == CV_TASK_RECORD && r.kind == CV_VERIFY_PROGRESS && r.len == sizeof progress)
			memcpy(&progress, r.bytes, sizeof progress);
		if (!watch->tick(watch->ctx, progress.done, err))
			return false;
	}
}

/* Those of the chain, and behind them the new ones. */
static struct cv_task_image *side_by_side(const struct cv_chain_files *files, const struct cv_feed_made *made, size_t count,
					  enum cv_format_id format, struct cv_err *err)
{
	struct cv_task_image *images = calloc(files->count + count, sizeof *images);

	if (!images) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(images, files->images, files->count * sizeof *images);
	for (size_t i = 0; i < count; i++)
		images[files->count + i] = (struct cv_task_image){
			cv_io_real.dup(&cv_io_real, made[i].fd), -1, 0, made[i].length, format, false,
		};
	return images;
}

bool cv_feed_compare(const struct cv_graph *g, uint32_t image, const struct cv_feed_made *made, size_t count,
		     enum cv_format_id format, const struct cv_salvage *salvaged, const struct cv_feed_watch *watch,
		     struct cv_err *err)
{
	struct cv_compare_request request = { .salvaged = salvaged != NULL };
	struct cv_task_options options = { .memory_bytes = (uint64_t)512 << 20, .stall_seconds = STALL_SECONDS };
	struct cv_chain_files files = { .count = 0 };
	struct cv_task_image *images;
	struct cv_task *task = NULL;
	bool ok;

	for (size_t i = 0; i < count; i++)
		(void)posix_fadvise(made[i].fd, 0, 0, POSIX_FADV_DONTNEED);
	ok = open_chain(g, image, salvaged != NULL, &files, err);
	images = ok ? side_by_side(&files, made, count, format, err) : NULL;
	if (images) {
		request.first = (uint32_t)files.count;
		request.incomplete = files.incomplete;
		request.lost = salvaged ? salvaged->lost.at : NULL;
		request.lost_count = salvaged ? salvaged->lost.len : 0;
		task = cv_task_start(images, files.count + count, cv_compare_task, &request, sizeof request, &options, err);
		cv_chain_files_taken(&files);
	}
	ok = task && hear_compared(task, watch, err);
	cv_task_free(task);
	cv_chain_files_fini(&files);
	free(images);
	return ok;
}

struct second {
	struct cv_checked_record checked;
	bool answered;
	char trouble[256];
};

static bool hear_second(struct second *s, const struct cv_task_record *r, uint64_t *done, struct cv_err *err)
{
	struct cv_progress_record progress;
	struct cv_difference_record difference;

	if (r->kind == CV_VERIFY_PROGRESS && r->len == sizeof progress) {
		memcpy(&progress, r->bytes, sizeof progress);
		*done = progress.done;
	} else if (r->kind == CV_VERIFY_DIFFERENCE && r->len == sizeof difference) {
		memcpy(&difference, r->bytes, sizeof difference);
		return cv_fail(err, CV_EIO, "a second reader reads something else at offset %" PRIu64, difference.at.off);
	} else if (r->kind == CV_VERIFY_CHECKED && r->len == sizeof s->checked) {
		memcpy(&s->checked, r->bytes, sizeof s->checked);
		s->answered = true;
	} else if (r->kind == CV_VERIFY_TROUBLE && !s->trouble[0]) {
		CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

		cv_text_escape(&t, (struct cv_bytes){ (const char *)r->bytes, r->len });
		snprintf(s->trouble, sizeof s->trouble, "%s", cv_text_str(&t));
	}
	return true;
}

static bool judge_second(const struct second *s, uint64_t *compared, struct cv_err *err)
{
	uint64_t gated = 0;

	for (size_t i = 0; i < CV_COUNT(s->checked.gated); i++)
		gated += s->checked.gated[i];
	*compared = s->checked.compared;
	if (s->answered && s->checked.differing)
		return cv_fail(err, CV_EIO, "a second reader reads %" PRIu64 " B differently", s->checked.differing);
	if (s->answered && s->checked.compared + gated == s->checked.size && !s->trouble[0])
		return true;
	return cv_fail(err, CV_EIO, "the second reader did not get through%s%s", s->trouble[0] ? ": " : "", s->trouble);
}

bool cv_feed_second(int fd, uint64_t length, enum cv_format_id format, const struct cv_feed_watch *watch,
		    uint64_t *compared, struct cv_err *err)
{
	struct cv_task_options options = { .memory_bytes = (uint64_t)1 << 30, .libraries = true };
	struct cv_task_image image = { .data_fd = -1, .length = length, .format = format };
	enum cv_task_state state = CV_TASK_WAIT;
	struct second s = { .answered = false };
	struct cv_task_record r;
	struct cv_task *task;
	uint64_t done = 0;

	*compared = 0;
	if (format == CV_FORMAT_RAW)
		return true;
	image.fd = cv_io_real.dup(&cv_io_real, fd);
	task = cv_task_start(&image, 1, cv_check_task, NULL, 0, &options, err);
	while (task && state != CV_TASK_DONE && !err->code) {
		state = cv_task_next(task, STEP_MS, &r, err);
		if (state == CV_TASK_RECORD && !hear_second(&s, &r, &done, err))
			break;
		if (state != CV_TASK_FAILED)
			watch->tick(watch->ctx, done, err);
	}
	cv_task_free(task);
	return !err->code && judge_second(&s, compared, err);
}

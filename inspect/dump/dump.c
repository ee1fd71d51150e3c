/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The course of a dump: files are looked at, then image by image is read in a process of its own and its maps are
 * made, then the files are looked at again. No byte of an image is looked at here.
 */
#include <time.h>
#include "inspect/dump/dump.h"
#include "inspect/dump/work.h"
#include "inspect/map/files.h"
#include "inspect/repository/reopen.h"

#define USUAL_MAX_BYTES ((uint64_t)1 << 20)
#define TASK_MEMORY     ((uint64_t)512 << 20)
#define RECORDS_A_STEP  256

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int by_path(const void *a, const void *b, void *ctx)
{
	const struct cv_graph *g = ctx;
	const uint32_t *x = a, *y = b;

	return strcmp(g->images[*x].file->path, g->images[*y].file->path);
}

/* Each image once, by the bytes of its path. */
static bool take_images(struct cv_dump *d, const uint32_t *images, size_t count, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint32_t *list = malloc((count + 1) * sizeof *list);

	d->images = calloc(count + 1, sizeof *d->images);
	if (!list || !d->images)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		list[i] = images[i];
	qsort_r(list, count, sizeof *list, by_path, (void *)(uintptr_t)d->g);
	for (size_t i = 0; i < count; i++)
		if (!i || list[i] != list[i - 1])
			d->images[d->count++] = (struct cv_dump_image_of){ .image = list[i] };
	return true;
}

static size_t add_source(struct cv_dump *d, const struct cv_file *file)
{
	for (size_t i = 0; i < d->source_count; i++)
		if (d->sources[i].file == file)
			return i;
	d->sources[d->source_count] = (struct cv_dump_source_of){ .file = file };
	return d->source_count++;
}

/* What the image names for its guest data, if that is there. */
static const struct cv_file *data_file(const struct cv_graph *g, uint32_t image)
{
	struct cv_err ignored = { .code = CV_OK };
	const struct cv_file *data = NULL;
	struct cv_task_image files;

	if (!(g->images[image].facts->flags & CV_FACT_DATA_FILE) ||
	    !cv_image_file_open(g, image, &files, &data, &ignored))
		return NULL;
	cv_auto_close(&files.fd);
	cv_auto_close(&files.data_fd);
	return data;
}

static bool take_sources(struct cv_dump *d, struct cv_err *err)
{
	d->sources = calloc(d->count * 2 + 1, sizeof *d->sources);
	if (!d->sources)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < d->count; i++) {
		const struct cv_file *data = data_file(d->g, d->images[i].image);

		d->images[i].source = add_source(d, d->g->images[d->images[i].image].file);
		d->images[i].data_source = data ? add_source(d, data) : SIZE_MAX;
	}
	for (size_t i = 0; i < d->source_count; i++) {
		struct cv_err trouble = { .code = CV_OK };

		cv_dump_look_at(d->g->scan, d->sources[i].file, &d->sources[i].before, &d->sources[i].offset, &trouble);
	}
	return true;
}

struct cv_dump *cv_dump_new(const struct cv_graph *g, const uint32_t *images, size_t count,
			    const struct cv_dump_options *options, struct cv_err *err)
{
	struct cv_dump *d = calloc(1, sizeof *d);

	if (d) {
		d->g = g;
		d->options = *options;
		d->options.max_bytes = options->max_bytes ? options->max_bytes : USUAL_MAX_BYTES;
		if (d->options.max_bytes > (uint64_t)1 << 40)
			d->options.max_bytes = (uint64_t)1 << 40;
		d->started = now_ms();
		d->arena = cv_arena_new(SIZE_MAX);
	}
	if (!d || !d->arena)
		cv_fail(err, CV_ENOMEM, "out of memory");
	else if (cv_digest_prepare(err) && take_images(d, images, count, err) && take_sources(d, err))
		return d;
	cv_dump_free(d);
	return NULL;
}

void cv_dump_free(struct cv_dump *d)
{
	if (!d)
		return;
	cv_dump_side_drop(d);
	cv_task_free(d->task);
	cv_map_free(d->map);
	for (size_t i = 0; i < d->count; i++)
		free(d->images[i].items.at);
	free(d->images);
	free(d->sources);
	cv_arena_free(d->arena);
	free(d);
}

/* A data file that cannot be had costs the place of the guest data, not the image. */
static bool open_image(struct cv_dump *d, const struct cv_dump_image_of *m, struct cv_task_image *image,
		       struct cv_err *err)
{
	const struct cv_file *data;
	struct cv_range part = { 0 };

	if (cv_image_file_open(d->g, m->image, image, &data, err))
		return true;
	cv_err_clear(err);
	*image = (struct cv_task_image){ .fd = -1, .data_fd = -1, .format = d->g->images[m->image].format };
	image->fd = cv_scan_reopen(d->g->scan, d->g->images[m->image].file, &part, err);
	image->offset = part.off;
	image->length = part.len;
	return image->fd >= 0;
}

static void set_trouble(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_err *why)
{
	m->trouble = cv_arena_dup(d->arena, why->text, strlen(why->text));
	m->trouble = m->trouble ? m->trouble : "out of memory";
	m->trouble_errno = why->os_errno;
}

static bool start_reading(struct cv_dump *d, struct cv_dump_image_of *m, struct cv_err *err)
{
	static const struct cv_task_options task = { .memory_bytes = TASK_MEMORY };
	const struct cv_dump_source_of *source = &d->sources[m->source];
	struct cv_dump_request request = {
		.max_bytes = d->options.max_bytes,
		.digests = d->options.digests,
		.runs = d->options.files != NULL,
		.on_disk = source->before.block_device ? source->before.size : source->before.blocks * 512,
	};
	struct cv_err trouble = { .code = CV_OK };
	struct cv_task_image image;

	d->held = d->covered_upto = d->bytes = 0;
	if (d->options.files && !cv_dump_side_begin(d, &m->layout, "layout", err))
		return false;
	if (open_image(d, m, &image, &trouble))
		d->task = cv_task_start(&image, 1, cv_dump_work, &request, sizeof request, &task, &trouble);
	if (!d->task)
		set_trouble(d, m, &trouble);
	return true;
}

static bool end_reading(struct cv_dump *d, struct cv_dump_image_of *m, struct cv_err *err)
{
	cv_task_free(cv_take(d->task));
	if (!m->trouble && (!m->covered || !m->sandbox_line))
		m->trouble = "the reading process ended without an answer";
	return !d->side || cv_dump_side_end(d, &m->layout, err);
}

/* Trouble with what is heard is the image's; trouble with what is written is everybody's. */
static bool read_on(struct cv_dump *d, struct cv_dump_image_of *m, int timeout_ms, struct cv_err *err)
{
	struct cv_task_record record;
	struct cv_err trouble = { .code = CV_OK };

	for (int i = 0; i < RECORDS_A_STEP && d->task; i++) {
		enum cv_task_state state = cv_task_next(d->task, i ? 0 : timeout_ms, &record, &trouble);

		if (state == CV_TASK_WAIT)
			return true;
		if (state == CV_TASK_RECORD && cv_dump_hear(d, m, &record, &trouble))
			continue;
		if (trouble.code == CV_EIO && record.kind == CV_DUMP_RUNS) {
			*err = trouble;
			return false;
		}
		if (state != CV_TASK_DONE)
			set_trouble(d, m, &trouble);
		return end_reading(d, m, err);
	}
	return true;
}

static void no_map(struct cv_dump *d, struct cv_dump_image_of *m, struct cv_err *why)
{
	cv_map_free(cv_take(d->map));
	cv_wrap(why, "the map of the disk");
	m->map_trouble = cv_arena_dup(d->arena, why->text, strlen(why->text));
	m->map_trouble = m->map_trouble ? m->map_trouble : "out of memory";
}

static bool start_map(struct cv_dump *d, struct cv_dump_image_of *m, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	d->map = cv_map_open(d->g, m->image, NULL, &trouble);
	if (d->map)
		return cv_dump_side_begin(d, &m->map, "map", err);
	no_map(d, m, &trouble);
	return true;
}

static bool map_on(struct cv_dump *d, struct cv_dump_image_of *m, int timeout_ms, struct cv_err *err)
{
	const struct cv_extent *extents;
	struct cv_err trouble = { .code = CV_OK };
	size_t count;

	switch (cv_map_next(d->map, timeout_ms, &extents, &count, &trouble)) {
	case CV_MAP_EXTENTS:
		return cv_dump_side_extents(d, cv_map_info(d->map), extents, count, err);
	case CV_MAP_READY:
		if (cv_map_info(d->map)->incomplete)
			m->map_incomplete =
				cv_arena_dup(d->arena, cv_map_info(d->map)->why, strlen(cv_map_info(d->map)->why));
		return true;
	case CV_MAP_WAIT:
		return true;
	case CV_MAP_DONE:
		if (!cv_dump_side_end(d, &m->map, err))
			return false;
		cv_map_free(cv_take(d->map));
		return true;
	default:
		/* What was mapped until then stays in the file. */
		if (!cv_dump_side_end(d, &m->map, err))
			return false;
		no_map(d, m, &trouble);
		return true;
	}
}

static void finish(struct cv_dump *d)
{
	for (size_t i = 0; i < d->source_count; i++) {
		struct cv_dump_source_of *s = &d->sources[i];
		struct cv_err ignored = { .code = CV_OK };
		uint64_t offset;

		cv_dump_look_at(d->g->scan, s->file, &s->after, &offset, &ignored);
		s->unchanged = cv_dump_same(&s->before, &s->after);
	}
	d->ended = now_ms();
	d->finished = true;
}

/* Begins what comes next for the image: reading, map, or the next image. */
static bool begin_next(struct cv_dump *d, struct cv_err *err)
{
	struct cv_dump_image_of *m = &d->images[d->at];
	bool read = m->sandbox_line || m->trouble;
	/* Where the tables could not be gone through there is nothing to map either, and that was said. */
	bool wants_map = d->options.files && m->coverage.mapped && !m->map.name[0] && !m->map_trouble;

	if (!read) {
		if (!start_reading(d, m, err))
			return false;
		return d->task || end_reading(d, m, err);
	}
	if (wants_map)
		return start_map(d, m, err);
	d->at++;
	return true;
}

bool cv_dump_step(struct cv_dump *d, int timeout_ms, struct cv_err *err)
{
	bool good = true;

	if (d->at < d->count) {
		struct cv_dump_image_of *m = &d->images[d->at];

		good = d->task  ? read_on(d, m, timeout_ms, err)
		       : d->map ? map_on(d, m, timeout_ms, err)
				: begin_next(d, err);
	}
	if (good && d->at == d->count && !d->finished)
		finish(d);
	return good && !d->finished;
}

struct cv_dump_progress_of cv_dump_progress(const struct cv_dump *d)
{
	return (struct cv_dump_progress_of){
		.images = d->count,
		.images_done = d->at,
		.bytes = d->bytes,
		.current = d->at < d->count ? d->g->images[d->images[d->at].image].file->path : NULL,
	};
}

static bool image_incomplete(const struct cv_dump_image_of *m)
{
	if (m->trouble || m->map_trouble || m->sandbox.seccomp_errno)
		return true;
	for (size_t i = 0; i < m->items.len; i++)
		if (m->items.at[i].kind == CV_DUMP_TROUBLE)
			return true;
	return false;
}

bool cv_dump_incomplete(const struct cv_dump *d)
{
	for (size_t i = 0; i < d->count; i++)
		if (image_incomplete(&d->images[i]))
			return true;
	for (size_t i = 0; i < d->source_count; i++)
		if (!d->sources[i].unchanged)
			return true;
	return false;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The files beside a document: what every byte of an image file is, and which image serves which bytes of a disk.
 * One JSON object a line, summed as they are written. Where the lines go is the caller's business.
 */
#include <stdio.h>
#include "inspect/dump/dump.h"

#define BUFFER 65536u

struct cv_dump_side {
	struct cv_sink sink;
	struct cv_digest *digest;
	uint64_t bytes;
	struct cv_text buffer;
	struct cv_extent last; /* of a map: not written yet; len 0: none */
};

void cv_dump_side_drop(struct cv_dump *d)
{
	struct cv_err ignored = { .code = CV_OK };

	if (!d->side)
		return;
	d->options.files->end(d->options.files->ctx, &ignored);
	cv_digest_free(d->side->digest);
	cv_text_fini(&d->side->buffer);
	free(d->side);
	d->side = NULL;
}

bool cv_dump_side_begin(struct cv_dump *d, struct cv_dump_side_file *file, const char *kind, struct cv_err *err)
{
	const struct cv_dump_files *files = d->options.files;
	struct cv_dump_side *side = calloc(1, sizeof *side);

	if (!side)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	snprintf(file->name, sizeof file->name, "i%zu.%s.ndjson", d->at + 1, kind);
	side->digest = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	if (side->digest && files->begin(files->ctx, file->name, &side->sink, err)) {
		d->side = side;
		return true;
	}
	cv_digest_free(side->digest);
	free(side);
	return false;
}

static bool flush(struct cv_dump_side *side, struct cv_err *err)
{
	struct cv_text *t = &side->buffer;
	bool good = !t->failed && cv_digest_add(side->digest, cv_text_str(t), t->len, err) &&
		    side->sink.put(side->sink.ctx, cv_text_str(t), t->len);

	side->bytes += t->len;
	cv_text_clear(t);
	return good || cv_fail(err, CV_EIO, "a map could not be written");
}

static bool flush_some(struct cv_dump_side *side, struct cv_err *err)
{
	return side->buffer.len < BUFFER || flush(side, err);
}

bool cv_dump_side_runs(struct cv_dump *d, const struct cv_dump_run *runs, size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		cv_text_addf(&d->side->buffer, "{\"start\":%" PRIu64 ",\"length\":%" PRIu64 ",\"class\":\"%s\"}\n",
			     runs[i].offset, runs[i].length, cv_dump_class_name(runs[i].class));
		if (!flush_some(d->side, err))
			return false;
	}
	return true;
}

static void add_image(const struct cv_dump *d, struct cv_text *t, uint32_t image)
{
	size_t n = cv_dump_index(d, image);

	if (n != SIZE_MAX)
		cv_text_addf(t, ",\"image\":\"i%zu\"", n + 1);
}

static bool write_extent(struct cv_dump *d, const struct cv_map_info *info, struct cv_err *err)
{
	static const char *const kinds[] = {
		[CV_EXTENT_PARENT] = "unallocated",
		[CV_EXTENT_DATA] = "data",
		[CV_EXTENT_ZERO] = "zero",
		[CV_EXTENT_BAD] = "bad",
	};
	const struct cv_extent *e = &d->side->last;
	struct cv_text *t = &d->side->buffer;

	if (!e->at.len)
		return true;
	cv_text_addf(t, "{\"start\":%" PRIu64 ",\"length\":%" PRIu64 ",\"kind\":\"%s\"", e->at.off, e->at.len,
		     kinds[e->kind]);
	if (e->layer < info->count && e->kind != CV_EXTENT_PARENT) {
		cv_text_addf(t, ",\"hops\":%" PRIu32, e->layer);
		add_image(d, t, info->layers[e->layer].image);
	}
	if (e->placed)
		cv_text_addf(t, ",\"offset\":%" PRIu64, e->host);
	if (e->compressed)
		cv_text_add(t, ",\"compressed\":true");
	cv_text_add(t, "}\n");
	return flush_some(d->side, err);
}

static bool goes_on(const struct cv_extent *a, const struct cv_extent *b)
{
	return a->at.len && a->kind == b->kind && a->layer == b->layer && a->placed == b->placed && !a->compressed &&
	       !b->compressed && (!a->placed || a->host + a->at.len == b->host);
}

bool cv_dump_side_extents(struct cv_dump *d, const struct cv_map_info *info, const struct cv_extent *extents,
			  size_t count, struct cv_err *err)
{
	for (size_t i = 0; i < count; i++) {
		if (goes_on(&d->side->last, &extents[i])) {
			d->side->last.at.len += extents[i].at.len;
			continue;
		}
		if (!write_extent(d, info, err))
			return false;
		d->side->last = extents[i];
	}
	return true;
}

bool cv_dump_side_end(struct cv_dump *d, struct cv_dump_side_file *file, struct cv_err *err)
{
	struct cv_dump_side *side = d->side;
	bool good = (!d->map || !side->last.at.len || write_extent(d, cv_map_info(d->map), err)) && flush(side, err) &&
		    cv_digest_end(side->digest, CV_DIGEST_SHA256, file->sha256, err);

	file->bytes = side->bytes;
	file->there = good;
	cv_digest_free(side->digest);
	cv_text_fini(&side->buffer);
	free(side);
	d->side = NULL;
	return d->options.files->end(d->options.files->ctx, err) && good;
}

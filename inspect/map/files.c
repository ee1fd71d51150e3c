/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Opens the files of a chain for a task. What is in them is not looked at here. */
#include "inspect/map/files.h"
#include "inspect/repository/reopen.h"

static bool open_data(const struct cv_graph *g, const struct cv_image *m, struct cv_task_image *out,
		      const struct cv_file **data, struct cv_err *err)
{
	struct cv_range part;

	*data = cv_scan_data_file(g->scan, m->file, m->facts);
	if (!*data)
		return cv_fail(err, CV_EFORMAT, "its external data file is not there");
	out->data_fd = cv_scan_reopen(g->scan, *data, &part, err);
	return out->data_fd >= 0 || cv_wrap(err, "its external data file");
}

bool cv_image_file_open(const struct cv_graph *g, uint32_t image, struct cv_task_image *out,
			const struct cv_file **data, struct cv_err *err)
{
	const struct cv_image *m = &g->images[image];
	struct cv_range part = { 0 };

	*out = (struct cv_task_image){ .fd = -1, .data_fd = -1, .format = m->format };
	*data = NULL;
	out->fd = cv_scan_reopen(g->scan, m->file, &part, err);
	if (out->fd < 0)
		return false;
	out->offset = part.off;
	out->length = part.len;
	if (!(m->facts->flags & CV_FACT_DATA_FILE) || open_data(g, m, out, data, err))
		return true;
	cv_auto_close(&out->fd);
	return false;
}

/* Why the chain ends at an image that says that it has a parent. */
static const char *end_reason(enum cv_parent_status status)
{
	static const char *const reasons[CV_PARENT_STATUS_COUNT] = {
		[CV_PARENT_MISSING] = "its parent is not there",
		[CV_PARENT_MISMATCH] = "its parent is another image now",
		[CV_PARENT_AMBIGUOUS] = "more than one image could be its parent",
		[CV_PARENT_OUTSIDE] = "its parent lies outside the repositories",
		[CV_PARENT_CYCLE] = "its parents go round in a circle",
		[CV_PARENT_EXTERNAL] = "its parent is not a file",
		[CV_PARENT_UNREADABLE] = "what names its parent is damaged",
	};

	return (unsigned)status < CV_PARENT_STATUS_COUNT ? reasons[status] : NULL;
}

static void end_early(const struct cv_graph *g, struct cv_chain_files *f, uint32_t image, const char *reason)
{
	f->incomplete = true;
	cv_text_escape(&f->why, cv_bytes_of(g->images[image].id));
	cv_text_addf(&f->why, ": %s", reason);
}

bool cv_chain_files_open(const struct cv_graph *g, uint32_t image, struct cv_chain_files *f, struct cv_err *err)
{
	size_t length;

	*f = (struct cv_chain_files){ 0 };
	if (!cv_graph_chain(g, image, &f->list, &length))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_task_room(length * 2);
	f->images = calloc(length, sizeof *f->images);
	f->data = calloc(length, sizeof *f->data);
	if (!f->images || !f->data)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (; f->count < length; f->count++) {
		struct cv_err why = { 0 };
		uint32_t at = f->list[f->count];

		if (cv_image_file_open(g, at, &f->images[f->count], &f->data[f->count], &why))
			continue;
		if (!f->count) {
			*err = why;
			return false;
		}
		end_early(g, f, at, why.text);
		return true;
	}
	if (end_reason(g->images[f->list[length - 1]].status))
		end_early(g, f, f->list[length - 1], end_reason(g->images[f->list[length - 1]].status));
	return true;
}

void cv_chain_files_damaged(struct cv_chain_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->images[i].damaged = true;
}

void cv_chain_files_taken(struct cv_chain_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->images[i].fd = f->images[i].data_fd = -1;
}

void cv_chain_files_fini(struct cv_chain_files *f)
{
	for (size_t i = 0; i < f->count; i++) {
		cv_auto_close(&f->images[i].fd);
		cv_auto_close(&f->images[i].data_fd);
	}
	free(f->images);
	free(f->list);
	free(f->data);
	cv_text_fini(&f->why);
	*f = (struct cv_chain_files){ 0 };
}

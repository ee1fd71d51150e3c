/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Letters and words for images and findings. The only place where a view turns bytes from an image into
 * text, and so the only place that has to escape them.
 */
#include <stdio.h>

#include "tui/view/words.h"

static bool is_hidden(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->mark == CV_MARK_HIDDEN;
}

static bool has_snapshots(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->facts && image->facts->flags & CV_FACT_SNAPSHOTS;
}

static bool is_orphan(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->role == CV_ROLE_ORPHAN;
}

static bool is_attached(const struct cv_graph *g, const struct cv_image *image)
{
	for (uint32_t i = 0; i < image->reference_count; i++) {
		size_t at = (size_t)image->first_reference + i;

		if (at < g->reference_count && g->references[at].claim && g->references[at].claim->in_use)
			return true;
	}
	return false;
}

static bool can_merge(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->coalesce.possible;
}

/* Worth merging, and not possible now. */
static bool is_blocked(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->role == CV_ROLE_BASE && image->status == CV_PARENT_FOUND && !image->coalesce.possible;
}

static bool has_error(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return (image->any_finding && image->worst == CV_ERROR) ||
	       (image->file && image->file->state == CV_FILE_FAILED);
}

static bool is_dirty(const struct cv_graph *g, const struct cv_image *image)
{
	(void)g;
	return image->facts && image->facts->flags & (CV_FACT_DIRTY | CV_FACT_LIVE);
}

const struct cv_flag_row cv_flags[] = {
	{ 'H', 0, "hidden base copy", is_hidden },
	{ 'S', 0, "internal snapshots", has_snapshots },
	{ 'O', 1, "orphan", is_orphan },
	{ 'A', 2, "attached: open or locked", is_attached },
	{ 'C', 3, "can be merged", can_merge },
	{ 'B', 3, "blocked: cannot be merged", is_blocked },
	{ 'E', 4, "error", has_error },
	{ 'D', 4, "dirty, or signs of being open", is_dirty },
	{ 0, 0, NULL, NULL },
};

bool cv_image_has_flag(const struct cv_graph *g, const struct cv_image *image, char letter)
{
	for (const struct cv_flag_row *row = cv_flags; row->letter; row++)
		if (row->letter == (letter & ~32))
			return row->has(g, image);
	return false;
}

struct cv_flag_text cv_image_flags(const struct cv_graph *g, const struct cv_image *image)
{
	struct cv_flag_text t = { "-----" };

	for (const struct cv_flag_row *row = cv_flags; row->letter; row++)
		if (t.s[row->column] == '-' && row->has(g, image))
			t.s[row->column] = row->letter;
	return t;
}

char cv_image_state(const struct cv_image *image)
{
	if (image->file && image->file->state == CV_FILE_WAITING)
		return '~';
	if (image->file && image->file->state == CV_FILE_FAILED)
		return image->any_finding && image->worst == CV_ERROR ? 'X' : '?';
	if (!image->any_finding)
		return ' ';
	return image->worst == CV_ERROR ? 'X' : image->worst == CV_WARNING ? '!' : 'i';
}

enum cv_ink cv_state_ink(char state)
{
	return state == 'X' || state == '?' ? CV_INK_ERROR
	       : state == '!'               ? CV_INK_WARNING
	       : state == '='               ? CV_INK_GOOD
					    : CV_INK_INFO;
}

enum cv_ink cv_severity_ink(enum cv_severity severity)
{
	return severity == CV_ERROR ? CV_INK_ERROR : severity == CV_WARNING ? CV_INK_WARNING : CV_INK_INFO;
}

/* An image given as a place of its own has the path "." or none below it: then its file name. */
void cv_image_name(struct cv_text *out, const struct cv_image *image)
{
	const char *name = image->id, *slash;

	if ((!name || !*name || !strcmp(name, ".")) && image->file && image->file->path) {
		slash = strrchr(image->file->path, '/');
		name = slash && slash[1] ? slash + 1 : image->file->path;
	}
	cv_text_escape(out, cv_bytes_of(name ? name : ""));
}

struct cv_time_text cv_minute(int64_t unix_seconds)
{
	struct cv_time_text t = cv_time_utc(unix_seconds);

	if (t.s[0] != '@' && strlen(t.s) > 16) {
		t.s[10] = ' ';
		t.s[16] = '\0';
	}
	return t;
}

int64_t cv_image_mtime(const struct cv_image *image)
{
	int64_t ns = image->file ? image->file->mtime_ns : 0;

	return ns / 1000000000 - (ns % 1000000000 < 0);
}

void cv_finding_words(struct cv_text *out, const struct cv_finding *f)
{
	cv_text_add(out, f->advisory ? "advisory: " : "");
	cv_finding_title(out, f);
}

/* Findings are sorted by repository, then image, those without an image first: find the lower bound. */
size_t cv_findings_of(const struct cv_graph *g, const struct cv_image *image, const struct cv_finding **first)
{
	uint32_t index = (uint32_t)(image - g->images);
	size_t low = 0, high = g->finding_count, n = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct cv_finding *f = &g->findings[mid];
		bool before = f->repository != image->repository ? f->repository < image->repository :
			      f->image == CV_NO_IMAGE || f->image < index;

		if (before)
			low = mid + 1;
		else
			high = mid;
	}
	*first = &g->findings[low];
	while (low + n < g->finding_count && g->findings[low + n].image == index)
		n++;
	return n;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Data that hold nothing but zeros, by reading them: what could be freed by making holes. Counted in whole pages
 * of the file, because a file system cannot free less.
 */
#include "inspect/space/space_work.h"

#define PAGE 4096u
#define BUFFER (1u << 20)

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static uint64_t zero_pages(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + PAGE <= len; i += PAGE)
		if (is_zero(p + i, PAGE))
			sum += PAGE;
	return sum;
}

bool cv_space_count_zeros(struct cv_space_tree *t, struct cv_space_node *n, const struct cv_extent *e,
			  struct cv_err *err)
{
	struct cv_source *s = n->layer->data_file ? n->layer->data_file : n->layer->source;
	struct cv_space_disk *disk = n->layer->data_file ? &n->host.data_disk : &n->host.disk;
	uint64_t pos = (e->host + PAGE - 1) & ~(uint64_t)(PAGE - 1),
		 end = (e->host + e->at.len) & ~(uint64_t)(PAGE - 1);

	if (e->kind != CV_EXTENT_DATA || e->compressed || n->layer->encrypted)
		return true;
	if (!t->buffer)
		t->buffer = malloc(BUFFER);
	if (!t->buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (end > s->size)
		end = s->size & ~(uint64_t)(PAGE - 1);
	for (uint64_t len; pos < end; pos += len) {
		len = end - pos < BUFFER ? end - pos : BUFFER;
		if (!cv_space_on_disk(disk, (struct cv_range){ pos, len }))
			continue;
		if (!cv_source_read(s, t->buffer, (size_t)len, pos, err))
			return cv_wrap(err, "while looking for zeros");
		n->answer.zero += zero_pages(t->buffer, (size_t)len) -
				  (len - cv_space_on_disk(disk, (struct cv_range){ pos, len })) / PAGE * PAGE;
		if (!cv_task_alive(t->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer any more");
	}
	return true;
}

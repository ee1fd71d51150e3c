/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The second opinion: window by window, what the gate lets through is read by our own reader and by a library, and
 * compared byte by byte. Both readers live in this one process: what a hostile image does to the library can cost
 * the verdict, never the digest, which another process makes. If the library takes this process down, what was
 * found so far is left for the next one (second.c).
 */
#include "inspect/reader2/content.h"
#include "inspect/reader2/library.h"
#include "inspect/reader2/tasks.h"
#include "inspect/reader2/view.h"
#include <chainview/verify.h>

#define EXTENTS_AT_ONCE 4096u
#define SECTOR 512u

struct check {
	struct cv_gate_keeper gate;
	struct cv_library_chain library;
	uint32_t request;
	struct cv_extents extents;
	uint8_t *ours, *theirs;      /* CV_CONTENT_PIECE bytes each */
	struct cv_check_mark *mark;
	struct cv_checked_record record;
	unsigned told;               /* differences */
	bool complained;             /* about an error of the library */
	struct cv_pace pace;
};

static void check_fini(struct check *c)
{
	cv_library_fini(&c->library);
	cv_gate_fini(&c->gate);
	cv_extents_fini(&c->extents);
	free(c->ours);
	free(c->theirs);
}

/* The images that the library gets, and an empty one below them where the chain goes on without it. */
static bool open_library(struct check *c, struct cv_err *err)
{
	struct cv_gate_keeper *k = &c->gate;
	const struct cv_gate_layer *lowest = &k->layers[k->opened - 1];
	bool needs_parent = k->opened < k->chain.count;
	uint64_t size;

	if (!cv_library_init(&c->library, k->layers[0].format, k->opened + needs_parent, err))
		return false;
	for (size_t i = 0; i < k->opened; i++) {
		CV_AUTO(cv_auto_source) struct cv_source *view = cv_view_of(&k->layers[i], err);

		if (!view || !cv_library_open(&c->library, i, &view, &k->layers[i].library_size, err))
			return cv_wrap(err, "layer %zu", i);
	}
	if (needs_parent) {
		CV_AUTO(cv_auto_source) struct cv_source *empty = cv_view_empty_parent(lowest, err);

		if (!empty || !cv_library_open(&c->library, k->opened, &empty, &size, err))
			return cv_wrap(err, "the empty parent");
	}
	return cv_library_link(&c->library, err);
}

/* Leaves what is known now for the case that this process dies over what comes next. */
static void leave_state(struct check *c)
{
	uint32_t next = !c->mark->current;

	c->mark->states[next] = c->record;
	__atomic_store_n(&c->mark->current, next, __ATOMIC_RELEASE);
}

static bool tell_difference(struct check *c, struct cv_err *err)
{
	struct cv_difference_record record = { c->record.difference };

	c->record.difference.len = 0;
	if (!record.at.len || c->told == CV_VERIFY_DIFFERENCES)
		return true;
	c->told++;
	return cv_task_say(c->pace.out, CV_VERIFY_DIFFERENCE, &record, sizeof record, err);
}

/* Finds the sectors that are not the same; those that lie one behind the other are told as one. */
static bool locate(struct check *c, const uint8_t *ours, const uint8_t *theirs, struct cv_range at, struct cv_err *err)
{
	struct cv_range *last = &c->record.difference;

	for (uint64_t i = 0, n; i < at.len; i += n) {
		n = SECTOR - (at.off + i) % SECTOR;
		if (n > at.len - i)
			n = at.len - i;
		if (!memcmp(ours + i, theirs + i, n))
			continue;
		c->record.differing += n;
		if (last->len && last->off + last->len == at.off + i) {
			last->len += n;
			continue;
		}
		if (!tell_difference(c, err))
			return false;
		*last = (struct cv_range){ at.off + i, n };
	}
	return true;
}

/* An error says nothing about the image: the bytes are not compared. The first one is told. */
static bool complain(struct check *c, const struct cv_err *why, struct cv_err *err)
{
	if (c->complained)
		return true;
	c->complained = true;
	return cv_task_say(c->pace.out, CV_VERIFY_TROUBLE, why->text, strlen(why->text), err);
}

/* The library first: should it not come back, our own reader has not touched what it was asked for. */
static bool read_theirs(struct check *c, struct cv_range at, bool *good, struct cv_err *err)
{
	struct cv_err theirs = { .code = CV_OK };

	c->mark->asked = at;
	*good = cv_library_read(&c->library, c->theirs, at.len, at.off, &theirs);
	c->mark->asked.len = 0;
	return *good || complain(c, &theirs, err);
}

/* A part of an extent that lies within one block of all images. */
static bool compare_request(struct check *c, const struct cv_extent *part, struct cv_err *err)
{
	const uint8_t *ours = cv_content_zeros;
	bool good;

	if (!read_theirs(c, part->at, &good, err))
		return false;
	if (!good) {
		c->record.gated[CV_GATE_ERROR] += part->at.len;
		return true;
	}
	if (part->kind == CV_EXTENT_DATA) {
		ours = c->ours;
		if (!cv_content_read(&c->gate.chain, part, c->ours, err))
			return cv_wrap(err, "our own reader");
	}
	c->record.compared += part->at.len;
	return !memcmp(ours, c->theirs, part->at.len) || locate(c, ours, c->theirs, part->at, err);
}

/* In requests that do not cross a multiple of the smallest block. */
static bool compare_range(struct check *c, const struct cv_extent *e, uint64_t off, uint64_t end, struct cv_err *err)
{
	for (uint64_t n; off < end; off += n) {
		struct cv_extent part;

		n = c->request - off % c->request;
		if (n > end - off)
			n = end - off;
		part = cv_content_part(e, off, n);
		if (!compare_request(c, &part, err) || !cv_pace_tell(&c->pace, off + n, err))
			return false;
		c->record.done = off + n;
		leave_state(c);
	}
	return true;
}

static bool check_extent(struct check *c, const struct cv_extent *e, uint64_t window_end, struct cv_err *err)
{
	uint64_t stop = e->at.off + e->at.len, off = e->at.off;

	if (stop > window_end)
		stop = window_end;
	if (off < c->record.done)
		off = c->record.done;
	for (uint64_t end; off < stop; off = end) {
		enum cv_gate_id gate;

		end = stop;
		gate = cv_gate_at(&c->gate, e, off, &end);
		if (gate) {
			c->record.gated[gate] += end - off;
			c->record.done = end;
			leave_state(c);
		} else if (!compare_range(c, e, off, end, err)) {
			return false;
		}
	}
	return cv_pace_tell(&c->pace, c->record.done, err);
}

/* As much of the disk from off on as a list of extents holds; *end is where the next one begins. */
static bool check_window(struct check *c, uint64_t off, uint64_t *end, struct cv_err *err)
{
	uint64_t size = c->record.size;

	if (!cv_chain_extents(&c->gate.chain, (struct cv_range){ off, size - off }, &c->extents, err))
		return false;
	*end = cv_extents_end(&c->extents);
	if (*end < size)
		*end = *end / CV_GATE_GROUP * CV_GATE_GROUP;
	if (!cv_gate_window(&c->gate, off, end, err))
		return false;
	for (size_t i = 0; i < c->extents.len && c->extents.at[i].at.off < *end; i++)
		if (!check_extent(c, &c->extents.at[i], *end, err))
			return false;
	return true;
}

static bool check_all(struct check *c, struct cv_err *err)
{
	c->request = cv_gate_request(&c->gate);
	c->ours = malloc(CV_CONTENT_PIECE);
	c->theirs = malloc(CV_CONTENT_PIECE);
	c->extents.max = EXTENTS_AT_ONCE;
	if (!c->ours || !c->theirs)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!open_library(c, err))
		return false;
	leave_state(c);
	for (uint64_t off = c->record.done / CV_GATE_GROUP * CV_GATE_GROUP, end; off < c->record.size; off = end)
		if (!check_window(c, off, &end, err))
			return false;
	return tell_difference(c, err);
}

/* Where to begin; without a request at the beginning, with nobody who looks at the mark. */
static bool take_request(struct check *c, uint64_t size, const void *request, size_t len)
{
	static struct cv_check_mark unseen;
	const struct cv_check_request *r = len == sizeof *r ? request : NULL;

	c->mark = r ? r->mark : &unseen;
	c->record.size = size;
	if (!r)
		return true;
	c->gate.avoided = r->avoided;
	c->gate.avoided_count = r->avoided_count;
	if (!r->from.size)
		return true;
	c->record = r->from;
	return size == r->from.size;
}

static bool check_chain(struct check *c, const struct cv_chain *chain, const struct cv_task_image *images,
			const void *request, size_t request_len, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) enum cv_format_id *formats = calloc(chain->count, sizeof *formats);

	if (!formats)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (size_t i = 0; i < chain->count; i++)
		formats[i] = images[i].format;
	if (!cv_gate_init(&c->gate, chain, formats, err))
		return false;
	if (!take_request(c, chain->layers[0]->size, request, request_len))
		return cv_fail(err, CV_EUSAGE, "the image has changed its size");
	if (c->gate.opened)
		return check_all(c, err);
	c->record.gated[c->gate.cut] = c->record.done = c->record.size;
	return true;
}

bool cv_check_task(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		   const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	CV_AUTO(cv_content_close) struct cv_chain chain = { .count = 0 };
	CV_AUTO(check_fini) struct check c = { .pace = { .out = out } };

	return cv_content_open(&chain, sources, data, images, count, err) &&
	       check_chain(&c, &chain, images, request, request_len, err) &&
	       cv_task_say(out, CV_VERIFY_CHECKED, &c.record, sizeof c.record, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What every byte of a file is: structures that were sent, what tables point to, and the rest, which is looked at and
 * summed. Goes over the file in slices of as many pieces as memory is meant for.
 */
#include "inspect/dump/work.h"
#include "inspect/space/space_host.h"
#include "inspect/vhd/vhd_map.h"

#define MOST_PIECES    ((size_t)1 << 19)
#define SMALLEST_SLICE (UINT64_C(2) << 20)
#define MOST_SLICES    4096u
#define RUNS_HELD      8192u
#define COST_OF_GAP    200u

struct cover {
	struct cv_dumping *d;
	struct cv_space_host host;
	size_t held;
	struct cv_dump_run runs[RUNS_HELD];
	size_t run_count;
	struct cv_range gap; /* found and not sent yet */
	struct cv_dump_coverage sums;
	uint64_t overlaps_said;
};

static uint64_t end_of(struct cv_range r)
{
	return r.off + r.len;
}

static bool send_gap(struct cover *c, struct cv_err *err)
{
	struct cv_dump_gap g = { .offset = c->gap.off, .length = c->gap.len };
	struct cv_dump_scan scan = { .keep = g.first, .keep_len = CV_DUMP_FIRST_BYTES };

	if (!c->gap.len)
		return true;
	c->gap.len = 0;
	c->sums.gaps++;
	if (!cv_dump_take(c->d, COST_OF_GAP))
		return cv_dump_limit(c->d, &c->d->said_gaps,
				     "not all gaps are listed (--max-bytes); the layout of --maps has "
				     "them all",
				     err);
	if (!cv_dump_scan(c->d, c->d->source, (struct cv_range){ g.offset, g.length }, &scan, err))
		return false;
	g.flags = (scan.hashed ? CV_GAP_HASHED : 0u) | (scan.present == g.length ? CV_GAP_READ : 0u) |
		  (scan.present == g.length && !scan.nonzero ? CV_GAP_ZERO : 0u);
	memcpy(g.sha256, scan.sha256, sizeof g.sha256);
	g.first_len = scan.present < CV_DUMP_FIRST_BYTES ? (uint32_t)scan.present : CV_DUMP_FIRST_BYTES;
	return cv_dump_send(c->d, CV_DUMP_GAP, &g, sizeof g, err);
}

static bool flush_runs(struct cover *c, struct cv_err *err)
{
	size_t n = c->run_count;

	c->run_count = 0;
	return !n || cv_dump_send(c->d, CV_DUMP_RUNS, c->runs, n * sizeof c->runs[0], err);
}

static bool add_run(struct cover *c, struct cv_range r, enum cv_dump_class class, struct cv_err *err)
{
	struct cv_dump_run *last = c->run_count ? &c->runs[c->run_count - 1] : NULL;

	c->sums.bytes[class] += r.len;
	if (class == CV_RUN_GAP && c->gap.len && end_of(c->gap) == r.off)
		c->gap.len += r.len;
	else if (class == CV_RUN_GAP)
		c->gap = r;
	else if (!send_gap(c, err))
		return false;
	if (!c->d->request.runs)
		return true;
	if (last && last->class == class && last->offset + last->length == r.off) {
		last->length += r.len;
		return true;
	}
	if (c->run_count == RUNS_HELD && !flush_runs(c, err))
		return false;
	c->runs[c->run_count++] = (struct cv_dump_run){ r.off, r.len, class, 0 };
	return true;
}

static bool add_overlap(struct cover *c, struct cv_range r, uint32_t classes, struct cv_err *err)
{
	struct cv_dump_overlap o = { r.off, r.len, classes, 0 };

	c->sums.overlap_bytes += r.len;
	if (c->overlaps_said == 64 || !cv_dump_take(c->d, COST_OF_GAP))
		return true;
	c->overlaps_said++;
	return cv_dump_send(c->d, CV_DUMP_OVERLAP, &o, sizeof o, err);
}

/* The lists of pieces, the one that decides first. Each is sorted and joined. */
struct lists {
	const struct cv_range *at[CV_RUN_GAP];
	size_t len[CV_RUN_GAP], cursor[CV_RUN_GAP];
};

/* Which lists have pos, and where that changes. */
static uint32_t classes_at(struct lists *l, uint64_t pos, uint64_t *end)
{
	uint32_t classes = 0;

	for (int class = 0; class < CV_RUN_GAP; class ++) {
		size_t *i = &l->cursor[class];
		const struct cv_range *r;

		while (*i < l->len[class] && end_of(l->at[class][*i]) <= pos)
			++*i;
		if (*i == l->len[class])
			continue;
		r = &l->at[class][*i];
		if (r->off <= pos)
			classes |= 1u << class;
		*end = r->off <= pos ? (end_of(*r) < *end ? end_of(*r) : *end) : r->off < *end ? r->off : *end;
	}
	return classes;
}

/* A table that is also listed as a structure is one thing; guest data on either is not. */
static bool is_overlap(uint32_t classes)
{
	return classes & 1u << CV_RUN_DATA && classes & (1u << CV_RUN_STRUCTURE | 1u << CV_RUN_TABLE);
}

static bool settle(struct cover *c, struct cv_range slice, struct cv_err *err)
{
	static const enum cv_claim_class from[CV_RUN_GAP] = {
		[CV_RUN_TABLE] = CV_CLAIM_METADATA,
		[CV_RUN_DATA] = CV_CLAIM_OWNED,
		[CV_RUN_SNAPSHOT] = CV_CLAIM_SNAPSHOT,
	};
	struct lists l = { .cursor = { 0 } };
	uint64_t pos = slice.off, end;

	cv_space_account_join(&c->host.account);
	l.at[CV_RUN_STRUCTURE] = c->d->claimed.at;
	l.len[CV_RUN_STRUCTURE] = c->d->claimed.len;
	for (int class = CV_RUN_TABLE; class < CV_RUN_GAP; class ++) {
		const struct cv_space_runs *runs = &c->host.account.runs[from[class]];

		l.at[class] = runs->at;
		l.len[class] = runs->len;
	}
	for (; pos < end_of(slice); pos = end) {
		uint32_t classes;
		int class = 0;

		end = end_of(slice);
		classes = classes_at(&l, pos, &end);
		while (class < CV_RUN_GAP && !(classes & 1u << class))
			class ++;
		if (!add_run(c, (struct cv_range){ pos, end - pos }, (enum cv_dump_class) class, err) ||
		    (is_overlap(classes) && !add_overlap(c, (struct cv_range){ pos, end - pos }, classes, err)))
			return false;
	}
	return true;
}

/* Formats without tables: the disk is one piece of the file. */
static bool claim_plain(struct cover *c, struct cv_err *err)
{
	struct cv_extents list = { .max = 64 };
	struct cv_layer *layer = c->host.layer;
	bool ok = cv_layer_extents(layer, (struct cv_range){ 0, layer->size }, &list, err);

	for (size_t i = 0; ok && i < list.len; i++)
		if (list.at[i].kind == CV_EXTENT_DATA && list.at[i].placed)
			ok = cv_space_claim(&c->host.account, CV_CLAIM_OWNED,
					    (struct cv_range){ list.at[i].host, list.at[i].at.len }, err);
	cv_extents_fini(&list);
	return ok;
}

static bool is_plain(const struct cover *c)
{
	return c->d->format == CV_FORMAT_RAW ||
	       (c->d->format == CV_FORMAT_VHD && ((const struct vhd_map *)c->host.layer->state)->fixed);
}

static bool claim_slice(struct cover *c, struct cv_range slice, struct cv_err *err)
{
	c->host.account.slice = slice;
	return cv_space_host_open(&c->host, c->d->format, err) && (!is_plain(c) || claim_plain(c, err));
}

static void close_slice(struct cover *c)
{
	for (int class = 0; class < CV_CLAIM_CLASS_COUNT; class ++) {
		uint64_t joined = 0;

		for (size_t i = 0; i < c->host.account.runs[class].len; i++)
			joined += c->host.account.runs[class].at[i].len;
		if (class == CV_CLAIM_OWNED)
			c->sums.shared_bytes += c->host.account.claimed[class] - joined;
	}
	cv_space_host_close(&c->host);
	c->held = 0;
}

/* Where tables cannot be gone through, structures and the rest are all that is known. */
static bool give_up(struct cover *c, struct cv_err *trouble, struct cv_err *err)
{
	cv_space_host_close(&c->host);
	c->host.ops = NULL;
	c->held = 0;
	c->sums.mapped = 0;
	cv_wrap(trouble, "which bytes hold guest data is not known");
	return cv_dump_trouble(c->d, NULL, trouble, err);
}

static bool go_over(struct cover *c, struct cv_err *err)
{
	uint64_t size = c->d->source->size, len = size;
	unsigned slices = 0;

	for (uint64_t pos = 0; pos < size;) {
		struct cv_range slice = { pos, len < size - pos ? len : size - pos };
		struct cv_err trouble = { .code = CV_OK };

		if (c->sums.mapped && !claim_slice(c, slice, &trouble)) {
			bool many = trouble.code == CV_ELIMIT && slice.len > SMALLEST_SLICE && slices < MOST_SLICES;

			cv_space_host_close(&c->host);
			c->held = 0;
			len = slice.len / 2 > SMALLEST_SLICE ? slice.len / 2 : SMALLEST_SLICE;
			if (!many && !give_up(c, &trouble, err))
				return false;
			continue;
		}
		if (!settle(c, slice, err))
			return false;
		close_slice(c);
		slices++;
		pos += slice.len;
		if (!cv_task_alive(c->d->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
	}
	return send_gap(c, err) && flush_runs(c, err);
}

static int by_offset(const void *a, const void *b)
{
	const struct cv_range *x = a, *y = b;

	return x->off != y->off ? (x->off < y->off ? -1 : 1) : (x->len > y->len) - (x->len < y->len);
}

/* Structures that lie on each other are said, then joined so that each byte counts once. */
static bool join_structures(struct cover *c, struct cv_err *err)
{
	struct cv_dump_ranges *r = &c->d->claimed;
	size_t n = 0;

	if (!r->len)
		return true;
	qsort(r->at, r->len, sizeof *r->at, by_offset);
	for (size_t i = 1; i < r->len; i++) {
		struct cv_range *last = &r->at[n], next = r->at[i];
		uint64_t stop = end_of(next) < end_of(*last) ? end_of(next) : end_of(*last);

		if (next.off < end_of(*last) &&
		    !add_overlap(c, (struct cv_range){ next.off, stop - next.off }, 1u << CV_RUN_STRUCTURE, err))
			return false;
		if (next.off > end_of(*last))
			r->at[++n] = next;
		else if (end_of(next) > end_of(*last))
			last->len = end_of(next) - last->off;
	}
	r->len = n + 1;
	return true;
}

static bool open_layer(struct cover *c, struct cv_err *err)
{
	struct cv_source *source = cv_source_borrow(c->d->source, err), *data = NULL;

	if (source && c->d->data)
		data = cv_source_borrow(c->d->data, err);
	if (!source || (c->d->data && !data)) {
		cv_source_close(source);
		return false;
	}
	c->host.layer = cv_layer_open(&source, &data, c->d->format, err);
	return c->host.layer != NULL;
}

static bool cover(struct cover *c, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	c->host.exact = true;
	c->host.account.held = c->host.data_account.held = &c->held;
	c->host.account.most = c->host.data_account.most = MOST_PIECES;
	c->sums.mapped = c->d->format != CV_FORMAT_NONE;
	if (!join_structures(c, err))
		return false;
	if (c->sums.mapped && !open_layer(c, &trouble) && !give_up(c, &trouble, err))
		return false;
	if (c->host.layer)
		c->host.disk.source = c->host.layer->source;
	if (!go_over(c, err))
		return false;
	return cv_dump_send(c->d, CV_DUMP_COVERAGE, &c->sums, sizeof c->sums, err);
}

bool cv_dump_cover(struct cv_dumping *d, struct cv_err *err)
{
	struct cover *c = calloc(1, sizeof *c);
	bool good;

	if (!c)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	c->d = d;
	good = cover(c, err);
	cv_layer_close(c->host.layer);
	free(c);
	return good;
}

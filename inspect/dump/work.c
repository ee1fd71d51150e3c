/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The task: one image, its structures by the walk of its format, its gaps, its digests; and how things are sent. */
#include "inspect/dump/work.h"
#include <chainview/bytes.h>
#include "inspect/sandbox/confine.h"

#define MOST_STRUCTURES 65536u /* that are kept for finding gaps */
#define MOST_ZEROS      ((uint64_t)256 << 20)
#define MORE_READS      ((uint64_t)64 << 20)
#define COST_OF_RECORD  160u /* of what the document may hold */

static const char said_full[] = "the document holds no more structures, gaps and errors of this image (--max-bytes)";

bool cv_dump_send(struct cv_dumping *d, enum cv_dump_record kind, const void *record, size_t len, struct cv_err *err)
{
	return cv_task_send(d->out, kind, record, len) || cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
}

static bool send_text(struct cv_dumping *d, enum cv_dump_record kind, const void *head, size_t len, const char *text,
		      struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text record = { 0 };

	cv_text_add_bytes(&record, head, len);
	cv_text_add(&record, text);
	if (record.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_dump_send(d, kind, record.at, record.len, err);
}

bool cv_dump_trouble(struct cv_dumping *d, const struct cv_range *where, struct cv_err *trouble, struct cv_err *err)
{
	struct cv_dump_trouble record = { where ? where->off : 0, trouble->os_errno, where != NULL };

	if (trouble->code == CV_ENOMEM || trouble->code == CV_ECANCELLED) {
		*err = *trouble;
		return false;
	}
	if (!cv_dump_take(d, COST_OF_RECORD))
		return cv_dump_limit(d, &d->said_left, said_full, err);
	return send_text(d, CV_DUMP_TROUBLE, &record, sizeof record, trouble->text, err);
}

bool cv_dump_limit(struct cv_dumping *d, bool *said, const char *text, struct cv_err *err)
{
	struct cv_dump_trouble record = { 0 };

	if (*said)
		return true;
	*said = true;
	return send_text(d, CV_DUMP_LIMIT, &record, sizeof record, text, err);
}

bool cv_dump_take(struct cv_dumping *d, uint64_t bytes)
{
	if (bytes > d->left)
		return false;
	d->left -= bytes;
	return true;
}

bool cv_dump_read(struct cv_dumping *d, void *buf, size_t len, uint64_t off, bool *good, struct cv_err *err)
{
	struct cv_err trouble = { .code = CV_OK };

	*good = cv_source_read(d->view, buf, len, off, &trouble);
	return *good || cv_dump_trouble(d, &(struct cv_range){ off, len }, &trouble, err);
}

/* Bytes are shown without the zeros at their end, unless there are few of them. */
static void choose_shown(struct cv_dumping *d, struct cv_dump_structure *s, uint64_t nonzero)
{
	uint64_t want = s->present <= 512 ? s->present : nonzero;
	uint64_t most = cv_layout_of(s->layout)->is_table ? CV_DUMP_TABLE_SHOWN : CV_DUMP_LARGEST_SHOWN;

	if (s->present < s->length && nonzero > s->present)
		want = s->present;
	if (want > most)
		want = most;
	if (!cv_dump_take(d, want)) {
		d->is_short = true;
		want = 0;
	}
	s->shown = (uint32_t)want;
	s->zero_tail = want >= nonzero ? s->present - want : 0;
}

static bool claim(struct cv_dumping *d, const struct cv_dump_piece *p, uint64_t present, struct cv_err *err)
{
	struct cv_range r = { p->at.off, present };

	if (d->view != d->source || p->state == CV_STATE_ABSENT || !present)
		return true;
	if (d->claimed.len == MOST_STRUCTURES)
		return cv_dump_limit(d, &d->said_structures, "more structures than are kept: some count as gaps", err);
	return cv_dump_ranges_push(&d->claimed, r) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static uint32_t flags_of(const struct cv_dumping *d, const struct cv_dump_piece *p)
{
	return (p->used ? CV_STRUCTURE_USED : 0u) | (p->copy != CV_COPY_ONLY ? CV_STRUCTURE_HAS_COPIES : 0u) |
	       (d->view != d->source ? CV_STRUCTURE_REPLAYED : 0u) | (p->has_index ? CV_STRUCTURE_INDEXED : 0u) |
	       (d->view == d->source && p->state != CV_STATE_ABSENT ? CV_STRUCTURE_CLAIMED : 0u);
}

/* The checksum as it lies in the structure; big-endian for all but CRC-32C. */
static uint32_t stored_sum(const struct cv_dump_piece *p, const uint8_t *bytes)
{
	cv_be32 big;
	cv_le32 little;

	if (p->sum_given)
		return p->sum_stored;
	memcpy(&big, bytes + p->sum_at, sizeof big);
	memcpy(&little, bytes + p->sum_at, sizeof little);
	return p->sum == CV_SUM_CRC32C ? cv_le32_get(little) : cv_be32_get(big);
}

bool cv_dump_piece(struct cv_dumping *d, const struct cv_dump_piece *p, struct cv_err *err)
{
	struct cv_dump_structure s = {
		.offset = p->at.off,
		.length = p->at.len,
		.layout = p->layout,
		.index = p->index,
		.copy = p->copy,
		.state = p->state,
		.flags = flags_of(d, p),
	};
	struct cv_dump_scan scan = { .sum = p->sum,
				     .sum_at = p->sum_at,
				     .sum_len = p->sum_len,
				     .keep = d->shown + sizeof s,
				     .keep_len = CV_DUMP_LARGEST_SHOWN };
	struct cv_range at = p->at;

	if (!at.len)
		return true;
	if (!cv_range_inside(at, d->view->size)) {
		s.flags |= CV_STRUCTURE_CUT;
		at.len = at.off < d->view->size ? d->view->size - at.off : 0;
	}
	if (!cv_dump_take(d, COST_OF_RECORD))
		return cv_dump_limit(d, &d->said_left, said_full, err) && claim(d, p, at.len, err);
	if (!cv_dump_scan(d, d->view, at, &scan, err))
		return false;
	s.present = scan.present;
	if (scan.hashed)
		s.flags |= CV_STRUCTURE_HASHED;
	memcpy(s.sha256, scan.sha256, sizeof s.sha256);
	if (p->sum != CV_SUM_NONE && s.present >= scan.sum_len && (p->sum_given || s.present >= p->sum_at + 4ull)) {
		s.sum = p->sum;
		s.sum_computed = scan.sum_computed;
		s.sum_stored = stored_sum(p, scan.keep);
	}
	choose_shown(d, &s, scan.nonzero);
	memcpy(d->shown, &s, sizeof s);
	return claim(d, p, at.len, err) &&
	       (!d->is_short || cv_dump_limit(d, &d->said_shown,
					      "not every structure is shown with its bytes "
					      "(--max-bytes)",
					      err)) &&
	       cv_dump_send(d, CV_DUMP_STRUCTURE, d->shown, sizeof s + s.shown, err);
}

bool cv_dump_number(struct cv_dumping *d, enum cv_dump_number number, uint64_t value, struct cv_err *err)
{
	struct cv_dump_count c = { .number = number, .value = value };

	return cv_dump_send(d, CV_DUMP_COUNT, &c, sizeof c, err);
}

bool cv_dump_group_begin(struct cv_dumping *d, enum cv_dump_group group, struct cv_dump_sum_up *s, struct cv_err *err)
{
	*s = (struct cv_dump_sum_up){ .d = d, .summary = { .group = group, .complete = 1 } };
	s->digest = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	return s->digest != NULL;
}

bool cv_dump_group_add(struct cv_dump_sum_up *s, struct cv_range at, cv_dump_look *look, void *ctx, struct cv_err *err)
{
	struct cv_dumping *d = s->d;
	bool good;

	if (!s->summary.complete)
		return true;
	if (!cv_range_inside(at, d->view->size) || at.len > d->reads_left) {
		s->summary.complete = 0;
		return cv_range_inside(at, d->view->size)
			       ? cv_dump_limit(d, &d->said_reads,
					       "tables point to more than the file holds: they were not "
					       "all read",
					       err)
			       : true;
	}
	d->reads_left -= at.len;
	for (uint64_t done = 0; done < at.len;) {
		size_t n = at.len - done < CV_DUMP_PIECE ? (size_t)(at.len - done) : CV_DUMP_PIECE;

		if (!cv_dump_read(d, d->buffer, n, at.off + done, &good, err))
			return false;
		if (!good) {
			s->summary.complete = 0;
			return true;
		}
		if (!cv_digest_add(s->digest, d->buffer, n, err) || (look && !look(ctx, d->buffer, n, err)))
			return false;
		done += n;
		d->read += n;
	}
	s->summary.structures++;
	s->summary.bytes += at.len;
	if (d->read - d->told >= (8u << 20)) {
		struct cv_dump_progress p = { d->read, 0 };

		d->told = d->read;
		return cv_dump_send(d, CV_DUMP_PROGRESS, &p, sizeof p, err);
	}
	return true;
}

bool cv_dump_group_end(struct cv_dump_sum_up *s, struct cv_err *err)
{
	bool good = cv_digest_end(s->digest, CV_DIGEST_SHA256, s->summary.sha256, err);

	cv_digest_free(s->digest);
	s->digest = NULL;
	return good && cv_dump_send(s->d, CV_DUMP_SUMMARY, &s->summary, sizeof s->summary, err);
}

static bool send_sandbox(struct cv_dumping *d, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };
	const struct cv_confined *c = cv_task_confined(d->out, &line);
	struct cv_dump_sandbox record = { c->landlock_abi, c->landlock_errno, c->seccomp_errno, c->limits_errno,
					  c->privileges_errno };

	return send_text(d, CV_DUMP_SANDBOX, &record, sizeof record, cv_text_str(&line), err);
}

static bool add_whole(struct cv_dumping *d, struct cv_source *from, bool is_data, struct cv_err *err)
{
	CV_AUTO(cv_auto_digest) struct cv_digest *all = cv_digest_new(d->request.digests, err);
	struct cv_err trouble = { .code = CV_OK };

	if (!all)
		return false;
	for (uint64_t pos = 0; pos < from->size;) {
		size_t n = from->size - pos < CV_DUMP_PIECE ? (size_t)(from->size - pos) : CV_DUMP_PIECE;

		if (!cv_source_read(from, d->buffer, n, pos, &trouble))
			return cv_dump_trouble(d, &(struct cv_range){ pos, n }, &trouble, err);
		if (!cv_digest_add(all, d->buffer, n, err))
			return false;
		pos += n;
		d->read += n;
		if (d->read - d->told >= (8u << 20)) {
			struct cv_dump_progress p = { d->read, from->size };

			d->told = d->read;
			if (!cv_dump_send(d, CV_DUMP_PROGRESS, &p, sizeof p, err))
				return false;
		}
	}
	for (unsigned kind = 0; kind < CV_DIGEST_COUNT; kind++) {
		struct cv_dump_digest record = { is_data, kind, { 0 } };

		if (d->request.digests & 1u << kind &&
		    (!cv_digest_end(all, (enum cv_digest_kind)kind, record.bytes, err) ||
		     !cv_dump_send(d, CV_DUMP_DIGEST, &record, sizeof record, err)))
			return false;
	}
	return true;
}

bool cv_dump_whole(struct cv_dumping *d, struct cv_err *err)
{
	if (!d->request.digests)
		return true;
	return add_whole(d, d->source, false, err) && (!d->data || add_whole(d, d->data, true, err));
}

bool cv_dump_work(struct cv_source **sources, struct cv_source **data, const struct cv_task_image *images, size_t count,
		  const void *request, size_t request_len, struct cv_task_out *out, struct cv_err *err)
{
	static cv_dump_walk *const walks[CV_FORMAT_COUNT] = {
		[CV_FORMAT_VHD] = cv_dump_vhd,
		[CV_FORMAT_VHDX] = cv_dump_vhdx,
		[CV_FORMAT_QCOW2] = cv_dump_qcow2,
		[CV_FORMAT_QCOW] = cv_dump_qcow,
	};
	/* Not given back: the process ends with the work. */
	struct cv_dumping d = { .source = sources[0],
				.view = sources[0],
				.data = data[0],
				.format = images[0].format,
				.out = out,
				.zeros_left = MOST_ZEROS };

	if (count != 1 || request_len != sizeof d.request)
		return cv_fail(err, CV_EUSAGE, "a request of the wrong length");
	memcpy(&d.request, request, sizeof d.request);
	d.left = d.request.max_bytes;
	d.reads_left = (d.request.on_disk < INT64_MAX ? d.request.on_disk : INT64_MAX) + MORE_READS;
	d.buffer = malloc(CV_DUMP_PIECE);
	d.shown = malloc(sizeof(struct cv_dump_structure) + CV_DUMP_LARGEST_SHOWN);
	d.digest = cv_digest_new(1u << CV_DIGEST_SHA256, err);
	if (!d.buffer || !d.shown || !d.digest)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!send_sandbox(&d, err) || !cv_dump_whole(&d, err))
		return false;
	if ((unsigned)d.format < CV_FORMAT_COUNT && walks[d.format] && !walks[d.format](&d, err))
		return false;
	return cv_dump_cover(&d, err);
}

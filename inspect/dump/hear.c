/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Hears what the reading process says. It may have been taken over by the image: lengths, numbers and order are
 * tested, texts are escaped anew, and no more is kept than was asked for.
 */
#include <stdio.h>
#include "inspect/dump/dump.h"

/* What does not count towards max_bytes in the process: heads, numbers, summaries, what is sent once. */
#define MORE_HELD ((uint64_t)8 << 20)

static bool damaged(struct cv_err *err, const char *how)
{
	return cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: %s", how);
}

static bool keep(struct cv_dump *d, struct cv_dump_image_of *m, enum cv_dump_record kind, const void *bytes, size_t len,
		 struct cv_err *err)
{
	struct cv_dump_item item = { .kind = kind, .len = (uint32_t)len };

	d->held += len + sizeof item;
	if (d->held > d->options.max_bytes * 2 + MORE_HELD)
		return damaged(err, "more than was asked for");
	item.bytes = cv_arena_dup(d->arena, bytes, len);
	return (item.bytes && cv_dump_items_push(&m->items, item)) || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* One escaped line, whoever wrote it. */
static char *line_of(struct cv_dump *d, const uint8_t *bytes, size_t len)
{
	CV_AUTO(cv_text_fini) struct cv_text plain = { 0 }, escaped = { 0 };

	cv_text_unescape(&plain, (struct cv_bytes){ (const char *)bytes, len });
	cv_text_escape(&escaped, (struct cv_bytes){ cv_text_str(&plain), plain.len });
	return plain.failed || escaped.failed ? NULL : cv_arena_dup(d->arena, cv_text_str(&escaped), escaped.len);
}

static bool hear_sandbox(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			 struct cv_err *err)
{
	if (r->len < sizeof m->sandbox || m->sandbox_line)
		return damaged(err, "how it is fenced in");
	memcpy(&m->sandbox, r->bytes, sizeof m->sandbox);
	m->sandbox_line = line_of(d, r->bytes + sizeof m->sandbox, r->len - sizeof m->sandbox);
	return m->sandbox_line || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool hear_structure(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			   struct cv_err *err)
{
	struct cv_dump_structure s;

	if (r->len < sizeof s)
		return damaged(err, "a structure of a wrong length");
	memcpy(&s, r->bytes, sizeof s);
	if (r->len != sizeof s + s.shown || !cv_layout_of(s.layout) || s.copy >= CV_COPY_COUNT ||
	    s.state >= CV_STATE_COUNT || s.sum >= CV_SUM_COUNT || s.shown > s.present || s.present > s.length ||
	    (s.zero_tail && s.shown + s.zero_tail != s.present))
		return damaged(err, "a structure that cannot be");
	return keep(d, m, CV_DUMP_STRUCTURE, r->bytes, r->len, err);
}

static bool hear_count(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
		       struct cv_err *err)
{
	struct cv_dump_count c;

	if (r->len != sizeof c)
		return damaged(err, "a number of a wrong length");
	memcpy(&c, r->bytes, sizeof c);
	return c.number < CV_COUNT_NUMBERS ? keep(d, m, CV_DUMP_COUNT, r->bytes, r->len, err)
					   : damaged(err, "a number of no name");
}

static bool hear_summary(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			 struct cv_err *err)
{
	struct cv_dump_summary s;

	if (r->len != sizeof s)
		return damaged(err, "a summary of a wrong length");
	memcpy(&s, r->bytes, sizeof s);
	return s.group < CV_GROUP_COUNT ? keep(d, m, CV_DUMP_SUMMARY, r->bytes, r->len, err)
					: damaged(err, "a summary of nothing");
}

static bool hear_gap(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r, struct cv_err *err)
{
	struct cv_dump_gap g;

	if (r->len != sizeof g)
		return damaged(err, "a gap of a wrong length");
	memcpy(&g, r->bytes, sizeof g);
	return g.first_len <= sizeof g.first ? keep(d, m, CV_DUMP_GAP, r->bytes, r->len, err)
					     : damaged(err, "a gap that cannot be");
}

static bool hear_overlap(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			 struct cv_err *err)
{
	return r->len == sizeof(struct cv_dump_overlap) ? keep(d, m, CV_DUMP_OVERLAP, r->bytes, r->len, err)
							: damaged(err, "an overlap of a wrong length");
}

static bool hear_coverage(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			  struct cv_err *err)
{
	(void)d;
	if (r->len != sizeof m->coverage || m->covered)
		return damaged(err, "its sums");
	memcpy(&m->coverage, r->bytes, sizeof m->coverage);
	m->covered = true;
	return true;
}

/* They go into a file of their own, as they come. */
static bool hear_runs(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r, struct cv_err *err)
{
	size_t count = r->len / sizeof(struct cv_dump_run);
	CV_AUTO(cv_auto_free) struct cv_dump_run *runs = malloc(r->len + 1);

	(void)m;
	if (!runs)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(runs, r->bytes, r->len);
	if (!count || r->len % sizeof *runs || !d->side)
		return damaged(err, "a layout of a wrong length");
	for (size_t i = 0; i < count; i++) {
		if (runs[i].offset != d->covered_upto || runs[i].class >= CV_RUN_CLASSES ||
		    __builtin_add_overflow(d->covered_upto, runs[i].length, &d->covered_upto))
			return damaged(err, "a layout that cannot be");
	}
	return cv_dump_side_runs(d, runs, count, err);
}

static bool hear_digest(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			struct cv_err *err)
{
	struct cv_dump_digest g;
	size_t source;

	if (r->len != sizeof g)
		return damaged(err, "a digest of a wrong length");
	memcpy(&g, r->bytes, sizeof g);
	source = g.data_file ? m->data_source : m->source;
	if (g.kind >= CV_DIGEST_COUNT || source == SIZE_MAX)
		return damaged(err, "a digest of nothing");
	d->sources[source].digested[g.kind] = true;
	memcpy(d->sources[source].digest[g.kind], g.bytes, sizeof g.bytes);
	return true;
}

/* The head, and the text as one line. */
static bool hear_line(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text record = { 0 };
	const char *line;

	if (r->len < sizeof(struct cv_dump_trouble))
		return damaged(err, "a text of a wrong length");
	line = line_of(d, r->bytes + sizeof(struct cv_dump_trouble), r->len - sizeof(struct cv_dump_trouble));
	cv_text_add_bytes(&record, r->bytes, sizeof(struct cv_dump_trouble));
	cv_text_add(&record, line ? line : "");
	if (!line || record.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return keep(d, m, (enum cv_dump_record)r->kind, record.at, record.len, err);
}

static bool hear_progress(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r,
			  struct cv_err *err)
{
	struct cv_dump_progress p;

	(void)m;
	if (r->len != sizeof p)
		return damaged(err, "progress of a wrong length");
	memcpy(&p, r->bytes, sizeof p);
	d->bytes = p.done;
	return true;
}

bool cv_dump_hear(struct cv_dump *d, struct cv_dump_image_of *m, const struct cv_task_record *r, struct cv_err *err)
{
	static bool (*const rows[])(struct cv_dump *, struct cv_dump_image_of *, const struct cv_task_record *,
				    struct cv_err *) = {
		[CV_DUMP_SANDBOX] = hear_sandbox, [CV_DUMP_STRUCTURE] = hear_structure,
		[CV_DUMP_COUNT] = hear_count,     [CV_DUMP_SUMMARY] = hear_summary,
		[CV_DUMP_GAP] = hear_gap,         [CV_DUMP_RUNS] = hear_runs,
		[CV_DUMP_OVERLAP] = hear_overlap, [CV_DUMP_COVERAGE] = hear_coverage,
		[CV_DUMP_DIGEST] = hear_digest,   [CV_DUMP_TROUBLE] = hear_line,
		[CV_DUMP_LIMIT] = hear_line,      [CV_DUMP_PROGRESS] = hear_progress,
	};

	if (r->kind >= CV_COUNT(rows) || !rows[r->kind])
		return damaged(err, "a record of no kind");
	return rows[r->kind](d, m, r, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A dump as DFXML (digital forensics XML, 1.2) for tools that read that: a source per image, its structures and gaps
 * as byte runs with digests. And as a body file, one line for each source.
 */
#include <stdio.h>
#include "inspect/report/dump_forms.h"

#define FLUSH_AT 32768u

struct xml {
	const struct cv_dump *d;
	const struct cv_sink *sink;
	struct cv_text t;
	bool ok;
};

static void flush(struct xml *x, size_t at_least)
{
	if (x->t.len < at_least)
		return;
	x->ok = x->ok && !x->t.failed && x->sink->put(x->sink->ctx, cv_text_str(&x->t), x->t.len);
	cv_text_clear(&x->t);
}

/* Escaped first, so that no character is left that XML cannot have. */
static void add_text(struct xml *x, struct cv_bytes raw)
{
	CV_AUTO(cv_text_fini) struct cv_text clean = { 0 };
	const char *at;

	cv_text_escape(&clean, raw);
	x->ok = x->ok && !clean.failed;
	for (at = cv_text_str(&clean); *at; at++) {
		const char *entity = *at == '&'   ? "&amp;"
				     : *at == '<' ? "&lt;"
				     : *at == '>' ? "&gt;"
				     : *at == '"' ? "&quot;"
						  : NULL;

		if (entity)
			cv_text_add(&x->t, entity);
		else
			cv_text_add_bytes(&x->t, at, 1);
	}
}

static void add_element(struct xml *x, const char *indent, const char *name, struct cv_bytes raw)
{
	cv_text_addf(&x->t, "%s<%s>", indent, name);
	add_text(x, raw);
	cv_text_addf(&x->t, "</%s>\n", name);
}

static void add_creator(struct xml *x, const struct cv_report_head *head)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 };

	cv_text_add(&x->t, "  <creator version=\"1.0\">\n");
	add_element(x, "    ", "program", cv_bytes_of("chainview"));
	add_element(x, "    ", "version", cv_bytes_of(cv_version()));
	if (!x->d->options.reproducible) {
		int64_t seconds = x->d->options.has_epoch ? x->d->options.epoch : x->d->started / 1000;

		for (int i = 0; i < head->argc; i++)
			cv_text_addf(&line, "%s%s", i ? " " : "", head->argv[i]);
		cv_text_add(&x->t, "    <execution_environment>\n");
		add_element(x, "      ", "command_line", (struct cv_bytes){ cv_text_str(&line), line.len });
		add_element(x, "      ", "start_time", cv_bytes_of(cv_time_utc(seconds).s));
		cv_text_add(&x->t, "    </execution_environment>\n");
	}
	cv_text_add(&x->t, "  </creator>\n");
}

static void add_run(struct xml *x, const char *name, uint64_t off, uint64_t len, const uint8_t *sha256)
{
	cv_text_addf(&x->t,
		     "      <byte_runs type=\"%s\">\n        <byte_run img_offset=\"%" PRIu64 "\" len=\"%" PRIu64 "\"",
		     name, off, len);
	if (sha256)
		cv_text_addf(&x->t, "><hashdigest type=\"sha256\">%s</hashdigest></byte_run>\n",
			     cv_digest_hex(CV_DIGEST_SHA256, sha256).s);
	else
		cv_text_add(&x->t, "/>\n");
	cv_text_add(&x->t, "      </byte_runs>\n");
	flush(x, FLUSH_AT);
}

static void add_items(struct xml *x, const struct cv_dump_image_of *m)
{
	uint64_t base = x->d->sources[m->source].offset;

	for (size_t i = 0; i < m->items.len && x->ok; i++) {
		const struct cv_dump_item *item = &m->items.at[i];

		if (item->kind == CV_DUMP_STRUCTURE) {
			struct cv_dump_structure s;

			memcpy(&s, item->bytes, sizeof s);
			if (s.flags & CV_STRUCTURE_CLAIMED)
				add_run(x, cv_layout_of(s.layout)->name, base + s.offset, s.present,
					s.flags & CV_STRUCTURE_HASHED ? s.sha256 : NULL);
		} else if (item->kind == CV_DUMP_GAP) {
			struct cv_dump_gap g;

			memcpy(&g, item->bytes, sizeof g);
			add_run(x, "gap", base + g.offset, g.length, g.flags & CV_GAP_HASHED ? g.sha256 : NULL);
		}
	}
}

static void add_image(struct xml *x, const struct cv_dump_image_of *m)
{
	const struct cv_dump_source_of *s = &x->d->sources[m->source];
	const struct cv_image *image = &x->d->g->images[m->image];

	cv_text_add(&x->t, "  <source>\n");
	add_element(x, "    ", "image_filename", cv_bytes_of(s->file->path));
	if (s->before.known)
		cv_text_addf(&x->t, "    <image_size>%" PRIu64 "</image_size>\n", s->before.size);
	for (unsigned kind = 0; kind < CV_DIGEST_COUNT; kind++)
		if (s->digested[kind])
			cv_text_addf(&x->t, "    <hashdigest type=\"%s\">%s</hashdigest>\n",
				     cv_digest_name((enum cv_digest_kind)kind),
				     cv_digest_hex((enum cv_digest_kind)kind, s->digest[kind]).s);
	cv_text_add(&x->t, "  </source>\n  <diskimageobject>\n");
	add_element(x, "    ", "filename", cv_bytes_of(image->id));
	add_element(x, "    ", "image_format", cv_bytes_of(cv_format_name(image->format)));
	if (s->before.known)
		cv_text_addf(&x->t, "    <filesize>%" PRIu64 "</filesize>\n", s->before.size);
	if (s->before.mtime.known)
		add_element(x, "    ", "mtime", cv_bytes_of(cv_time_utc(s->before.mtime.seconds).s));
	cv_text_add(&x->t, "    <structures>\n");
	add_items(x, m);
	cv_text_add(&x->t, "    </structures>\n");
	if (m->trouble)
		add_element(x, "    ", "error", cv_bytes_of(m->trouble));
	cv_text_add(&x->t, "  </diskimageobject>\n");
}

static void add_elsewhere(struct xml *x, const struct cv_trouble *t)
{
	CV_AUTO(cv_text_fini) struct cv_text said = { 0 };

	if (!t)
		return;
	cv_text_add(&said, t->path);
	cv_text_addf(&said, ": %s", t->text);
	add_element(x, "  ", "error", cv_bytes_of(cv_text_str(&said)));
}

bool cv_dump_write_dfxml(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct xml x = { .d = d, .sink = sink, .ok = true };

	cv_text_add(
		&x.t,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<dfxml version=\"1.2.0\" xmlns=\"http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML\"\n"
		"       xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n"
		"  <metadata><dc:type>Disk Image</dc:type></metadata>\n");
	add_creator(&x, head);
	for (size_t n = 0; n < d->count && x.ok; n++)
		add_image(&x, &d->images[n]);
	for (size_t i = 0; i < cv_scan_trouble_count(d->g->scan) && x.ok; i++)
		add_elsewhere(&x, cv_dump_elsewhere(d, i));
	cv_text_add(&x.t, "</dfxml>\n");
	flush(&x, 0);
	cv_text_fini(&x.t);
	return x.ok;
}

static int64_t seconds_of(const struct cv_dump_time *t)
{
	return t->known ? t->seconds : 0;
}

/* MD5|name|inode|mode|UID|GID|size|atime|mtime|ctime|crtime; a bar in a name would end it. */
static void add_body_line(struct cv_text *t, const struct cv_dump_source_of *s, bool reproducible)
{
	const struct cv_dump_stat *b = &s->before;
	size_t start;

	cv_text_addf(t, "%s|",
		     s->digested[CV_DIGEST_MD5] ? cv_digest_hex(CV_DIGEST_MD5, s->digest[CV_DIGEST_MD5]).s : "0");
	start = t->len;
	cv_text_escape(t, cv_bytes_of(s->file->path));
	for (size_t i = start; i < t->len; i++)
		if (t->at[i] == '|')
			t->at[i] = '_';
	if (reproducible)
		cv_text_addf(t, "|0|0|0|0|%" PRIu64 "|0|%" PRId64 "|0|0\n", b->size, seconds_of(&b->mtime));
	else
		cv_text_addf(t,
			     "|%" PRIu64 "|%c/%04o|%" PRIu32 "|%" PRIu32 "|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRId64
			     "|%" PRId64 "\n",
			     b->inode, b->block_device ? 'b' : 'r', b->mode & 07777, b->owner, b->group, b->size,
			     seconds_of(&b->atime), seconds_of(&b->mtime), seconds_of(&b->ctime),
			     seconds_of(&b->btime));
}

bool cv_dump_write_bodyfile(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	bool ok = true;

	(void)head;
	for (size_t n = 0; n < d->source_count && ok; n++) {
		/* Nothing is known of what could not be opened, and this form has no place for errors. */
		if (!d->sources[n].before.known)
			continue;
		cv_text_clear(&t);
		add_body_line(&t, &d->sources[n], d->options.reproducible);
		ok = !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
	}
	return ok;
}

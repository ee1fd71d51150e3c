/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A dump for people: the same facts as the JSON document, one line each, with places in hex. */
#include <stdio.h>
#include "inspect/report/dump_forms.h"
#include "inspect/report/words.h"

#define FLUSH_AT  32768u
#define HEX_SHOWN 16u

struct page {
	const struct cv_dump *d;
	const struct cv_sink *sink;
	struct cv_text t;
	bool ok;
};

static void flush(struct page *p, size_t at_least)
{
	if (p->t.len < at_least)
		return;
	p->ok = p->ok && !p->t.failed && p->sink->put(p->sink->ctx, cv_text_str(&p->t), p->t.len);
	cv_text_clear(&p->t);
}

static void add_name(struct page *p, const char *raw)
{
	cv_text_escape(&p->t, cv_bytes_of(raw));
}

static void add_hex(struct cv_text *t, const uint8_t *bytes, uint64_t len)
{
	for (uint64_t i = 0; i < len && i < HEX_SHOWN; i++)
		cv_text_addf(t, "%02x", bytes[i]);
	if (len > HEX_SHOWN)
		cv_text_add(t, "...");
}

static void add_time(struct page *p, const char *what, const struct cv_dump_time *time)
{
	struct cv_time_text utc = cv_time_utc(time->seconds);

	if (time->known)
		cv_text_addf(&p->t, "  %s %.*s.%09" PRIu32 "Z\n", what, (int)strlen(utc.s) - 1, utc.s, time->ns);
}

static void add_source(struct page *p, size_t n)
{
	const struct cv_dump_source_of *s = &p->d->sources[n];

	cv_text_addf(&p->t, "\nsource s%zu  ", n + 1);
	add_name(p, s->file->path);
	if (!s->before.known) {
		cv_text_add(&p->t, "\n  could not be opened\n");
		return;
	}
	cv_text_addf(&p->t, "\n  %s, %" PRIu64 " B", s->before.block_device ? "block device" : "file", s->before.size);
	if (s->offset)
		cv_text_addf(&p->t, ", image at %" PRIu64, s->offset);
	cv_text_addf(&p->t, ", opened %s, %s\n", s->before.no_atime ? "O_RDONLY|O_NOATIME" : "O_RDONLY",
		     s->unchanged ? "not changed" : "CHANGED while it was read");
	if (!p->d->options.reproducible)
		cv_text_addf(&p->t, "  device %02x:%02x inode %" PRIu64 " mode %04o owner %" PRIu32 ":%" PRIu32 "\n",
			     s->before.dev_major, s->before.dev_minor, s->before.inode, s->before.mode & 07777,
			     s->before.owner, s->before.group);
	add_time(p, "modified", &s->before.mtime);
	for (unsigned kind = 0; kind < CV_DIGEST_COUNT; kind++)
		if (s->digested[kind])
			cv_text_addf(&p->t, "  %s %s\n", cv_digest_name((enum cv_digest_kind)kind),
				     cv_digest_hex((enum cv_digest_kind)kind, s->digest[kind]).s);
}

static void add_words(struct cv_text *t, const struct cv_dump_field *f)
{
	for (const struct cv_layout_word *w = f->row->words; w && w->name; w++)
		if (f->row->bits ? (f->number & w->value) != 0 : f->number == w->value)
			cv_text_addf(t, " %s", w->name);
}

static bool add_field(void *ctx, const struct cv_dump_field *f)
{
	struct page *p = ctx;
	CV_AUTO(cv_text_fini) struct cv_text value = { 0 };
	int64_t epoch;
	char name[64];

	if (f->blank)
		return true;
	if (f->list)
		snprintf(name, sizeof name, "%s[%" PRIu32 "].%s", f->list, f->list_index, f->row->name);
	else
		snprintf(name, sizeof name, "%s", f->row->name);
	cv_text_addf(&p->t, "    +%-6" PRIu64 " %3" PRIu64 "  %-30s ", f->at, f->len, name);
	if (f->is_number && f->row->type == CV_FIELD_HEX)
		cv_text_addf(&p->t, "0x%" PRIx64, f->number);
	else if (f->is_number)
		cv_text_addf(&p->t, "%" PRIu64, f->number);
	else if (cv_dump_value(f, &value))
		cv_text_escape(&p->t, (struct cv_bytes){ cv_text_str(&value), value.len });
	if (f->is_number)
		add_words(&p->t, f);
	if (cv_dump_is_time(f, &epoch))
		cv_text_addf(&p->t, " %s", cv_time_utc(epoch).s);
	cv_text_add(&p->t, "  [");
	add_hex(&p->t, f->bytes, f->len);
	cv_text_add(&p->t, "]\n");
	flush(p, FLUSH_AT);
	return p->ok;
}

static void add_structure(struct page *p, const void *bytes)
{
	struct cv_dump_structure s;

	memcpy(&s, bytes, sizeof s);
	cv_text_addf(&p->t, "  0x%012" PRIx64 " %8" PRIu64 " B  %s", s.offset, s.length, cv_layout_of(s.layout)->name);
	if (s.flags & CV_STRUCTURE_INDEXED)
		cv_text_addf(&p->t, " %" PRIu32, s.index);
	if (cv_dump_copy_name(s.copy))
		cv_text_addf(&p->t, ", %s%s", cv_dump_copy_name(s.copy), s.flags & CV_STRUCTURE_USED ? ", used" : "");
	if (cv_dump_state_name(s.state))
		cv_text_addf(&p->t, ", %s", cv_dump_state_name(s.state));
	if (s.flags & CV_STRUCTURE_REPLAYED)
		cv_text_add(&p->t, ", log replayed");
	if (s.present < s.length)
		cv_text_addf(&p->t, ", ONLY %" PRIu64 " B there", s.present);
	if (s.sum != CV_SUM_NONE)
		cv_text_addf(&p->t, ", checksum %08" PRIx32 " %s %08" PRIx32, s.sum_stored,
			     s.sum_stored == s.sum_computed ? "is right:" : "WRONG, should be", s.sum_computed);
	cv_text_add(&p->t, "\n");
	if (s.flags & CV_STRUCTURE_HASHED)
		cv_text_addf(&p->t, "    sha256 %s\n", cv_digest_hex(CV_DIGEST_SHA256, s.sha256).s);
	cv_dump_fields(&s, (const uint8_t *)bytes + sizeof s, add_field, p);
}

static void add_summary(struct page *p, const void *bytes)
{
	struct cv_dump_summary s;

	memcpy(&s, bytes, sizeof s);
	cv_text_addf(&p->t, "  %" PRIu64 " %s, %" PRIu64 " B%s\n    sha256 %s\n", s.structures,
		     cv_dump_group_name(s.group), s.bytes, s.complete ? "" : ", NOT all",
		     cv_digest_hex(CV_DIGEST_SHA256, s.sha256).s);
}

static void add_gap(struct page *p, const void *bytes)
{
	struct cv_dump_gap g;

	memcpy(&g, bytes, sizeof g);
	cv_text_addf(&p->t, "  0x%012" PRIx64 " %8" PRIu64 " B  gap, ", g.offset, g.length);
	if (g.flags & CV_GAP_ZERO)
		cv_text_add(&p->t, "zeros");
	else
		add_hex(&p->t, g.first, g.first_len);
	if (g.flags & CV_GAP_HASHED)
		cv_text_addf(&p->t, "\n    sha256 %s", cv_digest_hex(CV_DIGEST_SHA256, g.sha256).s);
	cv_text_add(&p->t, "\n");
}

static void add_overlap(struct page *p, const void *bytes)
{
	struct cv_dump_overlap o;

	memcpy(&o, bytes, sizeof o);
	cv_text_addf(&p->t, "  0x%012" PRIx64 " %8" PRIu64 " B  OVERLAP of", o.offset, o.length);
	for (uint32_t class = 0; class < CV_RUN_CLASSES; class ++)
		if (o.classes & 1u << class)
			cv_text_addf(&p->t, " %s", cv_dump_class_name(class));
	cv_text_add(&p->t, "\n");
}

static void add_line(struct page *p, const char *what, const struct cv_dump_item *item)
{
	struct cv_dump_trouble t;

	memcpy(&t, item->bytes, sizeof t);
	cv_text_addf(&p->t, "  %s", what);
	if (t.has_offset)
		cv_text_addf(&p->t, " at 0x%" PRIx64, t.offset);
	cv_text_add(&p->t, ": ");
	cv_text_add_bytes(&p->t, (const char *)item->bytes + sizeof t, item->len - sizeof t);
	cv_text_add(&p->t, "\n");
}

static void add_item(struct page *p, const struct cv_dump_item *item)
{
	struct cv_dump_count c;

	switch (item->kind) {
	case CV_DUMP_STRUCTURE:
		add_structure(p, item->bytes);
		break;
	case CV_DUMP_SUMMARY:
		add_summary(p, item->bytes);
		break;
	case CV_DUMP_COUNT:
		memcpy(&c, item->bytes, sizeof c);
		cv_text_addf(&p->t, "    %s %" PRIu64 "\n", cv_dump_number_name(c.number), c.value);
		break;
	case CV_DUMP_GAP:
		add_gap(p, item->bytes);
		break;
	case CV_DUMP_OVERLAP:
		add_overlap(p, item->bytes);
		break;
	case CV_DUMP_TROUBLE:
		add_line(p, "ERROR", item);
		break;
	case CV_DUMP_LIMIT:
		add_line(p, "limit", item);
		break;
	default:
		break;
	}
	flush(p, FLUSH_AT);
}

static void add_parent(struct page *p, const struct cv_image *m)
{
	cv_text_addf(&p->t, "  parent: %s", cv_parent_status_name(m->status));
	if (m->parent != CV_NO_IMAGE) {
		cv_text_addf(&p->t, " by %s: ", cv_parent_basis_name(m->basis));
		add_name(p, p->d->g->images[m->parent].file->path);
	}
	cv_text_add(&p->t, "\n");
	if (m->facts->flags & CV_FACT_PARENT_UUID)
		cv_text_addf(&p->t, "    recorded identity %s\n", cv_uuid_str(m->facts->parent_uuid).s);
	for (uint32_t i = 0; i < m->facts->name_count; i++) {
		cv_text_addf(&p->t, "    recorded in %s: ", cv_name_source_name(m->facts->names[i].source));
		cv_text_escape(&p->t, m->facts->names[i].text);
		cv_text_add(&p->t, "\n");
	}
	if (m->facts->flags & CV_FACT_PARENT_TIME)
		cv_text_addf(&p->t, "    recorded time %s\n", cv_time_utc(m->facts->parent_time).s);
}

static void add_findings(struct page *p, uint32_t image)
{
	const struct cv_finding *f;
	size_t count = cv_graph_findings_of(p->d->g, image, &f);

	for (size_t i = 0; i < count; i++) {
		const struct cv_problem *problem = cv_problem_by_id(f[i].id);

		if (!cv_dump_has_finding(p->d, &f[i]))
			continue;
		cv_text_addf(&p->t, "  %c %s %s: ", cv_severity_letter(f[i].severity), problem ? problem->code : "",
			     problem ? problem->name : "");
		cv_finding_title(&p->t, &f[i]);
		cv_text_add(&p->t, f[i].advisory && !p->d->options.reproducible ? CV_WORDS_ADVISORY "\n" : "\n");
	}
}

static void add_image(struct page *p, size_t n)
{
	const struct cv_dump_image_of *m = &p->d->images[n];
	const struct cv_image *image = &p->d->g->images[m->image];

	cv_text_addf(&p->t, "\nimage i%zu  s%zu  %s %s", n + 1, m->source + 1, cv_format_name(image->format),
		     cv_variant_name(image->variant));
	if (image->size_known)
		cv_text_addf(&p->t, ", virtual size %" PRIu64 " B", image->virtual_size);
	cv_text_add(&p->t, "\n");
	if (image->facts->flags & CV_FACT_PARENT)
		add_parent(p, image);
	add_findings(p, m->image);
	for (size_t i = 0; i < m->items.len && p->ok; i++)
		add_item(p, &m->items.at[i]);
	if (m->covered)
		for (uint32_t class = 0; class < CV_RUN_CLASSES; class ++)
			cv_text_addf(&p->t, "%s%" PRIu64 " B %s", class ? ", " : "  in all: ", m->coverage.bytes[class],
				     cv_dump_class_name(class));
	cv_text_add(&p->t, "\n");
	if (m->trouble)
		cv_text_addf(&p->t, "  ERROR: %s\n", m->trouble);
	if (m->map_trouble)
		cv_text_addf(&p->t, "  ERROR: %s\n", m->map_trouble);
}

static void add_elsewhere(struct page *p)
{
	for (size_t i = 0; i < cv_scan_trouble_count(p->d->g->scan); i++) {
		const struct cv_trouble *t = cv_dump_elsewhere(p->d, i);

		if (!t)
			continue;
		cv_text_add(&p->t, "\nNOT LOOKED AT: ");
		add_name(p, t->path);
		cv_text_addf(&p->t, ": %s\n", t->text);
	}
}

bool cv_dump_write_text(const struct cv_dump *d, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct page p = { .d = d, .sink = sink, .ok = true };

	(void)head;
	cv_text_addf(&p.t, "chainview %s dump: all times are UTC, offsets are from the start of each image\n",
		     cv_version());
	for (size_t n = 0; n < d->count && !d->options.reproducible; n++)
		if (d->images[n].sandbox_line) {
			cv_text_addf(&p.t, "read in processes with %s\n", d->images[n].sandbox_line);
			break;
		}
	for (size_t n = 0; n < d->source_count; n++)
		add_source(&p, n);
	for (size_t n = 0; n < d->count && p.ok; n++)
		add_image(&p, n);
	add_elsewhere(&p);
	flush(&p, 0);
	cv_text_fini(&p.t);
	return p.ok;
}

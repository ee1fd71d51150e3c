/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Facts to bytes, in the reading process. Its counterpart is wire_decode.c; the order of the fields is the format. */
#include "inspect/sandbox/wire.h"

struct writer {
	uint8_t *at;
	size_t len, cap;
	bool full;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return;
	}
	if (len)
		memcpy(w->at + w->len, bytes, len);
	w->len += len;
}

static void put8(struct writer *w, unsigned n)
{
	uint8_t v = (uint8_t)n;

	put(w, &v, sizeof v);
}

static void put32(struct writer *w, uint32_t n)
{
	put(w, &n, sizeof n);
}

static void put64(struct writer *w, uint64_t n)
{
	put(w, &n, sizeof n);
}

static void put_text(struct writer *w, struct cv_bytes text)
{
	if (text.len > UINT32_MAX)
		w->full = true;
	put32(w, (uint32_t)text.len);
	put(w, text.at, text.len);
}

static void put_range(struct writer *w, struct cv_range r)
{
	put64(w, r.off);
	put64(w, r.len);
}

static void put_name(struct writer *w, const struct cv_name *name)
{
	put8(w, name->source);
	put8(w, name->kind);
	put_text(w, name->text);
	put_text(w, name->path);
	put_range(w, name->where);
}

static void put_attr(struct writer *w, const struct cv_attr *attr)
{
	put32(w, attr->id);
	put32(w, attr->index);
	put64(w, attr->number);
	put_text(w, attr->text);
	put_range(w, attr->where);
}

static void put_finding(struct writer *w, const struct cv_finding *f)
{
	put32(w, f->id);
	put8(w, f->severity);
	put8(w, f->has_where);
	put_range(w, f->where);
	put64(w, f->bytes);
	for (size_t i = 0; i < CV_FINDING_ARGS; i++) {
		put8(w, f->arg[i].kind);
		if (f->arg[i].kind == CV_ARG_NUMBER)
			put64(w, f->arg[i].number);
		else if (f->arg[i].kind == CV_ARG_TEXT)
			put_text(w, f->arg[i].text);
	}
}

/* Said in front, so that the other side knows how much memory it needs before it reads the rest. */
static size_t text_bytes(const struct cv_facts *f)
{
	size_t total = f->creator.len;

	for (uint32_t i = 0; i < f->name_count; i++)
		total += f->names[i].text.len + f->names[i].path.len;
	for (uint32_t i = 0; i < f->attr_count; i++)
		total += f->attrs[i].text.len;
	for (uint32_t i = 0; i < f->finding_count; i++)
		for (size_t k = 0; k < CV_FINDING_ARGS; k++)
			if (f->findings[i].arg[k].kind == CV_ARG_TEXT)
				total += f->findings[i].arg[k].text.len;
	return total;
}

static void put_head(struct writer *w, const struct cv_facts *f)
{
	put32(w, f->name_count);
	put32(w, f->attr_count);
	put32(w, f->finding_count);
	put64(w, text_bytes(f));
	put8(w, f->format);
	put8(w, f->variant);
	put8(w, f->mark);
	put8(w, f->lookalike);
	put8(w, f->parent_format);
	put32(w, f->flags);
	put32(w, f->block_size);
	put64(w, f->virtual_size);
	put64(w, (uint64_t)f->created);
	put64(w, (uint64_t)f->parent_time);
	put(w, f->uuid, sizeof f->uuid);
	put(w, f->parent_uuid, sizeof f->parent_uuid);
	put_text(w, f->creator);
}

static void put_facts(struct writer *w, const struct cv_facts *f)
{
	put_head(w, f);
	for (uint32_t i = 0; i < f->name_count; i++)
		put_name(w, &f->names[i]);
	for (uint32_t i = 0; i < f->attr_count; i++)
		put_attr(w, &f->attrs[i]);
	for (uint32_t i = 0; i < f->finding_count; i++)
		put_finding(w, &f->findings[i]);
}

size_t cv_wire_encode(uint8_t *at, size_t cap, uint32_t index, const struct cv_facts *facts, const struct cv_err *why)
{
	struct writer w = { .at = at, .cap = cap < UINT32_MAX ? cap : UINT32_MAX };
	uint32_t len;

	put32(&w, 0);
	put32(&w, index);
	put8(&w, why ? why->code : CV_OK);
	put32(&w, why ? (uint32_t)why->os_errno : 0);
	put_text(&w, cv_bytes_of(why ? why->text : ""));
	put8(&w, facts != NULL);
	if (facts)
		put_facts(&w, facts);
	if (w.full)
		return 0;
	len = (uint32_t)w.len;
	memcpy(at, &len, sizeof len);
	return w.len;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* One structure as JSON: its place, bytes, digest, checksum, numbers about it, and every field with its bytes. */
#include <stdio.h>
#include "inspect/report/dump_json.h"

void cv_dump_put_id(struct cv_json *j, struct json_object *o, const char *key, char letter, size_t index)
{
	char id[24];

	snprintf(id, sizeof id, "%c%zu", letter, index + 1);
	cv_json_text(j, o, key, id);
}

void cv_dump_put_hex(struct cv_json *j, struct json_object *o, const char *key, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	CV_AUTO(cv_auto_free) char *text = malloc(2 * len + 1);

	if (!text) {
		j->ok = false;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	cv_json_put(j, o, key, json_object_new_string_len(text, (int)(2 * len)));
}

void cv_dump_put_sha256(struct cv_json *j, struct json_object *o, const uint8_t *digest)
{
	cv_json_text(j, o, "sha256", cv_digest_hex(CV_DIGEST_SHA256, digest).s);
}

struct fields {
	struct cv_json *j;
	struct json_object *list;
};

static const char *endian_of(const struct cv_dump_field *f)
{
	switch (f->row->type) {
	case CV_FIELD_UTF16_BIG:
		return "big";
	case CV_FIELD_UTF16_LITTLE:
		return "little";
	case CV_FIELD_GUID:
		return "mixed";
	default:
		return f->is_number && f->len > 1 ? (f->little ? "little" : "big") : NULL;
	}
}

static void put_words(struct cv_json *j, struct json_object *o, const struct cv_dump_field *f)
{
	const struct cv_layout_word *w = f->row->words;
	struct json_object *bits = f->row->bits ? cv_json_array(j) : NULL;
	uint64_t known = 0;

	for (; w && w->name; w++) {
		if (f->row->bits && f->number & w->value)
			cv_json_push(j, bits, json_object_new_string(w->name));
		else if (!f->row->bits && f->number == w->value)
			cv_json_text(j, o, "meaning", w->name);
		known |= w->value;
	}
	if (!f->row->bits)
		return;
	cv_json_put(j, o, "bits", bits);
	if (f->number & ~known)
		cv_json_number(j, o, "unknown_bits", f->number & ~known);
}

static void put_value(struct cv_json *j, struct json_object *o, const struct cv_dump_field *f)
{
	CV_AUTO(cv_text_fini) struct cv_text value = { 0 };
	int64_t epoch;
	bool zero = true;

	if (f->is_number) {
		cv_json_number(j, o, "value", f->number);
		put_words(j, o, f);
	} else if (cv_dump_value(f, &value)) {
		cv_json_name(j, o, "value", (struct cv_bytes){ cv_text_str(&value), value.len });
	} else {
		for (uint64_t i = 0; i < f->len; i++)
			zero = zero && !f->bytes[i];
		cv_json_bool(j, o, "all_zero", zero);
	}
	if (cv_dump_is_time(f, &epoch)) {
		cv_json_put(j, o, "epoch", json_object_new_int64(epoch));
		cv_json_text(j, o, "utc", cv_time_utc(epoch).s);
		cv_json_text(j, o, "zone", "spec");
	}
}

/* Long runs of zeros at the end of a field are said, not spelled. */
static void put_bytes(struct cv_json *j, struct json_object *o, const struct cv_dump_field *f)
{
	uint64_t len = f->len;

	while (f->len > 32 && len && !f->bytes[len - 1])
		len--;
	cv_dump_put_hex(j, o, "hex", f->bytes, len);
	if (len < f->len)
		cv_json_number(j, o, "zero_tail_bytes", f->len - len);
}

static bool add_field(void *ctx, const struct cv_dump_field *f)
{
	struct fields *c = ctx;
	struct json_object *o = cv_json_object(c->j);
	char name[96];

	if (f->list)
		snprintf(name, sizeof name, "%s[%" PRIu32 "].%s", f->list, f->list_index, f->row->name);
	else
		snprintf(name, sizeof name, "%s", f->row->name);
	cv_json_text(c->j, o, "name", name);
	cv_json_number(c->j, o, "offset", f->at);
	cv_json_number(c->j, o, "length", f->len);
	if (endian_of(f))
		cv_json_text(c->j, o, "endian", endian_of(f));
	put_bytes(c->j, o, f);
	put_value(c->j, o, f);
	cv_json_push(c->j, c->list, o);
	return c->j->ok;
}

static void put_sum(struct cv_json *j, struct json_object *o, const struct cv_dump_structure *s)
{
	struct json_object *sum;
	char hex[12];

	if (s->sum == CV_SUM_NONE)
		return;
	sum = cv_json_object(j);
	cv_json_text(j, sum, "algorithm", cv_dump_sum_name(s->sum));
	snprintf(hex, sizeof hex, "%08" PRIx32, s->sum_stored);
	cv_json_text(j, sum, "stored_hex", hex);
	snprintf(hex, sizeof hex, "%08" PRIx32, s->sum_computed);
	cv_json_text(j, sum, "computed_hex", hex);
	cv_json_bool(j, sum, "ok", s->sum_stored == s->sum_computed);
	cv_json_put(j, o, "checksum", sum);
}

/* The numbers that were said right behind an item. */
static void put_counts(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item)
{
	struct json_object *counts = NULL;

	for (size_t i = item + 1; i < m->items.len && m->items.at[i].kind == CV_DUMP_COUNT; i++) {
		struct cv_dump_count c;

		memcpy(&c, m->items.at[i].bytes, sizeof c);
		counts = counts ? counts : cv_json_object(j);
		cv_json_number(j, counts, cv_dump_number_name(c.number), c.value);
	}
	if (counts)
		cv_json_put(j, o, "counts", counts);
}

static void put_kind(struct cv_json *j, struct json_object *o, const struct cv_dump_structure *s)
{
	cv_json_text(j, o, "name", cv_layout_of(s->layout)->name);
	if (cv_dump_copy_name(s->copy))
		cv_json_text(j, o, "copy", cv_dump_copy_name(s->copy));
	if (s->flags & CV_STRUCTURE_INDEXED)
		cv_json_number(j, o, "index", s->index);
	if (s->flags & CV_STRUCTURE_HAS_COPIES || cv_dump_state_name(s->state))
		cv_json_bool(j, o, "used", s->flags & CV_STRUCTURE_USED);
	if (cv_dump_state_name(s->state))
		cv_json_text(j, o, "state", cv_dump_state_name(s->state));
	if (s->flags & CV_STRUCTURE_REPLAYED)
		cv_json_text(j, o, "view", "replayed");
}

void cv_dump_put_structure(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item)
{
	const uint8_t *shown = (const uint8_t *)m->items.at[item].bytes + sizeof(struct cv_dump_structure);
	struct fields fields = { j, cv_json_array(j) };
	struct cv_dump_structure s;

	memcpy(&s, m->items.at[item].bytes, sizeof s);
	put_kind(j, o, &s);
	cv_json_number(j, o, "offset", s.offset);
	cv_json_number(j, o, "length", s.length);
	if (s.present < s.length)
		cv_json_number(j, o, "present_bytes", s.present);
	if (s.flags & CV_STRUCTURE_HASHED)
		cv_dump_put_sha256(j, o, s.sha256);
	cv_dump_put_hex(j, o, "hex", shown, s.shown);
	if (s.zero_tail)
		cv_json_number(j, o, "zero_tail_bytes", s.zero_tail);
	if (s.shown + s.zero_tail < s.present)
		cv_json_bool(j, o, "hex_truncated", true);
	put_sum(j, o, &s);
	put_counts(j, o, m, item);
	cv_dump_fields(&s, shown, add_field, &fields);
	if (json_object_array_length(fields.list))
		cv_json_put(j, o, "fields", fields.list);
	else
		json_object_put(fields.list);
}

void cv_dump_put_summary(struct cv_json *j, struct json_object *o, const struct cv_dump_image_of *m, size_t item)
{
	struct cv_dump_summary s;

	memcpy(&s, m->items.at[item].bytes, sizeof s);
	cv_json_text(j, o, "name", cv_dump_group_name(s.group));
	if (s.indexed)
		cv_json_number(j, o, "index", s.index);
	cv_json_number(j, o, "structures", s.structures);
	cv_json_number(j, o, "bytes", s.bytes);
	cv_json_bool(j, o, "complete", s.complete);
	cv_dump_put_sha256(j, o, s.sha256);
	put_counts(j, o, m, item);
}

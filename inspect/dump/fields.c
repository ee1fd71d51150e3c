/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The one decoder: takes a structure apart by its layout. It reads nothing and trusts no number in the bytes. */
#include <chainview/bytes.h>
#include "inspect/dump/dump.h"
#include "inspect/vhd/vhd_disk.h"
#include "inspect/vhdx/vhdx.h"

static const uint8_t zeros[CV_DUMP_LARGEST_SHOWN];

struct walk {
	const struct cv_dump_structure *s;
	const struct cv_layout *layout;
	const uint8_t *shown;
	cv_dump_each_field *each;
	void *ctx;
};

static uint64_t number_of(const uint8_t *bytes, uint64_t len, bool little)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < len; i++)
		n = n << 8 | bytes[little ? len - 1 - i : i];
	return n;
}

static bool is_number(const struct cv_layout_field *row)
{
	return row->type == CV_FIELD_NUMBER || row->type == CV_FIELD_HEX || row->type == CV_FIELD_TIME_VHD ||
	       row->type == CV_FIELD_TIME_UNIX;
}

/* The bytes of a field: those that are shown, or zeros that are known; NULL if they are neither. A field that is half
 * in each is cut where the zeros begin, which only fields of bytes and text can bear. */
static const uint8_t *bytes_of(const struct walk *w, uint64_t at, uint64_t *len, uint8_t copy[32])
{
	const struct cv_dump_structure *s = w->s;

	if (at + *len <= s->shown)
		return w->shown + at;
	if (!s->zero_tail || at + *len > s->present)
		return NULL;
	if (at >= s->shown)
		return *len <= sizeof zeros ? zeros : NULL;
	if (*len > 32)
		return NULL;
	memset(copy, 0, 32);
	memcpy(copy, w->shown + at, s->shown - at);
	return copy;
}

/* Which record of the list a field is in; list NULL: none. */
struct of_list {
	const char *list;
	uint32_t index;
	uint64_t base;
	bool blank;
};

static bool field(const struct walk *w, const struct cv_layout_field *row, const struct of_list *l)
{
	struct cv_dump_field f = { .row = row,
				   .list = l->list,
				   .list_index = l->index,
				   .at = l->base + row->at,
				   .len = row->len,
				   .little = w->layout->little,
				   .blank = l->blank };
	uint8_t copy[32];

	if (f.at >= w->s->present)
		return true;
	if (!row->len)
		f.len = w->s->present - f.at;
	f.bytes = bytes_of(w, f.at, &f.len, copy);
	/* What is long and ends in zeros is given as far as it is not zero. */
	if (!f.bytes && !is_number(row) && f.at < w->s->shown) {
		f.len = w->s->shown - f.at;
		f.bytes = w->shown + f.at;
	}
	if (!f.bytes)
		return true;
	f.is_number = is_number(row) && f.len <= 8;
	if (f.is_number)
		f.number = number_of(f.bytes, f.len, f.little);
	return w->each(w->ctx, &f);
}

static uint32_t records(const struct walk *w)
{
	const struct cv_layout_each *e = &w->layout->each;
	uint64_t len = e->number_len, fits, n = e->most;
	uint8_t copy[32];
	const uint8_t *bytes;

	if (!e->size || w->s->present < e->from)
		return 0;
	fits = (w->s->present - e->from) / e->size;
	if (e->number_len) {
		bytes = bytes_of(w, e->number_at, &len, copy);
		n = bytes ? number_of(bytes, len, w->layout->little) : 0;
	}
	return (uint32_t)(n < fits ? n : fits);
}

static bool is_blank(const struct walk *w, uint64_t at, size_t len)
{
	for (uint64_t i = at; i < at + len && i < w->s->shown; i++)
		if (w->shown[i])
			return false;
	return true;
}

static bool go_through_list(const struct walk *w)
{
	const struct cv_layout_each *e = &w->layout->each;
	uint32_t count = records(w);

	for (uint32_t n = 0; n < count; n++) {
		struct of_list l = { e->name, n, e->from + (uint64_t)n * e->size, false };

		l.blank = is_blank(w, l.base, e->size);
		for (size_t i = 0; i < e->count; i++)
			if (!field(w, &e->fields[i], &l))
				return false;
	}
	return true;
}

/* In the order in which they lie. */
bool cv_dump_fields(const struct cv_dump_structure *s, const uint8_t *shown, cv_dump_each_field *each, void *ctx)
{
	struct walk w = { s, cv_layout_of(s->layout), shown, each, ctx };
	const struct of_list none = { NULL, 0, 0, false };
	bool listed = false;

	if (!w.layout)
		return true;
	for (size_t i = 0; i < w.layout->count; i++) {
		if (!listed && w.layout->each.size && w.layout->fields[i].at >= w.layout->each.from) {
			listed = true;
			if (!go_through_list(&w))
				return false;
		}
		if (!field(&w, &w.layout->fields[i], &none))
			return false;
	}
	return listed || go_through_list(&w);
}

bool cv_dump_is_time(const struct cv_dump_field *f, int64_t *epoch)
{
	if (!f->is_number || (f->row->type != CV_FIELD_TIME_VHD && f->row->type != CV_FIELD_TIME_UNIX))
		return false;
	*epoch = (int64_t)f->number + (f->row->type == CV_FIELD_TIME_VHD ? VHD_EPOCH : 0);
	return true;
}

bool cv_dump_value(const struct cv_dump_field *f, struct cv_text *value)
{
	uint8_t printed[16];
	struct cv_guid_disk guid;

	switch (f->row->type) {
	case CV_FIELD_TEXT:
		cv_text_add_bytes(value, f->bytes, strnlen((const char *)f->bytes, f->len));
		return true;
	case CV_FIELD_UTF16_BIG:
	case CV_FIELD_UTF16_LITTLE:
		cv_text_add_utf16(value, f->bytes, f->len, f->row->type == CV_FIELD_UTF16_BIG);
		return true;
	case CV_FIELD_UUID:
		cv_text_add(value, cv_uuid_str(f->bytes).s);
		return true;
	case CV_FIELD_GUID:
		memcpy(&guid, f->bytes, sizeof guid);
		cv_guid_print_order(&guid, printed);
		cv_text_add(value, cv_uuid_str(printed).s);
		return true;
	default:
		return false;
	}
}

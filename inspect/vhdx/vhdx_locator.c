/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The parent locator of a VHDX: keys and values in UTF-16LE. parent_linkage is the parent's DataWriteGuid at the
 * time the child was made; parent_linkage2, which Windows adds when it attaches the child, is another that it may have; the three names are kept in the order in which Windows tries them.
 */
#include "inspect/vhdx/vhdx.h"

struct value {
	struct cv_text text;
	struct cv_range where;
};

static void take_linkage(struct cv_vhdx *v, const struct value *value)
{
	if (!cv_guid_parse((struct cv_bytes){ cv_text_str(&value->text), value->text.len }, v->facts->parent_uuid)) {
		cv_vhdx_find(v, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR, "parent_linkage is not a GUID", value->where);
		return;
	}
	if (!cv_uuid_is_null(v->facts->parent_uuid))
		v->facts->flags |= CV_FACT_PARENT_UUID;
}

static void take_linkage2(struct cv_vhdx *v, const struct value *value)
{
	cv_facts_text(v->facts, CV_ATTR_VHDX_PARENT_LINKAGE2, 0,
		      (struct cv_bytes){ cv_text_str(&value->text), value->text.len }, value->where);
}

static void add_name(struct cv_vhdx *v, const struct value *value, enum cv_name_source source, enum cv_name_kind kind)
{
	struct cv_name name = { .source = source, .kind = kind, .where = value->where,
				.text = { cv_text_str(&value->text), value->text.len } };
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	if (!name.text.len)
		return;
	cv_text_add_bytes(&path, name.text.at, name.text.len);
	for (size_t i = 0; i < path.len; i++)
		if (path.at[i] == '\\')
			path.at[i] = '/';
	name.path = (struct cv_bytes){ cv_text_str(&path), path.len };
	cv_facts_name(v->facts, name);
}

static void take_relative(struct cv_vhdx *v, const struct value *value)
{
	const char *s = cv_text_str(&value->text);
	bool windows = (s[0] && s[1] == ':') || s[0] == '\\';

	add_name(v, value, CV_NAME_VHDX_RELATIVE, windows ? CV_NAME_WINDOWS : s[0] == '/' ? CV_NAME_ABSOLUTE : CV_NAME_RELATIVE);
}

static void take_volume(struct cv_vhdx *v, const struct value *value)
{
	add_name(v, value, CV_NAME_VHDX_VOLUME, CV_NAME_WINDOWS);
}

static void take_absolute(struct cv_vhdx *v, const struct value *value)
{
	add_name(v, value, CV_NAME_VHDX_ABSOLUTE, CV_NAME_WINDOWS);
}

static const struct {
	const char *key;
	void (*take)(struct cv_vhdx *v, const struct value *value);
} keys[] = {
	{ "parent_linkage", take_linkage },   { "parent_linkage2", take_linkage2 }, { "relative_path", take_relative },
	{ "volume_path", take_volume },       { "absolute_win32_path", take_absolute },
};

static void take_entry(struct cv_vhdx *v, const uint8_t *item, uint32_t length, uint64_t at,
		       const struct cv_vhdx_locator_entry_disk *entry)
{
	struct cv_range key = { cv_le32_get(entry->key_offset), cv_le16_get(entry->key_length) };
	struct cv_range text = { cv_le32_get(entry->value_offset), cv_le16_get(entry->value_length) };
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct value value = { .where = { at + text.off, text.len } };

	if (!cv_range_inside(key, length) || !cv_range_inside(text, length)) {
		cv_vhdx_find(v, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR, "a parent locator entry lies outside the locator",
			     (struct cv_range){ at, length });
		return;
	}
	cv_text_add_utf16(&name, item + key.off, key.len, false);
	cv_text_add_utf16(&value.text, item + text.off, text.len, false);
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (!strcmp(cv_text_str(&name), keys[i].key))
			keys[i].take(v, &value);
	cv_text_fini(&value.text);
}

void cv_vhdx_read_locator(struct cv_vhdx *v, const uint8_t *item, uint32_t length, uint64_t at)
{
	const struct cv_vhdx_locator_disk *head = (const void *)item;
	const struct cv_vhdx_locator_entry_disk *entry = (const void *)(item + sizeof *head);
	uint16_t count = cv_le16_get(head->count);

	if (!cv_guid_is(&head->type, "b04aefb7-d19e-4a81-b789-25b8e9445913")) {
		cv_vhdx_find(v, CV_GEN_UNSUPPORTED_FEATURE, CV_WARNING, "a parent locator of unknown type",
			     (struct cv_range){ at, 16 });
		v->facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return;
	}
	if (!cv_range_inside((struct cv_range){ sizeof *head, (uint64_t)count * sizeof *entry }, length)) {
		cv_vhdx_find(v, CV_VHX_VHDX_METADATA_INVALID, CV_ERROR, "the parent locator has more entries than fit into it",
			     (struct cv_range){ at, length });
		return;
	}
	for (uint16_t i = 0; i < count; i++)
		take_entry(v, item, length, at, &entry[i]);
	if (!(v->facts->flags & CV_FACT_PARENT_UUID))
		v->facts->flags |= CV_FACT_PARENT_UNREADABLE;
}

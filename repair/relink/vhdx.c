/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHDX's parent: an item of the metadata region with keys and values. A new item goes where the region is not used,
 * and then its entry in the table of items is made to point there: one sector, and no log is needed, since at every
 * moment the file is one that was closed in good order. Whoever writes to a file gives it a new FileWriteGuid first;
 * that goes into the header that is not current, which becomes the current one. The guest's data do not change, so
 * DataWriteGuid stays, and with it the children.
 */
#include "repair/relink/relink.h"
#include "repair/vhd/encode.h"
#include "repair/vhdx/change.h"
#include <ctype.h>

enum { NEW_LAYER = 1, TABLE_LAYER = 2, KEYS_MOST = 64 };
#define LOCATOR_ITEM "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"

struct making {
	struct cv_relink *r;
	struct cv_vhdx vhdx;
	uint8_t *table;                      /* of the items */
	uint64_t entry;                      /* of the locator in the table, bytes */
	uint8_t *item;                       /* the locator as it is */
	struct cv_range where;               /* of it, in the region */
};

/* --- headers --------------------------------------------------------------------------------------------- */

static bool set_header(struct making *k, struct cv_err *err)
{
	struct cv_vhdx_header_disk h;
	uint64_t off;

	if (!cv_vhdx_current_header(k->vhdx.source, &h, &off, err))
		return false;
	cv_vhdx_renew_header(&h, &off, k->r->fresh);
	return cv_relink_set(k->r, off, &h, sizeof h, NEW_LAYER, err);
}

/* --- the item -------------------------------------------------------------------------------------------- */

static bool find_item(struct making *k, struct cv_err *err)
{
	const struct cv_vhdx_item_disk *item = cv_vhdx_find_item(k->table, LOCATOR_ITEM);

	if (item)
		k->where = (struct cv_range){ cv_le32_get(item->offset), cv_le32_get(item->length) };
	if (!item || k->where.len < sizeof(struct cv_vhdx_locator_disk) || k->where.len > CV_VHDX_TABLE_SIZE ||
	    !cv_range_inside(k->where, k->vhdx.metadata.length))
		return cv_fail(err, CV_EREFUSED, "its parent locator is not to be found, or of an impossible length");
	k->entry = (uint64_t)((const uint8_t *)item - k->table);
	k->item = malloc((size_t)k->where.len);
	if (!k->item)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_source_read(k->vhdx.source, k->item, (size_t)k->where.len, k->vhdx.metadata.offset + k->where.off, err);
}

/* Written like the one that is there: with braces or without, in capitals or not. */
static bool linkage(const struct making *k, const char *old, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text guid = { 0 };
	bool capitals = false;

	for (const char *at = old; *at; at++)
		capitals |= *at >= 'A' && *at <= 'F';
	cv_text_addf(&guid, *old == '{' ? "{%s}" : "%s", cv_uuid_str(k->r->link->uuid).s);
	for (size_t i = 0; capitals && i < guid.len; i++)
		guid.at[i] = (char)toupper((unsigned char)guid.at[i]);
	cv_text_add_bytes(out, guid.at, guid.len);
	out->failed |= guid.failed;
	return true;
}

static void to_windows(struct cv_text *t, size_t from)
{
	for (size_t i = from; i < t->len; i++)
		if (t->at[i] == '/')
			t->at[i] = '\\';
}

static bool relative_path(const struct making *k, const char *old, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	(void)old;
	cv_relink_relative(k->r->link, &path);
	if (strncmp(cv_text_str(&path), "../", 3) != 0)
		cv_text_add(out, "./");
	cv_text_add_bytes(out, path.at, path.len);
	to_windows(out, 0);
	out->failed |= path.failed;
	return true;
}

/* A drive or a volume: only a neighbour of the former parent can be told. */
static bool windows_path(const struct making *k, const char *old, struct cv_text *out)
{
	const char *slash = strrchr(old, '\\');

	if (!slash || !cv_relink_same_folder(k->r->link))
		return false;
	cv_text_add_bytes(out, old, (size_t)(slash - old));
	cv_text_add(out, strrchr(k->r->link->path, '/'));
	to_windows(out, (size_t)(slash - old));
	return true;
}

/* Makes the new value; false: the key goes. Keys that are not here are about the former parent only, and go. */
static const struct {
	const char *key;
	bool (*value)(const struct making *k, const char *old, struct cv_text *out);
	bool path;
} keys[] = {
	{ "parent_linkage", linkage, false },   { "relative_path", relative_path, true },
	{ "volume_path", windows_path, true }, { "absolute_win32_path", windows_path, true },
};

struct pairs {
	struct cv_vhdx_locator_entry_disk entries[KEYS_MOST];
	struct cv_text strings;
	uint16_t count;
	bool path;                           /* one of them says where the parent is */
};

static void add_pair(struct pairs *p, const char *key, const struct cv_text *value)
{
	size_t start = p->strings.len, middle;

	cv_vhd_add_utf16(&p->strings, cv_bytes_of(key), false);
	middle = p->strings.len;
	cv_vhd_add_utf16(&p->strings, (struct cv_bytes){ value->at, value->len }, false);
	p->entries[p->count++] = (struct cv_vhdx_locator_entry_disk){
		.key_offset = cv_le32_of((uint32_t)start), .value_offset = cv_le32_of((uint32_t)middle),
		.key_length = cv_le16_of((uint16_t)(middle - start)),
		.value_length = cv_le16_of((uint16_t)(p->strings.len - middle)),
	};
}

static bool take_pair(struct making *k, const struct cv_vhdx_locator_entry_disk *e, struct pairs *p, struct cv_err *err)
{
	struct cv_range key = { cv_le32_get(e->key_offset), cv_le16_get(e->key_length) };
	struct cv_range value = { cv_le32_get(e->value_offset), cv_le16_get(e->value_length) };
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, old = { 0 }, new = { 0 };

	if (!cv_range_inside(key, k->where.len) || !cv_range_inside(value, k->where.len))
		return cv_fail(err, CV_EREFUSED, "its parent locator is damaged");
	cv_text_add_utf16(&name, k->item + key.off, key.len, false);
	cv_text_add_utf16(&old, k->item + value.off, value.len, false);
	for (size_t i = 0; i < CV_COUNT(keys); i++)
		if (!strcmp(cv_text_str(&name), keys[i].key) && keys[i].value(k, cv_text_str(&old), &new)) {
			add_pair(p, keys[i].key, &new);
			p->path |= keys[i].path;
		}
	return !name.failed && !old.failed && !new.failed ? true : cv_fail(err, CV_ENOMEM, "out of memory");
}

/* Offsets of strings are counted from the start of the locator. */
static void join(const struct making *k, struct pairs *p, struct cv_text *out)
{
	struct cv_vhdx_locator_disk head;
	uint32_t base = (uint32_t)(sizeof head + p->count * sizeof p->entries[0]);

	memcpy(&head, k->item, sizeof head);
	head.count = cv_le16_of(p->count);
	for (uint16_t i = 0; i < p->count; i++) {
		p->entries[i].key_offset = cv_le32_of(cv_le32_get(p->entries[i].key_offset) + base);
		p->entries[i].value_offset = cv_le32_of(cv_le32_get(p->entries[i].value_offset) + base);
	}
	cv_text_add_bytes(out, &head, sizeof head);
	cv_text_add_bytes(out, p->entries, p->count * sizeof p->entries[0]);
	cv_text_add_bytes(out, p->strings.at, p->strings.len);
	out->failed |= p->strings.failed;
}

static bool make_item(struct making *k, struct cv_text *out, struct cv_err *err)
{
	const struct cv_vhdx_locator_disk *head = (const void *)k->item;
	const struct cv_vhdx_locator_entry_disk *entries = (const void *)(k->item + sizeof *head);
	uint16_t count = cv_le16_get(head->count);
	struct pairs p = { .count = 0 };
	bool ok = count <= KEYS_MOST &&
		  cv_range_inside((struct cv_range){ sizeof *head, (uint64_t)count * sizeof *entries }, k->where.len);

	if (!ok)
		cv_fail(err, CV_EREFUSED, "its parent locator is damaged");
	for (uint16_t i = 0; ok && i < count; i++)
		ok = take_pair(k, &entries[i], &p, err);
	if (ok && !p.path)
		ok = cv_fail(err, CV_EREFUSED, "none of its paths can say where the new parent is");
	if (ok) {
		join(k, &p, out);
		ok = !out->failed || cv_fail(err, CV_ENOMEM, "out of memory");
	}
	cv_text_fini(&p.strings);
	return ok;
}

/* --- its place ------------------------------------------------------------------------------------------- */

static bool is_used(const struct making *k, struct cv_range pages)
{
	const struct cv_vhdx_metadata_disk *head = (const void *)k->table;
	uint16_t count = cv_le16_get(head->count);

	for (uint16_t i = 0; i < count && i < CV_VHDX_ENTRIES_MAX; i++) {
		const struct cv_vhdx_item_disk *item = (const void *)(k->table + sizeof *head + (size_t)i * sizeof *item);

		if (cv_ranges_touch(pages, (struct cv_range){ cv_le32_get(item->offset), cv_le32_get(item->length) }))
			return true;
	}
	return false;
}

static bool place_item(struct making *k, const struct cv_text *item, struct cv_err *err)
{
	struct cv_range pages = { CV_VHDX_TABLE_SIZE, (item->len + CV_RELINK_PAGE - 1) / CV_RELINK_PAGE * CV_RELINK_PAGE };
	struct { cv_le32 offset, length; } entry = { .length = cv_le32_of((uint32_t)item->len) };
	uint64_t region = k->vhdx.metadata.offset;

	while (cv_range_inside(pages, k->vhdx.metadata.length) && is_used(k, pages))
		pages.off += CV_RELINK_PAGE;
	if (!cv_range_inside(pages, k->vhdx.metadata.length))
		return cv_fail(err, CV_EREFUSED, "its metadata region has no room for another parent locator of %zu bytes", item->len);
	entry.offset = cv_le32_of((uint32_t)pages.off);
	return cv_relink_set(k->r, region + pages.off, item->at, item->len, NEW_LAYER, err) &&
	       cv_relink_set(k->r, region + k->entry + offsetof(struct cv_vhdx_item_disk, offset), &entry, sizeof entry,
			     TABLE_LAYER, err);
}

static bool relink(struct making *k, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text item = { 0 };

	if (!cv_vhdx_read_headers(&k->vhdx, err) || !cv_vhdx_read_regions(&k->vhdx, err))
		return false;
	if (!k->vhdx.metadata.found || k->vhdx.metadata.length < CV_VHDX_TABLE_SIZE)
		return cv_fail(err, CV_EREFUSED, "its metadata region is not to be found");
	if (!cv_utf8_valid(cv_bytes_of(k->r->link->path)))
		return cv_fail(err, CV_EREFUSED, "the new parent's path is not UTF-8: a VHDX cannot record it");
	if (!cv_source_read(k->vhdx.source, k->table, CV_VHDX_TABLE_SIZE, k->vhdx.metadata.offset, err) ||
	    !find_item(k, err) || !make_item(k, &item, err))
		return false;
	if (item.len == k->where.len && !memcmp(item.at, k->item, item.len))
		return true;
	return place_item(k, &item, err) && set_header(k, err);
}

static bool make_vhdx(struct cv_relink *r, struct cv_err *err)
{
	struct making k = { .r = r, .vhdx = { .source = r->source, .facts = cv_facts_new() } };
	bool ok;

	k.table = malloc(CV_VHDX_TABLE_SIZE);
	ok = k.table && k.vhdx.facts ? relink(&k, err) : cv_fail(err, CV_ENOMEM, "out of memory");
	free(k.table);
	free(k.item);
	cv_facts_free(k.vhdx.facts);
	return ok;
}

const struct cv_relink_format cv_relink_vhdx = { CV_FORMAT_VHDX, make_vhdx, NULL, NULL, NULL };

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A VHD's parent: identity, time and name in the dynamic header, and a path in each of its locators. Locators keep their
 * kinds, their places, and whether they are relative. The header is two sectors, so a power cut between them leaves an
 * image that cannot be opened before recovery; nothing can be done about that but to be quick: all is one layer.
 */
#include "inspect/vhd/vhd.h"
#include "repair/relink/relink.h"
#include "repair/vhd/encode.h"

enum { LAYER = 1, BAT_PIECE = 16384 };

struct making {
	struct cv_relink *r;
	struct vhd_reader reader;
	struct vhd_header_disk header;       /* as it will be */
	struct cv_range texts[VHD_LOCATORS]; /* that are written to */
};

static bool is_narrow(const char *code)
{
	return !memcmp(code, "Wi2", 3);
}

static bool is_ascii(struct cv_bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.at[i] >= 0x80)
			return false;
	return true;
}

/* What a locator says now; NULL if it is nothing that was understood. */
static const struct cv_name *name_of(const struct making *k, uint64_t off)
{
	const struct cv_facts *f = k->reader.facts;

	for (uint32_t i = 0; i < f->name_count; i++)
		if (f->names[i].where.off == off && f->names[i].source != CV_NAME_VHD_HEADER)
			return &f->names[i];
	return NULL;
}

/* "C:/vm/old.vhd": where a drive or a share is from here nobody knows, but a neighbour of the former parent has only
 * another file name there. */
static bool add_neighbour(const struct cv_name *name, const struct cv_plan_link *link, struct cv_text *path)
{
	const char *slash = memrchr(name->path.at, '/', name->path.len);

	if (!slash || !cv_relink_same_folder(link))
		return false;
	cv_text_add_bytes(path, name->path.at, (size_t)(slash - name->path.at));
	cv_text_add(path, strrchr(link->path, '/'));
	return true;
}

/* The path for a locator, in the manner of the one it has. False: there is none, and it has to go. */
static bool add_path(const struct making *k, const char *code, const struct cv_name *name, struct cv_text *path)
{
	const struct cv_plan_link *link = k->r->link;

	if (!memcmp(code, "Mac ", 4) || (is_narrow(code) && !is_ascii(cv_bytes_of(link->path))))
		return false;
	if (name && name->kind == CV_NAME_WINDOWS)
		return add_neighbour(name, link, path);
	if (name && name->kind == CV_NAME_ABSOLUTE) {
		cv_text_add(path, link->path);
		return true;
	}
	cv_relink_relative(link, path);
	if (strncmp(cv_text_str(path), "../", 3) != 0) {
		cv_text_clear(path);
		cv_text_add(path, "./");
		cv_relink_relative(link, path);
	}
	return true;
}

/* What was behind a shorter text goes, too. */
static bool put_text(struct making *k, unsigned slot, const struct cv_text *payload, struct cv_err *err)
{
	struct vhd_locator_disk *d = &k->header.locators[slot];
	uint64_t space = cv_vhd_locator_space(cv_be32_get(d->space));
	size_t old = cv_be32_get(d->length), len = payload->len > old ? payload->len : old;
	CV_AUTO(cv_auto_free) uint8_t *bytes = NULL;

	if (payload->len > space)
		return cv_fail(err, CV_EREFUSED, "parent locator %u has room for %" PRIu64 " bytes, and the new name needs %zu",
			       slot, space, payload->len);
	len = len < space ? len : (size_t)space;
	bytes = calloc(1, len + 1);
	if (!bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(bytes, payload->at, payload->len);
	k->texts[slot] = (struct cv_range){ cv_be64_get(d->offset), len };
	d->length = cv_be32_of((uint32_t)payload->len);
	return cv_relink_set(k->r, k->texts[slot].off, bytes, len, LAYER, err);
}

static bool relink_slot(struct making *k, unsigned slot, struct cv_err *err)
{
	struct vhd_locator_disk *d = &k->header.locators[slot];
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 }, payload = { 0 };
	const struct cv_name *name = name_of(k, cv_be64_get(d->offset));
	char code[5] = { 0 };

	memcpy(code, d->code, sizeof d->code);
	cv_vhd_locator_payload(code, cv_bytes_of("x"), &payload);
	if (!payload.len)
		return cv_fail(err, CV_EREFUSED, "parent locator %u is of a kind that is not known", slot);
	cv_text_clear(&payload);
	if (!add_path(k, code, name, &path)) {
		*d = (struct vhd_locator_disk){ 0 };
		return true;
	}
	cv_vhd_locator_payload(code, (struct cv_bytes){ cv_text_str(&path), path.len }, &payload);
	if (path.failed || payload.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return put_text(k, slot, &payload, err);
}

static bool relink_slots(struct making *k, struct cv_err *err)
{
	static const struct vhd_locator_disk unused;
	bool any = false, left = false;

	for (unsigned slot = 0; slot < VHD_LOCATORS; slot++) {
		if (!memcmp(k->header.locators[slot].code, unused.code, sizeof unused.code))
			continue;
		any = true;
		if (!relink_slot(k, slot, err))
			return false;
		left |= memcmp(&k->header.locators[slot], &unused, sizeof unused) != 0;
	}
	return !any || left || cv_fail(err, CV_EREFUSED, "none of its parent locators can say where the new parent is");
}

/* A place of the file that is something else must not be written to, whatever a locator says. */
static bool is_free(const struct making *k, struct cv_range what, const char *name, struct cv_err *err)
{
	for (unsigned slot = 0; slot < VHD_LOCATORS; slot++)
		if (cv_ranges_touch(k->texts[slot], what))
			return cv_fail(err, CV_EREFUSED, "parent locator %u lies on %s", slot, name);
	return true;
}

static bool blocks_are_free(const struct making *k, struct cv_err *err)
{
	const struct vhd_header *h = &k->reader.header;
	uint64_t bitmap = ((uint64_t)h->block_size / VHD_SECTOR / 8 + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
	CV_AUTO(cv_auto_free) cv_be32 *bat = malloc(BAT_PIECE * sizeof *bat);

	if (!bat)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < h->entries; first += BAT_PIECE) {
		uint64_t n = h->entries - first < BAT_PIECE ? h->entries - first : BAT_PIECE;

		if (!cv_source_read(k->reader.source, bat, (size_t)n * sizeof *bat, h->table_offset + first * 4, err))
			return false;
		for (uint64_t i = 0; i < n; i++) {
			uint32_t sector = cv_be32_get(bat[i]);
			struct cv_range block = { (uint64_t)sector * VHD_SECTOR, bitmap + h->block_size };

			if (sector != VHD_UNUSED && !is_free(k, block, "a block of the disk", err))
				return false;
		}
	}
	return true;
}

static bool texts_are_apart(const struct making *k, struct cv_err *err)
{
	const struct vhd_reader *r = &k->reader;
	const struct { struct cv_range at; const char *name; } places[] = {
		{ r->end.where, "the footer" },
		{ { 0, VHD_SECTOR }, "the copy of the footer" },
		{ r->header.where, "the dynamic header" },
		{ { r->header.table_offset, (uint64_t)r->header.entries * 4 }, "the BAT" },
		{ r->batmap.where, "the batmap" },
		{ r->batmap.map, "the batmap" },
	};

	for (size_t i = 0; i < CV_COUNT(places); i++)
		if (!is_free(k, places[i].at, places[i].name, err))
			return false;
	for (unsigned a = 0; a < VHD_LOCATORS; a++)
		for (unsigned b = 0; b < a; b++)
			if (cv_ranges_touch(k->texts[a], k->texts[b]))
				return cv_fail(err, CV_EREFUSED, "parent locators %u and %u lie on each other", b, a);
	return blocks_are_free(k, err);
}

static bool set_header(struct making *k, struct cv_err *err)
{
	const struct cv_plan_link *link = k->r->link;
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_vhd_add_utf16(&name, cv_bytes_of(strrchr(link->path, '/') + 1), true);
	if (name.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (name.len > sizeof k->header.parent_name)
		return cv_fail(err, CV_EREFUSED, "the new parent's file name is longer than 256 characters");
	memset(k->header.parent_name, 0, sizeof k->header.parent_name);
	memcpy(k->header.parent_name, name.at, name.len);
	memcpy(k->header.parent_uuid, link->uuid, sizeof link->uuid);
	k->header.parent_time = cv_be32_of(cv_vhd_time(link->time));
	cv_vhd_seal_header(&k->header);
	return cv_relink_set(k->r, k->reader.header.where.off, &k->header, sizeof k->header, LAYER, err);
}

static bool make_vhd(struct cv_relink *r, struct cv_err *err)
{
	struct cv_facts *facts = cv_facts_new();
	struct making k = { .r = r, .reader = { .source = r->source, .facts = facts } };
	bool ok = facts ? cv_vhd_read(&k.reader, err) : cv_fail(err, CV_ENOMEM, "out of memory");

	if (ok && (!k.reader.header.sums || !k.reader.header.table_sane || !cv_vhd_is_good(&k.reader.end)))
		ok = cv_fail(err, CV_EREFUSED, "its footer, its header or its BAT is damaged");
	if (ok && !cv_utf8_valid(cv_bytes_of(r->link->path)))
		ok = cv_fail(err, CV_EREFUSED, "the new parent's path is not UTF-8: a VHD cannot record it");
	k.header = k.reader.header.disk;
	ok = ok && relink_slots(&k, err) && set_header(&k, err) && texts_are_apart(&k, err);
	cv_facts_free(facts);
	return ok;
}

/* A footer at the end that a power cut has taken is made again where it was, unless that has become a block since. */
static bool set_end(struct making *k, const struct vhd_footer_disk *d, struct cv_err *err)
{
	uint64_t size = k->r->source->size;

	k->texts[0] = (struct cv_range){ size < sizeof *d ? 0 : size - sizeof *d, sizeof *d };
	if (k->reader.header.present && k->reader.header.table_sane && !cv_vhd_has_cookie(&k->reader.end) && !blocks_are_free(k, err))
		return false;
	return cv_relink_set(k->r, k->texts[0].off, d, sizeof *d, LAYER + 1, err);
}

/* First the copy, then the footer at the end: whichever a power cut takes, the other one serves. */
static bool own_vhd(struct cv_relink *r, const struct cv_relink_own *own, struct cv_err *err)
{
	struct cv_facts *facts = cv_facts_new();
	struct making k = { .r = r, .reader = { .source = r->source, .facts = facts } };
	bool ok = facts ? cv_vhd_read(&k.reader, err) : cv_fail(err, CV_ENOMEM, "out of memory");
	struct vhd_footer_disk d;

	if (ok && (!k.reader.used || !cv_vhd_is_good(k.reader.used)))
		ok = cv_fail(err, CV_EREFUSED, "its footer is damaged");
	if (ok) {
		d = k.reader.used->disk;
		d.hidden = 0;
		if (own->uuid)
			memcpy(d.uuid, own->uuid, sizeof d.uuid);
		cv_vhd_seal_footer(&d);
		ok = (k.reader.used->type == VHD_TYPE_FIXED || cv_relink_set(r, 0, &d, sizeof d, LAYER, err)) && set_end(&k, &d, err);
	}
	cv_facts_free(facts);
	return ok;
}

/* --- no parent any more ---------------------------------------------------------------------------------- */

enum { KIND_LAYER = 1, CLEARED_LAYER = 2 };

static bool set_kind(struct cv_relink *r, const struct vhd_footer *f, struct cv_err *err)
{
	struct vhd_footer_disk d = f->disk;

	d.type = cv_be32_of(VHD_TYPE_DYNAMIC);
	cv_vhd_seal_footer(&d);
	return cv_relink_set(r, f->where.off, &d, sizeof d, KIND_LAYER, err);
}

/* Both footers first: as soon as one of them says that it is dynamic nobody who goes by that one looks for a parent, and all that
 * it has is its own. Then what the header says of the parent means nothing, and goes. */
static bool part_vhd(struct cv_relink *r, struct cv_err *err)
{
	struct cv_facts *facts = cv_facts_new();
	struct making k = { .r = r, .reader = { .source = r->source, .facts = facts } };
	bool ok = facts ? cv_vhd_read(&k.reader, err) : cv_fail(err, CV_ENOMEM, "out of memory");

	if (ok && (!k.reader.header.sums || !cv_vhd_is_good(&k.reader.end) || !cv_vhd_is_good(&k.reader.copy) ||
		   k.reader.end.where.len != VHD_SECTOR))
		ok = cv_fail(err, CV_EREFUSED, "its header or one of its footers is damaged");
	if (ok) {
		k.header = k.reader.header.disk;
		memset(k.header.parent_uuid, 0, sizeof k.header.parent_uuid);
		memset(k.header.parent_name, 0, sizeof k.header.parent_name);
		memset(k.header.locators, 0, sizeof k.header.locators);
		k.header.parent_time = cv_be32_of(0);
		cv_vhd_seal_header(&k.header);
	}
	ok = ok && set_kind(r, &k.reader.copy, err) && set_kind(r, &k.reader.end, err) &&
	     cv_relink_set(r, k.reader.header.where.off, &k.header, sizeof k.header, CLEARED_LAYER, err);
	cv_facts_free(facts);
	return ok;
}

const struct cv_relink_format cv_relink_vhd = { CV_FORMAT_VHD, make_vhd, own_vhd, part_vhd, NULL };

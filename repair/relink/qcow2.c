/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A QCOW2 image's parent: a name somewhere in the first cluster, and place and length of it in the first sector, where
 * its format is recorded, too. The new name goes where nothing is; then that one sector changes, all at once.
 */
#include "inspect/qcow2/qcow2_disk.h"
#include "repair/relink/relink.h"

enum { NAME_LAYER = 1, HEADER_LAYER = 2, NAME_MOST = 1023, MOST_EXTENSIONS = 256 };

struct making {
	struct cv_relink *r;
	struct cv_qcow2_header_disk header;
	uint64_t cluster_size, header_length;
	uint64_t end;                /* of header and extensions */
	struct cv_range format;      /* the extension with the format of the parent, its head included; len 0: none */
	struct cv_range name;        /* the name now */
	struct cv_range mark;        /* what XCP-ng's extension holds; len 0: there is none */
	struct cv_range features;    /* the table of feature names, as format */
};

static bool read_header(struct making *k, struct cv_err *err)
{
	const struct cv_qcow2_header_disk *d = &k->header;
	uint32_t bits;

	if (!cv_source_read(k->r->source, &k->header, sizeof k->header, 0, err))
		return false;
	bits = cv_be32_get(d->cluster_bits);
	k->header_length = cv_be32_get(d->version) == 2 ? QCOW2_V2_HEADER : cv_be32_get(d->header_length);
	k->name = (struct cv_range){ cv_be64_get(d->backing_off), cv_be32_get(d->backing_len) };
	if (bits < QCOW2_MIN_CLUSTER_BITS || bits > QCOW2_MAX_CLUSTER_BITS)
		return cv_fail(err, CV_EREFUSED, "its header is damaged");
	k->cluster_size = UINT64_C(1) << bits;
	if (cv_be32_get(d->version) == 3 && cv_be64_get(d->autoclear) & ~(uint64_t)QCOW2_AUTOCLEAR_KNOWN)
		return cv_fail(err, CV_EREFUSED, "it has features that are not known (autoclear %" PRIx64 ")",
			       cv_be64_get(d->autoclear));
	if (k->r->name_is_lost)
		k->name = (struct cv_range){ 0, 0 };
	return cv_range_inside(k->name, k->cluster_size) || cv_fail(err, CV_EREFUSED, "its header is damaged");
}

/* Goes over the extensions up to the one that ends them: without that what lies behind would become one when the name
 * moves away. */
static bool walk_extensions(struct making *k, struct cv_err *err)
{
	uint64_t at = k->header_length, end = k->name.len ? k->name.off : k->cluster_size;

	for (unsigned n = 0; n < MOST_EXTENSIONS && at <= end && end - at >= 8; n++) {
		struct cv_qcow2_extension_disk d;
		uint64_t len;

		if (!cv_source_read(k->r->source, &d, sizeof d, at, err))
			return false;
		len = sizeof d + ((uint64_t)cv_be32_get(d.length) + 7) / 8 * 8;
		if (cv_be32_get(d.type) == QCOW2_EXTENSION_END) {
			k->end = at + sizeof d;
			return true;
		}
		if (cv_be32_get(d.type) == QCOW2_EXTENSION_FORMAT)
			k->format = (struct cv_range){ at, len };
		if (cv_be32_get(d.type) == QCOW2_EXTENSION_FEATURES)
			k->features = (struct cv_range){ at, len };
		if (cv_be32_get(d.type) == QCOW2_EXTENSION_MARK)
			k->mark = (struct cv_range){ at + sizeof d, cv_be32_get(d.length) };
		at += len;
	}
	return cv_fail(err, CV_EREFUSED, "its header extensions do not end before the name of the parent");
}

/* A place for the new name that shares no unit of this size with anything that is in use. */
static uint64_t find_place(const struct making *k, uint64_t len, uint64_t unit)
{
	const struct cv_range used[] = { { 0, k->end }, k->name };
	uint64_t at = unit;

	while (cv_range_inside((struct cv_range){ at, len }, k->cluster_size)) {
		const struct cv_range units = { at, (len + unit - 1) / unit * unit };
		bool free = true;

		for (size_t i = 0; i < CV_COUNT(used); i++) {
			uint64_t from = used[i].off / unit * unit, to = (used[i].off + used[i].len + unit - 1) / unit * unit;

			free &= !cv_ranges_touch(units, (struct cv_range){ from, to - from });
		}
		if (free)
			return at;
		at += unit;
	}
	return 0;
}

/* What QEMU would take for a protocol starts with "./". */
static void add_name(const struct cv_relink *r, struct cv_text *out)
{
	CV_AUTO(cv_text_fini) struct cv_text relative = { 0 };
	const char *text, *colon, *slash;

	for (uint32_t i = 0; i < r->facts->name_count; i++)
		if (r->facts->names[i].source == CV_NAME_BACKING_FILE && r->facts->names[i].kind == CV_NAME_ABSOLUTE) {
			cv_text_add(out, r->link->path);
			return;
		}
	cv_relink_relative(r->link, &relative);
	text = cv_text_str(&relative);
	colon = strchr(text, ':');
	slash = strchr(text, '/');
	if (colon && (!slash || colon < slash))
		cv_text_add(out, "./");
	cv_text_add(out, text);
	out->failed |= relative.failed;
}

static const char *format_word(enum cv_format_id format)
{
	static const char *const words[CV_FORMAT_COUNT] = {
		[CV_FORMAT_RAW] = "raw", [CV_FORMAT_VHD] = "vpc", [CV_FORMAT_VHDX] = "vhdx", [CV_FORMAT_QCOW] = "qcow",
		[CV_FORMAT_QCOW2] = "qcow2",
	};

	return (unsigned)format < CV_FORMAT_COUNT ? words[format] : NULL;
}

/* Every word fits into the eight bytes that the shortest of them takes up. */
static bool set_format(struct making *k, struct cv_err *err)
{
	const char *word = format_word(k->r->link->format);
	struct { cv_be32 length; char word[8]; } d = { .length = cv_be32_of(word ? (uint32_t)strlen(word) : 0) };

	if (k->r->link->format == k->r->facts->parent_format && !(k->r->facts->flags & CV_FACT_NEEDS_PROBE))
		return true;
	if (!k->format.len)
		return k->r->link->format == CV_FORMAT_QCOW2 ||
		       cv_fail(err, CV_EREFUSED, "it does not record the format of its parent, which QEMU would guess: the new "
			       "parent must be a QCOW2 image, too");
	if (!word || k->format.len != 16 || k->format.off + 16 > CV_RELINK_SECTOR)
		return cv_fail(err, CV_EREFUSED, "the format of its parent is recorded where it cannot change with the name");
	memcpy(d.word, word, strlen(word));
	return cv_relink_set(k->r, k->format.off + 4, &d, sizeof d, HEADER_LAYER, err);
}

static bool put_name(struct making *k, struct cv_bytes name, uint64_t at, unsigned layer, struct cv_err *err)
{
	struct { cv_be64 off; cv_be32 len; } place = { cv_be64_of(at), cv_be32_of((uint32_t)name.len) };

	return cv_relink_set(k->r, at, name.at, name.len, layer, err) &&
	       cv_relink_set(k->r, offsetof(struct cv_qcow2_header_disk, backing_off), &place, 12, HEADER_LAYER, err);
}

static bool set_name(struct making *k, struct cv_bytes name, struct cv_err *err)
{
	uint64_t at = find_place(k, name.len, CV_RELINK_PAGE);

	at = at ? at : find_place(k, name.len, CV_RELINK_SECTOR);
	return at ? put_name(k, name, at, NAME_LAYER, err)
		  : cv_fail(err, CV_EREFUSED, "its first cluster of %" PRIu64 " bytes has no room for another name of %zu bytes",
			    k->cluster_size, name.len);
}

static bool make_qcow2(struct cv_relink *r, struct cv_err *err)
{
	struct making k = { .r = r };
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, now = { 0 };

	if (!read_header(&k, err) || !walk_extensions(&k, err))
		return false;
	add_name(r, &name);
	for (uint32_t i = 0; i < r->facts->name_count; i++)
		if (r->facts->names[i].source == CV_NAME_BACKING_FILE)
			cv_text_add_bytes(&now, r->facts->names[i].text.at, r->facts->names[i].text.len);
	if (name.failed || now.failed)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (name.len > NAME_MOST)
		return cv_fail(err, CV_EREFUSED, "the name of the new parent has %zu bytes; QCOW2 can record %d", name.len,
			       NAME_MOST);
	return (!strcmp(cv_text_str(&name), cv_text_str(&now)) || set_name(&k, (struct cv_bytes){ name.at, name.len }, err)) &&
	       set_format(&k, err);
}

/* --- the format alone ------------------------------------------------------------------------------------- */

/* As it lies in the file: every word fits. */
struct format_extension {
	struct cv_qcow2_extension_disk head;
	char word[8];
};

/* The name leaves the bytes before k->end: within the sector that points to it, if it can. */
static bool move_name(struct making *k, struct cv_err *err)
{
	uint8_t bytes[NAME_MOST];
	struct cv_bytes name = { (const char *)bytes, k->name.len };

	if (name.len > sizeof bytes)
		return cv_fail(err, CV_EREFUSED, "the name of its parent is longer than %d bytes", NAME_MOST);
	if (!cv_source_read(k->r->source, bytes, name.len, k->name.off, err))
		return false;
	return k->end + name.len <= CV_RELINK_SECTOR ? put_name(k, name, k->end, HEADER_LAYER, err) : set_name(k, name, err);
}

/* These bytes come with those at `with`, or, in another sector, before them. */
static bool set_before(struct making *k, uint64_t off, const void *bytes, size_t len, uint64_t with, struct cv_err *err)
{
	bool same = off / CV_RELINK_SECTOR == with / CV_RELINK_SECTOR;

	return cv_relink_set(k->r, off, bytes, len, same ? HEADER_LAYER : NAME_LAYER, err);
}

/* In place of the one that ends them, which moves behind it: what the reader sees begins with its type, all at once. */
static bool add_behind(struct making *k, const struct format_extension *extension, struct cv_err *err)
{
	const struct cv_qcow2_extension_disk end = { .type = cv_be32_of(QCOW2_EXTENSION_END) };
	uint64_t beyond = k->end, at = beyond - sizeof end;

	k->end += sizeof *extension;
	return (k->name.off >= k->end || move_name(k, err)) &&
	       set_before(k, beyond, extension->word, sizeof extension->word, at, err) &&
	       set_before(k, beyond + sizeof extension->word, &end, sizeof end, at, err) &&
	       cv_relink_set(k->r, at, &extension->head, sizeof extension->head, HEADER_LAYER, err);
}

/* The last of the names of features makes room: they only tell people what unknown features are called, and QEMU writes
 * them anew with its next change. */
static bool add_within(struct making *k, const struct format_extension *extension, struct cv_err *err)
{
	enum { RECORD = sizeof(struct cv_qcow2_feature_disk) };
	struct { uint8_t none[RECORD - sizeof *extension]; struct format_extension extension; } last = { .extension = *extension };
	uint64_t end = k->features.off + k->features.len, length_at = k->features.off + 4;
	cv_be32 length = cv_be32_of((uint32_t)(k->features.len - sizeof(struct cv_qcow2_extension_disk) - sizeof *extension));

	if (k->features.len < sizeof(struct cv_qcow2_extension_disk) + RECORD)
		return cv_fail(err, CV_EREFUSED, "its first cluster has no room to record the format of its parent in one step: "
			       "qemu-img rebase -u -F records it");
	for (uint64_t at = 0; at < RECORD; at += 8)
		if (!set_before(k, end - RECORD + at, (const uint8_t *)&last + at, 8, length_at, err))
			return false;
	return cv_relink_set(k->r, length_at, &length, sizeof length, HEADER_LAYER, err);
}

/* Where the sectors that an extension behind the others would take hold the name, it cannot leave them in one step. */
static bool format_qcow2(struct cv_relink *r, enum cv_format_id format, struct cv_err *err)
{
	struct making k = { .r = r };
	const char *word = format_word(format);
	struct format_extension extension = { .head = { .type = cv_be32_of(QCOW2_EXTENSION_FORMAT) } };
	bool fits;

	if (!word)
		return cv_fail(err, CV_EREFUSED, "QEMU has no word for the format of its parent");
	if (!read_header(&k, err) || !walk_extensions(&k, err))
		return false;
	extension.head.length = cv_be32_of((uint32_t)strlen(word));
	memcpy(extension.word, word, strlen(word));
	fits = k.end + sizeof extension <= k.cluster_size &&
	       (k.name.off >= k.end + sizeof extension || k.end + sizeof extension <= CV_RELINK_SECTOR);
	return fits ? add_behind(&k, &extension, err) : add_within(&k, &extension, err);
}

/* It has no identity of its own. The mark is one byte. */
static bool own_qcow2(struct cv_relink *r, const struct cv_relink_own *own, struct cv_err *err)
{
	struct making k = { .r = r };
	const uint8_t visible = 0;

	(void)own;
	if (r->facts->mark != CV_MARK_HIDDEN)
		return true;
	if (!read_header(&k, err) || !walk_extensions(&k, err))
		return false;
	if (k.mark.len != 8)
		return cv_fail(err, CV_EREFUSED, "its hidden mark is not where it should be");
	return cv_relink_set(r, k.mark.off, &visible, sizeof visible, HEADER_LAYER, err);
}

/*
 * The first sector tells both, all at once: where the name is, and of which format. What is behind that extension stays where
 * it is, since not all of it need lie in that sector; so it becomes two that say nothing. The name is left: nothing leads to it.
 */
static bool part_qcow2(struct cv_relink *r, struct cv_err *err)
{
	struct making k = { .r = r };
	struct { cv_be64 off; cv_be32 len; } none = { .len = cv_be32_of(0) };
	const struct cv_qcow2_extension_disk empty = { .type = cv_be32_of(QCOW2_EXTENSION_FORMAT) };

	if (!read_header(&k, err) || !walk_extensions(&k, err))
		return false;
	for (uint64_t at = k.format.off; at < k.format.off + k.format.len; at += sizeof empty)
		if (k.format.off + k.format.len > CV_RELINK_SECTOR || !cv_relink_set(r, at, &empty, sizeof empty, HEADER_LAYER, err))
			return err->code ? false : cv_fail(err, CV_EREFUSED, "the format of its parent is recorded where it cannot change "
							   "with the name");
	return cv_relink_set(r, offsetof(struct cv_qcow2_header_disk, backing_off), &none, 12, HEADER_LAYER, err);
}

const struct cv_relink_format cv_relink_qcow2 = { CV_FORMAT_QCOW2, make_qcow2, own_qcow2, part_qcow2, format_qcow2 };

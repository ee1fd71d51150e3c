/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The header extensions of QCOW2: found by one walk that is bounded in steps, then used one by one. The
 * bitmap directory that one of them points to is read elsewhere.
 */
#include "inspect/qcow2/reading.h"
#include <stdio.h>

/* Real images have up to six. */
#define MAX_EXTENSIONS 256
#define MAX_DATA_FILE_NAME 4095u

static const struct known {
	uint32_t type;
	uint32_t least, most;                /* bytes of data */
	const char *what;
	size_t slot;                         /* in struct cv_qcow2_extensions */
} known[] = {
#define SLOT(member) offsetof(struct cv_qcow2_extensions, member)
	{ QCOW2_EXTENSION_FORMAT, 0, QCOW2_MAX_FORMAT_NAME, "length of the backing format", SLOT(format) },
	{ QCOW2_EXTENSION_FEATURES, 0, UINT32_MAX, "length of the feature name table", SLOT(features) },
	{ QCOW2_EXTENSION_BITMAPS, 24, 24, "length of the bitmaps extension", SLOT(bitmaps) },
	{ QCOW2_EXTENSION_LUKS, 16, 16, "length of the LUKS pointer", SLOT(luks) },
	{ QCOW2_EXTENSION_DATA_FILE, 1, MAX_DATA_FILE_NAME, "length of the external data file name", SLOT(data_file) },
	{ QCOW2_EXTENSION_MARK, 0, UINT32_MAX, "length of XCP-ng's hidden mark", SLOT(mark) },
#undef SLOT
};

static void take_unknown(struct cv_qcow2_reading *r, uint32_t type, struct cv_range data, uint32_t index)
{
	cv_facts_number(r->facts, CV_ATTR_QCOW2_EXTENSION_TYPE, index, type, (struct cv_range){ data.off - 8, 4 });
	cv_facts_number(r->facts, CV_ATTR_QCOW2_EXTENSION_LENGTH, index, data.len,
			(struct cv_range){ data.off - 4, 4 });
}

/* Where an extension is given twice the last one counts, as for QEMU. */
static void take_extension(struct cv_qcow2_reading *r, uint32_t type, struct cv_range data, uint32_t *unknown)
{
	for (size_t i = 0; i < CV_COUNT(known); i++) {
		if (known[i].type != type)
			continue;
		if (data.len < known[i].least || data.len > known[i].most) {
			cv_qcow2_bad_number(r, known[i].what, data.len, (struct cv_range){ data.off - 4, 4 });
			r->ext.damaged = true;
			return;
		}
		memcpy((char *)&r->ext + known[i].slot, &data, sizeof data);
		return;
	}
	take_unknown(r, type, data, (*unknown)++);
}

/* One step of the walk: false when it is over; *next is where the following extension starts. */
static bool walk_one(struct cv_qcow2_reading *r, uint64_t at, uint64_t end, uint64_t *next, uint32_t *unknown,
		     struct cv_err *err)
{
	struct cv_qcow2_extension_disk d;
	bool was_damaged = r->ext.damaged;
	struct cv_range data, length = { at + 4, 4 };

	r->ext.damaged = true;               /* until this one turns out to be whole */
	if (!cv_range_inside((struct cv_range){ at, sizeof d }, r->source->size)) {
		cv_qcow_truncated(r->facts, "header extension", (struct cv_range){ at, sizeof d }, r->source->size);
		return false;
	}
	if (!cv_source_read(r->source, &d, sizeof d, at, err))
		return cv_wrap(err, "while reading the header extensions");
	if (cv_be32_get(d.type) == QCOW2_EXTENSION_END) {
		r->ext.damaged = was_damaged;
		return false;
	}
	data = (struct cv_range){ at + sizeof d, cv_be32_get(d.length) };
	if (!cv_range_inside(data, end)) {
		cv_qcow2_bad_number(r, "length of a header extension", data.len, length);
		return false;
	}
	if (!cv_range_inside(data, r->source->size)) {
		cv_qcow_truncated(r->facts, "header extension", data, r->source->size);
		return false;
	}
	r->ext.damaged = was_damaged;
	take_extension(r, cv_be32_get(d.type), data, unknown);
	*next = data.off + (data.len + 7) / 8 * 8;
	return true;
}

/* The area starts behind the header; the backing file name, or else the end of the cluster, ends it. */
static bool walk(struct cv_qcow2_reading *r, struct cv_err *err)
{
	uint64_t at = r->h.header_length, end = r->cluster_size;
	uint32_t unknown = 0;

	if (r->h.version >= 3 && (at < QCOW2_V3_HEADER || at % 8 || at > r->cluster_size || at > r->source->size)) {
		r->ext.damaged = true;       /* said when the header was checked */
		return true;
	}
	if (r->h.backing_off && r->h.backing_off < end)
		end = r->h.backing_off;
	for (unsigned n = 0; at < end && end - at >= sizeof(struct cv_qcow2_extension_disk); n++) {
		if (n == MAX_EXTENSIONS) {
			cv_qcow_hostile(r->facts, "number of header extensions", n + 1, MAX_EXTENSIONS,
					(struct cv_range){ at, 8 });
			r->facts->flags |= CV_FACT_PARTIAL;
			r->ext.damaged = true;
			return true;
		}
		if (!walk_one(r, at, end, &at, &unknown, err))
			return err->code == CV_OK;
	}
	return true;
}

/* Only an image with a backing file has use for its format; an empty one is as good as none. */
static bool use_format(struct cv_qcow2_reading *r, struct cv_err *err)
{
	char format[QCOW2_MAX_FORMAT_NAME];
	struct cv_facts *f = r->facts;
	struct cv_range where = r->ext.format;
	struct cv_bytes name = { format, where.len };

	if (where.len) {
		if (!cv_source_read(r->source, format, where.len, where.off, err))
			return false;
		name.len = strnlen(format, where.len);
		cv_facts_text(f, CV_ATTR_QCOW2_BACKING_FORMAT, 0, name, where);
	}
	if (!(f->flags & CV_FACT_PARENT))
		return true;
	if (!name.len) {
		f->flags |= CV_FACT_NEEDS_PROBE;
		return true;
	}
	f->parent_format = cv_format_by_name(name);
	if (f->parent_format == CV_FORMAT_RAW)
		f->flags |= CV_FACT_PARENT_RAW;
	return true;
}

enum { FEATURE_KINDS = 3, FEATURE_BITS = 64, MAX_FEATURES = FEATURE_KINDS * FEATURE_BITS };

struct feature_names {
	struct cv_qcow2_feature_disk at[MAX_FEATURES];
	size_t count;
};

/* The name of a bit; empty if the image has none for it. */
static struct cv_bytes feature_name(const struct feature_names *names, unsigned kind, unsigned bit)
{
	for (size_t i = 0; i < names->count; i++) {
		const struct cv_qcow2_feature_disk *d = &names->at[i];

		if (d->kind == kind && d->bit == bit)
			return (struct cv_bytes){ d->name, strnlen(d->name, sizeof d->name) };
	}
	return (struct cv_bytes){ NULL, 0 };
}

static void take_unknown_bit(struct cv_qcow2_reading *r, const struct feature_names *names, unsigned kind, unsigned bit,
			     uint32_t index)
{
	static const char *const kinds[FEATURE_KINDS] = { "incompatible", "compatible", "autoclear" };
	struct cv_bytes name = feature_name(names, kind, bit);
	struct cv_range where = { offsetof(struct cv_qcow2_header_disk, incompatible) + 8 * kind, 8 };
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };
	struct cv_bytes said;

	cv_text_addf(&text, "%s feature bit %u", kinds[kind], bit);
	if (name.len) {
		cv_text_add(&text, ": ");
		cv_text_add_bytes(&text, name.at, name.len);
	}
	said = (struct cv_bytes){ cv_text_str(&text), text.len };
	cv_facts_text(r->facts, CV_ATTR_QCOW2_FEATURE_NAME, index, said, where);
	if (kind == 0)
		cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, where, cv_arg_bytes(said), (struct cv_arg){ 0 });
}

static bool use_features(struct cv_qcow2_reading *r, struct cv_err *err)
{
	const uint64_t unknown[FEATURE_KINDS] = {
		r->h.incompatible & ~(uint64_t)QCOW2_INCOMPATIBLE_KNOWN,
		r->h.compatible & ~(uint64_t)QCOW2_COMPATIBLE_KNOWN,
		r->h.autoclear & ~(uint64_t)QCOW2_AUTOCLEAR_KNOWN,
	};
	struct feature_names names = { .count = r->ext.features.len / sizeof(struct cv_qcow2_feature_disk) };
	uint32_t index = 0;

	if (!(unknown[0] | unknown[1] | unknown[2]))
		return true;
	if (names.count > MAX_FEATURES)
		names.count = MAX_FEATURES;
	if (names.count &&
	    !cv_source_read(r->source, names.at, names.count * sizeof names.at[0], r->ext.features.off, err))
		return false;
	for (unsigned kind = 0; kind < FEATURE_KINDS; kind++)
		for (unsigned bit = 0; bit < FEATURE_BITS; bit++)
			if (unknown[kind] >> bit & 1)
				take_unknown_bit(r, &names, kind, bit, index++);
	return true;
}

/* Without it nobody gets at the keys, whatever the passphrase. */
static bool check_luks(struct cv_qcow2_reading *r, struct cv_range header, struct cv_err *err)
{
	static const char magic[6] = "LUKS\xba\xbe";
	struct {
		char magic[sizeof magic];
		cv_be16 version;
	} d;

	if (header.len < sizeof d)
		return true;
	if (!cv_source_read(r->source, &d, sizeof d, header.off, err))
		return cv_wrap(err, "while reading the LUKS header");
	if (memcmp(d.magic, magic, sizeof magic) != 0)
		cv_qcow2_bad_text(r, "LUKS header", "without its magic", (struct cv_range){ header.off, sizeof magic });
	else if (cv_be16_get(d.version) != QCOW2_LUKS_VERSION)
		cv_qcow2_bad_number(r, "version of the LUKS header", cv_be16_get(d.version),
				    (struct cv_range){ header.off + sizeof magic, sizeof d.version });
	return true;
}

static bool use_luks(struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_range where = r->ext.luks;
	struct cv_qcow2_luks_disk d;
	struct cv_range header;
	bool luks = r->h.crypt_method == QCOW2_CRYPT_LUKS;

	if (luks != (where.len != 0)) {
		if (!luks || !r->ext.damaged)
			cv_qcow2_bad_text(r, "LUKS pointer", luks ? "missing" : "there without LUKS encryption",
					  luks ? CV_QCOW2_FIELD(crypt_method) : where);
		return true;
	}
	if (!luks)
		return true;
	if (!cv_source_read(r->source, &d, sizeof d, where.off, err))
		return false;
	header = (struct cv_range){ cv_be64_get(d.off), cv_be64_get(d.length) };
	return !cv_qcow2_table(r, "LUKS header", header, where) || check_luks(r, header, err);
}

/* Without its feature bit the name means nothing: the data lies in the image itself. */
static bool use_data_file(struct cv_qcow2_reading *r, struct cv_err *err)
{
	char name[MAX_DATA_FILE_NAME];
	struct cv_range where = r->ext.data_file;

	if (!(r->facts->flags & CV_FACT_DATA_FILE))
		return true;
	if (!where.len) {
		if (!r->ext.damaged)
			cv_qcow2_bad_text(r, "external data file name", "missing", CV_QCOW2_FIELD(incompatible));
		return true;
	}
	if (!cv_source_read(r->source, name, where.len, where.off, err))
		return false;
	if (!name[0])
		cv_qcow2_bad_text(r, "external data file name", "empty", where);
	else if (!cv_qcow_add_name(r->facts, CV_NAME_DATA_FILE, (struct cv_bytes){ name, where.len }, where))
		cv_qcow2_bad_text(r, "external data file name", "cut by a NUL byte", where);
	return true;
}

/* Others may use the type for something else, so a strange one is no damage, and no mark either. */
static bool use_mark(struct cv_qcow2_reading *r, struct cv_err *err)
{
	struct cv_range where = r->ext.mark;
	uint8_t hidden = UINT8_MAX;

	if (!where.off)
		return true;
	if (where.len == 8 && !cv_source_read(r->source, &hidden, sizeof hidden, where.off, err))
		return false;
	if (hidden <= 1)
		r->facts->mark = hidden ? CV_MARK_HIDDEN : CV_MARK_VISIBLE;
	else
		cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, where,
			      cv_arg_text("XCP-ng's hidden mark is neither 0 nor 1 in eight bytes"),
			      (struct cv_arg){ 0 });
	return true;
}

bool cv_qcow2_read_extensions(struct cv_qcow2_reading *r, struct cv_err *err)
{
	static bool (*const uses[])(struct cv_qcow2_reading *, struct cv_err *) = {
		use_format, use_features, use_luks, use_data_file, use_mark,
	};
	bool ok = walk(r, err);

	for (size_t i = 0; i < CV_COUNT(uses); i++)
		if (!uses[i](r, err))
			ok = ok && cv_wrap(err, "while reading the header extensions");
	return ok;
}

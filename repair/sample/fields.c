/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The verbs "set" and "seal": fields of headers by name, and checksums that are right again afterwards. "set"
 * does what a program would do that wants this value: in every copy, sealed.
 */
#include "inspect/base/crc32c.h"
#include "inspect/qcow/qcow_disk.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "repair/sample/maker.h"
#include "repair/vhd/encode.h"

enum structure { FOOTERS, HEADER };
enum value { NUMBER, UUID, TEXT };

struct field {
	const char *name;
	enum cv_format_id format;
	enum structure structure;
	enum value value;
	size_t off, len;
};

#define ROW(name, format, structure, value, type, member)                                                              \
	{                                                                                                              \
		name, CV_FORMAT_##format, structure, value, offsetof(struct type, member),                             \
			sizeof(((struct type *)0)->member)                                                             \
	}
#define FOOTER_ROW(name, value, member) ROW(name, VHD, FOOTERS, value, vhd_footer_disk, member)
#define HEADER_ROW(name, value, member) ROW(name, VHD, HEADER, value, vhd_header_disk, member)
#define QCOW2_ROW(name, member)         ROW(name, QCOW2, HEADER, NUMBER, cv_qcow2_header_disk, member)
#define QCOW_ROW(name, member)          ROW(name, QCOW, HEADER, NUMBER, cv_qcow_header_disk, member)
static const struct field fields[] = {
	FOOTER_ROW("cookie", TEXT, cookie),
	FOOTER_ROW("features", NUMBER, features),
	FOOTER_ROW("version", NUMBER, version),
	FOOTER_ROW("data-offset", NUMBER, data_offset),
	FOOTER_ROW("time", NUMBER, timestamp),
	FOOTER_ROW("creator", TEXT, app),
	FOOTER_ROW("creator-version", NUMBER, app_version),
	FOOTER_ROW("original-size", NUMBER, original_size),
	FOOTER_ROW("size", NUMBER, current_size),
	FOOTER_ROW("cylinders", NUMBER, cylinders),
	FOOTER_ROW("heads", NUMBER, heads),
	FOOTER_ROW("sectors", NUMBER, sectors),
	FOOTER_ROW("type", NUMBER, type),
	FOOTER_ROW("uuid", UUID, uuid),
	FOOTER_ROW("saved", NUMBER, saved),
	FOOTER_ROW("hidden", NUMBER, hidden),
	HEADER_ROW("header-cookie", TEXT, cookie),
	HEADER_ROW("table-offset", NUMBER, table_offset),
	HEADER_ROW("header-version", NUMBER, version),
	HEADER_ROW("entries", NUMBER, max_table_entries),
	HEADER_ROW("block-size", NUMBER, block_size),
	HEADER_ROW("parent-uuid", UUID, parent_uuid),
	HEADER_ROW("parent-time", NUMBER, parent_time),
	HEADER_ROW("locator0-offset", NUMBER, locators[0].offset),
	HEADER_ROW("locator0-space", NUMBER, locators[0].space),
	HEADER_ROW("locator0-length", NUMBER, locators[0].length),
	HEADER_ROW("locator1-offset", NUMBER, locators[1].offset),
	HEADER_ROW("locator1-length", NUMBER, locators[1].length),
	QCOW2_ROW("magic", magic),
	QCOW2_ROW("version", version),
	QCOW2_ROW("backing-offset", backing_off),
	QCOW2_ROW("backing-length", backing_len),
	QCOW2_ROW("cluster-bits", cluster_bits),
	QCOW2_ROW("size", size),
	QCOW2_ROW("crypt-method", crypt_method),
	QCOW2_ROW("l1-entries", l1_entries),
	QCOW2_ROW("l1-offset", l1_off),
	QCOW2_ROW("refcount-offset", refcount_off),
	QCOW2_ROW("refcount-clusters", refcount_clusters),
	QCOW2_ROW("snapshots", snapshot_count),
	QCOW2_ROW("snapshot-offset", snapshot_off),
	QCOW2_ROW("incompatible", incompatible),
	QCOW2_ROW("compatible", compatible),
	QCOW2_ROW("autoclear", autoclear),
	QCOW2_ROW("refcount-order", refcount_order),
	QCOW2_ROW("header-length", header_length),
	QCOW2_ROW("compression", compression_type),
	QCOW_ROW("version", version),
	QCOW_ROW("backing-offset", backing_off),
	QCOW_ROW("backing-length", backing_len),
	QCOW_ROW("size", size),
	QCOW_ROW("cluster-bits", cluster_bits),
	QCOW_ROW("l2-bits", l2_bits),
	QCOW_ROW("crypt-method", crypt_method),
	QCOW_ROW("l1-offset", l1_off),
};

static const struct field *find_field(enum cv_format_id format, const char *name, size_t len)
{
	for (size_t i = 0; i < CV_COUNT(fields); i++)
		if (fields[i].format == format && strlen(fields[i].name) == len && !strncmp(fields[i].name, name, len))
			return &fields[i];
	return NULL;
}

static bool encode_value(const struct field *field, const char *text, uint8_t *bytes)
{
	uint64_t n;

	if (field->value == UUID)
		return cv_word_uuid(text, bytes);
	if (field->value == TEXT) {
		memset(bytes, 0, field->len);
		memcpy(bytes, text, strlen(text) < field->len ? strlen(text) : field->len);
		return strlen(text) <= field->len;
	}
	if (!cv_recipe_number(text, &n) && !cv_size_parse(text, &n))
		return false;
	for (size_t i = field->len; i--; n >>= 8)
		bytes[i] = (uint8_t)n;
	return n == 0;
}

/* Headers and region tables of a VHDX: CRC-32C of all of the structure, in which the field at offset 4 is 0. */
static bool seal_vhdx(const struct cv_file_out *out, const struct cv_spot *spot, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *bytes = malloc(spot->len);
	const cv_le32 zero = cv_le32_of(0);
	cv_le32 sum;

	if (strncmp(spot->name, "header", strlen("header")) && strncmp(spot->name, "regions", strlen("regions")))
		return true;
	if (!bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_out_read(out, bytes, spot->len, spot->off, err))
		return false;
	memcpy(bytes + 4, &zero, sizeof zero);
	sum = cv_le32_of(cv_crc32c(0, bytes, spot->len));
	return cv_out_write(out, &sum, sizeof sum, spot->off + 4, err);
}

/* Checksums of one structure of a VHD. Others have none. */
static bool seal_spot(const struct cv_file_out *out, const struct cv_spot *spot, struct cv_err *err)
{
	union {
		struct vhd_footer_disk footer;
		struct vhd_header_disk header;
	} d;
	bool footer = !strncmp(spot->name, "footer", strlen("footer")), header = !strcmp(spot->name, "header");
	size_t len = footer ? sizeof d.footer : sizeof d.header;

	if (!footer && !header)
		return true;
	if (!cv_out_read(out, &d, len, spot->off, err))
		return false;
	if (footer)
		cv_vhd_seal_footer(&d.footer);
	else
		cv_vhd_seal_header(&d.header);
	return cv_out_write(out, &d, len, spot->off, err);
}

/* The map's checksum, over as much of it as libvhd counts. */
static bool seal_batmap(const struct cv_file_out *out, const struct cv_made *made, struct cv_err *err)
{
	const struct cv_spot *batmap = cv_spot_find(made, "batmap"), *map = cv_spot_find(made, "map");
	CV_AUTO(cv_auto_free) uint8_t *bytes = map ? malloc(map->len) : NULL;
	uint64_t summed = cv_vhd_batmap_summed(made->size);
	struct vhd_batmap_disk d;

	if (!map || !batmap)
		return true;
	if (!bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_out_read(out, &d, sizeof d, batmap->off, err) || !cv_out_read(out, bytes, map->len, map->off, err))
		return false;
	summed = summed < map->len ? summed : map->len;
	d.checksum = cv_be32_of(cv_vhd_sum(bytes, summed, summed));
	return cv_out_write(out, &d, sizeof d, batmap->off, err);
}

bool cv_damage_seal(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *made = cv_made_file(m, line->words[1], err);
	struct cv_file_out out;
	bool ok = true;

	if (!made)
		return false;
	if (made->format != CV_FORMAT_VHD && made->format != CV_FORMAT_VHDX)
		return cv_fail(err, CV_EUSAGE, "%s has no checksums", made->name);
	if (!cv_made_open(m, made->name, &out, err))
		return false;
	for (size_t i = 0; ok && i < made->spots.len; i++)
		ok = (made->format == CV_FORMAT_VHD ? seal_spot : seal_vhdx)(&out, &made->spots.at[i], err);
	return cv_out_close(&out, ok && (made->format != CV_FORMAT_VHD || seal_batmap(&out, made, err)), err);
}

/* "hidden" is set in both footers, "footer.hidden" and "footer-copy.hidden" in one of them. */
static bool set_in(const struct cv_file_out *out, const struct cv_made *made, const struct field *field,
		   const char *only, size_t only_len, const uint8_t *bytes, struct cv_err *err)
{
	unsigned done = 0;

	for (size_t i = 0; i < made->spots.len; i++) {
		const struct cv_spot *spot = &made->spots.at[i];
		bool fits = field->structure == FOOTERS ? !strncmp(spot->name, "footer", strlen("footer"))
							: !strcmp(spot->name, "header");

		if (!fits || (only_len && (strlen(spot->name) != only_len || strncmp(spot->name, only, only_len))))
			continue;
		if (!cv_out_write(out, bytes, field->len, spot->off + field->off, err))
			return false;
		if (made->format == CV_FORMAT_VHD && !seal_spot(out, spot, err))
			return false;
		done++;
	}
	return done || cv_fail(err, CV_EFORMAT, "the image has no such structure");
}

static bool set_one(const struct cv_file_out *out, const struct cv_made *made, const char *word, struct cv_err *err)
{
	const char *equals = strchr(word, '='), *dot = memchr(word, '.', equals ? (size_t)(equals - word) : 0);
	const char *name = dot ? dot + 1 : word;
	const struct field *field = equals ? find_field(made->format, name, (size_t)(equals - name)) : NULL;
	uint8_t bytes[64];

	if (!field)
		return cv_fail(err, CV_EFORMAT, "%s: no such field in this format", word);
	if (!encode_value(field, equals + 1, bytes))
		return cv_fail(err, CV_EFORMAT, "%s: the value does not fit", word);
	return set_in(out, made, field, word, dot ? (size_t)(dot - word) : 0, bytes, err);
}

bool cv_damage_set(struct cv_maker *m, const struct cv_recipe_line *line, struct cv_err *err)
{
	const struct cv_made *made = cv_made_file(m, line->words[1], err);
	struct cv_file_out out;
	bool ok = true;

	if (!made || !cv_made_open(m, made->name, &out, err))
		return false;
	for (size_t i = 2; ok && i < line->count; i++)
		ok = set_one(&out, made, line->words[i], err);
	return cv_out_close(&out, ok, err);
}

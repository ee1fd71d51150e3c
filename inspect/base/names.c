/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The names of the values of facts.h, and the table of attributes: one place where each is spelled. */
#include <chainview/facts.h>
#include <strings.h>

static const char *const format_names[CV_FORMAT_COUNT] = {
	[CV_FORMAT_NONE] = "unknown", [CV_FORMAT_RAW] = "raw", [CV_FORMAT_VHD] = "vhd",
	[CV_FORMAT_VHDX] = "vhdx", [CV_FORMAT_QCOW] = "qcow", [CV_FORMAT_QCOW2] = "qcow2",
};

static const char *const variant_names[CV_VARIANT_COUNT] = {
	[CV_VARIANT_NONE] = "unknown", [CV_VARIANT_FIXED] = "fixed", [CV_VARIANT_DYNAMIC] = "dynamic",
	[CV_VARIANT_DIFFERENCING] = "differencing", [CV_VARIANT_STANDALONE] = "standalone",
	[CV_VARIANT_OVERLAY] = "overlay", [CV_VARIANT_RAW] = "raw",
};

static const char *const name_sources[CV_NAME_SOURCE_COUNT] = {
	[CV_NAME_NONE] = "none", [CV_NAME_MACX] = "MacX", [CV_NAME_W2KU] = "W2ku", [CV_NAME_W2RU] = "W2ru",
	[CV_NAME_MAC] = "Mac", [CV_NAME_WI2R] = "Wi2r", [CV_NAME_WI2K] = "Wi2k", [CV_NAME_VHD_HEADER] = "header",
	[CV_NAME_UNKNOWN_LOCATOR] = "unknown locator", [CV_NAME_BACKING_FILE] = "backing file",
	[CV_NAME_DATA_FILE] = "data file", [CV_NAME_VHDX_RELATIVE] = "relative_path",
	[CV_NAME_VHDX_VOLUME] = "volume_path", [CV_NAME_VHDX_ABSOLUTE] = "absolute_win32_path",
};

const struct cv_attr_row cv_attr_rows[CV_ATTR_COUNT] = {
#define A(tag, json_key, words, kind) [CV_ATTR_##tag] = { json_key, words, CV_TYPE_##kind },
#include <chainview/attrs.def>
#undef A
};

const char *cv_format_name(enum cv_format_id id)
{
	return id < CV_FORMAT_COUNT ? format_names[id] : format_names[0];
}

const char *cv_variant_name(enum cv_variant variant)
{
	return variant < CV_VARIANT_COUNT ? variant_names[variant] : variant_names[0];
}

const char *cv_name_source_name(enum cv_name_source source)
{
	return source < CV_NAME_SOURCE_COUNT ? name_sources[source] : name_sources[0];
}

enum cv_format_id cv_format_by_name(struct cv_bytes name)
{
	/* qemu's own names for the same things, and the extensions of Hyper-V */
	static const struct { const char *alias; enum cv_format_id id; } aliases[] = {
		{ "vpc", CV_FORMAT_VHD }, { "avhd", CV_FORMAT_VHD }, { "avhdx", CV_FORMAT_VHDX },
		{ "qcow1", CV_FORMAT_QCOW }, { "host_device", CV_FORMAT_RAW }, { "file", CV_FORMAT_RAW },
	};

	for (int id = CV_FORMAT_RAW; id < CV_FORMAT_COUNT; id++)
		if (strlen(format_names[id]) == name.len && !strncasecmp(format_names[id], name.at, name.len))
			return (enum cv_format_id)id;
	for (size_t i = 0; i < CV_COUNT(aliases); i++)
		if (strlen(aliases[i].alias) == name.len && !strncasecmp(aliases[i].alias, name.at, name.len))
			return aliases[i].id;
	return CV_FORMAT_NONE;
}

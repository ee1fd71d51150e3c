/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The options of new images, KEY=VALUE,..., by the names that qemu-img has for them. */
#include "repair/convert/job.h"
#include <chainview/report.h>

typedef bool set_function(struct cv_target_options *o, const char *value);

static bool set_subformat(struct cv_target_options *o, const char *value)
{
	o->fixed = !strcmp(value, "fixed");
	return o->fixed || !strcmp(value, "dynamic");
}

static bool set_size(uint32_t *field, const char *value)
{
	uint64_t size;

	if (!cv_size_parse(value, &size) || !size || size > UINT32_MAX)
		return false;
	*field = (uint32_t)size;
	return true;
}

static bool set_block_size(struct cv_target_options *o, const char *value)
{
	return set_size(&o->block_size, value);
}

static bool set_log_size(struct cv_target_options *o, const char *value)
{
	return set_size(&o->log_size, value);
}

static bool set_refcount_bits(struct cv_target_options *o, const char *value)
{
	return set_size(&o->refcount_bits, value) && o->refcount_bits <= 64 &&
	       !(o->refcount_bits & (o->refcount_bits - 1));
}

static bool set_compat(struct cv_target_options *o, const char *value)
{
	o->compat_v2 = !strcmp(value, "0.10") || !strcmp(value, "v2");
	return o->compat_v2 || !strcmp(value, "1.1") || !strcmp(value, "v3");
}

static bool set_compression_type(struct cv_target_options *o, const char *value)
{
	o->zstd = !strcmp(value, "zstd");
	return o->zstd || !strcmp(value, "zlib");
}

static bool set_lazy(struct cv_target_options *o, const char *value)
{
	o->lazy_refcounts = !strcmp(value, "on");
	return o->lazy_refcounts || !strcmp(value, "off");
}

static bool set_preallocation(struct cv_target_options *o, const char *value)
{
	static const char *const names[] = { "off", "metadata", "falloc", "full" };

	for (unsigned i = 0; i < CV_COUNT(names); i++)
		if (!strcmp(value, names[i])) {
			o->preallocation = (enum cv_preallocation)i;
			return true;
		}
	return false;
}

#define OF(format) (1u << (format))
#define QCOW2 OF(CV_FORMAT_QCOW2)
#define VHD OF(CV_FORMAT_VHD)
#define VHDX OF(CV_FORMAT_VHDX)

static const struct option_row {
	struct cv_convert_option pub;
	unsigned formats;
	set_function *set;
} rows[] = {
	{ { "cluster_size", NULL, "a size, 512 to 2M" }, QCOW2, set_block_size },
	{ { "compat", "0.10 1.1", "0.10 or 1.1" }, QCOW2, set_compat },
	{ { "compression_type", "zlib zstd", "zlib or zstd" }, QCOW2, set_compression_type },
	{ { "lazy_refcounts", "on off", "on or off" }, QCOW2, set_lazy },
	{ { "refcount_bits", "1 2 4 8 16 32 64", "1, 2, 4, 8, 16, 32 or 64" }, QCOW2, set_refcount_bits },
	{ { "subformat", "dynamic fixed", "dynamic or fixed" }, VHD | VHDX, set_subformat },
	{ { "block_size", NULL, "a size" }, VHD | VHDX, set_block_size },
	{ { "log_size", NULL, "a size, whole MiB" }, VHDX, set_log_size },
	{ { "preallocation", "off metadata falloc full", "off, metadata, falloc or full" },
	  OF(CV_FORMAT_RAW) | QCOW2 | VHD | VHDX, set_preallocation },
};

static bool take(struct cv_target_options *target, enum cv_format_id to, const char *key, const char *value,
		 struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (strcmp(rows[i].pub.key, key) != 0 || !(rows[i].formats & OF(to)))
			continue;
		return rows[i].set(target, value) || cv_fail(err, CV_EUSAGE, "%s takes %s", key, rows[i].pub.values);
	}
	cv_text_escape(&t, cv_bytes_of(key));
	return cv_fail(err, CV_EUSAGE, "this format has no option %s", cv_text_str(&t));
}

bool cv_convert_options_read(const struct cv_convert_options *options, struct cv_target_options *target, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) char *copy = strdup(options->options ? options->options : "");
	char *rest = copy, *word;

	if (!copy)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	target->compress = options->compress;
	while ((word = strsep(&rest, ","))) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		if (!value)
			return cv_fail(err, CV_EUSAGE, "options are KEY=VALUE,KEY=VALUE");
		*value++ = '\0';
		if (!take(target, options->to, word, value, err))
			return false;
	}
	return true;
}

const struct cv_convert_option *cv_convert_option(enum cv_format_id format, size_t i)
{
	for (size_t row = 0; row < CV_COUNT(rows); row++)
		if (rows[row].formats & OF(format) && !i--)
			return &rows[row].pub;
	return NULL;
}

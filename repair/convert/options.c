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
#define ANY (OF(CV_FORMAT_RAW) | QCOW2 | VHD | VHDX)

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
	  ANY, set_preallocation },
};

/* What qemu-img knows and this does not do, with the way out. */
static const struct {
	const char *key;             /* or what it begins with, if it ends with a dot */
	unsigned formats;
	const char *why;
} others[] = {
	{ "size", ANY, "the new disk is as large as that of the source" },
	{ "force_size", VHD, "a disk is always exactly as large as its source, as with force_size=on" },
	{ "backing_file", QCOW2, "the new image stands alone; chainview convert --tree keeps the chain" },
	{ "backing_fmt", QCOW2, "the new image stands alone; chainview convert --tree keeps the chain" },
	{ "data_file", QCOW2, "its data would lie in another file, which other tools than QEMU do not find" },
	{ "data_file_raw", QCOW2, "its data would lie in another file, which other tools than QEMU do not find" },
	{ "extended_l2", QCOW2, "images with subclusters are not written: QEMU before 5.2 and most other tools cannot read them" },
	{ "encryption", QCOW2, "no keys are kept here: qemu-img convert encrypts" },
	{ "encrypt.", QCOW2, "no keys are kept here: qemu-img convert encrypts" },
	{ "nocow", ANY, "chattr +C on the folder does it for all that is made in there" },
	{ "extent_size_hint", OF(CV_FORMAT_RAW) | QCOW2, "xfs_io -c 'extsize SIZE' on the folder does it for all that is made in there" },
	{ "block_state_zero", VHDX, "blocks of zeros are left out" },
};

static const char *other_option(enum cv_format_id to, const char *key)
{
	for (size_t i = 0; i < CV_COUNT(others); i++) {
		size_t len = strlen(others[i].key);

		if (others[i].formats & OF(to) && (others[i].key[len - 1] == '.' ? !strncmp(key, others[i].key, len)
										 : !strcmp(key, others[i].key)))
			return others[i].why;
	}
	return NULL;
}

static bool take(struct cv_target_options *target, enum cv_format_id to, const char *key, const char *value,
		 struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *why = other_option(to, key);

	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		if (strcmp(rows[i].pub.key, key) != 0 || !(rows[i].formats & OF(to)))
			continue;
		return rows[i].set(target, value) || cv_fail(err, CV_EUSAGE, "%s takes %s", key, rows[i].pub.values);
	}
	cv_text_escape(&t, cv_bytes_of(key));
	if (why)
		return cv_fail(err, CV_EUSAGE, "there is no option %s: %s", cv_text_str(&t), why);
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

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The raw format: every byte is guest data. Looks at magic numbers to warn, and believes none of them. */
#include "inspect/raw/raw.h"
#include <chainview/bytes.h>

#define FOOTER       512u
#define SHORT_FOOTER 511u

static const struct magic {
	enum cv_format_id id;
	uint8_t len;
	char bytes[9];
} magics[] = {
	{ CV_FORMAT_QCOW, 8, "QFI\xfb\0\0\0\x01" }, { CV_FORMAT_QCOW2, 4, "QFI\xfb" },
	{ CV_FORMAT_VHDX, 8, "vhdxfile" },          { CV_FORMAT_VHD, 8, "conectix" },
	{ CV_FORMAT_VHD, 8, "v_poison" },
};

/* Compares bytes at an offset with the magic numbers; those that do not fit in the source are not there. */
static enum cv_format_id match(struct cv_source *source, uint64_t off)
{
	struct cv_err err = { CV_OK };
	char bytes[8] = { 0 };
	size_t len = source->size - off < sizeof bytes ? (size_t)(source->size - off) : sizeof bytes;

	if (!len || !cv_source_read(source, bytes, len, off, &err))
		return CV_FORMAT_NONE;
	for (size_t i = 0; i < CV_COUNT(magics); i++)
		if (magics[i].len <= len && !memcmp(magics[i].bytes, bytes, magics[i].len))
			return magics[i].id;
	return CV_FORMAT_NONE;
}

enum cv_format_id cv_raw_lookalike(struct cv_source *source)
{
	static const unsigned footers[] = { FOOTER, SHORT_FOOTER };
	enum cv_format_id id = match(source, 0);

	for (size_t i = 0; id == CV_FORMAT_NONE && i < CV_COUNT(footers); i++)
		if (source->size >= footers[i] && match(source, source->size - footers[i]) == CV_FORMAT_VHD)
			id = CV_FORMAT_VHD;
	return id;
}

static uint32_t big_endian_at(struct cv_source *source, uint64_t off)
{
	struct cv_err err = { CV_OK };
	cv_be32 n;

	return cv_source_read(source, &n, sizeof n, off, &err) ? cv_be32_get(n) : 0;
}

static bool holds(struct cv_source *source, uint64_t off, const char *text)
{
	struct cv_err err = { CV_OK };
	char bytes[8] = { 0 };

	return cv_source_read(source, bytes, strlen(text), off, &err) && !memcmp(bytes, text, strlen(text));
}

/* A QCOW2 header without its magic: version at 4, cluster bits at 20. A VHD's header stands at 512, a VHDX's headers at
 * 64 and 128 KiB, each with a signature of its own. */
enum cv_format_id cv_raw_remains(struct cv_source *source)
{
	uint32_t version = big_endian_at(source, 4), cluster_bits = big_endian_at(source, 20);

	if ((version == 2 || version == 3) && cluster_bits >= 9 && cluster_bits <= 21)
		return CV_FORMAT_QCOW2;
	if (holds(source, 512, "cxsparse"))
		return CV_FORMAT_VHD;
	return holds(source, 65536, "head") || holds(source, 131072, "head") ? CV_FORMAT_VHDX : CV_FORMAT_NONE;
}

static unsigned probe(struct cv_source *source)
{
	(void)source;
	return 0;
}

static bool read(struct cv_source *source, struct cv_facts *facts, struct cv_err *err)
{
	(void)err;
	facts->format = CV_FORMAT_RAW;
	facts->variant = CV_VARIANT_RAW;
	facts->virtual_size = source->size;
	facts->flags |= CV_FACT_SIZE;
	return true;
}

const struct cv_format cv_format_raw = { .id = CV_FORMAT_RAW, .probe = probe, .read = read };

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which format an image had whose first bytes are gone: what else only that format has at its place. For those who read
 * damaged images as far as they can be; nothing else believes so little.
 */
#include "inspect/block/formats.h"
#include <chainview/bytes.h>

/* Bytes that stand at one place in every image of a format. */
static const struct mark {
	enum cv_format_id format;
	uint64_t off;
	const char *bytes;
	size_t len;
} marks[] = {
	{ CV_FORMAT_VHD, 512, "cxsparse", 8 },
	{ CV_FORMAT_VHD, 0, "conectix", 8 },
	{ CV_FORMAT_VHDX, 0, "vhdxfile", 8 },
	{ CV_FORMAT_VHDX, 64 << 10, "head", 4 },
	{ CV_FORMAT_VHDX, 128 << 10, "head", 4 },
	{ CV_FORMAT_VHDX, 192 << 10, "regi", 4 },
	{ CV_FORMAT_VHDX, 256 << 10, "regi", 4 },
	{ CV_FORMAT_QCOW2, 0, "QFI\xfb\0\0\0", 7 },
};

static bool has(struct cv_source *s, const struct mark *m)
{
	struct cv_err none = { .code = CV_OK };
	char bytes[8];

	return cv_range_inside((struct cv_range){ m->off, m->len }, s->size) &&
	       cv_source_read(s, bytes, m->len, m->off, &none) && !memcmp(bytes, m->bytes, m->len);
}

/* A header of QCOW2 without its magic: version, cluster size, and two tables that lie where tables can. */
static bool is_qcow2(struct cv_source *s)
{
	struct cv_err none = { .code = CV_OK };
	uint8_t head[72];
	cv_be32 version, bits;
	cv_be64 l1, counts;
	uint64_t mask;

	if (s->size < sizeof head || !cv_source_read(s, head, sizeof head, 0, &none))
		return false;
	memcpy(&version, head + 4, sizeof version);
	memcpy(&bits, head + 20, sizeof bits);
	memcpy(&l1, head + 40, sizeof l1);
	memcpy(&counts, head + 48, sizeof counts);
	if (cv_be32_get(version) < 2 || cv_be32_get(version) > 3 || cv_be32_get(bits) < 9 || cv_be32_get(bits) > 21)
		return false;
	mask = (UINT64_C(1) << cv_be32_get(bits)) - 1;
	return cv_be64_get(l1) && !(cv_be64_get(l1) & mask) && cv_be64_get(l1) < s->size && cv_be64_get(counts) &&
	       !(cv_be64_get(counts) & mask) && cv_be64_get(counts) < s->size;
}

enum cv_format_id cv_remains_of(struct cv_source *source)
{
	for (size_t i = 0; i < CV_COUNT(marks); i++)
		if (has(source, &marks[i]))
			return marks[i].format;
	return is_qcow2(source) ? CV_FORMAT_QCOW2 : CV_FORMAT_NONE;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The index of identities: a sorted array, so that no choice of UUIDs can make it slow. Also reads a UUID
 * from text.
 */
#include "inspect/chain/build.h"

static int compare_key(const struct cv_identity *x, enum cv_format_id format, const uint8_t uuid[16])
{
	if (x->format != format)
		return x->format < format ? -1 : 1;
	return memcmp(x->uuid, uuid, 16);
}

static int compare(const void *a, const void *b)
{
	const struct cv_identity *x = a, *y = b;
	int order = compare_key(x, y->format, y->uuid);

	return order ? order : (x->node > y->node) - (x->node < y->node);
}

void cv_identities_make(struct cv_build *b)
{
	free(b->identities);
	b->identity_count = 0;
	b->identities = calloc(b->node_count ? b->node_count : 1, sizeof *b->identities);
	if (!b->identities) {
		b->failed = true;
		return;
	}
	for (uint32_t i = 0; i < b->node_count; i++) {
		const struct cv_facts *f = b->nodes[i].facts;
		struct cv_identity *x = &b->identities[b->identity_count];

		/* Of a process that was taken over: a file of no format that has an identity. It never becomes an image. */
		if (!cv_has(f, CV_FACT_UUID) || f->format == CV_FORMAT_NONE)
			continue;
		x->format = f->format;
		x->node = i;
		memcpy(x->uuid, f->uuid, 16);
		b->identity_count++;
	}
	qsort(b->identities, b->identity_count, sizeof *b->identities, compare);
}

/* The first entry that is not before the key, or (after) the first one that is behind it. */
static size_t bound(const struct cv_build *b, enum cv_format_id format, const uint8_t uuid[16], bool after)
{
	size_t low = 0, high = b->identity_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare_key(&b->identities[middle], format, uuid);

		if (order < 0 || (after && order == 0))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct cv_identity *cv_identity_find(const struct cv_build *b, enum cv_format_id format, const uint8_t uuid[16],
					   size_t *count)
{
	size_t first = bound(b, format, uuid, false);

	*count = bound(b, format, uuid, true) - first;
	return b->identities + first;
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cv_uuid_read(const char *text, size_t len, uint8_t uuid[16])
{
	unsigned digits = 0;

	if (len != 36)
		return false;
	for (size_t i = 0; i < len; i++) {
		int digit = digit_of(text[i]);

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text[i] != '-')
				return false;
			continue;
		}
		if (digit < 0)
			return false;
		uuid[digits / 2] = (uint8_t)(digits % 2 ? uuid[digits / 2] << 4 | digit : digit);
		digits++;
	}
	return true;
}

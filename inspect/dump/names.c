/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The words that documents use for what the reading process says in numbers. */
#include "inspect/dump/dump.h"

#define WORD(table, n) ((n) < CV_COUNT(table) ? (table)[n] : NULL)

const char *cv_dump_copy_name(uint32_t copy)
{
	static const char *const names[CV_COPY_COUNT] = {
		[CV_COPY_PRIMARY] = "primary",
		[CV_COPY_BACKUP] = "copy",
		[CV_COPY_FIRST] = "first",
		[CV_COPY_SECOND] = "second",
	};

	return WORD(names, copy);
}

const char *cv_dump_state_name(uint32_t state)
{
	static const char *const names[CV_STATE_COUNT] = {
		[CV_STATE_ABSENT] = "absent",   [CV_STATE_KILLED] = "killed",     [CV_STATE_POISONED] = "poisoned",
		[CV_STATE_ACTIVE] = "active",   [CV_STATE_INACTIVE] = "inactive", [CV_STATE_OTHER_GUID] = "other_guid",
		[CV_STATE_INVALID] = "invalid",
	};

	return WORD(names, state);
}

const char *cv_dump_sum_name(uint32_t sum)
{
	static const char *const names[CV_SUM_COUNT] = {
		[CV_SUM_BYTES] = "vhd",
		[CV_SUM_SIGNED_BYTES] = "vhd_signed",
		[CV_SUM_CRC32C] = "crc32c",
	};

	return WORD(names, sum);
}

const char *cv_dump_number_name(uint32_t number)
{
	static const char *const names[CV_COUNT_NUMBERS] = {
		[CV_COUNT_ENTRIES] = "entries",
		[CV_COUNT_USED] = "used",
		[CV_COUNT_UNUSED] = "unused",
		[CV_COUNT_BEYOND_FILE] = "beyond_file",
		[CV_COUNT_NOT_PRESENT] = "not_present",
		[CV_COUNT_UNDEFINED] = "undefined",
		[CV_COUNT_ZERO] = "zero",
		[CV_COUNT_UNMAPPED] = "unmapped",
		[CV_COUNT_FULL] = "full",
		[CV_COUNT_PARTIAL] = "partial",
		[CV_COUNT_RESERVED_STATE] = "reserved_state",
		[CV_COUNT_BITMAPS] = "bitmap_entries",
		[CV_COUNT_EMPTY] = "empty",
		[CV_COUNT_COPIED] = "copied",
		[CV_COUNT_LOWEST] = "lowest_offset",
		[CV_COUNT_HIGHEST] = "highest_offset",
	};

	return WORD(names, number);
}

const char *cv_dump_group_name(uint32_t group)
{
	static const char *const names[CV_GROUP_COUNT] = {
		[CV_GROUP_BLOCK_BITMAPS] = "block_bitmaps",
		[CV_GROUP_SECTOR_BITMAPS] = "sector_bitmaps",
		[CV_GROUP_L2] = "l2_tables",
		[CV_GROUP_REFCOUNT_BLOCKS] = "refcount_blocks",
		[CV_GROUP_SNAPSHOT_L2] = "snapshot_l2_tables",
	};

	return WORD(names, group);
}

const char *cv_dump_class_name(uint32_t class)
{
	static const char *const names[CV_RUN_CLASSES] = {
		[CV_RUN_STRUCTURE] = "structure", [CV_RUN_TABLE] = "table", [CV_RUN_DATA] = "data",
		[CV_RUN_SNAPSHOT] = "snapshot",   [CV_RUN_GAP] = "gap",
	};

	return WORD(names, class);
}

size_t cv_dump_index(const struct cv_dump *d, uint32_t image)
{
	for (size_t i = 0; image != CV_NO_IMAGE && i < d->count; i++)
		if (d->images[i].image == image)
			return i;
	return SIZE_MAX;
}

const struct cv_trouble *cv_dump_elsewhere(const struct cv_dump *d, size_t i)
{
	const struct cv_trouble *t = cv_scan_trouble(d->g->scan, i);

	for (size_t n = 0; n < d->count; n++)
		if (d->images[n].trouble && !strcmp(d->sources[d->images[n].source].file->path, t->path))
			return NULL;
	return t;
}

bool cv_dump_has_finding(const struct cv_dump *d, const struct cv_finding *f)
{
	enum cv_problem_class class = cv_problem_class_of(f->id);

	return !d->options.reproducible ||
	       (class != CV_CLASS_SPC && class != CV_CLASS_REF && f->id != CV_GEN_IMAGE_IN_USE);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the block table of a VHDX: states, places, and who lies on whom. A pending log is applied in memory
 * first, as whoever opens the disk does. Rules of [MS-VHDX] 2.5. Where the metadata reader has found errors the table
 * is left alone: nobody knows where it is or what its entries stand for.
 */
#include "inspect/block/few.h"
#include "inspect/block/leak.h"
#include "inspect/block/units.h"
#include "inspect/source/hole.h"
#include "inspect/vhdx/vhdx_map.h"
#include <stdio.h>

extern const struct cv_format cv_format_vhdx;

#define MIB          ((uint64_t)CV_VHDX_MIB)
#define MOST_UNITS   (UINT64_C(128) << 20) /* MiB of a file: twice the largest disk */
#define STATE        7u
#define OFFSET_BITS  (~(MIB - 1))
#define NONE         UINT64_MAX

enum { ABSENT = 0, RESERVED = 4, FULL = 6, PARTIAL = 7 };

struct suspect {
	uint64_t entry, unit, owner; /* the entry, a MiB of it that was taken, the entry that had taken it */
};

struct check {
	struct cv_checking *c;
	struct cv_layer layer;
	struct vhdx_map m;
	uint64_t blocks, needed;     /* of the disk; entries that it needs */
	uint64_t partial;            /* the first block of this chunk that is partially present, NONE if none is */
	struct cv_units hard, held;  /* MiB with data; those, and what else entries and structures keep */
	struct suspect suspects[CV_FEW];
	uint64_t suspect_count;
	struct cv_few out_of_range, overlap;
};

static bool is_bitmap(const struct check *k, uint64_t entry)
{
	return entry % (k->m.ratio + 1) == k->m.ratio;
}

static uint64_t block_of(const struct check *k, uint64_t entry)
{
	return entry - entry / (k->m.ratio + 1);
}

/* Of the last block only what the disk has of it must be in the file. */
static uint64_t need_of(const struct check *k, uint64_t entry)
{
	uint64_t guest = block_of(k, entry) * k->m.block_size, left = guest < k->m.size ? k->m.size - guest : 0;

	if (is_bitmap(k, entry))
		return MIB;
	return left < k->m.block_size ? left : k->m.block_size;
}

static void name_of(const struct check *k, uint64_t entry, char *text, size_t size)
{
	if (is_bitmap(k, entry))
		snprintf(text, size, "sector bitmap %" PRIu64, entry / (k->m.ratio + 1));
	else
		snprintf(text, size, "block %" PRIu64, block_of(k, entry));
}

static void report(struct check *k, uint64_t entry, uint64_t word, const char *why)
{
	struct cv_finding f;
	char name[48];

	if (cv_few_counts(&k->out_of_range, need_of(k, entry)))
		return;
	f = cv_finding_of(CV_VHX_VHDX_BAT_OUT_OF_RANGE);
	name_of(k, entry, name, sizeof name);
	f.has_where = true;
	f.where = (struct cv_range){ k->m.bat_off + entry * 8, 8 };
	f.bytes = need_of(k, entry);
	f.arg[0] = cv_arg_text(name);
	f.arg[1] = cv_arg_number(word & OFFSET_BITS);
	f.arg[2] = cv_arg_text(why);
	cv_few_add(&k->out_of_range, f);
}

/* Why an entry cannot be what it says, wherever it lies; NULL if it can. 5 was "unmapped" in drafts of the format. */
static const char *impossible(const struct check *k, uint64_t entry, uint64_t word)
{
	unsigned state = word & STATE;

	if (word & ~(OFFSET_BITS | STATE))
		return "has bits set that are always zero";
	if (is_bitmap(k, entry) && state != ABSENT && state != FULL)
		return "has a state that does not exist";
	if (is_bitmap(k, entry))
		return state == FULL && !k->m.differencing ? "is there, but the disk has no parent" : NULL;
	if (state == RESERVED)
		return "has a state that does not exist";
	return state == PARTIAL && !k->m.differencing ? "is partially present, but the disk has no parent" : NULL;
}

/* Why nothing can lie there; NULL if it can. */
static const char *misplaced(const struct check *k, struct cv_range at, char *text, size_t size)
{
	static const char *const names[VHDX_MAP_PLACES] = { "the header section", "the BAT", "the metadata", "the log" };
	uint64_t end = k->m.source->size;

	for (size_t i = 0; i < k->m.place_count; i++)
		if (cv_ranges_touch(at, k->m.places[i])) {
			snprintf(text, size, "lies on %s at 0x%" PRIx64, names[i], k->m.places[i].off);
			return text;
		}
	if (cv_range_inside(at, end) && at.off / MIB < MOST_UNITS)
		return NULL;
	snprintf(text, size, "%s behind the end of the file at 0x%" PRIx64, at.off < end ? "ends" : "begins", end);
	return at.off < end && at.off / MIB >= MOST_UNITS ? "lies farther out than the largest disk reaches" : text;
}

static void suspect(struct check *k, uint64_t entry, uint64_t unit)
{
	if (k->suspect_count < CV_FEW)
		k->suspects[k->suspect_count] = (struct suspect){ entry, unit, NONE };
	k->suspect_count++;
}

static struct cv_range units_of(const struct check *k, uint64_t entry, uint64_t word)
{
	return (struct cv_range){ (word & OFFSET_BITS) / MIB, (need_of(k, entry) + MIB - 1) / MIB };
}

/* All of a place that an entry has: it is not lost. */
static void keep(struct check *k, uint64_t entry, uint64_t word)
{
	uint64_t length = is_bitmap(k, entry) ? MIB : k->m.block_size;

	cv_units_take(&k->held, (word & OFFSET_BITS) / MIB, length / MIB);
}

/* An entry with data. */
static void take(struct check *k, uint64_t entry, uint64_t word)
{
	struct cv_range units = units_of(k, entry, word);
	char text[CV_FEW_TEXT];
	const char *why = misplaced(k, (struct cv_range){ word & OFFSET_BITS, need_of(k, entry) }, text, sizeof text);
	uint64_t before;

	if (why) {
		report(k, entry, word, why);
		return;
	}
	before = cv_units_take(&k->hard, units.off, units.len);
	if (before < k->hard.count)
		suspect(k, entry, before);
	keep(k, entry, word);
}

/* The bitmap of a chunk comes behind its blocks, of which any may need it. */
static void end_chunk(struct check *k, uint64_t entry, uint64_t word)
{
	char why[64];

	if (k->partial != NONE && (word & STATE) == ABSENT) {
		snprintf(why, sizeof why, "is absent, but block %" PRIu64 " needs it", k->partial);
		report(k, entry, word, why);
	}
	k->partial = NONE;
}

static void see(struct check *k, uint64_t entry, uint64_t word)
{
	unsigned state = word & STATE;
	const char *why;

	/* Blocks in other states may keep their place. */
	if (word & OFFSET_BITS && state != ABSENT && state < FULL)
		keep(k, entry, word);
	/* The last chunk of a disk with a parent has entries for blocks that the disk does not have. */
	if (!is_bitmap(k, entry) && block_of(k, entry) >= k->blocks)
		return;
	why = impossible(k, entry, word);
	if (why)
		report(k, entry, word, why);
	else if (state == FULL || state == PARTIAL)
		take(k, entry, word);
	if (is_bitmap(k, entry))
		end_chunk(k, entry, word);
	else if (state == PARTIAL && !why && k->partial == NONE)
		k->partial = block_of(k, entry);
}

typedef void see_fn(struct check *k, uint64_t entry, uint64_t word);

/* All entries, window by window; those in holes are zero and say nothing. */
static bool each_entry(struct check *k, see_fn *fn, struct cv_err *err)
{
	struct vhdx_map *m = &k->m;
	uint64_t last = k->needed < m->bat_entries ? k->needed : m->bat_entries, n;

	for (uint64_t first = 0; first < last; first += n) {
		uint64_t most = m->bat.held / 8;
		const cv_le64 *entries = m->bat.entries;

		n = last - first < most ? last - first : most;
		if (first * 8 % MIB == 0 && !cv_checking_tick(k->c, first * 8, last * 8, err))
			return false;
		if (k->partial == NONE && cv_source_is_hole(m->source, (struct cv_range){ m->bat_off + first * 8, n * 8 }))
			continue;
		if (!cv_bat_hold(&m->bat, m->source, m->bat_off, m->bat_entries, first, err))
			return false;
		for (uint64_t i = 0; i < n; i++)
			fn(k, first + i, cv_le64_get(entries[i]));
	}
	return true;
}

/* For each of the suspects: who had its place before? */
static void find_owner(struct check *k, uint64_t entry, uint64_t word)
{
	struct cv_range units = units_of(k, entry, word);
	uint64_t count = k->suspect_count < CV_FEW ? k->suspect_count : CV_FEW;

	if ((word & STATE) < FULL || impossible(k, entry, word) ||
	    (!is_bitmap(k, entry) && block_of(k, entry) >= k->blocks))
		return;
	for (uint64_t i = 0; i < count; i++) {
		struct suspect *s = &k->suspects[i];

		if (s->owner == NONE && entry != s->entry && s->unit >= units.off && s->unit - units.off < units.len)
			s->owner = entry;
	}
}

static void report_suspect(struct check *k, const struct suspect *s)
{
	struct cv_finding f = cv_finding_of(CV_VHX_VHDX_BAT_OVERLAP);
	char one[48], other[48];

	name_of(k, s->owner == NONE ? s->entry : s->owner, one, sizeof one);
	name_of(k, s->entry, other, sizeof other);
	f.has_where = true;
	f.where = (struct cv_range){ k->m.bat_off + s->entry * 8, 8 };
	f.arg[0] = cv_arg_text(one);
	f.arg[1] = cv_arg_text(other);
	f.arg[2] = cv_arg_number(s->unit * MIB);
	cv_few_add(&k->overlap, f);
}

static bool find_overlaps(struct check *k, struct cv_err *err)
{
	uint64_t count = k->suspect_count < CV_FEW ? k->suspect_count : CV_FEW;

	if (!count)
		return true;
	if (!each_entry(k, find_owner, err))
		return false;
	for (uint64_t i = 0; i < count; i++)
		report_suspect(k, &k->suspects[i]);
	k->overlap.count = k->suspect_count;
	return true;
}

/* QEMU makes the file so long that its first block begins at a multiple of 4 MiB behind the last table. */
static bool is_room_of_qemu(const struct check *k, uint64_t from, uint64_t to, uint64_t first_block)
{
	uint64_t tables_end = 0;

	for (size_t i = 0; i < k->m.place_count; i++) {
		uint64_t end = (k->m.places[i].off + k->m.places[i].len + MIB - 1) / MIB;

		tables_end = end > tables_end ? end : tables_end;
	}
	return from == tables_end && to == first_block && to % 4 == 0 && to - from <= 4;
}

/* What lies behind everything is the tail, which is used again. The room that a fixed disk keeps is not lost, even where
 * no entry has it, as QEMU makes them. */
static void find_leaks(struct check *k)
{
	struct cv_leak leak = { .disk = { .source = k->c->source }, .whole = k->m.block_size };
	uint64_t from, to, first_block = cv_units_next(&k->held, 0, true);

	for (size_t i = 0; i < k->m.place_count; i++)
		cv_units_take(&k->held, k->m.places[i].off / MIB, (k->m.places[i].len + MIB - 1) / MIB);
	for (from = cv_units_next(&k->held, 0, false); from < k->held.count; from = cv_units_next(&k->held, to, false)) {
		to = cv_units_next(&k->held, from, true);
		if (to < k->held.count && !is_room_of_qemu(k, from, to, first_block))
			cv_leak_gap(&leak, from * MIB, to * MIB);
	}
	cv_leak_tell(&leak, k->c);
}

static void check_room(struct check *k)
{
	struct cv_vhdx v = { .source = k->m.source, .facts = k->c->facts };
	char text[96];

	if (k->m.bat_entries >= k->needed)
		return;
	snprintf(text, sizeof text, "the BAT has room for %" PRIu64 " entries, the disk needs %" PRIu64,
		 k->m.bat_entries, k->needed);
	cv_vhdx_find(&v, CV_VHX_VHDX_REGION_TABLE_INVALID, CV_ERROR, text,
		     (struct cv_range){ k->m.bat_off, k->m.bat_entries * 8 });
	k->c->corruptions++;
}

static void take_sizes(struct check *k)
{
	uint64_t ratio = k->m.ratio;

	k->partial = NONE;
	k->blocks = k->m.size / k->m.block_size + (k->m.size % k->m.block_size != 0);
	k->needed = k->m.differencing ? (k->blocks + ratio - 1) / ratio * (ratio + 1)
				      : k->blocks + (k->blocks - 1) / ratio;
}

static bool look(struct check *k, struct cv_err *err)
{
	uint64_t units = k->m.source->size / MIB + 1;
	bool ok;

	units = units < MOST_UNITS ? units : MOST_UNITS;
	take_sizes(k);
	check_room(k);
	ok = cv_units_init(&k->hard, units, err) && cv_units_init(&k->held, units, err) && each_entry(k, see, err) &&
	     find_overlaps(k, err);
	k->c->corruptions += k->out_of_range.count + k->overlap.count;
	cv_few_tell(&k->out_of_range, k->c->facts);
	cv_few_tell(&k->overlap, k->c->facts);
	if (ok && !k->m.fixed)
		find_leaks(k);
	return ok;
}

static bool has_errors(const struct cv_facts *f)
{
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (f->findings[i].severity == CV_ERROR)
			return true;
	return false;
}

/* The tables cannot be had. Either the reader has said why, or it is the log. */
static bool explain(struct check *k, const struct cv_facts *read, struct cv_err *err)
{
	const struct cv_attr *guid = cv_facts_attr(read, CV_ATTR_VHDX_LOG_GUID, 0);
	struct cv_vhdx v = { .source = k->c->source, .facts = k->c->facts };

	if (err->code != CV_EFORMAT)
		return false;
	if (!has_errors(read) && guid && read->flags & CV_FACT_DIRTY) {
		cv_vhdx_find(&v, CV_VHX_VHDX_HEADER_INVALID, CV_ERROR, err->text, guid->where);
		k->c->corruptions++;
	}
	cv_err_clear(err);
	return true;
}

static bool check(struct check *k, const struct cv_facts *read, struct cv_err *err)
{
	k->layer.source = cv_source_borrow(k->c->source, err);
	if (!k->layer.source)
		return false;
	if (!cv_vhdx_map_init(&k->m, &k->layer, err))
		return explain(k, read, err);
	return look(k, err);
}

bool cv_vhdx_check(struct cv_checking *c, struct cv_err *err)
{
	struct check *k = calloc(1, sizeof *k);
	struct cv_facts *read = cv_facts_new();
	bool ok;

	if (k && read) {
		k->c = c;
		ok = cv_format_vhdx.read(c->source, read, err) && check(k, read, err);
		cv_vhdx_map_fini(&k->m);
		cv_units_fini(&k->hard);
		cv_units_fini(&k->held);
		cv_source_close(k->layer.source);
	} else {
		ok = cv_fail(err, CV_ENOMEM, "out of memory");
	}
	cv_facts_free(read);
	free(k);
	return ok;
}

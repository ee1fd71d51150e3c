/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of QCOW version 1: does each L2 table and each cluster lie in the file, clear of the header,
 * of the L1 table and of each other? Nothing in this format has to be aligned, so nothing is called unaligned; what
 * happens to be aligned, as QEMU does it, is compared cluster by cluster. The format has no counters to compare.
 */
#include "inspect/block/few.h"
#include "inspect/block/leak.h"
#include "inspect/block/units.h"
#include "inspect/qcow/qcow.h"
#include "inspect/source/hole.h"
#include <stdio.h>

#define CHUNK         (1u << 20)             /* L1 entries that are put in order together: disks of 2 TiB */
#define READ          8192u                  /* entries that are read together */
#define SLICE         (UINT64_C(8) << 20)    /* clusters that are compared at once */
#define MOST_SLICES   1024u                  /* what lies farther out is not compared */
#define L2_COMPRESSED (UINT64_C(1) << 63)
#define TICK          (1u << 20)

struct table {
	uint64_t off;
	uint32_t index;                      /* of its L1 entry */
};

struct check {
	struct cv_checking *c;
	uint64_t size, file, cluster;        /* of the disk, of the file, of a cluster */
	unsigned cluster_bits, l2_bits;
	uint64_t l1_off, l1_entries, l2_len;
	struct cv_range header;              /* with the name behind it */
	struct table *tables;                /* of one chunk, in the order of the file */
	cv_be64 *buf;
	bool judging;                        /* the first time through, when entries are judged one by one */
	bool slices[MOST_SLICES];            /* in which of them something lies */
	uint64_t slice;
	struct cv_units own, shared;         /* clusters of the slice that belong to one; that something lies in */
	uint64_t told, done, total;          /* bytes of tables */
	struct cv_leak leak;
	struct cv_few wrong;
};

/* From bit 63 down: the flag, the length in bytes (as many bits as a cluster has), the offset. */
static struct cv_range packed(const struct check *k, uint64_t entry)
{
	unsigned bits = 63 - k->cluster_bits;

	return (struct cv_range){ entry & ((UINT64_C(1) << bits) - 1), (entry & ~L2_COMPRESSED) >> bits };
}

static bool tick(struct check *k, uint64_t bytes, struct cv_err *err)
{
	k->done += bytes;
	if (k->done - k->told < TICK)
		return true;
	k->told = k->done;
	return cv_checking_tick(k->c, k->done < k->total ? k->done : k->total, k->total, err);
}

static void report(struct check *k, const char *what, uint64_t n, struct cv_range at, const char *why)
{
	struct cv_finding f;
	char name[48];

	if (cv_few_counts(&k->wrong, at.len))
		return;
	f = cv_finding_of(CV_QCO_QCOW_TABLE_OUT_OF_RANGE);
	snprintf(name, sizeof name, "%s %" PRIu64, what, n);
	f.has_where = true;
	f.where = at;
	f.bytes = at.len;
	f.arg[0] = cv_arg_text(name);
	f.arg[1] = cv_arg_number(at.off);
	f.arg[2] = cv_arg_text(why);
	cv_few_add(&k->wrong, f);
}

/* Why nothing can lie there; NULL if it can. */
static const char *misplaced(const struct check *k, struct cv_range at, char *text, size_t size)
{
	if (!cv_range_inside(at, k->file)) {
		snprintf(text, size, "(%" PRIu64 " B) does not lie in the file of %" PRIu64 " B", at.len, k->file);
		return text;
	}
	if (cv_ranges_touch(at, k->header))
		return "lies on the header";
	return cv_ranges_touch(at, (struct cv_range){ k->l1_off, k->l1_entries * 8 }) ? "lies on the L1 table" : NULL;
}

/* False (and reported, the first time) if it cannot be. */
static bool judge(struct check *k, const char *what, uint64_t n, struct cv_range at)
{
	char text[CV_FEW_TEXT];
	const char *why = misplaced(k, at, text, sizeof text);

	if (why && k->judging)
		report(k, what, n, at, why);
	if (!why && k->judging && at.off / k->cluster / SLICE < MOST_SLICES)
		k->slices[at.off / k->cluster / SLICE] = true;
	return !why;
}

/* Whole clusters belong to one; in the others several pieces can lie. True if nobody else was there. */
static bool take(struct check *k, struct cv_range at)
{
	uint64_t first = at.off / k->cluster, last = (at.off + at.len - 1) / k->cluster, base = k->slice * SLICE;
	uint64_t from = first > base ? first - base : 0, n;
	bool whole = at.off % k->cluster == 0 && at.len % k->cluster == 0;

	if (!at.len || last < base || first >= base + k->own.count)
		return true;
	n = last - base + 1 - from;
	if (cv_units_next(&k->own, from, true) < from + n)
		return false;
	if (!whole) {
		cv_units_take(&k->shared, from, n);
		return true;
	}
	cv_units_take(&k->own, from, n);
	return cv_units_next(&k->shared, from, true) >= from + n;
}

static void claim(struct check *k, const char *what, uint64_t n, struct cv_range at)
{
	if (!k->judging && !take(k, at))
		report(k, what, n, at, "shares bytes with another cluster or table");
}

/* Of the last cluster only what the disk has of it must be in the file. What lies behind the disk is nobody's. */
static void see_cluster(struct check *k, uint64_t n, uint64_t entry)
{
	uint64_t guest = n << k->cluster_bits, left = guest < k->size ? k->size - guest : 0;
	struct cv_range at = { entry, k->cluster }, need = at;

	if (!entry || !left)
		return;
	need.len = left < k->cluster ? left : k->cluster;
	if (entry & L2_COMPRESSED)
		at = need = packed(k, entry);
	if (!at.len && k->judging)
		report(k, "cluster", n, at, "is compressed to nothing");
	if (judge(k, "cluster", n, need))
		claim(k, "cluster", n, at);
}

static bool see_table(struct check *k, const struct table *t, struct cv_err *err)
{
	uint64_t base = (uint64_t)t->index << k->l2_bits, count = UINT64_C(1) << k->l2_bits, n;

	claim(k, "L2 table", t->index, (struct cv_range){ t->off, k->l2_len });
	if (!tick(k, k->l2_len, err))
		return false;
	if (cv_source_is_hole(k->c->source, (struct cv_range){ t->off, k->l2_len }))
		return true;
	for (uint64_t i = 0; i < count; i += n) {
		n = count - i < READ ? count - i : READ;
		if (!cv_source_read(k->c->source, k->buf, (size_t)n * 8, t->off + i * 8, err))
			return cv_wrap(err, "while reading an L2 table");
		for (uint64_t j = 0; j < n; j++)
			see_cluster(k, base + i + j, cv_be64_get(k->buf[j]));
	}
	return true;
}

static int by_offset(const void *a, const void *b)
{
	const struct table *x = a, *y = b;

	return x->off != y->off ? (x->off > y->off) - (x->off < y->off) : (x->index > y->index) - (x->index < y->index);
}

/* Tables that lie on each other are gone through once, so that the work is bounded by the file. */
static bool see_tables(struct check *k, size_t count, struct cv_err *err)
{
	const struct table *before = NULL;

	if (count)
		qsort(k->tables, count, sizeof *k->tables, by_offset);
	for (size_t i = 0; i < count; i++) {
		const struct table *t = &k->tables[i];

		if (before && t->off < before->off + k->l2_len) {
			char text[64];

			snprintf(text, sizeof text, "shares bytes with L2 table %" PRIu32, before->index);
			if (k->judging)
				report(k, "L2 table", t->index, (struct cv_range){ t->off, k->l2_len }, text);
			continue;
		}
		before = t;
		if (!see_table(k, t, err))
			return false;
	}
	return true;
}

/* The tables of the entries first to first + n, as far as they can be. */
static bool load_tables(struct check *k, uint64_t first, uint64_t n, size_t *count, struct cv_err *err)
{
	uint64_t got;

	*count = 0;
	for (uint64_t i = 0; i < n; i += got) {
		struct cv_range bytes = { k->l1_off + (first + i) * 8, 0 };

		got = n - i < READ ? n - i : READ;
		bytes.len = got * 8;
		if (!tick(k, bytes.len, err))
			return false;
		if (cv_source_is_hole(k->c->source, bytes))
			continue;
		if (!cv_source_read(k->c->source, k->buf, (size_t)bytes.len, bytes.off, err))
			return cv_wrap(err, "while reading the L1 table");
		for (uint64_t j = 0; j < got; j++) {
			struct table t = { cv_be64_get(k->buf[j]), (uint32_t)(first + i + j) };

			if (t.off && judge(k, "L2 table", t.index, (struct cv_range){ t.off, k->l2_len }))
				k->tables[(*count)++] = t;
		}
	}
	return true;
}

static bool go_through(struct check *k, struct cv_err *err)
{
	size_t count;

	for (uint64_t first = 0; first < k->l1_entries; first += CHUNK) {
		uint64_t left = k->l1_entries - first;

		if (!load_tables(k, first, left < CHUNK ? left : CHUNK, &count, err) || !see_tables(k, count, err))
			return false;
	}
	return true;
}

/* Room for clusters that nothing points to, before the last thing that something points to. */
static void find_leaks(struct check *k)
{
	uint64_t base = k->slice * SLICE, own = cv_units_next(&k->own, 0, true), taken;
	uint64_t shared = cv_units_next(&k->shared, 0, true);

	for (uint64_t from = 0; from < k->own.count; from = taken + 1) {
		/* Not for every piece: what is far away stays the next one for long. */
		if (own < from)
			own = cv_units_next(&k->own, from, true);
		if (shared < from)
			shared = cv_units_next(&k->shared, from, true);
		taken = shared < own ? shared : own;
		if (taken < k->own.count)
			cv_leak_gap(&k->leak, (base + from) * k->cluster, (base + taken) * k->cluster);
	}
}

static bool compare_slice(struct check *k, uint64_t units, struct cv_err *err)
{
	struct cv_range l1 = { k->l1_off, k->l1_entries * 8 }, behind = { l1.off + l1.len, 511 };
	bool ok = cv_units_init(&k->own, units, err) && cv_units_init(&k->shared, units, err);

	if (ok) {
		take(k, k->header);
		take(k, l1);
		ok = go_through(k, err);
	}
	if (ok) {
		/* QEMU makes the L1 table in whole sectors: its padding is no loss. */
		take(k, behind);
		find_leaks(k);
	}
	cv_units_fini(&k->own);
	cv_units_fini(&k->shared);
	return ok;
}

static bool compare(struct check *k, struct cv_err *err)
{
	uint64_t units = k->file / k->cluster + 1;

	units = units < SLICE ? units : SLICE;
	for (k->slice = 0; k->slice < MOST_SLICES; k->slice++)
		if (k->slices[k->slice] && !compare_slice(k, units, err))
			return false;
	return true;
}

static void tell(struct check *k)
{
	k->c->corruptions += k->wrong.count;
	cv_few_tell(&k->wrong, k->c->facts);
	cv_leak_tell(&k->leak, k->c);
}

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

/* False if the reader has found that the tables cannot be told from the header, or do not lie in the file. */
static bool take_facts(struct check *k, const struct cv_facts *f)
{
	struct cv_range l1 = { number(f, CV_ATTR_QCOW2_L1_OFFSET), 0 };

	if (!(f->flags & CV_FACT_SIZE) || !f->block_size || !cv_facts_attr(f, CV_ATTR_QCOW2_L1_SIZE, 0))
		return false;
	k->file = k->c->source->size;
	k->size = f->virtual_size;
	k->cluster = f->block_size;
	k->leak = (struct cv_leak){ .disk = { .source = k->c->source }, .whole = k->cluster };
	k->cluster_bits = (unsigned)__builtin_ctz(f->block_size);
	k->l2_bits = (unsigned)number(f, CV_ATTR_QCOW_L2_BITS);
	k->l2_len = UINT64_C(8) << k->l2_bits;
	k->l1_off = l1.off;
	k->l1_entries = number(f, CV_ATTR_QCOW2_L1_SIZE);
	l1.len = k->l1_entries * 8;
	k->header.len = sizeof(struct cv_qcow_header_disk);
	if (f->name_count && f->names[0].where.off == k->header.len)
		k->header.len += f->names[0].where.len;
	k->total = 2 * l1.len;
	return k->l1_entries <= QCOW_MAX_L1_ENTRIES && l1.off >= sizeof(struct cv_qcow_header_disk) &&
	       cv_range_inside(l1, k->file);
}

static bool check(struct check *k, struct cv_err *err)
{
	bool ok;

	k->tables = malloc((k->l1_entries < CHUNK ? k->l1_entries + 1 : CHUNK) * sizeof *k->tables);
	k->buf = malloc(READ * sizeof *k->buf);
	if (!k->tables || !k->buf)
		return cv_fail(err, CV_ENOMEM, "out of memory for tables");
	k->judging = true;
	ok = go_through(k, err);
	k->judging = false;
	ok = ok && compare(k, err);
	tell(k);
	return ok;
}

bool cv_qcow_check(struct cv_checking *c, struct cv_err *err)
{
	struct check *k = calloc(1, sizeof *k);
	struct cv_facts *f = cv_facts_new();
	bool ok;

	if (k && f) {
		k->c = c;
		ok = cv_format_qcow.read(c->source, f, err) && (!take_facts(k, f) || check(k, err));
		free(k->tables);
		free(k->buf);
	} else {
		ok = cv_fail(err, CV_ENOMEM, "out of memory");
	}
	cv_facts_free(f);
	free(k);
	return ok;
}

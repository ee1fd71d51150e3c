/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of a QCOW2 image: what it works on, the slices, and the findings at the end. "Wrong" is counted as
 * qemu-img check counts it, so that the numbers of both can be compared.
 */
#include "inspect/qcow2/qcow2_check.h"

/* Pages of the tally; with everything else the process stays below 64 MiB. */
#define TALLY_BYTES ((size_t)20 << 20)
#define MOST_SLICES 256u
/* Numbers in L1 tables and tables of bitmaps: those of 500 snapshots of a disk of 32 TiB. */
#define MOST_WORDS (UINT64_C(1) << 25)

const struct cv_qcow2_user_row cv_qcow2_users[CV_QCOW2_USER_COUNT] = {
	[CV_QCOW2_IS_HEADER] = { "header", "headers", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_L1] = { "L1 table", "L1 tables", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_L2] = { "L2 table", "L2 tables", "L1 entry", "L1 entries", CV_TALLY_L2 },
	[CV_QCOW2_IS_SNAPSHOT_L1] = { "L1 table of a snapshot", "L1 tables of snapshots", "snapshot", "snapshots",
				      CV_TALLY_METADATA },
	[CV_QCOW2_IS_SNAPSHOTS] = { "snapshot table", "snapshot tables", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_REFCOUNTS] = { "refcount table", "refcount tables", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_BLOCK] = { "refcount block", "refcount blocks", "refcount table entry", "refcount table entries",
				CV_TALLY_METADATA },
	[CV_QCOW2_IS_LUKS] = { "LUKS header", "LUKS headers", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_BITMAPS] = { "bitmap directory", "bitmap directories", "header", "headers", CV_TALLY_METADATA },
	[CV_QCOW2_IS_BITMAP_TABLE] = { "table of a bitmap", "tables of bitmaps", "bitmap", "bitmaps",
				       CV_TALLY_METADATA },
	[CV_QCOW2_IS_BITMAP] = { "cluster of a bitmap", "clusters of bitmaps", "bitmap table entry",
				 "bitmap table entries", CV_TALLY_METADATA },
	[CV_QCOW2_IS_DATA] = { "data cluster", "data clusters", "L2 entry", "L2 entries", CV_TALLY_DATA },
	[CV_QCOW2_IS_PACKED] = { "compressed cluster", "compressed clusters", "L2 entry", "L2 entries",
				 CV_TALLY_DATA },
};

static void check_fini(struct cv_qcow2_check **slot)
{
	struct cv_qcow2_check *k = *slot;

	if (!k)
		return;
	cv_tally_fini(&k->tally);
	free(k->blocks);
	free(k->block);
	free(k->table);
	free(k->snapshots);
	free(k->l2);
	free(k);
}

void cv_qcow2_wrong(struct cv_qcow2_check *k, const struct cv_qcow2_wrong *w)
{
	struct cv_gathered one = { .finding = cv_finding_of(w->id), .one = w->one, .many = w->many, .count = 1 };

	one.finding.has_where = true;
	one.finding.where = w->where;
	one.finding.bytes = w->bytes;
	one.finding.arg[1] = cv_arg_number(w->at);
	one.finding.arg[2] = w->arg[0];
	one.finding.arg[3] = w->arg[1];
	cv_gather(&k->sums.gather, &one);
}

bool cv_qcow2_check_read(struct cv_qcow2_check *k, uint8_t *buf, uint64_t off, uint64_t len, bool *any,
			 struct cv_err *err)
{
	uint64_t have = off < k->size ? k->size - off : 0, start, end;

	if (have > len)
		have = len;
	*any = have;
	/* What is known to be on disk is not asked for again. */
	if (have && (off < k->data.off || off - k->data.off >= k->data.len) && k->source->ops->hole &&
	    k->source->ops->hole(k->source, off, &start, &end)) {
		k->data = (struct cv_range){ start, end - start };
		*any = start < off + have;
	}
	k->done += len;
	if (!*any)
		return true;
	if (!cv_source_read(k->source, buf, have, off, err))
		return false;
	memset(buf + have, 0, len - have);
	/* Tables that are shared or lie in slices are gone through more than once: then it is nearly done for a while. */
	return cv_checking_tick(k->c, k->done < k->total ? k->done : k->total, k->total, err);
}

static bool read_metadata(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_qcow2_reading r = { .source = k->source, .facts = cv_facts_new() };
	const char *why;
	bool usable = false, ok;

	if (!r.facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = cv_qcow2_read_header(&r, &usable, err) && (!usable || cv_qcow2_read_extensions(&r, err));
	cv_facts_free(r.facts);
	k->h = r.h;
	k->ext = r.ext;
	why = usable ? cv_qcow2_unusable(&r) : "its header is not one of QCOW2";
	if (!why && r.h.refcount_order > QCOW2_MAX_REFCOUNT_ORDER)
		why = "its refcounts have a width that cannot be";
	if (!why && r.h.snapshot_count > QCOW2_MAX_SNAPSHOTS)
		why = "it has more internal snapshots than can be";
	if (!why && r.h.refcount_clusters * r.cluster_size > QCOW2_MAX_REFCOUNT_TABLE)
		why = "its refcount table is larger than one can be";
	return ok && (!why || cv_fail(err, CV_EFORMAT, "%s", why));
}

static bool keep_snapshot(void *ctx, const struct cv_qcow2_snapshot *s, struct cv_err *err)
{
	struct cv_qcow2_check *k = ctx;

	(void)err;
	k->snapshots[k->snapshot_count++] = *s;
	/* As qemu-img counts: version 3 records hold the size of the disk and of the VM state. */
	if (k->h.version >= 3 && s->extra_len < offsetof(struct cv_qcow2_snapshot_extra_disk, icount))
		k->sums.corruptions++;
	return true;
}

static bool begin(struct cv_qcow2_check *k, struct cv_err *err)
{
	if (!read_metadata(k, err))
		return false;
	cv_qcow2_map_set(&k->map, &k->h, k->source);
	k->bits = k->h.cluster_bits;
	k->cluster = UINT64_C(1) << k->bits;
	k->clusters = (k->size >> k->bits) + (k->size % k->cluster != 0);
	k->extended = k->h.incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2;
	k->data_file = k->h.incompatible & QCOW2_INCOMPATIBLE_DATA_FILE;
	k->dirty = k->h.incompatible & QCOW2_INCOMPATIBLE_DIRTY;
	k->map.data_file = k->data_file;
	k->map.cluster = k->cluster;
	k->block = malloc(k->cluster);
	k->table = malloc(k->cluster);
	k->snapshots = calloc((size_t)k->h.snapshot_count + 1, sizeof *k->snapshots);
	if (!k->block || !k->table || !k->snapshots)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_qcow2_snapshots(k->source, &k->h, keep_snapshot, k, &k->snapshot_table, err) &&
	       cv_qcow2_stored_open(k, err);
}

static bool count(struct cv_qcow2_check *k, struct cv_err *err)
{
	cv_tally_clear(&k->tally);
	k->done = 0;
	return cv_qcow2_stored_load(k, err) && cv_qcow2_claim_all(k, err) && cv_qcow2_stored_claim(k, err);
}

/* The tally is full: half of what it holds is left for later slices. */
static bool shrink(struct cv_qcow2_check *k, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint64_t *numbers = cv_tally_numbers(&k->tally);
	uint64_t middle = numbers ? numbers[k->tally.used / 2] << CV_TALLY_PAGE_BITS : 0;

	if (!numbers || k->tally.no_memory || middle <= k->from)
		return cv_fail(err, CV_ENOMEM, "out of memory for counters");
	k->upto = middle;
	k->only = false;
	return true;
}

static bool slices(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_qcow2_sums *kept = malloc(sizeof *kept);
	unsigned n = 0;
	bool ok = kept, done = false;

	if (!kept)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->only = true;
	k->upto = UINT64_MAX;
	for (; ok && !done && n < MOST_SLICES; n++) {
		k->first = !k->from;
		k->sums.findings = k->c->facts->finding_count;
		*kept = k->sums;
		ok = count(k, err);
		if (k->tally.full) {
			cv_err_clear(err);
			ok = shrink(k, err);
			k->sums = *kept;
			k->c->facts->finding_count = kept->findings;
			continue;
		}
		ok = ok && cv_qcow2_compare(k, err);
		done = k->upto == UINT64_MAX;
		k->from = k->upto;
		k->upto = UINT64_MAX;
	}
	free(kept);
	return ok && (done || cv_fail(err, CV_ELIMIT, "its tables point to more places than can be counted"));
}

/* Who uses the clusters that are used as several things. */
static bool name_overlaps(struct cv_qcow2_check *k, struct cv_err *err)
{
	if (!k->named_count)
		return true;
	k->naming = true;
	k->first = false;
	k->from = 0;
	k->upto = UINT64_MAX;
	if (!cv_qcow2_claim_all(k, err) || !cv_qcow2_stored_claim(k, err))
		return false;
	for (size_t i = 0; i < k->named_count; i++) {
		const struct cv_qcow2_named *n = &k->named[i];
		const char *a = n->users > 0 ? cv_qcow2_users[n->user[0]].one : "metadata";
		const char *b = n->users > 1 ? cv_qcow2_users[n->user[1]].one : a;
		uint64_t at = n->cluster << k->bits;

		cv_qcow2_wrong(k, &(struct cv_qcow2_wrong){ CV_QCW_TABLE_OVERLAP, "cluster", "clusters",
							   { at, k->cluster }, at,
							   { cv_arg_text(a), cv_arg_text(b) }, k->cluster });
	}
	return true;
}

/* Wrong refcounts of a dirty image are what dirty means. */
static void excuse(struct cv_qcow2_check *k)
{
	static const enum cv_problem_id ids[] = { CV_QCW_REFCOUNT_TOO_LOW, CV_QCW_REFCOUNT_ZERO };

	for (size_t i = 0; i < CV_COUNT(ids); i++) {
		struct cv_finding f = cv_finding_of(ids[i]);
		CV_AUTO(cv_text_fini) struct cv_text text = { 0 };

		if (!k->sums.excused[i])
			continue;
		cv_text_addf(&text, "%" PRIu64 " cluster%s, as a dirty image may have them, the first",
			     k->sums.excused[i], k->sums.excused[i] == 1 ? "" : "s");
		f.severity = CV_INFO;
		f.has_where = true;
		f.where = k->sums.excused_at[i];
		f.bytes = k->sums.excused[i] << k->bits;
		f.arg[0] = cv_arg_text(cv_text_str(&text));
		f.arg[1] = cv_arg_number(f.where.off);
		f.arg[2] = cv_arg_number(k->sums.excused_low);
		f.arg[3] = cv_arg_number(k->sums.excused_count);
		cv_facts_find(k->c->facts, f);
	}
}

/* The file goes on behind everything that has a use. */
static void unmapped_tail(struct cv_qcow2_check *k)
{
	uint64_t end = k->used > k->counted ? k->used : k->counted;
	struct cv_finding f = cv_finding_of(CV_QCW_UNMAPPED_TAIL);

	if (end >= k->clusters || k->cut || k->refcounts_said)
		return;
	f.has_where = true;
	f.where = (struct cv_range){ end << k->bits, k->size - (end << k->bits) };
	f.bytes = f.where.len;
	f.arg[0] = cv_arg_number(f.where.len);
	if (f.where.len >= k->cluster)
		cv_facts_find(k->c->facts, f);
}

bool cv_qcow2_check(struct cv_checking *c, struct cv_err *err)
{
	CV_AUTO(check_fini) struct cv_qcow2_check *k = calloc(1, sizeof *k);
	bool ok;

	if (!k)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	k->c = c;
	k->source = c->source;
	k->size = c->source->size;
	k->block_at = UINT64_MAX;
	k->words_left = MOST_WORDS;
	k->tally.most = TALLY_BYTES;
	k->sums.gather.facts = c->facts;
	ok = begin(k, err) && slices(k, err) && name_overlaps(k, err) && cv_qcow2_leaks_end(k, err);
	cv_gather_end(&k->sums.gather);
	if (!ok)
		return false;
	excuse(k);
	unmapped_tail(k);
	c->corruptions = k->sums.corruptions;
	c->leaked_bytes = k->sums.leaks.clusters << k->bits;
	cv_facts_number(c->facts, CV_ATTR_QCOW2_HIGH_REFCOUNTS, 0, k->sums.high, (struct cv_range){ 0, 0 });
	return !k->cut || cv_fail(err, CV_ELIMIT, "there are more tables in odd places than are followed");
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Clusters with a refcount that nothing points to: how much it is, and what it looks like. What lies at the end of
 * the file was left by a writer that was killed; what has the shape of an L2 table whose clusters are leaked, too, is
 * a part of the disk that was lost, and not to be given away unseen.
 */
#include "inspect/qcow2/qcow2_check.h"
#include <endian.h>

#define MOST_LOOKED_INTO ((uint64_t)64 << 20)   /* bytes */

static bool is_leaked(struct cv_qcow2_check *k, uint64_t cluster)
{
	uint64_t value = cv_tally_get(&k->tally, cluster);

	return value & CV_TALLY_STORED && !(value >> CV_TALLY_COUNT_SHIFT);
}

/* How many leaked clusters the held table would point to; 0 if it is none. */
static uint64_t pointed_to(struct cv_qcow2_check *k)
{
	size_t step = k->extended ? 2 : 1, count = (size_t)(k->cluster / 8);
	uint64_t placed = 0, leaked = 0;

	for (size_t i = 0; i < count; i += step) {
		uint64_t word, off;

		memcpy(&word, k->table + i * 8, sizeof word);
		word = be64toh(word);
		off = word & QCOW2_ENTRY_OFFSET;
		if (!off && !(word & ~QCOW2_L2_ZERO))
			continue;
		if (word & (k->map.reserved | QCOW2_L2_COMPRESSED) || off % k->cluster || off >= k->size)
			return 0;
		placed++;
		leaked += is_leaked(k, off >> k->bits);
	}
	return leaked * 2 > placed ? leaked : 0;
}

/* Reads a leaked cluster, as long as there are not too many. */
static bool look_into(struct cv_qcow2_check *k, uint64_t cluster, struct cv_err *err)
{
	struct cv_qcow2_leaks *l = &k->sums.leaks;
	uint64_t lost;
	bool any;

	if (!k->only || l->looked_into >= MOST_LOOKED_INTO)
		return true;
	l->looked_into += k->cluster;
	if (!cv_qcow2_check_read(k, k->table, cluster << k->bits, k->cluster, &any, err))
		return cv_wrap(err, "while reading a leaked cluster");
	lost = any ? pointed_to(k) : 0;
	l->lost_tables += lost != 0;
	l->lost += lost + (lost != 0);
	return true;
}

static bool end_run(struct cv_qcow2_check *k, struct cv_err *err)
{
	struct cv_qcow2_leaks *l = &k->sums.leaks;
	uint64_t end = l->run.off + l->run.len;

	if (!l->run.len)
		return true;
	if (!l->clusters)
		l->first = l->run.off;
	l->clusters += l->run.len;
	l->pieces++;
	if (end > k->used)
		l->tail += end - (l->run.off > k->used ? l->run.off : k->used);
	for (uint64_t c = l->run.off; c < end; c++)
		if (!look_into(k, c, err))
			return false;
	l->run.len = 0;
	return true;
}

bool cv_qcow2_leak(struct cv_qcow2_check *k, uint64_t cluster, struct cv_err *err)
{
	struct cv_range *run = &k->sums.leaks.run;

	if (run->len && run->off + run->len == cluster) {
		run->len++;
		return true;
	}
	if (!end_run(k, err))
		return false;
	*run = (struct cv_range){ cluster, 1 };
	return true;
}

/* Where they are, and what they may have been. */
static void describe(const struct cv_qcow2_check *k, struct cv_text *t)
{
	const struct cv_qcow2_leaks *l = &k->sums.leaks;

	cv_text_addf(t, "in %" PRIu64 " piece%s", l->pieces, l->pieces == 1 ? "" : "s");
	if (l->tail)
		cv_text_addf(t, ", %s of it behind everything that is in use", cv_size_short(l->tail << k->bits).s);
	if (l->lost_tables)
		cv_text_addf(t, ", %s of it like %" PRIu64 " lost L2 table%s with guest data",
			     cv_size_short((l->lost < l->clusters ? l->lost : l->clusters) << k->bits).s,
			     l->lost_tables, l->lost_tables == 1 ? "" : "s");
}

static void find(struct cv_qcow2_check *k, uint64_t clusters, uint64_t first, const char *how, const char *evidence)
{
	struct cv_finding f = cv_finding_of(CV_SPC_LEAKED_CLUSTERS);

	f.has_where = true;
	f.where = (struct cv_range){ first << k->bits, k->cluster };
	f.bytes = clusters << k->bits;
	f.arg[0] = cv_arg_number(f.bytes);
	f.arg[1] = cv_arg_text(how);
	f.arg[2] = cv_arg_text(evidence);
	cv_facts_find(k->c->facts, f);
}

bool cv_qcow2_leaks_end(struct cv_qcow2_check *k, struct cv_err *err)
{
	const struct cv_qcow2_leaks *l = &k->sums.leaks;
	CV_AUTO(cv_text_fini) struct cv_text text = { 0 };

	if (!end_run(k, err))
		return false;
	describe(k, &text);
	if (l->clusters)
		find(k, l->clusters, l->first, "that nothing in the image points to", cv_text_str(&text));
	if (l->counted_high)
		find(k, l->counted_high, l->high_first, "with a refcount that is higher than what points to it",
		     "once it is freed, it will be leaked");
	return true;
}

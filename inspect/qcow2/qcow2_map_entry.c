/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the L2 entries of QCOW2 mean: standard and compressed clusters, zeros, subclusters, external data
 * files. Works on decoded entries in memory and reads nothing.
 */
#include "inspect/qcow2/qcow2_map.h"

/* The meaning of one entry, without regard to subclusters; whole clusters from guest on. */
static struct cv_qcow_run standard(const struct cv_qcow2_map *m, uint64_t entry, uint64_t guest)
{
	struct cv_qcow_run run = { .guest = guest, .len = m->cluster, .host = entry & QCOW2_ENTRY_OFFSET };

	run.kind = CV_EXTENT_BAD;
	if (entry & m->reserved || run.host & (m->cluster - 1))
		return run;
	run.placed = run.host != 0;
	if (entry & QCOW2_L2_ZERO) {
		run.kind = CV_EXTENT_ZERO;
	} else {
		/* Only in another file can data lie at offset 0; bit 63 tells that from "nowhere". */
		run.placed |= m->data_file && entry & QCOW2_ENTRY_COPIED;
		run.kind = run.placed ? CV_EXTENT_DATA : CV_EXTENT_PARENT;
	}
	/* The external file is laid out as the disk is. */
	if (run.placed && m->data_file && run.host != guest) {
		run.kind = CV_EXTENT_BAD;
		run.placed = false;
	}
	return run;
}

/* The low bits of the descriptor are the offset, the ones above say how many more sectors are touched. */
struct cv_range cv_qcow2_packed(const struct cv_qcow2_map *m, uint64_t entry)
{
	unsigned bits = 62 - (m->tables.cluster_bits - 8);
	uint64_t off = entry & ((UINT64_C(1) << bits) - 1);
	uint64_t sectors = (entry & (QCOW2_L2_COMPRESSED - 1)) >> bits;

	return (struct cv_range){ off, (sectors + 1) * 512 - off % 512 };
}

static struct cv_qcow_run compressed(const struct cv_qcow2_map *m, uint64_t entry, uint64_t guest)
{
	struct cv_qcow_run run = { .guest = guest, .len = m->cluster, .host = cv_qcow2_packed(m, entry).off };

	run.compressed = run.placed = !m->data_file && run.host < m->limit;
	run.kind = run.placed ? CV_EXTENT_DATA : CV_EXTENT_BAD;
	return run;
}

/* What an entry must be more than the one before it to continue a run; false if no run can begin with it. */
static bool step_of(uint64_t entry, size_t count, uint64_t cluster, uint64_t *step)
{
	uint64_t host = entry & QCOW2_ENTRY_OFFSET;

	*step = host ? cluster : 0;
	if (!host)
		return !(entry & QCOW2_ENTRY_COPIED);        /* may be data at offset 0 */
	return (QCOW2_ENTRY_OFFSET - host) / cluster >= count;       /* or adding would carry out of the offset */
}

/* How many entries say the same and lie one behind the other, as the first one does. */
static size_t run_of(const uint64_t *word, size_t count, uint64_t cluster)
{
	uint64_t step;
	size_t n = 1;

	if (step_of(word[0], count, cluster, &step))
		while (n < count && word[n] == word[n - 1] + step)
			n++;
	return n;
}

bool cv_qcow2_add_standard(const struct cv_qcow_tables *t, const struct cv_qcow_piece *p, struct cv_extents *list,
			   struct cv_err *err)
{
	const struct cv_qcow2_map *m = t->format;

	for (size_t i = 0, n; i < p->count && !list->full; i += n) {
		uint64_t entry = p->word[i], guest = p->guest + (i << t->cluster_bits);
		struct cv_qcow_run run;

		n = 1;
		if (entry & QCOW2_L2_COMPRESSED) {
			run = compressed(m, entry, guest);
		} else {
			n = run_of(p->word + i, p->count - i, m->cluster);
			run = standard(m, entry, guest);
			run.len = (uint64_t)n << t->cluster_bits;
		}
		if (!cv_qcow_add_run(t, p, run, m->limit, list, err))
			return false;
	}
	return true;
}

/* How many bits from the lowest on are alike. */
static unsigned alike(uint32_t bits)
{
	uint32_t other = bits & 1 ? ~bits : bits;

	return other ? (unsigned)__builtin_ctz(other) : QCOW2_SUBCLUSTERS;
}

/* The runs of subclusters of a cluster of which standard() said where it lies. */
static bool add_subclusters(const struct cv_qcow_tables *t, const struct cv_qcow_piece *p, struct cv_qcow_run whole,
			    uint64_t bitmap, struct cv_extents *list, struct cv_err *err)
{
	const struct cv_qcow2_map *m = t->format;
	uint32_t here = (uint32_t)bitmap, zero = (uint32_t)(bitmap >> 32);
	uint64_t size = m->cluster / QCOW2_SUBCLUSTERS;

	for (unsigned i = 0, n; i < QCOW2_SUBCLUSTERS && !list->full; i += n) {
		struct cv_qcow_run run = whole;
		unsigned a = alike(here >> i), b = alike(zero >> i);

		n = a < b ? a : b;
		if (n > QCOW2_SUBCLUSTERS - i)
			n = QCOW2_SUBCLUSTERS - i;
		run.guest += i * size;
		run.host += i * size;
		run.len = n * size;
		run.kind = zero >> i & 1 ? CV_EXTENT_ZERO : here >> i & 1 ? CV_EXTENT_DATA : CV_EXTENT_PARENT;
		run.placed = whole.placed && run.kind != CV_EXTENT_PARENT;
		if (!cv_qcow_add_run(t, p, run, m->limit, list, err))
			return false;
	}
	return true;
}

/* Clusters without any bit, or with all subclusters alike, that continue the first one: most of any image. */
static size_t run_of_extended(const uint64_t *word, size_t count, uint64_t cluster)
{
	uint64_t step;
	size_t n = 1;

	if (step_of(word[0], count, cluster, &step))
		while (n < count && word[2 * n] == word[2 * n - 2] + step && word[2 * n + 1] == word[1])
			n++;
	return n;
}

/* True if the bitmap says the same of all subclusters; then the kind follows for a cluster with this place. */
static bool uniform(uint64_t bitmap, struct cv_qcow_run *run)
{
	uint32_t here = (uint32_t)bitmap, zero = (uint32_t)(bitmap >> 32);

	if ((here && here != UINT32_MAX) || (zero && zero != UINT32_MAX))
		return false;
	run->kind = zero ? CV_EXTENT_ZERO : here ? CV_EXTENT_DATA : CV_EXTENT_PARENT;
	run->placed = run->placed && run->kind != CV_EXTENT_PARENT;
	return true;
}

bool cv_qcow2_add_extended(const struct cv_qcow_tables *t, const struct cv_qcow_piece *p, struct cv_extents *list,
			   struct cv_err *err)
{
	const struct cv_qcow2_map *m = t->format;

	for (size_t i = 0, n; i < p->count && !list->full; i += n) {
		uint64_t entry = p->word[2 * i], bitmap = p->word[2 * i + 1], guest = p->guest + (i << t->cluster_bits);
		bool packed = entry & QCOW2_L2_COMPRESSED;
		struct cv_qcow_run run = packed ? compressed(m, entry, guest) : standard(m, entry, guest);
		bool fine = packed ? !bitmap : !((uint32_t)bitmap & bitmap >> 32) && (run.placed || !(uint32_t)bitmap);
		bool same = true;

		n = 1;
		if (run.kind == CV_EXTENT_BAD || !fine) {
			run.kind = CV_EXTENT_BAD;
			run.placed = run.compressed = false;
		} else if (!packed && uniform(bitmap, &run)) {
			n = run_of_extended(p->word + 2 * i, p->count - i, m->cluster);
			run.len = (uint64_t)n << t->cluster_bits;
		} else {
			same = packed;
		}
		if (same ? !cv_qcow_add_run(t, p, run, m->limit, list, err)
			 : !add_subclusters(t, p, run, bitmap, list, err))
			return false;
	}
	return true;
}

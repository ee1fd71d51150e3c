/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reading L1 in windows and L2 in slices, within memory that does not depend on the image, and walking them
 * for a range. Does not know what an L2 entry means.
 */
#include "inspect/qcow2/qcow2_map_tables.h"
#include <chainview/bytes.h>
#include <endian.h>

/* How much is held: entries of L1; bytes of a slice; bytes of all slots, two at least. */
static const struct { size_t l1, slice, kept; } usual = { 4096, 64 << 10, 256 << 10 }, lean = { 512, 4 << 10, 8 << 10 };

/* Steps of one walk: enough for 2 TiB of a usual image, and a part of a second with a hostile one. */
#define MOST_STEPS 4096u

static size_t slice_words(const struct cv_qcow_tables *t)
{
	return ((size_t)1 << t->slice_bits) * t->words_per_entry;
}

bool cv_qcow_tables_init(struct cv_qcow_tables *t, struct cv_err *err)
{
	size_t bytes, most = t->lean ? lean.slice : usual.slice, kept = t->lean ? lean.kept : usual.kept;

	t->slice_bits = t->l2_bits;
	while (slice_words(t) * 8 > most)
		t->slice_bits--;
	bytes = slice_words(t) * 8;
	t->slots = kept / bytes < CV_QCOW_SLOTS ? (unsigned)(kept / bytes) : CV_QCOW_SLOTS;
	t->l1_window = t->lean ? lean.l1 : usual.l1;
	t->l1 = malloc(t->l1_window * sizeof *t->l1);
	t->raw = malloc(bytes > t->l1_window * 8 ? bytes : t->l1_window * 8);
	return (t->l1 && t->raw) || cv_fail(err, CV_ENOMEM, "out of memory for mapping tables");
}

void cv_qcow_tables_fini(struct cv_qcow_tables *t)
{
	for (size_t i = 0; i < CV_QCOW_SLOTS; i++)
		free(t->slot[i].word);
	free(t->l1);
	free(t->raw);
}

/* Decodes the words at off as far as the file has them; *have says how many. */
static bool read_words(struct cv_qcow_tables *t, uint64_t off, uint64_t *word, size_t want, size_t *have,
		       struct cv_err *err)
{
	uint64_t room = off < t->source->size ? (t->source->size - off) / 8 : 0;
	const cv_be64 *raw = t->raw;

	*have = 0;
	if (want > room)
		want = (size_t)room;
	if (!cv_source_read(t->source, t->raw, want * 8, want ? off : 0, err))
		return false;
	/* Not cv_be64_get(): the compiler makes one instruction of this, and tables are most of what is read. */
	for (size_t i = 0; i < want; i++) {
		uint64_t n;

		memcpy(&n, &raw[i], sizeof n);
		word[i] = be64toh(n);
	}
	*have = want;
	return true;
}

/* Makes the window hold an entry that the table has. */
static bool load_l1(struct cv_qcow_tables *t, uint64_t index, struct cv_err *err)
{
	uint64_t first = index / t->l1_window * t->l1_window, left = t->l1_entries - first;

	if (t->l1_count && first == t->l1_first)
		return true;
	t->l1_count = 0;
	if (!read_words(t, t->l1_off + first * 8, t->l1, left < t->l1_window ? (size_t)left : t->l1_window, &t->l1_have, err))
		return cv_wrap(err, "while reading the L1 table");
	t->l1_count = left < t->l1_window ? (size_t)left : t->l1_window;
	t->l1_first = first;
	return true;
}

/* The slice at this offset of the file; NULL on error. */
static const struct cv_qcow_slot *load_slice(struct cv_qcow_tables *t, uint64_t off, struct cv_err *err)
{
	/* multiplied, so that tables at regular distances do not all want the same slot */
	struct cv_qcow_slot *s = &t->slot[(off / 512 * UINT64_C(0x9e3779b97f4a7c15) >> 32) % t->slots];
	size_t have;

	if (s->word && s->off == off)
		return s;
	if (!s->word)
		s->word = malloc(slice_words(t) * sizeof *s->word);
	if (!s->word) {
		cv_fail(err, CV_ENOMEM, "out of memory for an L2 table");
		return NULL;
	}
	s->off = UINT64_MAX;
	if (!read_words(t, off, s->word, slice_words(t), &have, err)) {
		cv_wrap(err, "while reading an L2 table");
		return NULL;
	}
	s->have = have / t->words_per_entry;
	s->off = off;
	return s;
}

/* Can there be an L2 table where this L1 entry says? */
static bool table_possible(const struct cv_qcow_tables *t, uint64_t entry)
{
	uint64_t off = entry & t->l1_mask;

	return !(entry & t->l1_reserved) && off < t->source->size &&
	       !(t->l2_aligned && off & ((UINT64_C(1) << t->cluster_bits) - 1));
}

/* One extent without a place up to upto (or the end of what was asked for). */
static bool add_plain(struct cv_extents *list, enum cv_extent_kind kind, uint64_t upto, uint64_t host,
		      struct cv_err *err)
{
	uint64_t pos = cv_extents_end(list), end = list->asked.off + list->asked.len;

	if (upto < end)
		end = upto;
	return cv_extents_add(list, (struct cv_extent){ .at = { pos, end - pos }, .kind = kind, .host = host }, err);
}

/* The first L1 entry from index on, within the window, that is there and points to something. */
static uint64_t skip_unallocated(const struct cv_qcow_tables *t, uint64_t index)
{
	size_t i = (size_t)(index - t->l1_first);

	while (i < t->l1_have && !(t->l1[i] & (t->l1_mask | t->l1_reserved)))
		i++;
	return t->l1_first + i;
}

static bool add_slice(struct cv_qcow_tables *t, uint64_t table, uint64_t pos, struct cv_extents *list,
		      struct cv_err *err)
{
	unsigned shift = t->cluster_bits + t->slice_bits;
	uint64_t guest = pos >> shift << shift, clusters = (UINT64_C(1) << t->l2_bits) - 1;
	uint64_t skip = (guest >> t->cluster_bits & clusters) * t->words_per_entry * 8;
	size_t first = (size_t)((pos - guest) >> t->cluster_bits);
	uint64_t end = list->asked.off + list->asked.len;
	const struct cv_qcow_slot *s = load_slice(t, table + skip, err);
	struct cv_qcow_piece piece;

	if (!s)
		return false;
	if (first >= s->have)
		return add_plain(list, CV_EXTENT_BAD, guest + (UINT64_C(1) << shift), table, err);
	piece.word = s->word + first * t->words_per_entry;
	piece.guest = guest + ((uint64_t)first << t->cluster_bits);
	piece.count = s->have - first;
	if (end - piece.guest < (uint64_t)piece.count << t->cluster_bits)
		piece.count = (size_t)((end - piece.guest - 1) >> t->cluster_bits) + 1;
	else
		end = piece.guest + ((uint64_t)piece.count << t->cluster_bits);
	piece.asked = (struct cv_range){ pos, end - pos };
	return t->add(t, &piece, list, err);
}

/* The extents from pos on: a gap in L1, or one slice of an L2 table. */
static bool walk_step(struct cv_qcow_tables *t, uint64_t pos, struct cv_extents *list, struct cv_err *err)
{
	unsigned shift = t->cluster_bits + t->l2_bits;
	uint64_t index = pos >> shift, next, entry;

	if (index >= t->l1_entries)
		return add_plain(list, t->behind_l1, UINT64_MAX, 0, err);
	if (!load_l1(t, index, err))
		return false;
	next = skip_unallocated(t, index);
	if (next > index)
		return add_plain(list, CV_EXTENT_PARENT, next << shift, 0, err);
	/* The file ended before this entry, so it ended before all that follow. */
	if (index - t->l1_first >= t->l1_have)
		return add_plain(list, CV_EXTENT_BAD, t->l1_entries << shift, t->l1_off + index * 8, err);
	entry = t->l1[index - t->l1_first];
	if (!table_possible(t, entry))
		return add_plain(list, CV_EXTENT_BAD, (index + 1) << shift, entry & t->l1_mask, err);
	return add_slice(t, entry & t->l1_mask, pos, list, err);
}

bool cv_qcow_tables_walk(struct cv_qcow_tables *t, struct cv_range range, struct cv_extents *list, struct cv_err *err)
{
	uint64_t pos = range.off;

	for (unsigned n = 0; pos < range.off + range.len && !list->full; n++) {
		if (n == MOST_STEPS) {
			list->full = true;
			break;
		}
		if (!walk_step(t, pos, list, err))
			return false;
		pos = cv_extents_end(list);
	}
	return true;
}

bool cv_qcow_tables_entry(struct cv_qcow_tables *t, uint64_t guest, uint64_t *word, struct cv_err *err)
{
	uint64_t cluster = guest >> t->cluster_bits, index = cluster >> t->l2_bits, entry;
	uint64_t in_table = cluster & ((UINT64_C(1) << t->l2_bits) - 1), slice = in_table >> t->slice_bits;
	size_t in_slice = (size_t)(in_table & ((UINT64_C(1) << t->slice_bits) - 1));
	const struct cv_qcow_slot *s;

	*word = 0;
	if (index >= t->l1_entries)
		return true;
	if (!load_l1(t, index, err))
		return false;
	entry = index - t->l1_first < t->l1_have ? t->l1[index - t->l1_first] : 0;
	if (!(entry & t->l1_mask) || !table_possible(t, entry))
		return true;
	s = load_slice(t, (entry & t->l1_mask) + slice * slice_words(t) * 8, err);
	if (s && in_slice < s->have)
		*word = s->word[in_slice * t->words_per_entry];
	return s != NULL;
}

/* Adds the next len bytes at most of what is left in e as this kind, and takes them from it. */
static bool take(struct cv_extent *e, uint64_t len, enum cv_extent_kind kind, struct cv_extents *list,
		 struct cv_err *err)
{
	struct cv_extent piece = *e;

	piece.at.len = len < e->at.len ? len : e->at.len;
	piece.kind = kind;
	piece.placed = kind == CV_EXTENT_DATA || (kind == CV_EXTENT_ZERO && e->placed);
	e->at.off += piece.at.len;
	e->at.len -= piece.at.len;
	e->host += piece.at.len;
	return !piece.at.len || cv_extents_add(list, piece, err);
}

/* Extents of a run that leaves the file: what lies in it, what is cut off within a cluster, what lies behind. */
static bool add_leaving(struct cv_extent e, uint64_t limit, uint64_t cluster, struct cv_extents *list,
			struct cv_err *err)
{
	bool zero = e.kind == CV_EXTENT_ZERO;
	uint64_t base = e.host - (e.at.off & (cluster - 1));  /* where the cluster begins that holds the first byte */
	uint64_t inside = e.host < limit ? limit - e.host : 0, cut = 0;

	/* whole clusters from base on that begin in the file reach up to here */
	if (base < limit)
		cut = base + ((limit - base - 1) / cluster + 1) * cluster - (e.host + inside);
	if (!take(&e, inside, e.kind, list, err))
		return false;
	/* QEMU reads zeros there, and may have left the file so; but it may have been cut, too */
	e.why = list->limit && !zero ? CV_LOST_PAST_END : CV_LOST_UNKNOWN;
	if (!take(&e, cut, CV_EXTENT_ZERO, list, err))
		return false;
	e.why = CV_LOST_UNKNOWN;
	e.placed = false;
	return take(&e, UINT64_MAX, zero ? CV_EXTENT_ZERO : CV_EXTENT_BAD, list, err);
}

bool cv_qcow_add_run(const struct cv_qcow_tables *t, const struct cv_qcow_piece *piece, struct cv_qcow_run run,
		     uint64_t limit, struct cv_extents *list, struct cv_err *err)
{
	uint64_t end = run.guest + run.len, asked_end = piece->asked.off + piece->asked.len;
	uint64_t begin = run.guest > piece->asked.off ? run.guest : piece->asked.off;
	struct cv_extent e = { .kind = run.kind, .placed = run.placed, .compressed = run.compressed, .host = run.host };

	if (end > asked_end)
		end = asked_end;
	if (begin >= end)
		return true;
	e.at = (struct cv_range){ begin, end - begin };
	if (run.placed && !run.compressed) {
		e.host += begin - run.guest;
		if (!cv_range_inside((struct cv_range){ e.host, e.at.len }, limit))
			return add_leaving(e, limit, UINT64_C(1) << t->cluster_bits, list, err);
	}
	return cv_extents_add(list, e, err);
}

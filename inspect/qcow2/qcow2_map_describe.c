/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The table entries of a QCOW for one guest offset, in words for people: those of both versions, and what the L2
 * entries of a QCOW2 say. What they mean for a guest is in qcow2_map_entry.c. */
#include "inspect/qcow2/qcow2_map.h"
#include <chainview/bytes.h>

bool cv_qcow_read_word(const struct cv_qcow_tables *t, uint64_t off, uint64_t *word, struct cv_err *err)
{
	cv_be64 raw;

	if (!cv_source_read(t->source, &raw, sizeof raw, off, err))
		return false;
	*word = cv_be64_get(raw);
	return true;
}

bool cv_qcow_tables_describe(const struct cv_qcow_tables *t, uint64_t guest, cv_qcow_tell *tell, struct cv_text *lines,
			     struct cv_err *err)
{
	uint64_t index = guest >> (t->cluster_bits + t->l2_bits), at = t->l1_off + index * sizeof(uint64_t), word;
	uint64_t size = t->words_per_entry * sizeof word;

	if (index >= t->l1_entries || !cv_range_inside((struct cv_range){ at, sizeof word }, t->source->size)) {
		cv_text_addf(lines, "the L1 table has no entry %" PRIu64 "\n", index);
		return true;
	}
	if (!cv_qcow_read_word(t, at, &word, err))
		return false;
	cv_text_addf(lines, "L1 entry %" PRIu64 " at offset %" PRIu64 ": %016" PRIx64, index, at, word);
	if (!(word & t->l1_mask)) {
		cv_text_add(lines, ": no L2 table\n");
		return true;
	}
	cv_text_addf(lines, ": L2 table at offset %" PRIu64 "%s\n", word & t->l1_mask,
		     word & ~t->l1_mask & QCOW2_ENTRY_COPIED ? ", used once" : "");
	index = guest >> t->cluster_bits & ((UINT64_C(1) << t->l2_bits) - 1);
	if (__builtin_add_overflow(word & t->l1_mask, index * size, &at) ||
	    !cv_range_inside((struct cv_range){ at, size }, t->source->size)) {
		cv_text_addf(lines, "L2 entry %" PRIu64 " does not lie in the file\n", index);
		return true;
	}
	cv_text_addf(lines, "L2 entry %" PRIu64 " at offset %" PRIu64 ": ", index, at);
	return tell(t, at, guest, lines, err);
}

static void add_standard(struct cv_text *lines, const struct cv_qcow2_map *m, uint64_t word)
{
	bool zero = m->tables.words_per_entry == 1 && word & QCOW2_L2_ZERO && !(m->reserved & QCOW2_L2_ZERO);

	if (word & QCOW2_L2_COMPRESSED) {
		struct cv_range packed = cv_qcow2_packed(m, word);

		cv_text_addf(lines, ": compressed, %" PRIu64 " B at offset %" PRIu64 "\n", packed.len, packed.off);
		return;
	}
	/* In a data file a cluster may lie at its very beginning: then it says that it is used once. */
	if (word & QCOW2_ENTRY_OFFSET || (m->data_file && word & QCOW2_ENTRY_COPIED))
		cv_text_addf(lines, ": cluster at offset %" PRIu64 "%s%s\n", word & QCOW2_ENTRY_OFFSET,
			     word & QCOW2_ENTRY_COPIED ? ", used once" : "", zero ? ", reads as zeros" : "");
	else
		cv_text_addf(lines, ": no cluster%s\n", zero ? ", reads as zeros" : "");
}

static bool tell_entry(const struct cv_qcow_tables *t, uint64_t at, uint64_t guest, struct cv_text *lines,
		       struct cv_err *err)
{
	const struct cv_qcow2_map *m = t->format;
	unsigned sub = (unsigned)(guest % m->cluster / (m->cluster / QCOW2_SUBCLUSTERS));
	uint64_t word, bits;

	if (!cv_qcow_read_word(t, at, &word, err))
		return false;
	cv_text_addf(lines, "%016" PRIx64, word);
	add_standard(lines, m, word);
	if (t->words_per_entry == 1)
		return true;
	if (!cv_qcow_read_word(t, at + sizeof word, &bits, err))
		return false;
	cv_text_addf(lines, "subclusters: %016" PRIx64 ", subcluster %u %s\n", bits, sub,
		     bits >> (sub + QCOW2_SUBCLUSTERS) & 1 ? "reads as zeros" : bits >> sub & 1 ? "is allocated"
											       : "is not allocated");
	return true;
}

bool cv_qcow2_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	const struct cv_qcow2_map *m = layer->state;

	return cv_qcow_tables_describe(&m->tables, offset, tell_entry, lines, err);
}

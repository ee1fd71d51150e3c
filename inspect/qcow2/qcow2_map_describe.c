/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The table entries of a QCOW2 for one guest offset, in words for people. What they mean for a guest is in
 * qcow2_map_entry.c. */
#include "inspect/qcow2/qcow2_map.h"
#include <chainview/bytes.h>

static bool read_word(const struct cv_qcow_tables *t, uint64_t off, uint64_t *word, struct cv_err *err)
{
	cv_be64 raw;

	if (!cv_source_read(t->source, &raw, sizeof raw, off, err))
		return false;
	*word = cv_be64_get(raw);
	return true;
}

static void add_standard(struct cv_text *lines, const struct cv_qcow2_map *m, uint64_t word)
{
	if (word & QCOW2_L2_COMPRESSED) {
		struct cv_range packed = cv_qcow2_packed(m, word);

		cv_text_addf(lines, ": compressed, %" PRIu64 " B at offset %" PRIu64 "\n", packed.len, packed.off);
		return;
	}
	cv_text_addf(lines, ": cluster at offset %" PRIu64 "%s%s\n", word & QCOW2_ENTRY_OFFSET,
		     word & QCOW2_ENTRY_COPIED ? ", used once" : "",
		     m->tables.words_per_entry == 1 && word & QCOW2_L2_ZERO && !(m->reserved & QCOW2_L2_ZERO)
		     ? ", reads as zeros" : "");
}

static bool add_l2(const struct cv_qcow2_map *m, uint64_t table, uint64_t offset, struct cv_text *lines,
		   struct cv_err *err)
{
	const struct cv_qcow_tables *t = &m->tables;
	uint64_t index = offset >> t->cluster_bits & ((UINT64_C(1) << t->l2_bits) - 1), word, bits;
	uint64_t at = table + index * t->words_per_entry * sizeof word;
	unsigned sub = (unsigned)(offset % m->cluster / (m->cluster / QCOW2_SUBCLUSTERS));

	if (!cv_range_inside((struct cv_range){ at, t->words_per_entry * sizeof word }, t->source->size)) {
		cv_text_addf(lines, "L2 entry %" PRIu64 " at offset %" PRIu64 " does not lie in the file\n", index, at);
		return true;
	}
	if (!read_word(t, at, &word, err))
		return false;
	cv_text_addf(lines, "L2 entry %" PRIu64 " at offset %" PRIu64 ": %016" PRIx64, index, at, word);
	add_standard(lines, m, word);
	if (t->words_per_entry == 1)
		return true;
	if (!read_word(t, at + sizeof word, &bits, err))
		return false;
	cv_text_addf(lines, "subclusters: %016" PRIx64 ", subcluster %u %s\n", bits, sub,
		     bits >> (sub + QCOW2_SUBCLUSTERS) & 1 ? "reads as zeros" : bits >> sub & 1 ? "is allocated"
											       : "is not allocated");
	return true;
}

bool cv_qcow2_map_describe(struct cv_layer *layer, uint64_t offset, struct cv_text *lines, struct cv_err *err)
{
	const struct cv_qcow2_map *m = layer->state;
	const struct cv_qcow_tables *t = &m->tables;
	uint64_t index = offset >> (t->cluster_bits + t->l2_bits), at = t->l1_off + index * sizeof(uint64_t), word;

	if (index >= t->l1_entries || !cv_range_inside((struct cv_range){ at, sizeof word }, t->source->size)) {
		cv_text_addf(lines, "the L1 table has no entry %" PRIu64 "\n", index);
		return true;
	}
	if (!read_word(t, at, &word, err))
		return false;
	cv_text_addf(lines, "L1 entry %" PRIu64 " at offset %" PRIu64 ": %016" PRIx64, index, at, word);
	if (!(word & QCOW2_ENTRY_OFFSET)) {
		cv_text_add(lines, ": no L2 table\n");
		return true;
	}
	cv_text_addf(lines, ": L2 table at offset %" PRIu64 "%s\n", word & QCOW2_ENTRY_OFFSET,
		     word & QCOW2_ENTRY_COPIED ? ", used once" : "");
	return add_l2(m, word & QCOW2_ENTRY_OFFSET, offset, lines, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The log of a VHDX entry by entry, and its BAT by states. */
#include "inspect/dump/vhdx_walk.h"
#include "inspect/vhdx/vhdx_log.h"

#define CHUNK  8192u
#define STATES 8u

struct log {
	struct cv_dumping *d;
	struct cv_range at;
	bool pending;
	struct cv_guid_disk guid; /* of the header, if pending */
	uint64_t first, last;     /* sequence numbers of the active entries */
	uint32_t entries;
	uint64_t rest; /* where sectors begin that belong to no entry */
};

/* Which entries count is the reader's business; if it finds no sequence none is active. */
static bool find_active(struct log *l, const struct cv_facts *facts, struct cv_err *err)
{
	CV_AUTO(cv_vhdx_log_fini) struct cv_vhdx_log log = { .bytes = NULL };
	struct cv_err trouble = { .code = CV_OK };

	if (!cv_vhdx_log_load(&log, l->d->source, facts, &l->pending, &trouble) ||
	    (l->pending && !cv_vhdx_log_find(&log, &trouble)))
		return cv_dump_trouble(l->d, &l->at, &trouble, err);
	l->guid = log.guid;
	l->first = log.first;
	l->last = log.last;
	return true;
}

static bool flush_rest(struct log *l, uint64_t upto, struct cv_err *err)
{
	struct cv_dump_piece p = { .layout = CV_LAYOUT_VHDX_LOG_REST, .at = { l->rest, upto - l->rest } };

	return cv_dump_piece(l->d, &p, err);
}

static enum cv_dump_state state_of(const struct log *l, const struct cv_vhdx_entry_disk *e)
{
	uint64_t sequence = cv_le64_get(e->sequence);

	if (l->pending && memcmp(&e->guid, &l->guid, sizeof l->guid) != 0)
		return CV_STATE_OTHER_GUID;
	return l->first && sequence >= l->first && sequence <= l->last ? CV_STATE_ACTIVE : CV_STATE_INACTIVE;
}

/* An entry may go on at the start of the log: what lies there is the second piece of it. Its checksum is only known
 * when it lies in one piece. */
static bool entry(struct log *l, uint64_t off, const struct cv_vhdx_entry_disk *e, uint64_t *next, struct cv_err *err)
{
	uint64_t len = cv_le32_get(e->length), end = l->at.off + l->at.len;
	bool sane = len && len % CV_VHDX_PAGE == 0 && len <= l->at.len, wraps = sane && len > end - off;
	struct cv_dump_piece p = {
		.layout = CV_LAYOUT_VHDX_LOG_ENTRY,
		.at = { off, wraps  ? end - off
			     : sane ? len
				    : CV_VHDX_PAGE },
		.state = sane ? state_of(l, e) : CV_STATE_INVALID,
		.has_index = true,
		.index = l->entries++,
		.sum = sane && !wraps ? CV_SUM_CRC32C : CV_SUM_NONE,
		.sum_at = offsetof(struct cv_vhdx_entry_disk, checksum),
	};

	p.used = p.state == CV_STATE_ACTIVE;
	if (!flush_rest(l, off, err) || !cv_dump_piece(l->d, &p, err))
		return false;
	*next = off + p.at.len;
	l->rest = *next;
	return true;
}

bool cv_dump_vhdx_log(struct cv_dumping *d, const struct cv_facts *facts, struct cv_range at, struct cv_err *err)
{
	struct log l = { .d = d, .at = at, .rest = at.off };
	struct cv_vhdx_entry_disk e;
	uint64_t next;
	bool good;

	if (!at.len || at.off < CV_VHDX_MIB || at.off >= d->source->size)
		return true;
	if (!cv_range_inside(at, d->source->size))
		l.at.len = (d->source->size - at.off) / CV_VHDX_PAGE * CV_VHDX_PAGE;
	if (!find_active(&l, facts, err))
		return false;
	for (uint64_t off = at.off; off + CV_VHDX_PAGE <= l.at.off + l.at.len; off = next) {
		next = off + CV_VHDX_PAGE;
		if (!cv_dump_read(d, &e, sizeof e, off, &good, err))
			return false;
		if (good && !memcmp(e.signature, "loge", sizeof e.signature) && !entry(&l, off, &e, &next, err))
			return false;
	}
	return flush_rest(&l, l.at.off + l.at.len, err);
}

struct bat {
	struct cv_dumping *d;
	uint64_t ratio, states[STATES], bitmaps, beyond; /* ratio 0: payload and bitmap entries cannot be told apart */
	struct cv_dump_sum_up group;
};

static bool bat_entry(struct bat *b, uint64_t index, uint64_t word, struct cv_err *err)
{
	uint64_t off = word & ~(uint64_t)(CV_VHDX_MIB - 1), state = word & (STATES - 1);
	bool placed = off && state;

	if (placed && off >= b->d->view->size)
		b->beyond++;
	if (!b->ratio || index % (b->ratio + 1) != b->ratio) {
		b->states[state]++;
		return true;
	}
	if (!placed)
		return true;
	b->bitmaps++;
	return off >= b->d->view->size ||
	       cv_dump_group_add(&b->group, (struct cv_range){ off, CV_VHDX_MIB }, NULL, NULL, err);
}

/* Entries in a hole of the file, of which those of bitmaps point to nothing. */
static void count_zeros(struct bat *b, uint64_t first, uint64_t count)
{
	uint64_t every = b->ratio + 1, bitmaps = b->ratio ? (first + count) / every - first / every : 0;

	b->states[0] += count - bitmaps;
}

static bool go_through(struct bat *b, const struct cv_vhdx *v, uint64_t entries, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) cv_le64 *words = malloc(CHUNK * sizeof *words);
	uint64_t n;
	bool good;

	if (!words)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint64_t first = 0; first < entries; first += n) {
		n = cv_dump_hole(b->d->view, v->bat.offset + first * 8, v->bat.offset + entries * 8) / 8;
		if (n) {
			count_zeros(b, first, n);
			continue;
		}
		n = entries - first < CHUNK ? entries - first : CHUNK;
		if (!cv_dump_read(b->d, words, (size_t)n * 8, v->bat.offset + first * 8, &good, err))
			return false;
		for (uint64_t i = 0; good && i < n; i++)
			if (!bat_entry(b, first + i, cv_le64_get(words[i]), err))
				return false;
		if (!cv_task_alive(b->d->out))
			return cv_fail(err, CV_ECANCELLED, "nobody waits for the answer");
	}
	return true;
}

static bool say_states(struct bat *b, uint64_t entries, struct cv_err *err)
{
	static const enum cv_dump_number names[STATES] = {
		CV_COUNT_NOT_PRESENT,    CV_COUNT_UNDEFINED, CV_COUNT_ZERO, CV_COUNT_UNMAPPED,
		CV_COUNT_RESERVED_STATE, CV_COUNT_UNMAPPED,  CV_COUNT_FULL, CV_COUNT_PARTIAL,
	};
	uint64_t sums[CV_COUNT_NUMBERS] = { 0 };

	for (size_t i = 0; i < STATES; i++)
		sums[names[i]] += b->states[i];
	sums[CV_COUNT_ENTRIES] = entries;
	sums[CV_COUNT_BITMAPS] = b->bitmaps;
	sums[CV_COUNT_BEYOND_FILE] = b->beyond;
	for (enum cv_dump_number n = 0; n < CV_COUNT_NUMBERS; n++)
		if (sums[n] && !cv_dump_number(b->d, n, sums[n], err))
			return false;
	return true;
}

/* Entries behind those that the disk needs are counted too: they may be leftovers of a larger one. */
bool cv_dump_vhdx_bat(struct cv_dumping *d, const struct cv_vhdx *v, struct cv_err *err)
{
	const struct cv_attr *sector = cv_facts_attr(v->facts, CV_ATTR_VHDX_LOGICAL_SECTOR, 0);
	struct cv_dump_piece p = { .layout = CV_LAYOUT_VHDX_BAT, .used = true, .at = { v->bat.offset, v->bat.length } };
	uint64_t entries = v->bat.length / 8;
	struct bat b = { .d = d };

	if (!v->bat.found)
		return true;
	if (sector && v->facts->block_size)
		b.ratio = ((uint64_t)CV_VHDX_MIB * 8 * sector->number) / v->facts->block_size;
	return cv_dump_group_begin(d, CV_GROUP_SECTOR_BITMAPS, &b.group, err) && go_through(&b, v, entries, err) &&
	       cv_dump_piece(d, &p, err) && say_states(&b, entries, err) && cv_dump_group_end(&b.group, err);
}

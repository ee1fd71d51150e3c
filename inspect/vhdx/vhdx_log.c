/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reading a pending log: which entries are whole, which of them are the active sequence, what these change. How
 * the changed file then reads is in vhdx_map_overlay.c. Rules of [MS-VHDX] 2.3.
 */
#include "inspect/vhdx/vhdx_log.h"
#include "inspect/base/crc32c.h"

#define LARGEST_LOG (64u * CV_VHDX_MIB)
#define MOST_CHANGES (1u << 18)
#define IN_FIRST 126u                        /* descriptors of an entry's first sector, which its header begins */
#define IN_OTHER 128u

/* One sector of the log: does a whole entry begin here? */
struct spot {
	uint32_t sectors;                    /* of the entry; 0: none begins here */
	uint32_t tail;                       /* a sector of the log */
	uint64_t sequence;
	bool follows;                        /* the entry right before it has the sequence number right before */
};

static const uint8_t *sector(const struct cv_vhdx_log *log, uint64_t n)
{
	return log->bytes + n % log->sectors * CV_VHDX_PAGE;
}

static const struct cv_vhdx_entry_disk *entry_at(const struct cv_vhdx_log *log, uint32_t n)
{
	return (const void *)sector(log, n);
}

static const struct cv_vhdx_descriptor_disk *descriptor(const struct cv_vhdx_log *log, uint32_t start, uint32_t n)
{
	uint32_t slot = n + IN_OTHER - IN_FIRST;

	return (const void *)(sector(log, (uint64_t)start + slot / IN_OTHER) +
			      slot % IN_OTHER * sizeof(struct cv_vhdx_descriptor_disk));
}

static uint32_t descriptor_sectors(uint32_t count)
{
	return (count + IN_OTHER - IN_FIRST + IN_OTHER - 1) / IN_OTHER;
}

static bool is_page(const struct cv_vhdx_descriptor_disk *d)
{
	return !memcmp(d->signature, "desc", sizeof d->signature);
}

static uint64_t zero_length(const struct cv_vhdx_descriptor_disk *d)
{
	cv_le64 len;

	memcpy(&len, d->leading, sizeof len);
	return cv_le64_get(len);
}

static bool is_sound_descriptor(const struct cv_vhdx_descriptor_disk *d, uint64_t sequence)
{
	uint64_t len = is_page(d) ? CV_VHDX_PAGE : zero_length(d);

	if (!is_page(d) && memcmp(d->signature, "zero", sizeof d->signature) != 0)
		return false;
	return cv_le64_get(d->sequence) == sequence && cv_le64_get(d->offset) % CV_VHDX_PAGE == 0 &&
	       len % CV_VHDX_PAGE == 0 && cv_range_inside((struct cv_range){ cv_le64_get(d->offset), len }, INT64_MAX);
}

static bool is_sound_data(const struct cv_vhdx_data_disk *d, uint64_t sequence)
{
	return !memcmp(d->signature, "data", sizeof d->signature) &&
	       cv_le32_get(d->sequence_high) == (uint32_t)(sequence >> 32) &&
	       cv_le32_get(d->sequence_low) == (uint32_t)sequence;
}

static bool bears_guid(const struct cv_vhdx_log *log, const struct cv_vhdx_entry_disk *e)
{
	return !memcmp(e->signature, "loge", sizeof e->signature) && !memcmp(&e->guid, &log->guid, sizeof log->guid);
}

static bool is_sound_header(const struct cv_vhdx_log *log, const struct cv_vhdx_entry_disk *e)
{
	uint32_t len = cv_le32_get(e->length), tail = cv_le32_get(e->tail), count = cv_le32_get(e->count);

	return bears_guid(log, e) && cv_le64_get(e->sequence) && len && len % CV_VHDX_PAGE == 0 &&
	       len / CV_VHDX_PAGE <= log->sectors && tail % CV_VHDX_PAGE == 0 && tail / CV_VHDX_PAGE < log->sectors &&
	       count <= len / sizeof(struct cv_vhdx_descriptor_disk) && descriptor_sectors(count) <= len / CV_VHDX_PAGE;
}

static bool sums(const struct cv_vhdx_log *log, uint32_t start, uint32_t sectors)
{
	static const uint8_t zeros[4];
	const uint8_t *first = sector(log, start);
	uint32_t crc = cv_crc32c(0, first, 4);

	crc = cv_crc32c(crc, zeros, sizeof zeros);
	crc = cv_crc32c(crc, first + 8, CV_VHDX_PAGE - 8);
	for (uint32_t i = 1; i < sectors; i++)
		crc = cv_crc32c(crc, sector(log, (uint64_t)start + i), CV_VHDX_PAGE);
	return crc == cv_le32_get(entry_at(log, start)->checksum);
}

/* Does an entry begin here whose descriptors are right, and for whose pages there is just as much room as needed? */
static bool is_sound_start(const struct cv_vhdx_log *log, uint32_t start)
{
	const struct cv_vhdx_entry_disk *e = entry_at(log, start);
	uint32_t count = cv_le32_get(e->count), needed = descriptor_sectors(count);

	if (!is_sound_header(log, e))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const struct cv_vhdx_descriptor_disk *d = descriptor(log, start, i);

		if (!is_sound_descriptor(d, cv_le64_get(e->sequence)))
			return false;
		needed += is_page(d);
	}
	return needed == cv_le32_get(e->length) / CV_VHDX_PAGE;
}

/*
 * Is there a whole entry? Its sectors are looked at before it is summed: they begin like descriptors or data,
 * never like another entry, so that no sector is summed for two entries whatever a hostile log says.
 */
static struct spot look(const struct cv_vhdx_log *log, uint32_t start)
{
	const struct cv_vhdx_entry_disk *e = entry_at(log, start);
	const struct spot none = { .sectors = 0 };
	struct spot s = { cv_le32_get(e->length) / CV_VHDX_PAGE, cv_le32_get(e->tail) / CV_VHDX_PAGE,
			  cv_le64_get(e->sequence), false };

	if (!is_sound_start(log, start))
		return none;
	for (uint32_t i = descriptor_sectors(cv_le32_get(e->count)); i < s.sectors; i++)
		if (!is_sound_data((const void *)sector(log, (uint64_t)start + i), s.sequence))
			return none;
	return sums(log, start, s.sectors) ? s : none;
}

/* The sector of the entry that continues the sequence of this one; the number of sectors if there is none. */
static uint32_t next_of(const struct cv_vhdx_log *log, const struct spot *spots, uint32_t n)
{
	uint32_t next = (uint32_t)(((uint64_t)n + spots[n].sectors) % log->sectors);

	return spots[next].sectors && spots[next].sequence == spots[n].sequence + 1 ? next : log->sectors;
}

/* The last entry of the sequence that begins at first, if that entry's tail is one of the sequence. */
static bool sequence_head(const struct cv_vhdx_log *log, const struct spot *spots, uint32_t first, uint32_t *head)
{
	uint32_t next;

	for (*head = first; (next = next_of(log, spots, *head)) != log->sectors;)
		*head = next;
	for (uint32_t n = first; n != log->sectors; n = next_of(log, spots, n))
		if (n == spots[*head].tail)
			return true;
	return false;
}

/* The head with the greatest sequence number; false if no sequence is valid. */
static bool active_head(const struct cv_vhdx_log *log, struct spot *spots, uint32_t *head)
{
	bool any = false;
	uint32_t candidate;

	for (uint32_t n = 0; n < log->sectors; n++)
		spots[n] = look(log, n);
	for (uint32_t n = 0; n < log->sectors; n++)
		if (spots[n].sectors && next_of(log, spots, n) != log->sectors)
			spots[next_of(log, spots, n)].follows = true;
	for (uint32_t n = 0; n < log->sectors; n++) {
		if (!spots[n].sectors || spots[n].follows || !sequence_head(log, spots, n, &candidate))
			continue;
		if (!any || spots[candidate].sequence > spots[*head].sequence)
			*head = candidate;
		any = true;
	}
	return any;
}

static bool take_entry(struct cv_vhdx_log *log, uint32_t start, struct cv_err *err)
{
	const struct cv_vhdx_entry_disk *e = entry_at(log, start);
	uint32_t count = cv_le32_get(e->count), used = descriptor_sectors(count);

	for (uint32_t i = 0; i < count; i++) {
		const struct cv_vhdx_descriptor_disk *d = descriptor(log, start, i);
		struct cv_vhdx_change c = { .at = { cv_le64_get(d->offset), CV_VHDX_PAGE }, .edges = d };

		if (is_page(d))
			c.page = (const void *)sector(log, (uint64_t)start + used++);
		else
			c.at.len = zero_length(d);
		if (log->changes.len == MOST_CHANGES)
			return cv_fail(err, CV_ELIMIT, "its log has more than %u changes", MOST_CHANGES);
		if (c.at.len && !cv_vhdx_changes_push(&log->changes, c))
			return cv_fail(err, CV_ENOMEM, "out of memory for the log");
	}
	if (cv_le64_get(e->flushed_size) > log->flushed_size)
		log->flushed_size = cv_le64_get(e->flushed_size);
	if (cv_le64_get(e->last_size) > log->last_size)
		log->last_size = cv_le64_get(e->last_size);
	return true;
}

/*
 * The end of the entry bears another sequence number, so it was never written, and what the entry asks for was
 * not begun: a change is made when its entry is whole. QEMU that dies there leaves this.
 */
static bool is_unfinished(const struct cv_vhdx_log *log, uint32_t start)
{
	const struct cv_vhdx_entry_disk *e = entry_at(log, start);
	uint32_t sectors = cv_le32_get(e->length) / CV_VHDX_PAGE;
	const struct cv_vhdx_data_disk *last = (const void *)sector(log, (uint64_t)start + sectors - 1);

	return is_sound_start(log, start) && sectors > descriptor_sectors(cv_le32_get(e->count)) &&
	       cv_le32_get(last->sequence_low) != (uint32_t)cv_le64_get(e->sequence);
}

/*
 * No sequence is whole. QEMU sets the header's GUID before it writes the first entry, so it may be that there is
 * nothing to be done; otherwise nobody can say any more what is.
 */
static bool is_nothing_to_do(const struct cv_vhdx_log *log)
{
	uint32_t found = 0;

	for (uint32_t n = 0; n < log->sectors; n++)
		if (bears_guid(log, entry_at(log, n)) && (found++ || !is_unfinished(log, n)))
			return false;
	return true;
}

bool cv_vhdx_log_find(struct cv_vhdx_log *log, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) struct spot *spots = malloc(log->sectors * sizeof *spots);
	uint32_t head = 0;

	if (!spots)
		return cv_fail(err, CV_ENOMEM, "out of memory for the log");
	if (!active_head(log, spots, &head))
		return is_nothing_to_do(log) ||
		       cv_fail(err, CV_EFORMAT, "its log is pending, and no sequence of entries in it is whole");
	log->first = spots[spots[head].tail].sequence;
	log->last = spots[head].sequence;
	for (uint32_t n = spots[head].tail; n != log->sectors; n = next_of(log, spots, n))
		if (!take_entry(log, n, err))
			return false;
	return true;
}

static uint64_t number(const struct cv_facts *f, enum cv_attr_id id)
{
	const struct cv_attr *a = cv_facts_attr(f, id, 0);

	return a ? a->number : 0;
}

/* Sets the GUID as it lies in the file; false if no log is pending. */
static bool is_pending(const struct cv_facts *f, struct cv_guid_disk *guid)
{
	const struct cv_attr *a = cv_facts_attr(f, CV_ATTR_VHDX_LOG_GUID, 0);
	struct cv_guid_disk printed;

	if (!a || !cv_guid_parse(a->text, printed.b) || cv_guid_is_null(&printed))
		return false;
	/* Swapping the bytes of its three numbers is its own reverse. */
	cv_guid_print_order(&printed, guid->b);
	return true;
}

bool cv_vhdx_log_load(struct cv_vhdx_log *log, struct cv_source *source, const struct cv_facts *facts, bool *pending,
		      struct cv_err *err)
{
	struct cv_range where = { number(facts, CV_ATTR_VHDX_LOG_OFFSET), number(facts, CV_ATTR_VHDX_LOG_LENGTH) };

	*pending = is_pending(facts, &log->guid);
	if (!*pending)
		return true;
	if (!where.len || where.off < CV_VHDX_MIB || (where.off | where.len) % CV_VHDX_MIB ||
	    !cv_range_inside(where, source->size))
		return cv_fail(err, CV_EFORMAT,
			       "its log is pending, and does not lie in the file at a multiple of 1 MiB");
	if (where.len > LARGEST_LOG)
		return cv_fail(err, CV_ELIMIT, "its log is pending, and has %" PRIu64 " B, which is more than %u B",
			       where.len, LARGEST_LOG);
	log->sectors = (uint32_t)(where.len / CV_VHDX_PAGE);
	log->bytes = malloc((size_t)where.len);
	if (!log->bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory for the log");
	return cv_source_read(source, log->bytes, (size_t)where.len, where.off, err) ||
	       cv_wrap(err, "while reading the log");
}

void cv_vhdx_log_fini(struct cv_vhdx_log *log)
{
	free(log->bytes);
	free(log->changes.at);
}

bool cv_vhdx_log_apply(struct cv_source **source, const struct cv_facts *facts, struct cv_err *err)
{
	CV_AUTO(cv_vhdx_log_fini) struct cv_vhdx_log log = { .bytes = NULL };
	bool pending;

	if (!cv_vhdx_log_load(&log, *source, facts, &pending, err))
		return false;
	if (!pending)
		return true;
	if (!cv_vhdx_log_find(&log, err))
		return false;
	if (log.flushed_size > (*source)->size)
		return cv_fail(err, CV_EFORMAT, "the file has %" PRIu64 " B, but had %" PRIu64
			       " B when its log was written: it was cut", (*source)->size, log.flushed_size);
	if (log.last_size > INT64_MAX)
		return cv_fail(err, CV_EFORMAT, "its log asks for a file of %" PRIu64 " B", log.last_size);
	*source = cv_vhdx_overlay_new(source, &log, err);
	return *source != NULL;
}

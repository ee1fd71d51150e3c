/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Reads journals. Every byte may come from somebody else: nothing is used that its checksums do not cover. */
#include "repair/journal/seal.h"
#include <chainview/text.h>

#define LARGEST (UINT64_C(256) << 20)        /* file, bytes */

static bool super_valid(const uint8_t *slot, uint64_t size)
{
	const struct cv_journal_super_disk *s = (const void *)slot;

	return !memcmp(s->magic, CV_JOURNAL_SUPER_MAGIC, sizeof s->magic) &&
	       cv_le16_get(s->version) == CV_JOURNAL_VERSION && cv_le32_get(s->crc) == cv_super_crc(slot) &&
	       (uint64_t)cv_le32_get(s->slots) * CV_JOURNAL_SLOT <= size && cv_le32_get(s->slots) > CV_JOURNAL_SUPERS &&
	       cv_le32_get(s->board) < cv_le32_get(s->slots) - CV_JOURNAL_SUPERS;
}

static const struct cv_journal_super_disk *newest_super(const uint8_t *bytes, uint64_t size)
{
	const struct cv_journal_super_disk *best = NULL;

	for (unsigned i = 0; i < CV_JOURNAL_SUPERS; i++) {
		const uint8_t *slot = bytes + (size_t)i * CV_JOURNAL_SLOT;
		const struct cv_journal_super_disk *s = (const void *)slot;

		if (super_valid(slot, size) && (!best || cv_le64_get(s->epoch) > cv_le64_get(best->epoch)))
			best = s;
	}
	return best;
}

static void take_super(struct cv_journal_log *log, const struct cv_journal_super_disk *s, const struct cv_host *host)
{
	uint8_t seal[32];

	log->type = (enum cv_plan_kind)cv_le16_get(s->type);
	memcpy(log->op, s->op, 16);
	memcpy(log->repository, s->repository, 16);
	memcpy(log->host, s->host, 16);
	memcpy(log->boot, s->boot, 16);
	log->pid = cv_le32_get(s->pid);
	log->pid_start = cv_le64_get(s->pid_start);
	log->epoch = cv_le64_get(s->epoch);
	log->created_ns = cv_le64_get(s->created_ns);
	log->slots = cv_le32_get(s->slots);
	log->board_slots = cv_le32_get(s->board);
	log->own = cv_super_seal(host, s, seal) && !memcmp(seal, s->seal, sizeof seal);
}

/* The slots of a record of at most so many bytes that is in order by itself, of this operation; 0 if there is none. */
static uint32_t slots_of(const struct cv_journal_log *log, const char *magic, uint32_t slot, uint32_t end, uint32_t most)
{
	const uint8_t *at = log->bytes + (size_t)slot * CV_JOURNAL_SLOT;
	const struct cv_journal_record_disk *head = (const void *)at;
	uint32_t len = cv_le32_get(head->len), slots;

	if (memcmp(head->magic, magic, sizeof head->magic) || len > most ||
	    cv_le16_get(head->version) != CV_JOURNAL_VERSION || memcmp(head->op, log->op, 16) != 0)
		return 0;
	slots = cv_journal_slots(len);
	if (slots > end - slot || cv_record_crc(at, (size_t)slots * CV_JOURNAL_SLOT) != cv_le32_get(head->crc))
		return 0;
	return slots;
}

static uint32_t record_slots(const struct cv_journal_log *log, uint32_t slot)
{
	return slots_of(log, CV_JOURNAL_RECORD_MAGIC, slot, log->slots, CV_RECORD_PAYLOAD_MAX);
}

/* What is on the board, if that is whole. */
static void take_board(struct cv_journal_log *log, const struct cv_host *host)
{
	uint32_t end = CV_JOURNAL_SUPERS + log->board_slots;
	const uint8_t *at = log->bytes + (size_t)CV_JOURNAL_SUPERS * CV_JOURNAL_SLOT;
	const struct cv_journal_record_disk *head = (const void *)at;
	uint8_t seal[32];

	if (!log->board_slots || !slots_of(log, CV_JOURNAL_BOARD_MAGIC, CV_JOURNAL_SUPERS, end, log->board_slots * CV_JOURNAL_SLOT) ||
	    cv_le64_get(head->epoch) > log->epoch || cv_le16_get(head->type) != CV_RECORD_META)
		return;
	log->board = (struct cv_record){ CV_RECORD_META, cv_le64_get(head->number), cv_le64_get(head->time_ns),
					 at + sizeof *head, cv_le32_get(head->len) };
	log->own &= cv_record_seal(host, at, sizeof *head + log->board.len, cv_first_seal, seal) &&
		    !memcmp(seal, head->seal, sizeof seal);
}

static bool follows(const struct cv_journal_log *log, const struct cv_journal_record_disk *head)
{
	uint16_t type = cv_le16_get(head->type);

	return cv_le64_get(head->number) == log->records.len + 1 && cv_le32_get(head->previous_crc) == log->last_crc &&
	       cv_le64_get(head->epoch) <= log->epoch && type >= CV_RECORD_PREPARE && type < CV_RECORD_TYPES &&
	       (type == CV_RECORD_PREPARE) == !log->records.len;
}

static bool take_record(struct cv_journal_log *log, const struct cv_host *host)
{
	const uint8_t *at = log->bytes + (size_t)log->end * CV_JOURNAL_SLOT;
	const struct cv_journal_record_disk *head = (const void *)at;
	struct cv_record r = { (enum cv_record_type)cv_le16_get(head->type), cv_le64_get(head->number),
			       cv_le64_get(head->time_ns), at + sizeof *head, cv_le32_get(head->len) };
	uint8_t seal[32];

	log->own &= cv_record_seal(host, at, sizeof *head + r.len, log->last_seal, seal) &&
		    !memcmp(seal, head->seal, sizeof seal);
	memcpy(log->last_seal, head->seal, sizeof log->last_seal);
	log->last_crc = cv_le32_get(head->crc);
	return cv_record_vec_push(&log->records, r);
}

/* Behind the end nothing may be in order: a record there says that one before it was lost. */
static bool more_follows(const struct cv_journal_log *log)
{
	for (uint32_t slot = log->end; slot < log->slots; slot++) {
		const struct cv_journal_record_disk *head =
			(const void *)(log->bytes + (size_t)slot * CV_JOURNAL_SLOT);

		if (record_slots(log, slot) && cv_le64_get(head->number) > log->records.len)
			return true;
	}
	return false;
}

static bool take_records(struct cv_journal_log *log, const struct cv_host *host, struct cv_err *err)
{
	log->end = CV_JOURNAL_SUPERS + log->board_slots;
	take_board(log, host);
	while (log->end < log->slots) {
		uint32_t slots = record_slots(log, log->end);

		if (!slots || !follows(log, (const void *)(log->bytes + (size_t)log->end * CV_JOURNAL_SLOT)))
			break;
		if (!take_record(log, host))
			return cv_fail(err, CV_ENOMEM, "out of memory");
		log->end += slots;
	}
	log->damaged = !log->records.len || more_follows(log);
	return true;
}

static bool load(struct cv_journal_log *log, const struct cv_file_out *file, uint64_t *size, struct cv_err *err)
{
	struct stat st;

	if (file->io->fstat(file->io, file->fd, &st) != 0)
		return cv_io_fail(err, "look at", file->name);
	*size = (uint64_t)st.st_size;
	if (!S_ISREG(st.st_mode) || *size < (uint64_t)CV_JOURNAL_SUPERS * CV_JOURNAL_SLOT || *size > LARGEST)
		return cv_fail(err, CV_EFORMAT, "it is no journal: %" PRIu64 " bytes", *size);
	log->bytes = malloc((size_t)*size);
	if (!log->bytes)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_out_read(file, log->bytes, (size_t)*size, 0, err);
}

bool cv_journal_read(struct cv_journal_log *log, const struct cv_io *io, const struct cv_host *host, int dir,
		     const char *name, struct cv_err *err)
{
	struct cv_file_out file = { io, io->openat(io, dir, name, O_RDONLY | O_NONBLOCK, 0), name };
	const struct cv_journal_super_disk *super;
	uint64_t size = 0;
	bool ok;

	*log = (struct cv_journal_log){ 0 };
	if (file.fd < 0)
		return cv_io_fail(err, "open", name);
	ok = load(log, &file, &size, err);
	io->close(io, file.fd);
	super = ok ? newest_super(log->bytes, size) : NULL;
	if (super) {
		take_super(log, super, host);
		ok = take_records(log, host, err);
	} else if (ok) {
		ok = cv_fail(err, CV_EFORMAT, "it is no journal: neither superblock is valid");
	}
	if (!ok)
		cv_journal_log_fini(log);
	return ok;
}

void cv_journal_log_fini(struct cv_journal_log *log)
{
	free(log->records.at);
	free(log->bytes);
	*log = (struct cv_journal_log){ 0 };
}

const struct cv_record *cv_journal_last(const struct cv_journal_log *log, enum cv_record_type type)
{
	for (size_t i = log->records.len; i-- > 0;)
		if (log->records.at[i].type == type)
			return &log->records.at[i];
	return NULL;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Makes journals and appends to them. When a barrier has failed once nothing more is written: what is on disk is then
 * not known, and recovery decides by what it reads. */
#include "repair/journal/seal.h"
#include <chainview/text.h>
#include <stdio.h>

struct cv_journal_name cv_journal_name(const uint8_t op[16])
{
	struct cv_journal_name name;

	snprintf(name.s, sizeof name.s, "%s.cvj", cv_uuid_str(op).s);
	return name;
}

static struct cv_journal_name temporary_name(const uint8_t op[16])
{
	struct cv_journal_name name;

	snprintf(name.s, sizeof name.s, "%s.tmp", cv_uuid_str(op).s);
	return name;
}

uint32_t cv_journal_slots(size_t payload)
{
	return (uint32_t)((sizeof(struct cv_journal_record_disk) + payload + CV_JOURNAL_SLOT - 1) / CV_JOURNAL_SLOT);
}

static struct cv_file_out out_of(const struct cv_journal *j)
{
	return (struct cv_file_out){ j->io, j->fd, "the journal" };
}

/* The owner is this process. */
static struct cv_journal_super_disk super_of(const struct cv_journal *j)
{
	struct cv_journal_super_disk s = {
		.version = cv_le16_of(CV_JOURNAL_VERSION), .type = cv_le16_of((uint16_t)j->type),
		.slots = cv_le32_of(j->slots), .board = cv_le32_of(j->board), .pid = cv_le32_of(j->host->pid),
		.pid_start = cv_le64_of(j->host->pid_start), .epoch = cv_le64_of(j->epoch),
		.created_ns = cv_le64_of(j->created_ns),
	};

	memcpy(s.magic, CV_JOURNAL_SUPER_MAGIC, sizeof s.magic);
	memcpy(s.op, j->op, 16);
	memcpy(s.repository, j->repository, 16);
	memcpy(s.host, j->host->id, 16);
	memcpy(s.boot, j->host->boot, 16);
	return s;
}

static bool write_super(const struct cv_journal *j, unsigned copy, struct cv_err *err)
{
	uint8_t slot[CV_JOURNAL_SLOT] = { 0 };
	struct cv_journal_super_disk super = super_of(j), sealed = super;
	struct cv_file_out out = out_of(j);

	if (!cv_super_seal(j->host, &super, sealed.seal) && j->host->has_key)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	memcpy(slot, &sealed, sizeof sealed);
	sealed.crc = cv_le32_of(cv_super_crc(slot));
	memcpy(slot, &sealed, sizeof sealed);
	return cv_out_write(&out, slot, sizeof slot, (uint64_t)copy * CV_JOURNAL_SLOT, err);
}

/* Zeros, not holes: what is written later must not need space. */
static bool reserve(const struct cv_journal *j, uint32_t from, uint32_t end, struct cv_err *err)
{
	enum { AT_ONCE = 64 };
	CV_AUTO(cv_auto_free) uint8_t *zeros = calloc(AT_ONCE, CV_JOURNAL_SLOT);
	struct cv_file_out out = out_of(j);

	if (!zeros)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	for (uint32_t slot = from; slot < end; slot += AT_ONCE) {
		uint32_t count = end - slot < AT_ONCE ? end - slot : AT_ONCE;

		if (!cv_out_write(&out, zeros, (size_t)count * CV_JOURNAL_SLOT, (uint64_t)slot * CV_JOURNAL_SLOT, err))
			return false;
	}
	return true;
}

/* A record in whole slots, with its checksum; the caller's. before: the seal that goes before it; becomes its own. */
static uint8_t *record_of(const struct cv_journal *j, struct cv_journal_record_disk head, const char *magic,
			  const void *payload, size_t len, uint8_t before[32], struct cv_err *err)
{
	size_t bytes = (size_t)cv_journal_slots(len) * CV_JOURNAL_SLOT;
	uint8_t *record = calloc(1, bytes);
	struct cv_journal_record_disk *at = (void *)record;

	if (!record) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(head.magic, magic, sizeof head.magic);
	memcpy(head.op, j->op, sizeof head.op);
	head.version = cv_le16_of(CV_JOURNAL_VERSION);
	head.len = cv_le32_of((uint32_t)len);
	head.epoch = cv_le64_of(j->epoch);
	head.time_ns = cv_le64_of(j->host->now_ns(j->host));
	*at = head;
	if (len)
		memcpy(record + sizeof head, payload, len);
	if (!cv_record_seal(j->host, record, sizeof head + len, before, at->seal) && j->host->has_key) {
		free(record);
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	memcpy(before, at->seal, sizeof at->seal);
	at->crc = cv_le32_of(cv_record_crc(record, bytes));
	return record;
}

bool cv_journal_add(struct cv_journal *j, enum cv_record_type type, const void *payload, size_t len, struct cv_err *err)
{
	uint32_t slots = cv_journal_slots(len);
	struct cv_journal_record_disk head = { .type = cv_le16_of((uint16_t)type), .number = cv_le64_of(j->number + 1),
					       .previous_crc = cv_le32_of(j->last_crc) };
	CV_AUTO(cv_auto_free) uint8_t *record = NULL;
	struct cv_file_out out = out_of(j);
	uint8_t seal[32];

	if (len > CV_RECORD_PAYLOAD_MAX)
		return cv_fail(err, CV_ELIMIT, "a journal record of %zu bytes", len);
	if (slots > j->slots - j->next)
		return cv_fail(err, CV_ELIMIT, "the journal is full: %" PRIu32 " slots, %" PRIu32 " used", j->slots, j->next);
	memcpy(seal, j->last_seal, sizeof seal);
	record = record_of(j, head, CV_JOURNAL_RECORD_MAGIC, payload, len, seal, err);
	if (!record || !cv_out_write(&out, record, (size_t)slots * CV_JOURNAL_SLOT, (uint64_t)j->next * CV_JOURNAL_SLOT, err))
		return false;
	j->next += slots;
	j->number++;
	j->last_crc = cv_le32_get(((const struct cv_journal_record_disk *)(const void *)record)->crc);
	memcpy(j->last_seal, seal, sizeof j->last_seal);
	return true;
}

size_t cv_journal_board_room(const struct cv_journal *j)
{
	return j->board ? (size_t)j->board * CV_JOURNAL_SLOT - sizeof(struct cv_journal_record_disk) : 0;
}

bool cv_journal_post(struct cv_journal *j, const void *payload, size_t len, struct cv_err *err)
{
	struct cv_journal_record_disk head = { .type = cv_le16_of(CV_RECORD_META), .number = cv_le64_of(j->posted + 1) };
	CV_AUTO(cv_auto_free) uint8_t *record = NULL;
	struct cv_file_out out = out_of(j);
	uint8_t seal[32] = { 0 };

	if (len > cv_journal_board_room(j))
		return cv_fail(err, CV_ELIMIT, "%zu bytes for a board of %" PRIu32 " slots", len, j->board);
	record = record_of(j, head, CV_JOURNAL_BOARD_MAGIC, payload, len, seal, err);
	if (!record || !cv_out_write(&out, record, (size_t)cv_journal_slots(len) * CV_JOURNAL_SLOT,
				     (uint64_t)CV_JOURNAL_SUPERS * CV_JOURNAL_SLOT, err))
		return false;
	j->posted++;
	return true;
}

bool cv_journal_barrier(struct cv_journal *j, struct cv_err *err)
{
	return j->io->fdatasync(j->io, j->fd) == 0 || cv_io_fail(err, "sync", "the journal");
}

/* The file under its temporary name, complete and on disk. */
static bool make(struct cv_journal *j, const void *prepare, size_t len, struct cv_err *err)
{
	j->created_ns = j->host->now_ns(j->host);
	return reserve(j, 0, j->slots, err) && write_super(j, 0, err) && write_super(j, 1, err) &&
	       cv_journal_add(j, CV_RECORD_PREPARE, prepare, len, err) &&
	       (j->io->fsync(j->io, j->fd) == 0 || cv_io_fail(err, "sync", "the journal"));
}

bool cv_journal_grow(struct cv_journal *j, uint32_t slots, struct cv_err *err)
{
	uint32_t before = j->slots;

	if (j->slots - j->next >= slots)
		return true;
	if (__builtin_add_overflow(j->next, slots, &j->slots) || !reserve(j, before, j->slots, err) ||
	    (j->io->fsync(j->io, j->fd) != 0 && !cv_io_fail(err, "sync", "the journal"))) {
		j->slots = before;
		return err->code ? false : cv_fail(err, CV_ELIMIT, "a journal of so many slots");
	}
	j->epoch++;
	return write_super(j, (unsigned)(j->epoch & 1), err) && cv_journal_barrier(j, err);
}

static bool publish(struct cv_journal *j, const char *from, struct cv_err *err)
{
	struct cv_journal_name name = cv_journal_name(j->op);

	if (j->io->renameat(j->io, j->dir, from, j->dir, name.s, RENAME_NOREPLACE) != 0)
		return cv_io_fail(err, "rename", from);
	return j->io->fsync(j->io, j->dir) == 0 || cv_io_fail(err, "sync", "the folder of journals");
}

bool cv_journal_create(struct cv_journal *j, const struct cv_io *io, const struct cv_host *host, int dir,
		       const uint8_t repository[16], enum cv_plan_kind type, const void *prepare, size_t len,
		       uint32_t more_slots, uint32_t board, struct cv_err *err)
{
	struct cv_journal_name temporary;

	*j = (struct cv_journal){ .io = io, .host = host, .dir = dir, .fd = -1, .type = type, .epoch = 1,
				  .next = CV_JOURNAL_SUPERS + board, .board = board };
	if (__builtin_add_overflow(CV_JOURNAL_SUPERS + board + cv_journal_slots(len), more_slots, &j->slots))
		return cv_fail(err, CV_ELIMIT, "a journal of %" PRIu32 " slots", more_slots);
	memcpy(j->repository, repository, sizeof j->repository);
	if (!host->random(host, j->op, sizeof j->op))
		return cv_fail_errno(err, "cannot make an identity");
	j->op[6] = (uint8_t)((j->op[6] & 0x0f) | 0x40);
	j->op[8] = (uint8_t)((j->op[8] & 0x3f) | 0x80);
	memcpy(j->last_seal, cv_first_seal, sizeof cv_first_seal);
	temporary = temporary_name(j->op);
	j->fd = io->openat(io, dir, temporary.s, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (j->fd < 0)
		return cv_io_fail(err, "create", temporary.s);
	/* Also on a btrfs that is full records can be written later. Whether it could be told shows then. */
	(void)io->write_over(io, j->fd);
	if (make(j, prepare, len, err) && publish(j, temporary.s, err))
		return true;
	cv_journal_close(j);
	io->unlinkat(io, dir, temporary.s, 0);
	return false;
}

bool cv_journal_finish(struct cv_journal *j, enum cv_record_type type, int done_dir, struct cv_err *err)
{
	struct cv_journal_name name = cv_journal_name(j->op);

	if (!cv_journal_add(j, type, NULL, 0, err) || !cv_journal_barrier(j, err))
		return false;
	if (j->io->renameat(j->io, j->dir, name.s, done_dir, name.s, RENAME_NOREPLACE) != 0)
		return cv_io_fail(err, "archive", name.s);
	return (j->io->fsync(j->io, done_dir) == 0 && j->io->fsync(j->io, j->dir) == 0) ||
	       cv_io_fail(err, "sync", "the folders of journals");
}

void cv_journal_close(struct cv_journal *j)
{
	if (j->fd >= 0)
		j->io->close(j->io, j->fd);
	j->fd = -1;
}

static bool may_take_over(const struct cv_journal_log *log, const struct cv_host *host, bool adopt, struct cv_err *err)
{
	bool here = !memcmp(log->host, host->id, 16);

	if (log->damaged)
		return cv_fail(err, CV_EREFUSED, "its journal is damaged: nothing is touched");
	if ((!here || !log->own) && !adopt)
		return cv_fail(err, CV_EREFUSED, here ? "its journal is not sealed with the key of this host; --adopt takes it"
						      : "it was begun on another host; --adopt takes it, when that host is dead");
	if (here && !memcmp(log->boot, host->boot, 16) && log->pid != host->pid &&
	    host->alive(host, log->pid, log->pid_start))
		return cv_fail(err, CV_EREFUSED, "it is still running: process %" PRIu32, log->pid);
	return true;
}

bool cv_journal_take_over(struct cv_journal *j, const struct cv_journal_log *log, const struct cv_io *io,
			  const struct cv_host *host, int dir, const char *name, bool adopt, struct cv_err *err)
{
	*j = (struct cv_journal){ .io = io, .host = host, .dir = dir, .fd = -1, .type = log->type, .epoch = log->epoch + 1,
				  .next = log->end, .slots = log->slots, .number = log->records.len,
				  .last_crc = log->last_crc, .board = log->board_slots, .posted = log->board.number,
				  .created_ns = log->created_ns };
	memcpy(j->repository, log->repository, sizeof j->repository);
	memcpy(j->op, log->op, 16);
	memcpy(j->last_seal, log->last_seal, sizeof j->last_seal);
	if (!may_take_over(log, host, adopt, err))
		return false;
	j->fd = io->openat(io, dir, name, O_RDWR, 0);
	if (j->fd < 0)
		return cv_io_fail(err, "open", name);
	if (write_super(j, (unsigned)(j->epoch & 1), err) && cv_journal_barrier(j, err))
		return true;
	cv_journal_close(j);
	return false;
}

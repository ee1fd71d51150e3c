/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Journals: whoever can write into a repository can leave one there. An input is a sparse file (sparse.h), which is
 * read through an I/O table that has nothing else.
 */
#include "inspect/base/arena.h"
#include "repair/journal/seal.h"
#include "repair/operation/work.h"
#include "tests/fuzz/image.h"

#define FILE_MOST (UINT64_C(4) << 20)
#define SLOTS 8u

static struct sparse file;

static int file_openat(const struct cv_io *io, int dir, const char *name, int flags, mode_t mode)
{
	(void)io, (void)dir, (void)name, (void)flags, (void)mode;
	return 3;
}

static int file_close(const struct cv_io *io, int fd)
{
	(void)io, (void)fd;
	return 0;
}

static ssize_t file_pread(const struct cv_io *io, int fd, void *buf, size_t len, uint64_t off)
{
	(void)io, (void)fd;
	if (off >= file.size)
		return 0;
	if (len > file.size - off)
		len = file.size - off;
	sparse_read(&file, buf, len, off);
	return (ssize_t)len;
}

static int file_fstat(const struct cv_io *io, int fd, struct stat *st)
{
	(void)io, (void)fd;
	*st = (struct stat){ .st_mode = S_IFREG | 0600, .st_size = (off_t)file.size };
	return 0;
}

static const struct cv_io memory_io = {
	.openat = file_openat, .close = file_close, .pread = file_pread, .fstat = file_fstat,
};
static const struct cv_host host = { .has_key = true, .key = "always the same key" };

/* The names that it gives are what is moved and put back: they lead down and nowhere else. */
static void require_items(const struct cv_plan_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fuzz_require(items[i].path && items[i].path[0] && items[i].path[0] != '/', "an image without a path");
		fuzz_require(strncmp(items[i].path, "../", 3) && !strstr(items[i].path, "/../"), "it leads up: %s", items[i].path);
	}
}

static void read_prepare(const struct cv_record *prepare)
{
	struct cv_arena *arena = cv_arena_new((size_t)256 << 20);
	const struct cv_plan_item *items = NULL;
	const char *command = NULL;
	struct cv_err err = { 0 };
	size_t count = 0;

	fuzz_require(arena, "no memory");
	if (cv_items_unpack(arena, prepare, &command, &items, &count, &err))
		require_items(items, count);
	else
		fuzz_require(!count, "%zu images of a record that is refused: %s", count, err.text);
	fuzz_require_shown(cv_bytes_of(err.text), false);
	cv_arena_free(arena);
}

static void run_journal(const uint8_t *at, size_t len)
{
	struct cv_journal_log log;
	struct cv_err err = { 0 };

	sparse_decode(&file, at, len);
	file.size %= FILE_MOST;
	if (!cv_journal_read(&log, &memory_io, &host, 0, "x.cvj", &err)) {
		fuzz_require_shown(cv_bytes_of(err.text), false);
		return;
	}
	fuzz_require(log.damaged || log.records.len, "a journal that says nothing");
	for (size_t i = 0; i < log.records.len; i++) {
		const struct cv_record *r = &log.records.at[i];

		fuzz_require(r->payload >= log.bytes && r->payload + r->len <= log.bytes + file.size, "a record outside");
		fuzz_require(r->number == i + 1, "record %zu has number %" PRIu64, i, r->number);
	}
	if (log.records.len)
		read_prepare(&log.records.at[0]);
	cv_journal_log_fini(&log);
}

/* --- making and changing journals ------------------------------------------------------------------------- */

/* Checksums of everything that looks like a superblock or a record. */
static void seal_journal(struct fuzz_image *m)
{
	static uint8_t slots[SLOTS * CV_JOURNAL_SLOT];
	size_t crc_at = offsetof(struct cv_journal_record_disk, crc), super_at = offsetof(struct cv_journal_super_disk, crc);

	for (uint64_t off = 0; off < m->file.size && off < sizeof slots; off += CV_JOURNAL_SLOT) {
		const struct cv_journal_record_disk *head = (const void *)slots;
		size_t len;

		sparse_read(&m->file, slots, CV_JOURNAL_SLOT, off);
		len = (size_t)cv_journal_slots(cv_le32_get(head->len) % sizeof slots) * CV_JOURNAL_SLOT;
		if (off < CV_JOURNAL_SUPERS * CV_JOURNAL_SLOT) {
			fuzz_image_put(m, off + super_at, cv_super_crc(slots), 4);
		} else if (!memcmp(head->magic, CV_JOURNAL_RECORD_MAGIC, 4) && len <= sizeof slots) {
			sparse_read(&m->file, slots, len, off);
			fuzz_image_put(m, off + crc_at, cv_record_crc(slots, len), 4);
		}
	}
}

static size_t journal_mutate(uint8_t *at, size_t len, size_t max, struct fuzz_dice *d)
{
	/* VHDX: its numbers are little-endian, too. */
	return fuzz_image_mutate_as(CV_FORMAT_VHDX, seal_journal, at, len, max, d);
}

static void add_record(struct fuzz_image *m, unsigned slot, unsigned type, const struct cv_pack *payload)
{
	struct cv_journal_record_disk head = { .magic = CV_JOURNAL_RECORD_MAGIC, .version = cv_le16_of(CV_JOURNAL_VERSION) };
	uint64_t off = (uint64_t)slot * CV_JOURNAL_SLOT;

	head.type = cv_le16_of((uint16_t)type);
	head.number = cv_le64_of(slot - CV_JOURNAL_SUPERS + 1);
	head.len = cv_le32_of((uint32_t)payload->len);
	head.epoch = cv_le64_of(1);
	fuzz_image_poke(m, off, &head, sizeof head);
	if (payload->len)
		fuzz_image_poke(m, off + sizeof head, payload->at, payload->len);
}

/* The checksum of the record before, which a record holds; needs the ones before to be sealed. */
static void chain_records(struct fuzz_image *m)
{
	for (uint64_t slot = CV_JOURNAL_SUPERS + 1; slot < SLOTS; slot++) {
		uint64_t off = slot * CV_JOURNAL_SLOT;

		seal_journal(m);
		fuzz_image_put(m, off + offsetof(struct cv_journal_record_disk, previous_crc),
			       fuzz_image_get(m, off - CV_JOURNAL_SLOT + offsetof(struct cv_journal_record_disk, crc), 4), 4);
	}
	seal_journal(m);
}

static void journal_seeds(struct fuzz_seeds *s)
{
	static struct fuzz_image m;
	static uint8_t out[8192];
	struct cv_plan_item items[2] = { { .path = "sub/base.vhd", .size = 4096 }, { .path = "leaf.vhd", .parent = "sub/base.vhd" } };
	struct cv_journal_super_disk super = { .magic = CV_JOURNAL_SUPER_MAGIC, .version = cv_le16_of(CV_JOURNAL_VERSION),
					       .type = cv_le16_of(CV_PLAN_TRASH), .slots = cv_le32_of(SLOTS) };
	struct cv_pack prepare = { 0 }, nothing = { 0 };

	super.epoch = cv_le64_of(1);
	m = (struct fuzz_image){ .format = CV_FORMAT_VHDX, .file = { .size = (uint64_t)SLOTS * CV_JOURNAL_SLOT } };
	for (unsigned i = 0; i < CV_JOURNAL_SUPERS; i++)
		fuzz_image_poke(&m, (uint64_t)i * CV_JOURNAL_SLOT, &super, sizeof super);
	fuzz_require(cv_items_pack(&prepare, "gc /sr", items, CV_COUNT(items)), "no memory");
	add_record(&m, 2, CV_RECORD_PREPARE, &prepare);
	add_record(&m, 3, CV_RECORD_PROGRESS, &nothing);
	add_record(&m, 4, CV_RECORD_TRASHED, &nothing);
	add_record(&m, 5, CV_RECORD_DONE, &nothing);
	chain_records(&m);
	s->keep(s, out, sparse_encode(&m.file, out, sizeof out));
	cv_pack_fini(&prepare);
}

const struct fuzz_target fuzz_target_journal = {
	.name = "journal", .max = 8192, .run = run_journal, .mutate = journal_mutate, .seeds = journal_seeds,
};

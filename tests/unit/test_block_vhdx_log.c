/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * VHDX images with a pending log: logs written here against the same changes made one after the other in memory,
 * logs that QEMU leaves when it is killed against what QEMU makes of them, and random damage.
 */
#include "tests/unit/test_block_vhdx_log.h"
#include "tests/support/run.h"
#include <signal.h>
#include <sys/wait.h>

/*
 * Entries before the tail, an older sequence, a torn entry behind the head and one of another log lie around the
 * active sequence, wherever in the log that begins.
 */
static void random_logs_read_as_if_they_had_been_replayed(void **state)
{
	static struct change changes[140];
	uint32_t seed = 123;

	(void)state;
	for (int round = 0; round < 60; round++) {
		uint32_t at = cv_test_random(&seed, LOG_SECTORS), before = cv_test_random(&seed, 3), tail = 0;
		uint32_t active = 1 + cv_test_random(&seed, 4);
		uint64_t sequence = 1 + ((uint64_t)cv_test_random(&seed, 5) << 31);
		struct entry e = { .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };

		start_over();
		e.sequence = sequence + 2000;
		e.tail = (at + 128) % LOG_SECTORS;
		e.guid = LOG_TAG + 1;
		changes[0] = random_change(&seed);
		put_log(e.tail, &e, changes, 1);
		e.guid = LOG_TAG;
		e.sequence = sequence;
		e.tail = (at + 132) % LOG_SECTORS;
		sequence += 100 + put_log(e.tail, &e, changes, 1);
		for (uint32_t i = 0; i < before + active; i++) {
			/* the last entry, alone, has more descriptors than the first sector can hold */
			uint32_t count = !before && active == 1 ? 127 : cv_test_random(&seed, 8);

			for (uint32_t k = 0; k < count; k++) {
				changes[k] = random_change(&seed);
				if (count == 127 && k % 4)
					changes[k].zeros = PAGE;
			}
			if (i == before)
				tail = at;
			e.tail = i < before ? at : tail;
			e.sequence = sequence + i;
			if (i >= before)
				apply(changes, count);
			at = put_log(at, &e, changes, count);
		}
		e.sequence++;
		changes[0] = random_change(&seed);
		changes[0].zeros = 0;
		put_log(at, &e, changes, 1);
		image[LOG_AT + (at + 1) % LOG_SECTORS * PAGE + 100] ^= 1;
		assert_reads_as_applied(FILE_LEN, &seed);
	}
}

/* The BAT's first page, with block 1 where its bytes are. */
static struct change whole_bat(void)
{
	struct change c = { .off = BAT_AT };

	memcpy(c.page, sound + BAT_AT, PAGE);
	put_le(c.page + 8, 8, (FIRST_BLOCK + MIB) | FULL);
	return c;
}

static void a_block_that_only_the_log_knows_is_found(void **state)
{
	const struct entry e = { .tail = 3, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct change c = whole_bat();
	struct cv_layer *layer;
	struct model all;
	uint32_t seed = 1;

	(void)state;
	start_over();
	layer = layer_of(image_source(FILE_LEN), CV_FORMAT_VHDX);
	assert_layer(layer, &model, &seed, "without the log");
	cv_layer_close(layer);
	put_log(3, &e, &c, 1);
	model_init(&all, DISK, 1, CV_EXTENT_DATA);
	layer = layer_of(image_source(FILE_LEN), CV_FORMAT_VHDX);
	assert_layer(layer, &all, &seed, "with the log");
	cv_layer_close(layer);
	free(all.kinds);
}

/* What was there when the log was written must be there; what was to be added reads as zeros. */
static void the_file_has_the_length_that_the_log_asks_for(void **state)
{
	struct entry e = { .tail = 0, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN + 4 * MIB };
	struct change c = whole_bat();
	struct cv_layer *layer;
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct cv_err err = { CV_OK };
	static uint8_t buf[MIB], zeros[MIB];

	(void)state;
	start_over();
	put_le(c.page + 8, 8, (FILE_LEN + 2 * MIB) | FULL);
	put_log(0, &e, &c, 1);
	layer = layer_of(image_source(FILE_LEN), CV_FORMAT_VHDX);
	assert_true(layer->source->size == e.last);
	assert_true(cv_chain_read(&chain, buf, (struct cv_range){ MIB, MIB }, &err));
	assert_memory_equal(buf, zeros, MIB);
	cv_layer_close(layer);
	assert_refused(image_source(FILE_LEN - 1), CV_FORMAT_VHDX, "it was cut");
	e.last = UINT64_MAX;
	put_log(0, &e, &c, 1);
	assert_refused(image_source(FILE_LEN), CV_FORMAT_VHDX, "asks for a file of");
}

static void zeros_without_end_take_no_memory(void **state)
{
	const struct entry e = { .tail = 0, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct change c = { .off = FIRST_BLOCK + PAGE, .zeros = INT64_MAX - FIRST_BLOCK - 2 * PAGE + 1 };
	uint32_t seed = 8;

	(void)state;
	start_over();
	put_log(0, &e, &c, 1);
	apply(&(struct change){ .off = c.off, .zeros = FILE_LEN }, 1);
	assert_reads_as_applied(FILE_LEN, &seed);
}

/* Changes to one byte of a log with one entry; sealed again or not. */
static void a_log_of_which_nothing_is_whole_is_refused(void **state)
{
	static const struct { const char *what; size_t at; uint8_t byte; bool sealed; } cases[] = {
		{ "checksum", 4, 0x11, false },         { "a byte of the data", PAGE + 99, 0x11, false },
		{ "length", 9, 0x30, true },            { "a length of nothing", 9, 0, true },
		{ "tail beyond the log", 15, 0x7f, true }, { "tail at no entry", 13, 0x10, true },
		{ "sequence 0", 16, 0, true },          { "descriptors", 24, 2, true },
		{ "many descriptors", 27, 0xff, true }, { "descriptor signature", 64, 'x', true },
		{ "descriptor sequence", 64 + 24, 9, true }, { "descriptor offset", 64 + 16, 1, true },
		{ "far descriptor", 64 + 23, 0xff, true }, { "data signature", PAGE, 'x', true },
		{ "data sequence, high", PAGE + 4, 1, true },
	};
	const struct entry e = { .tail = 0, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct change c = whole_bat();

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		start_over();
		put_log(0, &e, &c, 1);
		image[LOG_AT + cases[i].at] = cases[i].byte;
		if (cases[i].sealed)
			seal(image + LOG_AT, 2 * PAGE);
		assert_refused(image_source(FILE_LEN), CV_FORMAT_VHDX, "no sequence of entries in it is whole");
	}
}

/* Cut off while its last sector was to be written; a second entry like it cannot be explained in this way. */
static void an_entry_whose_end_was_never_written_is_nothing_to_do(void **state)
{
	struct entry e = { .tail = 0, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct change c = whole_bat();

	(void)state;
	for (uint32_t old = 0; old < 2; old++) {
		struct cv_layer *layer;
		uint32_t seed = 2;

		start_over();
		put_log(0, &e, &c, 1);
		/* the sector is new, or has what an older log left there */
		memset(image + LOG_AT + PAGE, 0, PAGE);
		if (old) {
			memcpy(image + LOG_AT + PAGE, "data", 4);
			put_le(image + LOG_AT + 2 * PAGE - 4, 4, 4);
		}
		layer = layer_of(image_source(FILE_LEN), CV_FORMAT_VHDX);
		assert_layer(layer, &model, &seed, "unfinished");
		cv_layer_close(layer);
		put_log(9, &e, &c, 1);
		memset(image + LOG_AT + 10 * PAGE, 0, PAGE);
		assert_refused(image_source(FILE_LEN), CV_FORMAT_VHDX, "no sequence of entries in it is whole");
	}
}

static void a_log_that_cannot_be_read_is_refused(void **state)
{
	static const struct { const char *text; uint64_t off, len;
	} cases[] = {
		{ "does not lie in the file", 0, MIB },
		{ "does not lie in the file", MIB, 0 },
		{ "does not lie in the file", MIB + 512, MIB },
		{ "does not lie in the file", MIB, MIB + 4096 },
		{ "does not lie in the file", FILE_LEN, MIB },
		{ "does not lie in the file", UINT64_MAX - MIB + 1, MIB },
		{ "which is more than", MIB, 65 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(cases); i++) {
		char *path = path_in(folder, "odd");
		int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		uint8_t *head = sound + CV_VHDX_HEADER_OFFSET(1);

		start_over();
		write_at(fd, sound, FILE_LEN, 0);
		head = image + CV_VHDX_HEADER_OFFSET(1);
		put_le(head + 68, 4, cases[i].len);
		put_le(head + 72, 8, cases[i].off);
		seal(head, PAGE);
		write_at(fd, head, PAGE, CV_VHDX_HEADER_OFFSET(1));
		if (cases[i].len > FILE_LEN)
			assert_int_equal(ftruncate(fd, 100 * MIB), 0);
		close(fd);
		assert_refused(file_source(path), CV_FORMAT_VHDX, cases[i].text);
		free(path);
	}
}

/* Starts qemu-io on dirty.vhdx, slowed down so that it can be killed between two of its writes. */
static pid_t start_writer(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		int nothing = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		dup2(nothing, STDOUT_FILENO);
		dup2(nothing, STDERR_FILENO);
		if (chdir(folder) == 0)
			execlp("strace", "strace", "-f", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=9000",
			       "qemu-io", "-f", "vhdx", "-c", "write -P 7 3M 64k", "-c", "write -P 8 9M 1M", "-c",
			       "write -P 9 0 3000k", "-c", "write -P 10 15M 4k", "dirty.vhdx", NULL);
		_exit(127);
	}
	return pid;
}

/* The one that was killed before may still be on its way out, and then holds the lock. */
static bool make_anew(void)
{
	const struct timespec moment = { 0, 50000000 };

	for (int i = 0; i < 100; i++, nanosleep(&moment, NULL))
		if (!cv_test_do(folder, NULL, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", "dirty.vhdx", "20M"))
			return true;
	return false;
}

static bool kill_a_writer_after(unsigned milliseconds)
{
	const struct timespec wait = { 0, (long)milliseconds * 1000000 };
	int status = 0;
	pid_t pid;

	assert_true(make_anew());
	pid = start_writer();
	assert_true(pid > 0);
	nanosleep(&wait, NULL);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !WIFEXITED(status) || WEXITSTATUS(status) == 0;
}

static bool is_dirty(struct cv_source *s)
{
	struct cv_vhdx_header_disk h[2];
	struct cv_err err = { CV_OK };
	int current;

	for (int i = 0; i < 2; i++)
		assert_true(cv_source_read(s, &h[i], sizeof h[i], CV_VHDX_HEADER_OFFSET(i), &err));
	current = cv_le64_get(h[1].sequence) > cv_le64_get(h[0].sequence);
	return h[current].log.b[0] || h[current].log.b[1];
}

static void assert_like_checked_copy(struct cv_layer *layer)
{
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	char *path = path_in(folder, "checked.raw");
	struct cv_err err = { CV_OK };
	struct cv_source *raw;

	assert_int_equal(cv_test_do(folder, NULL, "cp", "dirty.vhdx", "checked.vhdx"), 0);
	cv_test_do(folder, NULL, "qemu-img", "check", "-q", "-f", "vhdx", "-r", "all", "checked.vhdx");
	assert_int_equal(cv_test_do(folder, NULL, "qemu-img", "convert", "-f", "vhdx", "-O", "raw", "checked.vhdx",
				    "checked.raw"), 0);
	raw = file_source(path);
	assert_true(raw->size == layer->size);
	for (uint64_t off = 0; off < raw->size; off += AT_ONCE) {
		static uint8_t ours[AT_ONCE], theirs[AT_ONCE];

		assert_true(cv_source_read(raw, theirs, AT_ONCE, off, &err));
		if (!cv_chain_read(&chain, ours, (struct cv_range){ off, AT_ONCE }, &err))
			fail_msg("%s", err.text);
		assert_memory_equal(ours, theirs, AT_ONCE);
	}
	cv_source_close(raw);
	free(path);
}

static void what_a_killed_qemu_leaves_reads_as_after_its_repair(void **state)
{
	unsigned dirty = 0, replayed = 0;

	(void)state;
	if (!cv_test_has("qemu-img") || !cv_test_has("qemu-io") || !cv_test_has("strace")) {
		puts("skipped: no qemu-img, qemu-io or strace here");
		skip();
	}
	for (unsigned round = 0; round < 40 && (round < 20 || !replayed); round++) {
		char *path = path_in(folder, "dirty.vhdx");
		struct cv_source *s;
		struct cv_layer *layer;

		if (!kill_a_writer_after(100 + 13 * round % 400)) {
			puts("skipped: strace cannot trace here");
			free(path);
			skip();
		}
		s = file_source(path);
		dirty += is_dirty(s);
		layer = layer_of(s, CV_FORMAT_VHDX);
		replayed += layer->source != s;
		assert_like_checked_copy(layer);
		cv_layer_close(layer);
		free(path);
	}
	printf("%u images with a pending log, %u with entries in it\n", dirty, replayed);
	if (!replayed) {
		puts("skipped: no kill came at the right moment");
		skip();
	}
}

static void map_hostile(void)
{
	struct cv_err err = { CV_OK };
	struct cv_source *s = image_source(FILE_LEN);
	struct cv_layer *layer = cv_layer_open(&s, NULL, CV_FORMAT_VHDX, &err);
	struct cv_chain chain = { .layers = &layer, .count = 1 };
	struct cv_extents list = { 0 };
	static uint8_t buf[70000];

	for (uint64_t off = 0, n = 0; layer && off < layer->size && n < 50; off = cv_extents_end(&list), n++) {
		if (!cv_layer_extents(layer, (struct cv_range){ off, layer->size - off }, &list, &err))
			fail_msg("%s", err.text);
		for (size_t i = 0; i < list.len; i++)
			assert_true(list.at[i].kind != CV_EXTENT_DATA ||
				    cv_range_inside((struct cv_range){ list.at[i].host, list.at[i].at.len },
						    layer->source->size));
	}
	if (layer && layer->size >= sizeof buf && !cv_chain_read(&chain, buf, (struct cv_range){ 0, sizeof buf }, &err))
		assert_int_equal(err.code, CV_EFORMAT);
	cv_extents_fini(&list);
	cv_layer_close(layer);
}

static void thousands_of_mutations_neither_crash_nor_last(void **state)
{
	static const size_t spots[] = { LOG_AT,
					LOG_AT + 64,
					BAT_AT,
					METADATA_AT + 32,
					ITEMS_AT,
					CV_VHDX_HEADER_OFFSET(1) + 48,
					CV_VHDX_REGION_OFFSET(0),
					LOG_AT + PAGE };
	const struct entry e = { .tail = 0, .sequence = 5, .guid = LOG_TAG, .flushed = FILE_LEN, .last = FILE_LEN };
	struct change c[3] = { whole_bat(), { .off = FIRST_BLOCK, .zeros = 3 * PAGE }, { .off = METADATA_AT } };
	double start = cpu_seconds();
	uint32_t seed = 4711;

	(void)state;
	memcpy(c[2].page, sound + METADATA_AT, PAGE);
	start_over();
	for (int round = 0; round < (SANITIZED ? 1500 : 3000); round++) {
		size_t at[4];

		put_log(0, &e, c, 3);
		for (int i = 0; i < 4; i++) {
			at[i] = spots[cv_test_random(&seed, CV_COUNT(spots))] + cv_test_random(&seed, 80);
			image[at[i]] = cv_test_random(&seed, 3) ? (uint8_t)cv_test_random(&seed, 256) : 0xff;
		}
		seal(image + LOG_AT, 3 * PAGE);
		seal(image + CV_VHDX_HEADER_OFFSET(1), PAGE);
		if (round % 2)
			seal(image + CV_VHDX_REGION_OFFSET(0), CV_VHDX_TABLE_SIZE);
		map_hostile();
		for (int i = 0; i < 4; i++)
			image[at[i]] = sound[at[i]];
		memcpy(image + CV_VHDX_REGION_OFFSET(0), sound + CV_VHDX_REGION_OFFSET(0), PAGE);
	}
	assert_true(cpu_seconds() - start < (SANITIZED ? 60 : 15));
}

/* Every sector claims to begin an entry as long as the log: that must not be summed 16,384 times. */
static void a_log_full_of_entries_is_looked_through_once(void **state)
{
	uint32_t length = 64 * MIB;
	uint8_t *log = calloc(1, length);
	char *path = path_in(folder, "entries");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	double start;

	(void)state;
	start_over();
	for (uint32_t i = 0; i < length; i += PAGE) {
		memcpy(log + i, "loge", 4);
		put_le(log + i + 8, 4, length);
		put_le(log + i + 16, 8, 1);
		memset(log + i + 32, LOG_TAG, 16);
	}
	/* The first entry has a zero descriptor for each of the first 2^18 slots, or so it says. */
	put_le(log + 24, 4, length / 32 - 2);
	for (uint32_t i = 64; i < length; i += 32)
		if (i % PAGE || i < 32 * MIB) {
			memset(log + i, 0, 32);
			memcpy(log + i, "zero", 4);
			put_le(log + i + 24, 8, 1);
		}
	/* Regions behind the log. */
	write_at(fd, sound, LOG_AT, 0);
	write_head(fd, 1, 1, LOG_TAG, length);
	write_at(fd, log, length, LOG_AT);
	assert_int_equal(ftruncate(fd, 100 * MIB), 0);
	close(fd);
	start = cpu_seconds();
	assert_refused(file_source(path), CV_FORMAT_VHDX, "no sequence of entries in it is whole");
	assert_true(cpu_seconds() - start < (SANITIZED ? 10 : 2));
	free(log);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_logs_read_as_if_they_had_been_replayed),
		cmocka_unit_test(a_block_that_only_the_log_knows_is_found),
		cmocka_unit_test(the_file_has_the_length_that_the_log_asks_for),
		cmocka_unit_test(zeros_without_end_take_no_memory),
		cmocka_unit_test(a_log_of_which_nothing_is_whole_is_refused),
		cmocka_unit_test(an_entry_whose_end_was_never_written_is_nothing_to_do),
		cmocka_unit_test(a_log_that_cannot_be_read_is_refused),
		cmocka_unit_test(what_a_killed_qemu_leaves_reads_as_after_its_repair),
		cmocka_unit_test(thousands_of_mutations_neither_crash_nor_last),
		cmocka_unit_test(a_log_full_of_entries_is_looked_through_once),
	};

	return cmocka_run_group_tests_name("block_vhdx_log", tests, make_image, drop_image) ? 1 : 0;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Conversion on a simulated disk, into every format: whatever a power cut leaves, the source is as it was, and the new
 * name either is not there or is the whole image; recovery leaves nothing half done; every barrier is needed; and
 * every call may fail. On a block device the new bytes are known to a journal before the first of them, which says
 * that they are the disk only when they are, and what lies behind them is untouched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/convert/job.h"
#include "repair/operation/work.h"
#include "tests/support/crash_cell.h"
#include "tests/support/crash_faults.h"
#include "tests/support/sim_host.h"
#include "tests/support/sim_store.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

#define DISK 24576u
#define SOURCE "source.raw"
#define NEW "sub/new.img"
#define DEVICE "device"

enum { DEVICE_NUMBER = 77, DEVICE_SIZE = DISK + 8192 };

/* What a guest reads: data, nothing, data that begin and end within a block, zeros that are written. */
static const struct cv_extent extents[] = {
	{ .at = { 0, 8192 }, .kind = CV_EXTENT_DATA, .placed = true, .host = 0 },
	{ .at = { 8192, 5120 }, .kind = CV_EXTENT_PARENT, .layer = 1 },
	{ .at = { 13312, 4608 }, .kind = CV_EXTENT_DATA, .placed = true, .host = 13312 },
	{ .at = { 17920, 6656 }, .kind = CV_EXTENT_ZERO },
};

struct ctx {
	enum cv_format_id to;
	struct cv_target_options target;
	bool reflink, device;
	struct sim_host host;
	bool done;
};

/* The job of the operation, and the disk that it works on. */
struct sim_job {
	struct cv_convert_job job;   /* first */
	struct sim *s;
};

struct sim_feed {
	struct cv_feed feed;         /* first */
	struct cv_feed_file file;
	struct sim *s;
	bool told;
};

static uint8_t byte_of(size_t i)
{
	return i < 8192 || (i >= 13312 && i < 17920) ? (uint8_t)(i / 7 + 1) : 0;
}

static bool feed_next(struct cv_feed *feed, const struct cv_extent **list, size_t *count, struct cv_err *err)
{
	struct sim_feed *f = (struct sim_feed *)feed;

	(void)err;
	*list = extents;
	*count = f->told ? 0 : CV_COUNT(extents);
	f->told = true;
	return true;
}

static void feed_close(struct cv_feed *feed)
{
	struct sim_feed *f = (struct sim_feed *)feed;

	f->s->io.close(&f->s->io, f->file.fd);
	free(f);
}

static struct cv_feed *job_open(const struct cv_convert_job *job, struct cv_err *err)
{
	struct sim *s = ((const struct sim_job *)job)->s;
	struct sim_feed *f = calloc(1, sizeof *f);
	int root = sim_root(s);

	assert_non_null(f);
	f->s = s;
	f->file = (struct cv_feed_file){ s->io.openat(&s->io, root, SOURCE, O_RDONLY, 0), { 0, DISK }, SOURCE };
	f->feed = (struct cv_feed){ feed_next, NULL, feed_close, &f->file, 1, &f->file.fd, 1 };
	s->io.close(&s->io, root);
	if (f->file.fd >= 0)
		return &f->feed;
	cv_io_fail(err, "open", SOURCE);
	free(f);
	return NULL;
}

/* NULL if an image of this format in these bytes reads as the disk does. */
static const char *wrong_image(enum cv_format_id format, const uint8_t *bytes, uint64_t len)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_source *source = cv_source_memory(bytes, len, &err), *none = NULL;
	struct cv_layer *layer = source ? cv_layer_open(&source, &none, format, &err) : NULL;
	struct cv_chain chain = { &layer, 1, false };
	static uint8_t disk[DISK];
	const char *wrong = NULL;

	if (!layer || layer->size != DISK || !cv_chain_read(&chain, disk, (struct cv_range){ 0, DISK }, &err))
		wrong = layer && layer->size != DISK ? "the new image has another size" : "the new image cannot be read";
	for (size_t i = 0; i < DISK && !wrong; i++)
		wrong = disk[i] != byte_of(i) ? "the new image reads differently" : NULL;
	cv_layer_close(layer);
	cv_source_close(source);
	return wrong;
}

static bool job_verify(const struct cv_convert_job *job, int fd, const struct cv_feed_watch *watch, struct cv_err *err)
{
	struct sim *s = ((const struct sim_job *)job)->s;
	struct cv_file_out file = { &s->io, fd, "the new image" };
	const char *wrong;
	uint64_t size;
	uint8_t *bytes;

	if (!watch->tick(watch->ctx, DISK, err) || !cv_out_size(&file, &size, err))
		return false;
	size = job->target.device ? DISK : size;
	bytes = malloc(size);
	assert_non_null(bytes);
	wrong = cv_out_read(&file, bytes, size, 0, err) ? wrong_image(job->to, bytes, size) : err->text;
	free(bytes);
	return !wrong || err->code || cv_fail(err, CV_EIO, "%s", wrong) ? !wrong : false;
}

/* Nothing of it is what a disk holds, nor zero. */
static uint8_t former_byte(size_t i)
{
	return (uint8_t)(0x80 | (i / 512 + i % 5));
}

static struct sim *repository(bool reflink)
{
	struct sim *s = sim_new();
	int root = sim_root(s), fd;
	static uint8_t bytes[DISK], former[DEVICE_SIZE];

	s->reflink = reflink;
	assert_int_equal(s->io.mkdirat(&s->io, root, "sub", 0755), 0);
	for (size_t i = 0; i < DISK; i++)
		bytes[i] = byte_of(i);
	fd = s->io.openat(&s->io, root, SOURCE, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_int_equal(s->io.pwrite(&s->io, fd, bytes, DISK, 0), DISK);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	for (size_t i = 0; i < DEVICE_SIZE; i++)
		former[i] = former_byte(i);
	sim_device_make(s, DEVICE, DEVICE_NUMBER, former, sizeof former);
	return s;
}

static struct cv_plan_source source_of(struct sim *s)
{
	struct cv_plan_source source = { .path = SOURCE };
	int root = sim_root(s);
	struct stat st;

	if (s->io.fstatat(&s->io, root, SOURCE, &st) == 0)
		source = (struct cv_plan_source){ SOURCE, st.st_dev, st.st_ino, (uint64_t)st.st_size,
						  (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec };
	s->io.close(&s->io, root);
	return source;
}

static bool run(struct sim *s, void *ctx, struct cv_err *err)
{
	struct ctx *c = ctx;
	struct sim_job job = { .job = { .to = c->to, .target = c->target, .copy = { .overwrite = c->device }, .data = DISK,
					.open = job_open, .verify = job_verify }, .s = s };
	struct cv_plan_item item = { .path = c->device ? DEVICE : NEW, .device = c->device ? DEVICE_NUMBER : 0 };
	struct cv_plan_source source = source_of(s);
	struct cv_plan plan = { .kind = c->device ? CV_PLAN_CONVERT_DEVICE : CV_PLAN_CONVERT, .items = &item, .item_count = 1, .sources = &source,
				.source_count = 1, .convert = &job.job };
	struct cv_operation_result result;
	int root = sim_root(s);
	struct cv_writing w;
	bool ok = cv_writing_open(&w, &s->io, &c->host.host, root, err);

	if (ok) {
		ok = cv_work_run(&w, &plan, "convert", NULL, &result, err);
		cv_store_close(&w.store);
	}
	s->io.close(&s->io, root);
	c->done = ok;
	return ok;
}

static bool recover(struct sim *s, void *ctx, struct cv_err *err)
{
	return sim_store_recover(s, &((struct ctx *)ctx)->host, 9, err);
}

/* In the stage, if the stage is there itself. */
static bool has_part(const struct sim *s)
{
	uint32_t stage = sim_lookup(s, CV_STORE_NAME "/stage");

	for (size_t i = 0; stage && i < s->now.len; i++)
		if (s->now.at[i].dir == stage && s->now.at[i].inode)
			return true;
	return false;
}

static const char *look_at_source(const struct sim *s)
{
	uint64_t size = 0;
	CV_AUTO(cv_auto_free) uint8_t *source = sim_store_bytes(s, SOURCE, &size);
	bool same = source && size == DISK;

	for (size_t i = 0; same && i < DISK; i++)
		same = source[i] == byte_of(i);
	return same ? NULL : "the source is not what it was";
}

static const char *look_at_file(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	struct sim_journals done;
	uint64_t size = 0;
	CV_AUTO(cv_auto_free) uint8_t *new = NULL;

	(void)guest;
	if (look_at_source(s))
		return look_at_source(s);
	new = sim_store_bytes(s, NEW, &size);
	if (new && wrong_image(c->to, new, size))
		return wrong_image(c->to, new, size);
	if (c->done && !new)
		return "what was promised to be done is not";
	if (!recovered && !c->done)
		return NULL;
	if (sim_store_journals(s, &c->host, "journal").count)
		return "an operation is still pending";
	done = sim_store_journals(s, &c->host, "done");
	if (!done.sound || (new != NULL) != (done.done > 0))
		return "a journal does not say what is so";
	return has_part(s) ? "a half-made file is left" : NULL;
}

/* Until it says DONE, what is on the device may be anything, but somebody must know. */
static const char *look_at_device(struct sim *s, void *ctx, bool recovered, unsigned guest)
{
	const struct ctx *c = ctx;
	uint64_t size = 0;
	CV_AUTO(cv_auto_free) uint8_t *bytes = sim_store_bytes(s, DEVICE, &size);
	struct sim_journals open = sim_store_journals(s, &c->host, "journal"), done = sim_store_journals(s, &c->host, "done");
	bool former = true, whole = true, behind = bytes && size == DEVICE_SIZE;

	(void)guest;
	for (size_t i = 0; behind && i < DEVICE_SIZE; i++) {
		behind = i < DISK || bytes[i] == former_byte(i);
		former &= bytes[i] == former_byte(i);
		whole &= i >= DISK || bytes[i] == byte_of(i);
	}
	if (look_at_source(s))
		return look_at_source(s);
	if (!behind)
		return "what lies behind the disk was changed";
	if (!former && !open.count && !done.count)
		return "the device was changed, and no journal knows of it";
	if (!done.sound || (done.done && !whole))
		return "a journal says done of what is not the disk";
	if (c->done && !done.done)
		return "what was promised to be done is not";
	return (recovered || c->done) && open.count ? "an operation is still pending" : NULL;
}

static struct crash_scene scene_of(struct ctx *c, const char *name)
{
	return (struct crash_scene){ name, run, recover, c->device ? look_at_device : look_at_file, 0, NULL, c };
}

static struct crash_result enumerate(const void *ctx, const struct crash_options *options)
{
	struct ctx c = *(const struct ctx *)ctx;
	struct crash_scene scene = scene_of(&c, "convert");
	struct crash_result r = { 0 };
	struct sim *s = repository(c.reflink);

	sim_host_init(&c.host, 5, 1, 1, 4711);
	sim_store_make(s, &c.host);
	crash_enumerate(s, &scene, options, &r);
	sim_free(s);
	return r;
}

static const struct cell {
	const char *name;
	enum cv_format_id to;
	struct cv_target_options target;
} cells[] = {
	{ "raw", CV_FORMAT_RAW, { .size = DISK } },
	{ "qcow2", CV_FORMAT_QCOW2, { .size = DISK, .block_size = 4096 } },
	{ "qcow2, metadata", CV_FORMAT_QCOW2, { .size = DISK, .block_size = 512, .preallocation = CV_PREALLOCATE_METADATA } },
	{ "vhd", CV_FORMAT_VHD, { .size = DISK, .block_size = 4096 } },
	{ "vhdx", CV_FORMAT_VHDX, { .size = DISK, .block_size = 1 << 20 } },
	{ "vhd, fixed", CV_FORMAT_VHD, { .size = DISK, .fixed = true } },
	{ "raw, preallocated", CV_FORMAT_RAW, { .size = DISK, .preallocation = CV_PREALLOCATE_FULL } },
};

static void all_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_COUNT(cells) * 2; i++) {
		struct ctx c = { .to = cells[i / 2].to, .target = cells[i / 2].target, .reflink = i % 2 };

		crash_prove(&(struct crash_cell){ "convert", cells[i / 2].name, i % 2 ? "shared" : "copied", enumerate, &c,
						  { .seed = 3, .random = 4, .inner = 100, .before = SIM_BARRIERS_OF_OPENING } });
	}
}

static struct ctx onto_a_device(void)
{
	return (struct ctx){ .to = CV_FORMAT_RAW, .target = { .size = DISK, .device = true }, .device = true };
}

static void onto_a_device_survives_every_power_cut_and_needs_every_barrier(void **state)
{
	struct ctx c = onto_a_device();

	(void)state;
	crash_prove(&(struct crash_cell){ "convert", "raw", "onto a device", enumerate, &c,
					  { .seed = 3, .random = 4, .inner = 100, .before = SIM_BARRIERS_OF_OPENING } });
}

static bool is_former(const struct sim *s)
{
	uint64_t size = 0;
	CV_AUTO(cv_auto_free) uint8_t *bytes = sim_store_bytes(s, DEVICE, &size);
	bool same = bytes && size == DEVICE_SIZE;

	for (size_t i = 0; same && i < DEVICE_SIZE; i++)
		same = bytes[i] == former_byte(i);
	return same;
}

/* Somebody who only has it open, and QEMU by its locks alone. */
static void a_device_that_somebody_has_is_not_touched(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		struct cv_err err = { .code = CV_OK };
		struct ctx c = onto_a_device();
		struct sim *s = repository(false);

		sim_host_init(&c.host, 5, 1, 1, 4711);
		if (way)
			sim_other_locks(s, DEVICE, F_RDLCK, 101, 1);
		else
			sim_other_opens(s, DEVICE, false);
		assert_false(run(s, &c, &err));
		assert_int_equal(err.code, CV_EREFUSED);
		assert_non_null(strstr(err.text, "/" DEVICE " is "));
		assert_non_null(strstr(err.text, SIM_OTHER));
		assert_null(look_at_device(s, &c, true, 0));
		assert_true(is_former(s));
		sim_free(s);
	}
}

static void reset(void *ctx)
{
	struct ctx *c = ctx;

	c->done = false;
	sim_host_init(&c->host, 5, 1, 1, 4711);
}

static void every_call_may_fail(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct crash_faults faults = { .errors = errors, .count = CV_COUNT(errors), .reset = reset };

	(void)state;
	for (size_t i = 0; i <= CV_COUNT(cells) * 2; i++) {
		bool device = i == CV_COUNT(cells) * 2;
		struct ctx c = device ? onto_a_device() : (struct ctx){ .to = cells[i / 2].to, .target = cells[i / 2].target };
		struct crash_scene scene = scene_of(&c, device ? "onto a device" : cells[i / 2].name);
		struct sim *s = repository(i % 2);

		if (!crash_fail_each(s, &scene, &faults))
			fail_msg("%s", faults.first);
		sim_free(s);
	}
	print_message("%llu runs with a call that failed\n", (unsigned long long)faults.runs);
	assert_true(faults.runs > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(onto_a_device_survives_every_power_cut_and_needs_every_barrier),
		cmocka_unit_test(a_device_that_somebody_has_is_not_touched),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests_name("convert on a simulated disk", tests, NULL, NULL);
}

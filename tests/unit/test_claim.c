/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Claims and pace on a simulated disk, where another program does what it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "repair/operation/work.h"
#include "tests/support/sim_host.h"
#include "tests/support/simdisk.h"
#include "tests/support/simdisk_io.h"

#define NAME "a\033.vhd"
#define SHOWN "a\\x1b.vhd"

struct scene {
	struct sim *s;
	int root, fd;                /* of the source, for reading */
	struct cv_plan_source source;
	struct cv_plan_item item;
	struct cv_writing w;
	struct cv_work work;
	struct cv_monitor monitor;
	struct cv_err err;
	unsigned ticks, cancel_at;   /* 0: never */
	bool (*on_tick)(struct scene *c);
};

static bool tick(void *ctx, const char *what, uint64_t done, uint64_t total)
{
	struct scene *c = ctx;

	assert_non_null(what);
	assert_true(done <= total);
	return ++c->ticks != c->cancel_at && (!c->on_tick || c->on_tick(c));
}

static void look_at_file(struct scene *c, uint64_t *device, uint64_t *inode, uint64_t *size, int64_t *mtime_ns)
{
	struct stat st;

	assert_int_equal(c->s->io.fstatat(&c->s->io, c->root, NAME, &st), 0);
	*device = st.st_dev;
	*inode = st.st_ino;
	*size = (uint64_t)st.st_size;
	*mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static void write_some(struct sim *s, int root)
{
	int fd = s->io.openat(&s->io, root, NAME, O_RDWR | O_CREAT, 0600);

	assert_int_equal(s->io.pwrite(&s->io, fd, "disk", 4, 1000), 4);
	s->io.close(&s->io, fd);
}

/* One file, which is the only source, the only item, and open for reading. */
static void begin(struct scene *c)
{
	*c = (struct scene){ .s = sim_new(), .monitor = { .tick = tick } };
	c->root = sim_root(c->s);
	write_some(c->s, c->root);
	c->source.path = c->item.path = NAME;
	look_at_file(c, &c->source.device, &c->source.inode, &c->source.size, &c->source.mtime_ns);
	look_at_file(c, &c->item.device, &c->item.inode, &c->item.size, &c->item.mtime_ns);
	c->fd = c->s->io.openat(&c->s->io, c->root, NAME, O_RDONLY, 0);
	c->w = (struct cv_writing){ .io = &c->s->io, .root = c->root };
	c->monitor.ctx = c;
	c->work = (struct cv_work){ .w = &c->w, .items = &c->item, .item_count = 1, .sources = &c->source, .source_count = 1,
				    .monitor = &c->monitor };
}

static void end(struct scene *c)
{
	cv_work_release(&c->work);
	cv_work_step_forward(&c->work);
	assert_int_equal(sim_held(c->s), 0);
	c->s->io.close(&c->s->io, c->fd);
	c->s->io.close(&c->s->io, c->root);
	for (size_t i = 0; i < c->s->fds.len; i++)
		assert_int_equal(c->s->fds.at[i].inode, 0);
	sim_free(c->s);
}

static void claim_reader(struct scene *c)
{
	assert_true(cv_work_claim(&c->work, false, &c->err));
	if (!cv_work_claim_reader(&c->work, c->fd, 0, &c->err))
		fail_msg("%s", c->err.text);
}

/* The item is claimed, and nobody reads it. */
static void claim_item(struct scene *c)
{
	c->s->io.close(&c->s->io, c->fd);
	if (!cv_work_claim(&c->work, true, &c->err))
		fail_msg("%s", c->err.text);
	c->fd = c->s->io.openat(&c->s->io, c->root, ".", O_RDONLY | O_DIRECTORY, 0);
}

static void expect(const struct scene *c, enum cv_status code, const char *text)
{
	if (c->err.code != code || strcmp(c->err.text, text) != 0)
		fail_msg("%d: %s\nnot %d: %s", (int)c->err.code, c->err.text, (int)code, text);
}

/* QEMU's test: could it have a write lock there? */
static void qemu_finds(const struct sim *s, const char *held)
{
	static const uint64_t bytes[] = { 100, 101, 102, 103, 200, 201, 202, 203 };

	for (size_t i = 0; i < CV_COUNT(bytes); i++)
		if (sim_other_could_lock(s, NAME, F_WRLCK, bytes[i]) != (held[i] == '.'))
			fail_msg("byte %d", (int)bytes[i]);
}

static void a_source_is_claimed_as_qemus_readers_do_it(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	sim_other_opens(c.s, NAME, false);
	sim_other_locks(c.s, NAME, F_RDLCK, 100, 1);
	sim_other_locks(c.s, NAME, F_RDLCK, 201, 1);
	sim_other_locks(c.s, NAME, F_RDLCK, 203, 1);
	claim_reader(&c);
	sim_other_closes(c.s, NAME);
	qemu_finds(c.s, "x....x.x");
	assert_true(sim_other_could_lock(c.s, NAME, F_RDLCK, 201));
	assert_false(sim_other_opens(c.s, NAME, false));
	assert_true(sim_other_opens(c.s, NAME, true));
	end(&c);
}

static void an_exclusive_one_leaves_qemu_nothing(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	c.monitor.exclusive = true;
	claim_reader(&c);
	qemu_finds(c.s, "xxxxxxxx");
	end(&c);
}

static void an_item_is_ours_alone(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	claim_item(&c);
	qemu_finds(c.s, "xxxxxxxx");
	assert_false(sim_other_could_lock(c.s, NAME, F_RDLCK, 100));
	assert_true(sim_other_opens(c.s, NAME, false));
	end(&c);
}

/* What the other program does, and what is said; items: it is claimed to be written to. */
struct refusal {
	bool items, exclusive, opens, writes;
	short type;
	uint64_t byte;
	int lease_errno;
	const char *says;
};

static void a_claim_that_does_not_go_is_refused_and_leaves_nothing(void **state)
{
	static const struct refusal rows[] = {
		{ .opens = true, .writes = true, .says = "is open for writing by " SIM_OTHER },
		{ .opens = true, .type = F_RDLCK, .byte = 101, .says = "is locked by " SIM_OTHER },
		{ .opens = true, .type = F_RDLCK, .byte = 103, .says = "is locked by " SIM_OTHER },
		{ .opens = true, .type = F_RDLCK, .byte = 200, .says = "is locked by " SIM_OTHER },
		{ .opens = true, .type = F_WRLCK, .byte = 203, .says = "is locked by " SIM_OTHER },
		{ .opens = true, .type = F_RDLCK, .byte = 100, .exclusive = true, .says = "is locked by " SIM_OTHER },
		{ .opens = true, .type = F_RDLCK, .byte = 201, .exclusive = true, .says = "is locked by " SIM_OTHER },
		{ .lease_errno = EACCES, .says = "is not yours: only its owner and root can make sure that nobody uses it" },
		{ .lease_errno = EINVAL, .says = "may be in use: its file system cannot say (it gives no leases)" },
		{ .items = true, .opens = true, .says = "is in use by " SIM_OTHER },
		{ .items = true, .type = F_RDLCK, .byte = 102, .says = "is locked by " SIM_OTHER },
		{ .items = true, .lease_errno = ENOLCK, .says = "may be in use: its file system cannot say (it gives no leases)" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		const struct refusal *r = &rows[i];
		struct scene c;
		char text[200];

		begin(&c);
		c.monitor.exclusive = r->exclusive;
		c.s->lease_errno = r->lease_errno;
		if (r->opens)
			sim_other_opens(c.s, NAME, r->writes);
		if (r->byte)
			sim_other_locks(c.s, NAME, r->type, r->byte, 1);
		if (r->items)
			c.s->io.close(&c.s->io, c.fd);
		assert_false(cv_work_claim(&c.work, r->items, &c.err) && cv_work_claim_reader(&c.work, c.fd, 0, &c.err));
		snprintf(text, sizeof text, SHOWN " %s", r->says);
		expect(&c, CV_EREFUSED, text);
		assert_int_equal(sim_held(c.s), 0);
		if (r->items)
			c.fd = c.s->io.openat(&c.s->io, c.root, ".", O_RDONLY | O_DIRECTORY, 0);
		end(&c);
	}
}

static void a_source_that_is_not_as_planned_is_refused(void **state)
{
	static const struct { int64_t device, inode, size, mtime; const char *says; } rows[] = {
		{ 1, 0, 0, 0, SHOWN " is another file than when the plan was made" },
		{ 0, 1, 0, 0, SHOWN " is another file than when the plan was made" },
		{ 0, 0, 1, 0, SHOWN " was written to since the plan was made" },
		{ 0, 0, 0, 1, SHOWN " was written to since the plan was made" },
	};

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rows); i++) {
		static const struct cv_plan now;
		struct scene c;

		begin(&c);
		c.source.device += (uint64_t)rows[i].device;
		c.source.inode += (uint64_t)rows[i].inode;
		c.source.size += (uint64_t)rows[i].size;
		c.source.mtime_ns += rows[i].mtime;
		assert_true(cv_work_claim(&c.work, false, &c.err));
		c.work.plan = &now;
		assert_false(cv_work_claim_reader(&c.work, c.fd, 0, &c.err));
		expect(&c, CV_EREFUSED, rows[i].says);
		end(&c);
	}
}

/* Recovery, which has no plan, may come when the file system was mounted anew; nothing else about the file may be different. */
static void a_source_on_a_file_system_that_was_mounted_anew_is_known(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	c.source.device++;
	assert_true(cv_work_claim(&c.work, false, &c.err));
	assert_true(cv_work_claim_reader(&c.work, c.fd, 0, &c.err));
	end(&c);
	begin(&c);
	c.source.device++;
	c.source.inode++;
	assert_true(cv_work_claim(&c.work, false, &c.err));
	assert_false(cv_work_claim_reader(&c.work, c.fd, 0, &c.err));
	expect(&c, CV_EREFUSED, SHOWN " is another file than when the plan was made");
	end(&c);
}

static void what_is_no_file_cannot_be_claimed(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	assert_true(cv_work_claim(&c.work, false, &c.err));
	assert_false(cv_work_claim_reader(&c.work, c.root, 0, &c.err));
	expect(&c, CV_EREFUSED, SHOWN " is not a regular file: who uses it cannot be made sure of");
	end(&c);
}

static void a_claim_lasts_when_its_descriptor_is_closed(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	claim_reader(&c);
	c.s->io.close(&c.s->io, c.fd);
	qemu_finds(c.s, "x....x.x");
	assert_true(sim_other_opens(c.s, NAME, true));
	c.fd = c.s->io.openat(&c.s->io, c.root, ".", O_RDONLY | O_DIRECTORY, 0);
	end(&c);
}

/* The lock is let go before the lease: else QEMU, which comes in with the lease, would find it. */
static int (*sim_lease)(const struct cv_io *io, int fd, int type);
static unsigned leases_let_go;

static int watch_lease(const struct cv_io *io, int fd, int type)
{
	struct sim *s = (struct sim *)(uintptr_t)io;

	if (type == F_UNLCK) {
		qemu_finds(s, "........");
		leases_let_go++;
	}
	return sim_lease(io, fd, type);
}

static void a_guest_gets_a_source_within_one_batch(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	claim_reader(&c);
	assert_true(cv_work_batch(&c.work, "copying", 1, 9, &c.err));
	assert_true(sim_other_opens(c.s, NAME, true));
	sim_lease = c.s->io.lease;
	c.s->io.lease = watch_lease;
	leases_let_go = 0;
	assert_false(cv_work_batch(&c.work, "copying", 2, 9, &c.err));
	expect(&c, CV_ECANCELLED, "stopped for a guest that opened " SHOWN ": resumable");
	assert_int_equal(leases_let_go, 1);
	assert_false(sim_other_waits(c.s, NAME));
	assert_int_equal(c.ticks, 1);
	end(&c);
}

static void a_guest_gets_an_item_when_it_was_put_back(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	claim_item(&c);
	assert_true(sim_other_opens(c.s, NAME, false));
	assert_false(cv_work_batch(&c.work, "copying", 2, 9, &c.err));
	expect(&c, CV_ECANCELLED, "stopped for a guest that opened " SHOWN ": resumable");
	assert_true(sim_other_waits(c.s, NAME));
	cv_work_release(&c.work);
	assert_false(sim_other_waits(c.s, NAME));
	qemu_finds(c.s, "........");
	end(&c);
}

static unsigned naps_until_gone;
static bool writes_meanwhile;

static void goes_away(struct sim *s, void *ctx)
{
	struct scene *c = ctx;

	qemu_finds(s, "xxxxxxxx");
	if (naps_until_gone && !--naps_until_gone) {
		if (writes_meanwhile)
			write_some(s, c->root);
		sim_other_closes(s, NAME);
	}
}

/* Returns what cv_work_batch() returned. */
static bool guest_comes(struct scene *c, bool item, unsigned naps, bool writes)
{
	bool ok;

	begin(c);
	c->monitor.exclusive = true;
	if (item)
		claim_item(c);
	else
		claim_reader(c);
	assert_true(sim_other_opens(c->s, NAME, true));
	c->s->meanwhile = goes_away;
	c->s->meanwhile_ctx = c;
	naps_until_gone = naps;
	writes_meanwhile = writes;
	ok = cv_work_batch(&c->work, "copying", 2, 9, &c->err);
	assert_false(sim_other_waits(c->s, NAME));
	return ok;
}

static void an_exclusive_operation_turns_a_guest_away_and_goes_on(void **state)
{
	struct scene c;

	(void)state;
	for (int item = 0; item < 2; item++) {
		assert_true(guest_comes(&c, item, 3, false));
		assert_in_range(c.s->ms, 1, 100);
		qemu_finds(c.s, "xxxxxxxx");
		assert_true(sim_other_opens(c.s, NAME, true));
		end(&c);
	}
}

static void an_exclusive_operation_stops_for_who_stays(void **state)
{
	struct scene c;

	(void)state;
	for (int item = 0; item < 2; item++) {
		assert_false(guest_comes(&c, item, 0, false));
		expect(&c, CV_ECANCELLED, "stopped: " SHOWN ", which was opened by " SIM_OTHER
		       ", who does not ask for QEMU's locks: resumable");
		assert_in_range(c.s->ms, 3000, 3100);
		end(&c);
	}
}

static void an_exclusive_operation_stops_when_somebody_wrote(void **state)
{
	struct scene c;

	(void)state;
	assert_false(guest_comes(&c, false, 2, true));
	expect(&c, CV_ECANCELLED, "stopped: " SHOWN " was written to meanwhile");
	end(&c);
}

static void the_rate_is_kept_and_what_was_not_used_is_lost(void **state)
{
	const uint64_t mib = 1 << 20;
	struct scene c;

	(void)state;
	begin(&c);
	c.monitor.rate = 2 * mib;
	for (uint64_t done = 0; done <= 20 * mib; done += mib)
		assert_true(cv_work_batch(&c.work, "copying", done, 20 * mib, &c.err));
	assert_in_range(c.s->ms, 9900, 10200);
	assert_in_range(c.ticks, 100, 130);
	/* A minute in which nothing could be done allows no more than usual. */
	c.s->ms += 60000;
	assert_true(cv_work_batch(&c.work, "copying", 20 * mib, 90 * mib, &c.err));
	c.s->ms = 0;
	c.work.pace = (struct cv_pace){ 0 };
	for (uint64_t done = 0; done <= 10 * mib; done += mib) {
		c.s->ms += done == 5 * mib ? 60000 : 0;
		assert_true(cv_work_batch(&c.work, "copying", done, 20 * mib, &c.err));
	}
	assert_in_range(c.s->ms, 62000 + 2500 - 700, 62000 + 2500 + 700);
	/* Something else begins anew. */
	c.s->ms = 0;
	assert_true(cv_work_batch(&c.work, "verifying", mib, 20 * mib, &c.err));
	assert_int_equal(c.s->ms, 0);
	end(&c);
}

static void absurd_rates_are_no_trap(void **state)
{
	static const uint64_t rates[] = { 1, 3, 1000, UINT64_MAX / 1000, UINT64_MAX };
	struct scene c;

	(void)state;
	for (size_t i = 0; i < CV_COUNT(rates); i++) {
		begin(&c);
		c.monitor.rate = rates[i];
		c.cancel_at = 50;
		assert_true(cv_work_batch(&c.work, "copying", 0, UINT64_MAX, &c.err));
		cv_work_batch(&c.work, "copying", UINT64_MAX - 1, UINT64_MAX, &c.err);
		assert_in_range(cv_work_piece(&c.work, 1 << 27), 1 << 16, 1 << 27);
		assert_int_equal(cv_work_piece(&c.work, 4096), 4096);
		end(&c);
	}
	begin(&c);
	assert_int_equal(cv_work_piece(&c.work, 1 << 27), 1 << 27);
	c.monitor.rate = 8 << 20;
	assert_int_equal(cv_work_piece(&c.work, 1 << 27), 2 << 20);
	end(&c);
}

static void it_can_be_cancelled_while_it_waits(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	c.monitor.rate = 1000;
	c.cancel_at = 7;
	assert_true(cv_work_batch(&c.work, "copying", 0, 1000000, &c.err));
	assert_false(cv_work_batch(&c.work, "copying", 500000, 1000000, &c.err));
	expect(&c, CV_ECANCELLED, "cancelled");
	assert_in_range(c.s->ms, 400, 700);
	end(&c);
}

static unsigned pauses;

static bool paused(void *ctx)
{
	struct scene *c = ctx;

	if (pauses == 5)
		c->on_tick = NULL;
	return pauses && pauses--;
}

static void a_pause_costs_no_speed_afterwards_and_a_guest_is_noticed_in_it(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	claim_reader(&c);
	c.monitor.paused = paused;
	c.monitor.rate = 1 << 20;
	pauses = 20;
	assert_true(cv_work_batch(&c.work, "copying", 1 << 20, 9 << 20, &c.err));
	assert_int_equal(c.s->ms, 2000);
	assert_true(cv_work_batch(&c.work, "copying", 2 << 20, 9 << 20, &c.err));
	assert_int_equal(c.s->ms, 3000);
	pauses = 1000;
	sim_other_opens(c.s, NAME, true);
	assert_false(cv_work_batch(&c.work, "copying", 2 << 20, 9 << 20, &c.err));
	assert_in_range(pauses, 999, 1000);
	end(&c);
}

static void copying_steps_back_behind_others(void **state)
{
	struct scene c;

	(void)state;
	begin(&c);
	assert_true(cv_work_batch(&c.work, "copying", 0, 1, &c.err));
	assert_int_equal(c.s->priority, 2 << 13 | 7);
	cv_work_step_forward(&c.work);
	assert_int_equal(c.s->priority, 0);
	c.s->priority = 3 << 13;     /* ionice -c 3: the user's choice */
	assert_true(cv_work_batch(&c.work, "copying", 0, 1, &c.err));
	assert_int_equal(c.s->priority, 3 << 13);
	cv_work_step_forward(&c.work);
	assert_int_equal(c.s->priority, 3 << 13);
	end(&c);
}

/* Claims both ways, works, lets go, with one call or all from one on failing: nothing is left, and it is said. */
static uint64_t with_fault(bool item, bool exclusive, uint64_t at, bool persistent)
{
	struct scene c;
	uint64_t calls;
	bool ok;

	begin(&c);
	if (item)
		c.s->io.close(&c.s->io, c.fd);
	c.monitor.exclusive = exclusive;
	c.s->calls = 0;
	c.s->fail_at = at;
	c.s->fail_errno = EIO;
	c.s->fail_persistent = persistent;
	ok = cv_work_claim(&c.work, item, &c.err) && (item || cv_work_claim_reader(&c.work, c.fd, 0, &c.err)) &&
	     cv_work_batch(&c.work, "copying", 1, 2, &c.err);
	assert_true(ok || (c.err.code && c.err.text[0]));
	cv_work_release(&c.work);
	calls = c.s->failed ? 0 : c.s->calls;
	c.s->fail_at = 0;
	/* What could not be unlocked goes with the last descriptor. */
	if (!item)
		c.s->io.close(&c.s->io, c.fd);
	assert_int_equal(sim_held(c.s), 0);
	c.fd = c.s->io.openat(&c.s->io, c.root, ".", O_RDONLY | O_DIRECTORY, 0);
	end(&c);
	return calls;
}

static void every_call_of_a_claim_may_fail(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (int way = 0; way < 8; way++)
		for (uint64_t at = 1; !with_fault(way & 1, way & 2, at, way & 4); at++)
			runs++;
	print_message("%u runs with a call that failed\n", runs);
	assert_true(runs > 80);
}

/* The whole operation, on two images; the tick decides what happens. */
static bool run_trash(struct scene *c, enum cv_plan_kind kind, struct cv_operation_result *result)
{
	static struct sim_host host;
	struct cv_plan_item items[2] = { c->item, c->item };
	struct cv_plan plan = { .kind = kind, .items = items, .item_count = 2 };
	struct stat st;
	int fd;
	bool ok;

	c->s->io.close(&c->s->io, c->fd);
	fd = c->s->io.openat(&c->s->io, c->root, "b", O_RDWR | O_CREAT, 0600);
	assert_int_equal(c->s->io.fstat(&c->s->io, fd, &st), 0);
	c->s->io.close(&c->s->io, fd);
	items[1].path = "b";
	items[1].inode = st.st_ino;
	items[1].size = 0;
	items[1].mtime_ns = 0;
	sim_host_init(&host, 5, 1, 1, 4711);
	assert_true(cv_writing_open(&c->w, &c->s->io, &host.host, c->root, &c->err));
	ok = cv_work_run(&c->w, &plan, "gc", &c->monitor, result, &c->err);
	if (ok && kind == CV_PLAN_TRASH && c->cancel_at > 2) {
		for (unsigned i = 0; i < 2; i++) {
			memcpy(items[i].from, result->id, sizeof items[i].from);
			items[i].from_index = i;
		}
		plan.kind = CV_PLAN_PURGE;
		ok = cv_work_run(&c->w, &plan, "purge", &c->monitor, result, &c->err);
	}
	cv_store_close(&c->w.store);
	c->fd = c->s->io.openat(&c->s->io, c->root, ".", O_RDONLY | O_DIRECTORY, 0);
	return ok;
}

static bool guest_comes_first(struct scene *c)
{
	return c->ticks != 1 || sim_other_opens(c->s, NAME, true);
}

static void a_guest_that_comes_while_its_image_is_trashed_finds_it_at_home(void **state)
{
	struct cv_operation_result result;
	struct scene c;

	(void)state;
	begin(&c);
	c.on_tick = guest_comes_first;
	assert_false(run_trash(&c, CV_PLAN_TRASH, &result));
	expect(&c, CV_ECANCELLED, "stopped for a guest that opened " SHOWN ": resumable");
	assert_int_equal(result.state, CV_RESULT_CANCELLED);
	assert_int_equal(c.ticks, 2);
	assert_true(sim_lookup(c.s, NAME) && sim_lookup(c.s, "b"));
	assert_false(sim_other_waits(c.s, NAME));
	end(&c);
}

static void taking_away_is_cancelled_between_two_images_and_leaves_all(void **state)
{
	struct cv_operation_result result;
	struct scene c;

	(void)state;
	begin(&c);
	c.cancel_at = 2;
	assert_false(run_trash(&c, CV_PLAN_TRASH, &result));
	expect(&c, CV_ECANCELLED, "cancelled");
	assert_int_equal(result.state, CV_RESULT_CANCELLED);
	assert_true(sim_lookup(c.s, NAME) && sim_lookup(c.s, "b"));
	end(&c);
}

static void purging_is_cancelled_between_two_images_and_leaves_the_rest(void **state)
{
	struct cv_operation_result result;
	struct scene c;
	size_t left = 0;

	(void)state;
	begin(&c);
	c.cancel_at = 4;
	assert_false(run_trash(&c, CV_PLAN_TRASH, &result));
	expect(&c, CV_ECANCELLED, "cancelled");
	for (size_t i = 0; i < c.s->now.len; i++)
		left += strstr(c.s->now.at[i].name, "0000-") || strstr(c.s->now.at[i].name, "-b");
	assert_false(sim_lookup(c.s, NAME) || sim_lookup(c.s, "b"));
	assert_int_equal(left, 1);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_is_claimed_as_qemus_readers_do_it),
		cmocka_unit_test(an_exclusive_one_leaves_qemu_nothing),
		cmocka_unit_test(an_item_is_ours_alone),
		cmocka_unit_test(a_claim_that_does_not_go_is_refused_and_leaves_nothing),
		cmocka_unit_test(a_source_that_is_not_as_planned_is_refused),
		cmocka_unit_test(a_source_on_a_file_system_that_was_mounted_anew_is_known),
		cmocka_unit_test(what_is_no_file_cannot_be_claimed),
		cmocka_unit_test(a_claim_lasts_when_its_descriptor_is_closed),
		cmocka_unit_test(a_guest_gets_a_source_within_one_batch),
		cmocka_unit_test(a_guest_gets_an_item_when_it_was_put_back),
		cmocka_unit_test(an_exclusive_operation_turns_a_guest_away_and_goes_on),
		cmocka_unit_test(an_exclusive_operation_stops_for_who_stays),
		cmocka_unit_test(an_exclusive_operation_stops_when_somebody_wrote),
		cmocka_unit_test(the_rate_is_kept_and_what_was_not_used_is_lost),
		cmocka_unit_test(absurd_rates_are_no_trap),
		cmocka_unit_test(it_can_be_cancelled_while_it_waits),
		cmocka_unit_test(a_pause_costs_no_speed_afterwards_and_a_guest_is_noticed_in_it),
		cmocka_unit_test(copying_steps_back_behind_others),
		cmocka_unit_test(every_call_of_a_claim_may_fail),
		cmocka_unit_test(a_guest_that_comes_while_its_image_is_trashed_finds_it_at_home),
		cmocka_unit_test(taking_away_is_cancelled_between_two_images_and_leaves_all),
		cmocka_unit_test(purging_is_cancelled_between_two_images_and_leaves_the_rest),
	};

	return cmocka_run_group_tests_name("claims and pace", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Random damage to small repositories, in memory, and what repair makes of it: whatever could be read before, the whole chain,
 * reads the same afterwards; no file is gone, and no leaf hidden; a check finds nothing that it did not find before; a second
 * repair has nothing to do; and when it is taken back, the damaged bytes are there again.
 *
 * Every run takes the same seeds and a fresh one. DAMAGES=100000 makes so many of them fresh ones instead; what fails is
 * repeated with the line that it prints: SEED=... build/tests/test_damage
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/inline_task.h"
#include "tests/support/run.h"
#include "tests/support/sim_forest.h"
#include "tests/support/sim_real.h"
#include "tests/support/sim_scan.h"
#include "tests/support/simdisk_io.h"
#include <chainview/candidates.h>
#include <chainview/operation.h>

#ifdef __SANITIZE_ADDRESS__
enum { DAMAGES = 150 };
#else
enum { DAMAGES = 2000 };
#endif
enum { MOST_FILES = 16, ONE_LARGE_OF = 24, MOST_DAMAGES = 3 };

struct file {
	char name[64];
	uint32_t inode;
	uint8_t *bytes;              /* as it was damaged */
	uint64_t size;
	bool readable;
	uint64_t disk;
	uint8_t *truth;              /* what was read through it then */
};

/* What was found of an image: sorted texts are compared. */
struct found {
	enum cv_problem_id id;
	char image[64];
};

struct run {
	uint32_t seed;
	struct forest f;
	struct sim_host host;
	struct sim_house h;
	struct file files[MOST_FILES];
	size_t count;
	struct found found[256];
	size_t found_count;
	bool all;                    /* -y, not -p */
	struct cv_text what;         /* was done to it */
};

static struct { unsigned long long repositories, repaired, fixes, readable, refused, undone; } counts;
static uint32_t now;

static void fail_with(const struct run *r, const char *what, const char *why)
{
	fail_msg("seed %u, %s, %s: %s: %s\n%s%s", r->seed, forest_family(r->f.family), r->all ? "-y" : "-p", what, why,
		 cv_text_str(&r->f.recipe), cv_text_str(&r->what));
}

/* --- damage ---------------------------------------------------------------------------------------------- */

struct place {
	struct run *r;
	const char *name;
	struct sim *s;
	int folder, fd;
	uint64_t size;
};

static void open_place(struct place *p, struct run *r, const char *name)
{
	struct stat st;
	int root = sim_root(r->f.s);

	*p = (struct place){ .r = r, .name = name, .s = r->f.s };
	p->folder = p->s->io.openat(&p->s->io, root, SIM_REPOSITORY + 1, O_RDONLY | O_DIRECTORY, 0);
	p->fd = p->s->io.openat(&p->s->io, p->folder, name, O_RDWR, 0);
	assert_true(p->fd >= 0 && !p->s->io.fstat(&p->s->io, p->fd, &st));
	p->size = (uint64_t)st.st_size;
	p->s->io.close(&p->s->io, root);
}

static void close_place(struct place *p)
{
	p->s->io.close(&p->s->io, p->fd);
	p->s->io.close(&p->s->io, p->folder);
}

/* Metadata more often than not: they begin and end files, and small ones are full of them. */
static uint64_t any_offset(struct place *p)
{
	static const uint64_t structures[] = { 0, 512, 65536, 131072, 196608, 262144, 1 << 20, 2 << 20, 3 << 20 };
	struct forest *f = &p->r->f;
	uint64_t off = forest_random(f, p->size < UINT32_MAX ? (uint32_t)p->size : UINT32_MAX);

	switch (forest_random(f, 4)) {
	case 0:
		off = forest_random(f, 2048);
		break;
	case 1:
		off = p->size - 1 - forest_random(f, 512);
		break;
	case 2:
		off = structures[forest_random(f, CV_COUNT(structures))] + forest_random(f, 512);
		break;
	default:
		break;
	}
	return off < p->size ? off : p->size - 1;
}

static void write_bytes(struct place *p, uint64_t off, const uint8_t *bytes, size_t len)
{
	assert_int_equal(p->s->io.pwrite(&p->s->io, p->fd, bytes, len, off), len);
	cv_text_addf(&p->r->what, "%zu bytes at %" PRIu64 " of %s\n", len, off, p->name);
}

static void flip_bit(struct place *p)
{
	uint64_t off = any_offset(p);
	uint8_t byte = 0;

	assert_int_equal(p->s->io.pread(&p->s->io, p->fd, &byte, 1, off), 1);
	byte ^= (uint8_t)(1u << forest_random(&p->r->f, 8));
	write_bytes(p, off, &byte, 1);
}

static void set_bytes(struct place *p)
{
	static const uint8_t usual[] = { 0, 1, 0x7f, 0x80, 0xff };
	uint64_t off = any_offset(p);
	uint8_t bytes[8];
	size_t len = 1 + forest_random(&p->r->f, sizeof bytes);
	bool random = forest_random(&p->r->f, 2);

	for (size_t i = 0; i < len; i++)
		bytes[i] = random ? (uint8_t)forest_random(&p->r->f, 256) : usual[forest_random(&p->r->f, sizeof usual)];
	len = len < p->size - off ? len : (size_t)(p->size - off);
	write_bytes(p, off, bytes, len);
}

static void fill_sector(struct place *p)
{
	uint64_t off = any_offset(p) / SIM_SECTOR * SIM_SECTOR;
	uint8_t bytes[SIM_SECTOR];
	size_t len = p->size - off < sizeof bytes ? (size_t)(p->size - off) : sizeof bytes;

	memset(bytes, forest_random(&p->r->f, 3) ? 0 : 0xff, sizeof bytes);
	write_bytes(p, off, bytes, len);
}

/* An older or another sector where this one should be. */
static void copy_sector(struct place *p)
{
	uint64_t from = any_offset(p) / SIM_SECTOR * SIM_SECTOR, to = any_offset(p) / SIM_SECTOR * SIM_SECTOR;
	uint8_t bytes[SIM_SECTOR];
	uint64_t last = p->size > from ? p->size - from : 0, room = p->size - to;
	size_t len = sizeof bytes;

	len = last < len ? (size_t)last : len;
	len = room < len ? (size_t)room : len;
	assert_int_equal(p->s->io.pread(&p->s->io, p->fd, bytes, len, from), len);
	write_bytes(p, to, bytes, len);
}

/* The footer of a VHD and its copy, each where the other was. */
static void swap_ends(struct place *p)
{
	uint8_t first[SIM_SECTOR], last[SIM_SECTOR];

	if (p->size < 2 * SIM_SECTOR)
		return;
	assert_int_equal(p->s->io.pread(&p->s->io, p->fd, first, SIM_SECTOR, 0), SIM_SECTOR);
	assert_int_equal(p->s->io.pread(&p->s->io, p->fd, last, SIM_SECTOR, p->size - SIM_SECTOR), SIM_SECTOR);
	write_bytes(p, 0, last, SIM_SECTOR);
	write_bytes(p, p->size - SIM_SECTOR, first, SIM_SECTOR);
}

static void cut_tail(struct place *p)
{
	uint64_t cut = forest_random(&p->r->f, 2) ? SIM_SECTOR : 1 + forest_random(&p->r->f, 3000);

	if (!forest_random(&p->r->f, 4))
		cut = p->size - any_offset(p);
	if (cut >= p->size)
		return;
	assert_int_equal(p->s->io.ftruncate(&p->s->io, p->fd, p->size - cut), 0);
	cv_text_addf(&p->r->what, "%" PRIu64 " bytes off %s\n", cut, p->name);
}

static void add_tail(struct place *p)
{
	uint8_t bytes[SIM_SECTOR];
	size_t len = forest_random(&p->r->f, 2) ? sizeof bytes : 1 + forest_random(&p->r->f, sizeof bytes - 1);

	memset(bytes, forest_random(&p->r->f, 2) ? 0 : 0xa5, sizeof bytes);
	write_bytes(p, p->size, bytes, len);
}

/* The names of parents lead elsewhere then. */
static void rename_file(struct place *p)
{
	char name[64];

	snprintf(name, sizeof name, "moved-%s", p->name);
	if (p->s->io.renameat(&p->s->io, p->folder, p->name, p->folder, name, RENAME_NOREPLACE) == 0)
		cv_text_addf(&p->r->what, "%s is called %s\n", p->name, name);
}

static void copy_file(struct place *p)
{
	char name[64];
	uint8_t *bytes = malloc((size_t)p->size + 1);
	int fd;

	snprintf(name, sizeof name, "copy-%s", p->name);
	fd = p->s->io.openat(&p->s->io, p->folder, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_non_null(bytes);
	if (fd >= 0) {
		assert_int_equal(p->s->io.pread(&p->s->io, p->fd, bytes, (size_t)p->size, 0), p->size);
		assert_int_equal(p->s->io.pwrite(&p->s->io, fd, bytes, (size_t)p->size, 0), p->size);
		p->s->io.close(&p->s->io, fd);
		cv_text_addf(&p->r->what, "%s is a copy of %s\n", name, p->name);
	}
	free(bytes);
}

static const struct {
	void (*run)(struct place *p);
	unsigned often;
} mutations[] = {
	{ flip_bit, 6 }, { set_bytes, 6 }, { fill_sector, 4 }, { copy_sector, 3 }, { swap_ends, 1 }, { cut_tail, 3 },
	{ add_tail, 2 }, { rename_file, 2 }, { copy_file, 1 },
};

static void mutate(struct run *r, const char *name)
{
	unsigned all = 0, n;
	struct place p;
	size_t i = 0;

	for (size_t k = 0; k < CV_COUNT(mutations); k++)
		all += mutations[k].often;
	n = forest_random(&r->f, all);
	while (n >= mutations[i].often)
		n -= mutations[i++].often;
	open_place(&p, r, name);
	if (p.size)
		mutations[i].run(&p);
	close_place(&p);
	sim_settle(r->f.s);
}

static uint32_t folder_of(const struct run *r)
{
	return sim_lookup(r->f.s, SIM_REPOSITORY + 1);
}

static const char *any_file(struct run *r)
{
	const struct sim_entries *v = &r->f.s->now;
	const char *found = NULL;
	uint32_t seen = 0;

	for (size_t i = 0; i < v->len; i++)
		if (v->at[i].dir == folder_of(r) && v->at[i].inode && !r->f.s->inodes.at[v->at[i].inode].directory &&
		    !forest_random(&r->f, ++seen))
			found = v->at[i].name;
	return found;
}

static void damage(struct run *r)
{
	for (unsigned n = 1 + forest_random(&r->f, MOST_DAMAGES); n; n--) {
		char name[64];

		snprintf(name, sizeof name, "%s", any_file(r));
		mutate(r, name);
	}
}

/* --- what there was -------------------------------------------------------------------------------------- */

static uint8_t *bytes_of(const struct run *r, uint32_t inode, uint64_t *size)
{
	const struct sim_content *c = &r->f.s->inodes.at[inode].now;
	uint8_t *bytes = calloc(1, (size_t)c->size + SIM_SECTOR);

	assert_non_null(bytes);
	*size = c->size;
	for (size_t i = 0; i < c->count && i * SIM_SECTOR < c->size; i++)
		memcpy(bytes + i * SIM_SECTOR, sim_bytes(r->f.s->pool, c->sector[i]), SIM_SECTOR);
	return bytes;
}

/* It and all that it stands on are there, and can be read. */
static uint8_t *read_whole(const struct run *r, uint32_t image, uint64_t *size)
{
	struct cv_err err = { .code = CV_OK };
	uint32_t at = image;
	uint8_t *bytes;

	for (unsigned depth = 0; r->h.graph->images[at].status == CV_PARENT_FOUND && depth < MOST_FILES; depth++)
		at = r->h.graph->images[at].parent;
	*size = r->h.graph->images[image].virtual_size;
	if (r->h.graph->images[at].status != CV_PARENT_NONE || !r->h.graph->images[image].size_known || *size > 64 << 20)
		return NULL;
	bytes = malloc((size_t)*size + 1);
	assert_non_null(bytes);
	if (forest_read(&r->h, image, bytes, *size, &err))
		return bytes;
	free(bytes);
	return NULL;
}

static void note_files(struct run *r)
{
	const struct sim_entries *v = &r->f.s->now;

	for (size_t i = 0; i < v->len; i++) {
		struct file *f = &r->files[r->count];
		uint32_t image;

		if (v->at[i].dir != folder_of(r) || !v->at[i].inode || r->f.s->inodes.at[v->at[i].inode].directory)
			continue;
		assert_true(r->count++ < MOST_FILES);
		snprintf(f->name, sizeof f->name, "%s", v->at[i].name);
		f->inode = v->at[i].inode;
		f->bytes = bytes_of(r, f->inode, &f->size);
		image = sim_house_image(&r->h, f->name);
		f->truth = image == CV_NO_IMAGE ? NULL : read_whole(r, image, &f->disk);
		counts.readable += f->truth != NULL;
	}
}

static bool is_serious(const struct cv_finding *f)
{
	return f->severity != CV_INFO && f->image != CV_NO_IMAGE;
}

static void note(struct run *r, enum cv_problem_id id, uint32_t image)
{
	if (r->found_count == CV_COUNT(r->found))
		return;
	r->found[r->found_count].id = id;
	snprintf(r->found[r->found_count++].image, sizeof r->found[0].image, "%s", r->h.graph->images[image].id);
}

/* How large a parent is compared to its child nobody can say before it is known which it is. */
static void note_findings(struct run *r)
{
	for (size_t i = 0; i < r->h.graph->finding_count; i++)
		if (is_serious(&r->h.graph->findings[i]))
			note(r, r->h.graph->findings[i].id, r->h.graph->findings[i].image);
	for (uint32_t i = 0; i < r->h.graph->image_count; i++)
		if (r->h.graph->images[i].facts->flags & CV_FACT_PARENT_UNREADABLE) {
			note(r, CV_CHN_PARENT_LARGER, i);
			note(r, CV_CHN_PARENT_SMALLER, i);
		}
}

static bool was_found(const struct run *r, const struct cv_finding *f)
{
	for (size_t i = 0; i < r->found_count; i++)
		if (!strcmp(r->found[i].image, r->h.graph->images[f->image].id) &&
		    (r->found[i].id == f->id || cv_fix_becomes(r->found[i].id, f->id)))
			return true;
	return r->found_count == CV_COUNT(r->found);
}

/* --- repair ---------------------------------------------------------------------------------------------- */

static bool wants(void *ctx, const struct cv_plan_fix *fix)
{
	const struct run *r = ctx;

	return fix->verdict == CV_FIX_SAFE || r->all;
}

static void look_around(struct run *r)
{
	sim_house_close(&r->h);
	sim_house_open(&r->h, r->f.s, NULL, false);
}

static struct cv_plan *plan_repair(struct run *r)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_candidates *candidates = cv_candidates_find(r->h.graph, &(struct cv_candidates_options){ .unread = false }, &err);
	struct cv_plan *plan;

	if (!candidates)
		fail_with(r, "candidates", err.text);
	plan = cv_plan_repair(r->h.graph, 0, &(struct cv_repair_options){ .candidates = candidates, .wants = wants, .ctx = r }, &err);
	if (!plan)
		fail_with(r, "plan", err.text);
	cv_candidates_free(candidates);
	return plan;
}

static void carry_out(struct run *r, const struct cv_plan *plan, const char *what)
{
	struct cv_operation_result result;
	struct cv_err err = { .code = CV_OK };
	struct cv_writing *w;

	sim_real_close_all();
	w = cv_writing_begin(SIM_REPOSITORY, &err);
	if (!w || !cv_operation_run(w, plan, "test", NULL, &result, &err))
		fail_with(r, what, err.text);
	cv_writing_end(w);
	sim_settle(r->f.s);
	look_around(r);
}

static void look_at_file(struct run *r, const struct file *f)
{
	char path[128];
	uint32_t image = sim_house_image(&r->h, f->name);
	uint64_t size;
	uint8_t *bytes;

	snprintf(path, sizeof path, "%s/%s", SIM_REPOSITORY + 1, f->name);
	if (sim_lookup(r->f.s, path) != f->inode)
		fail_with(r, f->name, "it is gone");
	if (!f->truth)
		return;
	bytes = image == CV_NO_IMAGE ? NULL : read_whole(r, image, &size);
	if (!bytes)
		fail_with(r, f->name, "it can no longer be read");
	if (size != f->disk || memcmp(bytes, f->truth, (size_t)size) != 0)
		fail_with(r, f->name, "it reads otherwise");
	if (r->h.graph->images[image].mark == CV_MARK_HIDDEN && !r->h.graph->images[image].child_count)
		fail_with(r, f->name, "a leaf is hidden");
	free(bytes);
}

static void look_repaired(struct run *r)
{
	struct cv_plan *again;

	for (size_t i = 0; i < r->count; i++)
		look_at_file(r, &r->files[i]);
	for (size_t i = 0; i < r->h.graph->finding_count; i++) {
		const struct cv_finding *f = &r->h.graph->findings[i];

		if (is_serious(f) && !was_found(r, f))
			fail_with(r, r->h.graph->images[f->image].id, cv_problem_by_id(f->id)->name);
	}
	again = plan_repair(r);
	if (again->item_count)
		fail_with(r, again->items[0].path, again->step_count ? again->steps[0].why : "a second repair has something to do");
	cv_plan_free(again);
}

static void take_back(struct run *r)
{
	struct cv_err err = { .code = CV_OK };
	struct cv_operation_list *list = cv_operation_list_read(SIM_REPOSITORY, &err);
	struct cv_plan *plan;

	if (!list || !list->count)
		fail_with(r, "undo", err.text);
	plan = cv_plan_repair_undo(r->h.graph, 0, &list->entries[list->count - 1], 0, &err);
	if (!plan || plan->refused)
		fail_with(r, "undo", plan ? "it is refused" : err.text);
	carry_out(r, plan, "undo");
	for (size_t i = 0; i < r->count; i++) {
		uint64_t size;
		uint8_t *bytes = bytes_of(r, r->files[i].inode, &size);

		if (size != r->files[i].size || memcmp(bytes, r->files[i].bytes, (size_t)size) != 0)
			fail_with(r, r->files[i].name, "the damaged bytes are not there again");
		free(bytes);
	}
	counts.undone++;
	cv_plan_free(plan);
	cv_operation_list_free(list);
}

static void repair(struct run *r)
{
	struct cv_plan *plan = plan_repair(r);

	counts.refused += plan->refused;
	if (plan->item_count && !plan->refused) {
		for (size_t i = 0; i < plan->fix_count; i++)
			counts.fixes += plan->fixes[i].chosen;
		counts.repaired++;
		carry_out(r, plan, "repair");
		look_repaired(r);
		take_back(r);
	}
	cv_plan_free(plan);
}

static void run_damage(uint32_t seed)
{
	struct run r = { .seed = seed };
	unsigned family = seed % ONE_LARGE_OF ? seed % FOREST_SMALL : FOREST_SMALL + seed / ONE_LARGE_OF % (FOREST_FAMILIES - FOREST_SMALL);

	now = seed;
	sim_scan_forget();
	sim_host_init(&r.host, seed, 1, 1, 4711);
	forest_grow(&r.f, family, seed, 1 + seed / 5 % 6);
	sim_real_is(r.f.s, &r.host);
	r.all = forest_random(&r.f, 2);
	/* What was wrong before, and damage only hides, may come to light again. */
	look_around(&r);
	note_findings(&r);
	damage(&r);
	look_around(&r);
	note_files(&r);
	note_findings(&r);
	repair(&r);
	counts.repositories++;
	for (size_t i = 0; i < r.count; i++) {
		free(r.files[i].bytes);
		free(r.files[i].truth);
	}
	sim_house_close(&r.h);
	sim_free(r.f.s);
	forest_fini(&r.f);
	cv_text_fini(&r.what);
	now = 0;
}

static uint32_t fresh_seed(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint32_t)t.tv_nsec ^ (uint32_t)t.tv_sec << 10 ^ (uint32_t)getpid()) | 1;
}

static uint32_t number_of(const char *name)
{
	const char *text = getenv(name);

	return text ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

static void repair_harms_nothing_that_can_be_read(void **state)
{
	uint32_t seed = number_of("SEED"), wanted = number_of("DAMAGES"), first = wanted ? fresh_seed() : 1;

	(void)state;
	if (seed) {
		run_damage(seed);
		return;
	}
	for (uint32_t i = 0; i < (wanted ? wanted : DAMAGES); i++)
		run_damage(first + i);
	seed = fresh_seed();
	printf("# %llu repositories, and a fresh one of seed %" PRIu32 "\n", counts.repositories, seed);
	run_damage(seed);
	printf("# %llu were repaired by %llu fixes, and %llu of that taken back; %llu images could be read all the time; %llu plans were refused\n",
	       counts.repaired, counts.fixes, counts.undone, counts.readable, counts.refused);
	assert_true(counts.repaired > counts.repositories / 20);
	assert_true(counts.readable > counts.repositories);
}

static int say_how_to_repeat(void **state)
{
	(void)state;
	if (now)
		print_error("to repeat it: SEED=%u build/tests/test_damage\n", now);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(repair_harms_nothing_that_can_be_read, say_how_to_repeat),
	};

	return cmocka_run_group_tests_name("random damage", tests, NULL, NULL);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "tests/support/sim_world.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "repair/io/source.h"
#include "repair/operation/work.h"
#include "repair/sample/maker.h"
#include "tests/support/simdisk_io.h"
#include <chainview/format.h>

struct sim *sim_repository(const char *name, const char *recipe)
{
	struct cv_err err = { .code = CV_OK };
	struct sim *s = sim_new();
	int root = sim_root(s);

	if (!cv_maker_run(&s->io, root, "test", recipe, &err))
		fail_msg("%s: %s", name, err.text);
	s->io.close(&s->io, root);
	sim_settle(s);
	return s;
}

enum cv_format_id sim_format_of(const char *name)
{
	static const struct { const char *end; enum cv_format_id format; } rows[] = {
		{ ".vhd", CV_FORMAT_VHD }, { ".vhdx", CV_FORMAT_VHDX }, { ".qcow2", CV_FORMAT_QCOW2 }, { ".raw", CV_FORMAT_RAW },
	};

	for (size_t i = 0; i < CV_COUNT(rows); i++)
		if (strlen(name) > strlen(rows[i].end) && !strcmp(name + strlen(name) - strlen(rows[i].end), rows[i].end))
			return rows[i].format;
	return CV_FORMAT_NONE;
}

struct cv_plan_item sim_item(struct sim *s, const char *path)
{
	struct cv_plan_item item = { .path = path };
	int root = sim_root(s);
	struct stat st;

	assert_int_equal(s->io.fstatat(&s->io, root, path, &st), 0);
	item.device = st.st_dev;
	item.inode = st.st_ino;
	item.size = (uint64_t)st.st_size;
	item.allocated = (uint64_t)st.st_blocks * 512;
	item.mtime_ns = cv_stat_mtime(&st);
	s->io.close(&s->io, root);
	return item;
}

struct cv_plan_item sim_item_of_image(struct sim *s, const char *path)
{
	struct cv_plan_item item = sim_item(s, path);
	CV_AUTO(cv_auto_facts) struct cv_facts *f = cv_facts_new();
	struct cv_err err = { .code = CV_OK };
	int root = sim_root(s), fd = s->io.openat(&s->io, root, path, O_RDONLY, 0);
	struct cv_source *source = cv_io_source(&s->io, fd, &err);

	assert_true(cv_image_read(source, sim_format_of(path), f, &err));
	memcpy(item.uuid, f->uuid, sizeof item.uuid);
	cv_source_close(source);
	s->io.close(&s->io, fd);
	s->io.close(&s->io, root);
	return item;
}

struct sim_hushed sim_hush(struct sim *s)
{
	struct sim_hushed hushed = { s->before, s->drop_barrier, s->fail_at };

	s->before = NULL;
	s->drop_barrier = s->fail_at = 0;
	return hushed;
}

void sim_watch(struct sim *s, const struct sim_hushed *hushed)
{
	s->before = hushed->before;
	s->drop_barrier = hushed->drop_barrier;
	s->fail_at = hushed->fail_at;
	s->barriers = s->calls = 0;
}

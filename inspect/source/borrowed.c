/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A byte source of which another one is the owner, so that several readers can stand on one file. */
#include <chainview/source.h>

struct borrowed {
	struct cv_source base;
	struct cv_source *owner;
};

static ssize_t borrowed_pread(struct cv_source *self, void *buf, size_t len, uint64_t off)
{
	struct cv_source *owner = ((struct borrowed *)self)->owner;

	return owner->ops->pread(owner, buf, len, off);
}

static void borrowed_close(struct cv_source *self)
{
	free(self);
}

static bool borrowed_hole(struct cv_source *self, uint64_t off, uint64_t *start_of_data, uint64_t *end_of_data)
{
	struct cv_source *owner = ((struct borrowed *)self)->owner;

	return owner->ops->hole && owner->ops->hole(owner, off, start_of_data, end_of_data);
}

static void borrowed_expect(struct cv_source *self, uint64_t off, uint64_t len)
{
	struct cv_source *owner = ((struct borrowed *)self)->owner;

	if (owner->ops->expect)
		owner->ops->expect(owner, off, len);
}

struct cv_source *cv_source_borrow(struct cv_source *owner, struct cv_err *err)
{
	static const struct cv_source_ops ops = { borrowed_pread, borrowed_close, borrowed_hole, borrowed_expect };
	struct borrowed *b = malloc(sizeof *b);

	if (!b) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	*b = (struct borrowed){ { &ops, owner->size }, owner };
	return &b->base;
}

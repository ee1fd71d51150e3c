/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See keep.h. */
#include "repair/merge/keep.h"
#include "inspect/base/crc32c.h"
#include "repair/merge/merge.h"
#include <chainview/bytes.h>

enum { PAGE = CV_MERGE_PAGE, PIECE = 1 << 20, LAYOUT = 1 };
static const char magic[8] = "CVFORMER";

/* A page of its own each, zero behind it. */
struct head {
	char magic[8];
	cv_le32 layout, whole;
	uint8_t op[16];
	cv_le64 former, clone;
	cv_le32 crc;                  /* of what stands before it */
};
struct record {
	char magic[8];
	cv_le64 number, off, len;
	cv_le32 sum;                  /* of the bytes */
	cv_le32 crc;                  /* of what stands before it, begun with the operation's */
};

static uint64_t up(uint64_t n)
{
	return (n + PAGE - 1) / PAGE * PAGE;
}

static bool has(const uint8_t *map, uint64_t page)
{
	return map[page / 8] >> page % 8 & 1;
}

static void set(uint8_t *map, uint64_t page)
{
	map[page / 8] |= (uint8_t)(1u << page % 8);
}

void cv_keep_close(struct cv_keep *k)
{
	if (k->out.io && k->out.fd >= 0)
		k->out.io->close(k->out.io, k->out.fd);
	free(k->kept);
	free(k->wanted);
	*k = (struct cv_keep){ .out.fd = -1 };
}

static bool make_maps(struct cv_keep *k, struct cv_err *err)
{
	size_t len = (size_t)(k->former / PAGE / 8 + 1);

	if (k->whole)
		return true;
	k->kept = calloc(len, 1);
	k->wanted = calloc(len, 1);
	return (k->kept && k->wanted) || cv_fail(err, CV_ENOMEM, "out of memory");
}

bool cv_keep_sync(struct cv_keep *k, struct cv_err *err)
{
	if (!k->dirty)
		return true;
	k->dirty = false;
	return k->out.io->fsync(k->out.io, k->out.fd) == 0 || cv_io_fail(err, "sync", k->out.name);
}

/* --- making ---------------------------------------------------------------------------------------------- */

/* False if this file system cannot; what it wrote then is written over. */
static bool clone(struct cv_keep *k, const struct cv_file_out *file)
{
	struct statvfs vfs;

	if (!k->former || k->out.io->fstatvfs(k->out.io, k->out.fd, &vfs) != 0)
		return false;
	k->clone = vfs.f_bsize > PAGE ? vfs.f_bsize : PAGE;
	return k->clone % PAGE == 0 && k->out.io->clone_range(k->out.io, file->fd, 0, k->out.fd, k->clone, k->former) == 0;
}

static bool write_head(const struct cv_keep *k, const uint8_t op[16], struct cv_err *err)
{
	struct { struct head h; uint8_t rest[PAGE - sizeof(struct head)]; } page = { .h = { .layout = cv_le32_of(LAYOUT) } };

	memcpy(page.h.magic, magic, sizeof magic);
	memcpy(page.h.op, op, sizeof page.h.op);
	page.h.whole = cv_le32_of(k->whole);
	page.h.former = cv_le64_of(k->former);
	page.h.clone = cv_le64_of(k->whole ? k->clone : 0);
	page.h.crc = cv_le32_of(cv_crc32c(0, &page.h, offsetof(struct head, crc)));
	return cv_out_write(&k->out, &page, sizeof page, 0, err);
}

bool cv_keep_make(struct cv_keep *k, const struct cv_io *io, int dir, const uint8_t op[16], const struct cv_file_out *file,
		  uint64_t former, struct cv_err *err)
{
	*k = (struct cv_keep){ .out.fd = -1, .former = former, .end = PAGE, .dirty = true };
	if (io->unlinkat(io, dir, CV_KEEP_NAME, 0) != 0 && errno != ENOENT)
		return cv_io_fail(err, "remove", CV_KEEP_NAME);
	if (!cv_out_create(&k->out, io, dir, CV_KEEP_NAME, err)) {
		k->out.fd = -1;
		return false;
	}
	k->whole = clone(k, file);
	return make_maps(k, err) && write_head(k, op, err) && cv_keep_sync(k, err) &&
	       (io->fsync(io, dir) == 0 || cv_io_fail(err, "sync", "the trash"));
}

/* --- keeping --------------------------------------------------------------------------------------------- */

static uint32_t crc_of(const struct record *r)
{
	return cv_crc32c(1, r, offsetof(struct record, crc));
}

/* The bytes lie behind the first page of the buffer. */
static bool add(struct cv_keep *k, uint8_t *buffer, uint64_t off, size_t len, struct cv_err *err)
{
	struct record r = { .number = cv_le64_of(k->number + 1), .off = cv_le64_of(off), .len = cv_le64_of(len) };
	size_t all = PAGE + (size_t)up(len);

	memcpy(r.magic, magic, sizeof magic);
	r.sum = cv_le32_of(cv_crc32c(0, buffer + PAGE, len));
	r.crc = cv_le32_of(crc_of(&r));
	memset(buffer, 0, PAGE);
	memcpy(buffer, &r, sizeof r);
	memset(buffer + PAGE + len, 0, all - PAGE - len);
	/* Nothing lies there: pages of zeros stay holes, but for the last one, which the file ends with. */
	if (!cv_out_write_sparse(&k->out, buffer, all - PAGE, k->end, err) ||
	    !cv_out_write(&k->out, buffer + all - PAGE, PAGE, k->end + all - PAGE, err))
		return false;
	for (uint64_t page = off / PAGE; page * PAGE < off + len; page++)
		set(k->kept, page);
	k->end += all;
	k->number++;
	k->bytes += len;
	k->dirty = true;
	return true;
}

/* Pages from *page on, before end, that are not kept: the first run of them, no longer than a piece; 0: none. */
static uint64_t run_of(const struct cv_keep *k, const uint8_t *among, uint64_t *page, uint64_t end)
{
	uint64_t n = 0;

	while (*page < end && (has(k->kept, *page) || (among && !has(among, *page))))
		++*page;
	while (*page + n < end && n < PIECE / PAGE && !has(k->kept, *page + n) && (!among || has(among, *page + n)))
		n++;
	return n;
}

/* among: only these; NULL: all. At most so many bytes, and *page is where it stopped. */
static bool keep_pages(struct cv_keep *k, const struct cv_file_out *file, const uint8_t *among, uint64_t *page, uint64_t end,
		       uint64_t most, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *buffer = malloc(PAGE + PIECE);
	uint64_t n, done = 0;

	if (!buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	while (done < most && (n = run_of(k, among, page, end))) {
		uint64_t off = *page * PAGE, len = n * PAGE;

		len = len < k->former - off ? len : k->former - off;
		if (!cv_out_read(file, buffer + PAGE, (size_t)len, off, err) || !add(k, buffer, off, (size_t)len, err))
			return false;
		*page += n;
		done += len;
	}
	return true;
}

/* The pages of what is below the former end. */
static uint64_t last_page(const struct cv_keep *k, uint64_t off, uint64_t len)
{
	uint64_t end = len > k->former || off > k->former - len ? k->former : off + len;

	return up(end) / PAGE;
}

bool cv_keep_add(struct cv_keep *k, const struct cv_file_out *file, uint64_t off, uint64_t len, struct cv_err *err)
{
	uint64_t page = off / PAGE;

	return k->whole || off >= k->former || !len || keep_pages(k, file, NULL, &page, last_page(k, off, len), UINT64_MAX, err);
}

bool cv_keep_before(struct cv_keep *k, const struct cv_file_out *file, uint64_t off, uint64_t len, struct cv_err *err)
{
	return cv_keep_add(k, file, off, len, err) && cv_keep_sync(k, err);
}

void cv_keep_want(struct cv_keep *k, uint64_t off, uint64_t len)
{
	if (k->whole || off >= k->former)
		return;
	for (uint64_t page = off / PAGE, end = last_page(k, off, len); page < end; page++)
		if (!has(k->wanted, page)) {
			set(k->wanted, page);
			k->pages += !has(k->kept, page);
		}
}

bool cv_keep_wanted(struct cv_keep *k, const struct cv_file_out *file, uint64_t most, bool *more, struct cv_err *err)
{
	uint64_t end = up(k->former) / PAGE;

	*more = false;
	if (k->whole)
		return true;
	if (!keep_pages(k, file, k->wanted, &k->next, end, most, err))
		return false;
	*more = run_of(k, k->wanted, &k->next, end) != 0;
	return true;
}

/* --- reading --------------------------------------------------------------------------------------------- */

static bool read_head(struct cv_keep *k, const uint8_t op[16], struct cv_err *err)
{
	uint64_t size;
	struct head h;

	if (!cv_out_size(&k->out, &size, err))
		return false;
	if (size < PAGE)
		return cv_fail(err, CV_EUSAGE, "it was never whole");
	if (!cv_out_read(&k->out, &h, sizeof h, 0, err))
		return false;
	if (memcmp(h.magic, magic, sizeof magic) != 0 || cv_le32_get(h.crc) != cv_crc32c(0, &h, offsetof(struct head, crc)))
		return cv_fail(err, CV_EUSAGE, "it was never whole");
	if (cv_le32_get(h.layout) != LAYOUT || memcmp(h.op, op, sizeof h.op) != 0)
		return cv_fail(err, CV_EFORMAT, "%s is of layout %u, or of another operation", k->out.name, cv_le32_get(h.layout));
	k->former = cv_le64_get(h.former);
	k->whole = cv_le32_get(h.whole);
	k->clone = cv_le64_get(h.clone);
	if (k->former > INT64_MAX - PAGE || (k->whole && !cv_range_inside((struct cv_range){ k->clone, k->former }, size)))
		return cv_fail(err, CV_EFORMAT, "%s is shorter than what it keeps", k->out.name);
	return true;
}

/* The next record, its bytes in buffer; false without err at the end. */
static bool next_record(const struct cv_keep *k, uint64_t size, uint64_t *at, uint64_t *number, uint64_t *off, size_t *len,
			uint8_t *buffer, struct cv_err *err)
{
	struct record r;

	if (size < *at || size - *at < 2 * (uint64_t)PAGE)
		return false;
	if (!cv_out_read(&k->out, &r, sizeof r, *at, err))
		return false;
	*off = cv_le64_get(r.off);
	if (memcmp(r.magic, magic, sizeof magic) != 0 || cv_le32_get(r.crc) != crc_of(&r) || cv_le64_get(r.number) != *number + 1 ||
	    !cv_le64_get(r.len) || cv_le64_get(r.len) > PIECE || *off % PAGE || !cv_range_inside((struct cv_range){ *off, cv_le64_get(r.len) }, k->former))
		return false;
	*len = (size_t)cv_le64_get(r.len);
	if (size - *at < PAGE + up(*len) || !cv_out_read(&k->out, buffer, *len, *at + PAGE, err) ||
	    cv_le32_get(r.sum) != cv_crc32c(0, buffer, *len))
		return false;
	*at += PAGE + up(*len);
	++*number;
	return true;
}

typedef bool each_run(void *ctx, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err);

/* All that is kept, run by run. */
static bool walk(struct cv_keep *k, each_run *each, void *ctx, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *buffer = malloc(PIECE);
	uint64_t size, at = PAGE, number = 0, off;
	size_t len;

	if (!buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_out_size(&k->out, &size, err))
		return false;
	for (off = 0; k->whole && off < k->former; off += len) {
		len = (size_t)(k->former - off < PIECE ? k->former - off : PIECE);
		if (!cv_out_read(&k->out, buffer, len, k->clone + off, err) || !each(ctx, off, buffer, len, err))
			return false;
	}
	while (!k->whole && next_record(k, size, &at, &number, &off, &len, buffer, err))
		if (!each(ctx, off, buffer, len, err))
			return false;
	k->end = at;
	k->number = number;
	return err->code == CV_OK;
}

static bool note_kept(void *ctx, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	struct cv_keep *k = ctx;

	(void)bytes;
	(void)err;
	for (uint64_t page = off / PAGE; page * PAGE < off + len; page++)
		set(k->kept, page);
	k->bytes += len;
	return true;
}

bool cv_keep_open(struct cv_keep *k, const struct cv_io *io, int dir, const uint8_t op[16], struct cv_err *err)
{
	*k = (struct cv_keep){ .out = { io, io->openat(io, dir, CV_KEEP_NAME, O_RDWR | O_NONBLOCK, 0), CV_KEEP_NAME } };
	if (k->out.fd < 0)
		return errno == ENOENT ? cv_fail(err, CV_EUSAGE, "there is no %s", CV_KEEP_NAME) : cv_io_fail(err, "open", CV_KEEP_NAME);
	if (!read_head(k, op, err) || !make_maps(k, err))
		return false;
	/* What is there may not be on disk. */
	k->dirty = true;
	return k->whole || walk(k, note_kept, k, err);
}

bool cv_keep_go_on(struct cv_keep *k, struct cv_err *err)
{
	return k->whole || cv_out_resize(&k->out, k->end, err);
}

/* --- giving back ----------------------------------------------------------------------------------------- */

struct giving {
	const struct cv_file_out *file;
	const struct cv_keep_tick *tick;
	uint64_t done, total, size;          /* size: of the file */
	uint8_t *now;
	bool compare, differs;
};

/* Whether it is so already; only if all of it is there. */
static bool is_so(const struct giving *g, uint64_t off, const uint8_t *bytes, size_t len, bool *same, struct cv_err *err)
{
	*same = false;
	if (!cv_range_inside((struct cv_range){ off, len }, g->size))
		return true;
	if (!cv_out_read(g->file, g->now, len, off, err))
		return false;
	*same = !memcmp(g->now, bytes, len);
	return true;
}

static bool give_run(void *ctx, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	struct giving *g = ctx;
	bool same = false;

	if (g->tick && !g->tick->call(g->tick->ctx, g->done, g->total, err))
		return false;
	g->done += len;
	if (g->compare) {
		if (!is_so(g, off, bytes, len, &same, err))
			return false;
		g->differs |= !same;
		return true;
	}
	return cv_out_write(g->file, bytes, len, off, err);
}

static bool walk_giving(struct cv_keep *k, struct giving *g, struct cv_err *err)
{
	CV_AUTO(cv_auto_free) uint8_t *now = g->compare ? malloc(PIECE) : NULL;

	g->total = k->whole ? k->former : k->bytes;
	g->now = now;
	if (g->compare && !now)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return cv_out_size(g->file, &g->size, err) && walk(k, give_run, g, err);
}

bool cv_keep_restore(struct cv_keep *k, const struct cv_file_out *file, const struct cv_keep_tick *tick, struct cv_err *err)
{
	struct giving g = { .file = file, .tick = tick };
	const struct cv_io *io = file->io;
	bool cloned;

	/* The end of a clone need not be that of a block only where the file ends, too. */
	if (!cv_out_resize(file, k->former, err))
		return false;
	cloned = k->whole && io->clone_range(io, k->out.fd, k->clone, file->fd, 0, k->former) == 0;
	/* A clone that cannot be made any more is copied. */
	if (!cloned && !walk_giving(k, &g, err))
		return false;
	return io->fsync(io, file->fd) == 0 || cv_io_fail(err, "sync", file->name);
}

bool cv_keep_compare(struct cv_keep *k, const struct cv_file_out *file, const struct cv_keep_tick *tick, bool *same, struct cv_err *err)
{
	struct giving g = { .file = file, .tick = tick, .compare = true };

	if (!walk_giving(k, &g, err))
		return false;
	*same = !g.differs && g.size == k->former;
	return true;
}

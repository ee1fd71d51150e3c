/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See merge.h. What formats ask for: whole pages of data are written at once, parts of pages are kept until the batch
 * ends. Knows no format. */
#include "repair/merge/merge.h"

/* One piece may change parts of so many pages. */
enum { PATCHES_OF_A_PIECE = 16 };
/* Bytes after which the disk gets to know of them. */
enum { HURRY_AT = 8 << 20 };

static const struct cv_merge_format *const formats[] = { &cv_merge_raw, &cv_merge_vhd, &cv_merge_qcow2, &cv_merge_vhdx };

const struct cv_merge_format *cv_merge_format(enum cv_format_id format)
{
	for (size_t i = 0; i < CV_COUNT(formats); i++)
		if (formats[i]->format == format)
			return formats[i];
	return NULL;
}

void cv_merge_fini(struct cv_merge *m)
{
	if (m->state && m->format->close)
		m->format->close(m);
	cv_source_close(m->source);
	free(m->patches.at);
	free(m->posted.at);
	m->posted = (struct cv_posted){ 0 };
	m->state = NULL;
	m->source = NULL;
	m->patches = (struct cv_patches){ 0 };
}

bool cv_merge_is_full(const struct cv_merge *m)
{
	return m->patches.len + PATCHES_OF_A_PIECE > m->most;
}

/* --- parts of pages -------------------------------------------------------------------------------------- */

/* The last ones are the likely ones: what is merged comes in ascending order. */
static struct cv_patch *patch_at(struct cv_merge *m, uint64_t page, unsigned layer, struct cv_err *err)
{
	struct cv_patch fresh = { .off = page, .layer = (uint8_t)layer };

	for (size_t i = m->patches.len; i-- > 0;)
		if (m->patches.at[i].off == page && m->patches.at[i].layer == layer)
			return &m->patches.at[i];
	if (m->patches.len >= m->most) {
		cv_fail(err, CV_ELIMIT, "more pages change at once than the journal has room for (%zu)", m->most);
		return NULL;
	}
	if (!cv_patches_push(&m->patches, fresh)) {
		cv_fail(err, CV_ENOMEM, "out of memory");
		return NULL;
	}
	return &m->patches.at[m->patches.len - 1];
}

static bool put_patch(struct cv_merge *m, unsigned layer, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	size_t at = (size_t)(off % CV_MERGE_PAGE);
	struct cv_patch *p = patch_at(m, off - at, layer, err);

	if (!p || !cv_merge_load(m, bytes, len, err))
		return false;
	for (size_t i = at; i < at + len; i++)
		p->mask[i / 8] |= (uint8_t)(1u << i % 8);
	memcpy(p->bytes + at, bytes, len);
	return true;
}

/* How much of len bytes lies in the page of off. */
static size_t part_of(uint64_t off, uint64_t len)
{
	uint64_t room = CV_MERGE_PAGE - off % CV_MERGE_PAGE;

	return (size_t)(room < len ? room : len);
}

bool cv_merge_set(struct cv_merge *m, unsigned layer, uint64_t off, const void *bytes, size_t len, struct cv_err *err)
{
	const uint8_t *from = bytes;

	if (!cv_range_inside((struct cv_range){ off, len }, m->file))
		return cv_fail(err, CV_EFORMAT, "%zu bytes at offset %" PRIu64 " would change behind the end of the file", len, off);
	while (len) {
		size_t part = part_of(off, len);

		if (!put_patch(m, layer, off, from, part, err))
			return false;
		from += part;
		off += part;
		len -= part;
	}
	return true;
}

static void lay_over(const struct cv_patch *p, uint8_t *buf, size_t len, uint64_t off)
{
	uint64_t from = p->off > off ? p->off : off, end = p->off + CV_MERGE_PAGE;

	if (end > off + len)
		end = off + len;
	for (uint64_t at = from; at < end; at++)
		if (p->mask[(at - p->off) / 8] >> (at - p->off) % 8 & 1)
			buf[at - off] = p->bytes[at - p->off];
}

bool cv_merge_read_layer(struct cv_merge *m, unsigned upto, void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	if (!cv_merge_share_run(m, err) || !cv_out_read(&m->out, buf, len, off, err))
		return false;
	for (unsigned layer = 0; layer <= upto; layer++)
		for (size_t i = 0; i < m->patches.len; i++)
			if (m->patches.at[i].layer == layer)
				lay_over(&m->patches.at[i], buf, len, off);
	return true;
}

bool cv_merge_read(struct cv_merge *m, void *buf, size_t len, uint64_t off, struct cv_err *err)
{
	return cv_merge_read_layer(m, CV_MERGE_LAYERS, buf, len, off, err);
}

/* --- data ------------------------------------------------------------------------------------------------ */

bool cv_merge_keep(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err)
{
	return !m->keep || cv_keep_before(m->keep, &m->out, off, len, err);
}

/* Whether these bytes are there already. */
static bool is_there(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len)
{
	enum { AT_ONCE = 65536 };
	CV_AUTO(cv_auto_free) uint8_t *now = m->trusting ? malloc(AT_ONCE) : NULL;
	struct cv_err err = { .code = CV_OK };
	bool same = now != NULL;

	for (size_t done = 0, part; same && done < len; done += part) {
		part = len - done < AT_ONCE ? len - done : AT_ONCE;
		same = cv_out_read(&m->out, now, part, off + done, &err) && !memcmp(now, bytes + done, part);
	}
	return same;
}

static bool is_posted(const struct cv_merge *m, uint64_t off, uint64_t len)
{
	bool any = false;

	for (size_t i = 0; i < m->posted.len; i++)
		any |= cv_ranges_touch((struct cv_range){ off, len }, (struct cv_range){ m->posted.at[i], CV_MERGE_PAGE });
	return any;
}

/* Disk and copying work side by side; the barrier then has less to wait for. */
static void hurry(struct cv_merge *m, uint64_t off, size_t len)
{
	bool first = !m->waiting.bytes;

	m->waiting.from = first || off < m->waiting.from ? off : m->waiting.from;
	m->waiting.end = first || off + len > m->waiting.end ? off + len : m->waiting.end;
	m->waiting.bytes += len;
	if (m->waiting.bytes < HURRY_AT)
		return;
	m->out.io->forget(m->out.io, m->out.fd, m->waiting.from, m->waiting.end - m->waiting.from);
	m->waiting.bytes = 0;
}

static bool write_bytes(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	if (!len)
		return true;
	if (!cv_merge_load(m, bytes, len, err))
		return false;
	if (is_there(m, off, bytes, len))
		return true;
	if ((is_posted(m, off, len) && !cv_merge_unpost(m, err)) || !cv_merge_keep(m, off, len, err))
		return false;
	m->dirty = true;
	m->written += len;
	if (!cv_out_write(&m->out, bytes, len, off, err))
		return false;
	hurry(m, off, len);
	return true;
}

/* Whole blocks that the image has are shared, where that can be. */
static bool write_now(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	struct cv_range shared = { 0, len };
	size_t behind;

	if (m->share.len && is_posted(m, off, len) && !cv_merge_unpost(m, err))
		return false;
	if (!cv_merge_share_take(m, off, bytes, &shared, err))
		return false;
	behind = (size_t)(shared.off + shared.len);
	return write_bytes(m, off, bytes, (size_t)shared.off, err) && write_bytes(m, off + behind, bytes + behind, len - behind, err);
}

/* A page nobody else has anything in, or all of which is written. */
static bool is_whole(const struct cv_merge *m, uint64_t off, uint64_t part)
{
	uint64_t page = off - off % CV_MERGE_PAGE;

	return page >= m->fresh || (off == page && (part == CV_MERGE_PAGE || off + part == m->file));
}

/* Bytes from off on that can be written at once; 0: the page that off is in cannot. */
static size_t whole_pages(const struct cv_merge *m, uint64_t off, size_t len)
{
	size_t done = 0;

	while (done < len && is_whole(m, off + done, part_of(off + done, len - done)))
		done += part_of(off + done, len - done);
	return done;
}

bool cv_merge_write(struct cv_merge *m, uint64_t off, const void *bytes, size_t len, struct cv_err *err)
{
	const uint8_t *from = bytes;

	if (!cv_range_inside((struct cv_range){ off, len }, m->file))
		return cv_fail(err, CV_EFORMAT, "%zu bytes at offset %" PRIu64 " would lie behind the end of the file", len, off);
	while (len) {
		size_t part = whole_pages(m, off, len);
		bool ok = part ? write_now(m, off, from, part, err)
			       : put_patch(m, 0, off, from, part = part_of(off, len), err);

		if (!ok)
			return false;
		from += part;
		off += part;
		len -= part;
	}
	return true;
}

/* False if the file system cannot: then zeros are written. */
static bool punched(struct cv_merge *m, uint64_t off, uint64_t len)
{
	struct cv_err none = { .code = CV_OK };

	if ((is_posted(m, off, len) && !cv_merge_unpost(m, &none)) || !cv_merge_keep(m, off, len, &none))
		return false;
	m->dirty = true;
	return m->out.io->fallocate(m->out.io, m->out.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len) == 0;
}

bool cv_merge_zero(struct cv_merge *m, uint64_t off, uint64_t len, bool punch, struct cv_err *err)
{
	static const uint8_t zeros[65536];
	uint64_t from = (off + CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE, end = off + len;
	uint64_t upto = end == m->file ? end : end / CV_MERGE_PAGE * CV_MERGE_PAGE;

	if (punch && from < upto && cv_range_inside((struct cv_range){ off, len }, m->file) && punched(m, from, upto - from))
		return cv_merge_zero(m, off, from - off, false, err) && cv_merge_zero(m, upto, end - upto, false, err);
	while (len) {
		size_t part = len < sizeof zeros ? (size_t)len : sizeof zeros;

		if (!cv_merge_write(m, off, zeros, part, err))
			return false;
		off += part;
		len -= part;
	}
	return true;
}

/* Nothing was written there, by anybody. */
static bool is_blank(const struct cv_merge *m, uint64_t off)
{
	return !m->again && off >= m->fresh;
}

bool cv_merge_zero_fresh(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err)
{
	return is_blank(m, off) || cv_merge_zero(m, off, len, false, err);
}

bool cv_merge_write_fresh(struct cv_merge *m, uint64_t off, const uint8_t *bytes, size_t len, struct cv_err *err)
{
	uint64_t written = 0;
	bool ok;

	if (!is_blank(m, off) || m->share.len || !cv_range_inside((struct cv_range){ off, len }, m->file))
		return cv_merge_write(m, off, bytes, len, err);
	if (!cv_merge_keep(m, off, len, err))
		return false;
	m->dirty = true;
	ok = cv_out_write_counted(&m->out, bytes, len, off, &written, err);
	m->written += written;
	if (written)
		hurry(m, off, len);
	return ok;
}

static bool lengthen(struct cv_merge *m, uint64_t size, struct cv_err *err)
{
	const struct cv_io *io = m->out.io;

	return io->fallocate(io, m->out.fd, 0, m->file, size - m->file) == 0 ||
	       (errno == EOPNOTSUPP ? cv_out_resize(&m->out, size, err) : cv_io_fail(err, "set space aside for", m->out.name));
}

/* A page that the file ended within is written anew when it becomes longer. */
bool cv_merge_resize(struct cv_merge *m, uint64_t size, struct cv_err *err)
{
	bool shared = size > m->file && m->file % CV_MERGE_PAGE;

	if (!cv_merge_share_run(m, err) || (size < m->file && !cv_merge_keep(m, size, m->file - size, err)))
		return false;
	if (shared && !cv_merge_guard(m, m->file, err))
		return false;
	m->dirty |= shared || size < m->file;
	if (size > m->file ? !lengthen(m, size, err) : size < m->file && !cv_out_resize(&m->out, size, err))
		return false;
	m->file = size;
	return true;
}

void cv_merge_will_change(struct cv_merge *m, uint64_t off, uint64_t len)
{
	if (m->keep)
		cv_keep_want(m->keep, off, len);
}

bool cv_merge_expect(struct cv_merge *m, uint64_t off, uint64_t len, struct cv_err *err)
{
	const struct cv_io *io = m->out.io;
	uint64_t page = off / CV_MERGE_PAGE * CV_MERGE_PAGE, end = off + len < m->file ? off + len : m->file;
	int64_t hole = page < end ? io->seek(io, m->out.fd, page, SEEK_HOLE) : -1;

	cv_merge_will_change(m, off, len);
	if (hole < 0 || (uint64_t)hole >= end)
		return true;
	m->dirty = true;
	return io->fallocate(io, m->out.fd, FALLOC_FL_KEEP_SIZE, page, end - page) == 0 || errno == EOPNOTSUPP ||
	       cv_io_fail(err, "set space aside for", m->out.name);
}

bool cv_merge_below(struct cv_merge *m, void *buf, struct cv_range range, struct cv_err *err)
{
	const struct cv_chain *chain = m->below;
	uint64_t size = chain && chain->count ? chain->layers[0]->size : 0, there = size > range.off ? size - range.off : 0;

	if (there > range.len)
		there = range.len;
	memset((uint8_t *)buf + there, 0, (size_t)(range.len - there));
	return !there || cv_chain_read(chain, buf, (struct cv_range){ range.off, there }, err);
}

bool cv_merge_may_grow(const struct cv_merge_format *format, struct cv_source **source, uint64_t child_size, struct cv_err *err)
{
	struct cv_merge m = { .format = format, .source = *source, .child_size = child_size, .file = (*source)->size,
			      .former = (*source)->size };
	bool ok;

	*source = NULL;
	ok = !format->may_grow || (format->open(&m, err) && (child_size <= m.size || format->may_grow(&m, err)));
	cv_merge_fini(&m);
	return ok;
}

bool cv_merge_may_take(const struct cv_merge_format *format, struct cv_source **source, struct cv_err *err)
{
	struct cv_merge m = { .format = format, .source = *source, .file = (*source)->size, .former = (*source)->size };
	bool ok;

	*source = NULL;
	m.out.name = "";
	ok = format->open(&m, err);
	cv_merge_fini(&m);
	return ok;
}

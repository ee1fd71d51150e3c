/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The model of random trees: what each operation does to the sectors of an image, and which ones are chosen. */
#include "tests/support/tree.h"
#include <stdarg.h>
#include <stdio.h>
#include "tests/support/run.h"
#include "tests/support/tree_kinds.h"

int tree_owner(const struct tree *t, int image, uint32_t sector, unsigned *depth)
{
	*depth = 0;
	for (int i = image; i >= 0 && sector < t->image[i].sectors; i = t->image[i].parent, ++*depth)
		if (t->image[i].has[sector] != TREE_NOTHING)
			return i;
	return -1;
}

uint8_t tree_value(const struct tree *t, int image, uint32_t sector)
{
	unsigned depth;
	int owner = tree_owner(t, image, sector, &depth);

	return owner >= 0 && t->image[owner].has[sector] == TREE_DATA ? t->image[owner].value[sector] : 0;
}

void tree_name(const struct tree *t, int image, char name[32])
{
	snprintf(name, 32, "i%d.%s", image, t->image[image].kind->ending);
}

/* --- what is done again with qemu-io ----------------------------------------------------------------------------- */

static void end_io(struct tree *t, int image)
{
	struct tree_image *m = &t->image[image];
	char name[32];

	tree_name(t, image, name);
	if (m->in_io)
		cv_text_addf(&m->script, " %s >/dev/null\n", name);
	m->in_io = false;
}

static void add_io(struct tree *t, int image, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void add_io(struct tree *t, int image, const char *format, ...)
{
	struct tree_image *m = &t->image[image];
	char command[128];
	va_list args;

	if (!m->kind->driver)
		return;
	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	if (!m->in_io)
		cv_text_addf(&m->script, "qemu-io -t unsafe -f %s", m->kind->driver);
	m->in_io = true;
	cv_text_addf(&m->script, " -c '%s'", command);
}

/* --- operations on sectors --------------------------------------------------------------------------------------- */

static uint32_t piece_of(const struct tree_image *m)
{
	return m->parent < 0 ? m->kind->base_piece : m->kind->piece;
}

/* The sectors of the unit that a sector lies in, as far as the disk goes. */
static uint32_t unit_end(const struct tree_image *m, uint32_t start, uint32_t unit)
{
	return m->sectors - start < unit ? m->sectors : start + unit;
}

/* A block that was zero altogether gets data: its zeros are written out. */
static void write_out_zeros(struct tree_image *m, uint32_t sector)
{
	uint32_t start = sector / m->kind->block * m->kind->block;

	for (uint32_t s = start; m->has[sector] == TREE_ZERO && s < unit_end(m, start, m->kind->block); s++)
		if (s != sector) {
			m->has[s] = TREE_DATA;
			m->value[s] = 0;
		}
}

static void set_placed(struct tree_image *m, uint32_t sector, bool placed)
{
	uint32_t start = sector / m->kind->block * m->kind->block;

	for (uint32_t s = start; s < unit_end(m, start, m->kind->block); s++)
		m->placed[s] = placed;
}

/* Data of one piece, with the rest of it as a guest reads it now. */
static void fill_piece(struct tree *t, int image, uint32_t start)
{
	struct tree_image *m = &t->image[image];

	if (m->kind->can & TREE_BY_BLOCK)
		write_out_zeros(m, start);
	for (uint32_t s = start; s < unit_end(m, start, piece_of(m)); s++) {
		m->value[s] = tree_value(t, image, s);
		m->has[s] = TREE_DATA;
	}
	set_placed(m, start, true);
}

static void put(struct tree *t, int image, uint32_t off, uint32_t len, uint8_t value)
{
	struct tree_image *m = &t->image[image];
	uint32_t piece = piece_of(m);

	for (uint32_t s = off / piece * piece; s < off + len; s += piece)
		fill_piece(t, image, s);
	memset(m->value + off, value, len);
}

static void tree_write(struct tree *t, int image, uint32_t off, uint32_t len, uint8_t value)
{
	add_io(t, image, "write -P %u %u %u", value, off * TREE_SECTOR, len * TREE_SECTOR);
	put(t, image, off, len, value);
}

/* Whole units become zeros of the image's own, the rest is written. */
static void tree_zero(struct tree *t, int image, uint32_t off, uint32_t len, bool unmap)
{
	struct tree_image *m = &t->image[image];
	uint32_t unit = m->kind->can & TREE_BY_BLOCK ? m->kind->block : piece_of(m), end = off + len, next;
	bool able = m->kind->can & TREE_ZEROES;

	if (m->kind->can & TREE_OLD) {
		tree_write(t, image, off, len, 0);
		return;
	}
	if (m->kind->driver && able) {
		/* what qemu does with a part of a cluster depends on what it finds below: not ours to know */
		off = off / unit * unit;
		end = (end + unit - 1) / unit * unit;
		end = end < m->sectors ? end : m->sectors;
	}
	add_io(t, image, "write -z%s %u %u", unmap ? " -u" : "", off * TREE_SECTOR, (end - off) * TREE_SECTOR);
	for (uint32_t s = off; s < end; s = next) {
		next = unit_end(m, s / unit * unit, unit);
		if (!able || s % unit || next > end) {
			next = next < end ? next : end;
			put(t, image, s, next - s, 0);
			continue;
		}
		memset(m->has + s, TREE_ZERO, next - s);
		if (unmap && s % m->kind->block == 0 && unit_end(m, s, m->kind->block) <= end)
			set_placed(m, s, false);
	}
}

static void tree_discard(struct tree *t, int image, uint32_t off, uint32_t len)
{
	struct tree_image *m = &t->image[image];
	uint32_t block = m->kind->block, next;

	add_io(t, image, "discard %u %u", off * TREE_SECTOR, len * TREE_SECTOR);
	if (!(m->kind->can & TREE_DISCARDS) || (m->kind->can & TREE_OLD && m->parent >= 0))
		return;
	for (uint32_t s = (off + block - 1) / block * block; s < off + len; s = next) {
		next = unit_end(m, s, block);
		if (next > off + len)
			break;
		if (m->kind->can & TREE_OLD)
			memset(m->has + s, TREE_NOTHING, next - s);
		else if (m->parent >= 0 || m->placed[s])
			memset(m->has + s, TREE_ZERO, next - s);
		set_placed(m, s, false);
	}
}

/* One block that has nothing yet. */
static void tree_compress(struct tree *t, int image, uint32_t off, uint8_t value)
{
	struct tree_image *m = &t->image[image];
	uint32_t block = m->kind->block, start = off / block * block;

	if (!(m->kind->can & TREE_COMPRESSES) || m->sectors - start < block || m->placed[start] ||
	    m->has[start] != TREE_NOTHING)
		return;
	add_io(t, image, "write -c -P %u %u %u", value, start * TREE_SECTOR, block * TREE_SECTOR);
	put(t, image, start, block, value);
	m->compressed = true;
}

/* What a larger parent would show in the new part is hidden, at once. */
static void hide_parent(struct tree *t, int image, uint32_t old)
{
	struct tree_image *m = &t->image[image];

	if (m->parent >= 0 && t->image[m->parent].sectors > old)
		memset(m->has + old, TREE_ZERO, m->sectors - old);
}

/* In formats whose last block is there altogether its new sectors are as the old ones. */
static void extend_block(struct tree_image *m, uint32_t old)
{
	uint8_t has = old % m->kind->block ? m->has[old - 1] : TREE_NOTHING;

	if (has == TREE_ZERO || (has == TREE_DATA && m->parent < 0))
		memset(m->has + old, has, unit_end(m, old / m->kind->block * m->kind->block, m->kind->block) - old);
}

static void tree_resize(struct tree *t, int image, uint32_t sectors)
{
	struct tree_image *m = &t->image[image];
	uint32_t old = m->sectors;
	bool overlay = m->parent >= 0 && t->image[m->parent].sectors > old;

	/* what lies in a cluster behind the end of the disk is not in the model: it must not come into sight */
	if (m->kind->driver && sectors < old)
		sectors = sectors / m->kind->block * m->kind->block;
	if (m->kind->driver && sectors > old && old % m->kind->block)
		return;
	if (!(m->kind->can & TREE_RESIZES) || !sectors || sectors == old || (m->snapshots && (sectors < old || m->kind->can & TREE_OLD)) ||
	    (sectors > old && overlay && m->kind->can & TREE_OLD))
		return;
	add_io(t, image, "truncate %u", sectors * TREE_SECTOR);
	m->sectors = sectors;
	if (sectors < old) {
		memset(m->has + sectors, TREE_NOTHING, old - sectors);
		memset(m->placed + sectors, 0, old - sectors);
		return;
	}
	memset(m->value + old, 0, sectors - old);
	if (m->kind->can & (TREE_FULL | TREE_HOLES))
		memset(m->has + old, m->kind->can & TREE_FULL ? TREE_DATA : TREE_ZERO, sectors - old);
	else if (m->kind->driver)
		hide_parent(t, image, old);
	else if (m->kind->can & TREE_BY_BLOCK)
		extend_block(m, old);
}

static void tree_snapshot_inside(struct tree *t, int image)
{
	struct tree_image *m = &t->image[image];
	char name[32];

	if (!(m->kind->can & TREE_SNAPSHOTS) || m->snapshots == TREE_INSIDE)
		return;
	end_io(t, image);
	tree_name(t, image, name);
	cv_text_addf(&m->script, "qemu-img snapshot -c s%u %s\n", m->snapshots, name);
	m->inside[m->snapshots].sectors = m->sectors;
	memcpy(m->inside[m->snapshots++].has, m->has, sizeof m->has);
}

/* --- random trees ------------------------------------------------------------------------------------------------ */

static uint32_t below(struct tree *t, uint32_t n)
{
	return cv_test_random(&t->seed, n);
}

/* Differencing images that qemu does not read as such: VHD it takes for complete, VHDX it refuses. */
static bool below_is(const struct tree *t, int image, enum cv_format_id format)
{
	for (; image >= 0; image = t->image[image].parent)
		if (t->image[image].kind->format == format && t->image[image].parent >= 0)
			return true;
	return false;
}

static bool can_stand_on(const struct tree *t, const struct tree_kind *kind, int parent)
{
	return parent < 0 || (kind->stands_on >> t->image[parent].kind->format & 1 &&
			      !(kind->driver && below_is(t, parent, CV_FORMAT_VHDX)));
}

static const struct tree_kind *random_kind(struct tree *t, int parent)
{
	const struct tree_kind *const *kinds = parent < 0 ? t->family->bases : t->family->children, *kind;
	uint32_t n = 0;

	while (kinds[n])
		n++;
	do
		kind = kinds[below(t, n)];
	while (!can_stand_on(t, kind, parent));
	return kind;
}

/* The first line of what qemu's programs are to do. */
static void add_create(struct tree *t, int image)
{
	struct tree_image *m = &t->image[image];
	char name[32];

	if (!m->kind->driver)
		return;
	cv_text_addf(&m->script, "qemu-img create -q -f %s", m->kind->driver);
	tree_name(t, image, name);
	if (m->kind->options)
		cv_text_addf(&m->script, " -o %s%s", m->kind->options, strstr(m->kind->options, "data_file") ? name : "");
	if (m->parent >= 0) {
		tree_name(t, m->parent, name);
		cv_text_addf(&m->script, " -b %s -F %s", name, t->image[m->parent].kind->backing);
	}
	tree_name(t, image, name);
	cv_text_addf(&m->script, " %s %" PRIu32 "\n", name, m->sectors * TREE_SECTOR);
}

static void add_image(struct tree *t, int parent)
{
	struct tree_image *m = &t->image[t->count];
	uint32_t unit;

	m->kind = random_kind(t, parent);
	m->parent = parent;
	unit = m->kind->sector ? m->kind->sector / TREE_SECTOR : 1;
	m->sectors = 1 + below(t, TREE_SECTORS * 3 / 4);
	if (parent >= 0 && below(t, 3))
		m->sectors = t->image[parent].sectors;
	m->sectors = (m->sectors + unit - 1) / unit * unit;
	memset(m->has, m->kind->can & TREE_FULL ? TREE_DATA : m->kind->can & TREE_HOLES ? TREE_ZERO : TREE_NOTHING,
	       m->sectors);
	if (parent >= 0)
		t->image[parent].children++;
	add_create(t, t->count++);
}

/* An image that nobody stands on; it can be written. */
static int random_leaf(struct tree *t)
{
	int i;

	do
		i = (int)below(t, (uint32_t)t->count);
	while (t->image[i].gone || t->image[i].children);
	return i;
}

static int random_image(struct tree *t)
{
	int i;

	do
		i = (int)below(t, (uint32_t)t->count);
	while (t->image[i].gone);
	return i;
}

static void delete_leaf(struct tree *t)
{
	int i = random_leaf(t);

	if (t->image[i].parent < 0)
		return;
	t->image[i].gone = true;
	t->image[i].trashed = below(t, 2);
	t->image[t->image[i].parent].children--;
}

/* Are only whole clusters written, so that qemu need not read what lies below? */
static bool writes_whole(const struct tree *t, const struct tree_image *m)
{
	return m->kind->driver && (t->whole || below_is(t, m->parent, CV_FORMAT_VHD));
}

static void random_range(struct tree *t, int image, uint32_t *off, uint32_t *len)
{
	const struct tree_image *m = &t->image[image];
	uint32_t unit = writes_whole(t, m) ? m->kind->block : m->kind->sector ? m->kind->sector / TREE_SECTOR : 1;
	uint32_t end;

	*off = below(t, m->sectors) / unit * unit;
	end = *off + 1 + below(t, below(t, 3) ? 100 : 3000);
	end = (end + unit - 1) / unit * unit;
	*len = (end < m->sectors ? end : m->sectors) - *off;
}

static void random_size(struct tree *t, int image)
{
	const struct tree_image *m = &t->image[image];
	uint32_t unit = m->kind->sector ? m->kind->sector / TREE_SECTOR : 1, n = 1 + below(t, TREE_SECTORS);

	tree_resize(t, image, n / unit * unit);
}

static void step(struct tree *t)
{
	unsigned what = below(t, 18);
	int image = random_leaf(t);
	uint32_t off, len;

	random_range(t, image, &off, &len);
	if (what < 7)
		tree_write(t, image, off, len, (uint8_t)(below(t, 12) ? 1 + below(t, 255) : 0));
	else if (what < 9)
		tree_zero(t, image, off, len, what == 7);
	else if (what == 9)
		tree_discard(t, image, off, len);
	else if (what == 10)
		tree_compress(t, image, off, (uint8_t)(1 + below(t, 255)));
	else if (what == 11)
		random_size(t, image);
	else if (what == 12 && !t->whole)
		tree_snapshot_inside(t, image);
	else if (what == 13)
		delete_leaf(t);
	else if (what > 13 && t->count < TREE_IMAGES)
		add_image(t, what == 14 ? random_image(t) : image);
}

/* What lies in a block with data without being written is the block's own there. */
static void settle_bitmaps(struct tree_image *m)
{
	uint32_t end;

	if (m->parent >= 0 || !(m->kind->can & TREE_BITMAP_BASE))
		return;
	for (uint32_t start = 0; start < m->sectors; start = end) {
		end = unit_end(m, start, m->kind->block);
		if (memchr(m->has + start, TREE_DATA, end - start))
			for (uint32_t s = start; s < end; s++)
				m->has[s] = m->has[s] == TREE_DATA ? TREE_DATA : TREE_ZERO;
	}
}

/* Who stands below others is hidden more often than not, who does not is hidden when it was left over. */
static void give_mark(struct tree *t, struct tree_image *m)
{
	if (!(m->kind->can & TREE_MARKS) || (m->kind->driver && below(t, 2)))
		return;
	m->mark = below(t, 4) ? m->children ? TREE_HIDDEN : TREE_SHOWN : m->children ? TREE_SHOWN : TREE_HIDDEN;
}

/* A cluster with data that the table will not know any more. Nobody may have read it, so it is one of a leaf. */
static void lose_cluster(struct tree *t, struct tree_image *m)
{
	uint32_t block = m->kind->block, start = below(t, m->sectors) / block * block;

	if (!(m->kind->can & TREE_LOSES) || m->children || m->compressed || m->snapshots || m->sectors - start < block)
		return;
	for (uint32_t s = start; s < start + block; s++)
		if (!m->placed[s] || m->has[s] != TREE_DATA)
			return;
	memset(m->has + start, TREE_NOTHING, block);
	set_placed(m, start, false);
	m->loses = true;
	m->lost = start;
}

/* What was deleted and its parent, too, cannot be made any more. */
static void settle_trash(struct tree *t, struct tree_image *m)
{
	const struct tree_image *parent = m->parent < 0 ? NULL : &t->image[m->parent];

	if (parent && parent->gone && !parent->trashed)
		m->trashed = false;
}

/* Small seeds would all begin alike. */
static uint32_t scattered(uint32_t seed)
{
	seed = (seed ^ seed >> 16) * 0x7feb352du;
	seed = (seed ^ seed >> 15) * 0x846ca68bu;
	return seed ^ seed >> 16;
}

void tree_grow(struct tree *t, const struct tree_family *family, uint32_t seed)
{
	*t = (struct tree){ .family = family, .seed = scattered(seed) };
	t->whole = below(t, 3) == 0;
	add_image(t, -1);
	for (unsigned n = 25 + below(t, 50); n; n--)
		step(t);
	for (int i = 0; i < t->count; i++) {
		end_io(t, i);
		lose_cluster(t, &t->image[i]);
		give_mark(t, &t->image[i]);
		settle_trash(t, &t->image[i]);
		settle_bitmaps(&t->image[i]);
	}
}

void tree_fini(struct tree *t)
{
	for (int i = 0; i < t->count; i++)
		cv_text_fini(&t->image[i].script);
	t->count = 0;
}

static bool move_to_trash(const struct tree *t, int image, const char *folder, struct cv_text *why)
{
	CV_AUTO(cv_text_fini) struct cv_text command = { 0 };
	char name[32];

	tree_name(t, image, name);
	/* with its data file, if it has one */
	cv_text_addf(&command, "mkdir -p .chainview/trash && mv *%s .chainview/trash", name);
	return !cv_test_run(folder, why, true, (const char *const[]){ "sh", "-ec", cv_text_str(&command), NULL });
}

bool tree_make(const struct tree *t, const char *folder, struct cv_text *why)
{
	for (int i = 0; i < t->count; i++)
		if ((!t->image[i].gone || t->image[i].trashed) && !t->image[i].kind->make(t, i, folder, why))
			return false;
	for (int i = 0; i < t->count; i++)
		if (t->image[i].trashed && !move_to_trash(t, i, folder, why))
			return false;
	return true;
}

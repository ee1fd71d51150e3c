/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Who reads which sector, what of a file is on disk, and sums. What points to what is known to the kinds. */
#include "tests/support/tree_space.h"
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIVE = 1 << CV_SPACE_LIVE, ORPHANED = 1 << CV_SPACE_ORPHANED };

uint64_t tree_be(const uint8_t *b, unsigned width)
{
	uint64_t n = 0;

	while (width--)
		n = n << 8 | *b++;
	return n;
}

void tree_use_take(struct tree_use *u, uint64_t off, uint64_t len, enum tree_byte what)
{
	for (uint64_t i = off; i < off + len && i < u->size; i++)
		if (u->is[i] < what)
			u->is[i] = (uint8_t)what;
}

static enum tree_byte byte_for(uint8_t need)
{
	return need & LIVE ? TREE_BYTE_LIVE : need ? TREE_BYTE_ORPHANED : TREE_BYTE_SHADOWED;
}

void tree_use_sector(struct tree_use *u, uint32_t sector, uint64_t off)
{
	bool data = sector < u->t->image[u->image].sectors && u->t->image[u->image].has[sector] == TREE_DATA;

	tree_use_take(u->data, off, TREE_SECTOR, data ? byte_for(u->need[sector]) : TREE_BYTE_HELD);
}

void tree_use_find_lost(struct tree_use *u, uint64_t whole)
{
	for (uint64_t i = 0, end; i < u->size; i = end + 1) {
		for (end = i; end < u->size && u->is[end] == TREE_BYTE_IDLE;)
			end++;
		if (end < u->size && end - i >= whole)
			memset(u->is + i, TREE_BYTE_LOST, end - i);
	}
}

/* A file that is data from end to end, but for its holes. */
void tree_use_raw(struct tree_use *u)
{
	for (uint32_t s = 0; s < u->t->image[u->image].sectors; s++)
		tree_use_take(u, (uint64_t)s * TREE_SECTOR, TREE_SECTOR, byte_for(u->need[s]));
}

/* --- who reads what ---------------------------------------------------------------------------------------------- */

/* Somebody reads an image; what is said of it is noted for the one whose sectors are wanted. */
static void read_all(const struct tree *t, int reader, int image, uint8_t mask, uint8_t *need)
{
	for (uint32_t s = 0; s < t->image[reader].sectors; s++) {
		unsigned depth;

		if (tree_owner(t, reader, s, &depth) == image)
			need[s] |= mask;
	}
}

/* An internal snapshot reads the parent where it has nothing itself. */
static void read_inside(const struct tree *t, int reader, int image, uint8_t mask, uint8_t *need)
{
	const struct tree_image *m = &t->image[reader];

	for (unsigned k = 0; k < m->snapshots; k++)
		for (uint32_t s = 0; m->parent >= 0 && s < m->inside[k].sectors; s++) {
			unsigned depth;

			if (m->inside[k].has[s] == TREE_NOTHING && tree_owner(t, m->parent, s, &depth) == image)
				need[s] |= mask;
		}
}

static void find_needs(const struct tree *t, int image, uint8_t need[TREE_SECTORS])
{
	memset(need, 0, TREE_SECTORS);
	for (int i = 0; i < t->count; i++) {
		const struct tree_image *m = &t->image[i];
		bool orphan = !m->children && m->mark == TREE_HIDDEN;

		if (m->gone)
			continue;
		if (!m->children || m->mark == TREE_SHOWN)
			read_all(t, i, image, orphan ? ORPHANED : LIVE, need);
		read_inside(t, i, image, orphan ? ORPHANED : LIVE, need);
	}
}

/* --- files ------------------------------------------------------------------------------------------------------- */

static void use_fini(struct tree_use *u)
{
	free(u->file);
	free(u->is);
}

static bool load(struct tree_use *u, int fd)
{
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return false;
	u->size = (uint64_t)st.st_size;
	u->file = malloc(u->size + 1);
	u->is = calloc(1, u->size + 1);
	return u->file && u->is && pread(fd, u->file, u->size, 0) == st.st_size;
}

static enum cv_space_class class_of(enum tree_byte what)
{
	static const enum cv_space_class classes[] = {
		[TREE_BYTE_IDLE] = CV_SPACE_SLACK,         [TREE_BYTE_LOST] = CV_SPACE_LEAKED,
		[TREE_BYTE_HELD] = CV_SPACE_SLACK,         [TREE_BYTE_SHADOWED] = CV_SPACE_SHADOWED,
		[TREE_BYTE_ORPHANED] = CV_SPACE_ORPHANED,  [TREE_BYTE_SNAPSHOT] = CV_SPACE_SNAPSHOT,
		[TREE_BYTE_LIVE] = CV_SPACE_LIVE,          [TREE_BYTE_METADATA] = CV_SPACE_METADATA,
	};

	return classes[what];
}

static void count(const struct tree_use *u, uint64_t off, uint64_t len, struct tree_space *space)
{
	for (uint64_t i = off; i < off + len && i < u->size; i++) {
		if (u->is[i] == TREE_BYTE_LOST && !space->bytes[CV_SPACE_LEAKED])
			space->leaked_at = i;
		space->bytes[class_of(u->is[i])]++;
	}
}

/* What the file system holds of the file; where it does not say, what is no hole. */
static void count_on_disk(const struct tree_use *u, int fd, struct tree_space *space)
{
	struct { struct fiemap head; struct fiemap_extent at[1]; } a;
	off_t from, upto = 0;

	for (uint64_t pos = 0;; pos = a.at[0].fe_logical + a.at[0].fe_length) {
		memset(&a, 0, sizeof a);
		a.head.fm_start = pos;
		a.head.fm_length = FIEMAP_MAX_OFFSET - pos;
		a.head.fm_extent_count = 1;
		if (ioctl(fd, FS_IOC_FIEMAP, &a) < 0)
			break;
		if (!a.head.fm_mapped_extents)
			return;
		count(u, a.at[0].fe_logical, a.at[0].fe_length, space);
	}
	while ((from = lseek(fd, upto, SEEK_DATA)) >= 0) {
		upto = lseek(fd, from, SEEK_HOLE);
		count(u, (uint64_t)from, (uint64_t)(upto - from), space);
	}
}

static int open_file(const struct tree *t, int image, const char *folder, bool data)
{
	char name[32], path[512];

	tree_name(t, image, name);
	snprintf(path, sizeof path, "%s/%s%s", folder, data ? "data-of-" : "", name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What is not in any piece of the file, such as the rest of its last page, is slack. */
static bool sum_up(struct tree_space *space, uint64_t allocated, struct cv_text *why)
{
	uint64_t sum = 0;

	for (int c = 0; c < CV_SPACE_CLASS_COUNT; c++)
		sum += space->bytes[c];
	if (sum > allocated)
		cv_text_addf(why, "%" PRIu64 " B on disk, but it takes up %" PRIu64 ": is this a file system that compresses?",
			     sum, allocated);
	space->bytes[CV_SPACE_SLACK] += allocated - sum;
	return sum <= allocated;
}

bool tree_space_of(const struct tree *t, int image, const char *folder, bool data, uint64_t allocated,
		   struct tree_space *space, struct cv_text *why)
{
	static uint8_t need[TREE_SECTORS];
	CV_AUTO(use_fini) struct tree_use own = { .t = t, .image = image, .need = need };
	CV_AUTO(use_fini) struct tree_use other = own;
	bool elsewhere = t->image[image].kind->can & TREE_ELSEWHERE;
	CV_AUTO(cv_auto_close) int fd = open_file(t, image, folder, false);
	CV_AUTO(cv_auto_close) int data_fd = elsewhere ? open_file(t, image, folder, true) : -1;

	*space = (struct tree_space){ 0 };
	own.data = elsewhere ? &other : &own;
	if (!load(&own, fd) || (elsewhere && !load(&other, data_fd))) {
		cv_text_addf(why, "image %d cannot be read again", image);
		return false;
	}
	find_needs(t, image, need);
	t->image[image].kind->use(&own);
	count_on_disk(data ? &other : &own, data ? data_fd : fd, space);
	return sum_up(space, allocated, why);
}

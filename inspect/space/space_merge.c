/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a file will grow by when another image is merged into it. The rules are those of the programs that do it:
 * for QCOW2 and raw parents of QEMU's commit job (block/mirror.c, block/qcow2-cluster.c of 7.2), which copies in
 * granules of the parent's cluster size but 4 to 64 KiB and punches holes for zeros; for VHD and VHDX parents of a
 * copy by sectors into new blocks at the end.
 */
#include "inspect/space/space_qcow2.h"
#include "inspect/space/space_work.h"
#include "inspect/vhd/vhd_map.h"
#include "inspect/vhdx/vhdx_map.h"

#define PAGE UINT64_C(4096)
#define LEAST_GRANULE UINT64_C(4096)
#define MOST_GRANULE UINT64_C(65536)

/* Something that is done to a part of the parent's disk. */
struct op {
	uint64_t off, len;
	bool zero;
};
CV_VEC(ops, struct op);

struct job {
	struct cv_space_tree *tree;
	struct cv_space_node *child, *target;    /* child NULL: what is copied comes from anywhere */
	struct cv_space_forecast *f;
	const struct cv_space_runs *before;      /* what others have put there before; NULL: nothing */
	uint64_t granule, size;                  /* size: of the disk that is copied */
	struct ops ops;
	size_t extent, run, from;                /* positions in the target's extents, in before, in the child's */
};

static void job_fini(struct job *j)
{
	free(j->ops.at);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t down(uint64_t n, uint64_t unit)
{
	return n / unit * unit;
}

static uint64_t up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static uint64_t granule_of(const struct cv_space_node *target)
{
	const struct cv_qcow2_map *m = target->layer->state;

	if (target->format == CV_FORMAT_RAW)
		return MOST_GRANULE;
	if (target->format != CV_FORMAT_QCOW2)
		return 512;
	return m->cluster < LEAST_GRANULE ? LEAST_GRANULE : smaller(m->cluster, MOST_GRANULE);
}

static bool add_op(struct job *j, uint64_t from, uint64_t upto, bool zero, struct cv_err *err)
{
	struct op *last = j->ops.len ? &j->ops.at[j->ops.len - 1] : NULL;

	if (last && last->off + last->len > from)
		from = last->off + last->len;
	if (from >= upto)
		return true;
	if (last && last->zero == zero && last->off + last->len == from) {
		last->len += upto - from;
		return true;
	}
	return ops_push(&j->ops, (struct op){ from, upto - from, zero }) || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* QEMU asks what a range is L2 table by L2 table: zeros that it does not see a whole granule of are copied. */
static bool sees_zeros(const struct job *j)
{
	const struct cv_qcow2_map *m = j->child->layer->state;

	return j->child->format != CV_FORMAT_QCOW2 || m->cluster << m->tables.l2_bits >= j->granule;
}

/* Data make their granules data; of zeros only whole granules stay zeros. */
static bool make_ops(struct job *j, struct cv_range window, struct cv_err *err)
{
	const struct cv_extents *list = &j->child->list;
	uint64_t g = j->granule, stop = window.off + window.len, size = j->size;

	for (size_t i = 0; i < list->len && list->at[i].at.off < stop; i++) {
		const struct cv_extent *e = &list->at[i];
		uint64_t from = e->at.off, upto = smaller(from + e->at.len, stop);
		uint64_t low = up(from, g), high = upto == size ? upto : down(upto, g);

		if (e->kind != CV_EXTENT_DATA && e->kind != CV_EXTENT_ZERO)
			continue;
		if (e->kind == CV_EXTENT_DATA || low >= high || !sees_zeros(j)) {
			if (!add_op(j, down(from, g), smaller(up(upto, g), size), false, err))
				return false;
			continue;
		}
		if (!add_op(j, down(from, g), low, false, err) || !add_op(j, low, high, true, err) ||
		    !add_op(j, high, smaller(up(upto, g), size), false, err))
			return false;
	}
	return true;
}

/* The target's extent at pos, which only goes forward; NULL behind its end. */
static const struct cv_extent *extent_at(struct job *j, uint64_t pos)
{
	const struct cv_extents *list = &j->target->list;

	while (j->extent && list->at[j->extent].at.off > pos)
		j->extent--;
	while (j->extent < list->len && list->at[j->extent].at.off + list->at[j->extent].at.len <= pos)
		j->extent++;
	return j->extent < list->len && list->at[j->extent].at.off <= pos ? &list->at[j->extent] : NULL;
}

/* Has somebody in the plan put data there before? */
static bool put_before(struct job *j, uint64_t off, uint64_t len)
{
	const struct cv_space_runs *b = j->before;

	if (!b)
		return false;
	while (j->run < b->len && b->at[j->run].off + b->at[j->run].len <= off)
		j->run++;
	return j->run < b->len && b->at[j->run].off < off + len;
}

static void grow(struct job *j, uint64_t bytes)
{
	j->f->growth += (int64_t)bytes;
	j->f->peak += bytes;
}

/* Holes of the target's file that are filled when this is written; file systems fill whole pages. */
static void fill(struct job *j, uint64_t host, uint64_t len)
{
	uint64_t from = down(host, PAGE), upto = up(host + len, PAGE);
	uint64_t inside = smaller(upto, j->target->layer->source->size);
	uint64_t on =
		from < inside ? cv_space_on_disk(&j->target->host.disk, (struct cv_range){ from, inside - from }) : 0;

	grow(j, upto - from - smaller(up(on, PAGE), upto - from));
}

/* How much of what is copied is on disk in the child: what is a hole there need not be written either. */
static uint64_t really_there(struct job *j, struct cv_range part)
{
	const struct cv_extents *list = j->child ? &j->child->list : NULL;
	uint64_t stop = part.off + part.len, sum = 0;

	if (!list)
		return up(part.len, PAGE);
	while (j->from < list->len && list->at[j->from].at.off + list->at[j->from].at.len <= part.off)
		j->from++;
	for (size_t i = j->from; i < list->len && list->at[i].at.off < stop; i++) {
		const struct cv_extent *e = &list->at[i];
		uint64_t a = e->at.off > part.off ? e->at.off : part.off, b = smaller(e->at.off + e->at.len, stop);

		if (e->kind == CV_EXTENT_DATA)
			sum += e->compressed || j->child->layer->data_file
				       ? b - a
				       : cv_space_on_disk(&j->child->host.disk,
							  (struct cv_range){ e->host + (a - e->at.off), b - a });
	}
	return up(sum, PAGE);
}

static void punch(struct job *j, uint64_t host, uint64_t len)
{
	j->f->growth -= (int64_t)cv_space_on_disk(&j->target->host.disk, (struct cv_range){ host, len });
}

/* Is the count of the cluster at this place of the disk more than one? Only internal snapshots make it so. */
static bool is_shared(struct job *j, uint64_t guest, bool *shared, struct cv_err *err)
{
	struct cv_qcow2_map *m = j->target->layer->state;
	uint64_t entry;

	*shared = false;
	if (!j->target->ask->snapshots)
		return true;
	if (!cv_qcow_tables_entry(&m->tables, guest, &entry, err))
		return false;
	*shared = !(entry & QCOW2_ENTRY_COPIED);
	return true;
}

/* Anything that is written needs a table of its own. */
static bool need_l2(struct job *j, uint64_t guest, struct cv_err *err)
{
	const struct cv_qcow2_map *m = j->target->layer->state;
	uint64_t index = guest >> (m->tables.cluster_bits + m->tables.l2_bits), entry;

	if (j->f->last_l2 == index + 1)
		return true;
	j->f->last_l2 = index + 1;
	if (j->before && put_before(j, index << (m->tables.cluster_bits + m->tables.l2_bits),
				    UINT64_C(1) << (m->tables.cluster_bits + m->tables.l2_bits)))
		return true;
	if (!cv_space_qcow2_l1(&j->target->host, guest, &entry, err))
		return false;
	if (entry & QCOW2_ENTRY_OFFSET && entry & QCOW2_ENTRY_COPIED)
		return true;
	j->f->fresh++;
	grow(j, m->cluster);
	return true;
}

/* One cluster of a QCOW2 target: part of it is written, or all of it becomes zeros. */
static bool do_cluster(struct job *j, uint64_t unit, struct cv_range part, bool zero, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = j->target->host.state;
	const struct cv_extent *e = extent_at(j, unit);
	bool placed = e && e->placed && !e->compressed, shared = false;
	uint64_t cluster = q->map->cluster;

	if (!need_l2(j, unit, err) || (placed && !is_shared(j, unit, &shared, err)))
		return false;
	if (put_before(j, unit, cluster)) {
		if (zero)
			j->f->growth -= (int64_t)cluster;
		return true;
	}
	if (zero && q->h.version >= 3) {
		if (placed && !shared)
			punch(j, e->host + (unit - e->at.off), cluster);
		return true;
	}
	if (placed && !shared && e->kind == CV_EXTENT_DATA) {
		fill(j, e->host + (part.off - e->at.off), part.len);
	} else if (placed && !shared) {
		fill(j, e->host + (unit - e->at.off), cluster);
	} else if (j->f->last_unit != unit + 1) {
		j->f->fresh++;
		grow(j, cluster);
		j->f->last_unit = unit + 1;
	}
	return true;
}

/* Zeros that do not fill a cluster are written as data, and where clusters are larger than granules the whole run. */
static bool do_qcow2(struct job *j, const struct op *op, struct cv_err *err)
{
	const struct cv_qcow2_map *m = j->target->layer->state;
	uint64_t end = op->off + op->len, size = j->size;
	bool ragged = op->off % m->cluster || (end % m->cluster && end != size);
	bool zero = op->zero && !(ragged && m->cluster > j->granule);

	for (uint64_t pos = op->off; pos < end;) {
		uint64_t unit = down(pos, m->cluster), next = smaller(unit + m->cluster, end);
		bool whole = pos == unit && (next == unit + m->cluster || next == size);

		if (!do_cluster(j, unit, (struct cv_range){ pos, next - pos }, zero && whole, err))
			return false;
		pos = next;
	}
	return true;
}

/* Disks that lie in their file as they are. */
static bool do_flat(struct job *j, const struct op *op, struct cv_err *err)
{
	(void)err;
	if (put_before(j, op->off, op->len))
		return true;
	if (op->zero && j->target->format == CV_FORMAT_RAW)
		punch(j, op->off, op->len);
	else
		fill(j, op->off, op->len);
	return true;
}

/* Where a block's data lie; 0: nowhere yet. */
static bool find_block(struct job *j, uint64_t block, uint64_t *host, struct cv_err *err)
{
	struct cv_layer *layer = j->target->layer;
	const struct vhd_map *vhd = layer->state;
	const struct vhdx_map *vhdx = layer->state;
	union { cv_be32 be; cv_le64 le; } entry;

	*host = 0;
	if (j->target->format == CV_FORMAT_VHD) {
		if (block >= vhd->bat_entries)
			return true;
		if (!cv_source_read(layer->source, &entry, sizeof entry.be, vhd->bat_off + block * 4, err))
			return cv_wrap(err, "while reading the BAT");
		if (cv_be32_get(entry.be) != UINT32_MAX)
			*host = (uint64_t)cv_be32_get(entry.be) * VHD_SECTOR + vhd->bitmap_len;
		return true;
	}
	block += block / vhdx->ratio;
	if (block >= vhdx->bat_entries)
		return true;
	if (!cv_source_read(layer->source, &entry, sizeof entry.le, vhdx->bat_off + block * 8, err))
		return cv_wrap(err, "while reading the BAT");
	*host = cv_le64_get(entry.le) & ~(uint64_t)(CV_VHDX_MIB - 1);
	return true;
}

static bool do_block(struct job *j, uint64_t block, uint64_t block_size, struct cv_range part, struct cv_err *err)
{
	uint64_t host, pages = up(part.off + part.len, PAGE) - down(part.off, PAGE), there = really_there(j, part);
	int64_t before = j->f->growth;
	bool again = j->f->last_unit == block + 1 || put_before(j, block * block_size, block_size);

	if (!find_block(j, block, &host, err))
		return false;
	j->f->last_unit = block + 1;
	if (host) {
		fill(j, host + part.off % block_size, part.len);
		if (j->f->growth - before > (int64_t)there)
			j->f->growth = before + (int64_t)there;
		return true;
	}
	/* At the most the whole block and its bitmap, aligned to a page; in the end the pages that were written. */
	if (!again)
		j->f->peak += block_size + PAGE;
	j->f->growth += (int64_t)(smaller(pages, there) + (again ? 0 : PAGE));
	return true;
}

static bool do_blocks(struct job *j, const struct op *op, struct cv_err *err)
{
	uint64_t size = j->target->format == CV_FORMAT_VHD
				? ((const struct vhd_map *)j->target->layer->state)->block_size
				: ((const struct vhdx_map *)j->target->layer->state)->block_size;
	uint64_t end = op->off + op->len;

	if (op->zero && j->target->format == CV_FORMAT_VHDX)
		return true;
	for (uint64_t pos = op->off, next; pos < end; pos = next) {
		next = smaller(down(pos, size) + size, end);
		if (!do_block(j, pos / size, size, (struct cv_range){ pos, next - pos }, err))
			return false;
	}
	return true;
}

typedef bool do_op(struct job *j, const struct op *op, struct cv_err *err);

static do_op *doer_of(const struct cv_space_node *target)
{
	const struct vhd_map *vhd = target->layer->state;

	switch (target->format) {
	case CV_FORMAT_QCOW2:
		return target->layer->data_file ? NULL : do_qcow2;
	case CV_FORMAT_RAW:
		return do_flat;
	case CV_FORMAT_VHD:
		return vhd->fixed ? do_flat : do_blocks;
	case CV_FORMAT_VHDX:
		return do_blocks;
	default:
		return NULL;
	}
}

static bool do_all(struct job *j, struct cv_err *err)
{
	do_op *doer = doer_of(j->target);

	for (size_t i = 0; i < j->ops.len; i++)
		if (!doer(j, &j->ops.at[i], err))
			return false;
	return true;
}

static bool run(struct job *j, struct cv_range window, struct cv_err *err)
{
	if (!doer_of(j->target)) {
		j->f->target = CV_SPACE_NOBODY;
		return true;
	}
	j->granule = granule_of(j->target);
	j->size = j->child->layer->size;
	return make_ops(j, window, err) && do_all(j, err);
}

/* What this one has written is there for those that are merged after it. */
static bool keep_written(struct job *j, struct cv_err *err)
{
	struct cv_space_runs *w = &j->target->written;

	for (size_t i = 0; i < j->ops.len; i++)
		if (!j->ops.at[i].zero &&
		    !cv_space_runs_push(w, (struct cv_range){ j->ops.at[i].off, j->ops.at[i].len }))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_space_runs_join(w);
	return true;
}

bool cv_space_merge_window(struct cv_space_tree *t, struct cv_space_node *n, struct cv_range window, struct cv_err *err)
{
	if (n->layer && n->merge.target != CV_SPACE_NOBODY) {
		CV_AUTO(job_fini)
		struct job j = { .tree = t, .child = n, .target = &t->nodes[n->merge.target], .f = &n->merge };

		if (!run(&j, window, err))
			return false;
	}
	if (n->layer && n->planned.target != CV_SPACE_NOBODY) {
		struct cv_space_node *base = &t->nodes[n->planned.target];
		CV_AUTO(job_fini) struct job j = { .tree = t, .child = n, .target = base, .f = &n->planned,
						   .before = &base->written };

		return run(&j, window, err) && keep_written(&j, err);
	}
	return true;
}

bool cv_space_flatten_window(struct cv_space_tree *t, struct cv_space_node *n, struct cv_err *err)
{
	CV_AUTO(job_fini) struct job j = { .tree = t, .target = n, .f = &n->flatten, .granule = 512 };

	if (n->flatten.target == CV_SPACE_NOBODY)
		return true;
	if (!doer_of(n)) {
		n->flatten.target = CV_SPACE_NOBODY;
		return true;
	}
	j.size = n->layer->size;
	if (n->format == CV_FORMAT_QCOW2)
		j.granule = ((const struct cv_qcow2_map *)n->layer->state)->cluster;
	for (size_t i = 0; i < t->through.len; i++) {
		struct cv_range r = t->through.at[i];

		if (!add_op(&j, down(r.off, j.granule), smaller(up(r.off + r.len, j.granule), j.size), false, err))
			return false;
	}
	return do_all(&j, err);
}

/* Refcount blocks for what is new at the end; free clusters are taken first, and those may be on disk already. */
static void end_qcow2(struct cv_space_forecast *f, const struct cv_space_node *target)
{
	const struct cv_space_qcow2 *q = target->host.state;
	uint64_t cluster = q->map->cluster, idle = target->answer.own.idle, covers = cv_space_qcow2_covers(q);
	uint64_t taken = smaller(idle / cluster, f->fresh);
	uint64_t end = up(target->end, cluster) / cluster + (f->fresh - taken);
	uint64_t blocks = (end + covers - 1) / covers;

	f->growth -= (int64_t)(taken * cluster);
	if (f->fresh && blocks > q->last_block) {
		f->growth += (int64_t)((blocks - q->last_block) * cluster);
		f->peak += (blocks - q->last_block) * cluster;
	}
}

static bool end_one(struct cv_space_tree *t, struct cv_space_forecast *f, struct cv_space_growth *result)
{
	if (f->target == CV_SPACE_NOBODY)
		return false;
	if (t->nodes[f->target].format == CV_FORMAT_QCOW2)
		end_qcow2(f, &t->nodes[f->target]);
	/* The file system's own list of pieces grows too, which cannot be foreseen: a page for each few hundred. */
	*result = (struct cv_space_growth){ f->peak + (f->peak ? PAGE * (1 + f->peak / (UINT64_C(16) << 20)) : 0),
					    f->growth };
	return true;
}

void cv_space_merge_end(struct cv_space_tree *t, struct cv_space_node *n)
{
	n->answer.has_merge = end_one(t, &n->merge, &n->answer.merge);
	n->answer.has_planned = end_one(t, &n->planned, &n->answer.planned);
	n->answer.has_flatten = end_one(t, &n->flatten, &n->answer.flatten);
}

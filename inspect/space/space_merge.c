/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a file will grow by when another image is merged into it. The rules are those of the programs that do it:
 * for QCOW2 and raw parents of QEMU's commit job (block/mirror.c, block/qcow2-cluster.c of 7.2), which copies in
 * granules of the parent's cluster size but 4 to 64 KiB and punches holes for zeros; VHD and
 * VHDX parents are in space_merge_blocks.c.
 */
#include "inspect/space/space_merge.h"
#include "inspect/space/space_qcow2.h"
#include "inspect/vhd/vhd_map.h"

#define PAGE CV_MERGE_PAGE
#define LEAST_GRANULE UINT64_C(4096)
#define MOST_GRANULE UINT64_C(65536)

static void job_fini(struct cv_merge_job *j)
{
	free(j->ops.at);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
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

static bool add_op(struct cv_merge_job *j, uint64_t from, uint64_t upto, bool zero, struct cv_err *err)
{
	struct cv_merge_op *last = j->ops.len ? &j->ops.at[j->ops.len - 1] : NULL;

	if (last && last->off + last->len > from)
		from = last->off + last->len;
	if (from >= upto)
		return true;
	if (last && last->zero == zero && last->off + last->len == from) {
		last->len += upto - from;
		return true;
	}
	return cv_merge_ops_push(&j->ops, (struct cv_merge_op){ from, upto - from, zero }) || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* QEMU asks what a range is L2 table by L2 table: zeros that it does not see a whole granule of are copied. */
static bool sees_zeros(const struct cv_merge_job *j)
{
	const struct cv_qcow2_map *m = j->child->layer->state;

	return j->child->format != CV_FORMAT_QCOW2 || m->cluster << m->tables.l2_bits >= j->granule;
}

/* Data make their granules data; of zeros only whole granules stay zeros. */
static bool make_ops(struct cv_merge_job *j, struct cv_range window, struct cv_err *err)
{
	const struct cv_extents *list = &j->child->list;
	uint64_t g = j->granule, stop = window.off + window.len, size = j->size;

	for (size_t i = 0; i < list->len && list->at[i].at.off < stop; i++) {
		const struct cv_extent *e = &list->at[i];
		uint64_t from = e->at.off, upto = smaller(from + e->at.len, stop);
		uint64_t low = cv_merge_up(from, g), high = upto == size ? upto : cv_merge_down(upto, g);

		if (e->kind != CV_EXTENT_DATA && e->kind != CV_EXTENT_ZERO)
			continue;
		if (e->kind == CV_EXTENT_DATA || low >= high || !sees_zeros(j)) {
			if (!add_op(j, cv_merge_down(from, g), smaller(cv_merge_up(upto, g), size), false, err))
				return false;
			continue;
		}
		if (!add_op(j, cv_merge_down(from, g), low, false, err) || !add_op(j, low, high, true, err) ||
		    !add_op(j, high, smaller(cv_merge_up(upto, g), size), false, err))
			return false;
	}
	return true;
}

/* The target's extent at pos, looked for from the last one on; NULL behind its end. */
static const struct cv_extent *extent_at(struct cv_merge_job *j, uint64_t pos)
{
	const struct cv_extents *list = &j->target->list;

	while (j->extent && (j->extent == list->len || list->at[j->extent].at.off > pos))
		j->extent--;
	while (j->extent < list->len && list->at[j->extent].at.off + list->at[j->extent].at.len <= pos)
		j->extent++;
	return j->extent < list->len && list->at[j->extent].at.off <= pos ? &list->at[j->extent] : NULL;
}

/* The first of the runs before that ends behind pos. */
static size_t first_before(const struct cv_space_runs *b, uint64_t pos)
{
	size_t low = 0, high = b ? b->len : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->at[middle].off + b->at[middle].len <= pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool cv_merge_put_before(const struct cv_merge_job *j, uint64_t off, uint64_t len)
{
	size_t i = first_before(j->before, off);

	return j->before && i < j->before->len && j->before->at[i].off < off + len;
}

bool cv_merge_new_part(const struct cv_merge_job *j, uint64_t pos, uint64_t end, struct cv_range *part)
{
	const struct cv_space_runs *b = j->before;
	size_t i = first_before(b, pos);

	for (; b && i < b->len && b->at[i].off <= pos; i++)
		pos = b->at[i].off + b->at[i].len;
	if (pos >= end)
		return false;
	*part = (struct cv_range){ pos, end - pos };
	if (b && i < b->len && b->at[i].off < end)
		part->len = b->at[i].off - pos;
	return true;
}

void cv_merge_grow(struct cv_merge_job *j, uint64_t bytes)
{
	j->f->growth += (int64_t)bytes;
	j->f->peak += bytes;
}

void cv_merge_fill(struct cv_merge_job *j, uint64_t *last, uint64_t host, uint64_t len)
{
	uint64_t from = cv_merge_down(host, PAGE), upto = cv_merge_up(host + len, PAGE), inside, on = 0;

	if (*last == from + PAGE)
		from = *last;
	if (from >= upto)
		return;
	*last = upto;
	inside = smaller(upto, j->target->layer->source->size);
	if (from < inside)
		on = cv_space_on_disk(&j->target->host.disk, (struct cv_range){ from, inside - from });
	cv_merge_grow(j, upto - from - smaller(cv_merge_up(on, PAGE), upto - from));
}

void cv_merge_fill_part(struct cv_merge_job *j, uint64_t host, struct cv_range part, struct cv_range unit)
{
	uint64_t from = host + (part.off - unit.off), upto = from + part.len, stop = part.off + part.len;
	uint64_t lead = smaller(from % PAGE, part.off - unit.off);
	uint64_t rest = smaller(cv_merge_up(upto, PAGE) - upto, unit.off + unit.len - stop);

	if (cv_merge_put_before(j, part.off - lead, lead))
		from = cv_merge_up(from, PAGE);
	if (cv_merge_put_before(j, stop, rest))
		upto = cv_merge_down(upto, PAGE);
	if (from < upto)
		cv_merge_fill(j, &j->f->last_data, from, upto - from);
}

static void punch(struct cv_merge_job *j, uint64_t host, uint64_t len)
{
	j->f->growth -= (int64_t)cv_space_on_disk(&j->target->host.disk, (struct cv_range){ host, len });
}

/* Is the count of the cluster at this place of the disk more than one? Only internal snapshots make it so. */
static bool is_shared(struct cv_merge_job *j, uint64_t guest, bool *shared, struct cv_err *err)
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
static bool need_l2(struct cv_merge_job *j, uint64_t guest, struct cv_err *err)
{
	const struct cv_qcow2_map *m = j->target->layer->state;
	uint64_t index = guest >> (m->tables.cluster_bits + m->tables.l2_bits), entry;

	if (j->f->last_l2 == index + 1)
		return true;
	j->f->last_l2 = index + 1;
	if (j->before && cv_merge_put_before(j, index << (m->tables.cluster_bits + m->tables.l2_bits),
				    UINT64_C(1) << (m->tables.cluster_bits + m->tables.l2_bits)))
		return true;
	if (!cv_space_qcow2_l1(&j->target->host, guest, &entry, err))
		return false;
	if (entry & QCOW2_ENTRY_OFFSET && entry & QCOW2_ENTRY_COPIED)
		return true;
	j->f->fresh++;
	cv_merge_grow(j, m->cluster);
	return true;
}

/* Where a cluster of a QCOW2 target lies. */
struct cluster {
	bool placed, shared, part;       /* part: what is written of it is all that is written */
	uint64_t host;
};

/* With subclusters some of them may have nothing in a cluster that is there: only its entry says where. */
static bool find_cluster(struct cv_merge_job *j, uint64_t unit, struct cluster *c, struct cv_err *err)
{
	struct cv_qcow2_map *m = j->target->layer->state;
	bool extended = m->tables.words_per_entry == 2;
	const struct cv_extent *e = extent_at(j, unit);
	uint64_t entry;

	*c = (struct cluster){ .placed = e && e->placed && !e->compressed, .part = extended };
	if (c->placed) {
		c->host = e->host + (unit - e->at.off);
		c->part |= e->kind == CV_EXTENT_DATA;
	} else if (extended && !cv_qcow_tables_entry(&m->tables, unit, &entry, err)) {
		return false;
	} else if (extended && !(entry & QCOW2_L2_COMPRESSED) && entry & QCOW2_ENTRY_OFFSET) {
		c->placed = true;
		c->host = entry & QCOW2_ENTRY_OFFSET;
	}
	return !c->placed || is_shared(j, unit, &c->shared, err);
}

/* Version 2 has no zeros; without a backing file QEMU forgets the cluster instead. */
static bool knows_zeros(const struct cv_qcow2_header *h)
{
	return h->version >= 3 || !h->backing_off;
}

/* One cluster of a QCOW2 target: part of it is written, or all of it becomes zeros. */
static bool do_cluster(struct cv_merge_job *j, uint64_t unit, struct cv_range part, bool zero, struct cv_err *err)
{
	const struct cv_space_qcow2 *q = j->target->host.state;
	uint64_t cluster = q->map->cluster;
	struct cluster c;
	bool own, is_new;

	if (!need_l2(j, unit, err) || !find_cluster(j, unit, &c, err))
		return false;
	if (cv_merge_put_before(j, unit, cluster)) {
		if (zero)
			j->f->growth -= (int64_t)cluster;
		return true;
	}
	own = c.placed && !c.shared;
	if (zero && knows_zeros(&q->h)) {
		if (own)
			punch(j, c.host, cluster);
		return true;
	}
	if (own) {
		cv_merge_fill(j, &j->f->last_data, c.host + (c.part ? part.off - unit : 0), c.part ? part.len : cluster);
		return true;
	}
	is_new = j->f->last_unit != unit + 1;
	j->f->fresh += is_new;
	j->f->last_unit = unit + 1;
	/* Of a new cluster with subclusters the file gets only those that are written. */
	if (c.part && !c.shared)
		cv_merge_grow(j, cv_merge_up(part.len, PAGE));
	else if (is_new)
		cv_merge_grow(j, cluster);
	return true;
}

/* Zeros that do not fill a cluster are written as data, and where clusters are larger than granules the whole run. */
static bool do_qcow2(struct cv_merge_job *j, const struct cv_merge_op *op, struct cv_err *err)
{
	const struct cv_qcow2_map *m = j->target->layer->state;
	uint64_t end = op->off + op->len, size = j->size;
	bool ragged = op->off % m->cluster || (end % m->cluster && end != size);
	bool zero = op->zero && !(ragged && m->cluster > j->granule);

	for (uint64_t pos = op->off; pos < end;) {
		uint64_t unit = cv_merge_down(pos, m->cluster), next = smaller(unit + m->cluster, end);
		bool whole = pos == unit && (next == unit + m->cluster || next == size);

		if (!do_cluster(j, unit, (struct cv_range){ pos, next - pos }, zero && whole, err))
			return false;
		pos = next;
	}
	return true;
}

/* Disks that lie in their file as they are. */
static bool do_flat(struct cv_merge_job *j, const struct cv_merge_op *op, struct cv_err *err)
{
	uint64_t pos = op->off, end = op->off + op->len;
	struct cv_range part;

	(void)err;
	for (; cv_merge_new_part(j, pos, end, &part); pos = part.off + part.len) {
		if (op->zero && j->target->format == CV_FORMAT_RAW)
			punch(j, part.off, part.len);
		else
			cv_merge_fill_part(j, 0, part, (struct cv_range){ 0, j->size });
	}
	return true;
}

typedef bool do_op(struct cv_merge_job *j, const struct cv_merge_op *op, struct cv_err *err);

static do_op *doer_of(const struct cv_space_node *target)
{
	const struct vhd_map *vhd = target->layer->state;

	switch (target->format) {
	case CV_FORMAT_QCOW2:
		return target->layer->data_file ? NULL : do_qcow2;
	case CV_FORMAT_RAW:
		return do_flat;
	case CV_FORMAT_VHD:
		return vhd->fixed ? do_flat : cv_merge_do_blocks;
	case CV_FORMAT_VHDX:
		return cv_merge_do_blocks;
	default:
		return NULL;
	}
}

static bool do_all(struct cv_merge_job *j, struct cv_err *err)
{
	do_op *doer = doer_of(j->target);

	for (size_t i = 0; i < j->ops.len; i++)
		if (!doer(j, &j->ops.at[i], err))
			return false;
	return true;
}

static bool run(struct cv_merge_job *j, struct cv_range window, struct cv_err *err)
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
static bool keep_written(struct cv_merge_job *j, struct cv_err *err)
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
		struct cv_merge_job j = { .tree = t, .child = n, .target = &t->nodes[n->merge.target], .f = &n->merge };

		if (!run(&j, window, err))
			return false;
	}
	if (n->layer && n->planned.target != CV_SPACE_NOBODY) {
		struct cv_space_node *base = &t->nodes[n->planned.target];
		CV_AUTO(job_fini) struct cv_merge_job j = { .tree = t, .child = n, .target = base, .f = &n->planned,
						   .before = &base->written };

		return run(&j, window, err) && keep_written(&j, err);
	}
	return true;
}

bool cv_space_flatten_window(struct cv_space_tree *t, struct cv_space_node *n, struct cv_err *err)
{
	CV_AUTO(job_fini) struct cv_merge_job j = { .tree = t, .target = n, .f = &n->flatten, .granule = 512 };

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

		if (!add_op(&j, cv_merge_down(r.off, j.granule), smaller(cv_merge_up(r.off + r.len, j.granule), j.size), false, err))
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
	uint64_t end = cv_merge_up(target->end, cluster) / cluster + (f->fresh - taken);
	uint64_t blocks = (end + covers - 1) / covers;

	f->growth -= (int64_t)(taken * cluster);
	if (f->fresh && blocks > q->last_block) {
		f->growth += (int64_t)((blocks - q->last_block) * cluster);
		f->peak += (blocks - q->last_block) * cluster;
	}
}

static bool end_one(struct cv_space_tree *t, struct cv_space_forecast *f, bool planned, struct cv_space_growth *result)
{
	if (f->target == CV_SPACE_NOBODY)
		return false;
	if (t->nodes[f->target].format == CV_FORMAT_QCOW2)
		end_qcow2(f, &t->nodes[f->target]);
	else if (doer_of(&t->nodes[f->target]) == cv_merge_do_blocks)
		cv_merge_end_blocks(f, &t->nodes[f->target], planned);
	/* The file system's own list of pieces grows too, which cannot be foreseen: a page for each few hundred. */
	*result = (struct cv_space_growth){ f->peak + (f->peak ? PAGE * (1 + f->peak / (UINT64_C(16) << 20)) : 0),
					    f->growth };
	return true;
}

void cv_space_merge_end(struct cv_space_tree *t, struct cv_space_node *n)
{
	n->answer.has_merge = end_one(t, &n->merge, false, &n->answer.merge);
	n->answer.has_planned = end_one(t, &n->planned, true, &n->answer.planned);
	n->answer.has_flatten = end_one(t, &n->flatten, false, &n->answer.flatten);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A QCOW2 parent: which ones can be merged into, and the order of what is done. */
#include "inspect/qcow2/reading.h"
#include "repair/merge/qcow2.h"

/* Pieces may have several clusters, or a part of one. */
#define LEAST_UNIT CV_MERGE_PIECE

/* Why, and what else there is; NULL: it can be merged into. What no image may be that is merged was looked at before. */
static const char *unfit(const struct cv_qcow2_reading *r)
{
	const struct cv_qcow2_header *h = &r->h;

	if (h->incompatible & QCOW2_INCOMPATIBLE_DIRTY)
		return "the parent was not closed, and its refcounts may be wrong (dirty): qemu-img check -r all puts that right";
	if (h->incompatible & QCOW2_INCOMPATIBLE_EXTENDED_L2)
		return "the parent has subclusters (extended L2 entries): chainview convert makes an image without them";
	if (h->autoclear & QCOW2_AUTOCLEAR_BITMAPS || r->ext.bitmaps.len)
		return "the parent has persistent bitmaps, which would not be true any more: qemu-img bitmap --remove drops them";
	if (h->autoclear)
		return "the parent has features that are not known (autoclear bits): the program that set them can remove them";
	if (h->refcount_order > QCOW2_MAX_REFCOUNT_ORDER || h->refcount_clusters * r->cluster_size > QCOW2_MAX_REFCOUNT_TABLE)
		return "the parent's refcounts cannot be as its header says";
	return cv_qcow2_unusable(r);
}

static void take_header(struct cv_merge *m, const struct cv_qcow2_reading *r)
{
	struct cv_merge_qcow2 *q = m->state;

	q->version = r->h.version;
	q->bits = r->h.cluster_bits;
	q->order = r->h.refcount_order;
	q->cluster = r->cluster_size;
	q->per_l2 = q->cluster / 8;
	q->per_block = q->cluster * 8 >> q->order;
	q->l1_off = r->h.l1_off;
	q->l1_entries = r->h.l1_entries;
	q->table_off = r->h.refcount_off;
	q->table_clusters = r->h.refcount_clusters;
	m->size = r->h.size & ~UINT64_C(511);
	m->unit = q->cluster > LEAST_UNIT ? (uint32_t)q->cluster : (uint32_t)LEAST_UNIT;
	q->disk = m->size > m->child_size ? m->size : m->child_size;
}

static bool read_header(struct cv_merge *m, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_qcow2_reading r = { .source = m->source, .facts = facts };
	const char *why;
	bool usable;

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_qcow2_read_header(&r, &usable, err) || (usable && !cv_qcow2_read_extensions(&r, err)))
		return false;
	why = usable ? unfit(&r) : "its header is not one of QCOW2";
	if (why)
		return cv_fail(err, CV_EREFUSED, "%s", why);
	take_header(m, &r);
	return true;
}

static bool open_qcow2(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q;

	m->state = q = calloc(1, sizeof *q);
	if (!q)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!read_header(m, err))
		return false;
	q->l2.entries = malloc((size_t)q->cluster);
	q->c.buffer = malloc((size_t)q->cluster);
	if (!q->l2.entries || !q->c.buffer)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!cv_merge_qcow2_find_end(m, err))
		return false;
	cv_merge_qcow2_advance(m);
	return true;
}

static void close_qcow2(struct cv_merge *m)
{
	struct cv_merge_qcow2 *q = m->state;

	if (q->layers)
		cv_layer_close(q->layers[0]);
	free(q->layers);
	free(q->l2.entries);
	free(q->c.buffer);
	free(q);
}

static bool reserve_qcow2(struct cv_merge *m, struct cv_err *err)
{
	struct cv_merge_qcow2 *q = m->state;

	if (m->based && (!m->below || !m->below->count))
		return cv_fail(err, CV_EREFUSED, "what the parent stands on is not known");
	return cv_merge_qcow2_count_held(m, err) && (m->child_size <= m->size || cv_merge_qcow2_plan_growth(m, err)) &&
	       cv_merge_qcow2_reserve(m, q->clusters + q->tables + q->l1_clusters, err);
}

/* Never less than it had. */
static bool trim_qcow2(struct cv_merge *m, struct cv_err *err)
{
	const struct cv_merge_qcow2 *q = m->state;
	uint64_t file = q->next * q->cluster;

	return file < m->former || file >= m->file || cv_merge_resize(m, file, err);
}

const struct cv_merge_format cv_merge_qcow2 = {
	.format = CV_FORMAT_QCOW2, .name = "the clusters of the QCOW2", .below = true, .open = open_qcow2,
	.count = cv_merge_qcow2_count_piece, .reserve = reserve_qcow2, .grow = cv_merge_qcow2_grow, .put = cv_merge_qcow2_put_piece,
	.settle = cv_merge_qcow2_settle, .trim = trim_qcow2, .close = close_qcow2,
};

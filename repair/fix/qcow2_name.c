/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The name of a QCOW2 image's parent whose length is wrong. What lies where the name begins, up to the first zero byte, is the
 * name if it leads to an image that is there and may be the parent. Else the evidence for a lost parent decides.
 */
#include "inspect/qcow2/common.h"
#include "inspect/qcow2/qcow2_disk.h"
#include "repair/fix/links.h"
#include "repair/fix/qcow2.h"

struct naming {
	uint64_t off;                /* where the name is said to begin */
	uint32_t len;                /* that it is said to have */
	char at[CV_QCOW_MAX_BACKING_NAME];
	size_t found;                /* bytes before the first zero; 0: there is no name to be seen */
	bool ends;                   /* such a byte is there */
};

static bool look(const struct cv_fix_job *job, struct naming *n, struct cv_err *err)
{
	struct cv_qcow2_header_disk d;
	uint64_t cluster, lowest, end;
	size_t left;

	if (!cv_source_read(job->source, &d, sizeof d, 0, err))
		return false;
	n->off = cv_be64_get(d.backing_off);
	n->len = cv_be32_get(d.backing_len);
	if (cv_be32_get(d.cluster_bits) < QCOW2_MIN_CLUSTER_BITS || cv_be32_get(d.cluster_bits) > QCOW2_MAX_CLUSTER_BITS)
		return true;
	cluster = UINT64_C(1) << cv_be32_get(d.cluster_bits);
	lowest = cv_be32_get(d.version) == 2 ? QCOW2_V2_HEADER : cv_be32_get(d.header_length);
	end = cluster < job->source->size ? cluster : job->source->size;
	if (n->off < lowest || n->off >= end)
		return true;
	left = end - n->off < sizeof n->at ? (size_t)(end - n->off) : sizeof n->at;
	if (!cv_source_read(job->source, n->at, left, n->off, err))
		return false;
	n->found = strnlen(n->at, left);
	n->ends = n->found < left;
	return true;
}

/* Its own chain must not come back to the child. */
static bool stands_on(const struct cv_graph *g, uint32_t image, uint32_t child)
{
	for (uint32_t steps = 0; image != CV_NO_IMAGE && steps <= g->image_count; steps++) {
		if (image == child)
			return true;
		image = g->images[image].parent;
	}
	return image != CV_NO_IMAGE;
}

/* The image that the name leads to; CV_NO_IMAGE: none that could be the parent. */
static uint32_t leads_to(const struct cv_fix_job *job, const struct naming *n)
{
	const char *child = job->g->images[job->image].file->path, *slash = strrchr(child, '/');
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 }, path = { 0 };
	struct cv_bytes name;
	struct cv_lookup l;
	uint32_t image = CV_NO_IMAGE;

	if (cv_qcow_name_kind((struct cv_bytes){ n->at, n->found }, &name) == CV_NAME_EXTERNAL || !name.len || !slash)
		return image;
	cv_text_add_bytes(&folder, child, slash == child ? 1 : (size_t)(slash - child));
	if (folder.failed || !cv_path_join(&path, folder.at, name) || path.failed)
		return image;
	l = cv_scan_lookup(job->g->scan, cv_text_str(&path));
	if (l.found == CV_FOUND_FILE)
		image = cv_graph_by_file(job->g, cv_scan_file(job->g->scan, l.file));
	return image != CV_NO_IMAGE && stands_on(job->g, image, job->image) ? CV_NO_IMAGE : image;
}

static bool put_length(const struct naming *n, struct cv_fix *fix, struct cv_err *err)
{
	cv_be32 len = cv_be32_of((uint32_t)n->found);

	return cv_fix_patch(fix, offsetof(struct cv_qcow2_header_disk, backing_len), &len, sizeof len, 1, err);
}

bool cv_fix_qcow2_name(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	struct naming n = { 0 };

	if (!look(job, &n, err))
		return false;
	cv_text_escape(&name, (struct cv_bytes){ n.at, n.found });
	if (n.found && n.ends && n.found < n.len && n.len <= CV_QCOW_MAX_BACKING_NAME) {
		fix->verdict = CV_FIX_SAFE;
		cv_fix_say(fix, "its name of %" PRIu32 " bytes ends with the %zuth, as everybody reads it: %s", n.len, n.found, cv_text_str(&name));
		return put_length(&n, fix, err);
	}
	if (n.found && n.ends && leads_to(job, &n) != CV_NO_IMAGE) {
		cv_fix_ask(fix, "up to the first zero byte there is a name, which leads to an image: %s", cv_text_str(&name));
		return put_length(&n, fix, err);
	}
	return cv_fix_relink(job, fix, err);
}

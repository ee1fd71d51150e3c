/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References meet images: each claim is matched by inode, by path, by a name inside a repository, or by
 * UUID (that of the image, or the one its file is named by). Sources of references are not read here.
 */
#include "inspect/chain/build.h"

CV_VEC(reference_vec, struct cv_reference);

struct uuid_entry {
	uint8_t uuid[16];
	uint32_t image;
};
CV_VEC(uuid_vec, struct uuid_entry);

struct matcher {
	struct cv_build *b;
	struct reference_vec found;
	struct uuid_vec uuids;      /* sorted; empty when no claim is a UUID */
	uint32_t home;              /* the first repository that is reported on */
};

static int compare_uuids(const void *a, const void *b)
{
	const struct uuid_entry *x = a, *y = b;
	int order = memcmp(x->uuid, y->uuid, 16);

	return order ? order : (x->image > y->image) - (x->image < y->image);
}

static void index_uuids(struct matcher *m)
{
	const struct cv_graph *g = m->b->g;

	for (uint32_t i = 0; i < g->image_count; i++) {
		const struct cv_image *image = &g->images[i];
		const char *slash = strrchr(image->file->path, '/'), *stem = slash ? slash + 1 : image->file->path;
		struct uuid_entry e = { .image = i };

		if (cv_has(image->facts, CV_FACT_UUID)) {
			memcpy(e.uuid, image->facts->uuid, 16);
			m->b->failed |= !uuid_vec_push(&m->uuids, e);
		}
		if (cv_uuid_read(stem, strcspn(stem, "."), e.uuid))
			m->b->failed |= !uuid_vec_push(&m->uuids, e);
	}
	if (m->uuids.len)
		qsort(m->uuids.at, m->uuids.len, sizeof *m->uuids.at, compare_uuids);
}

static bool add(struct matcher *m, const struct cv_claim *claim, size_t file)
{
	uint32_t image = file < m->b->node_count ? m->b->nodes[file].image : CV_NO_IMAGE;

	if (image != CV_NO_IMAGE)
		m->b->failed |= !reference_vec_push(&m->found, (struct cv_reference){ image, claim });
	return image != CV_NO_IMAGE;
}

static bool match_uuid(struct matcher *m, const struct cv_claim *claim)
{
	size_t low = 0, high = m->uuids.len, first;
	uint32_t previous = CV_NO_IMAGE;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(m->uuids.at[middle].uuid, claim->uuid, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (first = low; low < m->uuids.len && !memcmp(m->uuids.at[low].uuid, claim->uuid, 16); low++) {
		if (m->uuids.at[low].image != previous)
			m->b->failed |=
				!reference_vec_push(&m->found, (struct cv_reference){ m->uuids.at[low].image, claim });
		previous = m->uuids.at[low].image;
	}
	return low != first;
}

/* The repository that holds the path, by text: the innermost one; UINT32_MAX if none. */
static uint32_t holder(const struct cv_scan *scan, const char *path)
{
	uint32_t best = UINT32_MAX;
	size_t best_len = 0;

	for (size_t i = 0; i < cv_scan_repository_count(scan); i++) {
		const char *base = cv_scan_repository(scan, i)->path;
		size_t len = strlen(base);

		while (len && base[len - 1] == '/')
			len--;
		if (!strncmp(path, base, len) && (path[len] == '/' || !path[len]) &&
		    (best == UINT32_MAX || len > best_len)) {
			best = (uint32_t)i;
			best_len = len;
		}
	}
	return best;
}

/* True if the claim is settled; *lost is set when what it names is not there. */
static bool match_path(struct matcher *m, const struct cv_claim *claim, const char *path, bool *lost)
{
	struct cv_lookup l = cv_scan_lookup(m->b->scan, path);

	*lost = l.found == CV_FOUND_MISSING;
	return l.found == CV_FOUND_FILE && add(m, claim, l.file);
}

/* A name inside a repository: tried in each of them. */
static bool match_name(struct matcher *m, const struct cv_claim *claim)
{
	const struct cv_scan *scan = m->b->scan;
	bool found = false, lost;

	for (size_t i = 0; i < cv_scan_repository_count(scan); i++) {
		const struct cv_repository *r = cv_scan_repository(scan, i);
		const char *slash = strrchr(r->path, '/');
		struct cv_text base = { 0 }, path = { 0 };

		cv_text_add_bytes(&base, r->path,
				  r->kind == CV_REPOSITORY_IMAGE && slash ? (size_t)(slash - r->path)
									  : strlen(r->path));
		if (!base.failed && cv_path_join(&path, cv_text_str(&base), claim->text))
			found |= match_path(m, claim, cv_text_str(&path), &lost);
		m->b->failed |= base.failed || path.failed;
		cv_text_fini(&base);
		cv_text_fini(&path);
	}
	return found;
}

/* The repository in which the target of the claim is missing; UINT32_MAX if it is there or lies elsewhere. */
static uint32_t match(struct matcher *m, const struct cv_claim *claim)
{
	struct cv_text path = { 0 };
	uint32_t in = UINT32_MAX;
	bool lost = false;

	if (claim->kind == CV_CLAIM_INODE) {
		add(m, claim, cv_scan_by_inode(m->b->scan, claim->device, claim->inode));
		return UINT32_MAX;
	}
	if (claim->kind == CV_CLAIM_UUID)
		return match_uuid(m, claim) ? UINT32_MAX : m->home;
	if (!claim->text.len || claim->text.at[0] != '/')
		return match_name(m, claim) ? UINT32_MAX : m->home;
	cv_text_add_bytes(&path, claim->text.at, claim->text.len);
	m->b->failed |= path.failed;
	match_path(m, claim, cv_text_str(&path), &lost);
	if (lost)
		in = holder(m->b->scan, cv_text_str(&path));
	cv_text_fini(&path);
	return in;
}

/* Groups the references by image; the order of the claims is kept. */
static void group(struct cv_graph *g, const struct reference_vec *found, struct cv_build *b)
{
	CV_AUTO(cv_auto_free) uint32_t *used = calloc(g->image_count + 1, sizeof *used);
	uint32_t next = 0;

	g->references = calloc(found->len + 1, sizeof *g->references);
	if (!used || !g->references) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < found->len; i++)
		g->images[found->at[i].image].reference_count++;
	for (size_t i = 0; i < g->image_count; i++) {
		g->images[i].first_reference = next;
		next += g->images[i].reference_count;
	}
	for (size_t i = 0; i < found->len; i++) {
		uint32_t image = found->at[i].image;

		g->references[g->images[image].first_reference + used[image]++] = found->at[i];
	}
	g->reference_count = found->len;
}

static uint32_t first_reported(const struct cv_scan *scan)
{
	for (size_t i = 0; i < cv_scan_repository_count(scan); i++)
		if (!cv_scan_repository(scan, i)->other)
			return (uint32_t)i;
	return UINT32_MAX;
}

void cv_claims_match(struct cv_build *b)
{
	struct matcher m = { .b = b, .home = first_reported(b->scan) };
	const struct cv_references *refs = b->refs;

	if (refs) {
		b->lost_claims = calloc(refs->claim_count + 1, sizeof *b->lost_claims);
		b->failed |= !b->lost_claims;
		index_uuids(&m);
	}
	for (size_t i = 0; refs && !b->failed && i < refs->claim_count; i++)
		b->lost_claims[i] = match(&m, &refs->claims[i]);
	group(b->g, &m.found, b);
	free(m.found.at);
	free(m.uuids.at);
}

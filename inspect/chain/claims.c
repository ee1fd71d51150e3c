/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References meet files: each claim is matched by inode, by path, by a name inside a repository, or by UUID (that
 * of the image, or the one its file is named by). What is referred to is an image, whatever it holds; what is
 * only open need not be one. Sources of references are not read here.
 */
#include "inspect/chain/build.h"

struct uuid_entry {
	uint8_t uuid[16];
	uint32_t node;
};
CV_VEC(uuid_vec, struct uuid_entry);

struct matcher {
	struct cv_build *b;
	struct uuid_vec uuids;      /* sorted; empty when no claim is a UUID */
	uint32_t home;              /* the first repository that is reported on */
};

static int compare_uuids(const void *a, const void *b)
{
	const struct uuid_entry *x = a, *y = b;
	int order = memcmp(x->uuid, y->uuid, 16);

	return order ? order : (x->node > y->node) - (x->node < y->node);
}

/* By their names images answer, and files whose whole name is a UUID; not what lies beside an image of that name. */
static void index_node(struct matcher *m, uint32_t node)
{
	const struct cv_node *n = &m->b->nodes[node];
	const char *slash = strrchr(n->file->path, '/'), *stem = slash ? slash + 1 : n->file->path;
	struct uuid_entry e = { .node = node };

	if (cv_has(cv_own_facts(n), CV_FACT_UUID)) {
		memcpy(e.uuid, cv_own_facts(n)->uuid, 16);
		m->b->failed |= !uuid_vec_push(&m->uuids, e);
	}
	if ((cv_is_image(m->b, n) || n->chosen || !strchr(stem, '.')) && cv_uuid_read(stem, strcspn(stem, "."), e.uuid))
		m->b->failed |= !uuid_vec_push(&m->uuids, e);
}

static void index_uuids(struct matcher *m)
{
	for (uint32_t i = 0; i < m->b->node_count; i++)
		index_node(m, i);
	if (m->uuids.len)
		qsort(m->uuids.at, m->uuids.len, sizeof *m->uuids.at, compare_uuids);
}

/*
 * A disk that somebody refers to, in which nothing reminds of a format and whose name speaks of none: guest data
 * from its first byte, as the usual raw disk of a virtual machine is.
 */
static bool is_plain_disk(const struct cv_node *n)
{
	return n->file->state == CV_FILE_READ && n->file->size && n->facts && n->facts->format == CV_FORMAT_NONE &&
	       !(n->facts->flags & (CV_FACT_REMAINS | CV_FACT_PARENT_UNREADABLE)) && !cv_image_extension(n->file->path);
}

static bool add(struct matcher *m, const struct cv_claim *claim, size_t file)
{
	if (file >= m->b->node_count)
		return false;
	m->b->nodes[file].chosen |= !claim->in_use;
	if (!claim->in_use && is_plain_disk(&m->b->nodes[file]))
		cv_raw_take(m->b, &m->b->nodes[file]);
	m->b->failed |= !cv_match_vec_push(&m->b->matches, (struct cv_match){ (uint32_t)file, claim });
	return true;
}

static bool match_uuid(struct matcher *m, const struct cv_claim *claim)
{
	size_t low = 0, high = m->uuids.len, first;
	uint32_t previous = CV_NO_FILE;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(m->uuids.at[middle].uuid, claim->uuid, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (first = low; low < m->uuids.len && !memcmp(m->uuids.at[low].uuid, claim->uuid, 16); low++) {
		if (m->uuids.at[low].node != previous)
			add(m, claim, m->uuids.at[low].node);
		previous = m->uuids.at[low].node;
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

static bool match_path(struct matcher *m, const struct cv_claim *claim, const char *path)
{
	struct cv_lookup l = cv_scan_lookup(m->b->scan, path);

	return l.found == CV_FOUND_FILE && add(m, claim, l.file);
}

/* A name inside a repository: tried in each of them. */
static bool match_name(struct matcher *m, const struct cv_claim *claim)
{
	const struct cv_scan *scan = m->b->scan;
	bool found = false;

	for (size_t i = 0; i < cv_scan_repository_count(scan); i++) {
		const struct cv_repository *r = cv_scan_repository(scan, i);
		const char *slash = strrchr(r->path, '/');
		struct cv_text base = { 0 }, path = { 0 };

		cv_text_add_bytes(&base, r->path,
				  r->kind == CV_REPOSITORY_IMAGE && slash ? (size_t)(slash - r->path)
									  : strlen(r->path));
		if (!base.failed && cv_path_join(&path, cv_text_str(&base), claim->text))
			found |= match_path(m, claim, cv_text_str(&path));
		m->b->failed |= base.failed || path.failed;
		cv_text_fini(&base);
		cv_text_fini(&path);
	}
	return found;
}

static bool match_text(struct matcher *m, const struct cv_claim *claim)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	if (!claim->text.len || memchr(claim->text.at, '\0', claim->text.len))
		return false;
	if (claim->text.at[0] != '/')
		return match_name(m, claim);
	cv_text_add_bytes(&path, claim->text.at, claim->text.len);
	m->b->failed |= path.failed;
	return match_path(m, claim, cv_text_str(&path));
}

static bool match(struct matcher *m, const struct cv_claim *claim)
{
	switch (claim->kind) {
	case CV_CLAIM_INODE: return add(m, claim, cv_scan_by_inode(m->b->scan, claim->device, claim->inode));
	case CV_CLAIM_UUID: return match_uuid(m, claim);
	case CV_CLAIM_PATH: return match_text(m, claim);
	}
	return false;
}

/* The repository in which the target of the claim is missed. */
static uint32_t missed_in(const struct matcher *m, const struct cv_claim *claim)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	uint32_t in;

	cv_text_add_bytes(&path, claim->text.at, claim->text.len);
	in = holder(m->b->scan, cv_text_str(&path));
	return in != UINT32_MAX ? in : m->home;
}

/* Of a reference; what is only watched is none. */
static uint32_t image_of(const struct cv_build *b, size_t match)
{
	const struct cv_match *m = &b->matches.at[match];

	return cv_claim_watched(b->refs, m->claim) ? CV_NO_IMAGE : b->nodes[m->node].image;
}

/* The order of the claims is kept. */
void cv_claims_group(struct cv_build *b)
{
	struct cv_graph *g = b->g;
	CV_AUTO(cv_auto_free) uint32_t *used = calloc(g->image_count + 1, sizeof *used);
	uint32_t next = 0;

	g->references = calloc(b->matches.len + 1, sizeof *g->references);
	if (!used || !g->references) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < b->matches.len; i++)
		if (image_of(b, i) != CV_NO_IMAGE)
			g->images[image_of(b, i)].reference_count++;
	for (size_t i = 0; i < g->image_count; i++) {
		g->images[i].first_reference = next;
		next += g->images[i].reference_count;
	}
	for (size_t i = 0; i < b->matches.len; i++) {
		uint32_t image = image_of(b, i);

		if (image != CV_NO_IMAGE)
			g->references[g->images[image].first_reference + used[image]++] =
				(struct cv_reference){ image, b->matches.at[i].claim };
	}
	g->reference_count = next;
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

	if (!refs)
		return;
	b->lost_claims = calloc(refs->claim_count + 1, sizeof *b->lost_claims);
	b->failed |= !b->lost_claims;
	index_uuids(&m);
	for (size_t i = 0; !b->failed && i < refs->claim_count; i++) {
		const struct cv_claim *claim = &refs->claims[i];
		bool lost = !match(&m, claim);

		b->lost_claims[i] = lost ? missed_in(&m, claim) : UINT32_MAX;
		if (lost && !claim->in_use && !b->lost)
			b->lost = claim;
	}
	free(m.uuids.at);
}

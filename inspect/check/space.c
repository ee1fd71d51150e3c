/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Space of repositories, as far as sizes of files tell it: file systems that are too full for what comes next, and
 * files that belong to no image. What is in the images is accounted for in inspect/space.
 */
#include "inspect/check/check.h"

/* Of a file system that nothing else is said of. */
#define RESERVE_PERCENT 1u
#define LARGEST_RESERVE ((uint64_t)16 << 30)
#define UNCLAIMED_BYTES ((uint64_t)64 << 20)

/* What one repository may still need. */
struct demand {
	uint64_t growth;             /* of thin images that somebody uses, up to their virtual size */
	uint32_t smallest;           /* the smallest image that is to be merged, or CV_NO_IMAGE */
};

static bool is_reported(const struct cv_repository *r)
{
	return !r->other && r->kind != CV_REPOSITORY_IMAGE && r->size_bytes;
}

static bool is_thin_leaf(const struct cv_image *image)
{
	return image->role == CV_ROLE_LEAF && image->size_known && image->variant != CV_VARIANT_FIXED &&
	       image->format != CV_FORMAT_NONE && image->virtual_size > image->file->allocated;
}

static void add_demand(const struct cv_build *b, struct demand *d, uint32_t i)
{
	const struct cv_graph *g = b->g;
	const struct cv_image *image = &g->images[i];

	if (is_thin_leaf(image) &&
	    __builtin_add_overflow(d->growth, image->virtual_size - image->file->allocated, &d->growth))
		d->growth = UINT64_MAX;
	if (image->coalesce.possible && (image->mark == CV_MARK_HIDDEN || cv_knows_references(b)) &&
	    (d->smallest == CV_NO_IMAGE || image->file->allocated < g->images[d->smallest].file->allocated))
		d->smallest = i;
}

static uint64_t reserve_of(const struct cv_build *b, const struct cv_repository *r)
{
	uint64_t share = r->size_bytes / 100 * RESERVE_PERCENT;

	if (b->policy.reserve_set)
		return b->policy.space_reserve;
	return share < LARGEST_RESERVE ? share : LARGEST_RESERVE;
}

/* Adds a reason: the first is shown in the title, the others are evidence. */
static void add_reason(struct cv_build *b, struct cv_finding *f, unsigned *count, struct cv_text *text)
{
	if (++*count < CV_FINDING_ARGS)
		f->arg[*count] = cv_arg_kept(b, text);
	else
		cv_text_fini(text);
}

static void exhaustion(struct cv_build *b, uint32_t repository, const struct demand *d)
{
	const struct cv_repository *r = cv_scan_repository(b->scan, repository);
	struct cv_finding f = cv_finding_of(CV_SPC_EXPECTED_SPACE_EXHAUSTION);
	uint64_t reserve = reserve_of(b, r), merge = 0, share = d->growth / 100;
	unsigned reasons = 0;

	if (d->smallest != CV_NO_IMAGE)
		merge = b->g->images[d->smallest].file->allocated;
	if (__builtin_mul_overflow(share, (uint64_t)b->policy.growth_percent, &share))
		share = UINT64_MAX;
	if (r->free_bytes < reserve) {
		struct cv_text text = { 0 };

		cv_text_addf(&text, "less than the reserve of %s", cv_size_short(reserve).s);
		add_reason(b, &f, &reasons, &text);
	}
	if (r->free_bytes < merge) {
		struct cv_text text = { 0 };

		cv_text_addf(&text, "even the smallest merge, of %s, may take up to %s",
			     cv_image_label(b->g, repository, d->smallest), cv_size_short(merge).s);
		add_reason(b, &f, &reasons, &text);
	}
	if (r->free_bytes < share) {
		struct cv_text text = { 0 };

		cv_text_addf(&text, "less than %" PRIu32 "%% of the %s by which thin images may still grow",
			     b->policy.growth_percent, cv_size_short(d->growth).s);
		add_reason(b, &f, &reasons, &text);
	}
	f.arg[0] = cv_arg_number(r->free_bytes);
	if (reasons)
		cv_found_in(b, repository, f);
}

void cv_check_exhaustion(struct cv_build *b)
{
	size_t count = cv_scan_repository_count(b->scan);
	CV_AUTO(cv_auto_free) struct demand *demands = calloc(count + 1, sizeof *demands);

	b->failed |= !demands;
	if (!demands || b->g->partial)
		return;
	for (size_t r = 0; r < count; r++)
		demands[r].smallest = CV_NO_IMAGE;
	for (uint32_t i = 0; i < b->g->image_count; i++)
		add_demand(b, &demands[b->g->images[i].repository], i);
	for (uint32_t r = 0; r < count; r++)
		if (is_reported(cv_scan_repository(b->scan, r)))
			exhaustion(b, r, &demands[r]);
}

/* Files of one repository that belong to nothing. */
struct unclaimed {
	uint64_t bytes, files;
	const struct cv_file *largest;
};

static bool is_unclaimed(const struct cv_node *n)
{
	return n->image == CV_NO_IMAGE && !n->recorded && n->file->state == CV_FILE_READ && !n->file->block_device &&
	       !(n->facts && n->facts->attr_count);
}

static void report_unclaimed(struct cv_build *b, uint32_t repository, const struct unclaimed *u)
{
	const struct cv_repository *r = cv_scan_repository(b->scan, repository);
	struct cv_finding f = cv_finding_of(CV_SPC_UNCLAIMED_SPACE);
	const char *name = u->largest->path;
	struct cv_text text = { 0 };
	size_t len = strlen(r->path);

	if (!strncmp(name, r->path, len) && name[len] == '/')
		name += len + 1;
	cv_text_addf(&text, "%" PRIu64 " %s", u->files, u->files == 1 ? "file" : "files");
	f.bytes = u->bytes;
	f.arg[0] = cv_arg_number(u->bytes);
	f.arg[1] = cv_arg_kept(b, &text);
	f.arg[2] = cv_arg_text(name);
	cv_found_in(b, repository, f);
}

void cv_check_unclaimed(struct cv_build *b)
{
	size_t count = cv_scan_repository_count(b->scan);
	CV_AUTO(cv_auto_free) struct unclaimed *all = calloc(count + 1, sizeof *all);
	uint64_t least = b->policy.unclaimed_bytes ? b->policy.unclaimed_bytes : UNCLAIMED_BYTES;

	b->failed |= !all;
	if (!all || b->g->partial)
		return;
	for (uint32_t i = 0; i < b->node_count; i++) {
		const struct cv_file *file = b->nodes[i].file;
		struct unclaimed *u = &all[file->repository];

		if (!is_unclaimed(&b->nodes[i]))
			continue;
		u->files++;
		u->bytes += file->allocated;
		if (!u->largest || file->allocated > u->largest->allocated)
			u->largest = file;
	}
	for (uint32_t r = 0; r < count; r++)
		if (is_reported(cv_scan_repository(b->scan, r)) && all[r].bytes >= least)
			report_unclaimed(b, r, &all[r]);
}

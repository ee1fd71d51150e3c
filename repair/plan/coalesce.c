/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that merges an image into its parent. Whether that may be is the graph's verdict, the same that info and tree show;
 * what the operation cannot do is found out here, before anything is changed, also that the names of those that stand on
 * the image will fit. The space is that of the survey.
 */
#include "inspect/repository/reopen.h"
#include "repair/merge/merge.h"
#include "repair/plan/leaf.h"
#include "repair/plan/make.h"
#include "repair/plan/rebase.h"
#include "repair/relink/relink.h"
#include <chainview/space.h>

struct planning {
	struct cv_plan_maker m;
	const struct cv_graph *g;
	const struct cv_coalesce_options *o;
	const struct cv_image *image, *parent;       /* parent: NULL if it was not found */
	struct cv_text name, parent_name;            /* escaped */
};

static uint32_t index_of(const struct planning *p, const struct cv_image *image)
{
	return (uint32_t)(image - p->g->images);
}

static const struct cv_image *child_of(const struct planning *p, uint32_t i)
{
	return &p->g->images[cv_graph_child(p->g, p->image, i)];
}

/* --- may it be ------------------------------------------------------------------------------------------- */

static uint64_t times(uint64_t bytes, uint64_t n)
{
	uint64_t all;

	return __builtin_mul_overflow(bytes, n, &all) ? UINT64_MAX : all;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* As a file tells it: what is written elsewhere is written in whole blocks. */
static uint64_t file_bytes(const struct cv_image *image)
{
	return image->file ? image->file->size : 0;
}

/* What it takes more if it stands alone: counted, or by all files of its chain. */
static uint64_t flatten_bytes(const struct planning *p)
{
	const struct cv_space_image *s = p->o->space ? &p->o->space->images[index_of(p, p->image)] : NULL;
	const struct cv_image *at = p->image;
	uint64_t sum = 0;

	if (s && s->flatten.known)
		return s->flatten.net_bytes < 0 ? (uint64_t)-s->flatten.net_bytes : 0;
	for (uint32_t left = p->g->image_count; left && at->parent != CV_NO_IMAGE; left--) {
		at = &p->g->images[at->parent];
		sum = plus(sum, file_bytes(at));
	}
	return p->image->size_known && sum > p->image->virtual_size ? p->image->virtual_size : sum;
}

static void add_ways(const struct planning *p, struct cv_text *t)
{
	const char *name = cv_text_str(&p->name), *parent = cv_text_str(&p->parent_name);
	uint32_t children = p->image->child_count;
	uint64_t own = file_bytes(p->image);

	cv_text_addf(t, "Leave %s (costs nothing)", name);
	if (!children) {
		cv_text_addf(t, "; or make it stand alone with chainview rebase --flatten (about %s)", cv_size_short(flatten_bytes(p)).s);
		return;
	}
	cv_text_addf(t, "; or give %s what it has, with chainview rebase --onto %s (about %s%s)",
		     children == 1 ? "its child" : "each of its children", parent, cv_size_short(times(own, children)).s,
		     children == 1 ? "" : " for all of them");
	cv_text_addf(t, "; or make one new image of both with chainview convert, and let %s stand on that with chainview rebase "
		     "(about %s)", children == 1 ? "its child" : "its children", cv_size_short(plus(own, file_bytes(p->parent))).s);
}

/* The parent is needed as it is: what else could be done, and what that costs at most. */
static void offer_others(struct planning *p)
{
	uint32_t others = p->parent->child_count - (p->parent->child_count != 0);
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	if (!others && !p->parent->reference_count)
		return;
	cv_text_addf(&t, "%s stays as it is, whatever is done: ", cv_text_str(&p->parent_name));
	if (others)
		cv_text_addf(&t, "%" PRIu32 " other image%s on it. ", others, others == 1 ? " stands" : "s stand");
	else
		cv_text_add(&t, "somebody uses it itself. ");
	add_ways(p, &t);
	p->m.failed |= t.failed;
	cv_plan_check(&p->m, "alternatives", true, "%s", cv_text_str(&t));
}

static void check_verdict(struct planning *p)
{
	const struct cv_verdict *v = &p->image->coalesce;
	bool ok = p->o->leaf ? v->leaf : v->possible;
	const char *reason = !p->o->leaf ? v->reason : v->leaf ? "a leaf, the only child of its parent, which gets its name"
			   : p->image->child_count ? "others stand on it: it is merged without --leaf" : v->reason;

	cv_plan_check(&p->m, "may-be-merged", ok, "%s: %s", cv_text_str(&p->name), reason ? reason : "not known");
	if (p->parent)
		offer_others(p);
}

/* Why a file cannot be held and written to; NULL if it can. */
static const char *against_file(const struct planning *p, const struct cv_image *image)
{
	if (image->repository != p->image->repository)
		return "it lies in another repository than the image: one journal cannot hold both";
	if (image->file->block_device)
		return "it is a device: only files can be held while they are changed";
	if (image->file->links > 1)
		return "it has another name elsewhere (a hard link)";
	return image->file->alias_count ? "it is reached under several paths, through links" : NULL;
}

static void check_file(struct planning *p, const struct cv_image *image)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	const char *reason = against_file(p, image);

	cv_text_escape(&name, cv_bytes_of(image->id));
	p->m.failed |= name.failed;
	cv_plan_check(&p->m, "one-place", !reason, "%s: %s", cv_text_str(&name), reason ? reason : "one file in this repository");
}

static const char *against_sizes(const struct planning *p)
{
	const struct cv_image *image = p->image, *parent = p->parent;

	if (!image->size_known || !parent->size_known)
		return "its size is not known";
	if (image->virtual_size <= parent->virtual_size)
		return NULL;
	if (parent->format == CV_FORMAT_VHD && parent->variant == CV_VARIANT_FIXED)
		return "it is larger than its parent, and a fixed VHD cannot grow in place: its footer would become data of the disk. "
		       "chainview convert makes a dynamic VHD of it";
	if (!cv_merge_format(parent->format)->grow)
		return "it is larger than its parent, which cannot grow in place";
	if (parent->parent != CV_NO_IMAGE && p->g->images[parent->parent].virtual_size > parent->virtual_size)
		return "it is larger than its parent, which is smaller than its own parent: what that has behind the end would show";
	return NULL;
}

static void check_formats(struct planning *p)
{
	const struct cv_merge_format *row = cv_merge_format(p->parent->format);
	const char *reason = row ? against_sizes(p) : NULL;

	cv_plan_check(&p->m, "parent-can-take-it", row != NULL, row ? "%s: data can be merged into %s in place"
		      : "%s: this version cannot merge into %s images in place", cv_text_str(&p->parent_name),
		      row ? row->name : cv_format_name(p->parent->format));
	if (row)
		cv_plan_check(&p->m, "sizes", !reason, "%s: %s", cv_text_str(&p->name),
			      reason ? reason : p->image->virtual_size > p->parent->virtual_size
				      ? "it is larger than its parent, which grows" : "it is not larger than its parent");
}

/* What waits in the log of a VHDX would be laid over what is written; and of an image it is not sure to be what was meant. */
static void check_log(struct planning *p, const struct cv_image *image)
{
	bool waits = image->format == CV_FORMAT_VHDX && image->facts->flags & CV_FACT_DIRTY;
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	if (!waits)
		return;
	cv_text_escape(&name, cv_bytes_of(image->id));
	p->m.failed |= name.failed;
	cv_plan_check(&p->m, "log-applied", false, "%s: its log has not been applied: it is open on a host, or was not closed in good "
		      "order; chainview repair applies the log", cv_text_str(&name));
}

/* The parent's own tables may have no room for a larger disk. */
static bool check_growth(struct planning *p, struct cv_err *err)
{
	const struct cv_merge_format *row = cv_merge_format(p->parent->format);
	struct cv_err why = { .code = CV_OK };
	struct cv_range part;
	CV_AUTO(cv_auto_source) struct cv_source *source = NULL;
	int fd;

	if (p->m.plan->refused || !row->may_grow || p->image->virtual_size <= p->parent->virtual_size)
		return true;
	fd = cv_scan_reopen(p->g->scan, p->parent->file, &part, err);
	source = fd < 0 ? NULL : cv_source_fd_adopt(fd, p->parent->file->size, err);
	if (!source)
		return false;
	if (cv_merge_may_grow(row, &source, p->image->virtual_size, &why))
		return true;
	if (why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(&p->m, "parent-can-grow", false, "%s: %s", cv_text_str(&p->parent_name), why.text);
	return true;
}

/* --- those that stand on it ------------------------------------------------------------------------------ */

static struct cv_plan_link link_of(const struct planning *p, const struct cv_image *child, const char *folder)
{
	struct cv_plan_link link = { .format = p->parent->format, .folder = folder, .path = p->parent->file->path,
				     .former = p->image->file->path };

	if (p->parent->format == child->format && child->format != CV_FORMAT_QCOW2)
		memcpy(link.uuid, p->parent->facts->uuid, sizeof link.uuid);
	return link;
}

/* As the operation will do it, but on nothing. */
static bool check_names(struct planning *p, const struct cv_image *child, const struct cv_plan_link *link, struct cv_err *err)
{
	struct cv_relink r = { 0 };
	struct cv_err why = { .code = CV_OK };
	struct cv_range part;
	int fd = cv_scan_reopen(p->g->scan, child->file, &part, err);
	CV_AUTO(cv_auto_source) struct cv_source *source = fd < 0 ? NULL : cv_source_fd_adopt(fd, child->file->size, err);
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	bool ok;

	if (!source)
		return false;
	ok = cv_relink_make(&r, source, link, &why);
	cv_relink_fini(&r);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_text_escape(&name, cv_bytes_of(child->id));
	cv_plan_check(&p->m, "names-fit", ok, "%s: %s", cv_text_str(&name), ok ? "what names the parent fits into it" : why.text);
	return !name.failed || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool add_children(struct planning *p, struct cv_err *err)
{
	struct cv_plan_merge *merge = cv_arena_alloc(p->m.plan->arena, sizeof *merge);
	struct cv_plan_link *links = cv_arena_alloc(p->m.plan->arena, (p->image->child_count + (size_t)1) * sizeof *links);

	if (!merge || !links)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	*merge = (struct cv_plan_merge){ .format = p->image->format, .parent_format = p->parent->format, .links = links,
					 .link_count = p->image->child_count, .keeps = p->o->full };
	for (uint32_t i = 0; i < p->image->child_count; i++) {
		const struct cv_image *child = child_of(p, i);
		const char *path = child->file->path, *slash = strrchr(path, '/');
		CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };

		cv_text_add_bytes(&folder, path, slash && slash != path ? (size_t)(slash - path) : 1);
		links[i] = link_of(p, child, cv_plan_keep(&p->m, cv_text_str(&folder)));
		links[i].path = cv_plan_keep(&p->m, links[i].path);
		links[i].former = cv_plan_keep(&p->m, links[i].former);
		if (p->m.failed || folder.failed)
			return cv_fail(err, CV_ENOMEM, "out of memory");
		check_file(p, child);
		cv_plan_check_rebase(&p->m, p->g, child, p->parent);
		cv_link_pack(&p->m.carried, &links[i]);
		if (!p->m.plan->refused && !check_names(p, child, &links[i], err))
			return false;
	}
	cv_pack_number(&p->m.carried, merge->format);
	cv_pack_number(&p->m.carried, merge->parent_format);
	cv_pack_number(&p->m.carried, merge->keeps);
	p->m.plan->merge = merge;
	return true;
}

/* What is read through the parent while it is written, if its format needs it. */
static bool add_below(struct planning *p, struct cv_err *err)
{
	const struct cv_merge_format *row = cv_merge_format(p->parent->format);
	uint32_t *list = NULL;
	size_t count = 0;
	enum cv_format_id *formats;

	if (!row || !row->below || p->parent->parent == CV_NO_IMAGE || !p->m.plan->merge)
		return true;
	if (!cv_graph_chain(p->g, p->parent->parent, &list, &count))
		return cv_fail(err, CV_ENOMEM, "out of memory");
	formats = cv_arena_alloc(p->m.plan->arena, (count + 1) * sizeof *formats);
	for (size_t i = 0; formats && i < count; i++) {
		formats[i] = p->g->images[list[i]].format;
		cv_plan_source(&p->m, p->g, list[i]);
	}
	((struct cv_plan_merge *)(uintptr_t)p->m.plan->merge)->below = formats;
	((struct cv_plan_merge *)(uintptr_t)p->m.plan->merge)->below_count = formats ? count : 0;
	free(list);
	return formats || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* --- what the parent was --------------------------------------------------------------------------------- */

/* Tables that change are kept, too: two pages at most for each 2 MiB of the disk, or for each page of data. */
enum { KEPT_PAGE = 4096, TABLES_SHARE = 256, TABLES_LEAST = 1 << 20, RECORDS_SHARE = 64, EXTENTS_AT_ONCE = 4096 };

/* Whole pages of all that the image has of its own, wherever they begin; what is in holes of its file counts, too. */
static bool count_owned(const struct planning *p, uint64_t *bytes, struct cv_err *err)
{
	struct cv_extents list = { .max = EXTENTS_AT_ONCE };
	struct cv_range part;
	int fd = cv_scan_reopen(p->g->scan, p->image->file, &part, err);
	CV_AUTO(cv_auto_source) struct cv_source *source = fd < 0 ? NULL : cv_source_fd_adopt(fd, p->image->file->size, err);
	struct cv_layer *layer = source ? cv_layer_open(&source, NULL, p->image->format, err) : NULL;
	bool ok = layer != NULL;

	*bytes = 0;
	for (uint64_t pos = 0; ok && pos < layer->size; pos = cv_extents_end(&list)) {
		ok = cv_layer_extents(layer, (struct cv_range){ pos, layer->size - pos }, &list, err);
		for (size_t i = 0; ok && i < list.len; i++)
			if (list.at[i].kind != CV_EXTENT_PARENT)
				*bytes = plus(*bytes, (list.at[i].at.len / KEPT_PAGE + 2) * KEPT_PAGE);
	}
	cv_extents_fini(&list);
	cv_layer_close(layer);
	return ok;
}

/* rewritten: bytes that are counted already, as written to other places: those that a clone makes stay there. */
static bool keep_parent(struct planning *p, uint64_t rewritten, struct cv_err *err)
{
	uint64_t own, tables = p->parent->virtual_size / TABLES_SHARE, most = p->parent->file->allocated, kept, device, block;
	bool clone = cv_plan_can_share(&p->m, p->parent->id, &device, &block);
	struct cv_plan_space *space = &p->m.plan->space;

	if (!count_owned(p, &own, err))
		return false;
	kept = plus(own, tables < times(own, 2) ? tables : times(own, 2));
	kept = plus(kept < most ? kept : most, TABLES_LEAST);
	kept = plus(kept, kept / RECORDS_SHARE);
	space->peak = plus(space->peak, kept - (!clone ? 0 : rewritten < kept ? rewritten : kept));
	space->net -= kept > INT64_MAX / 2 ? INT64_MAX / 2 : (int64_t)kept;
	cv_plan_check(&p->m, "former-kept", true, "%s: %s, so that undo gives it back byte for byte; it takes at most %" PRIu64 " bytes (%s), "
		      "until the trash is purged", cv_text_str(&p->parent_name), clone ? "a clone of what it is now is kept, which shares all "
		      "that is not written over" : "what is written over is copied before", kept, cv_size_short(kept).s);
	cv_plan_step(&p->m, "keep", p->parent->id, kept, "what it is now, in the trash beside the image");
	return true;
}

/* --- steps and space ------------------------------------------------------------------------------------- */

static void add_steps(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	bool marked = p->image->mark == CV_MARK_HIDDEN;
	uint64_t own = p->image->file->allocated;

	cv_text_addf(&why, "what it has of its own goes into %s%s", cv_text_str(&p->parent_name),
		     marked ? "" : ", whose own content changes by that");
	cv_plan_step(&p->m, "merge", p->image->id, own, cv_text_str(&why));
	for (uint32_t i = 0; i < p->image->child_count; i++) {
		cv_text_clear(&why);
		cv_text_addf(&why, "its parent becomes %s", cv_text_str(&p->parent_name));
		cv_plan_step(&p->m, "relink", child_of(p, i)->id, 0, cv_text_str(&why));
	}
	cv_plan_step(&p->m, "move", p->image->id, own, marked ? "to the trash: nobody needs it then; chainview trash purge frees it"
		     : "to the trash: it ends as an image of its own; chainview trash purge frees it");
	p->m.failed |= why.failed;
}

static bool take_space(struct planning *p, struct cv_err *err)
{
	const struct cv_space_image *s = p->o->space ? &p->o->space->images[index_of(p, p->image)] : NULL;
	struct cv_plan_space *space = &p->m.plan->space;
	uint64_t own = p->image->file->allocated, rewritten;
	bool known = s && s->merge.known;

	cv_plan_check(&p->m, "space-known", known, known ? "how much %s grows by was counted block by block"
		      : "how much %s grows by is not known: its blocks could not be counted", cv_text_str(&p->parent_name));
	if (!known)
		return true;
	space->peak = s->merge.peak_bytes;
	rewritten = own > space->peak ? cv_plan_rewrite(&p->m, p->parent->id, own - space->peak) : 0;
	if (rewritten)
		cv_plan_check(&p->m, "written-over", true, "%s: %" PRIu64 " bytes (%s) of it have to be written to other places meanwhile, "
			      "as this file system does it, or as they are shared", cv_text_str(&p->parent_name), rewritten,
			      cv_size_short(rewritten).s);
	space->peak += rewritten;
	/* The image itself is freed only when the trash is purged. */
	space->net = s->merge.net_bytes - (int64_t)p->image->file->allocated;
	return !p->o->full || keep_parent(p, rewritten, err);
}

static bool plan(struct planning *p, struct cv_err *err)
{
	cv_plan_check_search(&p->m, p->g);
	check_verdict(p);
	if (p->parent) {
		check_file(p, p->image);
		check_file(p, p->parent);
		check_formats(p);
		check_log(p, p->image);
		check_log(p, p->parent);
		if (!check_growth(p, err) || (p->o->leaf && !cv_plan_check_leaf(&p->m, p->g, p->image, p->parent, err)))
			return false;
	}
	cv_plan_item(&p->m, cv_plan_item_of(p->g, index_of(p, p->image)));
	if (!p->parent)
		return true;
	cv_plan_item(&p->m, cv_plan_item_of(p->g, index_of(p, p->parent)));
	for (uint32_t i = 0; i < p->image->child_count; i++)
		cv_plan_item(&p->m, cv_plan_item_of(p->g, index_of(p, child_of(p, i))));
	if (p->m.plan->refused)
		return true;
	if (!add_children(p, err) || !add_below(p, err) || !take_space(p, err))
		return false;
	if (p->o->leaf)
		cv_plan_leaf_steps(&p->m, p->image, p->parent);
	else
		add_steps(p);
	return true;
}

struct cv_plan *cv_plan_coalesce(const struct cv_graph *g, const struct cv_coalesce_options *options, struct cv_err *err)
{
	const struct cv_image *image = &g->images[options->image];
	const struct cv_repository *r = cv_scan_repository(g->scan, image->repository);
	struct planning p = { .g = g, .o = options, .image = image };
	struct cv_plan *made = NULL;

	if (image->status == CV_PARENT_FOUND)
		p.parent = &g->images[image->parent];
	if (!cv_plan_begin(&p.m, options->leaf ? CV_PLAN_LEAF : CV_PLAN_COALESCE, r->path, err))
		return NULL;
	cv_text_escape(&p.name, cv_bytes_of(image->id));
	if (p.parent)
		cv_text_escape(&p.parent_name, cv_bytes_of(p.parent->id));
	p.m.failed |= p.name.failed || p.parent_name.failed;
	p.m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = options->reserve };
	if (plan(&p, err))
		made = cv_plan_end(&p.m, err);
	else
		cv_plan_drop(&p.m);
	cv_text_fini(&p.name);
	cv_text_fini(&p.parent_name);
	return made;
}

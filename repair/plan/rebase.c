/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that gives an image another parent, and one that takes that back. Whether the image then reads the same is found
 * out here, since everything else depends on it; the operation holds all of the files, which must be as they were here.
 */
#include "inspect/reader2/parents.h"
#include "inspect/repository/reopen.h"
#include "inspect/space/room.h"
#include "repair/merge/merge.h"
#include "repair/plan/make.h"
#include "repair/plan/rebase.h"
#include "repair/relink/relink.h"

struct planning {
	struct cv_plan_maker m;
	const struct cv_graph *g;
	const struct cv_rebase_options *o;
	const struct cv_image *image, *onto;         /* onto: NULL, and it is to stand alone */
	bool back;                   /* what was done is taken back */
	uint64_t bytes;              /* that change */
	bool any;                    /* something changes */
	bool copies;                 /* data are copied first */
	struct cv_parents_result found;
};

static void auto_source(struct cv_source **s)
{
	cv_source_close(*s);
}

static struct cv_plan_link link_of(const struct planning *p, const char *folder)
{
	const struct cv_image *onto = p->onto, *now = p->image->parent != CV_NO_IMAGE ? &p->g->images[p->image->parent] : NULL;
	const struct cv_facts *f = p->image->facts;
	struct cv_plan_link link = { .folder = folder, .former = now ? now->file->path : NULL };

	if (!onto)
		return link;
	link.format = onto->format;
	link.path = onto->file->path;
	link.time = onto->file->mtime_ns / 1000000000;
	/* The same parent: what is recorded about it besides its path is as good as it was. */
	if (now == onto && f->flags & CV_FACT_PARENT_TIME)
		link.time = f->parent_time;
	if (onto->format == p->image->format && onto->format != CV_FORMAT_QCOW2)
		memcpy(link.uuid, onto->facts->uuid, sizeof link.uuid);
	return link;
}

static void set_link(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text folder = { 0 };
	const char *path = p->image->file->path, *slash = strrchr(path, '/');

	cv_text_add_bytes(&folder, path, slash && slash != path ? (size_t)(slash - path) : 1);
	p->m.failed |= folder.failed;
	cv_plan_link(&p->m, link_of(p, cv_text_str(&folder)));
}

/* --- what changes in the file ---------------------------------------------------------------------------- */

static struct cv_source *open_image(const struct planning *p, struct cv_err *err)
{
	struct cv_range part;
	int fd = cv_scan_reopen(p->g->scan, p->image->file, &part, err);

	return fd < 0 ? NULL : cv_source_fd_adopt(fd, p->image->file->size, err);
}

/* Pages are written over where they are, if they have a place of their own. */
static void count_room(struct planning *p, const struct cv_relink *r)
{
	struct cv_err ignored = { .code = CV_OK };
	struct cv_range part;
	CV_AUTO(cv_auto_close) int fd = cv_scan_reopen(p->g->scan, p->image->file, &part, &ignored);

	for (size_t i = 0; fd >= 0 && i < r->pages.len; i++)
		p->m.plan->space.peak += cv_room_overwrite(fd, (struct cv_range){ r->pages.at[i].off, r->pages.at[i].len });
	/* else only the journal takes room */
	if (p->m.plan->space.peak)
		cv_plan_charge(&p->m, p->image->id);
}

/* As the operation will do it, but on nothing. */
static bool check_names(struct planning *p, struct cv_err *err)
{
	CV_AUTO(auto_source) struct cv_source *source = open_image(p, err);
	struct cv_relink r = { 0 };
	struct cv_err why = { .code = CV_OK };
	bool ok;

	if (!source || p->m.failed)
		return source && cv_fail(err, CV_ENOMEM, "out of memory");
	ok = cv_relink_make(&r, source, p->m.plan->link, &why);
	p->bytes = cv_relink_bytes(&r);
	p->any = r.pages.len > 0;
	count_room(p, &r);
	cv_relink_fini(&r);
	if (!ok && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(&p->m, "names-fit", ok, "%s", !ok ? why.text : p->onto ? "what names the new parent fits into the image"
		      : "what names its parent can be taken from the image");
	return true;
}

/* --- what a guest reads ---------------------------------------------------------------------------------- */

static void say_result(struct planning *p, const struct cv_parents_result *r)
{
	if (r->damaged)
		cv_plan_check(&p->m, "same-content", false, "the tables of the image are damaged (%" PRIu64 " errors): chainview check "
			      "shows them, and that comes first", r->damaged);
	else if (r->differing && !p->back)
		cv_plan_check(&p->m, "same-content", true, p->onto ? "the parents differ in %" PRIu64 " bytes that the image reads from them, "
			      "first at guest offset %" PRIu64 ": %" PRIu64 " bytes are copied into the image, so that its content stays"
			      : "%" PRIu64 " bytes of what the image reads are not its own, first at guest offset %" PRIu64 ": %" PRIu64
			      " bytes are copied into it", r->differing, r->first, r->copied);
	else if (!p->onto)
		cv_plan_check(&p->m, "same-content", true, "all data that the image reads are its own");
	else if (r->differing)
		cv_plan_check(&p->m, "same-content", false, "the parents differ in %" PRIu64 " bytes that the image reads from them, first "
			      "at guest offset %" PRIu64 ": with this parent its content would change", r->differing, r->first);
	else
		cv_plan_check(&p->m, "same-content", true, "both parents read the same where the image has nothing of its own "
			      "(%" PRIu64 " bytes compared)", r->compared);
}

static bool check_content(struct planning *p, struct cv_err *err)
{
	const struct cv_parents_watch watch = { p->o->tick, p->o->ctx };
	const struct cv_merge_format *row = cv_merge_format(p->image->format);
	const struct cv_parents_units units = { p->image->facts->block_size, !p->onto && row && row->has_unit };
	struct cv_err why = { .code = CV_OK };
	uint32_t image = (uint32_t)(p->image - p->g->images), onto = p->onto ? (uint32_t)(p->onto - p->g->images) : CV_NO_IMAGE;

	if (cv_parents_compare(p->g, image, onto, units.unit ? &units : NULL, p->o->tick ? &watch : NULL, &p->found, &why)) {
		say_result(p, &p->found);
		/* Blocks may have to become whole also where no data are copied. */
		p->copies = !p->back && !p->found.damaged && (p->found.differing || !p->onto);
		return true;
	}
	if (why.code == CV_ECANCELLED || why.code == CV_ENOMEM)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(&p->m, "same-content", false, "the parents could not be compared: %s", why.text);
	return true;
}

/* --- the plan -------------------------------------------------------------------------------------------- */

/* Everything that is read from now on through either parent, each image once. */
static bool add_sources(struct planning *p, struct cv_err *err)
{
	struct cv_plan_chains chains;

	if (!cv_plan_chains(p->g, p->image, p->onto, &chains, err))
		return false;
	for (size_t i = 0; i < chains.count; i++)
		cv_plan_source(&p->m, p->g, chains.images[i]);
	free(chains.images);
	return true;
}

static void add_step(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	const struct cv_image *now = p->image->parent != CV_NO_IMAGE ? &p->g->images[p->image->parent] : NULL;

	if (!p->onto)
		cv_text_add(&why, "has no parent then, and stands alone");
	else if (now == p->onto)
		cv_text_add(&why, "names its parent again by where it is: ");
	else
		cv_text_add(&why, "its parent becomes ");
	if (p->onto)
		cv_text_escape(&why, cv_bytes_of(p->onto->repository == p->image->repository ? p->onto->id : p->onto->file->path));
	p->m.failed |= why.failed;
	cv_plan_step(&p->m, "relink", p->image->id, p->bytes, cv_text_str(&why));
}

static bool plan(struct planning *p, struct cv_err *err)
{
	for (size_t i = 0; i < cv_scan_repository_count(p->g->scan); i++)
		cv_plan_searched(&p->m, cv_scan_repository(p->g->scan, i)->path);
	cv_plan_check_rebase(&p->m, p->g, p->image, p->onto);
	if (!p->m.plan->refused) {
		set_link(p);
		if (!check_names(p, err) || (!p->m.plan->refused && p->any && !check_content(p, err)))
			return false;
	}
	if (!p->any && !p->m.plan->refused)
		return true;
	cv_plan_item(&p->m, cv_plan_item_of(p->g, (uint32_t)(p->image - p->g->images)));
	if (!add_sources(p, err) || (p->copies && !cv_plan_copying(&p->m, p->g, p->image, p->onto, &p->found, err)))
		return false;
	add_step(p);
	return true;
}

static bool begin(struct planning *p, const struct cv_graph *g, const struct cv_rebase_options *o, uint32_t image,
		  uint32_t onto, struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(g->scan, g->images[image].repository);

	*p = (struct planning){ .g = g, .o = o, .image = &g->images[image], .onto = onto == CV_NO_IMAGE ? NULL : &g->images[onto] };
	if (!cv_plan_begin(&p->m, CV_PLAN_REBASE, r->path, err))
		return false;
	p->m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = o->reserve };
	return true;
}

/* The plan is freed by its end, also if nothing comes of it. */
static struct cv_plan *end(struct planning *p, bool ok, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };
	struct cv_plan *made = cv_plan_end(&p->m, ok ? err : &none);

	if (ok || !made)
		return made;
	cv_plan_free(made);
	return NULL;
}

struct cv_plan *cv_plan_rebase(const struct cv_graph *g, const struct cv_rebase_options *options, struct cv_err *err)
{
	struct planning p;

	return begin(&p, g, options, options->image, options->onto, err) ? end(&p, plan(&p, err), err) : NULL;
}

/* --- undo ------------------------------------------------------------------------------------------------ */

/* Its former parent, which must be the file that it was, not written to since. */
static uint32_t former_parent(struct planning *p, const struct cv_plan_item *item)
{
	for (uint32_t i = 0; item->parent && i < p->g->image_count; i++) {
		const struct cv_image *m = &p->g->images[i];
		bool same = m->file->inode == item->parent_inode && m->file->size == item->parent_size &&
			    m->file->mtime_ns == item->parent_mtime_ns;

		if (m->repository != p->image->repository || strcmp(m->id, item->parent) != 0)
			continue;
		cv_plan_check(&p->m, "parent-as-before", same, same ? "its former parent is as it was"
			      : "its former parent was changed since: chainview rebase compares, and gives it back if it reads the same");
		return i;
	}
	cv_plan_check(&p->m, "parent-as-before", false, item->parent ? "its former parent is not there any more"
		      : "its former parent was in another repository: give it back with chainview rebase");
	return CV_NO_IMAGE;
}

static bool plan_undo(struct planning *p, const struct cv_operation_entry *done, struct cv_err *err)
{
	struct cv_plan_item item = cv_plan_item_of(p->g, (uint32_t)(p->image - p->g->images));
	uint32_t former = former_parent(p, &done->items[0]);

	p->back = true;
	if (former != CV_NO_IMAGE) {
		p->onto = &p->g->images[former];
		cv_plan_check_return(&p->m, p->g, p->image, p->onto);
		if ((!p->m.plan->refused && !check_content(p, err)) || !add_sources(p, err))
			return false;
	}
	memcpy(item.from, done->id, sizeof item.from);
	cv_plan_item(&p->m, item);
	cv_plan_step(&p->m, "relink", item.path, 0, "its parent becomes what it was, bit for bit");
	return true;
}

struct cv_plan *cv_plan_rebase_undo(const struct cv_graph *g, uint32_t repository, const struct cv_operation_entry *done,
				    const struct cv_rebase_options *options, struct cv_err *err)
{
	struct planning p;
	uint32_t image;

	if (done->item_count != 1) {
		cv_fail(err, CV_EFORMAT, "it is about %zu images", done->item_count);
		return NULL;
	}
	image = cv_plan_image(g, repository, &done->items[0]);
	if (image == CV_NO_IMAGE) {
		cv_fail(err, CV_EREFUSED, "the image is not where it was");
		return NULL;
	}
	return begin(&p, g, options, image, image, err) ? end(&p, plan_undo(&p, done, err), err) : NULL;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A plan that mends images: what is wrong with them, what their fixers say to it, and of that what is wanted. What comes out
 * is bytes; that nothing is wrong with an image then that was not before was seen for each fix (fix/fix.c).
 */
#include "inspect/repository/reopen.h"
#include "inspect/space/room.h"
#include "repair/plan/network.h"
#include "repair/plan/repairing.h"
#include "repair/relink/relink.h"

/* --- what speaks against touching an image at all --------------------------------------------------------- */

static bool is_in_use(const struct cv_graph *g, const struct cv_image *image)
{
	for (uint32_t i = 0; i < image->reference_count; i++)
		if (g->references[image->first_reference + i].claim->in_use)
			return true;
	return false;
}

static bool offset_is_given(const struct cv_repairing *p)
{
	return cv_scan_repository(p->g->scan, p->repository)->offset != 0;
}

/* NULL: nothing does. A killed footer says that it is open, and is what is to be mended. */
const char *cv_repairing_against(const struct cv_repairing *p, const struct cv_image *image, const struct cv_finding *finding)
{
	if (image->file->block_device || offset_is_given(p))
		return "it is a device, or lies in a bigger file: only files can be held while they are changed";
	if (is_in_use(p->g, image))
		return "it is in use";
	if (finding && finding->advisory && finding->id != CV_VHD_FOOTER_KILLED)
		return image->facts->flags & CV_FACT_LIVE ? "it seems to be open: that comes first"
							  : "an image that is in use stands on it";
	if (image->file->links > 1)
		return "it has another name elsewhere (a hard link)";
	return image->file->state == CV_FILE_READ ? NULL : "not all of it could be read";
}

/* --- fixes ------------------------------------------------------------------------------------------------ */

static uint64_t bytes_of(const struct cv_fix *fix)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < fix->patches.len; i++)
		bytes += fix->patches.at[i].len;
	return bytes;
}

void cv_repairing_fix(struct cv_repairing *p, struct cv_plan_fix fix)
{
	fix.image = cv_plan_keep(&p->m, fix.image);
	fix.why = cv_plan_keep(&p->m, fix.why);
	p->m.failed |= !cv_plan_fixes_push(&p->fixes, fix);
}

static struct cv_plan_fix begin_fix(const struct cv_repairing *p, const struct cv_finding *finding)
{
	bool safe;

	return (struct cv_plan_fix){ .problem = finding->id, .image = p->g->images[finding->image].id,
				     .kind = cv_problem_fix(finding->id, &safe), .verdict = CV_FIX_REFUSED, .why = "",
				     .off = finding->has_where ? finding->where.off : 0 };
}

static void refuse(struct cv_repairing *p, const struct cv_finding *finding, const char *why)
{
	struct cv_plan_fix fix = begin_fix(p, finding);

	fix.why = why;
	cv_repairing_fix(p, fix);
}

/* What others may be writing to without our knowing it is never mended without asking. */
static void ask_on_network(const struct cv_repairing *p, struct cv_plan_fix *fix, struct cv_text *why)
{
	if (!p->network || fix->verdict != CV_FIX_SAFE)
		return;
	fix->verdict = CV_FIX_ASKS;
	cv_text_addf(why, "%s; it lies on %s, where other hosts may have it open", fix->why, p->network);
	fix->why = cv_text_str(why);
}

static bool take(struct cv_repairing *p, struct cv_fixing *f, const struct cv_finding *finding, const struct cv_fix *made,
		 struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	struct cv_plan_fix fix = begin_fix(p, finding);

	fix.verdict = made->verdict;
	fix.why = made->why;
	fix.off = made->off;
	fix.bytes = bytes_of(made);
	ask_on_network(p, &fix, &why);
	fix.chosen = fix.verdict != CV_FIX_REFUSED && p->o->wants(p->o->ctx, &fix);
	p->m.failed |= why.failed;
	cv_repairing_fix(p, fix);
	return !fix.chosen || cv_fixing_take(f, made, err);
}

/* Nothing is left to be done for it: something that was taken before did it. */
static void mended(struct cv_repairing *p, const struct cv_fixing *f, const struct cv_finding *finding)
{
	struct cv_plan_fix fix = begin_fix(p, finding);

	if (!f->patches.len)
		fix.why = "it is as it should be by now: look again";
	if (!f->patches.len)
		return cv_repairing_fix(p, fix);
	fix.verdict = CV_FIX_SAFE;
	fix.chosen = true;
	fix.why = "mended together with the other";
	cv_repairing_fix(p, fix);
}

static const char comes_first[] = "it takes part in what another program left unfinished: that comes first";

static bool fix_finding(struct cv_repairing *p, struct cv_fixing *f, const struct cv_fixer *row, const struct cv_finding *finding,
			struct cv_err *err)
{
	const char *against = cv_repairing_against(p, &p->g->images[f->image], finding);
	bool links = cv_problem_class_of(finding->id) == CV_CLASS_CHN;
	struct cv_fix made = { .verdict = CV_FIX_REFUSED };
	bool ok = true;

	if (!against && links && cv_repairing_takes_part(p, f->image))
		against = comes_first;
	if (against) {
		refuse(p, finding, against);
	} else {
		ok = cv_fixing_look(f, row, finding, &made, err);
		if (ok && made.verdict != CV_FIX_REFUSED && !made.patches.len && !made.size)
			mended(p, f, finding);
		else if (ok)
			ok = take(p, f, finding, &made, err);
	}
	free(made.patches.at);
	return ok;
}

static bool is_for(const struct cv_fixer *row, const struct cv_image *image, const struct cv_finding *finding)
{
	return row->id == finding->id && (row->format == CV_FORMAT_NONE || row->format == image->format);
}

/* In the order of the fixers, for later ones rely on what earlier ones have mended. */
static bool fix_all(struct cv_repairing *p, struct cv_fixing *f, struct cv_err *err)
{
	const struct cv_image *image = &p->g->images[f->image];
	const struct cv_finding *list;
	size_t count = cv_graph_findings_of(p->g, f->image, &list);

	for (size_t k = 0; k < cv_fixer_count; k++)
		for (size_t i = 0; i < count; i++)
			if (is_for(&cv_fixers[k], image, &list[i]) && !fix_finding(p, f, &cv_fixers[k], &list[i], err))
				return false;
	return true;
}

/* What nobody mends here is said, too, if it is more than a remark. */
static void list_others(struct cv_repairing *p, uint32_t image)
{
	const struct cv_finding *list;
	size_t count = cv_graph_findings_of(p->g, image, &list);

	for (size_t i = 0; i < count; i++) {
		bool any = list[i].severity == CV_INFO;

		for (size_t k = 0; !any && k < cv_fixer_count; k++)
			any = is_for(&cv_fixers[k], &p->g->images[image], &list[i]);
		if (!any)
			refuse(p, &list[i], cv_repairing_takes_part(p, image) ? comes_first : cv_fix_way(list[i].id));
	}
}

/* --- the plan --------------------------------------------------------------------------------------------- */

static void add_steps(struct cv_repairing *p, size_t from, const struct cv_image *image)
{
	for (size_t i = from; i < p->fixes.len; i++) {
		const struct cv_plan_fix *fix = &p->fixes.at[i];
		CV_AUTO(cv_text_fini) struct cv_text why = { 0 };

		if (!fix->chosen)
			continue;
		cv_text_addf(&why, "%s: %s%s", cv_problem_by_id(fix->problem)->name, fix->why,
			     fix->verdict == CV_FIX_ASKS ? " (asks)" : "");
		p->m.failed |= why.failed;
		cv_plan_step(&p->m, fix->kind ? fix->kind : "repair", image->id, fix->bytes, cv_text_str(&why));
	}
}

static void carry(struct cv_repairing *p, const struct cv_plan_mend *mend)
{
	cv_pack_number(&p->m.carried, mend->size);
	for (size_t i = 0; i < mend->count; i++) {
		cv_pack_number(&p->m.carried, mend->patches[i].off);
		cv_pack_number(&p->m.carried, mend->patches[i].layer);
		cv_pack_bytes(&p->m.carried, mend->patches[i].bytes, mend->patches[i].len);
	}
}

/* Pages that share their place with another file take one of their own. */
static void count_room(struct cv_repairing *p, int fd, const struct cv_relink *change)
{
	for (size_t i = 0; i < change->pages.len; i++)
		p->m.plan->space.peak += cv_room_overwrite(fd, (struct cv_range){ change->pages.at[i].off, change->pages.at[i].len });
	if (change->new_size > change->source->size)
		p->m.plan->space.peak += change->new_size - change->source->size;
}

static void add_item(struct cv_repairing *p, struct cv_fixing *f, size_t first_fix, int fd)
{
	struct cv_plan_mend mend = { .count = f->patches.len, .size = f->change->new_size,
				     .pages = f->change->pages.len };
	struct cv_plan_patch *patches = cv_arena_alloc(p->m.plan->arena, (f->patches.len + 1) * sizeof *patches);

	p->m.failed |= !patches;
	if (!patches)
		return;
	memcpy(patches, f->patches.at, f->patches.len * sizeof *patches);
	mend.patches = patches;
	carry(p, &mend);
	cv_plan_item(&p->m, cv_plan_item_of(p->g, f->image));
	p->m.failed |= !cv_plan_mends_push(&p->mends, mend);
	add_steps(p, first_fix, &p->g->images[f->image]);
	count_room(p, fd, f->change);
}

/* What is to be done to it all at once must read as foreseen. */
static bool settle(struct cv_repairing *p, struct cv_fixing *f, size_t first_fix, int fd, struct cv_err *err)
{
	if (!f->patches.len)
		return true;
	if (!cv_relink_foresee(f->change, err))
		return false;
	if (f->change->pages.len)
		add_item(p, f, first_fix, fd);
	return true;
}

static bool plan_image(struct cv_repairing *p, uint32_t image, struct cv_err *err)
{
	struct cv_range part;
	CV_AUTO(cv_auto_close) int fd = cv_scan_reopen(p->g->scan, p->g->images[image].file, &part, err);
	int own = fd < 0 ? -1 : cv_scan_reopen(p->g->scan, p->g->images[image].file, &part, err);
	CV_AUTO(cv_auto_source) struct cv_source *source = own < 0 ? NULL : cv_source_fd_adopt(own, p->g->images[image].file->size, err);
	struct cv_relink change = { .source = source, .say = cv_fix_says };
	struct cv_fixing f = { p->g, image, &change, p->m.plan->arena, { 0 }, p->o->candidates };
	size_t first = p->fixes.len;
	bool ok = source && fix_all(p, &f, err) && cv_repairing_marks(p, &f, err) && settle(p, &f, first, fd, err);

	if (ok)
		list_others(p, image);
	cv_relink_fini(&change);
	free(f.patches.at);
	return ok;
}

/* One that cannot be opened has no fixes but what is said of it. */
static bool plan_or_refuse(struct cv_repairing *p, uint32_t image, struct cv_err *err)
{
	struct cv_err why = { .code = CV_OK };
	size_t first = p->fixes.len;
	const struct cv_finding *list;
	size_t count;

	if (plan_image(p, image, &why))
		return true;
	if (why.code == CV_ENOMEM || why.code == CV_ECANCELLED)
		return cv_fail(err, why.code, "%s", why.text);
	p->fixes.len = first;
	cv_repairing_without(p, image, why.text);
	count = cv_graph_findings_of(p->g, image, &list);
	for (size_t i = 0; i < count; i++)
		refuse(p, &list[i], why.text);
	return true;
}

static bool is_meant(const struct cv_repairing *p, uint32_t image)
{
	const struct cv_finding *list;

	if (p->g->images[image].repository != p->repository ||
	    (!cv_graph_findings_of(p->g, image, &list) && !cv_repairing_concerns(p, image)))
		return false;
	for (size_t i = 0; i < p->o->only_count; i++)
		if (p->o->only[i] == image)
			return true;
	return !p->o->only;
}

static bool plan(struct cv_repairing *p, struct cv_err *err)
{
	for (size_t i = 0; i < cv_scan_repository_count(p->g->scan); i++)
		cv_plan_searched(&p->m, cv_scan_repository(p->g->scan, i)->path);
	if (!p->o->only && !cv_repairing_foreign(p, err))
		return false;
	for (uint32_t i = 0; i < p->g->image_count; i++)
		if (is_meant(p, i) && !plan_or_refuse(p, i, err))
			return false;
	if (p->m.items.len)
		cv_plan_check(&p->m, "as-foreseen", true, "each image was read with what will change: what is mended is no longer found, "
			      "and nothing new is");
	if (p->m.items.len && p->network)
		cv_plan_check(&p->m, "file-system", true, "it is on %s: that no other host has the images open cannot be seen from here",
			      p->network);
	cv_repairing_moves(p);
	return true;
}

/* The lists belong to the arena of the plan. */
static void gather(struct cv_repairing *p)
{
	struct cv_plan_fix *fixes = cv_arena_alloc(p->m.plan->arena, (p->fixes.len + 1) * sizeof *fixes);
	struct cv_plan_mend *mends = cv_arena_alloc(p->m.plan->arena, (p->mends.len + 1) * sizeof *mends);

	p->m.failed |= !fixes || !mends;
	if (fixes && p->fixes.len)
		memcpy(fixes, p->fixes.at, p->fixes.len * sizeof *fixes);
	if (mends && p->mends.len)
		memcpy(mends, p->mends.at, p->mends.len * sizeof *mends);
	p->m.plan->fixes = fixes;
	p->m.plan->fix_count = fixes ? p->fixes.len : 0;
	p->m.plan->mends = mends;
}

struct cv_plan *cv_plan_repair(const struct cv_graph *g, uint32_t repository, const struct cv_repair_options *options,
			       struct cv_err *err)
{
	const struct cv_repository *r = cv_scan_repository(g->scan, repository);
	struct cv_repairing p = { .g = g, .o = options, .repository = repository };
	struct cv_plan *made = NULL;

	if (!cv_plan_begin(&p.m, CV_PLAN_REPAIR, r->path, err))
		return NULL;
	p.network = cv_plan_network(r->path);
	p.m.plan->space = (struct cv_plan_space){ .free_now = r->free_bytes, .reserve = options->reserve };
	if (plan(&p, err)) {
		gather(&p);
		made = cv_plan_end(&p.m, err);
	} else {
		cv_plan_drop(&p.m);
	}
	free(p.fixes.at);
	free(p.mends.at);
	free(p.moves.at);
	cv_foreign_fini(&p.foreign);
	return made;
}

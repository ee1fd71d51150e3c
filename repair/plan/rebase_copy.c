/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The part of a plan for another parent that is about copying: whether the image can take data in its own file, how much it
 * will grow by at most, and what is read meanwhile.
 */
#include "inspect/reader2/parents.h"
#include "inspect/repository/reopen.h"
#include "repair/merge/merge.h"
#include "repair/plan/rebase.h"

/* --- the chains ------------------------------------------------------------------------------------------ */

bool cv_plan_chains(const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto, struct cv_plan_chains *chains,
		    struct cv_err *err)
{
	uint32_t *now = NULL, *then = NULL;
	size_t nows = 0, thens = 0, both = 0;
	bool ok = (image->parent == CV_NO_IMAGE || cv_graph_chain(g, image->parent, &now, &nows)) &&
		  (!onto || cv_graph_chain(g, (uint32_t)(onto - g->images), &then, &thens));

	*chains = (struct cv_plan_chains){ .images = ok ? calloc(nows + thens + 1, sizeof *now) : NULL };
	while (chains->images && both < nows && both < thens && now[nows - 1 - both] == then[thens - 1 - both])
		both++;
	for (size_t i = 0; chains->images && i + both < nows; i++)
		chains->images[chains->count++] = now[i];
	for (size_t i = 0; chains->images && i < thens; i++)
		chains->images[chains->count++] = then[i];
	chains->now = nows - both;
	chains->then = thens - both;
	free(now);
	free(then);
	return chains->images || cv_fail(err, CV_ENOMEM, "out of memory");
}

/* --- may it be ------------------------------------------------------------------------------------------- */

static bool check_format(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const char *name,
			 struct cv_err *err)
{
	const struct cv_merge_format *row = cv_merge_format(image->format);
	struct cv_err why = { .code = CV_OK };
	CV_AUTO(cv_auto_source) struct cv_source *source = NULL;
	struct cv_range part;
	int fd;

	if (!row) {
		cv_plan_check(m, "can-take-data", false, "%s: the parents read otherwise, and this version cannot copy data into %s images in "
			      "place: chainview convert makes another image", name, cv_format_name(image->format));
		return true;
	}
	fd = cv_scan_reopen(g->scan, image->file, &part, err);
	source = fd < 0 ? NULL : cv_source_fd_adopt(fd, image->file->size, err);
	if (!source)
		return false;
	if (!cv_merge_may_take(row, &source, &why) && why.code != CV_EREFUSED)
		return cv_fail(err, why.code, "%s", why.text);
	cv_plan_check(m, "can-take-data", why.code == CV_OK, "%s: %s", name, why.code ? why.text
		      : "data can be copied into it in place");
	return true;
}

static void check_sources(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_plan_chains *chains)
{
	for (size_t i = 0; i < chains->count; i++) {
		const struct cv_image *read = &g->images[chains->images[i]];
		CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
		const char *why = read->facts->flags & CV_FACT_DATA_FILE ? "has its data in an external file"
				  : read->facts->flags & CV_FACT_ENCRYPTED ? "is encrypted" : NULL;

		cv_text_escape(&name, cv_bytes_of(read->id));
		m->failed |= name.failed;
		if (why)
			cv_plan_check(m, "can-be-copied", false, "%s %s, which is not copied", cv_text_str(&name), why);
	}
}

/* --- how much -------------------------------------------------------------------------------------------- */

static uint64_t sum(uint64_t a, uint64_t b)
{
	uint64_t all;

	return __builtin_add_overflow(a, b, &all) ? UINT64_MAX : all;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t all;

	return __builtin_mul_overflow(a, b, &all) ? UINT64_MAX : all;
}

static uint64_t pages(uint64_t bytes)
{
	return sum(bytes, CV_MERGE_PAGE - 1) / CV_MERGE_PAGE * CV_MERGE_PAGE;
}

/* Its bitmap lies before each block, whose data are on a page; the footer is behind all. */
static uint64_t growth_of_vhd(const struct cv_image *image, uint64_t fresh)
{
	uint64_t unit = image->facts->block_size;

	return fresh ? sum(times(fresh, pages(unit + unit / 4096) + CV_MERGE_PAGE), CV_MERGE_PAGE) : 0;
}

/* Tables that lead to new clusters, and what counts both: counts are of eight bytes at most. */
static uint64_t growth_of_qcow2(const struct cv_image *image, uint64_t fresh)
{
	uint64_t cluster = image->facts->block_size, per_table = cluster / 8, tables, blocks;

	tables = image->virtual_size / cluster / per_table + 1;
	tables = tables < fresh ? tables : fresh;
	blocks = sum(fresh, tables) / per_table + 2;
	return fresh ? times(sum(sum(fresh, tables), blocks + (image->file->size / cluster + blocks) / per_table / per_table + 2), cluster) : 0;
}

static uint64_t growth_of_others(const struct cv_image *image, uint64_t fresh)
{
	return times(fresh, sum(image->facts->block_size, (uint64_t)1 << 20));
}

static const struct { enum cv_format_id format; uint64_t (*growth)(const struct cv_image *image, uint64_t fresh); } growths[] = {
	{ CV_FORMAT_VHD, growth_of_vhd }, { CV_FORMAT_QCOW2, growth_of_qcow2 },
};

static uint64_t growth(const struct cv_image *image, const struct cv_parents_result *found)
{
	for (size_t i = 0; i < CV_COUNT(growths); i++)
		if (growths[i].format == image->format)
			return sum(growths[i].growth(image, found->fresh), found->partly);
	return sum(growth_of_others(image, found->fresh), found->partly);
}

/* --- the plan -------------------------------------------------------------------------------------------- */

static bool set_copy(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_plan_chains *chains,
		     uint64_t bytes, struct cv_err *err)
{
	struct cv_plan_copy *copy = cv_arena_alloc(m->plan->arena, sizeof *copy);
	enum cv_format_id *formats = cv_arena_alloc(m->plan->arena, (chains->count + 1) * sizeof *formats);

	if (!copy || !formats)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	cv_pack_number(&m->carried, image->format);
	cv_pack_number(&m->carried, chains->now);
	cv_pack_number(&m->carried, chains->then);
	for (size_t i = 0; i < chains->count; i++) {
		formats[i] = g->images[chains->images[i]].format;
		cv_pack_number(&m->carried, formats[i]);
	}
	*copy = (struct cv_plan_copy){ image->format, formats, chains->now, chains->then, bytes };
	m->plan->kind = CV_PLAN_REBASE_COPY;
	m->plan->copy = copy;
	return true;
}

bool cv_plan_copying(struct cv_plan_maker *m, const struct cv_graph *g, const struct cv_image *image, const struct cv_image *onto,
		     const struct cv_parents_result *found, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 }, why = { 0 };
	struct cv_plan_chains chains = { NULL, 0, 0, 0 };
	uint64_t more = growth(image, found);
	bool ok;

	cv_text_escape(&name, cv_bytes_of(image->id));
	m->failed |= name.failed;
	ok = check_format(m, g, image, cv_text_str(&name), err) && cv_plan_chains(g, image, onto, &chains, err) &&
	     set_copy(m, g, image, &chains, found->copied, err);
	if (ok)
		check_sources(m, g, &chains);
	free(chains.images);
	m->plan->space.peak = sum(m->plan->space.peak, more);
	m->plan->space.net -= more > INT64_MAX ? INT64_MAX : (int64_t)more;
	cv_plan_charge(m, image->id);
	cv_text_addf(&why, "into the image, which has nothing there, from what it %s", onto ? "stands on now: the other parent reads otherwise"
		     : "stands on");
	m->failed |= why.failed;
	cv_plan_step(m, "copy", image->id, found->copied, cv_text_str(&why));
	return ok;
}

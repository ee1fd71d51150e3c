/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Plans of conversions of whole trees: every image becomes one that holds its own and stands on its new parent. */
#include "inspect/vhdx/vhdx.h"
#include "repair/plan/convert.h"
#include "repair/plan/survey.h"
#include "repair/plan/tree_nodes.h"
#include <unistd.h>

/* Room in PREPARE for the command line. */
enum { NAME_MOST = 255, COMMAND_ROOM = 1 << 16 };

struct planning {
	struct cv_plan_maker m;
	const struct cv_graph *g;
	const struct cv_convert_tree_place *place;
	const struct cv_convert_options *o;
	struct cv_writing w;         /* w.root: the new repository, or -1 */
	struct cv_tree_nodes nodes;
	struct cv_convert_node *jobs;
	uint32_t *first;             /* of each node: its first source, and behind the last node how many there are */
	uint64_t bytes, data, walked, walk_total;
	uint32_t bad, missing;       /* nodes of which something cannot be read, or whose chain is not whole; UINT32_MAX: none */
};

static const struct cv_image *image_of(const struct planning *p, size_t node)
{
	return &p->g->images[p->nodes.at[node].image];
}

/* What an image may not be. */
static const struct obstacle {
	const char *name, *ok, *bad;
	uint32_t flags;
} obstacles[] = {
	{ "no-internal-snapshots", "no image has internal snapshots",
	  "has internal snapshots, which have no place in a tree: qemu-img snapshot -d removes them, chainview convert takes the image alone",
	  CV_FACT_SNAPSHOTS | CV_FACT_VM_STATE },
	{ "not-encrypted", "no image is encrypted", "is encrypted: its data would be garbage; qemu-img convert decrypts it", CV_FACT_ENCRYPTED },
	{ "not-damaged", "no image is marked as damaged or disabled", "is marked as damaged or disabled: chainview check says why",
	  CV_FACT_CORRUPT | CV_FACT_DISABLED | CV_FACT_PARENT_UNREADABLE },
};

static void check_obstacle(struct planning *p, const struct obstacle *row)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	size_t bad = 0;

	for (size_t i = 0; i < p->nodes.count; i++) {
		if (!(image_of(p, i)->facts->flags & row->flags))
			continue;
		if (!bad++)
			cv_text_escape(&name, cv_bytes_of(image_of(p, i)->id));
	}
	if (bad > 1)
		cv_text_addf(&name, " (and %zu more)", bad - 1);
	cv_plan_check(&p->m, row->name, !bad, "%s%s%s", cv_text_str(&name), bad ? " " : "", bad ? row->bad : row->ok);
}

/* What is told and does not forbid it: what the new format has no place for. */
static void tell_losses(struct planning *p)
{
	size_t bitmaps = 0, hidden = 0;

	for (size_t i = 0; i < p->nodes.count; i++) {
		bitmaps += (image_of(p, i)->facts->flags & CV_FACT_BITMAPS) != 0;
		hidden += image_of(p, i)->mark == CV_MARK_HIDDEN;
	}
	if (bitmaps)
		cv_plan_check(&p->m, "bitmaps", true, "%zu images have persistent bitmaps, which are not taken along", bitmaps);
	if (hidden && (p->o->to == CV_FORMAT_VHDX || p->o->to == CV_FORMAT_RAW))
		cv_plan_check(&p->m, "hidden-marks", true, "%zu hidden images: this format has no mark for that, they are like others then",
			      hidden);
}

static void check_one(struct planning *p, const char *name, uint32_t image, const char *bad, const char *ok)
{
	CV_AUTO(cv_text_fini) struct cv_text who = { 0 };

	if (image != CV_NO_IMAGE)
		cv_text_escape(&who, cv_bytes_of(p->g->images[image].id));
	cv_plan_check(&p->m, name, image == CV_NO_IMAGE, "%s%s", cv_text_str(&who), image == CV_NO_IMAGE ? ok : bad);
}

/* With all trees of a repository, what could not be read might be one of their images. */
static void check_search(struct planning *p)
{
	const struct cv_repository *r = cv_scan_repository(p->g->scan, p->place->source);
	size_t failed = 0;

	for (size_t i = 0; i < cv_scan_file_count(p->g->scan); i++)
		failed += cv_scan_file(p->g->scan, i)->state == CV_FILE_FAILED &&
			  cv_scan_file(p->g->scan, i)->repository == p->place->source;
	if (p->place->image == CV_NO_IMAGE)
		cv_plan_check(&p->m, "search-complete", r->complete && !failed && !p->g->partial, "%s",
			      r->complete && !failed ? "all of the repository could be looked at"
						     : "not all of the repository could be looked at: name an image to take only its tree");
	for (size_t i = 0; i < cv_scan_repository_count(p->g->scan); i++)
		cv_plan_searched(&p->m, cv_scan_repository(p->g->scan, i)->path);
}

static void check_sources(struct planning *p)
{
	check_search(p);
	check_one(p, "parents-found", p->nodes.without, ": its parent is not found: chainview rebase can name it another, or take it away",
		  "every parent is there");
	check_one(p, "one-repository", p->nodes.outside,
		  " or its parent lies in another repository: chainview rebase --flatten, or convert it alone",
		  "all of them are in one repository");
	for (size_t i = 0; i < CV_COUNT(obstacles); i++)
		check_obstacle(p, &obstacles[i]);
	check_one(p, "chain-complete", p->missing == UINT32_MAX ? CV_NO_IMAGE : p->nodes.at[p->missing].image, ": its chain is not complete",
		  "every image of every chain is there");
	check_one(p, "source-readable", p->bad == UINT32_MAX ? CV_NO_IMAGE : p->nodes.at[p->bad].image,
		  ": a part of it cannot be read: chainview check says why", "every table entry leads to data");
	tell_losses(p);
}

static void check_names(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text a = { 0 }, b = { 0 };
	uint32_t pair[2];

	if (!cv_tree_nodes_collide(&p->nodes, &p->m, pair)) {
		cv_plan_check(&p->m, "names-apart", true, "all new names are different");
		return;
	}
	cv_text_escape(&a, cv_bytes_of(image_of(p, pair[0])->id));
	cv_text_escape(&b, cv_bytes_of(image_of(p, pair[1])->id));
	cv_plan_check(&p->m, "names-apart", false, "%s and %s would have the same name: take one tree at a time, into different folders",
		      cv_text_str(&a), cv_text_str(&b));
}

static bool is_free(const struct planning *p, const char *path, bool *one_system)
{
	const struct cv_io *io = p->w.io;
	struct cv_err err = { .code = CV_OK };
	struct stat st, folder, root;
	const char *base, *slash = strrchr(path, '/');
	int dir = cv_place_open(&p->w, path, &base, &err);
	bool free_there;

	if (strlen(slash ? slash + 1 : path) > NAME_MOST)
		return false;
	if (dir < 0)
		return errno == ENOENT;
	if (io->fstat(io, dir, &folder) != 0 || io->fstat(io, p->w.root, &root) != 0 || folder.st_dev != root.st_dev)
		*one_system = false;
	free_there = io->fstatat(io, dir, base, &st) != 0 && errno == ENOENT;
	io->close(io, dir);
	return free_there;
}

static void check_free(struct planning *p)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };
	bool one_system = true;
	size_t taken = 0;

	for (size_t i = 0; p->w.root >= 0 && i < p->nodes.count; i++)
		if (!is_free(p, p->nodes.at[i].path, &one_system) && !taken++)
			cv_text_escape(&name, cv_bytes_of(p->nodes.at[i].path));
	if (taken > 1)
		cv_text_addf(&name, " (and %zu more)", taken - 1);
	cv_plan_check(&p->m, "destination-free", !taken, "%s%s", cv_text_str(&name),
		      taken ? " is there already, or cannot be: give another folder" : "nothing has one of the new names");
	cv_plan_check(&p->m, "one-file-system", one_system, "%s",
		      one_system ? "all new images are on one file system"
				 : "a folder there is on another file system: give a folder without one");
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* An image that misses its parent under one of the new names would get another one. */
static uint32_t find_waiting(struct planning *p, const char **paths)
{
	for (uint32_t i = 0; i < p->g->image_count; i++)
		for (uint32_t k = 0; k < p->g->images[i].facts->name_count; k++) {
			CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
			const char *named;

			if (!cv_plan_name_leads(&p->g->images[i], &p->g->images[i].facts->names[k], &path))
				continue;
			named = cv_text_str(&path);
			if (bsearch(&named, paths, p->nodes.count, sizeof *paths, compare_paths))
				return i;
		}
	return CV_NO_IMAGE;
}

static void check_unnamed(struct planning *p)
{
	CV_AUTO(cv_auto_free) const char **paths = calloc(p->nodes.count + 1, sizeof *paths);

	p->m.failed |= !paths;
	for (size_t i = 0; paths && i < p->nodes.count; i++) {
		CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

		cv_text_addf(&path, "%s/%s", p->place->repository, p->nodes.at[i].path);
		paths[i] = cv_plan_keep(&p->m, cv_text_str(&path));
	}
	if (!paths || p->m.failed)
		return;
	qsort(paths, p->nodes.count, sizeof *paths, compare_paths);
	check_one(p, "not-a-parent", find_waiting(p, paths), " names one of the new names as its parent: give another folder",
		  "no image names one of them as its parent");
}

/* Kept identities must not be there twice for who looks for parents by them. */
static void check_identities(struct planning *p)
{
	const char *source = cv_scan_repository(p->g->scan, p->place->source)->path, *dest = p->place->repository;
	size_t len = strlen(source), kept = 0;
	bool within = !strncmp(source, dest, len) && (!dest[len] || dest[len] == '/');

	for (size_t i = 0; i < p->nodes.count; i++)
		kept += image_of(p, i)->format == p->o->to && image_of(p, i)->facts->flags & CV_FACT_UUID;
	if (kept)
		cv_plan_check(&p->m, "identities-apart", !within, "%s",
			      within ? "identities are kept, and would be there twice: give a folder outside of the repository"
				     : "identities are kept, outside of the repository");
}

static void check_journal(struct planning *p)
{
	struct cv_pack pack = { 0 };
	bool fits = cv_items_pack(&pack, "", p->m.items.at, p->m.items.len) && pack.len + COMMAND_ROOM < CV_RECORD_PAYLOAD_MAX;

	if (!fits)
		cv_plan_check(&p->m, "journal-room", false, "%zu images are too many for one journal: take one tree at a time", p->nodes.count);
	cv_pack_fini(&pack);
}

/* Nothing that an image of another format has could be its identity; within a format it is the same disk. */
static void keep_identity(const struct cv_image *from, struct cv_target_options *o, enum cv_format_id to)
{
	const struct cv_attr *disk = cv_facts_attr(from->facts, CV_ATTR_VHDX_DISK_ID, 0);

	o->mark = from->mark;
	o->creator = from->mark == CV_MARK_NONE ? "win" : "tap";
	if (from->format != to)
		return;
	if (from->facts->flags & CV_FACT_UUID)
		memcpy(o->uuids[0], from->facts->uuid, sizeof o->uuids[0]);
	if (disk && to == CV_FORMAT_VHDX)
		(void)cv_guid_parse(disk->text, o->uuids[1]);
}

/* The sources of a node's chain, its own first, of the plan's. */
static bool chain_sources(struct planning *p, size_t node, struct cv_convert_job *job)
{
	uint32_t *list;
	size_t count = 0;

	for (size_t n = node; n != UINT32_MAX; n = p->nodes.at[n].parent)
		count += p->first[n + 1] - p->first[n];
	job->sources = list = cv_arena_alloc(p->m.plan->arena, (count + 1) * sizeof *list);
	job->source_count = count;
	if (!list)
		return false;
	for (size_t n = node; n != UINT32_MAX; n = p->nodes.at[n].parent)
		for (uint32_t s = p->first[n]; s < p->first[n + 1]; s++)
			*list++ = s;
	return true;
}

static bool make_job(struct planning *p, size_t i, struct cv_err *err)
{
	const struct cv_tree_node *node = &p->nodes.at[i];
	const struct cv_image *from = image_of(p, i);
	struct cv_convert_job *job = &p->jobs[i].job;

	p->jobs[i].parent = node->parent;
	p->jobs[i].parent_path = node->parent_path;
	*job = (struct cv_convert_job){ .to = p->o->to, .g = p->g, .image = node->image, .open = cv_convert_open,
					.verify = cv_convert_compare };
	job->target.size = p->o->to == CV_FORMAT_RAW ? from->virtual_size : (from->virtual_size + 511) / 512 * 512;
	job->copy = (struct cv_copy_options){ .threads = 2, .keep_zeros = p->o->keep_zeros, .no_sharing = p->o->no_sharing };
	if (!cv_convert_options_read(p->o, &job->target, err))
		return false;
	keep_identity(from, &job->target, p->o->to);
	if (node->parent != UINT32_MAX) {
		job->target.fixed = false;
		job->target.preallocation = CV_PREALLOCATE_OFF;
	}
	cv_plan_source(&p->m, p->g, node->image);
	p->first[i + 1] = (uint32_t)p->m.sources.len;
	return chain_sources(p, i, job) || cv_fail(err, CV_ENOMEM, "out of memory");
}

static bool tick(void *ctx, uint64_t done, uint64_t total)
{
	const struct planning *p = ctx;

	(void)total;
	return !p->o->tick || p->o->tick(p->o->ctx, p->walked + done, p->walk_total);
}

static void add_write(struct planning *p, size_t i, uint64_t data)
{
	CV_AUTO(cv_text_fini) struct cv_text why = { 0 };
	uint32_t parent = p->nodes.at[i].parent;

	cv_text_add(&why, "from ");
	cv_text_escape(&why, cv_bytes_of(image_of(p, i)->id));
	cv_text_add(&why, parent == UINT32_MAX ? ", stands on nothing" : ", stands on ");
	if (parent != UINT32_MAX)
		cv_text_escape(&why, cv_bytes_of(p->nodes.at[i].parent_path));
	cv_plan_item(&p->m, (struct cv_plan_item){ .path = p->nodes.at[i].path,
						   .parent = parent == UINT32_MAX ? NULL : p->nodes.at[parent].path });
	cv_plan_step(&p->m, "write", p->nodes.at[i].path, data, cv_text_str(&why));
}

/* False. */
static bool name_failure(const struct planning *p, size_t i, struct cv_err *err)
{
	CV_AUTO(cv_text_fini) struct cv_text name = { 0 };

	cv_text_escape(&name, cv_bytes_of(image_of(p, i)->id));
	return err->code != CV_ECANCELLED && cv_wrap(err, "%s", cv_text_str(&name));
}

/* What it takes, and whether it can be at all. */
static bool survey_node(struct planning *p, size_t i, struct cv_err *err)
{
	struct cv_convert_job job = p->jobs[i].job;
	struct cv_target_parent parent = { .path = p->jobs[i].parent_path };
	struct cv_convert_options o = { .tick = tick, .ctx = p };
	struct cv_survey s = { .whole = false };
	struct cv_target target;
	bool ok;

	job.target.parent = parent.path ? &parent : NULL;
	ok = cv_survey_begin(&target, &job, err);
	if (ok) {
		cv_survey_sharing(&s, &p->m, &job, &target, p->nodes.at[i].path);
		ok = cv_survey_walk(&s, &job, &target, &o, err);
	}
	if (ok) {
		p->bytes += cv_survey_needed(&s, &target);
		p->jobs[i].job.data = s.data;
		p->jobs[i].job.before = p->data;
		p->data += s.data;
		p->bad = s.bad.len && p->bad == UINT32_MAX ? (uint32_t)i : p->bad;
		p->missing = !s.whole && p->missing == UINT32_MAX ? (uint32_t)i : p->missing;
		add_write(p, i, s.data);
		cv_plan_carry_job(&p->m, &job);
		cv_pack_bytes(&p->m.carried, parent.path ? parent.path : "", parent.path ? strlen(parent.path) : 0);
	}
	cv_target_fini(&target);
	cv_survey_fini(&s);
	p->walked += job.target.size;
	return ok || name_failure(p, i, err);
}

static bool make_jobs(struct planning *p, struct cv_err *err)
{
	struct cv_convert_tree *tree = cv_arena_alloc(p->m.plan->arena, sizeof *tree);

	p->jobs = cv_arena_alloc(p->m.plan->arena, (p->nodes.count + 1) * sizeof *p->jobs);
	p->first = calloc(p->nodes.count + 2, sizeof *p->first);
	if (!tree || !p->jobs || !p->first)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	*tree = (struct cv_convert_tree){ p->jobs, p->nodes.count };
	p->m.plan->convert_tree = tree;
	for (size_t i = 0; i < p->nodes.count; i++) {
		if (!make_job(p, i, err))
			return false;
		p->walk_total += p->jobs[i].job.target.size;
	}
	for (size_t i = 0; i < p->nodes.count; i++)
		if (!survey_node(p, i, err))
			return false;
	for (size_t i = 0; i < p->nodes.count; i++)
		p->jobs[i].job.total = p->data;
	return true;
}

/* Of where the new repository is, or will be. */
static bool plan_space(struct planning *p, struct cv_err *err)
{
	const char *slash = strrchr(p->place->repository, '/');
	CV_AUTO(cv_auto_free) char *above = strndup(p->place->repository, slash && slash > p->place->repository
									  ? (size_t)(slash - p->place->repository) : 1);
	struct statvfs vfs;

	if (!above)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (statvfs(p->w.root < 0 ? above : p->place->repository, &vfs) != 0)
		return cv_io_fail(err, "look at the file system of", p->place->repository);
	p->m.plan->space = (struct cv_plan_space){ .free_now = (uint64_t)vfs.f_bavail * vfs.f_frsize, .reserve = p->o->reserve,
						   .net = -(int64_t)p->bytes, .peak = p->bytes };
	return true;
}

static bool plan_tree(struct planning *p, struct cv_err *err)
{
	if (p->o->full_verify)
		return cv_fail(err, CV_EUSAGE, "--verify=full is for single images: every image of a tree is read back through its chain");
	if (!cv_tree_nodes_find(&p->nodes, p->g, p->place->source, p->place->image, err))
		return false;
	if (!cv_tree_nodes_name(&p->nodes, &p->m, p->g, p->place->folder, p->o->to, err) || !make_jobs(p, err) || !plan_space(p, err))
		return false;
	if (p->nodes.count) {
		cv_plan_step(&p->m, "verify", *p->place->folder ? p->place->folder : ".", p->walk_total,
			     "each is read back through all of its new chain and compared with its source, byte by byte");
		cv_plan_step(&p->m, "publish", *p->place->folder ? p->place->folder : ".", 0, "they get their names, parents first");
	}
	check_sources(p);
	check_names(p);
	check_free(p);
	check_unnamed(p);
	check_identities(p);
	check_journal(p);
	return true;
}

struct cv_plan *cv_plan_convert_tree(const struct cv_graph *g, const struct cv_convert_tree_place *place,
				     const struct cv_convert_options *options, struct cv_err *err)
{
	struct cv_err none = { .code = CV_OK };
	CV_AUTO(cv_auto_close) int root = cv_repository_open(place->repository, &none);
	struct planning p = { .g = g, .place = place, .o = options, .w = { .io = &cv_io_real, .root = root }, .bad = UINT32_MAX,
			      .missing = UINT32_MAX };
	struct cv_plan *plan = NULL;
	bool ok;

	if (!cv_plan_begin(&p.m, CV_PLAN_CONVERT_TREE, place->repository, err))
		return NULL;
	p.m.plan->makes_folder = root < 0 && !*place->folder;
	ok = plan_tree(&p, err);
	if (ok)
		plan = cv_plan_end(&p.m, err);
	else
		cv_plan_drop(&p.m);
	cv_tree_nodes_fini(&p.nodes);
	free(p.first);
	return plan;
}

bool cv_convert_make_folder(const char *path, struct cv_err *err)
{
	const struct cv_io *io = &cv_io_real;
	const char *slash = strrchr(path, '/');
	CV_AUTO(cv_auto_free) char *above = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : NULL;
	CV_AUTO(cv_auto_close) int dir = above ? io->openat(io, AT_FDCWD, above, O_RDONLY | O_DIRECTORY, 0) : -1;

	if (dir < 0)
		return cv_io_fail(err, "open the folder of", path);
	if (io->mkdirat(io, dir, slash + 1, 0777) != 0)
		return errno == EEXIST || cv_io_fail(err, "make the folder", path);
	return cv_store_sync(io, dir, "the folder of a new folder", err);
}

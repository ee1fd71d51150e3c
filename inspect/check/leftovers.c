/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What other programs leave in a repository when their work is cut short, by name and by content. What it matches is
 * reported; the images that such a record names are not touched. The patterns are rows of leftovers.def.
 */
#include "inspect/check/check.h"
#include <ctype.h>

#define UUID_TEXT 36u

enum shape {
	ANYTHING,
	A_UUID,              /* a UUID between prefix and suffix; without a suffix "_..." may follow */
	AN_IMAGE,            /* the name ends in the extension of an image format */
	BEFORE,              /* what stands before the suffix does */
	BESIDE,              /* what stands before the suffix is the name of an image in the same folder */
	A_FOLDER,            /* a folder on the way to an image is called so */
	A_UUID_FOLDER,       /* the same, with a UUID before the suffix */
	RSYNC,               /* ".NAME.EXT.XXXXXX" */
	RESIZE,              /* known by its content */
};

struct pattern {
	const char *prefix, *suffix;
	enum shape shape;
	enum cv_problem_id id;
	const char *by;      /* leftover-file: by whom */
	const char *means, *next;
};

#define CV_L_LEFTOVER_FILE CV_SPC_LEFTOVER_FILE
#define CV_L_FOREIGN_OPERATION_PENDING CV_GEN_FOREIGN_OPERATION_PENDING
static const struct pattern patterns[] = {
#define L(prefix, suffix, shape, problem, by, means, next) { prefix, suffix, shape, CV_L_##problem, by, means, next },
#include "inspect/check/leftovers.def"
#undef L
};

struct match {
	uint32_t node;
	const char *path;
	const struct pattern *pattern;
};
CV_VEC(match_vec, struct match);

/* An image that some journal names, and the journal. */
struct concerned {
	uint8_t uuid[16];
	const struct pattern *pattern;
};
CV_VEC(concerned_vec, struct concerned);

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_uuid(const char *at, size_t len)
{
	uint8_t uuid[16];

	return len == UUID_TEXT && cv_uuid_read(at, len, uuid);
}

/* The image that is called as the path without so many bytes at its end; CV_NO_IMAGE if there is none. */
static uint32_t image_before(const struct cv_build *b, const char *path, size_t drop)
{
	CV_AUTO(cv_auto_free) char *name = strndup(path, strlen(path) - drop);
	struct cv_lookup l;

	if (!name)
		return CV_NO_IMAGE;
	l = cv_scan_lookup(b->scan, name);
	return l.found == CV_FOUND_FILE && l.file < b->node_count ? b->nodes[l.file].image : CV_NO_IMAGE;
}

static bool ends_in_image(const char *name, size_t len)
{
	CV_AUTO(cv_auto_free) char *part = strndup(name, len);

	return part && cv_image_extension(part);
}

/* Six letters and digits behind a dot, as mkstemp makes them. */
static bool is_rsync(const char *name, size_t len)
{
	for (size_t i = 1; len > 8 && i <= 6; i++)
		if (!isalnum((unsigned char)name[len - i]))
			return false;
	return len > 8 && name[len - 7] == '.' && ends_in_image(name + 1, len - 8);
}

static bool has_shape(const struct cv_build *b, const struct match *m, const char *name, size_t len)
{
	const struct pattern *p = m->pattern;
	size_t prefix = strlen(p->prefix), suffix = strlen(p->suffix);

	switch (p->shape) {
	case ANYTHING:
		return true;
	case A_UUID:
		return is_uuid(name + prefix, len - prefix - suffix) ||
		       (!suffix && len > prefix + UUID_TEXT && is_uuid(name + prefix, UUID_TEXT) &&
			name[prefix + UUID_TEXT] == '_');
	case AN_IMAGE:
		return cv_image_extension(name);
	case BEFORE:
		return ends_in_image(name, len - suffix);
	case BESIDE:
		return image_before(b, m->path, suffix) != CV_NO_IMAGE;
	case RSYNC:
		return is_rsync(name, len);
	default:
		return false;
	}
}

/* Some folder of the path below its repository has the name. */
static bool has_folder(const struct cv_build *b, const struct match *m)
{
	const struct pattern *p = m->pattern;
	const struct cv_node *n = &b->nodes[m->node];
	const char *root = cv_scan_repository(b->scan, n->file->repository)->path;
	size_t prefix = strlen(p->prefix), suffix = strlen(p->suffix), skip = strlen(root);

	if (n->image == CV_NO_IMAGE || strncmp(m->path, root, skip) != 0)
		return false;
	for (const char *at = m->path + skip, *end; (end = strchr(at, '/')); at = end + 1) {
		size_t len = (size_t)(end - at);

		if (len > prefix + suffix && !strncmp(at, p->prefix, prefix) &&
		    !strncmp(end - suffix, p->suffix, suffix) &&
		    (p->shape == A_FOLDER || is_uuid(at, len - suffix)))
			return true;
	}
	return false;
}

static bool fits(const struct cv_build *b, const struct match *m)
{
	const struct pattern *p = m->pattern;
	const char *name = base_name(m->path);
	size_t len = strlen(name), prefix = strlen(p->prefix), suffix = strlen(p->suffix);

	if (p->shape == A_FOLDER || p->shape == A_UUID_FOLDER)
		return has_folder(b, m);
	if (p->shape == RESIZE)
		return b->nodes[m->node].facts && cv_facts_attr(b->nodes[m->node].facts, CV_ATTR_RESIZE_OF, 0);
	return len > prefix + suffix && !strncmp(name, p->prefix, prefix) &&
	       !strcmp(name + len - suffix, p->suffix) && has_shape(b, m, name, len);
}

static void find_match(struct cv_build *b, uint32_t node, struct match_vec *found)
{
	const struct cv_file *f = b->nodes[node].file;

	for (uint32_t k = 0; k <= f->alias_count; k++)
		for (size_t i = 0; i < CV_COUNT(patterns); i++) {
			struct match m = { node, k ? f->aliases[k - 1] : f->path, &patterns[i] };

			if (!fits(b, &m))
				continue;
			b->failed |= !match_vec_push(found, m);
			b->nodes[node].recorded = true;
			return;
		}
}

static void add_uuid(struct cv_build *b, struct concerned_vec *v, const char *text, size_t len, const struct pattern *p)
{
	struct concerned c = { .pattern = p };

	if (cv_uuid_read(text, len, c.uuid))
		b->failed |= !concerned_vec_push(v, c);
}

static void mark_image(struct cv_build *b, uint32_t image)
{
	if (image != CV_NO_IMAGE)
		b->notes[image].foreign = true;
}

/* What the content of a record names: by UUID, or by names from its own folder. */
static void note_content(struct cv_build *b, struct concerned_vec *v, const struct match *m)
{
	const struct cv_facts *f = cv_own_facts(&b->nodes[m->node]);
	const char *name = base_name(m->path);

	for (uint32_t i = 0; f && i < f->attr_count; i++) {
		const struct cv_attr *a = &f->attrs[i];
		CV_AUTO(cv_text_fini) struct cv_text folder = { 0 }, path = { 0 };
		struct cv_lookup l;

		if (a->id == CV_ATTR_RESIZE_OF || a->id == CV_ATTR_JOURNAL_VALUE)
			add_uuid(b, v, a->text.at, a->text.len, m->pattern);
		if (a->id != CV_ATTR_MERGE_IMAGE)
			continue;
		cv_text_add_bytes(&folder, m->path, (size_t)(name - m->path));
		if (folder.failed || !cv_path_join(&path, cv_text_str(&folder), a->text))
			continue;
		l = cv_scan_lookup(b->scan, cv_text_str(&path));
		if (l.found == CV_FOUND_FILE && l.file < b->node_count)
			mark_image(b, b->nodes[l.file].image);
	}
}

/* The image that ".NAME.merge.json" is the state of. */
static void note_merged(struct cv_build *b, const struct match *m)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };
	const char *name = base_name(m->path);

	cv_text_add_bytes(&path, m->path, (size_t)(name - m->path));
	cv_text_add(&path, name + strlen(m->pattern->prefix));
	b->failed |= path.failed;
	if (!path.failed)
		mark_image(b, image_before(b, cv_text_str(&path), strlen(m->pattern->suffix)));
}

/* The images that a record is about: by the UUID in its name, by what stands before its suffix, by its content. */
static void note_concerned(struct cv_build *b, struct concerned_vec *v, const struct match *m)
{
	const char *at = base_name(m->path) + strlen(m->pattern->prefix);

	if (m->pattern->id != CV_GEN_FOREIGN_OPERATION_PENDING)
		return;
	add_uuid(b, v, at, strnlen(at, UUID_TEXT), m->pattern);
	if (*m->pattern->suffix) {
		mark_image(b, image_before(b, m->path, strlen(m->pattern->suffix)));
		note_merged(b, m);
	}
	note_content(b, v, m);
}

static int compare_concerned(const void *a, const void *b)
{
	return memcmp(((const struct concerned *)a)->uuid, ((const struct concerned *)b)->uuid, 16);
}

static const struct concerned *find_concerned(const struct concerned_vec *v, const uint8_t uuid[16])
{
	struct concerned key = { .pattern = NULL };

	memcpy(key.uuid, uuid, 16);
	return v->len ? bsearch(&key, v->at, v->len, sizeof *v->at, compare_concerned) : NULL;
}

/* The UUID by which a file is called, also as OLD_<uuid>. */
static bool called_by(const char *path, uint8_t uuid[16])
{
	const char *name = base_name(path);

	name += strncmp(name, "OLD_", 4) ? 0 : 4;
	return cv_uuid_read(name, strcspn(name, "."), uuid);
}

/* Marks the images that are named by one of the UUIDs, or have it as their identity. */
static void mark_concerned(struct cv_build *b, const struct concerned_vec *v)
{
	for (uint32_t i = 0; v->len && i < b->g->image_count; i++) {
		const struct cv_image *image = &b->g->images[i];
		uint8_t uuid[16];

		if ((called_by(image->file->path, uuid) && find_concerned(v, uuid)) ||
		    (cv_has(image->facts, CV_FACT_UUID) && find_concerned(v, image->facts->uuid)))
			b->notes[i].foreign = true;
	}
}

/* What becomes of the former leaf of a leaf coalesce depends on whether its journal is there, and on its mark. */
static const char *fate_of_old(const struct cv_build *b, const struct match *m, const struct concerned_vec *v)
{
	const struct cv_node *n = &b->nodes[m->node];
	uint8_t uuid[16];
	const struct concerned *c = called_by(m->path, uuid) ? find_concerned(v, uuid) : NULL;

	if (c && !strcmp(c->pattern->prefix, "leaf_"))
		return "its leaf_ journal is there: the next scan of XenServer / XCP-ng gives this file its old name back, "
		       "and needs it for that";
	if (n->image != CV_NO_IMAGE && b->g->images[n->image].mark == CV_MARK_HIDDEN)
		return "without a leaf_ journal it is garbage, which the next run of the garbage collector deletes";
	return "without a leaf_ journal it is garbage, but it is not marked hidden, so no collector deletes it, and it is "
	       "shown as a disk";
}

/* How far a merge of Xen Orchestra had come, if its state says so. */
static struct cv_arg merge_state(struct cv_build *b, const struct match *m)
{
	const struct cv_facts *f = cv_own_facts(&b->nodes[m->node]);
	const struct cv_attr *step = f ? cv_facts_attr(f, CV_ATTR_MERGE_STEP, 0) : NULL;
	const struct cv_attr *block = f ? cv_facts_attr(f, CV_ATTR_MERGE_BLOCK, 0) : NULL;
	struct cv_text text = { 0 };

	if (!step && !block)
		return (struct cv_arg){ .kind = CV_ARG_NONE };
	cv_text_add(&text, "it had come to");
	if (block)
		cv_text_addf(&text, " block %" PRIu64 "%s", block->number, step ? " of" : "");
	if (step) {
		cv_text_add(&text, " step ");
		cv_text_add_bytes(&text, step->text.at, step->text.len);
	}
	return cv_arg_kept(b, &text);
}

static void report(struct cv_build *b, const struct match *m, const struct concerned_vec *v)
{
	const struct cv_node *n = &b->nodes[m->node];
	const struct pattern *p = m->pattern;
	struct cv_finding f = cv_finding_of(p->id);
	struct cv_text text = { 0 };

	f.bytes = n->file->allocated;
	if (p->by) {
		cv_text_addf(&text, "%s, %s", base_name(m->path), p->means);
		f.arg[0] = cv_arg_text(p->by);
		f.arg[1] = cv_arg_kept(b, &text);
	} else {
		f.arg[0] = cv_arg_text(base_name(m->path));
		f.arg[1] = cv_arg_text(p->means);
	}
	f.arg[2] = cv_arg_text(p->next ? p->next : fate_of_old(b, m, v));
	f.arg[3] = merge_state(b, m);
	if (n->image != CV_NO_IMAGE)
		cv_found(b, n->image, f);
	else
		cv_found_in(b, n->file->repository, f);
}

void cv_check_leftovers(struct cv_build *b)
{
	struct concerned_vec concerned = { 0 };
	struct match_vec found = { 0 };

	for (uint32_t i = 0; i < b->node_count && !b->failed; i++)
		find_match(b, i, &found);
	for (size_t i = 0; i < found.len && !b->failed; i++)
		note_concerned(b, &concerned, &found.at[i]);
	if (concerned.len)
		qsort(concerned.at, concerned.len, sizeof *concerned.at, compare_concerned);
	mark_concerned(b, &concerned);
	for (size_t i = 0; i < found.len && !b->failed; i++)
		report(b, &found.at[i], &concerned);
	free(found.at);
	free(concerned.at);
}

void cv_check_operations(struct cv_build *b)
{
	for (size_t r = 0; r < cv_scan_repository_count(b->scan); r++) {
		const struct cv_repository *repository = cv_scan_repository(b->scan, r);

		for (size_t i = 0; i < repository->operation_count; i++) {
			struct cv_finding f = cv_finding_of(CV_GEN_OPERATION_PENDING);

			f.arg[0] = cv_arg_text(base_name(repository->operations[i]));
			cv_found_in(b, (uint32_t)r, f);
		}
	}
}

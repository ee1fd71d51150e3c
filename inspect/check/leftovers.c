/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names that other tools leave in a repository when their work is cut short. Each pattern is a row; what it
 * matches is reported and, where the name holds the UUID of an image, the image is not touched.
 */
#include "inspect/check/check.h"

enum shape {
	ANYTHING,
	A_UUID,              /* a UUID follows the prefix, then the end of the name or "_..." */
	AN_IMAGE,            /* the name ends in the extension of an image format */
	OF_A_RESIZE,         /* a UUID is all of it, and beside it lies a VHD of this name whose resize is pending */
};

struct pattern {
	const char *prefix, *suffix;
	enum shape shape;
	enum cv_problem_id id;
	const char *by;      /* leftover-file: by whom */
	const char *means;
};

static const struct pattern patterns[] = {
	{ "OLD_", "", AN_IMAGE, CV_SPC_LEFTOVER_FILE, "a leaf coalesce of XenServer / XCP-ng",
	  "the former leaf; its data is in the image that took its name, unless a leaf_ journal lies beside it" },
	{ "", ".vhd.new", ANYTHING, CV_SPC_LEFTOVER_FILE, "an interrupted snapshot of XenServer / XCP-ng",
	  "a new leaf that never took its place" },
	{ "", ".qcow2.new", ANYTHING, CV_SPC_LEFTOVER_FILE, "an interrupted snapshot of XCP-ng",
	  "a new leaf that never took its place" },
	{ "", ".chainview-partial", ANYTHING, CV_SPC_LEFTOVER_FILE, "an interrupted run of chainview",
	  "an output file that was not finished" },
	{ ".journal-", "", ANYTHING, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "the undo journal of an interrupted VHD resize" },
	{ "", ".journal", ANYTHING, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "the undo journal of an interrupted VHD resize" },
	{ "", "", OF_A_RESIZE, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "the undo journal of a VHD resize that XenServer / XCP-ng made for a merge" },
	{ "coalesce_", "", A_UUID, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "XenServer / XCP-ng was merging this image into its parent" },
	{ "relink_", "", A_UUID, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "XenServer / XCP-ng was giving the children of this image another parent" },
	{ "leaf_", "", A_UUID, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "XenServer / XCP-ng was merging this leaf into its parent" },
	{ "", ".merge.json", ANYTHING, CV_GEN_FOREIGN_OPERATION_PENDING, NULL,
	  "the state of an interrupted merge of Xen Orchestra backups" },
};

static bool has_shape(const char *name, size_t prefix, enum shape shape)
{
	uint8_t uuid[16];

	if (shape == AN_IMAGE)
		return cv_image_extension(name);
	if (shape == OF_A_RESIZE)
		return cv_uuid_read(name, strlen(name), uuid);
	if (shape == A_UUID)
		return strlen(name) >= prefix + 36 && cv_uuid_read(name + prefix, 36, uuid) &&
		       (!name[prefix + 36] || name[prefix + 36] == '_');
	return true;
}

static const struct pattern *match(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < CV_COUNT(patterns); i++) {
		const struct pattern *p = &patterns[i];
		size_t prefix = strlen(p->prefix), suffix = strlen(p->suffix);

		if (len > prefix + suffix && !strncmp(name, p->prefix, prefix) &&
		    !strcmp(name + len - suffix, p->suffix) && has_shape(name, prefix, p->shape))
			return p;
	}
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Is the VHD of this name in the middle of a resize? */
static bool is_resizing(const struct cv_build *b, const char *path)
{
	CV_AUTO(cv_text_fini) struct cv_text image = { 0 };
	struct cv_lookup l;

	cv_text_addf(&image, "%s.vhd", path);
	l = cv_scan_lookup(b->scan, cv_text_str(&image));
	return l.found == CV_FOUND_FILE && l.file < b->node_count && b->nodes[l.file].facts &&
	       cv_facts_report(b->nodes[l.file].facts, CV_VHD_RESIZE_PENDING);
}

static void report(struct cv_build *b, const struct cv_node *n, const char *path, const struct pattern *p)
{
	struct cv_finding f = cv_finding_of(p->id);
	struct cv_text text = { 0 };

	f.bytes = n->file->allocated;
	if (p->by) {
		cv_text_addf(&text, "%s, %s", base_name(path), p->means);
		f.arg[0] = cv_arg_text(p->by);
		f.arg[1] = cv_arg_kept(b, &text);
	} else {
		f.arg[0] = cv_arg_text(base_name(path));
		f.arg[1] = cv_arg_text(p->means);
	}
	if (n->image != CV_NO_IMAGE)
		cv_found(b, n->image, f);
	else
		cv_found_in(b, n->file->repository, f);
}

struct concerned {
	uint8_t uuid[16];
};
CV_VEC(concerned_vec, struct concerned);

/* The image that a journal is named after: by the UUID in its name, or "x.vhd.journal" beside "x.vhd". */
static void note_concerned(struct cv_build *b, struct concerned_vec *v, const char *path, const struct pattern *p)
{
	const char *at = base_name(path) + strlen(p->prefix);
	struct cv_text image = { 0 };
	struct cv_lookup l;
	struct concerned c;

	if (p->id != CV_GEN_FOREIGN_OPERATION_PENDING)
		return;
	if (cv_uuid_read(at, strnlen(at, 36), c.uuid))
		b->failed |= !concerned_vec_push(v, c);
	cv_text_add_bytes(&image, path, strlen(path) - strlen(p->suffix));
	b->failed |= image.failed;
	l = cv_scan_lookup(b->scan, cv_text_str(&image));
	if (*p->suffix && l.found == CV_FOUND_FILE && l.file < b->node_count && b->nodes[l.file].image != CV_NO_IMAGE)
		b->notes[b->nodes[l.file].image].foreign = true;
	cv_text_fini(&image);
}

static int compare_concerned(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct concerned));
}

/* Marks the images that are named by one of the UUIDs, also as OLD_<uuid>. */
static void mark_concerned(struct cv_build *b, struct concerned_vec *v)
{
	if (v->len)
		qsort(v->at, v->len, sizeof *v->at, compare_concerned);
	for (uint32_t i = 0; v->len && i < b->g->image_count; i++) {
		const char *name = base_name(b->g->images[i].file->path);
		struct concerned c;

		if (!strncmp(name, "OLD_", 4))
			name += 4;
		if (cv_uuid_read(name, strcspn(name, "."), c.uuid))
			b->notes[i].foreign |= bsearch(&c, v->at, v->len, sizeof *v->at, compare_concerned) != NULL;
	}
}

void cv_check_leftovers(struct cv_build *b)
{
	struct concerned_vec concerned = { 0 };

	for (uint32_t i = 0; i < b->node_count && !b->failed; i++) {
		const struct cv_node *n = &b->nodes[i];

		for (uint32_t k = 0; k <= n->file->alias_count; k++) {
			const char *path = k ? n->file->aliases[k - 1] : n->file->path;
			const struct pattern *p = match(base_name(path));

			if (!p || (p->shape == OF_A_RESIZE && !is_resizing(b, path)))
				continue;
			report(b, n, path, p);
			note_concerned(b, &concerned, path, p);
			break;
		}
	}
	mark_concerned(b, &concerned);
	free(concerned.at);
}

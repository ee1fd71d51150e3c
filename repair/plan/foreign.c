/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* See foreign.h: which records there are, and what the rules share. */
#include "repair/plan/foreign.h"
#include <stdarg.h>
#include <stdio.h>

static const struct rule {
	const char *prefix, *suffix;
	void (*judge)(struct cv_foreign *f); /* NULL: nothing is done here */
	const char *why;
} rules[] = {
	{ "coalesce_", "", cv_foreign_coalesce, NULL },
	{ "relink_", "", cv_foreign_relink, NULL },
	{ "leaf_", "", cv_foreign_leaf, NULL },
	{ "clone_", "", NULL, "XenServer / XCP-ng writes it for volumes only, and settles it when the repository is attached" },
	{ "inflate_", "", NULL, "XenServer / XCP-ng writes it for volumes only, and settles it when the repository is attached" },
	{ "zero_", "", NULL, "XenServer / XCP-ng writes it for volumes only, and settles it when the repository is attached" },
	{ ".", ".merge.json", cv_foreign_merge, NULL },
	{ "", ".merge.json", NULL, "it does not have the name that Xen Orchestra gives it, so it does not say which image it is about" },
	{ "", ".lock", NULL, "who holds it cannot be seen from here: find out, and a lock that nobody holds can go" },
	{ "", ".lck", NULL, "who holds it cannot be seen from here: find out, and a lock that nobody holds can go" },
	{ "", "", NULL, "vhd-util revert -n IMAGE -j JOURNAL puts the image back to what it was before the resize, whether that "
			"was cut short or not: only who knows that it was may do so" },
};

/* --- what rules say --------------------------------------------------------------------------------------- */

static const char *keep(struct cv_foreign *f, const struct cv_text *t)
{
	const char *copy = t->failed ? NULL : cv_arena_dup(f->arena, cv_text_str(t), t->len);

	f->failed |= !copy;
	return copy ? copy : "";
}

static void say(struct cv_foreign *f, const char *fmt, va_list args)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	char line[1024];

	vsnprintf(line, sizeof line, fmt, args);
	cv_text_add(&t, line);
	f->why = keep(f, &t);
}

void cv_foreign_refuse(struct cv_foreign *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, fmt, args);
	va_end(args);
	f->refused = true;
}

void cv_foreign_say(struct cv_foreign *f, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(f, fmt, args);
	va_end(args);
}

void cv_foreign_add(struct cv_foreign *f, enum cv_foreign_do what, uint32_t image, const char *to, const char *why)
{
	struct cv_foreign_step step = { what, image, to, why };

	f->failed |= !cv_foreign_steps_push(&f->steps, step);
}

const char *cv_foreign_name(struct cv_foreign *f, uint32_t image)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(f->g->images[image].id));
	return keep(f, &t);
}

const char *cv_foreign_beside(struct cv_foreign *f, const char *before, struct cv_bytes name, const char *behind)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	const char *slash = strrchr(f->path, '/');

	cv_text_add_bytes(&t, f->path, slash ? (size_t)(slash - f->path) + 1 : 0);
	cv_text_add(&t, before);
	cv_text_add_bytes(&t, name.at, name.len);
	cv_text_add(&t, behind);
	return keep(f, &t);
}

uint32_t cv_foreign_image(const struct cv_foreign *f, const char *path)
{
	for (uint32_t i = 0; i < f->g->image_count; i++)
		if (f->g->images[i].repository == f->repository && !strcmp(f->g->images[i].id, path))
			return i;
	return CV_NO_IMAGE;
}

bool cv_foreign_sees_all(const struct cv_foreign *f)
{
	const struct cv_scan *scan = f->g->scan;

	if (f->g->partial || !cv_scan_repository(scan, f->repository)->complete)
		return false;
	for (size_t i = 0; i < cv_scan_file_count(scan); i++)
		if (cv_scan_file(scan, i)->repository == f->repository && cv_scan_file(scan, i)->state == CV_FILE_FAILED)
			return false;
	return true;
}

bool cv_foreign_stands_alone(struct cv_foreign *f, uint32_t image, uint32_t parent)
{
	const struct cv_image *m = &f->g->images[image];

	if (m->status != CV_PARENT_FOUND || m->parent != parent) {
		cv_foreign_refuse(f, "%s does not stand on %s", cv_foreign_name(f, image), cv_foreign_name(f, parent));
		return false;
	}
	if (f->g->images[parent].child_count == 1)
		return true;
	cv_foreign_refuse(f, "%s has %" PRIu32 " children: what of %s was merged into it the others read, too", cv_foreign_name(f, parent),
			  f->g->images[parent].child_count, cv_foreign_name(f, image));
	return false;
}

/* --- which there are -------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* It was found to be one, and not to be ignored. */
static bool is_found(const struct cv_graph *g, uint32_t repository, const struct cv_file *file)
{
	const char *name = base_name(file->path);

	for (size_t i = 0; i < g->finding_count; i++) {
		const struct cv_finding *f = &g->findings[i];

		if (f->id == CV_GEN_FOREIGN_OPERATION_PENDING && f->repository == repository && f->image == CV_NO_IMAGE &&
		    f->arg[0].text.len == strlen(name) && !memcmp(f->arg[0].text.at, name, f->arg[0].text.len))
			return true;
	}
	return false;
}

static const struct rule *rule_for(const char *name)
{
	size_t len = strlen(name), i = 0;

	while (len < strlen(rules[i].prefix) + strlen(rules[i].suffix) || strncmp(name, rules[i].prefix, strlen(rules[i].prefix)) ||
	       strcmp(name + len - strlen(rules[i].suffix), rules[i].suffix))
		i++;
	return &rules[i];
}

static void judge(struct cv_foreign *f)
{
	const struct rule *rule = rule_for(base_name(f->path));

	if (!rule->judge)
		cv_foreign_refuse(f, "%s", rule->why);
	else if (!cv_foreign_sees_all(f))
		cv_foreign_refuse(f, "not all of the repository could be read: who else stands on its images is not known");
	else
		rule->judge(f);
}

bool cv_foreign_find(const struct cv_graph *g, uint32_t repository, struct cv_arena *arena, struct cv_foreign_vec *found,
		     struct cv_err *err)
{
	const char *root = cv_scan_repository(g->scan, repository)->path;
	size_t skip = strlen(root);

	for (size_t i = 0; i < cv_scan_file_count(g->scan); i++) {
		const struct cv_file *file = cv_scan_file(g->scan, i);
		struct cv_foreign f = { .g = g, .repository = repository, .arena = arena, .file = file, .why = "" };

		if (file->repository != repository || strncmp(file->path, root, skip) != 0 || !is_found(g, repository, file))
			continue;
		f.path = file->path + skip + strspn(file->path + skip, "/");
		judge(&f);
		if (f.failed || !cv_foreign_vec_push(found, f)) {
			free(f.steps.at);
			return cv_fail(err, CV_ENOMEM, "out of memory");
		}
	}
	return true;
}

void cv_foreign_fini(struct cv_foreign_vec *found)
{
	for (size_t i = 0; i < found->len; i++)
		free(found->at[i].steps.at);
	free(found->at);
	*found = (struct cv_foreign_vec){ 0 };
}

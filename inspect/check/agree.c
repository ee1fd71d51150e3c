/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Do the names that an image records for its parent say the same? A folder that was moved makes an absolute
 * name stale and a relative one not; that alone is no contradiction. Different last components are one, and
 * so are names that lead to different files.
 */
#include "inspect/check/check.h"
#include <strings.h>

/* One recorded name: the path it means here, and the file that lies there if there is one. */
struct reading {
	const struct cv_name *name;
	struct cv_text path;
	uint32_t file;
};

static struct reading read_name(struct cv_build *b, const struct cv_node *n, uint32_t index)
{
	struct reading r = { .name = &n->facts->names[index], .file = CV_NO_FILE };
	const struct cv_target *t = cv_targets_of(b, n);

	if (r.name->source == CV_NAME_DATA_FILE || !cv_name_path(n, r.name, &r.path))
		r.path.len = 0;
	b->failed |= r.path.failed;
	for (uint32_t i = 0; i < n->target_count; i++)
		if (t[i].name == index && !t[i].path && !t[i].hint)
			r.file = t[i].file;
	return r;
}

static const char *last_of(const struct reading *r)
{
	const char *slash = strrchr(cv_text_str(&r->path), '/');

	return slash ? slash + 1 : cv_text_str(&r->path);
}

static bool agree(const struct reading *x, const struct reading *y)
{
	bool windows = x->name->kind == CV_NAME_WINDOWS || y->name->kind == CV_NAME_WINDOWS;

	if (!strcmp(cv_text_str(&x->path), cv_text_str(&y->path)))
		return true;
	if (x->file != CV_NO_FILE && y->file != CV_NO_FILE)
		return x->file == y->file;
	if ((windows ? strcasecmp : strcmp)(last_of(x), last_of(y)))
		return false;
	return cv_name_is_hint(x->name) || cv_name_is_hint(y->name) || x->name->kind != y->name->kind;
}

static void disagree(struct cv_build *b, uint32_t image, const struct reading *x, const struct reading *y)
{
	struct cv_finding f = cv_finding_of(CV_CHN_PARENT_LOCATORS_DISAGREE);

	f.has_where = y->name->where.len;
	f.where = y->name->where;
	f.arg[0] = cv_arg_text(cv_name_source_name(x->name->source));
	f.arg[1] = cv_arg_bytes(x->name->text);
	f.arg[2] = cv_arg_text(cv_name_source_name(y->name->source));
	f.arg[3] = cv_arg_bytes(y->name->text);
	cv_found(b, image, f);
}

void cv_check_names_agree(struct cv_build *b, uint32_t image)
{
	const struct cv_node *n = cv_node_of(b, image);
	struct reading first = { 0 };
	bool agreed = true;

	if (!n->target_count || cv_facts_report(n->facts, CV_CHN_PARENT_LOCATORS_DISAGREE))
		return;
	for (uint32_t i = 0; i < n->facts->name_count && agreed; i++) {
		struct reading r = read_name(b, n, i);

		if (!r.path.len) {
			cv_text_fini(&r.path);
			continue;
		}
		if (!first.name) {
			first = r;
			continue;
		}
		agreed = agree(&first, &r);
		if (!agreed)
			disagree(b, image, &first, &r);
		cv_text_fini(&r.path);
	}
	cv_text_fini(&first.path);
}

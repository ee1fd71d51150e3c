/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where a recorded parent name leads from the place where the image lies now. Only the scan's own lookup is
 * asked, which opens nothing; whether the name is right is for the graph to say.
 */
#include "inspect/report/leads.h"

static const char *unfollowed(const struct cv_name *name)
{
	static const char *const says[] = {
		[CV_NAME_OPAQUE] = "cannot be read as a path, so it is not followed",
		[CV_NAME_RELATIVE] = "holds no path",
		[CV_NAME_ABSOLUTE] = "holds no path",
		[CV_NAME_WINDOWS] = "a Windows path; only its last component means anything here",
		[CV_NAME_BASENAME] = "a hint only, not a path",
		[CV_NAME_EXTERNAL] = "not a file name; it is never followed",
	};

	return says[name->kind];
}

static bool target_of(struct cv_text *path, const struct cv_image *m, const struct cv_name *name)
{
	CV_AUTO(cv_text_fini) struct cv_text directory = { 0 };
	const char *slash = strrchr(m->file->path, '/');

	if (!slash)
		return false;
	cv_text_add_bytes(&directory, m->file->path, slash == m->file->path ? 1 : (size_t)(slash - m->file->path));
	return !directory.failed && cv_path_join(path, cv_text_str(&directory), name->path) && !path->failed;
}

static void add_found(struct cv_text *t, const struct cv_graph *g, struct cv_lookup l)
{
	switch (l.found) {
	case CV_FOUND_FILE:
		if (cv_graph_by_file(g, cv_scan_file(g->scan, l.file)) == CV_NO_IMAGE)
			cv_text_add(t, ", which is there but is no image");
		break;
	case CV_FOUND_MISSING:
		cv_text_add(t, ", which is not there");
		break;
	case CV_FOUND_OUTSIDE:
		cv_text_add(t, ", which is outside the repositories and was not looked at");
		break;
	case CV_FOUND_NOT_REGULAR:
		cv_text_addf(t, ", which is %s", l.what ? l.what : "not a regular file");
		break;
	case CV_FOUND_UNREADABLE:
		cv_text_add(t, ", which cannot be looked at");
		break;
	}
}

void cv_leads_where(struct cv_text *t, const struct cv_graph *g, uint32_t image, const struct cv_name *name)
{
	CV_AUTO(cv_text_fini) struct cv_text path = { 0 };

	if (!name->path.len || name->kind == CV_NAME_OPAQUE || name->kind == CV_NAME_EXTERNAL ||
	    name->kind == CV_NAME_WINDOWS) {
		cv_text_add(t, unfollowed(name));
		return;
	}
	if (!target_of(&path, &g->images[image], name)) {
		cv_text_add(t, "longer than a path can be");
		return;
	}
	cv_text_add(t, "leads to ");
	cv_text_escape(t, (struct cv_bytes){ path.at, path.len });
	add_found(t, g, cv_scan_lookup(g->scan, cv_text_str(&path)));
}

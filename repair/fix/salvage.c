/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What cannot be mended without making a damaged image look whole: what it lacks is nowhere, or two things claim the same
 * bytes. All that can be done is a copy of what can be read, and the refusal says by which command.
 */
#include "repair/fix/fix.h"
#include <chainview/finding.h>

static const char *reason_of(enum cv_problem_id id)
{
	return id == CV_QCW_TABLE_OVERLAP
		       ? "which of the two owners of a cluster is the right one the image does not say"
		       : "what the file lacks is nowhere else, and a footer or a longer file would make it look whole";
}

bool cv_fix_refuse_salvage(const struct cv_fix_job *job, struct cv_fix *fix, const char *reason)
{
	CV_AUTO(cv_text_fini) struct cv_text line = { 0 }, path = { 0 };

	cv_text_escape(&path, cv_bytes_of(job->g->images[job->image].file->path));
	cv_fix_command_line(CV_SALVAGE_COMMAND, NULL, cv_text_str(&path), &line);
	return cv_fix_refuse(fix, "%s: what can be read goes to a new image by %s", reason, cv_text_str(&line));
}

bool cv_fix_salvage(const struct cv_fix_job *job, struct cv_fix *fix, struct cv_err *err)
{
	(void)err;
	return cv_fix_refuse_salvage(job, fix, reason_of(job->finding->id));
}

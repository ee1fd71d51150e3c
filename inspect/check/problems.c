/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The problem registry as a table, made from problems.def (codes, names, titles) and explanations.def (long
 * texts). A row that lacks its long text does not compile. How a finding becomes a line is in title.c.
 */
#include <chainview/finding.h>
#include <strings.h>

#define E(class, tag, text) static const char explain_##class##_##tag[] = text;
#include <chainview/explanations.def>
#undef E

/* Two digits are enough for the numbers of a class; the registry test says so when they are not. */
#define P(class, number, tag, name, severity, title) \
	static const char code_##class##_##tag[] = { \
		'C', 'V', '-', #class[0], #class[1], #class[2], '-', \
		'0', '0', '0' + (number) / 10, '0' + (number) % 10, 0 \
	};
#include <chainview/problems.def>
#undef P

const struct cv_problem cv_problems[] = {
#define P(class, number, tag, name, severity, title) \
	{ CV_##class##_##tag, CV_##severity, code_##class##_##tag, name, title, explain_##class##_##tag },
#include <chainview/problems.def>
#undef P
};
const size_t cv_problem_count = CV_COUNT(cv_problems);

const struct cv_problem *cv_problem_by_id(enum cv_problem_id id)
{
	for (size_t i = 0; i < cv_problem_count; i++)
		if (cv_problems[i].id == id)
			return &cv_problems[i];
	return NULL;
}

const struct cv_problem *cv_problem_find(const char *name_or_code)
{
	for (size_t i = 0; i < cv_problem_count; i++)
		if (!strcasecmp(cv_problems[i].name, name_or_code) || !strcasecmp(cv_problems[i].code, name_or_code))
			return &cv_problems[i];
	return NULL;
}

#define SAFE true
#define ASKS false
static const struct fix {
	enum cv_problem_id id;
	const char *kind;
	bool safe;
	const char *command;
} fixes[] = {
#define F(class, tag, kind, safe, command) { CV_##class##_##tag, kind, safe, command },
#include <chainview/fixes.def>
#undef F
};

static const struct fix *fix_of(enum cv_problem_id id)
{
	for (size_t i = 0; i < CV_COUNT(fixes); i++)
		if (fixes[i].id == id)
			return &fixes[i];
	return NULL;
}

const char *cv_problem_fix(enum cv_problem_id id, bool *safe)
{
	const struct fix *f = fix_of(id);

	*safe = f && f->safe;
	return f ? f->kind : NULL;
}

const char *cv_problem_fix_command(enum cv_problem_id id)
{
	const struct fix *f = fix_of(id);

	return f ? f->command : NULL;
}

const char *cv_finding_fix(const struct cv_finding *f, bool *safe)
{
	return f->advisory || f->by_hand ? NULL : cv_problem_fix(f->id, safe);
}

struct cv_finding cv_finding_of(enum cv_problem_id id)
{
	const struct cv_problem *p = cv_problem_by_id(id);

	return (struct cv_finding){
		.id = id, .severity = p ? p->severity : CV_ERROR, .repository = CV_NO_IMAGE, .image = CV_NO_IMAGE,
	};
}

static const struct { char letter; const char *name; } severities[] = {
	[CV_INFO] = { 'i', "info" }, [CV_WARNING] = { 'W', "warning" }, [CV_ERROR] = { 'E', "error" },
};

const char *cv_severity_name(enum cv_severity severity)
{
	return severities[severity < CV_COUNT(severities) ? severity : CV_ERROR].name;
}

char cv_severity_letter(enum cv_severity severity)
{
	return severities[severity < CV_COUNT(severities) ? severity : CV_ERROR].letter;
}

bool cv_fix_command_line(const char *command, const char *repository, const char *image, struct cv_text *out)
{
	const char *word = strstr(command, "IMAGE");

	if (word && !image)
		return false;
	cv_text_add(out, "chainview ");
	if (!word) {
		cv_text_addf(out, "%s ", command);
		cv_text_quote(out, repository);
		return true;
	}
	cv_text_addf(out, "%.*s", (int)(word - command), command);
	cv_text_quote(out, image);
	cv_text_add(out, word + strlen("IMAGE"));
	return true;
}

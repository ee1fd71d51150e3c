/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Findings: what is wrong with an image, a chain or a repository. A finding is typed arguments, rendered
 * late, so that the same finding becomes a line of text, a JSON object, a row of the console or a plan.
 * The registry of problems is problems.def; the long texts are in explanations.def.
 */
#ifndef CHAINVIEW_FINDING_H
#define CHAINVIEW_FINDING_H

#include <chainview/text.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_severity { CV_INFO, CV_WARNING, CV_ERROR };

enum cv_problem_class {
	CV_CLASS_CHN = 1, CV_CLASS_SPC, CV_CLASS_VHD, CV_CLASS_VHX, CV_CLASS_QCW, CV_CLASS_QCO, CV_CLASS_REF, CV_CLASS_GEN,
};

/* CV_CHN_PARENT_MISSING and so on; the value holds class and number and is stable. */
enum cv_problem_id {
	CV_NO_PROBLEM,
#define P(class, number, tag, name, severity, title) CV_##class##_##tag = CV_CLASS_##class * 10000 + (number),
#include <chainview/problems.def>
#undef P
};

static inline enum cv_problem_class cv_problem_class_of(enum cv_problem_id id)
{
	return (enum cv_problem_class)((unsigned)id / 10000);
}

struct cv_problem {
	enum cv_problem_id id;
	enum cv_severity severity;  /* the usual one; a finding may carry another where the contract says so */
	const char *code;           /* "CV-VHD-0004" */
	const char *name;           /* "vhd-footer-checksum" */
	const char *title;          /* template, see problems.def */
	const char *explanation;    /* paragraphs separated by "\n\n": what it means, why it matters, what to do */
};

enum cv_arg_kind { CV_ARG_NONE, CV_ARG_NUMBER, CV_ARG_TEXT };
struct cv_arg {
	enum cv_arg_kind kind;
	uint64_t number;
	struct cv_bytes text;       /* raw bytes; escaped when rendered */
};

#define CV_FINDING_ARGS 4
#define CV_NO_IMAGE UINT32_MAX

struct cv_finding {
	enum cv_problem_id id;
	enum cv_severity severity;
	uint32_t repository, image; /* indexes in the graph; CV_NO_IMAGE when it concerns no single image. Format
				     * code leaves both alone, the graph fills them in */
	bool has_where;
	bool advisory;              /* of an image in use: it may be true of a moment only, and is never repaired */
	bool by_hand;               /* the usual repair cannot be done to this image; the evidence says what can */
	struct cv_range where;      /* bytes in the image file */
	uint64_t bytes;             /* space concerned; 0 = does not apply */
	struct cv_arg arg[CV_FINDING_ARGS];   /* texts that the title leaves out are evidence */
};

/* A finding with the usual severity and no arguments yet. */
CV_API struct cv_finding cv_finding_of(enum cv_problem_id id);

/* Argument makers: (struct cv_finding){..., .arg = { cv_arg_number(7), cv_arg_text("header") }}. */
static inline struct cv_arg cv_arg_number(uint64_t n)
{
	return (struct cv_arg){ .kind = CV_ARG_NUMBER, .number = n };
}

static inline struct cv_arg cv_arg_bytes(struct cv_bytes text)
{
	return (struct cv_arg){ .kind = CV_ARG_TEXT, .text = text };
}

static inline struct cv_arg cv_arg_text(const char *text)
{
	return cv_arg_bytes(cv_bytes_of(text));
}

/* The registry, in the order of problems.def. */
CV_API extern const struct cv_problem cv_problems[];
CV_API extern const size_t cv_problem_count;

/* Borrowed; NULL for an id that is not in the registry. */
CV_API const struct cv_problem *cv_problem_by_id(enum cv_problem_id id);
/* By name or by code, in any case; NULL if there is none. */
CV_API const struct cv_problem *cv_problem_find(const char *name_or_code);

/* The kind of repair that applies to a problem (fixes.def), or NULL. safe: it loses nothing and asks nobody. */
CV_API const char *cv_problem_fix(enum cv_problem_id id, bool *safe);
/* The command of chainview that does it for a whole repository ("gc"), or for the image where it has the word IMAGE; or NULL. */
CV_API const char *cv_problem_fix_command(enum cv_problem_id id);
/* Appends it as a line for a shell. repository and image: paths as they are to be typed; false: it is for an image and there is
 * none (NULL). */
CV_API bool cv_fix_command_line(const char *command, const char *repository, const char *image, struct cv_text *out);
/* What can be read of a damaged image into a new one. */
#define CV_SALVAGE_COMMAND "convert IMAGE NEW.raw --to raw --salvage=LOST.map"
/* The kind of repair for one finding, or NULL: an image in use is never repaired, some can only be by hand. */
CV_API const char *cv_finding_fix(const struct cv_finding *f, bool *safe);

/* "error", "warning", "info"; one letter E W i. */
CV_API const char *cv_severity_name(enum cv_severity severity);
CV_API char cv_severity_letter(enum cv_severity severity);

/* True if the title shows the argument. */
CV_API bool cv_finding_title_has(const struct cv_finding *f, unsigned arg);
/* Appends the title with the arguments put in and everything from images escaped. */
CV_API void cv_finding_title(struct cv_text *t, const struct cv_finding *f);

#ifdef __cplusplus
}
#endif
#endif

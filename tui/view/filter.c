/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The filter language: a table of words, each a number or a yes-no question about an image or a finding.
 */
#include <strings.h>

#include "tui/view/filter.h"
#include "tui/view/words.h"

static bool depth_of(const struct cv_filter_subject *s, uint64_t *n)
{
	*n = s->image ? s->image->depth : 0;
	return s->image != NULL;
}

static bool size_of(const struct cv_filter_subject *s, uint64_t *n)
{
	*n = s->image ? s->image->virtual_size : 0;
	return s->image && s->image->size_known;
}

static bool alloc_of(const struct cv_filter_subject *s, uint64_t *n)
{
	*n = s->image && s->image->file ? s->image->file->allocated : 0;
	return s->image != NULL;
}

static bool refs_of(const struct cv_filter_subject *s, uint64_t *n)
{
	*n = s->image ? s->image->reference_count : 0;
	return s->image != NULL;
}

static bool children_of(const struct cv_filter_subject *s, uint64_t *n)
{
	*n = s->image ? s->image->child_count : 0;
	return s->image != NULL;
}

static bool format_fits(const struct cv_filter_subject *s, const char *text)
{
	enum cv_format_id id = cv_format_by_name(cv_bytes_of(text));

	return s->image && (id ? s->image->format == id : !strcasecmp(cv_format_name(s->image->format), text));
}

static bool role_fits(const struct cv_filter_subject *s, const char *text)
{
	return s->image && !strcasecmp(cv_role_name(s->image->role), text);
}

static bool flag_fits(const struct cv_filter_subject *s, const char *text)
{
	if (!s->image)
		return false;
	for (; *text; text++)
		if (!cv_image_has_flag(s->graph, s->image, *text))
			return false;
	return true;
}

static bool parent_fits(const struct cv_filter_subject *s, const char *text)
{
	return s->image && !strcasecmp(cv_parent_status_name(s->image->status), text);
}

/* An image fits a severity by its worst finding, a finding by its own. */
static bool severity_fits(const struct cv_filter_subject *s, const char *text)
{
	if (s->finding)
		return !strncasecmp(cv_severity_name(s->finding->severity), text, strlen(text));
	if (!s->image || !s->image->any_finding)
		return !strcasecmp(text, "ok");
	return !strncasecmp(cv_severity_name(s->image->worst), text, strlen(text));
}

static bool problem_fits(const struct cv_problem *p, const char *text)
{
	return p && (cv_text_contains(p->code, text) || cv_text_contains(p->name, text));
}

static bool finding_fits(const struct cv_filter_subject *s, const char *text)
{
	const struct cv_finding *first;
	size_t n;

	if (s->finding)
		return problem_fits(cv_problem_by_id(s->finding->id), text);
	n = s->image ? cv_findings_of(s->graph, s->image, &first) : 0;
	for (size_t i = 0; i < n; i++)
		if (problem_fits(cv_problem_by_id(first[i].id), text))
			return true;
	return false;
}

const struct cv_filter_word cv_filter_words[] = {
	{ "format", "vhd, qcow2, raw ...", NULL, format_fits },
	{ "flag", "letters of FLAG, all of them: flag:HO", NULL, flag_fits },
	{ "role", "leaf, base, orphan", NULL, role_fits },
	{ "parent", "none, found, missing, mismatch ...", NULL, parent_fits },
	{ "severity", "error, warning, info, ok", NULL, severity_fits },
	{ "finding", "a part of a finding's code or name", NULL, finding_fits },
	{ "depth", "images below it: depth>5", depth_of, NULL },
	{ "size", "virtual size: size>=1T", size_of, NULL },
	{ "alloc", "bytes held: alloc<10G", alloc_of, NULL },
	{ "refs", "references: refs=0", refs_of, NULL },
	{ "children", "images directly on it: children>1", children_of, NULL },
	{ NULL, NULL, NULL, NULL },
};

bool cv_text_contains(const char *in, const char *text)
{
	return strcasestr(in, text) != NULL;
}

/* Splits "depth>=5" after the name of a known word; the rest stays plain text. */
static const struct cv_filter_word *word_of(const char *text, const char **op)
{
	*op = text + strcspn(text, ":=<>");
	for (const struct cv_filter_word *w = cv_filter_words; **op && w->name; w++)
		if (strlen(w->name) == (size_t)(*op - text) && !strncasecmp(w->name, text, strlen(w->name)))
			return w;
	return NULL;
}

static bool parse_term(struct cv_filter_term *t, const char *text, struct cv_err *err)
{
	const char *op;

	if (text[0] == '!' && text[1]) {
		t->negated = true;
		text++;
	}
	t->word = word_of(text, &op);
	t->op = t->word ? *op : ':';
	if (t->word) {
		bool equal = op[0] != '=' && op[0] != ':' && op[1] == '=';

		t->op = !equal ? op[0] : op[0] == '<' ? 'l' : 'g';
		text = op + 1 + equal;
	}
	memcpy(t->text, text, strnlen(text, sizeof t->text - 1));
	if (!t->word || t->word->fits) {
		if (t->word && t->op != ':' && t->op != '=')
			return cv_fail(err, CV_EUSAGE, "%s takes \":\": %s", t->word->name, t->word->help);
		return *text || !t->word || cv_fail(err, CV_EUSAGE, "%s of what? %s", t->word->name, t->word->help);
	}
	return cv_size_parse(t->text, &t->number) ||
	       cv_fail(err, CV_EUSAGE, "\"%s\" is no number: %s", t->text, t->word->help);
}

bool cv_filter_parse(struct cv_filter *f, const char *text, struct cv_err *err)
{
	*f = (struct cv_filter){ 0 };
	for (;;) {
		char word[128];
		size_t len;

		text += strspn(text, " ");
		len = strcspn(text, " ");
		if (!len)
			return true;
		if (f->count == CV_FILTER_TERMS)
			return cv_fail(err, CV_EUSAGE, "more than %d words", CV_FILTER_TERMS);
		if (len >= sizeof word)
			return cv_fail(err, CV_EUSAGE, "a word is too long");
		memcpy(word, text, len);
		word[len] = '\0';
		if (!parse_term(&f->term[f->count++], word, err))
			return false;
		text += len;
	}
}

static bool compares(char op, uint64_t n, uint64_t with)
{
	switch (op) {
	case '<': return n < with;
	case '>': return n > with;
	case 'l': return n <= with;
	case 'g': return n >= with;
	default: return n == with;
	}
}

static bool term_fits(const struct cv_filter_term *t, const struct cv_filter_subject *s)
{
	uint64_t n;

	if (!t->word)
		return cv_text_contains(s->name, t->text);
	if (t->word->fits)
		return t->word->fits(s, t->text);
	return t->word->number(s, &n) && compares(t->op, n, t->number);
}

bool cv_filter_fits(const struct cv_filter *f, const struct cv_filter_subject *subject)
{
	for (size_t i = 0; i < f->count; i++)
		if (term_fits(&f->term[i], subject) == f->term[i].negated)
			return false;
	return true;
}

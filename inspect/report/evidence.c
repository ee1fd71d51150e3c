/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The evidence of a finding: the bytes it was read from, the parent names and identity that were recorded,
 * the sources that were asked. It only points at facts; judging them is the graph's work.
 */
#include "inspect/report/evidence.h"
#include "inspect/report/words.h"

static bool place(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	if (n || !f->has_where || f->image == CV_NO_IMAGE)
		return false;
	cv_text_escape(t, cv_bytes_of(g->images[f->image].file->path));
	cv_text_add(t, " ");
	cv_words_where(t, f->where);
	return true;
}

/* Texts that go with a finding and that its title leaves out. */
static bool said_besides(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	(void)g;
	for (unsigned i = 0; i < CV_FINDING_ARGS; i++) {
		if (f->arg[i].kind != CV_ARG_TEXT || cv_finding_title_has(f, i) || n--)
			continue;
		cv_text_escape(t, f->arg[i].text);
		return true;
	}
	return false;
}

/* A VHD says everything about itself twice: where the other copy is, for findings about one of them. */
static bool other_footer(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	const struct cv_file *file = f->image == CV_NO_IMAGE ? NULL : g->images[f->image].file;
	bool about = f->id == CV_VHD_FOOTER_MISSING || f->id == CV_VHD_FOOTER_COPY_MISSING ||
		     f->id == CV_VHD_FOOTERS_DIFFER || f->id == CV_VHD_FOOTER_CHECKSUM || f->id == CV_VHD_FOOTER_KILLED;

	if (n || !about || !file || file->size < 1024)
		return false;
	cv_text_add(t, f->where.off < 512 ? "the footer is " : "the copy of the footer is ");
	cv_words_where(t, (struct cv_range){ f->where.off < 512 ? file->size - 512 : 0, 512 });
	return true;
}

static bool recorded_name(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	const struct cv_facts *facts;

	if (cv_problem_class_of(f->id) != CV_CLASS_CHN || f->image == CV_NO_IMAGE)
		return false;
	facts = g->images[f->image].facts;
	if (n >= facts->name_count)
		return false;
	cv_text_addf(t, "recorded in %s: ", cv_name_source_name(facts->names[n].source));
	cv_text_escape(t, facts->names[n].text);
	cv_text_add(t, " ");
	cv_words_where(t, facts->names[n].where);
	return true;
}

static bool recorded_identity(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	if (n || cv_problem_class_of(f->id) != CV_CLASS_CHN || f->image == CV_NO_IMAGE ||
	    !(g->images[f->image].facts->flags & CV_FACT_PARENT_UUID))
		return false;
	cv_text_addf(t, "parent identity recorded: %s", cv_uuid_str(g->images[f->image].facts->parent_uuid).s);
	return true;
}

static bool trouble(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	const struct cv_file *file = f->image == CV_NO_IMAGE ? NULL : g->images[f->image].file;

	if (n || cv_problem_class_of(f->id) != CV_CLASS_GEN || !file || !file->trouble)
		return false;
	cv_text_addf(t, "while reading: %s", file->trouble);
	return true;
}

static bool sources(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	if (n || (cv_problem_class_of(f->id) != CV_CLASS_SPC && cv_problem_class_of(f->id) != CV_CLASS_REF))
		return false;
	cv_text_add(t, "references: ");
	cv_words_references(t, g);
	return true;
}

bool cv_evidence_piece(struct cv_text *t, const struct cv_graph *g, const struct cv_finding *f, size_t n)
{
	static bool (*const kinds[])(struct cv_text *, const struct cv_graph *, const struct cv_finding *, size_t) = {
		said_besides, place, other_footer, recorded_name, recorded_identity, trouble, sources,
	};

	for (size_t kind = 0; kind < CV_COUNT(kinds); kind++) {
		size_t i = 0;

		for (cv_text_clear(t); kinds[kind](t, g, f, i); i++, cv_text_clear(t))
			if (!n--)
				return true;
	}
	return false;
}

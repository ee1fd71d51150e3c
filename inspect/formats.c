/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The list of formats, and how one is chosen for an image. Adding a format: its folder, and a line here. */
#include <chainview/format.h>
#include "inspect/beside/beside.h"
#include "inspect/raw/raw.h"

#define FORMATS(F) F(vhd) F(vhdx) F(qcow2) F(qcow) F(raw)

#define F(name) extern const struct cv_format cv_format_##name;
FORMATS(F)
#undef F

const struct cv_format *const cv_formats[] = {
#define F(name) &cv_format_##name,
	FORMATS(F)
#undef F
	NULL,
};

const struct cv_format *cv_format_by_id(enum cv_format_id id)
{
	for (size_t i = 0; cv_formats[i]; i++)
		if (cv_formats[i]->id == id)
			return cv_formats[i];
	return NULL;
}

const struct cv_format *cv_format_probe(struct cv_source *source)
{
	const struct cv_format *best = NULL;
	unsigned best_score = 0;

	for (size_t i = 0; cv_formats[i]; i++) {
		unsigned score = cv_formats[i]->id == CV_FORMAT_RAW ? 0 : cv_formats[i]->probe(source);

		if (score > best_score) {
			best = cv_formats[i];
			best_score = score;
		}
	}
	return best;
}

/* A declared raw image is guest data from its first byte: what it looks like is noted and not acted upon. */
static void note_lookalike(struct cv_source *source, struct cv_facts *facts)
{
	facts->lookalike = cv_raw_lookalike(source);
	if (facts->lookalike != CV_FORMAT_NONE)
		facts->flags |= CV_FACT_RAW_LOOKALIKE;
}

/* QEMU's QED has backing files that are not read: whoever it stands on must not be taken for unneeded. */
static bool is_qed(struct cv_source *source)
{
	struct cv_err err = { CV_OK };
	char magic[4];

	return cv_source_read(source, magic, sizeof magic, 0, &err) && !memcmp(magic, "QED", 4);
}

static void note_remains(struct cv_source *source, struct cv_facts *facts)
{
	struct cv_finding f = cv_finding_of(CV_GEN_UNSUPPORTED_FEATURE);

	if (is_qed(source)) {
		f.arg[0] = cv_arg_text("a QED image: neither its blocks nor its backing file are read");
		cv_facts_find(facts, f);
		facts->flags |= CV_FACT_PARENT_UNREADABLE;
		return;
	}
	facts->lookalike = cv_raw_remains(source);
	if (facts->lookalike != CV_FORMAT_NONE)
		facts->flags |= CV_FACT_REMAINS;
	else
		cv_beside_read(source, facts);
}

bool cv_image_read(struct cv_source *source, enum cv_format_id declared, struct cv_facts *facts, struct cv_err *err)
{
	const struct cv_format *format = declared == CV_FORMAT_NONE ? cv_format_probe(source) : cv_format_by_id(declared);

	if (declared == CV_FORMAT_RAW)
		note_lookalike(source, facts);
	if (!format) {
		note_remains(source, facts);
		return true;
	}
	facts->format = format->id;
	return format->read(source, facts, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An image on paper: the fields of its identity, of its state, and of its format. Used by the details view
 * and by the pane under the tree.
 */
#include <stdio.h>

#include "tui/view/words.h"

#define LABEL_W 11

/* Adds the escaped bytes as a field. */
static void raw_field(struct cv_paper *p, const char *label, const char *bytes)
{
	struct cv_text t = { 0 };

	cv_text_escape(&t, cv_bytes_of(bytes ? bytes : ""));
	cv_paper_field(p, LABEL_W, label, CV_INK_TEXT, cv_text_str(&t));
	cv_text_fini(&t);
}

static void text_field(struct cv_paper *p, const char *label, enum cv_ink ink, struct cv_text *t)
{
	cv_paper_field(p, LABEL_W, label, ink, cv_text_str(t));
	cv_text_fini(t);
}

static void write_format(const struct cv_image *image, struct cv_paper *p)
{
	struct cv_text t = { 0 };

	cv_text_add(&t, cv_format_name(image->format));
	if (image->variant != CV_VARIANT_NONE && image->variant != CV_VARIANT_RAW)
		cv_text_addf(&t, " %s", cv_variant_name(image->variant));
	if (image->facts && image->facts->block_size)
		cv_text_addf(&t, ", blocks of %s", cv_size_short(image->facts->block_size).s);
	if (image->mark == CV_MARK_HIDDEN)
		cv_text_add(&t, ", hidden");
	if (image->facts && image->facts->creator.len) {
		cv_text_add(&t, ", made by ");
		cv_text_escape(&t, image->facts->creator);
	}
	text_field(p, "Format", CV_INK_TEXT, &t);
}

static void write_sizes(const struct cv_image *image, struct cv_paper *p)
{
	if (image->size_known)
		cv_paper_field(p, LABEL_W, "Virtual", CV_INK_TEXT, cv_size_full(image->virtual_size).s);
	if (image->file)
		cv_paper_fieldf(p, LABEL_W, "On disk", CV_INK_TEXT, "%s, file of %s",
				cv_size_full(image->file->allocated).s, cv_size_short(image->file->size).s);
}

static void write_parent(const struct cv_graph *g, const struct cv_image *image, struct cv_paper *p)
{
	struct cv_text t = { 0 };
	bool bad = image->status > CV_PARENT_FOUND;

	if (image->status == CV_PARENT_NONE) {
		cv_text_add(&t, "none");
	} else {
		if (image->parent < g->image_count)
			cv_image_name(&t, &g->images[image->parent]);
		else if (image->parent_name)
			cv_text_escape(&t, image->parent_name->text);
		cv_text_addf(&t, "%s%s", t.len ? "  " : "", cv_parent_status_name(image->status));
		if (image->basis != CV_BASIS_NONE)
			cv_text_addf(&t, " by %s", cv_parent_basis_name(image->basis));
	}
	text_field(p, "Parent", bad ? CV_INK_ERROR : CV_INK_TEXT, &t);
}

static void write_children(const struct cv_graph *g, const struct cv_image *image, struct cv_paper *p)
{
	struct cv_text t = { 0 };

	for (uint32_t i = 0; i < image->child_count && i < 8; i++) {
		uint32_t child = cv_graph_child(g, image, i);

		if (child >= g->image_count)
			continue;
		if (i)
			cv_text_add(&t, ", ");
		cv_image_name(&t, &g->images[child]);
	}
	if (image->child_count > 8)
		cv_text_addf(&t, " and %u more", image->child_count - 8);
	text_field(p, "Children", CV_INK_TEXT, image->child_count ? &t : (cv_text_add(&t, "none"), &t));
}

static void write_references(const struct cv_graph *g, const struct cv_image *image, struct cv_paper *p)
{
	struct cv_text t = { 0 };

	if (!g->refs)
		cv_text_add(&t, "not asked yet");
	else if (!image->reference_count)
		cv_text_add(&t, g->refs->none       ? "none asked for"
				: g->refs->complete ? "none"
						    : "none found (sources incomplete)");
	for (uint32_t i = 0; i < image->reference_count && i < 8; i++) {
		size_t at = (size_t)image->first_reference + i;
		const struct cv_claim *claim = at < g->reference_count ? g->references[at].claim : NULL;
		const struct cv_claim_source *source;

		if (!claim)
			continue;
		if (t.len)
			cv_text_add(&t, "; ");
		source = cv_claim_source_of(g->refs, claim);
		if (source) {
			cv_text_escape(&t, cv_bytes_of(source->name));
			cv_text_add(&t, ": ");
		}
		cv_text_escape(&t, claim->who);
		if (claim->confidence == CV_POSSIBLE)
			cv_text_add(&t, " (possibly)");
	}
	if (image->reference_count > 8)
		cv_text_addf(&t, "; %u more", image->reference_count - 8);
	text_field(p, "References", CV_INK_TEXT, &t);
}

static void write_verdict(const char *label, const struct cv_verdict *v, struct cv_paper *p)
{
	cv_paper_fieldf(p, LABEL_W, label, v->possible ? CV_INK_GOOD : CV_INK_TEXT, "%s%s%s",
			v->possible ? "possible" : "no", v->reason && *v->reason ? ": " : "",
			v->reason ? v->reason : "");
}

void cv_write_findings(const struct cv_graph *g, const struct cv_image *image, struct cv_paper *p)
{
	const struct cv_finding *f;
	size_t n = cv_findings_of(g, image, &f);

	if (image->file && image->file->trouble)
		cv_paper_field(p, LABEL_W, "Trouble", CV_INK_ERROR, image->file->trouble);
	if (!n)
		cv_paper_field(p, LABEL_W, "Findings", CV_INK_TEXT, "none");
	for (size_t i = 0; i < n; i++) {
		const struct cv_problem *problem = cv_problem_by_id(f[i].id);
		struct cv_text t = { 0 };

		cv_text_addf(&t, "%c %s ", cv_severity_letter(f[i].severity), problem ? problem->code : "?");
		cv_finding_words(&t, &f[i]);
		text_field(p, i ? "" : "Findings", cv_severity_ink(f[i].severity), &t);
	}
}

static void write_identity(const struct cv_image *image, struct cv_paper *p)
{
	raw_field(p, "Path", image->file ? image->file->path : NULL);
	for (uint32_t i = 0; image->file && i < image->file->alias_count && i < 4; i++)
		raw_field(p, i ? "" : "Also at", image->file->aliases[i]);
	write_format(image, p);
	write_sizes(image, p);
	if (image->facts && image->facts->flags & CV_FACT_UUID)
		cv_paper_field(p, LABEL_W, "UUID", CV_INK_TEXT, cv_uuid_str(image->facts->uuid).s);
}

void cv_write_image(const struct cv_snapshot *s, uint32_t index, struct cv_paper *p, bool all)
{
	const struct cv_image *image = &s->graph->images[index];

	write_identity(image, p);
	write_parent(s->graph, image, p);
	if (all) {
		write_children(s->graph, image, p);
		if (image->facts && image->facts->flags & CV_FACT_CREATED)
			cv_paper_field(p, LABEL_W, "Created", CV_INK_TEXT, cv_time_utc(image->facts->created).s);
		cv_paper_fieldf(p, LABEL_W, "Modified", CV_INK_TEXT, "%s (file system)",
				cv_time_utc(cv_image_mtime(image)).s);
		return;
	}
	write_references(s->graph, image, p);
	write_verdict("Merge", &image->coalesce, p);
	cv_write_findings(s->graph, image, p);
}

void cv_write_state(const struct cv_snapshot *s, uint32_t index, struct cv_paper *p)
{
	const struct cv_image *image = &s->graph->images[index];
	struct cv_text t = { 0 };

	cv_paper_fieldf(p, LABEL_W, "Chain", CV_INK_TEXT, "depth %u; %u image%s on it", image->depth, image->below,
			image->below == 1 ? " stands" : "s stand");
	write_references(s->graph, image, p);
	write_verdict("Merge", &image->coalesce, p);
	write_verdict("Delete", &image->deletable, p);
	cv_write_findings(s->graph, image, p);
	if (s->describe && s->describe(s->graph, index, &t)) {
		cv_paper_blank(p);
		cv_paper_text(p, CV_INK_TEXT, cv_text_str(&t));
	}
	cv_text_fini(&t);
}

static void attribute_value(struct cv_text *t, const struct cv_attr *a, enum cv_attr_type type)
{
	switch (type) {
	case CV_TYPE_NUMBER: cv_text_addf(t, "%" PRIu64, a->number); break;
	case CV_TYPE_HEX: cv_text_addf(t, "0x%" PRIx64, a->number); break;
	case CV_TYPE_SIZE: cv_text_add(t, cv_size_full(a->number).s); break;
	case CV_TYPE_TIME: cv_text_add(t, cv_time_utc((int64_t)a->number).s); break;
	case CV_TYPE_TEXT: cv_text_escape(t, a->text); break;
	case CV_TYPE_FLAG: cv_text_add(t, a->number ? "yes" : "no"); break;
	}
}

static void write_names(const struct cv_facts *facts, struct cv_paper *p)
{
	for (uint32_t i = 0; i < facts->name_count; i++) {
		struct cv_text t = { 0 };

		cv_text_escape(&t, facts->names[i].text);
		cv_paper_field(p, 25, cv_name_source_name(facts->names[i].source), CV_INK_TEXT, cv_text_str(&t));
		cv_text_fini(&t);
	}
}

void cv_write_attributes(const struct cv_image *image, struct cv_paper *p)
{
	const struct cv_facts *facts = image->facts;

	if (!facts)
		return;
	write_names(facts, p);
	for (uint32_t i = 0; i < facts->attr_count; i++) {
		const struct cv_attr *a = &facts->attrs[i];
		struct cv_text value = { 0 };
		char label[64];

		if (a->id >= CV_ATTR_COUNT)
			continue;
		if (a->index)
			snprintf(label, sizeof label, "%s %u", cv_attr_rows[a->id].label, a->index);
		else
			snprintf(label, sizeof label, "%s", cv_attr_rows[a->id].label);
		attribute_value(&value, a, cv_attr_rows[a->id].type);
		if (a->where.len)
			cv_text_addf(&value, "   at %" PRIu64, a->where.off);
		cv_paper_field(p, 25, label, CV_INK_TEXT, cv_text_str(&value));
		cv_text_fini(&value);
	}
}

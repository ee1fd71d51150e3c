/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Phrases and counts that several reports share. Layout does not belong here; bytes from images pass the
 * sanitiser here and nowhere later.
 */
#include "inspect/report/words.h"

void cv_words_image(struct cv_text *t, const struct cv_graph *g, uint32_t image, uint32_t seen_from)
{
	const struct cv_image *m = &g->images[image];

	cv_text_escape(t, cv_bytes_of(m->repository == seen_from || !m->file ? m->id : m->file->path));
}

void cv_words_parent(struct cv_text *t, const struct cv_graph *g, uint32_t image)
{
	const struct cv_image *m = &g->images[image];

	if (m->parent != CV_NO_IMAGE)
		cv_words_image(t, g, m->parent, m->repository);
	else if (m->parent_name && m->parent_name->text.len)
		cv_text_escape(t, m->parent_name->text);
	else if (m->facts->flags & CV_FACT_PARENT_UUID)
		cv_text_add(t, cv_uuid_str(m->facts->parent_uuid).s);
	else
		cv_text_add(t, "without a name");
}

bool cv_words_parent_unknown(const struct cv_image *m)
{
	return m->status == CV_PARENT_UNREADABLE && m->parent == CV_NO_IMAGE && !m->parent_name;
}

const char *cv_words_trouble(enum cv_parent_status status)
{
	static const char *const says[CV_PARENT_STATUS_COUNT] = {
		[CV_PARENT_MISSING] = "missing",
		[CV_PARENT_MISMATCH] = "has another identity",
		[CV_PARENT_AMBIGUOUS] = "could be one of several images",
		[CV_PARENT_OUTSIDE] = "lies outside the repositories",
		[CV_PARENT_CYCLE] = "leads back here",
		[CV_PARENT_EXTERNAL] = "is not a file and not followed",
		[CV_PARENT_UNREADABLE] = "cannot be read",
	};

	return status < CV_PARENT_STATUS_COUNT ? says[status] : NULL;
}

bool cv_words_parent_trouble(struct cv_text *t, const struct cv_graph *g, uint32_t image)
{
	const char *trouble = cv_words_trouble(g->images[image].status);

	if (cv_words_parent_unknown(&g->images[image])) {
		cv_text_add(t, "parent fields unreadable");
		return true;
	}
	if (!trouble)
		return false;
	cv_text_add(t, "parent ");
	cv_words_parent(t, g, image);
	cv_text_addf(t, " %s", trouble);
	return true;
}

void cv_words_number(struct cv_text *t, uint64_t n, const char *one, const char *many)
{
	cv_text_addf(t, "%" PRIu64 " %s", n, n == 1 ? one : many);
}

void cv_words_counts(struct cv_text *t, size_t errors, size_t warnings, size_t notes)
{
	const struct {
		size_t n;
		const char *one, *many;
	} parts[] = { { errors, "error", "errors" }, { warnings, "warning", "warnings" }, { notes, "note", "notes" } };
	const char *comma = "";

	for (size_t i = 0; i < CV_COUNT(parts); i++) {
		if (!parts[i].n)
			continue;
		cv_text_add(t, comma);
		cv_words_number(t, parts[i].n, parts[i].one, parts[i].many);
		comma = ", ";
	}
	if (!*comma)
		cv_text_add(t, "no findings");
}

static void add_source(struct cv_text *t, const struct cv_claim_source *s)
{
	cv_text_escape(t, cv_bytes_of(s->name));
	cv_text_add(t, " (");
	if (!s->read) {
		cv_text_addf(t, "not read%s%s)", s->trouble ? ": " : "", s->trouble ? s->trouble : "");
		return;
	}
	cv_words_number(t, s->claims, "reference", "references");
	cv_text_addf(t, ", %s", s->complete ? "complete" : "not complete");
	if (s->trouble)
		cv_text_addf(t, ": %s", s->trouble);
	cv_text_add(t, ")");
}

void cv_words_references(struct cv_text *t, const struct cv_graph *g)
{
	if (!g->refs) {
		cv_text_add(t, "not looked for");
		return;
	}
	if (g->refs->none) {
		cv_text_add(t, "none, only the disks themselves count (--refs=none)");
		return;
	}
	if (!g->refs->source_count) {
		cv_text_add(t, "no source was found, so what is needed is not known");
		return;
	}
	for (size_t i = 0; i < g->refs->source_count; i++) {
		cv_text_add(t, i ? ", " : "");
		add_source(t, &g->refs->sources[i]);
	}
	cv_text_add(t, g->refs->complete ? "; together complete" : "; together not complete");
}

void cv_words_rule(struct cv_text *t, const struct cv_ignore *rule)
{
	/* The last day is shown, the rule ends with it. */
	struct cv_time_text end = cv_time_utc(rule->until - 1);

	cv_text_escape(t, cv_bytes_of(rule->rule));
	cv_text_addf(t, ", until %.10s: %s", end.s, rule->reason);
}

const char *cv_words_format(enum cv_format_id format)
{
	static const char *const names[CV_FORMAT_COUNT] = {
		[CV_FORMAT_RAW] = "raw", [CV_FORMAT_VHD] = "VHD", [CV_FORMAT_VHDX] = "VHDX", [CV_FORMAT_QCOW] = "QCOW",
		[CV_FORMAT_QCOW2] = "QCOW2",
	};

	return format < CV_FORMAT_COUNT && names[format] ? names[format] : "not recognised";
}

void cv_words_where(struct cv_text *t, struct cv_range where)
{
	cv_text_addf(t, "at 0x%" PRIx64, where.off);
	if (where.len)
		cv_text_addf(t, ", %" PRIu64 " B", where.len);
}

static bool is_hidden(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->mark == CV_MARK_HIDDEN;
}

static bool is_orphan(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->role == CV_ROLE_ORPHAN;
}

static bool any_claim(const struct cv_graph *g, const struct cv_image *m, bool in_use)
{
	for (uint32_t i = 0; i < m->reference_count; i++)
		if (g->references[m->first_reference + i].claim->in_use == in_use)
			return true;
	return false;
}

static bool is_in_use(const struct cv_graph *g, const struct cv_image *m)
{
	return any_claim(g, m, true);
}

static bool is_referenced(const struct cv_graph *g, const struct cv_image *m)
{
	return any_claim(g, m, false);
}

static bool can_merge(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->coalesce.possible;
}

static bool has_snapshots(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->facts->flags & CV_FACT_SNAPSHOTS;
}

static bool is_dirty(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->facts->flags & CV_FACT_DIRTY;
}

static bool is_encrypted(const struct cv_graph *g, const struct cv_image *m)
{
	(void)g;
	return m->facts->flags & CV_FACT_ENCRYPTED;
}

const struct cv_flag_row cv_flag_rows[] = {
	{ 'H', "hidden base copy", is_hidden },
	{ 'O', "orphan", is_orphan },
	{ 'A', "in use", is_in_use },
	{ 'R', "referenced", is_referenced },
	{ 'C', "can be merged into its parent", can_merge },
	{ 'S', "internal snapshots", has_snapshots },
	{ 'D', "dirty", is_dirty },
	{ 'K', "encrypted", is_encrypted },
};
const size_t cv_flag_count = CV_COUNT(cv_flag_rows);

enum cv_paint cv_words_paint(enum cv_severity severity)
{
	static const enum cv_paint paints[] = {
		[CV_INFO] = CV_PAINT_INFO, [CV_WARNING] = CV_PAINT_WARNING, [CV_ERROR] = CV_PAINT_ERROR,
	};

	return paints[severity];
}

bool cv_words_reported(const struct cv_graph *g, uint32_t repository)
{
	return repository < cv_scan_repository_count(g->scan) && !cv_scan_repository(g->scan, repository)->other;
}

bool cv_words_listed(const struct cv_graph *g, const struct cv_finding *f)
{
	return f->repository >= cv_scan_repository_count(g->scan) || cv_words_reported(g, f->repository);
}

size_t cv_words_images_of(const struct cv_graph *g, uint32_t repository, size_t *first)
{
	size_t i = 0, end;

	while (i < g->image_count && g->images[i].repository != repository)
		i++;
	for (end = i; end < g->image_count && g->images[end].repository == repository;)
		end++;
	*first = i;
	return end;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Metrics in Prometheus' text format. One file holds one repository, and the same families with the same help in each,
 * so that a collector may read many of them together. Label values are bounded: nothing in them comes from an image.
 */
#include <stdio.h>

#include "inspect/report/result.h"

struct writer {
	const struct cv_result *r;
	const char *repository;      /* the label, ready to be printed */
	struct cv_text out;
};

/* The label value as the format wants it; escaped text holds no newline. */
static void add_label(struct cv_text *t, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			cv_text_add(t, "\\");
		cv_text_add_bytes(t, text, 1);
	}
}

/* "name{repository="x",key="value"} " */
static void sample(struct writer *w, const char *name, const char *key, const char *value)
{
	cv_text_addf(&w->out, "%s{repository=\"%s\"", name, w->repository);
	if (key)
		cv_text_addf(&w->out, ",%s=\"%s\"", key, value);
	cv_text_add(&w->out, "} ");
}

static void number(struct writer *w, uint64_t n)
{
	cv_text_addf(&w->out, "%" PRIu64 "\n", n);
}

static void build_info(struct writer *w, const char *name)
{
	cv_text_addf(&w->out, "%s{repository=\"%s\",version=\"%s\",schema=\"1.0\"} 1\n", name, w->repository, cv_version());
}

static void success(struct writer *w, const char *name)
{
	sample(w, name, NULL, NULL);
	number(w, w->r->complete);
}

static void exit_code(struct writer *w, const char *name)
{
	sample(w, name, NULL, NULL);
	number(w, (uint64_t)w->r->exit_status);
}

static void completion(struct writer *w, const char *name)
{
	sample(w, name, NULL, NULL);
	cv_text_addf(&w->out, "%" PRId64 "\n", w->r->finished);
}

/* Everything that is a row of figures.def with this family; label is the name of its label. */
static void figures(struct writer *w, const char *name, const char *label)
{
	for (size_t i = 0; i < CV_FIGURE_COUNT; i++) {
		const struct cv_figure_row *row = &cv_figure_rows[i];

		if (!row->family || strcmp(row->family, name) != 0 || !w->r->known[i])
			continue;
		sample(w, name, row->value ? label : NULL, row->value);
		if (strcmp(row->unit, "s") != 0)
			number(w, w->r->figure[i]);
		else
			cv_text_addf(&w->out, "%" PRIu64 ".%03u\n", w->r->figure[i] / 1000, (unsigned)(w->r->figure[i] % 1000));
	}
}

static void plain_figures(struct writer *w, const char *name)
{
	figures(w, name, NULL);
}

static void classes(struct writer *w, const char *name)
{
	figures(w, name, "class");
}

static void causes(struct writer *w, const char *name)
{
	figures(w, name, "cause");
}

static void images(struct writer *w, const char *name)
{
	for (int format = CV_FORMAT_NONE; format < CV_FORMAT_COUNT; format++)
		for (int role = CV_ROLE_LEAF; role <= CV_ROLE_ORPHAN; role++) {
			cv_text_addf(&w->out, "%s{repository=\"%s\",format=\"%s\",role=\"%s\"} ", name, w->repository,
				     cv_format_name((enum cv_format_id)format), cv_role_name((enum cv_role)role));
			number(w, w->r->images[format][role]);
		}
}

static void histogram(struct writer *w, const char *name)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < CV_DEPTH_BUCKETS; i++) {
		char bound[16] = "+Inf";

		if (i < CV_DEPTH_BUCKETS - 1)
			snprintf(bound, sizeof bound, "%" PRIu32, cv_depth_bounds[i]);
		sum += w->r->chains[i];
		cv_text_addf(&w->out, "%s_bucket{repository=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, w->repository, bound, sum);
	}
	cv_text_addf(&w->out, "%s_sum{repository=\"%s\"} %" PRIu64 "\n", name, w->repository, w->r->chain_images);
	cv_text_addf(&w->out, "%s_count{repository=\"%s\"} %" PRIu64 "\n", name, w->repository, sum);
}

/* Every known code has its line, so that a series does not begin with the trouble; another severity than the usual
 * one only when it occurs. */
static void findings(struct writer *w, const char *name)
{
	for (size_t i = 0; i < cv_problem_count; i++)
		for (int s = CV_INFO; s <= CV_ERROR; s++) {
			uint32_t n = w->r->found ? w->r->found[3 * i + (size_t)s] : 0;

			if (!n && s != (int)cv_problems[i].severity)
				continue;
			cv_text_addf(&w->out, "%s{repository=\"%s\",severity=\"%s\",code=\"%s\"} %" PRIu32 "\n", name,
				     w->repository, cv_severity_name((enum cv_severity)s), cv_problems[i].code, n);
		}
}

static const struct family {
	const char *name, *type, *help;
	void (*write)(struct writer *w, const char *name);
} families[] = {
	{ "chainview_build_info", "gauge", "Version of chainview that made these figures.", build_info },
	{ "chainview_check_success", "gauge", "1 if the last check looked at everything.", success },
	{ "chainview_check_exit_code", "gauge", "Exit status of the last check, bits as fsck.", exit_code },
	{ "chainview_check_completion_timestamp_seconds", "gauge", "When the last check ended.", completion },
	{ "chainview_check_duration_seconds", "gauge", "How long the last check took.", plain_figures },
	{ "chainview_repository_size_bytes", "gauge", "Size of the file system of the repository.", plain_figures },
	{ "chainview_repository_free_bytes", "gauge", "Free bytes of the file system of the repository.", plain_figures },
	{ "chainview_repository_allocated_bytes", "gauge", "Bytes that images take up; the classes add up to all.", classes },
	{ "chainview_reclaimable_bytes", "gauge", "Bytes that are of no use, by why they are still there.", causes },
	{ "chainview_images", "gauge", "Images by format and role.", images },
	{ "chainview_chain_depth_max", "gauge", "Images in the longest chain.", plain_figures },
	{ "chainview_chain_depth_limit", "gauge", "Images in a chain that the hypervisor can take.", plain_figures },
	{ "chainview_chain_depth", "histogram", "Images in the chain of each leaf.", histogram },
	{ "chainview_findings", "gauge", "Findings of the last check by severity and code.", findings },
	{ "chainview_ignored_findings", "gauge", "Findings that ignore rules took out.", plain_figures },
	{ "chainview_journal_pending_operations", "gauge", "Operations of chainview that are not finished.", plain_figures },
	{ "chainview_coalescable_images", "gauge", "Images that can be merged into their parents.", plain_figures },
	{ "chainview_coalesce_required_bytes", "gauge", "Free bytes that the largest of these merges needs.", plain_figures },
};

bool cv_report_metrics(const struct cv_result *r, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text label = { 0 };
	struct writer w = { .r = r };
	bool ok;

	add_label(&label, r->name);
	w.repository = cv_text_str(&label);
	for (size_t i = 0; i < CV_COUNT(families); i++) {
		cv_text_addf(&w.out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help, families[i].name,
			     families[i].type);
		families[i].write(&w, families[i].name);
	}
	ok = !label.failed && !w.out.failed && sink->put(sink->ctx, cv_text_str(&w.out), w.out.len);
	cv_text_fini(&w.out);
	return ok;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The result of a check of one repository, by itself: figures and findings as text, without the graph. It is what is
 * kept until the next check, what monitoring reads, and what two checks are compared by.
 *
 * Every text in it is escaped: one line, printable. A kept result is read back as data that anybody may have written.
 */
#ifndef CHAINVIEW_RESULT_H
#define CHAINVIEW_RESULT_H

#include <chainview/space.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cv_figure {
#define F(tag, key, label, unit, family, value) CV_FIGURE_##tag,
#include <chainview/figures.def>
#undef F
	CV_FIGURE_COUNT
};
struct cv_figure_row {
	const char *key, *label, *unit, *family, *value;   /* see figures.def */
};
CV_API extern const struct cv_figure_row cv_figure_rows[];
/* By its label; CV_FIGURE_COUNT if there is none. */
CV_API enum cv_figure cv_figure_find(const char *label);

struct cv_result_finding {
	enum cv_severity severity;
	const char *code, *name, *title;
	const char *image;                 /* NULL: it concerns none in particular */
	bool advisory;                     /* the image is in use */
};

#define CV_DEPTH_BUCKETS 8             /* chains of up to 1, 2, 3, 5, 10, 20, 30 and of more images */
CV_API extern const uint32_t cv_depth_bounds[CV_DEPTH_BUCKETS - 1];

struct cv_result {
	const char *name, *path;
	int64_t finished;                  /* Unix seconds */
	int exit_status;
	bool complete;                     /* everything that was to be looked at was */
	uint64_t figure[CV_FIGURE_COUNT];
	bool known[CV_FIGURE_COUNT];
	struct cv_result_finding *findings;   /* errors and warnings first, notes last */
	size_t finding_count;
	const char **not_looked_at;        /* "path: why" */
	size_t not_looked_at_count;
	const char **ended_rules;          /* ignore rules that have ended: "NAME (reason)" */
	size_t ended_rule_count;
	/* What --cron said last: when (0: nothing, all was well then), and the troubles it named, sorted. */
	int64_t said_at;
	const char **said;
	size_t said_count;
	/* Of a fresh result only; not kept. */
	uint64_t images[CV_FORMAT_COUNT][CV_ROLE_ORPHAN + 1];
	uint64_t chains[CV_DEPTH_BUCKETS]; /* leaves by the images of their chain, each in one bucket */
	uint64_t chain_images;             /* of all these chains together */
	uint32_t *found;                   /* for each problem of the registry and severity: [3 * problem + severity] */
	struct cv_arena *arena;
};

struct cv_result_head {
	const char *name;                  /* of the repository, raw bytes; NULL: its path */
	int64_t finished;
	uint64_t milliseconds;
	int exit_status;
};

/* space may be NULL: then its figures are not known. */
CV_API struct cv_result *cv_result_make(const struct cv_graph *g, const struct cv_space *space, uint32_t repository,
					const struct cv_result_head *head, struct cv_err *err);
/* From what cv_report_result() wrote. CV_EFORMAT if it is not that. */
CV_API struct cv_result *cv_result_read(const char *text, size_t len, struct cv_err *err);
CV_API void cv_result_free(struct cv_result *r);

/* What is wrong, as sorted lines that stay the same as long as the trouble does: "E CV-CHN-0001 leaf.vhd". An array in
 * the result's memory; NULL when memory is short. */
CV_API const char **cv_result_troubles(struct cv_result *r, size_t *count);

/* The document chainview.result, with what was said. */
CV_API bool cv_report_result(const struct cv_result *r, const struct cv_sink *sink);
/* Prometheus text format. Labels are the repository, formats, roles and codes, never names from images. */
CV_API bool cv_report_metrics(const struct cv_result *r, const struct cv_sink *sink);

/* What cron sends. */
struct cv_cron_part {
	const struct cv_result *now;
	const char *const *new_troubles;   /* that were not there when something was said last; sorted */
	size_t new_count;
	const char *const *gone;           /* that were there and are no more */
	size_t gone_count;
	int64_t since;                     /* when something was said last; 0 = never */
};
CV_API bool cv_report_cron(const struct cv_cron_part *parts, size_t count, const char *host, const struct cv_sink *sink);

/* A range of the monitoring plugins: "10", "10:", "~:10", "10:20", "@10:20". */
struct cv_nagios_range {
	bool has_start, has_end, inside;   /* inside: alert within the ends, not outside */
	double start, end;
	const char *text;                  /* as given */
};
CV_API bool cv_nagios_range_parse(struct cv_nagios_range *range, const char *text);
CV_API bool cv_nagios_range_alerts(const struct cv_nagios_range *range, double value);

struct cv_nagios_limit {
	enum cv_figure figure;             /* CV_FIGURE_COUNT: the age of the report */
	bool critical;
	struct cv_nagios_range range;
};
#define CV_NAGIOS_AGE "report_age"

enum cv_nagios_status { CV_NAGIOS_OK, CV_NAGIOS_WARNING, CV_NAGIOS_CRITICAL, CV_NAGIOS_UNKNOWN };

struct cv_nagios {
	const struct cv_result *const *results;
	size_t count;
	const char *const *unknown;        /* escaped: why nothing is known of others: "sr-ssd: no report" */
	size_t unknown_count;
	const struct cv_nagios_limit *limits;
	size_t limit_count;
	int64_t now, max_age;              /* an older report is unknown; 0: any age will do */
};
CV_API enum cv_nagios_status cv_nagios_judge(const struct cv_nagios *n);
CV_API bool cv_report_nagios(const struct cv_nagios *n, const struct cv_sink *sink);

#ifdef __cplusplus
}
#endif
#endif

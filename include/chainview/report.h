/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reports: graphs and findings as text or JSON, into a buffer. Everything from an image or a directory goes
 * through the sanitiser here; nothing is printed.
 */
#ifndef CHAINVIEW_REPORT_H
#define CHAINVIEW_REPORT_H

#include <chainview/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a report goes: called with pieces of text as they are ready, so that memory does not grow with the
 * report. False stops it (the reader of a pipe is gone). */
struct cv_sink {
	bool (*put)(void *ctx, const char *text, size_t len);
	void *ctx;
};

struct cv_style {
	bool color, ascii;       /* ANSI colours; no line-drawing characters */
	bool exact_bytes;        /* sizes as plain numbers */
	unsigned width;          /* columns; 0 = as wide as it gets */
	unsigned verbose;        /* 0 normal, 1 more */
};

/* What the JSON frame needs besides the graph. */
struct cv_report_head {
	const char *command;     /* "tree": schema chainview.tree */
	int argc;
	char **argv;
	int exit_status;
};

/* All are true unless the sink stopped or memory ran out. */
CV_API bool cv_report_tree(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink);
CV_API bool cv_report_findings(const struct cv_graph *g, const struct cv_style *style, const struct cv_sink *sink);
CV_API bool cv_report_info(const struct cv_graph *g, uint32_t image, const struct cv_style *style, const struct cv_sink *sink);
CV_API bool cv_report_explain(const struct cv_problem *problem, const struct cv_style *style, const struct cv_sink *sink);

/* The document of tree and check (and info: only selected images, with attributes, when selection is given). */
CV_API bool cv_report_json(const struct cv_graph *g, const struct cv_report_head *head, const uint32_t *selection,
			   size_t selected, const struct cv_sink *sink);

/* The document of check as one record a line. */
CV_API bool cv_report_ndjson(const struct cv_graph *g, const struct cv_report_head *head, const struct cv_sink *sink);

/* The document of explain: "problems" with code, name, severity, title and explanation (paragraphs). */
CV_API bool cv_report_explain_json(const struct cv_problem *const *problems, size_t count,
				   const struct cv_report_head *head, const struct cv_sink *sink);

/* The name of an image as trees show it, escaped: without its folder where that is the folder of the image above
 * it (CV_NO_IMAGE: there is none), with "./" where it lies in the repository itself and the one above does not. */
CV_API void cv_tree_name(const struct cv_graph *g, uint32_t image, uint32_t above, struct cv_text *out);

/* The plain-words paragraphs of info: what the node is, who needs it, what breaks without it, why it can or
 * cannot be merged or deleted. Also shown by the console. One paragraph per line. */
CV_API bool cv_describe_image(const struct cv_graph *g, uint32_t image, struct cv_text *out);

#ifdef __cplusplus
}
#endif
#endif

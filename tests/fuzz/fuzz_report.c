/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From what reading processes said about a few images to everything that is shown of them: graph, text, JSON. Nothing
 * but plain lines may come out, and JSON that a parser takes.
 */
#include <chainview/graph.h>
#include <chainview/report.h>
#include <json-c/json.h>
#include "tests/fuzz/facts.h"
#include "tests/support/fake_scan.h"

#define IMAGES_MOST 4u

static bool collect(void *ctx, const char *text, size_t len)
{
	cv_text_add_bytes(ctx, text, len);
	return true;
}

/* A file with any name that a directory can hold; numbered, so that none is there twice. */
static void take_file(struct fuzz_bytes *b, struct cv_scan *scan, unsigned number)
{
	struct cv_bytes name = fuzz_take_text(b, 40);
	struct cv_text path = { 0 };
	struct cv_file *file;

	cv_text_addf(&path, "/sr/%u", number);
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] && name.at[i] != '/')
			cv_text_add_bytes(&path, &name.at[i], 1);
	file = fake_file(scan, path.at);
	cv_facts_free((struct cv_facts *)(uintptr_t)file->facts);
	file->facts = fuzz_facts(b);
	file->size = fuzz_take(b, 5);
	cv_text_fini(&path);
}

static void require_json(struct cv_text *out)
{
	struct json_object *o = json_tokener_parse(cv_text_str(out));

	fuzz_require(o, "no JSON: %s", cv_text_str(out));
	fuzz_require_shown((struct cv_bytes){ cv_text_str(out), out->len }, true);
	json_object_put(o);
	cv_text_clear(out);
}

static void require_lines(struct cv_text *out)
{
	fuzz_require_shown((struct cv_bytes){ cv_text_str(out), out->len }, true);
	cv_text_clear(out);
}

static void report(const struct cv_graph *g, const struct cv_style *style)
{
	static char program[] = "chainview", *argv[] = { program, NULL };
	struct cv_report_head head = { "check", 1, argv, 4 };
	struct cv_text out = { 0 };
	struct cv_sink sink = { collect, &out };

	fuzz_require(cv_report_tree(g, style, &sink), "no tree");
	require_lines(&out);
	fuzz_require(cv_report_findings(g, style, &sink), "no findings");
	require_lines(&out);
	for (uint32_t i = 0; i < g->image_count; i++) {
		fuzz_require(cv_report_info(g, i, style, &sink) && cv_describe_image(g, i, &out), "no info");
		require_lines(&out);
		fuzz_require(cv_report_json(g, &head, &i, 1, &sink), "no JSON");
		require_json(&out);
	}
	fuzz_require(cv_report_json(g, &head, NULL, 0, &sink), "no JSON");
	require_json(&out);
	cv_text_fini(&out);
}

static void run_report(const uint8_t *at, size_t len)
{
	struct fuzz_bytes b = { at, at + len };
	unsigned options = (unsigned)fuzz_take(&b, 1), count = 1 + (unsigned)fuzz_take(&b, 1) % IMAGES_MOST;
	struct cv_style style = { .ascii = options & 1, .exact_bytes = options & 2, .width = options & 4 ? 80 : 0,
				  .verbose = options >> 3 & 1 };
	struct cv_scan *scan = fake_scan_new();
	struct cv_references refs = { .none = options & 16, .complete = options & 16 };
	struct cv_err err = { 0 };
	struct cv_graph *g;

	fake_repository(scan, "/sr");
	for (unsigned i = 0; i < count; i++)
		take_file(&b, scan, i);
	g = cv_graph_build(scan, &refs, NULL, NULL, &err);
	fuzz_require(g, "no graph: %s", err.text);
	report(g, &style);
	cv_graph_free(g);
	cv_scan_free(scan);
}

static void report_seeds(struct fuzz_seeds *s)
{
	uint8_t bytes[600];
	struct fuzz_dice d = { 2 };

	for (unsigned i = 0; i < 32; i++) {
		for (size_t k = 0; k < sizeof bytes; k++)
			bytes[k] = (uint8_t)(fuzz_below(&d, 3) ? fuzz_below(&d, 8) : fuzz_below(&d, 256));
		s->keep(s, bytes, sizeof bytes);
	}
}

const struct fuzz_target fuzz_target_report = {
	.name = "report", .max = 2048, .run = run_report, .seeds = report_seeds,
};

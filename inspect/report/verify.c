/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A verification as text: digests, what the second reader says and how much of the disk that covers. */
#include "inspect/report/words.h"
#include "inspect/report/verify.h"

#define VALUE_COLUMN 12u

struct report {
	const struct cv_graph *g;
	struct cv_page *out;
	struct cv_text scratch;
};

void cv_verify_hex(char out[65], const uint8_t sha256[32])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		out[2 * i] = digits[sha256[i] >> 4];
		out[2 * i + 1] = digits[sha256[i] & 15];
	}
	out[64] = '\0';
}

static void label(struct report *r, const char *text)
{
	cv_page_to(r->out, 2);
	cv_page_str(r->out, CV_PAINT_DIM, text);
	cv_page_to(r->out, VALUE_COLUMN);
}

static void add_size(struct report *r, uint64_t bytes)
{
	if (r->out->style.exact_bytes)
		cv_page_addf(r->out, CV_PAINT_PLAIN, "%" PRIu64 " B", bytes);
	else
		cv_page_str(r->out, CV_PAINT_PLAIN, cv_size_full(bytes).s);
}

/* Rounded down: 100 % is all of it and nothing less. */
static void add_share(struct report *r, uint64_t part, uint64_t all)
{
	unsigned permille = all ? (unsigned)((unsigned __int128)part * 1000 / all) : 1000;

	cv_page_addf(r->out, CV_PAINT_PLAIN, "%u.%u %%", permille / 10, permille % 10);
}

static void add_verdict(struct report *r, const struct cv_verified *v)
{
	static const struct { enum cv_paint paint; const char *text; } words[CV_SECOND_COUNT] = {
		[CV_SECOND_AGREE] = { CV_PAINT_PLAIN, "agrees" },
		[CV_SECOND_DIFFER] = { CV_PAINT_ERROR, "DIFFERS" },
		[CV_SECOND_PARTIAL] = { CV_PAINT_PLAIN, "agrees where it can be trusted" },
		[CV_SECOND_FAILED] = { CV_PAINT_WARNING, "failed, which says nothing about the image" },
		[CV_SECOND_SKIPPED] = { CV_PAINT_PLAIN, "not used" },
	};
	const struct cv_second_result *s = &v->second;

	label(r, "Check");
	if (s->name)
		cv_page_addf(r->out, CV_PAINT_PLAIN, "%s ", s->name);
	else
		cv_page_str(r->out, CV_PAINT_PLAIN, "second reader ");
	cv_page_str(r->out, words[s->verdict].paint, words[s->verdict].text);
	if (s->compared || (s->verdict != CV_SECOND_FAILED && s->verdict != CV_SECOND_SKIPPED)) {
		cv_page_str(r->out, CV_PAINT_PLAIN, "; compared: ");
		add_share(r, s->compared, v->size);
	}
	cv_page_end(r->out);
	if (s->trouble) {
		cv_page_to(r->out, VALUE_COLUMN);
		cv_page_wrapped(r->out, CV_PAINT_PLAIN, cv_bytes_of(s->trouble), VALUE_COLUMN);
		cv_page_end(r->out);
	}
}

static void add_gap(struct report *r, const struct cv_not_checked *gap, uint64_t size)
{
	cv_page_to(r->out, VALUE_COLUMN);
	cv_page_str(r->out, CV_PAINT_PLAIN, "not compared: ");
	if (gap->bytes) {
		add_size(r, gap->bytes);
		cv_page_str(r->out, CV_PAINT_PLAIN, ", ");
		add_share(r, gap->bytes, size);
		cv_page_str(r->out, CV_PAINT_PLAIN, ": ");
	}
	cv_page_wrapped(r->out, CV_PAINT_PLAIN, cv_bytes_of(gap->reason), VALUE_COLUMN + 2);
	cv_page_end(r->out);
}

static void add_differences(struct report *r, const struct cv_second_result *s)
{
	if (!s->difference_count)
		return;
	cv_page_to(r->out, VALUE_COLUMN);
	add_size(r, s->differing);
	cv_page_str(r->out, CV_PAINT_PLAIN, " differ, first:");
	cv_page_end(r->out);
	for (size_t i = 0; i < s->difference_count; i++) {
		cv_page_to(r->out, VALUE_COLUMN + 2);
		cv_page_addf(r->out, CV_PAINT_PLAIN, "guest offset %" PRIu64 ", %" PRIu64 " B", s->differences[i].off,
			     s->differences[i].len);
		cv_page_end(r->out);
	}
}

static void add_image(struct report *r, const struct cv_verified *v)
{
	char hex[65];

	cv_text_clear(&r->scratch);
	cv_text_escape(&r->scratch, cv_bytes_of(r->g->images[v->image].file->path));
	cv_page_add(r->out, CV_PAINT_BOLD, (struct cv_bytes){ cv_text_str(&r->scratch), r->scratch.len });
	cv_page_end(r->out);
	label(r, "Size");
	add_size(r, v->size);
	cv_page_end(r->out);
	label(r, "SHA-256");
	if (v->digested) {
		cv_verify_hex(hex, v->sha256);
		cv_page_str(r->out, CV_PAINT_PLAIN, hex);
	} else {
		cv_page_str(r->out, CV_PAINT_ERROR, "none: ");
		cv_page_wrapped(r->out, CV_PAINT_PLAIN, cv_bytes_of(v->trouble ? v->trouble : "not finished"),
				VALUE_COLUMN + 2);
	}
	cv_page_end(r->out);
	if (!v->digested)
		return;
	add_verdict(r, v);
	for (size_t i = 0; i < v->second.gap_count; i++)
		add_gap(r, &v->second.gaps[i], v->size);
	add_differences(r, &v->second);
}

static void add_comparison(struct report *r, const struct cv_compared *c)
{
	cv_page_end(r->out);
	if (c->trouble)
		cv_page_addf(r->out, CV_PAINT_ERROR, "The comparison failed: %s", c->trouble);
	else if (c->equal)
		cv_page_str(r->out, CV_PAINT_BOLD, "Guests read the same from both images.");
	else if (c->same_content)
		cv_page_addf(r->out, CV_PAINT_BOLD, "Not equal: same content, but the longer one goes on with zeros from %"
			     PRIu64 " on.", c->first_difference);
	else
		cv_page_addf(r->out, CV_PAINT_BOLD, "Not equal: the first difference is at guest offset %" PRIu64 ".",
			     c->first_difference);
	cv_page_end(r->out);
}

bool cv_report_verify(const struct cv_graph *g, const struct cv_verify *v, const struct cv_style *style,
		      const struct cv_sink *sink)
{
	struct cv_page page;
	struct report r = { .g = g, .out = &page };
	bool memory;

	cv_page_init(&page, style, sink);
	for (size_t i = 0; i < cv_verify_count(v); i++) {
		if (i)
			cv_page_end(&page);
		add_image(&r, cv_verify_result(v, i));
	}
	if (cv_verify_compared(v)->known || cv_verify_compared(v)->trouble)
		add_comparison(&r, cv_verify_compared(v));
	memory = !r.scratch.failed;
	cv_text_fini(&r.scratch);
	return cv_page_fini(&page) && memory;
}

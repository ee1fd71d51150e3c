/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The map of what a copy of a damaged disk lacks, as text and as JSON: streamed, as there may be very many ranges. */
#include "inspect/salvage/report.h"

/* What was lost and what is doubtful, in the order of the disk. */
struct rows {
	const struct cv_salvage *s;
	size_t lost, doubtful;
};

static const struct cv_lost *next_row(struct rows *r, bool *doubtful)
{
	const struct cv_lost_list *a = &r->s->lost, *b = &r->s->doubtful;
	bool more = r->lost < a->len;

	*doubtful = r->doubtful < b->len && (!more || b->at[r->doubtful].at.off < a->at[r->lost].at.off);
	if (*doubtful)
		return &b->at[r->doubtful++];
	return more ? &a->at[r->lost++] : NULL;
}

static const char *image_of(const struct cv_salvage *s, const struct cv_lost *l)
{
	return l->layer < s->image_count ? s->images[l->layer] : "";
}

static void add_row(struct cv_text *t, const struct cv_salvage *s, const struct cv_lost *l, bool doubtful)
{
	cv_text_addf(t, "%" PRIu64 " %" PRIu64 " %s %s ", l->at.off, l->at.len, doubtful ? "doubtful" : "lost",
		     cv_lost_why_name((enum cv_lost_why)l->why));
	if (l->placed)
		cv_text_addf(t, "%" PRIu64 " ", l->host);
	else
		cv_text_add(t, "- ");
	cv_text_escape(t, cv_bytes_of(image_of(s, l)));
	cv_text_add(t, "\n");
}

static void add_head(struct cv_text *t, const struct cv_salvage *s)
{
	cv_text_add(t, "# chainview salvage map 1\n");
	for (size_t i = 0; i < s->image_count; i++) {
		cv_text_add(t, i ? "# parent " : "# image ");
		cv_text_escape(t, cv_bytes_of(s->images[i]));
		cv_text_add(t, "\n");
	}
	if (s->ends)
		cv_text_addf(t, "# chain ends: %s\n", s->ends);
	cv_text_addf(t, "# size %" PRIu64 " lost %" PRIu64 " doubtful %" PRIu64 "\n", s->size, s->lost.bytes, s->doubtful.bytes);
	cv_text_add(t, "# start length state why offset image\n");
}

bool cv_report_salvage(const struct cv_salvage *s, const struct cv_sink *sink)
{
	CV_AUTO(cv_text_fini) struct cv_text t = { 0 };
	struct rows rows = { .s = s };
	const struct cv_lost *l;
	bool doubtful;

	add_head(&t, s);
	while ((l = next_row(&rows, &doubtful))) {
		add_row(&t, s, l, doubtful);
		if (t.len < 32768)
			continue;
		if (t.failed || !sink->put(sink->ctx, cv_text_str(&t), t.len))
			return false;
		cv_text_clear(&t);
	}
	return !t.failed && sink->put(sink->ctx, cv_text_str(&t), t.len);
}

void cv_salvage_show(const struct cv_salvage *s, size_t lines, struct cv_text *out)
{
	struct rows rows = { .s = s };
	size_t all = s->lost.len + s->doubtful.len, shown = all > lines ? lines - 1 : all;
	const struct cv_lost *l;
	bool doubtful;

	for (size_t i = 0; i < shown && (l = next_row(&rows, &doubtful)); i++) {
		cv_text_addf(out, "  %s: %" PRIu64 " B at guest offset %" PRIu64 ": %s", doubtful ? "doubtful" : "lost", l->at.len,
			     l->at.off, cv_lost_why_text((enum cv_lost_why)l->why));
		if (l->placed)
			cv_text_addf(out, ", offset %" PRIu64, l->host);
		cv_text_add(out, " of ");
		cv_text_escape(out, cv_bytes_of(image_of(s, l)));
		cv_text_add(out, "\n");
	}
	if (shown < all)
		cv_text_addf(out, "  and %zu more ranges\n", all - shown);
}

static struct json_object *row_of(struct cv_json *j, const struct cv_lost *l, bool doubtful)
{
	struct json_object *o = cv_json_object(j);

	cv_json_number(j, o, "start", l->at.off);
	cv_json_number(j, o, "length", l->at.len);
	cv_json_text(j, o, "state", doubtful ? "doubtful" : "lost");
	cv_json_text(j, o, "why", cv_lost_why_name((enum cv_lost_why)l->why));
	if (l->placed)
		cv_json_number(j, o, "offset", l->host);
	cv_json_number(j, o, "depth", l->layer);
	return o;
}

static struct json_object *head_of(struct cv_json *j, const struct cv_salvage *s)
{
	struct json_object *o = cv_json_object(j), *images = cv_json_array(j);

	for (size_t i = 0; i < s->image_count; i++)
		cv_json_push_name(j, images, cv_bytes_of(s->images[i]));
	cv_json_put(j, o, "images", images);
	if (s->ends)
		cv_json_text(j, o, "chain_ends", s->ends);
	cv_json_number(j, o, "virtual_size_bytes", s->size);
	cv_json_number(j, o, "lost_bytes", s->lost.bytes);
	cv_json_number(j, o, "doubtful_bytes", s->doubtful.bytes);
	return o;
}

void cv_salvage_json(struct cv_json *j, const struct cv_salvage *s)
{
	struct rows rows = { .s = s };
	const char *comma = "\n";
	const struct cv_lost *l;
	bool doubtful;

	cv_json_raw(j, "\"salvage\":");
	cv_json_record(j, head_of(j, s), true);
	cv_json_raw(j, ",\"ranges\":[");
	while (j->ok && (l = next_row(&rows, &doubtful))) {
		cv_json_raw(j, comma);
		cv_json_record(j, row_of(j, l, doubtful), false);
		comma = ",\n";
	}
	cv_json_raw(j, "]}");
}

bool cv_report_salvage_json(const struct cv_salvage *s, const struct cv_report_head *head, const struct cv_sink *sink)
{
	struct cv_json j = { sink, true };

	cv_json_head(&j, head);
	cv_json_raw(&j, ",\n");
	cv_salvage_json(&j, s);
	cv_json_raw(&j, "}\n");
	return j.ok;
}

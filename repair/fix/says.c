/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What an image says to those who check it: its identity and shape, and all that is wrong. That is how a repair knows that
 * it has done what it should and nothing else, before and after it, and how a recovery knows which of both it sees.
 */
#include "repair/fix/fix.h"
#include <chainview/facts.h>
#include <chainview/format.h>

static bool add_findings(const struct cv_facts *f, struct cv_fix_ids *ids, struct cv_err *err)
{
	for (uint32_t i = 0; i < f->finding_count; i++)
		if (!cv_fix_ids_push(ids, f->findings[i].id))
			return cv_fail(err, CV_ENOMEM, "out of memory");
	return true;
}

static bool check_tables(struct cv_source *source, const struct cv_format *format, struct cv_fix_ids *ids, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();
	struct cv_checking c = { .source = source, .facts = facts };

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	return format->check(&c, err) && add_findings(facts, ids, err);
}

static bool read_all(struct cv_source *source, struct cv_facts *facts, struct cv_fix_ids *ids, struct cv_err *err)
{
	const struct cv_format *format;

	if (!cv_image_read(source, CV_FORMAT_NONE, facts, err) || !add_findings(facts, ids, err))
		return false;
	format = cv_format_by_id(facts->format);
	return !format || !format->check || check_tables(source, format, ids, err);
}

static int by_id(const void *a, const void *b)
{
	const enum cv_problem_id *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

bool cv_fix_wrong(struct cv_source *source, struct cv_fix_ids *ids, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = cv_facts_new();

	if (!facts)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	if (!read_all(source, facts, ids, err))
		return false;
	if (ids->len)
		qsort(ids->at, ids->len, sizeof *ids->at, by_id);
	return true;
}

/* Who its parent is said to be. */
static void say_names(const struct cv_facts *f, struct cv_text *out)
{
	cv_text_addf(out, " %d", (int)f->parent_format);
	for (uint32_t i = 0; i < f->name_count; i++) {
		cv_text_addf(out, "\n%d %d ", (int)f->names[i].source, (int)f->names[i].kind);
		cv_text_add_bytes(out, f->names[i].text.at, f->names[i].text.len);
	}
}

bool cv_fix_says(struct cv_source *source, struct cv_text *out, struct cv_err *err)
{
	CV_AUTO(cv_auto_facts) struct cv_facts *f = cv_facts_new();
	struct cv_fix_ids ids = { 0 };
	bool ok;

	if (!f)
		return cv_fail(err, CV_ENOMEM, "out of memory");
	ok = read_all(source, f, &ids, err);
	if (ids.len)
		qsort(ids.at, ids.len, sizeof *ids.at, by_id);
	if (ok) {
		cv_text_addf(out, "%d %d %d %" PRIu64 " %" PRIu32, (int)f->format, (int)f->variant, (int)f->mark, f->virtual_size,
			     f->block_size);
		cv_text_addf(out, " %s %s", cv_uuid_str(f->uuid).s, cv_uuid_str(f->parent_uuid).s);
		for (size_t i = 0; i < ids.len; i++)
			cv_text_addf(out, " %d", (int)ids.at[i]);
		say_names(f, out);
	}
	free(ids.at);
	return ok && (!out->failed || cv_fail(err, CV_ENOMEM, "out of memory"));
}

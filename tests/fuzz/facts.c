/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Facts from the bytes of an input, member by member. */
#include "tests/fuzz/facts.h"

#define TEXT_MOST 80
#define ALL_FLAGS ((uint32_t)CV_FACT_REMAINS * 2 - 1)

static struct cv_range take_range(struct fuzz_bytes *b)
{
	uint64_t off = fuzz_take(b, 4) << 8 * (fuzz_take(b, 1) % 4);

	return (struct cv_range){ off, fuzz_take(b, 2) };
}

/* As format code gives them: what is never followed has no path, what is has one. */
static void take_name(struct fuzz_bytes *b, struct cv_facts *f)
{
	struct cv_name name = { .source = 1 + fuzz_take(b, 1) % (CV_NAME_SOURCE_COUNT - 1),
				.kind = fuzz_take(b, 1) % (CV_NAME_EXTERNAL + 1) };

	name.text = fuzz_take_text(b, TEXT_MOST);
	if (name.kind != CV_NAME_OPAQUE && name.kind != CV_NAME_EXTERNAL)
		name.path = name.text;
	name.where = take_range(b);
	if (name.text.len)
		cv_facts_name(f, name);
}

static void take_attr(struct fuzz_bytes *b, struct cv_facts *f)
{
	enum cv_attr_id id = fuzz_take(b, 1) % CV_ATTR_COUNT;
	uint32_t index = (uint32_t)fuzz_take(b, 1);
	struct cv_range where = take_range(b);
	enum cv_attr_type type = cv_attr_rows[id].type;

	if (type == CV_TYPE_TEXT)
		cv_facts_text(f, id, index, fuzz_take_text(b, TEXT_MOST), where);
	else
		cv_facts_number(f, id, index, type == CV_TYPE_FLAG ? fuzz_take(b, 1) & 1 : fuzz_take(b, 8), where);
}

static void take_finding(struct fuzz_bytes *b, struct cv_facts *f)
{
	struct cv_finding finding = cv_finding_of(cv_problems[fuzz_take(b, 1) % cv_problem_count].id);

	finding.image = CV_NO_IMAGE;
	finding.has_where = fuzz_take(b, 1) & 1;
	finding.where = take_range(b);
	finding.bytes = fuzz_take(b, 4);
	for (size_t i = 0; i < CV_FINDING_ARGS; i++) {
		unsigned kind = (unsigned)fuzz_take(b, 1) % 3;

		if (kind == CV_ARG_NUMBER)
			finding.arg[i] = cv_arg_number(fuzz_take(b, 8));
		else if (kind == CV_ARG_TEXT)
			finding.arg[i] = cv_arg_bytes(fuzz_take_text(b, TEXT_MOST));
	}
	cv_facts_find(f, finding);
}

static void take_uuid(struct fuzz_bytes *b, uint8_t uuid[16])
{
	memset(uuid, (int)fuzz_take(b, 1) % 4, 16);
}

struct cv_facts *fuzz_facts(struct fuzz_bytes *b)
{
	struct cv_facts *f = cv_facts_new();
	struct cv_bytes creator;

	fuzz_require(f, "no memory");
	f->format = fuzz_take(b, 1) % CV_FORMAT_COUNT;
	f->variant = fuzz_take(b, 1) % CV_VARIANT_COUNT;
	f->mark = fuzz_take(b, 1) % (CV_MARK_HIDDEN + 1);
	f->lookalike = fuzz_take(b, 1) % CV_FORMAT_COUNT;
	f->parent_format = fuzz_take(b, 1) % CV_FORMAT_COUNT;
	f->flags = (uint32_t)fuzz_take(b, 4) & ALL_FLAGS;
	f->block_size = (uint32_t)fuzz_take(b, 4);
	f->virtual_size = fuzz_take(b, 8);
	f->created = (int64_t)fuzz_take(b, 8);
	f->parent_time = (int64_t)fuzz_take(b, 8);
	take_uuid(b, f->uuid);
	take_uuid(b, f->parent_uuid);
	creator = fuzz_take_text(b, TEXT_MOST);
	cv_facts_bytes(f, creator.at, creator.len, &f->creator);
	for (uint64_t n = fuzz_take(b, 1) % 5; n; n--)
		take_name(b, f);
	for (uint64_t n = fuzz_take(b, 1) % 5; n; n--)
		take_attr(b, f);
	for (uint64_t n = fuzz_take(b, 1) % 4; n; n--)
		take_finding(b, f);
	return f;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bytes from a reading process back to facts. Every length, count and enumeration is checked; one that is wrong
 * makes the whole record worthless. Counterpart of wire_encode.c.
 */
#include "inspect/sandbox/wire.h"
#include "inspect/base/arena.h"
#include <chainview/text.h>

/* What a list entry takes on the wire at least; a count that promises more than that is a lie. */
#define NAME_BYTES (1 + 1 + 4 + 4 + 16)
#define ATTR_BYTES (4 + 4 + 8 + 4 + 16)
#define FINDING_BYTES (4 + 1 + 1 + 16 + 8 + CV_FINDING_ARGS)
#define KNOWN_FLAGS ((uint32_t)CV_FACT_REMAINS * 2 - 1)

struct reader {
	const uint8_t *at, *end;
	char *text;                /* where the next text goes, in the block of the facts */
	size_t text_left;
	const char *wrong;         /* the first thing that was not as it has to be */
};

static void get(struct reader *r, void *to, size_t len)
{
	if (r->wrong || len > (size_t)(r->end - r->at)) {
		if (!r->wrong)
			r->wrong = "it ends too early";
		memset(to, 0, len);
		return;
	}
	memcpy(to, r->at, len);
	r->at += len;
}

static uint32_t get32(struct reader *r)
{
	uint32_t n;

	get(r, &n, sizeof n);
	return n;
}

static uint64_t get64(struct reader *r)
{
	uint64_t n;

	get(r, &n, sizeof n);
	return n;
}

static void require(struct reader *r, bool right, const char *wrong)
{
	if (!right && !r->wrong)
		r->wrong = wrong;
}

/* A byte below limit: an enumeration or a flag. */
static unsigned get_below(struct reader *r, unsigned limit, const char *wrong)
{
	uint8_t n;

	get(r, &n, sizeof n);
	require(r, n < limit, wrong);
	return r->wrong ? 0 : n;
}

static struct cv_range get_range(struct reader *r)
{
	uint64_t off = get64(r), end;
	struct cv_range range = { off, get64(r) };

	require(r, !__builtin_add_overflow(range.off, range.len, &end), "a range wraps");
	return range;
}

/* The bytes of a text where they lie in the record; empty once anything is wrong. */
static struct cv_bytes get_raw(struct reader *r)
{
	uint32_t len = get32(r);
	struct cv_bytes text = { "", 0 };

	require(r, len <= (size_t)(r->end - r->at), "a text ends too early");
	if (!r->wrong && len) {
		text = (struct cv_bytes){ (const char *)r->at, len };
		r->at += len;
	}
	return text;
}

static struct cv_bytes get_text(struct reader *r)
{
	struct cv_bytes raw = get_raw(r), copy = { "", 0 };

	require(r, raw.len <= r->text_left, "its texts are longer than it says");
	if (r->wrong || !raw.len)
		return copy;
	copy = (struct cv_bytes){ memcpy(r->text, raw.at, raw.len), raw.len };
	r->text += raw.len;
	r->text_left -= raw.len;
	return copy;
}

static void get_name(struct reader *r, struct cv_name *name)
{
	name->source = get_below(r, CV_NAME_SOURCE_COUNT, "an unknown source of a name");
	name->kind = get_below(r, CV_NAME_EXTERNAL + 1, "an unknown kind of name");
	name->text = get_text(r);
	name->path = get_text(r);
	name->where = get_range(r);
}

static void get_attr(struct reader *r, struct cv_attr *attr)
{
	uint32_t id = get32(r);

	require(r, id < CV_ATTR_COUNT, "an unknown attribute");
	attr->id = r->wrong ? 0 : id;
	attr->index = get32(r);
	attr->number = get64(r);
	require(r, cv_attr_rows[attr->id].type != CV_TYPE_FLAG || attr->number <= 1, "a flag that is neither 0 nor 1");
	attr->text = get_text(r);
	attr->where = get_range(r);
}

static void get_finding(struct reader *r, struct cv_finding *f)
{
	uint32_t id = get32(r);

	require(r, cv_problem_by_id((enum cv_problem_id)id) != NULL, "an unknown problem");
	f->id = r->wrong ? CV_NO_PROBLEM : (enum cv_problem_id)id;
	f->severity = get_below(r, CV_ERROR + 1, "an unknown severity");
	f->image = CV_NO_IMAGE;
	f->has_where = get_below(r, 2, "a flag that is neither 0 nor 1");
	f->where = get_range(r);
	f->bytes = get64(r);
	for (size_t i = 0; i < CV_FINDING_ARGS; i++) {
		f->arg[i].kind = get_below(r, CV_ARG_TEXT + 1, "an unknown kind of argument");
		if (f->arg[i].kind == CV_ARG_NUMBER)
			f->arg[i].number = get64(r);
		else if (f->arg[i].kind == CV_ARG_TEXT)
			f->arg[i].text = get_text(r);
	}
}

static uint32_t get_count(struct reader *r, size_t entry_bytes)
{
	uint32_t count = get32(r);

	require(r, count <= CV_WIRE_ENTRIES && count <= (size_t)(r->end - r->at) / entry_bytes,
		"a list is longer than the record");
	return r->wrong ? 0 : count;
}

/* One block holds the lists, then all texts. */
static bool make_room(struct reader *r, struct cv_facts *f, uint64_t text_bytes)
{
	size_t names, attrs, findings, total;
	char *block;

	require(r, text_bytes <= (size_t)(r->end - r->at), "its texts are longer than the record");
	if (r->wrong)
		return true;
	names = f->name_count * sizeof *f->names;
	attrs = f->attr_count * sizeof *f->attrs;
	findings = f->finding_count * sizeof *f->findings;
	total = names + attrs + findings + text_bytes;
	f->arena = cv_arena_sized(total);
	block = f->arena ? cv_arena_alloc(f->arena, total ? total : 1) : NULL;
	if (!block)
		return false;
	f->names = (struct cv_name *)(void *)block;
	f->attrs = (struct cv_attr *)(void *)(block + names);
	f->findings = (struct cv_finding *)(void *)(block + names + attrs);
	r->text = block + names + attrs + findings;
	r->text_left = text_bytes;
	return true;
}

static void get_members(struct reader *r, struct cv_facts *f)
{
	f->format = get_below(r, CV_FORMAT_COUNT, "an unknown format");
	f->variant = get_below(r, CV_VARIANT_COUNT, "an unknown variant");
	f->mark = get_below(r, CV_MARK_HIDDEN + 1, "an unknown mark");
	f->lookalike = get_below(r, CV_FORMAT_COUNT, "an unknown format");
	f->parent_format = get_below(r, CV_FORMAT_COUNT, "an unknown format");
	f->flags = get32(r);
	require(r, !(f->flags & ~KNOWN_FLAGS), "an unknown flag");
	f->block_size = get32(r);
	f->virtual_size = get64(r);
	f->created = (int64_t)get64(r);
	f->parent_time = (int64_t)get64(r);
	get(r, f->uuid, sizeof f->uuid);
	get(r, f->parent_uuid, sizeof f->parent_uuid);
	f->creator = get_text(r);
}

/* False only when memory is short; r->wrong says whether the facts can be used. */
static bool get_facts(struct reader *r, struct cv_facts *f)
{
	f->name_count = get_count(r, NAME_BYTES);
	f->attr_count = get_count(r, ATTR_BYTES);
	f->finding_count = get_count(r, FINDING_BYTES);
	if (!make_room(r, f, get64(r)))
		return false;
	get_members(r, f);
	for (uint32_t i = 0; i < f->name_count && !r->wrong; i++)
		get_name(r, &f->names[i]);
	for (uint32_t i = 0; i < f->attr_count && !r->wrong; i++)
		get_attr(r, &f->attrs[i]);
	for (uint32_t i = 0; i < f->finding_count && !r->wrong; i++)
		get_finding(r, &f->findings[i]);
	require(r, r->text_left == 0, "its texts are shorter than it says");
	return true;
}

/* The text was escaped where it was made, unless somebody else wrote it: undoing and doing it again changes
 * nothing in the first case. */
static void get_why(struct reader *r, struct cv_err *why)
{
	enum cv_status code = get_below(r, CV_ELIMIT + 1, "an unknown error");
	int os_errno = (int)get32(r);
	struct cv_bytes text = get_raw(r);
	struct cv_text plain = { 0 }, escaped = { 0 };

	require(r, text.len < sizeof why->text, "the text of an error is too long");
	require(r, (code == CV_OK) == (text.len == 0), "an error without text, or a text without error");
	if (!r->wrong && code != CV_OK) {
		cv_text_unescape(&plain, text);
		cv_text_escape(&escaped, (struct cv_bytes){ cv_text_str(&plain), plain.len });
		cv_fail(why, code, "%s", escaped.failed || plain.failed ? "out of memory" : cv_text_str(&escaped));
		why->os_errno = os_errno;
	}
	cv_text_fini(&plain);
	cv_text_fini(&escaped);
}

size_t cv_wire_decode(const uint8_t *at, size_t len, struct cv_answer *answer, struct cv_err *err)
{
	struct reader r = { .at = at, .end = at + len };
	CV_AUTO(cv_auto_facts) struct cv_facts *facts = NULL;
	uint32_t record = get32(&r);
	bool memory = true;

	*answer = (struct cv_answer){ 0 };
	require(&r, record >= sizeof record && record <= len, "its length cannot be");
	if (!r.wrong)
		r.end = at + record;
	answer->index = get32(&r);
	get_why(&r, &answer->why);
	if (get_below(&r, 2, "a flag that is neither 0 nor 1")) {
		facts = calloc(1, sizeof *facts);
		memory = facts && get_facts(&r, facts);
	}
	require(&r, r.at == r.end, "there are bytes behind its end");
	require(&r, facts || answer->why.code != CV_OK, "it says nothing");
	if (!memory || r.wrong) {
		if (!memory)
			cv_fail(err, CV_ENOMEM, "out of memory");
		else
			cv_fail(err, CV_EFORMAT, "the reading process gave a damaged answer: %s", r.wrong);
		*answer = (struct cv_answer){ 0 };
		return 0;
	}
	answer->facts = cv_take(facts);
	return record;
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Filling in struct cv_facts: copies owned by its arena, lists with caps. Reads nothing itself. */
#include <chainview/facts.h>
#include "inspect/base/arena.h"

/* The most that one image can make us remember; a snapshot table of 65,536 entries is cut long before. */
#define FACTS_BYTES (1u << 20)
#define LIST_ENTRIES 4096

struct cv_facts *cv_facts_new(void)
{
	struct cv_arena *arena = cv_arena_new(FACTS_BYTES);
	struct cv_facts *f = arena ? calloc(1, sizeof *f) : NULL;

	if (!f) {
		cv_arena_free(arena);
		return NULL;
	}
	f->arena = arena;
	return f;
}

void cv_facts_free(struct cv_facts *f)
{
	if (!f)
		return;
	cv_arena_free(f->arena);
	free(f);
}

bool cv_facts_bytes(struct cv_facts *f, const void *bytes, size_t len, struct cv_bytes *copy)
{
	char *at = cv_arena_dup(f->arena, bytes, len);

	if (!at) {
		f->flags |= CV_FACT_PARTIAL;
		return false;
	}
	*copy = (struct cv_bytes){ at, len };
	return true;
}

/* Room for one more element; the lists double, the old ones stay in the arena until the end. */
static void *next_slot(struct cv_facts *f, void *list, uint32_t count, size_t elem)
{
	void *grown = list;

	if (count >= LIST_ENTRIES) {
		f->flags |= CV_FACT_PARTIAL;
		return NULL;
	}
	if (!(count & (count - 1)) && (count == 0 || count >= 4)) {
		grown = cv_arena_alloc(f->arena, (count ? (size_t)count * 2 : 4) * elem);
		if (!grown)
			f->flags |= CV_FACT_PARTIAL;
		else if (count)
			memcpy(grown, list, count * elem);
	}
	return grown;
}

/* Where an entry of an image points may be so far out that the end is no number: then it ends at the last one. Whoever gets
 * the facts from another process takes no range that wraps, and nothing that comes with it. */
static struct cv_range place(struct cv_range r)
{
	uint64_t room = UINT64_MAX - r.off;

	return (struct cv_range){ r.off, r.len < room ? r.len : room };
}

bool cv_facts_name(struct cv_facts *f, struct cv_name name)
{
	struct cv_name *grown = next_slot(f, f->names, f->name_count, sizeof name);

	if (!grown || !cv_facts_bytes(f, name.text.at, name.text.len, &name.text) ||
	    !cv_facts_bytes(f, name.path.at, name.path.len, &name.path))
		return false;
	name.where = place(name.where);
	f->names = grown;
	f->names[f->name_count++] = name;
	return true;
}

bool cv_facts_find(struct cv_facts *f, struct cv_finding finding)
{
	struct cv_finding *grown = next_slot(f, f->findings, f->finding_count, sizeof finding);

	if (!grown)
		return false;
	for (size_t i = 0; i < CV_FINDING_ARGS; i++)
		if (finding.arg[i].kind == CV_ARG_TEXT &&
		    !cv_facts_bytes(f, finding.arg[i].text.at, finding.arg[i].text.len, &finding.arg[i].text))
			return false;
	finding.where = place(finding.where);
	f->findings = grown;
	f->findings[f->finding_count++] = finding;
	return true;
}

static bool add_attr(struct cv_facts *f, struct cv_attr attr)
{
	struct cv_attr *grown = next_slot(f, f->attrs, f->attr_count, sizeof attr);

	if (!grown)
		return false;
	attr.where = place(attr.where);
	f->attrs = grown;
	f->attrs[f->attr_count++] = attr;
	return true;
}

bool cv_facts_number(struct cv_facts *f, enum cv_attr_id id, uint32_t index, uint64_t n, struct cv_range where)
{
	return add_attr(f, (struct cv_attr){ .id = id, .index = index, .number = n, .where = where });
}

bool cv_facts_text(struct cv_facts *f, enum cv_attr_id id, uint32_t index, struct cv_bytes text, struct cv_range where)
{
	struct cv_attr attr = { .id = id, .index = index, .where = where };

	return cv_facts_bytes(f, text.at, text.len, &attr.text) && add_attr(f, attr);
}

const struct cv_attr *cv_facts_attr(const struct cv_facts *f, enum cv_attr_id id, uint32_t index)
{
	for (uint32_t i = 0; i < f->attr_count; i++)
		if (f->attrs[i].id == id && f->attrs[i].index == index)
			return &f->attrs[i];
	return NULL;
}

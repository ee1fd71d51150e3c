/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The counters of a check: a hash table of small pages. */
#include "inspect/qcow2/qcow2_tally.h"

#define FIRST_SLOTS 1024u
#define CHUNK_PAGES 1023u
#define NEIGHBOURS 16u

static void free_pages(struct cv_tally *t)
{
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].width > 1)
			free(t->slots[i].page);
	while (t->chunks) {
		void *next;

		memcpy(&next, t->chunks, sizeof next);
		free(t->chunks);
		t->chunks = next;
	}
	t->spare = NULL;
}

void cv_tally_fini(struct cv_tally *t)
{
	free_pages(t);
	free(t->slots);
	*t = (struct cv_tally){ .most = t->most };
}

void cv_tally_clear(struct cv_tally *t)
{
	free_pages(t);
	if (t->size)
		memset(t->slots, 0, t->size * sizeof *t->slots);
	t->used = t->held = 0;
	t->last = NULL;
	t->full = t->no_memory = false;
}

/* Neighbours stay together, so that going through a file in order is quick. */
static size_t place_of(const struct cv_tally *t, uint64_t number)
{
	uint64_t group = number / NEIGHBOURS;

	return (size_t)((group * UINT64_C(0x9e3779b97f4a7c15) >> 20) * NEIGHBOURS + number % NEIGHBOURS) & (t->size - 1);
}

static struct cv_tally_slot *find(const struct cv_tally *t, uint64_t number)
{
	size_t i = place_of(t, number);

	while (t->slots[i].page && t->slots[i].number != number)
		i = (i + 1) & (t->size - 1);
	return &t->slots[i];
}

/* Keeps at least a quarter of the slots free. */
static bool make_room(struct cv_tally *t)
{
	struct cv_tally bigger = *t;

	if (t->size && t->used < t->size / 4 * 3)
		return true;
	bigger.size = t->size ? t->size * 2 : FIRST_SLOTS;
	bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
	if (!bigger.slots)
		return false;
	for (size_t i = 0; i < t->size; i++)
		if (t->slots[i].page)
			*find(&bigger, t->slots[i].number) = t->slots[i];
	free(t->slots);
	bigger.last = NULL;
	*t = bigger;
	return true;
}

static struct cv_tally_slot *give_up(struct cv_tally *t, bool no_memory)
{
	t->full = true;
	t->no_memory |= no_memory;
	return NULL;
}

/* A page of a byte for each cluster, all zero. */
static void *new_page(struct cv_tally *t)
{
	void *page = t->spare;

	if (!page) {
		char *chunk = malloc((CHUNK_PAGES + 1) * (size_t)CV_TALLY_PAGE);

		if (!chunk)
			return NULL;
		memcpy(chunk, &t->chunks, sizeof t->chunks);
		t->chunks = chunk;
		for (unsigned i = 1; i <= CHUNK_PAGES; i++) {
			page = chunk + i * (size_t)CV_TALLY_PAGE;
			memcpy(page, &t->spare, sizeof t->spare);
			t->spare = page;
		}
	}
	memcpy(&t->spare, page, sizeof t->spare);
	return memset(page, 0, CV_TALLY_PAGE);
}

static void free_page(struct cv_tally *t, struct cv_tally_slot *slot)
{
	if (slot->width > 1) {
		free(slot->page);
	} else {
		memcpy(slot->page, &t->spare, sizeof t->spare);
		t->spare = slot->page;
	}
}

struct cv_tally_slot *cv_tally_find(struct cv_tally *t, uint64_t number, bool make)
{
	struct cv_tally_slot *slot = t->size ? find(t, number) : NULL;

	if (slot && slot->page)
		return t->last = slot;
	if (!make)
		return NULL;
	if (t->held + CV_TALLY_PAGE > t->most)
		return give_up(t, false);
	if (!make_room(t))
		return give_up(t, true);
	slot = find(t, number);
	*slot = (struct cv_tally_slot){ number, new_page(t), 1 };
	if (!slot->page)
		return give_up(t, true);
	t->used++;
	t->held += CV_TALLY_PAGE;
	return t->last = slot;
}

uint64_t cv_tally_value(const struct cv_tally_slot *slot, unsigned i)
{
	switch (slot->width) {
	case 1:
		return ((const uint8_t *)slot->page)[i];
	case 2:
		return ((const uint16_t *)slot->page)[i];
	default:
		return ((const uint64_t *)slot->page)[i];
	}
}

static void set(struct cv_tally_slot *slot, unsigned i, uint64_t value)
{
	switch (slot->width) {
	case 1:
		((uint8_t *)slot->page)[i] = (uint8_t)value;
		break;
	case 2:
		((uint16_t *)slot->page)[i] = (uint16_t)value;
		break;
	default:
		((uint64_t *)slot->page)[i] = value;
	}
}

static unsigned width_for(uint64_t value)
{
	return value <= UINT8_MAX ? 1 : value <= UINT16_MAX ? 2 : 8;
}

static bool widen(struct cv_tally *t, struct cv_tally_slot *slot, unsigned width)
{
	struct cv_tally_slot wide = { slot->number, NULL, width };

	if (t->held + (width - slot->width) * CV_TALLY_PAGE > t->most) {
		give_up(t, false);
		return false;
	}
	wide.page = calloc(CV_TALLY_PAGE, width);
	if (!wide.page) {
		give_up(t, true);
		return false;
	}
	for (unsigned i = 0; i < CV_TALLY_PAGE; i++)
		set(&wide, i, cv_tally_value(slot, i));
	t->held += (width - slot->width) * CV_TALLY_PAGE;
	free_page(t, slot);
	*slot = wide;
	return true;
}

uint64_t cv_tally_get(struct cv_tally *t, uint64_t cluster)
{
	const struct cv_tally_slot *slot = cv_tally_page(t, cluster >> CV_TALLY_PAGE_BITS, false);

	return slot ? cv_tally_value(slot, cluster % CV_TALLY_PAGE) : 0;
}

void cv_tally_put(struct cv_tally *t, uint64_t cluster, uint64_t value)
{
	struct cv_tally_slot *slot = cv_tally_page(t, cluster >> CV_TALLY_PAGE_BITS, true);

	if (slot && (width_for(value) <= slot->width || widen(t, slot, width_for(value))))
		set(slot, cluster % CV_TALLY_PAGE, value);
}

/* Data may share a cluster (packed data, snapshots), and so may L2 tables (snapshots); nothing else may. */
static bool may_share(uint64_t was, enum cv_tally_kind kind)
{
	return was == CV_TALLY_NOTHING || (was == (uint64_t)kind && kind != CV_TALLY_METADATA);
}

void cv_tally_add(struct cv_tally *t, uint64_t cluster, enum cv_tally_kind kind, uint64_t times)
{
	uint64_t v = cv_tally_get(t, cluster), was = v & CV_TALLY_KIND;

	if (!may_share(was, kind) || (kind == CV_TALLY_METADATA && times > 1))
		v |= CV_TALLY_OVERLAP;
	if ((uint64_t)kind > was)
		v = (v & ~(uint64_t)CV_TALLY_KIND) | kind;
	cv_tally_put(t, cluster, v + (times << CV_TALLY_COUNT_SHIFT));
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint64_t *cv_tally_numbers(const struct cv_tally *t)
{
	uint64_t *list = t->used ? malloc(t->used * sizeof *list) : NULL;
	size_t n = 0;

	for (size_t i = 0; list && i < t->size; i++)
		if (t->slots[i].page)
			list[n++] = t->slots[i].number;
	if (list)
		qsort(list, n, sizeof *list, compare);
	return list;
}

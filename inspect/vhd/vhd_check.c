/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The check of the tables of a VHD: what there is to look at, where the other structures lie, and the order in which
 * the parts work. Where the metadata reader has found the header or the footers wanting, its findings say so, and
 * the tables are left alone: nobody knows where they are.
 */
#include "inspect/vhd/vhd_check.h"
#include <stdio.h>

#define TICK (1u << 20)

static uint64_t whole_sectors(uint64_t bytes)
{
	return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

bool cv_vhd_check_tick(struct vhd_check *k, uint64_t bytes, struct cv_err *err)
{
	k->done += bytes;
	if (k->done - k->told < TICK)
		return true;
	k->told = k->done;
	return cv_checking_tick(k->c, k->done < k->total ? k->done : k->total, k->total, err);
}

/* Blocks may be on their way while a resize is pending: only vhd-util's journal knows which table counts. */
static bool has_tables(const struct vhd_reader *r)
{
	return r->used && cv_vhd_is_good(r->used) && r->used->type != VHD_TYPE_FIXED && r->facts->variant &&
	       r->end.state != VHD_FOOTER_POISONED && r->copy.state != VHD_FOOTER_POISONED && r->header.sums &&
	       r->header.table_sane && r->facts->block_size && r->facts->flags & CV_FACT_SIZE;
}

static int by_offset(const void *a, const void *b)
{
	const struct vhd_place *x = a, *y = b;

	return x->at.off != y->at.off ? (x->at.off > y->at.off) - (x->at.off < y->at.off) : strcmp(x->what, y->what);
}

static void add_place(struct vhd_check *k, uint64_t off, uint64_t len, const char *what)
{
	struct cv_range at = { off, len };

	if (len && cv_range_inside(at, k->c->source->size))
		k->places[k->place_count++] = (struct vhd_place){ at, what };
}

/* Of the space that is set aside for a locator only what its name takes up: some creators misstate the rest. */
static void add_locators(struct vhd_check *k)
{
	static const char *const names[VHD_LOCATORS] = {
		"parent locator 0", "parent locator 1", "parent locator 2", "parent locator 3",
		"parent locator 4", "parent locator 5", "parent locator 6", "parent locator 7",
	};

	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator_disk *d = &k->r.header.disk.locators[i];

		if (cv_vhd_nonzero(d->code, sizeof d->code).len)
			add_place(k, cv_be64_get(d->offset), whole_sectors(cv_be32_get(d->length)), names[i]);
	}
}

static void find_places(struct vhd_check *k)
{
	const struct vhd_header *h = &k->r.header;

	add_place(k, 0, VHD_SECTOR, "the copy of the footer");
	add_place(k, h->where.off, h->where.len, "the dynamic header");
	add_place(k, h->table_offset, whole_sectors(k->entries * 4), "the BAT");
	if (k->r.batmap.present) {
		add_place(k, k->r.batmap.where.off, k->r.batmap.where.len, "the batmap header");
		add_place(k, k->r.batmap.map.off, k->r.batmap.map.len, "the batmap");
	}
	if (k->r.used->type == VHD_TYPE_DIFFERENCING)
		add_locators(k);
	qsort(k->places, k->place_count, sizeof *k->places, by_offset);
	for (size_t i = 0; i < k->place_count; i++)
		if (k->places[i].at.off + k->places[i].at.len > k->places_end)
			k->places_end = k->places[i].at.off + k->places[i].at.len;
}

/* Structures that lie on each other: writing one of them damages the other. */
static void check_places(struct vhd_check *k)
{
	for (size_t i = 0; i < k->place_count; i++)
		for (size_t j = i + 1; j < k->place_count; j++) {
			const struct vhd_place *a = &k->places[i], *b = &k->places[j];
			struct cv_finding f = cv_finding_of(CV_VHD_BAT_OVERLAP);

			if (!cv_ranges_touch(a->at, b->at))
				continue;
			f.has_where = true;
			f.where = b->at;
			f.arg[0] = cv_arg_text(a->what);
			f.arg[1] = cv_arg_text(b->what);
			f.arg[2] = cv_arg_number(b->at.off);
			cv_few_add(&k->overlap, f);
		}
}

/* The BAT is padded to whole sectors with zeros (vhd-util) or like unused entries (everybody else). */
static bool check_padding(struct vhd_check *k, struct cv_err *err)
{
	uint64_t end = k->r.header.table_offset + k->entries * 4, len = whole_sectors(end) - end;
	uint8_t pad[VHD_SECTOR], first;

	if (!len || !cv_range_inside((struct cv_range){ end, len }, k->c->source->size))
		return true;
	if (!cv_source_read(k->c->source, pad, (size_t)len, end, err))
		return cv_wrap(err, "while reading the end of the BAT");
	first = pad[0];
	for (size_t i = 0; i < len; i++)
		if (pad[i] != first || (first != 0 && first != 0xff)) {
			struct cv_finding f = cv_finding_of(CV_VHD_RESERVED_NONZERO);

			f.has_where = true;
			f.where = (struct cv_range){ end, len };
			f.arg[0] = cv_arg_text("end of the BAT");
			cv_facts_find(k->c->facts, f);
			break;
		}
	return true;
}

static void take_sizes(struct vhd_check *k)
{
	const struct vhd_reader *r = &k->r;

	k->size = r->facts->virtual_size;
	k->limit = cv_vhd_has_cookie(&r->end) ? r->end.where.off : k->c->source->size;
	k->block_size = r->facts->block_size;
	k->bitmap_len = (uint32_t)whole_sectors((k->block_size / VHD_SECTOR + 7) / 8);
	k->whole = (uint64_t)k->block_size + k->bitmap_len;
	k->leak = (struct cv_leak){ .disk = { .source = k->c->source }, .whole = k->whole };
	k->entries = r->header.entries;
	k->needed = k->size / k->block_size + (k->size % k->block_size != 0);
	if (k->needed > k->entries)
		k->needed = k->entries;
}

static void tell(struct vhd_check *k)
{
	k->c->corruptions += k->out_of_range.count + k->overlap.count + k->past_end.count;
	cv_few_tell(&k->out_of_range, k->c->facts);
	cv_few_tell(&k->overlap, k->c->facts);
	cv_few_tell(&k->past_end, k->c->facts);
	cv_few_tell(&k->not_full, k->c->facts);
	cv_leak_tell(&k->leak, k->c);
}

static bool look(struct vhd_check *k, struct cv_err *err)
{
	find_places(k);
	check_places(k);
	k->total = 2 * k->entries * 4;
	return check_padding(k, err) && cv_vhd_check_load_batmap(k, err) &&
	       cv_vhd_check_bat(k, err) && cv_vhd_check_order(k, err);
}

static bool check(struct vhd_check *k, struct cv_err *err)
{
	bool ok;

	if (!cv_vhd_read(&k->r, err))
		return false;
	if (!has_tables(&k->r))
		return true;
	take_sizes(k);
	ok = look(k, err);
	tell(k);
	free(k->full);
	return ok;
}

bool cv_vhd_check(struct cv_checking *c, struct cv_err *err)
{
	struct vhd_check *k = calloc(1, sizeof *k);
	struct cv_facts *seen = cv_facts_new();
	bool ok;

	if (k && seen) {
		k->c = c;
		k->r = (struct vhd_reader){ .source = c->source, .facts = seen };
		ok = check(k, err);
	} else {
		ok = cv_fail(err, CV_ENOMEM, "out of memory");
	}
	cv_facts_free(seen);
	free(k);
	return ok;
}

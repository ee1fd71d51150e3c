/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The table of internal snapshots of QCOW2: the first ones as attributes, all of them (up to a cap) for the
 * question whether one holds the state of a running machine. Does not look into their L1 tables.
 */
#include "inspect/qcow2/reading.h"
#include "inspect/qcow2/records.h"
#include <stdio.h>

struct snapshot {
	struct cv_range l1, where;           /* where: the record in the file, without padding */
	uint64_t vm_state_size, disk_size;
	uint32_t extra_len, seconds;
	bool has_disk_size;
	struct cv_bytes id, name;
};

/* The record's length without padding; it may be longer than the table. */
static uint64_t record_length(const struct cv_qcow2_snapshot_disk *d)
{
	return sizeof *d + (uint64_t)cv_be32_get(d->extra_len) + cv_be16_get(d->id_len) + cv_be16_get(d->name_len);
}

/* Decodes a record of which all bytes are in memory. */
static struct snapshot decode(const uint8_t *at, uint64_t len, uint64_t off)
{
	struct cv_qcow2_snapshot_extra_disk extra = { 0 };
	struct cv_qcow2_snapshot_disk d;
	struct snapshot s = { .where = { off, len } };

	memcpy(&d, at, sizeof d);
	s.extra_len = cv_be32_get(d.extra_len);
	memcpy(&extra, at + sizeof d, s.extra_len < sizeof extra ? s.extra_len : sizeof extra);
	s.l1 = (struct cv_range){ cv_be64_get(d.l1_off), (uint64_t)cv_be32_get(d.l1_entries) * 8 };
	s.seconds = cv_be32_get(d.seconds);
	s.vm_state_size = s.extra_len >= sizeof extra.vm_state_size ? cv_be64_get(extra.vm_state_size)
								    : cv_be32_get(d.vm_state_size);
	s.has_disk_size = s.extra_len >= offsetof(struct cv_qcow2_snapshot_extra_disk, icount);
	s.disk_size = cv_be64_get(extra.disk_size);
	s.id = (struct cv_bytes){ (const char *)at + sizeof d + s.extra_len, cv_be16_get(d.id_len) };
	s.name = (struct cv_bytes){ s.id.at + s.id.len, cv_be16_get(d.name_len) };
	return s;
}

static struct cv_range member(const struct snapshot *s, size_t off, size_t len)
{
	return (struct cv_range){ s->where.off + off, len };
}

static void take_attributes(struct cv_facts *f, const struct snapshot *s, uint32_t i)
{
	uint64_t id_off = sizeof(struct cv_qcow2_snapshot_disk) + (uint64_t)s->extra_len;

	cv_facts_text(f, CV_ATTR_QCOW2_SNAPSHOT_ID, i, s->id, member(s, id_off, s->id.len));
	cv_facts_text(f, CV_ATTR_QCOW2_SNAPSHOT_NAME, i, s->name, member(s, id_off + s->id.len, s->name.len));
	cv_facts_number(f, CV_ATTR_QCOW2_SNAPSHOT_TIME, i, s->seconds, member(s, 16, 4));
	cv_facts_number(f, CV_ATTR_QCOW2_SNAPSHOT_VM_STATE, i, s->vm_state_size,
			s->extra_len >= 8 ? member(s, 40, 8) : member(s, 32, 4));
	if (s->has_disk_size)
		cv_facts_number(f, CV_ATTR_QCOW2_SNAPSHOT_DISK_SIZE, i, s->disk_size, member(s, 48, 8));
}

static void check(struct cv_qcow2_reading *r, const struct snapshot *s, uint32_t i)
{
	char what[64];

	snprintf(what, sizeof what, "length of the extra data of snapshot %" PRIu32, i);
	/* Version 3 records hold the size of the VM state and of the disk there; what follows a false count is none. */
	if (s->extra_len > QCOW2_MAX_SNAPSHOT_EXTRA ||
	    (r->h.version >= 3 && !s->has_disk_size && r->h.snapshot_count <= QCOW2_MAX_SNAPSHOTS))
		cv_qcow2_bad_number(r, what, s->extra_len, member(s, 36, 4));
	snprintf(what, sizeof what, "number of L1 entries of snapshot %" PRIu32, i);
	if (s->l1.len / 8 > QCOW2_MAX_L1_ENTRIES) {
		cv_qcow_hostile(r->facts, what, s->l1.len / 8, QCOW2_MAX_L1_ENTRIES, member(s, 8, 4));
		return;
	}
	snprintf(what, sizeof what, "L1 table of snapshot %" PRIu32, i);
	if (s->l1.len)
		cv_qcow2_table(r, what, s->l1, member(s, 0, 8));
}

/* Says why the table could not be read to its end. */
static void take_cut(struct cv_qcow2_reading *r, struct cv_qcow2_records *t, enum cv_qcow2_fit fit, uint64_t upto,
		     uint32_t done)
{
	char text[128];

	if (fit == CV_QCOW2_PAST_END) {
		cv_qcow_table_inside(r->facts, CV_QCW_TABLE_OUT_OF_RANGE, "snapshot table",
				     (struct cv_range){ t->off, upto }, r->source->size, CV_QCOW2_FIELD(snapshot_off));
		return;
	}
	snprintf(text, sizeof text,
		 "only %" PRIu32 " of %" PRIu32 " internal snapshots were looked at, their table is larger than 1 MiB",
		 done, r->h.snapshot_count);
	cv_qcow_found(r->facts, CV_GEN_UNSUPPORTED_FEATURE, CV_QCOW2_FIELD(snapshot_count), cv_arg_text(text),
		      (struct cv_arg){ 0 });
	r->facts->flags |= CV_FACT_PARTIAL;
}

/* Brings the record at pos into memory. *len stays 0 when the table ends here. */
static bool load_record(struct cv_qcow2_reading *r, struct cv_qcow2_records *t, uint64_t pos, uint32_t i, uint64_t *len,
			struct cv_err *err)
{
	uint64_t need = sizeof(struct cv_qcow2_snapshot_disk);
	struct cv_qcow2_snapshot_disk d;

	*len = 0;
	for (int part = 0; part < 2; part++) {
		enum cv_qcow2_fit fit = cv_qcow2_records_fit(t, pos + need);

		if (fit != CV_QCOW2_FITS) {
			take_cut(r, t, fit, pos + need, i);
			return true;
		}
		if (!cv_qcow2_records_load(t, pos + need, err))
			return cv_wrap(err, "while reading the snapshot table");
		memcpy(&d, t->at + pos, sizeof d);
		need = record_length(&d);
	}
	*len = need;
	return true;
}

static bool walk(struct cv_qcow2_reading *r, struct cv_qcow2_records *t, struct cv_err *err)
{
	uint64_t pos = 0, len;

	for (uint32_t i = 0; i < r->h.snapshot_count; i++) {
		struct snapshot s;

		if (!load_record(r, t, pos, i, &len, err))
			return false;
		if (!len)
			return true;
		s = decode(t->at + pos, len, t->off + pos);
		if (s.vm_state_size)
			r->facts->flags |= CV_FACT_VM_STATE;
		if (i < CV_QCOW2_RECORDS_LISTED) {
			take_attributes(r->facts, &s, i);
			check(r, &s, i);
		}
		pos += (len + 7) / 8 * 8;
	}
	return true;
}

bool cv_qcow2_read_snapshots(struct cv_qcow2_reading *r, struct cv_err *err)
{
	CV_AUTO(cv_qcow2_records_fini) struct cv_qcow2_records t = { .source = r->source, .off = r->h.snapshot_off };

	/* QEMU opens no image where even the place of an empty table cannot be; behind the end of the file it can. */
	if (!r->h.snapshot_count && t.off <= INT64_MAX)
		cv_qcow2_aligned(r, "snapshot table", t.off, CV_QCOW2_FIELD(snapshot_off));
	else if (!r->h.snapshot_count)
		cv_qcow2_table(r, "snapshot table", (struct cv_range){ t.off, 0 }, CV_QCOW2_FIELD(snapshot_off));
	if (!r->h.snapshot_count)
		return true;
	r->facts->flags |= CV_FACT_SNAPSHOTS;
	if (!cv_qcow2_table(r, "snapshot table", (struct cv_range){ t.off, sizeof(struct cv_qcow2_snapshot_disk) },
			    CV_QCOW2_FIELD(snapshot_off)))
		return true;
	t.len = r->source->size - t.off;
	return walk(r, &t, err);
}

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Backing file names as QEMU understands them, and the short forms for findings of QCOW v1 and QCOW2.
 * Nothing here follows a name or knows a header layout.
 */
#include "inspect/qcow2/common.h"

void cv_qcow_found(struct cv_facts *f, enum cv_problem_id id, struct cv_range where, struct cv_arg a, struct cv_arg b)
{
	struct cv_finding finding = cv_finding_of(id);

	finding.has_where = true;
	finding.where = where;
	finding.arg[0] = a;
	finding.arg[1] = b;
	cv_facts_find(f, finding);
}

void cv_qcow_hostile(struct cv_facts *f, const char *what, uint64_t n, uint64_t most, struct cv_range where)
{
	struct cv_finding finding = cv_finding_of(CV_GEN_HOSTILE_VALUE);

	finding.has_where = true;
	finding.where = where;
	finding.arg[0] = cv_arg_text(what);
	finding.arg[1] = cv_arg_number(n);
	finding.arg[2] = cv_arg_number(most);
	cv_facts_find(f, finding);
}

bool cv_qcow_table_inside(struct cv_facts *f, enum cv_problem_id id, const char *what, struct cv_range table,
			  uint64_t file_size, struct cv_range where)
{
	struct cv_finding finding = cv_finding_of(id);

	if (cv_range_inside(table, file_size))
		return true;
	finding.has_where = true;
	finding.where = where;
	finding.arg[0] = cv_arg_text(what);
	finding.arg[1] = cv_arg_number(table.off);
	finding.arg[2] = cv_arg_number(table.len);
	finding.arg[3] = cv_arg_number(file_size);
	cv_facts_find(f, finding);
	return false;
}

void cv_qcow_truncated(struct cv_facts *f, const char *what, struct cv_range needed, uint64_t file_size)
{
	struct cv_finding finding = cv_finding_of(CV_GEN_IMAGE_TRUNCATED);

	finding.arg[0] = cv_arg_text(what);
	finding.arg[1] = cv_arg_number(needed.len);
	finding.arg[2] = cv_arg_number(needed.off);
	finding.arg[3] = cv_arg_number(file_size);
	cv_facts_find(f, finding);
}

/* How many bytes come before the first of two; all of them if there is none. */
static size_t span_before(struct cv_bytes text, char one, char other)
{
	size_t n = 0;

	while (n < text.len && text.at[n] != one && text.at[n] != other)
		n++;
	return n;
}

/*
 * A colon before the first slash makes a name a protocol for QEMU ("nbd:...", "json:{...}", but also a plain
 * file called "vm:1.qcow2"). "file:" is the one protocol that means a path; a relative one starts in the folder
 * in which QEMU is started, which nobody knows here.
 */
enum cv_name_kind cv_qcow_name_kind(struct cv_bytes text, struct cv_bytes *path)
{
	static const char file[] = "file:";
	const size_t file_len = sizeof file - 1;
	size_t colon = span_before(text, ':', '/');

	*path = (struct cv_bytes){ text.at, span_before(text, '\0', '\0') };
	if (colon < path->len && text.at[colon] == ':') {
		if (path->len <= file_len || memcmp(text.at, file, file_len)) {
			*path = (struct cv_bytes){ NULL, 0 };
			return CV_NAME_EXTERNAL;
		}
		path->at += file_len;
		path->len -= file_len;
		if (path->at[0] != '/') {
			*path = (struct cv_bytes){ NULL, 0 };
			return CV_NAME_EXTERNAL;
		}
	}
	if (!path->len)
		return CV_NAME_OPAQUE;
	return path->at[0] == '/' ? CV_NAME_ABSOLUTE : CV_NAME_RELATIVE;
}

bool cv_qcow_add_name(struct cv_facts *f, enum cv_name_source source, struct cv_bytes text, struct cv_range where)
{
	struct cv_name name = { .source = source, .where = where };

	/* Padding that a writer counted as part of the name is no part of it. */
	while (text.len && !text.at[text.len - 1])
		text.len--;
	name.text = text;
	name.kind = cv_qcow_name_kind(text, &name.path);
	cv_facts_name(f, name);
	return span_before(text, '\0', '\0') == text.len;
}

/* Why nothing can be read at the place the header gives; NULL if it can. */
static const char *bad_place(struct cv_qcow_backing b, uint64_t file_size)
{
	if (b.where.len > CV_QCOW_MAX_BACKING_NAME)
		return "longer than 1023 bytes";
	if (b.where.off < b.lowest)
		return "inside the header";
	if (!cv_range_inside(b.where, b.limit))
		return "not inside the first cluster";
	if (!cv_range_inside(b.where, file_size))
		return "past the end of the file";
	return b.where.len ? NULL : "empty";
}

bool cv_qcow_read_backing(struct cv_source *source, struct cv_facts *f, struct cv_qcow_backing b, const char **why,
			  struct cv_err *err)
{
	char name[CV_QCOW_MAX_BACKING_NAME];

	f->variant = CV_VARIANT_OVERLAY;
	f->flags |= CV_FACT_PARENT;
	*why = bad_place(b, source->size);
	if (!*why) {
		if (!cv_source_read(source, name, b.where.len, b.where.off, err)) {
			f->flags |= CV_FACT_PARENT_UNREADABLE;
			return cv_wrap(err, "while reading the backing file name");
		}
		if (!name[0])
			*why = "empty";
	}
	if (*why)
		f->flags |= CV_FACT_PARENT_UNREADABLE;
	else if (!cv_qcow_add_name(f, CV_NAME_BACKING_FILE, (struct cv_bytes){ name, b.where.len }, b.where))
		*why = "cut by a NUL byte";
	return true;
}

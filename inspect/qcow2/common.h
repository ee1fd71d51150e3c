/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the readers of QCOW v1 and QCOW2 share: how a backing file name is understood, where it may lie, and
 * the short forms for findings. Knows no header layout.
 */
#ifndef CV_INSPECT_QCOW2_COMMON_H
#define CV_INSPECT_QCOW2_COMMON_H

#include <chainview/facts.h>
#include <chainview/source.h>

#define CV_QCOW_MAX_BACKING_NAME 1023u

/* The bytes of one member of a structure that lies at offset 0 of the image. */
#define CV_QCOW_FIELD(type, member) \
	((struct cv_range){ offsetof(type, member), sizeof(((const type *)0)->member) })

/* A finding with up to two arguments about these bytes of the image. */
void cv_qcow_found(struct cv_facts *f, enum cv_problem_id id, struct cv_range where, struct cv_arg a, struct cv_arg b);

/* hostile-value: "what is n, more than the most that can be meant". */
void cv_qcow_hostile(struct cv_facts *f, const char *what, uint64_t n, uint64_t most, struct cv_range where);

/* True if the table lies inside the file; else finds it out of range. where: the field that points to it. */
bool cv_qcow_table_inside(struct cv_facts *f, enum cv_problem_id id, const char *what, struct cv_range table,
			  uint64_t file_size, struct cv_range where);

/* image-truncated: the file ends before these bytes. */
void cv_qcow_truncated(struct cv_facts *f, const char *what, struct cv_range needed, uint64_t file_size);

/* What QEMU would make of a name: its kind, and the path it would look up (part of text; empty if none). */
enum cv_name_kind cv_qcow_name_kind(struct cv_bytes text, struct cv_bytes *path);

/* Adds a file name to the facts. False if a NUL byte cuts it: only what lies before that is looked up. */
bool cv_qcow_add_name(struct cv_facts *f, enum cv_name_source source, struct cv_bytes text, struct cv_range where);

/* Where a backing file name is said to lie, and where it may. */
struct cv_qcow_backing {
	struct cv_range where;
	uint64_t lowest, limit;
};

/*
 * Sets variant and CV_FACT_PARENT and adds the name. *why is NULL if all is well, else what the name is
 * ("empty", "longer than ..."); if it cannot be had at all, CV_FACT_PARENT_UNREADABLE is set too.
 */
bool cv_qcow_read_backing(struct cv_source *source, struct cv_facts *f, struct cv_qcow_backing b, const char **why,
			  struct cv_err *err);

#endif

/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Small files that other programs keep beside images, recognised by their content: what they say becomes
 * attributes of facts without a format. Runs in the reading process; what follows is decided in inspect/check.
 */
#ifndef CV_INSPECT_BESIDE_BESIDE_H
#define CV_INSPECT_BESIDE_BESIDE_H

#include <chainview/facts.h>
#include <chainview/source.h>

/* More than any of these programs writes. */
#define CV_BESIDE_MOST 16384u

/* Notes what the file says, if it is one that is known. */
void cv_beside_read(struct cv_source *source, struct cv_facts *facts);

/* One kind of file: true if the text was one, and is noted. whole: the text is all of the file. */
typedef bool cv_beside_reader(struct cv_bytes text, bool whole, struct cv_facts *facts);
cv_beside_reader cv_beside_resize;     /* undo journal of a VHD resize (vhd-util) */
cv_beside_reader cv_beside_journal;    /* value of a journal of XenServer / XCP-ng: UUIDs */
cv_beside_reader cv_beside_ovirt;      /* metadata of an oVirt volume */
cv_beside_reader cv_beside_merge;      /* state of a merge of Xen Orchestra */

#endif

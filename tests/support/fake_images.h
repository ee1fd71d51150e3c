/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Small repositories as text, and graphs as text, for tests of the graph. One line for each file:
 *
 *   vhd leaf.vhd id=2 on=1 name=./base.vhd header=base.vhd win=C:\x\base.vhd hidden
 *   qcow2 top.qcow2 back=base.raw fmt=raw data=d.raw
 *   raw disk.raw                     facts of format raw
 *   file notes.txt                   content that no format knows
 *   also top.qcow2 sub/top.qcow2     another path of a file
 *   leads x/../base.qcow2 z/base.qcow2   where a path leads by a link on the way
 *   odd pipe.vhd                     a FIFO
 *   out x/../base.qcow2              a path that leads out of the repository
 *
 * Words for any image: hidden visible failed empty waiting unreadable-parent snapshots bitmaps live size=20M
 * time=SECONDS (recorded of the parent) mtime=SECONDS links=N (hard links elsewhere). vhd: raw-parent. vhdx: or=ID. Paths are below
 * /sr unless they start with "/".
 */
#ifndef CV_TESTS_FAKE_IMAGES_H
#define CV_TESTS_FAKE_IMAGES_H

#include <chainview/graph.h>
#include "tests/support/fake_scan.h"

/* A scan with one repository, /sr, and the files of the text. */
struct cv_scan *fake_images(const char *text);
void fake_images_add(struct cv_scan *scan, const char *text);

/* The identity with this number: "aa000000-0000-0000-0000-00000000NNNN" with the number in hex. */
void fake_uuid(uint8_t uuid[16], unsigned id);

/* Builds a graph; ends the program when that fails. */
struct cv_graph *fake_graph(const struct cv_scan *scan, const struct cv_references *refs);

/* The index of the image with this id; ends the program if there is none. */
uint32_t fake_at(const struct cv_graph *g, const char *id);

/*
 * The graph, one line for each image:
 *   leaf.vhd found:base.vhd/both d1 ^base.vhd +0 leaf coalescable parent-cycle!E
 * status[:parent/basis], depth, root, images that stand on it, role, findings in their order (with a letter
 * where the severity is not the usual one). Findings without an image come first: "* name".
 */
void fake_dump(const struct cv_graph *g, struct cv_text *out);

#endif

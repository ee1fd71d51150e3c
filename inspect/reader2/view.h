/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the libraries are shown in place of a file: the same bytes with a VHD footer where and as libvhdi looks for
 * it, with good copies of what a VHDX has twice, and empty parents for chains whose lower images no library reads.
 */
#ifndef CV_INSPECT_READER2_VIEW_H
#define CV_INSPECT_READER2_VIEW_H

#include "inspect/reader2/gate.h"

/* The file of a layer, borrowed from it. */
struct cv_source *cv_view_of(const struct cv_gate_layer *layer, struct cv_err *err);
/* An image without data that the library takes for the parent of the layer. */
struct cv_source *cv_view_empty_parent(const struct cv_gate_layer *layer, struct cv_err *err);

#endif

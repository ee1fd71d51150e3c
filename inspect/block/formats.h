/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Which formats can be opened at block level. A format's own code knows nothing of this list. */
#ifndef CV_INSPECT_BLOCK_FORMATS_H
#define CV_INSPECT_BLOCK_FORMATS_H

#include <chainview/extent.h>

/* NULL: it cannot. A file of its own, so that a test may link a smaller list. */
const struct cv_layer_ops *cv_layer_ops_of(enum cv_format_id format);

/* As cv_layer_open(). lean: it is one of very many, and holds as little of its tables as it can. */
struct cv_layer *cv_layer_open_one(struct cv_source **source, struct cv_source **data_file, enum cv_format_id format,
				   bool lean, struct cv_err *err);

/* The format of which a damaged image without its signature has remains; NONE if there are none that are enough. */
enum cv_format_id cv_remains_of(struct cv_source *source);

#endif

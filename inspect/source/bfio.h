/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * libvhdi and libqcow over our own byte sources: one kind of handle for all of them. It refuses write access
 * and writes. Include this instead of libbfio.h.
 */
#ifndef CV_INSPECT_SOURCE_BFIO_H
#define CV_INSPECT_SOURCE_BFIO_H

/* Without it the Debian headers hide the functions of libvhdi and libqcow that take such a handle. */
#ifndef HAVE_LIBBFIO
#define HAVE_LIBBFIO 1
#endif
#include <libbfio.h>
#include <chainview/source.h>

/*
 * A handle over *source, or NULL with err set. It borrows the source, which must outlive it. Free it with
 * libbfio_handle_free(), after the libvhdi or libqcow file that uses it. One handle for each file object.
 */
libbfio_handle_t *cv_bfio_new(struct cv_source *source, struct cv_err *err);

#endif

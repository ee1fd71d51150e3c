/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Everything libchainview offers. Each header is the manual of its part. */
#ifndef CHAINVIEW_CHAINVIEW_H
#define CHAINVIEW_CHAINVIEW_H

#include <chainview/report.h>
#include <chainview/format.h>

#endif

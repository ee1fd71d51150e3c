/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Everything libchainview offers. Each header is the manual of its part. */
#ifndef CHAINVIEW_CHAINVIEW_H
#define CHAINVIEW_CHAINVIEW_H

#include <chainview/candidates.h>
#include <chainview/dump.h>
#include <chainview/extent.h>
#include <chainview/format.h>
#include <chainview/map.h>
#include <chainview/report.h>
#include <chainview/result.h>
#include <chainview/space.h>
#include <chainview/verify.h>

#endif

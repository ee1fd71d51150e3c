/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* File systems that other hosts may have mounted, too: who has an image open there cannot be seen from here. */
#ifndef CV_REPAIR_PLAN_NETWORK_H
#define CV_REPAIR_PLAN_NETWORK_H

/* What it is, for people ("NFS"); NULL: it is this host's own, as far as that can be told. */
const char *cv_plan_network(const char *path);

#endif

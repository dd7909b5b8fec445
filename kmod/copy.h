/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading pages of shared segments, for the daemon: see copy.c */
#ifndef XPM_COPY_H
#define XPM_COPY_H

#include "xpmem_ctl.h"

/* Request; see xpmem_ctl.h */
long xpm_copy(struct xpmem_ctl_copy *req);

#endif /* XPM_COPY_H */

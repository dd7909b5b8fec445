/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SIGHUP: what of a changed configuration can be taken over without a new start. */
#ifndef XPMD_RELOAD_H
#define XPMD_RELOAD_H

struct xpmd;

void xpmd_reload(struct xpmd *d);

#endif /* XPMD_RELOAD_H */

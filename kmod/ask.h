/* SPDX-License-Identifier: GPL-2.0-only */
/* Faults on remote segments, waiting for pages of other partitions: see ask.c */
#ifndef XPM_ASK_H
#define XPM_ASK_H

#include <linux/types.h>

struct xpm_remote;
struct xpm_window;

/*
 * Has the window's target brought here with the rights it wants; others of the window
 * may come along.  Waits for at most @timeout_ns.  0: the access is worth repeating;
 * -EINTR: current is killed; -ENOENT: the segment is dead; -EFAULT: the daemon says that
 * the page can't be had; -ETIMEDOUT; -ENOMEM.
 */
int xpm_ask(struct xpm_remote *remote, const struct xpm_window *w, u64 timeout_ns);

/* The segment is dead: nobody waits any more. */
void xpm_ask_wake_all(struct xpm_remote *remote);

#endif /* XPM_ASK_H */

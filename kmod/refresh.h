/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what the owner maps into the rmap. */
#ifndef XPM_REFRESH_H
#define XPM_REFRESH_H

struct xpm_segment;
struct xpm_window;

/*
 * Reads the owner's page table of the window, as far as the target's mapping
 * goes, and makes what is there VALID.  The owner's lock is held.
 *
 * 0: stored, whether the target is present or not; -EAGAIN: an invalidation
 * came meanwhile; -EINPROGRESS: one is waiting for others, see notifier.h;
 * -EFAULT: the owner has nothing there; -EOPNOTSUPP: what it has can't be shown;
 * -ENOENT: the segment is dead; -ENOMEM.
 */
int xpm_refresh(struct xpm_segment *segment, const struct xpm_window *w);

#endif /* XPM_REFRESH_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading what the owner maps into the rmap. */
#ifndef XPM_REFRESH_H
#define XPM_REFRESH_H

#include <linux/types.h>

struct vm_area_struct;
struct xpm_segment;
struct xpm_window;

/*
 * What is known of the owner from one refresh to the next, as long as its lock is
 * held.  Of a new one only @segment is set.
 */
struct xpm_reading {
	struct xpm_segment *segment;
	struct vm_area_struct *vma;	/* of the last target, or NULL */
	unsigned long seq;		/* before the first look at its pages; never 0 */
	const struct xpm_window *w;	/* of the last */
};

/*
 * Reads the owner's page table of the window, as far as the target's mapping
 * goes, and makes what is there VALID.  The owner's lock is held.  What follows an
 * error begins with a new reading.
 *
 * 0: stored, whether the target is present or not; -EAGAIN: an invalidation
 * came meanwhile; -EINPROGRESS: one is waiting for others, see notifier.h;
 * -EFAULT: the owner has nothing there; -EOPNOTSUPP: what it has can't be shown;
 * -ENOENT: the segment is dead; -ENOMEM.
 */
int xpm_refresh(struct xpm_reading *r, const struct xpm_window *w);

#endif /* XPM_REFRESH_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Recalls of what other partitions have: see recall.c */
#ifndef XPM_RECALL_H
#define XPM_RECALL_H

struct xpm_segment;

/*
 * A segment is shared, or not any more: as long as there is one, this is the
 * subscriber of xpm_rmap_notifier for REMOTE.  -EBUSY: somebody else is.
 */
int xpm_recall_begin(void);
void xpm_recall_end(void);

/* The segment, which was shared, is dead: has the daemon know */
void xpm_recall_gone(struct xpm_segment *segment);

#endif /* XPM_RECALL_H */

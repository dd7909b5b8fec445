/* SPDX-License-Identifier: GPL-2.0-only */
/* What the VM does to the owner's pages, followed: see notifier.c */
#ifndef XPM_NOTIFIER_H
#define XPM_NOTIFIER_H

struct mm_struct;
struct xpm_segment;

int xpm_notifier_init(void);
void xpm_notifier_exit(void);

/*
 * Subscribes the segment to its range of @mm, whose mm_users the caller holds
 * and whose mmap_lock it does not: the call takes it.  From here invalidations
 * arrive, concurrently.
 */
int xpm_notifier_insert(struct xpm_segment *segment, struct mm_struct *mm);

/* Ends the subscription; waits for callbacks that run.  No lock held. */
void xpm_notifier_remove(struct xpm_segment *segment);

/* Makes the segment dead, empties all attachers' page tables, then removes. */
void xpm_notifier_kill(struct xpm_segment *segment);

/* Empties the page tables of all attachments of the segment. No lock held. */
void xpm_notifier_zap_all(struct xpm_segment *segment);

#endif /* XPM_NOTIFIER_H */

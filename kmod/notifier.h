/* SPDX-License-Identifier: GPL-2.0-only */
/* What the VM does to the owner's pages, followed: see notifier.c */
#ifndef XPM_NOTIFIER_H
#define XPM_NOTIFIER_H

#include <linux/types.h>

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

/* Makes the segment dead, has all that is held of it let go, then removes. */
void xpm_notifier_kill(struct xpm_segment *segment);

/*
 * Whether an invalidation of the segment's process waits for others than attachments.
 * Then nothing should be looked up in the owner (mmu_interval_read_begin would
 * wait, with locks held) before the second function has returned 0: it waits,
 * with no lock held; -ERESTARTSYS: current is killed.
 */
bool xpm_notifier_recalls(struct xpm_segment *segment);
int xpm_notifier_wait_recalls(struct xpm_segment *segment);

#endif /* XPM_NOTIFIER_H */

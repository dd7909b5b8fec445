/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The owner's side of a fault: holding its address space, and having the VM fault
 * pages into its page tables.  refresh.c reads these.
 */
#ifndef XPM_OWNER_H
#define XPM_OWNER_H

#include <linux/types.h>

struct mm_struct;
struct vm_area_struct;
struct xpm_segment;
struct xpm_window;

/* Whether memory of this kind can be shown to others at all; the owner's lock is held */
bool xpm_owner_can_show(struct vm_area_struct *vma);

/*
 * Takes the owner's mmap_lock for reading and keeps the address space alive.
 * @held is the address space whose mmap_lock the caller holds, or NULL: with
 * one held, another is not waited for, -EAGAIN.  -ENOENT: the owner is gone.
 * -EINTR: killed.
 */
int xpm_owner_lock(struct xpm_segment *segment, struct mm_struct *held);
void xpm_owner_unlock(struct xpm_segment *segment, struct mm_struct *held);

/*
 * Has the VM fault the target into the owner, whose lock is held (@held was NULL),
 * and which may be dropped meanwhile.  It is held on success alone.  -EFAULT: the
 * owner has nothing there, or may not access it so itself, or it is poisoned;
 * -EOPNOTSUPP as above; -ENOMEM; -EINTR: killed.
 */
int xpm_owner_populate(struct xpm_segment *segment, const struct xpm_window *w);

/*
 * The same with the locks of owner and attacher held throughout: -EFAULT also where
 * it would have to wait for user space, or for a file that may be user space.
 */
int xpm_owner_populate_nowait(struct xpm_segment *segment, const struct xpm_window *w);

/*
 * Whether what the owner has around the target is in pages of 1 GiB, or will be when it
 * is accessed.  Its lock is held.
 */
bool xpm_owner_has_giants(struct xpm_segment *segment, const struct xpm_window *w);

/*
 * Whether pages [first, last] are all one mapping of a kind that can't be shown,
 * as far as can be seen without waiting for the owner.  No lock held.
 */
bool xpm_owner_cannot_show(struct xpm_segment *segment, unsigned long first, unsigned long last);

#endif /* XPM_OWNER_H */

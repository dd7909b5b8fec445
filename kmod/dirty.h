/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty rule.  An attacher's page table entry has no page to carry its dirty
 * bit to when it is taken away, so the page is made dirty before write access is
 * granted.  What cleans a page (writeback, MADV_FREE, swapping out) invalidates
 * it first, which takes the access back; the next write is granted anew.
 */
#ifndef XPM_DIRTY_H
#define XPM_DIRTY_H

#include <linux/types.h>

/*
 * Which of the pages of @writable may be written: the bits of those that are dirty
 * or were made so here.  Frame numbers are in @pfn, by number of the bit; the pages
 * are VALID: they stay while rmap.lock is held.
 *
 * Those of @wanted are about to be written.  Others are only made dirty where that
 * costs nothing, not where the VM could drop a clean page: one that the owner gave
 * up (MADV_FREE), or one with a good copy in swap.
 *
 * A clean page of a file that is written back is not made dirty: its file system is
 * just about to do so for the owner's own store (the VM maps it writable first), and
 * must do so itself, which may sleep.
 */
u64 xpm_dirty_pages(const unsigned long *pfn, u64 writable, u64 wanted);

#endif /* XPM_DIRTY_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty rule.  An attacher's page table entry has no page to carry its dirty
 * bit to when it is taken away, so a page is dirty, or the owner's own entry of it
 * is, before write access is granted.  What cleans either (writeback, MADV_FREE,
 * swapping out) invalidates the page first, which takes the access back; the next
 * write is granted anew.
 */
#ifndef XPM_DIRTY_H
#define XPM_DIRTY_H

#include <linux/types.h>

struct folio;

/*
 * Whether the page, which its owner maps writable with an entry that is not dirty,
 * may be written: it is dirty or was made so here.  It stays while this runs.
 *
 * One that is @wanted is about to be written.  Others are only made dirty where that
 * costs nothing, not where the VM could drop a clean page: one that the owner gave
 * up (MADV_FREE), or one with a good copy in swap.
 *
 * A clean page of a file that is written back is not made dirty: its file system is
 * just about to do so for the owner's own store (the VM maps it writable first), and
 * must do so itself, which may sleep.
 */
bool xpm_make_dirty(struct folio *folio, bool wanted);

#endif /* XPM_DIRTY_H */

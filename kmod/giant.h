/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries of 1 GiB, see giant.c; where the kernel has none, all of it says so. */
#ifndef XPM_GIANT_H
#define XPM_GIANT_H

#include <linux/errno.h>
#include <linux/mm_types.h>

#include "window.h"

#ifdef CONFIG_ARCH_SUPPORTS_PUD_PFNMAP

/*
 * Whether an entry of 1 GiB could show page @target, as far as addresses tell, and its
 * place is free or has one.  The attacher's mmap_lock, or the lock of the mapping, is
 * held.
 */
bool xpm_giant_fits(struct vm_area_struct *vma, unsigned long target);

/* For page @target, which it has to fit */
struct xpm_window xpm_giant_window(struct vm_area_struct *vma, unsigned long target, bool write);

/*
 * For xpm_insert(), which see; *entries: pages that are mapped now and were not.
 * -ERANGE: the target is VALID, but what is around it can't be shown so.
 */
int xpm_giant_insert(struct vm_area_struct *vma, struct xpm_window *w, unsigned int *entries);

/*
 * The same with a look at the owner, if its lock is free and it has memory of such
 * pages there; -ERANGE also where it has other.
 */
int xpm_giant_insert_or_refresh(struct vm_area_struct *vma, struct xpm_window *w);

/*
 * A free place for @length bytes, congruent to page @page modulo 1 GiB; an error where
 * they don't span that, or there is none.
 */
unsigned long xpm_giant_place(struct file *file, unsigned long length, unsigned long page,
			      unsigned long flags);

/*
 * Takes them out of all mappings of the attachment of @vma, which are about to be
 * split, moved or protected; mmap_lock is held for writing.
 */
void xpm_giant_take_out(struct vm_area_struct *vma);

#else

static inline bool xpm_giant_fits(struct vm_area_struct *vma, unsigned long target)
{
	return false;
}

static inline struct xpm_window xpm_giant_window(struct vm_area_struct *vma, unsigned long target,
						 bool write)
{
	return xpm_window_from(vma, target, target + 1, write);
}

static inline int xpm_giant_insert(struct vm_area_struct *vma, struct xpm_window *w,
				   unsigned int *entries)
{
	return -ERANGE;
}

static inline int xpm_giant_insert_or_refresh(struct vm_area_struct *vma, struct xpm_window *w)
{
	return -ERANGE;
}

static inline unsigned long xpm_giant_place(struct file *file, unsigned long length,
					    unsigned long page, unsigned long flags)
{
	return -ENOMEM;
}

static inline void xpm_giant_take_out(struct vm_area_struct *vma)
{
}

#endif

#endif /* XPM_GIANT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Mapping into attachments what is VALID, and the opposite at their end. */
#ifndef XPM_INSERT_H
#define XPM_INSERT_H

#include <linux/mm_types.h>

struct xpm_window;

/*
 * Maps what is VALID of the window.  0: the target is mapped with the rights asked
 * for, or the access will see when it is repeated; -EAGAIN: it is not VALID with
 * these; -ENOENT: segment or permit are dead; -EFAULT: the attacher's entry is
 * taken; -ENOMEM; -ERANGE: it is VALID, but can't be shown by an entry of 1 GiB, which
 * the window wants.  The attacher's mmap_lock is held.
 */
int xpm_insert(struct vm_area_struct *vma, struct xpm_window *w);

/*
 * Takes all small pages out of a mapping that is about to be unmapped, which the VM
 * would do one by one.  Its mmap_lock is held for reading.
 */
void xpm_insert_undo(struct vm_area_struct *vma);

#endif /* XPM_INSERT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* An attachment: a mapping that shows a part of a segment. */
#ifndef XPM_ATTACHMENT_H
#define XPM_ATTACHMENT_H

#include <linux/mm_types.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>

#include "window.h"
#include "xpmem_ioctl.h"

struct xpm_permit;
struct xpm_process;
struct xpm_user;

/*
 * Every vma of an attachment (one, until it is split) has it as vm_private_data
 * and holds a reference.
 */
struct xpm_attachment {
	refcount_t ref;
	atomic_t vmas;
	struct rw_semaphore tables;	/* insert.c */
	bool giants;			/* may have entries of 1 GiB; giant.c */
	unsigned long addr;		/* where one of its vmas was last seen */
	struct xpm_permit *permit;	/* held */
	struct xpm_user *user;		/* charged */
	struct list_head link;		/* in permit->attachments while it has vmas */
	struct xpm_reaches reaches;	/* last: of a size of its own */
};

/* Requests; see xpmem_ioctl.h */
long xpm_attachment_attach(struct xpm_process *process, struct xpmem_ioc_attach *req);
long xpm_attachment_detach(struct xpm_process *process, u64 vaddr);

/* The attachment of a vma, or NULL when it is another kind of mapping. */
struct xpm_attachment *xpm_attachment_of(struct vm_area_struct *vma);

/*
 * For permit.c: a new file to map, and unmapping all attachments of a permit.
 * False when some remain and can still be accessed: only the process itself can
 * unmap them.
 */
struct file *xpm_attachment_file(struct xpm_permit *permit);
bool xpm_attachment_unmap_all(struct xpm_permit *permit);

#endif /* XPM_ATTACHMENT_H */

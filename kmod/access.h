/* SPDX-License-Identifier: GPL-2.0-only */
/* Attached memory as a debugger sees it: see access.c */
#ifndef XPM_ACCESS_H
#define XPM_ACCESS_H

struct vm_area_struct;

/* ->access of attachments */
int xpm_access(struct vm_area_struct *vma, unsigned long addr, void *buffer, int length,
	       int write);

#endif /* XPM_ACCESS_H */

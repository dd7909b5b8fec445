/* SPDX-License-Identifier: GPL-2.0-only */
/* Faults of attachments, and faulting in by request. */
#ifndef XPM_FAULT_H
#define XPM_FAULT_H

#include <linux/mm_types.h>

#include "xpmem_ioctl.h"

/* ->fault and ->pfn_mkwrite of attachments */
vm_fault_t xpm_fault(struct vm_fault *vmf);

/* ->huge_fault: entries of 1 GiB, where the kernel allows them */
vm_fault_t xpm_huge_fault(struct vm_fault *vmf, unsigned int order);

/* Request; see xpmem_ioctl.h */
long xpm_fault_prefault(struct xpmem_ioc_prefault *req);

#endif /* XPM_FAULT_H */

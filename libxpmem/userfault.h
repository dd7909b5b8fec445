/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A userfaultfd of this process: who has it learns of accesses to memory and decides
 * what is there.
 */
#ifndef XPMEM_USERFAULT_H
#define XPMEM_USERFAULT_H

#include <stddef.h>
#include <stdint.h>

/*
 * Open one with the features that xpmem_owner.h names.  Returns it, or -EPERM: the
 * process may not; -EOPNOTSUPP: the kernel can't; another -errno.
 */
int userfault_open(void);

/* Trap missing pages and stores in [start, end).  Returns 0 or -errno. */
int userfault_register(int fd, uintptr_t start, uintptr_t end);
/* Trap stores to what is there in [start, end), which is registered. */
int userfault_protect(int fd, uintptr_t start, uintptr_t end);
void userfault_unregister(int fd, uintptr_t start, uintptr_t end);

/* Have all threads that wait for a page fault anew. */
void userfault_wake_all(int fd);

/*
 * Read and drop what there is to read.  Threads that unmap or move memory go on;
 * those that wait for a page wait until userfault_wake_all.
 */
void userfault_drain(int fd);

#endif /* XPMEM_USERFAULT_H */

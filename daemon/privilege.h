/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the process may do, and what may be done to it. */
#ifndef XPMD_PRIVILEGE_H
#define XPMD_PRIVILEGE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The kernel must be able to go on without waiting for the daemon's memory, as it may
 * be waiting for the daemon: nothing of it is paged out, its allocations write nothing
 * back, and it is not what is killed when memory is short.  What is refused is logged, if @tell.
 */
void xpmd_privilege_pin(bool tell);

/*
 * How a process that the daemon forked begins: with this name, without the daemon's
 * handlers of signals, and leaving no core file.
 */
void xpmd_privilege_helper(const char *name);

/* Nothing but @keep, of the permitted, effective and bounding sets: 0 or -errno */
int xpmd_privilege_keep(uint64_t keep);

/*
 * Gives up all capabilities: becoming a user, for whom a credential is made, is another
 * process's (auth.h).  0 or -errno
 */
int xpmd_privilege_drop(void);

#endif /* XPMD_PRIVILEGE_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What xpmemd-net keeps of the system when it begins to listen to others. */
#ifndef XPMD_NET_SANDBOX_H
#define XPMD_NET_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct xpmd_net_sandbox {
	uid_t uid;			/* to become, if it is root */
	gid_t gid;
	uint64_t descriptors, memory;	/* at most what it will have */
	uint64_t threads;		/* with a fabric */
	bool fabric;			/* with what its libraries and devices need */
};

/*
 * Whether a fabric can be let in: only where Landlock can keep all other files out.  The
 * log is told if not.
 */
bool xpmd_net_sandbox_takes_fabric(void);

/*
 * Becomes that user, in an empty directory but for a fabric, and gives up capabilities;
 * with a fabric also all files but its own.  After it, whom the kernel takes the process
 * for does not change if there is a fabric.  0, or -errno with the log told why; then
 * it must end.
 */
int xpmd_net_sandbox_begin(const struct xpmd_net_sandbox *sandbox);

/*
 * Gives up all files if there is no fabric, which @sandbox may say only now, and all
 * system calls but those that are needed.  As above.
 */
int xpmd_net_sandbox_end(const struct xpmd_net_sandbox *sandbox);

#endif /* XPMD_NET_SANDBOX_H */

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What xpmemd-net keeps of the system when it begins to listen to others. */
#ifndef XPMD_NET_SANDBOX_H
#define XPMD_NET_SANDBOX_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Becomes that user in an empty directory, if it is root; gives up capabilities, files and
 * all system calls but those that connections need.  @descriptors and @memory are at
 * most what it will have.  0, or -errno with the log told why; then it must end.
 */
int xpmd_net_sandbox(uid_t uid, gid_t gid, uint64_t descriptors, uint64_t memory);

#endif /* XPMD_NET_SANDBOX_H */

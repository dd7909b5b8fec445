/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closes descriptors that a user had a hand in, without making the loop wait.
 *
 * The last close of a userfaultfd waits for its owner's mmap_lock, and may have to tear
 * down what is left of the address space.  Either may be waiting for an answer of the
 * loop (a recall).  That of another file takes as long as its user likes: a socket
 * lingers.  And with a socket goes what was sent to it and never received.
 *
 * So each is closed by a thread of its own.  A user has few of these at once, the rest
 * of his waits: so one user's do not hold up another's.
 */
#ifndef XPMD_CLOSER_H
#define XPMD_CLOSER_H

#include <sys/types.h>

/* @uid: of who is at the other end */
void xpmd_closer_close(int fd, uid_t uid);

/* How many were handed over and are not closed yet */
unsigned int xpmd_closer_pending(void);

#endif /* XPMD_CLOSER_H */

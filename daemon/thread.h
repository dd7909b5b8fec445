/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads of the daemon beside its loop: detached, as they may hang in what an owner
 * holds and nobody waits for them; with little stack; and without signals, which are the
 * loop's.
 */
#ifndef XPMD_THREAD_H
#define XPMD_THREAD_H

/* 0 or -errno */
int xpmd_thread_start(void *(*function)(void *), void *argument);

#endif /* XPMD_THREAD_H */

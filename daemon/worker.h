/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is done to the pages of one segment in its owner, by two threads:
 *
 *  - the worker makes jobs one after the other, in the order they were queued;
 *  - the resolver lets the owner go on at pages that are nobody's business.  It is
 *    another one because the worker itself causes such faults, of fresh pages that it
 *    has the owner populate, and waits until they are resolved.
 *
 * Both wait while no userfaultfd is there.  The threads end by themselves: they may
 * hang in the owner's mmap_lock, and nobody waits for them.
 */
#ifndef XPMD_WORKER_H
#define XPMD_WORKER_H

#include "job.h"

struct xpmd_kchannel;
struct xpmd_traps;
struct xpmd_uffd;
struct xpmd_worker;

int xpmd_worker_new(struct xpmd_worker **ret, struct xpmd_kchannel *channel, int64_t segid,
		    uint64_t start, uint64_t pages, struct xpmd_results *results);
/* All jobs come back as results; those that were not begun at once, with error ENOENT. */
void xpmd_worker_stop(struct xpmd_worker *worker);

/* NULL: the owner's helper is not connected.  Takes no reference of the caller's. */
void xpmd_worker_connect(struct xpmd_worker *worker, struct xpmd_uffd *uffd);
/* Threads that wait in [address, + bytes) look again what is there.  Waits for nothing. */
void xpmd_worker_wake(struct xpmd_worker *worker, uint64_t address, uint64_t bytes);
void xpmd_worker_queue(struct xpmd_worker *worker, struct xpmd_job *job);
/* Of the resolver's, but after all that the worker has to do already */
void xpmd_worker_queue_behind(struct xpmd_worker *worker, struct xpmd_job *job);
/* Before all others: a job that the helper has done its part of */
void xpmd_worker_queue_again(struct xpmd_worker *worker, struct xpmd_job *job);
struct xpmd_traps *xpmd_worker_traps(struct xpmd_worker *worker);
/*
 * Whether the owner has a page of hugetlb there, as far as is known.  Pages of the segment
 * in the 2 MiB around @address: [*first_ret, *end_ret)
 */
bool xpmd_worker_huge(const struct xpmd_worker *worker, uint64_t address, uint64_t *first_ret,
		      uint64_t *end_ret);

/* How many threads of workers there are: the daemon ends when none is left, or late. */
unsigned int xpmd_worker_threads(void);

#endif /* XPMD_WORKER_H */

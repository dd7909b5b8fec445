/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Times of several partitions, on the clock of rank 0's.
 *
 * Elsewhere that clock is asked over TCP ($XPMEM_CLOCK, host:port of rank 0, where it
 * is served) before and after the operations: when the answer T came between t0 and t1 of the own
 * clock, that was T - t1 to T - t0 behind.  Between the two measurements these bounds
 * widen by the drift that two clocks may have.  An operation's start is taken for the
 * earliest, its end for the latest that it can have been: so it is never taken for
 * shorter than it was, and whatever linearize refuses was really wrong.
 */
#ifndef CLUSTER_CLOCK_H
#define CLUSTER_CLOCK_H

#include "cluster.h"

/* rank 0's clock less the own, at @at of the own */
struct clock_offset {
	int64_t low, high;
	int64_t at;
};

extern uint64_t clock_drift_ppm;

/* On rank 0's partition: answers all who ask, from a thread of its own. */
void clock_serve(void);
/* Where rank 0 is, that is known and not asked. */
struct clock_offset clock_measure(const struct cluster *cluster);
/* The earliest, or latest, that @own of the own clock is on rank 0's; @same: it is that */
int64_t clock_reference(const struct clock_offset of[2], uint64_t own, bool latest, bool same);

/*
 * From now on *late grows by the time in which this partition did not run, in ns: a guest
 * is a program on a machine with other work.  Measured by a thread that does nothing but
 * sleep shortly, by how late it wakes, if that is more than 25 ms.
 */
void clock_watch(_Atomic(uint64_t) *late);

#endif /* CLUSTER_CLOCK_H */

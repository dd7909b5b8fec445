/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of the whole module, a CPU each; /proc/xpmem/counters shows their
 * sums.  What is counted per segment stands in struct xpm_segment.
 */
#ifndef XPM_STATS_H
#define XPM_STATS_H

#include <linux/percpu.h>

enum xpm_stat {
	/* How many there are: added and subtracted, maybe on different CPUs */
	XPM_STAT_SEGMENTS,	/* not removed */
	XPM_STAT_PERMITS,	/* not released */
	XPM_STAT_ATTACHMENTS,	/* with a mapping */
	XPM_STAT_PROCESSES,	/* address spaces known to the module */
	XPM_STAT_USERS,
	XPM_STAT_LEAVES,	/* of reverse maps */
	XPM_STAT_BLOCKS,	/* the same, for huge pages */
	XPM_STAT_REMOTES,	/* segments of other partitions */
	XPM_STAT_REPLICAS,	/* pages of theirs */
	/* What happened since the module was loaded */
	XPM_STAT_MAKES,
	XPM_STAT_GETS,
	XPM_STAT_ATTACHES,
	XPM_STAT_FAULTS,	/* that mapped something */
	XPM_STAT_FAULT_PAGES,	/* that these mapped */
	XPM_STAT_REFRESHES,	/* looks at an owner's page table */
	XPM_STAT_POPULATES,	/* pages faulted in for an owner */
	XPM_STAT_INVALIDATIONS,	/* calls by the VM for a range of a segment */
	XPM_STAT_INVALIDATED_EXTERNAL,	/* those that had something to take away */
	XPM_STAT_REFUSED_NONBLOCK,	/* those that could not, as they may not sleep */
	XPM_STAT_ZAPS,		/* times attachments' page tables were emptied of a range */
	XPM_STAT_RECALLS,	/* times another subscriber was waited for */
	XPM_STAT_AGED,		/* pages taken from attachments to see whether they are used */
	XPM_STAT_ACCESSES,	/* pages read or written by a debugger */
	XPM_STAT_FENCES,	/* daemons that did not answer a recall */
	XPM_STAT_COPIES,	/* pages copied for other partitions */
	XPM_STAT_ASKS,		/* faults that asked another partition */
	XPM_STAT_INSTALLS,	/* pages that came from there */
	XPM_STAT_TAKES,		/* pages that were taken back, or made read-only */
	XPM_STAT_LEASE_ENDS,	/* times all of a home's were taken from processes */
	XPM_STAT_EVICTIONS,	/* pages dropped for want of memory */
	XPM_NR_STATS,
};

struct xpm_stats {
	long count[XPM_NR_STATS];
};

DECLARE_PER_CPU(struct xpm_stats, xpm_stats);

static inline void xpm_stats_add(enum xpm_stat stat, long n)
{
	this_cpu_add(xpm_stats.count[stat], n);
}

/* As /proc shows it, and its name there */
long xpm_stats_sum(enum xpm_stat stat);
const char *xpm_stats_name(enum xpm_stat stat);

#endif /* XPM_STATS_H */

// SPDX-License-Identifier: GPL-2.0-only
/* Counters of the whole module; see stats.h. */
#include "stats.h"

#include <linux/cpumask.h>

DEFINE_PER_CPU(struct xpm_stats, xpm_stats);

static const char *const names[XPM_NR_STATS] = {
	[XPM_STAT_SEGMENTS] = "segments",
	[XPM_STAT_PERMITS] = "permits",
	[XPM_STAT_ATTACHMENTS] = "attachments",
	[XPM_STAT_PROCESSES] = "processes",
	[XPM_STAT_USERS] = "users",
	[XPM_STAT_LEAVES] = "leaves",
	[XPM_STAT_BLOCKS] = "blocks",
	[XPM_STAT_REMOTES] = "remotes",
	[XPM_STAT_REPLICAS] = "replicas",
	[XPM_STAT_MAKES] = "makes",
	[XPM_STAT_GETS] = "gets",
	[XPM_STAT_ATTACHES] = "attaches",
	[XPM_STAT_FAULTS] = "faults",
	[XPM_STAT_FAULT_PAGES] = "fault_pages",
	[XPM_STAT_REFRESHES] = "refreshes",
	[XPM_STAT_POPULATES] = "populates",
	[XPM_STAT_INVALIDATIONS] = "invalidations",
	[XPM_STAT_INVALIDATED_EXTERNAL] = "invalidated_external",
	[XPM_STAT_REFUSED_NONBLOCK] = "refused_nonblock",
	[XPM_STAT_ZAPS] = "zaps",
	[XPM_STAT_RECALLS] = "recalls",
	[XPM_STAT_AGED] = "aged",
	[XPM_STAT_ACCESSES] = "accesses",
	[XPM_STAT_FENCES] = "fences",
	[XPM_STAT_COPIES] = "copies",
	[XPM_STAT_ASKS] = "asks",
	[XPM_STAT_INSTALLS] = "installs",
	[XPM_STAT_TAKES] = "takes",
	[XPM_STAT_LEASE_ENDS] = "lease_ends",
	[XPM_STAT_EVICTIONS] = "evictions",
};

long xpm_stats_sum(enum xpm_stat stat)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(xpm_stats, cpu).count[stat]);
	return sum;
}

const char *xpm_stats_name(enum xpm_stat stat)
{
	return names[stat];
}

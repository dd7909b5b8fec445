/* SPDX-License-Identifier: GPL-2.0-or-later */
/* On which NUMA nodes an owner's pages are */
#ifndef CLI_NUMA_H
#define CLI_NUMA_H

#include <stdint.h>

#include "cli.h"
#include "segments.h"

#define NUMA_NODES_MAX 64

struct placement {
	uint64_t bytes[NUMA_NODES_MAX];	/* on each node */
	int nodes;			/* the highest with any, and one */
	bool estimated;			/* so large that not each page was asked for */
};

/* 0 or a negative errno: EPERM: the caller may not ask for this process */
int numa_placement(const struct cli *cli, const struct segment *segment,
		   struct placement *placement);

#endif /* CLI_NUMA_H */

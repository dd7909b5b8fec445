/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What xpmem topo shows: partitions, this one's NUMA nodes, on which of them segments
 * are, and which processes have them attached.
 */
#ifndef CLI_TOPO_H
#define CLI_TOPO_H

#include <stdint.h>

#include "cli.h"
#include "segments.h"

struct topo_node {
	int number;		/* -1: not known where, or nowhere */
	uint64_t bytes;
	int cpus;
};

struct topo_edge {		/* a process has so much of a segment attached */
	const struct attachment *first;
	uint64_t bytes;
	bool writable;
};

struct topo {
	char name[64];		/* of this partition */
	long long partition;	/* 0: it has no number */
	struct topo_node *nodes;	/* by number; the last is -1 */
	size_t nr_nodes;
	struct segments segments;
	int *node_of;		/* each segment's */
	struct attachments attachments;
	struct topo_edge *edges;
	size_t nr_edges;
	json_t *peers;		/* the daemon's partitions, or NULL */
};

/* False: it can't be written. */
bool topo_svg(const struct topo *topo, const char *path);

#endif /* CLI_TOPO_H */

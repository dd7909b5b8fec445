// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * move_pages(2) without nodes moves nothing: it tells where each page is.  What a
 * segment spans but the owner has not mapped is not asked for, as a segment may be
 * the whole address space.  Of more than PAGES_MAX pages each n-th is, and stands for n.
 */
#include "numa.h"

#include <errno.h>
#include <inttypes.h>
#include <numaif.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

#define PAGES_MAX (1UL << 18)
#define AT_ONCE 1024

struct query {
	pid_t pid;
	struct placement *placement;
	uint64_t page, step;		/* bytes, pages */
	void *pages[AT_ONCE];
	unsigned long count;
	int err;
};

static void ask(struct query *query)
{
	int status[AT_ONCE];

	if (query->count && move_pages(query->pid, query->count, query->pages, NULL, status, 0) < 0)
		query->err = -errno;
	for (unsigned long i = 0; i < query->count && !query->err; i++) {
		int node = status[i];

		/* negative: it has no page there */
		if (node < 0 || node >= NUMA_NODES_MAX)
			continue;
		query->placement->bytes[node] += query->step * query->page;
		if (node >= query->placement->nodes)
			query->placement->nodes = node + 1;
	}
	query->count = 0;
}

/* Calls for each part of the segment that the owner has mapped; sums their bytes. */
static uint64_t each_part(const char *maps, const struct segment *segment, struct query *query)
{
	uint64_t start, end, sum = 0;

	for (const char *line = maps; line && *line; line = (line = strchr(line, '\n')) ? line + 1
		: NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			continue;
		if (start < segment->start)
			start = segment->start;
		if (end > segment->end)
			end = segment->end;
		if (start >= end)
			continue;
		sum += end - start;
		for (; query && start < end && !query->err; start += query->step * query->page) {
			query->pages[query->count++] = (void *)(uintptr_t)start;
			if (query->count == AT_ONCE)
				ask(query);
		}
	}
	return sum;
}

int numa_placement(const struct cli *cli, const struct segment *segment,
		   struct placement *placement)
{
	struct query query = { .pid = segment->pid, .placement = placement };
	char *maps;

	memset(placement, 0, sizeof(*placement));
	if (*cli->root)
		return -EOPNOTSUPP;	/* the processes of another machine */
	maps = file_read(cli, "/proc/%d/maps", (int)segment->pid);
	if (!maps)
		return errno == ENOENT ? -ESRCH : -EPERM;
	query.page = (uint64_t)sysconf(_SC_PAGESIZE);
	query.step = each_part(maps, segment, NULL) / query.page / PAGES_MAX + 1;
	placement->estimated = query.step > 1;
	each_part(maps, segment, &query);
	if (!query.err)
		ask(&query);
	free(maps);
	return query.err;
}

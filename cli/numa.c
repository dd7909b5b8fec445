// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Of a mapping that is in the segment as a whole, /proc/PID/numa_maps tells it.  Of one that
 * is not, move_pages(2) without nodes does, which moves nothing and tells where each page is;
 * but not of those that the kernel's NUMA balancing has just made inaccessible in order to
 * see who uses them.  What a segment spans but the owner has not mapped is not asked for, as
 * a segment may be the whole address space.  Of more than PAGES_MAX pages each n-th is, and
 * stands for n.
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

static void add(struct placement *placement, int node, uint64_t bytes)
{
	placement->bytes[node] += bytes;
	if (bytes && node >= placement->nodes)
		placement->nodes = node + 1;
}

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
		add(query->placement, node, query->step * query->page);
	}
	query->count = 0;
}

/*
 * A line "7f12a000 default anon=3 N0=2 N1=1 kernelpagesize_kB=4" of the mapping at @start.
 * Lines are in order of addresses: those before it are of no use to who asks next.
 */
static bool whole(const char **numa_maps, uint64_t start, struct placement *placement)
{
	const char *line = *numa_maps, *word, *end = "";
	uint64_t at = 0, count, kib = 0;
	int node;

	while (line && *line) {
		end = line + strcspn(line, "\n");
		if (sscanf(line, "%" SCNx64, &at) == 1 && at >= start)
			break;
		line = *end ? end + 1 : end;
	}
	*numa_maps = line;
	if (!line || !*line || at != start)
		return false;
	/* Of a mapping without pages the line has no such word. */
	word = strstr(line, " kernelpagesize_kB=");
	if (word && word < end)
		sscanf(word, " kernelpagesize_kB=%" SCNu64, &kib);
	for (word = line; (word = strstr(word, " N")) && word < end; word++)
		if (sscanf(word, " N%d=%" SCNu64, &node, &count) == 2 && node >= 0 &&
		    node < NUMA_NODES_MAX)
			add(placement, node, count * kib << 10);
	return true;
}

/* With @query: of the whole segment. Without: the bytes that move_pages() must be asked for. */
static uint64_t each_part(const char *maps, const char *numa_maps, const struct segment *segment,
			  struct query *query)
{
	struct placement unused = { 0 };
	uint64_t start, end, sum = 0;

	for (const char *line = maps; line && *line; line = (line = strchr(line, '\n')) ? line + 1
		: NULL) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
			continue;
		if (start >= segment->start && end <= segment->end &&
		    whole(&numa_maps, start, query ? query->placement : &unused))
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
	char *maps, *numa_maps;

	memset(placement, 0, sizeof(*placement));
	if (*cli->root)
		return -EOPNOTSUPP;	/* the processes of another machine */
	maps = file_read(cli, "/proc/%d/maps", (int)segment->pid);
	if (!maps)
		return errno == ENOENT ? -ESRCH : -EPERM;
	/* Without it, in a kernel that has no NUMA, all is asked for. */
	numa_maps = file_read(cli, "/proc/%d/numa_maps", (int)segment->pid);
	query.page = (uint64_t)sysconf(_SC_PAGESIZE);
	query.step = each_part(maps, numa_maps, segment, NULL) / query.page / PAGES_MAX + 1;
	placement->estimated = query.step > 1;
	each_part(maps, numa_maps, segment, &query);
	if (!query.err)
		ask(&query);
	free(maps);
	free(numa_maps);
	return query.err;
}

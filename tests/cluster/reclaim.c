// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory is short at home, and a partition that has pages of it does not answer: nobody
 * waits for that one.
 *
 *	reclaim --pages N [ranks: see cluster.h; two of them]
 *
 * Rank 0 shares --pages pages, in a memory cgroup of its own ($XPMEM_CGROUP).  Rank 1 loads
 * all of them, and stores to one of 64, which the owner has not got then.  When rank 1's
 * daemon has been stopped (files `stop` and `stopped` in the exchange directory), rank 0
 * has half of the group reclaimed (memory.reclaim), and then lowers memory.high below
 * what it has and goes on allocating.  What the module's tracepoints tell is read:
 * invalidations by reclaim must have met pages that rank 1 has, no task may have waited
 * for other partitions, and the pages must have gone to swap.  When the daemon goes on,
 * all that was stored is still there.
 */
#include "cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRACING		"/sys/kernel/tracing/"
#define LONGEST		1000000000ull	/* an invalidation: nothing that takes a lease */
#define MORE		(4UL << 20)	/* that is allocated under memory.high */

static uint64_t pages = 1024;

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* EAGAIN: not all was reclaimed that memory.reclaim was to */
	if (fd < 0 || (write(fd, text, strlen(text)) != (ssize_t)strlen(text) && errno != EAGAIN))
		fail("cannot write %s to %s", text, path);
	close(fd);
}

static void put_group(const char *file, const char *text)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/%s", getenv("XPMEM_CGROUP"), file);
	put(path, text);
}

static uint64_t get_group(const char *file)
{
	char path[300];
	uint64_t value;
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", getenv("XPMEM_CGROUP"), file);
	in = fopen(path, "re");
	if (!in || fscanf(in, "%" SCNu64, &value) != 1)
		fail("cannot read %s", path);
	fclose(in);
	return value;
}

static uint64_t value_of(uint64_t page, bool by_other)
{
	return page << 8 | (by_other ? 2 : 1);
}

static bool is_away(uint64_t page)
{
	return page % 64 == 7;
}

/* Reads what happened since tracing was switched on, and whether that was right. */
static bool judge_trace(void)
{
	uint64_t invalidations = 0, remote = 0, recalls = 0, longest = 0;
	FILE *in = fopen(TRACING "trace", "re");
	char line[1000];

	check(in);
	while (fgets(line, sizeof(line), in)) {
		const char *wait = strstr(line, "wait_ns=");
		uint64_t ns = wait ? strtoull(wait + 8, NULL, 10) : 0;

		if (strstr(line, "xpmem_recall:") && strstr(line, "subscriber=partitions")) {
			/* asked, told that its copies stay, and not waited for */
			recalls++;
			printf("waited for partitions: %s", line);
		}
		if (!strstr(line, "xpmem_invalidate:") || !strstr(line, " reclaim=1"))
			continue;
		invalidations++;
		remote += strstr(line, " remote=1") != NULL;
		longest = ns > longest ? ns : longest;
	}
	fclose(in);
	printf("%" PRIu64 " invalidations by reclaim, %" PRIu64
	       " of pages that the other partition has, longest %.3f ms; %" PRIu64
	       " waits for partitions\n",
	       invalidations, remote, (double)longest / 1e6, recalls);
	return remote && !recalls && longest < LONGEST;
}

static void squeeze(void)
{
	char text[32];
	uint64_t before, since;
	uint8_t *more;

	before = get_group("memory.swap.current");
	snprintf(text, sizeof(text), "%" PRIu64, pages * PAGE / 2);
	since = cluster_now();
	put_group("memory.reclaim", text);
	printf("reclaiming %s bytes took %.3f s\n", text, (double)(cluster_now() - since) / 1e9);

	snprintf(text, sizeof(text), "%" PRIu64, get_group("memory.current"));
	put_group("memory.high", text);
	since = cluster_now();
	more = mmap(NULL, MORE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(more != MAP_FAILED);
	for (size_t at = 0; at < MORE; at += PAGE)
		more[at] = 1;
	printf("allocating %lu bytes at memory.high took %.3f s\n", MORE,
	       (double)(cluster_now() - since) / 1e9);
	put_group("memory.high", "max");
	printf("%" PRIu64 " bytes went to swap\n", get_group("memory.swap.current") - before);
	if (get_group("memory.swap.current") < before + pages * PAGE / 4)
		fail("hardly anything was reclaimed");
}

static void own(struct cluster *cluster)
{
	volatile uint64_t *memory;
	bool good;

	if (!getenv("XPMEM_CGROUP"))
		fail("XPMEM_CGROUP must name a directory of cgroup2");
	put_group("cgroup.procs", "0");
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	check(!madvise((void *)memory, pages * PAGE, MADV_NOHUGEPAGE));
	for (uint64_t i = 0; i < pages; i++)
		memory[i * PAGE / 8] = value_of(i, false);
	cluster_share(cluster, "all", (void *)memory, pages * PAGE);
	cluster_meet(cluster, "held");
	cluster_publish(cluster, "stop", "", 0);
	free(cluster_await(cluster, "stopped", NULL));

	put(TRACING "trace", "");
	put(TRACING "events/xpmem/xpmem_recall/enable", "1");
	put(TRACING "events/xpmem/xpmem_invalidate/enable", "1");
	squeeze();
	put(TRACING "events/xpmem/enable", "0");
	good = judge_trace();
	cluster_publish(cluster, "continue", "", 0);
	for (uint64_t i = 0; i < pages; i++)
		if (memory[i * PAGE / 8] != value_of(i, is_away(i)))
			fail("page %" PRIu64 " has %#" PRIx64, i, memory[i * PAGE / 8]);
	fflush(stdout);
	cluster_meet(cluster, "done");
	if (!good)
		_exit(1);
}

static void attach(struct cluster *cluster)
{
	volatile uint64_t *memory = cluster_attach(cluster, "all", 0, pages * PAGE);

	for (uint64_t i = 0; i < pages; i++) {
		check(memory[i * PAGE / 8] == value_of(i, false));
		if (is_away(i))
			memory[i * PAGE / 8] = value_of(i, true);
	}
	cluster_meet(cluster, "held");
	cluster_meet(cluster, "done");
}

static void body(struct cluster *cluster)
{
	if (cluster->rank == 0)
		own(cluster);
	else
		attach(cluster);
}

int main(int argc, char **argv)
{
	static const struct cluster_option options[] = {
		{ "pages", &pages, "that are shared (default 1024)" },
		{ NULL, NULL, NULL },
	};
	struct cluster cluster;

	cluster_begin(&cluster, argc, argv, options);
	if (cluster.mode != CLUSTER_REMOTE)
		cluster_skip("there must be two partitions");
	if (cluster.ranks != 2 || pages < 64)
		fail("it takes two ranks, and 64 pages");
	return cluster_run(&cluster, body);
}

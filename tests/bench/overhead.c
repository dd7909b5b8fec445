// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Kernel memory that attaching and touching takes: the growth of the kernel's slab
 * and vmalloc memory.  Page tables are not in it.  So it needs to know no cache of the
 * module, and what the caches of different modules share is in it.
 *
 * Slabs that earlier work has left half empty would be filled first and hide what is
 * allocated.  So other memory is attached and touched before, and kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "memory.h"
#include "result.h"
#include "view.h"

#define DENSE	(256 * MIB)
#define SPARSE	(4096 * MIB)

/* Bytes of slab and vmalloc memory; needs root for the sum to be up to date */
static long kernel_memory(void)
{
	FILE *file = fopen("/proc/sys/vm/stat_refresh", "re");
	long slab = -1, vmalloc = -1;
	char line[256];

	/* To read it adds up what the processors count each for themselves. */
	if (file) {
		if (fgets(line, sizeof(line), file))
			fatal("/proc/sys/vm/stat_refresh is not empty");
		fclose(file);
	}
	file = fopen("/proc/meminfo", "re");
	if (!file)
		fatal("/proc/meminfo");
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "Slab: %ld", &slab);
		sscanf(line, "VmallocUsed: %ld", &vmalloc);
	}
	fclose(file);
	if (slab < 0 || vmalloc < 0)
		fatal("/proc/meminfo lacks Slab or VmallocUsed");
	return (slab + vmalloc) * 1024;
}

/* A count of /proc/xpmem/counters, -1 if there is none */
static long counter(const char *name)
{
	FILE *file = fopen("/proc/xpmem/counters", "re");
	char found[64];
	long value;

	if (!file)
		return -1;
	while (fscanf(file, "%63s %ld", found, &value) == 2) {
		if (!strcmp(found, name)) {
			fclose(file);
			return value;
		}
	}
	fclose(file);
	return -1;
}

/* Touches all of a new attachment, or nothing; bytes a page */
static double measure(struct memory *memory, const struct peer *peer, bool touch)
{
	long before, after;
	struct job job;

	memory_share(memory);
	job = memory_job(memory, view_hold);
	before = kernel_memory();
	peer_run(peer, &job);
	if (touch) {
		job.run = view_touch_held;
		peer_run(peer, &job);
	}
	after = kernel_memory();
	return (double)(after - before) / (double)(memory->size / PAGE);
}

static void drop(struct memory *memory, const struct peer *peer)
{
	struct job job = memory_job(memory, view_drop);

	peer_run(peer, &job);
}

void section_memory(void)
{
	struct row touched = {
		.name = "memory.touched", .text = "kernel memory, each page touched",
		.unit = "bytes a page",
	}, untouched = {
		.name = "memory.untouched", .text = "kernel memory, 4 GiB untouched",
		.unit = "bytes a page",
	}, leaves = {
		.name = "memory.leaves.untouched", .text = "leaves of the reverse map for those",
		.unit = "leaves",
	}, mapped = {
		.name = "memory.memfd", .text = "the same of a memfd", .unit = "bytes a page",
	};
	struct peer filler, peer;
	struct memory fill, memory;
	struct samples xpmem = { 0 }, memfd = { 0 };
	long before;

	if (access("/proc/xpmem/counters", R_OK)) {
		leave_out("memory", "the module has no /proc/xpmem/counters: it is another");
		return;
	}
	filler = peer_start();
	peer = peer_start();
	fill = memory_make(SOURCE_XPMEM, settings.memory);
	measure(&fill, &filler, true);

	memory = memory_make(SOURCE_XPMEM, DENSE);
	samples_add(&xpmem, measure(&memory, &peer, true));
	drop(&memory, &peer);
	memory_unmap(&memory);
	memory = memory_make(SOURCE_MEMFD, DENSE);
	samples_add(&memfd, measure(&memory, &peer, true));
	drop(&memory, &peer);
	memory_unmap(&memory);
	touched.goal = GOAL_BYTES;
	touched.limit = 10;
	report(&touched, &xpmem, NULL);
	report(&mapped, &memfd, NULL);

	memory = (struct memory){ .source = SOURCE_XPMEM, .size = SPARSE, .fd = -1 };
	memory.addr = mmap(NULL, SPARSE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory.addr == MAP_FAILED)
		fatal("no room for %lu bytes", SPARSE);
	before = counter("leaves");
	xpmem = (struct samples){ 0 };
	samples_add(&xpmem, measure(&memory, &peer, false));
	untouched.goal = GOAL_BYTES;
	untouched.limit = 0.1;
	report(&untouched, &xpmem, NULL);
	if (before >= 0)
		report_value(&leaves, (double)(counter("leaves") - before));
	drop(&memory, &peer);
	memory_unmap(&memory);

	drop(&fill, &filler);
	memory_unmap(&fill);
	peer_stop(&peer);
	peer_stop(&filler);
}

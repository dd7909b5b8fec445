// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are pages that are attached and read merged with equal ones, is a store of an
 * attacher seen by the owner and not by the other side, and does unmerging give
 * everybody the same data?
 *
 *   event_ksm [KIND [EVENT]]
 */
#include "cell.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KSM	 "/sys/kernel/mm/ksm/"
#define PATIENCE 300	/* scans of all there is to merge */

/* Equal to the owner's memory, page by page */
static char *twin;
static size_t part;	/* of the memory: own anonymous pages */

static size_t merged(const struct memory *memory)
{
	size_t count = 0;

	for (size_t at = 0; at < part; at += PAGE) {
		uint64_t frame = page_frame(memory->addr + at);

		count += frame && frame == page_frame(twin + at);
	}
	return count;
}

static void merge(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t scans;
	size_t count;
	bool enough;

	if (access(KSM "run", F_OK))
		cell_skip(cell, "no KSM in this kernel");
	part = is_private_file(memory) ? memory->size / 2 : memory->size;
	cell_limit_stores(cell, 0);
	twin = memory_scratch(memory, memory->size);
	no_huge_pages(twin, memory->size);
	memory_fill(twin, 0, memory->size, memory->seed);
	for (size_t at = 0; at < part; at += PAGE)
		((uint64_t *)(void *)(memory->addr + at))[SLOT] = 0;
	check(madvise(memory->addr, memory->size, MADV_MERGEABLE) == 0);
	check(madvise(twin, memory->size, MADV_MERGEABLE) == 0);
	/* The kernel tells nobody what it merged, but how often it looked. */
	scans = read_number(KSM "full_scans", NULL);
	do {
		guest_pause();
		enough = read_number(KSM "full_scans", NULL) >= scans + PATIENCE;
		count = merged(memory);
	} while (count < part / PAGE && !enough);
	if (count < part / PAGE)
		fail("%zu of %zu pages were merged", count, part / PAGE);
	check(read_number(KSM "pages_sharing", NULL) > 0);
	cell_same(cell);
}

static void twin_is(const struct memory *memory, uint64_t seed)
{
	if (memory_differs(twin, 0, memory->size, seed) != memory->size)
		fail("a store through an attachment reached the merged page's other side");
	for (size_t at = 0; at < memory->size; at += PAGE)
		check(((volatile uint64_t *)(void *)(twin + at))[SLOT] == 0);
}

static void store_to_merged(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t seed;

	merge(cell);
	seed = memory->seed;
	cell_stores(cell);
	check(merged(memory) == 0);
	twin_is(memory, seed);
	cell_limit_stores(cell, part);
	cell_same(cell);
	twin_is(memory, seed);
}

static void unmerge(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t seed;

	merge(cell);
	seed = memory->seed;
	check(madvise(memory->addr, memory->size, MADV_UNMERGEABLE) == 0);
	check(merged(memory) == 0);
	cell_limit_stores(cell, part);
	cell_same(cell);
	cell_stores(cell);
	twin_is(memory, seed);
}

static const char *can_merge(const struct kind *kind)
{
	if (kind->traits & (SHARED | HUGETLB))
		return "the kernel merges private anonymous pages alone";
	if (kind->traits & UNTOUCHED)
		return "the zero page is one already";
	return NULL;
}

static const struct event events[] = {
	{ .name = "ksm-merge", .run = store_to_merged, .why_not = can_merge },
	{ .name = "ksm-unmerge", .run = unmerge, .why_not = can_merge },
};

int main(int argc, char **argv)
{
	int status;

	/* Linux 6.1 does not merge what balancing has marked to see who touches it. */
	if (access("/proc/sys/kernel/numa_balancing", W_OK) == 0)
		set_until_exit("/proc/sys/kernel/numa_balancing", "0");
	if (access(KSM "run", W_OK) == 0) {
		set_until_exit(KSM "sleep_millisecs", "1");
		set_until_exit(KSM "pages_to_scan", "4096");
		/* Newer kernels: look at each page each time. */
		if (access(KSM "smart_scan", W_OK) == 0)
			set_until_exit(KSM "smart_scan", "0");
		set_until_exit(KSM "run", "1");
	}
	status = cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
	write_file(KSM "run", "2");
	return status;
}

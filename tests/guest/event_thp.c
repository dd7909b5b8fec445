// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are huge pages that are attached and used split, and small pages collapsed
 * into huge ones, as if nobody had attached them?
 *
 *   event_thp [KIND [EVENT]]
 */
#include "cell.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define SPLIT	   "/sys/kernel/debug/split_huge_pages"
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"
#define PATIENCE   200	/* scans of all there is to collapse */
#define TRIES	   100

static size_t huge(const struct memory *memory)
{
	const char *key = is(memory, SHARED) ? "ShmemPmdMapped:" : "AnonHugePages:";

	return memory_smaps(memory->addr, key);
}

/* The kernel refuses when a page has more references than it can account for. */
static void split(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	char text[96];

	if (access(SPLIT, W_OK))
		cell_skip(cell, "no debugfs");
	check(huge(memory) == memory->size);
	snprintf(text, sizeof(text), "%d,%#lx,%#lx", getpid(), (unsigned long)memory->addr,
		 (unsigned long)memory->addr + memory->size);
	check(write_file(SPLIT, text));
	if (huge(memory))
		fail("%zu bytes are still huge pages", huge(memory));
	cell_same(cell);
	cell_stores(cell);
}

static void split_by_part(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t hole = 3 * PAGE;

	cell_zero_is_right(cell);
	check(madvise(memory->addr + hole, PAGE, MADV_DONTNEED) == 0);
	if (huge(memory) != memory->size - HUGE)
		fail("%zu bytes are huge pages", huge(memory));
	cell_run_busy(cell, false);
	check(peer_call(cell->steady, attacher_differs, 0, (long)hole, (long)memory->seed) ==
	      (long)hole);
	check(peer_call(cell->steady, attacher_differs, (long)hole, (long)(hole + PAGE), 0) ==
	      (long)(hole + PAGE));
	check(peer_call(cell->steady, attacher_differs, (long)(hole + PAGE), (long)memory->size,
			(long)memory->seed) == (long)memory->size);
	cell_run_busy(cell, true);
	cell_stores(cell);
}

static void want_huge(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	if (is(memory, THP)) {
		char text[96];

		snprintf(text, sizeof(text), "%d,%#lx,%#lx", getpid(),
			 (unsigned long)memory->addr, (unsigned long)memory->addr + memory->size);
		if (!write_file(SPLIT, text))
			cell_skip(cell, "no debugfs");
	}
	check(huge(memory) == 0);
	check(madvise(memory->addr, memory->size, MADV_HUGEPAGE) == 0);
}

static void collapse(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	want_huge(cell);
	memory_settle();
	for (int tries = 1; madvise(memory->addr, memory->size, MADV_COLLAPSE); tries++) {
		if (errno == EINVAL)
			cell_skip(cell, "the kernel collapses no such memory");
		/*
		 * madvise(2): a page was in use just then, as it is while the VM faults
		 * it in for the busy attacher.  What held it for good would go on.
		 */
		if (errno != EAGAIN || tries == TRIES)
			fail("MADV_COLLAPSE, tried %d times", tries);
		guest_pause();
	}
	if (huge(memory) != memory->size)
		fail("%zu of %zu bytes are huge pages", huge(memory), memory->size);
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

static void khugepaged(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t scans;
	bool enough;

	want_huge(cell);
	memory_settle();
	set_until_exit(KHUGEPAGED "scan_sleep_millisecs", "1");
	set_until_exit(KHUGEPAGED "alloc_sleep_millisecs", "1");
	set_until_exit(KHUGEPAGED "pages_to_scan", "16384");
	scans = read_number(KHUGEPAGED "full_scans", NULL);
	do {
		guest_pause();
		enough = read_number(KHUGEPAGED "full_scans", NULL) >= scans + PATIENCE;
	} while (huge(memory) != memory->size && !enough);
	if (huge(memory) != memory->size)
		fail("%zu of %zu bytes are huge pages", huge(memory), memory->size);
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

static const char *can_split(const struct kind *kind)
{
	return kind->traits & THP ? NULL : "no transparent huge pages";
}

static const char *can_collapse(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return "huge already";
	if (kind->traits & DISK)
		return "the file system has no huge pages";
	if (kind->traits & UNTOUCHED)
		return "zero pages alone are not worth it";
	if (kind->traits & UFFD_WP)
		return "the kernel collapses nothing that somebody protects";
	if (kind->traits & FILED && !(kind->traits & SHARED))
		return "own pages of a file mapping are never collapsed";
	return NULL;
}

static const char *can_khugepaged(const struct kind *kind)
{
	if (kind->traits & SHARED)
		return "off for shared memory by default";
	return can_collapse(kind);
}

static const struct event events[] = {
	{ .name = "thp-split", .run = split, .why_not = can_split },
	{ .name = "thp-split-by-part", .run = split_by_part, .why_not = can_split },
	{ .name = "MADV_COLLAPSE", .run = collapse, .why_not = can_collapse, .size = 2 * HUGE },
	{ .name = "khugepaged", .run = khugepaged, .why_not = can_khugepaged, .size = 2 * HUGE },
};

int main(int argc, char **argv)
{
	if (access(KHUGEPAGED, F_OK))
		skip("no transparent huge pages in this kernel");
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What madvise() gives up, empties, cools or pages out: do attachers see what
 * the owner then sees, and did the kernel get what it was to get?
 *
 *   event_madvise [KIND [EVENT]]
 */
#include "cell.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void advise(struct cell *cell, int advice)
{
	struct memory *memory = &cell->memory;

	if (madvise(memory->addr, memory->size, advice))
		fail("madvise %d", advice);
}

/*
 * Of pages that attachers used since it last looked, Linux 6.1 forgets at first
 * that they did, and spares them once.
 */
static void page_out(struct cell *cell)
{
	for (int i = 0; i < 2; i++)
		advise(cell, MADV_PAGEOUT);
}

static void dontneed(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	uint64_t seed;

	/* What comes back differs from what was there. */
	cell_stores(cell);
	seed = memory_refill(memory);
	if (!seed)
		cell_zero_is_right(cell);
	advise(cell, MADV_DONTNEED);
	memory->seed = seed;
	cell_same(cell);
	if (!is(memory, SHARED))
		cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

/*
 * Pages that are stored to after MADV_FREE are kept, by reclaim too; others it
 * may drop, and drops, also those next to a store, or read by the busy one.
 */
static void lazy_free(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t kept = memory->size / 2, dropped = 0;
	uint64_t *words;

	cell_stores(cell);
	cell_zero_is_right(cell);
	cell_limit_stores(cell, kept);
	cell_run_busy(cell, false);
	/* What is on its way to the LRU is not given up, or to the list of what is. */
	memory_settle();
	advise(cell, MADV_FREE);
	memory_settle();
	cell_run_busy(cell, true);
	cell_new_seed(cell);
	check(peer_call(cell->steady, attacher_fill, 0, (long)kept, (long)memory->seed) == 0);
	peer_call(cell->busy, attacher_round, 0, 0);
	cell_run_busy(cell, false);
	memory_settle();
	page_out(cell);
	for (size_t at = kept; at < memory->size; at += PAGE) {
		words = (uint64_t *)(void *)(memory->addr + at);
		dropped += !page_frame(words) && !page_is_swapped(words);
	}
	if (dropped != (memory->size - kept) / PAGE)
		fail("%zu of %zu pages were freed", dropped, (memory->size - kept) / PAGE);
	cell_run_busy(cell, true);
	cell_sees(cell, 0, kept, memory->seed);
	cell_sees(cell, kept, memory->size, memory_refill(memory));
	cell_limit_stores(cell, memory->size);
	cell_stores(cell);
}

static void remove_pages(struct cell *cell)
{
	cell_zero_is_right(cell);
	advise(cell, MADV_REMOVE);
	cell->memory.seed = 0;
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

static void cold(struct cell *cell)
{
	for (int i = 0; i < 3; i++) {
		advise(cell, MADV_COLD);
		cell_same(cell);
	}
	cell_stores(cell);
}

/* Out of memory with all of it attached, mapped and written */
static void all_out(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t left = 0;

	cell_run_busy(cell, false);
	if (is(memory, DISK) && is(memory, SHARED))
		check(fsync(memory->fd) == 0);
	memory_settle();
	page_out(cell);
	if (is(memory, SHARED)) {
		left = memory_resident(memory);
	} else {
		for (size_t at = 0; at < memory->size; at += PAGE)
			left += page_frame(memory->addr + at) != 0;
	}
	if (left)
		fail("%zu of %zu pages stayed in memory", left, memory->size / PAGE);
}

static void pageout(struct cell *cell)
{
	/* While it is written, some goes and comes back. */
	for (int i = 0; i < 3; i++) {
		advise(cell, MADV_PAGEOUT);
		cell_same(cell);
	}
	cell_stores(cell);
	all_out(cell);
	cell_run_busy(cell, true);
	cell_same(cell);
	cell_stores(cell);
}

/* In again by a store of an attacher, by a load, and by the owner */
static void swap(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	if (!is(memory, DISK) && !read_number("/proc/meminfo", "SwapTotal:"))
		cell_skip(cell, "no swap");
	all_out(cell);
	cell_stores(cell);
	all_out(cell);
	check(peer_call(cell->steady, attacher_readable, 0, (long)memory->size) ==
	      (long)(memory->size / PAGE));
	all_out(cell);
	cell_owner_stores(cell);
	all_out(cell);
	cell_run_busy(cell, true);
	cell_same(cell);
}

static const char *can_drop(const struct kind *kind)
{
	if (kind->traits & READ_ONLY)
		return "nothing is written, so nothing is given up";
	return NULL;
}

static const char *can_free(const struct kind *kind)
{
	if (kind->traits & (FILED | SHARED | HUGETLB))
		return "MADV_FREE is for private anonymous memory";
	return NULL;
}

static const char *can_remove(const struct kind *kind)
{
	if (!(kind->traits & SHARED) || kind->traits & READ_ONLY)
		return "MADV_REMOVE is for shared memory that can be written";
	return NULL;
}

static const char *can_reclaim(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return "huge pages of the pool are never reclaimed";
	if (kind->traits & UNTOUCHED)
		return "the zero page is never reclaimed";
	return NULL;
}

static const struct event events[] = {
	{ .name = "MADV_DONTNEED", .run = dontneed, .why_not = can_drop },
	{ .name = "MADV_FREE", .run = lazy_free, .why_not = can_free },
	{ .name = "MADV_REMOVE", .run = remove_pages, .why_not = can_remove },
	{ .name = "MADV_COLD", .run = cold, .why_not = can_reclaim },
	{ .name = "MADV_PAGEOUT", .run = pageout, .why_not = can_reclaim },
	{ .name = "swap", .run = swap, .why_not = can_reclaim },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

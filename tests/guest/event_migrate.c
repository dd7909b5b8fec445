// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the kernel moves pages that are in use, to another node or to compact
 * what is free: does it get them moved, and do attachers follow?
 *
 *   event_migrate [KIND [EVENT]]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIND	   2
#define MOVE_PAGES (1 << 1)
#define STRICT	   (1 << 0)
#define MAX_PAGES  1024
#define BALLOON	   (8 * HUGE)
#define PLACES   32	/* compaction takes what it comes by; in one of these, them */

static void need_two_nodes(struct cell *cell)
{
	if (memory_nodes() < 2)
		cell_skip(cell, "one node");
}

static size_t pages_on(const struct memory *memory, int node)
{
	size_t count = 0;

	for (size_t at = 0; at < memory->size; at += PAGE)
		count += memory_node(memory->addr + at) == node;
	return count;
}

static int other_node(const struct memory *memory)
{
	return memory_node(memory->addr) ? 0 : 1;
}

static void want_all(const struct memory *memory, size_t moved)
{
	if (moved != memory->size / PAGE)
		fail("%zu of %zu pages moved", moved, memory->size / PAGE);
}

/* There and back, while it is used */
static void moving(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	int node = other_node(memory);

	need_two_nodes(cell);
	want_all(memory, memory_move(memory, node));
	cell_same(cell);
	cell_stores(cell);
	want_all(memory, memory_move(memory, !node));
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

static void binding(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	int node = other_node(memory);
	unsigned long mask = 1UL << node;

	need_two_nodes(cell);
	/* Strict: an error if a page could not be moved */
	if (syscall(SYS_mbind, memory->addr, memory->size, BIND, &mask, 64UL, STRICT | MOVE_PAGES))
		fail("mbind to node %d", node);
	want_all(memory, pages_on(memory, node));
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
	want_all(memory, pages_on(memory, node));
}

/* ---- Compaction. */

/* Frames of the memory, one a page that moves by itself */
static size_t frames(const struct memory *memory, uint64_t *frame)
{
	size_t step = is(memory, HUGETLB | THP) ? HUGE : PAGE, count = 0;

	for (size_t at = 0; at < memory->size; at += step)
		frame[count++] = page_frame(memory->addr + at);
	return count;
}

/* Small pages, one by one */
static char *fill_balloon(void)
{
	char *balloon = map_anon(BALLOON);

	no_huge_pages(balloon, BALLOON);
	for (size_t at = 0; at < BALLOON; at += PAGE)
		balloon[at] = 1;
	return balloon;
}

static void punch_balloon(char *balloon)
{
	for (size_t at = 0; at < BALLOON; at += 4 * PAGE)
		check(madvise(balloon + at, 3 * PAGE, MADV_DONTNEED) == 0);
}

/* Pages that moved when memory around them was taken, got holes, and was compacted */
static size_t compact(const struct memory *memory, char *below)
{
	uint64_t before[MAX_PAGES], after[MAX_PAGES];
	char *balloons[2] = { below, fill_balloon() };
	size_t count, moved = 0;

	for (int i = 0; i < 2; i++)
		punch_balloon(balloons[i]);
	count = frames(memory, before);
	check(write_file("/proc/sys/vm/compact_memory", "1"));
	frames(memory, after);
	for (size_t page = 0; page < count; page++)
		moved += before[page] != after[page];
	for (int i = 0; i < 2; i++)
		check(munmap(balloons[i], BALLOON) == 0);
	return moved;
}

/*
 * Compaction moves what lies low to holes higher up, but not to where all is
 * free.  So the memory lies between other memory, which then gets holes; in one
 * of some such places it has to move.
 */
static void compaction(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t moved = 0;
	char *below;

	cell_start_attachers(cell);
	memory_pin(0);
	below = fill_balloon();
	cell_make_memory(cell);
	cell_attach(cell);
	cell_stores(cell);
	for (int i = 0; i < PLACES; i++) {
		moved = compact(memory, below);
		if (moved)
			break;
		below = fill_balloon();
		if (memory_nodes() > 1)
			memory_move(memory, other_node(memory));
	}
	if (!moved)
		fail("nothing moved in %d places", PLACES);
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
	cell_end(cell);
}

static const char *can_move(const struct kind *kind)
{
	return kind->traits & UNTOUCHED ? "the zero page stays where it is" : NULL;
}

static const char *can_compact(const struct kind *kind)
{
	if (kind->traits & (HUGETLB | THP))
		return "compaction makes room for huge pages and leaves them alone";
	return can_move(kind);
}

static const struct event events[] = {
	{ .name = "move_pages", .run = moving, .why_not = can_move },
	{ .name = "mbind", .run = binding, .why_not = can_move },
	{ .name = "compaction", .run = compaction, .why_not = can_compact, .alone = true },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

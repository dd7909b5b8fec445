// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the owner unmaps, replaces or moves memory that is in use: do attachers
 * see what is at the address then, or SIGBUS, and reach nothing they had?
 *
 *   event_unmap [KIND [EVENT]]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The file of a mapping that went away is out of reach. */
static void file_is_left_alone(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	char *before, *file;

	if (!is(memory, SHARED) || memory->fd < 0)
		return;
	/* Not where mmap() would put it: that is where the memory was. */
	before = memory_scratch(memory, memory->size);
	file = memory->addr + memory->size;
	check(mmap(file, memory->size, PROT_READ, MAP_SHARED | MAP_FIXED, memory->fd, 0) == file);
	memcpy(before, file, memory->size);
	cell_gone(cell, 0, memory->size);
	if (memcmp(before, file, memory->size))
		fail("an attacher wrote to a file that is mapped no more");
	munmap(file, memory->size);
	memory_scratch_end(memory);
}

static void unmapping(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	check(munmap(memory->addr, memory->size) == 0);
	cell_gone(cell, 0, memory->size);
	cell_freed_is_left_alone(cell);
	file_is_left_alone(cell);
}

static void unmap_part(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t half = memory->size / 2;

	check(munmap(memory->addr, half) == 0);
	cell_gone(cell, 0, half);
	cell_freed_is_left_alone(cell);
	cell_sees(cell, half, memory->size, memory->seed);
}

/* Other memory of the same kind, at the same address */
static void unmap_and_map(struct cell *cell)
{
	struct memory *memory = &cell->memory;

	cell_stores(cell);
	cell_zero_is_right(cell);
	check(munmap(memory->addr, memory->size) == 0);
	memory_map_again(memory);
	if (!is(memory, SHARED))
		memory->seed = is(memory, FILED) ? memory->first_seed : 0;
	else if (memory->fd < 0)
		memory->seed = 0;
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

/* Anonymous memory in its place, without a moment of nothing */
static void map_over(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	int fd = memory->fd;
	struct kind plain = { .name = "plain" };
	const struct kind *kind = memory->kind;

	cell_stores(cell);
	cell_zero_is_right(cell);
	check(mmap(memory->addr, memory->size, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == memory->addr);
	memory->seed = 0;
	memory->kind = &plain;
	cell_limit_stores(cell, memory->size);
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
	memory->kind = kind;
	if (fd < 0)
		return;
	/* What was stored is in the new memory, not in the file. */
	for (size_t at = 0; at < memory->size; at += PAGE) {
		uint64_t word = 0;

		check(is(memory, HUGETLB) || pread(fd, &word, sizeof(word), (off_t)at) == 8);
		check(memory_seed_of(at, word) != memory->seed);
	}
}

static void moving(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	char *away = memory->addr + memory->size;
	char *before = memory_scratch(memory, memory->size);

	check(mremap(memory->addr, memory->size, memory->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		     away) == away);
	cell_gone(cell, 0, memory->size);
	memcpy(before, away, memory->size);
	cell_gone(cell, 0, memory->size);
	if (memcmp(before, away, memory->size))
		fail("an attacher stored to memory that moved away");
	check(memory_differs(away, 0, memory->size, memory->seed) == memory->size);
	check(mremap(away, memory->size, memory->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		     memory->addr) == memory->addr);
	/* With its pages the owner's leave to write moved too, and the handler's is over. */
	cell_same(cell);
	cell_stores(cell);
}

static void shrink(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t half = memory->size / 2;

	check(mremap(memory->addr, memory->size, half, 0) == memory->addr);
	cell_gone(cell, half, memory->size);
	cell_freed_is_left_alone(cell);
	cell_sees(cell, 0, half, memory->seed);
}

static void grow(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t half = memory->size / 2;
	uint64_t refill;

	cell_zero_is_right(cell);
	check(mremap(memory->addr, memory->size, half, 0) == memory->addr);
	cell_gone(cell, half, memory->size);
	check(mremap(memory->addr, half, memory->size, 0) == memory->addr);
	refill = memory_refill(memory);
	/* Of shared anonymous memory the pages are still there. */
	cell_sees(cell, 0, half, memory->seed);
	cell_sees(cell, half, memory->size, refill);
	cell_stores(cell);
}

static const char *can_replace(const struct kind *kind)
{
	return kind->traits & (UFFD_MISSING | UFFD_WP) ?
		       "what is mapped anew is plain anonymous memory" : NULL;
}

static const char *can_grow(const struct kind *kind)
{
	return kind->traits & HUGETLB ? "mappings of huge pages can't grow" : NULL;
}

static const struct event events[] = {
	{ .name = "munmap", .run = unmapping },
	{ .name = "munmap-part", .run = unmap_part },
	{ .name = "munmap-and-map-again", .run = unmap_and_map, .why_not = can_replace },
	{ .name = "map-over", .run = map_over },
	{ .name = "mremap-move", .run = moving },
	{ .name = "mremap-shrink", .run = shrink },
	{ .name = "mremap-grow", .run = grow, .why_not = can_grow },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

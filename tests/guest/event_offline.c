// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When memory that holds pages which are attached and used is taken offline,
 * does all of it leave, with attachers following?
 *
 *   event_offline [KIND [EVENT]]
 *
 * Of the memory that can be taken offline, some blocks can't after all (they
 * have holes, or pages from boot).  The test finds one that can, and takes what
 * is free elsewhere on its node for itself, so that all others get theirs there.
 */
#include "cell.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCKS	   "/sys/devices/system/memory"
#define MAX_BLOCKS 64
#define BIND	   2
#define MOST	   (512 * HUGE)

static enum { UNMOVABLE, STAYS, GOES } blocks[MAX_BLOCKS];
static uint64_t block_size;
static int node;	/* of the one that goes, or -1 */

static bool read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, size - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = 0;
	return true;
}

static bool set_block(int block, const char *state)
{
	char path[96];

	snprintf(path, sizeof(path), BLOCKS "/memory%d/state", block);
	return write_file(path, state);
}

static void look_for_blocks(void)
{
	char path[96], text[64];

	node = -1;
	if (!read_text(BLOCKS "/block_size_bytes", text, sizeof(text)))
		return;
	block_size = strtoull(text, NULL, 16);
	for (int block = 0; block < MAX_BLOCKS; block++) {
		snprintf(path, sizeof(path), BLOCKS "/memory%d/valid_zones", block);
		if (!read_text(path, text, sizeof(text)))
			continue;
		/* "none" is for a block that is movable in part. */
		if (!strncmp(text, "Movable", 7) || !strncmp(text, "none", 4))
			blocks[block] = STAYS;
		if (strncmp(text, "Movable", 7))
			continue;
		if (node >= 0 || !set_block(block, "offline"))
			continue;
		check(set_block(block, "online_movable"));
		blocks[block] = GOES;
		do
			snprintf(path, sizeof(path), BLOCKS "/memory%d/node%d", block, ++node);
		while (access(path, F_OK));
	}
}

static int block_of(const void *addr)
{
	uint64_t block = page_frame(addr) * PAGE / block_size;

	return block < MAX_BLOCKS ? (int)block : 0;
}

/*
 * All there is on the node, by so much, but what lies in the block that goes;
 * until so many in a row lie there, or nothing movable is left.
 */
static void take_the_rest(int flags, int advice, size_t step, size_t enough)
{
	unsigned long mask = 1UL << node;
	size_t end, first = 0, unmovable = 0, goes = 0;
	char *taken = mmap(NULL, MOST, MAP_RW, flags | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);

	check(taken != MAP_FAILED);
	check(syscall(SYS_mbind, taken, MOST, BIND, &mask, 64UL, 0) == 0);
	/* Some kernels know no advice: they have one size. */
	check(!advice || madvise(taken, MOST, advice) == 0 || errno == EINVAL);
	check(madvise(taken, MOST, MADV_DONTFORK) == 0);
	for (end = 0; end < MOST && unmovable < 16 && goes < enough; end += step) {
		if (try_write(taken + end, 1))
			break;
		unmovable = blocks[block_of(taken + end)] == UNMOVABLE ? unmovable + 1 : 0;
		goes = blocks[block_of(taken + end)] == GOES ? goes + 1 : 0;
	}
	/* Keeps what stays, gives the rest back in pieces as large as can be. */
	for (size_t at = 0; at < end; at += step) {
		if (blocks[block_of(taken + at)] != STAYS)
			continue;
		check(at == first || munmap(taken + first, at - first) == 0);
		first = at + step;
	}
	check(first == MOST || munmap(taken + first, MOST - first) == 0);
}

static void take_all_the_rest(void)
{
	take_the_rest(0, MADV_HUGEPAGE, HUGE, MOST);
	take_the_rest(0, MADV_NOHUGEPAGE, PAGE, 512);
}

static size_t pages_in(const struct memory *memory, int block)
{
	size_t count = 0;

	for (size_t at = 0; at < memory->size; at += PAGE)
		count += block_of(memory->addr + at) == block;
	return count;
}

static void offline(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	int block;

	if (node < 0 || memory_nodes() < 2)
		cell_skip(cell, "no memory that can go offline");
	/* Away and back: now from what is free. */
	memory_move(memory, !node);
	memory_move(memory, node);
	if (blocks[block_of(memory->addr)] != GOES) {
		/* Others gave back what they had. */
		cell_run_busy(cell, false);
		memory_move(memory, !node);
		take_all_the_rest();
		memory_move(memory, node);
		cell_run_busy(cell, true);
	}
	block = block_of(memory->addr);
	if (blocks[block] != GOES)
		cell_skip(cell, "no such memory where it can go offline");
	check(set_block(block, "offline"));
	if (pages_in(memory, block))
		fail("memory went offline with pages of the owner in it");
	cell_same(cell);
	cell_stores(cell);
	check(set_block(block, "online_movable"));
	cell_same(cell);
}

static const char *can_move(const struct kind *kind)
{
	return kind->traits & UNTOUCHED ? "the zero page stays where it is" : NULL;
}

static const struct event events[] = {
	{ .name = "memory-offline", .run = offline, .why_not = can_move },
};

int main(int argc, char **argv)
{
	look_for_blocks();
	if (node >= 0) {
		take_all_the_rest();
		take_the_rest(MAP_HUGETLB, 0, HUGE, MOST);
	}
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

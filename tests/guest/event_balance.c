// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the owner runs on another node than its memory is on, does the kernel's
 * balancing move the memory after it, with attachers that use it all the time?
 *
 *   event_balance [KIND [EVENT]]
 */
#include "cell.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BALANCING "/proc/sys/kernel/numa_balancing"
#define DELAY	  "/sys/kernel/debug/sched/numa_balancing/scan_delay_ms"
#define PERIOD	  "/sys/kernel/debug/sched/numa_balancing/scan_period_min_ms"
#define PATIENCE  50000

static long pin(const long *args)
{
	memory_pin((int)args[0]);
	return 0;
}

static size_t pages_on(const struct memory *memory, int node)
{
	size_t count = 0;

	for (size_t at = 0; at < memory->size; at += PAGE)
		count += memory_node(memory->addr + at) == node;
	return count;
}

/* The kernel looks after so much time that the process ran: so it runs. */
static void balance(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t pages = memory->size / PAGE, moved = 0;

	if (access(BALANCING, F_OK) || memory_nodes() < 2)
		cell_skip(cell, "one node, or no balancing in this kernel");
	if (memory_move(memory, 0) != pages)
		fail("the memory could not be brought to node 0");
	if (is(memory, DISK)) {
		/* Dirty pages of files are left where they are. */
		cell_limit_stores(cell, 0);
		check(fsync(memory->fd) == 0);
	}
	/* Its time would be the owner's: there is one CPU on the node. */
	cell_run_busy(cell, false);
	memory_pin(1);
	peer_call(cell->steady, pin, 1);
	peer_call(cell->busy, pin, 1);
	for (long i = 0; i < PATIENCE && moved < pages / 2; i++) {
		check(memory_differs(memory->addr, 0, memory->size, memory->seed) == memory->size);
		if (i % 16)
			continue;
		peer_call(cell->busy, attacher_round, 0, 0);
		moved = pages_on(memory, 1);
	}
	if (moved < pages / 2)
		fail("%zu of %zu pages came to where the owner runs", moved, pages);
	cell_run_busy(cell, true);
	cell_same(cell);
	cell_freed_is_left_alone(cell);
	cell_stores(cell);
}

static const char *can_balance(const struct kind *kind)
{
	if (kind->traits & HUGETLB)
		return "the kernel does not balance huge pages of the pool";
	if (kind->traits & UNTOUCHED)
		return "the zero page stays where it is";
	if (kind->traits & (SHARED | FILED) && !(kind->traits & DISK))
		return "the kernel balances no memory of tmpfs without a policy of its own";
	if (kind->traits & READ_ONLY)
		return "the kernel does not balance files that are mapped for reading";
	return NULL;
}

static const struct event events[] = {
	{ .name = "numa-balancing", .run = balance, .why_not = can_balance },
};

int main(int argc, char **argv)
{
	if (access(BALANCING, W_OK) == 0)
		set_until_exit(BALANCING, "1");
	if (access(DELAY, W_OK) == 0)
		set_until_exit(DELAY, "1");
	if (access(PERIOD, W_OK) == 0)
		set_until_exit(PERIOD, "20");
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

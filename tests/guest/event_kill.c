// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When an owner or an attacher is killed at a moment nobody chose, while both
 * work: do the others see SIGBUS, or what was last stored, and nothing else?
 *
 *   event_kill [KIND [EVENT]]
 *
 * The moments come from a seed, which is printed; XPMEM_TEST_SEED sets it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	2
#define LONGEST 3000000		/* ns until the kill */

static unsigned int random_seed;

static void some_time(void)
{
	struct timespec time = { .tv_nsec = rand_r(&random_seed) % LONGEST };

	nanosleep(&time, NULL);
}

/* Never ends: gives up, protects and moves its memory */
static long churn(const long *args)
{
	struct memory *memory = &this_cell->memory;
	char *away = memory->addr + memory->size;
	int prot = is(memory, READ_ONLY) ? PROT_READ : MAP_RW;

	(void)args;
	for (;;) {
		mprotect(memory->addr, memory->size, PROT_READ);
		mprotect(memory->addr, memory->size, prot);
		if (!is(memory, READ_ONLY))
			memory_fill(memory->addr, 0, memory->size / 2, memory->seed);
		madvise(memory->addr, memory->size, MADV_DONTNEED);
		mremap(memory->addr, memory->size, memory->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       away);
		mremap(away, memory->size, memory->size, MREMAP_MAYMOVE | MREMAP_FIXED,
		       memory->addr);
	}
	return 0;
}

/* Never ends: stores all the time */
static long fill_for_ever(const long *args)
{
	for (;;)
		attacher_fill(args);
	return 0;
}

static void kill_now(struct peer *peer)
{
	check(kill(peer->pid, SIGKILL) == 0);
	peer_was_killed(peer, SIGKILL);
}

static void start(struct cell *cell)
{
	cell_start_attachers(cell);
	cell->owner = peer_start();
	cell_attach_owner(cell);
	cell_zero_is_right(cell);
	cell_run_busy(cell, true);
}

static void end(struct cell *cell)
{
	peer_stop(cell->steady);
	peer_stop(cell->busy);
}

static void kill_owner(struct cell *cell)
{
	for (int i = 0; i < ROUNDS; i++) {
		start(cell);
		peer_send(cell->owner, churn, NULL);
		some_time();
		kill_now(cell->owner);
		cell_gone(cell, 0, cell->memory.size);
		cell_freed_is_left_alone(cell);
		end(cell);
	}
}

static void kill_attacher(struct cell *cell)
{
	start(cell);
	for (int i = 0; i < ROUNDS; i++) {
		cell_stores(cell);
		/* What is stored is what is there, so all of it stays right. */
		peer_send(cell->steady, is(&cell->memory, READ_ONLY) ? attacher_readable :
								       fill_for_ever,
			  (long[CALL_ARGS]){ 0, (long)cell->memory.size, (long)cell->memory.seed });
		some_time();
		kill_now(cell->steady);
		kill_now(cell->busy);
		cell_start_attachers(cell);
		cell_attach_anew(cell);
	}
	cell_stores(cell);
	end(cell);
	peer_stop(cell->owner);
}

static const struct event events[] = {
	{ .name = "kill-of-owner", .run = kill_owner, .alone = true },
	{ .name = "kill-of-attacher", .run = kill_attacher, .alone = true },
};

int main(int argc, char **argv)
{
	const char *text = getenv("XPMEM_TEST_SEED");

	random_seed = text ? (unsigned int)strtoul(text, NULL, 0) : (unsigned int)time(NULL);
	printf("XPMEM_TEST_SEED=%u\n", random_seed);
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

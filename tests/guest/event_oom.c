// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the OOM killer takes an owner, does its memory go, with all that
 * attachers have of it, and do they live on with SIGBUS?  When it takes an
 * attacher, does the owner keep everything?
 *
 *   event_oom [KIND [EVENT]]
 */
#include "cell.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP "event_oom"
#define LIMIT (48UL << 20)

static long enter(const long *args)
{
	(void)args;
	cgroup_enter(GROUP);
	return 0;
}

static long set_score(const long *args)
{
	char text[16];

	snprintf(text, sizeof(text), "%ld", args[0]);
	check(write_file("/proc/self/oom_score_adj", text));
	return 0;
}

/* Until the limit is reached; does not return when that is this process's end */
static long grow(const long *args)
{
	for (size_t size = 0; size < 4 * LIMIT; size += HUGE) {
		char *addr = mmap(NULL, HUGE, MAP_RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (addr == MAP_FAILED)
			return -1;
		memset(addr, 1, HUGE);
	}
	return args[0];
}

static uint64_t kills(void)
{
	return read_number(cgroup_file(GROUP, "memory.events"), "oom_kill");
}

static void start(struct cell *cell)
{
	cell_start_attachers(cell);
	cell->owner = peer_start();
	peer_call(cell->owner, enter, 0);
	cell_attach_owner(cell);
}

static void end(struct cell *cell)
{
	peer_stop(cell->steady);
	peer_stop(cell->busy);
	check(write_file(cgroup_file(GROUP, "memory.max"), "max"));
}

static void limit(void)
{
	char text[32];
	/* Swap would put it off. */
	if (!access(cgroup_file(GROUP, "memory.swap.max"), W_OK))
		check(write_file(cgroup_file(GROUP, "memory.swap.max"), "0"));
	snprintf(text, sizeof(text), "%lu", LIMIT);
	check(write_file(cgroup_file(GROUP, "memory.max"), text));
}

static void owner_dies(struct cell *cell)
{
	uint64_t before;

	start(cell);
	limit();
	before = kills();
	peer_send(cell->owner, grow, NULL);
	peer_was_killed(cell->owner, SIGKILL);
	if (kills() == before)
		fail("the OOM killer killed nobody");
	cell_gone(cell, 0, cell->memory.size);
	cell_freed_is_left_alone(cell);
	end(cell);
}

/* The attacher eats, the owner is the one to be taken. */
static void owner_dies_for_attacher(struct cell *cell)
{
	start(cell);
	peer_call(cell->steady, enter, 0);
	peer_call(cell->owner, set_score, 1000);
	limit();
	peer_call(cell->steady, set_score, -500);
	peer_send(cell->steady, grow, NULL);
	peer_was_killed(cell->owner, SIGKILL);
	/* Then there is nobody else to take. */
	peer_was_killed(cell->steady, SIGKILL);
	check(peer_call(cell->busy, attacher_round, 0, (long)cell->memory.size) == 0);
	peer_stop(cell->busy);
	check(write_file(cgroup_file(GROUP, "memory.max"), "max"));
}

static void attacher_dies(struct cell *cell)
{
	start(cell);
	cell_stores(cell);
	peer_call(cell->steady, enter, 0);
	peer_call(cell->owner, set_score, -1000);
	limit();
	peer_send(cell->steady, grow, NULL);
	peer_was_killed(cell->steady, SIGKILL);
	check(write_file(cgroup_file(GROUP, "memory.max"), "max"));
	/* All it stored is the owner's, and a new one sees it. */
	cell->steady = peer_start();
	cell_attach_one(cell, cell->steady);
	cell_same(cell);
	cell_stores(cell);
	end(cell);
	peer_stop(cell->owner);
}

static const struct event events[] = {
	{ .name = "oom-kill-of-owner", .run = owner_dies, .alone = true },
	{ .name = "oom-score-of-owner", .run = owner_dies_for_attacher, .alone = true },
	{ .name = "oom-kill-of-attacher", .run = attacher_dies, .alone = true },
};

int main(int argc, char **argv)
{
	cgroup_make(GROUP);
	/* A list of processes for each kill takes longer than all else. */
	set_until_exit("/proc/sys/vm/oom_dump_tasks", "0");
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

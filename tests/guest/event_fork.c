// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When an owner forks and one of the two writes, or an attacher writes first:
 * does everybody see what is theirs, and a child of an attacher nothing?
 *
 *   event_fork [KIND [EVENT]]
 */
#include "cell.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's own view of private memory must be for ever what it was at fork. */
static struct {
	pid_t pid;
	int to_child[2], from_child[2];
} child;

static void child_main(struct cell *cell, uint64_t writes)
{
	struct memory *memory = &cell->memory;
	char *before = map_anon(memory->size);
	char byte = 1;

	if (writes) {
		memory_fill(memory->addr, 0, memory->size, writes);
		for (size_t at = 0; at < memory->size; at += PAGE)
			*(uint64_t *)(void *)(memory->addr + at + SLOT * 8) = writes;
	}
	memcpy(before, memory->addr, memory->size);
	if (write(child.from_child[1], &byte, 1) != 1 || read(child.to_child[0], &byte, 1) != 1)
		_exit(2);
	if (is(memory, SHARED))
		_exit(memory_differs(memory->addr, 0, memory->size, memory->seed + 1) !=
		      memory->size);
	_exit(memcmp(before, memory->addr, memory->size) ? 1 : 0);
}

/* @writes: what the child fills its memory with, or 0 */
static void fork_owner(struct cell *cell, uint64_t writes)
{
	char byte;

	check(pipe(child.to_child) == 0 && pipe(child.from_child) == 0);
	child.pid = fork();
	check(child.pid >= 0);
	if (!child.pid)
		child_main(cell, writes);
	check(read(child.from_child[0], &byte, 1) == 1);
}

static void end_child(struct cell *cell)
{
	int status;

	cell_run_busy(cell, false);
	check(write(child.to_child[1], "", 1) == 1);
	check(waitpid(child.pid, &status, 0) == child.pid);
	if (status)
		fail(is(&cell->memory, SHARED) ?
			     "the child does not see what was stored to memory it shares" :
			     "what was stored after the fork reached the child");
}

static void owner_writes(struct cell *cell)
{
	cell_limit_stores(cell, cell->memory.size);
	fork_owner(cell, 0);
	cell_owner_stores(cell);
	end_child(cell);
	cell_stores(cell);
}

static void attacher_writes(struct cell *cell)
{
	fork_owner(cell, 0);
	cell_stores(cell);
	end_child(cell);
	cell_owner_stores(cell);
}

static void child_writes(struct cell *cell)
{
	uint64_t seed = cell->memory.seed;

	fork_owner(cell, cell_new_seed(cell));
	if (!is(&cell->memory, SHARED))
		cell->memory.seed = seed;
	cell_same(cell);
	if (is(&cell->memory, SHARED)) {
		/* The child looks for the next seed. */
		cell_stores(cell);
	}
	end_child(cell);
	cell_stores(cell);
}

/* Nothing is mapped there in the child. */
static long fork_attacher(const long *args)
{
	pid_t pid = fork();
	int status;

	(void)args;
	check(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit(*(volatile char *)attacher_view());
	}
	check(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void attacher_forks(struct cell *cell)
{
	check(peer_call(cell->steady, fork_attacher, 0) == SIGSEGV);
	check(peer_call(cell->busy, fork_attacher, 0) == SIGSEGV);
	cell_same(cell);
	cell_stores(cell);
}

static const char *no_writing(const struct kind *kind)
{
	return kind->traits & READ_ONLY ? "nobody can write it" : NULL;
}

static const struct event events[] = {
	{ .name = "fork-owner-writes", .run = owner_writes, .why_not = no_writing },
	{ .name = "fork-attacher-writes", .run = attacher_writes, .why_not = no_writing },
	{ .name = "fork-child-writes", .run = child_writes, .why_not = no_writing },
	{ .name = "fork-of-attacher", .run = attacher_forks },
};

int main(int argc, char **argv)
{
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

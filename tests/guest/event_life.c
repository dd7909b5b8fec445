// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When an owner or an attacher execs or exits, and when its threads end in any
 * order: does the segment live exactly as long as the owner's address space, and
 * is the owner's memory right to the end?
 *
 *   event_life [KIND [EVENT]]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* What exec leaves of a process: it waits for the end of its standard input. */
static char exec_mark[] = "--after-exec";

static int exec_input[2];	/* both ends, in all processes of the cell */
static int exec_output[2];

/* Never returns to the caller of the peer; reports through a pipe */
static long exec_it(const long *args)
{
	char *argv[] = { "event_life", exec_mark, NULL };

	(void)args;
	check(dup2(exec_input[0], STDIN_FILENO) == STDIN_FILENO);
	check(dup2(exec_output[1], STDOUT_FILENO) == STDOUT_FILENO);
	execv("/proc/self/exe", argv);
	fail("exec");
}

static int after_exec(void)
{
	char byte = 1;

	if (write(STDOUT_FILENO, &byte, 1) != 1)
		return 1;
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

static void start(struct cell *cell)
{
	check(pipe2(exec_input, O_CLOEXEC) == 0 && pipe2(exec_output, O_CLOEXEC) == 0);
	cell_start_attachers(cell);
	cell->owner = peer_start();
	cell_attach_owner(cell);
	cell_stores(cell);
}

/* Has the peer exec, and returns when it did */
static void have_exec(struct peer *peer)
{
	char byte;

	peer_send(peer, exec_it, NULL);
	check(read(exec_output[0], &byte, 1) == 1);
}

/* The attachers hold the pipe as well: they are gone by now. */
static void end_after_exec(struct peer *peer)
{
	close(exec_input[1]);
	join(peer->pid);
}

static void stop_attachers(struct cell *cell)
{
	peer_stop(cell->steady);
	peer_stop(cell->busy);
}

static void all_gone(struct cell *cell)
{
	cell_gone(cell, 0, cell->memory.size);
	cell_freed_is_left_alone(cell);
	check_errno(xpmem_get(cell->segid, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
}

static void owner_execs(struct cell *cell)
{
	start(cell);
	have_exec(cell->owner);
	all_gone(cell);
	stop_attachers(cell);
	end_after_exec(cell->owner);
}

static void owner_exits(struct cell *cell)
{
	start(cell);
	peer_stop(cell->owner);
	all_gone(cell);
	stop_attachers(cell);
}

/* Another attacher sees what the one that is gone stored. */
static void replace_steady(struct cell *cell)
{
	cell->steady = peer_start();
	cell_attach_one(cell, cell->steady);
	cell_same(cell);
	cell_stores(cell);
}

static void attacher_execs(struct cell *cell)
{
	struct peer *old;

	start(cell);
	old = cell->steady;
	have_exec(old);
	replace_steady(cell);
	stop_attachers(cell);
	peer_stop(cell->owner);
	end_after_exec(old);
}

static void attacher_exits(struct cell *cell)
{
	start(cell);
	peer_stop(cell->steady);
	replace_steady(cell);
	stop_attachers(cell);
	peer_stop(cell->owner);
}

/* ---- Threads. */

static void with_threads(struct cell *cell)
{
	/* A segment is its process's, whoever of it made it. */
	cell_same(cell);
	cell_stores(cell);
	cell_owner_stores(cell);
	peer_stop(cell->owner);
	all_gone(cell);
	stop_attachers(cell);
}

static void maker_ends_first(struct cell *cell)
{
	cell->in_thread = true;
	start(cell);
	with_threads(cell);
}

static void main_ends_first(struct cell *cell)
{
	start(cell);
	peer_call(cell->owner, peer_main_thread_exits, 0);
	with_threads(cell);
}

/* The thread that made it, then the main one; a third remains. */
static void all_but_one_end(struct cell *cell)
{
	cell->in_thread = true;
	start(cell);
	peer_call(cell->owner, peer_main_thread_exits, 0);
	peer_call(cell->steady, peer_main_thread_exits, 0);
	peer_call(cell->busy, peer_main_thread_exits, 0);
	cell_run_busy(cell, true);
	with_threads(cell);
}

static const struct event events[] = {
	{ .name = "exec-of-owner", .run = owner_execs, .alone = true },
	{ .name = "exit-of-owner", .run = owner_exits, .alone = true },
	{ .name = "exec-of-attacher", .run = attacher_execs, .alone = true },
	{ .name = "exit-of-attacher", .run = attacher_exits, .alone = true },
	{ .name = "exit-of-thread-that-made-it", .run = maker_ends_first, .alone = true },
	{ .name = "exit-of-main-thread", .run = main_ends_first, .alone = true },
	{ .name = "exit-of-all-threads-but-one", .run = all_but_one_end, .alone = true },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], exec_mark))
		return after_exec();
	return cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An owner is killed for want of memory while attachments and other partitions
 * have its pages: is the OOM reaper, which may not sleep, told no, and is nothing
 * lost by that?
 *
 * The reaper comes 2 s after the kill to who is still there.  Here that is an
 * owner held in a recall that is deaf to signals.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recall_test.h"

#define GROUP "xpmem-recall-oom"
/* What is recalled, what is just attached, and what others have as well */
#define PAGES 512
#define SIZE (PAGES * PAGE)
#define RECALLED 8
#define REMOTE_FROM 256
#define LIMIT "50331648"
#define MOST (36UL << 20)
#define MORE (128UL << 20)
#define SEED 9

/* Attached no more, so that another partition alone has it; a mapping by itself */
static char *remote;
static char *memory;

static void *change(void *unused)
{
	(void)unused;
	check(madvise(memory, RECALLED * PAGE, MADV_DONTNEED) == 0);
	return NULL;
}

static void owner(int unused)
{
	/* mapped before a thread waits with the mmap_lock held */
	char *more = map_anon(MORE);
	pthread_t thread;

	(void)unused;
	cgroup_enter(GROUP);
	/* most of it before, as what is held is not held for long */
	memset(more, 1, MOST);
	memory = map_anon(SIZE);
	/* What is REMOTE is single pages. */
	no_huge_pages(memory, SIZE);
	fill(memory, SIZE, SEED);
	board->segid[0] = make_segment(memory, SIZE);
	remote = mmap(NULL, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	check(remote != MAP_FAILED);
	no_huge_pages(remote, SIZE);
	fill(remote, SIZE, SEED);
	board->segid[1] = make_segment(remote, SIZE);
	reach(1);
	await(2);
	check(pthread_create(&thread, NULL, change, NULL) == 0);
	await(3);
	memset(more + MOST, 1, MORE - MOST);
	fail("no limit of memory");
}

int main(void)
{
	uint64_t refused, kills;
	struct recall_counts before, after;
	int status;
	char *at, *once, *model;
	pid_t pid;

	test_begin(60);
	recall_load();
	cgroup_make(GROUP);
	check(write_file(cgroup_file(GROUP, "memory.max"), LIMIT));
	if (!write_file(cgroup_file(GROUP, "memory.swap.max"), "0"))
		check(errno == ENOENT);
	kills = read_number(cgroup_file(GROUP, "memory.events"), "oom_kill");
	refused = read_number("/proc/xpmem/counters", "refused_nonblock");
	pid = spawn(owner, 0);
	await(1);
	at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	check(!differs(at, SIZE, SEED));
	once = attach_at(get_segment(board->segid[1], XPMEM_RDWR), 0, SIZE);
	check(!differs(once, SIZE, SEED));
	recall_mark(board->segid[1], 0, PAGES - 1);
	check(xpmem_detach(once) == 0);
	recall_mark(board->segid[0], 0, RECALLED - 1);
	recall_mark(board->segid[0], REMOTE_FROM, PAGES - 1);
	recall_behave(RECALL_HOLD | RECALL_STUBBORN);
	before = recall_counts();
	reach(2);
	recall_await_waiting();
	reach(3);

	/* who is killed can't go; the reaper comes and is refused, by both */
	await_that(read_number(cgroup_file(GROUP, "memory.events"), "oom_kill") > kills);
	await_that(read_number("/proc/xpmem/counters", "refused_nonblock") >= refused + 2 &&
		   recall_counts().refusals > before.refusals);
	check(waitpid(pid, &status, WNOHANG) == 0);
	/* Nothing was freed that is shown: it is the owner's memory, or shown no more. */
	model = map_anon(SIZE);
	fill(model, SIZE, SEED);
	for (int page = RECALLED; page < PAGES; page++) {
		uint64_t value;

		if (try_read(at + page * PAGE, &value) == 0)
			check(value == *(uint64_t *)(void *)(model + page * PAGE));
	}
	recall_behave(0);
	check(waitpid(pid, &status, 0) == pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* The range that was refused was told of again, by a call that may sleep. */
	after = recall_counts();
	printf("%llu calls that may not sleep, %llu of them refused; %llu that may\n",
	       after.nonblocks - before.nonblocks, after.refusals - before.refusals,
	       after.issues - before.issues);
	check(after.issues > before.issues + 1 || after.releases > before.releases);
	for (int page = 0; page < PAGES; page += 7)
		check(try_read(at + page * PAGE, NULL) == SIGBUS);
	/* and all memory came back */
	await_that(read_number(cgroup_file(GROUP, "memory.current"), NULL) < 8 << 20);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * While another partition does not give a page back: does its owner wait, and
 * nobody else?  And who has to wait, can he be killed at once?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recall_test.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES 256
#define SIZE (PAGES * PAGE)
/* Pages of the first leaf are recalled, the others are left alone. */
#define RECALLED 8
#define QUIET 128
#define SEED 3

/* What is not to wait may be slow, as under emulation, but not this slow. */
#define BOUND 8000

enum how { MUNMAP, DONTNEED, EXIT, HOWS };
static const char *const hows[HOWS] = { "munmap", "MADV_DONTNEED", "exit" };

/* The owner changes pages of which there are copies. */
static void owner(int how)
{
	char *memory = map_anon(SIZE);

	fill(memory, SIZE, SEED);
	board->segid[0] = make_segment(memory, SIZE);
	board->addr[0] = memory;
	reach(1);
	await(2);
	switch (how) {
	case MUNMAP:
		check(munmap(memory, RECALLED * PAGE) == 0);
		break;
	case DONTNEED:
		check(madvise(memory, RECALLED * PAGE, MADV_DONTNEED) == 0);
		break;
	case EXIT:
		_exit(0);
	}
	reach(20);
	await(30);
}

/* Reads what it has, and holds attachments while the recall goes on */
static void attacher(int unused)
{
	char *at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);

	(void)unused;
	check(!differs(at, SIZE, SEED));
	count_up(0);
	await(3);
	for (int i = 0; i < 100; i++) {
		uint64_t value = ((volatile uint64_t *)at)[QUIET * PAGE / 8 + i];

		check(value == ((uint64_t *)board->addr[1])[QUIET * PAGE / 8 + i]);
	}
	count_up(1);
}

/* Touches what is being taken away: it has to wait, unless nothing is there */
static void waiter(int how)
{
	char *at = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);

	if (how == MUNMAP) {
		check(try_read(at, NULL) == SIGBUS);
		return;
	}
	count_up(2);
	(void)*(volatile char *)at;
	count_up(3);
}

static char state_of(pid_t pid)
{
	char path[32], text[256] = {};
	char *at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	at = strrchr(text, ')');
	check(at);
	return at[2];
}

static uint64_t started;

static void in_time(const char *what)
{
	uint64_t took = milliseconds() - started;

	if (took > BOUND * slowness())
		fail("%s took %lu ms while a recall was held", what, took);
	printf("  %s: %lu ms\n", what, took);
	started = milliseconds();
}

/* A whole life of others: owner, attacher, fork, exec, exit, all of its own */
static void others_owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	fill(memory, SIZE, SEED + 1);
	board->segid[2] = make_segment(memory, SIZE);
	atomic_store(&board->count[5], 1);
	await_that(atomic_load(&board->count[6]) == 1);
	/* invalidations of an owner whose memory is mapped elsewhere */
	check(madvise(memory, SIZE / 2, MADV_DONTNEED) == 0);
	check(munmap(memory, SIZE) == 0);
	atomic_store(&board->count[6], 2);
	/* and its end: the release of an address space */
	await_that(atomic_load(&board->count[6]) == 3);
}

static void others_attacher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[2], XPMEM_RDWR);
	char *at = attach_at(apid, 0, SIZE);

	(void)unused;
	check(!differs(at, SIZE, SEED + 1));
	atomic_store(&board->count[6], 1);
	await_that(atomic_load(&board->count[6]) == 2);
	check(try_read(at, NULL) == SIGBUS);
	check(munmap(at, PAGE) == 0);
	check(xpmem_detach(at + PAGE) == 0);
	check(xpmem_release(apid) == 0);
	atomic_store(&board->count[6], 3);
}

static void execs(int unused)
{
	(void)unused;
	execl("/proc/self/exe", "recall_held", "exec", (char *)NULL);
	fail("exec");
}

static void unrelated(void)
{
	pid_t pids[2];

	started = milliseconds();
	atomic_store(&board->count[5], 0);
	atomic_store(&board->count[6], 0);
	pids[0] = spawn(others_owner, 0);
	await_count(5, 1);
	pids[1] = spawn(others_attacher, 0);
	join(pids[1]);
	in_time("another owner's and attacher's life");
	join(pids[0]);
	in_time("another owner's exit");
	join(spawn(execs, 0));
	in_time("fork, exec, exit");
}

/* One round: the owner is held in a recall, and what that means to everyone */
static void held(enum how how)
{
	pid_t owner_pid, attacher_pid, waiter_pid;
	int status;

	printf("%s\n", hows[how]);
	atomic_store(&board->step, 0);
	for (int i = 0; i < 4; i++)
		atomic_store(&board->count[i], 0);
	owner_pid = spawn(owner, how);
	await(1);
	attacher_pid = spawn(attacher, 0);
	await_count(0, 1);
	recall_mark(board->segid[0], 0, RECALLED - 1);
	recall_behave(RECALL_HOLD);
	reach(2);
	recall_await_waiting();

	started = milliseconds();
	if (how == EXIT) {
		kill_and_join(attacher_pid);
		in_time("killing an attacher");
	} else {
		reach(3);
		await_count(1, 1);
		join(attacher_pid);
		in_time("reading a page that is mapped, and an attacher's exit");
	}
	waiter_pid = how == EXIT ? 0 : spawn(waiter, how);
	if (how == MUNMAP) {
		join(waiter_pid);
		in_time("an attacher of what is not mapped any more");
	} else if (how == DONTNEED) {
		await_count(2, 1);
		await_that(state_of(waiter_pid) == 'D');
		check(!atomic_load(&board->count[3]));
		started = milliseconds();
		kill_and_join(waiter_pid);
		in_time("killing an attacher whose fault waits");
	}
	unrelated();
	check(atomic_load(&board->step) < 20);
	check(recall_counts().waiting);

	if (how == DONTNEED) {
		/* it goes on when the copies are given back */
		recall_behave(0);
		await(20);
		reach(30);
		join(owner_pid);
	} else if (how == MUNMAP) {
		uint64_t killed = recall_counts().killed;

		started = milliseconds();
		check(kill(owner_pid, SIGKILL) == 0);
		check(waitpid(owner_pid, &status, 0) == owner_pid);
		check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		in_time("killing the owner");
		check(recall_counts().killed > killed);
		recall_behave(0);
	} else {
		/*
		 * An exit waits, too.  The kernel delivers no signal to who exits
		 * already: the subscriber must bound that.
		 */
		check(waitpid(owner_pid, &status, WNOHANG) == 0);
		recall_behave(0);
		join(owner_pid);
	}
	check(!recall_counts().waiting);
}

/*
 * Reclaim does not change what is in a page, so a subscriber whose copies stay
 * good may say so, and reclaim waits for nobody.
 */
static void reclaim(void)
{
	struct recall_counts before, after;
	char *memory = map_anon(64 * PAGE);
	xpmem_segid_t segid;
	int out = 0;

	settle_pages();
	no_huge_pages(memory, 64 * PAGE);
	fill(memory, 64 * PAGE, SEED);
	segid = make_segment(memory, 64 * PAGE);
	check(!differs(attach_at(get_segment(segid, XPMEM_RDWR), 0, 64 * PAGE), 64 * PAGE, SEED));
	recall_mark(segid, 0, 63);
	recall_behave(RECALL_HOLD | RECALL_KEEP_RECLAIM);
	before = recall_counts();
	started = milliseconds();
	/* The first asks whether the pages were used of late: they were. */
	for (int i = 0; i < 2; i++)
		check(madvise(memory, 64 * PAGE, MADV_PAGEOUT) == 0);
	in_time("reclaim");
	after = recall_counts();
	for (int i = 0; i < 64; i++)
		out += page_is_swapped(memory + i * PAGE);
	if (out != 64)
		fail("%d of 64 pages were paged out", out);
	printf("  %llu issues, %llu in reclaim, %llu waits\n", after.issues - before.issues,
	       after.reclaims - before.reclaims, after.waits - before.waits);
	check(after.reclaims > before.reclaims && after.waits == before.waits);
	/* the mark stayed: a change of the content is told of, and waits */
	recall_behave(0);
	check(madvise(memory, 64 * PAGE, MADV_DONTNEED) == 0);
	check(recall_counts().waits > after.waits);
	check(xpmem_remove(segid) == 0);
	munmap(memory, 64 * PAGE);
}

int main(int argc, char **argv)
{
	char *model;

	(void)argv;
	if (argc > 1)
		return 0;
	test_begin(120);
	recall_load();
	model = map_anon(SIZE);
	fill(model, SIZE, SEED);
	board->addr[1] = model;
	for (int how = 0; how < HOWS; how++)
		held(how);
	reclaim();
	return 0;
}

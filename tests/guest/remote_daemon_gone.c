// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the daemon closes, dies or says nothing in the middle of everything: does nobody
 * hang, is nothing lost that was there, and is nothing left at the end?
 */
#include "ctl_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	256UL
#define SIZE	(PAGES * PAGE)
#define SEED	3
#define SHORT	(1000 * slowness())	/* ms that a fault waits here */

static struct ctl_home home;
static char *at;

static void attach_all(void)
{
	ctl_not_ours();
	at = attach_at(get_segment(home.segid, XPMEM_RDWR), 0, SIZE);
}

static uint64_t counter(const char *name)
{
	return read_number("/proc/xpmem/counters", name);
}

/* ---- A fault, a get, an attach, with nobody answering */

static void faulter(int unused)
{
	uint64_t start = milliseconds();

	(void)unused;
	attach_all();
	reach(1);
	await(2);
	start = milliseconds();
	check(try_read(at, NULL) == SIGBUS);
	check(milliseconds() - start >= SHORT);
	check(xpmem_prefault(at, PAGE, 0, NULL) < 0);
	reach(3);
	await(4);
	check(try_read(at, NULL) == 0);
}

static void getter(int error)
{
	ctl_not_ours();
	count_up(0);
	check_errno(xpmem_get(ctl_foreign(), XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), error);
}

static void silent(void)
{
	pid_t pid;

	ctl_home_begin(&home, PAGES);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	pid = spawn(faulter, 0);
	await(1);
	ctl_home_mute(&home);
	reach(2);
	join(spawn(getter, ETIMEDOUT));
	await(3);
	home.mute = false;
	reach(4);
	join(pid);
	await_that(home.releases == 1);
	ctl_home_end(&home);
	check(counter("remotes") == 0);
}

static void closed(void)
{
	struct xpmem_ctl_record record;
	pid_t pid;

	atomic_store(&board->count[0], 0);
	pid = spawn(getter, ENOTCONN);
	record = ctl_expect(XPMEM_CTL_GET);
	ctl_end();
	join(pid);
	join(spawn(getter, ENOTCONN));
	ctl_begin_with(LEASE_MS, SHORT);
	check(ctl_complete(record.id, 0, PAGE) == -ENOENT);
	ctl_expect_none(50);
}

/* ---- The daemon dies by SIGKILL while many threads use what it gave; another comes */

static void *user(void *arg)
{
	_Atomic uint64_t *word = arg;
	int got = 0;

	while (!board->stop) {
		/* SIGBUS is allowed while nobody is there; siglongjmp is not for threads. */
		atomic_fetch_add(word, 1);
		got++;
		if (got % 64 == 0)
			usleep(100);
	}
	return NULL;
}

static void users(int unused)
{
	pthread_t threads[4];

	(void)unused;
	attach_all();
	for (uint64_t i = 0; i < 4; i++)
		check(pthread_create(&threads[i], NULL, user, at + i * PAGE) == 0);
	reach(1);
	for (int i = 0; i < 4; i++)
		check(pthread_join(threads[i], NULL) == 0);
	reach(9);
	await(10);
	for (uint64_t i = 0; i < 4; i++)
		board->value[i] = *(uint64_t *)(at + i * PAGE);
}

static void first_daemon(int unused)
{
	(void)unused;
	ctl_begin_with(LEASE_MS, 60000);
	check(ctl_lease(THERE, ctl_now() + 3000 * SECOND) == 0);
	ctl_home_begin(&home, PAGES);
	board->segid[0] = home.segid;
	reach(0);
	count_up(1);
	for (unsigned int seed = 1;;)
		ctl_home_take(&home, (unsigned long)rand_r(&seed) % 4, 1, XPMEM_PAGE_SHARED);
}

/* What an earlier daemon left */
static unsigned int listed(struct xpmem_ctl_range *ranges, unsigned int room)
{
	struct xpmem_ctl_list list = { .size = sizeof(list) };
	unsigned int found = 0;

	do {
		list.ranges = (uintptr_t)(ranges + found);
		list.count = 1;	/* one by one: the next call begins where this ended */
		check(ioctl(ctl, XPMEM_CTL_IOC_LIST, &list) == 0);
		found += (unsigned int)list.count;
	} while (list.count && found < room);
	return found;
}

static void killed(void)
{
	struct xpmem_ctl_range ranges[16];
	uint64_t pages = 0, before = counter("takes");
	unsigned int found;
	pid_t daemon, pid;

	ctl_end();
	atomic_store(&board->step, 0);
	atomic_store(&board->stop, false);
	atomic_store(&board->count[1], 0);
	daemon = spawn(first_daemon, 0);
	await_count(1, 1);
	home.segid = board->segid[0];
	pid = spawn(users, 0);
	await(1);
	await_that(counter("takes") > before + 20);
	kill_and_join(daemon);

	ctl_begin_with(LEASE_MS, 60000);
	found = listed(ranges, 16);
	check(found >= 1);
	for (unsigned int i = 0; i < found; i++) {
		check(ranges[i].segid == board->segid[0]);
		check(ranges[i].state == XPMEM_PAGE_SHARED ||
		      ranges[i].state == XPMEM_PAGE_EXCLUSIVE);
		pages += ranges[i].count;
	}
	if (!pages || counter("replicas") < pages)
		fail("%lu pages listed", (unsigned long)pages);
	/* The lease goes on without a daemon; now it ends, and goes on. */
	check(ctl_lease(THERE, 0) == 0);
	ctl_home_begin_as(&home, PAGES, board->segid[0]);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	for (uint64_t end = milliseconds() + 500; milliseconds() < end;)
		guest_pause();
	atomic_store(&board->stop, true);
	await(9);
	for (uint64_t i = 0; i < 4; i++)
		ctl_home_take(&home, i, 1, XPMEM_PAGE_SHARED);
	reach(10);
	join(pid);
	await_that(home.releases == 1);
	for (uint64_t i = 0; i < 4; i++)
		check(board->value[i] > 0);
	ctl_home_end(&home);
	check(counter("remotes") == 0 && counter("replicas") == 0);
}

/* ---- Who waits is killed, at any moment */

static void waiter(int how)
{
	unsigned int seed = (unsigned int)how;

	attach_all();
	for (;;) {
		unsigned long page = (unsigned long)rand_r(&seed) % PAGES;

		if (rand_r(&seed) % 2)
			at[page * PAGE] = 1;
		else
			*(volatile char *)&at[page * PAGE];
	}
}

static void killing(void)
{
	unsigned int seed = 5;
	pid_t pids[3];

	ctl_home_begin(&home, PAGES);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3; i++)
			pids[i] = spawn(waiter, round * 3 + i);
		for (int i = 0; i < 30; i++) {
			home.mute = rand_r(&seed) % 4 == 0;
			ctl_home_take(&home, (unsigned long)rand_r(&seed) % 128, 128,
				      rand_r(&seed) % 2 ? XPMEM_PAGE_NONE : XPMEM_PAGE_SHARED);
			usleep(1000 * (unsigned int)(rand_r(&seed) % 5));
		}
		for (int i = 0; i < 3; i++)
			kill_and_join(pids[i]);
		home.mute = false;
	}
	await_that(counter("permits") == 0);
	await_that(counter("remotes") == 0);
	check(counter("replicas") == 0);
	ctl_home_end(&home);
}

int main(void)
{
	test_begin(120);
	ctl_begin_with(LEASE_MS, SHORT);
	silent();
	closed();
	killed();
	ctl_end();
	ctl_begin();
	killing();
	ctl_end();
	return 0;
}

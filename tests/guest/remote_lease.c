// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * At the end of a lease: can nobody use what the home has granted any more, whoever is
 * using it and with the daemon asleep; is it kept; and does a new lease give it back?
 */
#include "ctl_test.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES	64UL
#define SIZE	(PAGES * PAGE)
#define SEED	3
#define WORKERS	3
/* How late the module may be here: the machine is an emulated one, that others use */
#define LATE	(SECOND * slowness())

static struct ctl_home home;
static char *at;

static void attach_all(void)
{
	ctl_not_ours();
	at = attach_at(get_segment(home.segid, XPMEM_RDWR), 0, SIZE);
}

/* Time of the last access, again and again, in its value */
static void worker(int number)
{
	_Atomic uint64_t *word;

	attach_all();
	word = (_Atomic uint64_t *)(at + (unsigned long)number * PAGE);
	check(!differs(at + 32 * PAGE, PAGE, SEED));
	for (;;) {
		uint64_t now = ctl_now();
		int signal = try_write((void *)word, now);

		if (signal) {
			check(signal == SIGBUS);
			break;
		}
		/* when it was over, it was before the store was */
		board->value[number] = now;
		count_up(number);
	}
	count_up(10);
	await(2);
	/* renewed: it is still there */
	check(*word == board->value[number]);
}

static void ends_in_time(void)
{
	struct ctl_taken taken;
	uint64_t until, latest = 0;
	char buffer[PAGE] __attribute__((aligned(4096)));
	uint64_t words[WORKERS];
	pid_t pids[WORKERS];
	int faults;

	ctl_home_begin(&home, PAGES);
	fill(home.data + 32 * PAGE, PAGE, SEED);
	until = ctl_now() + 30 * SECOND;
	check(ctl_lease(THERE, until) == 0);
	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(worker, i);
	for (int i = 0; i < WORKERS; i++)
		await_count(i, 10);
	/* shorter, and nobody does anything about it */
	until = ctl_now() + SECOND / 2;
	check(ctl_lease(THERE, until) == 0);
	ctl_home_mute(&home);
	while (ctl_now() < until + LATE)
		usleep(1000);
	/* What an EXCLUSIVE one holds does not change any more. */
	for (int i = 0; i < WORKERS; i++) {
		check(ctl_take(home.segid, (uint64_t)i, 1, XPMEM_PAGE_SHARED, buffer, &taken) == 0);
		check(taken.exclusive[0] == 1);
		words[i] = *(uint64_t *)buffer;
		if (words[i] > until + LATE)
			fail("a store %lu ms after the end of the lease",
			     (unsigned long)((words[i] - until) / 1000000));
		latest = words[i] > latest ? words[i] : latest;
	}
	printf("last store %ld us from the end of the lease\n",
	       (long)((int64_t)(latest - until) / 1000));
	/* Without a lease they raise SIGBUS when their time is over. */
	await_count(10, WORKERS);
	check(ctl_install(0, home.segid, 60, 1, XPMEM_PAGE_SHARED, home.data) == -ESTALE);
	check(ctl_install(0, home.segid, 0, 1, XPMEM_PAGE_EXCLUSIVE, NULL) == -ESTALE);
	faults = home.faults;
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	home.mute = false;
	reach(2);
	for (int i = 0; i < WORKERS; i++)
		join(pids[i]);
	if (home.faults - faults > WORKERS)
		fail("replicas were not kept: %d faults", home.faults - faults);
	await_that(home.releases == 1);
	ctl_home_end(&home);
}

/* Those that wait go on with the next lease, and ask nobody */
static void waiter(int unused)
{
	(void)unused;
	attach_all();
	check(try_read(at, NULL) == 0);
	reach(11);
	await(12);
	check(try_read(at, NULL) == 0);
	reach(13);
}

static void gives_back(void)
{
	uint64_t ends = read_number("/proc/xpmem/counters", "lease_ends");
	pid_t pid;
	int faults;

	ctl_home_begin(&home, PAGES);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	pid = spawn(waiter, 0);
	await(11);
	check(ctl_lease(THERE, 0) == 0);
	check(read_number("/proc/xpmem/counters", "lease_ends") == ends + 1);
	faults = home.faults;
	reach(12);
	for (uint64_t end = milliseconds() + 300; milliseconds() < end;)
		guest_pause();
	check(atomic_load(&board->step) == 12);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	await(13);
	check(home.faults == faults);
	join(pid);
	await_that(home.releases == 1);
	ctl_home_end(&home);
	check(ctl_lease(0, 1) == -EINVAL);
	check(ctl_lease(HERE, 1) == -EINVAL);
	check(ctl_lease(XPMEM_PARTITION_MAX + 1, 1) == -EINVAL);
}

int main(void)
{
	test_begin(120);
	ctl_begin_with(LEASE_MS, 2000 * slowness());
	ends_in_time();
	gives_back();
	ctl_end();
	return 0;
}

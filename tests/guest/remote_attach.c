// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does memory of another partition behave as memory, whatever is taken away while it is
 * used: is every load of what home has, no store lost, and none possible after a take?
 */
#include "ctl_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES	1024UL
#define SIZE	(PAGES * PAGE)
#define SEED	5
#define WORKERS	4
#define BUSY	8UL	/* pages that all workers store to */

static struct ctl_home home;
static char *at;

static void set_lease(void)
{
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
}

static void attach_all(int flags)
{
	ctl_not_ours();
	at = attach_at(get_segment(home.segid, flags), 0, SIZE);
}

/* ---- One process */

static void reader(int unused)
{
	(void)unused;
	attach_all(XPMEM_RDONLY);
	check(!differs(at, SIZE, SEED));
	check(try_write(at, 1) == SIGSEGV);
	check(mprotect(at, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	check(xpmem_detach(at) == 0);
}

static void writer(int unused)
{
	uint64_t *words;

	(void)unused;
	attach_all(XPMEM_RDWR);
	words = (uint64_t *)at;
	check(words[0] != 77);
	words[0] = 77;		/* it was SHARED */
	words[PAGE / 8 * 600] = 78;	/* it was not here */
	check(words[0] == 77 && words[PAGE / 8 * 600] == 78);
	reach(1);
	await(2);
	/* read-only now, with what was stored; and writable again */
	check(words[0] == 77);
	words[0] = 79;
	/* both taken away, and changed at home */
	reach(3);
	await(4);
	check(words[0] == 1000 && words[PAGE / 8 * 600] == 1001);
	check(xpmem_prefault(at + 700 * PAGE, 10 * PAGE, XPMEM_PREFAULT_WRITE, NULL) == 0);
}

static void basics(void)
{
	struct ctl_taken taken;
	char buffer[PAGE] __attribute__((aligned(4096)));
	uint64_t asks;
	pid_t pid;

	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	set_lease();
	join(spawn(reader, 0));
	await_that(home.releases == 1);
	check(ctl_forget(home.segid, 0) == -ENOENT);

	asks = read_number("/proc/xpmem/counters", "asks");
	pid = spawn(writer, 0);
	await(1);
	check(home.upgrades == 1);
	check(ctl_take(home.segid, 0, 1, XPMEM_PAGE_SHARED, buffer, &taken) == 0);
	check(taken.present[0] == 1 && taken.exclusive[0] == 1);
	check(*(uint64_t *)buffer == 77);
	memcpy(home.data, buffer, PAGE);
	check(ctl_take(home.segid, 0, 1, XPMEM_PAGE_SHARED, buffer, &taken) == 0);
	check(taken.present[0] == 1 && taken.exclusive[0] == 0);
	reach(2);
	await(3);
	check(home.upgrades == 2);
	check(ctl_home_take(&home, 0, 512, XPMEM_PAGE_NONE) == 0);
	check(ctl_home_take(&home, 512, 512, XPMEM_PAGE_NONE) == 0);
	check(((uint64_t *)home.data)[0] == 79);
	check(((uint64_t *)home.data)[PAGE / 8 * 600] == 78);
	((uint64_t *)home.data)[0] = 1000;
	((uint64_t *)home.data)[PAGE / 8 * 600] = 1001;
	reach(4);
	join(pid);
	await_that(home.releases == 2);
	check(read_number("/proc/xpmem/counters", "asks") - asks <= 30);
	check(read_number("/proc/xpmem/counters", "replicas") == 0);
	ctl_home_end(&home);
}

/* ---- How many pages are asked for: one, but by who goes on in sequence */

static void chooser(int unused)
{
	static const unsigned long pages[] = { 300, 100, 700, 64, 513, 15, 960 };
	uint64_t replicas;

	(void)unused;
	attach_all(XPMEM_RDWR);
	for (unsigned long i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		check(try_read(at + pages[i] * PAGE, NULL) == 0);
		replicas = read_number("/proc/xpmem/counters", "replicas");
		if (replicas != i + 1)
			fail("%lu pages came for %lu", replicas, i + 1);
	}
	reach(5);
	await(6);
	for (unsigned long page = 101; page < 300; page++)
		check(try_read(at + page * PAGE, NULL) == 0);
}

static void ahead(void)
{
	pid_t pid;
	int faults;

	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	set_lease();
	pid = spawn(chooser, 0);
	await(5);
	faults = home.faults;
	reach(6);
	join(pid);
	if (home.faults - faults > 6)
		fail("%d faults for 199 pages in sequence", home.faults - faults);
	await_that(home.releases == 1);
	ctl_home_end(&home);
}

/* ---- Stores are not lost: all pages are taken again and again */

static void worker(int number)
{
	uint64_t counts[BUSY] = { 0 };

	attach_all(XPMEM_RDWR);
	for (unsigned int seed = (unsigned int)number; !board->stop;) {
		unsigned long page = (unsigned long)rand_r(&seed) % BUSY;
		_Atomic uint64_t *mine = (_Atomic uint64_t *)(at + page * PAGE) + number;

		/* A word of its own is what it stored last; one of all is added to. */
		if (*mine != counts[page])
			fail("page %lu has %lu, stored was %lu", page, *mine, counts[page]);
		atomic_store(mine, ++counts[page]);
		atomic_fetch_add((_Atomic uint64_t *)(at + page * PAGE) + 100, 1);
		count_up(number);
	}
	for (unsigned long page = 0; page < BUSY; page++)
		atomic_fetch_add((_Atomic uint64_t *)&board->value[page], counts[page]);
}

static void taken_while_used(void)
{
	pid_t pids[WORKERS];
	unsigned int seed = 1;
	uint64_t end;
	int takes = 0;

	ctl_home_begin(&home, PAGES);
	set_lease();
	for (int i = 0; i < WORKERS; i++)
		pids[i] = spawn(worker, i);
	for (int i = 0; i < WORKERS; i++)
		await_count(i, 1);
	for (end = milliseconds() + 5000; milliseconds() < end; takes++) {
		unsigned long page = (unsigned long)rand_r(&seed) % BUSY;

		check(ctl_home_take(&home, page, 1 + (unsigned long)rand_r(&seed) % (BUSY - page),
				    rand_r(&seed) % 3 ? XPMEM_PAGE_NONE : XPMEM_PAGE_SHARED) == 0);
		guest_pause();
	}
	atomic_store(&board->stop, true);
	for (int i = 0; i < WORKERS; i++)
		join(pids[i]);
	await_that(home.releases == 1);
	for (unsigned long page = 0; page < BUSY; page++) {
		uint64_t sum = ((uint64_t *)(home.data + page * PAGE))[100];

		if (sum != board->value[page])
			fail("page %lu has %lu of %lu stores", page, sum, board->value[page]);
	}
	printf("%d takes, %d faults, %d and %d rounds of the first two workers\n", takes,
	       home.faults, board->count[0], board->count[1]);
	ctl_home_end(&home);
}

/* ---- A debugger */

static void debugged(int unused)
{
	(void)unused;
	attach_all(XPMEM_RDWR);
	board->addr[0] = at;
	reach(11);
	await(12);
	check(*(uint64_t *)at == 4711);
}

static void debugger(void)
{
	char path[64];
	uint64_t value;
	pid_t pid;
	int fd;

	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	set_lease();
	pid = spawn(debugged, 0);
	await(11);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	check(pread(fd, &value, 8, (off_t)(uintptr_t)board->addr[0]) == 8);
	check(value == *(uint64_t *)home.data);
	value = 4711;
	check(pwrite(fd, &value, 8, (off_t)(uintptr_t)board->addr[0]) == 8);
	close(fd);
	reach(12);
	join(pid);
	await_that(home.releases == 1);
	check(*(uint64_t *)home.data == 4711);
	ctl_home_end(&home);
}

/* ---- What is not given */

static void refused_fault(int unused)
{
	(void)unused;
	attach_all(XPMEM_RDWR);
	check(try_read(at, NULL) == 0);
	check(try_write(at, 1) == SIGBUS);
	check(xpmem_prefault(at, PAGE, XPMEM_PREFAULT_WRITE, NULL) == -EFAULT);
	check(try_read(at, NULL) == 0);
	/* Others' memory is not the process's to share. */
	check(xpmem_make(at, PAGE, XPMEM_PERMIT_MODE, (void *)0600) > 0);
	board->segid[0] = make_segment(at, PAGE);
	check(try_attach(get_segment(board->segid[0], XPMEM_RDWR), PAGE, NULL) == (void *)-1);
	check(errno == EOPNOTSUPP);
	reach(21);
	await(22);
	check(try_read(at, NULL) == SIGBUS);
	check(try_attach(board->apid[0], PAGE, NULL) == (void *)-1);
}

static void refusals(void)
{
	pid_t pid;

	ctl_home_begin(&home, PAGES);
	home.shared_only = true;
	set_lease();
	check_errno(xpmem_get(home.segid + 1000, XPMEM_RDWR, XPMEM_PERMIT_MODE, NULL), ENOENT);
	pid = spawn(refused_fault, 0);
	await(21);
	check(ctl_forget(home.segid, XPMEM_FORGET_UNUSED) == -EBUSY);
	check(ctl_forget(home.segid, 0) == 0);
	reach(22);
	join(pid);
	check(read_number("/proc/xpmem/counters", "replicas") == 0);
	ctl_home_end(&home);
}

int main(void)
{
	test_begin(120);
	ctl_begin();
	basics();
	ahead();
	debugger();
	refusals();
	taken_while_used();
	await_that(read_number("/proc/xpmem/counters", "remotes") == 0);
	check(read_number("/proc/xpmem/counters", "replicas") == 0);
	ctl_end();
	return 0;
}

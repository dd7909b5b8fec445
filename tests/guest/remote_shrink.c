// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are replicas given up when memory is short, or when there are more than the daemon
 * wants: those that are SHARED at once, those that are EXCLUSIVE by way of the daemon,
 * with no store lost?
 */
#include "ctl_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES	4096UL
#define SIZE	(PAGES * PAGE)
#define SEED	11
#define LIMIT	512UL

static struct ctl_home home;
static char *at;

static uint64_t counter(const char *name)
{
	return read_number("/proc/xpmem/counters", name);
}

static void user(int unused)
{
	(void)unused;
	ctl_not_ours();
	at = attach_at(get_segment(home.segid, XPMEM_RDWR), 0, SIZE);
	check(!differs(at, SIZE, SEED));
	reach(1);
	await(2);
	check(!differs(at, SIZE, SEED));
	/* Now all are EXCLUSIVE. */
	fill(at, SIZE, SEED + 1);
	reach(3);
	await(4);
	check(!differs(at, SIZE, SEED + 1));
	reach(5);
	await(6);
}

static void by_pressure(void)
{
	uint64_t evictions;
	pid_t pid;

	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	pid = spawn(user, 0);
	await(1);
	check(counter("replicas") == PAGES);
	evictions = counter("evictions");
	for (int i = 0; i < 20 && counter("evictions") == evictions; i++)
		check(write_file("/proc/sys/vm/drop_caches", "2"));
	check(counter("evictions") > evictions);
	await_that(home.drops);
	printf("%lu pages evicted\n", (unsigned long)(counter("evictions") - evictions));
	reach(2);
	await(3);
	/* EXCLUSIVE ones come home by the daemon's hand. */
	for (int i = 0; i < 200 && counter("replicas") > PAGES / 4; i++) {
		check(write_file("/proc/sys/vm/drop_caches", "2"));
		usleep(20000);
	}
	if (counter("replicas") > PAGES / 4)
		fail("%lu replicas are left", (unsigned long)counter("replicas"));
	reach(4);
	await(5);
	reach(6);
	join(pid);
	await_that(home.releases == 1);
	ctl_home_end(&home);
	check(counter("replicas") == 0);
}

static void reader(int unused)
{
	(void)unused;
	ctl_not_ours();
	at = attach_at(get_segment(home.segid, XPMEM_RDONLY), 0, SIZE);
	for (int i = 0; i < 2; i++)
		check(!differs(at, SIZE, SEED));
	reach(11);
	await(12);
}

static void by_limit(void)
{
	struct xpmem_ctl_hello hello = {
		.lease_ms = LEASE_MS, .skew_ms = SKEW_MS, .fault_ms = FAULT_MS,
		.replica_limit = LIMIT * PAGE,
	};
	pid_t pid;

	check(ctl_hello(ctl, HERE, &hello) == 0);
	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	pid = spawn(reader, 0);
	await(11);
	await_that(counter("replicas") <= LIMIT);
	reach(12);
	join(pid);
	await_that(home.releases == 1);
	ctl_home_end(&home);
}

/* Who attaches pays. */
static void charged(int unused)
{
	uint64_t before, after;

	(void)unused;
	ctl_not_ours();
	cgroup_enter("xpmem-replicas");
	at = attach_at(get_segment(home.segid, XPMEM_RDONLY), 0, SIZE);
	before = read_number(cgroup_file("xpmem-replicas", "memory.current"), NULL);
	check(!differs(at, SIZE, SEED));
	after = read_number(cgroup_file("xpmem-replicas", "memory.current"), NULL);
	if (after < before + SIZE / 10 * 9)
		fail("%lu bytes charged of %lu", (unsigned long)(after - before), SIZE);
}

/* More than its cgroup may have: what it does not use makes room, nobody is killed. */
static void limited(int unused)
{
	(void)unused;
	ctl_not_ours();
	cgroup_enter("xpmem-limited");
	check(write_file(cgroup_file("xpmem-limited", "memory.max"), "8M"));
	at = attach_at(get_segment(home.segid, XPMEM_RDWR), 0, SIZE);
	check(!differs(at, SIZE, SEED));
	fill(at, SIZE, SEED + 1);
	check(!differs(at, SIZE, SEED + 1));
	check(xpmem_detach(at) == 0);
	/* The pages of its own segment's end come back to its cgroup. */
	await_that(counter("replicas") == 0);
}

static void has_a_limit(void)
{
	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	join(spawn(limited, 0));
	await_that(home.releases == 1);
	check(!differs(home.data, SIZE, SEED + 1));
	ctl_home_end(&home);
}

static void pays(void)
{
	struct xpmem_ctl_hello hello = {
		.lease_ms = LEASE_MS, .skew_ms = SKEW_MS, .fault_ms = FAULT_MS,
	};

	check(ctl_hello(ctl, HERE, &hello) == 0);
	cgroup_make("xpmem-replicas");
	ctl_home_begin(&home, PAGES);
	fill(home.data, SIZE, SEED);
	check(ctl_lease(THERE, ctl_now() + 300 * SECOND) == 0);
	join(spawn(charged, 0));
	await_that(home.releases == 1);
	ctl_home_end(&home);
}

int main(void)
{
	test_begin(120);
	ctl_begin();
	by_pressure();
	by_limit();
	pays();
	cgroup_make("xpmem-limited");
	/* Who is killed is so by chance: by how many processors have set memory aside. */
	for (int i = 0; i < 5; i++)
		has_a_limit();
	ctl_end();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a fault come through whose page table must be allocated when memory is
 * short and reclaim takes the owner's pages of the same segment?  A module that
 * allocates under the lock that its notifier takes waits for itself.
 *
 * Owner and attacher live in a memory cgroup that the owner's pages nearly
 * fill; every attached page lies in a 2 MiB range of its own, so that each
 * fault needs a page table, which is charged to the cgroup.
 */
#include "guest_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "/sys/fs/cgroup/xpmem-alloc-under-lock"
#define LIMIT_MIB 24
#define OWNED_PAGES 5120UL
#define TABLES 3000UL
#define STRIDE (2UL << 20)

static void enter_group(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	check(write_file(GROUP "/cgroup.procs", pid));
}

static void owner(int unused)
{
	char *memory;

	(void)unused;
	enter_group();
	memory = map_anon(OWNED_PAGES * PAGE);
	no_huge_pages(memory, OWNED_PAGES * PAGE);
	fill(memory, OWNED_PAGES * PAGE, 4);
	board->segid[0] = make_segment(memory, OWNED_PAGES * PAGE);
	reach(1);
	await(2);
	check(!differs(memory, OWNED_PAGES * PAGE, 4));
}

static void attacher(int unused)
{
	struct xpmem_addr where;
	uint64_t *all;
	char *base;

	(void)unused;
	enter_group();
	await(1);
	where.apid = get_segment(board->segid[0], XPMEM_RDWR);
	/* All of it is EXTERNAL, so that taking any page needs the lock and a zap. */
	all = attach_at(where.apid, 0, OWNED_PAGES * PAGE);
	for (size_t i = 0; i < OWNED_PAGES; i++)
		((volatile uint64_t *)all)[i * PAGE / 8] = all[i * PAGE / 8];

	base = mmap(NULL, (TABLES + 1) * STRIDE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	check(base != MAP_FAILED);
	for (size_t i = 0; i < TABLES; i++) {
		size_t page = i * 7 % OWNED_PAGES;
		uint64_t *addr;

		where.offset = (off_t)(page * PAGE);
		addr = xpmem_attach(where, PAGE, base + i * STRIDE);
		check(addr != (void *)-1);
		((volatile uint64_t *)addr)[1] = addr[1];
	}
	check(!differs(all, OWNED_PAGES * PAGE, 4));
}

int main(void)
{
	uint64_t out;
	char limit[32];
	pid_t pids[2];

	test_begin(180);
	if (!read_number("/proc/meminfo", "SwapTotal:"))
		skip("the guest has no swap");
	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	check(mkdir(GROUP, 0755) == 0 || errno == EEXIST);
	snprintf(limit, sizeof(limit), "%d", LIMIT_MIB << 20);
	if (!write_file(GROUP "/memory.max", limit))
		skip("the guest has no memory cgroup");
	out = read_number("/proc/vmstat", "pswpout");

	pids[0] = spawn(owner, 0);
	pids[1] = spawn(attacher, 0);
	join(pids[1]);
	reach(2);
	join(pids[0]);
	out = read_number("/proc/vmstat", "pswpout") - out;
	if (!out)
		fail("nothing was swapped out: memory was not short, the test shows nothing");
	printf("%lu page tables allocated while %lu pages were swapped out\n", TABLES, out);
	check(rmdir(GROUP) == 0);
	return 0;
}

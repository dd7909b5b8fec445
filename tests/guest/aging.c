// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does memory that is used through attachments alone survive pressure that takes
 * idle memory of the same owner?
 *
 * Four equal regions of one owner, all written once: A is used through an
 * attachment all the time, B was used through one once, C is used by nobody, and
 * D is used by the owner itself all the time, which shows what the kernel does
 * for memory that it sees in use.  Rounds: A and D are touched, then memory is
 * reclaimed from the owner's memory cgroup, then what left is counted.  All in
 * all less is reclaimed than B and C are, so that nothing need be that is in use.
 * At first all looks used, and something must leave: these rounds are not counted.
 *
 * An attachment's use is known for a window of 64 pages, so regions are touched
 * as a whole.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 2048
#define SIZE (PAGES * PAGE)
#define ROUNDS 12
#define FIRST_ROUNDS 3
/* Three quarters of the idle regions, all in all */
#define RECLAIM (2 * SIZE * 3 / 4 / ROUNDS)
#define OWNERS_GROUP "xpmem-aging"

enum { A, B, C, D, REGIONS };

static const char *const names[REGIONS] = {
	"used through an attachment", "used through an attachment once", "used by nobody",
	"used by the owner",
};

static char *memory;

static void touch(volatile char *at)
{
	for (size_t i = 0; i < SIZE; i += PAGE)
		at[i]++;
}

/* Touches A once for each of the owner's rounds */
static void attacher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	char *a = attach_at(apid, A * SIZE, SIZE);
	int round = 0;

	(void)unused;
	touch(attach_at(apid, B * SIZE, SIZE));
	touch(a);
	count_up(0);
	while (++round <= ROUNDS) {
		await(round);
		touch(a);
		count_up(0);
	}
}

static int swapped(int region)
{
	static uint64_t entries[PAGES];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	int count = 0;

	check(fd >= 0);
	check(pread(fd, entries, sizeof(entries),
		    (off_t)((uintptr_t)(memory + region * SIZE) / PAGE * 8)) == sizeof(entries));
	close(fd);
	for (int i = 0; i < PAGES; i++)
		count += !(entries[i] >> 63);
	return count;
}

static void owner(int unused)
{
	char amount[32];
	int left[REGIONS] = {}, now[REGIONS];
	pid_t pid;

	(void)unused;
	cgroup_enter(OWNERS_GROUP);
	settle_pages();
	memory = map_anon(REGIONS * SIZE);
	no_huge_pages(memory, REGIONS * SIZE);
	for (int region = 0; region < REGIONS; region++)
		touch(memory + region * SIZE);
	board->segid[0] = make_segment(memory, REGIONS * SIZE);
	check(madvise(memory, REGIONS * SIZE, MADV_DONTFORK) == 0);
	pid = spawn(attacher, 0);
	await_count(0, 1);

	snprintf(amount, sizeof(amount), "%lu", RECLAIM);
	for (int round = 1; round <= ROUNDS; round++) {
		touch(memory + D * SIZE);
		reach(round);
		await_count(0, round + 1);
		/* EAGAIN: a little less than wanted; the counts below tell */
		if (!write_file(cgroup_file(OWNERS_GROUP, "memory.reclaim"), amount))
			check(errno == EAGAIN);
		for (int region = 0; region < REGIONS; region++) {
			now[region] = swapped(region);
			if (region == B || region == C)
				left[region] = now[region];
			else if (round > FIRST_ROUNDS)
				/* each is a page that had to come back */
				left[region] += now[region];
		}
		printf("round %2d: %4d, %4d, %4d and %4d pages of A, B, C and D are out\n", round,
		       now[A], now[B], now[C], now[D]);
	}
	join(pid);
	for (int region = 0; region < REGIONS; region++)
		printf("%s: %d of %d left%s\n", names[region], left[region], PAGES,
		       region == A || region == D ? ", counted each time" : "");
	if (left[B] + left[C] < PAGES / 2)
		fail("there was no pressure: %d and %d pages of the idle regions left", left[B],
		     left[C]);
	if (left[A] > left[D] + PAGES / 8)
		fail("%d pages left in use through an attachment, %d of two idle regions, "
		     "%d in use by the owner",
		     left[A], left[B] + left[C], left[D]);
	/* The mark is taken back from what is not used any more. */
	if (left[B] < left[C] / 2)
		fail("%d pages left that were used once, %d that were not", left[B], left[C]);
}

int main(void)
{
	test_begin(120);
	if (!read_number("/proc/meminfo", "SwapTotal:"))
		skip("the guest has no swap");
	cgroup_make(OWNERS_GROUP);
	if (access(cgroup_file(OWNERS_GROUP, "memory.reclaim"), W_OK))
		skip("the kernel has no memory.reclaim");
	join(spawn(owner, 0));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do two processes come through that export their whole address spaces to each
 * other, as MPI ranks do, while their memory is unmapped and changed?  Taking an
 * attachment away runs the attacher's own notifiers; a module that holds its
 * lock meanwhile deadlocks, or sleeps with a spinlock held.
 */
#include "guest_test.h"

#include <sys/mman.h>
#include <unistd.h>

#define SIZE (64 * PAGE)
#define SECONDS 6

static int me;
static char *mine, *theirs;

static void *touch(void *unused)
{
	(void)unused;
	while (!atomic_load(&board->stop)) {
		for (size_t i = 0; i < SIZE; i += PAGE)
			((volatile char *)theirs)[i + (size_t)me]++;
		count_up(me);
	}
	return NULL;
}

static void *change(void *unused)
{
	int round = 0;

	(void)unused;
	while (!atomic_load(&board->stop)) {
		switch (round++ % 3) {
		case 0:
			madvise(mine, SIZE, MADV_DONTNEED);
			break;
		case 1:
			check(mprotect(mine, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
			check(mprotect(mine, SIZE, PROT_READ | PROT_WRITE) == 0);
			break;
		case 2:
			check(mmap(mine, SIZE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == mine);
			break;
		}
		count_up(2 + me);
		usleep(500);
	}
	return NULL;
}

static void process(int number)
{
	const struct crew crew[] = { { touch, 2 }, { change, 2 }, {} };
	xpmem_apid_t apid;

	me = number;
	mine = map_anon(SIZE);
	board->addr[me] = mine;
	board->segid[me] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
	meet(2);
	apid = get_segment(board->segid[!me], XPMEM_RDWR);
	theirs = attach_at(apid, (off_t)board->addr[!me], SIZE);
	run_crew(crew);
	meet(2);
}

int main(void)
{
	test_begin(60);
	run_pair(process, SECONDS, "64 pages", "changes");
	return 0;
}

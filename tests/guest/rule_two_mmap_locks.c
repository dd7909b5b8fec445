// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do two processes come through that attach each other and fault at once, while
 * both change their address spaces?  A fault that waits for the owner's
 * mmap_lock with the attacher's held deadlocks them.
 */
#include "guest_test.h"

#include <sys/mman.h>
#include <unistd.h>

#define FAULTERS 3
#define MAPPERS 2
#define PAGES 256
#define SIZE (PAGES * PAGE)
#define SECONDS 8

static int me;
static char *mine, *theirs;

static void *touch(void *unused)
{
	unsigned int seed = 1;

	(void)unused;
	while (!atomic_load(&board->stop)) {
		for (int i = 0; i < 64; i++) {
			seed = seed * 1103515245 + 12345;
			((volatile char *)theirs)[(seed >> 8) % PAGES * PAGE + (unsigned int)me]++;
		}
		count_up(me);
		/* What was touched is taken away, and must be faulted in anew. */
		madvise(mine, SIZE, MADV_DONTNEED);
	}
	return NULL;
}

static void *remap(void *unused)
{
	(void)unused;
	while (!atomic_load(&board->stop)) {
		void *addr = map_anon(PAGE);

		*(volatile char *)addr = 1;
		munmap(addr, PAGE);
		count_up(2 + me);
		usleep(200);
	}
	return NULL;
}

static void process(int number)
{
	const struct crew crew[] = { { touch, FAULTERS }, { remap, MAPPERS }, {} };

	me = number;
	mine = map_anon(SIZE);
	board->segid[me] = make_segment(mine, SIZE);
	meet(2);
	theirs = attach_at(get_segment(board->segid[!me], XPMEM_RDWR), 0, SIZE);
	run_crew(crew);
	/* The other may still be touching this one's memory. */
	meet(2);
}

int main(void)
{
	test_begin(60);
	run_pair(process, SECONDS, "64 faults", "mappings");
	return 0;
}

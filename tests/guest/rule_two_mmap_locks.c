// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do two processes come through that attach each other and fault at once, while
 * both change their address spaces?  A fault that waits for the owner's
 * mmap_lock with the attacher's held deadlocks them.
 */
#include "guest_test.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define FAULTERS 3
#define MAPPERS 2
#define PAGES 256
#define SIZE (PAGES * PAGE)
#define SECONDS 8
/* Each process must have got through this much; under emulation it is slow */
#define LEAST 1

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
	pthread_t threads[FAULTERS + MAPPERS];

	me = number;
	mine = map_anon(SIZE);
	board->segid[me] = make_segment(mine, SIZE);
	count_up(8);
	await_count(8, 2);
	theirs = attach_at(get_segment(board->segid[!me], XPMEM_RDWR), 0, SIZE);
	for (int i = 0; i < FAULTERS + MAPPERS; i++)
		check(pthread_create(&threads[i], NULL, i < FAULTERS ? touch : remap, NULL) == 0);
	for (int i = 0; i < FAULTERS + MAPPERS; i++)
		pthread_join(threads[i], NULL);
	/* The other may still be touching this one's memory. */
	count_up(8);
	await_count(8, 4);
}

int main(void)
{
	pid_t pids[2];

	test_begin(60);
	for (int i = 0; i < 2; i++)
		pids[i] = spawn(process, i);
	sleep(SECONDS);
	atomic_store(&board->stop, true);
	for (int i = 0; i < 2; i++)
		join(pids[i]);
	for (int i = 0; i < 4; i++)
		if (atomic_load(&board->count[i]) < LEAST)
			fail("process %d got through %d rounds of %s", i % 2,
			     atomic_load(&board->count[i]), i < 2 ? "faults" : "mappings");
	printf("%d and %d rounds of 64 faults in %d s\n", atomic_load(&board->count[0]),
	       atomic_load(&board->count[1]), SECONDS);
	return 0;
}

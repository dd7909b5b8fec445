// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do two processes come through that export their whole address spaces to each
 * other, as MPI ranks do, while their memory is unmapped and changed?  Taking an
 * attachment away runs the attacher's own notifiers; a module that holds its
 * lock meanwhile deadlocks, or sleeps with a spinlock held.
 */
#include "guest_test.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (64 * PAGE)
#define SECONDS 6
/* Each process must have got through this much; under emulation it is slow */
#define LEAST 1

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
	pthread_t threads[4];
	xpmem_apid_t apid;

	me = number;
	mine = map_anon(SIZE);
	board->addr[me] = mine;
	board->segid[me] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
	count_up(8);
	await_count(8, 2);
	apid = get_segment(board->segid[!me], XPMEM_RDWR);
	theirs = attach_at(apid, (off_t)board->addr[!me], SIZE);
	for (int i = 0; i < 4; i++)
		check(pthread_create(&threads[i], NULL, i < 2 ? touch : change, NULL) == 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
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
			     atomic_load(&board->count[i]), i < 2 ? "faults" : "changes");
	printf("%d and %d rounds of 64 pages, %d and %d changes, in %d s\n",
	       atomic_load(&board->count[0]), atomic_load(&board->count[1]),
	       atomic_load(&board->count[2]), atomic_load(&board->count[3]), SECONDS);
	return 0;
}

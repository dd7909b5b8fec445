// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are 100,000 attachments of one segment made, shown, taken away and torn down in
 * a time that grows with their number and no faster?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
/* Less than vm.max_map_count in each; fewer on slow kernels */
#define MOST 25000
#define PAGES 64
#define SIZE (PAGES * PAGE)
/* What is a quarter of the work may take a quarter, and this times as much */
#define SLACK 3
/* The smallest of so many times counts, as what else the machine does only adds */
#define TRIES 3

enum { RELEASE, EXIT, UNMAP, KILL };

static char *at[MOST];
static int each;

static void attacher(int number)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);

	for (int i = 0; i < each; i++)
		at[i] = attach_at(apid, i % PAGES * (off_t)PAGE, PAGE);
	count_up(0);
	await(1);
	for (int i = 0; i < each; i++)
		check(*(volatile char *)at[i] == i % PAGES + 1);
	count_up(1);
	await(2);
	/* all of these are gone, each entry had to be emptied */
	for (int i = 0; i < each; i += 997)
		check(try_read(at[i], NULL) == SIGBUS);
	count_up(2);
	await(3);
	switch (number) {
	case RELEASE:
		check(xpmem_release(apid) == 0);
		check(try_read(at[0], NULL) == SIGSEGV);
		check(try_read(at[each - 1], NULL) == SIGSEGV);
		break;
	case UNMAP:
		for (int i = 0; i < each; i++)
			check(munmap(at[i], PAGE) == 0);
		break;
	case KILL:
		raise(SIGKILL);
		break;
	}
	_exit(0);
}

static uint64_t phase(const char *name, int counter, int processes, uint64_t start)
{
	uint64_t took;

	await_count(counter, processes);
	took = milliseconds() - start;
	printf("%d processes with %d attachments each: %s in %lu ms\n", processes, each, name,
	       took);
	return took;
}

/* Returns what the owner's munmap took */
static uint64_t run(int processes, int first)
{
	pid_t pids[PROCESSES];
	uint64_t start, took;
	char *memory = map_anon(SIZE);
	int status;

	atomic_store(&board->step, 0);
	for (int i = 0; i < 3; i++)
		atomic_store(&board->count[i], 0);
	for (int i = 0; i < PAGES; i++)
		memory[i * PAGE] = (char)(i + 1);
	board->segid[0] = make_segment(memory, SIZE);
	start = milliseconds();
	for (int i = 0; i < processes; i++)
		pids[i] = spawn(attacher, first + i);
	phase("attached", 0, processes, start);

	start = milliseconds();
	reach(1);
	phase("touched", 1, processes, start);

	start = milliseconds();
	check(munmap(memory, SIZE) == 0);
	took = milliseconds() - start;
	printf("the owner's munmap took %lu ms\n", took);
	reach(2);
	await_count(2, processes);

	start = milliseconds();
	reach(3);
	for (int i = 0; i < processes; i++) {
		check(waitpid(pids[i], &status, 0) == pids[i]);
		check(first + i == KILL ? WTERMSIG(status) == SIGKILL : !status);
	}
	printf("torn down in %lu ms\n", milliseconds() - start);
	check(xpmem_remove(board->segid[0]) == 0);
	return took;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int main(void)
{
	uint64_t one = UINT64_MAX, all = UINT64_MAX, most;
	int tries = 0;

	test_begin(300);
	each = MOST / (int)slowness();
	do {
		one = smaller(one, run(1, RELEASE));
		all = smaller(all, run(PROCESSES, RELEASE));
		most = PROCESSES * SLACK * (one + 20);
	} while (all > most && ++tries < TRIES);
	if (all > most)
		fail("munmap took %lu ms with %d attachments and %lu ms with %d", one, each, all,
		     PROCESSES * each);
	return 0;
}

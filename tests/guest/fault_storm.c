// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do threads and processes that touch the same pages first, at once, all see one
 * page each, the owner's?
 */
#include "guest_test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ATTACHERS 2
#define THREADS 8
#define PAGES 320
#define SIZE (PAGES * PAGE)
#define ROUNDS 6

static _Atomic uint64_t *at;
static _Atomic int turn;

/* Adds 1 to a word of every page, each thread beginning at a place of its own. */
static void *storm(void *unused)
{
	int number = atomic_fetch_add(&turn, 1) % THREADS;

	(void)unused;
	count_up(1);
	await_that(atomic_load(&board->count[1]) % (ATTACHERS * THREADS) == 0);
	for (int i = 0; i < PAGES; i++) {
		size_t page = (size_t)(i + number * 37) % PAGES;

		atomic_fetch_add(&at[page * PAGE / sizeof(*at)], 1);
	}
	return NULL;
}

static void attacher(int unused)
{
	const struct crew crew[] = { { storm, THREADS }, {} };

	(void)unused;
	for (int round = 1; round <= ROUNDS; round++) {
		xpmem_apid_t apid;

		await(round);
		apid = get_segment(board->segid[0], XPMEM_RDWR);
		at = attach_at(apid, 0, SIZE);
		run_crew(crew);
		check(xpmem_release(apid) == 0);
		count_up(0);
	}
}

int main(void)
{
	uint64_t *memory;
	pid_t pids[ATTACHERS];

	test_begin(90);
	memory = map_anon(SIZE);
	/* a fault of a new page for some rounds, of a page to be copied for others */
	no_huge_pages(memory, SIZE);
	board->segid[0] = make_segment(memory, SIZE);
	for (int i = 0; i < ATTACHERS; i++)
		pids[i] = spawn(attacher, i);
	for (int round = 1; round <= ROUNDS; round++) {
		uint64_t wanted = ATTACHERS * THREADS;

		check(madvise(memory, SIZE, MADV_DONTNEED) == 0);
		if (round % 2) {
			/* the zero page, in all places */
			for (size_t i = 0; i < SIZE; i += PAGE)
				check(!((volatile char *)memory)[i]);
		}
		reach(round);
		await_count(0, round * ATTACHERS);
		for (size_t i = 0; i < PAGES; i++)
			if (memory[i * PAGE / sizeof(*memory)] != wanted)
				fail("round %d: page %zu was counted to %lu, not %lu", round, i,
				     memory[i * PAGE / sizeof(*memory)], wanted);
	}
	for (int i = 0; i < ATTACHERS; i++)
		join(pids[i]);
	return 0;
}

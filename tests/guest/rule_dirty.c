// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Are stores through an attachment kept when the owner's page is clean?  After
 * MADV_FREE the owner's page table entries are writable and clean; a store
 * through an attachment leaves no trace in them, and reclaim drops the page
 * unless the module made it dirty.
 */
#include "guest_test.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES 64
#define SIZE (PAGES * PAGE)

static void attacher(int touched_before)
{
	uint64_t *memory;

	await(1);
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	if (touched_before)
		for (size_t i = 0; i < PAGES; i++)
			memory[i * PAGE / 8] = 1;
	reach(2);
	await(3);
	for (size_t i = 0; i < PAGES; i++)
		memory[i * PAGE / 8] = 0xd1d1000 + i;
	reach(4);
	await(5);
	for (size_t i = 0; i < PAGES; i++)
		if (memory[i * PAGE / 8] != 0xd1d1000 + i)
			fail("page %zu reads %#lx through the attachment", i, memory[i * PAGE / 8]);
}

static void stores_are_kept(int touched_before)
{
	uint64_t *memory = map_anon(SIZE);
	size_t lost = 0;
	pid_t pid;

	atomic_store(&board->step, 0);
	check(madvise(memory, SIZE, MADV_DONTFORK) == 0);
	fill(memory, SIZE, 3);
	board->segid[0] = make_segment(memory, SIZE);
	pid = spawn(attacher, touched_before);
	reach(1);
	await(2);
	check(madvise(memory, SIZE, MADV_FREE) == 0);
	reach(3);
	await(4);
	/* Twice: the first only sees that the pages were used, before 6.8. */
	for (int i = 0; i < 2; i++)
		check(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
	for (size_t i = 0; i < PAGES; i++)
		lost += memory[i * PAGE / 8] != 0xd1d1000 + i;
	if (lost)
		fail("%zu of %d pages lost the attacher's store (attached and touched %s MADV_FREE)",
		     lost, PAGES, touched_before ? "before" : "after");
	reach(5);
	join(pid);
	check(xpmem_remove(board->segid[0]) == 0);
	munmap(memory, SIZE);
}

int main(void)
{
	test_begin(60);
	if (!read_number("/proc/meminfo", "SwapTotal:"))
		skip("the guest has no swap");
	stores_are_kept(0);
	stores_are_kept(1);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a store through an attachment of a page that is mapped read-only go to
 * the owner and nowhere else?  Without ->pfn_mkwrite the kernel makes the entry
 * writable itself, and the zero page of the whole machine reads 42.
 *
 * And does an instruction that loads and stores the same page come through when
 * the page was first read?  Taking the entry out instead of making it writable
 * in place would livelock it.
 */
#include "guest_test.h"

#include <fcntl.h>
#include <unistd.h>

#define PAGES 16
#define SIZE (PAGES * PAGE)

static void check_zero_page(void)
{
	volatile char *fresh = map_anon(SIZE);

	for (size_t i = 0; i < SIZE; i++)
		if (fresh[i])
			fail("a fresh anonymous page reads %d: the zero page was written to", fresh[i]);
}

static void attacher(int unused)
{
	volatile char *memory, *neighbour;
	int fd;

	(void)unused;
	await(1);
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	neighbour = attach_at(get_segment(board->segid[0], XPMEM_RDONLY), 0, SIZE);
	for (size_t i = 0; i < SIZE; i += PAGE)
		check(memory[i] == 0 && neighbour[i] == 0);
	for (size_t i = 0; i < PAGES / 2; i++)
		memory[i * PAGE] = 42;
	check_zero_page();
	/* The kernel's own stores take the same way. */
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	check(read(fd, (char *)memory + PAGES / 2 * PAGE, PAGE) == PAGE);
	check(memory[PAGES / 2 * PAGE + 1] == 'E' && neighbour[PAGES / 2 * PAGE + 1] == 'E');
	for (size_t i = 0; i < PAGES / 2; i++)
		check(neighbour[i * PAGE] == 42);

	/* From the first page on that is only read so far */
	for (size_t i = PAGES / 2 + 1; i < PAGES; i++) {
		const volatile char *from = memory + i * PAGE;
		volatile char *to = memory + i * PAGE + 64;

		__asm__ volatile("lock incq %0" : "+m"(*(uint64_t *)(memory + i * PAGE)));
		__asm__ volatile("movsb" : "+S"(from), "+D"(to) : : "memory");
	}
	check_zero_page();
	reach(2);
	await(3);
}

int main(void)
{
	volatile char *memory;
	pid_t pid;

	test_begin(60);
	memory = map_anon(SIZE);
	for (size_t i = 0; i < SIZE; i += PAGE)
		check(memory[i] == 0);
	board->segid[0] = make_segment((void *)memory, SIZE);
	pid = spawn(attacher, 0);
	reach(1);
	await(2);
	for (size_t i = 0; i < PAGES / 2; i++)
		check(memory[i * PAGE] == 42);
	for (size_t i = PAGES / 2 + 1; i < PAGES; i++)
		check(memory[i * PAGE] == 1 && memory[i * PAGE + 64] == 1);
	check_zero_page();
	reach(3);
	join(pid);
	return 0;
}

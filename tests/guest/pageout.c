// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does MADV_PAGEOUT by the owner page out all of its fully attached memory, and
 * do attachers then read the right data and write it?
 */
#include "guest_test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define ATTACHERS 4
#define PAGES 256
#define SIZE (PAGES * PAGE)

static void attacher(int number)
{
	char *memory;

	await(1);
	memory = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, SIZE);
	check(!differs(memory, SIZE, 5));
	/* Every page written by every attacher: mapped, writable, dirty */
	for (size_t i = 0; i < PAGES; i++)
		((volatile uint64_t *)memory)[i * PAGE / 8] = ((uint64_t *)memory)[i * PAGE / 8];
	count_up(0);

	await(2 + number);
	check(!differs(memory, SIZE, 5 + number));
	fill(memory, SIZE, 6 + number);
	count_up(1);
	await(100);
	check(!differs(memory, SIZE, 5 + ATTACHERS));
}

/*
 * Twice: a kernel before 6.8 asks whether the pages were used, as they were through
 * the attachments, and leaves them for that time.
 */
static size_t page_out(char *memory)
{
	size_t out = 0;

	for (int i = 0; i < 2; i++)
		if (madvise(memory, SIZE, MADV_PAGEOUT) && errno == EINVAL)
			skip("the kernel has no MADV_PAGEOUT");
	for (size_t i = 0; i < PAGES; i++)
		out += page_is_swapped(memory + i * PAGE);
	return out;
}

int main(void)
{
	pid_t pids[ATTACHERS];
	char *memory;

	test_begin(300);
	settle_pages();
	if (!read_number("/proc/meminfo", "SwapTotal:"))
		skip("the guest has no swap");
	memory = map_anon(SIZE);
	check(madvise(memory, SIZE, MADV_DONTFORK) == 0);
	fill(memory, SIZE, 5);
	board->segid[0] = make_segment(memory, SIZE);
	for (int i = 0; i < ATTACHERS; i++)
		pids[i] = spawn(attacher, i);
	reach(1);
	await_count(0, ATTACHERS);

	for (int i = 0; i < ATTACHERS; i++) {
		size_t out = page_out(memory);

		if (out != PAGES)
			fail("%zu of %lu pages were paged out with %d attachments", out, PAGES + 0UL,
			     ATTACHERS);
		/* One attacher reads what swap brings in, and writes it anew */
		reach(2 + i);
		await_count(1, i + 1);
	}
	check(page_out(memory) == PAGES);
	check(!differs(memory, SIZE, 5 + ATTACHERS));
	printf("%lu of %lu pages were paged out, %d times\n", PAGES + 0UL, PAGES + 0UL,
	       ATTACHERS + 1);
	reach(100);
	for (int i = 0; i < ATTACHERS; i++)
		join(pids[i]);
	return 0;
}

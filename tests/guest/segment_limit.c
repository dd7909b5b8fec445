// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is the number of segments of a process bounded?  Each costs every page that
 * reclaim takes from the process a call; a process with 100,000 slowed the
 * reclaim of its pages 600 times.
 */
#include "guest_test.h"

#include <errno.h>

#define MOST 1024

int main(void)
{
	char *memory = map_anon(PAGE);
	static xpmem_segid_t segids[MOST];

	test_begin(60);
	for (int i = 0; i < MOST; i++)
		segids[i] = make_segment(memory, PAGE);
	check_errno(xpmem_make(memory, PAGE, XPMEM_PERMIT_MODE, (void *)0600), ENOSPC);
	/* One less, one more */
	check(xpmem_remove(segids[0]) == 0);
	segids[0] = make_segment(memory, PAGE);
	check_errno(xpmem_make(memory, PAGE, XPMEM_PERMIT_MODE, (void *)0600), ENOSPC);
	for (int i = 0; i < MOST; i++)
		check(xpmem_remove(segids[i]) == 0);
	segids[0] = make_segment(memory, PAGE);
	check(xpmem_remove(segids[0]) == 0);
	return 0;
}

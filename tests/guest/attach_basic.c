// SPDX-License-Identifier: GPL-2.0-or-later
/* Does an attacher see the owner's memory, and the owner the attacher's stores? */
#include "guest_test.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (300 * PAGE)

static void owner(int unused)
{
	char *memory = map_anon(SIZE);

	(void)unused;
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	reach(1);
	await(2);
	check(!differs(memory, SIZE, 2));
	memset(memory, 7, SIZE);
	reach(3);
	await(4);
}

static void attacher(int unused)
{
	xpmem_apid_t apid;
	uint64_t value;
	char *all, *part;

	(void)unused;
	await(1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	all = attach_at(apid, 0, SIZE);
	check(!differs(all, SIZE, 1));
	fill(all, SIZE, 2);
	reach(2);

	await(3);
	for (size_t i = 0; i < SIZE; i++)
		check(all[i] == 7);

	/* A part, of a size that is no page multiple, elsewhere in the segment */
	part = attach_at(apid, 17 * PAGE, 2 * PAGE + 1);
	part[3 * PAGE - 1] = 9;
	check(all[20 * PAGE - 1] == 9);
	check(try_read(part + 3 * PAGE, &value) == SIGSEGV || value != 0x0707070707070707ULL);

	check(xpmem_detach(part + PAGE) == 0);
	check(try_read(part, NULL) == SIGSEGV);
	check(xpmem_release(apid) == 0);
	check(try_read(all, NULL) == SIGSEGV);
	reach(4);
}

int main(void)
{
	pid_t pids[2];

	test_begin(60);
	pids[0] = spawn(owner, 0);
	pids[1] = spawn(attacher, 0);
	join(pids[1]);
	join(pids[0]);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When mmap itself would refuse, by an errno that attach does not have, is what
 * attach fails with one of xpmem.h?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (64 * PAGE)

static xpmem_apid_t apid;

/* Attached memory is not the process's to lock: it counts for nothing. */
static void locked_memory(int unused)
{
	char *at;

	(void)unused;
	set_limit(RLIMIT_MEMLOCK, 16 << 20);
	become(1000, 1000);
	apid = get_segment(board->segid[1], XPMEM_RDWR);
	check(mlockall(MCL_FUTURE) == 0);
	at = try_attach(apid, 32 << 20, NULL);
	if (at == (char *)-1)
		check(errno == ENOMEM);
	at = try_attach(apid, SIZE, NULL);
	check(at != (char *)-1);
	check(try_read(at, NULL) == 0);
	check(xpmem_release(apid) == 0);
}

/* vm.mmap_min_addr: what one may not map is EACCES, as all that one may not */
static void low_address(int unused)
{
	(void)unused;
	become(1000, 1000);
	apid = get_segment(board->segid[1], XPMEM_RDWR);
	if (mmap((void *)PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
	    MAP_FAILED)
		return;
	check(try_attach(apid, PAGE, (void *)PAGE) == (void *)-1);
	check(errno == EACCES || errno == EINVAL || errno == ENOMEM);
}

static void owner(int unused)
{
	(void)unused;
	become(1000, 1000);
	board->segid[1] = make_segment(map_anon(32 << 20), 32 << 20);
	reach(1);
	await(2);
}

int main(void)
{
	void (*const cases[])(int) = { locked_memory, low_address };
	int status, bad = 0;
	pid_t owner_pid;

	test_begin(60);
	owner_pid = spawn(owner, 0);
	await(1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(waitpid(spawn(cases[i], 0), &status, 0) > 0);
		bad += status != 0;
	}
	reach(2);
	join(owner_pid);
	return bad != 0;
}

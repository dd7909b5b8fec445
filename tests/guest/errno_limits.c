// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a limit of the process or the system is in the way, does attach fail
 * with an errno of xpmem.h, and do detach and release work all the same?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (64 * PAGE)

static xpmem_apid_t apid;

/* No descriptor is needed but the one that is there. */
static void no_descriptors(int unused)
{
	char *at;

	(void)unused;
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	set_limit(RLIMIT_NOFILE, 0);
	at = try_attach(apid, SIZE, NULL);
	check(at != (char *)-1);
	check(!differs(at, SIZE, 1));
	check(xpmem_release(apid) == 0);
}

static void address_space(int unused)
{
	char *at;

	(void)unused;
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	at = try_attach(apid, SIZE, NULL);
	set_limit(RLIMIT_AS, 1 << 20);
	check_errno(try_attach(apid, SIZE, NULL), ENOMEM);
	check(!differs(at, SIZE, 1));
	check(xpmem_detach(at) == 0);
	check(xpmem_release(apid) == 0);
}

/* vm.max_map_count: unmapping all of a mapping always works */
static void mappings(int unused)
{
	char *at[16], *end;
	int fit = 0;

	(void)unused;
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	end = try_attach(apid, SIZE, NULL);
	/* no two neighbours are one mapping */
	for (int i = 0; mmap(NULL, PAGE, i % 2 ? PROT_READ : PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED; i++)
		check(i < 1 << 20);
	check(errno == ENOMEM);
	while (fit < 16) {
		at[fit] = try_attach(apid, PAGE, NULL);
		if (at[fit] == (char *)-1)
			break;
		fit++;
	}
	check(fit < 16 && errno == ENOMEM);
	while (fit--)
		check(xpmem_detach(at[fit]) == 0);
	check(!differs(end, SIZE, 1));
	check(xpmem_release(apid) == 0);
	check(try_read(end, NULL) == SIGSEGV);
}

int main(void)
{
	char *memory;

	test_begin(120);
	memory = map_anon(SIZE);
	fill(memory, SIZE, 1);
	board->segid[0] = make_segment(memory, SIZE);
	join(spawn(no_descriptors, 0));
	join(spawn(address_space, 0));
	join(spawn(mappings, 0));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When one thread releases a permit while another detaches an attachment of it,
 * is what the second then maps at the free address safe?
 *
 * Both calls are allowed, and each may be the one that unmaps.  The loser must
 * not unmap by an address that it looked up while the attachment was there.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define SECONDS 10
#define ATTACHED (4 * PAGE)

static char *place;
static xpmem_apid_t apid;
static _Atomic unsigned int round_begun, round_done;

static void *releaser(void *unused)
{
	unsigned int round = 0;

	(void)unused;
	for (;;) {
		while (round_begun == round)
			;
		round++;
		if (!apid)
			return NULL;
		check(xpmem_release(apid) == 0);
		round_done = round;
	}
}

int main(void)
{
	struct timespec now, end;
	xpmem_segid_t segid;
	unsigned int round = 0, delay = 1;
	pthread_t thread;

	test_begin(60);
	segid = make_segment(map_anon(ATTACHED), ATTACHED);
	place = map_anon(ATTACHED);
	check(pthread_create(&thread, NULL, releaser, NULL) == 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SECONDS;
	do {
		struct xpmem_addr where = { .apid = get_segment(segid, XPMEM_RDWR) };
		void *mapped;

		check(xpmem_attach(where, ATTACHED, place) == place);
		apid = where.apid;
		round_begun = ++round;
		for (volatile unsigned int i = rand_r(&delay) % 2000; i; i--)
			;
		check(xpmem_detach(place) == 0);
		mapped = mmap(place, ATTACHED, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		check(mapped == place);
		while (round_done != round)
			;
		if (try_write(place, 1) != 0)
			fail("round %u: release unmapped other memory", round);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	apid = 0;
	round_begun = ++round;
	check(pthread_join(thread, NULL) == 0);
	return 0;
}

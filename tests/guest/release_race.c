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
#include <sys/mman.h>
#include <time.h>

#define SECONDS 10
/* So many chances a round, as both threads go through them */
#define ATTACHMENTS 64

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

/* Makes the two wait for the process's lock now and then */
static void *disturber(void *unused)
{
	(void)unused;
	while (!atomic_load(&board->stop))
		munmap(map_anon(PAGE), PAGE);
	return NULL;
}

static char *nth(int i)
{
	/* apart, so that each is a mapping of its own */
	return place + 2 * i * PAGE;
}

static void map_again(int i)
{
	check(xpmem_detach(nth(i)) == 0);
	check(mmap(nth(i), PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == nth(i));
}

int main(void)
{
	struct timespec now, end;
	pthread_t threads[2];
	xpmem_segid_t segid;
	unsigned int round = 0;

	test_begin(60);
	segid = make_segment(map_anon(PAGE), PAGE);
	place = mmap(NULL, 2 * ATTACHMENTS * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(place != MAP_FAILED);
	check(pthread_create(&threads[0], NULL, releaser, NULL) == 0);
	check(pthread_create(&threads[1], NULL, disturber, NULL) == 0);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SECONDS;
	do {
		struct xpmem_addr where = { .apid = get_segment(segid, XPMEM_RDWR) };

		for (int i = 0; i < ATTACHMENTS; i++)
			check(xpmem_attach(where, PAGE, nth(i)) == nth(i));
		apid = where.apid;
		round_begun = ++round;
		/* the two ways through them: one goes the releaser's */
		for (int i = 0; i < ATTACHMENTS; i++)
			map_again(round % 2 ? i : ATTACHMENTS - 1 - i);
		while (round_done != round)
			;
		for (int i = 0; i < ATTACHMENTS; i++)
			if (try_write(nth(i), 1) != 0)
				fail("round %u: release unmapped other memory", round);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	apid = 0;
	round_begun = ++round;
	atomic_store(&board->stop, true);
	for (int i = 0; i < 2; i++)
		check(pthread_join(threads[i], NULL) == 0);
	return 0;
}

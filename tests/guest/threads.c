// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * May any thread call anything at any time?
 *
 * Threads make, get, attach, touch, detach, release and remove at random, on
 * ids that all of them share and may pull from under each other.  Each call
 * must succeed or fail with an errno that its documentation lists for it, and
 * at the end nothing may be left.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS 8
#define ROUNDS 20000
#define SECONDS 5
#define SLOTS 16
#define PAGES 100
#define SEED 20240131

enum { MAKE, GET, ATTACH, TOUCH, DETACH, RELEASE, REMOVE, PREFAULT, CALLS };

static _Atomic xpmem_segid_t segids[SLOTS];
static _Atomic xpmem_apid_t apids[SLOTS];
/*
 * Only what a thread attached itself does it touch and detach, and each has
 * addresses of its own: another's release may unmap an attachment at any
 * moment, but nothing else comes to be there.
 */
static __thread char *attached[SLOTS];
static __thread char *places;
static __thread sigjmp_buf failed_access;

static char *memory;
static _Atomic unsigned long succeeded[CALLS], failed[CALLS];
static struct timespec end;
/* Threads have stacks, which must not come to be in another's places. */
static pthread_barrier_t all_there;

static void handler(int signal)
{
	siglongjmp(failed_access, signal);
}

/* 0 or the signal; the segment or permit may go at any moment */
static int touch(volatile char *at)
{
	int signal = sigsetjmp(failed_access, 1);

	if (!signal)
		*at = *at;
	return signal;
}

/* @result may be -1, with an errno of @allowed, which 0 ends */
static void account(int call, long result, const int *allowed)
{
	int error = errno;

	if (result != -1) {
		succeeded[call]++;
		return;
	}
	failed[call]++;
	while (*allowed)
		if (*allowed++ == error)
			return;
	errno = error;
	fail("call %d failed with an errno that it should not", call);
}

static void detach(int slot)
{
	if (attached[slot])
		account(DETACH, xpmem_detach(attached[slot]), (int[]){ 0 });
	attached[slot] = NULL;
}

static void one_call(int call, int slot, unsigned int random)
{
	struct xpmem_addr where = { .apid = apids[slot], .offset = random % 50 * PAGE };
	long id;
	char *at;

	switch (call) {
	case MAKE:
		id = xpmem_make(memory, PAGES * PAGE, XPMEM_PERMIT_MODE, (void *)0600);
		account(MAKE, id, (int[]){ 0 });
		id = atomic_exchange(&segids[slot], id);
		if (id)
			account(REMOVE, xpmem_remove(id), (int[]){ 0 });
		break;
	case GET:
		id = segids[slot];
		if (!id)
			break;
		id = xpmem_get(id, random & 1 ? XPMEM_RDWR : XPMEM_RDONLY, XPMEM_PERMIT_MODE, NULL);
		account(GET, id, (int[]){ ENOENT, 0 });
		id = atomic_exchange(&apids[slot], id > 0 ? id : 0);
		if (id)
			account(RELEASE, xpmem_release(id), (int[]){ 0 });
		break;
	case ATTACH:
		detach(slot);
		if (!where.apid)
			break;
		at = xpmem_attach(where, 50 * PAGE, places + slot * 50 * PAGE);
		account(ATTACH, (long)at, (int[]){ ENOENT, 0 });
		attached[slot] = at == (char *)-1 ? NULL : at;
		break;
	case TOUCH:
		if (attached[slot]) {
			int signal = touch(attached[slot] + random % 50 * PAGE);

			check(!signal || signal == SIGBUS || signal == SIGSEGV);
			(signal ? failed : succeeded)[TOUCH]++;
		}
		break;
	case DETACH:
		detach(slot);
		break;
	case RELEASE:
		id = atomic_exchange(&apids[slot], 0);
		if (id)
			account(RELEASE, xpmem_release(id), (int[]){ 0 });
		break;
	case REMOVE:
		id = atomic_exchange(&segids[slot], 0);
		if (id)
			account(REMOVE, xpmem_remove(id), (int[]){ 0 });
		break;
	case PREFAULT:
		if (attached[slot]) {
			int rc = xpmem_prefault(attached[slot], 50 * PAGE, random & 1, NULL);

			errno = -rc;
			account(PREFAULT, rc ? -1 : 0, (int[]){ EINVAL, ENOENT, EACCES, 0 });
		}
		break;
	}
}

/* That the threads met each other */
static bool have_met(void)
{
	for (int call = 0; call < CALLS; call++)
		if (!succeeded[call])
			return false;
	return failed[GET] && failed[ATTACH] && failed[TOUCH] && failed[PREFAULT];
}

static void *worker(void *number)
{
	unsigned int random = SEED + (uintptr_t)number;
	struct timespec now;

	places = map_anon(SLOTS * 50 * PAGE);
	pthread_barrier_wait(&all_there);
	for (int round = 0; round < ROUNDS || !have_met(); round++) {
		int value = rand_r(&random);

		one_call(value % CALLS, value / CALLS % SLOTS, value / 1024);
		clock_gettime(CLOCK_MONOTONIC, &now);
		/* On a busy machine it takes longer; the alarm is the limit. */
		if (now.tv_sec >= end.tv_sec && have_met())
			break;
	}
	for (int slot = 0; slot < SLOTS; slot++)
		detach(slot);
	return NULL;
}

static void nothing_is_left(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];

	check(maps);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[xpmem]"))
			fail("left behind: %s", line);
	fclose(maps);
}

int main(void)
{
	struct sigaction action = { .sa_handler = handler };
	pthread_t threads[THREADS];

	test_begin(120);
	memory = map_anon(PAGES * PAGE);
	fill(memory, PAGES * PAGE, 1);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SECONDS;

	check(pthread_barrier_init(&all_there, NULL, THREADS) == 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		check(pthread_create(&threads[i], NULL, worker, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		check(pthread_join(threads[i], NULL) == 0);
	check(!differs(memory, PAGES * PAGE, 1));
	for (int slot = 0; slot < SLOTS; slot++) {
		if (apids[slot])
			check(xpmem_release(apids[slot]) == 0);
		if (segids[slot])
			check(xpmem_remove(segids[slot]) == 0);
	}
	nothing_is_left();
	check(have_met());
	return 0;
}

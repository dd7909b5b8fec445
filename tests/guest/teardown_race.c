// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of segments that one thread tears down by closing the last
 * descriptor, while another opens the device anew and removes them by their ids?
 *
 * Each must be taken apart once, by one of the two.  What is left over would be
 * seen as a refused MAKE (the process's limit of segments counts wrongly), as a
 * complaint of the kernel, or as a module that can't be unloaded.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "xpmem_ioctl.h"

#define SEGMENTS 1000
#define ROUNDS 40

static pthread_barrier_t barrier;
static int64_t ids[SEGMENTS];
static int removed;

static int open_device(void)
{
	int fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

/* From the end, where the other comes last */
static void *remover(void *unused)
{
	(void)unused;
	for (int round = 0; round < ROUNDS; round++) {
		int fd;

		pthread_barrier_wait(&barrier);
		/* The close is to be on its way, a little further each time. */
		for (volatile int i = 0; i < round % 16 * 20000; i++)
			;
		fd = open_device();
		for (int i = SEGMENTS - 1; i >= 0; i--) {
			struct xpmem_ioc_id id = { .size = sizeof(id), .id = ids[i] };

			if (ioctl(fd, XPMEM_IOC_REMOVE, &id) == 0)
				removed++;
			else
				check(errno == ENOENT);
		}
		close(fd);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(void)
{
	int some = 0, all = 0;
	pthread_t thread;
	char *memory;

	test_begin(180);
	memory = map_anon(SEGMENTS * PAGE);
	check(pthread_barrier_init(&barrier, NULL, 2) == 0);
	check(pthread_create(&thread, NULL, remover, NULL) == 0);
	for (int round = 0; round < ROUNDS; round++) {
		int fd = open_device();

		for (int i = 0; i < SEGMENTS; i++) {
			struct xpmem_ioc_make make = {
				.size = sizeof(make),
				.vaddr = (uintptr_t)(memory + i * PAGE),
				.length = PAGE,
				.mode = 0600,
			};

			check(ioctl(fd, XPMEM_IOC_MAKE, &make) == 0);
			ids[i] = make.out_segid;
		}
		removed = 0;
		pthread_barrier_wait(&barrier);
		close(fd);
		pthread_barrier_wait(&barrier);
		some += removed > 0 && removed < SEGMENTS;
		all += removed;
	}
	check(pthread_join(thread, NULL) == 0);
	printf("%d of %d segments were removed while being torn down, in %d of %d rounds\n", all,
	       SEGMENTS * ROUNDS, some, ROUNDS);
	return 0;
}

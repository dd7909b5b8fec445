// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does what a thread makes through its open descriptor stay, while another
 * thread closes one?
 *
 * The last close of a process takes all it has.  Which close is the last, and
 * what it takes, must be decided in one: a descriptor opened, and a segment
 * made, after the count was zero and before the lists were taken would be taken
 * with them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "xpmem_ioctl.h"

#define SECONDS 10
#define CLOSERS 2
#define MAKERS 2

static _Atomic bool stop;

static void *closer(void *unused)
{
	(void)unused;
	while (!stop)
		close(open("/dev/xpmem", O_RDWR | O_CLOEXEC));
	return NULL;
}

static void *maker(void *memory)
{
	while (!stop) {
		int fd = open("/dev/xpmem", O_RDWR | O_CLOEXEC);
		struct xpmem_ioc_make make = { .size = sizeof(make), .vaddr = (uintptr_t)memory,
					       .length = PAGE, .mode = 0600 };
		struct xpmem_ioc_id id = { .size = sizeof(id) };

		check(fd >= 0);
		check(ioctl(fd, XPMEM_IOC_MAKE, &make) == 0);
		id.id = make.out_segid;
		if (ioctl(fd, XPMEM_IOC_REMOVE, &id) != 0)
			fail("the segment went with another's close");
		close(fd);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[CLOSERS + MAKERS];
	void *memory;

	test_begin(60);
	memory = map_anon(PAGE);
	for (int i = 0; i < CLOSERS + MAKERS; i++)
		check(pthread_create(&threads[i], NULL, i < CLOSERS ? closer : maker, memory) == 0);
	sleep(SECONDS);
	stop = true;
	for (int i = 0; i < CLOSERS + MAKERS; i++)
		check(pthread_join(threads[i], NULL) == 0);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Can a fault of an attachment be made to run inside another one, and that inside
 * a third, until the kernel's stack is full?
 *
 * The process attaches its own memory, which is missing under userfaultfd.  While
 * a fault waits for that memory, the place where it is missing becomes an
 * attachment itself, of the next missing page, and the fault is woken.  It must
 * end: an attachment is not attached.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A fault takes more than 1 KiB of the 16 KiB that a kernel stack has. */
#define DEPTH 64

static _Atomic bool ended;
static int result;
static char *window;

static void *toucher(void *unused)
{
	(void)unused;
	result = try_read(window, NULL);
	ended = true;
	return NULL;
}

static int open_userfaultfd(void *addr, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)addr, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		skip("no userfaultfd");
	check(ioctl(fd, UFFDIO_API, &api) == 0);
	check(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
	return fd;
}

int main(void)
{
	struct uffd_msg message;
	struct pollfd waiting;
	pthread_t thread;
	xpmem_apid_t apid;
	int depth = 0;
	char *memory;

	test_begin(60);
	memory = map_anon(DEPTH * 2 * PAGE);
	no_huge_pages(memory, DEPTH * 2 * PAGE);
	waiting.fd = open_userfaultfd(memory, DEPTH * 2 * PAGE);
	waiting.events = POLLIN;
	apid = get_segment(make_segment(NULL, XPMEM_MAXADDR_SIZE), XPMEM_RDWR);
	window = attach_at(apid, (off_t)(uintptr_t)memory, PAGE);
	check(pthread_create(&thread, NULL, toucher, NULL) == 0);

	while (!ended && depth < DEPTH - 1) {
		struct xpmem_addr next = { .apid = apid };
		struct uffdio_range range = { .len = PAGE };

		if (poll(&waiting, 1, 10) <= 0)
			continue;
		check(read(waiting.fd, &message, sizeof(message)) == sizeof(message));
		range.start = message.arg.pagefault.address & -PAGE;
		/* Every second page: attachments side by side are one mapping. */
		next.offset = (off_t)(range.start + 2 * PAGE);
		check(xpmem_attach(next, PAGE, (void *)(uintptr_t)range.start) != (void *)-1);
		check(ioctl(waiting.fd, UFFDIO_WAKE, &range) == 0);
		depth++;
	}
	check(pthread_join(thread, NULL) == 0);
	if (depth != 1 || result != SIGBUS)
		fail("signal %d after %d faults, one inside the other", result, depth);
	return 0;
}

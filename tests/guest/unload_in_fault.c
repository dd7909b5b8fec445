// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is the module kept while a fault of an attachment is under way, when the
 * attachment and all descriptors are gone meanwhile?  The fault waits for the
 * owner's userfaultfd with no lock held, so nothing keeps others from unmapping
 * and closing; code that is unloaded then is returned to.
 */
#include "guest_test.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile uint64_t *seen;

static void owner(int unused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range;
	struct uffdio_zeropage zero;
	void *memory = map_anon(PAGE);
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	(void)unused;
	if (uffd < 0)
		skip("the kernel has no userfaultfd");
	check(ioctl(uffd, UFFDIO_API, &api) == 0);
	range = (struct uffdio_register){ .range = { (uintptr_t)memory, PAGE },
					  .mode = UFFDIO_REGISTER_MODE_MISSING };
	check(ioctl(uffd, UFFDIO_REGISTER, &range) == 0);
	board->segid[0] = make_segment(memory, PAGE);
	reach(1);
	await(3);
	check(close(device_fd()) == 0);
	reach(4);
	await(5);
	zero = (struct uffdio_zeropage){ .range = { (uintptr_t)memory, PAGE } };
	check(ioctl(uffd, UFFDIO_ZEROPAGE, &zero) == 0);
	await(6);
}

static void *toucher(void *unused)
{
	uint64_t value;

	(void)unused;
	reach(2);
	/* The mapping goes under its feet: SIGSEGV, once the fault is over */
	try_read(seen, &value);
	return NULL;
}

static void attacher(int unused)
{
	pthread_t thread;

	(void)unused;
	await(1);
	seen = attach_at(get_segment(board->segid[0], XPMEM_RDWR), 0, PAGE);
	check(pthread_create(&thread, NULL, toucher, NULL) == 0);
	await(2);
	sleep(1);	/* until it waits in the fault */
	check(munmap((void *)seen, PAGE) == 0);
	check(close(device_fd()) == 0);
	reach(3);
	check(pthread_join(thread, NULL) == 0);
	reach(6);
}

int main(void)
{
	pid_t pids[2];
	long unloaded;

	test_begin(30);
	pids[0] = spawn(owner, 0);
	pids[1] = spawn(attacher, 0);
	await(4);
	sleep(1);	/* for what is freed late */
	unloaded = syscall(SYS_delete_module, "xpmem", O_NONBLOCK);
	reach(5);
	join(pids[1]);
	join(pids[0]);
	if (!unloaded)
		fail("the module was unloaded with a fault of it under way");
	return 0;
}

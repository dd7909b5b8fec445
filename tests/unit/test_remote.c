// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Remote segments: what the library says to the module, to xpmemd and to the
 * kernel, and what it does to the process's memory.  The three are stand-ins here;
 * tests/guest/remote_make.c has a kernel.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "check_main.h"
#include "fake_xpmemd.h"
#include "fakedev.h"
#include "xpmem.h"
#include "xpmem_ext.h"

#include "uapi/xpmem_ioctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE  4096UL
#define SEGID 0x8000000000123

static atomic_int makes, removes, shares, forks_at_remove;
static atomic_int share_errno;
static struct xpmem_ioc_share shared;
static char sharer[16];

static int answer(unsigned long cmd, void *arg)
{
	switch (cmd) {
	case XPMEM_IOC_MAKE:
		((struct xpmem_ioc_make *)arg)->out_segid = SEGID + makes++;
		return 0;
	case XPMEM_IOC_SHARE:
		memcpy(&shared, arg, sizeof(shared));
		prctl(PR_GET_NAME, sharer);
		shares++;
		return -share_errno;
	case XPMEM_IOC_REMOVE:
		forks_at_remove = xpmemd_got[XPMEM_OWNER_FORK];
		removes++;
		return 0;
	default:
		return 0;
	}
}

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int threads(void)
{
	return entries("/proc/self/task") - 2;
}

/* A thread is joined a moment before the kernel forgets it. */
static bool threads_become(int wanted)
{
	for (int i = 0; i < 500 && threads() != wanted; i++)
		usleep(10000);
	return threads() == wanted;
}

static void setup(void)
{
	fake_answer = answer;
	userfaultfd_start();
	xpmemd_start();
	errno = 123;
}

static char *map(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(at, MAP_FAILED);
	return at;
}

static xpmem_segid_t make(void *at, size_t size)
{
	xpmem_segid_t segid = -1;

	ck_assert_int_eq(xpmem_make_remote(at, size, XPMEM_PERMIT_MODE,
					   (void *)0600, XPMEM_REMOTE_WRITE,
					   &segid),
			 0);
	return segid;
}

static sigjmp_buf back;

static void caught(int signal)
{
	siglongjmp(back, signal);
}

/* The signal that a load raises, or 0 */
static int load(const volatile char *at)
{
	struct sigaction action = { .sa_handler = caught };
	int number;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	number = sigsetjmp(back, 1);
	if (number == 0)
		(void)*at;
	return number;
}

START_TEST(make_and_remove)
{
	int before = threads(), files = entries("/proc/self/fd");
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);

	ck_assert(segid == SEGID);
	ck_assert_int_eq(errno, 123);
	ck_assert_int_eq(shares, 1);
	ck_assert_str_eq(sharer, "xpmem-helper");
	ck_assert_uint_eq(shared.size, 16);
	ck_assert_uint_eq(shared.flags, XPMEM_SHARE_READ | XPMEM_SHARE_WRITE);
	ck_assert(shared.segid == segid);
	ck_assert_int_eq(xpmemd_got[XPMEM_OWNER_HELLO], 1);
	ck_assert_int_eq(xpmemd_descriptors, 1);
	ck_assert(xpmemd_hello.segid == segid);
	ck_assert_uint_eq(xpmemd_hello.value, XPMEM_OWNER_VERSION);
	ck_assert_int_eq(threads(), before + 2);

	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_eq(errno, 123);
	ck_assert_int_eq(removes, 1);
	/* pages come home first */
	ck_assert_int_eq(forks_at_remove, 1);
	ck_assert_int_eq(xpmemd_got[XPMEM_OWNER_FORKED], 0);
	ck_assert(threads_become(before));
	/* the device, and of the daemon's side nothing but the connection */
	for (int i = 0; i < 100 && entries("/proc/self/fd") != files + 1; i++)
		usleep(10000);
	ck_assert_int_eq(entries("/proc/self/fd"), files + 1);
	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_eq(removes, 2);
}
END_TEST

START_TEST(flags)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = -1;

	ck_assert_int_eq(
		xpmem_make_remote(at, PAGE, 1, (void *)0600, 0, &segid), 0);
	ck_assert_uint_eq(shared.flags, XPMEM_SHARE_READ);
	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)0600,
					   XPMEM_REMOTE_WRITE |
						   XPMEM_REMOTE_LAST_COPY,
					   &segid),
			 0);
	ck_assert_uint_eq(shared.flags, XPMEM_SHARE_READ | XPMEM_SHARE_WRITE |
						XPMEM_SHARE_LAST_COPY);
}
END_TEST

START_TEST(refused_arguments)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = -7;

	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)0600, 0, NULL),
			 -EINVAL);
	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 2, (void *)0600, 0,
					   &segid),
			 -EINVAL);
	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)01000, 0,
					   &segid),
			 -EINVAL);
	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)0600,
					   XPMEM_REMOTE_LAST_COPY, &segid),
			 -EINVAL);
	for (int bit = 2; bit < 32; bit++)
		ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)0600,
						   1U << bit, &segid),
				 -EOPNOTSUPP);
	ck_assert_int_eq(fake_requests, 0);
	ck_assert(segid == -7);
	ck_assert_int_eq(errno, 123);
}
END_TEST

/* The call fails with this, and leaves nothing. */
static void expect_failure(int error)
{
	int before = threads();
	xpmem_segid_t segid = -7;
	char *at = map(PAGE);

	removes = makes = 0;
	errno = 123;
	ck_assert_int_eq(xpmem_make_remote(at, PAGE, 1, (void *)0600, 0,
					   &segid),
			 -error);
	ck_assert_int_eq(errno, 123);
	ck_assert(segid == -7);
	ck_assert_int_eq(removes, makes);
	ck_assert(threads_become(before));
}

START_TEST(no_daemon)
{
	xpmemd_stop();
	expect_failure(ENOTCONN);
	xpmemd_start();
	make(map(PAGE), PAGE);
}
END_TEST

START_TEST(daemon_refuses)
{
	xpmemd_refuse = EACCES;
	expect_failure(EACCES);
	xpmemd_refuse = ENOSPC;
	expect_failure(ENOSPC);
}
END_TEST

START_TEST(daemon_does_not_answer)
{
	xpmemd_silent = true;
	expect_failure(ETIMEDOUT);
}
END_TEST

START_TEST(module_refuses)
{
	share_errno = ENOTTY;
	expect_failure(EOPNOTSUPP);
	share_errno = ENOTCONN;
	expect_failure(ENOTCONN);
	ck_assert_int_eq(xpmemd_got[XPMEM_OWNER_HELLO], 0);
}
END_TEST

START_TEST(kernel_is_too_old)
{
	userfaultfd_features = UFFD_FEATURE_PAGEFAULT_FLAG_WP;
	expect_failure(EOPNOTSUPP);
	/* without hugetlb it is of use */
	userfaultfd_features |= UFFD_FEATURE_EVENT_REMAP |
				UFFD_FEATURE_EVENT_UNMAP;
	make(map(PAGE), PAGE);
}
END_TEST

START_TEST(two_do_not_overlap)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at + PAGE, 2 * PAGE), other = -1;

	ck_assert_int_eq(xpmem_make_remote(at + 2 * PAGE, PAGE, 1, (void *)0600,
					   0, &other),
			 -EBUSY);
	ck_assert_int_eq(xpmem_make_remote(NULL, XPMEM_MAXADDR_SIZE, 1,
					   (void *)0600, 0, &other),
			 -EBUSY);
	make(at, PAGE);
	make(at + 3 * PAGE, PAGE);
	ck_assert_int_eq(xpmem_remove(segid), 0);
	make(at + PAGE, 2 * PAGE);
	/* local ones may */
	ck_assert(xpmem_make(at, 4 * PAGE, 1, (void *)0600) > 0);
}
END_TEST

/* No signal of the application is handled in a thread of the library. */
START_TEST(signals_are_blocked)
{
	char path[64], line[256];
	int seen = 0;
	DIR *dir;

	make(map(PAGE), PAGE);
	dir = opendir("/proc/self/task");
	for (const struct dirent *entry; (entry = readdir(dir));) {
		FILE *status;
		bool ours = false;

		snprintf(path, sizeof(path), "/proc/self/task/%.20s/status",
			 entry->d_name);
		status = fopen(path, "r");
		while (status && fgets(line, sizeof(line), status)) {
			ours |= strncmp(line, "Name:\txpmem-", 12) == 0;
			/* all but KILL, STOP, and the two of the C library */
			if (ours && strncmp(line, "SigBlk:\t", 8) == 0) {
				ck_assert_uint_eq(~strtoull(line + 8, NULL, 16),
						  0x1 << (SIGKILL - 1) |
							  0x1 << (SIGSTOP - 1) |
							  3ULL << 31);
				seen++;
			}
		}
		if (status)
			fclose(status);
	}
	closedir(dir);
	ck_assert_int_eq(seen, 2);
}
END_TEST

START_TEST(trap)
{
	char *at = map(8 * PAGE);
	xpmem_segid_t segid = make(at, 8 * PAGE);

	ck_assert_int_eq(
		xpmemd_ask(XPMEM_OWNER_TRAP, segid, at + PAGE, 2 * PAGE), 0);
	ck_assert_uint_eq(xpmemd_answer.value, 2 * PAGE);
	ck_assert_uint_eq(xpmemd_answer.count, PAGE);
	ck_assert_int_eq(userfaultfd_registered, 1);
	ck_assert_uint_eq(userfaultfd_last.range.start, (uintptr_t)at + PAGE);
	ck_assert_uint_eq(userfaultfd_last.range.len, 2 * PAGE);
	ck_assert_uint_eq(userfaultfd_last.mode,
			  UFFDIO_REGISTER_MODE_MISSING |
				  UFFDIO_REGISTER_MODE_WP);
	/* a mapping after the other */
	ck_assert_int_eq(mprotect(at + 4 * PAGE, PAGE, PROT_READ), 0);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, 8 * PAGE), 0);
	ck_assert_int_eq(userfaultfd_registered, 4);
	ck_assert_uint_eq(xpmemd_answer.value, 8 * PAGE);
}
END_TEST

START_TEST(questions_are_checked)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);

	static const uint32_t types[] = { XPMEM_OWNER_TRAP, XPMEM_OWNER_GIVE_UP,
					  XPMEM_OWNER_LOST, XPMEM_OWNER_SPLIT };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		uint32_t type = types[i];

		ck_assert_int_eq(xpmemd_ask(type, segid, at - PAGE, PAGE),
				 EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid, at + 3 * PAGE,
					    2 * PAGE),
				 EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid, at, 0), EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid, at + 1, PAGE), EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid, at, PAGE + 1), EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid, at, -PAGE), EINVAL);
		ck_assert_int_eq(xpmemd_ask(type, segid + 1, at, PAGE), EINVAL);
	}
	ck_assert_int_eq(xpmemd_ask(15, segid, at, PAGE), EOPNOTSUPP);
	ck_assert_int_eq(userfaultfd_registered, 0);
	ck_assert_int_eq(*at, 0);
}
END_TEST

START_TEST(trap_refuses)
{
	char *at = map(8 * PAGE), start[32];
	xpmem_segid_t segid = make(at, 8 * PAGE);
	int file = open("/proc/self/exe", O_RDONLY);

	ck_assert_ptr_ne(mmap(at + 2 * PAGE, PAGE, PROT_READ,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 MAP_FAILED);
	ck_assert_int_eq(munmap(at + 4 * PAGE, PAGE), 0);
	ck_assert_ptr_ne(mmap(at + 6 * PAGE, PAGE, PROT_READ,
			      MAP_PRIVATE | MAP_FIXED, file, 0),
			 MAP_FAILED);

	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, 8 * PAGE),
			 EOPNOTSUPP);
	ck_assert_uint_eq(xpmemd_answer.value, 2 * PAGE);
	snprintf(start, sizeof(start), "%lx-", (unsigned long)at + 2 * PAGE);
	ck_assert_ptr_eq(strstr(xpmemd_text, start), xpmemd_text);
	ck_assert_ptr_nonnull(strstr(xpmemd_text, "r--s"));
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at + 3 * PAGE,
				    2 * PAGE),
			 EFAULT);
	ck_assert_uint_eq(xpmemd_answer.value, PAGE);
	ck_assert_str_eq(xpmemd_text, "");
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at + 4 * PAGE,
				    PAGE),
			 EFAULT);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at + 6 * PAGE,
				    PAGE),
			 EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(xpmemd_text, "test_remote"));
	userfaultfd_errno = EBUSY;
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE), EBUSY);
	ck_assert_uint_eq(xpmemd_answer.value, 0);
	close(file);
}
END_TEST

/* What the threads stand on can't be pulled away. */
START_TEST(own_memory_is_refused)
{
	xpmem_segid_t segid = make(NULL, XPMEM_MAXADDR_SIZE);
	char *stack = (char *)((uintptr_t)userfaultfd_stack & ~(PAGE - 1));

	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, stack, PAGE),
			 EOPNOTSUPP);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, map(PAGE), PAGE),
			 0);
}
END_TEST

START_TEST(give_up)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);

	memset(at, 5, 4 * PAGE);
	/* not write-protected: the owner may have stored since it was copied */
	pagemap_set(at, PAGE, PAGEMAP_TRAPPED);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_GIVE_UP, segid, at, 2 * PAGE),
			 EAGAIN);
	ck_assert_int_eq(at[0], 5);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_GIVE_UP, segid, at, PAGE), 0);
	ck_assert_int_eq(at[0], 0);
	ck_assert_int_eq(at[PAGE], 5);
	/* of locked memory, too */
	if (mlock(at + PAGE, PAGE) == 0) {
		pagemap_set(at + PAGE, PAGE, PAGEMAP_TRAPPED);
		ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_GIVE_UP, segid,
					    at + PAGE, PAGE),
				 0);
		ck_assert_int_eq(at[PAGE], 0);
	}
	/* what the kernel leaves there, as it does part of a hugetlb page */
	pagemap_set(at + 2 * PAGE, PAGE, PAGEMAP_PRESENT | PAGEMAP_TRAPPED);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_GIVE_UP, segid, at + 2 * PAGE,
				    PAGE),
			 EINVAL);
}
END_TEST

/* Of what is no page of hugetlb there is nothing to split, or it can't be. */
START_TEST(split_of_other_memory)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);

	memset(at, 5, 4 * PAGE);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_SPLIT, segid, at, PAGE), 0);
	ck_assert_int_eq(at[PAGE], 5);
	ck_assert_ptr_eq(mmap(at, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 at);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_SPLIT, segid, at, PAGE),
			 EOPNOTSUPP);
	ck_assert_int_eq(munmap(at + 3 * PAGE, PAGE), 0);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_SPLIT, segid, at + 3 * PAGE,
				    PAGE),
			 EFAULT);
}
END_TEST

START_TEST(lost)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);

	pagemap_set(at + PAGE, PAGE, PAGEMAP_PRESENT);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_LOST, segid, at, 2 * PAGE),
			 EEXIST);
	ck_assert_int_eq(load(at), 0);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_LOST, segid, at, PAGE), 0);
	ck_assert_int_eq(load(at), SIGBUS);
	ck_assert_int_eq(load(at + PAGE), 0);
	/* it is a mapping of another kind now */
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_LOST, segid, at, PAGE),
			 EOPNOTSUPP);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE),
			 EOPNOTSUPP);
	/* until the owner maps something else there */
	mmap(at, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
	     0);
	ck_assert_int_eq(load(at), 0);
	ck_assert_int_eq(munmap(at + 3 * PAGE, PAGE), 0);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_LOST, segid, at + 3 * PAGE,
				    PAGE),
			 EFAULT);
	ck_assert_int_eq(load(at + 3 * PAGE), SIGSEGV);
}
END_TEST

START_TEST(connects_again)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = make(at, PAGE);

	for (int round = 1; round <= 3; round++) {
		xpmemd_hang_up();
		ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_HELLO], round + 1));
		/* who waits for a page tells the new one */
		ck_assert(wait_for(&userfaultfd_wakes, round));
		ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE),
				 0);
	}
	ck_assert_int_eq(xpmemd_descriptors, 4);
	/* it is the same helper and the same userfaultfd */
	ck_assert_int_eq(shares, 1);
	ck_assert_int_eq(userfaultfd_opens, 2);

	/* for ever, also when it is refused */
	xpmemd_refuse = EACCES;
	xpmemd_hang_up();
	ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_HELLO], 7));
	xpmemd_refuse = 0;
	ck_assert(wait_for(&userfaultfd_wakes, 4));
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE), 0);
}
END_TEST

/* The application closed what it found open, and the segment went with that. */
START_TEST(segment_is_gone)
{
	char *at = map(PAGE);
	int hellos;

	make(at, PAGE);
	xpmemd_refuse = ENOENT;
	xpmemd_hang_up();
	ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_HELLO], 2));
	usleep(300000);
	hellos = xpmemd_got[XPMEM_OWNER_HELLO];
	ck_assert_int_eq(hellos, 2);
	xpmemd_refuse = 0;
	/* another can have the place */
	make(at, PAGE);
}
END_TEST

START_TEST(events_are_read_when_nobody_else_does)
{
	make(map(PAGE), PAGE);
	userfaultfd_event(UFFD_EVENT_UNMAP);
	usleep(200000);
	ck_assert_int_eq(userfaultfd_left(), 1);
	xpmemd_stop();
	for (int i = 0; i < 500 && userfaultfd_left(); i++)
		usleep(10000);
	ck_assert_int_eq(userfaultfd_left(), 0);
	userfaultfd_event(UFFD_EVENT_UNMAP);
	userfaultfd_event(UFFD_EVENT_PAGEFAULT);
	for (int i = 0; i < 500 && userfaultfd_left(); i++)
		usleep(10000);
	ck_assert_int_eq(userfaultfd_left(), 0);
	xpmemd_start();
}
END_TEST

static atomic_bool forked_already;
static bool fork_was_early;

static void look_at_fork(void)
{
	usleep(100000);
	fork_was_early = forked_already;
}

static void expect_success(pid_t child)
{
	int status;

	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "child's wait status is %#x", status);
}

static void forked(void)
{
	forked_already = true;
}

START_TEST(fork_waits_for_pages)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = make(at, PAGE), other = make(map(PAGE), PAGE);
	int files = entries("/proc/self/fd");
	pid_t child;

	xpmemd_at_fork = look_at_fork;
	/* prepare handlers run in the reverse order: after that of the library */
	pthread_atfork(NULL, forked, forked);
	errno = 123;
	child = fork();
	ck_assert_int_eq(errno, 123);
	if (child == 0) {
		/* none of the descriptors but the device's, which is closed */
		if (entries("/proc/self/fd") != files - 1 || threads() != 1)
			_exit(1);
		/* the module's answer is the parent's own matter */
		removes = 0;
		if (xpmem_remove(segid) != 0 || removes != 1 ||
		    xpmemd_got[XPMEM_OWNER_FORK] != 2)
			_exit(2);
		_exit(0);
	}
	expect_success(child);
	ck_assert(!fork_was_early);
	ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_FORKED], 2));
	ck_assert_int_eq(xpmemd_got[XPMEM_OWNER_FORK], 2);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, xpmemd_hello.segid,
				    xpmemd_hello.segid == segid ? at : NULL,
				    PAGE),
			 xpmemd_hello.segid == segid ? 0 : EINVAL);
	/* and again */
	child = fork();
	if (child == 0)
		_exit(0);
	expect_success(child);
	ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_FORKED], 4));
	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_eq(xpmem_remove(other), 0);
}
END_TEST

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A child of which pages are missing, and then the parent's removal */
static void without_answer(void)
{
	char *at = map(4 * PAGE);
	xpmem_segid_t segid = make(at, 4 * PAGE);
	int64_t since;
	pid_t child;

	memset(at, 5, 4 * PAGE);
	pagemap_set(at, 4 * PAGE, PAGEMAP_TRAPPED);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_GIVE_UP, segid, at, 2 * PAGE),
			 0);
	/* the second came back */
	pagemap_set(at, PAGE, 0);
	pagemap_set(at + PAGE, 3 * PAGE, PAGEMAP_PRESENT);
	xpmemd_refuse_fork = EIO;
	since = now_ms();
	child = fork();
	if (child == 0) {
		if (load(at) != SIGBUS)
			_exit(1);
		if (load(at + PAGE) || at[2 * PAGE] != 5)
			_exit(2);
		_exit(0);
	}
	ck_assert_int_lt(now_ms() - since, 2000);
	expect_success(child);
	ck_assert_int_eq(load(at), 0);
	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_eq(load(at), SIGBUS);
	ck_assert_int_eq(load(at + PAGE), 0);
	ck_assert_int_eq(at[2 * PAGE], 5);
}

START_TEST(pages_that_did_not_come_home)
{
	without_answer();
}
END_TEST

START_TEST(fork_waits_no_longer)
{
	char *at = map(PAGE);
	int64_t since;
	pid_t child;

	make(at, PAGE);
	xpmemd_no_fork = true;
	since = now_ms();
	child = fork();
	if (child == 0)
		_exit(0);
	since = now_ms() - since;
	ck_assert_int_ge(since, XPMEM_OWNER_FORK_MS);
	ck_assert_int_lt(since, XPMEM_OWNER_FORK_MS + 3000);
	expect_success(child);
	ck_assert(wait_for(&xpmemd_got[XPMEM_OWNER_FORKED], 1));
	xpmemd_no_fork = false;
	child = fork();
	if (child == 0)
		_exit(0);
	expect_success(child);
}
END_TEST

/* Nothing is away, so a dead daemon is no reason to wait. */
START_TEST(fork_without_daemon)
{
	xpmem_segid_t segid = make(map(PAGE), PAGE);
	int64_t since;
	pid_t child;

	xpmemd_stop();
	since = now_ms();
	child = fork();
	if (child == 0)
		_exit(0);
	expect_success(child);
	ck_assert_int_eq(xpmem_remove(segid), 0);
	ck_assert_int_lt(now_ms() - since, 2000);
	xpmemd_start();
}
END_TEST

/* A child without fork handlers does nothing to its parent's segments. */
START_TEST(bare_clone)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = make(at, PAGE);
	pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (child == 0)
		_exit(xpmem_remove(segid) != 0);
	expect_success(child);
	ck_assert_int_eq(xpmemd_got[XPMEM_OWNER_FORK], 0);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE), 0);
	ck_assert_int_eq(xpmem_remove(segid), 0);
}
END_TEST

/* Daemons close all that they find open when they start. */
START_TEST(application_closes_all)
{
	char *at = map(PAGE);
	xpmem_segid_t segid = make(at, PAGE);
	int device = -1;

	/* the daemon and the stand-ins are of this process, too */
	ck_assert_int_eq(fake_count(&device), 1);
	close(device);
	ck_assert_int_eq(xpmemd_ask(XPMEM_OWNER_TRAP, segid, at, PAGE), 0);
	for (int fd = 0; fd < 1024; fd++) {
		char path[64], target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) < 0)
			continue;
		ck_assert_ptr_null(strstr(target, "xpmem-lost"));
		ck_assert_ptr_null(strstr(target, "signalfd"));
	}
}
END_TEST

/* Nor does the library hold what the application closes. */
START_TEST(files_are_not_held)
{
	int ends[2];
	char byte;

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	make(map(PAGE), PAGE);
	close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0);
	close(ends[0]);
}
END_TEST

static void *make_and_remove_often(void *unused)
{
	for (int i = 0; i < 10; i++) {
		char *at = map(PAGE);
		xpmem_segid_t segid = -1;

		if (xpmem_make_remote(at, PAGE, 1, (void *)0600, 0, &segid) ||
		    xpmem_remove(segid))
			return (void *)-1;
		munmap(at, PAGE);
	}
	return unused;
}

START_TEST(many_threads)
{
	int before = threads();
	pthread_t crew[8];
	void *result;
	pid_t child;

	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&crew[i], NULL,
						make_and_remove_often, NULL),
				 0);
	for (int i = 0; i < 10; i++) {
		child = fork();
		if (child == 0)
			_exit(0);
		expect_success(child);
	}
	for (int i = 0; i < 8; i++) {
		pthread_join(crew[i], &result);
		ck_assert_ptr_null(result);
	}
	ck_assert_int_eq(makes, 80);
	ck_assert_int_eq(removes, 80);
	ck_assert(threads_become(before));
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 50);
	tcase_add_checked_fixture(tcase, setup, xpmemd_stop);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	Suite *suite = suite_create("remote");

	add(suite, "make_and_remove", make_and_remove);
	add(suite, "flags", flags);
	add(suite, "refused_arguments", refused_arguments);
	add(suite, "no_daemon", no_daemon);
	add(suite, "daemon_refuses", daemon_refuses);
	add(suite, "daemon_does_not_answer", daemon_does_not_answer);
	add(suite, "module_refuses", module_refuses);
	add(suite, "kernel_is_too_old", kernel_is_too_old);
	add(suite, "two_do_not_overlap", two_do_not_overlap);
	add(suite, "signals_are_blocked", signals_are_blocked);
	add(suite, "trap", trap);
	add(suite, "questions_are_checked", questions_are_checked);
	add(suite, "trap_refuses", trap_refuses);
	add(suite, "own_memory_is_refused", own_memory_is_refused);
	add(suite, "give_up", give_up);
	add(suite, "split_of_other_memory", split_of_other_memory);
	add(suite, "lost", lost);
	add(suite, "connects_again", connects_again);
	add(suite, "segment_is_gone", segment_is_gone);
	add(suite, "events_are_read_when_nobody_else_does",
	    events_are_read_when_nobody_else_does);
	add(suite, "fork_waits_for_pages", fork_waits_for_pages);
	add(suite, "pages_that_did_not_come_home",
	    pages_that_did_not_come_home);
	add(suite, "fork_waits_no_longer", fork_waits_no_longer);
	add(suite, "fork_without_daemon", fork_without_daemon);
	add(suite, "bare_clone", bare_clone);
	add(suite, "application_closes_all", application_closes_all);
	add(suite, "files_are_not_held", files_are_not_held);
	add(suite, "many_threads", many_threads);
	return run_suite(suite);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages of which other partitions have copies: is every change of theirs told before
 * it happens, does it wait for the answer, and for the leases where none comes?  And
 * what changes nothing, does that wait for nobody?
 */
#include "ctl_test.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PAGES	64UL
#define SIZE	(PAGES * PAGE)
#define SEED	9
#define MARKED	8UL

/* What an owner does to its pages, for what reason the daemon is told */
enum how { MUNMAP, DONTNEED, MPROTECT, MREMAP, FORK, MAP_OVER, REMOVE, EXIT, EXEC, HOWS };

static const struct {
	const char *name;
	uint32_t type, reason;
} hows[HOWS] = {
	[MUNMAP] = { "munmap", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_UNMAP },
	[DONTNEED] = { "MADV_DONTNEED", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_CLEAR },
	[MPROTECT] = { "mprotect", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_PROTECT },
	[MREMAP] = { "mremap", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_UNMAP },
	[FORK] = { "fork", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_PROTECT },
	[MAP_OVER] = { "mmap", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_UNMAP },
	[REMOVE] = { "xpmem_remove", XPMEM_CTL_GONE, 0 },
	[EXIT] = { "exit", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_UNMAP },
	[EXEC] = { "exec", XPMEM_CTL_RECALL, XPMEM_CTL_REASON_UNMAP },
};

static char *memory;

static void make_shared(uint32_t flags)
{
	ctl_not_ours();
	memory = map_anon(SIZE);
	no_huge_pages(memory, SIZE);
	fill(memory, SIZE, SEED);
	board->segid[0] = make_segment(memory, SIZE);
	helper_begin(board->segid[0], flags);
}

static void do_it(enum how how)
{
	pid_t pid;

	switch (how) {
	case MUNMAP:
		check(munmap(memory, MARKED * PAGE) == 0);
		break;
	case DONTNEED:
		check(madvise(memory, MARKED * PAGE, MADV_DONTNEED) == 0);
		break;
	case MPROTECT:
		check(mprotect(memory, MARKED * PAGE, PROT_READ) == 0);
		break;
	case MREMAP:
		check(mremap(memory, MARKED * PAGE, MARKED * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			     map_anon(MARKED * PAGE)) != MAP_FAILED);
		break;
	case FORK:
		pid = fork();
		if (!pid)
			_exit(0);
		check(pid > 0 && waitpid(pid, NULL, 0) == pid);
		break;
	case MAP_OVER:
		check(mmap(memory, MARKED * PAGE, PROT_READ,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
		break;
	case REMOVE:
		check(xpmem_remove(board->segid[0]) == 0);
		break;
	case EXEC:
		execl("/bin/true", "true", NULL);
		_exit(1);
	default:
		_exit(0);
	}
}

static void owner(int how)
{
	make_shared(XPMEM_SHARE_READ | XPMEM_SHARE_WRITE);
	reach(1);
	await(2);
	count_up(0);
	do_it((enum how)how);
	count_up(1);
	await(4);
}

/* Whether the owner has come past what it does: it returned, or has ended */
static bool is_done(enum how how, pid_t pid)
{
	siginfo_t info = { 0 };

	if (how != EXIT && how != EXEC)
		return atomic_load(&board->count[1]);
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid;
}

static void wait_a_little(unsigned int milliseconds_)
{
	for (uint64_t end = milliseconds() + milliseconds_; milliseconds() < end;)
		usleep(1000);
}

static void start(enum how how)
{
	atomic_store(&board->step, 0);
	for (int i = 0; i < 4; i++)
		atomic_store(&board->count[i], 0);
	board->value[0] = (uint64_t)spawn(owner, (int)how);
	await(1);
}

static pid_t owner_pid(void)
{
	return (pid_t)board->value[0];
}

static void each_is_told(void)
{
	struct xpmem_ctl_record record;

	for (enum how how = 0; how < HOWS; how++) {
		start(how);
		check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
		reach(2);
		record = ctl_expect(hows[how].type);
		if (record.segid != board->segid[0] || record.reason != hows[how].reason)
			fail("%s: reason %u", hows[how].name, record.reason);
		if (hows[how].type == XPMEM_CTL_RECALL &&
		    (record.first || record.count < MARKED))
			fail("%s: pages %lu and %lu from there", hows[how].name,
			     (unsigned long)record.first, (unsigned long)record.count);
		wait_a_little(100);
		/* exec ends the old address space before anything else of it */
		if (is_done(how, owner_pid()))
			fail("%s did not wait", hows[how].name);
		check(ctl_complete(record.id, 0, 0) == 0);
		check(ctl_complete(record.id, 0, 0) == -ENOENT);
		if (how == FORK) {
			/* Marks were forgotten; the child's pages are not the segment's. */
			await_that(is_done(how, owner_pid()));
		} else if (how != EXIT && how != EXEC && how != REMOVE) {
			await_that(is_done(how, owner_pid()));
			ctl_expect_none(0);
		}
		reach(4);
		if (how != REMOVE) {
			record = ctl_expect(XPMEM_CTL_GONE);
			check(ctl_complete(record.id, 0, 0) == 0);
		}
		join(owner_pid());
		ctl_expect_none(0);
	}
}

/* ---- What is not told */

/* Has stores there wait for the holder of a userfaultfd; and lets them go on */
static void trap(void *addr, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (uintptr_t)addr, size }, .mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)addr, size }, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0) {
		printf("no userfaultfd\n");
		return;
	}
	check(ioctl(fd, UFFDIO_API, &api) == 0);
	check(ioctl(fd, UFFDIO_REGISTER, &area) == 0);
	check(ioctl(fd, UFFDIO_WRITEPROTECT, &protect) == 0);
	protect.mode = 0;
	check(ioctl(fd, UFFDIO_WRITEPROTECT, &protect) == 0);
	/* It stays open: to close it is a change of the mapping. */
}

static void quiet_owner(int unused)
{
	uint64_t value;

	(void)unused;
	make_shared(XPMEM_SHARE_READ | XPMEM_SHARE_WRITE);
	reach(1);
	await(2);
	/* the helper gives up */
	helper_give_up(memory, PAGE);
	check(try_read(memory, &value) == 0 && value == 0);
	/* a trap is set, which changes nothing */
	trap(memory + PAGE, PAGE);
	/* not marked */
	check(munmap(memory + MARKED * PAGE, PAGE) == 0);
	reach(3);
	await(4);
	/* a mark outlives that, and is gone when it is cleared */
	check(madvise(memory, PAGE, MADV_DONTNEED) == 0);
	reach(5);
	await(6);
	check(madvise(memory, PAGE, MADV_DONTNEED) == 0);
	reach(7);
}

static uint64_t recalls(void)
{
	return read_number("/proc/xpmem/counters", "recalls");
}

static uint64_t marked(uint64_t *first, uint32_t *state);

static void quiet(void)
{
	uint64_t before = recalls(), first;
	struct xpmem_ctl_record record;
	uint32_t state;
	pid_t pid;

	atomic_store(&board->step, 0);
	pid = spawn(quiet_owner, 0);
	await(1);
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_AWAY) == 0);
	reach(2);
	await(3);
	check(recalls() == before);
	ctl_expect_none(0);
	check(marked(&first, &state) == MARKED && first == 0 && state == XPMEM_PAGE_EXCLUSIVE);
	reach(4);
	record = ctl_expect(XPMEM_CTL_RECALL);
	check(record.first == 0 && record.count == 1);
	check(ctl_complete(record.id, 0, 0) == 0);
	await(5);
	check(marked(&first, &state) == MARKED - 1 && first == 1);
	check(ctl_mark(board->segid[0], 0, PAGES, XPMEM_MARK_REMOTE) == 0);
	check(marked(&first, &state) == PAGES && first == 0 && state == XPMEM_PAGE_SHARED);
	check(ctl_mark(board->segid[0], 0, PAGES, XPMEM_MARK_CLEAR) == 0);
	check(marked(&first, &state) == 0);
	reach(6);
	await(7);
	record = ctl_expect(XPMEM_CTL_GONE);
	check(ctl_complete(record.id, 0, 0) == 0);
	join(pid);
}

/* Pages of the first range of the segment */
static uint64_t marked(uint64_t *first, uint32_t *state)
{
	struct xpmem_ctl_range range;
	struct xpmem_ctl_list list = {
		.size = sizeof(list), .segid = board->segid[0], .ranges = (uintptr_t)&range,
		.count = 1,
	};

	check(ioctl(ctl, XPMEM_CTL_IOC_LIST_MARKED, &list) == 0);
	if (!list.count || range.segid != board->segid[0])
		return 0;
	*first = range.first;
	*state = range.state;
	return range.count;
}

static void paged_out(int unused)
{
	(void)unused;
	cgroup_enter("xpmem-share");
	make_shared(XPMEM_SHARE_READ);
	reach(1);
	await(2);
	for (int i = 0; i < 2; i++)
		check(madvise(memory, SIZE, MADV_PAGEOUT) == 0);
	/* and by the cgroup's limit */
	check(write_file(cgroup_file("xpmem-share", "memory.reclaim"), "4M") || errno == EAGAIN ||
	      errno == ENOENT);
	board->value[1] = 0;
	for (unsigned long i = 0; i < PAGES; i++)
		board->value[1] += page_is_swapped(memory + i * PAGE);
	reach(3);
	await(4);
	check(!differs(memory, SIZE, SEED));
}

static void reclaim_does_not_wait(void)
{
	uint64_t before = recalls(), first;
	struct xpmem_ctl_record record;
	uint32_t state;
	pid_t pid;

	cgroup_make("xpmem-share");
	atomic_store(&board->step, 0);
	pid = spawn(paged_out, 0);
	await(1);
	check(ctl_mark(board->segid[0], 0, PAGES, XPMEM_MARK_REMOTE) == 0);
	reach(2);
	await(3);
	check(recalls() == before);
	ctl_expect_none(0);
	if (!board->value[1])
		fail("no page was paged out");
	printf("%lu of %lu pages were paged out\n", board->value[1], PAGES);
	check(marked(&first, &state) == PAGES && state == XPMEM_PAGE_SHARED);
	reach(4);
	record = ctl_expect(XPMEM_CTL_RECALL);	/* its exit */
	check(ctl_complete(record.id, 0, 0) == 0);
	record = ctl_expect(XPMEM_CTL_GONE);
	check(ctl_complete(record.id, 0, 0) == 0);
	join(pid);
}

/* ---- Who waits can be killed; and is not held for ever */

static void killed(void)
{
	struct xpmem_ctl_record record;
	uint64_t start_time;
	int status;

	start(DONTNEED);
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
	reach(2);
	record = ctl_expect(XPMEM_CTL_RECALL);
	start_time = milliseconds();
	check(kill(owner_pid(), SIGKILL) == 0);
	/* No more page of it is marked; the end of the segment is told. */
	record = ctl_expect(XPMEM_CTL_GONE);
	check(ctl_complete(record.id, 0, 0) == 0);
	check(waitpid(owner_pid(), &status, 0) == owner_pid());
	if (milliseconds() - start_time > LEASE_MS)
		fail("it took %lu ms to kill", (unsigned long)(milliseconds() - start_time));
}

/*
 * Nobody answers: the owner goes on when the leases have run out that there were when it
 * asked, not before, and not later because of others that were renewed since.
 */
static void bounded(bool close_it)
{
	struct xpmem_ctl_hello hello = {
		.lease_ms = 1000, .skew_ms = SKEW_MS, .fault_ms = FAULT_MS,
	};
	uint64_t fences = read_number("/proc/xpmem/counters", "fences");
	struct xpmem_ctl_beat beat = { .size = sizeof(beat) };
	struct xpmem_ctl_record record;
	uint64_t since, took;

	check(ctl_hello(ctl, HERE, &hello) == 0);
	start(DONTNEED);
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
	since = ctl_now();
	reach(2);
	record = ctl_expect(XPMEM_CTL_RECALL);
	usleep(500000);
	check(ioctl(ctl, XPMEM_CTL_IOC_BEAT, &beat) == 0);
	if (close_it)
		ctl_end();
	await_that(atomic_load(&board->count[1]));
	took = (ctl_now() - since) / 1000000;
	if (took < 1000 + SKEW_MS || took > 1450 * slowness())
		fail("%s: the owner went on after %lu ms", close_it ? "closed" : "silent",
		     (unsigned long)took);
	printf("%s: the owner waited %lu ms\n", close_it ? "closed" : "silent",
	       (unsigned long)took);
	check(read_number("/proc/xpmem/counters", "fences") == fences);
	if (!close_it) {
		/* It is only late. */
		check(ctl_complete(record.id, 0, 0) == -ENOENT);
		ctl_end();
	}
	reach(4);
	join(owner_pid());
	ctl_begin();
}

enum hung {
	HUNG_MARKED,		/* when there is something to be read, and it can renew nothing */
	HUNG_AT_ONCE,
	HUNG_AFTER_READING,
};

/* A daemon that does nothing any more from some moment on; it is killed in the end. */
static void hung_daemon(int when)
{
	struct xpmem_ctl_beat beat = { .size = sizeof(beat) };
	struct pollfd readable = { .events = POLLIN };

	ctl_begin_with(1000, FAULT_MS);
	count_up(8);
	await_count(9, 1);
	if (when == HUNG_AT_ONCE) {
		reach(2);
		raise(SIGSTOP);
	}
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
	check(ioctl(ctl, XPMEM_CTL_IOC_BEAT, &beat) == 0);
	reach(2);
	readable.fd = ctl;
	check(poll(&readable, 1, -1) == 1 && readable.revents & POLLIN);
	check_errno(ioctl(ctl, XPMEM_CTL_IOC_BEAT, &beat), EAGAIN);
	if (when == HUNG_AFTER_READING) {
		ctl_expect(XPMEM_CTL_RECALL);
		ctl_expect_none(0);
	}
	raise(SIGSTOP);
}

static void hung(enum hung when, enum how how, const char *what)
{
	uint64_t fences = read_number("/proc/xpmem/counters", "fences"), since, took;
	pid_t daemon;
	int status;

	ctl_end();
	atomic_store(&board->count[8], 0);
	atomic_store(&board->count[9], 0);
	daemon = spawn(hung_daemon, (int)when);
	await_count(8, 1);
	start(how);
	since = ctl_now();
	count_up(9);
	/* First: to who waits for others a child that was killed is one that failed. */
	check(waitpid(daemon, &status, 0) == daemon);
	await_that(atomic_load(&board->count[1]));
	took = (ctl_now() - since) / 1000000;
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	check(read_number("/proc/xpmem/counters", "fences") == fences + 1);
	if (took < 1000 + SKEW_MS || took > 2000 * slowness())
		fail("hung %s: it was killed, and the owner went on, after %lu ms", what,
		     (unsigned long)took);
	printf("hung %s: it was killed, and the owner went on, after %lu ms\n", what,
	       (unsigned long)took);
	reach(4);
	join(owner_pid());
	ctl_begin();
}

/* The next daemon is asked again. */
static void asked_again(void)
{
	struct xpmem_ctl_hello hello = {
		.lease_ms = LEASE_MS, .skew_ms = SKEW_MS, .fault_ms = FAULT_MS,
	};
	struct xpmem_ctl_record first, second;

	start(DONTNEED);
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
	reach(2);
	first = ctl_expect(XPMEM_CTL_RECALL);
	ctl_end();
	check(!atomic_load(&board->count[1]));
	ctl = ctl_open();
	check(ctl >= 0);
	check(ctl_hello(ctl, HERE, &hello) == 0);
	check(hello.out_grace_until > ctl_now());
	second = ctl_expect(XPMEM_CTL_RECALL);
	check(!memcmp(&first, &second, sizeof(first)));
	check(!atomic_load(&board->count[1]));
	check(ctl_complete(second.id, 0, 0) == 0);
	await_that(atomic_load(&board->count[1]));
	reach(4);
	second = ctl_expect(XPMEM_CTL_GONE);
	check(ctl_complete(second.id, 0, 0) == 0);
	join(owner_pid());
}

/* A mark that comes while a change is under way is not forgotten with it. */
static void marked_meanwhile(void)
{
	struct xpmem_ctl_record record;
	uint64_t first;
	uint32_t state;

	start(DONTNEED);
	check(ctl_mark(board->segid[0], 0, MARKED, XPMEM_MARK_REMOTE) == 0);
	reach(2);
	record = ctl_expect(XPMEM_CTL_RECALL);
	check(ctl_mark(board->segid[0], 3, 2, XPMEM_MARK_REMOTE) == 0);
	check(ctl_complete(record.id, 0, 0) == 0);
	await_that(atomic_load(&board->count[1]));
	check(marked(&first, &state) == 2 && first == 3);
	reach(4);
	record = ctl_expect(XPMEM_CTL_RECALL);
	check(ctl_complete(record.id, 0, 0) == 0);
	record = ctl_expect(XPMEM_CTL_GONE);
	check(ctl_complete(record.id, 0, 0) == 0);
	join(owner_pid());
}

int main(void)
{
	test_begin(120);
	/* It changes protections behind a test's back, which are recalls, too. */
	if (!access("/proc/sys/kernel/numa_balancing", W_OK))
		set_until_exit("/proc/sys/kernel/numa_balancing", "0");
	ctl_begin();
	each_is_told();
	quiet();
	reclaim_does_not_wait();
	killed();
	asked_again();
	marked_meanwhile();
	bounded(true);
	bounded(false);
	hung(HUNG_MARKED, DONTNEED, "when there is a recall");
	/* Nobody else has the memory: who unmaps it would wait for who reads its userfaultfd. */
	hung(HUNG_AT_ONCE, MUNMAP, "at munmap");
	/*
	 * What it has read may be answered late, so the owner goes on when all leases have
	 * run out; but then it has no time to read the userfaultfd.
	 */
	hung(HUNG_AFTER_READING, MUNMAP, "after reading a recall");
	ctl_end();
	return 0;
}

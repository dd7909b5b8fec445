// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does every operation survive the failure of each allocation it makes?
 *
 * For each operation the 1st, 2nd, 3rd ... allocation (or copy from or to user
 * space) that its task makes in the kernel fails, by /proc/self/fail-nth, until
 * the operation ends before the nth: then all have failed once.  Each time it
 * must have succeeded in spite, or failed with an errno that says so; then all
 * is as before, and can be done.  What is read is the owner's memory or
 * SIGBUS.  When an operation was undone the module has what it had before.
 *
 * Needs a kernel with fault injection (tests/run-robust sets it up); the leaks
 * that counts don't show are kmemleak's to find, and rmmod's.
 *
 *	fail-nth [OPERATION...]
 */
#include "fail_nth.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* An operation with more allocations than this has a loop that failures feed. */
#define NTH_LIMIT 2000

static int injection_fd = -1;

void injection_begin(void)
{
	if (injection_fd >= 0)
		close(injection_fd);
	injection_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (injection_fd < 0)
		skip("no /proc/self/fail-nth: the kernel has no fault injection");
}

static void write_nth(int fd, unsigned int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", nth);

	/* While armed the copy of this very text may be what fails: once at most. */
	if (pwrite(fd, text, (size_t)length, 0) == length)
		return;
	check(errno == EFAULT);
	check(pwrite(fd, text, (size_t)length, 0) == length);
}

/* How many allocations are left until one fails; 0: it has failed */
static unsigned int read_nth(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0) {
		/* The copy of the answer was the nth, so the operation was not. */
		check(errno == EFAULT);
		return 1;
	}
	return (unsigned int)strtoul(text, NULL, 10);
}

void arm(unsigned int nth)
{
	write_nth(injection_fd, nth);
}

struct outcome armed(int (*operation)(void), unsigned int nth)
{
	struct outcome outcome;

	write_nth(injection_fd, nth);
	outcome.result = operation();
	outcome.injected = !read_nth(injection_fd);
	write_nth(injection_fd, 0);
	return outcome;
}

static int open_other(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	return fd;
}

void arm_other(pid_t pid, unsigned int nth)
{
	int fd = open_other(pid);

	write_nth(fd, nth);
	close(fd);
}

bool other_was_injected(pid_t pid)
{
	int fd = open_other(pid);
	bool injected = !read_nth(fd);

	close(fd);
	return injected;
}

/* ---------------------------------------------------------------- the loop */

static void check_result(const struct operation *op, unsigned int nth, struct outcome outcome)
{
	int result = outcome.result;

	if (!result)
		return;
	errno = result < 0 ? -result : 0;
	if (!outcome.injected)
		fail("%s: failed with %d although nothing was made to fail", op->name, result);
	if (result > 0 && (!op->may_signal || result != SIGBUS))
		fail("%s, n = %u: signal %d", op->name, nth, result);
	if (result < 0 && (!op->may_fail || (result != -ENOMEM && result != -EFAULT)))
		fail("%s, n = %u: result %d", op->name, nth, result);
}

static void run(const struct operation *op)
{
	unsigned int failed = 0, signals = 0, nth;
	double start = now();

	for (nth = 1;; nth++) {
		struct counters before, ready;
		struct outcome outcome;

		if (nth > NTH_LIMIT)
			fail("%s: no end of allocations", op->name);
		before = counters_now();
		if (op->set_up)
			op->set_up();
		ready = counters_now();
		outcome = op->here ? armed(op->here, nth) : op->elsewhere(nth);
		check_result(op, nth, outcome);
		failed += outcome.result < 0;
		signals += outcome.result > 0;
		if (outcome.result && op->changes_nothing && !counters_settle_objects(&ready))
			fail("%s, n = %u: not undone", op->name, nth);
		if (op->verify)
			op->verify(outcome.result);
		if (op->clean)
			op->clean();
		if (!counters_settle(&before))
			fail("%s, n = %u: something is left", op->name, nth);
		if (!outcome.injected)
			break;
	}
	printf("%-18s %4u made to fail: %4u errors, %u signals, %.0f s\n", op->name, nth - 1,
	       failed, signals, now() - start);
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	unsigned int done = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	test_begin(3000);
	access_begin();
	injection_begin();
	signal(SIGPIPE, SIG_IGN);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(told != MAP_FAILED);
	if (!counters_now().known)
		printf("no /proc/xpmem/counters: leaks are left to kmemleak and rmmod\n");

	owner_start();
	for (unsigned int i = 0; i < nr_operations; i++) {
		if (!wanted(operations[i].name, argc, argv))
			continue;
		run(&operations[i]);
		done++;
	}
	owner_stop();
	check(done > 0);
	return 0;
}

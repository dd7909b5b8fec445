// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process that owns what the fail-nth test attaches.  It does one order
 * after the other, which come through a pipe, and answers each in *told and
 * with a byte through another.
 */
#include "fail_nth.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER_SIZE (OWNER_PAGES * PAGE)

enum order_kind {
	ORDER_FRESH,
	ORDER_PEEK,
	ORDER_KEEP_COPY,
	ORDER_PAGEOUT,
	ORDER_ARMED,
	ORDER_EXIT,
	ORDER_CLEAN,
};

struct order {
	enum order_kind kind;
	unsigned int arg;
	unsigned int nth;
	bool touched;
};

struct told *told;

static pid_t owner = -1;
static int to_owner[2], from_owner[2];

/* Of the owner itself */
static int device = -1;
static char *memory;
static int64_t segid;
static pid_t keeper = -1;
static int to_keeper = -1;

uint64_t owner_value(unsigned int page)
{
	return 0x6f776e6572000000ULL + page;
}

static uint64_t *page_of(unsigned int page)
{
	return (uint64_t *)(memory + page * PAGE);
}

static void fresh(enum owner_memory kind, bool touched)
{
	memory = mmap(NULL, OWNER_SIZE, PROT_READ | PROT_WRITE,
		      (kind == OWNER_SHMEM ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	check(memory != MAP_FAILED);
	for (unsigned int i = 0; touched && i < OWNER_PAGES; i++)
		*page_of(i) = owner_value(i);
	device = device_open_raw();
	check(device >= 0);
	check(raw_make(device, memory, OWNER_SIZE, 0600, &segid) == 0);
	told->segid = segid;
}

/* The copy must stay what it was at the fork, whoever writes. */
static void keep_copy(void)
{
	int pipes[2];
	char byte;

	check(pipe(pipes) == 0);
	keeper = fork();
	check(keeper >= 0);
	if (keeper) {
		close(pipes[0]);
		to_keeper = pipes[1];
		return;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(pipes[1]);
	if (read(pipes[0], &byte, 1) != 0)
		_exit(2);
	for (unsigned int i = 0; i < OWNER_PAGES; i++)
		if (*page_of(i) != owner_value(i))
			_exit(1);
	_exit(0);
}

static int do_fork(void)
{
	long pid = syscall(SYS_fork);

	if (!pid)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int do_dontneed(void)
{
	return madvise(memory, 64 * PAGE, MADV_DONTNEED) ? -errno : 0;
}

static int do_munmap(void)
{
	return munmap(page_of(64), PAGE) ? -errno : 0;
}

static int do_mprotect(void)
{
	return mprotect(page_of(64), PAGE, PROT_READ) ? -errno : 0;
}

static int do_remove(void)
{
	return raw_remove(device, segid);
}

static int do_close(void)
{
	int err = close(device) ? -errno : 0;

	device = -1;
	return err;
}

static void do_armed(const struct order *order)
{
	static int (*const operation[])(void) = {
		[OWNER_FORK] = do_fork,
		[OWNER_DONTNEED] = do_dontneed,
		[OWNER_MUNMAP] = do_munmap,
		[OWNER_MPROTECT] = do_mprotect,
		[OWNER_REMOVE] = do_remove,
		[OWNER_CLOSE] = do_close,
	};

	told->outcome = armed(operation[order->arg], order->nth);
	if (order->arg == OWNER_FORK)
		while (wait(NULL) > 0)
			;
}

static void clean(void)
{
	int status;

	if (device >= 0)
		close(device);
	device = -1;
	if (keeper > 0) {
		close(to_keeper);
		check(waitpid(keeper, &status, 0) == keeper);
		keeper = -1;
		if (status)
			fail("a copy made by fork changed later (status %x)", status);
	}
	munmap(memory, OWNER_SIZE);
}

_Noreturn static void serve(void)
{
	struct order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(to_owner[1]);
	close(from_owner[0]);
	injection_begin();
	while (read(to_owner[0], &order, sizeof(order)) == sizeof(order)) {
		switch (order.kind) {
		case ORDER_FRESH:
			fresh(order.arg, order.touched);
			break;
		case ORDER_PEEK:
			told->value = *(volatile uint64_t *)page_of(order.arg);
			break;
		case ORDER_KEEP_COPY:
			keep_copy();
			break;
		case ORDER_PAGEOUT:
			check(madvise(memory, OWNER_SIZE, MADV_PAGEOUT) == 0);
			break;
		case ORDER_ARMED:
			do_armed(&order);
			break;
		case ORDER_EXIT:
			arm(order.nth);
			syscall(SYS_exit_group, 0);
			break;
		case ORDER_CLEAN:
			clean();
			break;
		}
		check(write(from_owner[1], "", 1) == 1);
	}
	exit(0);
}

void owner_start(void)
{
	fflush(NULL);
	check(pipe(to_owner) == 0 && pipe(from_owner) == 0);
	owner = fork();
	check(owner >= 0);
	if (!owner)
		serve();
	close(to_owner[0]);
	close(from_owner[1]);
}

void owner_stop(void)
{
	close(to_owner[1]);
	join(owner);
	close(from_owner[0]);
}

static void give(struct order order)
{
	int status;
	char byte;

	check(write(to_owner[1], &order, sizeof(order)) == sizeof(order));
	if (read(from_owner[0], &byte, 1) != 1) {
		check(waitpid(owner, &status, 0) == owner);
		fail("the owner has died (status %x)", status);
	}
}

void owner_fresh(enum owner_memory kind, bool touched)
{
	give((struct order){ .kind = ORDER_FRESH, .arg = kind, .touched = touched });
}

uint64_t owner_peek(unsigned int page)
{
	give((struct order){ .kind = ORDER_PEEK, .arg = page });
	return told->value;
}

void owner_keep_copy(void)
{
	give((struct order){ .kind = ORDER_KEEP_COPY });
}

void owner_pageout(void)
{
	give((struct order){ .kind = ORDER_PAGEOUT });
}

struct outcome owner_armed(enum owner_what what, unsigned int nth)
{
	give((struct order){ .kind = ORDER_ARMED, .arg = what, .nth = nth });
	return told->outcome;
}

struct outcome owner_exit(unsigned int nth)
{
	struct order order = { .kind = ORDER_EXIT, .nth = nth };
	struct outcome outcome = { 0 };
	siginfo_t info;

	check(write(to_owner[1], &order, sizeof(order)) == sizeof(order));
	check(waitid(P_PID, (id_t)owner, &info, WEXITED | WNOWAIT) == 0);
	outcome.injected = other_was_injected(owner);
	owner_stop();
	return outcome;
}

void owner_clean(void)
{
	give((struct order){ .kind = ORDER_CLEAN });
}

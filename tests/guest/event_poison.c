// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When a page that is attached turns out to be broken: do owner and attachers
 * lose that page alone?  When it is about to break, do they keep its data in
 * another one?
 *
 *   event_poison [KIND [EVENT]]
 *
 * The kernel keeps a list of broken pages for ever; they are repaired through
 * debugfs afterwards, where it can.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cell.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define UNPOISON "/sys/kernel/debug/hwpoison/unpoison-pfn"
#define POOL	 "/proc/sys/vm/nr_hugepages"

static void unpoison(uint64_t frame)
{
	char text[32];

	snprintf(text, sizeof(text), "%#lx", frame);
	/* Kernels before 5.16 could not for some; then a page of the guest is lost. */
	if (access(UNPOISON, W_OK) == 0)
		write_file(UNPOISON, text);
}

static void survive(int signal)
{
	(void)signal;
}

static void inject(struct cell *cell, size_t at, int advice)
{
	struct sigaction action = { .sa_handler = survive }, old;
	int error = 0;

	/* 6.12 also signals who asks for it, as if that had used the page. */
	check(sigaction(SIGBUS, &action, &old) == 0);
	if (madvise(cell->memory.addr + at, PAGE, advice))
		error = errno;
	check(sigaction(SIGBUS, &old, NULL) == 0);
	if (!error)
		return;
	if (error == EINVAL)
		cell_skip(cell, "the kernel can't");
	errno = error;
	fail("madvise %d", advice);
}

/* What was there before is on the disk: the page comes back. */
static bool comes_back(const struct memory *memory)
{
	return is(memory, DISK) && is(memory, READ_ONLY);
}

static void broken(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t bad = is(memory, HUGETLB) ? HUGE : 16 * PAGE;
	size_t end = bad + (is(memory, HUGETLB) ? HUGE : PAGE);
	uint64_t frame;

	cell_stores(cell);
	/* What is dirty is lost; what is clean would come back. */
	if (comes_back(memory))
		check(fsync(memory->fd) == 0);
	memory_settle();
	frame = page_frame(memory->addr + bad);
	check(frame);
	inject(cell, bad, MADV_HWPOISON);
	if (comes_back(memory)) {
		cell_same(cell);
		check(page_frame(memory->addr + bad) != frame);
	} else {
		cell_gone(cell, bad, end);
		check(try_read(memory->addr + bad, NULL) == SIGBUS);
		cell_run_busy(cell, true);
		cell_sees(cell, 0, bad, memory->seed);
		cell_sees(cell, end, memory->size, memory->seed);
	}
	check(munmap(memory->addr, memory->size) == 0);
	cell_gone(cell, 0, memory->size);
	unpoison(frame);
}

static void breaking(struct cell *cell)
{
	struct memory *memory = &cell->memory;
	size_t bad = is(memory, HUGETLB) ? HUGE : 16 * PAGE;
	uint64_t frame;

	memory_settle();
	frame = page_frame(memory->addr + bad);
	check(frame);
	inject(cell, bad, MADV_SOFT_OFFLINE);
	if (page_frame(memory->addr + bad) == frame)
		fail("the page is where it was");
	cell_same(cell);
	cell_stores(cell);
	unpoison(frame);
}

static const char *can_break(const struct kind *kind)
{
	return kind->traits & UNTOUCHED ? "everybody's zero page" : NULL;
}

static const struct event events[] = {
	{ .name = "hwpoison", .run = broken, .why_not = can_break },
	{ .name = "soft-offline", .run = breaking, .why_not = can_break },
};

int main(int argc, char **argv)
{
	uint64_t pool = read_number(POOL, NULL);
	char text[32];
	int status;

	if (system("modprobe hwpoison_inject 2>/dev/null"))
		fprintf(stderr, "no hwpoison_inject: broken pages stay broken\n");
	status = cells_main(argc, argv, events, sizeof(events) / sizeof(events[0]), 300);
	/* A huge page that broke was taken from the pool. */
	snprintf(text, sizeof(text), "%lu", pool);
	check(write_file(POOL, text));
	return status;
}

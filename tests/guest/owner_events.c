// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whatever the owner does to memory that is attached and touched: do attachers
 * see exactly what the owner has there afterwards, or SIGBUS where it has
 * nothing, at once and with no stale page?
 */
#include "guest_test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 130
#define SIZE (PAGES * PAGE)

static char *memory;	/* the owner's */
static char *seen;	/* the attacher's view of the same addresses */
static int fd = -1;

/* ---- The attacher does what it is told and says what it saw. */

enum order { READ, WRITE, MATCH, QUIT };

static void attacher(int unused)
{
	int done = 1;

	(void)unused;
	await(done);
	seen = attach_at(get_segment(board->segid[0], XPMEM_RDWR), (off_t)board->addr[0],
			 (size_t)board->value[0]);
	for (;; done++) {
		size_t at = board->value[2];

		reach(++done);
		await(done + 1);
		at = board->value[2];
		switch ((enum order)board->value[1]) {
		case READ:
			board->value[4] = (uint64_t)try_read(seen + at, &board->value[3]);
			break;
		case WRITE:
			board->value[4] = (uint64_t)try_write(seen + at, board->value[3]);
			break;
		case MATCH:
			board->value[4] = !differs(seen, SIZE, board->value[3]);
			break;
		case QUIT:
			return;
		}
	}
}

static int turn;

static uint64_t tell(enum order order, size_t at, uint64_t value)
{
	board->value[1] = order;
	board->value[2] = at;
	board->value[3] = value;
	reach(++turn);
	if (order == QUIT)
		return 0;
	await(++turn);
	return board->value[4];
}

/* Both for the first, a middle and the last page */
static const size_t places[] = { 0, 64 * PAGE + 8, SIZE - 8 };

static void expect_signal(enum order order, uint64_t signal)
{
	for (size_t i = 0; i < 3; i++) {
		uint64_t got = tell(order, places[i], 77);

		if (got != signal)
			fail("%s at %#zx gave signal %lu, wanted %lu", order == READ ? "read" : "write",
			     places[i], got, signal);
	}
}

static void expect_match(uint64_t seed)
{
	check(!differs(memory, SIZE, seed));
	if (!tell(MATCH, 0, seed))
		fail("the attacher does not see what the owner has (seed %lu)", seed);
}

static void expect_zero(void)
{
	for (size_t i = 0; i < 3; i++) {
		check(tell(READ, places[i], 0) == 0);
		check(board->value[3] == 0);
	}
}

/* The attacher's store is in the owner's memory. */
static void expect_store(void)
{
	for (size_t i = 0; i < 3; i++) {
		check(tell(WRITE, places[i], 0xabc0 + i) == 0);
		check(*(volatile uint64_t *)(memory + places[i]) == 0xabc0 + i);
	}
}

/* ---- What the owner does.  Each starts with all of it filled and touched. */

static void event_munmap_and_map_again(void)
{
	check(munmap(memory, SIZE) == 0);
	expect_signal(READ, SIGBUS);
	expect_signal(WRITE, SIGBUS);
	check(mmap(memory, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == memory);
	expect_zero();
	fill(memory, SIZE, 12);
	expect_match(12);
}

static void event_map_over(void)
{
	check(mmap(memory, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) == memory);
	fill(memory, SIZE, 13);
	expect_match(13);
	expect_store();
}

static void event_dontneed(void)
{
	check(madvise(memory, SIZE, MADV_DONTNEED) == 0);
	expect_zero();
	expect_store();
}

static void event_fork_and_copy_on_write(void)
{
	pid_t child;
	int status;

	/* The child holds the old pages; who writes gets a copy: the owner keeps its own. */
	check(madvise(memory, SIZE, MADV_DOFORK) == 0);
	child = fork();
	check(child >= 0);
	if (!child) {
		while (!atomic_load(&board->stop))
			usleep(500);
		_exit(differs(memory, SIZE, 11) ? 1 : 0);
	}
	fill(memory, SIZE, 14);
	expect_match(14);
	expect_store();
	atomic_store(&board->stop, true);
	check(waitpid(child, &status, 0) == child);
	if (status)
		fail("a store through the attachment reached the owner's forked child");
}

static void event_fork_then_store(void)
{
	pid_t child;
	int status;

	/* Now the attacher is the first to write. */
	child = fork();
	check(child >= 0);
	if (!child) {
		while (!atomic_load(&board->stop))
			usleep(500);
		_exit(differs(memory, SIZE, 11) ? 1 : 0);
	}
	expect_store();
	atomic_store(&board->stop, true);
	check(waitpid(child, &status, 0) == child);
	if (status)
		fail("a store through the attachment reached the owner's forked child");
}

static void event_mprotect(void)
{
	check(mprotect(memory, SIZE, PROT_READ) == 0);
	expect_match(11);
	expect_signal(WRITE, SIGBUS);
	expect_match(11);
	check(mprotect(memory, SIZE, PROT_NONE) == 0);
	expect_signal(READ, SIGBUS);
	check(mprotect(memory, SIZE, PROT_READ | PROT_WRITE) == 0);
	expect_match(11);
	expect_store();
}

static void event_mremap_away(void)
{
	char *moved = mremap(memory, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, memory + 2 * SIZE);

	check(moved == memory + 2 * SIZE);
	expect_signal(READ, SIGBUS);
	check(!differs(moved, SIZE, 11));
	check(mremap(moved, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, memory) == memory);
	expect_match(11);
	expect_store();
}

static void event_truncate(void)
{
	/* By another descriptor, as another process would; the owner keeps its mapping. */
	check(ftruncate(fd, 0) == 0);
	expect_signal(READ, SIGBUS);
	check(ftruncate(fd, SIZE) == 0);
	expect_zero();
	expect_store();
}

static void event_punch_hole(void)
{
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE) == 0);
	expect_zero();
	expect_store();
}

static void event_write_by_system_call(void)
{
	uint64_t value = 0x5ca1ab1e;

	for (size_t i = 0; i < 3; i++) {
		check(pwrite(fd, &value, sizeof(value), (off_t)places[i]) == sizeof(value));
		check(tell(READ, places[i], 0) == 0 && board->value[3] == value);
	}
}

static const struct event {
	const char *name;
	void (*run)(void);
	bool file;
} events[] = {
	{ "munmap, then map again", event_munmap_and_map_again, false },
	{ "map over", event_map_over, false },
	{ "MADV_DONTNEED", event_dontneed, false },
	{ "fork, owner stores first", event_fork_and_copy_on_write, false },
	{ "fork, attacher stores first", event_fork_then_store, false },
	{ "mprotect", event_mprotect, false },
	{ "mremap", event_mremap_away, false },
	{ "truncate", event_truncate, true },
	{ "punch a hole", event_punch_hole, true },
	{ "write(2) to the file", event_write_by_system_call, true },
};

/* @number: event * 2 + whether the segment is the whole address space */
static void owner(int number)
{
	const struct event *event = &events[number / 2];
	bool whole = number % 2;
	pid_t pid;

	/* Room behind it for what moves away */
	memory = mmap(NULL, 4 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	check(memory != MAP_FAILED);
	if (event->file) {
		fd = memfd_create("owner_events", MFD_CLOEXEC);
		check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	}
	check(mmap(memory, SIZE, PROT_READ | PROT_WRITE,
		   MAP_FIXED | (event->file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), fd,
		   0) == memory);
	fill(memory, SIZE, 11);
	board->segid[0] = whole ? make_segment(NULL, XPMEM_MAXADDR_SIZE) : make_segment(memory, SIZE);
	board->addr[0] = whole ? memory : NULL;
	board->value[0] = SIZE;
	atomic_store(&board->step, 0);
	atomic_store(&board->stop, false);
	pid = spawn(attacher, 0);
	turn = 1;
	reach(turn);
	await(++turn);
	expect_match(11);
	event->run();
	tell(QUIT, 0, 0);
	join(pid);
	printf("%s (%s): ok\n", event->name, whole ? "whole address space" : "range");
}

int main(void)
{
	test_begin(180);
	for (int i = 0; i < (int)(2 * sizeof(events) / sizeof(events[0])); i++)
		join(spawn(owner, i));
	return 0;
}

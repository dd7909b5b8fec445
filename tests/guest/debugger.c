// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a debugger of an attacher see the owner's memory, and change it, as the
 * attacher itself could?  Attached memory has no page references to take, so
 * ptrace and /proc/<pid>/mem come to the module.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define WORDS (PAGE / sizeof(uint64_t))

/* Pages of the owner's memory, by what they are */
enum {
	PLAIN,		/* three pages, written by the owner */
	UNTOUCHED = 3,	/* never touched by anybody */
	SWAPPED,
	HOLE,		/* not mapped */
	READ_ONLY,	/* the owner may not write */
	NOTHING,	/* PROT_NONE */
	COPIED,		/* shared with a child, to be copied on write */
	STALLED,	/* its userfaultfd never answers */
	PRIVATE_FILE,	/* of a file, not yet copied */
	PAGES,
};
#define SIZE (PAGES * PAGE)
#define SEED 7

enum { OWNER_READY = 1, ATTACHED, LOOKED, OWNER_GOES = 10, OWNER_GONE, END };

static int file;

/* --------------------------------------------------- owner and tracee */

static void stall(char *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (uintptr_t)page, PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (uffd < 0)
		skip("the kernel has no userfaultfd");
	check(madvise(page, PAGE, MADV_DONTNEED) == 0);
	check(ioctl(uffd, UFFDIO_API, &api) == 0);
	check(ioctl(uffd, UFFDIO_REGISTER, &range) == 0);
}

/* Whose page COPIED is the parent's as long as neither writes it */
static void copy_holder(int unused)
{
	char *memory = board->addr[0];

	(void)unused;
	reach(OWNER_READY);
	await(LOOKED);
	check(!differs(memory, 3 * PAGE, SEED));
	if (((uint64_t *)(memory + COPIED * PAGE))[1] != 1)
		fail("a poke landed in the owner's child");
}

static void *make_memory(void)
{
	char *memory = map_anon(SIZE);

	fill(memory, SIZE, SEED);
	check(madvise(memory + UNTOUCHED * PAGE, PAGE, MADV_DONTNEED) == 0);
	check(madvise(memory + SWAPPED * PAGE, PAGE, MADV_PAGEOUT) == 0);
	check(munmap(memory + HOLE * PAGE, PAGE) == 0);
	check(mprotect(memory + READ_ONLY * PAGE, PAGE, PROT_READ) == 0);
	check(mprotect(memory + NOTHING * PAGE, PAGE, PROT_NONE) == 0);
	((uint64_t *)(memory + COPIED * PAGE))[1] = 1;
	check(mmap(memory + PRIVATE_FILE * PAGE, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_FIXED, file, 0) != MAP_FAILED);
	return memory;
}

static void owner(int unused)
{
	uint64_t *memory;
	pid_t child;

	(void)unused;
	settle_pages();
	memory = make_memory();
	if (!page_is_swapped((char *)memory + SWAPPED * PAGE))
		fprintf(stderr, "nothing could be swapped out\n");
	stall((char *)memory + STALLED * PAGE);
	board->addr[0] = memory;
	board->segid[0] = make_segment(memory, SIZE);
	child = spawn(copy_holder, 0);
	await(LOOKED);
	/* what the debugger poked: word 1 of these pages, and across two pages */
	check(memory[1] == 101);
	check(memory[UNTOUCHED * WORDS + 1] == 102);
	check(memory[SWAPPED * WORDS + 1] == 103);
	check(memory[COPIED * WORDS + 1] == 104);
	check(memory[PRIVATE_FILE * WORDS + 1] == 105);
	check(!memcmp((char *)memory + 2 * PAGE - 3, "crossing", 8));
	join(child);
	reach(OWNER_GOES);
}

/* Nothing is mapped behind it. */
static void *attach_before_hole(xpmem_apid_t apid)
{
	char *room = map_anon(SIZE + PAGE);
	struct xpmem_addr where = { .apid = apid };

	check(munmap(room + SIZE, PAGE) == 0);
	check(xpmem_attach(where, SIZE, room) == room);
	return room;
}

/* The attacher: it touches nothing, so that the debugger is first everywhere. */
static void tracee(int unused)
{
	(void)unused;
	await(OWNER_READY);
	board->addr[1] = attach_before_hole(get_segment(board->segid[0], XPMEM_RDWR));
	board->addr[2] = attach_at(get_segment(board->segid[0], XPMEM_RDONLY), 0, SIZE);
	check((char *)board->addr[2] != (char *)board->addr[1] + SIZE);
	reach(ATTACHED);
	await(END);
}

/* ----------------------------------------------------------- debugger */

static pid_t traced;
static int mem;

static bool peek(const void *addr, uint64_t *value)
{
	errno = 0;
	*value = (uint64_t)ptrace(PTRACE_PEEKDATA, traced, addr, NULL);
	return !errno;
}

static bool poke(void *addr, uint64_t value)
{
	return ptrace(PTRACE_POKEDATA, traced, addr, value) == 0;
}

static void expect_word(char *addr, uint64_t wanted)
{
	uint64_t value;

	if (!peek(addr, &value))
		fail("page %td can't be read", (addr - (char *)board->addr[1]) / (long)PAGE);
	if (value != wanted)
		fail("page %td reads %#lx, not %#lx", (addr - (char *)board->addr[1]) / (long)PAGE,
		     value, wanted);
	value = ~wanted;
	check(pread(mem, &value, 8, (off_t)addr) == 8 && value == wanted);
}

static void expect_none(char *addr)
{
	uint64_t value;

	if (peek(addr, &value))
		fail("page %td reads %#lx", (addr - (char *)board->addr[1]) / (long)PAGE, value);
	check(errno == EIO || errno == EFAULT);
	check_errno(pread(mem, &value, 8, (off_t)addr), EIO);
}

static void expect_refusal(char *addr)
{
	uint64_t value = 0xbad;

	if (poke(addr, value))
		fail("page %td of the %s attachment can be poked",
		     (addr - (char *)board->addr[1]) % (long)SIZE / (long)PAGE,
		     addr < (char *)board->addr[2] ? "first" : "second");
	check(errno == EIO || errno == EFAULT);
	check_errno(pwrite(mem, &value, 8, (off_t)addr), EIO);
}

/* What fill() wrote at the start of each page */
static uint64_t word_of(int page)
{
	static uint64_t *model;

	if (!model) {
		model = map_anon(SIZE);
		fill(model, SIZE, SEED);
	}
	return model[page * WORDS];
}

static void stop_tracee(pid_t pid)
{
	int status;

	traced = pid;
	check(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0);
	check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
}

static void look(char *at)
{
	static const int readable[] = { 0, 1, 2, SWAPPED, READ_ONLY, COPIED };

	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++)
		expect_word(at + readable[i] * PAGE, word_of(readable[i]));
	expect_word(at + UNTOUCHED * PAGE, 0);
	expect_word(at + UNTOUCHED * PAGE + PAGE - 8, 0);
	expect_word(at + PRIVATE_FILE * PAGE, 0x656c6966);
	expect_none(at + HOLE * PAGE);
	expect_none(at + NOTHING * PAGE);
}

/* A debugger holds the tracee's mmap_lock: it must not wait for anybody. */
static void look_at_stalled(char *at)
{
	uint64_t start = milliseconds();

	expect_none(at + STALLED * PAGE);
	if (milliseconds() - start > 20000 * slowness())
		fail("a page that does not come held the debugger for %lu ms",
		     milliseconds() - start);
}

static void change(char *at)
{
	char crossing[] = "crossing";

	check(poke(at + 8, 101));
	check(poke(at + UNTOUCHED * PAGE + 8, 102));
	check(poke(at + SWAPPED * PAGE + 8, 103));
	check(poke(at + COPIED * PAGE + 8, 104));
	check(poke(at + PRIVATE_FILE * PAGE + 8, 105));
	check(pwrite(mem, crossing, 8, (off_t)(at + 2 * PAGE - 3)) == 8);
	expect_refusal(at + HOLE * PAGE);
	expect_refusal(at + READ_ONLY * PAGE);
	expect_refusal(at + NOTHING * PAGE);
	expect_refusal(at + STALLED * PAGE);
}

/* Any number of bytes from any place, up to where something is missing */
static void ranges(char *at)
{
	static char buffer[SIZE], model[SIZE];
	size_t mapped = HOLE * PAGE;
	uint64_t word;

	check(pread(mem, buffer, mapped, (off_t)at) == (ssize_t)mapped);
	memcpy(model, buffer, sizeof(model));
	for (size_t from = 1; from < 2 * PAGE; from += 509) {
		memset(buffer, 0, sizeof(buffer));
		check(pread(mem, buffer, PAGE + 17, (off_t)(at + from)) == (ssize_t)PAGE + 17);
		check(!memcmp(buffer, model + from, PAGE + 17));
		check(!buffer[PAGE + 17]);
	}
	/* into the hole, and past the attachment */
	check(pread(mem, buffer, 2 * PAGE, (off_t)(at + mapped - 100)) == 100);
	check(!memcmp(buffer, model + mapped - 100, 100));
	check(pread(mem, buffer, 8, (off_t)(at + SIZE - 4)) == 4);
	check(!peek(at + SIZE - 4, &word));
	expect_none(at + SIZE);
}

static void look_at_readonly(char *at)
{
	expect_word(at, word_of(0));
	expect_word(at + UNTOUCHED * PAGE, 0);
	expect_refusal(at);
	expect_refusal(at + UNTOUCHED * PAGE);
	expect_refusal(at + PRIVATE_FILE * PAGE);
}

static void by_another_process(void)
{
	pid_t owner_pid, tracee_pid;
	char path[32], *at;

	owner_pid = spawn(owner, 0);
	tracee_pid = spawn(tracee, 0);
	await(ATTACHED);
	stop_tracee(tracee_pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", tracee_pid);
	mem = open(path, O_RDWR | O_CLOEXEC);
	check(mem >= 0);
	at = board->addr[1];

	look_at_readonly(board->addr[2]);
	look(at);
	look_at_stalled(at);
	ranges(at);
	change(at);
	expect_word(at + 8, 101);
	expect_word((char *)board->addr[2] + COPIED * PAGE + 8, 104);
	reach(LOOKED);
	await(OWNER_GOES);
	join(owner_pid);
	await_that(pread(mem, path, 1, (off_t)at) == -1);
	expect_none(at);
	expect_none(at + UNTOUCHED * PAGE);
	expect_refusal(at);

	check(ptrace(PTRACE_DETACH, tracee_pid, NULL, NULL) == 0);
	reach(END);
	join(tracee_pid);
	close(mem);
}

/* ----------------------------------------------- an owner that is busy */

static void *remap(void *unused)
{
	(void)unused;
	while (!atomic_load(&board->stop)) {
		char *addr = map_anon(8 * PAGE);

		*(volatile char *)addr = 1;
		check(munmap(addr, 8 * PAGE) == 0);
		count_up(0);
	}
	return NULL;
}

/* Attaches its own memory, and has its mmap_lock taken for writing all the time */
static void busy(int unused)
{
	const struct crew crew[] = { { remap, 2 }, {} };
	uint64_t *memory = map_anon(64 * PAGE);

	(void)unused;
	for (int i = 0; i < 64; i++)
		memory[i * WORDS] = (uint64_t)i + 1;
	board->segid[1] = make_segment(memory, 64 * PAGE);
	board->addr[3] = attach_at(get_segment(board->segid[1], XPMEM_RDWR), 0, 64 * PAGE);
	run_crew(crew);
}

static void holder(int unused)
{
	(void)unused;
	board->addr[4] = attach_at(get_segment(board->segid[1], XPMEM_RDWR), 0, 64 * PAGE);
	count_up(1);
	await(END + 1);
}

/* Neither an owner that maps all the time nor one that is the attacher itself */
static void of_a_busy_owner(void)
{
	pid_t owner_pid = spawn(busy, 0), holder_pid;
	char path[32];

	await_count(0, 10);
	holder_pid = spawn(holder, 0);
	await_count(1, 1);
	for (int way = 0; way < 2; way++) {
		char *at = board->addr[3 + way];

		snprintf(path, sizeof(path), "/proc/%d/mem", way ? holder_pid : owner_pid);
		mem = open(path, O_RDWR | O_CLOEXEC);
		check(mem >= 0);
		for (int i = 0; i < 512; i++) {
			uint64_t value = 0;

			if (pread(mem, &value, 8, (off_t)(at + i % 64 * PAGE)) != 8)
				fail("read %d of %s failed", i,
				     way ? "an attacher" : "the owner's own attachment");
			check(value == (uint64_t)(i % 64) + 1);
		}
		close(mem);
	}
	atomic_store(&board->stop, true);
	reach(END + 1);
	join(holder_pid);
	join(owner_pid);
}

int main(void)
{
	char page[PAGE] = "file";

	test_begin(90);
	file = memfd_create("debugger", MFD_CLOEXEC);
	check(file >= 0 && write(file, page, PAGE) == (ssize_t)PAGE);
	by_another_process();
	check(pread(file, page, PAGE, 0) == (ssize_t)PAGE);
	for (size_t i = 4; i < PAGE; i++)
		check(!page[i]);
	of_a_busy_owner();
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* Do xpmem_query and xpmem_prefault do and refuse what xpmem_ext.h says? */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* More than the pages of one fault, several times */
#define PAGES 300
#define SIZE (PAGES * PAGE)
#define HOLE 130

static void query(void)
{
	struct {
		struct xpmem_info info;
		char more[64];
	} larger;
	struct xpmem_info info;

	errno = 4321;
	check(xpmem_query(&info, sizeof(info)) == 0);
	check(info.features & XPMEM_FEATURE_PREFAULT);
	check(info.module_version == 0x30000 && (int)info.module_version == xpmem_version());
	check(info.page_size == PAGE && !info.reserved);
	check(xpmem_query(NULL, sizeof(info)) == -EINVAL);
	check(xpmem_query(&info, 31) == -EINVAL);
	check(xpmem_query(&info, 0) == -EINVAL);
	memset(&larger, 0xff, sizeof(larger));
	check(xpmem_query(&larger.info, sizeof(larger)) == 0);
	check(!memcmp(&larger.info, &info, sizeof(info)));
	for (size_t i = 0; i < sizeof(larger.more); i++)
		check(!larger.more[i]);
	check(errno == 4321);
}

/* The last page that can be mapped is at the very end of what query tells. */
static void max_address(void)
{
	xpmem_apid_t whole = get_segment(board->segid[1], XPMEM_RDWR);
	struct xpmem_addr where = { .apid = whole };
	struct xpmem_info info;
	char *last;

	check(xpmem_query(&info, sizeof(info)) == 0);
	last = mmap((void *)(info.max_address - PAGE), PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check(last == (char *)info.max_address - PAGE);
	check(mmap(last + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      MAP_FAILED);
	*last = 5;

	/* the owner has nothing there, and it can be attached all the same */
	where.offset = info.max_address - PAGE;
	check(try_read(attach_at(whole, where.offset, PAGE), NULL) == SIGBUS);
	check_errno(xpmem_attach(where, PAGE + 1, NULL), EINVAL);
	where.offset = info.max_address;
	check_errno(xpmem_attach(where, PAGE, NULL), EINVAL);
	where.offset = 0;
	check_errno(xpmem_attach(where, info.max_address + 1, NULL), EINVAL);
	/* of one's own it can be shared and seen */
	whole = get_segment(make_segment(NULL, XPMEM_MAXADDR_SIZE), XPMEM_RDWR);
	check(*(char *)attach_at(whole, info.max_address - PAGE, PAGE) == 5);
	/* and be where an attachment is */
	where.apid = whole;
	where.offset = (uintptr_t)board->addr[0] / PAGE * PAGE;
	check(xpmem_attach(where, PAGE, last) == last);
	check(xpmem_detach(last) == 0);
}

static long faults(void)
{
	struct rusage usage;

	check(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Faults that touching all pages takes */
static long touch(volatile char *at, size_t pages, bool write)
{
	long before = faults();

	for (size_t page = 0; page < pages; page++) {
		if (write)
			at[page * PAGE + 7] = at[page * PAGE + 7];
		else
			(void)at[page * PAGE + 7];
	}
	return faults() - before;
}

static void populates(xpmem_apid_t apid)
{
	size_t done = 1;
	char *at;

	/* that the measure measures */
	touch(attach_at(apid, 0, PAGE), 1, false);
	at = attach_at(apid, 0, HOLE * PAGE);
	check(touch(at, HOLE, false) >= 2);

	for (int write = 0; write < 2; write++) {
		at = attach_at(apid, 0, HOLE * PAGE);
		check(xpmem_prefault(at, HOLE * PAGE, write ? XPMEM_PREFAULT_WRITE : 0, &done) == 0);
		check(done == HOLE * PAGE);
		check(touch(at, HOLE, write) == 0);
		/* again, in part, without asking how far */
		check(xpmem_prefault(at + 3 * PAGE, 5, 0, NULL) == 0);
		check(xpmem_prefault(at + PAGE, PAGE + 1, 0, &done) == 0);
		check(done == PAGE + 1);
		check(xpmem_detach(at) == 0);
	}
	/* nothing beside the range */
	at = attach_at(apid, 0, HOLE * PAGE);
	check(xpmem_prefault(at, 64 * PAGE, 0, NULL) == 0);
	check(touch(at + 129 * PAGE, 1, false) == 1);
	check(xpmem_detach(at) == 0);
}

static void fails(xpmem_apid_t apid)
{
	xpmem_apid_t readable = get_segment(board->segid[0], XPMEM_RDONLY);
	char *at = attach_at(apid, 0, SIZE), *other = map_anon(2 * PAGE), *looking;
	struct xpmem_addr where = { .apid = apid };
	size_t done = 1;

	/* the owner has a hole at HOLE, and may only read the two last pages */
	check(xpmem_prefault(at, SIZE, 0, &done) == -EFAULT && done == HOLE * PAGE);
	check(xpmem_prefault(at + 100 * PAGE, SIZE / 2, 0, &done) == -EFAULT);
	check(done == (HOLE - 100) * PAGE);
	check(xpmem_prefault(at + HOLE * PAGE, PAGE, 0, &done) == -EFAULT && done == 0);
	check(xpmem_prefault(at + (HOLE + 1) * PAGE, SIZE - (HOLE + 1) * PAGE, 0, &done) == 0);
	check(done == SIZE - (HOLE + 1) * PAGE);
	check(xpmem_prefault(at + 200 * PAGE, 100 * PAGE, XPMEM_PREFAULT_WRITE, &done) == -EFAULT);
	check(done == 98 * PAGE);

	looking = attach_at(readable, 0, PAGE);
	check(xpmem_prefault(looking, PAGE, XPMEM_PREFAULT_WRITE, &done) == -EACCES && !done);
	check(xpmem_prefault(looking, PAGE, 0, &done) == 0 && done == PAGE);

	done = 1;
	check(xpmem_prefault(other, PAGE, 0, &done) == -EINVAL && !done);
	check(xpmem_prefault(NULL, PAGE, 0, NULL) == -EINVAL);
	check(xpmem_prefault(&done, PAGE, 0, NULL) == -EINVAL);
	check(xpmem_prefault((void *)0xffff888000000000, PAGE, 0, NULL) == -EINVAL);
	/* runs out of the attachment */
	check(xpmem_attach(where, PAGE, other) == other);
	check(xpmem_prefault(other, 2 * PAGE, 0, &done) == -EINVAL && done == PAGE);
	for (int shift = 1; shift < (int)PAGE; shift *= 2)
		check(xpmem_prefault(at + shift, PAGE, 0, NULL) == -EINVAL);
	check(xpmem_prefault(at, 0, 0, &done) == -EINVAL && !done);
	/* a range that wraps is not one of the pages at its start */
	done = 1;
	check(xpmem_prefault(at, SIZE_MAX, 0, &done) == -EINVAL && !done);
	check(xpmem_prefault(at, -(uintptr_t)at, 0, &done) == -EINVAL && !done);
	check(xpmem_prefault(at, -(uintptr_t)at - 1, 0, NULL) == -EINVAL);
	check(xpmem_prefault((void *)-PAGE, 2 * PAGE, 0, NULL) == -EINVAL);
	for (int bit = 1; bit < 32; bit++)
		check(xpmem_prefault(at, PAGE, 1U << bit, &done) == -EOPNOTSUPP && !done);
	check(xpmem_release(readable) == 0);
	check(xpmem_prefault(looking, PAGE, 0, NULL) == -EINVAL);
}

static void attacher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	char *at;

	(void)unused;
	query();
	max_address();
	populates(apid);
	fails(apid);
	at = attach_at(apid, 0, PAGE);
	check(try_read(at, NULL) == 0);
	reach(1);
	await(2);
	check(xpmem_prefault(at, PAGE, 0, NULL) == -ENOENT);
}

int main(void)
{
	char *memory;
	pid_t pid;

	test_begin(60);
	memory = map_anon(SIZE);
	check(munmap(memory + HOLE * PAGE, PAGE) == 0);
	check(mprotect(memory + SIZE - 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
	board->addr[0] = memory;
	board->segid[0] = make_segment(memory, SIZE);
	board->segid[1] = make_segment(NULL, XPMEM_MAXADDR_SIZE);
	pid = spawn(attacher, 0);
	await(1);
	check(xpmem_remove(board->segid[0]) == 0);
	reach(2);
	join(pid);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do munmap, mprotect and mremap work on an attachment and its parts, and does
 * detach at any place still take all that is left of it, and nothing else?
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 150
#define SIZE (PAGES * PAGE)
#define MANY 1000

static char *expected;
static xpmem_apid_t apid;

/* Mappings of attachments that the process has */
static int parts(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	check(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, "[xpmem]") != NULL;
	fclose(maps);
	return count;
}

/* [first, last] of the segment is at @at, and stores arrive */
static void shows(char *at, int first, int last)
{
	size_t size = (last - first + 1) * PAGE;

	check(!memcmp(at, expected + first * PAGE, size));
	for (size_t page = 0; page < size; page += PAGE) {
		at[page + 1] ^= 1;
		check(at[page + 1] == expected[first * PAGE + page + 1]);
		at[page + 1] ^= 1;
	}
}

static void gone(const char *at, size_t pages)
{
	for (size_t page = 0; page < pages; page++)
		check(try_read(at + page * PAGE, NULL) == SIGSEGV);
}

static void partial_munmap(char *(*attach)(void))
{
	/* middle, head, tail; then from which part it is detached */
	for (int from = 0; from < 3; from++) {
		char *at = attach();

		check(munmap(at + 60 * PAGE, 10 * PAGE) == 0);
		check(munmap(at, 5 * PAGE) == 0);
		check(munmap(at + (PAGES - 5) * PAGE, 5 * PAGE) == 0);
		check(munmap(at + 100 * PAGE, PAGE) == 0);
		shows(at + 5 * PAGE, 5, 59);
		shows(at + 70 * PAGE, 70, 99);
		shows(at + 101 * PAGE, 101, PAGES - 6);
		gone(at, 5);
		gone(at + 60 * PAGE, 10);
		check(parts() == 3);
		/* a hole in it is nothing of it */
		check(xpmem_detach(at + 65 * PAGE) == 0);
		check(parts() == 3);
		check(xpmem_detach(at + (int[]){ 59, 70, 120 }[from] * PAGE + 17) == 0);
		check(parts() == 0);
		gone(at, PAGES);
	}
}

static void protection(char *(*attach)(void))
{
	char *at = attach();

	check(mprotect(at + 10 * PAGE, 20 * PAGE, PROT_NONE) == 0);
	gone(at + 10 * PAGE, 20);
	shows(at, 0, 9);
	shows(at + 30 * PAGE, 30, PAGES - 1);
	check(xpmem_prefault(at + 9 * PAGE, 2 * PAGE, 0, NULL) == -EACCES);
	check(mprotect(at + 20 * PAGE, 30 * PAGE, PROT_READ) == 0);
	check(!memcmp(at + 20 * PAGE, expected + 20 * PAGE, 30 * PAGE));
	check(try_write(at + 25 * PAGE, 1) == SIGSEGV);
	check(try_write(at + 49 * PAGE, 1) == SIGSEGV);
	gone(at + 10 * PAGE, 10);
	/* once more all of it, in the places where nothing was seen before, too */
	check(mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
	shows(at, 0, PAGES - 1);
	check(mprotect(at, SIZE, PROT_READ) == 0);
	check(try_write(at, 1) == SIGSEGV);
	check(mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
	shows(at, 0, PAGES - 1);
	check(mprotect(at + 10 * PAGE, 20 * PAGE, PROT_NONE) == 0);
	check(xpmem_detach(at + 15 * PAGE) == 0);
	check(parts() == 0);
	gone(at, PAGES);
}

static void *move(char *from, size_t pages)
{
	char *to = map_anon(pages * PAGE);

	check(mremap(from, pages * PAGE, pages * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	return to;
}

static void moving(char *(*attach)(void))
{
	char *at = attach(), *part, *whole;

	whole = move(at, PAGES);
	gone(at, PAGES);
	shows(whole, 0, PAGES - 1);
	/* a part, and from a part another; a part of which was taken away */
	part = move(whole + 64 * PAGE, 20);
	shows(part, 64, 83);
	at = move(part + 5 * PAGE, 5);
	shows(at, 69, 73);
	gone(part + 5 * PAGE, 5);
	gone(whole + 64 * PAGE, 20);
	check(mremap(whole, 10 * PAGE, 3 * PAGE, 0) == whole);
	shows(whole, 0, 2);
	gone(whole + 3 * PAGE, 7);
	check(parts() == 6);
	/* an address that was the attachment's and is not now */
	check(xpmem_detach(whole + 70 * PAGE) == 0);
	check(parts() == 6);
	check(xpmem_detach(at) == 0);
	check(parts() == 0);
	gone(part, 20);
	gone(whole, PAGES);

	/* moved, then released */
	at = attach();
	whole = move(at, PAGES);
	part = move(whole + 20 * PAGE, 100);
	shows(part, 20, 119);
	check(xpmem_release(apid) == 0);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	check(parts() == 0);
	gone(part, 100);
	gone(whole, PAGES);
}

/* Attachments that lie side by side and on each other are not one. */
static void neighbours(void)
{
	struct xpmem_addr where = { .apid = apid };
	char *at = map_anon(SIZE);

	check(xpmem_attach(where, SIZE, at) == at);
	where.offset = 90 * PAGE;
	check(xpmem_attach(where, 20 * PAGE, at + 40 * PAGE) == at + 40 * PAGE);
	/* that which continues the one before, in addresses and in the segment */
	where.offset = 110 * PAGE;
	check(xpmem_attach(where, 10 * PAGE, at + 60 * PAGE) == at + 60 * PAGE);
	check(parts() == 4);
	shows(at, 0, 39);
	shows(at + 40 * PAGE, 90, 119);
	shows(at + 70 * PAGE, 70, PAGES - 1);

	check(xpmem_detach(at + 60 * PAGE) == 0);
	gone(at + 60 * PAGE, 10);
	shows(at + 40 * PAGE, 90, 109);
	check(xpmem_detach(at) == 0);
	gone(at, 40);
	gone(at + 60 * PAGE, 90);
	shows(at + 40 * PAGE, 90, 109);
	check(xpmem_detach(at + 41 * PAGE) == 0);
	check(parts() == 0);
}

/* More than one page table of the process's mappings would hold */
static void many(void)
{
	static char *at[MANY];

	for (int i = 0; i < MANY; i++) {
		at[i] = attach_at(apid, (i % PAGES) * PAGE, PAGE);
		at[i][2] = at[i][2];
	}
	check(parts() == MANY);
	for (int i = 0; i < MANY; i += 3)
		check(xpmem_detach(at[i]) == 0);
	for (int i = 0; i < MANY; i++) {
		if (i % 3)
			shows(at[i], i % PAGES, i % PAGES);
		else
			gone(at[i], 1);
	}
	check(xpmem_release(apid) == 0);
	check(parts() == 0);
	for (int i = 0; i < MANY; i++)
		gone(at[i], 1);
	apid = get_segment(board->segid[0], XPMEM_RDWR);
}

static char *attach_untouched(void)
{
	/* a hole at each end, so that what is beside it is nothing */
	char *place = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct xpmem_addr where = { .apid = apid };

	check(place != MAP_FAILED);
	check(xpmem_attach(where, SIZE, place + PAGE) == place + PAGE);
	return place + PAGE;
}

static char *attach_touched(void)
{
	char *at = attach_untouched();

	shows(at, 0, PAGES - 1);
	return at;
}

static void attacher(int unused)
{
	(void)unused;
	apid = get_segment(board->segid[0], XPMEM_RDWR);
	partial_munmap(attach_untouched);
	partial_munmap(attach_touched);
	protection(attach_untouched);
	protection(attach_touched);
	moving(attach_untouched);
	moving(attach_touched);
	neighbours();
	many();
	check(xpmem_release(apid) == 0);
}

int main(void)
{
	test_begin(120);
	/* the attacher has it too, to compare with */
	expected = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(expected != MAP_FAILED);
	fill(expected, SIZE, 1);
	board->segid[0] = make_segment(expected, SIZE);
	join(spawn(attacher, 0));
	check(!differs(expected, SIZE, 1));
	return 0;
}

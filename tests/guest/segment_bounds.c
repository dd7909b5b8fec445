// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Can an attacher see memory of the owner that is not in the segment?
 *
 * An attachment is a mapping of a file whose pages are the owner's addresses,
 * so every call that changes which part of its file a mapping shows must stop
 * at the segment's ends: remap_file_pages, mremap, and the window of pages that
 * one fault maps.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "guest_test.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Both ends in the middle of 64 pages that are faulted in together */
#define BEFORE (100 * PAGE)
#define SIZE (10 * PAGE)
#define AFTER (100 * PAGE)

#define SECRET 0x5ec2e75ec2e75ec2ULL

/* Every page of [addr, addr + size) that can be read is the segment's. */
static void no_secret(const char *addr, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE) {
		uint64_t value;

		if (try_read(addr + at, &value) == 0 && value == SECRET)
			fail("page %zu shows memory outside the segment", at / PAGE);
	}
}

/* @base: page offsets are tried around it; 0 is the segment's first page */
static void remap(xpmem_apid_t apid, uintptr_t base)
{
	for (long page = -5; page < (long)(SIZE / PAGE) + 5; page++) {
		for (long pages = 1; pages < 4; pages++) {
			uintptr_t pgoff = base + (uintptr_t)page;
			char *at = attach_at(apid, 0, SIZE);
			long ret;

			check(try_read(at, NULL) == 0);
			ret = syscall(SYS_remap_file_pages, at, pages * PAGE, 0, pgoff, 0);
			no_secret(at, SIZE);
			if (ret == 0 && (base || page < 0 || (page + pages) * PAGE > SIZE))
				fail("pages %ld + %ld of the segment's %lu are mapped", page, pages,
				     SIZE / PAGE);
			check(xpmem_detach(at + SIZE - PAGE) == 0);
			xpmem_detach(at);
		}
	}
}

static void grow(xpmem_apid_t apid)
{
	char *at = attach_at(apid, 2 * PAGE, 4 * PAGE);
	char *room = map_anon(64 * PAGE);

	check(mremap(at, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	check(mremap(at, 4 * PAGE, 200 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	check(mremap(at, 0, 20 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	check(mremap(at + PAGE, PAGE, 20 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	check(mremap(at, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) == MAP_FAILED);
	check(try_read(at, NULL) == 0);
	no_secret(at, 4 * PAGE);
	check(xpmem_detach(at) == 0);
}

static void attacher(int unused)
{
	xpmem_apid_t apid = get_segment(board->segid[0], XPMEM_RDWR);
	char *memory = board->addr[0];
	char *at;

	(void)unused;
	/* one fault in the middle, then all of it */
	at = attach_at(apid, 0, SIZE);
	check(try_read(at + SIZE / 2, NULL) == 0);
	no_secret(at, SIZE);
	check(xpmem_detach(at) == 0);
	grow(apid);
	remap(apid, 0);
	/* as if they counted from address 0 */
	remap(apid, (uintptr_t)memory / PAGE);
	check(xpmem_release(apid) == 0);
}

int main(void)
{
	char *all;

	test_begin(60);
	all = map_anon(BEFORE + SIZE + AFTER);
	for (size_t at = 0; at < BEFORE + SIZE + AFTER; at += PAGE)
		*(uint64_t *)(void *)(all + at) = SECRET;
	fill(all + BEFORE, SIZE, 1);
	board->addr[0] = all + BEFORE;
	board->segid[0] = make_segment(all + BEFORE, SIZE);
	join(spawn(attacher, 0));
	return 0;
}
